/* test_relay_nomem.c - relays while malloc fails, at each place in turn: every relay that was started ends once, and
 * nothing is left.
 *
 * Linked with -Wl,--wrap=malloc,--wrap=realloc,--wrap=calloc, so that the library's own calls come through here; those
 * of libuv do not. */
#include "http/relay.h"
#include "http/server.h"

#include "base/util.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../failing_malloc.h"

/* ---- a relay without threads ---- */

typedef struct scene {
    const char *request;
    const char *answer;
    const char *wanted; /* what the client has in the end, when nothing fails */
    bool collect, client_talks;
    http_server *server;
    int near, far; /* of the connection to the agent */
    int started, ended;
    ac_status status;
} scene;

static http_upstream *on_connect(http_loop *loop, bool fresh, void *user)
{
    scene *s = user;
    http_upstream *u = fresh ? NULL : http_upstream_new(loop, s->near, NULL, 0, 0);

    if (u)
        s->near = -1;
    return u;
}

static http_relay_verdict on_head(http_exchange *x, const http_upstream_head *head, http_relay_answer *ret_answer,
                                  void *user)
{
    static const http_field fields[] = {{"X-A", "1"}};

    (void)x;
    (void)head;
    ret_answer->fields = fields;
    ret_answer->field_count = 1;
    return ((scene *)user)->collect ? HTTP_RELAY_COLLECT : HTTP_RELAY_PASS;
}

static void on_end(http_exchange *x, http_upstream *u, const http_relay_result *result, void *user)
{
    scene *s = user;

    s->ended++;
    s->status = result->status;
    assert_true(result->status == AC_OK || result->err->message[0]);
    http_upstream_close(u);
    if (!result->answered && !result->client_gone)
        (void)!http_respond(x, &(http_response){.status = 502}, NULL);
}

static void on_request(http_exchange *x, void *user)
{
    static const http_field fields[] = {{"Host", "h"}, {"X-A", "1"}};
    scene *s = user;
    const http_request *r = http_exchange_request(x);
    http_relay_options options = {.request = {.method = r->method,
                                              .target = r->target,
                                              .headers = fields,
                                              .header_count = 2,
                                              .body = r->body,
                                              .body_length = r->body_length,
                                              .upgrade = r->websocket}};
    ac_status status = http_relay_start(x, &options, &(http_relay_events){on_connect, on_head, on_end, s});

    s->started += status == AC_OK;
    assert_true(status == AC_OK || status == AC_ERR_NOMEM);
    if (status != AC_OK)
        (void)!http_respond(x, &(http_response){.status = 500}, NULL);
    http_exchange_unref(x);
}

static void turn(scene *s)
{
    for (int i = 0; i < 4; i++)
        http_memory_pump(s->server, 0);
}

static void run(scene *s, int at)
{
    int pair[2];
    http_memory *m;
    size_t length;
    const char *got;

    s->started = s->ended = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    s->near = pair[0];
    s->far = pair[1];
    s->server = http_server_new(&(http_server_options){.loops = 1}, &(http_service){on_request, NULL, s});
    m = http_memory_connect(s->server);
    http_memory_send(m, s->request, strlen(s->request));
    has_failed = false;
    allocations_left = at;
    turn(s);
    (void)!send(s->far, s->answer, strlen(s->answer), MSG_NOSIGNAL);
    turn(s);
    if (s->client_talks) {
        int left = allocations_left;

        allocations_left = -1; /* the test's own do not count */
        http_memory_send(m, "from the client", 15);
        allocations_left = left;
        turn(s);
    }
    close(s->far);
    turn(s);
    allocations_left = -1;
    got = http_memory_received(m, &length);
    if (!has_failed) {
        assert_int_equal(s->started, 1);
        assert_non_null(memmem(got, length, s->wanted, strlen(s->wanted)));
    }
    http_memory_free(m);
    turn(s);
    assert_int_equal(s->ended, s->started);
    http_memory_shutdown(s->server);
    if (s->near >= 0)
        close(s->near);
    http_server_free(s->server);
}

#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
#define UPGRADE                                                                                                        \
    "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                                     \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static void test_every_allocation(void **state)
{
    static scene scenes[] = {
        {.request = GET, .answer = OK_HEAD "Content-Length: 5\r\n\r\nwhole", .wanted = "whole"},
        {.request = GET,
         .answer = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0\r\n\r\n",
         .wanted = "part"},
        {.request = GET, .answer = OK_HEAD "Content-Length: 5\r\n\r\nbro", .wanted = "502"},
        {.request = GET, .answer = OK_HEAD "\r\nuntil close", .wanted = "until close"},
        {.request = GET, .answer = "HTTP/1.1 500 Oops\r\n\r\nwhy", .wanted = "502", .collect = true},
        {.request = GET, .answer = "HTTP/1.1 204 No Content\r\n\r\n", .wanted = "204"},
        {.request = UPGRADE,
         .answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Accept: x\r\n\r\nbytes",
         .wanted = "bytes",
         .client_talks = true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(scenes); i++) {
        int at = 0;

        do
            run(&scenes[i], at++);
        while (has_failed && at < 1000);
        assert_true(at > 3 && at < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
