/* test_conn.c - connections at their edges, without threads: clients that have closed their sending side, and answers
 * that could not be written, or have no body. */
#include "http/conn.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define LONG_MS 20000
#define REQUEST(target) "GET " target " HTTP/1.1\r\nHost: h\r\n\r\n"

/* What /hold left unanswered. */
static http_exchange *held;

static void answer(http_exchange *x, const char *text)
{
    buf body = BUF_INIT(1U << 20);

    assert_int_equal(buf_append_text(&body, text), AC_OK);
    assert_int_equal(http_respond(x, &(http_response){.status = 200}, &body), AC_OK);
    http_exchange_unref(x);
}

/* A head of more than may be sent, and then the answer that says so. */
static void answer_twice(http_exchange *x)
{
    static char huge[2U << 20];
    http_field fields[] = {{"X-First", "1"}, {"X-Huge", huge}};

    memset(huge, 'h', sizeof huge - 1);
    assert_int_equal(http_respond(x, &(http_response){.status = 200, .fields = fields, .field_count = 2}, NULL),
                     AC_ERR_TOO_LARGE);
    assert_int_equal(http_stream_begin(x, &(http_response){.status = 200, .fields = fields, .field_count = 2}, NULL),
                     AC_ERR_TOO_LARGE);
    assert_int_equal(http_respond(x, &(http_response){.status = 500}, NULL), AC_OK);
    http_exchange_unref(x);
}

/* A stream without events; its end comes with the connection's. */
static void answer_stream(http_exchange *x, int status)
{
    assert_int_equal(http_stream_begin(x, &(http_response){.status = status}, ":probe:"), AC_OK);
    assert_int_equal(http_stream_write(x, "data", 4), AC_OK);
    http_exchange_unref(x);
}

static void on_request(http_exchange *x, void *user)
{
    const char *target = http_exchange_request(x)->target;

    (void)user;
    if (strcmp(target, "/hold") == 0)
        held = x;
    else if (strcmp(target, "/stream") == 0)
        answer_stream(x, 200);
    else if (strcmp(target, "/empty") == 0)
        answer_stream(x, 204);
    else if (strcmp(target, "/huge") == 0)
        answer_twice(x);
    else
        answer(x, target);
}

static http_server *make_server(void)
{
    http_server *server =
        http_server_new(&(http_server_options){.loops = 1}, &(http_service){.on_request = on_request});

    assert_non_null(server);
    held = NULL;
    return server;
}

static void free_server(http_server *server)
{
    http_memory_shutdown(server);
    http_server_free(server);
}

static void turn(http_server *server)
{
    for (int i = 0; i < 10; i++)
        http_memory_pump(server, 0);
}

static void say(http_memory *m, const char *text)
{
    http_memory_send(m, text, strlen(text));
}

static bool heard(http_memory *m, const char *wanted)
{
    size_t length;
    const char *got = http_memory_received(m, &length);

    return length > 0 && memmem(got, length, wanted, strlen(wanted));
}

static void a_head_that_failed_leaves_nothing(void **state)
{
    http_server *server = make_server();
    http_memory *m = http_memory_connect(server);

    (void)state;
    say(m, REQUEST("/huge"));
    turn(server);
    assert_true(heard(m, "HTTP/1.1 500 "));
    assert_false(heard(m, "HTTP/1.1 200 "));
    assert_false(heard(m, "X-First"));
    http_memory_free(m);
    free_server(server);
}

/* The first answer takes its time; the client has long sent all it has to say. */
static void a_half_closed_client_gets_all_its_answers(void **state)
{
    http_server *server = make_server();
    http_memory *m = http_memory_connect(server);

    (void)state;
    say(m, REQUEST("/hold") REQUEST("/second") REQUEST("/third"));
    http_memory_send(m, NULL, 0);
    turn(server);
    assert_non_null(held);
    answer(held, "/first");
    turn(server);
    assert_true(heard(m, "/first"));
    assert_true(heard(m, "/second"));
    assert_true(heard(m, "/third"));
    assert_true(http_memory_closed(m));
    http_memory_free(m);
    free_server(server);
}

/* That a client is gone which had closed its sending side before is noticed whichever of its requests is served. */
static void a_half_closed_client_that_leaves_is_noticed(void **state)
{
    static const char requests[] = REQUEST("/hold") REQUEST("/hold");
    http_server *server = make_server();
    uint64_t until = clock_monotonic_ms() + LONG_MS;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    http_home_accept(&server->homes[0], pair[0], false);
    assert_int_equal(send(pair[1], requests, sizeof requests - 1, MSG_NOSIGNAL), sizeof requests - 1);
    shutdown(pair[1], SHUT_WR);
    turn(server);
    answer(TAKE_PTR(held), "/first");
    turn(server);
    assert_non_null(held);
    close(pair[1]);
    while (!http_exchange_closed(held) && clock_monotonic_ms() < until)
        http_memory_pump(server, 50);
    assert_true(http_exchange_closed(held));
    http_exchange_unref(held);
    free_server(server);
}

/* An answer that has no body has none, also when it is a stream: no framing of one, and nothing to see whether a
 * half-closed client still listens.  The one that has one is looked after last. */
static void a_stream_without_body_is_a_head(void **state)
{
    static const char *const requests[] = {"HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n", REQUEST("/empty"),
                                           REQUEST("/stream")};
    http_server *server = make_server();
    uint64_t until = clock_monotonic_ms() + LONG_MS;
    http_memory *m[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        m[i] = http_memory_connect(server);
        say(m[i], requests[i]);
        http_memory_send(m[i], NULL, 0);
        turn(server);
    }
    while (!heard(m[2], ":probe:") && clock_monotonic_ms() < until)
        http_memory_pump(server, 50);
    assert_true(heard(m[2], "4\r\ndata\r\n7\r\n:probe:\r\n"));
    assert_true(heard(m[0], "HTTP/1.1 200 OK\r\n"));
    assert_true(heard(m[1], "HTTP/1.1 204 No Content\r\n"));
    assert_false(heard(m[1], "Transfer-Encoding"));
    for (int i = 0; i < 3; i++) {
        size_t length;
        const char *got = http_memory_received(m[i], &length);

        assert_true(i == 2 || memcmp(got + length - 4, "\r\n\r\n", 4) == 0);
        http_memory_free(m[i]);
    }
    free_server(server);
}

/* A server that was held up longer than a client may be silent finds what that has sent meanwhile. */
static void what_came_in_time_is_no_silence(void **state)
{
    http_server *server = http_server_new(&(http_server_options){.loops = 1, .body_timeout_ms = 20},
                                          &(http_service){.on_request = on_request});
    static const char head[] = "POST /late HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n", body[] = "{}";
    char text[256] = "";
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    http_home_accept(&server->homes[0], pair[0], false);
    assert_int_equal(send(pair[1], head, sizeof head - 1, MSG_NOSIGNAL), sizeof head - 1);
    http_memory_pump(server, 0);
    assert_int_equal(send(pair[1], body, sizeof body - 1, MSG_NOSIGNAL), sizeof body - 1);
    usleep(100000); /* it is held up */
    turn(server);
    assert_true(recv(pair[1], text, sizeof text - 1, 0) > 0);
    assert_memory_equal(text, "HTTP/1.1 200 ", 13);
    close(pair[1]);
    free_server(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_that_failed_leaves_nothing),
        cmocka_unit_test(a_half_closed_client_gets_all_its_answers),
        cmocka_unit_test(a_half_closed_client_that_leaves_is_noticed),
        cmocka_unit_test(a_stream_without_body_is_a_head),
        cmocka_unit_test(what_came_in_time_is_no_silence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
