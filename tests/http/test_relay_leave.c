/* test_relay_leave.c - requests passed on over real sockets: every way in which client or agent can leave, or lag. */
#include "relay_front.h"

/* ---- leaving in the middle ---- */

/* The agent vanishes in each phase, in order and by a reset. */
static void test_agent_leaves(void **state)
{
    static const struct {
        const char *said;
        bool answered; /* the client's answer has begun, and breaks off */
    } rows[] = {
        {"", false},
        {"HTTP/1.", false},
        {OK_HEAD, false},
        {OK_HEAD "Content-Length: 10\r\n\r\nabc", false},
        {OK_HEAD "Content-Length: 100000\r\n\r\nabc", true},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", true},
        {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", true},
    };

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
        const char *said = rows[i / 2].said;
        bool answered = rows[i / 2].answered;
        scene s;
        _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);

        open_scene(&s, (http_server_options){0});
        ask(&s, REQUEST("/"));
        say(s.agent, said);
        if (answered)
            assert_true(hear(s.client, "abc", &got));
        if (i % 2)
            reset_on_close(s.agent);
        drop(&s.agent);
        if (answered) {
            assert_true(hear(s.client, NULL, &got)); /* closed, without the end of the body */
            assert_null(memmem(got.data, got.length, "0\r\n\r\n", 5));
        } else {
            assert_true(hear(s.client, "failed: AC_ERR_CLOSED", &got));
        }
        front_await(&s.f, 1);
        assert_int_equal(s.f.status, AC_ERR_CLOSED);
        assert_int_equal(s.f.answered, answered);
        assert_false(s.f.client_gone);
        close_scene(&s);
    }
}

static void test_nonsense(void **state)
{
    scene s;

    (void)state;
    open_scene(&s, (http_server_options){0});
    ask(&s, REQUEST("/"));
    say(s.agent, "SSH-2.0-OpenSSH_9.2\r\n");
    expect(s.client, "failed: AC_ERR_PROTOCOL");
    drop(&s.agent);
    /* In the middle of a body that has begun to be passed on. */
    ask(&s, REQUEST("/"));
    say(s.agent, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n");
    _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);
    assert_true(hear(s.client, NULL, &got));
    front_await(&s.f, 2);
    assert_int_equal(s.f.status, AC_ERR_PROTOCOL);
    assert_true(s.f.answered);
    close_scene(&s);
}

/* The client vanishes in each phase: the agent sees its connection end. */
static void test_client_leaves(void **state)
{
    static const char *const said[] = {
        "",
        "HTTP/1.1 200",
        OK_HEAD "Content-Length: 10\r\n\r\nabc",
        OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
        scene s;
        _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);

        open_scene(&s, (http_server_options){0});
        ask(&s, REQUEST("/"));
        say(s.agent, said[i]);
        if (i == 3)
            expect(s.client, "abc");
        reset_on_close(s.client);
        drop(&s.client);
        front_await(&s.f, 1);
        assert_int_equal(s.f.status, AC_ERR_CLOSED);
        assert_true(s.f.client_gone);
        hear(s.agent, NULL, &got); /* the end, or a reset */
        assert_int_equal(got.length, 0);
        close_scene(&s);
    }
}

/* It closes in order, which looks like the end of a request only; between two events it can be asked. */
static void test_listener_leaves(void **state)
{
    scene s;
    _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);

    (void)state;
    open_scene(&s, (http_server_options){0});
    ask(&s, REQUEST("/"));
    say(s.agent, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
    expect(s.client, "data: 1\n\n\r\n");
    drop(&s.client);
    front_await(&s.f, 1);
    assert_true(s.f.client_gone);
    hear(s.agent, NULL, &got);
    close_scene(&s);
}

/* One that only half-closes hears the rest, and nothing in the middle of an event. */
static void test_half_closed_listener(void **state)
{
    scene s;
    _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);

    (void)state;
    open_scene(&s, (http_server_options){0});
    ask(&s, REQUEST("/"));
    say(s.agent, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\ndata: 2");
    assert_true(hear(s.client, "data: 2", &got));
    shutdown(s.client, SHUT_WR);
    assert_false(can(s.client, POLLIN, 500)); /* it was looked at twice by then */
    say(s.agent, "2\n\n");
    assert_true(hear(s.client, "2\n\n\r\n", &got));
    drop(&s.agent);
    assert_true(hear(s.client, "\r\n0\r\n\r\n", &got));
    close_scene(&s);
}

/* ---- pace ---- */

/* An agent that sends without end and a client that does not read: what lies between is bounded, and when the client
 * reads on, nothing is missing. */
static void test_slow_client(void **state)
{
    enum { PIECE = 16384 };
    static char piece[PIECE];
    size_t sent = 0, heard = 0, body = 0;
    scene s;
    int small = 65536;

    (void)state;
    open_scene(&s, (http_server_options){.stream_buffer_bytes = 131072});
    setsockopt(s.client, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    ask(&s, REQUEST("/"));
    say(s.agent, OK_HEAD "\r\n");
    memset(piece, 'x', sizeof piece);
    while (can(s.agent, POLLOUT, 300)) { /* until nobody takes more */
        ssize_t now = send(s.agent, piece, sizeof piece, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (now > 0)
            sent += (size_t)now;
        assert_true(sent < 40U << 20); /* four socket buffers of at most 6 MiB, and ours */
    }
    say(s.agent, "!");
    drop(&s.agent);
    for (;;) {
        static char got[65536];
        ssize_t now = recv(s.client, got, sizeof got, 0);

        assert_true(now >= 0);
        if (now == 0)
            break;
        heard += (size_t)now;
        for (ssize_t i = 0; i < now; i++)
            body += got[i] == 'x';
        if (got[now - 1] == '\n' && now > 4 && memcmp(got + now - 5, "0\r\n\r\n", 5) == 0)
            break;
    }
    assert_true(body >= sent); /* "text/plain" has one of its own */
    assert_true(body <= sent + 3);
    front_await(&s.f, 1);
    assert_int_equal(s.f.status, AC_OK);
    assert_int_equal(s.f.bytes_out, sent + 1);
    close_scene(&s);
}

/* The client takes nothing at all, for longer than it may. */
static void test_stuck_client(void **state)
{
    static char piece[65536];
    scene s;
    int small = 4096;

    (void)state;
    open_scene(&s, (http_server_options){.stream_buffer_bytes = 65536, .write_timeout_ms = 300});
    setsockopt(s.client, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    ask(&s, REQUEST("/"));
    say(s.agent, OK_HEAD "\r\n");
    for (uint64_t begin = now_us(); now_us() - begin < DEADLINE_MS * 1000ULL;) {
        if (can(s.agent, POLLOUT, 20) && send(s.agent, piece, sizeof piece, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
            errno != EAGAIN)
            break; /* we were cut off as well */
    }
    front_await(&s.f, 1);
    assert_true(s.f.client_gone);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agent_leaves),         cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_client_leaves),        cmocka_unit_test(test_listener_leaves),
        cmocka_unit_test(test_half_closed_listener), cmocka_unit_test(test_slow_client),
        cmocka_unit_test(test_stuck_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
