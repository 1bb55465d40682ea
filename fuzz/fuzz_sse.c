/* fuzz_sse.c - Server-Sent Events: the same events however the input is cut, and the same again when they are written
 * out and read once more.  The first byte says how long the pieces are. */
#include "http/sse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void write_field(buf *out, const char *name, const char *value, size_t length)
{
    require(buf_appendf(out, "%s: ", name) == AC_OK);
    require(buf_append(out, value, length) == AC_OK);
    require(buf_append_text(out, "\n") == AC_OK);
}

/* As a server would send it.  What stands in data may be anything but a carriage return. */
static void write_event(buf *out, const sse_event *e)
{
    const char *line = e->data, *end = e->data + e->length;

    require(e->data[e->length] == '\0' && !memchr(e->data, '\r', e->length));
    write_field(out, "event", e->type, strlen(e->type));
    write_field(out, "id", e->id, strlen(e->id));
    for (;;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        write_field(out, "data", line, (size_t)((stop ? stop : end) - line));
        if (!stop)
            break;
        line = stop + 1;
    }
    require(buf_append_text(out, "\n") == AC_OK);
}

static void read_events(buf *out, const char *text, size_t length, size_t piece)
{
    sse_reader r;
    sse_event event;
    bool found;

    sse_reader_init(&r);
    for (size_t at = 0; at < length;) {
        size_t end = MIN(at + piece, length);
        while (at < end) {
            size_t before = at;
            require(sse_read(&r, text + at, end - at, &at, &found, &event) == AC_OK);
            require(at > before && at <= end);
            if (found)
                write_event(out, &event);
        }
    }
    require(sse_finish(&r, &found, &event) == AC_OK);
    if (found)
        write_event(out, &event);
    sse_reader_done(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    buf whole = BUF_INIT(SIZE_MAX / 2), cut = BUF_INIT(SIZE_MAX / 2), again = BUF_INIT(SIZE_MAX / 2);

    if (size < 1 || size > SSE_FIELD_BYTES_MAX)
        return 0;
    const char *text = (const char *)data + 1;
    read_events(&whole, text, size - 1, size);
    read_events(&cut, text, size - 1, data[0] % 16 + 1U);
    require(whole.length == cut.length && (whole.length == 0 || memcmp(whole.data, cut.data, cut.length) == 0));
    if (whole.length > 0)
        read_events(&again, whole.data, whole.length, whole.length);
    require(whole.length == again.length && (whole.length == 0 || memcmp(whole.data, again.data, again.length) == 0));
    buf_done(&whole);
    buf_done(&cut);
    buf_done(&again);
    return 0;
}
