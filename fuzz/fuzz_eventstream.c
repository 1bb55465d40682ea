/* fuzz_eventstream.c - event-stream messages from hostile bytes.
 *
 * The first byte says how the rest is cut.  Whole or in pieces, the same messages must come and the same end; each must
 * be written as the bytes it came from.  A second pass mends the checksums of one frame first, which a fuzzer could not
 * guess, so that headers are reached too. */
#include "aws/eventstream.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define FRAME_BYTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* What a run saw. */
typedef struct run {
    size_t messages;
    buf written; /* the messages, written again */
    ac_status status;
    const char *flaw;
    bool at_boundary;
} run;

static void take_message(run *seen, const eventstream_message *message)
{
    const eventstream_header *name = NULL;
    eventstream_kind kind = eventstream_classify(message, &name);

    require(kind != EVENTSTREAM_KIND_UNKNOWN || !name);
    for (size_t i = 0; i < message->header_count; i++)
        require(message->headers[i].name_length > 0);
    require(eventstream_write(&seen->written, message) == AC_OK);
    seen->messages++;
}

/* Read size bytes in pieces of step, each in a block of its own size. */
static run read_in_pieces(const uint8_t *data, size_t size, size_t step)
{
    run seen = {.written = BUF_INIT(SIZE_MAX)};
    eventstream_reader r;

    eventstream_reader_init(&r, FRAME_BYTES_MAX);
    for (size_t at = 0; at < size; at += step) {
        size_t piece = MIN(step, size - at), used = 0;
        eventstream_event event = EVENTSTREAM_MESSAGE;
        eventstream_message message;
        uint8_t *copy = malloc(piece);
        require(copy != NULL);
        memcpy(copy, data + at, piece);
        while (event == EVENTSTREAM_MESSAGE) {
            used += eventstream_read(&r, copy + used, piece - used, &event, &message);
            require(used <= piece);
            if (event == EVENTSTREAM_MESSAGE)
                take_message(&seen, &message);
        }
        require(used == piece);
        free(copy);
    }
    seen.status = r.status;
    seen.flaw = r.flaw;
    seen.at_boundary = eventstream_reader_at_boundary(&r);
    eventstream_reader_done(&r);
    return seen;
}

static void check(const uint8_t *data, size_t size, size_t step)
{
    run whole = read_in_pieces(data, size, MAX(size, (size_t)1));
    run pieces = read_in_pieces(data, size, step);

    require(whole.messages == pieces.messages && whole.status == pieces.status && whole.flaw == pieces.flaw);
    require(whole.at_boundary == pieces.at_boundary);
    require(whole.written.length == pieces.written.length && whole.written.length <= size);
    require(whole.written.length == 0 || memcmp(whole.written.data, pieces.written.data, whole.written.length) == 0);
    require(whole.written.length == 0 || memcmp(whole.written.data, data, whole.written.length) == 0);
    require(!whole.at_boundary || whole.written.length == size);
    buf_done(&whole.written);
    buf_done(&pieces.written);
}

static void put_u32(uint8_t *at, uLong number)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(number >> (24 - 8 * i));
}

/* Make the first frame's lengths and checksums sound, with headers as long as the second byte says. */
static void mend(uint8_t *frame, size_t size)
{
    uint32_t headers = MIN((uint32_t)frame[7] | (uint32_t)frame[6] << 8, (uint32_t)(size - EVENTSTREAM_OVERHEAD));

    put_u32(frame, size);
    put_u32(frame + 4, headers);
    put_u32(frame + 8, crc32_z(0, frame, 8));
    put_u32(frame + size - 4, crc32_z(0, frame, size - 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;

    size_t step = 1 + data[0], length = size - 1;
    check(data + 1, length, step);
    if (length < EVENTSTREAM_OVERHEAD)
        return 0;

    uint8_t *frame = malloc(length);
    require(frame != NULL);
    memcpy(frame, data + 1, length);
    mend(frame, length);
    check(frame, length, step);
    free(frame);
    return 0;
}
