/* tunnel.c - an exchange whose connection carries bytes, both ways, as they are: a WebSocket that somebody behind us
 * speaks.
 *
 * To the client: bytes gather in the exchange's pending ones and leave with its flushes, as those of a stream do.  From
 * the client: each piece is handed on where it was read; a pause leaves the rest in the socket.  What the client sent
 * right behind its handshake is in the connection's stash and comes first, after the 101 has left.
 *
 * There is no deadline for silence: both ends may ping.  A client that takes nothing meets the connection's write
 * deadline. */
#include "http/conn.h"

struct http_tunnel {
    http_tunnel_events events;
    bool paused;
    bool ending; /* close when all is sent; under the exchange's lock */
};

static ac_status begin_locked(http_exchange *x, const http_response *response)
{
    if (x->state != EXCHANGE_OPEN || x->aborted || !x->message.request.websocket)
        return AC_ERR_STATE;
    if (atomic_load(&x->gone))
        return AC_ERR_CLOSED;
    return http_head_write(&x->head, response, HTTP_FRAMING_NONE, 0, 1, true);
}

ac_status http_tunnel_begin(http_exchange *x, const http_field *fields, size_t field_count,
                            const http_tunnel_events *events)
{
    http_tunnel *tunnel = arena_zalloc(&x->arena, sizeof *tunnel);
    http_field *all = arena_alloc(&x->arena, (field_count + 2) * sizeof *all);
    http_response response = {.status = 101, .fields = all, .field_count = field_count + 2};
    ac_status status;

    if (!tunnel || !all)
        return AC_ERR_NOMEM;
    tunnel->events = *events;
    all[0] = (http_field){"Upgrade", "websocket"};
    all[1] = (http_field){"Connection", "Upgrade"};
    for (size_t i = 0; i < field_count; i++)
        all[i + 2] = fields[i];
    pthread_mutex_lock(&x->lock);
    status = begin_locked(x, &response);
    if (status == AC_OK) {
        x->tunnel = tunnel;
        x->state = EXCHANGE_TUNNEL;
        x->framing = HTTP_FRAMING_NONE;
        http_exchange_schedule(x);
    } else if (x->state == EXCHANGE_OPEN) {
        buf_done(&x->head);
    }
    pthread_mutex_unlock(&x->lock);
    return status;
}

static ac_status write_locked(http_exchange *x, const void *data, size_t length)
{
    if (!x->tunnel || x->tunnel->ending)
        return AC_ERR_STATE;
    if (atomic_load(&x->gone) || x->aborted)
        return AC_ERR_CLOSED;
    AC_TRY(buf_append(&x->pending, data, length));
    http_exchange_schedule(x);
    return x->pending.length + x->inflight > x->server->options.stream_buffer_bytes ? AC_ERR_AGAIN : AC_OK;
}

ac_status http_tunnel_write(http_exchange *x, const void *data, size_t length)
{
    ac_status status;

    pthread_mutex_lock(&x->lock);
    status = write_locked(x, data, length);
    pthread_mutex_unlock(&x->lock);
    return status;
}

void http_tunnel_pause(http_exchange *x, bool pause)
{
    if (!x->tunnel || !x->conn || x->tunnel->paused == pause)
        return;
    x->tunnel->paused = pause;
    http_conn_set_reading(x->conn, !pause);
    if (pause || !x->conn->stash.length)
        return;
    pthread_mutex_lock(&x->lock);
    http_exchange_schedule(x); /* what lies in the stash is delivered from the loop */
    pthread_mutex_unlock(&x->lock);
}

void http_tunnel_end(http_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    if (x->tunnel && !x->tunnel->ending) {
        x->tunnel->ending = true;
        if (!atomic_load(&x->gone))
            http_exchange_schedule(x);
    }
    pthread_mutex_unlock(&x->lock);
}

/* ---- from the connection ---- */

size_t http_tunnel_input(http_conn *c, char *data, size_t length)
{
    http_exchange *x = c->exchange;

    if (x->tunnel->paused)
        return 0;
    if (!x->tunnel->ending && !x->aborted)
        x->tunnel->events.on_data(x, data, length, x->tunnel->events.user);
    return length;
}

void http_tunnel_eof(http_conn *c)
{
    http_exchange *x = c->exchange;

    deadline_arm(&c->home->loop, &c->home->probe_due, &c->read_due);
    if (x->tunnel->events.on_eof)
        x->tunnel->events.on_eof(x, x->tunnel->events.user);
}

void http_tunnel_flushed(http_conn *c)
{
    http_exchange *x = c->exchange;
    bool over;

    pthread_mutex_lock(&x->lock);
    over = x->tunnel->ending && !x->pending.length && !x->inflight;
    pthread_mutex_unlock(&x->lock);
    if (over)
        http_conn_linger(c);
    else if (!x->tunnel->paused) {
        http_conn_set_reading(c, true);
        http_conn_resume(c);
    }
}

void http_tunnel_over(http_exchange *x)
{
    if (x->tunnel->events.on_over)
        x->tunnel->events.on_over(x, x->tunnel->events.user);
}
