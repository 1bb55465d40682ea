/* eventstream.h - application/vnd.amazon.eventstream, sans-IO: messages out of bytes, and bytes out of messages.
 *
 * A message on the wire: total length (4 bytes, big-endian), headers length (4), CRC-32 of those eight (4), headers,
 * payload, CRC-32 of everything before it (4).  A header: length of the name (1), name, type (1), value. */
#ifndef AWS_EVENTSTREAM_H
#define AWS_EVENTSTREAM_H

#include "base/buf.h"

#include <stdbool.h>

#define EVENTSTREAM_OVERHEAD 16                   /* bytes of a message without headers and payload */
#define EVENTSTREAM_HEADER_BYTES_MAX (128u << 10) /* all headers of one message */
#define EVENTSTREAM_HEADERS_MAX 256               /* how many they may be */
#define EVENTSTREAM_VALUE_BYTES_MAX 32767         /* one bytes or string value */
#define EVENTSTREAM_FRAME_BYTES_MAX_DEFAULT ((16u << 20) + EVENTSTREAM_HEADER_BYTES_MAX + EVENTSTREAM_OVERHEAD)

#define EVENTSTREAM_CONTENT_TYPE "application/vnd.amazon.eventstream"

/* The numbers are those on the wire. */
typedef enum eventstream_type {
    EVENTSTREAM_TRUE = 0,
    EVENTSTREAM_FALSE = 1,
    EVENTSTREAM_BYTE = 2,  /* int8_t */
    EVENTSTREAM_SHORT = 3, /* int16_t */
    EVENTSTREAM_INT = 4,   /* int32_t */
    EVENTSTREAM_LONG = 5,  /* int64_t */
    EVENTSTREAM_BYTES = 6,
    EVENTSTREAM_STRING = 7,    /* UTF-8 */
    EVENTSTREAM_TIMESTAMP = 8, /* int64_t milliseconds since 1970 */
    EVENTSTREAM_UUID = 9,      /* 16 bytes */
} eventstream_type;

typedef struct eventstream_header {
    const char *name; /* UTF-8, 1 to 255 bytes, not NUL-terminated */
    uint8_t name_length;
    eventstream_type type;
    int64_t number;   /* BYTE, SHORT, INT, LONG, TIMESTAMP */
    const char *data; /* BYTES, STRING, UUID */
    size_t length;    /* of data: at most EVENTSTREAM_VALUE_BYTES_MAX; 16 for UUID */
} eventstream_header;

typedef struct eventstream_message {
    const eventstream_header *headers;
    size_t header_count;
    const char *payload;
    size_t payload_length;
} eventstream_message;

/* ---- writing ---- */

/* Append one message.  AC_ERR_INVALID: a name or string that is empty of length or too long or not UTF-8, a number
 * beyond its type, a name twice, too many headers.  AC_ERR_TOO_LARGE: headers or payload over the limits above (the
 * default frame), or out's cap.  AC_ERR_NOMEM.  out is unchanged after a failure. */
ac_status eventstream_write(buf *out, const eventstream_message *message) AC_MUST_USE;

/* Append an event as AWS services send it: :message-type "event", :event-type and :content-type. */
ac_status eventstream_write_event(buf *out, const char *event_type, const char *content_type, const void *payload,
                                  size_t payload_length) AC_MUST_USE;

/* Append a modelled exception: :message-type "exception", :exception-type (the member's name, "throttlingException");
 * payload is JSON. */
ac_status eventstream_write_exception(buf *out, const char *exception_type, const void *payload, size_t payload_length)
    AC_MUST_USE;

/* Append an error that no model knows: :message-type "error", :error-code, :error-message (cut to what a header holds,
 * at a character boundary). */
ac_status eventstream_write_error(buf *out, const char *code, const char *text) AC_MUST_USE;

/* ---- reading ---- */

typedef enum eventstream_event {
    EVENTSTREAM_MORE,    /* all input was consumed, more is needed */
    EVENTSTREAM_MESSAGE, /* a message */
    EVENTSTREAM_BROKEN,  /* what came is no event stream or over a limit; then no more */
} eventstream_event;

/* Fields are the codec's own. */
typedef struct eventstream_reader {
    size_t frame_bytes_max;
    size_t total;   /* of the frame being gathered; 0: its prelude is not complete */
    buf frame;      /* what of a frame came in pieces */
    buf headers;    /* eventstream_header of the message delivered last */
    bool delivered; /* frame holds a message that was delivered */
    ac_status status;
    const char *flaw; /* what was wrong, after EVENTSTREAM_BROKEN */
} eventstream_reader;

/* frame_bytes_max 0: EVENTSTREAM_FRAME_BYTES_MAX_DEFAULT. */
void eventstream_reader_init(eventstream_reader *r, size_t frame_bytes_max);
void eventstream_reader_done(eventstream_reader *r);

/* Consume bytes up to the next message and return how many.  Call again with the rest until EVENTSTREAM_MORE with
 * everything consumed.  ret_message (set for EVENTSTREAM_MESSAGE) points into data or into the reader and holds until
 * the next call.  A message that arrives whole in one piece is read where it lies.  Messages do not depend on how the
 * input was cut.  A frame is refused from its prelude when that says it is too large; memory is taken as bytes arrive.
 * After EVENTSTREAM_BROKEN, r->status is AC_ERR_PROTOCOL, AC_ERR_TOO_LARGE or AC_ERR_NOMEM, r->flaw says why (static),
 * and everything is consumed and ignored. */
size_t eventstream_read(eventstream_reader *r, const void *data, size_t length, eventstream_event *ret_event,
                        eventstream_message *ret_message);

/* Whether the stream may end here: between messages. */
bool eventstream_reader_at_boundary(const eventstream_reader *r);

/* ---- the conventions of AWS ---- */

/* A header by name; NULL when absent. */
const eventstream_header *eventstream_find(const eventstream_message *message, const char *name);

typedef enum eventstream_kind {
    EVENTSTREAM_KIND_UNKNOWN, /* no :message-type, or one nobody knows */
    EVENTSTREAM_KIND_EVENT,
    EVENTSTREAM_KIND_EXCEPTION,
    EVENTSTREAM_KIND_ERROR,
} eventstream_kind;

/* What a message is.  *ret_name (may be NULL) is the header that names it - :event-type, :exception-type or
 * :error-code - or NULL when it has none that is a string. */
eventstream_kind eventstream_classify(const eventstream_message *message, const eventstream_header **ret_name);

#endif
