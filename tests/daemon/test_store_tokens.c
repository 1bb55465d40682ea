/* Client tokens: one effect however often and from wherever the request comes, and gone after a day. */
#include "daemon/store/client_tokens.h"
#include "daemon/store/sweeper.h"
#include "store_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct request {
    const char *operation, *account, *token, *parameters;
    int number; /* of the one who sends it */
    client_token_outcome outcome;
    char response[64];
} request;

/* What an operation with a token looks like: it adds a row and answers with the row's name. */
static ac_status serve(store_tx *tx, void *arg, ac_error *err)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    request *r = arg;
    const char *kept;
    client_token t = {.operation = r->operation,
                      .account = r->account,
                      .token = r->token,
                      .parameters = r->parameters,
                      .parameters_length = strlen(r->parameters)};

    AC_TRY(client_token_look(tx, &t, &memory, &r->outcome, &kept, err));
    if (r->outcome != CLIENT_TOKEN_NEW) {
        snprintf(r->response, sizeof(r->response), "%s", kept ? kept : "");
        return AC_OK;
    }
    snprintf(r->response, sizeof(r->response), "made by %d", r->number);
    AC_TRY(sql_run(tx, "INSERT INTO tags (arn, name, value) VALUES ('effect', $1, '')",
                   SQL_VALUES(sql_text(r->response)), NULL, err));
    return client_token_keep(tx, &t, r->response, err);
}

static client_token_outcome send_request(store *s, request *r)
{
    ac_error err;

    assert_ok(store_write(s, serve, r, &err));
    return r->outcome;
}

static void same_request_has_one_effect(void **state)
{
    fixture *f = *state;
    request first = {"Create", "1", "token", "{\"a\":1}", 1, CLIENT_TOKEN_NEW, ""}, again = first, other = first;

    assert_int_equal(send_request(f->s, &first), CLIENT_TOKEN_NEW);
    again.number = 2;
    assert_int_equal(send_request(f->s, &again), CLIENT_TOKEN_REPLAY);
    assert_string_equal(again.response, "made by 1");
    other.parameters = "{\"a\":2}";
    assert_int_equal(send_request(f->s, &other), CLIENT_TOKEN_MISMATCH);
    assert_string_equal(other.response, "");
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM tags"), 1);

    request elsewhere[] = {{"Update", "1", "token", "", 3, CLIENT_TOKEN_NEW, ""},
                           {"Create", "2", "token", "", 4, CLIENT_TOKEN_NEW, ""},
                           {"Create", "1", "Token", "", 5, CLIENT_TOKEN_NEW, ""}};
    for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
        assert_int_equal(send_request(f->s, &elsewhere[i]), CLIENT_TOKEN_NEW);

    char long_token[20001]; /* some operations take any string */
    memset(long_token, 'x', 20000);
    long_token[20000] = '\0';
    request large = {"Create", "1", long_token, "", 6, CLIENT_TOKEN_NEW, ""};
    assert_int_equal(send_request(f->s, &large), CLIENT_TOKEN_NEW);
    assert_int_equal(send_request(f->s, &large), CLIENT_TOKEN_REPLAY);
}

typedef struct sender {
    store *s;
    request request;
    pthread_t thread;
} sender;

static void *send_one(void *arg)
{
    sender *s = arg;

    return (void *)(intptr_t)store_write(s->s, serve, &s->request, NULL);
}

static void at_once_has_one_effect(void **state)
{
    fixture *f = *state;
    char token[16];
    sender senders[8];

    for (int round = 0; round < 10; round++) {
        int made = 0;
        snprintf(token, sizeof(token), "t%d", round);
        for (int i = 0; i < 8; i++) {
            senders[i] = (sender){
                .s = f->s,
                .request = {
                    .operation = "Create", .account = "1", .token = token, .parameters = "", .number = round * 10 + i}};
            assert_int_equal(pthread_create(&senders[i].thread, NULL, send_one, &senders[i]), 0);
        }
        for (int i = 0; i < 8; i++) {
            void *status;
            pthread_join(senders[i].thread, &status);
            assert_int_equal((intptr_t)status, AC_OK);
            made += senders[i].request.outcome == CLIENT_TOKEN_NEW;
        }
        assert_int_equal(made, 1);
        for (int i = 1; i < 8; i++)
            assert_string_equal(senders[i].request.response, senders[0].request.response);
    }
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM tags"), 10);
}

static ac_status sweep(store_tx *tx, void *arg, ac_error *err)
{
    return client_token_sweep(tx, 2, arg, err);
}

static void old_tokens_are_forgotten(void **state)
{
    fixture *f = *state;
    request r = {"Create", "1", "0", "", 0, CLIENT_TOKEN_NEW, ""};
    int64_t swept;
    ac_error err;

    for (; r.number < 5; r.number++) {
        char token[2] = {(char)('0' + r.number), '\0'};
        r.token = token;
        assert_int_equal(send_request(f->s, &r), CLIENT_TOKEN_NEW);
    }
    fixture_sql(f->s, "UPDATE client_tokens SET created_ms = created_ms - 86340000"); /* one minute to go */
    assert_ok(store_write(f->s, sweep, &swept, &err));
    assert_int_equal(swept, 0);
    r.token = "0";
    assert_int_equal(send_request(f->s, &r), CLIENT_TOKEN_REPLAY);

    fixture_sql(f->s, "UPDATE client_tokens SET created_ms = created_ms - 60001");
    r.number = 10;
    assert_int_equal(send_request(f->s, &r), CLIENT_TOKEN_NEW); /* no matter that it is still there */
    assert_int_equal(send_request(f->s, &r), CLIENT_TOKEN_REPLAY);
    assert_ok(store_write(f->s, sweep, &swept, &err));
    assert_int_equal(swept, 2);
    assert_ok(store_write(f->s, sweep, &swept, &err));
    assert_int_equal(swept, 2);
    assert_ok(store_write(f->s, sweep, &swept, &err));
    assert_int_equal(swept, 0);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM client_tokens"), 1);
}

static void sweeper_comes_by_itself(void **state)
{
    fixture *f = *state;
    job_handler handlers[] = {sweeper_handler(20)};
    job_runner_options options = {.handlers = handlers, .handler_count = 1, .poll_ms = 10};
    request r = {"Create", "1", "0", "", 0, CLIENT_TOKEN_NEW, ""};
    job_runner *runners[2];
    ac_error err;

    for (int i = 0; i < 2; i++)
        assert_ok(job_runner_start(f->s, &options, &runners[i], &err));
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs"), 1);
    for (int round = 0; round < 3; round++) {
        r.number = round;
        assert_int_equal(send_request(f->s, &r), CLIENT_TOKEN_NEW);
        fixture_sql(f->s, "UPDATE client_tokens SET created_ms = 0");
        while (fixture_number(f->s, "SELECT COUNT(*) FROM client_tokens") > 0)
            sched_yield();
    }
    for (int i = 0; i < 2; i++)
        assert_true(job_runner_stop(runners[i], FIXTURE_STOP_MS));
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM jobs"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(same_request_has_one_effect, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(at_once_has_one_effect, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(old_tokens_are_forgotten, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(sweeper_comes_by_itself, fixture_set_up, fixture_tear_down),
    };

    fixture_require();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
