/* sigv4.h - AWS Signature Version 4: sign a request, presign a URL, verify what came.  Sans-IO.
 *
 * One canonicaliser serves both sides, in the form that botocore computes:
 *   path     normalised (empty and "." segments dropped, ".." resolved), then encoded once more: %3A becomes %253A;
 *            for the service "s3" as it is on the wire;
 *   query    pairs as they are on the wire, not decoded, sorted by name and value; "a" counts as "a=";
 *   headers  names in lower case, values trimmed with runs of blanks folded to one space, repeated ones joined by ','.
 *
 * A request is described by views of what the caller has, for a client as for an http_exchange; nothing is copied. */
#ifndef AWS_SIGV4_H
#define AWS_SIGV4_H

#include "aws/view.h"
#include "base/arena.h"
#include "base/buf.h"
#include "http/exchange.h"

#include <stdbool.h>
#include <stdint.h>

#define SIGV4_HEADERS_MAX 256 /* header fields in a request */
#define SIGV4_PARAMS_MAX 1024 /* pairs in a query */
#define SIGV4_PATH_BYTES_MAX (64u << 10)
#define SIGV4_QUERY_BYTES_MAX (64u << 10)
#define SIGV4_HEADER_BYTES_MAX (256u << 10) /* names and values together */
#define SIGV4_ACCESS_KEY_MAX 128
#define SIGV4_SECRET_MAX 128
#define SIGV4_NAME_MAX 63        /* a region, a service */
#define SIGV4_EXPIRES_MAX 604800 /* seconds a presigned URL may live: seven days */
#define SIGV4_SKEW_DEFAULT 300   /* seconds between the clocks of client and server */

#define SIGV4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"

typedef struct sigv4_request {
    const char *method;         /* "GET": case matters, as in HTTP */
    const char *path;           /* as on the wire: percent-encoded, without query; "" is "/" */
    const char *query;          /* as on the wire, without '?'; NULL: none */
    const http_header *headers; /* as on the wire, Host among them */
    size_t header_count;
    const void *body; /* may be NULL when body_length is 0 */
    size_t body_length;
    const char *body_sha256; /* 64 lower-case hexadecimal digits when the caller knows; NULL: body is hashed */
} sigv4_request;

/* ---- signing keys ---- */

#define SIGV4_CACHE_SLOTS 16

/* Signing keys derived lately.  The caller owns it, zeroed at first, and calls sigv4_key_cache_done, which wipes it.
 * Not locked: one per thread.  A changed secret is another key, so nothing needs to be invalidated. */
typedef struct sigv4_key_cache {
    struct sigv4_key_slot {
        uint8_t tag[32]; /* SHA-256 of secret, date, region and service */
        uint8_t key[32];
        bool used;
    } slots[SIGV4_CACHE_SLOTS];
    unsigned next; /* the slot to fill next */
} sigv4_key_cache;

void sigv4_key_cache_done(sigv4_key_cache *cache);

/* ---- signing ---- */

typedef struct sigv4_signer {
    const char *access_key;
    const char *secret_key;
    const char *session_token; /* NULL or "": none */
    const char *region;
    const char *service;    /* NULL: "bedrock-agentcore" */
    sigv4_key_cache *cache; /* NULL: derive the key anew */
} sigv4_signer;

#define SIGV4_FIELDS_MAX 3

/* Headers to send beside the request's own: X-Amz-Date, X-Amz-Security-Token (with a token), Authorization. */
typedef struct sigv4_fields {
    http_field fields[SIGV4_FIELDS_MAX];
    size_t count;
} sigv4_fields;

/* Sign with headers.  Every header is signed but those that proxies change (User-Agent, Connection, ...).
 * Authorization, X-Amz-Date and X-Amz-Security-Token among the request's headers are passed over: send the returned
 * ones instead.
 * An X-Amz-Content-SHA256 header is taken for the hash of the body.  The strings live in a; the token points into the
 * signer's.
 * AC_ERR_INVALID: no Host header, a method or query that cannot be on the wire, names too long.  AC_ERR_TOO_LARGE: a
 * limit above.  AC_ERR_NOMEM, AC_ERR_INTERNAL (no SHA-256 in the crypto library). */
ac_status sigv4_sign(const sigv4_signer *signer, const sigv4_request *request, int64_t now_s, arena *a,
                     sigv4_fields *ret_fields, ac_error *err) AC_MUST_USE;

/* Presign: append the query that makes the request valid for expires_s seconds (1 to SIGV4_EXPIRES_MAX).  The request's
 * own query is decoded ('+' is a space) and encoded anew, as botocore does it; pairs keep their order, empty ones are
 * dropped.  The request's headers are signed as above and must be sent by whoever uses the URL: usually Host alone.
 * The body's hash is signed too: of an empty body for a GET.  out is unchanged after a failure.  Errors as above, and
 * AC_ERR_INVALID for expires_s out of range, a malformed query, or X-Amz-* parameters of a signature already there. */
ac_status sigv4_presign(const sigv4_signer *signer, const sigv4_request *request, unsigned expires_s, int64_t now_s,
                        buf *out, ac_error *err) AC_MUST_USE;

/* ---- verifying ---- */

/* X(name, HTTP status, AWS exception name, default sentence) */
#define SIGV4_RESULT_MAP(X)                                                                                            \
    X(SIGV4_OK, 200, "", "the signature is valid")                                                                     \
    X(SIGV4_MISSING, 403, "MissingAuthenticationTokenException", "The request is not signed")                          \
    X(SIGV4_INCOMPLETE, 403, "IncompleteSignatureException", "The signature is incomplete")                            \
    X(SIGV4_BAD_ALGORITHM, 403, "IncompleteSignatureException", "Only AWS4-HMAC-SHA256 is supported")                  \
    X(SIGV4_BAD_DATE, 403, "IncompleteSignatureException", "The request has no valid date")                            \
    X(SIGV4_TOO_LARGE, 403, "InvalidSignatureException", "The request has too many parts to verify")                   \
    X(SIGV4_BAD_REQUEST, 403, "InvalidSignatureException", "The request cannot have been signed like this")            \
    X(SIGV4_TOO_OLD, 403, "InvalidSignatureException", "Signature expired")                                            \
    X(SIGV4_TOO_NEW, 403, "InvalidSignatureException", "Signature not yet current")                                    \
    X(SIGV4_EXPIRED, 403, "InvalidSignatureException", "The presigned URL has expired")                                \
    X(SIGV4_BAD_SCOPE, 403, "InvalidSignatureException", "The credential has the wrong scope")                         \
    X(SIGV4_UNSIGNED_HEADER, 403, "InvalidSignatureException", "A header that must be signed is not")                  \
    X(SIGV4_ABSENT_HEADER, 403, "InvalidSignatureException", "A signed header is not in the request")                  \
    X(SIGV4_UNKNOWN_KEY, 403, "UnrecognizedClientException", "The access key is not known")                            \
    X(SIGV4_BAD_TOKEN, 403, "UnrecognizedClientException", "The session token is not valid")                           \
    X(SIGV4_EXPIRED_TOKEN, 403, "ExpiredTokenException", "The session token has expired")                              \
    X(SIGV4_MISMATCH, 403, "InvalidSignatureException",                                                                \
      "The signature does not match the request; check the secret key and the signing method")                         \
    X(SIGV4_PAYLOAD_MISMATCH, 403, "InvalidSignatureException", "The body does not have the hash that was signed")     \
    X(SIGV4_PAYLOAD_UNSIGNED, 403, "InvalidSignatureException", "The body must be signed")                             \
    X(SIGV4_FAILED, 500, "InternalServerException", "The signature could not be verified")

typedef enum sigv4_result {
#define SIGV4_RESULT_ENUM_(name, http, aws, sentence) name,
    SIGV4_RESULT_MAP(SIGV4_RESULT_ENUM_)
#undef SIGV4_RESULT_ENUM_
} sigv4_result;

/* The AWS exception name for a result, "" for SIGV4_OK.  Static. */
const char *sigv4_result_aws_name(sigv4_result result);

typedef enum sigv4_form {
    SIGV4_FORM_NONE,   /* not signed, or by other means: a bearer token */
    SIGV4_FORM_HEADER, /* Authorization: AWS4-... */
    SIGV4_FORM_QUERY,  /* presigned */
} sigv4_form;

/* How a request claims to be signed; nothing is verified. */
sigv4_form sigv4_form_of(const sigv4_request *request);

/* Who says to have signed.  Unverified while the secret is looked up. */
typedef struct sigv4_claim {
    view access_key;
    view region;
    view session_token; /* text is NULL when there is none */
    bool presigned;
} sigv4_claim;

/* Find the secret of claim->access_key and append it to ret_secret (which is wiped afterwards).  It must judge the
 * session token too: SIGV4_BAD_TOKEN when the key wants one and it is another or absent (compare in constant time), or
 * when the key wants none and one is there.  Results: SIGV4_OK, SIGV4_UNKNOWN_KEY, SIGV4_BAD_TOKEN,
 * SIGV4_EXPIRED_TOKEN, SIGV4_FAILED. */
typedef sigv4_result (*sigv4_find_secret)(void *user, const sigv4_claim *claim, buf *ret_secret);

typedef struct sigv4_verifier {
    const char *service;    /* NULL: "bedrock-agentcore" */
    const char *region;     /* NULL: any */
    unsigned skew_s;        /* 0: SIGV4_SKEW_DEFAULT */
    unsigned expires_max_s; /* 0: SIGV4_EXPIRES_MAX */
    bool unsigned_payload;  /* believe X-Amz-Content-SHA256: UNSIGNED-PAYLOAD; the body is then anybody's */
    bool path_aliases;      /* accept paths that normalisation changes ("/a/../b"); only for callers that route on the
                              * normalised path, as the signature says nothing about the other */
    const char *signed_too; /* a header that must be signed where it is there, as the X-Amz-* ones; NULL: none */
    sigv4_find_secret find;
    void *user;
    sigv4_key_cache *cache; /* NULL: derive keys anew; otherwise this thread's */
} sigv4_verifier;

/* Who signed. */
typedef struct sigv4_identity {
    char access_key[SIGV4_ACCESS_KEY_MAX + 1];
    char region[SIGV4_NAME_MAX + 1];
    bool presigned;
    int64_t signed_at_s;   /* the date that was signed */
    int64_t valid_until_s; /* expiry of the URL, or the end of the permitted skew */
} sigv4_identity;

/* Verify at the time now_s.  Required of every request: the form of the signature, its date (X-Amz-Date, else Date) and
 * scope, Host, every X-Amz-* header and signed_too signed, a hash in X-Amz-Content-SHA256 that is the body's.  The
 * signature is compared in constant time.  Host may have been signed without its port, or with the scheme's default
 * that the wire leaves out.
 * Only SIGV4_OK means yes; ret_identity is set then.  err (may be NULL) gets the name, the HTTP status and a sentence.
 * Thread-safe for distinct caches. */
sigv4_result sigv4_verify(const sigv4_verifier *verifier, const sigv4_request *request, int64_t now_s,
                          sigv4_identity *ret_identity, ac_error *err) AC_MUST_USE;

#endif
