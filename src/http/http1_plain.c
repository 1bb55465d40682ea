/* http1_plain.c - heads that need no judge.
 *
 * What is accepted here is a subset of what http1.c and llhttp accept, and leads to the same message; fuzz/fuzz_http1.c
 * holds the two against each other.  So a rule is never loosened here before it is there, and whatever is not plainly
 * right returns 0.
 *
 * Names and values are looked at sixteen bytes at a time, in the input, which stays as it is: llhttp may have to read
 * it yet.  Only a head that is right to its end is copied, in one piece, and cut up with NULs. */
#include "http/http1_plain.h"

#include "base/clock.h"
#include "base/text_scan.h"

#include <string.h>
#include <strings.h>

#define PLAIN_FIELDS_MAX 48
#define PLAIN_DIGITS_MAX 15 /* of Content-Length */

#define IN_TARGET 1
#define IN_HOST 2
#define IN_NAME 4
#define IN_ALL (IN_TARGET | IN_HOST | IN_NAME)
#define IN_URI (IN_TARGET | IN_HOST)

/* Which bytes may stand where.  The target is narrower than the grammar: what is rare there is llhttp's. */
static const unsigned char kinds[256] = {
    ['0' ... '9'] = IN_ALL, ['A' ... 'Z'] = IN_ALL, ['a' ... 'z'] = IN_ALL, ['-'] = IN_ALL,    ['.'] = IN_URI,
    ['_'] = IN_URI,         ['~'] = IN_URI,         ['!'] = IN_URI,         ['$'] = IN_URI,    ['&'] = IN_URI,
    ['\''] = IN_URI,        ['('] = IN_URI,         [')'] = IN_URI,         ['*'] = IN_URI,    ['+'] = IN_URI,
    [','] = IN_URI,         [';'] = IN_URI,         ['='] = IN_URI,         ['%'] = IN_URI,    [':'] = IN_URI,
    ['['] = IN_HOST,        [']'] = IN_HOST,        ['/'] = IN_TARGET,      ['@'] = IN_TARGET, ['?'] = IN_TARGET,
};

typedef struct plain_field {
    uint32_t name, name_length, value, value_length; /* from the head's first byte */
} plain_field;

typedef struct plain_head {
    const char *data;
    size_t length; /* at most so long */
    llhttp_method_t method;
    uint32_t target, target_length;
    uint32_t query; /* 0: none */
    plain_field fields[PLAIN_FIELDS_MAX];
    size_t field_count;
    unsigned hosts, lengths;
    uint64_t content_length;
} plain_head;

bool http1_host_valid(const char *value)
{
    while (kinds[(unsigned char)*value] & IN_HOST)
        value++;
    return *value == '\0';
}

static bool is_kind(const plain_head *p, size_t at, unsigned char kind)
{
    return kinds[(unsigned char)p->data[at]] & kind;
}

/* ---- the request line ---- */

/* The method and the space behind it.  Returns how long they are, or 0. */
static size_t read_method(plain_head *p)
{
    static const struct {
        char text[8];
        size_t length;
        llhttp_method_t method;
    } methods[] = {
        {"POST ", 5, HTTP_POST},
        {"GET ", 4, HTTP_GET},
        {"PUT ", 4, HTTP_PUT},
        {"DELETE ", 7, HTTP_DELETE},
    };

    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        if (p->length > methods[i].length && memcmp(p->data, methods[i].text, methods[i].length) == 0) {
            p->method = methods[i].method;
            return methods[i].length;
        }
    }
    return 0;
}

/* Returns where the fields begin, or 0. */
static size_t read_request_line(plain_head *p)
{
    static const char rest[] = " HTTP/1.1\r\n";
    size_t start = read_method(p), at = start;

    if (start == 0 || p->data[start] != '/')
        return 0;
    while (at < p->length && is_kind(p, at, IN_TARGET)) {
        if (p->data[at] == '?' && p->query == 0)
            p->query = (uint32_t)at + 1;
        at++;
    }
    if (p->length - at < sizeof(rest) - 1 || memcmp(p->data + at, rest, sizeof(rest) - 1) != 0)
        return 0;
    p->target = (uint32_t)start;
    p->target_length = (uint32_t)(at - start);
    return at + sizeof(rest) - 1;
}

/* ---- fields ---- */

/* The end of letters, digits and hyphens.  (A name may have other bytes too, which llhttp knows.) */
static size_t name_end(const plain_head *p, size_t at)
{
    for (; p->length - at >= TEXT_CHUNK; at += TEXT_CHUNK) {
        text_chunk c = text_load(p->data + at), letter = (c | 0x20) - 'a', digit = c - '0';
        text_chunk good = (text_chunk)(letter <= 'z' - 'a') | (text_chunk)(digit <= 9) | (text_chunk)(c == '-');
        unsigned first = text_first_high(~good);

        if (first < TEXT_CHUNK)
            return at + first;
    }
    while (at < p->length && is_kind(p, at, IN_NAME))
        at++;
    return at;
}

/* The end of printable ASCII and spaces. */
static size_t value_end(const plain_head *p, size_t at)
{
    for (; p->length - at >= TEXT_CHUNK; at += TEXT_CHUNK) {
        text_chunk c = text_load(p->data + at) - ' ';
        unsigned first = text_first_high((text_chunk)(c > '~' - ' '));

        if (first < TEXT_CHUNK)
            return at + first;
    }
    while (at < p->length && p->data[at] >= ' ' && p->data[at] <= '~')
        at++;
    return at;
}

/* One "Name: value" with its line end; spaces around the value are not part of it.  Returns where the next line begins,
 * or 0. */
static size_t read_field(plain_head *p, size_t at, plain_field *f)
{
    size_t colon = name_end(p, at), start, end;

    if (colon == at || colon == p->length || p->data[colon] != ':')
        return 0;
    start = colon + 1;
    if (start < p->length && p->data[start] == ' ')
        start++;
    end = value_end(p, start);
    if (end == start || p->length - end < 2 || p->data[end] != '\r' || p->data[end + 1] != '\n')
        return 0;
    if (p->data[start] == ' ' || p->data[end - 1] == ' ')
        return 0;
    *f = (plain_field){(uint32_t)at, (uint32_t)(colon - at), (uint32_t)start, (uint32_t)(end - start)};
    return end + 2;
}

/* Whether a field has this name, in lower case and at least 4 bytes long: the lengths are the same.  In names bit 5
 * only tells upper from lower case. */
static inline bool name_is(const plain_head *p, const plain_field *f, const char *name, size_t length)
{
    const char *at = p->data + f->name;
    uint32_t differ = 0;

    for (size_t i = 0; i < length; i += 4) {
        size_t from = MIN(i, length - 4);
        uint32_t theirs, ours;

        memcpy(&theirs, at + from, 4);
        memcpy(&ours, name + from, 4);
        differ |= (theirs | 0x20202020) ^ ours;
    }
    return differ == 0;
}

#define NAME_IS(head, field, literal) name_is(head, field, literal, sizeof(literal) - 1)

static bool read_length(plain_head *p, const plain_field *f)
{
    if (p->lengths++ > 0 || f->value_length > PLAIN_DIGITS_MAX)
        return false;
    for (uint32_t i = 0; i < f->value_length; i++) {
        char digit = p->data[f->value + i];

        if (digit < '0' || digit > '9')
            return false;
        p->content_length = p->content_length * 10 + (uint64_t)(digit - '0');
    }
    return true;
}

static bool read_host(plain_head *p, const plain_field *f)
{
    for (uint32_t i = 0; i < f->value_length; i++)
        if (!is_kind(p, f->value + i, IN_HOST))
            return false;
    return p->hosts++ == 0;
}

/* Whether a field leaves everything as it is, or says what is understood here. */
static bool accept_field(plain_head *p, const plain_field *f)
{
    switch (f->name_length) {
    case 4:
        return !NAME_IS(p, f, "host") || read_host(p, f);
    case 6:
        return !NAME_IS(p, f, "expect");
    case 7:
        return !NAME_IS(p, f, "upgrade");
    case 10:
        return !NAME_IS(p, f, "connection") ||
               (f->value_length == 10 && strncasecmp(p->data + f->value, "keep-alive", 10) == 0);
    case 14:
        return !NAME_IS(p, f, "content-length") || read_length(p, f);
    case 16:
        return !NAME_IS(p, f, "proxy-connection");
    case 17:
        return !NAME_IS(p, f, "transfer-encoding");
    default:
        return true;
    }
}

/* Returns how long the head is, or 0. */
static size_t read_fields(plain_head *p, size_t at)
{
    while (p->length - at >= 2) {
        plain_field *f = &p->fields[p->field_count];

        if (p->data[at] == '\r')
            return p->data[at + 1] == '\n' && p->hosts == 1 ? at + 2 : 0;
        if (p->field_count == PLAIN_FIELDS_MAX)
            return 0;
        at = read_field(p, at, f);
        if (at == 0 || !accept_field(p, f))
            return 0;
        p->field_count++;
    }
    return 0;
}

/* ---- the message ---- */

/* Copy the head and cut it up: behind a target is a space, behind a name a colon, behind a value CR. */
static bool fill(http1_message *m, const plain_head *p, size_t end)
{
    http_header *headers = arena_alloc(m->arena, (p->field_count + 1) * sizeof(*headers));
    char *head;

    if (!headers || buf_append(&m->head, p->data, end) != AC_OK)
        return false;
    head = m->head.data;
    head[p->target + p->target_length] = '\0';
    if (p->query)
        head[p->query - 1] = '\0';
    for (size_t i = 0; i < p->field_count; i++) {
        const plain_field *f = &p->fields[i];

        head[f->name + f->name_length] = '\0';
        head[f->value + f->value_length] = '\0';
        headers[i] = (http_header){head + f->name, head + f->value, f->name_length, f->value_length};
    }
    m->request.method = llhttp_method_name(p->method);
    m->request.target = head + p->target;
    m->request.query = p->query ? head + p->query : NULL;
    m->request.headers = headers;
    m->request.header_count = p->field_count;
    return true;
}

size_t http1_plain_head(http1_message *m, const http1_options *options, const char *data, size_t length)
{
    plain_head p;
    size_t end;

    p.data = data;
    p.length = MIN(length, options->header_bytes_max);
    p.query = 0;
    p.field_count = 0;
    p.hosts = p.lengths = 0;
    p.content_length = 0;
    end = read_request_line(&p);
    end = end ? read_fields(&p, end) : 0;
    if (end == 0 || p.content_length > options->body_bytes_max || !fill(m, &p, end))
        return 0;
    m->content_length = p.content_length;
    m->has_body = p.content_length > 0;
    m->keep_alive = true;
    m->request.minor_version = 1;
    m->request.arrived_ns = clock_monotonic_ns();
    return end;
}
