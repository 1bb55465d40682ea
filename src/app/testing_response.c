/* testing_response.c - an HTTP response as a test sees it: status, headers, body, JSON, events (RFC 9112; the HTML
 * standard's event streams).  Sans-IO; what can fail is memory and a server that does not speak HTTP. */
#include "app/testing_internal.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int keep(test_response *r, buf *into, const char *data, size_t length)
{
    if (buf_append(into, data, length) == AC_OK)
        return HPE_OK;
    r->broken = true;
    return HPE_USER;
}

static int on_header_text(llhttp_t *parser, const char *at, size_t length)
{
    test_response *r = parser->data;
    return r->in_trailers ? HPE_OK : keep(r, &r->headers, at, length);
}

static int on_header_part_end(llhttp_t *parser)
{
    test_response *r = parser->data;
    return r->in_trailers ? HPE_OK : keep(r, &r->headers, "", 1);
}

/* 1 tells the parser that no body follows, whatever Content-Length says. */
static int on_head_end(llhttp_t *parser)
{
    test_response *r = parser->data;
    r->in_trailers = true;
    r->public.status = parser->status_code;
    return r->head ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t length)
{
    test_response *r = parser->data;
    return keep(r, &r->body, at, length);
}

/* An interim response (100 Continue) is passed over. */
static int on_end(llhttp_t *parser)
{
    test_response *r = parser->data;
    if (r->public.status >= 100 && r->public.status < 200 && r->public.status != 101) {
        buf_consume(&r->headers, r->headers.length);
        r->in_trailers = false;
        return HPE_OK;
    }
    r->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t *settings(void)
{
    static const llhttp_settings_t callbacks = {
        .on_header_field = on_header_text,
        .on_header_field_complete = on_header_part_end,
        .on_header_value = on_header_text,
        .on_header_value_complete = on_header_part_end,
        .on_headers_complete = on_head_end,
        .on_body = on_body,
        .on_message_complete = on_end,
    };
    return &callbacks;
}

void test_response_init(test_response *r, bool head)
{
    *r = (test_response){.headers = BUF_INIT(TEST_RESPONSE_MAX), .body = BUF_INIT(TEST_RESPONSE_MAX), .head = head};
    llhttp_init(&r->parser, HTTP_RESPONSE, settings());
    r->parser.data = r;
    r->public.body = "";
}

void test_response_free(test_response *r)
{
    buf_done(&r->headers);
    buf_done(&r->body);
    yyjson_doc_free(r->doc);
    free(r->public.events);
    free(r->event_text);
    free(r);
}

ac_status test_response_feed(test_response *r, const char *data, size_t length, size_t *ret_used)
{
    llhttp_errno_t error = llhttp_execute(&r->parser, data, length);
    *ret_used = length;
    if (r->broken)
        return AC_ERR_NOMEM;
    if (error == HPE_OK)
        return AC_OK;
    if (error == HPE_PAUSED || error == HPE_PAUSED_UPGRADE) {
        *ret_used = (size_t)(llhttp_get_error_pos(&r->parser) - data);
        return AC_OK;
    }
    return AC_ERR_PROTOCOL;
}

void test_response_feed_end(test_response *r)
{
    if (!r->complete)
        (void)llhttp_finish(&r->parser);
}

/* ---- events ---- */

/* The data of the event that begins at *at, NUL-terminated in place: lines of one event are joined by newlines, as the
 * standard says.  NULL at the end, or for an unfinished event.  Sets *at behind it. */
static char *next_event(char **at)
{
    char *out = NULL, *start = NULL;
    char *line = *at;
    for (;;) {
        char *end = strchr(line, '\n');
        if (!end)
            return NULL;
        if (end == line && start) {
            *out = '\0';
            *at = end + 1;
            return start;
        }
        if (strncmp(line, "data:", 5) == 0) {
            char *data = line + strlen("data:");
            if (*data == ' ')
                data++;
            size_t length = (size_t)(end - data);
            if (!start)
                start = out = data;
            else
                *out++ = '\n';
            memmove(out, data, length);
            out += length;
        }
        line = end + 1;
    }
}

static ac_status split_events(test_response *r)
{
    size_t most = 0;
    for (const char *p = r->public.body; (p = strstr(p, "data:")); p += 5)
        most++;

    /* Joining lines in body itself would change what the test reads. */
    const char **table = calloc(most + 1, sizeof(*table));
    r->event_text = strdup(r->public.body);
    r->public.events = table;
    if (!table || !r->event_text)
        return AC_ERR_NOMEM;

    char *text = r->event_text, *event;
    while (r->public.event_count < most && (event = next_event(&text)))
        table[r->public.event_count++] = event;
    return AC_OK;
}

ac_status test_response_finish(test_response *r)
{
    if (!buf_terminate(&r->headers) || !buf_terminate(&r->body))
        return AC_ERR_NOMEM;
    r->public.body = r->body.data;
    r->public.body_length = r->body.length;

    const char *type = ac_test_response_header(&r->public, "Content-Type");
    if (type && strncasecmp(type, "text/event-stream", strlen("text/event-stream")) == 0)
        return split_events(r);
    if (r->body.length > 0 && ac_json_read(r->body.data, r->body.length, NULL, &r->doc, NULL) == AC_OK)
        r->public.json = yyjson_doc_get_root(r->doc);
    return AC_OK;
}

const char *ac_test_response_header(const ac_test_response *response, const char *name)
{
    const test_response *r = (const test_response *)response;
    const char *at = r->headers.data;
    while (at && at < r->headers.data + r->headers.length) {
        const char *value = at + strlen(at) + 1;
        if (value >= r->headers.data + r->headers.length)
            return NULL; /* a head that broke off */
        if (strcasecmp(at, name) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}
