/* eventstream_write.c - writing event-stream messages.
 *
 * A message is checked whole before its first byte is appended, so a failed call leaves no half of one behind.
 * Amazon's description of the format bounds a string or bytes value by 32767, though its length has 16 bits. */
#include "aws/eventstream_internal.h"
#include "base/utf8.h"

#include <string.h>
#include <zlib.h>

#define JSON_TYPE "application/json"

const eventstream_shape eventstream_shapes[EVENTSTREAM_UUID + 1] = {
    [EVENTSTREAM_TRUE] = {.bytes = 0},
    [EVENTSTREAM_FALSE] = {.bytes = 0},
    [EVENTSTREAM_BYTE] = {.bytes = 1, .number = true},
    [EVENTSTREAM_SHORT] = {.bytes = 2, .number = true},
    [EVENTSTREAM_INT] = {.bytes = 4, .number = true},
    [EVENTSTREAM_LONG] = {.bytes = 8, .number = true},
    [EVENTSTREAM_BYTES] = {.bytes = 2, .counted = true},
    [EVENTSTREAM_STRING] = {.bytes = 2, .counted = true},
    [EVENTSTREAM_TIMESTAMP] = {.bytes = 8, .number = true},
    [EVENTSTREAM_UUID] = {.bytes = 16},
};

static bool number_fits(int64_t number, unsigned bytes)
{
    if (bytes >= 8)
        return true;

    int64_t limit = INT64_C(1) << (bytes * 8 - 1);
    return number >= -limit && number < limit;
}

static bool header_valid(const eventstream_header *h)
{
    if (h->name_length == 0 || !utf8_valid(h->name, h->name_length) || (unsigned)h->type > EVENTSTREAM_UUID)
        return false;

    const eventstream_shape *shape = &eventstream_shapes[h->type];
    if (shape->number)
        return number_fits(h->number, shape->bytes);
    if (h->type == EVENTSTREAM_UUID)
        return h->length == 16;
    if (shape->counted && h->length > EVENTSTREAM_VALUE_BYTES_MAX)
        return false;
    return h->type != EVENTSTREAM_STRING || utf8_valid(h->data, h->length);
}

bool eventstream_has_name(const eventstream_header *headers, size_t count, const eventstream_header *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (headers[i].name_length == wanted->name_length &&
            memcmp(headers[i].name, wanted->name, wanted->name_length) == 0)
            return true;
    return false;
}

static size_t header_bytes(const eventstream_header *h)
{
    const eventstream_shape *shape = &eventstream_shapes[h->type];

    return 2u + h->name_length + shape->bytes + (shape->counted ? h->length : 0);
}

static ac_status measure_headers(const eventstream_message *m, size_t *ret_bytes)
{
    size_t total = 0;

    if (m->header_count > EVENTSTREAM_HEADERS_MAX)
        return AC_ERR_INVALID;
    for (size_t i = 0; i < m->header_count; i++) {
        if (!header_valid(&m->headers[i]) || eventstream_has_name(m->headers, i, &m->headers[i]))
            return AC_ERR_INVALID;
        total += header_bytes(&m->headers[i]);
    }
    *ret_bytes = total;
    return total > EVENTSTREAM_HEADER_BYTES_MAX ? AC_ERR_TOO_LARGE : AC_OK;
}

/* Room is reserved before: these append without asking. */
static void put_number(buf *out, uint64_t number, unsigned bytes)
{
    while (bytes-- > 0)
        out->data[out->length++] = (char)(number >> (bytes * 8));
}

static void put_bytes(buf *out, const void *data, size_t length)
{
    if (length > 0)
        memcpy(out->data + out->length, data, length);
    out->length += length;
}

static void put_header(buf *out, const eventstream_header *h)
{
    const eventstream_shape *shape = &eventstream_shapes[h->type];

    put_number(out, h->name_length, 1);
    put_bytes(out, h->name, h->name_length);
    put_number(out, (uint64_t)h->type, 1);
    if (shape->number) {
        put_number(out, (uint64_t)h->number, shape->bytes);
    } else if (shape->bytes > 0) {
        if (shape->counted)
            put_number(out, h->length, shape->bytes);
        put_bytes(out, h->data, h->length);
    }
}

ac_status eventstream_write(buf *out, const eventstream_message *m)
{
    size_t headers_length;
    size_t start = out->length;

    AC_TRY(measure_headers(m, &headers_length));
    if (m->payload_length > EVENTSTREAM_FRAME_BYTES_MAX_DEFAULT - EVENTSTREAM_OVERHEAD - headers_length)
        return AC_ERR_TOO_LARGE;

    size_t total = EVENTSTREAM_OVERHEAD + headers_length + m->payload_length;
    AC_TRY(buf_reserve(out, total));
    put_number(out, total, 4);
    put_number(out, headers_length, 4);
    put_number(out, crc32_z(0, (const Bytef *)out->data + start, 8), 4);
    for (size_t i = 0; i < m->header_count; i++)
        put_header(out, &m->headers[i]);
    put_bytes(out, m->payload, m->payload_length);
    put_number(out, crc32_z(0, (const Bytef *)out->data + start, total - 4), 4);
    return AC_OK;
}

/* ---- the conventions of AWS ---- */

static eventstream_header text_header(const char *name, const char *value, size_t length)
{
    return (eventstream_header){.name = name,
                                .name_length = (uint8_t)strlen(name),
                                .type = EVENTSTREAM_STRING,
                                .data = value,
                                .length = length};
}

static ac_status write_named(buf *out, const char *message_type, const char *name_header, const char *name,
                             const char *content_type, const void *payload, size_t payload_length)
{
    const eventstream_header headers[] = {
        text_header(":message-type", message_type, strlen(message_type)),
        text_header(name_header, name, strlen(name)),
        text_header(":content-type", content_type, strlen(content_type)),
    };

    return eventstream_write(out, &(eventstream_message){.headers = headers,
                                                         .header_count = ARRAY_SIZE(headers),
                                                         .payload = payload,
                                                         .payload_length = payload_length});
}

ac_status eventstream_write_event(buf *out, const char *event_type, const char *content_type, const void *payload,
                                  size_t payload_length)
{
    return write_named(out, "event", ":event-type", event_type, content_type, payload, payload_length);
}

ac_status eventstream_write_exception(buf *out, const char *exception_type, const void *payload, size_t payload_length)
{
    return write_named(out, "exception", ":exception-type", exception_type, JSON_TYPE, payload, payload_length);
}

ac_status eventstream_write_error(buf *out, const char *code, const char *text)
{
    size_t length = utf8_valid_prefix(text, strnlen(text, EVENTSTREAM_VALUE_BYTES_MAX));
    const eventstream_header headers[] = {
        text_header(":message-type", "error", strlen("error")),
        text_header(":error-code", code, strlen(code)),
        text_header(":error-message", text, length),
    };

    return eventstream_write(out, &(eventstream_message){.headers = headers, .header_count = ARRAY_SIZE(headers)});
}
