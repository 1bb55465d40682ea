/* fuzz_ws_wslay.c - the same bytes to wslay's server end and to ours, without compression: both must hear the same
 * messages up to the same failure, and fail with the same close code.
 *
 * Where wslay 1.1 is known to differ, and what the comparison does about it:
 *   - It leaves the first two bytes of every piece of a close frame out of its UTF-8 check, not only of the first: so
 *     it is given the whole input in one piece, which must fit its read buffer.
 *   - It takes a close frame of one byte for one without code: on_message counts that as the failure it is.
 *   - It refuses the close codes 1012 to 1014, registered since: hear_ours counts them as the same failure.
 *   - It looks at a head when it has all of it, and at the message limit when payload comes, where we fail at the
 *     earliest byte: when we have failed and it has not, it is given some zero bytes more.
 *   - In a close frame it looks at the reason before the code: with both broken it says 1007 and we say 1002.  It does
 *     so before the frame is complete, where we wait: we are given zero bytes then, to complete it.
 *   - What is wrong in the head itself it reports to its caller and leaves the close code to it: run_wslay makes that
 *     1002. */
#include "http/ws.h"

#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#define INPUT_MAX 4096
#define PADDING 16 /* completes any head, and a byte of payload */
#define MESSAGE_MAX 3000
#define RECORD_MAX ((size_t)4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* What one end heard, and the close code it failed with: 0 when it did not. */
typedef struct hearing {
    buf log;
    int failure;
    bool bad_close_code; /* ours: that is why */
} hearing;

static void record(hearing *h, int opcode, int code, const void *data, size_t length)
{
    const uint64_t head[] = {(uint64_t)opcode, (uint64_t)code, length};

    check(buf_append(&h->log, head, sizeof(head)) == AC_OK);
    check(buf_append(&h->log, data, length) == AC_OK);
}

/* ---- ours ---- */

/* The input, and zero bytes after it. */
static void hear_ours(const uint8_t *input, size_t input_size, size_t padding, hearing *h)
{
    size_t size = input_size + padding;
    char *data = calloc(1, size);
    check(data != NULL);
    memcpy(data, input, input_size);

    h->log.length = 0;
    ws_reader_options options = {.role = WS_SERVER, .message_bytes_max = MESSAGE_MAX};
    ws_event event;
    ws_reader r;

    ws_reader_init(&r, &options);
    for (size_t at = 0; at < size;) {
        at += ws_read(&r, data + at, size - at, &event);
        switch (event.type) {
        case WS_EVENT_MESSAGE:
            record(h, event.opcode, 0, event.data, event.length);
            break;
        case WS_EVENT_PING:
        case WS_EVENT_PONG:
            record(h, event.type == WS_EVENT_PING ? WS_PING : WS_PONG, 0, event.data, event.length);
            break;
        case WS_EVENT_CLOSE:
            if (event.code >= 1012 && event.code <= 1014)
                h->failure = WS_CODE_PROTOCOL_ERROR;
            else
                record(h, WS_CLOSE, event.code, event.data, event.length);
            break;
        case WS_EVENT_ERROR:
            h->failure = event.code;
            h->bad_close_code = strcmp(event.data, "close code is not valid") == 0;
            break;
        case WS_EVENT_NONE:
            break;
        }
    }
    ws_reader_done(&r);
    free(data);
}

/* ---- wslay's ---- */

typedef struct wslay_end {
    const uint8_t *input;
    size_t input_left;
    hearing *heard;
} wslay_end;

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *data, size_t length, int flags, void *user)
{
    wslay_end *end = user;

    (void)flags;
    if (end->input_left == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    check(length >= end->input_left);
    length = end->input_left;
    memcpy(data, end->input, length);
    end->input_left = 0;
    return (ssize_t)length;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t length, int flags, void *user)
{
    (void)ctx;
    (void)data;
    (void)flags;
    (void)user;
    return (ssize_t)length;
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m, void *user)
{
    wslay_end *end = user;
    size_t skip = m->opcode == WSLAY_CONNECTION_CLOSE && m->msg_length >= 2 ? 2 : 0;
    int code = 0;

    (void)ctx;
    if (m->opcode == WSLAY_CONNECTION_CLOSE && m->msg_length == 1) {
        end->heard->failure = WS_CODE_PROTOCOL_ERROR;
        return;
    }
    if (m->opcode == WSLAY_CONNECTION_CLOSE)
        code = skip ? m->status_code : WS_CODE_NONE;
    record(end->heard, m->opcode, code, skip ? m->msg + skip : m->msg, m->msg_length - skip);
}

/* Let wslay read what it was given; the second call is for a head that the first one read but did not parse. */
static void run_wslay(wslay_event_context_ptr ctx, hearing *h)
{
    for (int i = 0; i < 2; i++) {
        int code = wslay_event_recv(ctx);
        check(code == 0 || code == WSLAY_ERR_CALLBACK_FAILURE);
        if (code != 0 && h->failure == 0)
            h->failure = WS_CODE_PROTOCOL_ERROR;
    }
    if (h->failure != 0 || wslay_event_get_read_enabled(ctx) || wslay_event_get_close_received(ctx))
        return;

    /* It queued a close frame of its own. */
    check(wslay_event_send(ctx) == 0);
    h->failure = wslay_event_get_status_code_sent(ctx);
}

/* failing says that our end failed. */
static void hear_wslay(const uint8_t *data, size_t size, bool failing, hearing *h)
{
    static const uint8_t padding[PADDING];
    const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv,
        .send_callback = on_send,
        .on_msg_recv_callback = on_message,
    };
    wslay_end end = {.input = data, .input_left = size, .heard = h};
    wslay_event_context_ptr ctx;

    check(wslay_event_context_server_init(&ctx, &callbacks, &end) == 0);
    wslay_event_config_set_max_recv_msg_length(ctx, MESSAGE_MAX);
    run_wslay(ctx, h);
    if (failing && h->failure == 0 && !wslay_event_get_close_received(ctx)) {
        end.input = padding;
        end.input_left = sizeof(padding);
        run_wslay(ctx, h);
    }
    wslay_event_context_free(ctx);
}

static void hearing_done(hearing *h)
{
    buf_done(&h->log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(hearing_done) hearing ours = {.log = BUF_INIT(RECORD_MAX)};
    _cleanup_(hearing_done) hearing theirs = {.log = BUF_INIT(RECORD_MAX)};

    if (size == 0 || size > INPUT_MAX)
        return 0;
    hear_ours(data, size, 0, &ours);
    hear_wslay(data, size, ours.failure != 0, &theirs);

    if (ours.failure == 0 && theirs.failure == WS_CODE_BAD_DATA)
        hear_ours(data, size, WS_CONTROL_MAX, &ours);
    bool reason_first = ours.bad_close_code && theirs.failure == WS_CODE_BAD_DATA;
    check(ours.failure == theirs.failure || reason_first);
    check(ours.log.length == theirs.log.length);
    check(ours.log.length == 0 || memcmp(ours.log.data, theirs.log.data, ours.log.length) == 0);
    return 0;
}
