/* ws_conn.c - a WebSocket on a connection: the codec (ws.h) between the wire and whoever receives.
 *
 * Reading happens on the loop; messages go to the callbacks, or into a queue that http_ws_receive takes from.  The
 * queue is bounded by bytes: when it is full the socket is not read.  Sending happens on any thread: a frame is written
 * into the exchange's pending bytes under its lock, and leaves with the next flush.
 *
 * Closing: each side sends one close frame.  When both have, or when the peer does not answer in time, the connection
 * is closed.  close_code is what the receiver is told; the first reason wins. */
#include "http/conn.h"

#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MESSAGE_BYTES_DEFAULT ((size_t)16 << 20)

typedef struct ws_item {
    struct ws_item *next;
    http_ws_message message;
} ws_item;

struct http_ws {
    /* loop thread */
    ws_reader reader;
    http_ws_events events;
    bool has_events;
    bool opened, close_told;
    bool pinged; /* and not answered yet */
    bool ending; /* nothing more is read */

    /* under the exchange's lock */
    ws_writer writer;
    ws_item *first, **last;
    size_t queued_bytes;
    size_t queue_bytes_max;
    bool paused;
    bool close_received;
    atomic_bool close_sent;
    int close_code;
};

/* ---- accepting ---- */

static ac_status ws_new(const http_ws_options *o, bool deflate, http_ws **ret_ws)
{
    http_ws *ws = calloc(1, sizeof *ws);
    size_t bytes_max = o->message_bytes_max ? o->message_bytes_max : MESSAGE_BYTES_DEFAULT;

    if (!ws)
        return AC_ERR_NOMEM;
    ws->last = &ws->first;
    ws->queue_bytes_max = bytes_max;
    ws_reader_init(&ws->reader, &(ws_reader_options){
                                    .role = WS_SERVER,
                                    .deflate = deflate,
                                    .message_bytes_max = bytes_max,
                                });
    ws_writer_init(&ws->writer, WS_SERVER, deflate);
    if (o->events) {
        ws->events = *o->events;
        ws->has_events = true;
    }
    *ret_ws = ws;
    return AC_OK;
}

void http_ws_free(http_ws *ws)
{
    if (!ws)
        return;
    while (ws->first) {
        ws_item *item = ws->first;
        ws->first = item->next;
        free(item->message.data);
        free(item);
    }
    ws_reader_done(&ws->reader);
    free(ws);
}

static ac_status write_head_locked(http_exchange *x, const http_ws_options *o, const char *deflate)
{
    char accept[WS_ACCEPT_SIZE];
    http_field fields[5] = {{"Upgrade", "websocket"}, {"Connection", "Upgrade"}};
    size_t count = 2;
    http_response response = {.status = 101, .fields = fields};

    AC_TRY(ws_accept_key(http_exchange_header(x, "Sec-WebSocket-Key"), accept));
    fields[count++] = (http_field){"Sec-WebSocket-Accept", accept};
    if (deflate)
        fields[count++] = (http_field){"Sec-WebSocket-Extensions", deflate};
    if (o->subprotocol)
        fields[count++] = (http_field){"Sec-WebSocket-Protocol", o->subprotocol};
    response.field_count = count;
    return http_head_write(&x->head, &response, HTTP_FRAMING_NONE, 0, 1, true);
}

ac_status http_ws_accept(http_exchange *x, const http_ws_options *options)
{
    http_ws_options none = {0};
    const http_ws_options *o = options ? options : &none;
    const char *offers = o->no_deflate ? NULL : http_exchange_header(x, "Sec-WebSocket-Extensions");
    char deflate[WS_DEFLATE_RESPONSE_SIZE];
    uint8_t window_bits = 0;
    bool deflates = offers && ws_deflate_negotiate(offers, deflate, sizeof deflate, &window_bits);
    ac_status status = AC_OK;

    pthread_mutex_lock(&x->lock);
    if (x->state != EXCHANGE_OPEN || !x->message.request.websocket)
        status = AC_ERR_STATE;
    else if (atomic_load(&x->gone))
        status = AC_ERR_CLOSED;
    if (status == AC_OK)
        status = write_head_locked(x, o, deflates ? deflate : NULL);
    if (status == AC_OK)
        status = ws_new(o, deflates, &x->ws);
    if (status == AC_OK) {
        if (deflates)
            x->ws->writer.window_bits = window_bits;
        x->state = EXCHANGE_WEBSOCKET;
        x->framing = HTTP_FRAMING_NONE;
        http_exchange_schedule(x);
    } else {
        buf_done(&x->head);
    }
    pthread_mutex_unlock(&x->lock);
    return status;
}

/* ---- telling the receiver ---- */

/* The conversation is over for whoever receives; with the lock held. */
static void set_code_locked(http_exchange *x, int code)
{
    if (!x->ws->close_code)
        x->ws->close_code = code;
    pthread_cond_broadcast(&x->changed);
}

static void tell_close(http_exchange *x)
{
    http_ws *ws = x->ws;

    if (!ws->has_events || ws->close_told)
        return;
    ws->close_told = true;
    if (ws->events.on_close)
        ws->events.on_close(x, ws->close_code, ws->events.user);
}

static void send_close_locked(http_exchange *x, int code, const char *reason)
{
    http_ws *ws = x->ws;

    if (ws->close_sent || atomic_load(&x->gone))
        return;
    ws->close_sent = true;
    if (ws_write_close(&ws->writer, code, reason, &x->pending) == AC_OK)
        http_exchange_schedule(x);
}

/* The peer is to hear no more from us after this. */
static void end_with(http_conn *c, int told_code, int sent_code, const char *reason)
{
    http_exchange *x = c->exchange;

    x->ws->ending = true;
    pthread_mutex_lock(&x->lock);
    x->ws->close_received = true;
    set_code_locked(x, told_code);
    send_close_locked(x, sent_code, reason);
    http_exchange_schedule(x);
    pthread_mutex_unlock(&x->lock);
    tell_close(x);
}

/* ---- input ---- */

static bool enqueue(http_exchange *x, const ws_event *event)
{
    http_ws *ws = x->ws;
    ws_item *item = malloc(sizeof *item);
    char *copy = malloc(event->length + 1 + JSON_PADDING);

    if (!item || !copy) {
        free(item);
        free(copy);
        return false;
    }
    memcpy(copy, event->data, event->length);
    memset(copy + event->length, 0, 1 + JSON_PADDING);
    *item = (ws_item){.message = {event->opcode, copy, event->length}};
    pthread_mutex_lock(&x->lock);
    *ws->last = item;
    ws->last = &item->next;
    ws->queued_bytes += event->length + sizeof *item;
    if (ws->queued_bytes > ws->queue_bytes_max)
        ws->paused = true;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    return true;
}

static void on_message(http_conn *c, const ws_event *event)
{
    http_exchange *x = c->exchange;
    http_ws *ws = x->ws;

    if (!ws->has_events) {
        if (!enqueue(x, event))
            end_with(c, WS_CODE_INTERNAL, WS_CODE_INTERNAL, "out of memory");
    } else if (ws->events.on_message) {
        http_ws_message message = {event->opcode, (char *)event->data, event->length};
        ws->events.on_message(x, &message, ws->events.user);
    }
}

static void answer_ping(http_conn *c, const ws_event *event)
{
    http_exchange *x = c->exchange;

    pthread_mutex_lock(&x->lock);
    /* A peer that pings without reading the answers gets none once the stream is full. */
    if (x->pending.length < x->server->options.stream_buffer_bytes &&
        ws_write(&x->ws->writer, WS_PONG, event->data, event->length, &x->pending) == AC_OK)
        http_exchange_schedule(x);
    pthread_mutex_unlock(&x->lock);
}

static void on_event(http_conn *c, const ws_event *event)
{
    int code = event->code;

    switch (event->type) {
    case WS_EVENT_MESSAGE:
        on_message(c, event);
        break;
    case WS_EVENT_PING:
        answer_ping(c, event);
        break;
    case WS_EVENT_CLOSE:
        end_with(c, code, code == WS_CODE_NONE ? WS_CODE_NONE : code, NULL);
        break;
    case WS_EVENT_ERROR:
        end_with(c, code, code, event->data);
        break;
    default:
        break;
    }
}

static void heard(http_conn *c)
{
    http_ws *ws = c->exchange->ws;

    ws->pinged = false;
    if (!ws->close_sent)
        deadline_arm(&c->home->loop, &c->home->ws_ping_due, &c->read_due);
}

size_t http_ws_input(http_conn *c, char *data, size_t length)
{
    http_exchange *x = c->exchange;
    size_t used = 0;

    heard(c);
    while (used < length && !x->ws->ending && !x->ws->paused) {
        ws_event event;

        used += ws_read(&x->ws->reader, data + used, length - used, &event);
        if (event.type == WS_EVENT_NONE)
            break;
        on_event(c, &event);
        if (c->exchange != x) /* a callback ended it */
            return length;
    }
    if (x->ws->ending)
        return length;
    if (x->ws->paused)
        http_conn_set_reading(c, false);
    return used;
}

/* ---- after a flush ---- */

static void open_now(http_conn *c)
{
    http_exchange *x = c->exchange;
    http_ws *ws = x->ws;

    ws->opened = true;
    deadline_arm(&c->home->loop, &c->home->ws_ping_due, &c->read_due);
    if (ws->has_events && ws->events.on_open)
        ws->events.on_open(x, ws->events.user);
}

void http_ws_flushed(http_conn *c)
{
    http_exchange *x = c->exchange;
    http_ws *ws = x->ws;
    bool sent, received, idle, resume;

    if (!ws->opened)
        open_now(c);
    pthread_mutex_lock(&x->lock);
    sent = ws->close_sent;
    received = ws->close_received;
    idle = !x->pending.length && !x->inflight;
    resume = ws->paused && ws->queued_bytes <= ws->queue_bytes_max / 2;
    if (resume)
        ws->paused = false;
    pthread_mutex_unlock(&x->lock);
    if (sent && received && idle) {
        http_conn_linger(c); /* the server closes first; what the peer still sends is dropped */
        return;
    }
    if (sent && !received && c->read_due.list != &c->home->ws_close_due)
        deadline_arm(&c->home->loop, &c->home->ws_close_due, &c->read_due);
    if (resume || c->stash.length) {
        http_conn_set_reading(c, true);
        http_conn_resume(c);
    }
}

void http_ws_detach(http_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    set_code_locked(x, WS_CODE_ABNORMAL);
    pthread_mutex_unlock(&x->lock);
    tell_close(x);
}

/* ---- deadlines ---- */

void http_ws_ping_expired(deadline *d)
{
    http_conn *c = CONTAINER_OF(d, http_conn, read_due);
    http_exchange *x = c->exchange;

    pthread_mutex_lock(&x->lock);
    if (ws_write(&x->ws->writer, WS_PING, NULL, 0, &x->pending) == AC_OK)
        http_exchange_schedule(x);
    pthread_mutex_unlock(&x->lock);
    x->ws->pinged = true;
    deadline_arm(&c->home->loop, &c->home->ws_pong_due, &c->read_due);
}

void http_ws_pong_expired(deadline *d)
{
    http_conn *c = CONTAINER_OF(d, http_conn, read_due);

    if (c->exchange->ws->paused) { /* it is we who do not read: the answer may be waiting */
        deadline_arm(&c->home->loop, &c->home->ws_pong_due, &c->read_due);
        return;
    }
    end_with(c, WS_CODE_ABNORMAL, WS_CODE_INTERNAL, "ping not answered");
}

void http_ws_close_expired(deadline *d)
{
    http_conn_abort(CONTAINER_OF(d, http_conn, read_due));
}

void http_ws_drain(http_conn *c)
{
    http_ws_close(c->exchange, WS_CODE_GOING_AWAY, "server is shutting down");
}

/* ---- any thread ---- */

/* The bytes of one message, put behind what is pending; moved when nothing is. */
static ac_status append_frame(http_exchange *x, buf *frame)
{
    if (x->pending.length)
        return buf_append(&x->pending, frame->data, frame->length);
    buf_done(&x->pending);
    x->pending = buf_move(frame);
    return AC_OK;
}

/* frame, when not empty, is the message written already. */
static ac_status send_locked(http_exchange *x, ws_opcode opcode, const void *data, size_t length, buf *frame)
{
    ac_status status = http_exchange_wait_room(x, length);

    if (status == AC_OK && x->ws->close_sent)
        status = AC_ERR_CLOSED;
    if (status == AC_OK)
        status = frame->length ? append_frame(x, frame) : ws_write(&x->ws->writer, opcode, data, length, &x->pending);
    if (status == AC_OK)
        http_exchange_schedule(x);
    return status;
}

ac_status http_ws_send(http_exchange *x, ws_opcode opcode, const void *data, size_t length)
{
    _cleanup_(buf_done) buf frame = BUF_INIT(SIZE_MAX / 2);
    ws_writer writer;
    ac_status status;

    pthread_mutex_lock(&x->lock);
    status = x->ws ? AC_OK : AC_ERR_STATE;
    if (status == AC_OK)
        writer = x->ws->writer;
    pthread_mutex_unlock(&x->lock);
    if (status != AC_OK)
        return status;
    /* Compressing takes time: not under the lock, which the loop needs too. */
    if (writer.deflate && length >= WS_DEFLATE_MIN)
        AC_TRY(ws_write(&writer, opcode, data, length, &frame));
    pthread_mutex_lock(&x->lock);
    status = send_locked(x, opcode, data, length, &frame);
    pthread_mutex_unlock(&x->lock);
    return status;
}

static bool deadline_after(int timeout_ms, struct timespec *ret_when)
{
    if (timeout_ms < 0)
        return false;
    clock_gettime(CLOCK_MONOTONIC, ret_when);
    ret_when->tv_sec += timeout_ms / 1000;
    ret_when->tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (ret_when->tv_nsec >= 1000000000L) {
        ret_when->tv_sec++;
        ret_when->tv_nsec -= 1000000000L;
    }
    return true;
}

static ac_status wait_message_locked(http_exchange *x, int timeout_ms)
{
    struct timespec when;
    bool limited = deadline_after(timeout_ms, &when);

    while (!x->ws->first && !x->ws->close_code) {
        if (!limited)
            pthread_cond_wait(&x->changed, &x->lock);
        else if (pthread_cond_clockwait(&x->changed, &x->lock, CLOCK_MONOTONIC, &when) == ETIMEDOUT)
            return x->ws->first ? AC_OK : AC_ERR_TIMEOUT;
    }
    return x->ws->first ? AC_OK : AC_ERR_CLOSED;
}

static void take_locked(http_exchange *x, http_ws_message *ret_message)
{
    http_ws *ws = x->ws;
    ws_item *item = ws->first;

    ws->first = item->next;
    if (!ws->first)
        ws->last = &ws->first;
    ws->queued_bytes -= item->message.length + sizeof *item;
    if (ws->paused && ws->queued_bytes <= ws->queue_bytes_max / 2 && !atomic_load(&x->gone))
        http_exchange_schedule(x); /* the loop reads on */
    *ret_message = item->message;
    free(item);
}

ac_status http_ws_receive(http_exchange *x, http_ws_message *ret_message, int timeout_ms)
{
    ac_status status;

    pthread_mutex_lock(&x->lock);
    if (!x->ws || x->ws->has_events || (http_loop_here(x->loop) && timeout_ms != 0))
        status = AC_ERR_STATE;
    else
        status = wait_message_locked(x, timeout_ms);
    if (status == AC_OK)
        take_locked(x, ret_message);
    pthread_mutex_unlock(&x->lock);
    return status;
}

ac_status http_ws_close(http_exchange *x, int code, const char *reason)
{
    ac_status status = AC_OK;

    if (code == 0)
        code = WS_CODE_NORMAL;
    if (!ws_code_sendable(code))
        return AC_ERR_INVALID;
    pthread_mutex_lock(&x->lock);
    if (!x->ws)
        status = AC_ERR_STATE;
    else
        send_close_locked(x, code, reason);
    pthread_mutex_unlock(&x->lock);
    return status;
}

int http_ws_close_code(http_exchange *x)
{
    int code;

    pthread_mutex_lock(&x->lock);
    code = x->ws ? x->ws->close_code : 0;
    pthread_mutex_unlock(&x->lock);
    return code;
}
