/* upstream_io.c - bytes to and from a server behind us.
 *
 * Writing: what the socket takes at once is written from where it lies; the rest goes to the transport in pieces, so
 * that a server which answers with an error before it has read everything can be spared the rest, and a megabyte is
 * never copied.  At most one write is in flight.
 *
 * A write that fails ends nothing by itself: a server may answer and close without reading to the end, and its answer
 * is still there to be read.
 *
 * Reading: what is read is handed on where it lies.  When the caller pauses, the rest of what was read at once still
 * comes: at most one read buffer. */
#include "http/upstream_internal.h"

#define WRITE_PIECE_BYTES ((size_t)256 << 10)
#define TUNNEL_HIGH_BYTES ((size_t)64 << 10) /* unsent, from where on the caller is asked to wait */
#define LAST_WORDS_MS 1000                   /* for a server that takes no more to say why */
#define REFUSAL_STATUS 400                   /* answers from here on want no more of the request */

/* ---- writing ---- */

static size_t left(const http_upstream *u)
{
    return u->out.length - u->out_done + u->body_left;
}

bool upstream_all_written(const http_upstream *u)
{
    return !u->in_flight && !left(u) && !u->more.length;
}

static unsigned gather(const http_upstream *u, uv_buf_t bufs[2], size_t most)
{
    size_t head = MIN(u->out.length - u->out_done, most), body = MIN(u->body_left, most - head);
    unsigned count = 0;

    if (head)
        bufs[count++] = (uv_buf_t){.base = u->out.data + u->out_done, .len = head};
    if (body)
        bufs[count++] = (uv_buf_t){.base = (char *)u->body, .len = body};
    return count;
}

static void advance(http_upstream *u, size_t bytes)
{
    size_t head = MIN(u->out.length - u->out_done, bytes), body = bytes - head;

    u->out_done += head;
    if (body) {
        u->body += body;
        u->body_left -= body;
    }
}

static void take_more(http_upstream *u)
{
    buf written = u->out;

    written.length = 0;
    u->out = u->more;
    u->more = written;
    u->out_done = 0;
}

static void write_failed(http_upstream *u)
{
    u->write_stopped = true;
    if (u->phase == UPSTREAM_TUNNEL || !u->reader.head_done)
        upstream_arm(u, LAST_WORDS_MS);
}

/* Hand what the socket does not take now to the transport. */
static void fly(http_upstream *u)
{
    uv_buf_t bufs[2];
    unsigned count = gather(u, bufs, WRITE_PIECE_BYTES);

    u->in_flight = MIN(left(u), WRITE_PIECE_BYTES);
    if (u->transport->ops->write(u->transport, bufs, count) < 0) {
        u->in_flight = 0;
        write_failed(u);
        return;
    }
    u->unsent = u->transport->ops->unsent(u->transport);
    if (!u->reader.head_done || u->phase == UPSTREAM_TUNNEL)
        upstream_arm(u, u->request.write_timeout_ms);
}

/* Nothing is left to write. */
static void written_all(http_upstream *u)
{
    if (u->phase == UPSTREAM_TUNNEL) {
        u->due_ms = 0;
        if (u->shutting)
            u->transport->ops->shutdown(u->transport);
    } else if (!u->reader.head_done) {
        upstream_arm(u, u->request.first_byte_timeout_ms);
    }
}

void upstream_write_on(http_upstream *u)
{
    while (u->transport && !u->in_flight && !u->write_stopped) {
        uv_buf_t bufs[2];
        ssize_t taken;

        if (!left(u) && u->more.length)
            take_more(u);
        if (!left(u)) {
            written_all(u);
            return;
        }
        taken = u->transport->ops->try_write(u->transport, bufs, gather(u, bufs, SIZE_MAX));
        if (taken < 0)
            write_failed(u);
        else
            advance(u, (size_t)taken);
        if (taken >= 0 && left(u))
            fly(u);
    }
}

static void on_written(void *owner, int status)
{
    http_upstream *u = owner;
    bool tell;

    http_loop_enter(u->loop);
    advance(u, u->in_flight);
    u->in_flight = 0;
    if (status < 0)
        write_failed(u);
    else
        upstream_write_on(u);
    tell = u->full && !u->closing && !u->write_stopped && upstream_all_written(u);
    if (tell) {
        u->full = false;
        if (u->events.on_writable)
            u->events.on_writable(u, u->events.user);
    }
    http_loop_leave(u->loop);
}

/* ---- reading ---- */

static bool on_head(void *user, const http_upstream_head *head)
{
    http_upstream *u = user;

    if (head->status >= REFUSAL_STATUS && !upstream_all_written(u))
        u->write_stopped = true;
    if (head->status == 101) {
        u->phase = UPSTREAM_TUNNEL;
        u->due_ms = 0;
    }
    u->events.on_head(u, head, u->events.user);
    return !u->closing;
}

static bool on_body(void *user, char *data, size_t length)
{
    http_upstream *u = user;

    u->events.on_data(u, data, length, u->events.user);
    return !u->closing;
}

const answer_sink upstream_answer_sink = {.on_head = on_head, .on_body = on_body};

static void read_answer(http_upstream *u, char *data, size_t length)
{
    size_t used;

    u->heard = true;
    switch (answer_read(&u->reader, data, length, &used)) {
    case ANSWER_MORE:
        if (u->reader.head_done && !u->paused)
            upstream_arm(u, u->request.idle_timeout_ms);
        break;
    case ANSWER_COMPLETE:
        u->extra = used < length;
        upstream_finish(u, AC_OK, NULL);
        break;
    case ANSWER_TUNNEL:
        if (used < length)
            u->events.on_data(u, data + used, length - used, u->events.user);
        break;
    case ANSWER_ERROR:
        upstream_fail(u, u->reader.error, u->reader.what);
        break;
    case ANSWER_STOPPED:
        break;
    }
}

static void on_input(void *owner, char *data, size_t length)
{
    http_upstream *u = owner;

    http_loop_enter(u->loop);
    switch (u->phase) {
    case UPSTREAM_IDLE: /* an answer to no question */
        u->spent = true;
        upstream_down(u, true);
        break;
    case UPSTREAM_BUSY:
        read_answer(u, data, length);
        break;
    case UPSTREAM_TUNNEL:
        if (u->write_stopped)
            upstream_arm(u, LAST_WORDS_MS);
        u->events.on_data(u, data, length, u->events.user);
        break;
    }
    http_loop_leave(u->loop);
}

static void ended(http_upstream *u, bool in_order)
{
    if (u->phase == UPSTREAM_IDLE)
        upstream_down(u, false);
    else if (in_order && (u->phase == UPSTREAM_TUNNEL || answer_end(&u->reader)))
        upstream_finish(u, AC_OK, NULL);
    else
        upstream_fail(u, AC_ERR_CLOSED,
                      u->heard ? "the server broke off in the middle of its answer"
                               : "the server closed the connection without an answer");
}

static void on_eof(void *owner)
{
    http_upstream *u = owner;

    http_loop_enter(u->loop);
    ended(u, true);
    http_loop_leave(u->loop);
}

static void on_broken(void *owner)
{
    http_upstream *u = owner;

    http_loop_enter(u->loop);
    ended(u, false);
    http_loop_leave(u->loop);
}

static void on_gone(void *owner)
{
    upstream_release(owner);
}

const http_transport_events upstream_transport_events = {
    .input = on_input,
    .eof = on_eof,
    .broken = on_broken,
    .written = on_written,
    .gone = on_gone,
};

void upstream_silent(http_upstream *u)
{
    size_t unsent = u->in_flight && u->transport ? u->transport->ops->unsent(u->transport) : 0;

    if (u->phase == UPSTREAM_IDLE)
        return;
    if (u->in_flight && unsent < u->unsent) { /* slow, but alive */
        u->unsent = unsent;
        upstream_arm(u, u->request.write_timeout_ms);
    } else if (u->write_stopped && u->phase == UPSTREAM_TUNNEL && u->paused) {
        upstream_arm(u, LAST_WORDS_MS); /* it is we who do not listen */
    } else if (u->write_stopped && (u->phase == UPSTREAM_TUNNEL || !u->reader.head_done)) {
        upstream_fail(u, AC_ERR_CLOSED, "the server closed the connection before it had everything");
    } else if (u->in_flight && (!u->reader.head_done || u->phase == UPSTREAM_TUNNEL)) {
        upstream_fail(u, AC_ERR_TIMEOUT, "the server took nothing of the request in time");
    } else {
        upstream_fail(u, AC_ERR_TIMEOUT,
                      u->reader.head_done ? "the server fell silent in the middle of its answer"
                                          : "the server did not answer in time");
    }
}

void http_upstream_pause(http_upstream *u, bool pause)
{
    if (u->paused == pause)
        return;
    u->paused = pause;
    if (!u->transport)
        return;
    u->transport->ops->read(u->transport, !pause);
    if (u->phase != UPSTREAM_BUSY || !u->reader.head_done)
        return;
    if (pause)
        u->due_ms = 0;
    else
        upstream_arm(u, u->request.idle_timeout_ms);
}

/* ---- a tunnel's other direction ---- */

/* Mostly the socket takes it as it is. */
static size_t write_at_once(http_upstream *u, const void *data, size_t length)
{
    uv_buf_t piece = {.base = (char *)data, .len = length};
    ssize_t taken = upstream_all_written(u) && length ? u->transport->ops->try_write(u->transport, &piece, 1) : 0;

    if (taken < 0)
        write_failed(u);
    return (size_t)MAX(taken, 0);
}

ac_status http_upstream_write(http_upstream *u, const void *data, size_t length)
{
    size_t unsent, taken;

    if (u->phase != UPSTREAM_TUNNEL || u->shutting)
        return u->spent || u->closing ? AC_ERR_CLOSED : AC_ERR_STATE;
    if (u->write_stopped || !u->transport)
        return AC_ERR_CLOSED;
    taken = write_at_once(u, data, length);
    u->more.cap = SIZE_MAX / 2;
    if (taken < length && !u->write_stopped) {
        AC_TRY(buf_append(&u->more, (const char *)data + taken, length - taken));
        upstream_write_on(u);
    }
    if (u->write_stopped)
        return AC_ERR_CLOSED;
    unsent = left(u) + u->more.length;
    if (unsent <= TUNNEL_HIGH_BYTES)
        return AC_OK;
    u->full = true;
    return AC_ERR_AGAIN;
}

void http_upstream_shutdown(http_upstream *u)
{
    if (u->phase != UPSTREAM_TUNNEL || u->shutting)
        return;
    u->shutting = true;
    if (u->transport && upstream_all_written(u))
        u->transport->ops->shutdown(u->transport);
}
