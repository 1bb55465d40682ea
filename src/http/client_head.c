/* client_head.c - the head of an answer (RFC 9112 section 4 and 5), line by line.
 *
 * The peer may be hostile: lines and fields are counted over interim answers and trailers too, so that neither can go
 * on for ever; folded lines and fields without a name are refused rather than guessed at. */
#include "http/client_head.h"

#include <string.h>
#include <strings.h>

#define ROOM_FIRST 16
#define HEAD_BYTES_MAX (16u << 20)

void head_gatherer_init(head_gatherer *g, size_t bytes_max)
{
    *g = (head_gatherer){.bytes_max = bytes_max ? MIN(bytes_max, HEAD_BYTES_MAX) : HEAD_BYTES_DEFAULT};
}

void head_gatherer_done(head_gatherer *g)
{
    arena_done(&g->strings);
    g->headers = NULL;
    g->count = g->room = 0;
}

const char *http_client_header(const http_client_head *head, const char *name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (strcasecmp(head->headers[i].name, name) == 0)
            return head->headers[i].value;
    return NULL;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK"; the reason may be absent. */
static ac_status status_line(head_gatherer *g, const char *line, size_t length)
{
    const char *space = memchr(line, ' ', length);
    size_t at = space ? (size_t)(space - line) + 1 : length;

    if (at + 3 > length || !digit(line[at]) || !digit(line[at + 1]) || !digit(line[at + 2]) || line[at] == '0')
        return AC_ERR_PROTOCOL;
    if (at + 3 < length && line[at + 3] != ' ')
        return AC_ERR_PROTOCOL;
    g->status = (line[at] - '0') * 100 + (line[at + 1] - '0') * 10 + (line[at + 2] - '0');
    g->count = 0;
    g->complete = false;
    return AC_OK;
}

static ac_status make_room(head_gatherer *g)
{
    size_t room = g->room ? 2 * g->room : ROOM_FIRST;
    http_header *more;

    if (g->count < g->room)
        return AC_OK;
    if (g->count >= HTTP_CLIENT_HEADERS_MAX)
        return AC_ERR_TOO_LARGE;
    more = arena_alloc(&g->strings, room * sizeof *more);
    if (!more)
        return AC_ERR_NOMEM;
    if (g->count)
        memcpy(more, g->headers, g->count * sizeof *more);
    g->headers = more;
    g->room = room;
    return AC_OK;
}

static ac_status field_line(head_gatherer *g, const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length);
    size_t name_length = colon ? (size_t)(colon - line) : 0;
    size_t begin = name_length + 1;

    if (!colon || name_length == 0 || memchr(line, '\0', length) || memchr(line, ' ', name_length) ||
        memchr(line, '\t', name_length))
        return AC_ERR_PROTOCOL;
    while (begin < length && (line[begin] == ' ' || line[begin] == '\t'))
        begin++;
    while (length > begin && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        length--;
    AC_TRY(make_room(g));

    char *name = arena_copy(&g->strings, line, name_length);
    char *value = arena_copy(&g->strings, line + begin, length - begin);
    if (!name || !value)
        return AC_ERR_NOMEM;
    g->headers[g->count++] = (http_header){
        .name = name,
        .value = value,
        .name_length = (uint32_t)name_length,
        .value_length = (uint32_t)(length - begin),
    };
    return AC_OK;
}

ac_status head_gatherer_line(head_gatherer *g, const char *line, size_t length)
{
    if (length > g->bytes_max - g->bytes)
        return AC_ERR_TOO_LARGE;
    g->bytes += length;
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
        length--;
    if (g->complete)
        return AC_OK;
    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0 && (g->status == 0 || g->status / 100 == 1))
        return status_line(g, line, length);
    if (g->status == 0)
        return AC_ERR_PROTOCOL;
    if (length == 0) {
        g->complete = !head_gatherer_is_interim(g);
        return AC_OK;
    }
    return field_line(g, line, length);
}
