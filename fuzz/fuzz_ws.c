/* fuzz_ws.c - the WebSocket codec: reading does not depend on how the bytes were cut, and what we write we can read.
 *
 * The first three bytes choose: role, compression, which of the two checks, the message limit, and a seed for the cuts.
 * The rest is the wire, or payloads to be written. */
#include "http/ws.h"

#include <stdlib.h>
#include <string.h>

#define CHOICE_BYTES 3
#define CHOICE_CLIENT 0x01
#define CHOICE_DEFLATE 0x02
#define CHOICE_WRITE 0x04

#define RECORD_MAX ((size_t)64 << 20)
#define EVENTS_MAX 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)*state * below) >> 32);
}

static void record(buf *log, uint8_t kind, int code, const char *data, size_t length)
{
    const uint64_t head[] = {kind, (uint64_t)code, length};

    check(buf_append(log, head, sizeof(head)) == AC_OK);
    check(buf_append(log, data, length) == AC_OK);
}

static void record_event(buf *log, const ws_event *e, size_t limit)
{
    check(e->data != NULL);
    switch (e->type) {
    case WS_EVENT_MESSAGE:
        check(e->opcode == WS_TEXT || e->opcode == WS_BINARY);
        check(e->length <= limit);
        check(e->opcode != WS_TEXT || utf8_valid(e->data, e->length));
        record(log, (uint8_t)e->opcode, 0, e->data, e->length);
        break;
    case WS_EVENT_PING:
    case WS_EVENT_PONG:
        check(e->length <= WS_CONTROL_MAX);
        record(log, e->type == WS_EVENT_PING ? WS_PING : WS_PONG, 0, e->data, e->length);
        break;
    case WS_EVENT_CLOSE:
        check(e->code == WS_CODE_NONE ? e->length == 0 : ws_code_sendable(e->code));
        check(e->length <= WS_REASON_MAX && utf8_valid(e->data, e->length));
        record(log, WS_CLOSE, e->code, e->data, e->length);
        break;
    default:
        check(e->type == WS_EVENT_ERROR && ws_code_sendable(e->code) && e->code != WS_CODE_INTERNAL);
        record(log, 0xff, e->code, NULL, 0);
        break;
    }
}

/* Read everything; seed 0 means in one piece.  Pieces are blocks of their own, so that a step beyond one is seen. */
static void read_all(const ws_reader_options *options, const uint8_t *data, size_t size, uint32_t seed, buf *log)
{
    ws_reader r;

    ws_reader_init(&r, options);
    for (size_t done = 0; done < size;) {
        size_t length = size - done;
        if (seed != 0) {
            size_t cut = draw(&seed, 4) == 0 ? draw(&seed, 300) + 1 : draw(&seed, 9) + 1;
            length = MIN(length, cut);
        }
        char *piece = malloc(length);
        check(piece != NULL);
        memcpy(piece, data + done, length);

        ws_event event;
        size_t at = 0;
        do {
            at += ws_read(&r, piece + at, length - at, &event);
            check(at <= length);
            if (event.type != WS_EVENT_NONE)
                record_event(log, &event, options->message_bytes_max);
        } while (event.type != WS_EVENT_NONE);
        check(at == length);
        free(piece);
        done += length;
    }
    ws_reader_done(&r);
}

static void check_cuts(const ws_reader_options *options, uint32_t seed, const uint8_t *data, size_t size)
{
    _cleanup_(buf_done) buf whole = BUF_INIT(RECORD_MAX);
    _cleanup_(buf_done) buf cut = BUF_INIT(RECORD_MAX);

    read_all(options, data, size, 0, &whole);
    read_all(options, data, size, seed, &cut);
    check(whole.length == cut.length);
    check(whole.length == 0 || memcmp(whole.data, cut.data, whole.length) == 0);
}

/* Write one frame as the next bytes say; what a reader should make of it goes into wanted. */
static size_t write_one(ws_writer *w, const uint8_t *data, size_t size, buf *message, buf *wire, buf *wanted)
{
    static const ws_opcode opcodes[] = {WS_TEXT, WS_BINARY, WS_PING, WS_PONG};
    ws_opcode opcode = opcodes[data[0] & 3];
    bool fragment = (data[0] & 4) != 0;
    bool fin = (data[0] & 8) != 0;
    size_t length = MIN((size_t)data[1] << (data[0] >> 4 & 3), size - 2);
    const char *payload = (const char *)data + 2;

    if (opcode == WS_PING || opcode == WS_PONG) {
        length = MIN(length, (size_t)WS_CONTROL_MAX);
        check(ws_write(w, opcode, payload, length, wire) == AC_OK);
        record(wanted, (uint8_t)opcode, 0, payload, length);
    } else if (fragment || w->fragmented) {
        opcode = w->fragmented ? WS_CONTINUATION : WS_BINARY;
        check(ws_write_fragment(w, opcode, fin, payload, length, wire) == AC_OK);
        check(buf_append(message, payload, length) == AC_OK);
        if (fin) {
            record(wanted, WS_BINARY, 0, message->data, message->length);
            message->length = 0;
        }
    } else {
        if (opcode == WS_TEXT)
            length = utf8_valid_prefix(payload, length);
        check(ws_write(w, opcode, payload, length, wire) == AC_OK);
        record(wanted, (uint8_t)opcode, 0, payload, length);
    }
    return 2 + length;
}

static void check_round_trip(ws_role role, bool deflate, uint32_t seed, const uint8_t *data, size_t size)
{
    ws_reader_options options = {.role = role, .deflate = deflate, .message_bytes_max = size + 1};
    _cleanup_(buf_done) buf message = BUF_INIT(RECORD_MAX);
    _cleanup_(buf_done) buf wire = BUF_INIT(RECORD_MAX);
    _cleanup_(buf_done) buf wanted = BUF_INIT(RECORD_MAX);
    _cleanup_(buf_done) buf got = BUF_INIT(RECORD_MAX);
    char reason[200];
    ws_writer w;

    ws_writer_init(&w, role == WS_SERVER ? WS_CLIENT : WS_SERVER, deflate);
    w.window_bits = (uint8_t)(9 + seed % 7);
    while (size >= 2) {
        size_t used = write_one(&w, data, size, &message, &wire, &wanted);
        data += used;
        size -= used;
    }

    memset(reason, 'r', sizeof(reason));
    reason[seed % sizeof(reason)] = '\0';
    check(ws_write_close(&w, WS_CODE_NORMAL, reason, &wire) == AC_OK);
    record(&wanted, WS_CLOSE, WS_CODE_NORMAL, reason, MIN(strnlen(reason, sizeof(reason)), (size_t)WS_REASON_MAX));

    read_all(&options, (const uint8_t *)wire.data, wire.length, seed, &got);
    check(got.length == wanted.length && memcmp(got.data, wanted.data, got.length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t limits[] = {1, 125, 300, 5000, 66000, 1 << 20};

    if (size < CHOICE_BYTES)
        return 0;
    ws_reader_options options = {
        .role = data[0] & CHOICE_CLIENT ? WS_CLIENT : WS_SERVER,
        .deflate = (data[0] & CHOICE_DEFLATE) != 0,
        .message_bytes_max = limits[data[1] % ARRAY_SIZE(limits)],
    };
    uint32_t seed = data[2] + 1u;

    if (data[0] & CHOICE_WRITE)
        check_round_trip(options.role, options.deflate, seed, data + CHOICE_BYTES, size - CHOICE_BYTES);
    else
        check_cuts(&options, seed, data + CHOICE_BYTES, size - CHOICE_BYTES);
    return 0;
}
