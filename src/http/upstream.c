/* upstream.c - the life of a connection to a server behind us: connect, request, keep, close.
 *
 *     IDLE -> BUSY -> IDLE ...       requests, one at a time, while both sides keep the connection
 *               `-> TUNNEL           after a 101
 *
 * The structure is freed when the transport, the timer and a posted task have all let go of it, which is always after
 * http_upstream_close; so callbacks may close it, and what called them looks at `closing` when they return.  Callbacks
 * come last in whatever calls them.
 *
 * Connecting to a socket on this machine is done when connect() returns, or as soon as one looks; only elsewhere does
 * it take a turn of the loop.  One timer serves all deadlines: moving a deadline is a store, and the timer, when it
 * fires too early, is set for the rest.
 *
 * An idle connection is read, so that its end is noticed, but does not keep the loop running. */
#include "http/upstream_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 10000
#define CONNECT_AGAIN_MS 10 /* a Unix socket's queue is full, and nothing tells when it is not */
#define FIRST_BYTE_TIMEOUT_MS (15U * 60 * 1000)
#define IDLE_TIMEOUT_MS (60U * 60 * 1000)
#define WRITE_TIMEOUT_MS 60000
#define HEAD_BYTES_MAX 65536

/* A server that had closed a kept connection before the request came answers it with a reset at once.  Later ones may
 * well have begun to work on the request. */
#define STALE_MS 250

struct upstream_connecting {
    uv_poll_t poll;
    http_upstream *u;
};

/* ---- time ---- */

static void expired(http_upstream *u);

static void on_timer(uv_timer_t *timer)
{
    http_upstream *u = timer->data;
    uint64_t now = uv_now(&u->loop->uv);

    if (!u->due_ms)
        return;
    if (now < u->due_ms) {
        u->timer_ms = u->due_ms;
        uv_timer_start(timer, on_timer, u->due_ms - now, 0);
        return;
    }
    u->due_ms = 0;
    http_loop_enter(u->loop);
    expired(u);
    http_loop_leave(u->loop);
}

void upstream_arm(http_upstream *u, unsigned ms)
{
    u->due_ms = uv_now(&u->loop->uv) + ms;
    if (uv_is_active((uv_handle_t *)&u->timer) && u->timer_ms <= u->due_ms)
        return;
    u->timer_ms = u->due_ms;
    uv_timer_start(&u->timer, on_timer, ms, 0);
}

/* ---- connecting ---- */

static void on_poll_closed(uv_handle_t *handle)
{
    free(CONTAINER_OF(handle, upstream_connecting, poll));
}

static void stop_waiting(http_upstream *u)
{
    upstream_connecting *w = TAKE_PTR(u->waiting);

    if (!w)
        return;
    w->u = NULL;
    uv_close((uv_handle_t *)&w->poll, on_poll_closed);
}

static void connected(http_upstream *u)
{
    http_transport *t = http_tcp_open(u->loop, u->fd);

    u->connect_due_ms = 0;
    if (!t) {
        u->connect_error = ENOMEM;
        return;
    }
    u->fd = -1;
    u->transport = t;
    u->holds++;
    t->events = &upstream_transport_events;
    t->owner = u;
    t->ops->hold(t, u->phase != UPSTREAM_IDLE);
    t->ops->read(t, true);
}

/* What the socket says now: connected, failed, or neither yet. */
static void look(http_upstream *u)
{
    struct pollfd p = {.fd = u->fd, .events = POLLOUT};
    socklen_t length = sizeof u->connect_error;

    if (poll(&p, 1, 0) <= 0)
        return;
    if (getsockopt(u->fd, SOL_SOCKET, SO_ERROR, &u->connect_error, &length) != 0)
        u->connect_error = errno;
    if (u->connect_error)
        u->connect_due_ms = 0;
    else
        connected(u);
}

static void go_on(http_upstream *u)
{
    if (u->connect_error)
        upstream_fail(u, u->connect_error == ENOMEM ? AC_ERR_NOMEM : AC_ERR_IO, strerror(u->connect_error));
    else if (u->transport)
        upstream_write_on(u);
}

static void wait_for_it(http_upstream *u);

static void on_poll(uv_poll_t *poll, int status, int events)
{
    upstream_connecting *w = CONTAINER_OF(poll, upstream_connecting, poll);
    http_upstream *u = w->u;

    (void)status;
    (void)events;
    if (!u)
        return;
    stop_waiting(u); /* the descriptor must have one watcher on a loop */
    http_loop_enter(u->loop);
    look(u);
    if (u->connect_due_ms)
        wait_for_it(u);
    else if (u->phase == UPSTREAM_BUSY)
        go_on(u);
    http_loop_leave(u->loop);
}

static void wait_for_it(http_upstream *u)
{
    upstream_connecting *w = calloc(1, sizeof *w);

    if (!w || uv_poll_init(&u->loop->uv, &w->poll, u->fd) != 0) {
        free(w);
        u->connect_error = ENOMEM;
        u->connect_due_ms = 0;
        return;
    }
    w->u = u;
    u->waiting = w;
    uv_poll_start(&w->poll, UV_WRITABLE, on_poll);
}

static void try_connect(http_upstream *u)
{
    int result = connect(u->fd, (struct sockaddr *)&u->address, u->address_length);

    if (result == 0) {
        connected(u);
    } else if (errno == EINPROGRESS) {
        look(u);
        if (u->connect_due_ms)
            wait_for_it(u);
    } else if (errno != EAGAIN) {
        u->connect_error = errno;
        u->connect_due_ms = 0;
    }
}

/* The next look at a connection that is not there yet. */
static void arm_connect(http_upstream *u)
{
    uint64_t now = uv_now(&u->loop->uv);
    unsigned left = u->connect_due_ms > now ? (unsigned)(u->connect_due_ms - now) : 0;

    upstream_arm(u, u->waiting ? left : MIN(left, CONNECT_AGAIN_MS));
}

static void expired(http_upstream *u)
{
    if (!u->connect_due_ms) {
        upstream_silent(u);
        return;
    }
    if (uv_now(&u->loop->uv) >= u->connect_due_ms) {
        u->connect_error = ETIMEDOUT;
        u->connect_due_ms = 0;
        stop_waiting(u);
        if (u->phase == UPSTREAM_BUSY)
            upstream_fail(u, AC_ERR_TIMEOUT, "the server could not be connected to in time");
        return;
    }
    if (!u->waiting)
        try_connect(u);
    if (u->connect_due_ms)
        arm_connect(u);
    else if (u->phase == UPSTREAM_BUSY)
        go_on(u);
}

/* ---- beginning and end ---- */

static void on_failing(loop_task *task)
{
    http_upstream *u = CONTAINER_OF(task, http_upstream, fail_task);

    u->failing = false;
    if (!u->closing && u->phase != UPSTREAM_IDLE) {
        if (u->connect_error)
            go_on(u);
        else
            upstream_fail(u, AC_ERR_CLOSED, "the server has closed the connection");
    }
    upstream_release(u);
}

http_upstream *http_upstream_new(http_loop *loop, int fd, const struct sockaddr *address, socklen_t address_length,
                                 unsigned connect_timeout_ms)
{
    http_upstream *u;

    if (address_length > sizeof u->address)
        return NULL;
    u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->loop = loop;
    u->fd = fd;
    u->fail_task.run = on_failing;
    u->holds = 1;
    u->out = u->more = BUF_INIT(SIZE_MAX / 2);
    answer_init(&u->reader, &upstream_answer_sink, u);
    if (address) {
        memcpy(&u->address, address, address_length);
        u->address_length = address_length;
        u->connect_due_ms = uv_now(&loop->uv) + (connect_timeout_ms ? connect_timeout_ms : CONNECT_TIMEOUT_MS);
        try_connect(u);
    } else {
        connected(u);
    }
    if (u->connect_error == ENOMEM) {
        answer_done(&u->reader);
        free(u);
        return NULL;
    }
    uv_timer_init(&loop->uv, &u->timer);
    uv_unref((uv_handle_t *)&u->timer);
    u->timer.data = u;
    if (u->connect_due_ms)
        arm_connect(u);
    return u;
}

void upstream_release(http_upstream *u)
{
    if (--u->holds)
        return;
    answer_done(&u->reader);
    buf_done(&u->out);
    buf_done(&u->more);
    free(u);
}

static void on_timer_closed(uv_handle_t *handle)
{
    upstream_release(handle->data);
}

void upstream_down(http_upstream *u, bool reset)
{
    http_transport *t = TAKE_PTR(u->transport);

    stop_waiting(u);
    if (u->fd >= 0)
        close(u->fd);
    u->fd = -1;
    u->connect_due_ms = 0;
    u->in_flight = 0;
    if (!t)
        return;
    if (reset)
        t->ops->reset(t);
    t->ops->close(t);
}

void http_upstream_close(http_upstream *u)
{
    if (!u || u->closing)
        return;
    u->closing = true;
    /* A server that works on an answer which nobody wants sees a plain end as a client that has said all. */
    upstream_down(u, u->phase == UPSTREAM_BUSY);
    uv_close((uv_handle_t *)&u->timer, on_timer_closed);
}

/* ---- requests ---- */

static void fill_defaults(http_upstream_request *r)
{
    r->headers = NULL;
    r->header_count = 0;
    if (!r->first_byte_timeout_ms)
        r->first_byte_timeout_ms = FIRST_BYTE_TIMEOUT_MS;
    if (!r->idle_timeout_ms)
        r->idle_timeout_ms = IDLE_TIMEOUT_MS;
    if (!r->write_timeout_ms)
        r->write_timeout_ms = WRITE_TIMEOUT_MS;
    if (!r->stale_ms)
        r->stale_ms = STALE_MS;
    if (!r->head_bytes_max)
        r->head_bytes_max = HEAD_BYTES_MAX;
}

void upstream_fail_soon(http_upstream *u)
{
    if (u->failing)
        return;
    u->failing = true;
    u->holds++;
    http_loop_post(u->loop, &u->fail_task);
}

ac_status http_upstream_send(http_upstream *u, const http_upstream_request *request, const http_upstream_events *events)
{
    if (u->closing || u->spent || u->phase != UPSTREAM_IDLE)
        return AC_ERR_STATE;
    if (!http_upstream_request_valid(request))
        return AC_ERR_INVALID;
    AC_TRY(upstream_compose(&u->out, request));
    u->request = *request;
    fill_defaults(&u->request);
    u->events = *events;
    u->phase = UPSTREAM_BUSY;
    u->out_done = 0;
    u->body = request->body;
    u->body_left = request->body_length;
    u->heard = u->extra = u->stale = u->write_stopped = false;
    u->sent_ms = uv_now(&u->loop->uv);
    answer_begin(&u->reader, strcmp(request->method, "HEAD") == 0, request->upgrade, u->request.head_bytes_max);
    if (u->transport) {
        u->transport->ops->hold(u->transport, true);
        upstream_write_on(u);
    } else if (!u->connect_due_ms) {
        upstream_fail_soon(u);
    }
    return AC_OK;
}

void upstream_finish(http_upstream *u, ac_status status, const ac_error *err)
{
    http_upstream_events events = u->events;
    bool plain = u->phase == UPSTREAM_BUSY;
    bool keep = status == AC_OK && plain && u->reader.keep_alive && !u->extra && upstream_all_written(u);

    u->stale = status == AC_ERR_CLOSED && plain && u->kept && !u->heard &&
               uv_now(&u->loop->uv) - u->sent_ms <= u->request.stale_ms;
    u->due_ms = 0;
    u->phase = UPSTREAM_IDLE;
    if (keep) {
        u->kept = true;
        u->transport->ops->hold(u->transport, false);
        http_upstream_pause(u, false);
    } else {
        u->spent = true;
        upstream_down(u, status != AC_OK && plain);
    }
    events.on_done(u, status, err, events.user);
}

void upstream_fail(http_upstream *u, ac_status status, const char *what)
{
    ac_error err = {0};

    ac_error_set(&err, status, "%s", what);
    upstream_finish(u, status, &err);
}

bool http_upstream_reusable(const http_upstream *u)
{
    return !u->closing && !u->spent && u->phase == UPSTREAM_IDLE && (u->transport || u->connect_due_ms);
}

bool http_upstream_was_stale(const http_upstream *u)
{
    return u->stale;
}
