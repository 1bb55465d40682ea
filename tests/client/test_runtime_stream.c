/* test_runtime_stream.c - answers read while they are made: pieces, Server-Sent Events, and the frames of an event
 * stream.  The service sends the next part only when the one before has been seen. */
#include "agent_house.h"

#include "aws/eventstream.h"

#include <stdlib.h>

static const char *content_type;
static buf first; /* what the service sends at once, with the head */

static void begin_stream(agent_house *h, http_exchange *x)
{
    static const http_field fields[] = {{AC_HEADER_SESSION_ID, SESSION}, {"baggage", "a=b"}};
    const http_response response = {
        .status = 200, .content_type = content_type, .fields = fields, .field_count = ARRAY_SIZE(fields)};

    if (http_stream_begin(x, &response, NULL) != AC_OK || http_stream_write(x, first.data, first.length) != AC_OK)
        abort();
    h->held = x;
}

typedef struct opened {
    agent_house house;
    ac_runtime_stream *stream;
    http_exchange *x;
} opened;

static void open_stream(opened *o, const char *type, const char *begin)
{
    ac_error err = {0};

    *o = (opened){.stream = NULL};
    content_type = type;
    first = BUF_INIT(65536);
    assert_int_equal(buf_append_text(&first, begin), AC_OK);
    agent_house_start(&o->house, begin_stream, 1);
    if (ac_runtime_open(o->house.client, ARN, "{}", 2, NULL, &o->stream, &err) != AC_OK)
        fail_msg("%s", err.message);
    o->x = agent_house_held(&o->house);
    assert_int_equal(o->house.verified, SIGV4_OK);
}

static void shut(opened *o)
{
    ac_runtime_stream_close(o->stream);
    agent_house_stop(&o->house);
    buf_done(&first);
}

static void say(opened *o, const char *text)
{
    assert_int_equal(http_stream_write(o->x, text, strlen(text)), AC_OK);
}

static void expect_event(opened *o, const char *data)
{
    ac_runtime_event event;
    ac_error err = {0};

    if (ac_runtime_stream_event(o->stream, WAIT_MS, &event, &err) != AC_OK)
        fail_msg("%s", err.message);
    assert_string_equal(event.data, data);
}

/* ---- Server-Sent Events ---- */

static void each_event_is_seen_before_the_next_is_sent(void **state)
{
    opened o;
    ac_runtime_event event;
    ac_error err = {0};
    yyjson_doc *doc = NULL;

    (void)state;
    open_stream(&o, "text/event-stream; charset=utf-8", ":\n\n");
    assert_int_equal(ac_runtime_stream_status(o.stream), 200);
    assert_string_equal(ac_runtime_stream_session_id(o.stream), SESSION);
    assert_string_equal(ac_runtime_stream_content_type(o.stream), "text/event-stream; charset=utf-8");
    assert_string_equal(ac_runtime_stream_header(o.stream, "Baggage"), "a=b");
    for (int i = 0; i < 20; i++) {
        char text[64], data[32];
        snprintf(data, sizeof data, "{\"chunk\": %d}", i);
        snprintf(text, sizeof text, "data: %s\n\n", data);
        assert_int_equal(ac_runtime_stream_event(o.stream, 0, &event, &err), AC_ERR_TIMEOUT);
        assert_null(event.data);
        say(&o, text);
        expect_event(&o, data);
    }
    say(&o, "data: {\"last\": true}\n\ndata: no json\n\n");
    assert_int_equal(ac_runtime_stream_event_json(o.stream, WAIT_MS, &doc, &err), AC_OK);
    assert_true(ac_json_bool(yyjson_doc_get_root(doc), "last", false));
    yyjson_doc_free(doc);
    assert_int_equal(ac_runtime_stream_event_json(o.stream, WAIT_MS, &doc, &err), AC_ERR_PROTOCOL);
    http_stream_end(o.x);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ac_runtime_stream_event_json(o.stream, WAIT_MS, &doc, &err), AC_OK);
        assert_null(doc);
    }
    shut(&o);
}

static void a_stream_that_breaks(void **state)
{
    opened o;
    ac_runtime_event event;
    ac_error err = {0};

    (void)state;
    open_stream(&o, "text/event-stream", ":\n\n");
    say(&o, "data: 1\n\ndata: 2");
    expect_event(&o, "1");
    http_stream_abort(o.x);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ac_runtime_stream_event(o.stream, WAIT_MS, &event, &err), AC_ERR_CLOSED);
        assert_null(event.data);
    }
    shut(&o);
}

static void closing_tells_the_agent(void **state)
{
    opened o;

    (void)state;
    open_stream(&o, "text/event-stream", ":\n\n");
    say(&o, "data: 1\n\n");
    expect_event(&o, "1");
    assert_false(http_exchange_closed(o.x));
    ac_runtime_stream_close(o.stream);
    o.stream = NULL;
    agent_house_await_close(o.x, &first);
    shut(&o);
}

static void *cancel_soon(void *arg)
{
    opened *o = arg;

    say(o, ": the reader is woken by the cancel alone\n");
    ac_runtime_stream_cancel(o->stream);
    return NULL;
}

static void another_thread_cancels(void **state)
{
    opened o;
    ac_runtime_event event;
    ac_error err = {0};
    pthread_t thread;

    (void)state;
    open_stream(&o, "text/event-stream", ":\n\n");
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &o), 0);
    assert_int_equal(ac_runtime_stream_event(o.stream, -1, &event, &err), AC_ERR_CLOSED);
    pthread_join(thread, NULL);
    agent_house_await_close(o.x, &first);
    shut(&o);
}

/* ---- pieces ---- */

static void pieces(void **state)
{
    opened o;
    char buffer[8];
    size_t length = 0;
    ac_runtime_event event;
    ac_error err = {0};

    (void)state;
    open_stream(&o, "application/octet-stream", "^");
    assert_int_equal(ac_runtime_stream_event(o.stream, 0, &event, &err), AC_ERR_STATE);
    assert_string_equal(err.message, "the agent's answer is 'application/octet-stream', not text/event-stream");
    assert_int_equal(ac_runtime_stream_read(o.stream, buffer, sizeof buffer, WAIT_MS, &length, &err), AC_OK);
    assert_int_equal(length, 1);
    assert_int_equal(ac_runtime_stream_read(o.stream, buffer, sizeof buffer, 0, &length, &err), AC_ERR_TIMEOUT);
    assert_int_equal(ac_runtime_stream_read(o.stream, buffer, 0, 0, &length, &err), AC_ERR_STATE);
    say(&o, "0123456789");
    assert_int_equal(ac_runtime_stream_read(o.stream, buffer, 4, WAIT_MS, &length, &err), AC_OK);
    assert_int_equal(length, 4);
    assert_memory_equal(buffer, "0123", 4);
    assert_int_equal(ac_runtime_stream_read(o.stream, buffer, sizeof buffer, WAIT_MS, &length, &err), AC_OK);
    assert_int_equal(length, 6);
    assert_memory_equal(buffer, "456789", 6);
    assert_int_equal(ac_runtime_stream_event(o.stream, 0, &event, &err), AC_ERR_STATE);
    assert_string_equal(err.message, "pieces were read from this answer");
    http_stream_end(o.x);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ac_runtime_stream_read(o.stream, buffer, sizeof buffer, WAIT_MS, &length, &err), AC_OK);
        assert_int_equal(length, 0);
    }
    shut(&o);
}

/* ---- event-stream frames ---- */

typedef struct commanded {
    agent_house house;
    ac_client_stream *stream;
    http_exchange *x;
} commanded;

static void make_frame(buf *out, const char *kind, const char *name, const char *json)
{
    bool event = strcmp(kind, "event") == 0;
    const eventstream_header headers[] = {
        {":message-type", 13, EVENTSTREAM_STRING, 0, kind, strlen(kind)},
        {event ? ":event-type" : ":exception-type", event ? 11 : 15, EVENTSTREAM_STRING, 0, name, strlen(name)},
    };

    assert_int_equal(eventstream_write(out, &(eventstream_message){headers, 2, json, strlen(json)}), AC_OK);
}

static void send_frame(commanded *c, const char *kind, const char *name, const char *json)
{
    buf frame = BUF_INIT(65536);

    make_frame(&frame, kind, name, json);
    assert_int_equal(http_stream_write(c->x, frame.data, frame.length), AC_OK);
    buf_done(&frame);
}

static void run_command(commanded *c, unsigned timeout_s)
{
    ac_error err = {0};

    *c = (commanded){.stream = NULL};
    content_type = EVENTSTREAM_CONTENT_TYPE;
    first = BUF_INIT(65536);
    make_frame(&first, "event", "invented", "{}"); /* of a newer service */
    agent_house_start(&c->house, begin_stream, 1);
    if (ac_runtime_command(c->house.client, ARN, "ls -l", timeout_s, NULL, &c->stream, &err) != AC_OK)
        fail_msg("%s", err.message);
    c->x = agent_house_held(&c->house);
    assert_int_equal(c->house.verified, SIGV4_OK);
}

static void end_command(commanded *c)
{
    ac_client_stream_close(c->stream);
    agent_house_stop(&c->house);
    buf_done(&first);
}

static void expect_output(commanded *c, const char *text)
{
    yyjson_doc *event = NULL;
    ac_error err = {0};

    if (ac_client_stream_next(c->stream, WAIT_MS, &event, &err) != AC_OK)
        fail_msg("%s", err.message);
    yyjson_val *chunk = yyjson_obj_get(yyjson_doc_get_root(event), "chunk");
    assert_string_equal(ac_json_string(yyjson_obj_get(chunk, "contentDelta"), "stdout", "?"), text);
    yyjson_doc_free(event);
}

static void a_command_says_what_it_prints(void **state)
{
    commanded c;
    yyjson_doc *event = NULL;
    ac_error err = {0};

    (void)state;
    run_command(&c, 7);
    assert_string_equal(c.house.line, "POST /runtimes/" ENCODED_ARN "/commands");
    assert_string_equal(c.house.body, "{\"command\":\"ls -l\",\"timeout\":7}");
    assert_string_equal(ac_json_string(ac_client_stream_output(c.stream), "runtimeSessionId", ""), SESSION);
    for (int i = 0; i < 5; i++) {
        char json[64], text[16];
        snprintf(text, sizeof text, "line %d", i);
        snprintf(json, sizeof json, "{\"contentDelta\": {\"stdout\": \"%s\"}}", text);
        assert_int_equal(ac_client_stream_next(c.stream, 0, &event, &err), AC_ERR_TIMEOUT);
        assert_null(event);
        send_frame(&c, "event", "invented", "{}");
        send_frame(&c, "event", "chunk", json);
        expect_output(&c, text);
    }
    http_stream_end(c.x);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ac_client_stream_next(c.stream, WAIT_MS, &event, &err), AC_OK);
        assert_null(event);
    }
    end_command(&c);
}

static void an_exception_in_the_stream(void **state)
{
    commanded c;
    yyjson_doc *event = NULL;

    (void)state;
    run_command(&c, 0);
    assert_string_equal(c.house.body, "{\"command\":\"ls -l\"}");
    send_frame(&c, "exception", "runtimeClientError", "{\"message\": \"the agent is gone\"}");
    for (int i = 0; i < 2; i++) {
        ac_error err = {0};
        assert_int_equal(ac_client_stream_next(c.stream, WAIT_MS, &event, &err), AC_ERR_HANDLER);
        assert_string_equal(err.aws_name, "RuntimeClientError");
        assert_string_equal(err.message, "the agent is gone");
        assert_int_equal(err.http_status, 424);
        assert_null(event);
    }
    end_command(&c);
}

static void a_stream_that_is_none(void **state)
{
    commanded c;
    yyjson_doc *event = NULL;
    ac_error err = {0};

    (void)state;
    run_command(&c, 0);
    assert_int_equal(http_stream_write(c.x, "HTTP/1.1 200 OK\r\n\r\n", 19), AC_OK);
    assert_true(ac_client_stream_next(c.stream, WAIT_MS, &event, &err) != AC_OK);
    assert_non_null(strstr(err.message, "the event stream is broken"));
    end_command(&c);
    run_command(&c, 0);
    assert_int_equal(http_stream_write(c.x, "\0\0\0\x20", 4), AC_OK);
    http_stream_end(c.x);
    assert_int_equal(ac_client_stream_next(c.stream, WAIT_MS, &event, &err), AC_ERR_PROTOCOL);
    end_command(&c);
}

static void a_command_is_cancelled(void **state)
{
    commanded c;
    yyjson_doc *event = NULL;
    ac_error err = {0};

    (void)state;
    run_command(&c, 0);
    ac_client_stream_cancel(c.stream);
    assert_int_equal(ac_client_stream_next(c.stream, -1, &event, &err), AC_ERR_CLOSED);
    agent_house_await_close(c.x, &first);
    end_command(&c);
}

static void operations_that_do_not_stream(void **state)
{
    agent_house h = {0};
    ac_client_stream *stream = NULL;
    ac_error err = {0};

    (void)state;
    agent_house_start(&h, begin_stream, 1);
    assert_int_equal(ac_client_open(h.client, "ListAgentRuntimes", NULL, &stream, &err), AC_ERR_INVALID);
    assert_string_equal(err.message, "the answer of ListAgentRuntimes is no stream of events");
    assert_int_equal(ac_client_open(h.client, "Nothing", NULL, &stream, &err), AC_ERR_INVALID);
    assert_int_equal(ac_client_open_pack(h.client, "InvokeCodeInterpreter", &stream, &err, "{"), AC_ERR_INVALID);
    assert_int_equal(ac_client_open_pack(h.client, "InvokeCodeInterpreter", &stream, &err, "{}"), AC_ERR_INVALID);
    assert_null(stream);
    ac_client_stream_close(NULL);
    ac_runtime_stream_close(NULL);
    agent_house_stop(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_is_seen_before_the_next_is_sent),
        cmocka_unit_test(a_stream_that_breaks),
        cmocka_unit_test(closing_tells_the_agent),
        cmocka_unit_test(another_thread_cancels),
        cmocka_unit_test(pieces),
        cmocka_unit_test(a_command_says_what_it_prints),
        cmocka_unit_test(an_exception_in_the_stream),
        cmocka_unit_test(a_stream_that_is_none),
        cmocka_unit_test(a_command_is_cancelled),
        cmocka_unit_test(operations_that_do_not_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
