/* test_upstream.c - requests to a server behind us: what is sent, connections that are kept, deadlines, connecting. */
#include "upstream_bench.h"

/* ---- what is sent ---- */

static void test_request(void **state)
{
    static const http_field fields[] = {{"Host", "a"}, {"X-Long", "v w"}};
    http_upstream_request get = {.method = "GET", .target = "/a?b=%20", .headers = fields, .header_count = 2};
    http_upstream_request post = get, upgrade = get;
    http_upstream_events events = {on_head, on_data, on_done, on_writable, NULL};
    char text[4096];
    bench b;

    (void)state;
    bench_open(&b);
    events.user = &b.seen;
    connect_pair(&b);
    assert_int_equal(http_upstream_send(b.u, &get, &events), AC_OK);
    assert_int_equal(http_upstream_send(b.u, &get, &events), AC_ERR_STATE);
    far_read(&b, text, sizeof text);
    assert_string_equal(text, "GET /a?b=%20 HTTP/1.1\r\nHost: a\r\nX-Long: v w\r\n\r\n");
    far_say(&b, OK_HEAD "Content-Length: 0\r\n\r\n", 38);
    assert_int_equal(b.seen.dones, 1);

    post.method = "POST";
    post.body = "body";
    post.body_length = 4;
    assert_int_equal(http_upstream_send(b.u, &post, &events), AC_OK);
    far_read(&b, text, sizeof text);
    assert_non_null(strstr(text, "\r\nContent-Length: 4\r\n\r\nbody"));
    far_say(&b, OK_HEAD "Content-Length: 0\r\n\r\n", 38);

    post.body_length = 0;
    assert_int_equal(http_upstream_send(b.u, &post, &events), AC_OK);
    far_read(&b, text, sizeof text);
    assert_non_null(strstr(text, "\r\nContent-Length: 0\r\n\r\n"));
    far_say(&b, OK_HEAD "Content-Length: 0\r\n\r\n", 38);

    upgrade.upgrade = true;
    assert_int_equal(http_upstream_send(b.u, &upgrade, &events), AC_OK);
    far_read(&b, text, sizeof text);
    assert_non_null(strstr(text, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
    bench_close(&b);
}

static void test_bad_requests(void **state)
{
    static const http_field good = {"Host", "h"};
    static const http_field fields[][2] = {
        {{"Host", "h"}, {"X-A", "1\r\nX-B: 2"}},
        {{"Host", "h"}, {"X A", "1"}},
        {{"Host", "h"}, {"", "1"}},
        {{"Host", "h"}, {"content-length", "1"}},
        {{"Host", "h"}, {"Connection", "close"}},
        {{"Host", "h"}, {"transfer-Encoding", "chunked"}},
        {{"Host", "h"}, {"Upgrade", "h2c"}},
        {{"Host", "h"}, {"host", "i"}},
        {{"X-A", "h"}, {"X-B", "i"}},
    };
    static const http_upstream_request others[] = {
        {.method = "GET", .target = "a", .headers = &good, .header_count = 1},
        {.method = "GET", .target = "/a b", .headers = &good, .header_count = 1},
        {.method = "GET", .target = "/a\r\n", .headers = &good, .header_count = 1},
        {.method = "GET", .target = "/\xC3\xA4", .headers = &good, .header_count = 1},
        {.method = "G T", .target = "/", .headers = &good, .header_count = 1},
        {.method = "", .target = "/", .headers = &good, .header_count = 1},
        {.method = "CONNECT", .target = "/", .headers = &good, .header_count = 1},
        {.method = "GET", .target = "/", .headers = &good, .header_count = 1, .upgrade = true, .body_length = 1},
    };
    http_upstream_events events = {on_head, on_data, on_done, on_writable, NULL};
    char text[64];
    bench b;

    (void)state;
    bench_open(&b);
    connect_pair(&b);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        http_upstream_request r = {.method = "GET", .target = "/", .headers = fields[i], .header_count = 2};
        assert_int_equal(http_upstream_send(b.u, &r, &events), AC_ERR_INVALID);
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_int_equal(http_upstream_send(b.u, &others[i], &events), AC_ERR_INVALID);
    assert_int_equal(far_read(&b, text, sizeof text), 0);
    bench_close(&b);
}

/* ---- keeping ---- */

static void test_kept(void **state)
{
    bench b;

    (void)state;
    bench_open(&b);
    connect_pair(&b);
    assert_true(http_upstream_reusable(b.u));
    for (int i = 0; i < 3; i++) {
        forget(&b.seen);
        send_options(&b, (http_upstream_request){0});
        assert_false(http_upstream_reusable(b.u));
        far_say(&b, OK_HEAD "Content-Length: 2\r\n\r\nok", 40);
        assert_int_equal(b.seen.dones, 1);
        assert_true(http_upstream_reusable(b.u));
    }
    /* an answer that nobody asked for */
    far_say(&b, OK_HEAD "Content-Length: 2\r\n\r\nno", 40);
    assert_false(http_upstream_reusable(b.u));
    bench_close(&b);
    assert_int_equal(b.seen.dones, 1);
}

static void test_kept_and_closed(void **state)
{
    bench b;

    (void)state;
    bench_open(&b);
    for (int noticed = 0; noticed < 2; noticed++) {
        forget(&b.seen);
        connect_pair(&b);
        send_options(&b, (http_upstream_request){0});
        far_say(&b, OK_HEAD "Content-Length: 2\r\n\r\nok", 40);
        forget(&b.seen);
        close(b.far);
        b.far = -1;
        if (noticed) {
            turn(&b);
            assert_false(http_upstream_reusable(b.u));
        }
        send_options(&b, (http_upstream_request){.stale_ms = DEADLINE_MS});
        assert_int_equal(b.seen.dones, 0); /* never from inside */
        await_done(&b);
        assert_int_equal(b.seen.result, AC_ERR_CLOSED);
        assert_true(b.seen.stale);
    }
    /* A server that took its time has worked on the request. */
    forget(&b.seen);
    connect_pair(&b);
    send_options(&b, (http_upstream_request){0});
    far_say(&b, OK_HEAD "Content-Length: 2\r\n\r\nok", 40);
    forget(&b.seen);
    send_options(&b, (http_upstream_request){0});
    wait_ms(&b, 400);
    close(b.far);
    b.far = -1;
    await_done(&b);
    assert_int_equal(b.seen.result, AC_ERR_CLOSED);
    assert_false(b.seen.stale);
    bench_close(&b);
}

/* An idle connection does not keep a loop running. */
static void test_idle_holds_nothing(void **state)
{
    bench b;

    (void)state;
    bench_open(&b);
    connect_pair(&b);
    send_options(&b, (http_upstream_request){0});
    far_say(&b, OK_HEAD "Content-Length: 2\r\n\r\nok", 40);
    assert_int_equal(b.seen.dones, 1);
    uv_timer_stop(&b.tick);
    assert_int_equal(uv_run(&b.loop.uv, UV_RUN_DEFAULT), 0);
    bench_close(&b);
}

/* ---- callbacks that close ---- */

static void test_close_inside(void **state)
{
    bench b;

    (void)state;
    bench_open(&b);
    for (int where = 0; where < 3; where++) {
        forget(&b.seen);
        connect_pair(&b);
        b.seen.close_at_head = where == 0;
        b.seen.close_at_data = where == 1;
        b.seen.close_at_done = where == 2;
        send_options(&b, (http_upstream_request){0});
        far_say(&b, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n", 64);
        b.u = NULL;
        turn(&b);
        assert_int_equal(b.seen.dones, where == 2);
        assert_int_equal(b.seen.body.length, where);
    }
    bench_close(&b);
}

/* ---- time ---- */

static void test_deadlines(void **state)
{
    bench b;

    (void)state;
    bench_open(&b);
    connect_pair(&b);
    send_options(&b, (http_upstream_request){.first_byte_timeout_ms = 30});
    far_say(&b, "HTTP/1.1 100 Continue\r\n\r\nHTT", 28); /* not an answer yet */
    await_done(&b);
    assert_int_equal(b.seen.result, AC_ERR_TIMEOUT);
    assert_non_null(strstr(b.seen.message, "did not answer"));

    forget(&b.seen);
    connect_pair(&b);
    send_options(&b, (http_upstream_request){.idle_timeout_ms = 1000});
    far_say(&b, OK_HEAD "\r\n", 19);
    for (int i = 0; i < 8; i++) { /* now and then is enough, though we may be held up */
        wait_ms(&b, 150);
        far_say(&b, "x", 1);
    }
    assert_int_equal(b.seen.dones, 0);
    await_done(&b);
    assert_int_equal(b.seen.result, AC_ERR_TIMEOUT);
    assert_non_null(strstr(b.seen.message, "fell silent"));
    bench_close(&b);
}

/* While we do not listen, the server is not silent. */
static void test_pause(void **state)
{
    static char piece[65536];
    size_t sent = 0, before;
    bench b;

    (void)state;
    bench_open(&b);
    connect_pair(&b);
    b.seen.pause_at_head = true;
    send_options(&b, (http_upstream_request){.idle_timeout_ms = 700});
    far_read(&b, piece, sizeof piece);
    far_say(&b, OK_HEAD "\r\n", 19);
    for (ssize_t now; (now = send(b.far, piece, sizeof piece, MSG_NOSIGNAL)) > 0; sent += (size_t)now)
        turn(&b);
    wait_ms(&b, 900);
    assert_int_equal(b.seen.body.length, 0);
    assert_int_equal(b.seen.dones, 0);
    http_upstream_pause(b.u, false);
    assert_int_equal(b.seen.body.length, 0); /* never from inside */
    do {
        before = b.seen.body.length;
        turn(&b);
    } while (b.seen.body.length != before);
    assert_int_equal(b.seen.body.length, sent);
    close(b.far);
    b.far = -1;
    await_done(&b);
    assert_int_equal(b.seen.result, AC_OK);
    bench_close(&b);
}

/* ---- connecting ---- */

static void dial(bench *b, int family, const void *address, socklen_t length, unsigned timeout_ms)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (b->u)
        http_upstream_close(b->u);
    b->u = http_upstream_new(&b->loop, fd, address, length, timeout_ms);
    assert_non_null(b->u);
}

static void test_connect(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), other = socket(AF_UNIX, SOCK_STREAM, 0);
    bench b;

    (void)state;
    bench_open(&b);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(listen(listener, 4), 0);
    dial(&b, AF_INET, &address, sizeof address, 0);
    send_options(&b, (http_upstream_request){0});
    b.far = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(b.far >= 0);
    far_say(&b, OK_HEAD "Content-Length: 2\r\n\r\nok", 40);
    await_done(&b);
    assert_int_equal(b.seen.result, AC_OK);
    close(b.far);
    b.far = -1;

    close(listener);
    forget(&b.seen);
    dial(&b, AF_INET, &address, sizeof address, 0);
    send_options(&b, (http_upstream_request){0});
    await_done(&b);
    assert_int_equal(b.seen.result, AC_ERR_IO);
    assert_non_null(strstr(b.seen.message, "refused"));
    assert_false(b.seen.stale);

    /* an abstract name: nothing to clean up */
    snprintf(local.sun_path + 1, sizeof local.sun_path - 1, "agentcore-test-%d", (int)getpid());
    assert_int_equal(bind(other, (struct sockaddr *)&local, sizeof local), 0);
    assert_int_equal(listen(other, 4), 0);
    forget(&b.seen);
    dial(&b, AF_UNIX, &local, sizeof local, 0);
    send_options(&b, (http_upstream_request){0});
    b.far = accept4(other, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    far_say(&b, OK_HEAD "Content-Length: 2\r\n\r\nok", 40);
    await_done(&b);
    assert_int_equal(b.seen.result, AC_OK);
    close(other);
    bench_close(&b);
}

/* Listeners whose queues are full: one lets the client wait, the other says "again". */
static void test_connect_waits(void **state)
{
    static const int families[] = {AF_INET, AF_UNIX};
    bench b;

    (void)state;
    bench_open(&b);
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        struct sockaddr_storage address = {0};
        socklen_t length = families[i] == AF_INET ? sizeof(struct sockaddr_in) : sizeof(sa_family_t);
        int listener = socket(families[i], SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), filler[8];

        address.ss_family = (sa_family_t)families[i];
        if (families[i] == AF_INET)
            ((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
        length = sizeof address;
        assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
        assert_int_equal(listen(listener, 0), 0);
        for (size_t k = 0; k < ARRAY_SIZE(filler); k++) {
            filler[k] = socket(families[i], SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            (void)!connect(filler[k], (struct sockaddr *)&address, length);
        }
        forget(&b.seen);
        dial(&b, families[i], &address, length, 60);
        send_options(&b, (http_upstream_request){0});
        await_done(&b);
        assert_int_equal(b.seen.result, AC_ERR_TIMEOUT);
        assert_false(http_upstream_reusable(b.u));

        forget(&b.seen);
        dial(&b, families[i], &address, length, 5000);
        send_options(&b, (http_upstream_request){0});
        turn(&b);
        for (size_t k = 0; k < ARRAY_SIZE(filler); k++)
            close(filler[k]);
        for (int fd, gone = 0; !gone;) { /* until ours has come, which says something */
            char text[64];

            turn(&b);
            fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            for (int wait = 0; fd >= 0 && wait < 20 && !gone; wait++) {
                turn(&b);
                gone = recv(fd, text, sizeof text, 0) > 0;
            }
            if (gone)
                assert_int_equal(send(fd, OK_HEAD "Content-Length: 0\r\n\r\n", 38, 0), 38);
            if (fd >= 0 && gone)
                b.far = fd;
            else if (fd >= 0)
                close(fd);
        }
        await_done(&b);
        assert_int_equal(b.seen.result, AC_OK);
        close(b.far);
        b.far = -1;
        close(listener);
    }
    bench_close(&b);
}

/* Closed while connecting, before and after a request. */
static void test_close_while_connecting(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
    bench b;

    (void)state;
    bench_open(&b);
    address.sin_addr.s_addr = htonl(0xC0000201); /* 192.0.2.1, where nobody is */
    for (int i = 0; i < 2; i++) {
        dial(&b, AF_INET, &address, sizeof address, 5000);
        if (i)
            send_options(&b, (http_upstream_request){0});
        turn(&b);
        http_upstream_close(b.u);
        b.u = NULL;
        turn(&b);
    }
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_kept_and_closed),
        cmocka_unit_test(test_idle_holds_nothing),
        cmocka_unit_test(test_close_inside),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_connect_waits),
        cmocka_unit_test(test_close_while_connecting),
    };

    signal(SIGPIPE, SIG_IGN); /* as http_server_run does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
