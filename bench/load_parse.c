/* load_parse.c - reading answers: HTTP/1.1 responses (RFC 9112) and the headers of WebSocket frames (RFC 6455).
 *
 * Incremental: bytes come in any slices.  Reads as much as it needs to know where an answer ends and to count its
 * events; whatever it does not understand is a failure, which the caller counts as an error. */
#include "load.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_DIGITS_MAX 8

void response_reset(response *r)
{
    r->state = PARSE_HEAD;
    r->status = 0;
    r->upgraded = false;
    r->left = 0;
    r->events = 0;
    r->matched = 0;
    r->digits = 0;
    r->head_length = 0;
}

static const char *header_value(const char *line, const char *name)
{
    size_t n = strlen(name);

    if (strncasecmp(line, name, n) != 0 || line[n] != ':')
        return NULL;
    return line + n + 1 + strspn(line + n + 1, " \t");
}

/* r->head holds the whole head and ends in NUL.  Without a length the answer would end with the connection, which no
 * server here does: a failure. */
static parse_state read_head(response *r)
{
    bool chunked = false, sized = false;

    if (strncmp(r->head, "HTTP/1.1 ", 9) != 0)
        return PARSE_FAILED;
    r->status = atoi(r->head + 9);
    for (const char *line = strstr(r->head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        const char *value;

        if ((value = header_value(line + 2, "content-length"))) {
            r->left = strtoull(value, NULL, 10);
            sized = true;
        } else if ((value = header_value(line + 2, "transfer-encoding"))) {
            chunked = strncasecmp(value, "chunked", 7) == 0;
        } else if ((value = header_value(line + 2, "sec-websocket-accept"))) {
            r->upgraded = r->status == 101 && strncmp(value, WEBSOCKET_ACCEPT "\r", sizeof(WEBSOCKET_ACCEPT)) == 0;
        }
    }
    if (r->status == 101)
        return r->upgraded ? PARSE_DONE : PARSE_FAILED;
    if (chunked)
        return PARSE_CHUNK_SIZE;
    if (!sized)
        return PARSE_FAILED;
    return r->left > 0 ? PARSE_LENGTH : PARSE_DONE;
}

static size_t feed_head(response *r, const char *data, size_t length)
{
    size_t before = r->head_length, take = length, from;
    char *end;

    if (take > sizeof(r->head) - 1 - before)
        take = sizeof(r->head) - 1 - before;
    memcpy(r->head + before, data, take);
    r->head_length += take;
    r->head[r->head_length] = '\0';
    from = before > 3 ? before - 3 : 0;
    end = memmem(r->head + from, r->head_length - from, "\r\n\r\n", 4);
    if (!end) {
        if (r->head_length == sizeof(r->head) - 1)
            r->state = PARSE_FAILED;
        return take;
    }
    r->head_length = (size_t)(end - r->head) + 4;
    r->head[r->head_length] = '\0';
    r->state = read_head(r);
    return r->head_length - before;
}

/* Count the lines that begin with "data:". */
static void count_events(response *r, const char *data, size_t length)
{
    static const char wanted[] = "data:";
    const char *end = data + length;

    while (data < end) {
        if (r->matched > 5) {
            data = memchr(data, '\n', (size_t)(end - data));
            if (!data)
                return;
            r->matched = 0;
            data++;
        } else if (*data == '\n') {
            r->matched = 0;
            data++;
        } else if (*data++ != wanted[r->matched]) {
            r->matched = 6;
        } else if (++r->matched == 5) {
            r->events++;
            r->matched = 6;
        }
    }
}

static size_t feed_body(response *r, const char *data, size_t length, parse_state next)
{
    size_t take = r->left < length ? (size_t)r->left : length;

    count_events(r, data, take);
    r->left -= take;
    if (r->left == 0)
        r->state = next;
    return take;
}

/* One byte of a chunk size, of the line end after a chunk, or of the trailer. */
static void feed_chunk_byte(response *r, char byte)
{
    static const char hex[] = "0123456789abcdef";

    if (r->state == PARSE_CHUNK_END) {
        if (byte == '\n')
            r->state = PARSE_CHUNK_SIZE;
        else if (byte != '\r')
            r->state = PARSE_FAILED;
    } else if (r->state == PARSE_TRAILER) {
        if (byte == '\n') {
            r->state = r->digits == 0 ? PARSE_DONE : PARSE_TRAILER;
            r->digits = 0;
        } else if (byte != '\r') {
            r->digits++;
        }
    } else if (byte == '\n') {
        r->state = r->digits == 0 ? PARSE_FAILED : r->left > 0 ? PARSE_CHUNK_DATA : PARSE_TRAILER;
        r->digits = 0;
    } else if (byte != '\r') {
        const char *at = memchr(hex, byte | 0x20, 16);

        if (!at || ++r->digits > CHUNK_DIGITS_MAX)
            r->state = PARSE_FAILED;
        else
            r->left = r->left * 16 + (uint64_t)(at - hex);
    }
}

size_t response_feed(response *r, const char *data, size_t length)
{
    size_t used = 0;

    while (used < length && r->state < PARSE_DONE) {
        if (r->state == PARSE_HEAD)
            used += feed_head(r, data + used, length - used);
        else if (r->state == PARSE_LENGTH)
            used += feed_body(r, data + used, length - used, PARSE_DONE);
        else if (r->state == PARSE_CHUNK_DATA)
            used += feed_body(r, data + used, length - used, PARSE_CHUNK_END);
        else
            feed_chunk_byte(r, data[used++]);
    }
    return used;
}

static unsigned header_size(const frame_reader *f)
{
    unsigned short_length = f->header_length < 2 ? 0 : f->header[1] & 0x7f;

    return short_length == 126 ? 4 : short_length == 127 ? 10 : 2;
}

size_t frame_header_feed(frame_reader *f, const unsigned char *data, size_t length)
{
    size_t used = 0;

    while (used < length && f->header_length < header_size(f))
        f->header[f->header_length++] = data[used++];
    if (f->header_length < 2 || f->header_length < header_size(f))
        return used;
    f->fin = (f->header[0] & 0x80) != 0;
    f->opcode = f->header[1] & 0x80 ? 0xff : f->header[0] & 0x0f;
    f->left = header_size(f) == 2 ? f->header[1] & 0x7f : 0;
    for (unsigned i = 2; i < header_size(f); i++)
        f->left = f->left << 8 | f->header[i];
    f->in_payload = true;
    f->header_length = 0;
    return used;
}
