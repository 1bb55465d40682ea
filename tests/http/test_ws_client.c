/* test_ws_client.c - the WebSocket client against our server, and against peers that answer wrongly. */
#include "http/ws_client.h"

#include "base/clock.h"
#include "client_peers.h"

#include <pthread.h>

#define LONG_MS 20000

static void on_message(http_exchange *x, const http_ws_message *message, void *user)
{
    (void)user;
    if (message->length == 3 && memcmp(message->data, "bye", 3) == 0)
        (void)http_ws_close(x, 4001, "as you wish");
    else if (message->length == 3 && memcmp(message->data, "big", 3) == 0) {
        char *big = calloc(1, 2000000);
        (void)!http_ws_send(x, WS_BINARY, big, 2000000);
        free(big);
    } else
        assert_int_not_equal(http_ws_send(x, message->opcode, message->data, message->length), AC_ERR_AGAIN);
}

static void on_close(http_exchange *x, int code, void *user)
{
    (void)code;
    (void)user;
    http_exchange_unref(x);
}

static void on_request(http_exchange *x, void *user)
{
    static const http_ws_events events = {.on_message = on_message, .on_close = on_close};
    const http_request *r = http_exchange_request(x);
    const char *protocol = http_exchange_header(x, "Sec-WebSocket-Protocol"), *key = http_exchange_header(x, "X-Key");
    http_ws_options options = {.events = &events, .subprotocol = protocol ? "two" : NULL};

    (void)user;
    if (!r->websocket || !key || strcmp(key, "k") != 0 || strcmp(r->query ? r->query : "", "a=1") != 0)
        house_answer(x, 403, "application/json", "{}");
    else
        assert_int_equal(http_ws_accept(x, &options), AC_OK);
}

static const http_field key_field[] = {{"X-Key", "k"}};

typedef struct fixture {
    house house;
    char url[64];
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    house_start(&f->house, on_request);
    snprintf(f->url, sizeof f->url, "ws://127.0.0.1:%d/ws?a=1", f->house.port);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    house_stop(&f->house);
    free(f);
    return 0;
}

static ws_client *connect_to(fixture *f, ws_client_options options)
{
    ws_client *ws;
    ac_error err = {0};

    options.url = f->url;
    options.headers = key_field;
    options.header_count = 1;
    if (ws_client_connect(&options, &ws, &err) != AC_OK)
        fail_msg("%s", err.message);
    return ws;
}

static void expect_echo(ws_client *ws, ws_opcode opcode, const char *data, size_t length)
{
    http_ws_message message;
    ac_error err = {0};

    assert_int_equal(ws_client_send(ws, opcode, data, length, LONG_MS, &err), AC_OK);
    if (ws_client_receive(ws, &message, LONG_MS, &err) != AC_OK)
        fail_msg("%s", err.message);
    assert_int_equal(message.opcode, opcode);
    assert_int_equal(message.length, length);
    assert_memory_equal(message.data, data, length);
    assert_int_equal(message.data[length], 0);
    free(message.data);
}

static void messages_go_both_ways(void **state)
{
    static char big[300000];

    for (int no_deflate = 0; no_deflate < 2; no_deflate++) {
        ws_client *ws = connect_to(*state, (ws_client_options){.no_deflate = no_deflate, .subprotocols = "one, two"});

        assert_string_equal(ws_client_subprotocol(ws), "two");
        assert_int_equal(http_client_header(ws_client_head(ws), "Sec-WebSocket-Extensions") == NULL, no_deflate);
        memset(big, 'b', sizeof big);
        expect_echo(ws, WS_TEXT, "hello", 5);
        expect_echo(ws, WS_TEXT, "", 0);
        expect_echo(ws, WS_BINARY, "\0\1\2", 3);
        assert_int_equal(ws_client_send(ws, WS_PING, "p", 1, LONG_MS, NULL), AC_OK);
        expect_echo(ws, WS_BINARY, big, sizeof big);
        assert_int_equal(ws_client_close(ws, 0, "done", LONG_MS, NULL), AC_OK);
        assert_int_equal(ws_client_close_code(ws), WS_CODE_NORMAL);
        assert_int_equal(ws_client_send(ws, WS_TEXT, "x", 1, LONG_MS, NULL), AC_ERR_CLOSED);
        ws_client_free(ws);
    }
}

static void the_server_may_close(void **state)
{
    ws_client *ws = connect_to(*state, (ws_client_options){0});
    http_ws_message message;
    ac_error err = {0};

    assert_null(ws_client_subprotocol(ws));
    assert_int_equal(ws_client_receive(ws, &message, 30, &err), AC_ERR_TIMEOUT);
    assert_int_equal(ws_client_send(ws, WS_TEXT, "bye", 3, LONG_MS, NULL), AC_OK);
    assert_int_equal(ws_client_receive(ws, &message, LONG_MS, &err), AC_ERR_CLOSED);
    assert_int_equal(ws_client_close_code(ws), 4001);
    ws_client_free(ws);
}

static void messages_are_bounded(void **state)
{
    ws_client *ws = connect_to(*state, (ws_client_options){.message_bytes_max = 100000});
    http_ws_message message;

    assert_int_equal(ws_client_send(ws, WS_TEXT, "big", 3, LONG_MS, NULL), AC_OK);
    assert_int_equal(ws_client_receive(ws, &message, LONG_MS, NULL), AC_ERR_CLOSED);
    assert_int_equal(ws_client_close_code(ws), WS_CODE_TOO_BIG);
    ws_client_free(ws);
}

typedef struct receiver {
    ws_client *ws;
    int count;
    ac_status last;
} receiver;

static void *receive_all(void *arg)
{
    receiver *r = arg;
    http_ws_message message;

    while ((r->last = ws_client_receive(r->ws, &message, LONG_MS, NULL)) == AC_OK) {
        r->count++;
        free(message.data);
    }
    return NULL;
}

static void sending_and_receiving_at_once(void **state)
{
    static char block[1000];
    ws_client *ws = connect_to(*state, (ws_client_options){.no_deflate = true});
    receiver r = {.ws = ws};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, receive_all, &r), 0);
    for (int i = 0; i < 200; i++)
        assert_int_equal(ws_client_send(ws, WS_BINARY, block, sizeof block, LONG_MS, NULL), AC_OK);
    assert_int_equal(ws_client_send(ws, WS_TEXT, "bye", 3, LONG_MS, NULL), AC_OK);
    pthread_join(thread, NULL);
    assert_int_equal(r.count, 200);
    assert_int_equal(r.last, AC_ERR_CLOSED);
    ws_client_free(ws);
}

static void aborting_wakes_the_receiver(void **state)
{
    ws_client *ws = connect_to(*state, (ws_client_options){0});
    receiver r = {.ws = ws};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, receive_all, &r), 0);
    ws_client_abort(ws);
    pthread_join(thread, NULL);
    assert_int_equal(r.last, AC_ERR_CLOSED);
    ws_client_free(ws);
}

static void refusals_say_why(void **state)
{
    fixture *f = *state;
    ws_client *ws;
    ac_error err = {0};

    assert_int_equal(ws_client_connect(&(ws_client_options){.url = f->url}, &ws, &err), AC_ERR_DENIED);
    assert_int_equal(err.http_status, 403);
    assert_null(ws);
}

/* ---- wrong answers ---- */

typedef struct answer_case {
    const char *answer;
    ac_status status;
    const char *message; /* or the AWS name */
} answer_case;

#define SWITCHING "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADED "Upgrade: websocket\r\nConnection: upgrade\r\n"
#define SOME_ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

static void wrong_answers_are_refused(void **state)
{
    static const answer_case cases[] = {
        {SWITCHING UPGRADED SOME_ACCEPT "\r\n", AC_ERR_PROTOCOL, "Sec-WebSocket-Accept"},
        {SWITCHING UPGRADED "\r\n", AC_ERR_PROTOCOL, "Sec-WebSocket-Accept"},
        {SWITCHING "Connection: upgrade\r\n" SOME_ACCEPT "\r\n", AC_ERR_PROTOCOL, "Upgrade"},
        {SWITCHING "Upgrade: websocket\r\n" SOME_ACCEPT "\r\n", AC_ERR_PROTOCOL, "Connection"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", AC_ERR_INVALID, "answered 200"},
        {"HTTP/1.1 404 Not Found\r\nx-amzn-ErrorType: ResourceNotFoundException:http://x\r\n\r\n", AC_ERR_NOT_FOUND,
         "ResourceNotFoundException"},
        {"HTTP/1.1 503 No\r\n\r\n", AC_ERR_IO, "answered 503"},
        {"hello\r\n\r\n", AC_ERR_PROTOCOL, "malformed"},
        {"", AC_ERR_CLOSED, "closed"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        script_peer peer;
        ac_error err = {0};
        ws_client *ws;
        char url[64];

        script_start(&peer, cases[i].answer, strlen(cases[i].answer), SCRIPT_CLOSE);
        snprintf(url, sizeof url, "ws://127.0.0.1:%d", peer.port);
        ac_status status = ws_client_connect(&(ws_client_options){.url = url}, &ws, &err);
        if (status != cases[i].status ||
            (!strstr(err.message, cases[i].message) && strcmp(err.aws_name, cases[i].message) != 0))
            fail_msg("case %zu: %s, %s", i, ac_status_name(status), err.message);
        script_stop(&peer);
        assert_non_null(strstr(peer.request, "GET / HTTP/1.1\r\nHost: 127.0.0.1:"));
    }
}

static void an_answer_must_come_in_time(void **state)
{
    script_peer peer;
    ac_error err = {0};
    ws_client *ws;
    char url[64];

    (void)state;
    script_start(&peer, "", 0, SCRIPT_HOLD);
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", peer.port);
    assert_int_equal(ws_client_connect(&(ws_client_options){.url = url, .connect_timeout_ms = 100}, &ws, &err),
                     AC_ERR_TIMEOUT);
    script_stop(&peer);
}

/* ---- a peer that accepts and then says nothing, or answers pings only ---- */

typedef struct mute_peer {
    pthread_t thread;
    int listener, port;
    bool answers; /* each ping, with a pong and a message right behind it */
} mute_peer;

/* Up to the close, or the end.  The frames are those of the client for pings and closes without payload. */
static void mute_listen(const mute_peer *p, int fd)
{
    static const char pong_and_message[] = "\x8A\x00\x81\x02hi";
    unsigned char frame[6];

    while (recv(fd, frame, sizeof frame, MSG_WAITALL) == sizeof frame && frame[0] == 0x89)
        if (p->answers)
            (void)!send(fd, pong_and_message, sizeof pong_and_message - 1, MSG_NOSIGNAL);
}

static void *mute_run(void *arg)
{
    mute_peer *p = arg;
    char request[4096], accept_key[WS_ACCEPT_SIZE], answer[512], key[WS_KEY_SIZE];
    int fd = accept(p->listener, NULL, NULL);
    ssize_t length = recv(fd, request, sizeof request - 1, 0);

    request[length > 0 ? length : 0] = '\0';
    const char *at = strstr(request, "Sec-WebSocket-Key: ");
    if (!at)
        abort();
    memcpy(key, at + strlen("Sec-WebSocket-Key: "), WS_KEY_SIZE - 1);
    key[WS_KEY_SIZE - 1] = '\0';
    if (ws_accept_key(key, accept_key) != AC_OK)
        abort();
    int size = snprintf(answer, sizeof answer, SWITCHING UPGRADED "Sec-WebSocket-Accept: %s\r\n\r\n", accept_key);
    (void)!send(fd, answer, (size_t)size, MSG_NOSIGNAL);
    mute_listen(p, fd);
    close(fd);
    return NULL;
}

static ws_client *mute_connect(mute_peer *peer, ws_client_options options)
{
    ac_error err = {0};
    ws_client *ws;
    char url[64];

    peer->listener = listen_anywhere(&peer->port);
    assert_int_equal(pthread_create(&peer->thread, NULL, mute_run, peer), 0);
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", peer->port);
    options.url = url;
    if (ws_client_connect(&options, &ws, &err) != AC_OK)
        fail_msg("%s", err.message);
    return ws;
}

static void mute_end(mute_peer *peer, ws_client *ws)
{
    ws_client_free(ws);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
}

/* Also by one who looks in turns that are shorter than the interval. */
static void notice_silence(int turn_ms)
{
    uint64_t begun = clock_monotonic_ms();
    mute_peer peer = {0};
    ws_client *ws = mute_connect(&peer, (ws_client_options){.ping_interval_ms = 30, .ping_timeout_ms = 60});
    ac_status status;
    http_ws_message message;
    ac_error err = {0};

    do
        status = ws_client_receive(ws, &message, turn_ms, &err);
    while (status == AC_ERR_TIMEOUT && clock_monotonic_ms() < begun + LONG_MS);
    assert_int_equal(status, AC_ERR_CLOSED);
    assert_int_equal(ws_client_close_code(ws), WS_CODE_ABNORMAL);
    mute_end(&peer, ws);
}

static void silence_is_noticed(void **state)
{
    (void)state;
    notice_silence(LONG_MS);
    notice_silence(5);
}

/* A message says as well as anything that the peer is there: the next ping is not long in coming, and is answered. */
static void messages_are_no_silence(void **state)
{
    mute_peer peer = {.answers = true};
    ws_client *ws = mute_connect(&peer, (ws_client_options){.ping_interval_ms = 1, .ping_timeout_ms = 5000});
    http_ws_message message;
    ac_error err = {0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        if (ws_client_receive(ws, &message, LONG_MS, &err) != AC_OK)
            fail_msg("message %d: %s", i, err.message);
        free(message.data);
    }
    mute_end(&peer, ws);
}

static void bad_options_are_refused(void **state)
{
    static const http_field split[] = {{"A", "b\r\nC: d"}}, ours[] = {{"sec-websocket-key", "x"}};
    static const ws_client_options cases[] = {
        {.url = "ftp://127.0.0.1/"},
        {.url = "ws://u:p@127.0.0.1/"},
        {.url = "ws://127.0.0.1/", .headers = split, .header_count = 1},
        {.url = "ws://127.0.0.1/", .headers = ours, .header_count = 1},
        {.url = "ws://127.0.0.1/", .subprotocols = "a\r\nb"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ws_client *ws;
        assert_int_equal(ws_client_connect(&cases[i], &ws, NULL), AC_ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_go_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_server_may_close, set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sending_and_receiving_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(aborting_wakes_the_receiver, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusals_say_why, set_up, tear_down),
        cmocka_unit_test(wrong_answers_are_refused),
        cmocka_unit_test(an_answer_must_come_in_time),
        cmocka_unit_test(silence_is_noticed),
        cmocka_unit_test(messages_are_no_silence),
        cmocka_unit_test(bad_options_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
