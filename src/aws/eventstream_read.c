/* eventstream_read.c - reading event-stream messages from bytes that come in any pieces.
 *
 * Nothing of a frame is believed before its checksum: the prelude's lengths after the prelude's own CRC, headers after
 * the CRC of the whole.  What is wrong stays wrong: a stream that lost its framing cannot find it again.
 *
 * Where the format is silent we are strict, as a sender of ours would never do it: a header twice, a name that is empty
 * or no UTF-8, more than EVENTSTREAM_HEADERS_MAX headers. */
#include "aws/eventstream_internal.h"
#include "base/utf8.h"

#include <string.h>
#include <zlib.h>

#define PRELUDE_BYTES 12
#define CRC_BYTES 4
#define KEPT_BYTES (64u << 10) /* of a buffer between two messages */

/* The headers of a frame being taken apart. */
typedef struct cursor {
    const uint8_t *at;
    size_t left;
} cursor;

void eventstream_reader_init(eventstream_reader *r, size_t frame_bytes_max)
{
    size_t frame_max = frame_bytes_max > 0 ? frame_bytes_max : EVENTSTREAM_FRAME_BYTES_MAX_DEFAULT;

    *r = (eventstream_reader){
        .frame_bytes_max = frame_max,
        .frame = BUF_INIT(MAX(frame_max, (size_t)PRELUDE_BYTES)),
        .headers = BUF_INIT(EVENTSTREAM_HEADERS_MAX * sizeof(eventstream_header)),
    };
}

void eventstream_reader_done(eventstream_reader *r)
{
    buf_done(&r->frame);
    buf_done(&r->headers);
}

bool eventstream_reader_at_boundary(const eventstream_reader *r)
{
    return r->status == AC_OK && (r->frame.length == 0 || r->delivered);
}

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static ac_status fail(eventstream_reader *r, ac_status status, const char *flaw)
{
    r->status = status;
    r->flaw = flaw;
    return status;
}

static bool take(cursor *c, size_t length, const uint8_t **ret_at)
{
    if (c->left < length)
        return false;
    *ret_at = c->at;
    c->at += length;
    c->left -= length;
    return true;
}

static int64_t read_number(const uint8_t *at, unsigned bytes)
{
    uint64_t number = (at[0] & 0x80) ? UINT64_MAX : 0;

    for (unsigned i = 0; i < bytes; i++)
        number = number << 8 | at[i];
    return (int64_t)number;
}

static bool read_value(cursor *c, eventstream_header *h)
{
    const eventstream_shape *shape = &eventstream_shapes[h->type];
    const uint8_t *at;

    if (shape->bytes == 0)
        return true;
    if (!take(c, shape->bytes, &at))
        return false;
    if (shape->number) {
        h->number = read_number(at, shape->bytes);
        return true;
    }
    h->length = shape->bytes;
    if (shape->counted) {
        h->length = (size_t)at[0] << 8 | at[1];
        if (h->length > EVENTSTREAM_VALUE_BYTES_MAX || !take(c, h->length, &at))
            return false;
    }
    h->data = (const char *)at;
    return h->type != EVENTSTREAM_STRING || utf8_valid(h->data, h->length);
}

static bool read_header(cursor *c, eventstream_header *h)
{
    const uint8_t *length, *name, *type;

    if (!take(c, 1, &length) || *length == 0 || !take(c, *length, &name) || !take(c, 1, &type))
        return false;
    if (*type > EVENTSTREAM_UUID || !utf8_valid((const char *)name, *length))
        return false;
    h->name = (const char *)name;
    h->name_length = *length;
    h->type = (eventstream_type)*type;
    return read_value(c, h);
}

static ac_status read_headers(eventstream_reader *r, const uint8_t *data, size_t length)
{
    cursor c = {data, length};

    r->headers.length = 0;
    for (size_t count = 0; c.left > 0; count++) {
        eventstream_header header = {0};
        if (count == EVENTSTREAM_HEADERS_MAX)
            return fail(r, AC_ERR_TOO_LARGE, "too many headers");
        if (!read_header(&c, &header))
            return fail(r, AC_ERR_PROTOCOL, "malformed header");
        if (eventstream_has_name((const eventstream_header *)(const void *)r->headers.data, count, &header))
            return fail(r, AC_ERR_PROTOCOL, "duplicate header");
        if (buf_append(&r->headers, &header, sizeof(header)) != AC_OK)
            return fail(r, AC_ERR_NOMEM, "out of memory");
    }
    return AC_OK;
}

/* Learn a frame's length from its first twelve bytes. */
static ac_status read_prelude(eventstream_reader *r, const uint8_t *data, size_t *ret_total)
{
    uint32_t total = read_u32(data), headers = read_u32(data + 4);

    if (crc32_z(0, data, 8) != read_u32(data + 8))
        return fail(r, AC_ERR_PROTOCOL, "checksum of the prelude does not match");
    if (headers > EVENTSTREAM_HEADER_BYTES_MAX)
        return fail(r, AC_ERR_TOO_LARGE, "headers are longer than the limit");
    if (total < EVENTSTREAM_OVERHEAD + headers)
        return fail(r, AC_ERR_PROTOCOL, "message is shorter than its headers");
    if (total > r->frame_bytes_max)
        return fail(r, AC_ERR_TOO_LARGE, "message is longer than the limit");
    *ret_total = total;
    return AC_OK;
}

static ac_status read_frame(eventstream_reader *r, const uint8_t *data, size_t total, eventstream_message *ret_message)
{
    size_t headers = read_u32(data + 4);

    if (crc32_z(0, data, total - CRC_BYTES) != read_u32(data + total - CRC_BYTES))
        return fail(r, AC_ERR_PROTOCOL, "checksum of the message does not match");
    AC_TRY(read_headers(r, data + PRELUDE_BYTES, headers));
    *ret_message = (eventstream_message){
        .headers = (const eventstream_header *)(const void *)r->headers.data,
        .header_count = r->headers.length / sizeof(eventstream_header),
        .payload = (const char *)data + PRELUDE_BYTES + headers,
        .payload_length = total - EVENTSTREAM_OVERHEAD - headers,
    };
    return AC_OK;
}

/* Move bytes from the input into the frame until it holds wanted ones; whether it does. */
static ac_status gather(eventstream_reader *r, const uint8_t *data, size_t length, size_t wanted, size_t *consumed)
{
    size_t count = MIN(wanted - r->frame.length, length - *consumed);

    if (buf_append(&r->frame, data + *consumed, count) != AC_OK)
        return fail(r, AC_ERR_NOMEM, "out of memory");
    *consumed += count;
    return r->frame.length == wanted ? AC_OK : AC_ERR_AGAIN;
}

/* A frame that began in an earlier piece, or that this piece does not hold whole. */
static ac_status read_gathered(eventstream_reader *r, const uint8_t *data, size_t length, size_t *consumed,
                               eventstream_message *ret_message)
{
    if (r->total == 0) {
        AC_TRY(gather(r, data, length, PRELUDE_BYTES, consumed));
        AC_TRY(read_prelude(r, (const uint8_t *)r->frame.data, &r->total));
    }
    AC_TRY(gather(r, data, length, r->total, consumed));
    AC_TRY(read_frame(r, (const uint8_t *)r->frame.data, r->total, ret_message));
    r->delivered = true;
    return AC_OK;
}

static ac_status read_next(eventstream_reader *r, const uint8_t *data, size_t length, size_t *consumed,
                           eventstream_message *ret_message)
{
    size_t total;

    if (r->delivered) {
        r->delivered = false;
        r->frame.length = 0;
        if (r->frame.capacity > KEPT_BYTES)
            buf_done(&r->frame);
        r->total = 0;
    }
    if (r->frame.length == 0 && length >= PRELUDE_BYTES) {
        AC_TRY(read_prelude(r, data, &total));
        if (length >= total) {
            AC_TRY(read_frame(r, data, total, ret_message));
            *consumed = total;
            return AC_OK;
        }
    }
    if (length == 0)
        return AC_ERR_AGAIN;
    return read_gathered(r, data, length, consumed, ret_message);
}

size_t eventstream_read(eventstream_reader *r, const void *data, size_t length, eventstream_event *ret_event,
                        eventstream_message *ret_message)
{
    size_t consumed = 0;
    ac_status status = r->status;

    if (status == AC_OK)
        status = read_next(r, data, length, &consumed, ret_message);
    if (status == AC_OK) {
        *ret_event = EVENTSTREAM_MESSAGE;
        return consumed;
    }
    *ret_event = status == AC_ERR_AGAIN ? EVENTSTREAM_MORE : EVENTSTREAM_BROKEN;
    return length;
}

/* ---- the conventions of AWS ---- */

static bool text_is(const char *text, size_t length, const char *expected)
{
    return length == strlen(expected) && memcmp(text, expected, length) == 0;
}

const eventstream_header *eventstream_find(const eventstream_message *m, const char *name)
{
    for (size_t i = 0; i < m->header_count; i++)
        if (text_is(m->headers[i].name, m->headers[i].name_length, name))
            return &m->headers[i];
    return NULL;
}

static const eventstream_header *find_string(const eventstream_message *m, const char *name)
{
    const eventstream_header *found = eventstream_find(m, name);

    return found && found->type == EVENTSTREAM_STRING ? found : NULL;
}

eventstream_kind eventstream_classify(const eventstream_message *m, const eventstream_header **ret_name)
{
    static const struct {
        const char *type;
        const char *name_header;
        eventstream_kind kind;
    } kinds[] = {
        {"event", ":event-type", EVENTSTREAM_KIND_EVENT},
        {"exception", ":exception-type", EVENTSTREAM_KIND_EXCEPTION},
        {"error", ":error-code", EVENTSTREAM_KIND_ERROR},
    };
    const eventstream_header *type = find_string(m, ":message-type");

    if (ret_name)
        *ret_name = NULL;
    for (size_t i = 0; type && i < ARRAY_SIZE(kinds); i++)
        if (text_is(type->data, type->length, kinds[i].type)) {
            if (ret_name)
                *ret_name = find_string(m, kinds[i].name_header);
            return kinds[i].kind;
        }
    return EVENTSTREAM_KIND_UNKNOWN;
}
