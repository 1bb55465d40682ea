/* jwt_internal.h - what the files of the token verifier share; nobody else includes it but its tests.
 *
 *   jwt_json.c       base64url and JSON, stricter than their RFCs where leniency would have two readings
 *   jwt_token.c      a token taken apart: nothing in it is believed yet
 *   jwt_keys.c       JWKS to keys, the key for a token, the signature
 *   jwt_claims.c     times, issuer, and what the authorizer asks for
 *   jwt_fetch.c      discovery document and JWKS over HTTP
 *   jwt_providers.c  the keys of each provider, kept and renewed
 *   jwt.c            all of it in order */
#ifndef DAEMON_FRONT_JWT_INTERNAL_H
#define DAEMON_FRONT_JWT_INTERNAL_H

#include "base/arena.h"
#include "daemon/front/jwt.h"
#include "http/client.h"

#include <openssl/types.h>
#include <stdatomic.h>

#define JWT_HEADER_BYTES_MAX 8192 /* decoded; a header may carry a certificate chain, which is passed over */
#define JWT_DEPTH_MAX 16          /* nesting of any JSON here */
#define JWT_MEMBERS_MAX 256       /* members of one object */
#define JWT_KID_MAX 512
#define JWT_KEYS_MAX 128 /* keys in a JWKS */
#define JWT_RSA_BITS_MIN 2048
#define JWT_RSA_BITS_MAX 8192
#define JWT_URL_MAX 2048
#define JWT_DISCOVERY_BYTES_MAX (64u << 10)
#define JWT_KEYS_BYTES_MAX (256u << 10)
#define JWT_PROVIDERS_MAX 128 /* discovery URLs whose keys are kept */

/* ---- text ---- */

/* Decode base64url without padding (RFC 7515 section 2).  One text per value: what the last character leaves over must
 * be zero bits.  *ret_bytes is the caller's to free().  Errors: AC_ERR_PROTOCOL (empty text too), AC_ERR_NOMEM. */
ac_status jwt_base64url(const char *text, size_t length, uint8_t **ret_bytes, size_t *ret_length) AC_MUST_USE;

/* Read an object in which no name comes twice and no string has a U+0000, at any depth; within JWT_DEPTH_MAX and
 * JWT_MEMBERS_MAX.  what names it in messages.  Errors: AC_ERR_PROTOCOL, AC_ERR_NOMEM. */
ac_status jwt_json_read(const char *text, size_t length, const char *what, yyjson_doc **ret_doc, ac_error *err)
    AC_MUST_USE;

/* ---- tokens ---- */

/* X(name, digest): RFC 7518 section 3.1 */
#define JWT_ALG_MAP(X)                                                                                                 \
    X(RS256, "SHA256")                                                                                                 \
    X(RS384, "SHA384")                                                                                                 \
    X(RS512, "SHA512")                                                                                                 \
    X(PS256, "SHA256")                                                                                                 \
    X(ES256, "SHA256")                                                                                                 \
    X(ES384, "SHA384")

typedef enum jwt_alg {
#define JWT_ALG_ENUM_(name, digest) JWT_##name,
    JWT_ALG_MAP(JWT_ALG_ENUM_)
#undef JWT_ALG_ENUM_
        JWT_ALG_COUNT
} jwt_alg;

/* JWT_ALG_COUNT when it is not one of ours. */
jwt_alg jwt_alg_find(const char *name);

typedef struct jwt_token {
    const char *text; /* the caller's */
    size_t length;
    jwt_alg alg;
    const char *kid;      /* NULL: none */
    size_t signed_length; /* of text, what the signature is over */
    uint8_t *signature;
    size_t signature_length;
    yyjson_doc *header;
    yyjson_doc *claims;
} jwt_token;

/* Errors: AC_ERR_UNAUTHORIZED, AC_ERR_NOMEM.  *ret_token is always set, and to be released. */
ac_status jwt_token_parse(const char *text, size_t length, jwt_token *ret_token, ac_error *err) AC_MUST_USE;
void jwt_token_done(jwt_token *token);

/* ---- keys ---- */

typedef struct jwt_key {
    const char *kid;        /* NULL: none */
    unsigned algs;          /* 1 << jwt_alg for each it may be used with */
    size_t signature_bytes; /* that every signature with it has */
    EVP_PKEY *key;
} jwt_key;

/* What a provider publishes.  Immutable once made, so that any number of threads may read it. */
typedef struct jwt_key_set {
    atomic_uint references;
    const char *issuer;
    jwt_key *keys;
    size_t count;
    arena memory;
} jwt_key_set;

/* Keys that cannot be used here (other types, for encryption, too weak, damaged) are left out.
 * Errors: AC_ERR_PROTOCOL (not a JWKS), AC_ERR_NOMEM. */
ac_status jwt_key_set_new(const char *json, size_t length, const char *issuer, jwt_key_set **ret_set, ac_error *err)
    AC_MUST_USE;
jwt_key_set *jwt_key_set_ref(jwt_key_set *set);
void jwt_key_set_unref(jwt_key_set *set);
DEFINE_CLEANUP(jwt_key_set *, jwt_key_set_unref)

/* The key for an algorithm and a name; without a name, the only one for the algorithm.  NULL: none, or several. */
const jwt_key *jwt_key_set_find(const jwt_key_set *set, jwt_alg alg, const char *kid);

/* Errors: AC_ERR_UNAUTHORIZED, AC_ERR_NOMEM. */
ac_status jwt_key_verify(const jwt_key *key, const jwt_token *token, ac_error *err) AC_MUST_USE;

/* ---- claims ---- */

/* exp, nbf, iat, iss.  AC_ERR_UNAUTHORIZED. */
ac_status jwt_claims_check(yyjson_val *claims, const char *issuer, int64_t now_s, ac_error *err) AC_MUST_USE;

/* What the authorizer asks for.  AC_ERR_DENIED. */
ac_status jwt_claims_authorize(yyjson_val *claims, const jwt_authorizer *authorizer, ac_error *err) AC_MUST_USE;

/* Whether the rules of an authorizer can be met at all.  AC_ERR_INVALID. */
ac_status jwt_claims_check_rules(const jwt_authorizer *authorizer, ac_error *err) AC_MUST_USE;

/* All that is to be verified once the key is known. */
ac_status jwt_token_check(const jwt_token *token, const jwt_key_set *set, const jwt_key *key,
                          const jwt_authorizer *authorizer, int64_t now_s, ac_error *err) AC_MUST_USE;

/* ---- providers ---- */

/* Whether a URL may be fetched: https, or with allow_http also http to a loopback address (*ret_local is true then).
 * AC_ERR_INVALID. */
ac_status jwt_url_check(const char *url, bool allow_http, bool *ret_local, ac_error *err) AC_MUST_USE;

/* Fetch a discovery document and the JWKS it names.  Blocks for options->fetch_timeout_ms at most.
 * Errors: AC_ERR_TIMEOUT, AC_ERR_IO, AC_ERR_NOMEM. */
ac_status jwt_fetch(http_client *client, const jwt_options *options, const char *discovery_url, jwt_key_set **ret_set,
                    ac_error *err) AC_MUST_USE;

typedef struct jwt_providers jwt_providers;

/* options: without zeroes; copied. */
jwt_providers *jwt_providers_new(const jwt_options *options);
void jwt_providers_free(jwt_providers *p);

/* The key for a token, and the set it is in, which is the caller's to unref.
 * Errors: AC_ERR_UNAUTHORIZED (no such key), AC_ERR_AGAIN (too many providers at once), and as jwt_fetch. */
ac_status jwt_providers_key(jwt_providers *p, const char *discovery_url, const jwt_token *token, jwt_key_set **ret_set,
                            const jwt_key **ret_key, ac_error *err) AC_MUST_USE;

/* For tests: the clock that keys age by. */
void jwt_verifier_set_clock(jwt_verifier *v, uint64_t (*now_ms)(void));
void jwt_providers_set_clock(jwt_providers *p, uint64_t (*now_ms)(void));

#endif
