/* test_client_retry.c - when to try again, and how long to wait; then the whole of it against a server that
 * recovers. */
#include "http/client_retry.h"

#include "client_peers.h"

typedef struct outcome_case {
    http_failure failure;
    int status;
    const char *name;
    http_outcome expected;
} outcome_case;

static void outcomes_are_told_apart(void **state)
{
    static const outcome_case cases[] = {
        {HTTP_FAILURE_NONE, 200, NULL, HTTP_OUTCOME_DONE},
        {HTTP_FAILURE_NONE, 400, "ValidationException", HTTP_OUTCOME_DONE},
        {HTTP_FAILURE_NONE, 400, "ThrottlingException", HTTP_OUTCOME_THROTTLED},
        {HTTP_FAILURE_NONE, 400, "RequestTimeout", HTTP_OUTCOME_TRANSIENT},
        {HTTP_FAILURE_NONE, 429, NULL, HTTP_OUTCOME_THROTTLED},
        {HTTP_FAILURE_NONE, 500, NULL, HTTP_OUTCOME_TRANSIENT},
        {HTTP_FAILURE_NONE, 501, NULL, HTTP_OUTCOME_DONE},
        {HTTP_FAILURE_NONE, 503, "SlowDown", HTTP_OUTCOME_THROTTLED},
        {HTTP_FAILURE_NONE, 504, NULL, HTTP_OUTCOME_TRANSIENT},
        {HTTP_FAILURE_CONNECT, 0, NULL, HTTP_OUTCOME_TRANSIENT},
        {HTTP_FAILURE_BROKEN, 0, NULL, HTTP_OUTCOME_TRANSIENT},
        {HTTP_FAILURE_RESOLVE, 0, NULL, HTTP_OUTCOME_TRANSIENT},
        {HTTP_FAILURE_TIMEOUT, 0, NULL, HTTP_OUTCOME_TIMEOUT},
        {HTTP_FAILURE_TLS, 0, NULL, HTTP_OUTCOME_DONE},
        {HTTP_FAILURE_TOO_LARGE, 0, NULL, HTTP_OUTCOME_DONE},
        {HTTP_FAILURE_CANCELLED, 0, NULL, HTTP_OUTCOME_DONE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (http_outcome_of(cases[i].failure, cases[i].status, cases[i].name) != cases[i].expected)
            fail_msg("case %zu", i);
}

static void servers_may_ask_for_time(void **state)
{
    static const struct {
        const char *name, *value;
        unsigned expected;
    } cases[] = {
        {"Retry-After", "3", 3000},
        {"retry-after", "0", 0},
        {"Retry-After", "-1", 0},
        {"Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT", 0},
        {"Retry-After", "999999999", UINT32_MAX},
        {"Retry-After", "99999999999999999999", 0},
        {"x-amz-retry-after", "250", 250},
        {"X-Other", "3", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        http_header header = {.name = cases[i].name, .value = cases[i].value};
        assert_int_equal(http_retry_after_ms(&(http_client_head){.headers = &header, .header_count = 1}),
                         cases[i].expected);
    }
    assert_int_equal(http_retry_attempts(NULL), 3);
    assert_int_equal(http_retry_attempts("7"), 7);
    assert_int_equal(http_retry_attempts("0"), 3);
    assert_int_equal(http_retry_attempts("x"), 3);
    assert_int_equal(http_retry_attempts("1000"), 3);
}

static double almost_one(void *user)
{
    (void)user;
    return 0.999999;
}

static double zero(void *user)
{
    (void)user;
    return 0;
}

static void delays_grow_to_a_limit(void **state)
{
    static const unsigned expected[] = {999, 1999, 3999, 7999, 15999, 19999, 19999};
    http_retry r;
    unsigned delay;

    (void)state;
    http_retry_begin(&r, &(http_retry_options){.attempts_max = 8, .random = almost_one});
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_true(http_retry_next(&r, HTTP_OUTCOME_TRANSIENT, 0, &delay));
        assert_int_equal(delay, expected[i]);
    }
    assert_false(http_retry_next(&r, HTTP_OUTCOME_TRANSIENT, 0, &delay));
    http_retry_begin(&r, &(http_retry_options){.random = zero});
    assert_true(http_retry_next(&r, HTTP_OUTCOME_THROTTLED, 5000, &delay));
    assert_int_equal(delay, 5000);
    assert_true(http_retry_next(&r, HTTP_OUTCOME_THROTTLED, 5000000, &delay));
    assert_int_equal(delay, 20000);
    assert_false(http_retry_next(&r, HTTP_OUTCOME_THROTTLED, 0, &delay));
    http_retry_begin(&r, NULL);
    assert_false(http_retry_next(&r, HTTP_OUTCOME_DONE, 0, &delay));
    for (int i = 0; i < 100; i++) {
        http_retry_begin(&r, NULL);
        assert_true(http_retry_next(&r, HTTP_OUTCOME_TRANSIENT, 0, &delay));
        assert_true(delay < 1000);
    }
}

static void retries_have_a_quota(void **state)
{
    http_retry_quota quota = HTTP_RETRY_QUOTA_INIT;
    http_retry_options options = {.quota = &quota, .random = zero, .attempts_max = 100};
    http_retry r;
    unsigned delay, retries = 0;

    (void)state;
    http_retry_begin(&r, &options);
    assert_true(http_retry_next(&r, HTTP_OUTCOME_TIMEOUT, 0, &delay));
    assert_int_equal(quota.tokens, 490);
    assert_false(http_retry_next(&r, HTTP_OUTCOME_DONE, 0, &delay));
    assert_int_equal(quota.tokens, 500);
    do
        http_retry_begin(&r, &options);
    while (http_retry_next(&r, HTTP_OUTCOME_TRANSIENT, 0, &delay) && ++retries);
    assert_int_equal(retries, 100);
    assert_int_equal(quota.tokens, 0);
    http_retry_begin(&r, &options);
    assert_false(http_retry_next(&r, HTTP_OUTCOME_DONE, 0, &delay));
    assert_int_equal(quota.tokens, 1);
}

/* ---- with a server ---- */

typedef struct fixture {
    house house;
    http_client *client;
    char url[64];
    unsigned fail; /* the first so many requests get 503 */
    unsigned requests;
    unsigned waited_ms;
    bool impatient;
} fixture;

static void on_request(http_exchange *x, void *user)
{
    fixture *f = user;
    bool fails = f->requests++ < f->fail;

    house_answer(x, fails ? 503 : 200, "text/plain", fails ? "" : "ok");
}

static bool note_wait(void *user, unsigned delay_ms)
{
    fixture *f = user;

    f->waited_ms += delay_ms;
    return !f->impatient;
}

static ac_status try_once(void *user, http_attempt *attempt, ac_error *err)
{
    fixture *f = user;
    http_client_response response;
    ac_status status = http_client_fetch(f->client, &(http_client_request){.url = f->url}, &response, err);

    attempt->outcome = http_outcome_of(response.failure, response.head.status, NULL);
    if (status == AC_OK && response.head.status != 200)
        status = ac_error_set(err, AC_ERR_IO, "attempt %u", attempt->number);
    http_client_response_done(&response);
    return status;
}

static void attempts_are_made(void **state)
{
    fixture f = {0};
    http_retry_options options = {.random = almost_one, .wait = note_wait, .user = &f};
    ac_error err = {0};

    (void)state;
    house_start(&f.house, on_request);
    assert_int_equal(http_client_new(NULL, &f.client, NULL), AC_OK);
    snprintf(f.url, sizeof f.url, "http://127.0.0.1:%d/", f.house.port);
    f.fail = 2;
    assert_int_equal(http_retry_run(&options, try_once, &f, &err), AC_OK);
    assert_int_equal(f.requests, 3);
    assert_int_equal(f.waited_ms, 999 + 1999);
    f.requests = 0;
    f.fail = 100;
    assert_int_equal(http_retry_run(&options, try_once, &f, &err), AC_ERR_IO);
    assert_string_equal(err.message, "attempt 3");
    f.requests = 0;
    f.impatient = true;
    assert_int_equal(http_retry_run(&options, try_once, &f, &err), AC_ERR_IO);
    assert_int_equal(f.requests, 1);
    http_client_free(f.client);
    house_stop(&f.house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcomes_are_told_apart), cmocka_unit_test(servers_may_ask_for_time),
        cmocka_unit_test(delays_grow_to_a_limit),  cmocka_unit_test(retries_have_a_quota),
        cmocka_unit_test(attempts_are_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
