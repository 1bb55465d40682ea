/* test_upstream_io.c - large requests, and tunnels: what is written and read at the pace of the other side. */
#include "upstream_bench.h"

/* ---- large requests ---- */

#define LARGE ((size_t)100 << 20)

static void test_large_body(void **state)
{
    static char got[1 << 20];
    char *body = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t heard = 0;
    bool right = true;
    bench b;

    (void)state;
    assert_ptr_not_equal(body, MAP_FAILED);
    for (size_t i = 0; i < LARGE; i += 4096)
        memcpy(body + i, &i, sizeof i);
    bench_open(&b);
    connect_pair(&b);
    send_options(&b, (http_upstream_request){.method = "PUT", .body = body, .body_length = LARGE});
    for (size_t head = 0; heard < LARGE;) {
        ssize_t now = recv(b.far, got, sizeof got, 0);
        size_t skip = 0;

        if (now <= 0) {
            assert_true(now < 0 && errno == EAGAIN);
            turn(&b);
            continue;
        }
        if (!head) {
            char *end = memmem(got, (size_t)now, "\r\n\r\n", 4);
            assert_non_null(end);
            head = skip = (size_t)(end + 4 - got);
        }
        right = right && memcmp(got + skip, body + heard, (size_t)now - skip) == 0;
        heard += (size_t)now - skip;
    }
    assert_true(right);
    far_say(&b, OK_HEAD "Content-Length: 2\r\n\r\nok", 40);
    await_done(&b);
    assert_int_equal(b.seen.result, AC_OK);
    assert_true(http_upstream_reusable(b.u));
    bench_close(&b);
    munmap(body, LARGE);
}

/* A server that answers before it has read everything, and one that then closes. */
static void test_early_answer(void **state)
{
    static const char refusal[] = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno";
    static char body[8 << 20], got[1 << 20];
    bench b;

    (void)state;
    bench_open(&b);
    for (int closes = 0; closes < 2; closes++) {
        size_t heard = 0;

        forget(&b.seen);
        connect_pair(&b);
        send_options(&b, (http_upstream_request){.method = "PUT", .body = body, .body_length = sizeof body});
        turn(&b);
        assert_int_equal(send(b.far, refusal, 20, MSG_NOSIGNAL), 20);
        turn(&b);
        assert_int_equal(send(b.far, refusal + 20, sizeof refusal - 1 - 20, MSG_NOSIGNAL), sizeof refusal - 1 - 20);
        if (closes) {
            close(b.far);
            b.far = -1;
        }
        await_done(&b);
        assert_int_equal(b.seen.result, AC_OK);
        assert_int_equal(b.seen.status, 413);
        assert_int_equal(b.seen.body.length, 2);
        assert_false(http_upstream_reusable(b.u));
        for (ssize_t now; !closes && (now = recv(b.far, got, sizeof got, 0)) > 0;)
            heard += (size_t)now;
        assert_true(heard < sizeof body); /* it was spared the rest */
    }
    bench_close(&b);
}

/* One that answers while it reads: the request goes on. */
static void test_answer_while_reading(void **state)
{
    static char body[8 << 20], got[1 << 20];
    size_t heard = 0;
    bench b;

    (void)state;
    bench_open(&b);
    connect_pair(&b);
    send_options(&b, (http_upstream_request){.method = "PUT", .body = body, .body_length = sizeof body});
    far_say(&b, OK_HEAD "Content-Length: 2\r\n\r\no", 39);
    for (int idle = 0; heard < sizeof body && idle < 100; turn(&b)) {
        ssize_t now = recv(b.far, got, sizeof got, 0);
        idle = now > 0 ? 0 : idle + 1;
        heard += (size_t)MAX(now, 0);
    }
    assert_true(heard > sizeof body);
    far_say(&b, "k", 1);
    await_done(&b);
    assert_int_equal(b.seen.result, AC_OK);
    assert_true(http_upstream_reusable(b.u));
    bench_close(&b);
}

static void test_takes_nothing(void **state)
{
    static char body[8 << 20];
    bench b;

    (void)state;
    bench_open(&b);
    connect_pair(&b);
    send_options(
        &b, (http_upstream_request){.method = "PUT", .body = body, .body_length = sizeof body, .write_timeout_ms = 50});
    await_done(&b);
    assert_int_equal(b.seen.result, AC_ERR_TIMEOUT);
    assert_non_null(strstr(b.seen.message, "took nothing"));
    bench_close(&b);
}

/* ---- tunnels ---- */

#define SWITCHING "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\r\n"

static void open_tunnel(bench *b, const char *behind, unsigned write_timeout_ms)
{
    char text[4096];

    connect_pair(b);
    send_options(b, (http_upstream_request){.upgrade = true, .write_timeout_ms = write_timeout_ms});
    assert_int_equal(http_upstream_write(b->u, "x", 1), AC_ERR_STATE);
    far_read(b, text, sizeof text);
    snprintf(text, sizeof text, "%s%s", SWITCHING, behind);
    far_say(b, text, strlen(text));
    assert_int_equal(b->seen.status, 101);
    assert_int_equal(b->seen.dones, 0);
    assert_int_equal(b->seen.body.length, strlen(behind));
}

static void test_tunnel(void **state)
{
    char text[4096];
    bench b;

    (void)state;
    bench_open(&b);
    open_tunnel(&b, "first", 0);
    assert_int_equal(http_upstream_write(b.u, "hello", 5), AC_OK);
    assert_int_equal(far_read(&b, text, sizeof text), 5);
    far_say(&b, " HTTP/1.1 200 OK\r\n", 18); /* not ours to understand */
    assert_int_equal(b.seen.body.length, 23);
    http_upstream_shutdown(b.u);
    assert_int_equal(http_upstream_write(b.u, "more", 4), AC_ERR_STATE);
    turn(&b);
    assert_int_equal(recv(b.far, text, sizeof text, 0), 0);
    far_say(&b, "still", 5);
    assert_int_equal(b.seen.body.length, 28);
    close(b.far);
    b.far = -1;
    await_done(&b);
    assert_int_equal(b.seen.result, AC_OK);
    assert_false(http_upstream_reusable(b.u));
    assert_int_equal(http_upstream_write(b.u, "x", 1), AC_ERR_CLOSED);
    bench_close(&b);
}

static void test_tunnel_back_pressure(void **state)
{
    static char piece[50000], got[1 << 20];
    size_t sent = 0, heard = 0;
    unsigned char next = 0, wanted = 0;
    ac_status status;
    bench b;

    (void)state;
    bench_open(&b);
    open_tunnel(&b, "", 0);
    for (int round = 1; round <= 3; round++) {
        do {
            for (size_t i = 0; i < sizeof piece; i++)
                piece[i] = (char)next++;
            status = http_upstream_write(b.u, piece, sizeof piece);
            sent += sizeof piece;
            assert_true(status == AC_OK || status == AC_ERR_AGAIN);
        } while (status == AC_OK);
        if (round == 3)
            http_upstream_shutdown(b.u); /* behind all of it */
        while (heard < sent) {
            ssize_t now = recv(b.far, got, sizeof got, 0);

            turn(&b);
            for (ssize_t i = 0; i < now; i++)
                assert_int_equal((unsigned char)got[i], wanted++);
            heard += (size_t)MAX(now, 0);
        }
        turn(&b);
        assert_int_equal(b.seen.writables, round);
    }
    assert_int_equal(recv(b.far, got, sizeof got, 0), 0);
    bench_close(&b);
}

static void test_tunnel_takes_nothing(void **state)
{
    static char piece[1 << 20];
    bench b;

    (void)state;
    bench_open(&b);
    open_tunnel(&b, "", 100);
    assert_int_equal(http_upstream_write(b.u, piece, sizeof piece), AC_ERR_AGAIN);
    await_done(&b);
    assert_int_equal(b.seen.result, AC_ERR_TIMEOUT);
    bench_close(&b);
}

static void test_tunnel_broken(void **state)
{
    static char piece[1 << 20];
    bench b;
    ac_status status;

    (void)state;
    bench_open(&b);
    open_tunnel(&b, "", 0);
    assert_int_equal(send(b.far, "unread", 6, MSG_NOSIGNAL), 6);
    assert_int_equal(http_upstream_write(b.u, "unread", 6), AC_OK);
    close(b.far);
    b.far = -1;
    status = http_upstream_write(b.u, piece, sizeof piece);
    assert_int_equal(status, AC_ERR_CLOSED);
    assert_int_equal(b.seen.dones, 0); /* never from inside */
    await_done(&b);
    assert_int_equal(b.seen.result, AC_OK);
    assert_int_equal(b.seen.body.length, 6); /* what it had sent before still comes */
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_body),
        cmocka_unit_test(test_early_answer),
        cmocka_unit_test(test_answer_while_reading),
        cmocka_unit_test(test_takes_nothing),
        cmocka_unit_test(test_tunnel),
        cmocka_unit_test(test_tunnel_back_pressure),
        cmocka_unit_test(test_tunnel_takes_nothing),
        cmocka_unit_test(test_tunnel_broken),
    };

    signal(SIGPIPE, SIG_IGN); /* as http_server_run does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
