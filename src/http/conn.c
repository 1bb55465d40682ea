/* conn.c - the life of a connection.
 *
 *     IDLE -> READING -> HANDLING -> IDLE ...            keep-alive
 *                 |          `-> WEBSOCKET -> LINGERING  upgrade
 *                 `-> REFUSING -> LINGERING -> CLOSING   what is malformed, too large or too slow
 *
 * One request at a time: what a client pipelines behind it waits in the stash (bounded; beyond that the socket is not
 * read).  Reading goes on while a request is handled, so that a client that goes away is noticed.  A client that only
 * closes its sending side still gets its answer. */
#include "http/conn.h"

#include "base/json.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static void read_on(http_conn *c)
{
    http_conn_set_reading(c, true);
}

void http_conn_set_reading(http_conn *c, bool on)
{
    if (c->reading == on || c->phase == CONN_CLOSING || (on && c->peer_eof))
        return;
    c->reading = on;
    c->transport->ops->read(c->transport, on);
}

/* ---- the end ---- */

static void drop_exchange(http_conn *c, bool timed_out)
{
    http_exchange *x = TAKE_PTR(c->exchange);

    if (!x)
        return;
    http_exchange_detach(x, timed_out);
    http_exchange_unref(x);
}

static void close_now(http_conn *c, bool timed_out)
{
    if (c->phase == CONN_CLOSING)
        return;
    c->phase = CONN_CLOSING;
    /* Its place is free from here on: the peer may see the end, and come back, before the handle is gone. */
    atomic_fetch_sub_explicit(&c->home->server->connections, 1, memory_order_relaxed);
    deadline_disarm(&c->home->loop, &c->read_due);
    deadline_disarm(&c->home->loop, &c->write_due);
    drop_exchange(c, timed_out);
    c->transport->ops->close(c->transport);
}

void http_conn_abort(http_conn *c)
{
    close_now(c, false);
}

static void on_gone(void *owner)
{
    http_conn *c = owner;
    http_home *home = c->home;

    if (c->previous)
        c->previous->next = c->next;
    else
        home->conns = c->next;
    if (c->next)
        c->next->previous = c->previous;
    if (--home->conn_count == 0)
        http_home_hold(home);
    if (c->flight) {
        buf_done(&c->flight->head);
        buf_done(&c->flight->body);
        free(c->flight);
    }
    buf_done(&c->stash);
    free(c);
}

void http_conn_linger(http_conn *c)
{
    if (c->phase == CONN_CLOSING)
        return;
    drop_exchange(c, false);
    if (c->peer_eof) {
        close_now(c, false);
        return;
    }
    c->phase = CONN_LINGERING;
    buf_done(&c->stash);
    c->transport->ops->shutdown(c->transport);
    deadline_arm(&c->home->loop, &c->home->linger_due, &c->read_due);
    read_on(c);
}

void http_conn_refuse(http_conn *c, int status, const char *what)
{
    buf head = {0}, body = BUF_INIT(1024);
    http_response response = {.status = status, .content_type = "text/plain; charset=utf-8"};

    ac_log_warning("Refused a request with %d: %s", status, what);
    drop_exchange(c, false);
    c->phase = CONN_REFUSING;
    deadline_disarm(&c->home->loop, &c->read_due);
    if (buf_append_text(&body, http_reason(status)) != AC_OK ||
        http_head_write(&head, &response, HTTP_FRAMING_LENGTH, body.length, 1, false) != AC_OK) {
        close_now(c, false);
    } else {
        http_conn_send(c, &head, &body, HTTP_FRAMING_LENGTH, true);
    }
    buf_done(&head);
    buf_done(&body);
}

/* ---- input ---- */

static void deliver(http_conn *c)
{
    http_exchange *x = c->exchange;
    http_service *service = &c->home->server->service;

    c->phase = CONN_HANDLING;
    if (c->peer_eof) /* one of several that came before the end */
        deadline_arm(&c->home->loop, &c->home->probe_due, &c->read_due);
    else
        deadline_disarm(&c->home->loop, &c->read_due);
    service->on_request(http_exchange_ref(x), service->user);
}

static bool begin_request(http_conn *c)
{
    c->exchange = http_exchange_new(c);
    if (!c->exchange)
        return false;
    http1_begin(&c->reader, &c->exchange->message, &c->exchange->arena);
    c->phase = CONN_READING;
    return true;
}

static void on_head(http_conn *c)
{
    deadline_arm(&c->home->loop, &c->home->body_due, &c->read_due);
    if (c->exchange->message.expect_continue) {
        buf head = BUF_INIT(64), body = {0};

        /* When there is no memory or no room for it now, the client's own time-out sends the body anyway. */
        if (buf_append_text(&head, "HTTP/1.1 100 Continue\r\n\r\n") == AC_OK && !c->flight)
            http_conn_send(c, &head, &body, HTTP_FRAMING_NONE, false);
        buf_done(&head);
    }
}

/* Parse until the input is used up or a request is with the service.  Returns how many bytes were used. */
static size_t parse(http_conn *c, char *data, size_t length)
{
    size_t used = 0;

    while (used < length && (c->phase == CONN_IDLE || c->phase == CONN_READING)) {
        bool begun = c->phase == CONN_IDLE;
        size_t consumed = 0;

        if (begun) {
            /* Empty lines before a request line are to be ignored (RFC 9112 section 2.2). */
            if (data[used] == '\r' || data[used] == '\n') {
                used++;
                continue;
            }
            if (!begin_request(c)) {
                close_now(c, false);
                break;
            }
        }
        http1_event event = http1_read(&c->reader, data + used, length - used, &consumed);
        used += consumed;
        if (event == HTTP1_HEAD)
            on_head(c);
        else if (event == HTTP1_COMPLETE)
            deliver(c);
        else if (event == HTTP1_ERROR)
            http_conn_refuse(c, c->reader.error_status, c->reader.error);
        else if (c->reader.head_done)
            deadline_arm(&c->home->loop, &c->home->body_due, &c->read_due); /* it is silence that times out */
        else if (begun) /* and of a head that its whole takes too long */
            deadline_arm(&c->home->loop, &c->home->header_due, &c->read_due);
    }
    return used;
}

static void stash(http_conn *c, const char *data, size_t length)
{
    if (buf_append(&c->stash, data, length) != AC_OK) {
        http_conn_abort(c);
        return;
    }
    if (c->stash.length >= HTTP_STASH_PAUSE)
        http_conn_set_reading(c, false);
}

/* The next request is here already: do not hold the answer to this one. */
static void finish_answer(http_conn *c)
{
    http_loop_release(&c->home->loop);
    http_loop_run_posted(&c->home->loop);
}

/* Bytes from the wire or from the stash, in order, as far as they can be used now. */
static size_t consume(http_conn *c, char *data, size_t length)
{
    size_t used = 0;

    while (used < length) {
        size_t step = 0;

        switch (c->phase) {
        case CONN_IDLE:
        case CONN_READING:
            step = parse(c, data + used, length - used);
            /* A handler on the loop may have answered already: run what it posted before looking again. */
            if (c->phase == CONN_HANDLING && used + step < length)
                finish_answer(c);
            break;
        case CONN_WEBSOCKET:
            step = http_ws_input(c, data + used, length - used);
            break;
        case CONN_TUNNEL:
            step = http_tunnel_input(c, data + used, length - used);
            break;
        case CONN_HANDLING:
            break;
        default:
            step = length - used; /* dropped */
            break;
        }
        used += step;
        if (step == 0)
            break;
    }
    return used;
}

static void on_input(void *owner, char *data, size_t length)
{
    http_conn *c = owner;
    size_t used;

    http_loop_enter(&c->home->loop);
    if (c->phase == CONN_HANDLING)
        finish_answer(c);
    c->in_input = true;
    if (c->stash.length) {
        stash(c, data, length);
        c->in_input = false;
        http_conn_resume(c);
    } else {
        used = consume(c, data, length);
        c->in_input = false;
        if (used < length && c->phase != CONN_CLOSING)
            stash(c, data + used, length - used);
    }
    http_loop_leave(&c->home->loop);
}

/* After an upgrade, when what cannot be used yet waits, and the end behind it too. */
static bool carries_bytes(const http_conn *c)
{
    return c->phase == CONN_WEBSOCKET || c->phase == CONN_TUNNEL;
}

/* The peer sends no more, and all that it has sent is used, or will be as requests are answered. */
static void end_of_input(http_conn *c)
{
    switch (c->phase) {
    case CONN_HANDLING:
        deadline_arm(&c->home->loop, &c->home->probe_due, &c->read_due);
        break;
    case CONN_TUNNEL:
        http_tunnel_eof(c);
        break;
    case CONN_REFUSING:
        break; /* the answer is still being written */
    default:
        close_now(c, false);
        break;
    }
}

void http_conn_resume(http_conn *c)
{
    bool had_some = c->stash.length > 0;

    if (c->in_input)
        return;
    c->in_input = true;
    if (c->stash.length && c->phase != CONN_CLOSING) {
        buf input = c->stash;
        size_t used;

        c->stash = BUF_INIT(HTTP_STASH_MAX);
        used = consume(c, input.data, input.length);
        if (used < input.length && c->phase != CONN_CLOSING && c->phase != CONN_LINGERING) {
            buf_consume(&input, used);
            c->stash = input;
        } else {
            buf_done(&input);
        }
    }
    c->in_input = false;
    if (c->stash.length < HTTP_STASH_PAUSE && c->phase != CONN_WEBSOCKET && c->phase != CONN_TUNNEL)
        read_on(c);
    if (c->peer_eof && (c->phase == CONN_IDLE || c->phase == CONN_READING))
        close_now(c, false); /* the rest of the request will never come */
    else if (c->peer_eof && had_some && !c->stash.length && carries_bytes(c))
        end_of_input(c);
}

static void on_eof(void *owner)
{
    http_conn *c = owner;

    http_loop_enter(&c->home->loop);
    c->peer_eof = true;
    c->reading = false;
    if (!c->stash.length || !carries_bytes(c)) /* else it is the end of what lies there */
        end_of_input(c);
    http_loop_leave(&c->home->loop);
}

/* ---- between requests ---- */

static void go_idle(http_conn *c)
{
    c->phase = CONN_IDLE;
    deadline_arm(&c->home->loop, &c->home->idle_due, &c->read_due);
    if (!c->in_input)
        http_conn_resume(c);
}

void http_conn_exchange_done(http_conn *c)
{
    bool keep = c->exchange->keep_alive && !c->idle_cut && c->exchange->framing != HTTP_FRAMING_CLOSE;

    drop_exchange(c, false);
    /* After the peer's end there may be more to answer: in the stash, or in what is being used right now, whose end
     * http_conn_resume looks at. */
    if (keep && (!c->peer_eof || c->stash.length || c->in_input))
        go_idle(c);
    else if (c->stash.length)
        http_conn_linger(c); /* unread input: closing now could destroy the answer on its way */
    else
        close_now(c, false);
}

void http_conn_drain(http_conn *c)
{
    c->idle_cut = true;
    if (c->phase == CONN_IDLE)
        close_now(c, false);
    else if (c->phase == CONN_WEBSOCKET)
        http_ws_drain(c);
}

/* ---- the beginning ---- */

static void on_broken(void *owner)
{
    http_conn *c = owner;

    http_loop_enter(&c->home->loop);
    http_conn_abort(c);
    http_loop_leave(&c->home->loop);
}

static void on_written(void *owner, int status)
{
    http_conn_written(owner, status);
}

static const http_transport_events events = {
    .input = on_input,
    .eof = on_eof,
    .broken = on_broken,
    .written = on_written,
    .gone = on_gone,
};

http_conn *http_conn_new(http_home *home, http_transport *t)
{
    http_conn *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->home = home;
    c->transport = t;
    c->stash = BUF_INIT(HTTP_STASH_MAX);
    http1_init(&c->reader, &home->server->reader_options);
    t->events = &events;
    t->owner = c;
    t->may_gather = true;
    c->next = home->conns;
    if (c->next)
        c->next->previous = c;
    home->conns = c;
    if (++home->conn_count == 1)
        http_home_hold(home);
    atomic_fetch_add_explicit(&home->server->connections, 1, memory_order_relaxed);
    deadline_arm(&home->loop, &home->header_due, &c->read_due);
    read_on(c);
    return c;
}

/* ---- deadlines ---- */

static void header_expired(deadline *d)
{
    http_conn *c = CONTAINER_OF(d, http_conn, read_due);

    if (c->phase == CONN_IDLE) /* connected, and never said a word */
        close_now(c, true);
    else
        http_conn_refuse(c, 408, "headers took too long");
}

static void body_expired(deadline *d)
{
    http_conn_refuse(CONTAINER_OF(d, http_conn, read_due), 408, "body took too long");
}

static void idle_expired(deadline *d)
{
    close_now(CONTAINER_OF(d, http_conn, read_due), true);
}

static void write_expired(deadline *d)
{
    http_conn *c = CONTAINER_OF(d, http_conn, write_due);
    size_t unsent = c->transport->ops->unsent(c->transport);

    if (unsent < c->write_unsent) { /* slow, but alive */
        c->write_unsent = unsent;
        deadline_arm(&c->home->loop, &c->home->write_due, &c->write_due);
        return;
    }
    ac_log_warning("Closed a connection: the client took nothing for %u ms", c->home->server->options.write_timeout_ms);
    close_now(c, true);
}

/* The client has closed its sending side.  If it is really gone, what a stream sends it comes back as a reset. */
static void probe_expired(deadline *d)
{
    http_conn *c = CONTAINER_OF(d, http_conn, read_due);
    http_exchange *x = c->exchange;

    if (c->transport->ops->peer_gone(c->transport)) {
        close_now(c, false);
        return;
    }
    if (++c->probe_rounds % HTTP_PROBE_RESEND_ROUNDS == 1) {
        pthread_mutex_lock(&x->lock);
        if (x->state == EXCHANGE_STREAMING && x->framing != HTTP_FRAMING_NONE && x->probe && !x->finished &&
            !x->pending.length && !x->inflight && buf_append_text(&x->pending, x->probe) == AC_OK)
            http_exchange_schedule(x);
        pthread_mutex_unlock(&x->lock);
    }
    deadline_arm(&c->home->loop, &c->home->probe_due, &c->read_due);
}

void http_home_add_deadlines(http_home *home)
{
    const http_server_options *o = &home->server->options;
    http_loop *loop = &home->loop;

    http_loop_add_deadlines(loop, &home->header_due, o->header_timeout_ms, header_expired);
    http_loop_add_deadlines(loop, &home->body_due, o->body_timeout_ms, body_expired);
    http_loop_add_deadlines(loop, &home->idle_due, o->idle_timeout_ms, idle_expired);
    http_loop_add_deadlines(loop, &home->write_due, o->write_timeout_ms, write_expired);
    http_loop_add_deadlines(loop, &home->linger_due, HTTP_LINGER_MS, idle_expired);
    http_loop_add_deadlines(loop, &home->probe_due, HTTP_PROBE_MS, probe_expired);
    http_loop_add_deadlines(loop, &home->ws_ping_due, o->websocket_ping_interval_ms, http_ws_ping_expired);
    http_loop_add_deadlines(loop, &home->ws_pong_due, o->websocket_ping_timeout_ms, http_ws_pong_expired);
    http_loop_add_deadlines(loop, &home->accept_again_due, HTTP_ACCEPT_AGAIN_MS, http_home_accept_again);
    http_loop_add_deadlines(loop, &home->ws_close_due, HTTP_WS_CLOSE_MS, http_ws_close_expired);
}
