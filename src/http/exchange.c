/* exchange.c - answering a request from any thread.
 *
 * What is sent gathers in head and pending, under the exchange's lock; the loop takes it in one go (output.c).  A task
 * for that is posted only when none is on its way, so a handler that sends a thousand events quickly wakes the loop a
 * few times, and one that sends slowly has each event on the wire at once.
 *
 * References: one of the connection while it works on the exchange, one of the service, one of a posted flush. */
#include "http/conn.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/poison.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STREAM_FIRST_BYTES 1024 /* allocated for a stream's first event */
#define ANSWER_HOLD_NS 50000    /* an answer made within this time may wait for the end of the loop's turn */
#define TRIM_BYTES ((size_t)1 << 20)
#define TRIM_PAUSE_MS 500

static void flush_task(loop_task *task);

/* What a spare exchange hides from whoever still has it: what is looked at first, and nothing that refers to memory,
 * which a leak checker would no longer find. */
#define SPARE_HIDDEN_BYTES offsetof(http_exchange, arena)

/* ---- life ---- */

/* What outlives one request and serves the next: memory, emptied. */
static http_exchange *take_spare(http_home *home)
{
    if (home->spare_count > 0) {
        http_exchange *x = home->spares[--home->spare_count];
        memory_show(x, SPARE_HIDDEN_BYTES);
        return x;
    }

    http_exchange *x = malloc(sizeof *x); /* not calloc, which passes by glibc's per-thread cache */
    if (x) {
        memset(x, 0, sizeof *x);
        pthread_mutex_init(&x->lock, NULL);
        pthread_cond_init(&x->changed, NULL);
    }
    return x;
}

http_exchange *http_exchange_new(http_conn *c)
{
    http_exchange *x = take_spare(c->home);

    if (!x)
        return NULL;
    atomic_init(&x->refs, 1);
    x->server = c->home->server;
    x->loop = &c->home->loop;
    x->conn = c;
    x->flush_task.run = flush_task;
    x->head.cap = x->pending.cap = SIZE_MAX / 2;
    return x;
}

/* The allocator keeps what large bodies have used, which an idle agent would hold for ever. */
static void give_memory_back(void)
{
    static _Atomic uint64_t last_ms;
    uint64_t now = clock_monotonic_ms(), last = atomic_load(&last_ms);

    if (now - last >= TRIM_PAUSE_MS && atomic_compare_exchange_strong(&last_ms, &last, now))
        malloc_trim(0);
}

http_exchange *http_exchange_ref(http_exchange *x)
{
    atomic_fetch_add_explicit(&x->refs, 1, memory_order_relaxed);
    return x;
}

static void free_memory(http_exchange *x)
{
    buf_done(&x->head);
    buf_done(&x->room);
    http1_message_done(&x->message);
    arena_done(&x->arena);
    pthread_mutex_destroy(&x->lock);
    pthread_cond_destroy(&x->changed);
    free(x);
}

/* Nobody refers to it any more: what must not live on.  Returns how large its largest piece of memory was. */
static size_t end(http_exchange *x)
{
    http_ws_free(x->ws);
    buf_done(&x->pending);
    return MAX(x->message.body.capacity, x->sent_max);
}

/* Whether it was the last reference.  Whoever has the only one can keep it from nobody: then nothing is counted. */
static bool was_last(http_exchange *x)
{
    return atomic_load_explicit(&x->refs, memory_order_acquire) == 1 ||
           atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel) == 1;
}

void http_exchange_unref(http_exchange *x)
{
    size_t large;

    if (!was_last(x))
        return;
    large = end(x);
    free_memory(x);
    if (large >= TRIM_BYTES)
        give_memory_back();
}

/* The same on the loop thread, where the next request can have the memory. */
static void recycle(http_exchange *x)
{
    http_home *home = CONTAINER_OF(x->loop, http_home, loop);
    size_t large = end(x);

    if (home->spare_count < HTTP_SPARES_MAX && large <= HTTP_SPARE_BUF_MAX) {
        buf head = buf_spare(&x->head, HTTP_SPARE_BUF_MAX), room = buf_spare(&x->room, HTTP_SPARE_BUF_MAX);

        arena_reset(&x->arena);
        http1_message_reset(&x->message, HTTP_SPARE_BUF_MAX);
        x->head = head;
        x->room = room;
        atomic_store_explicit(&x->gone, false, memory_order_relaxed);
        memset((char *)x + offsetof(http_exchange, state), 0, sizeof *x - offsetof(http_exchange, state));
        memory_hide(x, SPARE_HIDDEN_BYTES);
        home->spares[home->spare_count++] = x;
        return;
    }
    free_memory(x);
    if (large >= TRIM_BYTES)
        give_memory_back();
}

static void flush_task(loop_task *task)
{
    http_exchange *x = CONTAINER_OF(task, http_exchange, flush_task);

    http_exchange_flush(x, true);
    if (was_last(x))
        recycle(x);
}

void http_home_drop_spares(http_home *home)
{
    while (home->spare_count > 0)
        free_memory(take_spare(home));
}

void http_exchange_detach(http_exchange *x, bool timed_out)
{
    void (*fn)(http_exchange * x, void *user);
    void *user;

    pthread_mutex_lock(&x->lock);
    atomic_store(&x->gone, true);
    x->timed_out = timed_out;
    x->conn = NULL;
    buf_done(&x->pending);
    fn = x->on_writable;
    user = x->on_writable_user;
    x->on_writable = NULL;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    if (x->ws)
        http_ws_detach(x);
    http_exchange_over(x);
    if (fn) {
        fn(x, user);
        http_exchange_unref(x);
    }
}

/* ---- looking ---- */

const http_request *http_exchange_request(const http_exchange *x)
{
    return &x->message.request;
}

arena *http_exchange_arena(http_exchange *x)
{
    return &x->arena;
}

buf http_exchange_take_room(http_exchange *x)
{
    return buf_move(&x->room);
}

bool http_exchange_closed(const http_exchange *x)
{
    return atomic_load_explicit(&x->gone, memory_order_acquire);
}

bool http_exchange_on_loop(const http_exchange *x)
{
    return http_loop_here(x->loop);
}

static bool is_named(const http_header *h, const char *name, size_t length)
{
    return h->name_length == length && strncasecmp(h->name, name, length) == 0;
}

static const char *join(http_exchange *x, const char *name, size_t length, size_t first, size_t bytes)
{
    const http_request *r = &x->message.request;
    char *text = arena_alloc(&x->arena, bytes + 1);
    char *p = text;

    if (!text)
        return r->headers[first].value;
    for (size_t i = first; i < r->header_count; i++) {
        const http_header *h = &r->headers[i];

        if (!is_named(h, name, length))
            continue;
        if (p != text) {
            memcpy(p, ", ", 2);
            p += 2;
        }
        memcpy(p, h->value, h->value_length);
        p += h->value_length;
    }
    *p = '\0';
    return text;
}

const char *http_exchange_header(http_exchange *x, const char *name)
{
    const http_request *r = &x->message.request;
    size_t length = strlen(name), first = 0, count = 0, bytes = 0;

    for (size_t i = 0; i < r->header_count; i++) {
        if (!is_named(&r->headers[i], name, length))
            continue;
        if (count++ == 0)
            first = i;
        bytes += r->headers[i].value_length + 2U;
    }
    if (count <= 1)
        return count ? r->headers[first].value : NULL;
    return join(x, name, length, first, bytes);
}

/* ---- answering ---- */

void http_exchange_schedule(http_exchange *x)
{
    if (x->scheduled)
        return;
    x->scheduled = true;
    http_exchange_ref(x);
    http_loop_post(x->loop, &x->flush_task);
}

/* Answers made on the loop in one turn are cheaper written one after the other than each between two requests: the
 * processor stays in the kernel's code, and a client that they all go to is woken once.  One that took long to make
 * waits no longer.  (A handler that blocks the loop holds up the answers before it too, as it does everything else.) */
static void schedule_answer(http_exchange *x)
{
    uint64_t arrived = x->message.request.arrived_ns, now = clock_recent_ns();

    if (x->scheduled)
        return;
    if (now == arrived) /* nobody has looked at the clock since */
        now = clock_monotonic_ns();
    if (!http_loop_dispatching(x->loop) || now - arrived > ANSWER_HOLD_NS) {
        http_exchange_schedule(x);
        return;
    }
    x->scheduled = true;
    http_loop_hold(x->loop, &http_exchange_ref(x)->flush_task);
}

/* How the body of an answer with this status is framed, unless it can have none. */
static http_framing framing_for(int status, http_framing otherwise)
{
    return status == 204 || status == 304 ? HTTP_FRAMING_NONE : otherwise;
}

static bool body_allowed(const http_exchange *x, int status)
{
    return !x->message.request.head && status >= 200 && framing_for(status, HTTP_FRAMING_LENGTH) != HTTP_FRAMING_NONE;
}

static bool stays_open(const http_exchange *x)
{
    return x->message.keep_alive && !atomic_load_explicit(&x->server->draining, memory_order_relaxed);
}

static ac_status begin_locked(http_exchange *x, const http_response *response, exchange_state state,
                              http_framing framing, size_t length)
{
    ac_status status;

    if (x->state != EXCHANGE_OPEN)
        return AC_ERR_STATE;
    if (atomic_load(&x->gone))
        return AC_ERR_CLOSED;
    x->keep_alive = stays_open(x);
    status = http_head_write(&x->head, response, framing, length, x->message.request.minor_version, x->keep_alive);
    if (status != AC_OK) {
        x->head.length = 0; /* the answer that says so begins afresh */
        return status;
    }
    x->state = state;
    x->framing = framing;
    return AC_OK;
}

ac_status http_respond(http_exchange *x, const http_response *response, buf *body)
{
    buf taken = body ? buf_move(body) : (buf){0};
    http_framing framing = framing_for(response->status, HTTP_FRAMING_LENGTH);
    ac_status status;

    pthread_mutex_lock(&x->lock);
    status = begin_locked(x, response, EXCHANGE_WHOLE, framing, taken.length);
    if (status == AC_OK) {
        if (body_allowed(x, response->status) &&
            (taken.length > HTTP_BODY_COPY_MAX || buf_append(&x->head, taken.data, taken.length) != AC_OK))
            x->pending = buf_move(&taken);
        else if (!x->room.data)
            x->room = buf_move(&taken);
        x->sent_max = x->pending.capacity;
        x->finished = true;
        schedule_answer(x);
    }
    pthread_mutex_unlock(&x->lock);
    buf_done(&taken);
    return status;
}

void http_respond_bare(http_exchange *x, int status)
{
    if (http_respond(x, &(http_response){.status = status}, NULL) == AC_ERR_NOMEM)
        http_stream_abort(x);
}

ac_status http_stream_begin(http_exchange *x, const http_response *response, const char *probe)
{
    http_framing framing = framing_for(response->status, x->message.request.minor_version == 0 ? HTTP_FRAMING_CLOSE
                                                                                               : HTTP_FRAMING_CHUNKED);
    ac_status status;

    pthread_mutex_lock(&x->lock);
    if (framing == HTTP_FRAMING_CLOSE)
        x->message.keep_alive = false;
    status = begin_locked(x, response, EXCHANGE_STREAMING, framing, 0);
    if (status == AC_OK) {
        x->probe = probe;
        if (!body_allowed(x, response->status))
            x->framing = HTTP_FRAMING_NONE;
    }
    pthread_mutex_unlock(&x->lock);
    return status;
}

/* A message larger than the buffer must go out some time: it may when the buffer is at most half full, which is also
 * when writers are woken. */
static bool has_room(const http_exchange *x, size_t bytes)
{
    size_t unsent = x->pending.length + x->inflight, limit = x->server->options.stream_buffer_bytes;

    return unsent <= limit / 2 || unsent + bytes <= limit;
}

ac_status http_exchange_wait_room(http_exchange *x, size_t bytes)
{
    while (!atomic_load(&x->gone) && !has_room(x, bytes)) {
        if (http_loop_here(x->loop))
            return AC_ERR_AGAIN;
        x->waiters++;
        /* Not without end: the connection's write deadline wakes us when the client takes nothing. */
        pthread_cond_wait(&x->changed, &x->lock);
        x->waiters--;
    }
    if (atomic_load(&x->gone))
        return x->timed_out ? AC_ERR_TIMEOUT : AC_ERR_CLOSED;
    return AC_OK;
}

static ac_status write_locked(http_exchange *x, const void *data, size_t length)
{
    if (x->state != EXCHANGE_STREAMING || x->finished)
        return AC_ERR_STATE;
    AC_TRY(http_exchange_wait_room(x, length));
    if (x->framing == HTTP_FRAMING_NONE)
        length = 0; /* the head alone */
    else if (!x->pending.data)
        AC_TRY(buf_reserve(&x->pending, MAX(length, STREAM_FIRST_BYTES)));
    AC_TRY(buf_append(&x->pending, data, length));
    http_exchange_schedule(x);
    return AC_OK;
}

ac_status http_stream_write(http_exchange *x, const void *data, size_t length)
{
    ac_status status;

    pthread_mutex_lock(&x->lock);
    status = write_locked(x, data, length);
    pthread_mutex_unlock(&x->lock);
    return status;
}

void http_stream_end(http_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    if (x->state == EXCHANGE_STREAMING && !x->finished) {
        x->finished = true;
        if (!atomic_load(&x->gone))
            http_exchange_schedule(x);
    }
    pthread_mutex_unlock(&x->lock);
}

typedef struct writable_call {
    loop_task task;
    http_exchange *x;
    void (*fn)(http_exchange *x, void *user);
    void *user;
} writable_call;

static void writable_task(loop_task *task)
{
    writable_call *call = CONTAINER_OF(task, writable_call, task);

    call->fn(call->x, call->user);
    http_exchange_unref(call->x);
    free(call);
}

ac_status http_exchange_on_writable(http_exchange *x, void (*fn)(http_exchange *x, void *user), void *user)
{
    ac_status status = AC_OK;

    pthread_mutex_lock(&x->lock);
    if (x->on_writable) {
        status = AC_ERR_STATE;
    } else if (atomic_load(&x->gone)) {
        status = AC_ERR_CLOSED; /* and there may be no loop any more that could call */
    } else if (x->pending.length + x->inflight > x->server->options.stream_buffer_bytes / 2) {
        x->on_writable = fn;
        x->on_writable_user = user;
        http_exchange_ref(x);
    } else { /* nothing to wait for: call soon, but never from inside */
        writable_call *call = malloc(sizeof *call);

        if (call) {
            *call = (writable_call){.task.run = writable_task, .x = http_exchange_ref(x), .fn = fn, .user = user};
            http_loop_post(x->loop, &call->task);
        }
        status = call ? AC_OK : AC_ERR_NOMEM;
    }
    pthread_mutex_unlock(&x->lock);
    return status;
}
