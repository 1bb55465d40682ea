/* test_runtime_ws.c - WebSockets to agents: who may connect, what is sent on the way, messages, and the end. */
#include "agent_house.h"

#include <stdlib.h>

static void on_message(http_exchange *x, const http_ws_message *message, void *user)
{
    (void)user;
    if (message->length == 3 && memcmp(message->data, "bye", 3) == 0)
        http_ws_close(x, 4001, "as asked");
    else
        (void)!http_ws_send(x, message->opcode, message->data, message->length);
}

static void on_close(http_exchange *x, int code, void *user)
{
    (void)code;
    (void)user;
    http_exchange_unref(x);
}

/* Bearer tokens are believed, signatures only when they are right. */
static void answer(agent_house *h, http_exchange *x)
{
    const http_ws_events events = {.on_message = on_message, .on_close = on_close, .user = h};

    if (h->verified != SIGV4_OK && h->form != SIGV4_FORM_NONE)
        house_answer(x, 403, "text/plain", "no");
    else if (strstr(h->line, "qualifier=none"))
        house_answer(x, 404, "text/plain", "no");
    else if (http_ws_accept(x, &(http_ws_options){.events = &events}) != AC_OK)
        abort();
}

static ac_runtime_ws *connect_with(agent_house *h, const ac_runtime_ws_options *o)
{
    ac_runtime_ws *ws = NULL;
    ac_error err = {0};

    if (ac_runtime_ws_connect(h->client, ARN, o, &ws, &err) != AC_OK)
        fail_msg("%s", err.message);
    return ws;
}

static void goodbye(ac_runtime_ws *ws)
{
    ac_error err = {0};

    if (ac_runtime_ws_close(ws, 0, "done", WAIT_MS, &err) != AC_OK)
        fail_msg("%s", err.message);
    assert_int_equal(ac_runtime_ws_close_code(ws), 1000);
    ac_runtime_ws_free(ws);
}

static void signed_connection(void **state)
{
    agent_house *h = *state;
    const ac_header custom = {"X-Amzn-Bedrock-AgentCore-Runtime-Custom-Tenant", "t"};
    ac_runtime_ws *ws = connect_with(h, &(ac_runtime_ws_options){
                                            .session_id = "my-session-id",
                                            .qualifier = "DEFAULT",
                                            .headers = &custom,
                                            .header_count = 1,
                                        });
    ac_runtime_message message;

    assert_int_equal(h->verified, SIGV4_OK);
    assert_int_equal(h->form, SIGV4_FORM_HEADER);
    assert_string_equal(h->line, "GET /runtimes/" ENCODED_ARN "/ws?qualifier=DEFAULT");
    assert_true(agent_house_saw(h, AC_HEADER_SESSION_ID, "my-session-id"));
    assert_true(agent_house_saw(h, "User-Agent", "AgentCoreRuntimeClient/1.0"));
    assert_true(agent_house_saw(h, custom.name, "t"));
    assert_non_null(strstr(h->headers, "SignedHeaders=host;x-amz-date,"));
    assert_string_equal(ac_runtime_ws_session_id(ws), "my-session-id");
    assert_int_equal(ac_runtime_ws_close_code(ws), 0);

    assert_int_equal(ac_runtime_ws_send_text(ws, "hello", WAIT_MS, NULL), AC_OK);
    assert_int_equal(ac_runtime_ws_receive(ws, WAIT_MS, &message, NULL), AC_OK);
    assert_string_equal(message.data, "hello");
    assert_false(message.binary);
    assert_int_equal(ac_runtime_ws_send_binary(ws, "\0\1", 2, WAIT_MS, NULL), AC_OK);
    assert_int_equal(ac_runtime_ws_receive(ws, WAIT_MS, &message, NULL), AC_OK);
    assert_true(message.binary && message.length == 2);
    goodbye(ws);
}

static void json_and_deadlines(void **state)
{
    ac_runtime_ws *ws = connect_with(*state, NULL);
    ac_runtime_message message;
    yyjson_doc *doc = NULL;
    ac_error err = {0};

    assert_int_equal(strlen(ac_runtime_ws_session_id(ws)), 36);
    assert_int_equal(ac_runtime_ws_receive(ws, 10, &message, &err), AC_ERR_TIMEOUT);
    assert_null(message.data);
    assert_int_equal(ac_runtime_ws_send_pack(ws, WAIT_MS, &err, "{s:s, s:i}", "prompt", "hi", "n", 3), AC_OK);
    assert_int_equal(ac_runtime_ws_receive_json(ws, WAIT_MS, &doc, &err), AC_OK);
    assert_int_equal(ac_json_int(yyjson_doc_get_root(doc), "n", 0), 3);
    yyjson_doc_free(doc);
    assert_int_equal(ac_runtime_ws_send_text(ws, "no json", WAIT_MS, &err), AC_OK);
    assert_int_equal(ac_runtime_ws_receive_json(ws, WAIT_MS, &doc, &err), AC_ERR_PROTOCOL);
    assert_null(doc);
    assert_int_equal(ac_runtime_ws_send_pack(ws, WAIT_MS, &err, "{s", "k"), AC_ERR_INVALID);
    assert_int_equal(ac_runtime_ws_send_text(ws, "\xff", WAIT_MS, &err), AC_ERR_INVALID);
    assert_int_equal(ac_runtime_ws_close(ws, 1006, NULL, WAIT_MS, &err), AC_ERR_INVALID);

    assert_int_equal(ac_runtime_ws_send_text(ws, "bye", WAIT_MS, &err), AC_OK);
    assert_int_equal(ac_runtime_ws_receive(ws, WAIT_MS, &message, &err), AC_ERR_CLOSED);
    assert_int_equal(ac_runtime_ws_close_code(ws), 4001);
    ac_runtime_ws_free(ws);
    ac_runtime_ws_free(NULL);
}

static void bearer_connection(void **state)
{
    agent_house *h = *state;
    ac_runtime_ws *ws = connect_with(h, &(ac_runtime_ws_options){.bearer_token = "e.y.J"});

    assert_int_equal(h->form, SIGV4_FORM_NONE);
    assert_true(agent_house_saw(h, "Authorization", "Bearer e.y.J"));
    assert_true(agent_house_saw(h, "User-Agent", "OAuth-WebSocket-Client/1.0"));
    assert_true(agent_house_saw(h, AC_HEADER_SESSION_ID, ac_runtime_ws_session_id(ws)));
    goodbye(ws);
}

static void presigned_connection(void **state)
{
    agent_house *h = *state;
    const ac_header query = {"user_type", "premium"};
    ac_runtime_ws *ws = NULL;
    ac_error err = {0};
    char *url = NULL;

    assert_int_equal(ac_runtime_presigned_url(
                         h->client, ARN,
                         &(ac_runtime_presign_options){.session_id = SESSION, .query = &query, .query_count = 1}, &url,
                         &err),
                     AC_OK);
    assert_int_equal(strncmp(url, "ws://127.0.0.1:", 15), 0);
    assert_int_equal(ac_runtime_ws_connect_url(NULL, url, NULL, &ws, &err), AC_OK);
    assert_int_equal(h->form, SIGV4_FORM_QUERY);
    assert_int_equal(h->verified, SIGV4_OK);
    assert_non_null(strstr(h->line, "/ws?user_type=premium&" AC_HEADER_SESSION_ID "=" SESSION "&X-Amz-Algorithm="));
    assert_string_equal(ac_runtime_ws_session_id(ws), "");
    goodbye(ws);

    url[strlen(url) - 1] = url[strlen(url) - 1] == '0' ? '1' : '0';
    assert_int_equal(ac_runtime_ws_connect_url(h->client, url, NULL, &ws, &err), AC_ERR_DENIED);
    assert_int_equal(err.http_status, 403);
    assert_int_equal(ac_runtime_ws_connect_url(h->client, url, &(ac_runtime_ws_options){.qualifier = "x"}, &ws, &err),
                     AC_ERR_INVALID);
    free(url);
}

static void refused(void **state)
{
    agent_house *h = *state;
    ac_runtime_ws *ws = NULL;
    ac_header one = {"Host", "v"};
    ac_error err = {0};
    static const char *const taken[] = {"Host", "Sec-WebSocket-Key", "authorization", AC_HEADER_SESSION_ID};

    assert_int_equal(ac_runtime_ws_connect(h->client, ARN, &(ac_runtime_ws_options){.qualifier = "none"}, &ws, &err),
                     AC_ERR_NOT_FOUND);
    assert_int_equal(err.http_status, 404);
    assert_int_equal(ac_runtime_ws_connect(h->client, "my-agent", NULL, &ws, &err), AC_ERR_INVALID);
    assert_string_equal(err.message, "Invalid runtime ARN format: my-agent");
    for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
        one.name = taken[i];
        assert_int_equal(ac_runtime_ws_connect(h->client, ARN,
                                               &(ac_runtime_ws_options){.headers = &one, .header_count = 1}, &ws, &err),
                         AC_ERR_INVALID);
        assert_non_null(strstr(err.message, "is set by the client"));
    }
    assert_null(ws);
}

/* A header or a parameter whose name or value is NULL. */
static void refused_for_what_is_missing(void **state)
{
    static const ac_header broken[] = {{NULL, "v"}, {"X-A", NULL}};
    agent_house *h = *state;
    ac_runtime_ws *ws = NULL;
    ac_error err = {0};
    char *url = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        const ac_runtime_ws_options o = {.headers = &broken[i], .header_count = 1};

        assert_int_equal(ac_runtime_ws_connect(h->client, ARN, &o, &ws, &err), AC_ERR_INVALID);
        assert_string_equal(err.message, "a header has no name or no value");
        assert_int_equal(ac_runtime_ws_connect_url(h->client, "ws://127.0.0.1:1/ws", &o, &ws, &err), AC_ERR_INVALID);
        assert_int_equal(ac_runtime_presigned_url(h->client, ARN,
                                                  &(ac_runtime_presign_options){.query = &broken[i], .query_count = 1},
                                                  &url, &err),
                         AC_ERR_INVALID);
        assert_string_equal(err.message, "a query parameter has no name or no value");
    }
    assert_null(ws);
    assert_null(url);
}

static void *abort_soon(void *arg)
{
    ac_runtime_ws *ws = arg;

    assert_int_equal(ac_runtime_ws_send_text(ws, "x", WAIT_MS, NULL), AC_OK);
    ac_runtime_ws_abort(ws);
    return NULL;
}

static void another_thread_aborts(void **state)
{
    ac_runtime_ws *ws = connect_with(*state, NULL);
    ac_runtime_message message;
    pthread_t thread;
    ac_status status = AC_OK;

    assert_int_equal(pthread_create(&thread, NULL, abort_soon, ws), 0);
    while (status == AC_OK) /* the echo may come before */
        status = ac_runtime_ws_receive(ws, -1, &message, NULL);
    assert_int_equal(status, AC_ERR_CLOSED);
    pthread_join(thread, NULL);
    assert_int_equal(ac_runtime_ws_close_code(ws), 1006);
    ac_runtime_ws_free(ws);
}

static int set_up(void **state)
{
    agent_house *h = calloc(1, sizeof *h);

    agent_house_start(h, answer, 1);
    *state = h;
    return 0;
}

static int tear_down(void **state)
{
    agent_house_stop(*state);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signed_connection),
        cmocka_unit_test(json_and_deadlines),
        cmocka_unit_test(bearer_connection),
        cmocka_unit_test(presigned_connection),
        cmocka_unit_test(refused),
        cmocka_unit_test(refused_for_what_is_missing),
        cmocka_unit_test(another_thread_aborts),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
