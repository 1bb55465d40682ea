/* upstream_answer.c - the answer reader.
 *
 * Header names and values are copied as they come into one buffer, each followed by a NUL.  The buffer moves while it
 * grows, so only lengths are kept until the head is complete; walking over them then makes the pointers.  Pieces of the
 * body are handed on where they lie.
 *
 * A server that is not trusted must not be able to make two readers disagree about where its answer ends: framing that
 * is ambiguous is refused, and bodies that cannot exist (HEAD, 1xx, 204, 304) are never read, whatever the head says.
 * What comes after the end is the caller's to judge. */
#include "http/upstream_answer.h"

#include "http/http1.h"

#include <stdlib.h>
#include <strings.h>

#define HEADERS_FIRST 16

/* Bytes a body may take on the wire, chunk sizes, extensions and trailers included: this many, and so many times its
 * own length (a one-byte chunk takes six). */
#define FRAMING_FREE_BYTES 65536
#define FRAMING_FACTOR 16

static int fail(llhttp_t *p, ac_status error, const char *what)
{
    answer_reader *r = p->data;

    if (r->error == AC_OK) {
        r->error = error;
        r->what = what;
    }
    return HPE_USER;
}

static int add_text(llhttp_t *p, const char *at, size_t length)
{
    answer_reader *r = p->data;

    switch (buf_append(&r->head, at, length)) {
    case AC_OK:
        return 0;
    case AC_ERR_NOMEM:
        return fail(p, AC_ERR_NOMEM, "out of memory");
    default:
        return fail(p, AC_ERR_TOO_LARGE, "the answer's head is larger than the limit");
    }
}

static int begin_header(llhttp_t *p)
{
    answer_reader *r = p->data;

    if (r->header_count >= HTTP_HEADERS_MAX)
        return fail(p, AC_ERR_TOO_LARGE, "the answer has too many header fields");
    if (r->header_count == r->header_capacity) {
        uint32_t capacity = r->header_capacity ? r->header_capacity * 2 : HEADERS_FIRST;
        http_header *headers = realloc(r->headers, capacity * sizeof *headers);
        if (!headers)
            return fail(p, AC_ERR_NOMEM, "out of memory");
        r->headers = headers;
        r->header_capacity = capacity;
    }
    r->headers[r->header_count++] = (http_header){0};
    r->in_name = true;
    return 0;
}

static int on_field(llhttp_t *p, const char *at, size_t length)
{
    answer_reader *r = p->data;

    if (r->head_done)
        return 0; /* a trailer field: allowed, and dropped */
    if (!r->in_name && begin_header(p))
        return HPE_USER;
    r->headers[r->header_count - 1].name_length += (uint32_t)length;
    return add_text(p, at, length);
}

static int on_field_complete(llhttp_t *p)
{
    answer_reader *r = p->data;

    r->in_name = false;
    return r->head_done ? 0 : add_text(p, "", 1);
}

static int on_value(llhttp_t *p, const char *at, size_t length)
{
    answer_reader *r = p->data;

    if (r->head_done)
        return 0;
    r->headers[r->header_count - 1].value_length += (uint32_t)length;
    return add_text(p, at, length);
}

static int on_value_complete(llhttp_t *p)
{
    return ((answer_reader *)p->data)->head_done ? 0 : add_text(p, "", 1);
}

/* ---- the head as a whole ---- */

static void fill_headers(answer_reader *r)
{
    char *at = r->head.data;

    for (uint32_t i = 0; i < r->header_count; i++) {
        http_header *h = &r->headers[i];
        char *value = at + h->name_length + 1;

        h->name = at;
        h->value = value;
        at = value + h->value_length + 1;
        while (h->value_length && (value[h->value_length - 1] == ' ' || value[h->value_length - 1] == '\t'))
            h->value_length--;
        value[h->value_length] = '\0';
    }
}

static bool is(const http_header *h, const char *name, size_t length)
{
    return h->name_length == length && strncasecmp(h->name, name, length) == 0;
}

#define IS(header, literal) is(header, literal, sizeof literal - 1)

static int check_headers(llhttp_t *p)
{
    const answer_reader *r = p->data;
    unsigned codings = 0, lengths = 0, protocols = 0;
    bool websocket = false;

    for (uint32_t i = 0; i < r->header_count; i++) {
        const http_header *h = &r->headers[i];

        if (IS(h, "Transfer-Encoding")) {
            codings++;
            if (strcasecmp(h->value, "chunked") != 0)
                return fail(p, AC_ERR_PROTOCOL, "the answer has an unknown transfer coding");
        } else if (IS(h, "Content-Length")) {
            lengths++;
        } else if (IS(h, "Upgrade")) {
            protocols++;
            websocket = strcasecmp(h->value, "websocket") == 0;
        }
    }
    if (codings + lengths > 1 || (codings && p->http_minor == 0) || p->content_length > INT64_MAX)
        return fail(p, AC_ERR_PROTOCOL, "the answer's length is ambiguous");
    if (p->status_code == 101 && !(r->upgrade && p->upgrade && websocket && protocols == 1))
        return fail(p, AC_ERR_PROTOCOL, "the answer is an upgrade that was not asked for");
    return 0;
}

static bool has_no_body(const answer_reader *r, int status)
{
    return r->to_head || status < 200 || status == 204 || status == 304;
}

static int on_headers_complete(llhttp_t *p)
{
    answer_reader *r = p->data;
    int status = p->status_code;
    http_upstream_head head = {.status = status, .content_length = -1};

    if (p->http_major != 1 || p->http_minor > 1 || status < 100)
        return fail(p, AC_ERR_PROTOCOL, "the answer is of an unknown version of HTTP");
    fill_headers(r);
    if (check_headers(p))
        return HPE_USER;
    r->tunnel = status == 101;
    r->interim = status < 200 && !r->tunnel;
    if (r->interim)
        return 1;
    r->head_done = true;
    if (p->flags & F_CONTENT_LENGTH)
        head.content_length = (int64_t)p->content_length;
    head.headers = r->headers;
    head.header_count = r->header_count;
    if (!r->sink->on_head(r->user, &head)) {
        r->stopped = true;
        return HPE_USER;
    }
    return has_no_body(r, status) ? 1 : 0;
}

static int on_body(llhttp_t *p, const char *at, size_t length)
{
    answer_reader *r = p->data;

    r->body_bytes += length;
    r->stopped = !r->sink->on_body(r->user, (char *)at, length);
    return r->stopped ? HPE_USER : 0;
}

static void begin_head(answer_reader *r)
{
    r->head.length = 0;
    r->header_count = 0;
    r->in_name = r->interim = false;
    r->at_start = true;
}

static int on_message_complete(llhttp_t *p)
{
    answer_reader *r = p->data;

    if (r->interim) {
        begin_head(r);
    } else {
        r->complete = true;
        r->keep_alive = llhttp_should_keep_alive(p);
    }
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_field,
    .on_header_field_complete = on_field_complete,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- the reader ---- */

void answer_init(answer_reader *r, const answer_sink *sink, void *user)
{
    *r = (answer_reader){.sink = sink, .user = user};
    llhttp_init(&r->parser, HTTP_RESPONSE, &settings);
    r->parser.data = r;
}

void answer_done(answer_reader *r)
{
    buf_done(&r->head);
    free(r->headers);
    r->headers = NULL;
}

void answer_begin(answer_reader *r, bool to_head, bool upgrade, size_t head_bytes_max)
{
    llhttp_reset(&r->parser);
    r->to_head = to_head;
    r->upgrade = upgrade;
    r->head_bytes_max = head_bytes_max;
    r->head.cap = head_bytes_max + 2;
    r->head_bytes = r->body_bytes = r->framing_bytes = 0;
    r->head_done = r->tunnel = r->complete = r->stopped = r->keep_alive = false;
    r->error = AC_OK;
    begin_head(r);
}

static answer_event refuse(answer_reader *r, ac_status error, const char *what)
{
    if (r->error == AC_OK) {
        r->error = error;
        r->what = what;
    }
    return ANSWER_ERROR;
}

/* Account for used bytes of framing or head. */
static bool within_limits(answer_reader *r, bool was_in_head, size_t used)
{
    if (!r->head_done) {
        r->head_bytes += used;
        if (r->head_bytes >= r->head_bytes_max)
            return refuse(r, AC_ERR_TOO_LARGE, "the answer's head is larger than the limit"), false;
    } else if (!was_in_head) {
        r->framing_bytes += used;
        if (r->framing_bytes / FRAMING_FACTOR > FRAMING_FREE_BYTES / FRAMING_FACTOR + r->body_bytes)
            return refuse(r, AC_ERR_PROTOCOL, "the answer's chunk framing is out of proportion to its body"), false;
    }
    return true;
}

answer_event answer_read(answer_reader *r, char *data, size_t length, size_t *ret_used)
{
    for (size_t used = *ret_used = 0; used < length; *ret_used = used) {
        size_t piece = length - used, now;
        bool in_head = !r->head_done;
        llhttp_errno_t result;

        if (r->at_start && data[used] != 'H') /* llhttp passes over empty lines */
            return refuse(r, AC_ERR_PROTOCOL, "what came is no HTTP");
        r->at_start = false;
        if (in_head)
            piece = MIN(piece, r->head_bytes_max - r->head_bytes);
        result = llhttp_execute(&r->parser, data + used, piece);
        now = result == HPE_OK ? piece : (size_t)(llhttp_get_error_pos(&r->parser) - (data + used));
        used += now;
        *ret_used = used;
        if (r->stopped)
            return ANSWER_STOPPED;
        if (result == HPE_PAUSED)
            llhttp_resume(&r->parser);
        else if (result != HPE_OK)
            return refuse(r, AC_ERR_PROTOCOL, llhttp_get_error_reason(&r->parser));
        if (r->complete)
            return r->tunnel ? ANSWER_TUNNEL : ANSWER_COMPLETE;
        if (!within_limits(r, in_head, now))
            return ANSWER_ERROR;
    }
    return ANSWER_MORE;
}

bool answer_end(answer_reader *r)
{
    if (!r->head_done || r->complete || !llhttp_message_needs_eof(&r->parser))
        return false;
    r->keep_alive = false;
    return true;
}
