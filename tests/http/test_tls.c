/* test_tls.c - the server over TLS, against OpenSSL's client. */
#include "http/server.h"
#include "http/tls.h"

#include "base/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
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

#define BIG_BYTES ((size_t)8 << 20)

typedef struct fixture {
    char folder[64], certificate[96], key[96];
    http_tls *tls;
    http_server *server;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int port;
} fixture;

static fixture f;

static void make_certificate(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    FILE *file;

    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    file = fopen(f.certificate, "w");
    PEM_write_X509(file, x);
    fclose(file);
    file = fopen(f.key, "w");
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void on_request(http_exchange *x, void *user)
{
    const http_request *r = http_exchange_request(x);
    buf body = BUF_INIT(2 * BIG_BYTES);

    (void)user;
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

static int set_up(void **state)
{
    (void)state;
    f = (fixture){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    strcpy(f.folder, "/tmp/agentcore-tls-XXXXXX");
    assert_non_null(mkdtemp(f.folder));
    snprintf(f.certificate, sizeof f.certificate, "%s/cert.pem", f.folder);
    snprintf(f.key, sizeof f.key, "%s/key.pem", f.folder);
    make_certificate();
    assert_int_equal(http_tls_new(f.certificate, f.key, &f.tls, NULL), AC_OK);
    f.server = http_server_new(
        &(http_server_options){.loops = 1, .wrap = http_tls_wrap, .wrap_user = f.tls, .header_timeout_ms = 2000},
        &(http_service){.on_request = on_request, .on_ready = on_ready});
    assert_int_equal(http_server_listen(f.server, NULL), AC_OK);
    pthread_create(&f.thread, NULL, run, NULL);
    pthread_mutex_lock(&f.lock);
    while (!f.port)
        pthread_cond_wait(&f.changed, &f.lock);
    pthread_mutex_unlock(&f.lock);
    return 0;
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

static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f.port)};
    struct timeval limit = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_versions),
        cmocka_unit_test(test_old_version_is_refused),
        cmocka_unit_test(test_big_answer_to_a_slow_reader),
        cmocka_unit_test(test_half_close_still_answers),
        cmocka_unit_test(test_no_tls_at_all),
        cmocka_unit_test(test_bad_files),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
