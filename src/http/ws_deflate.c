/* ws_deflate.c - message compression of RFC 7692 on zlib's raw DEFLATE.
 *
 * A message is a DEFLATE stream that was flushed to a byte boundary, less the 00 00 FF FF which every such flush ends
 * with.  So the writer flushes and drops these four bytes, and the reader gives them back at the end; a stream that
 * stands at the start of a block after them was whole.
 *
 * Output is bounded by the cap of the buffer it goes to: an inflater that has filled it tries one byte more, and when
 * there is one, the message is too big.  Memory grows with output, so a bomb costs its sender the cap at most once. */
#include "http/ws_deflate.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

/* Room asked for at a time; buf doubles beyond that. */
#define INFLATE_STEP_MIN 512
#define INFLATE_STEP_MAX 65536

/* The most input given to zlib at once: its counters are of type uInt. */
#define ZLIB_PIECE_MAX ((size_t)1 << 30)

/* Messages are often sent to the same machine or data centre, where bytes are cheap and processor time is not. */
#define DEFLATE_LEVEL Z_BEST_SPEED

/* zlib cannot refer to the last 262 bytes of its window. */
#define DEFLATE_LOOKAHEAD 262

/* z_stream.data_type after inflate: low bits are unused bits of the last byte, this says "at the start of a block". */
#define INFLATE_AT_BLOCK 128

static const char flush_tail[4] = {'\x00', '\x00', '\xff', '\xff'};

struct ws_inflater {
    z_stream stream;
    bool started; /* some input came */
    bool ended;   /* a block marked as the last one is complete */
};

ws_inflater *ws_inflater_new(void)
{
    ws_inflater *z = calloc(1, sizeof(*z));

    if (!z)
        return NULL;
    if (inflateInit2(&z->stream, -WS_WINDOW_BITS_MAX) != Z_OK) {
        free(z);
        return NULL;
    }
    return z;
}

void ws_inflater_free(ws_inflater *z)
{
    if (!z)
        return;
    inflateEnd(&z->stream);
    free(z);
}

/* Have room in out if its cap leaves any. */
static ac_status make_room(buf *out, size_t input_left)
{
    if (MIN(out->capacity, out->cap) > out->length || out->length >= out->cap)
        return AC_OK;

    size_t step = MIN(MAX(input_left, (size_t)INFLATE_STEP_MIN), (size_t)INFLATE_STEP_MAX);
    return buf_reserve(out, MIN(step, out->cap - out->length));
}

/* One call of zlib, into out or, when that is full, into a byte that must stay empty. */
static ws_inflate_status inflate_some(z_stream *stream, buf *out, int *ret_code)
{
    unsigned char overflow;

    if (make_room(out, stream->avail_in) != AC_OK)
        return WS_INFLATE_NOMEM;

    size_t room = MIN(out->capacity, out->cap) - out->length;
    bool full = room == 0;
    uInt given = full ? 1 : (uInt)MIN(room, ZLIB_PIECE_MAX);

    stream->next_out = full ? &overflow : (unsigned char *)out->data + out->length;
    stream->avail_out = given;
    *ret_code = inflate(stream, Z_SYNC_FLUSH);

    size_t produced = given - stream->avail_out;
    if (full && produced > 0)
        return WS_INFLATE_TOO_BIG;
    out->length += produced;

    switch (*ret_code) {
    case Z_OK:
    case Z_STREAM_END:
    case Z_BUF_ERROR:
        return WS_INFLATE_OK;
    case Z_MEM_ERROR:
        return WS_INFLATE_NOMEM;
    default:
        return WS_INFLATE_CORRUPT;
    }
}

static ws_inflate_status inflate_piece(ws_inflater *z, const char *data, size_t length, buf *out)
{
    z_stream *stream = &z->stream;

    stream->next_in = (unsigned char *)data;
    stream->avail_in = (uInt)length;
    do {
        /* A sender may mark blocks as last (RFC 7692 section 7.2.3.4) and go on; the window stays valid. */
        if (z->ended && inflateResetKeep(stream) != Z_OK)
            return WS_INFLATE_CORRUPT;
        z->ended = false;

        int code;
        ws_inflate_status status = inflate_some(stream, out, &code);
        if (status != WS_INFLATE_OK)
            return status;
        z->ended = code == Z_STREAM_END;
    } while (stream->avail_in > 0 || (stream->avail_out == 0 && !z->ended));
    return WS_INFLATE_OK;
}

ws_inflate_status ws_inflate(ws_inflater *z, const char *data, size_t length, buf *out)
{
    while (length > 0) {
        size_t piece = MIN(length, ZLIB_PIECE_MAX);
        ws_inflate_status status = inflate_piece(z, data, piece, out);

        if (status != WS_INFLATE_OK)
            return status;
        z->started = true;
        data += piece;
        length -= piece;
    }
    return WS_INFLATE_OK;
}

ws_inflate_status ws_inflate_end(ws_inflater *z, buf *out)
{
    /* No byte at all is what some compressors make of an empty message, and a last block needs nothing after it. */
    if (!z->started || z->ended)
        return WS_INFLATE_OK;

    ws_inflate_status status = inflate_piece(z, flush_tail, sizeof(flush_tail), out);
    if (status != WS_INFLATE_OK)
        return status;
    return z->stream.data_type == INFLATE_AT_BLOCK ? WS_INFLATE_OK : WS_INFLATE_CORRUPT;
}

/* The smallest window that covers the message: zlib clears and allocates accordingly, and short messages are many. */
static int fitting_window_bits(size_t length, int most)
{
    int bits = WS_WINDOW_BITS_MIN;

    while (bits < most && ((size_t)1 << bits) < length + DEFLATE_LOOKAHEAD)
        bits++;
    return bits;
}

size_t ws_deflate(const void *data, size_t length, int window_bits, void *out, size_t room)
{
    z_stream stream = {0};

    if (length > ZLIB_PIECE_MAX || room > ZLIB_PIECE_MAX)
        return 0;

    /* zlib's own proportion: a window of 15 bits goes with a memory level of 8. */
    int bits = fitting_window_bits(length, window_bits);
    if (deflateInit2(&stream, DEFLATE_LEVEL, Z_DEFLATED, -bits, bits - 7, Z_DEFAULT_STRATEGY) != Z_OK)
        return 0;

    stream.next_in = (unsigned char *)data;
    stream.avail_in = (uInt)length;
    stream.next_out = out;
    stream.avail_out = (uInt)room;
    int code = deflate(&stream, Z_SYNC_FLUSH);

    /* zlib has more to write exactly when it used all the room. */
    size_t written = room - stream.avail_out;
    bool whole = code == Z_OK && stream.avail_in == 0 && stream.avail_out > 0;
    deflateEnd(&stream);
    return whole && written > sizeof(flush_tail) ? written - sizeof(flush_tail) : 0;
}
