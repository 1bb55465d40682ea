/* sign.c - signatures for requests to other services of AWS, which the caller sends with a library of its own. */
#include "client/client_internal.h"

#include "base/clock.h"
#include "base/hex.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADERS_MAX 32
#define HASH_HEADER "X-Amz-Content-SHA256"
#define HASH_SIZE (SHA256_DIGEST_LENGTH * 2 + 1)

typedef struct signature {
    ac_signature seen; /* first: what the caller has a pointer to */
    ac_header headers[SIGV4_FIELDS_MAX + 1];
    arena strings;
} signature;

static ac_status add(signature *s, const char *name, const char *value, ac_error *err)
{
    char *copy = arena_copy(&s->strings, value, strlen(value));

    if (!copy)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    s->headers[s->seen.header_count++] = (ac_header){name, copy};
    return AC_OK;
}

static ac_status hash_body(const ac_signable *r, char ret_hash[HASH_SIZE], ac_error *err)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    if (r->body_sha256) {
        if (strlen(r->body_sha256) != HASH_SIZE - 1)
            return ac_error_set(err, AC_ERR_INVALID, "body_sha256 is not 64 hexadecimal digits");
        memcpy(ret_hash, r->body_sha256, HASH_SIZE);
        return AC_OK;
    }
    SHA256(r->body ? r->body : "", r->body ? r->length : 0, digest);
    hex_write(digest, sizeof digest, ret_hash);
    return AC_OK;
}

static http_header field(const char *name, const char *value)
{
    return (http_header){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

/* The path and query of a URL as they are on the wire, and its host as a header. */
typedef struct target {
    aws_endpoint endpoint;
    char *path;
    char *query; /* NULL: none */
} target;

static ac_status take_apart(const char *url, arena *memory, target *t, ac_error *err)
{
    const char *host = strstr(url, "://");
    size_t length = host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : 0;
    const char *base = arena_copy(memory, url, length);
    size_t path = strcspn(url + length, "?#");

    if (!base || !(t->path = arena_copy(memory, path ? url + length : "/", path ? path : 1)))
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(aws_endpoint_parse(base, &t->endpoint, err));
    t->query =
        url[length + path] == '?' ? arena_copy(memory, url + length + path + 1, strlen(url + length + path + 1)) : NULL;
    if (strchr(url, '#'))
        return ac_error_set(err, AC_ERR_INVALID, "a URL that is signed has no fragment");
    return AC_OK;
}

static ac_status sign(ac_client *client, const ac_signable *r, signature *s, ac_error *err)
{
    _cleanup_(aws_credentials_unrefp) aws_credentials *keys = NULL;
    _cleanup_(arena_done) arena scratch = ARENA_INIT;
    http_header headers[HEADERS_MAX + 2];
    size_t count = 0;
    char hash[HASH_SIZE];
    target t = {.path = NULL};
    sigv4_fields fields;

    if (!r->service || !r->method || !r->url || r->header_count > HEADERS_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "service, method and url are needed, and at most %d headers",
                            HEADERS_MAX);
    AC_TRY(take_apart(r->url, &scratch, &t, err));
    AC_TRY(hash_body(r, hash, err));
    headers[count++] = field("Host", t.endpoint.authority);
    for (size_t i = 0; i < r->header_count; i++) {
        if (!r->headers[i].name || !r->headers[i].value || !http_field_valid(r->headers[i].name, r->headers[i].value))
            return ac_error_set(err, AC_ERR_INVALID, "a header has characters that headers cannot have");
        headers[count++] = field(r->headers[i].name, r->headers[i].value);
    }
    if (strcmp(r->service, "s3") == 0) {
        headers[count++] = field(HASH_HEADER, hash);
        AC_TRY(add(s, HASH_HEADER, hash, err));
    }
    ac_status status = aws_provider_get(client->provider, &keys, err);
    if (status != AC_OK)
        return status == AC_ERR_NOT_FOUND ? ac_error_set(err, status, "No AWS credentials found") : status;

    const sigv4_signer signer = {.access_key = keys->access_key,
                                 .secret_key = keys->secret_key,
                                 .session_token = keys->session_token,
                                 .region = client->region,
                                 .service = r->service};
    const sigv4_request request = {.method = r->method,
                                   .path = t.path,
                                   .query = t.query,
                                   .headers = headers,
                                   .header_count = count,
                                   .body_sha256 = hash};
    AC_TRY(sigv4_sign(&signer, &request, clock_unix_ms() / 1000, &scratch, &fields, err));
    for (size_t i = 0; i < fields.count; i++)
        AC_TRY(add(s, fields.fields[i].name, fields.fields[i].value, err));
    return AC_OK;
}

ac_status ac_client_sign(ac_client *client, const ac_signable *request, ac_signature **ret_signature, ac_error *err)
{
    signature *s = calloc(1, sizeof *s);

    *ret_signature = NULL;
    if (!s)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    s->seen.headers = s->headers;
    ac_status status = sign(client, request, s, err);
    if (status == AC_OK)
        *ret_signature = &s->seen;
    else
        ac_signature_free(&s->seen);
    return status;
}

void ac_signature_free(ac_signature *seen)
{
    signature *s = (signature *)seen;

    if (!s)
        return;
    for (size_t i = 0; i < s->seen.header_count; i++)
        explicit_bzero((char *)(uintptr_t)s->headers[i].value, strlen(s->headers[i].value));
    arena_done(&s->strings);
    free(s);
}
