/* test_upstream_answer.c - how answers are read, and what a server can do wrong: whole and byte by byte. */
#include "upstream_bench.h"

/* ---- answers ---- */

typedef enum after { STAYS, CLOSES } after;

typedef struct answer_row {
    const char *bytes;
    after after;
    ac_status result;
    int status;
    const char *body;
    bool reusable;
    const char *method;
    bool upgrade;
} answer_row;

static const answer_row answers[] = {
    /* framing */
    {OK_HEAD "Content-Length: 3\r\n\r\nabc", STAYS, AC_OK, 200, "abc", true, NULL, false},
    {OK_HEAD "Content-Length: 0\r\n\r\n", STAYS, AC_OK, 200, "", true, NULL, false},
    {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n", STAYS, AC_OK, 200,
     "abcde", true, NULL, false},
    {OK_HEAD "transfer-encoding: Chunked\r\n\r\n0\r\n\r\n", STAYS, AC_OK, 200, "", true, NULL, false},
    {OK_HEAD "\r\nabc", CLOSES, AC_OK, 200, "abc", false, NULL, false},
    {OK_HEAD "\r\n", CLOSES, AC_OK, 200, "", false, NULL, false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", STAYS, AC_OK, 200, "a", false, NULL, false},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", STAYS, AC_OK, 200, "a", true, NULL,
     false},
    {OK_HEAD "Connection: close\r\nContent-Length: 1\r\n\r\na", STAYS, AC_OK, 200, "a", false, NULL, false},
    {"HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\na", STAYS, AC_OK, 404, "a", true, NULL, false},
    {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", STAYS, AC_OK, 200, "", true, NULL, false},
    /* without a body */
    {OK_HEAD "Content-Length: 5\r\n\r\n", STAYS, AC_OK, 200, "", true, "HEAD", false},
    {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n", STAYS, AC_OK, 200, "", true, "HEAD", false},
    {OK_HEAD "\r\n", STAYS, AC_OK, 200, "", true, "HEAD", false},
    {"HTTP/1.1 204 No Content\r\n\r\n", STAYS, AC_OK, 204, "", true, NULL, false},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", STAYS, AC_OK, 204, "", true, NULL, false},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", STAYS, AC_OK, 304, "", true, NULL, false},
    /* interim ones are passed over */
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" OK_HEAD "Content-Length: 1\r\n\r\na",
     STAYS, AC_OK, 200, "a", true, NULL, false},
    {"HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n" OK_HEAD "Content-Length: 1\r\n\r\na", STAYS, AC_OK, 200,
     "a", true, NULL, false},
    /* more than was asked for: the answer counts, the connection does not */
    {OK_HEAD "Content-Length: 1\r\n\r\nab", STAYS, AC_OK, 200, "a", false, NULL, false},
    {OK_HEAD "Content-Length: 1\r\n\r\na" OK_HEAD "Content-Length: 0\r\n\r\n", STAYS, AC_OK, 200, "a", false, NULL,
     false},
    {"HTTP/1.1 204 No Content\r\n\r\nx", STAYS, AC_OK, 204, "", false, NULL, false},
    {OK_HEAD "Content-Length: 5\r\n\r\nabcde", STAYS, AC_OK, 200, "", false, "HEAD", false},
    {OK_HEAD "Content-Length: 1\r\n\r\na\r\n", STAYS, AC_OK, 200, "a", false, NULL, false},
    /* ends too early */
    {"", CLOSES, AC_ERR_CLOSED, 0, "", false, NULL, false},
    {"HTTP/1.1 20", CLOSES, AC_ERR_CLOSED, 0, "", false, NULL, false},
    {OK_HEAD "Content-Length: 5\r\n\r\nabc", CLOSES, AC_ERR_CLOSED, 200, "abc", false, NULL, false},
    {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", CLOSES, AC_ERR_CLOSED, 200, "abc", false, NULL, false},
    {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", CLOSES, AC_ERR_CLOSED, 200, "abc", false, NULL,
     false},
    {"HTTP/1.1 100 Continue\r\n\r\n", CLOSES, AC_ERR_CLOSED, 0, "", false, NULL, false},
    /* no HTTP, or of the ambiguous kind */
    {"\r\n" OK_HEAD "Content-Length: 0\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {"garbage" OK_HEAD "\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {"HTTP/2.0 200 OK\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {"HTTP/0.9 200 OK\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {"HTTP/1.1 99 Low\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {"HTTP/1.1 2000 High\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "Content-Length: 0\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "X: a\rb\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "X: a\r\n b\r\nContent-Length: 0\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "X : a\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "X: a\001b\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "no colon\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "Content-Length: 1, 1\r\n\r\na", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "Content-Length: -1\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "Content-Length: +1\r\n\r\na", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "Content-Length: \r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "Content-Length: 0x1\r\n\r\na", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "Content-Length: 18446744073709551616\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "Content-Length: 9223372036854775808\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false,
     NULL, false},
    {OK_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false,
     NULL, false},
    {OK_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "Transfer-Encoding: identity\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, false},
    {OK_HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "",
     false, NULL, false},
    {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL,
     false},
    {OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n", STAYS, AC_ERR_PROTOCOL, 200, "", false, NULL, false},
    {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 200, "", false, NULL,
     false},
    {OK_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 200, "a", false, NULL,
     false},
    {OK_HEAD "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", STAYS, AC_ERR_PROTOCOL, 200, "", false, NULL,
     false},
    /* upgrades */
    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0,
     "", false, NULL, false},
    {"HTTP/1.1 101 Switching Protocols\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "", false, NULL, true},
    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", STAYS, AC_ERR_PROTOCOL, 0, "",
     false, NULL, true},
    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", STAYS,
     AC_ERR_PROTOCOL, 0, "", false, NULL, true},
    {"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", STAYS, AC_OK, 403, "no", true, NULL, true},
    {"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nok", STAYS, AC_OK, 200, "ok",
     true, NULL, false},
};

static void play(bench *b, const answer_row *row, size_t piece)
{
    size_t length = strlen(row->bytes);

    forget(&b->seen);
    connect_pair(b);
    send_options(b, (http_upstream_request){.method = row->method, .upgrade = row->upgrade});
    turn(b);
    for (size_t at = 0; at < length && !b->seen.dones; at += piece)
        far_say(b, row->bytes + at, MIN(piece, length - at));
    if (row->after == CLOSES)
        shutdown(b->far, SHUT_WR);
    for (int i = 0; i < 20 && !b->seen.dones; i++)
        turn(b);
}

static void check(bench *b, const answer_row *row)
{
    const seen *s = &b->seen;
    size_t length = strlen(row->body);

    if (s->dones != 1 || s->result != row->result || s->heads != (row->status != 0) || s->status != row->status ||
        s->body.length != length || (length && memcmp(s->body.data, row->body, length) != 0) || s->stale)
        fail_msg("%s\n-> %d heads, %d dones, %s (%s), status %d, body '%.*s'", row->bytes, s->heads, s->dones,
                 ac_status_name(s->result), s->message, s->status, (int)s->body.length,
                 s->body.data ? s->body.data : "");
}

static void test_answers(void **state)
{
    bench b;

    (void)state;
    bench_open(&b);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        play(&b, &answers[i], SIZE_MAX / 2);
        check(&b, &answers[i]);
        if (http_upstream_reusable(b.u) != answers[i].reusable)
            fail_msg("%s\n-> wrongly %sreusable", answers[i].bytes, answers[i].reusable ? "not " : "");
    }
    bench_close(&b);
}

static void test_answers_byte_by_byte(void **state)
{
    bench b;

    (void)state;
    bench_open(&b);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        play(&b, &answers[i], 1);
        check(&b, &answers[i]);
    }
    bench_close(&b);
}

static void test_head(void **state)
{
    static const char bytes[] = OK_HEAD "X-One:  a b \t\r\nX-Two:\r\nContent-Length: 77\r\n\r\n";
    bench b;

    (void)state;
    bench_open(&b);
    connect_pair(&b);
    send_options(&b, (http_upstream_request){0});
    far_say(&b, bytes, sizeof bytes - 1);
    assert_int_equal(b.seen.heads, 1);
    assert_int_equal(b.seen.header_count, 3);
    assert_int_equal(b.seen.content_length, 77);
    assert_string_equal(b.seen.first_header, "X-One=a b");
    bench_close(&b);
    assert_int_equal(b.seen.dones, 0); /* closed by us: no event */
}

/* ---- limits ---- */

static void test_head_limits(void **state)
{
    char line[64];
    bench b;

    (void)state;
    bench_open(&b);
    /* bytes, over several interim heads too */
    for (int interim = 0; interim < 2; interim++) {
        forget(&b.seen);
        connect_pair(&b);
        send_options(&b, (http_upstream_request){.head_bytes_max = 4096});
        if (!interim)
            far_say(&b, OK_HEAD, strlen(OK_HEAD));
        for (int i = 0; i < 4096 / 20 && !b.seen.dones; i++)
            far_say(&b, interim ? "HTTP/1.1 102 P\r\n\r\n\0" : "X-Y: 1234567890abc\r\n", interim ? 18 : 20);
        for (int i = 0; i < 60 && !b.seen.dones; i++)
            far_say(&b, interim ? "HTTP/1.1 102 P\r\n\r\n\0" : "X-Y: 1234567890abc\r\n", interim ? 18 : 20);
        assert_int_equal(b.seen.result, AC_ERR_TOO_LARGE);
    }
    /* fields */
    forget(&b.seen);
    connect_pair(&b);
    send_options(&b, (http_upstream_request){0});
    far_say(&b, OK_HEAD, strlen(OK_HEAD));
    for (int i = 0; i < 257 && !b.seen.dones; i++)
        far_say(&b, line, (size_t)snprintf(line, sizeof line, "X-%d: 1\r\n", i));
    assert_int_equal(b.seen.result, AC_ERR_TOO_LARGE);
    assert_int_equal(b.seen.heads, 0);
    bench_close(&b);
}

static void test_chunk_framing(void **state)
{
    static const char trailer[] = "X: 0123456789012345678901234567890123456789\r\n";
    bench b;

    (void)state;
    bench_open(&b);
    connect_pair(&b);
    send_options(&b, (http_upstream_request){0});
    far_say(&b, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n", 50);
    for (int i = 0; i < 3000 && !b.seen.dones; i++)
        far_say(&b, trailer, sizeof trailer - 1);
    assert_int_equal(b.seen.result, AC_ERR_PROTOCOL);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),     cmocka_unit_test(test_answers_byte_by_byte), cmocka_unit_test(test_head),
        cmocka_unit_test(test_head_limits), cmocka_unit_test(test_chunk_framing),
    };

    signal(SIGPIPE, SIG_IGN); /* as http_server_run does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
