/* transport_tls.c - TLS between a connection and the transport below it.
 *
 * OpenSSL reads from and writes to memory: what comes from below goes into one BIO, what OpenSSL wants to send is taken
 * from the other and written below, one write at a time.  While that write is in flight nothing is encrypted, so what
 * waits is bounded by one piece (PIECE_BYTES) beyond the caller's own buffers.
 *
 * The owner's deadlines cover the handshake: until it is done, the owner has not heard a byte of a request. */
#include "http/tls.h"

#include "base/util.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES 65536          /* plaintext that is encrypted at a time */
#define PLAIN_BYTES 16384          /* a record holds no more */
#define HANDSHAKE_BYTES_MAX 131072 /* what a peer may send before the handshake is done */
#define REPLIES_BYTES_MAX 65536    /* what OpenSSL itself says (to renewed keys) to a peer that takes nothing */
#define BUFS_MAX 8

struct http_tls {
    SSL_CTX *ctx;
};

typedef struct tls_transport {
    http_transport base;
    http_transport *inner;
    SSL *ssl;
    BIO *from_peer, *to_peer;
    size_t handshake_bytes;
    bool ready;  /* the handshake is done */
    bool ended;  /* the peer has said goodbye in order */
    bool flying; /* a write below is in flight */
    bool broken;
    bool closing;
    bool shut;               /* say goodbye when everything is written */
    char *cipher;            /* what is in flight */
    uv_buf_t bufs[BUFS_MAX]; /* of the owner's write: what is not encrypted yet */
    unsigned buf_count;
    bool owner_waits; /* for its write to be done */
} tls_transport;

static tls_transport *tls_of(http_transport *t)
{
    return CONTAINER_OF(t, tls_transport, base);
}

static void flush(tls_transport *t);

/* Once, and only from events. */
static void tell_broken(tls_transport *t)
{
    if (t->broken || t->closing)
        return;
    t->broken = true;
    t->base.events->broken(t->base.owner);
}

/* ---- sending ---- */

/* Encrypt up to PIECE_BYTES of the buffers and drop what was taken from them.  Negative: the session is dead. */
static ssize_t encrypt(tls_transport *t, uv_buf_t *bufs, unsigned *count)
{
    size_t taken = 0;

    while (*count && taken < PIECE_BYTES) {
        size_t written, piece = MIN(bufs[0].len, PIECE_BYTES - taken);

        if (piece && SSL_write_ex(t->ssl, bufs[0].base, piece, &written) != 1)
            return UV_EPROTO;
        taken += piece;
        bufs[0].base += piece;
        bufs[0].len -= piece;
        if (bufs[0].len)
            break;
        for (unsigned i = 1; i < *count; i++)
            bufs[i - 1] = bufs[i];
        (*count)--;
    }
    return (ssize_t)taken;
}

/* Write below what OpenSSL has for the peer.  Negative: the connection is dead. */
static int send_below(tls_transport *t)
{
    char *data;
    long length = BIO_get_mem_data(t->to_peer, &data);
    uv_buf_t buf = {.base = data, .len = (size_t)length};
    ssize_t taken;

    if (length <= 0)
        return 0;
    if (t->flying)
        return length <= REPLIES_BYTES_MAX ? 0 : UV_ENOBUFS;
    taken = t->inner->ops->try_write(t->inner, &buf, 1);
    if (taken < 0)
        return (int)taken;
    if (taken < length) {
        size_t rest = (size_t)(length - taken);

        t->cipher = malloc(rest);
        if (!t->cipher)
            return UV_ENOMEM;
        memcpy(t->cipher, data + taken, rest);
        t->flying = true;
        buf = (uv_buf_t){.base = t->cipher, .len = rest};
        int status = t->inner->ops->write(t->inner, &buf, 1);
        if (status < 0)
            return status;
    }
    (void)BIO_reset(t->to_peer);
    return 0;
}

static ssize_t tls_try_write(http_transport *base, const uv_buf_t *bufs, unsigned count)
{
    tls_transport *t = tls_of(base);
    uv_buf_t copy[BUFS_MAX];
    ssize_t total = 0;

    if (!t->ready || count > BUFS_MAX)
        return t->ready ? UV_EINVAL : 0;
    memcpy(copy, bufs, count * sizeof *bufs);
    while (count && !t->flying) {
        ssize_t taken = encrypt(t, copy, &count);
        int status = taken < 0 ? (int)taken : send_below(t);

        if (status < 0)
            return status;
        total += taken;
    }
    return total;
}

static int tls_write(http_transport *base, const uv_buf_t *bufs, unsigned count)
{
    tls_transport *t = tls_of(base);

    if (count > BUFS_MAX)
        return UV_EINVAL;
    memcpy(t->bufs, bufs, count * sizeof *bufs);
    t->buf_count = count;
    t->owner_waits = true;
    return 0; /* something is in flight, or the handshake is not done: the rest follows when it is */
}

/* Send on what the owner's write has left, tell it when all of it is below, then say goodbye if that is wanted. */
static void flush(tls_transport *t)
{
    while (!t->flying && t->ready && t->buf_count) {
        if (encrypt(t, t->bufs, &t->buf_count) < 0 || send_below(t) < 0) {
            tell_broken(t);
            return;
        }
    }
    if (t->flying)
        return;
    if (t->owner_waits && !t->buf_count) {
        t->owner_waits = false;
        t->base.events->written(t->base.owner, 0);
    }
    if (t->shut && !t->flying && !t->owner_waits && !t->closing) {
        t->shut = false;
        SSL_shutdown(t->ssl);
        if (send_below(t) == 0 && !t->flying)
            t->inner->ops->shutdown(t->inner);
    }
}

static void on_written(void *owner, int status)
{
    tls_transport *t = owner;

    free(t->cipher);
    t->cipher = NULL;
    t->flying = false;
    if (status < 0 || send_below(t) < 0)
        tell_broken(t);
    else
        flush(t);
}

static size_t tls_unsent(http_transport *base)
{
    tls_transport *t = tls_of(base);
    size_t bytes = t->inner->ops->unsent(t->inner);

    for (unsigned i = 0; i < t->buf_count; i++)
        bytes += t->bufs[i].len;
    return bytes;
}

/* ---- receiving ---- */

/* Go on with the handshake; false when the session is over. */
static bool shake_hands(tls_transport *t)
{
    int result, why;

    ERR_clear_error();
    result = SSL_do_handshake(t->ssl);
    why = SSL_get_error(t->ssl, result);
    if (send_below(t) < 0) /* also the alert that says why not */
        return false;
    if (result == 1) {
        t->ready = true;
        flush(t);
        return true;
    }
    return why == SSL_ERROR_WANT_READ;
}

/* Decrypt and hand over; false when the session is over. */
static bool read_plain(tls_transport *t)
{
    char plain[PLAIN_BYTES];

    for (;;) {
        size_t length;
        int result, why;

        if (t->closing)
            return true;
        ERR_clear_error();
        result = SSL_read_ex(t->ssl, plain, sizeof plain, &length);
        if (result == 1) {
            t->base.events->input(t->base.owner, plain, length);
            continue;
        }
        why = SSL_get_error(t->ssl, result);
        if (send_below(t) < 0) /* key updates */
            return false;
        if (why == SSL_ERROR_ZERO_RETURN) {
            if (!t->ended)
                t->base.events->eof(t->base.owner);
            t->ended = true;
            return true;
        }
        return why == SSL_ERROR_WANT_READ;
    }
}

static void on_input(void *owner, char *data, size_t length)
{
    tls_transport *t = owner;

    if (t->ended) /* nobody reads what comes behind the goodbye, so it must not gather */
        return;
    bool well = length <= INT32_MAX && BIO_write(t->from_peer, data, (int)length) == (int)length;

    if (well && !t->ready) {
        t->handshake_bytes += length;
        well = t->handshake_bytes <= HANDSHAKE_BYTES_MAX && shake_hands(t);
    }
    if (well && t->ready)
        well = read_plain(t);
    if (!well)
        tell_broken(t);
}

/* A connection that ends without close_notify may have been cut off by somebody else: no orderly end. */
static void on_eof(void *owner)
{
    tls_transport *t = owner;

    if (!t->ended)
        tell_broken(t);
}

static void on_broken(void *owner)
{
    tell_broken(owner);
}

/* ---- the rest ---- */

static void tls_read(http_transport *base, bool on)
{
    tls_transport *t = tls_of(base);

    t->inner->ops->read(t->inner, on || !t->ready);
}

static void tls_shutdown(http_transport *base)
{
    tls_transport *t = tls_of(base);

    t->shut = true;
    flush(t);
}

static bool tls_peer_gone(http_transport *base)
{
    tls_transport *t = tls_of(base);

    return t->inner->ops->peer_gone(t->inner);
}

static void tls_close(http_transport *base)
{
    tls_transport *t = tls_of(base);

    t->closing = true;
    t->inner->ops->close(t->inner);
}

static void release(tls_transport *t)
{
    SSL_free(t->ssl); /* and the BIOs */
    free(t->cipher);
    free(t);
}

static void on_gone(void *owner)
{
    tls_transport *t = owner;

    if (t->base.owner)
        t->base.events->gone(t->base.owner);
    release(t);
}

static const http_transport_ops tls_ops = {
    .try_write = tls_try_write,
    .write = tls_write,
    .unsent = tls_unsent,
    .read = tls_read,
    .shutdown = tls_shutdown,
    .peer_gone = tls_peer_gone,
    .close = tls_close,
};

static const http_transport_events tls_events = {
    .input = on_input,
    .eof = on_eof,
    .broken = on_broken,
    .written = on_written,
    .gone = on_gone,
};

http_transport *http_tls_wrap(http_transport *inner, void *tls)
{
    tls_transport *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->ssl = SSL_new(((http_tls *)tls)->ctx);
    t->from_peer = BIO_new(BIO_s_mem());
    t->to_peer = BIO_new(BIO_s_mem());
    if (!t->ssl || !t->from_peer || !t->to_peer) {
        BIO_free(t->from_peer);
        BIO_free(t->to_peer);
        SSL_free(t->ssl);
        free(t);
        return NULL;
    }
    SSL_set_bio(t->ssl, t->from_peer, t->to_peer);
    SSL_set_accept_state(t->ssl);
    t->base.ops = &tls_ops;
    t->inner = inner;
    inner->events = &tls_events;
    inner->owner = t;
    return &t->base;
}

/* ---- settings ---- */

static int choose_protocol(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_length,
                           const unsigned char *offered, unsigned offered_length, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, ret_length, ours, sizeof ours - 1, offered, offered_length) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret_name = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static ac_status say_why(ac_error *err, const char *what, const char *file)
{
    char reason[200];

    ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
    ERR_clear_error();
    return ac_error_set(err, AC_ERR_INVALID, "%s %s cannot be used: %s", what, file, reason);
}

ac_status http_tls_new(const char *certificate_file, const char *key_file, http_tls **ret_tls, ac_error *err)
{
    http_tls *tls = calloc(1, sizeof *tls);
    ac_status status = AC_OK;

    ERR_clear_error();
    if (tls)
        tls->ctx = SSL_CTX_new(TLS_server_method());
    if (!tls || !tls->ctx) {
        free(tls);
        return ac_error_set(err, AC_ERR_NOMEM, "TLS cannot be set up: out of memory");
    }
    SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(tls->ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(tls->ctx, SSL_MODE_RELEASE_BUFFERS); /* idle connections hold none */
    SSL_CTX_set_alpn_select_cb(tls->ctx, choose_protocol, NULL);
    if (SSL_CTX_use_certificate_chain_file(tls->ctx, certificate_file) != 1)
        status = say_why(err, "certificate", certificate_file);
    else if (SSL_CTX_use_PrivateKey_file(tls->ctx, key_file, SSL_FILETYPE_PEM) != 1)
        status = say_why(err, "private key", key_file);
    else if (SSL_CTX_check_private_key(tls->ctx) != 1)
        status = say_why(err, "private key does not fit the certificate:", key_file);
    if (status != AC_OK) {
        http_tls_free(tls);
        return status;
    }
    *ret_tls = tls;
    return AC_OK;
}

void http_tls_free(http_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->ctx);
    free(tls);
}
