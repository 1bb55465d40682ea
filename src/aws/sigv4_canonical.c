/* sigv4_canonical.c - the canonical request: the bytes that both sides of a signature must agree on.
 *
 * Nothing that could be read two ways may get in: a line feed in a method or query would begin another line of the
 * canonical request, so such requests are refused (they cannot be on the wire either); in a path it is encoded, in a
 * header's value it counts as a blank.
 *
 * Sorting is n log n, and the lengths and counts of sigv4.h bound everything before it is copied. */
#include "aws/sigv4_internal.h"
#include "aws/uri.h"

#include <stdlib.h>

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

int sigv4_name_compare(view a, view b)
{
    size_t shorter = MIN(a.length, b.length);

    for (size_t i = 0; i < shorter; i++) {
        unsigned char left = (unsigned char)lower(a.text[i]), right = (unsigned char)lower(b.text[i]);
        if (left != right)
            return left < right ? -1 : 1;
    }
    return (a.length > b.length) - (a.length < b.length);
}

static int header_compare(const void *left, const void *right)
{
    const sigv4_header *a = left, *b = right;
    int names = sigv4_name_compare(a->name, b->name);

    return names != 0 ? names : (a->order > b->order) - (a->order < b->order);
}

void sigv4_headers_sort(sigv4_header *headers, size_t count)
{
    if (count > 1)
        qsort(headers, count, sizeof(*headers), header_compare);
}

/* ---- path ---- */

static void drop_segment(buf *out, size_t start)
{
    while (out->length > start && out->data[--out->length] != '/') {
    }
}

ac_status sigv4_path_normalise(buf *out, const char *path, bool *ret_same)
{
    size_t start = out->length, path_length = strlen(path);
    view rest = {path, path_length}, segment;

    if (path_length > SIGV4_PATH_BYTES_MAX)
        return AC_ERR_TOO_LARGE;
    if (path_length > 0 && path[0] != '/')
        return AC_ERR_INVALID;
    AC_TRY(buf_reserve(out, path_length + 1));
    while (view_split(&rest, '/', &segment)) {
        if (segment.length == 0 || view_is(segment, "."))
            continue;
        if (view_is(segment, "..")) {
            drop_segment(out, start);
            continue;
        }
        out->data[out->length++] = '/';
        memcpy(out->data + out->length, segment.text, segment.length);
        out->length += segment.length;
    }
    if (out->length == start || path[path_length - 1] == '/')
        out->data[out->length++] = '/';
    *ret_same =
        path_length == 0 || view_equal((view){out->data + start, out->length - start}, (view){path, path_length});
    return AC_OK;
}

static bool wire_bytes_valid(view text)
{
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.text[i] <= ' ' || text.text[i] == 0x7f)
            return false;
    return true;
}

static ac_status write_path_as_is(buf *out, const char *path)
{
    view text = {path, strlen(path)};

    if (text.length > SIGV4_PATH_BYTES_MAX)
        return AC_ERR_TOO_LARGE;
    if (text.length == 0)
        return buf_append(out, "/", 1);
    if (path[0] != '/' || !wire_bytes_valid(text))
        return AC_ERR_INVALID;
    return buf_append(out, text.text, text.length);
}

static ac_status write_path(buf *out, const char *path)
{
    _cleanup_(buf_done) buf normal = BUF_INIT(SIGV4_PATH_BYTES_MAX + 1);
    bool same;

    AC_TRY(sigv4_path_normalise(&normal, path, &same));
    return uri_encode(out, normal.data, normal.length, URI_KEEP_SLASH);
}

/* ---- query ---- */

typedef struct query_pair {
    view name;
    view value;
} query_pair;

static int view_compare(view a, view b)
{
    size_t shorter = MIN(a.length, b.length);
    int order = shorter > 0 ? memcmp(a.text, b.text, shorter) : 0;

    return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static int pair_compare(const void *left, const void *right)
{
    const query_pair *a = left, *b = right;
    int names = view_compare(a->name, b->name);

    return names != 0 ? names : view_compare(a->value, b->value);
}

static ac_status split_query(buf *pairs, view query, bool presigned)
{
    view rest = query, part;
    size_t count = 0;

    while (view_split(&rest, '&', &part)) {
        query_pair pair = {.value = part};
        view_split(&pair.value, '=', &pair.name);
        if (presigned && view_is(pair.name, "X-Amz-Signature"))
            continue;
        if (++count > SIGV4_PARAMS_MAX)
            return AC_ERR_TOO_LARGE;
        AC_TRY(buf_append(pairs, &pair, sizeof(pair)));
    }
    return AC_OK;
}

static ac_status write_query(buf *out, view query, bool presigned)
{
    _cleanup_(buf_done) buf memory = BUF_INIT(SIGV4_PARAMS_MAX * sizeof(query_pair));

    if (query.length == 0)
        return AC_OK;
    if (query.length > SIGV4_QUERY_BYTES_MAX)
        return AC_ERR_TOO_LARGE;
    if (!wire_bytes_valid(query))
        return AC_ERR_INVALID;
    AC_TRY(split_query(&memory, query, presigned));

    query_pair *pairs = (query_pair *)(void *)memory.data;
    size_t count = memory.length / sizeof(*pairs);
    if (count > 1)
        qsort(pairs, count, sizeof(*pairs), pair_compare);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            AC_TRY(buf_append(out, "&", 1));
        AC_TRY(buf_append(out, pairs[i].name.text, pairs[i].name.length));
        AC_TRY(buf_append(out, "=", 1));
        AC_TRY(buf_append(out, pairs[i].value.text, pairs[i].value.length));
    }
    return AC_OK;
}

/* ---- headers ---- */

static ac_status write_lower(buf *out, view name)
{
    AC_TRY(buf_reserve(out, name.length));
    for (size_t i = 0; i < name.length; i++)
        out->data[out->length++] = lower(name.text[i]);
    return AC_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Trimmed, with runs of blanks as one space. */
static ac_status write_folded(buf *out, view value)
{
    size_t start = out->length;
    bool blank = false;

    AC_TRY(buf_reserve(out, value.length));
    for (size_t i = 0; i < value.length; i++) {
        if (is_blank(value.text[i])) {
            blank = true;
            continue;
        }
        if (blank && out->length > start)
            out->data[out->length++] = ' ';
        blank = false;
        out->data[out->length++] = value.text[i];
    }
    return AC_OK;
}

static bool same_name(const sigv4_header *headers, size_t i)
{
    return i > 0 && sigv4_name_compare(headers[i - 1].name, headers[i].name) == 0;
}

static ac_status write_headers(buf *out, const sigv4_parts *parts)
{
    const view host = {"host", 4};

    for (size_t i = 0; i < parts->header_count; i++) {
        const sigv4_header *h = &parts->headers[i];
        view value = parts->host.text && sigv4_name_compare(h->name, host) == 0 ? parts->host : h->value;
        if (same_name(parts->headers, i)) {
            AC_TRY(buf_append(out, ",", 1));
        } else {
            if (i > 0)
                AC_TRY(buf_append(out, "\n", 1));
            AC_TRY(write_lower(out, h->name));
            AC_TRY(buf_append(out, ":", 1));
        }
        AC_TRY(write_folded(out, value));
    }
    return buf_append(out, "\n", 1);
}

ac_status sigv4_signed_names_write(buf *out, const sigv4_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (same_name(headers, i))
            continue;
        if (i > 0)
            AC_TRY(buf_append(out, ";", 1));
        AC_TRY(write_lower(out, headers[i].name));
    }
    return AC_OK;
}

/* ---- the whole ---- */

static bool method_valid(const char *method)
{
    size_t length = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-");

    return length > 0 && length <= 32 && method[length] == '\0';
}

static ac_status check_sizes(const sigv4_parts *parts)
{
    size_t bytes = 0;

    if (!method_valid(parts->method))
        return AC_ERR_INVALID;
    for (size_t i = 0; i < parts->header_count; i++) {
        size_t left = SIGV4_HEADER_BYTES_MAX - bytes;
        if (parts->headers[i].name.length > left ||
            parts->headers[i].value.length > left - parts->headers[i].name.length)
            return AC_ERR_TOO_LARGE;
        bytes += parts->headers[i].name.length + parts->headers[i].value.length;
    }
    return AC_OK;
}

ac_status sigv4_canonical_write(buf *out, const sigv4_parts *parts)
{
    AC_TRY(check_sizes(parts));
    AC_TRY(buf_append_text(out, parts->method));
    AC_TRY(buf_append(out, "\n", 1));
    AC_TRY(parts->path_as_is ? write_path_as_is(out, parts->path) : write_path(out, parts->path));
    AC_TRY(buf_append(out, "\n", 1));
    AC_TRY(write_query(out, parts->query, parts->presigned));
    AC_TRY(buf_append(out, "\n", 1));
    AC_TRY(write_headers(out, parts));
    AC_TRY(buf_append(out, "\n", 1));
    AC_TRY(sigv4_signed_names_write(out, parts->headers, parts->header_count));
    AC_TRY(buf_append(out, "\n", 1));
    return buf_append(out, parts->payload.text, parts->payload.length);
}
