/* test_sigv4_verify.c - each way in which a signed request can be refused, by its own name, and the limits of what is
 * looked at.  Requests are signed here with the steps of the signer, so that they can be wrong in one way alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aws/sigv4_internal.h"
#include "sigv4_helpers.h"

#include <stdio.h>
#include <stdlib.h>

static const sigv4_verifier plain = {.find = find_secret};

/* A request with what it needs to be signed by hand. */
typedef struct signed_request {
    http_header headers[8];
    size_t header_count;
    sigv4_request request;
    char authorization[1024];
} signed_request;

/* Sign the headers in names (all of which are there) and set Authorization. */
static void sign_by_hand(signed_request *s, const char *date, const char *credential_scope, const char *names)
{
    sigv4_header headers[8];
    view rest = view_of(names), name;
    size_t count = 0;
    char hash[SIGV4_HEX_SIZE], signature[SIGV4_HEX_SIZE];
    uint8_t key[32];
    _cleanup_(buf_done) buf canonical = BUF_INIT(65536);
    sigv4_scope scope = {.region = view_of("us-west-2"), .service = view_of("bedrock-agentcore")};

    strcpy(scope.date, date);
    while (view_split(&rest, ';', &name))
        for (size_t i = 0; i < s->header_count; i++)
            if (sigv4_name_compare(name, view_of(s->headers[i].name)) == 0)
                headers[count++] = (sigv4_header){view_of(s->headers[i].name), view_of(s->headers[i].value), i};
    assert_int_equal(sigv4_sha256_hex(s->request.body, s->request.body_length, hash), AC_OK);
    sigv4_parts parts = {.method = s->request.method,
                         .path = s->request.path,
                         .query = view_of(s->request.query ? s->request.query : ""),
                         .headers = headers,
                         .header_count = count,
                         .payload = view_of(hash)};
    assert_int_equal(sigv4_canonical_write(&canonical, &parts), AC_OK);
    assert_int_equal(sigv4_signing_key(NULL, &scope, view_of(SECRET), key), AC_OK);
    assert_int_equal(sigv4_signature(key, &scope, &canonical, signature), AC_OK);
    snprintf(s->authorization, sizeof(s->authorization),
             "AWS4-HMAC-SHA256 Credential=" KEY "%s, SignedHeaders=%s, Signature=%s", credential_scope, names,
             signature);
    s->headers[s->header_count++] = header_of("Authorization", s->authorization);
    s->request.headers = s->headers;
    s->request.header_count = s->header_count;
}

static void request_init(signed_request *s)
{
    *s = (signed_request){.request = {.method = "GET", .path = "/x"}};
    s->headers[s->header_count++] = header_of("Host", "localhost:8080");
}

/* What becomes of a request with this Authorization header. */
static sigv4_result judge_authorization(const char *authorization, ac_error *err)
{
    const http_header headers[] = {header_of("Host", "localhost"), header_of("X-Amz-Date", DATE),
                                   header_of("Authorization", authorization)};
    const sigv4_request request = {.method = "GET", .path = "/x", .headers = headers, .header_count = 3};
    sigv4_identity who;

    return sigv4_verify(&plain, &request, NOW, &who, err);
}

static sigv4_result judge(const signed_request *s, const sigv4_verifier *verifier, int64_t now_s, ac_error *err)
{
    sigv4_identity who;

    return sigv4_verify(verifier, &s->request, now_s, &who, err);
}

#define ALGORITHM "AWS4-HMAC-SHA256 "
#define CREDENTIAL "Credential=" KEY SCOPE
#define NAMES "SignedHeaders=host;x-amz-date"
#define SIGNATURE "Signature=" SIGNATURE_0

static void malformed_authorization(void **state)
{
    static const struct {
        const char *authorization;
        sigv4_result result;
    } cases[] = {
        {"Bearer abc", SIGV4_MISSING},
        {"", SIGV4_MISSING},
        {"aws4-hmac-sha256 " CREDENTIAL, SIGV4_MISSING},
        {"AWS4-HMAC-SHA256", SIGV4_INCOMPLETE},
        {ALGORITHM, SIGV4_INCOMPLETE},
        {"AWS4-ECDSA-P256-SHA256 " CREDENTIAL ", " NAMES ", " SIGNATURE, SIGV4_BAD_ALGORITHM},
        {"AWS4-none " CREDENTIAL ", " NAMES ", " SIGNATURE, SIGV4_BAD_ALGORITHM},
        {ALGORITHM CREDENTIAL ", " NAMES, SIGV4_INCOMPLETE},
        {ALGORITHM CREDENTIAL ", " SIGNATURE, SIGV4_INCOMPLETE},
        {ALGORITHM NAMES ", " SIGNATURE, SIGV4_INCOMPLETE},
        {ALGORITHM CREDENTIAL ", " CREDENTIAL ", " NAMES ", " SIGNATURE, SIGV4_INCOMPLETE},
        {ALGORITHM CREDENTIAL ", " NAMES ", " SIGNATURE ", Extra=1", SIGV4_INCOMPLETE},
        {ALGORITHM CREDENTIAL ", " NAMES ", " SIGNATURE ",", SIGV4_INCOMPLETE},
        {ALGORITHM CREDENTIAL ", " NAMES ", " SIGNATURE "0", SIGV4_INCOMPLETE},
        {ALGORITHM CREDENTIAL ", " NAMES ", Signature=", SIGV4_INCOMPLETE},
        {ALGORITHM CREDENTIAL ", " NAMES ", Signature=A" SIGNATURE_0, SIGV4_INCOMPLETE},
        {ALGORITHM "Credential=" KEY ", " NAMES ", " SIGNATURE, SIGV4_INCOMPLETE},
        {ALGORITHM "Credential=" SCOPE ", " NAMES ", " SIGNATURE, SIGV4_INCOMPLETE},
        {ALGORITHM CREDENTIAL "/more, " NAMES ", " SIGNATURE, SIGV4_INCOMPLETE},
        {ALGORITHM "Credential=K/20260102/us-west-2/bedrock-agentcore/aws5_request, " NAMES ", " SIGNATURE,
         SIGV4_BAD_SCOPE},
        {ALGORITHM "Credential=K/20260101/us-west-2/bedrock-agentcore/aws4_request, " NAMES ", " SIGNATURE,
         SIGV4_BAD_SCOPE},
        {ALGORITHM "Credential=K/20260102/us-west-2/s3/aws4_request, " NAMES ", " SIGNATURE, SIGV4_BAD_SCOPE},
        {ALGORITHM "Credential=K\n/20260102/us-west-2/bedrock-agentcore/aws4_request, " NAMES ", " SIGNATURE,
         SIGV4_INCOMPLETE},
        {ALGORITHM CREDENTIAL ", SignedHeaders=, " SIGNATURE, SIGV4_INCOMPLETE},
        {ALGORITHM CREDENTIAL ", SignedHeaders=x-amz-date;host, " SIGNATURE, SIGV4_INCOMPLETE},
        {ALGORITHM CREDENTIAL ", SignedHeaders=host;host;x-amz-date, " SIGNATURE, SIGV4_INCOMPLETE},
        {ALGORITHM CREDENTIAL ", SignedHeaders=Host;x-amz-date, " SIGNATURE, SIGV4_INCOMPLETE},
        {ALGORITHM CREDENTIAL ", SignedHeaders=host;x-amz-date;, " SIGNATURE, SIGV4_INCOMPLETE},
        {ALGORITHM CREDENTIAL ", SignedHeaders=host, " SIGNATURE, SIGV4_UNSIGNED_HEADER},
        {ALGORITHM CREDENTIAL ", SignedHeaders=x-amz-date, " SIGNATURE, SIGV4_UNSIGNED_HEADER},
        {ALGORITHM CREDENTIAL ", SignedHeaders=host;x-amz-date;x-else, " SIGNATURE, SIGV4_ABSENT_HEADER},
        {ALGORITHM CREDENTIAL ", SignedHeaders=a-first;host;x-amz-date, " SIGNATURE, SIGV4_ABSENT_HEADER},
        {ALGORITHM "Credential=OTHER" SCOPE ", " NAMES ", " SIGNATURE, SIGV4_UNKNOWN_KEY},
        {ALGORITHM CREDENTIAL ", " NAMES ", " SIGNATURE, SIGV4_MISMATCH},
        {ALGORITHM SIGNATURE "," NAMES " ,\t" CREDENTIAL, SIGV4_MISMATCH},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ac_error err = {0};
        sigv4_result result = judge_authorization(cases[i].authorization, &err);
        if (result != cases[i].result)
            fail_msg("%s: %d, not %d", cases[i].authorization, (int)result, (int)cases[i].result);
        assert_int_equal(err.http_status, 403);
        assert_int_equal(err.status, AC_ERR_DENIED);
        assert_string_equal(err.aws_name, sigv4_result_aws_name(result));
        assert_true(err.message[0] != '\0');
    }
}

static void names_are_those_of_aws(void **state)
{
    (void)state;
    assert_string_equal(sigv4_result_aws_name(SIGV4_OK), "");
    assert_string_equal(sigv4_result_aws_name(SIGV4_MISSING), "MissingAuthenticationTokenException");
    assert_string_equal(sigv4_result_aws_name(SIGV4_INCOMPLETE), "IncompleteSignatureException");
    assert_string_equal(sigv4_result_aws_name(SIGV4_MISMATCH), "InvalidSignatureException");
    assert_string_equal(sigv4_result_aws_name(SIGV4_UNKNOWN_KEY), "UnrecognizedClientException");
    assert_string_equal(sigv4_result_aws_name(SIGV4_EXPIRED_TOKEN), "ExpiredTokenException");
}

static void clocks_may_differ_by_five_minutes(void **state)
{
    const sigv4_verifier narrow = {.find = find_secret, .skew_s = 10};
    signed_request s;

    (void)state;
    request_init(&s);
    s.headers[s.header_count++] = header_of("X-Amz-Date", DATE);
    sign_by_hand(&s, DATE, SCOPE, "host;x-amz-date");
    assert_int_equal(judge(&s, &plain, NOW, NULL), SIGV4_OK);
    assert_int_equal(judge(&s, &plain, NOW + 300, NULL), SIGV4_OK);
    assert_int_equal(judge(&s, &plain, NOW - 300, NULL), SIGV4_OK);
    assert_int_equal(judge(&s, &plain, NOW + 301, NULL), SIGV4_TOO_OLD);
    assert_int_equal(judge(&s, &plain, NOW - 301, NULL), SIGV4_TOO_NEW);
    assert_int_equal(judge(&s, &narrow, NOW + 10, NULL), SIGV4_OK);
    assert_int_equal(judge(&s, &narrow, NOW + 11, NULL), SIGV4_TOO_OLD);
    assert_int_equal(judge(&s, &plain, 0, NULL), SIGV4_TOO_NEW);
    assert_int_equal(judge(&s, &plain, INT64_C(1) << 60, NULL), SIGV4_TOO_OLD);
}

static void dates_must_exist(void **state)
{
    static const char *const dates[] = {"",
                                        "20260102T030405",
                                        "20260102T030405z",
                                        "20260102 030405Z",
                                        "2026010AT030405Z",
                                        "20261302T030405Z",
                                        "20260230T030405Z",
                                        "20260102T240000Z",
                                        "20260102T036105Z",
                                        "00000102T030405Z",
                                        "2026-01-02T03:04:05Z",
                                        "99999999T999999Z"};
    int64_t when;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(dates); i++) {
        signed_request s;
        request_init(&s);
        s.headers[s.header_count++] = header_of("X-Amz-Date", dates[i]);
        sign_by_hand(&s, DATE, SCOPE, "host;x-amz-date");
        assert_int_equal(judge(&s, &plain, NOW, NULL), SIGV4_BAD_DATE);
    }
    assert_true(sigv4_date_read(view_of("20280229T235959Z"), &when));
    assert_true(sigv4_date_read(view_of("00010101T000000Z"), &when));
    assert_true(sigv4_date_read(view_of("99991231T235959Z"), &when));
    assert_false(sigv4_date_read(view_of("20270229T000000Z"), &when));
}

/* A client may send Date instead; then that is what must be signed. */
static void date_header_will_do(void **state)
{
    static const struct {
        const char *date;
        sigv4_result result;
    } cases[] = {
        {"Fri, 02 Jan 2026 03:04:05 GMT", SIGV4_OK},
        {"Fri, 02 Jan 2026 03:04:05 -0000", SIGV4_OK},
        {DATE, SIGV4_OK},
        {"Sat, 02 Jan 2026 03:04:05 GMT", SIGV4_BAD_DATE},
        {"Fri, 02 Jan 2026 03:04:05 CET", SIGV4_BAD_DATE},
        {"Fri, 02 Foo 2026 03:04:05 GMT", SIGV4_BAD_DATE},
        {"Fri, 02 Jan 2026 03:04:05", SIGV4_BAD_DATE},
        {"yesterday", SIGV4_BAD_DATE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        signed_request s;
        request_init(&s);
        s.headers[s.header_count++] = header_of("Date", cases[i].date);
        sign_by_hand(&s, DATE, SCOPE, "date;host");
        assert_int_equal(judge(&s, &plain, NOW, NULL), cases[i].result);
    }
    signed_request s;
    request_init(&s);
    s.headers[s.header_count++] = header_of("Date", "Fri, 02 Jan 2026 03:04:05 GMT");
    sign_by_hand(&s, DATE, SCOPE, "host");
    assert_int_equal(judge(&s, &plain, NOW, NULL), SIGV4_UNSIGNED_HEADER);

    request_init(&s);
    sign_by_hand(&s, DATE, SCOPE, "host");
    assert_int_equal(judge(&s, &plain, NOW, NULL), SIGV4_BAD_DATE);
}

static void amz_headers_must_be_signed(void **state)
{
    static const struct {
        const char *name;
        sigv4_result result;
    } cases[] = {{"X-Amz-Anything", SIGV4_UNSIGNED_HEADER},
                 {"x-amz-content-sha256", SIGV4_UNSIGNED_HEADER},
                 {"X-AMZ-", SIGV4_UNSIGNED_HEADER},
                 {"X-Amzn-Bedrock-AgentCore-Runtime-Session-Id", SIGV4_OK},
                 {"X-Am", SIGV4_OK},
                 {"Zebra", SIGV4_OK},
                 {"Apple", SIGV4_OK}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        signed_request s;
        request_init(&s);
        s.headers[s.header_count++] = header_of("X-Amz-Date", DATE);
        s.headers[s.header_count++] = header_of(cases[i].name, "value");
        sign_by_hand(&s, DATE, SCOPE, "host;x-amz-date");
        assert_int_equal(judge(&s, &plain, NOW, NULL), cases[i].result);
    }
}

static void another_header_may_have_to_be_signed(void **state)
{
    const sigv4_verifier with_user = {.find = find_secret, .signed_too = "X-For-User"};
    static const char *const names[] = {"X-For-User", "x-for-user"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        signed_request s;
        request_init(&s);
        s.headers[s.header_count++] = header_of("X-Amz-Date", DATE);
        s.headers[s.header_count++] = header_of(names[i], "alice");
        sign_by_hand(&s, DATE, SCOPE, "host;x-amz-date");
        assert_int_equal(judge(&s, &plain, NOW, NULL), SIGV4_OK);
        assert_int_equal(judge(&s, &with_user, NOW, NULL), SIGV4_UNSIGNED_HEADER);
        s.header_count--; /* another Authorization */
        sign_by_hand(&s, DATE, SCOPE, "host;x-amz-date;x-for-user");
        assert_int_equal(judge(&s, &with_user, NOW, NULL), SIGV4_OK);
    }
}

static void scope_is_checked(void **state)
{
    const sigv4_verifier elsewhere = {.find = find_secret, .region = "eu-central-1"};
    const sigv4_verifier right = {.find = find_secret, .region = "us-west-2"};
    const sigv4_verifier service = {.find = find_secret, .service = "s3"};
    signed_request s;

    (void)state;
    request_init(&s);
    s.headers[s.header_count++] = header_of("X-Amz-Date", DATE);
    sign_by_hand(&s, DATE, SCOPE, "host;x-amz-date");
    assert_int_equal(judge(&s, &right, NOW, NULL), SIGV4_OK);
    assert_int_equal(judge(&s, &elsewhere, NOW, NULL), SIGV4_BAD_SCOPE);
    assert_int_equal(judge(&s, &service, NOW, NULL), SIGV4_BAD_SCOPE);
}

static void the_callback_decides(void **state)
{
    static const sigv4_result answers[] = {SIGV4_UNKNOWN_KEY, SIGV4_BAD_TOKEN, SIGV4_EXPIRED_TOKEN, SIGV4_FAILED};
    signed_request s;

    (void)state;
    request_init(&s);
    s.headers[s.header_count++] = header_of("X-Amz-Date", DATE);
    sign_by_hand(&s, DATE, SCOPE, "host;x-amz-date");
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        const sigv4_verifier verifier = {.find = find_secret, .user = (void *)(uintptr_t)&answers[i]};
        ac_error err = {0};
        assert_int_equal(judge(&s, &verifier, NOW, &err), answers[i]);
        assert_int_equal(err.http_status, answers[i] == SIGV4_FAILED ? 500 : 403);
    }
}

/* ---- limits ---- */

static char *repeated(const char *piece, size_t times)
{
    size_t length = strlen(piece);
    char *text = malloc(length * times + 1);

    assert_non_null(text);
    for (size_t i = 0; i < times; i++)
        memcpy(text + i * length, piece, length);
    text[length * times] = '\0';
    return text;
}

static void hostile_sizes_are_refused(void **state)
{
    http_header headers[SIGV4_HEADERS_MAX + 1];
    char *path = repeated("/a", SIGV4_PATH_BYTES_MAX), *query = repeated("a&", SIGV4_PARAMS_MAX + 1);
    const char *authorization = ALGORITHM CREDENTIAL ", " NAMES ", " SIGNATURE;
    sigv4_identity who;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
        headers[i] = header_of("X-Filler", "f");
    headers[0] = header_of("Host", "h");
    headers[1] = header_of("X-Amz-Date", DATE);
    headers[2] = header_of("Authorization", authorization);
    sigv4_request request = {.method = "GET", .path = "/", .headers = headers, .header_count = 4};

    assert_int_equal(sigv4_verify(&plain, &request, NOW, &who, NULL), SIGV4_MISMATCH);
    request.header_count = SIGV4_HEADERS_MAX;
    assert_int_equal(sigv4_verify(&plain, &request, NOW, &who, NULL), SIGV4_MISMATCH);
    request.header_count = SIGV4_HEADERS_MAX + 1;
    assert_int_equal(sigv4_verify(&plain, &request, NOW, &who, NULL), SIGV4_TOO_LARGE);
    request.header_count = 3;
    request.path = path;
    assert_int_equal(sigv4_verify(&plain, &request, NOW, &who, NULL), SIGV4_TOO_LARGE);
    request.path = "/";
    request.query = query;
    assert_int_equal(sigv4_verify(&plain, &request, NOW, &who, NULL), SIGV4_TOO_LARGE);
    request.query = NULL;
    request.path = "no-slash";
    assert_int_equal(sigv4_verify(&plain, &request, NOW, &who, NULL), SIGV4_BAD_REQUEST);
    request.path = "/";
    request.method = "GET\nX";
    assert_int_equal(sigv4_verify(&plain, &request, NOW, &who, NULL), SIGV4_BAD_REQUEST);
    free(query);
    free(path);
}

/* ---- keys ---- */

static void cached_keys_are_the_same(void **state)
{
    sigv4_key_cache cache = {0};
    sigv4_scope scope = {.date = DATE, .service = view_of("bedrock-agentcore")};
    uint8_t derived[32], cached[32];

    (void)state;
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 3 * SIGV4_CACHE_SLOTS; i++) {
            char region[32], secret[32];
            snprintf(region, sizeof(region), "r%u", i % 5);
            snprintf(secret, sizeof(secret), "s%u", i / 5);
            scope.region = view_of(region);
            assert_int_equal(sigv4_signing_key(NULL, &scope, view_of(secret), derived), AC_OK);
            for (unsigned again = 0; again < 2; again++) {
                assert_int_equal(sigv4_signing_key(&cache, &scope, view_of(secret), cached), AC_OK);
                assert_memory_equal(derived, cached, 32);
            }
        }
    assert_int_equal(sigv4_signing_key(&cache, &scope, view_of(""), cached), AC_ERR_INVALID);
    sigv4_key_cache_done(&cache);
    for (size_t i = 0; i < sizeof(cache); i++)
        assert_int_equal(((const unsigned char *)&cache)[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_authorization),
        cmocka_unit_test(names_are_those_of_aws),
        cmocka_unit_test(clocks_may_differ_by_five_minutes),
        cmocka_unit_test(dates_must_exist),
        cmocka_unit_test(date_header_will_do),
        cmocka_unit_test(amz_headers_must_be_signed),
        cmocka_unit_test(another_header_may_have_to_be_signed),
        cmocka_unit_test(scope_is_checked),
        cmocka_unit_test(the_callback_decides),
        cmocka_unit_test(hostile_sizes_are_refused),
        cmocka_unit_test(cached_keys_are_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
