/* test_sigv4.c - what botocore signed, we sign the same and accept; and no byte of it may change.
 *
 * The vectors come from make_vectors.py.  Each is signed, compared, verified, and then verified again with every single
 * letter or digit of it changed, one at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sigv4_helpers.h"
#include "vector_file.h"

#define HEADERS_MAX 40
#define BODY_POSITIONS 60 /* of a long body, so many are changed */

typedef struct vector {
    const char *name, *method, *path, *query, *secret, *token, *region, *signed_host, *service;
    char *body;
    size_t body_length;
    http_header headers[HEADERS_MAX]; /* Host is the first */
    size_t header_count;
    int64_t time;
    unsigned expires;
    const char *authorization, *presigned;
} vector;

static void set_header(vector *v, char *text)
{
    char *colon = strchr(text, ':');

    vector_unescape(text);
    *colon = '\0';
    assert_in_range(v->header_count, 0, HEADERS_MAX - 1);
    v->headers[v->header_count++] = header_of(text, colon[1] == ' ' ? colon + 2 : colon + 1);
}

static void set_field(vector *v, const char *key, char *value)
{
    const struct {
        const char *key;
        const char **field;
    } texts[] = {
        {"case", &v->name},           {"method", &v->method},           {"path", &v->path},
        {"query", &v->query},         {"secret", &v->secret},           {"token", &v->token},
        {"region", &v->region},       {"signed-host", &v->signed_host}, {"authorization", &v->authorization},
        {"presigned", &v->presigned}, {"service", &v->service},
    };

    if (strcmp(key, "header") == 0) {
        set_header(v, value);
        return;
    }
    size_t length = vector_unescape(value);
    if (strcmp(key, "body") == 0) {
        v->body = value;
        v->body_length = length;
    } else if (strcmp(key, "time") == 0) {
        v->time = strtoll(value, NULL, 10);
    } else if (strcmp(key, "expires") == 0) {
        v->expires = (unsigned)strtoul(value, NULL, 10);
    } else {
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
            if (strcmp(key, texts[i].key) == 0) {
                *texts[i].field = value;
                return;
            }
        fail_msg("unknown key %s", key);
    }
}

static bool read_vector(vector_file *f, arena *a, vector *v)
{
    char *key, *value;

    *v = (vector){0};
    while (vector_line(f, a, &key, &value))
        set_field(v, key, value);
    return v->name != NULL;
}

/* ---- signing and verifying a vector ---- */

static sigv4_signer signer_of(const vector *v)
{
    return (sigv4_signer){.access_key = "AKIDEXAMPLE",
                          .secret_key = v->secret,
                          .session_token = v->token,
                          .region = v->region,
                          .service = v->service};
}

static sigv4_request request_of(const vector *v)
{
    return (sigv4_request){.method = v->method,
                           .path = v->path,
                           .query = v->query,
                           .headers = v->headers,
                           .header_count = v->header_count,
                           .body = v->body,
                           .body_length = v->body_length};
}

static sigv4_result find_vector_secret(void *user, const sigv4_claim *claim, buf *ret_secret)
{
    const vector *v = user;

    if (!view_is(claim->access_key, "AKIDEXAMPLE"))
        return SIGV4_UNKNOWN_KEY;
    if (v->token ? !claim->session_token.text || !view_is(claim->session_token, v->token)
                 : claim->session_token.text != NULL)
        return SIGV4_BAD_TOKEN;
    return buf_append_text(ret_secret, v->secret) == AC_OK ? SIGV4_OK : SIGV4_FAILED;
}

static sigv4_result verify(const vector *v, bool path_aliases)
{
    sigv4_request request = request_of(v);
    sigv4_identity who;
    ac_error err = {0};
    const sigv4_verifier verifier = {.region = v->region,
                                     .service = v->service,
                                     .unsigned_payload = true,
                                     .path_aliases = path_aliases,
                                     .find = find_vector_secret,
                                     .user = (void *)(uintptr_t)v};

    sigv4_result result = sigv4_verify(&verifier, &request, v->time, &who, &err);
    if (result == SIGV4_OK)
        assert_string_equal(who.access_key, "AKIDEXAMPLE");
    else
        assert_string_equal(err.aws_name, sigv4_result_aws_name(result));
    return result;
}

/* Sign as botocore did, and make of v what goes over the wire. */
static void sign(vector *v, arena *a)
{
    const sigv4_signer signer = signer_of(v);
    http_header wire_host = v->headers[0];
    ac_error err;

    if (v->signed_host)
        v->headers[0] = header_of("Host", v->signed_host);
    sigv4_request request = request_of(v);
    if (v->presigned) {
        _cleanup_(buf_done) buf query = BUF_INIT(65536);
        assert_int_equal(sigv4_presign(&signer, &request, v->expires, v->time, &query, &err), AC_OK);
        assert_string_equal(buf_terminate(&query), v->presigned);
        v->query = arena_copy(a, query.data, query.length);
    } else {
        sigv4_fields fields;
        assert_int_equal(sigv4_sign(&signer, &request, v->time, a, &fields, &err), AC_OK);
        assert_string_equal(fields.fields[fields.count - 1].value, v->authorization);
        for (size_t i = 0; i < fields.count; i++)
            v->headers[v->header_count++] = header_of(fields.fields[i].name, fields.fields[i].value);
    }
    v->headers[0] = wire_host;
}

/* ---- changing one byte ---- */

/* Another letter or digit; 0 for bytes that are left alone, as changing them may mean nothing. */
static char other(char c)
{
    if (c >= '0' && c <= '9')
        return (char)('0' + (c - '0' + 1) % 10);
    if (c >= 'a' && c <= 'z')
        return (char)('a' + (c - 'a' + 1) % 26);
    if (c >= 'A' && c <= 'Z')
        return (char)('A' + (c - 'A' + 1) % 26);
    return '\0';
}

/* Change each letter and digit of *text in turn. */
static void refuse_changes(const vector *v, const char **text, const char *what)
{
    const char *original = *text;
    char *copy = strdup(original);

    *text = copy;
    for (char *at = copy; *at; at++) {
        char kept = *at;
        if (!other(kept))
            continue;
        *at = other(kept);
        if (verify(v, false) == SIGV4_OK)
            fail_msg("%s: %s verified as %s", v->name, what, copy);
        *at = kept;
    }
    free(copy);
    *text = original;
}

static void refuse_body_changes(vector *v)
{
    char *original = v->body;
    size_t length = v->body_length;
    char longer[8192] = {0};

    for (size_t i = 0; i < v->header_count; i++)
        if (strcmp(v->headers[i].value, SIGV4_UNSIGNED_PAYLOAD) == 0)
            return;
    assert_true(length < sizeof(longer));
    if (length > 0)
        memcpy(longer, original, length);
    v->body = longer;
    for (size_t i = 0; i < length; i += 1 + length / BODY_POSITIONS) {
        longer[i] ^= 1;
        assert_int_not_equal(verify(v, false), SIGV4_OK);
        longer[i] ^= 1;
    }
    v->body_length = length + 1;
    assert_int_not_equal(verify(v, false), SIGV4_OK);
    v->body_length = length;
    v->body = original;
}

/* The headers that are not signed may change. */
static bool is_free(const char *name)
{
    static const char *const names[] = {"User-Agent", "Connection",  "X-Amzn-Trace-Id",
                                        "Expect",     "traceparent", "Transfer-Encoding"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void refuse_header_changes(vector *v)
{
    for (size_t i = v->signed_host ? 1 : 0; i < v->header_count; i++) {
        if (is_free(v->headers[i].name))
            continue;
        refuse_changes(v, &v->headers[i].value, v->headers[i].name);
        refuse_changes(v, &v->headers[i].name, "header name");
    }
}

static bool path_is_normal(const char *path)
{
    return !strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../") &&
           !(strlen(path) > 2 && strcmp(path + strlen(path) - 3, "/..") == 0);
}

static void agrees_with_botocore(void **state)
{
    vector_file f;
    vector v;
    size_t count = 0;

    (void)state;
    vector_file_open(&f, "sigv4.txt");
    for (;; count++) {
        _cleanup_(arena_done) arena a = ARENA_INIT;
        if (!read_vector(&f, &a, &v))
            break;
        sign(&v, &a);
        if (verify(&v, true) != SIGV4_OK)
            fail_msg("%s does not verify: %d", v.name, (int)verify(&v, true));
        assert_int_equal(verify(&v, false) == SIGV4_OK, v.service || path_is_normal(v.path)); /* S3: as it is */

        refuse_changes(&v, &v.path, "path");
        refuse_changes(&v, &v.method, "method");
        if (v.query)
            refuse_changes(&v, &v.query, "query");
        refuse_header_changes(&v);
        refuse_body_changes(&v);
    }
    vector_file_close(&f);
    assert_true(count >= 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_botocore),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
