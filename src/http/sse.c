/* sse.c - reading text/event-stream: lines end in CR, LF or CRLF; "data", "event" and "id" fields; a blank line ends an
 * event.  "retry" is for those who connect again, which nobody does for an answer to a POST. */
#include "http/sse.h"

#include <string.h>

void sse_reader_init(sse_reader *r)
{
    *r = (sse_reader){
        .line = BUF_INIT(SSE_EVENT_BYTES_MAX),
        .data = BUF_INIT(SSE_EVENT_BYTES_MAX),
        .type = BUF_INIT(SSE_FIELD_BYTES_MAX),
        .id = BUF_INIT(SSE_FIELD_BYTES_MAX),
    };
}

void sse_reader_done(sse_reader *r)
{
    buf_done(&r->line);
    buf_done(&r->data);
    buf_done(&r->type);
    buf_done(&r->id);
}

static ac_status replace(buf *field, const char *value, size_t length)
{
    field->length = 0;
    return buf_append(field, value, length);
}

static bool named(const char *line, size_t name_length, const char *name)
{
    return name_length == strlen(name) && memcmp(line, name, name_length) == 0;
}

static ac_status on_field(sse_reader *r, const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length);
    size_t name_length = colon ? (size_t)(colon - line) : length;
    const char *value = colon ? colon + 1 : line + length;
    const char *end = line + length;

    if (value < end && *value == ' ')
        value++;
    if (named(line, name_length, "data")) {
        AC_TRY(buf_append(&r->data, value, (size_t)(end - value)));
        return buf_append(&r->data, "\n", 1);
    }
    if (memchr(value, '\0', (size_t)(end - value))) /* cannot be text of ours; the standard says so of ids */
        return AC_OK;
    if (named(line, name_length, "event"))
        return replace(&r->type, value, (size_t)(end - value));
    if (named(line, name_length, "id"))
        return replace(&r->id, value, (size_t)(end - value));
    return AC_OK; /* comments have an empty name */
}

static ac_status deliver(sse_reader *r, bool *ret_found, sse_event *ret_event)
{
    if (r->data.length == 0) {
        r->type.length = 0;
        return AC_OK;
    }
    r->data.length--; /* the last line's end */
    *ret_event = (sse_event){
        .data = buf_terminate(&r->data),
        .length = r->data.length,
        .type = r->type.length ? buf_terminate(&r->type) : "message",
        .id = buf_terminate(&r->id),
    };
    r->delivered = true;
    *ret_found = ret_event->data && ret_event->type && ret_event->id;
    return *ret_found ? AC_OK : AC_ERR_NOMEM;
}

static ac_status on_line(sse_reader *r, bool *ret_found, sse_event *ret_event)
{
    const char *line = r->line.length ? r->line.data : "";
    size_t length = r->line.length;

    if (!r->begun && length >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) {
        line += 3;
        length -= 3;
    }
    r->begun = true;
    r->line.length = 0;
    return length > 0 ? on_field(r, line, length) : deliver(r, ret_found, ret_event);
}

static void forget_delivered(sse_reader *r)
{
    if (!r->delivered)
        return;
    r->data.length = r->type.length = 0;
    r->delivered = false;
}

static size_t line_length(const char *bytes, size_t length)
{
    const char *lf = memchr(bytes, '\n', length);
    size_t before_lf = lf ? (size_t)(lf - bytes) : length;
    const char *cr = memchr(bytes, '\r', before_lf);

    return cr ? (size_t)(cr - bytes) : before_lf;
}

ac_status sse_read(sse_reader *r, const char *bytes, size_t length, size_t *used, bool *ret_found, sse_event *ret_event)
{
    const char *end = bytes + length, *at = bytes;
    ac_status status = AC_OK;

    *ret_found = false;
    forget_delivered(r);
    while (status == AC_OK && !*ret_found && at < end) {
        if (r->after_cr && *at == '\n')
            at++;
        r->after_cr = false;
        size_t part = line_length(at, (size_t)(end - at));
        status = buf_append(&r->line, at, part);
        at += part;
        if (status != AC_OK || at == end)
            break;
        r->after_cr = *at++ == '\r';
        status = on_line(r, ret_found, ret_event);
    }
    *used += (size_t)(at - bytes);
    return status;
}

ac_status sse_finish(sse_reader *r, bool *ret_found, sse_event *ret_event)
{
    *ret_found = false;
    forget_delivered(r);
    if (r->line.length > 0)
        AC_TRY(on_line(r, ret_found, ret_event));
    return *ret_found ? AC_OK : deliver(r, ret_found, ret_event);
}
