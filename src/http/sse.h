/* sse.h - Server-Sent Events (the WHATWG's text/event-stream), sans-IO: bytes in, events out. */
#ifndef HTTP_SSE_H
#define HTTP_SSE_H

#include "base/buf.h"

#include <stdbool.h>

#define SSE_EVENT_BYTES_MAX ((size_t)16 << 20) /* one event: its data, or one line of it */
#define SSE_FIELD_BYTES_MAX ((size_t)64 << 10) /* an event's type, or an id */

typedef struct sse_event {
    const char *data; /* NUL-terminated; all point into the reader, until its next call */
    size_t length;
    const char *type; /* "message" when the event has none */
    const char *id;   /* the last one seen; "" */
} sse_event;

/* Fields are the codec's own. */
typedef struct sse_reader {
    buf line; /* the one being read */
    buf data; /* of the event being read; each of its lines ends in '\n' */
    buf type;
    buf id;
    bool after_cr;  /* a line feed that comes next belongs to the line before */
    bool begun;     /* past the place for a byte order mark */
    bool delivered; /* data and type are those of the event that was handed out last */
} sse_reader;

void sse_reader_init(sse_reader *r);
void sse_reader_done(sse_reader *r);

/* Consume bytes up to the next event and add how many to *used; *ret_found says whether one came (ret_event is set
 * then).  Call again with the rest until everything is used.  Events do not depend on how the input was cut.
 * AC_ERR_TOO_LARGE, AC_ERR_NOMEM: the reader is of no more use. */
ac_status sse_read(sse_reader *r, const char *bytes, size_t length, size_t *used, bool *ret_found, sse_event *ret_event)
    AC_MUST_USE;

/* At the end of the input: the event whose closing blank line is missing, if there is one.  (The standard drops it; an
 * agent that forgets the line has said it all the same.)  Errors as above. */
ac_status sse_finish(sse_reader *r, bool *ret_found, sse_event *ret_event) AC_MUST_USE;

#endif
