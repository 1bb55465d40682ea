/* upstream_request.c - the head of a request to a server behind us: checked, so that nothing in it can be taken for
 * another request, and written in one piece. */
#include "http/upstream_internal.h"

#include <strings.h>

#define HEAD_BYTES_MAX (1U << 20)
#define LINES_BYTES 96 /* what we add: Content-Length and the upgrade */

/* Ours to say: they are about this connection and this message's framing. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {"Connection", "Content-Length", "Transfer-Encoding", "Upgrade"};

    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        if (strcasecmp(name, ours[i]) == 0)
            return true;
    return false;
}

static bool target_valid(const char *target)
{
    if (*target != '/' && strcmp(target, "*") != 0)
        return false;
    for (const char *c = target; *c; c++)
        if (*c <= ' ' || *c >= 0x7F) /* char is signed here or not: bytes above 127 fail either way */
            return false;
    return true;
}

bool http_upstream_request_valid(const http_upstream_request *r)
{
    unsigned hosts = 0;

    if (!r->method || !r->target || !http_field_valid(r->method, "") || strcmp(r->method, "CONNECT") == 0 ||
        !target_valid(r->target) || (r->upgrade && r->body_length))
        return false;
    for (size_t i = 0; i < r->header_count; i++) {
        const http_field *f = &r->headers[i];

        if (!http_field_valid(f->name, f->value) || is_ours(f->name))
            return false;
        hosts += strcasecmp(f->name, "Host") == 0;
    }
    return hosts == 1;
}

static bool says_length(const http_upstream_request *r)
{
    return r->body_length || strcmp(r->method, "POST") == 0 || strcmp(r->method, "PUT") == 0 ||
           strcmp(r->method, "PATCH") == 0;
}

static ac_status append_line(buf *out, const char *name, const char *value)
{
    AC_TRY(buf_append_text(out, name));
    AC_TRY(buf_append(out, ": ", 2));
    AC_TRY(buf_append_text(out, value));
    return buf_append(out, "\r\n", 2);
}

ac_status upstream_compose(buf *out, const http_upstream_request *r)
{
    size_t bytes = strlen(r->method) + strlen(r->target) + sizeof "  HTTP/1.1\r\n\r\n" + LINES_BYTES;

    for (size_t i = 0; i < r->header_count; i++)
        bytes += strlen(r->headers[i].name) + strlen(r->headers[i].value) + 4;
    out->length = 0;
    out->cap = HEAD_BYTES_MAX;
    AC_TRY(buf_reserve(out, bytes));
    AC_TRY(buf_append_text(out, r->method));
    AC_TRY(buf_append(out, " ", 1));
    AC_TRY(buf_append_text(out, r->target));
    AC_TRY(buf_append_text(out, " HTTP/1.1\r\n"));
    for (size_t i = 0; i < r->header_count; i++)
        AC_TRY(append_line(out, r->headers[i].name, r->headers[i].value));
    if (r->upgrade)
        AC_TRY(buf_append_text(out, "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
    if (says_length(r))
        AC_TRY(buf_appendf(out, "Content-Length: %zu\r\n", r->body_length));
    return buf_append(out, "\r\n", 2);
}
