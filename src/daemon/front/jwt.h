/* jwt.h - bearer tokens: signed JWTs (RFC 7519) of an OpenID provider, checked against what an authorizer asks for.
 *
 * An authorizer is the customJWTAuthorizer of a resource: a discovery URL, audiences, clients, scopes, claims.  Keys
 * come from the provider's JWKS, which is kept and fetched again when a token names a key that is not in it (not more
 * often than every few seconds) or when it is old; while the provider cannot be reached, known keys stay good for a
 * while.  Accepted algorithms are RS256, RS384, RS512, PS256, ES256 and ES384, and a key is only used with an algorithm
 * of its own type; "none" and the HMAC family never. */
#ifndef DAEMON_FRONT_JWT_H
#define DAEMON_FRONT_JWT_H

#include "base/util.h"

#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

#define JWT_BYTES_MAX 16384
#define JWT_SKEW_S 60 /* clocks may differ by this much for exp, nbf and iat */

typedef struct jwt_verifier jwt_verifier;
typedef struct jwt_claims jwt_claims;

typedef enum jwt_match { JWT_EQUALS, JWT_CONTAINS, JWT_CONTAINS_ANY } jwt_match;

typedef struct jwt_claim_rule {
    const char *name;
    bool is_array; /* the claim is an array of strings */
    jwt_match match;
    const char *const *values;
    size_t value_count;
} jwt_claim_rule;

/* What a token must satisfy.  A list of no members asks for nothing; borrowed for the call.  As AWS has it: of the
 * scopes one is enough; EQUALS is for strings, CONTAINS (one value) and CONTAINS_ANY for arrays. */
typedef struct jwt_authorizer {
    const char *discovery_url; /* https://issuer/.well-known/openid-configuration */
    const char *const *audiences;
    size_t audience_count;
    const char *const *clients; /* claim client_id, else azp */
    size_t client_count;
    const char *const *scopes; /* any of them, in claim scope (space separated), else scp */
    size_t scope_count;
    const jwt_claim_rule *claims;
    size_t claim_count;
} jwt_authorizer;

typedef struct jwt_options {
    unsigned fetch_timeout_ms; /* discovery and JWKS; 0: 5 s */
    unsigned keys_fresh_s;     /* a JWKS is fetched again after this; 0: 300 */
    unsigned keys_stale_s;     /* and used so long when that fails; 0: 86400 */
    unsigned refetch_pause_ms; /* between fetches for unknown keys; 0: 5 s */
    const char *ca_file;       /* NULL: the system's */
    bool allow_http;           /* plain HTTP too, for providers on a loopback address of this machine */
} jwt_options;

/* Thread-safe.  NULL when memory runs out. */
jwt_verifier *jwt_verifier_new(const jwt_options *options);
void jwt_verifier_free(jwt_verifier *v);

/* Whether an authorizer can ever be satisfied: its URL may be fetched, its rules make sense.  For whoever takes one
 * from a client; jwt_verify does it too.  AC_ERR_INVALID. */
ac_status jwt_authorizer_check(const jwt_verifier *v, const jwt_authorizer *authorizer, ac_error *err) AC_MUST_USE;

/* Verify a token at the time now_s; may fetch and so block for fetch_timeout_ms.  Errors: AC_ERR_UNAUTHORIZED
 * (malformed, not signed by the provider, expired, wrong issuer), AC_ERR_DENIED (audience, client, scope or claim),
 * AC_ERR_TIMEOUT and AC_ERR_IO (the provider), AC_ERR_INVALID (the authorizer), AC_ERR_AGAIN (too many providers at
 * once), AC_ERR_NOMEM.  Messages say what is wrong and contain nothing of the token. */
ac_status jwt_verify(jwt_verifier *v, const jwt_authorizer *authorizer, const char *token, size_t length, int64_t now_s,
                     jwt_claims **ret_claims, ac_error *err) AC_MUST_USE;

void jwt_claims_free(jwt_claims *claims);

/* The claims as an object; and the subject, the issuer ("" when absent). */
yyjson_val *jwt_claims_json(const jwt_claims *claims);
const char *jwt_claims_subject(const jwt_claims *claims);
const char *jwt_claims_issuer(const jwt_claims *claims);

#endif
