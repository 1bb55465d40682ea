/* output.c - bytes to the wire: framing, one gathered write, and what the socket does not take at once.
 *
 * At most one write is in flight per connection.  While it is, answers gather in the exchange, whose bound makes
 * writers wait; when it lands, the next flush takes everything that has gathered. */
#include "http/conn.h"

#include <stdio.h>
#include <stdlib.h>

#define PIECES_MAX 4 /* head, chunk head, body, chunk end */

typedef struct pieces {
    uv_buf_t buf[PIECES_MAX];
    unsigned count;
    size_t bytes;
} pieces;

static void add_piece(pieces *p, const char *data, size_t length)
{
    if (!length)
        return;
    p->buf[p->count++] = (uv_buf_t){.base = (char *)data, .len = length};
    p->bytes += length;
}

/* Drop the first bytes, which are on the wire already. */
static void skip(pieces *p, size_t bytes)
{
    unsigned first = 0;

    while (first < p->count && bytes >= p->buf[first].len) {
        bytes -= p->buf[first].len;
        first++;
    }
    for (unsigned i = first; i < p->count; i++)
        p->buf[i - first] = p->buf[i];
    p->count -= first;
    if (p->count && bytes) {
        p->buf[0].base += bytes;
        p->buf[0].len -= bytes;
    }
}

static void frame(pieces *p, const buf *head, const buf *body, http_framing framing, bool last, char chunk_head[20])
{
    add_piece(p, head->data, head->length);
    if (framing != HTTP_FRAMING_CHUNKED) {
        add_piece(p, body->data, body->length);
        return;
    }
    if (body->length) {
        int length = snprintf(chunk_head, 20, "%zx\r\n", body->length);
        add_piece(p, chunk_head, (size_t)length);
        add_piece(p, body->data, body->length);
        add_piece(p, last ? "\r\n0\r\n\r\n" : "\r\n", last ? 7 : 2);
    } else if (last) {
        add_piece(p, "0\r\n\r\n", 5);
    }
}

/* Bytes of the exchange have left (or never will): writers may go on. */
static void account(http_exchange *x, size_t bytes)
{
    void (*fn)(http_exchange * x, void *user) = NULL;
    void *user = NULL;

    pthread_mutex_lock(&x->lock);
    x->inflight -= bytes;
    if (x->inflight + x->pending.length <= x->server->options.stream_buffer_bytes / 2) {
        if (x->waiters)
            pthread_cond_broadcast(&x->changed);
        fn = x->on_writable;
        user = x->on_writable_user;
        x->on_writable = NULL;
    }
    pthread_mutex_unlock(&x->lock);
    if (fn) {
        fn(x, user);
        http_exchange_unref(x);
    }
}

static void sent(http_conn *c, size_t body_bytes, bool last)
{
    if (c->phase == CONN_REFUSING) {
        if (last)
            http_conn_linger(c);
        return;
    }
    if (c->exchange && body_bytes)
        account(c->exchange, body_bytes);
    if (last && c->phase == CONN_HANDLING)
        http_conn_exchange_done(c);
    else if (c->phase == CONN_WEBSOCKET)
        http_ws_flushed(c);
    else if (c->phase == CONN_TUNNEL)
        http_tunnel_flushed(c);
}

static void fly(http_conn *c, buf *head, buf *body, const pieces *p, const char *chunk_head, bool last)
{
    conn_flight *f = calloc(1, sizeof *f);
    pieces moved = *p;

    if (!f) {
        http_conn_abort(c);
        return;
    }
    f->head = buf_move(head);
    f->body_bytes = body->length;
    f->body = buf_move(body);
    f->last = last;
    for (int i = 0; i < 20; i++)
        f->chunk_head[i] = chunk_head[i];
    for (unsigned i = 0; i < moved.count; i++) { /* the chunk head was on the caller's stack */
        char *at = moved.buf[i].base;
        if (at >= chunk_head && at < chunk_head + 20)
            moved.buf[i].base = f->chunk_head + (at - chunk_head);
    }
    c->flight = f;
    if (c->transport->ops->write(c->transport, moved.buf, moved.count) < 0) {
        http_conn_abort(c);
        return;
    }
    c->write_unsent = c->transport->ops->unsent(c->transport);
    deadline_arm(&c->home->loop, &c->home->write_due, &c->write_due);
}

void http_conn_send(http_conn *c, buf *head, buf *body, http_framing framing, bool last)
{
    char chunk_head[20] = "";
    pieces p = {.count = 0};
    size_t body_bytes = body->length;
    ssize_t taken;

    if (c->phase == CONN_CLOSING || c->flight) {
        http_conn_abort(c);
        return;
    }
    frame(&p, head, body, framing, last, chunk_head);
    taken = p.count ? c->transport->ops->try_write(c->transport, p.buf, p.count) : 0;
    if (taken < 0) {
        http_conn_abort(c);
    } else if ((size_t)taken < p.bytes) {
        skip(&p, (size_t)taken);
        fly(c, head, body, &p, chunk_head, last);
    } else {
        sent(c, body_bytes, last);
    }
}

void http_conn_written(http_conn *c, int status)
{
    conn_flight *f = TAKE_PTR(c->flight);
    size_t body_bytes = f->body_bytes;
    bool last = f->last;

    http_loop_enter(&c->home->loop);
    deadline_disarm(&c->home->loop, &c->write_due);
    buf_done(&f->head);
    buf_done(&f->body);
    free(f);
    if (status < 0) {
        http_conn_abort(c);
    } else {
        http_exchange *x = c->exchange;

        sent(c, body_bytes, last);
        if (x && x == c->exchange &&
            (c->phase == CONN_HANDLING || c->phase == CONN_WEBSOCKET || c->phase == CONN_TUNNEL)) {
            http_exchange_ref(x); /* the connection's own goes when the answer does */
            http_exchange_flush(x, false);
            http_exchange_unref(x);
        }
    }
    http_loop_leave(&c->home->loop);
}

void http_exchange_flush(http_exchange *x, bool scheduled)
{
    http_conn *c = x->conn;
    exchange_state state;
    http_framing framing;
    buf head, body;
    bool last, aborted, upgraded;

    pthread_mutex_lock(&x->lock);
    if (scheduled)
        x->scheduled = false;
    if (!c || c->flight) { /* gone, or taken along when the flight lands */
        pthread_mutex_unlock(&x->lock);
        return;
    }
    head = buf_move(&x->head);
    body = buf_move(&x->pending);
    x->inflight += body.length;
    framing = x->framing;
    aborted = x->aborted;
    last = x->finished && !aborted;
    state = x->state;
    pthread_mutex_unlock(&x->lock);
    upgraded = c->phase == CONN_HANDLING && (state == EXCHANGE_WEBSOCKET || state == EXCHANGE_TUNNEL);
    if (upgraded) {
        c->phase = state == EXCHANGE_TUNNEL ? CONN_TUNNEL : CONN_WEBSOCKET;
        c->transport->may_gather = false;
    }
    http_conn_send(c, &head, &body, framing, last);
    buf_done(&body);
    if (state == EXCHANGE_WHOLE) {
        head.length = 0;
        x->head = head; /* nobody else writes there any more: its memory is for the next exchange */
    } else {
        buf_done(&head);
    }
    if (upgraded && c->peer_eof)
        http_conn_abort(c); /* the client left between its request and our accept */
    else if (aborted && c->exchange == x && !c->flight)
        http_exchange_cut(x);
}
