/* ws_client.c - an open WebSocket of the client: frames in and out of a libcurl connection.
 *
 * One lock guards the curl handle, the codec and what is pending; nobody holds it while waiting for the socket.  A
 * frame is put into pending whole and then leaves in pieces, by whichever thread finds the socket writable, so that
 * a sender who runs out of time leaves no half frame behind.  A receiver answers pings by putting a pong there too.
 *
 * What TLS could not send it must be given again from the same place and at the same length.  So while pending is being
 * sent it stays as it is, and frames that come meanwhile gather in behind.
 *
 * close_code is set once: by the server's close, by a lost or broken connection, or by ws_client_abort. */
#include "http/ws_client_internal.h"

#include "base/clock.h"
#include "base/json.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PENDING_BYTES_MAX ((size_t)1 << 20) /* unsent, above which no further message is taken */
#define PENDING_PONG_MAX ((size_t)64 << 10) /* and no further pong: a peer that pings must also read */

uint64_t ws_client_until(int timeout_ms)
{
    return timeout_ms < 0 ? HTTP_NEVER : clock_monotonic_ms() + (uint64_t)timeout_ms;
}

bool ws_client_poll(ws_client *ws, short events, uint64_t until_ms)
{
    struct pollfd fds[2] = {{.fd = ws->fd, .events = events}, {.fd = ws->wake, .events = POLLIN}};

    for (;;) {
        uint64_t now = clock_monotonic_ms();
        int wait = -1;

        if (until_ms != HTTP_NEVER)
            wait = until_ms <= now ? 0 : (int)MIN(until_ms - now, (uint64_t)INT32_MAX);
        int ready = poll(fds, ARRAY_SIZE(fds), wait);
        if (ready > 0)
            return true;
        if (ready == 0 && until_ms != HTTP_NEVER && clock_monotonic_ms() >= until_ms)
            return false;
        if (ready < 0 && errno != EINTR)
            return false;
    }
}

static void set_code_locked(ws_client *ws, int code)
{
    if (!ws->close_code)
        ws->close_code = code;
}

static ac_status closed_locked(ws_client *ws, ac_error *err)
{
    if (ws->aborted)
        return ac_error_set(err, AC_ERR_CLOSED, "the WebSocket to %s was aborted", ws->origin);
    if (ws->close_code == WS_CODE_ABNORMAL)
        return ac_error_set(err, AC_ERR_CLOSED, "the WebSocket connection to %s was lost", ws->origin);
    return ac_error_set(err, AC_ERR_CLOSED, "the WebSocket to %s is closed (code %d)", ws->origin, ws->close_code);
}

/* ---- out ---- */

static bool unsent_locked(const ws_client *ws)
{
    return ws->sent < ws->pending.length;
}

static size_t unsent_bytes_locked(const ws_client *ws)
{
    return ws->pending.length - ws->sent + ws->behind.length;
}

/* Where the next frame goes. */
static buf *out_locked(ws_client *ws)
{
    return unsent_locked(ws) ? &ws->behind : &ws->pending;
}

/* When pending is sent, what has gathered behind it comes next. */
static void turn_over_locked(ws_client *ws)
{
    if (unsent_locked(ws))
        return;
    buf_done(&ws->pending);
    ws->pending = buf_move(&ws->behind);
    ws->sent = 0;
}

/* Send what the socket takes. */
static void flush_locked(ws_client *ws)
{
    while (unsent_locked(ws) && ws->close_code != WS_CODE_ABNORMAL) {
        size_t now = 0;
        CURLcode code = curl_easy_send(ws->easy, ws->pending.data + ws->sent, ws->pending.length - ws->sent, &now);

        ws->sent += now;
        if (code == CURLE_AGAIN)
            break;
        if (code != CURLE_OK)
            set_code_locked(ws, WS_CODE_ABNORMAL);
        if (code != CURLE_OK)
            return;
        turn_over_locked(ws);
    }
}

/* With the lock held, which is let go of meanwhile. */
static ac_status wait_flushed_locked(ws_client *ws, uint64_t until, ac_error *err)
{
    for (;;) {
        flush_locked(ws);
        if (!unsent_locked(ws))
            return AC_OK;
        if (ws->aborted || ws->close_code == WS_CODE_ABNORMAL)
            return closed_locked(ws, err);
        pthread_mutex_unlock(&ws->lock);
        bool ready = ws_client_poll(ws, POLLOUT, until);
        pthread_mutex_lock(&ws->lock);
        if (!ready)
            return ac_error_set(err, AC_ERR_TIMEOUT, "time-out: %s does not read what is sent", ws->origin);
    }
}

static ac_status send_locked(ws_client *ws, ws_opcode opcode, const void *data, size_t length, uint64_t until,
                             ac_error *err)
{
    ac_status status;

    if (ws->close_code || ws->aborted || ws->writer.closed)
        return closed_locked(ws, err);
    if (unsent_bytes_locked(ws) > PENDING_BYTES_MAX)
        return ac_error_set(err, AC_ERR_AGAIN, "%s does not read what was sent before", ws->origin);
    status = ws_write(&ws->writer, opcode, data, length, out_locked(ws));
    if (status != AC_OK)
        return ac_error_set(err, status, "the WebSocket message cannot be sent");
    return wait_flushed_locked(ws, until, err);
}

ac_status ws_client_send(ws_client *ws, ws_opcode opcode, const void *data, size_t length, int timeout_ms,
                         ac_error *err)
{
    uint64_t until = ws_client_until(timeout_ms);

    if (opcode == WS_CLOSE || opcode == WS_CONTINUATION)
        return ac_error_set(err, AC_ERR_INVALID, "this is no kind of WebSocket message to send");
    pthread_mutex_lock(&ws->lock);
    ac_status status = send_locked(ws, opcode, data, length, until, err);
    pthread_mutex_unlock(&ws->lock);
    return status;
}

/* ---- in ---- */

static void answer_close_locked(ws_client *ws, int told, int sent, const char *reason)
{
    set_code_locked(ws, told);
    if (!ws->writer.closed && ws_write_close(&ws->writer, sent, reason, out_locked(ws)) == AC_OK)
        flush_locked(ws);
}

static ac_status take_message(const ws_event *event, http_ws_message *ret_message)
{
    char *copy = malloc(event->length + 1 + JSON_PADDING);

    if (!copy)
        return AC_ERR_NOMEM;
    memcpy(copy, event->data, event->length);
    memset(copy + event->length, 0, 1 + JSON_PADDING);
    *ret_message = (http_ws_message){event->opcode, copy, event->length};
    return AC_OK;
}

/* AC_ERR_AGAIN: nothing for the caller in it. */
static ac_status on_event_locked(ws_client *ws, const ws_event *event, http_ws_message *ret_message)
{
    switch (event->type) {
    case WS_EVENT_MESSAGE:
        return take_message(event, ret_message);
    case WS_EVENT_PING:
        if (unsent_bytes_locked(ws) <= PENDING_PONG_MAX && !ws->writer.closed &&
            ws_write(&ws->writer, WS_PONG, event->data, event->length, out_locked(ws)) == AC_OK)
            flush_locked(ws);
        return AC_ERR_AGAIN;
    case WS_EVENT_CLOSE:
        ws->close_received = true;
        answer_close_locked(ws, event->code, event->code, NULL);
        return AC_ERR_CLOSED;
    case WS_EVENT_ERROR:
        answer_close_locked(ws, event->code, event->code, event->data);
        return AC_ERR_CLOSED;
    default:
        return AC_ERR_AGAIN;
    }
}

/* One message out of what is there.  AC_ERR_AGAIN when more must come first. */
static ac_status read_locked(ws_client *ws, http_ws_message *ret_message, bool *ret_heard)
{
    for (;;) {
        while (ws->input_at < ws->input_end) {
            ws_event event;

            ws->input_at += ws_read(&ws->reader, ws->input + ws->input_at, ws->input_end - ws->input_at, &event);
            ac_status status = on_event_locked(ws, &event, ret_message);
            if (status != AC_ERR_AGAIN)
                return status;
        }
        size_t got = 0;
        CURLcode code = curl_easy_recv(ws->easy, ws->input, WS_CLIENT_INPUT_BYTES, &got);
        if (code == CURLE_AGAIN)
            return AC_ERR_AGAIN;
        if (code != CURLE_OK || got == 0) {
            set_code_locked(ws, WS_CODE_ABNORMAL);
            return AC_ERR_CLOSED;
        }
        ws->input_at = 0;
        ws->input_end = got;
        *ret_heard = true;
    }
}

static void heard_something_locked(ws_client *ws)
{
    ws->pinged = false;
    ws->silence_due_ms = clock_monotonic_ms() + ws->ping_interval_ms;
}

/* Nothing was heard for an interval: ask; nothing for another: give up.  It goes on from one call to the next, since
 * callers may look in short turns; all that has come must have been read just before. */
static void mind_silence_locked(ws_client *ws)
{
    uint64_t now = clock_monotonic_ms();

    if (now < ws->silence_due_ms)
        return;
    if (ws->pinged) {
        set_code_locked(ws, WS_CODE_ABNORMAL);
        return;
    }
    ws->pinged = true;
    ws->silence_due_ms = now + ws->ping_timeout_ms;
    if (!ws->writer.closed && ws_write(&ws->writer, WS_PING, NULL, 0, out_locked(ws)) == AC_OK)
        flush_locked(ws);
}

static ac_status receive_locked(ws_client *ws, http_ws_message *ret_message, uint64_t until, ac_error *err)
{
    if (!ws->silence_due_ms)
        heard_something_locked(ws);
    for (;;) {
        bool heard = false;
        ac_status status = ws->close_code || ws->aborted ? AC_ERR_CLOSED : read_locked(ws, ret_message, &heard);

        if (heard)
            heard_something_locked(ws);
        if (status == AC_ERR_CLOSED)
            return closed_locked(ws, err);
        if (status != AC_ERR_AGAIN)
            return status == AC_OK ? AC_OK : ac_error_set(err, status, "no memory for a WebSocket message");
        mind_silence_locked(ws);
        short events = (short)(POLLIN | (unsent_locked(ws) ? POLLOUT : 0));
        uint64_t look_ms = MIN(until, ws->silence_due_ms);
        pthread_mutex_unlock(&ws->lock);
        bool ready = ws_client_poll(ws, events, look_ms);
        pthread_mutex_lock(&ws->lock);
        flush_locked(ws);
        if (!ready && clock_monotonic_ms() >= until)
            return ac_error_set(err, AC_ERR_TIMEOUT, "time-out: no WebSocket message from %s", ws->origin);
    }
}

ac_status ws_client_receive(ws_client *ws, http_ws_message *ret_message, int timeout_ms, ac_error *err)
{
    uint64_t until = ws_client_until(timeout_ms);
    ac_status status;

    pthread_mutex_lock(&ws->lock);
    if (ws->receiving) {
        status = ac_error_set(err, AC_ERR_STATE, "another thread receives from this WebSocket");
    } else {
        ws->receiving = true;
        status = receive_locked(ws, ret_message, until, err);
        ws->receiving = false;
    }
    pthread_mutex_unlock(&ws->lock);
    return status;
}

/* ---- the end ---- */

ac_status ws_client_close(ws_client *ws, int code, const char *reason, int timeout_ms, ac_error *err)
{
    uint64_t until = ws_client_until(timeout_ms);
    ac_status status = AC_OK;
    bool mine;

    if (code == 0)
        code = WS_CODE_NORMAL;
    if (!ws_code_sendable(code))
        return ac_error_set(err, AC_ERR_INVALID, "close code %d cannot be sent", code);
    pthread_mutex_lock(&ws->lock);
    if (!ws->writer.closed && !ws->close_code)
        status = ws_write_close(&ws->writer, code, reason, out_locked(ws));
    if (status == AC_OK)
        status = wait_flushed_locked(ws, until, err);
    mine = !ws->receiving && status == AC_OK;
    ws->receiving |= mine;
    while (mine && status == AC_OK) {
        http_ws_message dropped = {0};
        status = receive_locked(ws, &dropped, until, err);
        if (status == AC_OK)
            free(dropped.data);
    }
    if (mine)
        ws->receiving = false;
    if (ws->close_received)
        status = AC_OK;
    pthread_mutex_unlock(&ws->lock);
    return status;
}

void ws_client_abort(ws_client *ws)
{
    uint64_t one = 1;

    pthread_mutex_lock(&ws->lock);
    ws->aborted = true;
    set_code_locked(ws, WS_CODE_ABNORMAL);
    pthread_mutex_unlock(&ws->lock);
    (void)!write(ws->wake, &one, sizeof(one));
}

int ws_client_close_code(ws_client *ws)
{
    pthread_mutex_lock(&ws->lock);
    int code = ws->close_code;
    pthread_mutex_unlock(&ws->lock);
    return code;
}

const http_client_head *ws_client_head(const ws_client *ws)
{
    return &ws->head_view;
}

const char *ws_client_subprotocol(const ws_client *ws)
{
    return http_client_header(&ws->head_view, "Sec-WebSocket-Protocol");
}
