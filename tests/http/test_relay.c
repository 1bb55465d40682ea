/* test_relay.c - requests passed on over real sockets: how answers come back, connections that are kept, many at once,
 * draining, connections that came another way. */
#include "relay_front.h"

/* ---- answers ---- */

static void test_whole(void **state)
{
    scene s;
    _cleanup_(buf_done) buf got = BUF_INIT(1 << 20), request = BUF_INIT(1 << 20);

    (void)state;
    open_scene(&s, (http_server_options){0});
    say(s.client, "POST /invocations HTTP/1.1\r\nHost: h\r\nX-One: 1\r\nContent-Length: 5\r\n\r\nhello");
    s.agent = take_connection(s.listener);
    assert_true(hear(s.agent, "hello", &request));
    assert_non_null(buf_terminate(&request));
    assert_string_equal(request.data, "POST /invocations HTTP/1.1\r\nHost: agent\r\nX-One: 1\r\n"
                                      "Content-Length: 5\r\n\r\nhello");
    say(s.agent, OK_HEAD "X-Secret: 1\r\nContent-Length: 6\r\n\r\nanswer");
    assert_true(hear(s.client, "answer", &got));
    assert_non_null(buf_terminate(&got));
    assert_non_null(strstr(got.data, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(got.data, "Content-Type: text/plain\r\n"));
    assert_non_null(strstr(got.data, "Content-Length: 6\r\n"));
    assert_non_null(strstr(got.data, "X-Front: was here\r\n"));
    assert_null(strstr(got.data, "X-Secret"));
    front_await(&s.f, 1);
    assert_int_equal(s.f.status, AC_OK);
    assert_true(s.f.answered);
    assert_int_equal(s.f.bytes_out, 6);
    close_scene(&s);
}

static void test_streams_as_it_comes(void **state)
{
    scene s;

    (void)state;
    open_scene(&s, (http_server_options){0});
    ask(&s, REQUEST("/events"));
    say(s.agent, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    expect(s.client, "\r\n\r\n");  /* the head alone is passed on */
    for (int i = 0; i < 20; i++) { /* each event is seen before the next is sent */
        char event[64], chunk[96];

        snprintf(event, sizeof event, "data: %d\n\n", i);
        snprintf(chunk, sizeof chunk, "%zx\r\n%s\r\n", strlen(event), event);
        say(s.agent, chunk);
        expect(s.client, event);
    }
    say(s.agent, "0\r\n\r\n");
    expect(s.client, "0\r\n\r\n");
    front_await(&s.f, 1);
    assert_int_equal(s.f.status, AC_OK);
    close_scene(&s);
}

static void test_until_close(void **state)
{
    scene s;
    _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);

    (void)state;
    open_scene(&s, (http_server_options){0});
    ask(&s, REQUEST("/"));
    say(s.agent, OK_HEAD "\r\nhalf ");
    expect(s.client, "half ");
    say(s.agent, "and half");
    drop(&s.agent);
    assert_true(hear(s.client, "0\r\n\r\n", &got));
    assert_non_null(memmem(got.data, got.length, "and half", 8));
    close_scene(&s);
}

/* HTTP/1.0 has no chunks: only the connection's end tells, and only a reset tells of a failure. */
static void test_old_client(void **state)
{
    for (int broken = 0; broken < 2; broken++) {
        scene s;
        _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);

        (void)state;
        open_scene(&s, (http_server_options){0});
        ask(&s, "GET / HTTP/1.0\r\n\r\n");
        say(s.agent, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
        assert_true(hear(s.client, "one", &got));
        say(s.agent, broken ? "3\r\nt" : "3\r\ntwo\r\n0\r\n\r\n");
        drop(&s.agent);
        assert_int_equal(hear(s.client, NULL, &got), !broken);
        assert_null(memmem(got.data, got.length, "chunked", 7));
        close_scene(&s);
    }
}

static void test_no_body(void **state)
{
    static const struct {
        const char *request, *answer, *wanted;
    } rows[] = {
        {"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", OK_HEAD "Content-Length: 99\r\n\r\n", "HTTP/1.1 200 OK"},
        {REQUEST("/"), "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content"},
        {REQUEST("/"), "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 304 Not Modified"},
        {REQUEST("/"), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "Content-Length: 0\r\n"},
        {REQUEST("/"),
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
         "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
         "HTTP/1.1 500 "},
    };
    scene s;

    (void)state;
    open_scene(&s, (http_server_options){0});
    s.f.keep = true;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) { /* all over the same two connections, so nothing is left over */
        _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);

        ask(&s, rows[i].request);
        say(s.agent, rows[i].answer);
        assert_true(hear(s.client, "\r\n\r\n", &got));
        assert_non_null(memmem(got.data, got.length, rows[i].wanted, strlen(rows[i].wanted)));
        assert_memory_equal(got.data + got.length - 4, "\r\n\r\n", 4);
        front_await(&s.f, (unsigned)i + 1);
        assert_int_equal(s.f.status, AC_OK);
    }
    assert_false(can(s.listener, POLLIN, 0));
    close_scene(&s);
}

static void test_collect(void **state)
{
    char long_answer[600] = "";
    scene s;

    (void)state;
    open_scene(&s, (http_server_options){0});
    s.f.collect_from = 400;
    ask(&s, REQUEST("/"));
    say(s.agent, "HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\n{\"a\":\"b\"}");
    expect(s.client, "failed: AC_OK");
    front_await(&s.f, 1);
    assert_int_equal(s.f.server_status, 503);
    assert_false(s.f.answered);
    assert_string_equal(s.f.collected, "{\"a\":\"b\"}");
    drop(&s.agent);
    /* Without end: what was gathered is enough. */
    ask(&s, REQUEST("/"));
    say(s.agent, "HTTP/1.1 500 Oops\r\n\r\n");
    memset(long_answer, 'x', sizeof long_answer - 1);
    for (int i = 0; i < 200; i++) /* until it is cut off, somewhere here */
        (void)!send(s.agent, long_answer, sizeof long_answer - 1, MSG_NOSIGNAL);
    expect(s.client, "failed: AC_OK");
    close_scene(&s);
}

static void test_from_a_worker(void **state)
{
    scene s;

    (void)state;
    open_scene(&s, (http_server_options){.loops = 2});
    s.f.from_worker = true;
    ask(&s, REQUEST("/"));
    say(s.agent, OK_HEAD "Content-Length: 2\r\n\r\nok");
    expect(s.client, "ok");
    close_scene(&s);
}

/* An agent that writes each byte by itself. */
static void test_byte_at_a_time(void **state)
{
    static const char answer[] = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\nT: 1\r\n\r\n";
    scene s;
    _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);

    (void)state;
    open_scene(&s, (http_server_options){0});
    s.f.keep = true;
    for (unsigned round = 1; round <= 2; round++) {
        got.length = 0;
        ask(&s, REQUEST("/"));
        for (const char *c = answer; *c; c++)
            say_bytes(s.agent, c, 1);
        assert_true(hear(s.client, "0\r\n\r\n", &got));
        front_await(&s.f, round);
        assert_int_equal(s.f.bytes_out, 7);
    }
    close_scene(&s);
}

/* ---- connections behind ---- */

static void test_keeps_connections(void **state)
{
    scene s;

    (void)state;
    open_scene(&s, (http_server_options){0});
    s.f.keep = true;
    for (unsigned i = 1; i <= 5; i++) {
        ask(&s, REQUEST("/"));
        say(s.agent, OK_HEAD "Content-Length: 2\r\n\r\nok");
        expect(s.client, "ok");
        front_await(&s.f, i);
    }
    assert_false(can(s.listener, POLLIN, 0));
    close_scene(&s);
}

/* The agent closes a kept connection just when the next request comes over it. */
static void test_stale_is_retried_once(void **state)
{
    scene s;

    (void)state;
    open_scene(&s, (http_server_options){0});
    s.f.keep = true;
    ask(&s, REQUEST("/first"));
    say(s.agent, OK_HEAD "Content-Length: 2\r\n\r\nok");
    expect(s.client, "ok");
    front_await(&s.f, 1);
    ask(&s, REQUEST("/second"));
    drop(&s.agent);
    s.agent = take_connection(s.listener);
    expect(s.agent, "GET /second HTTP/1.1\r\n");
    assert_int_equal(s.f.fresh, 1);
    drop(&s.agent); /* a fresh one: that is an answer */
    expect(s.client, "failed: AC_ERR_CLOSED");
    front_await(&s.f, 2);
    assert_false(s.f.unsent);
    assert_int_equal(s.f.fresh, 1);
    close_scene(&s);
}

static void test_not_retried_once_it_spoke(void **state)
{
    scene s;

    (void)state;
    open_scene(&s, (http_server_options){0});
    s.f.keep = true;
    ask(&s, REQUEST("/"));
    say(s.agent, OK_HEAD "Content-Length: 2\r\n\r\nok");
    expect(s.client, "ok");
    front_await(&s.f, 1);
    ask(&s, REQUEST("/"));
    say(s.agent, "H");
    drop(&s.agent);
    expect(s.client, "failed: AC_ERR_CLOSED");
    assert_int_equal(s.f.fresh, 0);
    close_scene(&s);
}

static void test_nobody_there(void **state)
{
    scene s;

    (void)state;
    open_scene(&s, (http_server_options){0});
    drop(&s.listener);
    say(s.client, REQUEST("/"));
    expect(s.client, "failed: AC_ERR_IO");
    assert_non_null(strstr(s.f.error, "refused"));
    front_await(&s.f, 1);
    assert_true(s.f.unsent);
    close_scene(&s);
}

/* What has not got through may be relayed once more: on the same exchange, which then tells the second of its end. */
static void test_relayed_again(void **state)
{
    scene s;

    (void)state;
    open_scene(&s, (http_server_options){0});
    drop(&s.listener);
    s.f.again = 1;
    say(s.client, REQUEST("/"));
    expect(s.client, "failed: AC_ERR_IO");
    front_await(&s.f, 1);
    assert_int_equal(s.f.again, 0);
    assert_int_equal(atomic_load(&s.f.started), 2);
    close_scene(&s);
}

/* ---- many ---- */

typedef struct caller {
    pthread_t thread;
    int port;
    unsigned number;
    atomic_uint *right;
} caller;

static void *call(void *arg)
{
    enum { ROUNDS = 5 };
    caller *c = arg;
    int fd = dial_tcp(c->port);
    char request[256], wanted[64];

    for (unsigned i = 0; i < ROUNDS && fd >= 0; i++) {
        _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);
        const char *kind = (c->number + i) % 2 ? "stream" : "whole";

        snprintf(wanted, sizeof wanted, "<%u.%u>", c->number, i);
        snprintf(request, sizeof request, "POST /%s HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n%s", kind,
                 strlen(wanted), wanted);
        if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
            break;
        if (!hear(fd, wanted, &got) || (*kind == 's' && !hear(fd, "0\r\n\r\n", &got)))
            break;
        atomic_fetch_add(c->right, 1);
    }
    drop(&fd);
    return NULL;
}

static void echo(http_exchange *x, void *user)
{
    const http_request *r = http_exchange_request(x);
    http_response response = {.status = 200, .content_type = "text/plain"};
    buf body = BUF_INIT(1 << 20);

    (void)user;
    if (strcmp(r->target, "/stream") == 0) {
        if (http_stream_begin(x, &response, NULL) != AC_OK || http_stream_write(x, r->body, r->body_length) != AC_OK)
            abort();
        http_stream_end(x);
    } else if (buf_append(&body, r->body, r->body_length) != AC_OK || http_respond(x, &response, &body) != AC_OK) {
        abort();
    }
    http_exchange_unref(x);
}

static void many(bool keep, bool from_worker)
{
    enum { CALLERS = 200, ROUNDS = 5 };
    static caller callers[CALLERS];
    atomic_uint right = 0;
    unsigned descriptors = open_descriptors();
    front agent, f;

    front_start(&agent, 0, (http_server_options){.loops = 2});
    agent.instead = echo;
    front_start(&f, agent.port, (http_server_options){.loops = 2});
    f.keep = keep;
    f.from_worker = from_worker;
    for (unsigned i = 0; i < CALLERS; i++) {
        callers[i] = (caller){.port = f.port, .number = i, .right = &right};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    for (unsigned i = 0; i < CALLERS; i++)
        pthread_join(callers[i].thread, NULL);
    assert_int_equal(right, CALLERS * ROUNDS);
    front_await(&f, CALLERS * ROUNDS);
    front_stop(&f);
    front_stop(&agent);
    assert_int_equal(open_descriptors(), descriptors);
}

static void test_many(void **state)
{
    (void)state;
    many(true, false);
    many(false, false);
    many(true, true);
}

/* The server is cut off while many relays begin and end: each that has begun ends. */
static void test_cut_off(void **state)
{
    enum { CALLERS = 50 };
    static caller callers[CALLERS];

    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        atomic_uint right = 0;
        unsigned descriptors = open_descriptors();
        front agent, f;

        front_start(&agent, 0, (http_server_options){.loops = 1});
        agent.instead = echo;
        front_start(&f, agent.port, (http_server_options){.loops = 2, .drain_timeout_ms = 1});
        f.keep = round % 2;
        f.from_worker = round < 3;
        for (unsigned i = 0; i < CALLERS; i++) {
            callers[i] = (caller){.port = f.port, .number = i, .right = &right};
            assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
        }
        while (atomic_load(&right) < CALLERS / 2 * round)
            usleep(100);
        front_stop(&f);
        for (unsigned i = 0; i < CALLERS; i++)
            pthread_join(callers[i].thread, NULL);
        assert_int_equal(atomic_load(&f.started), f.ended);
        front_stop(&agent);
        assert_int_equal(open_descriptors(), descriptors);
    }
}

/* The server drains while relays run. */
static void test_drain(void **state)
{
    scene s;

    (void)state;
    open_scene(&s, (http_server_options){.drain_timeout_ms = 200});
    s.f.keep = true;
    ask(&s, REQUEST("/"));
    say(s.agent, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    expect(s.client, "abc");
    http_server_stop(s.f.server);
    front_await(&s.f, 1); /* cut off */
    assert_true(s.f.client_gone);
    close_scene(&s);
}

/* ---- connections that came another way ---- */

static void test_adopt(void **state)
{
    scene s;
    int pair[2];
    _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);

    (void)state;
    open_scene(&s, (http_server_options){.loops = 2, .connections_max = 6});
    s.f.keep = true;
    for (unsigned i = 1; i <= 4; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        http_server_adopt(s.f.server, pair[0]);
        say(pair[1], REQUEST("/"));
        if (s.agent < 0 || can(s.listener, POLLIN, 50)) { /* each loop has connections of its own */
            drop(&s.agent);
            s.agent = take_connection(s.listener);
        }
        drop(&pair[1]);
        front_await(&s.f, i);
        drop(&s.agent);
    }
    assert_non_null(s.f.loops[1]); /* both take part */
    /* More than there may be. */
    struct pollfd more[8];
    for (int i = 0; i < 8; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        more[i] = (struct pollfd){.fd = pair[1], .events = POLLIN};
        http_server_adopt(s.f.server, pair[0]);
    }
    for (int refused = 0; refused < 3;) {
        assert_true(poll(more, 8, DEADLINE_MS) > 0);
        refused = 0;
        for (int i = 0; i < 8; i++)
            refused += more[i].revents != 0;
    }
    for (int i = 0; i < 8; i++)
        close(more[i].fd);
    http_server_stop(s.f.server);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    http_server_adopt(s.f.server, pair[0]);
    assert_true(hear(pair[1], NULL, &got));
    drop(&pair[1]);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_streams_as_it_comes),
        cmocka_unit_test(test_until_close),
        cmocka_unit_test(test_old_client),
        cmocka_unit_test(test_no_body),
        cmocka_unit_test(test_collect),
        cmocka_unit_test(test_from_a_worker),
        cmocka_unit_test(test_byte_at_a_time),
        cmocka_unit_test(test_keeps_connections),
        cmocka_unit_test(test_stale_is_retried_once),
        cmocka_unit_test(test_not_retried_once_it_spoke),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_relayed_again),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_adopt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
