/* test_artifacts_s3.c - zip files out of S3: a stand-in server verifies each signature, and answers as S3 does. */
#include "http/client_peers.h"

#include "artifacts_fixture.h"
#include "aws/sigv4.h"
#include "base/clock.h"
#include "daemon/artifacts/internal.h"
#include "daemon/files.h"

#include <limits.h>

#define KEY "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define TOKEN "a session//token=="
#define REGION "eu-central-1"

typedef struct standin {
    house house;
    atomic_uint asked;
    _Atomic sigv4_result worst; /* of all signatures */
    char last[2048];            /* what was asked for last */
} standin;

static standin server;
static char url[64];

static sigv4_result find_secret(void *user, const sigv4_claim *claim, buf *ret_secret)
{
    (void)user;
    if (!view_is(claim->access_key, KEY))
        return SIGV4_UNKNOWN_KEY;
    if (!claim->session_token.text || !view_is(claim->session_token, TOKEN))
        return SIGV4_BAD_TOKEN;
    return buf_append_text(ret_secret, SECRET) == AC_OK ? SIGV4_OK : SIGV4_FAILED;
}

static void verify(const http_request *r)
{
    const sigv4_verifier verifier = {.service = "s3", .region = REGION, .find = find_secret};
    sigv4_request request = {.method = r->method,
                             .path = r->target,
                             .query = r->query,
                             .headers = r->headers,
                             .header_count = r->header_count};
    sigv4_identity who;
    sigv4_result result = sigv4_verify(&verifier, &request, clock_unix_ms() / 1000, &who, NULL);

    if (result != SIGV4_OK)
        atomic_store(&server.worst, result);
}

static void answer_file(http_exchange *x, const char *name, bool cut)
{
    char path[PATH_MAX];
    buf body = BUF_INIT((size_t)1 << 24);

    snprintf(path, sizeof path, "%s/buckets/good/%s", shop.data, name);
    if (file_read(path, &body, NULL, NULL) != AC_OK)
        abort();
    if (cut) {
        (void)!http_stream_begin(x, &(http_response){.status = 200}, NULL);
        (void)!http_stream_write(x, body.data, body.length / 2);
        http_stream_abort(x);
        buf_done(&body);
    } else {
        (void)!http_respond(x, &(http_response){.status = 200, .content_type = "application/zip"}, &body);
    }
    http_exchange_unref(x);
}

static void answer_error(http_exchange *x, int status, const char *code, const char *region)
{
    buf body = BUF_INIT(4096);
    http_field field = {"x-amz-bucket-region", region};

    (void)!buf_appendf(
        &body, "<?xml version=\"1.0\"?>\n<Error><Code>%s</Code><Message>Because \x01 of it</Message></Error>", code);
    (void)!http_respond(
        x,
        &(http_response){
            .status = status, .content_type = "application/xml", .fields = &field, .field_count = region ? 1 : 0},
        &body);
    http_exchange_unref(x);
}

static void on_request(http_exchange *x, void *user)
{
    const http_request *r = http_exchange_request(x);
    unsigned number = atomic_fetch_add(&server.asked, 1) + 1;

    (void)user;
    verify(r);
    snprintf(server.last, sizeof server.last, "%s%s%s", r->target, r->query ? "?" : "", r->query ? r->query : "");
    if (strstr(r->target, "missing.zip"))
        answer_error(x, 404, "NoSuchKey", NULL);
    else if (strstr(r->target, "no-bucket"))
        answer_error(x, 404, "NoSuchBucket", NULL);
    else if (strstr(r->target, "denied.zip"))
        answer_error(x, 403, "AccessDenied", NULL);
    else if (strstr(r->target, "elsewhere.zip"))
        answer_error(x, 301, "PermanentRedirect", "eu-west-1");
    else if (strstr(r->target, "flaky.zip") && number == 1)
        answer_error(x, 503, "SlowDown", REGION);
    else if (strstr(r->target, "cut.zip") || (strstr(r->target, "once-cut.zip") && number == 1))
        answer_file(x, "agent.zip", true);
    else if (strstr(r->target, "page.zip"))
        house_answer(x, 200, "text/html", "<html>please sign in</html>");
    else
        answer_file(x, r->query ? "stored.zip" : "agent.zip", false);
}

static ac_status get(const char *bucket, const char *key, const char *version, artifact *a)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    artifact_code code = {.bucket = bucket, .key = key, .version = version};

    atomic_store(&server.asked, 0);
    memset(&err, 0, sizeof err);
    return artifact_code_get(shop.all, &code, NULL, &memory, a, &err);
}

static void assert_asked(unsigned times, const char *last)
{
    assert_int_equal(atomic_load(&server.asked), times);
    if (times > 0)
        assert_string_equal(server.last, last);
    assert_int_equal(atomic_load(&server.worst), SIGV4_OK);
}

static void test_objects(void **state)
{
    artifact first, a;

    (void)state;
    assert_int_equal(get("my-bucket", "folder/agent.zip", NULL, &first), AC_OK);
    assert_asked(1, "/my-bucket/folder/agent.zip");
    assert_int_equal(get("my-bucket", "a b/caf\xc3\xa9+x=1&y:~.zip", NULL, &a), AC_OK);
    assert_asked(1, "/my-bucket/a%20b/caf%C3%A9%2Bx%3D1%26y%3A~.zip");
    assert_string_equal(a.digest, first.digest);
    assert_int_equal(get("my-bucket", "folder/agent.zip", "3sL4kqt.+_=", &a), AC_OK);
    assert_asked(1, "/my-bucket/folder/agent.zip?versionId=3sL4kqt.%2B_%3D");
    assert_string_not_equal(a.digest, first.digest);
    assert_int_equal(get("good", "agent.zip", NULL, &a), AC_OK); /* what lies here is not asked for there */
    assert_asked(0, NULL);
    assert_string_equal(a.digest, first.digest);
}

static void test_known_digest(void **state)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    artifact_code code = {.bucket = "my-bucket", .key = "folder/agent.zip"};
    artifact first, a;

    (void)state;
    assert_int_equal(get(code.bucket, code.key, NULL, &first), AC_OK);
    atomic_store(&server.asked, 0);
    assert_int_equal(artifact_code_get(shop.all, &code, first.digest, &memory, &a, &err), AC_OK);
    assert_asked(0, NULL);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *bucket, *key;
        ac_status status;
        const char *text;
    } cases[] = {
        {"my-bucket", "missing.zip", AC_ERR_NOT_FOUND, "has no such object"},
        {"no-bucket", "agent.zip", AC_ERR_NOT_FOUND, "has no such bucket"},
        {"my-bucket", "denied.zip", AC_ERR_DENIED, "refuses (403: AccessDenied): Because ? of it"},
        {"my-bucket", "elsewhere.zip", AC_ERR_INVALID,
         "the bucket is in the region eu-west-1, and was looked for in " REGION},
        {"my-bucket", "page.zip", AC_ERR_INVALID, "it is no whole zip file"},
    };
    char *before = listing(in_data("artifacts")), *after;
    artifact a;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ac_status status = get(cases[i].bucket, cases[i].key, NULL, &a);

        if (status != cases[i].status || !strstr(err.message, cases[i].text))
            fail_msg("%s: %s: %s", cases[i].key, ac_status_name(status), err.message);
        assert_int_equal(atomic_load(&server.asked), 1);
        assert_null(strstr(err.message, SECRET));
    }
    after = listing(in_data("artifacts"));
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void test_tried_again(void **state)
{
    artifact a;

    (void)state;
    assert_int_equal(get("my-bucket", "flaky.zip", NULL, &a), AC_OK);
    assert_asked(2, "/my-bucket/flaky.zip");
    assert_int_equal(get("my-bucket", "cut.zip", NULL, &a), AC_ERR_IO);
    assert_asked(3, "/my-bucket/cut.zip");
}

static void test_off(void **state)
{
    artifact a;

    (void)state;
    artifacts_reopen(&(artifacts_options){.s3_url = url, .s3_region = REGION});
    assert_int_equal(get("my-bucket", "agent.zip", NULL, &a), AC_ERR_NOT_FOUND);
    assert_asked(0, NULL);
}

static void test_nobody_there(void **state)
{
    script_peer gone;
    char there[64];
    artifact a;

    (void)state;
    script_start(&gone, "", 0, SCRIPT_CLOSE);
    script_stop(&gone); /* its port is free, and nobody listens */
    snprintf(there, sizeof there, "http://127.0.0.1:%d", gone.port);
    artifacts_reopen(&(artifacts_options){.s3 = true, .s3_url = there, .s3_region = REGION});
    assert_int_equal(get("my-bucket", "agent.zip", NULL, &a), AC_ERR_IO);
    artifacts_reopen(&(artifacts_options){.s3 = true, .s3_url = "ftp://there", .s3_region = REGION});
    assert_int_equal(get("my-bucket", "agent.zip", NULL, &a), AC_ERR_INVALID);
    artifacts_reopen(&(artifacts_options){.s3 = true, .s3_region = "no region"});
    assert_int_equal(get("my-bucket", "agent.zip", NULL, &a), AC_ERR_INVALID);
}

static void test_no_keys(void **state)
{
    artifact a;

    (void)state;
    unsetenv("AWS_ACCESS_KEY_ID");
    artifacts_reopen(&(artifacts_options){.s3 = true, .s3_url = url, .s3_region = REGION});
    assert_int_equal(get("my-bucket", "agent.zip", NULL, &a), AC_ERR_DENIED);
    assert_non_null(strstr(err.message, "no AWS credentials"));
    assert_asked(0, NULL);
}

static int set_up(void **state)
{
    if (artifacts_set_up(state) != 0)
        return 1;
    setenv("AWS_ACCESS_KEY_ID", KEY, 1);
    setenv("AWS_SECRET_ACCESS_KEY", SECRET, 1);
    setenv("AWS_SESSION_TOKEN", TOKEN, 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    setenv("AWS_CONFIG_FILE", "/nonexistent/config", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials", 1);
    house_start(&server.house, on_request);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", server.house.port);
    artifacts_reopen(&(artifacts_options){.s3 = true, .s3_url = url, .s3_region = REGION});
    return 0;
}

static int tear_down(void **state)
{
    int result = artifacts_tear_down(state);

    house_stop(&server.house);
    return result;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects),     cmocka_unit_test(test_known_digest), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_tried_again), cmocka_unit_test(test_off),          cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_no_keys),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
