/* test_sigv4_presign.c - presigned URLs, how long they live and how they can be malformed; and hashes of bodies that
 * the request states itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sigv4_helpers.h"

static const sigv4_verifier plain = {.find = find_secret};

/* ---- bodies ---- */

static sigv4_result judge_body(const char *stated, const char *body, bool unsigned_payload)
{
    const sigv4_verifier verifier = {.find = find_secret, .unsigned_payload = unsigned_payload};
    const sigv4_signer signer = {.access_key = KEY, .secret_key = SECRET, .region = "us-west-2"};
    _cleanup_(arena_done) arena a = ARENA_INIT;
    http_header headers[8] = {header_of("Host", "h"), header_of("X-Amz-Content-SHA256", stated)};
    sigv4_request request = {
        .method = "POST", .path = "/", .headers = headers, .header_count = 2, .body = "abc", .body_length = 3};
    sigv4_fields fields;
    sigv4_identity who;

    assert_int_equal(sigv4_sign(&signer, &request, NOW, &a, &fields, NULL), AC_OK);
    for (size_t i = 0; i < fields.count; i++)
        headers[request.header_count++] = header_of(fields.fields[i].name, fields.fields[i].value);
    request.body = body;
    request.body_length = strlen(body);
    return sigv4_verify(&verifier, &request, NOW, &who, NULL);
}

#define ABC_SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void stated_hashes_must_be_the_bodys(void **state)
{
    (void)state;
    assert_int_equal(judge_body(ABC_SHA256, "abc", false), SIGV4_OK);
    assert_int_equal(judge_body(ABC_SHA256, "abd", false), SIGV4_PAYLOAD_MISMATCH);
    assert_int_equal(judge_body(ABC_SHA256, "", false), SIGV4_PAYLOAD_MISMATCH);
    assert_int_equal(judge_body("UNSIGNED-PAYLOAD", "abc", false), SIGV4_PAYLOAD_UNSIGNED);
    assert_int_equal(judge_body("UNSIGNED-PAYLOAD", "anything", true), SIGV4_OK);
    assert_int_equal(judge_body("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "abc", true), SIGV4_BAD_REQUEST);
    assert_int_equal(judge_body("", "abc", true), SIGV4_BAD_REQUEST);
}

static void a_known_hash_is_taken(void **state)
{
    const sigv4_signer signer = {.access_key = KEY, .secret_key = SECRET, .region = "us-west-2"};
    _cleanup_(arena_done) arena a = ARENA_INIT;
    http_header headers[4] = {header_of("Host", "h")};
    sigv4_request request = {
        .method = "POST", .path = "/", .headers = headers, .header_count = 1, .body_sha256 = ABC_SHA256};
    sigv4_fields fields;
    sigv4_identity who;

    (void)state;
    assert_int_equal(sigv4_sign(&signer, &request, NOW, &a, &fields, NULL), AC_OK);
    for (size_t i = 0; i < fields.count; i++)
        headers[request.header_count++] = header_of(fields.fields[i].name, fields.fields[i].value);
    request.body_sha256 = NULL;
    request.body = "abc";
    request.body_length = 3;
    assert_int_equal(sigv4_verify(&plain, &request, NOW, &who, NULL), SIGV4_OK);
    assert_string_equal(who.region, "us-west-2");
    assert_false(who.presigned);
    assert_int_equal(who.signed_at_s, NOW);
    assert_int_equal(who.valid_until_s, NOW + 300);
}

/* ---- presigned ---- */

static sigv4_result judge_query(const char *query, int64_t now_s, unsigned expires_max_s)
{
    const sigv4_verifier verifier = {.find = find_secret, .expires_max_s = expires_max_s};
    const http_header host = header_of("Host", "localhost:8080");
    const sigv4_request request = {.method = "GET", .path = "/x", .query = query, .headers = &host, .header_count = 1};
    sigv4_identity who;

    return sigv4_verify(&verifier, &request, now_s, &who, NULL);
}

static void presign(buf *out, const char *query, unsigned expires_s)
{
    const sigv4_signer signer = {.access_key = KEY, .secret_key = SECRET, .region = "us-west-2"};
    const http_header host = header_of("Host", "localhost:8080");
    const sigv4_request request = {.method = "GET", .path = "/x", .query = query, .headers = &host, .header_count = 1};

    out->length = 0;
    assert_int_equal(sigv4_presign(&signer, &request, expires_s, NOW, out, NULL), AC_OK);
    assert_non_null(buf_terminate(out));
}

static void presigned_urls_expire(void **state)
{
    _cleanup_(buf_done) buf query = BUF_INIT(65536);

    (void)state;
    presign(&query, "b=2&a=1&a=0", 60);
    assert_int_equal(judge_query(query.data, NOW, 0), SIGV4_OK);
    assert_int_equal(judge_query(query.data, NOW + 60, 0), SIGV4_OK);
    assert_int_equal(judge_query(query.data, NOW + 61, 0), SIGV4_EXPIRED);
    assert_int_equal(judge_query(query.data, NOW - 300, 0), SIGV4_OK);
    assert_int_equal(judge_query(query.data, NOW - 301, 0), SIGV4_TOO_NEW);
    assert_int_equal(judge_query(query.data, NOW, 60), SIGV4_OK);
    assert_int_equal(judge_query(query.data, NOW, 59), SIGV4_INCOMPLETE);
    presign(&query, NULL, SIGV4_EXPIRES_MAX);
    assert_int_equal(judge_query(query.data, NOW + SIGV4_EXPIRES_MAX, 0), SIGV4_OK);
}

static void malformed_presigned_queries(void **state)
{
    static const struct {
        const char *from, *to;
        sigv4_result result;
    } cases[] = {
        {"X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=none", SIGV4_BAD_ALGORITHM},
        {"X-Amz-Expires=60", "X-Amz-Expires=0", SIGV4_INCOMPLETE},
        {"X-Amz-Expires=60", "X-Amz-Expires=", SIGV4_INCOMPLETE},
        {"X-Amz-Expires=60", "X-Amz-Expires=-1", SIGV4_INCOMPLETE},
        {"X-Amz-Expires=60", "X-Amz-Expires=604801", SIGV4_INCOMPLETE},
        {"X-Amz-Expires=60", "X-Amz-Expires=99999999999", SIGV4_INCOMPLETE},
        {"X-Amz-Expires=60", "X-Amz-Expires=600", SIGV4_MISMATCH},
        {"X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=60", SIGV4_INCOMPLETE},
        {"X-Amz-Signature=", "X-Amz-Signature=" SIGNATURE_0 "&X-Amz-Signature=", SIGV4_INCOMPLETE},
        {"X-Amz-Signature=", "X-Amz-Other=", SIGV4_INCOMPLETE},
        {"X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=", SIGV4_INCOMPLETE},
        {"X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=%zz", SIGV4_INCOMPLETE},
        {"X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=other", SIGV4_UNSIGNED_HEADER},
        {"X-Amz-Date=" DATE, "X-Amz-Date=x", SIGV4_BAD_DATE},
        {"X-Amz-Algorithm", "Y-Algorithm", SIGV4_INCOMPLETE},
        {"a=1", "a=2", SIGV4_MISMATCH},
        {"a=1", "a=1&b", SIGV4_MISMATCH},
        {"a=1", "a=1 ", SIGV4_BAD_REQUEST},
        {"a=1&", "", SIGV4_MISMATCH},
    };
    _cleanup_(buf_done) buf query = BUF_INIT(65536);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_(buf_done) buf changed = BUF_INIT(65536);
        presign(&query, "a=1", 60);
        char *at = strstr(query.data, cases[i].from);
        assert_non_null(at);
        assert_int_equal(buf_appendf(&changed, "%.*s%s%s", (int)(at - query.data), query.data, cases[i].to,
                                     at + strlen(cases[i].from)),
                         AC_OK);
        sigv4_result result = judge_query(buf_terminate(&changed), NOW, 0);
        if (result != cases[i].result)
            fail_msg("%s -> %s: %d, not %d", cases[i].from, cases[i].to, (int)result, (int)cases[i].result);
    }
}

static void presigning_refuses(void **state)
{
    const sigv4_signer signer = {.access_key = KEY, .secret_key = SECRET, .region = "us-west-2"};
    const http_header host = header_of("Host", "h");
    static const char *const queries[] = {"a=%", "a=%2", "X-Amz-Date=1", "a=1&X-Amz-Signature=2", "X%2DAmz-Date=1"};
    _cleanup_(buf_done) buf out = BUF_INIT(65536);
    sigv4_request request = {.method = "GET", .path = "/x", .headers = &host, .header_count = 1};

    (void)state;
    assert_int_equal(sigv4_presign(&signer, &request, 0, NOW, &out, NULL), AC_ERR_INVALID);
    assert_int_equal(sigv4_presign(&signer, &request, SIGV4_EXPIRES_MAX + 1, NOW, &out, NULL), AC_ERR_INVALID);
    for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
        request.query = queries[i];
        assert_int_equal(sigv4_presign(&signer, &request, 60, NOW, &out, NULL), AC_ERR_INVALID);
    }
    request.query = NULL;
    request.header_count = 0;
    assert_int_equal(sigv4_presign(&signer, &request, 60, NOW, &out, NULL), AC_ERR_INVALID);
    assert_int_equal(out.length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stated_hashes_must_be_the_bodys),
        cmocka_unit_test(a_known_hash_is_taken),
        cmocka_unit_test(presigned_urls_expire),
        cmocka_unit_test(malformed_presigned_queries),
        cmocka_unit_test(presigning_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
