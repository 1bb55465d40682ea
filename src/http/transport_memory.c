/* transport_memory.c - a connection whose other end is a pair of buffers: for in-process tests and for fuzzing.
 *
 * Input is handed over at the next turn of the loop, as it would be from a socket; output is always taken at once. */
#include "http/conn.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY_BYTES_MAX (SIZE_MAX / 2)

struct http_memory {
    http_transport base;
    http_home *home;
    uv_idle_t turn; /* runs while there is something to hand over */
    buf input, output;
    bool input_ended, end_told;
    bool reading;
    bool closing, closed;
    bool abandoned; /* the test has let go: free at closed */
};

static http_memory *memory_of(http_transport *t)
{
    return CONTAINER_OF(t, http_memory, base);
}

static void release(http_memory *m)
{
    buf_done(&m->input);
    buf_done(&m->output);
    free(m);
}

static void on_closed(uv_handle_t *handle)
{
    http_memory *m = handle->data;

    m->base.events->gone(m->base.owner);
    m->closed = true;
    if (m->abandoned)
        release(m);
}

static void on_turn(uv_idle_t *turn)
{
    http_memory *m = turn->data;

    if (m->reading && m->input.length) {
        buf input = buf_move(&m->input);
        m->base.events->input(m->base.owner, input.data, input.length);
        buf_done(&input);
    } else if (m->reading && m->input_ended && !m->end_told) {
        m->end_told = true;
        if (m->abandoned)
            m->base.events->broken(m->base.owner);
        else
            m->base.events->eof(m->base.owner);
    } else {
        uv_idle_stop(turn);
    }
}

static void wake(http_memory *m)
{
    if (!m->closing)
        uv_idle_start(&m->turn, on_turn);
}

static void memory_read(http_transport *t, bool on)
{
    memory_of(t)->reading = on;
    if (on)
        wake(memory_of(t));
}

static ssize_t memory_try_write(http_transport *t, const uv_buf_t *bufs, unsigned count)
{
    http_memory *m = memory_of(t);
    ssize_t written = 0;

    for (unsigned i = 0; i < count; i++) {
        if (buf_append(&m->output, bufs[i].base, bufs[i].len) != AC_OK)
            return UV_ENOMEM;
        written += (ssize_t)bufs[i].len;
    }
    return written;
}

/* Never used: try_write takes everything. */
static int memory_write(http_transport *t, const uv_buf_t *bufs, unsigned count)
{
    (void)t;
    (void)bufs;
    (void)count;
    return UV_ENOTSUP;
}

static size_t memory_unsent(http_transport *t)
{
    (void)t;
    return 0;
}

static void memory_shutdown(http_transport *t)
{
    (void)t;
}

static bool memory_peer_gone(http_transport *t)
{
    return memory_of(t)->abandoned;
}

static void memory_close(http_transport *t)
{
    http_memory *m = memory_of(t);

    m->closing = true;
    uv_close((uv_handle_t *)&m->turn, on_closed);
}

static const http_transport_ops memory_ops = {
    .try_write = memory_try_write,
    .write = memory_write,
    .unsent = memory_unsent,
    .read = memory_read,
    .shutdown = memory_shutdown,
    .peer_gone = memory_peer_gone,
    .close = memory_close,
};

http_memory *http_memory_connect(http_server *server)
{
    http_home *home = &server->homes[0];
    http_memory *m = calloc(1, sizeof *m);

    if (!m)
        return NULL;
    m->base.ops = &memory_ops;
    m->home = home;
    m->input = m->output = BUF_INIT(MEMORY_BYTES_MAX);
    m->turn.data = m;
    uv_idle_init(&home->loop.uv, &m->turn);
    if (!http_conn_new(home, &m->base)) {
        /* The handle is the loop's until it is closed; with no connection there is nobody to tell. */
        uv_close((uv_handle_t *)&m->turn, NULL);
        uv_run(&home->loop.uv, UV_RUN_NOWAIT);
        free(m);
        return NULL;
    }
    return m;
}

void http_memory_send(http_memory *m, const void *data, size_t length)
{
    if (m->closing)
        return;
    if (!data)
        m->input_ended = true;
    else if (buf_append(&m->input, data, length) != AC_OK)
        return;
    wake(m);
}

const char *http_memory_received(http_memory *m, size_t *ret_length)
{
    *ret_length = m->output.length;
    return m->output.data;
}

void http_memory_take(http_memory *m, size_t length)
{
    buf_consume(&m->output, length);
}

bool http_memory_closed(const http_memory *m)
{
    return m->closing;
}

void http_memory_free(http_memory *m)
{
    if (!m)
        return;
    m->abandoned = true;
    if (m->closed)
        release(m);
    else if (!m->closing)
        m->base.events->broken(m->base.owner);
}

/* The timer may be due before the loop polls; stopping keeps the poll from blocking then. */
static void on_pump_timeout(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

void http_memory_pump(http_server *server, int timeout_ms)
{
    uv_loop_t *uv = &server->homes[0].loop.uv;
    uv_timer_t timer;

    if (timeout_ms > 0) {
        uv_update_time(uv);
        uv_timer_init(uv, &timer);
        uv_timer_start(&timer, on_pump_timeout, (uint64_t)timeout_ms, 0);
        uv_run(uv, UV_RUN_ONCE);
        uv_close((uv_handle_t *)&timer, NULL);
    }
    uv_run(uv, UV_RUN_NOWAIT);
}
