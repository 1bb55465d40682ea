/* ws_read.c - WebSocket frames in, events out (RFC 6455 sections 5 to 8, RFC 7692 section 7.2.2).
 *
 * A frame goes through three steps: its head is gathered and checked, its payload is unmasked where it lies and taken
 * piece by piece, and its end makes an event or lets the message go on.  What is true between calls:
 *   - in_frame says which step we are in; head[0 .. head_length) is the head so far while it is false;
 *   - message_opcode is not 0 exactly from the head of a message's first frame to the end of its last one; compressed,
 *     utf8, message and inflater belong to that message;
 *   - after CLOSE or ERROR nothing is held and nothing is read any more.
 *
 * Every check is a function of the bytes so far, never of how they were cut.  Memory follows the bytes that came: the
 * length in a head is compared with the limit and never allocated. */
#include "http/ws.h"

#include "http/ws_deflate.h"
#include "http/ws_mask.h"

#include <string.h>

#define HEAD_FIN 0x80
#define HEAD_RSV 0x70
#define HEAD_RSV1 0x40
#define HEAD_OPCODE 0x0F
#define HEAD_MASKED 0x80
#define HEAD_LENGTH 0x7F
#define HEAD_MASK_BYTES 4

#define LENGTH_IN_16 126 /* the 7-bit length that announces one of 16 bits */
#define LENGTH_IN_64 127

/* Whether a step is done, waits for more input, or has put an event into the caller's hands. */
typedef enum step { STEP_DONE, STEP_MORE, STEP_EVENT } step;

void ws_reader_init(ws_reader *r, const ws_reader_options *options)
{
    *r = (ws_reader){.options = *options, .message = BUF_INIT(options->message_bytes_max)};
}

void ws_reader_done(ws_reader *r)
{
    buf_done(&r->message);
    ws_inflater_free(TAKE_PTR(r->inflater));
}

static step fail(ws_reader *r, int code, const char *what, ws_event *event)
{
    ws_reader_done(r);
    r->finished = true;
    *event = (ws_event){.type = WS_EVENT_ERROR, .code = code, .data = what, .length = strlen(what)};
    return STEP_EVENT;
}

static step broken(ws_reader *r, const char *what, ws_event *event)
{
    return fail(r, WS_CODE_PROTOCOL_ERROR, what, event);
}

static step not_utf8(ws_reader *r, ws_event *event)
{
    return fail(r, WS_CODE_BAD_DATA, "text is not UTF-8", event);
}

static step too_big(ws_reader *r, ws_event *event)
{
    return fail(r, WS_CODE_TOO_BIG, "message is larger than the limit", event);
}

static bool is_control(uint8_t opcode)
{
    return (opcode & 0x8) != 0;
}

/* ---- the head ---- */

/* Take bytes until the head has want of them. */
static bool gather_head(ws_reader *r, size_t want, const char *data, size_t length, size_t *at)
{
    while (r->head_length < want && *at < length)
        r->head[r->head_length++] = (uint8_t)data[(*at)++];
    return r->head_length >= want;
}

/* The first two bytes.  NULL when they are in order. */
static const char *head_flaw(const ws_reader *r)
{
    uint8_t opcode = r->head[0] & HEAD_OPCODE;
    uint8_t rsv = r->head[0] & HEAD_RSV;
    bool masked = (r->head[1] & HEAD_MASKED) != 0;
    bool starts_message = opcode == WS_TEXT || opcode == WS_BINARY;

    if (!starts_message && opcode != WS_CONTINUATION && opcode != WS_CLOSE && opcode != WS_PING && opcode != WS_PONG)
        return "unknown opcode";
    if (rsv != 0 && !(rsv == HEAD_RSV1 && r->options.deflate && starts_message))
        return "reserved bits are set";
    if (masked != (r->options.role == WS_SERVER))
        return masked ? "frame from a server is masked" : "frame from a client is not masked";
    if (is_control(opcode)) {
        if (!(r->head[0] & HEAD_FIN))
            return "control frame is fragmented";
        if ((r->head[1] & HEAD_LENGTH) > WS_CONTROL_MAX)
            return "control frame is too long";
    } else if (starts_message && r->message_opcode != 0) {
        return "new message inside a fragmented one";
    } else if (!starts_message && r->message_opcode == 0) {
        return "continuation of no message";
    }
    return NULL;
}

static size_t length_bytes(const ws_reader *r)
{
    switch (r->head[1] & HEAD_LENGTH) {
    case LENGTH_IN_16:
        return 2;
    case LENGTH_IN_64:
        return 8;
    default:
        return 0;
    }
}

/* The payload length; false when it is not written in the shortest way or has its top bit set. */
static bool decode_length(const ws_reader *r, uint64_t *ret_length)
{
    size_t bytes = length_bytes(r);
    uint64_t length = 0;

    if (bytes == 0) {
        *ret_length = r->head[1] & HEAD_LENGTH;
        return true;
    }
    for (size_t i = 0; i < bytes; i++)
        length = length << 8 | r->head[2 + i];
    *ret_length = length;
    return bytes == 2 ? length >= LENGTH_IN_16 : length > UINT16_MAX && length <= INT64_MAX;
}

/* Whether a frame of this length can be part of a message within the limit. */
static bool frame_fits(const ws_reader *r, bool compressed, uint64_t length)
{
    uint64_t most = r->options.message_bytes_max;

    if (!compressed)
        return length <= most - r->message.length;

    /* Data that does not shrink grows by block heads instead; the limit proper is on what comes out. */
    uint64_t heads = most / 8 + 1024;
    return length <= most || length - most <= heads;
}

static void begin_frame(ws_reader *r)
{
    r->opcode = r->head[0] & HEAD_OPCODE;
    r->fin = (r->head[0] & HEAD_FIN) != 0;
    r->frame_read = 0;
    r->in_frame = true;
    if (r->opcode == WS_TEXT || r->opcode == WS_BINARY) {
        r->message_opcode = r->opcode;
        r->compressed = (r->head[0] & HEAD_RSV1) != 0;
        r->utf8 = (utf8_state){0};
    }
    if (r->options.role == WS_SERVER)
        memcpy(r->mask, r->head + r->head_length - HEAD_MASK_BYTES, HEAD_MASK_BYTES);
    r->head_length = 0;
}

static step read_head(ws_reader *r, const char *data, size_t length, size_t *at, ws_event *event)
{
    if (!gather_head(r, 2, data, length, at))
        return STEP_MORE;
    const char *flaw = head_flaw(r);
    if (flaw)
        return broken(r, flaw, event);

    size_t want = 2 + length_bytes(r);
    if (!gather_head(r, want, data, length, at))
        return STEP_MORE;
    if (!decode_length(r, &r->frame_length))
        return broken(r, "payload length is malformed", event);

    uint8_t opcode = r->head[0] & HEAD_OPCODE;
    bool compressed = opcode == WS_CONTINUATION ? r->compressed : (r->head[0] & HEAD_RSV1) != 0;
    if (!is_control(opcode) && !frame_fits(r, compressed, r->frame_length))
        return too_big(r, event);

    if (r->options.role == WS_SERVER && !gather_head(r, want + HEAD_MASK_BYTES, data, length, at))
        return STEP_MORE;
    begin_frame(r);
    return STEP_DONE;
}

/* ---- control frames ---- */

static step close_event(ws_reader *r, const char *payload, ws_event *event)
{
    size_t length = (size_t)r->frame_length;
    int code = WS_CODE_NONE;

    if (length == 1)
        return broken(r, "close frame with half a code", event);
    if (length >= 2) {
        code = (uint8_t)payload[0] << 8 | (uint8_t)payload[1];
        if (!ws_code_sendable(code))
            return broken(r, "close code is not valid", event);
        payload += 2;
        length -= 2;
        if (!utf8_valid(payload, length))
            return fail(r, WS_CODE_BAD_DATA, "close reason is not UTF-8", event);
    }
    ws_reader_done(r);
    r->finished = true;
    *event = (ws_event){.type = WS_EVENT_CLOSE, .code = code, .data = payload, .length = length};
    return STEP_EVENT;
}

/* One unmasked piece of a control frame's payload. */
static step read_control(ws_reader *r, const char *piece, size_t length, ws_event *event)
{
    const char *payload = piece;

    if (length < r->frame_length) {
        memcpy(r->control + r->frame_read, piece, length);
        payload = (const char *)r->control;
    }
    r->frame_read += length;
    if (r->frame_read < r->frame_length)
        return STEP_MORE;

    r->in_frame = false;
    if (r->opcode == WS_CLOSE)
        return close_event(r, payload, event);
    *event = (ws_event){
        .type = r->opcode == WS_PING ? WS_EVENT_PING : WS_EVENT_PONG,
        .data = payload,
        .length = (size_t)r->frame_length,
    };
    return STEP_EVENT;
}

/* ---- messages ---- */

static step deliver(ws_reader *r, const char *data, size_t length, ws_event *event)
{
    *event = (ws_event){
        .type = WS_EVENT_MESSAGE,
        .opcode = (ws_opcode)r->message_opcode,
        .data = data,
        .length = length,
    };
    r->message_opcode = 0;
    return STEP_EVENT;
}

/* What an inflating call left behind.  Its output is checked as text first: it comes before the flaw. */
static step inflated(ws_reader *r, ws_inflate_status status, size_t before, ws_event *event)
{
    size_t length = r->message.length - before;

    if (r->message_opcode == WS_TEXT && length > 0 && !utf8_feed(&r->utf8, r->message.data + before, length))
        return not_utf8(r, event);

    switch (status) {
    case WS_INFLATE_OK:
        return STEP_DONE;
    case WS_INFLATE_TOO_BIG:
        return too_big(r, event);
    case WS_INFLATE_NOMEM:
        return fail(r, WS_CODE_INTERNAL, "out of memory", event);
    default:
        return fail(r, WS_CODE_BAD_DATA, "compressed data is corrupt", event);
    }
}

static step take_compressed(ws_reader *r, const char *piece, size_t length, ws_event *event)
{
    size_t before = r->message.length;

    if (length == 0)
        return STEP_DONE;
    if (!r->inflater)
        r->inflater = ws_inflater_new();
    if (!r->inflater)
        return fail(r, WS_CODE_INTERNAL, "out of memory", event);
    return inflated(r, ws_inflate(r->inflater, piece, length, &r->message), before, event);
}

static step take_plain(ws_reader *r, const char *piece, size_t length, ws_event *event)
{
    if (r->message_opcode == WS_TEXT && !utf8_feed(&r->utf8, piece, length))
        return not_utf8(r, event);
    if (buf_append(&r->message, piece, length) != AC_OK)
        return fail(r, WS_CODE_INTERNAL, "out of memory", event);
    return STEP_DONE;
}

/* The last frame of a message has been taken: what was gathered is the message. */
static step finish_message(ws_reader *r, ws_event *event)
{
    if (r->inflater) {
        size_t before = r->message.length;
        step next = inflated(r, ws_inflate_end(r->inflater, &r->message), before, event);
        if (next != STEP_DONE)
            return next;
        ws_inflater_free(TAKE_PTR(r->inflater));
    }
    if (r->message_opcode == WS_TEXT && !utf8_complete(&r->utf8))
        return not_utf8(r, event);
    r->message_delivered = true;
    return deliver(r, r->message.data ? r->message.data : "", r->message.length, event);
}

/* One unmasked piece of a data frame's payload. */
static step read_data(ws_reader *r, const char *piece, size_t length, ws_event *event)
{
    bool alone = r->fin && r->opcode != WS_CONTINUATION;

    if (alone && !r->compressed && length == r->frame_length) {
        if (r->message_opcode == WS_TEXT && !utf8_valid(piece, length))
            return not_utf8(r, event);
        r->in_frame = false;
        return deliver(r, piece, length, event);
    }

    step next = r->compressed ? take_compressed(r, piece, length, event) : take_plain(r, piece, length, event);
    if (next != STEP_DONE)
        return next;
    r->frame_read += length;
    if (r->frame_read < r->frame_length)
        return STEP_MORE;

    r->in_frame = false;
    return r->fin ? finish_message(r, event) : STEP_DONE;
}

static step read_payload(ws_reader *r, char *data, size_t length, size_t *at, ws_event *event)
{
    char *piece = data + *at;
    size_t piece_length = (size_t)MIN(r->frame_length - r->frame_read, (uint64_t)(length - *at));

    if (piece_length == 0 && r->frame_length > 0)
        return STEP_MORE;
    if (r->options.role == WS_SERVER)
        ws_mask(piece, piece_length, r->mask, r->frame_read);
    *at += piece_length;
    return is_control(r->opcode) ? read_control(r, piece, piece_length, event)
                                 : read_data(r, piece, piece_length, event);
}

size_t ws_read(ws_reader *r, char *data, size_t length, ws_event *ret_event)
{
    size_t at = 0;

    *ret_event = (ws_event){.type = WS_EVENT_NONE};
    if (r->message_delivered) {
        buf_done(&r->message);
        r->message_delivered = false;
    }
    if (r->finished || length == 0)
        return length;

    for (;;) {
        step next = STEP_DONE;

        if (!r->in_frame)
            next = read_head(r, data, length, &at, ret_event);
        if (next == STEP_DONE)
            next = read_payload(r, data, length, &at, ret_event);
        if (next != STEP_DONE)
            return at;
    }
}
