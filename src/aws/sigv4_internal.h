/* sigv4_internal.h - the steps of Signature Version 4 that signing and verifying share. */
#ifndef AWS_SIGV4_INTERNAL_H
#define AWS_SIGV4_INTERNAL_H

#include "aws/sigv4.h"

#define SIGV4_ALGORITHM "AWS4-HMAC-SHA256"
#define SIGV4_TERMINATOR "aws4_request"
#define SIGV4_DATE_SIZE 17 /* "20260102T030405Z" and its NUL */
#define SIGV4_DAY_LENGTH 8 /* of which the day */
#define SIGV4_HEX_LENGTH 64
#define SIGV4_HEX_SIZE (SIGV4_HEX_LENGTH + 1)

/* ---- sigv4_crypto.c ---- */

ac_status sigv4_sha256(const void *data, size_t length, uint8_t ret_digest[32]) AC_MUST_USE;
ac_status sigv4_sha256_hex(const void *data, size_t length, char ret_hex[SIGV4_HEX_SIZE]) AC_MUST_USE;

/* What a signing key is bound to, and a signature with it. */
typedef struct sigv4_scope {
    char date[SIGV4_DATE_SIZE]; /* of the request; the scope has its day */
    view region;
    view service;
} sigv4_scope;

/* The signing key, from the cache (may be NULL) or derived and put there.  Wipe it after use. */
ac_status sigv4_signing_key(sigv4_key_cache *cache, const sigv4_scope *scope, view secret, uint8_t ret_key[32])
    AC_MUST_USE;

/* The signature of a canonical request. */
ac_status sigv4_signature(const uint8_t key[32], const sigv4_scope *scope, const buf *canonical,
                          char ret_hex[SIGV4_HEX_SIZE]) AC_MUST_USE;

/* ---- sigv4_date.c ---- */

/* "YYYYMMDDTHHMMSSZ".  Times outside the years 1 to 9999 are moved to their border. */
void sigv4_date_write(int64_t unix_s, char ret_text[SIGV4_DATE_SIZE]);

/* Read exactly that form; only dates that exist. */
bool sigv4_date_read(view text, int64_t *ret_unix_s);

/* Read what a Date header may hold: the form above, or RFC 9110's IMF-fixdate, whose zone clients also write "-0000" or
 * "+0000". */
bool sigv4_http_date_read(view text, int64_t *ret_unix_s);

/* ---- sigv4_canonical.c ---- */

/* A header as the canonical request sees it. */
typedef struct sigv4_header {
    view name; /* in any case */
    view value;
    size_t order; /* among headers of one name */
} sigv4_header;

/* Compare names ignoring case; -1, 0, 1. */
int sigv4_name_compare(view a, view b);

/* Sort by name, then by order. */
void sigv4_headers_sort(sigv4_header *headers, size_t count);

/* What is signed. */
typedef struct sigv4_parts {
    const char *method;
    const char *path;
    view query;                  /* as on the wire; a pair X-Amz-Signature is left out when presigned */
    const sigv4_header *headers; /* those that are signed, sorted */
    size_t header_count;
    view host; /* what Host was signed as; text NULL: its value */
    view payload;
    bool presigned;
    bool path_as_is; /* S3: a key may have any segments, and is encoded once */
} sigv4_parts;

/* Append the canonical request.  AC_ERR_INVALID: method or query could not be on the wire, AC_ERR_TOO_LARGE: more than
 * the limits of sigv4.h, AC_ERR_NOMEM. */
ac_status sigv4_canonical_write(buf *out, const sigv4_parts *parts) AC_MUST_USE;

/* The one service whose paths are signed as they are. */
static inline bool sigv4_path_as_is(view service)
{
    return view_is(service, "s3");
}

/* Append the names of sorted headers, in lower case, each once, with ';' between. */
ac_status sigv4_signed_names_write(buf *out, const sigv4_header *headers, size_t count) AC_MUST_USE;

/* Append the normalised path, not yet encoded.  Out: whether it is the path as it was. */
ac_status sigv4_path_normalise(buf *out, const char *path, bool *ret_same) AC_MUST_USE;

/* No canonical request is longer: the path thrice, the query, the headers twice, and what is between. */
#define SIGV4_CANONICAL_MAX                                                                                            \
    (3 * SIGV4_PATH_BYTES_MAX + 2 * SIGV4_QUERY_BYTES_MAX + 2 * SIGV4_HEADER_BYTES_MAX + (8u << 10))

/* ---- sigv4_parse.c ---- */

/* A signature as the request states it.  The views point into the request, or into decoded. */
typedef struct sigv4_statement {
    sigv4_claim claim;
    view day; /* of the credential's scope */
    view service;
    view signed_names; /* as given, with ';' between */
    view signature;
    view date;          /* X-Amz-Date or Date; text NULL when there is none */
    bool date_is_http;  /* a Date header */
    unsigned expires_s; /* when presigned */
    buf decoded;        /* values of a presigned query; buf_done it */
} sigv4_statement;

/* Take the request's statement apart.  After a failure *ret_flaw (static) says what was wrong, or is NULL. */
sigv4_result sigv4_statement_read(const sigv4_request *request, sigv4_statement *ret_statement, const char **ret_flaw)
    AC_MUST_USE;

/* Whether a query has a parameter whose name is this, as it stands on the wire. */
bool sigv4_query_has(view query, const char *name);

#endif
