/* frames.h - frames from a guest, out of bytes as they come.  Sans-IO; the guest is hostile. */
#ifndef DAEMON_CODE_FRAMES_H
#define DAEMON_CODE_FRAMES_H

#include "base/buf.h"
#include "daemon/code/protocol.h"

typedef struct guest_frame {
    code_frame kind;
    const unsigned char *data; /* until the next call on the reader */
    size_t length;             /* at most CODE_FRAME_BYTES_MAX */
} guest_frame;

typedef struct guest_reader {
    buf bytes;
    size_t used; /* of them, by frames that were returned */
} guest_reader;

void guest_reader_init(guest_reader *r);
void guest_reader_done(guest_reader *r);

/* A place for at least one byte more, of *ret_room bytes; NULL when memory runs out.  Read into it, then say how many
 * there were. */
char *guest_reader_room(guest_reader *r, size_t *ret_room);
void guest_reader_added(guest_reader *r, size_t length);

/* The next frame, if it is there whole.  AC_ERR_PROTOCOL: one that is larger than any may be; then nothing more. */
ac_status guest_reader_next(guest_reader *r, guest_frame *ret_frame, bool *ret_found, ac_error *err) AC_MUST_USE;

#endif
