/* test_credentials_refresh.c - what a provider keeps, when it fetches anew, and what its callers see meanwhile. */
#include "aws/credentials.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
    aws_clock clock;
    _Atomic int64_t now_ms;
} fixture;

static int64_t get_now(void *user)
{
    return ((fixture *)user)->now_ms;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    f->now_ms = 1700000000000;
    f->clock = (aws_clock){get_now, f};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static void expect_key(aws_provider *p, const char *key)
{
    aws_credentials *c;
    ac_error err = {0};

    if (aws_provider_get(p, &c, &err) != AC_OK)
        fail_msg("%s instead of %s", err.message, key);
    assert_string_equal(c->access_key, key);
    aws_credentials_unref(c);
}

typedef struct stub {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned fetches;
    int64_t expires_ms;
    ac_status status;
    bool hold, held;
} stub;

static ac_status stub_fetch(void *user, aws_credentials **ret, ac_error *err)
{
    stub *s = user;
    char key[16];

    pthread_mutex_lock(&s->lock);
    snprintf(key, sizeof key, "KEY%u", ++s->fetches);
    s->held = true;
    pthread_cond_broadcast(&s->changed);
    while (s->hold)
        pthread_cond_wait(&s->changed, &s->lock);
    ac_status status = s->status;
    int64_t expires = s->expires_ms;
    pthread_mutex_unlock(&s->lock);
    if (status != AC_OK)
        return ac_error_set(err, status, "the stub fails");
    *ret = aws_credentials_new(&(aws_credentials){.access_key = key, .secret_key = "s", .expires_ms = expires});
    return AC_OK;
}

static aws_provider *stub_provider(fixture *f, stub *s)
{
    *s = (stub){
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .expires_ms = f->now_ms + 3600000};
    return aws_provider_new(&(aws_credentials_source){.fetch = stub_fetch, .user = s}, &f->clock);
}

static void keys_are_kept_until_they_age(void **state)
{
    fixture *f = *state;
    stub s;
    aws_provider *p = stub_provider(f, &s);

    expect_key(p, "KEY1");
    f->now_ms += 44 * 60000;
    expect_key(p, "KEY1");
    f->now_ms += 2 * 60000; /* 14 minutes left */
    s.expires_ms = f->now_ms + 3600000;
    expect_key(p, "KEY2");
    expect_key(p, "KEY2");
    aws_provider_expire(p);
    expect_key(p, "KEY3");
    aws_provider_free(p);
}

static void failing_refreshes_are_survived_while_possible(void **state)
{
    fixture *f = *state;
    aws_credentials *c;
    ac_error err = {0};
    stub s;
    aws_provider *p = stub_provider(f, &s);

    expect_key(p, "KEY1");
    s.status = AC_ERR_IO;
    f->now_ms += 46 * 60000;
    expect_key(p, "KEY1");
    expect_key(p, "KEY1");
    assert_int_equal(s.fetches, 2); /* not at every call */
    f->now_ms += 61000;
    expect_key(p, "KEY1");
    assert_int_equal(s.fetches, 3);
    f->now_ms += 3600000;
    assert_int_equal(aws_provider_get(p, &c, &err), AC_ERR_IO);
    assert_string_equal(err.message, "the stub fails");
    s.status = AC_OK;
    assert_int_equal(aws_provider_get(p, &c, &err), AC_ERR_DENIED); /* what it fetches has expired */
    s.expires_ms = f->now_ms + 3600000;
    expect_key(p, "KEY6");
    aws_provider_free(p);
}

static void *get_in_thread(void *arg)
{
    aws_credentials *c;
    char *key = NULL;

    if (aws_provider_get(arg, &c, NULL) == AC_OK) {
        key = strdup(c->access_key);
        aws_credentials_unref(c);
    }
    return key;
}

static void expect_thread(pthread_t thread, const char *key)
{
    void *got;

    pthread_join(thread, &got);
    assert_non_null(got);
    assert_string_equal(got, key);
    free(got);
}

static void one_thread_refreshes(void **state)
{
    fixture *f = *state;
    pthread_t first, others[4];
    stub s;
    aws_provider *p = stub_provider(f, &s);

    expect_key(p, "KEY1");
    f->now_ms += 47 * 60000;
    pthread_mutex_lock(&s.lock);
    s.hold = true;
    s.held = false;
    s.expires_ms = f->now_ms + 3600000;
    pthread_mutex_unlock(&s.lock);
    assert_int_equal(pthread_create(&first, NULL, get_in_thread, p), 0);
    pthread_mutex_lock(&s.lock);
    while (!s.held)
        pthread_cond_wait(&s.changed, &s.lock);
    pthread_mutex_unlock(&s.lock);
    expect_key(p, "KEY1"); /* advisory: goes on with the old ones meanwhile */
    f->now_ms += 5 * 60000;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) /* mandatory: these wait, or come when it is over */
        assert_int_equal(pthread_create(&others[i], NULL, get_in_thread, p), 0);
    pthread_mutex_lock(&s.lock);
    s.hold = false;
    pthread_cond_broadcast(&s.changed);
    pthread_mutex_unlock(&s.lock);
    expect_thread(first, "KEY2");
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        expect_thread(others[i], "KEY2");
    assert_int_equal(s.fetches, 2);
    aws_provider_free(p);
}

static void snapshots_outlive_the_provider(void **state)
{
    aws_provider *p = aws_provider_static("AK", "secret", "");
    aws_credentials *c;

    (void)state;
    assert_int_equal(aws_provider_get(p, &c, NULL), AC_OK);
    aws_provider_free(p);
    assert_string_equal(c->secret_key, "secret");
    assert_null(c->session_token);
    aws_credentials_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_kept_until_they_age),
        cmocka_unit_test(failing_refreshes_are_survived_while_possible),
        cmocka_unit_test(one_thread_refreshes),
        cmocka_unit_test(snapshots_outlive_the_provider),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
