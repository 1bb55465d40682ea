/* ws_write.c - WebSocket frames out (RFC 6455 section 5, RFC 7692 section 7.2.1).
 *
 * A frame is appended to the caller's buffer in one go or not at all: room for the longest form is reserved first, and
 * nothing can fail after that.  The writer keeps no data, only what makes a wrong order of frames an error. */
#include "http/ws.h"

#include "http/ws_deflate.h"
#include "http/ws_mask.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define HEAD_FIN 0x80
#define HEAD_RSV1 0x40
#define HEAD_MASKED 0x80
#define LENGTH_7_MAX 125
#define LENGTH_IN_16 126
#define LENGTH_IN_64 127
#define MASK_BYTES 4

void ws_writer_init(ws_writer *w, ws_role role, bool deflate)
{
    *w = (ws_writer){.role = role, .deflate = deflate, .window_bits = WS_WINDOW_BITS_MAX};
}

bool ws_code_sendable(int code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/* Mask keys are needed by the frame and cost a system call, so they are drawn in batches: one per thread, since a key
 * used by two frames would be no secret.  256 bytes are what getrandom(2) gives without being interrupted. */
static ac_status draw_mask(uint8_t ret_key[MASK_BYTES])
{
    static _Thread_local uint8_t pool[256];
    static _Thread_local size_t left;

    if (left < MASK_BYTES) {
        ssize_t got;
        do
            got = getrandom(pool, sizeof(pool), 0);
        while (got < 0 && errno == EINTR);
        if (got < MASK_BYTES)
            return AC_ERR_IO;
        left = (size_t)got;
    }
    left -= MASK_BYTES;
    memcpy(ret_key, pool + left, MASK_BYTES);
    return AC_OK;
}

static size_t head_size(const ws_writer *w, size_t length)
{
    size_t size = length <= LENGTH_7_MAX ? 2 : length <= UINT16_MAX ? 4 : 10;

    return w->role == WS_CLIENT ? size + MASK_BYTES : size;
}

/* Write the head without mask key; returns where it ends. */
static uint8_t *put_head(const ws_writer *w, uint8_t first, size_t length, uint8_t *at)
{
    uint8_t masked = w->role == WS_CLIENT ? HEAD_MASKED : 0;
    size_t bytes = length <= LENGTH_7_MAX ? 0 : length <= UINT16_MAX ? 2 : 8;

    *at++ = first;
    if (bytes == 0)
        *at++ = (uint8_t)(masked | length);
    else
        *at++ = masked | (bytes == 2 ? LENGTH_IN_16 : LENGTH_IN_64);
    while (bytes > 0)
        *at++ = (uint8_t)((uint64_t)length >> (8 * --bytes));
    return at;
}

/* Append a frame; compress says whether the payload may be compressed. */
static ac_status put_frame(const ws_writer *w, uint8_t first, bool compress, const void *data, size_t length, buf *out)
{
    uint8_t key[MASK_BYTES] = {0};
    size_t room = head_size(w, length);

    if (length > SIZE_MAX - room)
        return AC_ERR_TOO_LARGE;
    AC_TRY(buf_reserve(out, room + length));
    if (w->role == WS_CLIENT)
        AC_TRY(draw_mask(key));

    char *start = out->data + out->length;
    char *payload = start + room;
    size_t squeezed = compress ? ws_deflate(data, length, w->window_bits, payload, length) : 0;

    if (squeezed > 0) {
        char *place = start + head_size(w, squeezed);
        memmove(place, payload, squeezed);
        payload = place;
        length = squeezed;
        first |= HEAD_RSV1;
    } else if (length > 0) {
        memcpy(payload, data, length);
    }

    uint8_t *at = put_head(w, first, length, (uint8_t *)start);
    if (w->role == WS_CLIENT) {
        memcpy(at, key, MASK_BYTES);
        ws_mask(payload, length, key, 0);
    }
    out->length += (size_t)(payload - start) + length;
    return AC_OK;
}

ac_status ws_write(ws_writer *w, ws_opcode opcode, const void *data, size_t length, buf *out)
{
    bool control = opcode == WS_PING || opcode == WS_PONG;

    if (w->closed)
        return AC_ERR_CLOSED;
    if (!control && opcode != WS_TEXT && opcode != WS_BINARY)
        return AC_ERR_INVALID;
    if (control && length > WS_CONTROL_MAX)
        return AC_ERR_INVALID;
    if (!control && w->fragmented)
        return AC_ERR_STATE;

    bool compress = !control && w->deflate && length >= WS_DEFLATE_MIN;
    return put_frame(w, (uint8_t)(HEAD_FIN | opcode), compress, data, length, out);
}

ac_status ws_write_fragment(ws_writer *w, ws_opcode opcode, bool fin, const void *data, size_t length, buf *out)
{
    if (w->closed)
        return AC_ERR_CLOSED;
    if (opcode != WS_CONTINUATION && opcode != WS_TEXT && opcode != WS_BINARY)
        return AC_ERR_INVALID;
    if (w->fragmented != (opcode == WS_CONTINUATION))
        return AC_ERR_STATE;

    AC_TRY(put_frame(w, (uint8_t)((fin ? HEAD_FIN : 0) | opcode), false, data, length, out));
    w->fragmented = !fin;
    return AC_OK;
}

ac_status ws_write_close(ws_writer *w, int code, const char *reason, buf *out)
{
    uint8_t payload[WS_CONTROL_MAX];
    size_t length = 0;

    if (w->closed)
        return AC_ERR_CLOSED;
    if (code != WS_CODE_NONE) {
        if (!ws_code_sendable(code))
            return AC_ERR_INVALID;
        payload[0] = (uint8_t)(code >> 8);
        payload[1] = (uint8_t)code;
        length = 2;
        if (reason) {
            size_t kept = utf8_valid_prefix(reason, strnlen(reason, WS_REASON_MAX));
            memcpy(payload + length, reason, kept);
            length += kept;
        }
    }
    AC_TRY(put_frame(w, HEAD_FIN | WS_CLOSE, false, payload, length, out));
    w->closed = true;
    return AC_OK;
}
