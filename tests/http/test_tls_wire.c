/* test_tls_wire.c - TLS over a wire that the test holds in its hands: what peers say that no client would. */
#include "http/tls.h"

#include "base/buf.h"

#include <malloc.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tls_certificate.h"

#define FLOOD_BYTES ((size_t)16 << 20)

static http_tls *tls;

typedef struct wire {
    http_transport base; /* below TLS */
    buf written;         /* by TLS, for the peer */
    bool stuck;          /* takes nothing */
    bool broken;
    SSL_CTX *ctx;
    SSL *ssl; /* the peer */
    BIO *in, *out;
    http_transport *tls;
} wire;

static wire *wire_of(http_transport *t)
{
    return CONTAINER_OF(t, wire, base);
}

static ssize_t wire_try_write(http_transport *t, const uv_buf_t *bufs, unsigned count)
{
    size_t before = wire_of(t)->written.length;

    for (unsigned i = 0; i < count && !wire_of(t)->stuck; i++)
        assert_int_equal(buf_append(&wire_of(t)->written, bufs[i].base, bufs[i].len), AC_OK);
    return (ssize_t)(wire_of(t)->written.length - before);
}

static int wire_write(http_transport *t, const uv_buf_t *bufs, unsigned count)
{
    (void)bufs;
    (void)count;
    assert_true(wire_of(t)->stuck);
    return 0;
}

static void wire_read(http_transport *t, bool on)
{
    (void)t;
    (void)on;
}

static void wire_close(http_transport *t)
{
    t->events->gone(t->owner);
}

static const http_transport_ops wire_ops = {
    .try_write = wire_try_write, .write = wire_write, .read = wire_read, .close = wire_close};

/* The signature is the transport's. */
/* NOLINTNEXTLINE(readability-non-const-parameter) */
static void wire_input(void *owner, char *data, size_t length)
{
    (void)owner;
    (void)data;
    (void)length;
}

static void wire_eof(void *owner)
{
    (void)owner;
}

static void wire_broken(void *owner)
{
    ((wire *)owner)->broken = true;
}

static const http_transport_events wire_events = {
    .input = wire_input, .eof = wire_eof, .broken = wire_broken, .gone = wire_eof};

/* What the peer has written reaches our TLS. */
static void wire_carry(wire *w)
{
    char piece[16384];
    int got;

    while ((got = BIO_read(w->out, piece, sizeof piece)) > 0)
        w->base.events->input(w->base.owner, piece, (size_t)got);
}

static void wire_open(wire *w)
{
    *w = (wire){.base.ops = &wire_ops, .written = BUF_INIT(1U << 20), .ctx = SSL_CTX_new(TLS_client_method())};
    w->tls = http_tls_wrap(&w->base, tls);
    w->tls->events = &wire_events;
    w->tls->owner = w;
    w->ssl = SSL_new(w->ctx);
    w->in = BIO_new(BIO_s_mem());
    w->out = BIO_new(BIO_s_mem());
    SSL_set_bio(w->ssl, w->in, w->out);
    while (SSL_connect(w->ssl) != 1) {
        wire_carry(w);
        assert_true(w->written.length > 0);
        BIO_write(w->in, w->written.data, (int)w->written.length);
        w->written.length = 0;
    }
    wire_carry(w);
}

static void wire_done(wire *w)
{
    w->tls->ops->close(w->tls);
    SSL_free(w->ssl);
    SSL_CTX_free(w->ctx);
    buf_done(&w->written);
}

/* Bytes behind the goodbye are nobody's, and nothing keeps them. */
static void test_nothing_is_kept_after_the_end(void **state)
{
    static char garbage[65536];
    wire w;

    (void)state;
    wire_open(&w);
    SSL_shutdown(w.ssl);
    wire_carry(&w);
    struct mallinfo2 before = mallinfo2();
    for (size_t sent = 0; sent < FLOOD_BYTES; sent += sizeof garbage)
        w.base.events->input(w.base.owner, garbage, sizeof garbage);
    struct mallinfo2 after = mallinfo2();
    assert_true(after.uordblks + after.hblkhd < before.uordblks + before.hblkhd + FLOOD_BYTES / 4);
    wire_done(&w);
}

/* A peer may have its keys renewed as often as it likes, as long as it reads what that makes us say. */
static void test_answers_that_nobody_reads_do_not_gather(void **state)
{
    wire w;

    (void)state;
    wire_open(&w);
    w.stuck = true;
    for (int i = 0; i < 10000 && !w.broken; i++) {
        assert_int_equal(SSL_key_update(w.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_write(w.ssl, "x", 1), 1);
        wire_carry(&w);
    }
    assert_true(w.broken);
    wire_done(&w);
}

static int set_up(void **state)
{
    char folder[] = "/tmp/agentcore-tls-XXXXXX", certificate[96], key[96];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(certificate, sizeof certificate, "%s/cert.pem", folder);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    tls_certificate_write(certificate, key);
    assert_int_equal(http_tls_new(certificate, key, &tls, NULL), AC_OK);
    unlink(certificate);
    unlink(key);
    rmdir(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_tls_free(tls);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_kept_after_the_end),
        cmocka_unit_test(test_answers_that_nobody_reads_do_not_gather),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
