/* test_tunnel.c - WebSockets passed through: bytes both ways at the pace of the slower side, and every way in which
 * either side can leave. */
#include "relay_front.h"

#include "http/ws.h"

#define UPGRADE                                                                                                        \
    "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                                     \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define SWITCHING "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ACCEPT

static void shake_hands(scene *s)
{
    say(s->client, UPGRADE);
    s->agent = take_connection(s->listener);
    expect(s->agent, "\r\n\r\n");
    say(s->agent, SWITCHING "\r\n");
    expect(s->client, "\r\n\r\n");
}

/* ---- shaking hands ---- */

static void test_heads(void **state)
{
    scene s;
    _cleanup_(buf_done) buf asked = BUF_INIT(1 << 20), got = BUF_INIT(1 << 20);

    (void)state;
    open_scene(&s, (http_server_options){0});
    say(s.client, UPGRADE "early bytes");
    s.agent = take_connection(s.listener);
    assert_true(hear(s.agent, "\r\n\r\n", &asked));
    assert_non_null(buf_terminate(&asked));
    assert_non_null(strstr(asked.data, "\r\nUpgrade: websocket\r\n"));
    assert_non_null(strstr(asked.data, "\r\nConnection: Upgrade\r\n"));
    assert_non_null(strstr(asked.data, "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
    assert_null(strstr(asked.data, "early")); /* not before the server has agreed */
    say(s.agent, SWITCHING "Sec-WebSocket-Protocol: chat\r\nX-Secret: 1\r\n\r\nfirst words");
    assert_true(hear(s.client, "first words", &got));
    assert_non_null(buf_terminate(&got));
    assert_non_null(strstr(got.data, "HTTP/1.1 101 Switching Protocols\r\n"));
    assert_non_null(strstr(got.data, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"));
    assert_non_null(strstr(got.data, ACCEPT));
    assert_non_null(strstr(got.data, "Sec-WebSocket-Protocol: chat\r\n"));
    assert_non_null(strstr(got.data, "X-Front: was here\r\n"));
    assert_null(strstr(got.data, "X-Secret"));
    assert_null(strstr(got.data, "Content-Length"));
    expect(s.agent, "early bytes");
    for (int i = 0; i < 10; i++) { /* each is seen before the next is sent */
        char text[32];

        snprintf(text, sizeof text, "there %d", i);
        say(s.client, text);
        expect(s.agent, text);
        snprintf(text, sizeof text, "back %d", i);
        say(s.agent, text);
        expect(s.client, text);
    }
    close_scene(&s);
}

static void test_refused(void **state)
{
    scene s;

    (void)state;
    open_scene(&s, (http_server_options){0});
    say(s.client, UPGRADE);
    s.agent = take_connection(s.listener);
    expect(s.agent, "\r\n\r\n");
    say(s.agent, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    expect(s.client, "HTTP/1.1 403 Forbidden\r\n");
    front_await(&s.f, 1);
    assert_int_equal(s.f.server_status, 403);
    drop(&s.agent);
    /* and an upgrade that nobody has asked for */
    say(s.client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    s.agent = take_connection(s.listener);
    expect(s.agent, "\r\n\r\n");
    say(s.agent, SWITCHING "\r\n");
    expect(s.client, "failed: AC_ERR_PROTOCOL");
    close_scene(&s);
}

/* What the client sends while the agent thinks about its handshake. */
static void test_much_too_early(void **state)
{
    enum { EARLY = 300000 };
    static char early[EARLY + 1];
    scene s;
    _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);

    (void)state;
    open_scene(&s, (http_server_options){0});
    for (int i = 0; i < EARLY; i++)
        early[i] = (char)('a' + i % 26);
    say(s.client, UPGRADE);
    s.agent = take_connection(s.listener);
    expect(s.agent, "\r\n\r\n");
    say_bytes(s.client, early, EARLY);
    say(s.agent, SWITCHING "\r\n");
    say(s.client, "END");
    assert_true(hear(s.agent, "END", &got));
    assert_int_equal(got.length, EARLY + 3);
    assert_memory_equal(got.data, early, EARLY);
    close_scene(&s);
}

/* ---- pace ---- */

static void *pour(void *arg)
{
    static char piece[65536];
    int fd = ((int *)arg)[0];
    size_t left = (size_t)((int *)arg)[1];

    for (unsigned char next = 0; left;) {
        size_t length = MIN(left, sizeof piece);

        for (size_t i = 0; i < length; i++)
            piece[i] = (char)next++;
        say_bytes(fd, piece, length);
        left -= length;
    }
    shutdown(fd, SHUT_WR);
    return NULL;
}

/* One side sends until nobody takes more; what lies between is bounded, and nothing of it is lost. */
static void flood(scene *s, int from, int to)
{
    static char piece[65536], got[65536];
    unsigned char next = 0, wanted = 0;
    size_t sent = 0, heard = 0;

    (void)s;
    for (size_t i = 0; i < sizeof piece; i++)
        piece[i] = (char)next++;
    while (can(from, POLLOUT, 300)) {
        ssize_t now = send(from, piece + sent % 256, sizeof piece - 256, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += (size_t)MAX(now, 0);
        assert_true(sent < 40U << 20);
    }
    while (heard < sent) {
        ssize_t now;

        assert_true(can(to, POLLIN, DEADLINE_MS));
        now = recv(to, got, sizeof got, 0);
        assert_true(now > 0);
        for (ssize_t i = 0; i < now; i++)
            assert_int_equal((unsigned char)got[i], wanted++);
        heard += (size_t)now;
    }
}

static void test_back_pressure(void **state)
{
    scene s;

    (void)state;
    open_scene(&s, (http_server_options){.stream_buffer_bytes = 65536});
    shake_hands(&s);
    flood(&s, s.client, s.agent);
    flood(&s, s.agent, s.client);
    flood(&s, s.client, s.agent);
    say(s.agent, "alive");
    expect(s.client, "alive");
    close_scene(&s);
}

/* ---- leaving ---- */

/* The client ends its side: the agent sees that, and may still answer. */
static void test_client_ends(void **state)
{
    scene s;
    _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);

    (void)state;
    open_scene(&s, (http_server_options){0});
    shake_hands(&s);
    say(s.client, "last");
    shutdown(s.client, SHUT_WR);
    assert_true(hear(s.agent, NULL, &got));
    assert_int_equal(got.length, 4);
    say(s.agent, "answer");
    expect(s.client, "answer");
    drop(&s.agent);
    got.length = 0;
    assert_true(hear(s.client, NULL, &got));
    front_await(&s.f, 1);
    assert_int_equal(s.f.status, AC_OK);
    close_scene(&s);
}

static void test_agent_ends(void **state)
{
    enum { MUCH = 3000000 };
    scene s;
    pthread_t thread;
    _cleanup_(buf_done) buf got = BUF_INIT(1 << 23);

    (void)state;
    open_scene(&s, (http_server_options){0});
    shake_hands(&s);
    assert_int_equal(pthread_create(&thread, NULL, pour, (int[]){s.agent, MUCH}), 0);
    assert_true(hear(s.client, NULL, &got)); /* all of it, and then the end */
    pthread_join(thread, NULL);
    assert_int_equal(got.length, MUCH);
    for (size_t i = 0; i < got.length; i++)
        assert_int_equal((unsigned char)got.data[i], i % 256);
    front_await(&s.f, 1);
    assert_int_equal(s.f.status, AC_OK);
    assert_int_equal(s.f.bytes_out, MUCH);
    close_scene(&s);
}

/* The agent says goodbye and closes while the client goes on talking: the goodbye arrives. */
static void test_goodbye(void **state)
{
    static char piece[65536];
    scene s;
    _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);

    (void)state;
    open_scene(&s, (http_server_options){0});
    shake_hands(&s);
    for (int i = 0; i < 16; i++)
        (void)!send(s.client, piece, sizeof piece, MSG_NOSIGNAL | MSG_DONTWAIT);
    say(s.agent, "goodbye");
    drop(&s.agent);
    for (int i = 0; i < 16; i++)
        (void)!send(s.client, piece, sizeof piece, MSG_NOSIGNAL | MSG_DONTWAIT);
    assert_true(hear(s.client, "goodbye", &got));
    front_await(&s.f, 1);
    close_scene(&s);
}

static void test_client_vanishes(void **state)
{
    scene s;
    _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);

    (void)state;
    open_scene(&s, (http_server_options){0});
    shake_hands(&s);
    reset_on_close(s.client);
    drop(&s.client);
    hear(s.agent, NULL, &got);
    assert_int_equal(got.length, 0);
    front_await(&s.f, 1);
    assert_true(s.f.client_gone);
    close_scene(&s);
}

/* It says goodbye and closes, as one without a close handshake does. */
static void test_client_closes(void **state)
{
    scene s;
    _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);

    (void)state;
    open_scene(&s, (http_server_options){0});
    shake_hands(&s);
    say(s.client, "bye");
    drop(&s.client);
    assert_true(hear(s.agent, NULL, &got));
    assert_int_equal(got.length, 3);
    drop(&s.agent);
    front_await(&s.f, 1);
    close_scene(&s);
}

static void test_agent_vanishes(void **state)
{
    scene s;
    _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);

    (void)state;
    open_scene(&s, (http_server_options){0});
    shake_hands(&s);
    say(s.agent, "almost");
    expect(s.client, "almost");
    reset_on_close(s.agent);
    drop(&s.agent);
    hear(s.client, NULL, &got);
    front_await(&s.f, 1);
    assert_int_equal(s.f.status, AC_ERR_CLOSED);
    assert_false(s.f.client_gone);
    close_scene(&s);
}

static void test_stuck(void **state)
{
    static char piece[65536];

    (void)state;
    for (int stuck_agent = 0; stuck_agent < 2; stuck_agent++) {
        int small = 4096, from, to;
        scene s;

        open_scene(&s, (http_server_options){.stream_buffer_bytes = 65536, .write_timeout_ms = 300});
        s.f.write_timeout_ms = 300;
        shake_hands(&s);
        from = stuck_agent ? s.client : s.agent;
        to = stuck_agent ? s.agent : s.client;
        setsockopt(to, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        for (uint64_t begin = now_us(); now_us() - begin < DEADLINE_MS * 1000ULL;)
            if (can(from, POLLOUT, 20) && send(from, piece, sizeof piece, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
                errno != EAGAIN)
                break; /* cut off */
        front_await(&s.f, 1);
        assert_int_equal(s.f.client_gone, !stuck_agent);
        assert_int_equal(s.f.status, stuck_agent ? AC_ERR_TIMEOUT : AC_ERR_CLOSED);
        close_scene(&s);
    }
}

/* ---- draining ---- */

static void test_drain_cuts(void **state)
{
    scene s;
    _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);

    (void)state;
    open_scene(&s, (http_server_options){.drain_timeout_ms = 2000});
    shake_hands(&s);
    http_server_stop(s.f.server);
    say(s.client, "still");
    expect(s.agent, "still"); /* until the time is over */
    hear(s.client, NULL, &got);
    got.length = 0;
    hear(s.agent, NULL, &got);
    front_await(&s.f, 1);
    close_scene(&s);
}

static void test_drain_waits(void **state)
{
    scene s;
    _cleanup_(buf_done) buf got = BUF_INIT(1 << 20);
    uint64_t begin = now_us();

    (void)state;
    open_scene(&s, (http_server_options){.drain_timeout_ms = 60000});
    shake_hands(&s);
    assert_int_equal(http_server_connections(s.f.server), 1);
    http_server_stop(s.f.server);
    drop(&s.agent);
    hear(s.client, NULL, &got);
    close_scene(&s);
    assert_true(now_us() - begin < 30000000);
}

/* ---- real WebSockets ---- */

static void echo_message(http_exchange *x, const http_ws_message *message, void *user)
{
    (void)user;
    if (http_ws_send(x, message->opcode, message->data, message->length) == AC_ERR_NOMEM)
        abort();
}

static void echo(http_exchange *x, void *user)
{
    static const http_ws_events events = {.on_message = echo_message};

    (void)user;
    if (http_ws_accept(x, &(http_ws_options){.events = &events, .no_deflate = true}) != AC_OK)
        abort();
    http_exchange_unref(x);
}

static void hear_message(int fd, ws_reader *r, ws_event *event)
{
    static char piece[65536];
    static size_t at, length;

    for (;;) {
        at += ws_read(r, piece + at, length - at, event);
        if (event->type != WS_EVENT_NONE && event->type != WS_EVENT_PING)
            return;
        if (at < length)
            continue;
        assert_true(can(fd, POLLIN, DEADLINE_MS));
        length = (size_t)recv(fd, piece, sizeof piece, 0);
        at = 0;
        assert_true(length > 0 && length <= sizeof piece);
    }
}

static void test_websocket(void **state)
{
    enum { BIG = 1 << 20 };
    unsigned descriptors = open_descriptors();
    front agent, f;
    ws_reader reader;
    ws_writer writer;
    ws_event event;
    char *big = malloc(BIG);
    _cleanup_(buf_done) buf out = BUF_INIT(1 << 24);
    int fd;

    (void)state;
    front_start(&agent, 0, (http_server_options){0});
    agent.instead = echo;
    front_start(&f, agent.port, (http_server_options){0});
    ws_reader_init(&reader, &(ws_reader_options){.role = WS_CLIENT, .message_bytes_max = 1 << 24});
    ws_writer_init(&writer, WS_CLIENT, false);
    fd = dial_tcp(f.port);
    say(fd, UPGRADE);
    expect(fd, "\r\n\r\n");
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)(i * 7);
    for (size_t length = 1; length <= BIG; length *= 4) {
        out.length = 0;
        assert_int_equal(ws_write(&writer, WS_BINARY, big, length, &out), AC_OK);
        assert_int_equal(ws_write(&writer, WS_PING, "p", 1, &out), AC_OK);
        for (size_t at = 0; at < length; at += length / 3 + 1) /* the same in pieces */
            assert_int_equal(ws_write_fragment(&writer, at ? WS_CONTINUATION : WS_BINARY, at + length / 3 + 1 >= length,
                                               big + at, MIN(length / 3 + 1, length - at), &out),
                             AC_OK);
        say_bytes(fd, out.data, out.length);
        for (int i = 0, pongs = 0; i < 2 + pongs; i++) {
            hear_message(fd, &reader, &event);
            if (event.type == WS_EVENT_PONG) {
                pongs = 1;
                continue;
            }
            assert_int_equal(event.type, WS_EVENT_MESSAGE);
            assert_int_equal(event.length, length);
            assert_memory_equal(event.data, big, length);
        }
    }
    out.length = 0;
    assert_int_equal(ws_write_close(&writer, 1000, "enough", &out), AC_OK);
    say_bytes(fd, out.data, out.length);
    do
        hear_message(fd, &reader, &event);
    while (event.type == WS_EVENT_PONG);
    assert_int_equal(event.type, WS_EVENT_CLOSE);
    assert_int_equal(event.code, 1000);
    front_await(&f, 1);
    assert_int_equal(f.status, AC_OK);
    close(fd);
    ws_reader_done(&reader);
    free(big);
    front_stop(&f);
    front_stop(&agent);
    assert_int_equal(open_descriptors(), descriptors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),          cmocka_unit_test(test_refused),
        cmocka_unit_test(test_much_too_early), cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_client_ends),    cmocka_unit_test(test_agent_ends),
        cmocka_unit_test(test_goodbye),        cmocka_unit_test(test_client_vanishes),
        cmocka_unit_test(test_client_closes),  cmocka_unit_test(test_agent_vanishes),
        cmocka_unit_test(test_stuck),          cmocka_unit_test(test_drain_cuts),
        cmocka_unit_test(test_drain_waits),    cmocka_unit_test(test_websocket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
