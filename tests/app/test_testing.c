/* test_testing.c - agentcore/testing.h against a small app of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <agentcore/agentcore.h>
#include <agentcore/testing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define LONG_MS 20000

typedef struct fixture {
    ac_app *app;
    ac_test_client *client;
    atomic_int started, stopped;
} fixture;

static ac_status count_start(ac_app *app, void *user)
{
    (void)app;
    atomic_fetch_add(&((fixture *)user)->started, 1);
    return AC_OK;
}

static void count_stop(ac_app *app, void *user)
{
    (void)app;
    atomic_fetch_add(&((fixture *)user)->stopped, 1);
}

static ac_status stream_three(ac_reply *reply)
{
    for (int i = 0; i < 3; i++) {
        ac_status status = ac_reply_send_pack(reply, "{s:i, s:s}", "i", i, "text", "two\nlines");
        if (status != AC_OK)
            return status;
    }
    return ac_reply_fail(reply, 500, "enough");
}

static ac_status invoke(ac_request *request, ac_reply *reply, void *user)
{
    (void)user;
    yyjson_val *payload = ac_request_payload(request);
    const char *what = ac_json_string(payload, "do", "echo");
    if (strcmp(what, "stream") == 0)
        return stream_three(reply);
    if (strcmp(what, "fail") == 0)
        return ac_reply_fail(reply, 418, "no coffee");
    if (strcmp(what, "raw") == 0) {
        ac_reply_set_header(reply, "X-Empty", "");
        ac_reply_set_header(reply, "X-Thing", "one");
        return ac_reply_raw(reply, "text/plain", "a\0b", 3);
    }
    if (strcmp(what, "session") == 0)
        return ac_reply_pack(reply, "{s:s?}", "session", ac_context_session_id(ac_request_context(request)));
    return ac_reply_value(reply, yyjson_val_mut_copy(ac_reply_doc(reply), payload));
}

static ac_status talk(ac_websocket *websocket, const ac_context *context, void *user)
{
    (void)user;
    if (ac_websocket_header(websocket, "X-Refuse"))
        return AC_OK;
    ac_status status = ac_websocket_accept(websocket, NULL);
    while (status == AC_OK) {
        ac_message message;
        status = ac_websocket_receive(websocket, &message, -1);
        if (status == AC_OK && strcmp(message.data, "close") == 0)
            return ac_websocket_close(websocket, 4001, "asked to");
        if (status == AC_OK && strcmp(message.data, "binary") == 0)
            status = ac_websocket_send_binary(websocket, "\0\1\2", 3);
        else if (status == AC_OK)
            status = ac_websocket_send_pack(websocket, "{s:s, s:s?}", "echo", message.data, "session",
                                            ac_context_session_id(context));
    }
    return status;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->app = ac_app_new(&(ac_app_options){
        .on_start = count_start, .on_stop = count_stop, .user = f, .body_bytes_max = 4096, .log_level = AC_LOG_OFF});
    assert_non_null(f->app);
    assert_int_equal(ac_app_entrypoint(f->app, invoke, NULL), AC_OK);
    assert_int_equal(ac_app_websocket(f->app, talk, NULL), AC_OK);
    ac_error err;
    f->client = ac_test_client_new(f->app, &err);
    if (!f->client)
        fail_msg("%s", err.message);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    ac_test_client_free(f->client);
    assert_int_equal(atomic_load(&f->started), 1);
    assert_int_equal(atomic_load(&f->stopped), 1);
    ac_app_free(f->app);
    free(f);
    return 0;
}

static void test_echo(void **state)
{
    fixture *f = *state;
    ac_test_response *r = ac_test_post(f->client, "/invocations", "{\"message\": \"hello\"}");
    assert_non_null(r);
    assert_null(r->error);
    assert_int_equal(r->status, 200);
    assert_string_equal(r->body, "{\"message\": \"hello\"}");
    assert_int_equal(r->body_length, strlen(r->body));
    assert_string_equal(ac_json_string(r->json, "message", ""), "hello");
    assert_null(r->events);
    assert_string_equal(ac_test_response_header(r, "content-TYPE"), "application/json");
    assert_null(ac_test_response_header(r, "X-Absent"));
}

static void test_responses_stay(void **state)
{
    fixture *f = *state;
    ac_test_response *first = ac_test_post(f->client, "/invocations", "1");
    ac_test_response *second = ac_test_post(f->client, "/invocations", "2");
    assert_string_equal(first->body, "1");
    assert_string_equal(second->body, "2");
}

static void test_ping_head_and_paths(void **state)
{
    fixture *f = *state;
    ac_test_response *r = ac_test_get(f->client, "/ping");
    assert_int_equal(r->status, 200);
    assert_string_equal(ac_json_string(r->json, "status", ""), "Healthy");
    r = ac_test_request(f->client, "HEAD", "/ping", NULL, 0);
    assert_int_equal(r->status, 200);
    assert_int_equal(r->body_length, 0);
    assert_string_equal(r->body, "");
    assert_int_equal(ac_test_get(f->client, "/absent")->status, 404);
    assert_int_equal(ac_test_get(f->client, "/invocations")->status, 405);
    assert_int_equal(ac_test_get(f->client, "bad path\r\n")->status, 400);
}

static void test_errors_and_raw(void **state)
{
    fixture *f = *state;
    ac_test_response *r = ac_test_post(f->client, "/invocations", "{\"do\": \"fail\"}");
    assert_int_equal(r->status, 418);
    assert_string_equal(ac_json_string(r->json, "error", ""), "no coffee");
    r = ac_test_post(f->client, "/invocations", "{");
    assert_int_equal(r->status, 400);
    r = ac_test_post(f->client, "/invocations", "{\"do\": \"raw\"}");
    assert_int_equal(r->body_length, 3);
    assert_memory_equal(r->body, "a\0b", 4);
    assert_null(r->json);
    assert_string_equal(ac_test_response_header(r, "x-empty"), "");
    assert_string_equal(ac_test_response_header(r, "x-thing"), "one");
}

static void test_limits_apply(void **state)
{
    fixture *f = *state;
    char body[5000];
    memset(body, ' ', sizeof(body));
    assert_int_equal(ac_test_request(f->client, "POST", "/invocations", body, sizeof(body))->status, 413);
}

static void test_events(void **state)
{
    fixture *f = *state;
    ac_test_response *r = ac_test_post(f->client, "/invocations", "{\"do\": \"stream\"}");
    assert_int_equal(r->status, 200);
    assert_int_equal(r->event_count, 4);
    assert_string_equal(r->events[0], "{\"i\": 0, \"text\": \"two\\nlines\"}");
    assert_non_null(strstr(r->events[3], "\"error\": \"enough\""));
    assert_null(r->events[4]);
    assert_int_equal(strncmp(r->body, "data: {\"i\": 0", 13), 0);
}

static void test_headers(void **state)
{
    fixture *f = *state;
    assert_int_equal(ac_test_set_header(f->client, "Bad Name", "x"), AC_ERR_INVALID);
    assert_int_equal(ac_test_set_header(f->client, "X-A", "a\r\nX-B: b"), AC_ERR_INVALID);
    assert_int_equal(ac_test_set_header(f->client, AC_HEADER_SESSION_ID, "one"), AC_OK);
    assert_int_equal(ac_test_set_header(f->client, AC_HEADER_SESSION_ID, "two"), AC_OK);
    ac_test_response *r = ac_test_post(f->client, "/invocations", "{\"do\": \"session\"}");
    assert_string_equal(ac_json_string(r->json, "session", ""), "two");
    assert_int_equal(ac_test_set_header(f->client, AC_HEADER_SESSION_ID, NULL), AC_OK);
    r = ac_test_post(f->client, "/invocations", "{\"do\": \"session\"}");
    assert_string_equal(r->body, "{\"session\": null}");
}

static void test_websockets(void **state)
{
    fixture *f = *state;
    ac_error err;
    assert_int_equal(ac_test_set_header(f->client, AC_HEADER_SESSION_ID, "s1"), AC_OK);
    ac_test_websocket *one = ac_test_websocket_connect(f->client, "/ws", &err);
    ac_test_websocket *two = ac_test_websocket_connect(f->client, "/ws", &err);
    assert_non_null(one);
    assert_non_null(two);

    ac_message message;
    int code = 0;
    assert_int_equal(ac_test_websocket_send(one, "first"), AC_OK);
    assert_int_equal(ac_test_websocket_send(two, "binary"), AC_OK);
    assert_int_equal(ac_test_websocket_receive(two, &message, LONG_MS, &code), AC_OK);
    assert_int_equal(message.type, AC_MESSAGE_BINARY);
    assert_int_equal(message.length, 3);
    assert_memory_equal(message.data, "\0\1\2", 4);
    assert_int_equal(ac_test_websocket_receive(one, &message, LONG_MS, &code), AC_OK);
    assert_string_equal(message.data, "{\"echo\":\"first\",\"session\":\"s1\"}");
    assert_int_equal(ac_test_websocket_receive(one, &message, 10, &code), AC_ERR_TIMEOUT);

    assert_int_equal(ac_test_websocket_send(one, "close"), AC_OK);
    assert_int_equal(ac_test_websocket_receive(one, &message, LONG_MS, &code), AC_ERR_CLOSED);
    assert_int_equal(code, 4001);
    assert_int_equal(ac_test_websocket_send(one, "late"), AC_ERR_CLOSED);
    ac_test_websocket_free(one);
    ac_test_websocket_free(two);
    ac_test_websocket_free(NULL);
}

static void test_websocket_refused(void **state)
{
    fixture *f = *state;
    ac_error err;
    assert_int_equal(ac_test_set_header(f->client, "X-Refuse", "1"), AC_OK);
    assert_null(ac_test_websocket_connect(f->client, "/ws", &err));
    assert_int_equal(err.http_status, 403);
    assert_int_equal(err.status, AC_ERR_DENIED);
    assert_non_null(strstr(err.message, "403"));
}

static void test_websocket_left_open(void **state)
{
    /* Freed with the client. */
    fixture *f = *state;
    assert_non_null(ac_test_websocket_connect(f->client, "/ws", NULL));
}

static void test_no_handler(void **state)
{
    (void)state;
    ac_error err;
    ac_app *app = ac_app_new(NULL);
    assert_null(ac_test_client_new(app, &err));
    assert_int_equal(err.status, AC_ERR_STATE);
    assert_null(ac_test_client_new(NULL, &err));
    ac_app_free(app);
    ac_test_client_free(NULL);
}

#define WITH_CLIENT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CLIENT(test_echo),
        WITH_CLIENT(test_responses_stay),
        WITH_CLIENT(test_ping_head_and_paths),
        WITH_CLIENT(test_errors_and_raw),
        WITH_CLIENT(test_limits_apply),
        WITH_CLIENT(test_events),
        WITH_CLIENT(test_headers),
        WITH_CLIENT(test_websockets),
        WITH_CLIENT(test_websocket_refused),
        WITH_CLIENT(test_websocket_left_open),
        cmocka_unit_test(test_no_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
