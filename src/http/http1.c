/* http1.c - the request reader.
 *
 * Names, values and target are copied as they come into one buffer (bounded by header_bytes_max), each followed by a
 * NUL; offsets are kept, since the buffer moves while it grows, and become pointers when the head is complete.
 *
 * llhttp refuses ambiguous framing and control bytes by itself as long as no lenient flag is set.  What it leaves to
 * us: Host (missing, twice), Transfer-Encoding in HTTP/1.0 or other than exactly `chunked`, the target's form. */
#include "http/http1.h"

#include "base/clock.h"
#include "base/json.h"
#include "http/http1_plain.h"

#include <string.h>
#include <strings.h>

#define HEAD_BYTES_USUAL 480
#define SPANS_FIRST 21 /* the target and 10 headers: with the rest of a request, one small block of the arena */

/* Bytes a body may take on the wire, chunk sizes, extensions and trailers included: this many, and so many times its
 * own length (a one-byte chunk takes six). */
#define FRAMING_FREE_BYTES 65536
#define FRAMING_FACTOR 16

static http1_message *message_of(llhttp_t *p)
{
    return ((http1_reader *)p->data)->message;
}

static http1_event refuse(http1_reader *r, int status, const char *what)
{
    if (!r->error_status) {
        r->error_status = status;
        r->error = what;
    }
    return HTTP1_ERROR;
}

static int fail(llhttp_t *p, int status, const char *what)
{
    refuse(p->data, status, what);
    return HPE_USER;
}

/* Open a span at the end of head. */
static int span_open(llhttp_t *p)
{
    http1_message *m = message_of(p);

    if (m->span_count + 2 > m->span_capacity) {
        uint32_t capacity = m->span_capacity ? m->span_capacity * 2 : SPANS_FIRST * 2;
        uint32_t *spans = arena_alloc(m->arena, capacity * sizeof *spans);
        if (!spans)
            return fail(p, 500, "out of memory");
        if (m->span_count)
            memcpy(spans, m->spans, m->span_count * sizeof *spans);
        m->spans = spans;
        m->span_capacity = capacity;
    }
    m->spans[m->span_count] = (uint32_t)m->head.length;
    m->spans[m->span_count + 1] = 0;
    m->span_count += 2;
    return 0;
}

static int span_add(llhttp_t *p, const char *at, size_t length)
{
    http1_message *m = message_of(p);

    if (buf_append(&m->head, at, length) != AC_OK)
        return fail(p, 431, "header section larger than the limit");
    m->spans[m->span_count - 1] += (uint32_t)length;
    return 0;
}

static int span_close(llhttp_t *p)
{
    if (buf_append(&message_of(p)->head, "", 1) != AC_OK)
        return fail(p, 431, "header section larger than the limit");
    return 0;
}

static int on_url(llhttp_t *p, const char *at, size_t length)
{
    http1_reader *r = p->data;

    if (r->message->span_count == 0) {
        size_t offset = r->head_bytes + (size_t)(at - r->piece);

        /* llhttp passes over more than one space here, which others read differently. */
        if (offset != strlen(llhttp_method_name((llhttp_method_t)p->method)) + 1)
            return fail(p, 400, "more than one space before the target");
        if (span_open(p))
            return HPE_USER;
    }
    return span_add(p, at, length);
}

static int on_field(llhttp_t *p, const char *at, size_t length)
{
    http1_reader *r = p->data;

    if (r->head_done)
        return 0; /* a trailer field: allowed, and ignored */
    if (!r->in_name) {
        if (r->message->span_count >= 2 * (1 + 2 * HTTP_HEADERS_MAX))
            return fail(p, 431, "too many header fields");
        if (span_open(p))
            return HPE_USER;
        r->in_name = true;
    }
    return span_add(p, at, length);
}

static int on_field_complete(llhttp_t *p)
{
    http1_reader *r = p->data;

    if (r->head_done)
        return 0;
    r->in_name = false;
    return span_close(p) || span_open(p) ? HPE_USER : 0;
}

static int on_value(llhttp_t *p, const char *at, size_t length)
{
    return ((http1_reader *)p->data)->head_done ? 0 : span_add(p, at, length);
}

static int on_value_complete(llhttp_t *p)
{
    return ((http1_reader *)p->data)->head_done ? 0 : span_close(p);
}

/* ---- the head as a whole ---- */

static int fill_headers(llhttp_t *p, http_header **ret_headers)
{
    http1_message *m = message_of(p);
    size_t count = (m->span_count / 2 - 1) / 2;
    http_header *headers = arena_alloc(m->arena, (count + 1) * sizeof *headers);

    if (!headers)
        return fail(p, 500, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const uint32_t *span = m->spans + 2 + i * 4;
        char *value = m->head.data + span[2];
        uint32_t length = span[3];

        while (length && (value[length - 1] == ' ' || value[length - 1] == '\t'))
            length--;
        value[length] = '\0';
        headers[i] = (http_header){m->head.data + span[0], value, span[1], length};
    }
    m->request.headers = *ret_headers = headers;
    m->request.header_count = count;
    return 0;
}

/* Origin form, "*" for OPTIONS, or absolute form, whose authority we pass over (RFC 9112 section 3.2). */
static int fill_target(llhttp_t *p)
{
    http1_message *m = message_of(p);
    char *target = m->head.data;
    char *rest, *fragment;

    if (p->method == HTTP_CONNECT)
        return fail(p, 501, "CONNECT is not served");
    if (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0) {
        target = strstr(target, "://") + 3;
        target += strcspn(target, "/?#");
    } else if (*target != '/' && !(p->method == HTTP_OPTIONS && strcmp(target, "*") == 0)) {
        return fail(p, 400, "malformed request target");
    }
    rest = strpbrk(target, "?#");
    if (rest && *rest == '?')
        m->request.query = rest + 1;
    if (rest && (fragment = strchr(rest, '#')))
        *fragment = '\0';
    if (rest)
        *rest = '\0';
    m->request.target = *target ? target : "/";
    return 0;
}

static bool value_is(const http_header *h, const char *text)
{
    return strcasecmp(h->value, text) == 0;
}

static bool name_is(const http_header *h, const char *name, size_t length)
{
    return h->name_length == length && strncasecmp(h->name, name, length) == 0;
}

#define NAME_IS(header, literal) name_is(header, literal, sizeof literal - 1)

/* What a head says of its host, and of a WebSocket's opening handshake (RFC 6455 section 4.2.1).
 *
 * Clients write lines of the handshake twice: their WebSocket library's own, and behind them those that they gave it as
 * more headers; the Python SDK's generate_ws_connection hands out all of them.  The library goes by its own, so the
 * first line of a name counts and the others are dropped, provided that they name the same host and version. */
typedef struct head_check {
    const char *host;
    bool hosts_differ, hosts_many;
    bool upgrade, connection, version, other_version, key;
    unsigned keys;
} head_check;

static int check_header(llhttp_t *p, const http_header *h, head_check *c)
{
    http1_message *m = message_of(p);

    switch (h->name_length) {
    case 4:
        if (NAME_IS(h, "Host")) {
            if (!http1_host_valid(h->value))
                return fail(p, 400, "malformed Host");
            c->hosts_many = c->host != NULL;
            c->hosts_differ |= c->host && !value_is(h, c->host);
            c->host = h->value;
        }
        break;
    case 6:
        if (NAME_IS(h, "Expect")) {
            if (!value_is(h, "100-continue"))
                return fail(p, 417, "unknown expectation");
            m->expect_continue = p->http_minor >= 1;
        }
        break;
    case 7:
        if (NAME_IS(h, "Upgrade"))
            c->upgrade |= ws_header_has_token(h->value, "websocket");
        break;
    case 10:
        if (NAME_IS(h, "Connection"))
            c->connection |= ws_header_has_token(h->value, "upgrade");
        break;
    case 17:
        if (NAME_IS(h, "Transfer-Encoding")) {
            if (p->http_minor == 0)
                return fail(p, 400, "Transfer-Encoding in HTTP/1.0");
            if (!value_is(h, "chunked"))
                return fail(p, 400, "a transfer coding other than chunked");
        } else if (NAME_IS(h, "Sec-WebSocket-Key")) {
            if (c->keys++ == 0)
                c->key = ws_key_valid(h->value);
        }
        break;
    case 21:
        if (NAME_IS(h, "Sec-WebSocket-Version"))
            *(value_is(h, "13") ? &c->version : &c->other_version) = true;
        break;
    default:
        break;
    }
    return 0;
}

/* Keep the first line of each name that a handshake has once. */
static void drop_repeated(http_header *headers, size_t *count)
{
    static const char *const names[] = {"Host", "Sec-WebSocket-Key", "Sec-WebSocket-Version"};
    bool seen[ARRAY_SIZE(names)] = {false};
    size_t kept = 0;

    for (size_t i = 0; i < *count; i++) {
        size_t n = 0;

        while (n < ARRAY_SIZE(names) && !name_is(&headers[i], names[n], strlen(names[n])))
            n++;
        if (n < ARRAY_SIZE(names)) {
            if (seen[n])
                continue;
            seen[n] = true;
        }
        headers[kept++] = headers[i];
    }
    *count = kept;
}

static int check_headers(llhttp_t *p, http_header *headers)
{
    http1_reader *r = p->data;
    http1_message *m = r->message;
    head_check c = {0};

    for (size_t i = 0; i < m->request.header_count; i++)
        if (check_header(p, &headers[i], &c))
            return HPE_USER;
    if (!c.host && p->http_minor >= 1)
        return fail(p, 400, "no Host");
    m->has_body = (p->flags & F_CHUNKED) || ((p->flags & F_CONTENT_LENGTH) && p->content_length > 0);
    m->content_length = p->flags & F_CONTENT_LENGTH ? p->content_length : 0;
    if (m->content_length > r->options->body_bytes_max)
        return fail(p, 413, "body larger than the limit");
    m->request.websocket = c.upgrade && c.connection && c.version && !c.other_version && c.key &&
                           p->method == HTTP_GET && p->http_minor >= 1 && !m->has_body;
    if (c.hosts_many && (c.hosts_differ || !m->request.websocket))
        return fail(p, 400, "more than one Host");
    if (m->request.websocket)
        drop_repeated(headers, &m->request.header_count);
    return 0;
}

static int on_headers_complete(llhttp_t *p)
{
    http1_reader *r = p->data;
    http1_message *m = r->message;
    http_header *headers;

    if (p->http_major != 1)
        return fail(p, 505, "unknown HTTP version");
    if (fill_headers(p, &headers) || fill_target(p) || check_headers(p, headers))
        return HPE_USER;
    m->request.method = llhttp_method_name((llhttp_method_t)p->method);
    m->request.head = p->method == HTTP_HEAD;
    m->request.minor_version = p->http_minor;
    m->request.arrived_ns = clock_monotonic_ns();
    m->keep_alive = llhttp_should_keep_alive(p);
    m->expect_continue = m->expect_continue && m->has_body;
    p->upgrade = m->request.websocket;
    r->in_head = false;
    r->head_done = true;
    return m->has_body ? HPE_PAUSED : 0;
}

/* ---- the body ---- */

static bool add_body(http1_reader *r, const char *at, size_t length)
{
    http1_message *m = r->message;

    /* A length that was only promised is not allocated at once: a megabyte at a time until it is really there. */
    if (m->body.length == 0 && buf_reserve(&m->body, MIN(m->content_length, 1U << 20) + JSON_PADDING) != AC_OK)
        return false;
    return buf_append(&m->body, at, length) == AC_OK;
}

static char no_body[JSON_PADDING + 1]; /* for requests without one: zeroes, and written with zeroes only */

static bool finish_body(http1_reader *r)
{
    http1_message *m = r->message;

    if (m->body.length) {
        if (buf_reserve(&m->body, JSON_PADDING) != AC_OK)
            return false;
        memset(m->body.data + m->body.length, 0, JSON_PADDING);
    }
    m->request.body = m->body.length ? m->body.data : no_body;
    m->request.body_length = m->body.length;
    r->complete = true;
    return true;
}

static int on_body(llhttp_t *p, const char *at, size_t length)
{
    http1_reader *r = p->data;

    if (r->message->body.length + length > r->options->body_bytes_max)
        return fail(p, 413, "body larger than the limit");
    return add_body(r, at, length) ? 0 : fail(p, 500, "out of memory");
}

static int on_message_complete(llhttp_t *p)
{
    return finish_body(p->data) ? HPE_PAUSED : fail(p, 500, "out of memory");
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_url_complete = span_close,
    .on_header_field = on_field,
    .on_header_field_complete = on_field_complete,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- the reader ---- */

void http1_init(http1_reader *r, const http1_options *options)
{
    *r = (http1_reader){.options = options};
    llhttp_init(&r->parser, HTTP_REQUEST, &settings);
    r->parser.data = r;
}

void http1_begin(http1_reader *r, http1_message *message, arena *a)
{
    message->arena = a;
    message->head.cap = r->options->header_bytes_max + 2;
    message->body.cap = r->options->body_bytes_max + 2 * (size_t)JSON_PADDING;
    /* Usually enough for a whole head, so that it grows once.  Where memory is short, the first append finds out. */
    (void)!buf_reserve(&message->head, MIN(HEAD_BYTES_USUAL, message->head.cap));
    llhttp_reset(&r->parser);
    r->message = message;
    r->head_bytes = r->framing_bytes = 0;
    r->fresh = r->in_head = true;
    r->plain = r->head_done = r->complete = r->in_name = false;
    r->error_status = 0;
}

/* The head of a plain request is there: so much of its body as is, too. */
static http1_event read_plain(http1_reader *r, const char *data, size_t length, size_t *ret_consumed)
{
    bool was_in_head = r->in_head;
    size_t taken = MIN(length, r->body_left);

    r->in_head = false;
    r->head_done = true;
    if (taken && !add_body(r, data, taken))
        return refuse(r, 500, "out of memory");
    r->body_left -= taken;
    *ret_consumed += taken;
    if (r->body_left > 0)
        return was_in_head ? HTTP1_HEAD : HTTP1_MORE;
    if (!finish_body(r))
        return refuse(r, 500, "out of memory");
    r->message = NULL;
    return HTTP1_COMPLETE;
}

http1_event http1_read(http1_reader *r, const char *data, size_t length, size_t *ret_consumed)
{
    size_t consumed = 0;

    *ret_consumed = 0;
    if (r->fresh) {
        *ret_consumed = http1_plain_head(r->message, r->options, data, length);
        r->plain = *ret_consumed > 0;
        r->body_left = r->message->content_length;
        r->fresh = false;
    }
    if (r->plain)
        return read_plain(r, data + *ret_consumed, length - *ret_consumed, ret_consumed);
    while (consumed < length) {
        size_t piece = length - consumed;
        bool was_in_head = r->in_head;
        llhttp_errno_t result;
        size_t used;

        if (r->in_head)
            piece = MIN(piece, r->options->header_bytes_max - r->head_bytes);
        r->piece = data + consumed;
        result = llhttp_execute(&r->parser, r->piece, piece);
        used = result == HPE_OK ? piece : (size_t)(llhttp_get_error_pos(&r->parser) - r->piece);
        consumed += used;
        *ret_consumed = consumed;
        if (result == HPE_PAUSED)
            llhttp_resume(&r->parser);
        else if (result != HPE_OK && result != HPE_PAUSED_UPGRADE)
            return refuse(r, result == HPE_INVALID_VERSION && r->parser.http_major > 1 ? 505 : 400,
                          llhttp_get_error_reason(&r->parser));
        if (r->complete) {
            r->message = NULL;
            return HTTP1_COMPLETE;
        }
        if (was_in_head && r->head_done)
            return HTTP1_HEAD;
        if (r->in_head) {
            r->head_bytes += used;
            if (r->head_bytes >= r->options->header_bytes_max)
                return refuse(r, 431, "header section larger than the limit");
        } else {
            r->framing_bytes += used;
            if (r->framing_bytes > FRAMING_FREE_BYTES + FRAMING_FACTOR * r->message->body.length)
                return refuse(r, 400, "chunk framing out of proportion to the body");
        }
    }
    *ret_consumed = consumed;
    return HTTP1_MORE;
}

void http1_message_done(http1_message *m)
{
    buf_done(&m->head);
    buf_done(&m->body);
}

void http1_message_reset(http1_message *m, size_t buf_bytes_max)
{
    buf head = buf_spare(&m->head, buf_bytes_max), body = buf_spare(&m->body, buf_bytes_max);

    *m = (http1_message){.head = head, .body = body};
}
