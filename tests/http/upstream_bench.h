/* upstream_bench.h - for the tests of the upstream: a loop, one connection on it to a server that the test itself plays
 * on the other end of a socket pair, and a record of what was seen.  Loop and server are on one thread, so every step
 * is the test's own. */
#ifndef TESTS_HTTP_UPSTREAM_BENCH_H
#define TESTS_HTTP_UPSTREAM_BENCH_H

#include "http/upstream.h"

#include "base/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 30000
#define OK_HEAD "HTTP/1.1 200 OK\r\n"

/* ---- a loop, one connection on it, and what was seen ---- */

typedef struct seen {
    int heads, dones, writables;
    int status;
    int64_t content_length;
    char first_header[64];
    size_t header_count;
    buf body;
    ac_status result;
    char message[512];
    bool stale;
    bool close_at_head, close_at_data, close_at_done, pause_at_head;
} seen;

typedef struct bench {
    http_loop loop;
    uv_timer_t tick; /* so that a turn of the loop ends */
    http_upstream *u;
    int far; /* the server's end */
    seen seen;
} bench;

static inline void on_head(http_upstream *u, const http_upstream_head *head, void *user)
{
    seen *s = user;

    s->heads++;
    s->status = head->status;
    s->content_length = head->content_length;
    s->header_count = head->header_count;
    if (head->header_count)
        snprintf(s->first_header, sizeof s->first_header, "%s=%s", head->headers[0].name, head->headers[0].value);
    if (s->pause_at_head)
        http_upstream_pause(u, true);
    if (s->close_at_head)
        http_upstream_close(u);
}

static inline void on_data(http_upstream *u, char *data, size_t length, void *user)
{
    seen *s = user;

    assert_true(length > 0);
    assert_int_equal(buf_append(&s->body, data, length), AC_OK);
    memset(data, '#', length); /* it is ours to spoil */
    if (s->close_at_data)
        http_upstream_close(u);
}

static inline void on_done(http_upstream *u, ac_status status, const ac_error *err, void *user)
{
    seen *s = user;

    s->dones++;
    s->result = status;
    s->stale = http_upstream_was_stale(u);
    assert_true((status == AC_OK) == (err == NULL));
    snprintf(s->message, sizeof s->message, "%s", err ? err->message : "");
    if (s->close_at_done)
        http_upstream_close(u);
}

static inline void on_writable(http_upstream *u, void *user)
{
    (void)u;
    ((seen *)user)->writables++;
}

static inline void on_tick(uv_timer_t *tick)
{
    (void)tick;
}

static inline void bench_open(bench *b)
{
    memset(b, 0, sizeof *b);
    b->far = -1;
    b->seen.body = BUF_INIT(SIZE_MAX / 2);
    assert_int_equal(http_loop_init(&b->loop), AC_OK);
    uv_timer_init(&b->loop.uv, &b->tick);
    uv_timer_start(&b->tick, on_tick, 1, 1);
}

static inline void connect_pair(bench *b)
{
    int pair[2];

    if (b->u)
        http_upstream_close(b->u);
    if (b->far >= 0)
        close(b->far);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    b->u = http_upstream_new(&b->loop, pair[0], NULL, 0, 0);
    assert_non_null(b->u);
    b->far = pair[1];
}

static inline void bench_close(bench *b)
{
    http_upstream_close(b->u);
    if (b->far >= 0)
        close(b->far);
    uv_close((uv_handle_t *)&b->tick, NULL);
    http_loop_done(&b->loop);
    buf_done(&b->seen.body);
}

static inline void turn(bench *b)
{
    uv_run(&b->loop.uv, UV_RUN_NOWAIT);
}

static inline void wait_ms(bench *b, unsigned ms)
{
    for (uint64_t begin = uv_now(&b->loop.uv); uv_now(&b->loop.uv) - begin < ms;)
        uv_run(&b->loop.uv, UV_RUN_ONCE);
}

static inline void forget(seen *s)
{
    buf body = s->body;

    body.length = 0;
    *s = (seen){.body = body};
}

static const http_field host[] = {{"Host", "h"}};

static inline void send_options(bench *b, http_upstream_request request)
{
    http_upstream_events events = {on_head, on_data, on_done, on_writable, &b->seen};

    if (!request.method)
        request.method = "GET";
    request.target = "/";
    request.headers = host;
    request.header_count = 1;
    assert_int_equal(http_upstream_send(b->u, &request, &events), AC_OK);
}

static inline void await_done(bench *b)
{
    for (uint64_t begin = uv_now(&b->loop.uv); !b->seen.dones;) {
        if (uv_now(&b->loop.uv) - begin > DEADLINE_MS)
            fail_msg("not done within the deadline");
        uv_run(&b->loop.uv, UV_RUN_ONCE);
    }
    assert_int_equal(b->seen.dones, 1);
}

/* What has arrived at the server. */
static inline size_t far_read(bench *b, char *text, size_t size)
{
    ssize_t got;

    turn(b);
    got = recv(b->far, text, size - 1, 0);
    text[MAX(got, 0)] = '\0';
    return (size_t)MAX(got, 0);
}

static inline void far_say(bench *b, const char *bytes, size_t length)
{
    assert_int_equal(send(b->far, bytes, length, MSG_NOSIGNAL), length);
    turn(b);
}

#endif
