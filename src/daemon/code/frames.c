/* frames.c - one buffer, as large as the largest frame and a little more; frames are read where they lie. */
#include "daemon/code/frames.h"

#define READ_BYTES ((size_t)64 << 10)
#define BUFFER_BYTES_MAX (CODE_HEAD_BYTES + CODE_FRAME_BYTES_MAX + READ_BYTES)

void guest_reader_init(guest_reader *r)
{
    *r = (guest_reader){.bytes = BUF_INIT(BUFFER_BYTES_MAX)};
}

void guest_reader_done(guest_reader *r)
{
    buf_done(&r->bytes);
}

char *guest_reader_room(guest_reader *r, size_t *ret_room)
{
    buf_consume(&r->bytes, r->used);
    r->used = 0;
    if (buf_reserve(&r->bytes, READ_BYTES) != AC_OK)
        return NULL; /* not for its cap: a whole frame would have been taken out before */
    *ret_room = READ_BYTES;
    return r->bytes.data + r->bytes.length;
}

void guest_reader_added(guest_reader *r, size_t length)
{
    r->bytes.length += length;
}

ac_status guest_reader_next(guest_reader *r, guest_frame *ret_frame, bool *ret_found, ac_error *err)
{
    const unsigned char *at = (const unsigned char *)r->bytes.data + r->used;
    size_t have = r->bytes.length - r->used, length;

    *ret_found = false;
    if (have < CODE_HEAD_BYTES)
        return AC_OK;
    length = code_get32(at);
    if (length > CODE_FRAME_BYTES_MAX)
        return ac_error_set(err, AC_ERR_PROTOCOL, "the session's sandbox has sent a frame of %zu bytes", length);
    if (have - CODE_HEAD_BYTES < length)
        return AC_OK;
    *ret_frame = (guest_frame){.kind = (code_frame)at[4], .data = at + CODE_HEAD_BYTES, .length = length};
    *ret_found = true;
    r->used += CODE_HEAD_BYTES + length;
    return AC_OK;
}
