/* test_tls.c - the server over TLS, against OpenSSL's client. */
#include "http/server.h"
#include "http/tls.h"

#include "base/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tls_certificate.h"

#define BIG_BYTES ((size_t)8 << 20)

#define MESSAGE_BYTES 1000
#define LONG_MS 20000

typedef struct fixture {
    char folder[64], certificate[96], key[96];
    http_tls *tls;
    http_server *server;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int port;
    http_exchange *upgraded;
    char tunnelled[8]; /* what came through it: one letter each, '.' is the end */
} fixture;

static fixture f;

static void tell_upgraded(http_exchange *x)
{
    pthread_mutex_lock(&f.lock);
    f.upgraded = x;
    pthread_cond_broadcast(&f.changed);
    pthread_mutex_unlock(&f.lock);
}

static void note(char what)
{
    pthread_mutex_lock(&f.lock);
    f.tunnelled[strlen(f.tunnelled)] = what;
    pthread_cond_broadcast(&f.changed);
    pthread_mutex_unlock(&f.lock);
}

/* Takes one piece, and then no more for now. */
static void on_tunnel_data(http_exchange *x, char *data, size_t length, void *user)
{
    (void)length;
    (void)user;
    http_tunnel_pause(x, true);
    note(data[0]);
}

static void on_tunnel_eof(http_exchange *x, void *user)
{
    (void)x;
    (void)user;
    note('.');
}

static void upgrade(http_exchange *x)
{
    static const http_tunnel_events events = {.on_data = on_tunnel_data, .on_eof = on_tunnel_eof};
    http_ws_options options = {.message_bytes_max = MESSAGE_BYTES, .no_deflate = true};

    if (strcmp(http_exchange_request(x)->target, "/tunnel") == 0)
        assert_int_equal(http_tunnel_begin(x, NULL, 0, &events), AC_OK);
    else
        assert_int_equal(http_ws_accept(x, &options), AC_OK);
    tell_upgraded(x);
}

static void on_request(http_exchange *x, void *user)
{
    const http_request *r = http_exchange_request(x);
    buf body = BUF_INIT(2 * BIG_BYTES);

    (void)user;
    if (r->websocket) {
        upgrade(x);
        return;
    }
    if (strcmp(r->target, "/big") == 0) {
        assert_int_equal(buf_reserve(&body, BIG_BYTES), AC_OK);
        for (size_t i = 0; i < BIG_BYTES; i++)
            body.data[i] = (char)('a' + i % 26);
        body.length = BIG_BYTES;
    } else if (r->body_length) {
        assert_int_equal(buf_append(&body, r->body, r->body_length), AC_OK);
    }
    assert_int_equal(http_respond(x, &(http_response){.status = 200}, &body), AC_OK);
    http_exchange_unref(x);
}

static void on_ready(http_server *server, void *user)
{
    (void)user;
    pthread_mutex_lock(&f.lock);
    f.port = http_server_port(server);
    pthread_cond_broadcast(&f.changed);
    pthread_mutex_unlock(&f.lock);
}

static void *run(void *arg)
{
    (void)arg;
    assert_int_equal(http_server_run(f.server, false, NULL), AC_OK);
    return NULL;
}

static int start_server(unsigned header_timeout_ms)
{
    f = (fixture){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    strcpy(f.folder, "/tmp/agentcore-tls-XXXXXX");
    assert_non_null(mkdtemp(f.folder));
    snprintf(f.certificate, sizeof f.certificate, "%s/cert.pem", f.folder);
    snprintf(f.key, sizeof f.key, "%s/key.pem", f.folder);
    tls_certificate_write(f.certificate, f.key);
    assert_int_equal(http_tls_new(f.certificate, f.key, &f.tls, NULL), AC_OK);
    f.server = http_server_new(
        &(http_server_options){
            .loops = 1, .wrap = http_tls_wrap, .wrap_user = f.tls, .header_timeout_ms = header_timeout_ms},
        &(http_service){.on_request = on_request, .on_ready = on_ready});
    assert_int_equal(http_server_listen(f.server, NULL), AC_OK);
    pthread_create(&f.thread, NULL, run, NULL);
    pthread_mutex_lock(&f.lock);
    while (!f.port)
        pthread_cond_wait(&f.changed, &f.lock);
    pthread_mutex_unlock(&f.lock);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return start_server(LONG_MS);
}

static int set_up_for_silence(void **state)
{
    (void)state;
    return start_server(2000);
}

static int tear_down(void **state)
{
    (void)state;
    http_server_stop(f.server);
    pthread_join(f.thread, NULL);
    http_server_free(f.server);
    http_tls_free(f.tls);
    unlink(f.certificate);
    unlink(f.key);
    rmdir(f.folder);
    return 0;
}

/* ---- a client ---- */

/* Without time-outs: a wait that the ring of a freed loop interrupts is begun anew by the kernel, but one with
 * SO_RCVTIMEO ends with EINTR. */
static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f.port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

typedef struct client {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
} client;

static client hello(int version)
{
    client c = {.ctx = SSL_CTX_new(TLS_client_method()), .fd = dial()};

    SSL_CTX_set_max_proto_version(c.ctx, version);
    c.ssl = SSL_new(c.ctx);
    SSL_set_fd(c.ssl, c.fd);
    return c;
}

static void goodbye(client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(c->fd);
}

static void say(client *c, const char *text)
{
    assert_int_equal(SSL_write(c->ssl, text, (int)strlen(text)), strlen(text));
}

/* Everything until the server closes; the caller frees. */
static char *hear_all(client *c, size_t *ret_length)
{
    size_t capacity = 2 * BIG_BYTES, length = 0;
    char *text = malloc(capacity + 1);
    int got;

    while (length < capacity && (got = SSL_read(c->ssl, text + length, (int)(capacity - length))) > 0)
        length += (size_t)got;
    text[length] = '\0';
    *ret_length = length;
    return text;
}

static void exchange(int version)
{
    client c = hello(version);
    size_t length;

    assert_int_equal(SSL_connect(c.ssl), 1);
    assert_int_equal(SSL_version(c.ssl), version);
    say(&c, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
            "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nworld");
    char *text = hear_all(&c, &length);
    assert_non_null(strstr(text, "\r\n\r\nhelloHTTP/1.1 200"));
    assert_non_null(strstr(text, "\r\n\r\nworld"));
    free(text);
    goodbye(&c);
}

static void test_both_versions(void **state)
{
    (void)state;
    exchange(TLS1_3_VERSION);
    exchange(TLS1_2_VERSION);
}

static void test_old_version_is_refused(void **state)
{
    client c = hello(TLS1_1_VERSION);

    (void)state;
    SSL_CTX_set_min_proto_version(c.ctx, TLS1_VERSION);
    assert_int_not_equal(SSL_connect(c.ssl), 1);
    goodbye(&c);
}

static void test_big_answer_to_a_slow_reader(void **state)
{
    client c = hello(TLS1_3_VERSION);
    size_t length;

    (void)state;
    assert_int_equal(SSL_connect(c.ssl), 1);
    say(&c, "GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    char *text = hear_all(&c, &length);
    const char *body = strstr(text, "\r\n\r\n") + 4;
    assert_int_equal(length - (size_t)(body - text), BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i += 4099)
        assert_int_equal(body[i], 'a' + i % 26);
    free(text);
    goodbye(&c);
}

static void test_half_close_still_answers(void **state)
{
    client c = hello(TLS1_3_VERSION);
    size_t length;

    (void)state;
    assert_int_equal(SSL_connect(c.ssl), 1);
    say(&c, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    SSL_shutdown(c.ssl);
    shutdown(c.fd, SHUT_WR);
    char *text = hear_all(&c, &length);
    assert_true(length > BIG_BYTES);
    free(text);
    goodbye(&c);
}

/* ---- what arrives in one piece with the goodbye ---- */

#define UPGRADE(target)                                                                                                \
    "GET " target " HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                              \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

static client upgraded(const char *request)
{
    client c = hello(TLS1_3_VERSION);
    char answer[512];

    assert_int_equal(SSL_connect(c.ssl), 1);
    say(&c, request);
    assert_true(SSL_read(c.ssl, answer, sizeof answer) > 12);
    assert_memory_equal(answer, "HTTP/1.1 101", 12);
    return c;
}

/* Each of the messages in a record of its own, then the end, all in one packet. */
static void say_all_and_leave(client *c, const buf *messages, int count)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *data;

    SSL_set0_wbio(c->ssl, out);
    for (int i = 0; i < count; i++)
        assert_int_equal(SSL_write(c->ssl, messages[i].data, (int)messages[i].length), messages[i].length);
    SSL_shutdown(c->ssl);
    long length = BIO_get_mem_data(out, &data);
    assert_int_equal(send(c->fd, data, (size_t)length, MSG_NOSIGNAL), length);
}

static http_exchange *take_upgraded(void)
{
    http_exchange *x;

    pthread_mutex_lock(&f.lock);
    while (!f.upgraded)
        pthread_cond_wait(&f.changed, &f.lock);
    x = TAKE_PTR(f.upgraded);
    pthread_mutex_unlock(&f.lock);
    return x;
}

static void test_messages_before_the_end_are_delivered(void **state)
{
    static const char text[MESSAGE_BYTES] = "";
    ws_writer writer;
    buf frames[3];

    (void)state;
    client c = upgraded(UPGRADE("/ws"));
    http_exchange *x = take_upgraded();
    ws_writer_init(&writer, WS_CLIENT, false);
    for (int i = 0; i < 3; i++) {
        frames[i] = BUF_INIT(2 * MESSAGE_BYTES);
        assert_int_equal(ws_write(&writer, WS_BINARY, text, sizeof text, &frames[i]), AC_OK);
    }
    say_all_and_leave(&c, frames, 3);
    for (int i = 0; i < 3; i++) {
        http_ws_message message;
        assert_int_equal(http_ws_receive(x, &message, LONG_MS), AC_OK);
        assert_int_equal(message.length, MESSAGE_BYTES);
        free(message.data);
        buf_done(&frames[i]);
    }
    assert_int_equal(http_ws_receive(x, &(http_ws_message){0}, LONG_MS), AC_ERR_CLOSED);
    assert_int_equal(http_ws_close_code(x), WS_CODE_ABNORMAL);
    http_exchange_unref(x);
    goodbye(&c);
}

static void go_on(void *arg)
{
    http_tunnel_pause(arg, false);
}

static void await_tunnelled(const char *wanted)
{
    pthread_mutex_lock(&f.lock);
    while (strlen(f.tunnelled) < strlen(wanted))
        pthread_cond_wait(&f.changed, &f.lock);
    assert_string_equal(f.tunnelled, wanted);
    pthread_mutex_unlock(&f.lock);
}

static void test_a_paused_tunnel_ends_after_its_bytes(void **state)
{
    buf pieces[2] = {{.data = "a", .length = 1}, {.data = "b", .length = 1}};

    (void)state;
    client c = upgraded(UPGRADE("/tunnel"));
    http_exchange *x = take_upgraded();
    say_all_and_leave(&c, pieces, 2);
    await_tunnelled("a");
    assert_int_equal(http_server_post(f.server, go_on, x), AC_OK);
    await_tunnelled("ab.");
    http_stream_abort(x);
    http_exchange_unref(x);
    goodbye(&c);
}

/* The server closes within its header time-out, or at once. */
static void expect_end(int fd)
{
    char byte[256];
    ssize_t got;

    while ((got = recv(fd, byte, sizeof byte, 0)) > 0)
        ;
    assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
    close(fd);
}

static void test_no_tls_at_all(void **state)
{
    int plain = dial(), silent = dial(), garbage = dial();
    static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

    (void)state;
    assert_int_equal(send(plain, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
    assert_int_equal(send(garbage, "\x16\x03\x01\xff\xff\x01", 6, MSG_NOSIGNAL), 6);
    expect_end(plain);
    expect_end(silent);
    expect_end(garbage);
}

static void test_bad_files(void **state)
{
    http_tls *tls = NULL;
    ac_error err = {0};

    (void)state;
    assert_int_equal(http_tls_new("/nonexistent.pem", f.key, &tls, &err), AC_ERR_INVALID);
    assert_non_null(strstr(err.message, "/nonexistent.pem"));
    assert_int_equal(http_tls_new(f.certificate, f.certificate, &tls, &err), AC_ERR_INVALID);
    assert_null(tls);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_both_versions),
        WITH_SERVER(test_old_version_is_refused),
        WITH_SERVER(test_big_answer_to_a_slow_reader),
        WITH_SERVER(test_half_close_still_answers),
        WITH_SERVER(test_messages_before_the_end_are_delivered),
        WITH_SERVER(test_a_paused_tunnel_ends_after_its_bytes),
        cmocka_unit_test_setup_teardown(test_no_tls_at_all, set_up_for_silence, tear_down),
        WITH_SERVER(test_bad_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
