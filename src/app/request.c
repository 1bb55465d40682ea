/* request.c - one invocation as the handler sees it: payload, path, headers, values left by middleware.
 *
 * The body is parsed in place, once, when somebody first asks: middleware that wants the payload, or the invocation
 * itself.  What went wrong is kept, so that the client is told the same whoever asked first. */
#include "app/app_internal.h"

#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decode a path.  What is no escape stays as it is, and so does %00: the path is a C string, and nothing may
 * hide behind its end. */
static const char *decode_path(arena *a, const char *target)
{
    if (!strchr(target, '%'))
        return target;

    char *path = arena_copy(a, target, strlen(target));
    if (!path)
        return NULL;

    char *out = path;
    for (const char *in = path; *in; in++) {
        int high = in[0] == '%' ? hex_digit(in[1]) : -1;
        int low = high >= 0 ? hex_digit(in[2]) : -1;
        if (low < 0 || (high == 0 && low == 0)) {
            *out++ = *in;
            continue;
        }
        *out++ = (char)(high << 4 | low);
        in += 2;
    }
    *out = '\0';
    return path;
}

ac_status request_init(app_call *call)
{
    call->request.path = decode_path(http_exchange_arena(call->x), call->http->target);
    return call->request.path ? AC_OK : AC_ERR_NOMEM;
}

ac_status request_parse(ac_request *request)
{
    if (request->parsed)
        return request->parse_status;

    app_call *call = call_of_request(request);
    ac_error err; /* set by a failure */

    request->parsed = true;
    request->parse_status = json_read_in_place(call->http->body, call->http->body_length, AC_JSON_DEPTH_MAX,
                                               &request->payload, &request->flaw, &err);
    if (request->parse_status != AC_OK) {
        request->payload = NULL;
        request->parse_details = arena_copy(http_exchange_arena(call->x), err.message, strlen(err.message));
        if (!request->parse_details)
            request->parse_details = ac_status_text(request->parse_status);
    }
    return request->parse_status;
}

yyjson_val *ac_request_payload(const ac_request *request)
{
    const app_call *call = call_of_request(request);

    /* Only middleware gets here before the invocation has parsed, on the one thread that works on the request. */
    if (!request->parsed && (!call->invocation || request_parse((ac_request *)(uintptr_t)request) != AC_OK))
        return NULL;
    return yyjson_doc_get_root(request->payload);
}

const ac_context *ac_request_context(const ac_request *request)
{
    return &call_of_request(request)->context;
}

ac_app *ac_request_app(const ac_request *request)
{
    return call_of_request(request)->app;
}

const char *ac_request_method(const ac_request *request)
{
    return call_of_request(request)->http->method;
}

const char *ac_request_path(const ac_request *request)
{
    return request->path;
}

const char *ac_request_query(const ac_request *request)
{
    return call_of_request(request)->http->query;
}

const char *ac_request_header(const ac_request *request, const char *name)
{
    return http_exchange_header(call_of_request(request)->x, name);
}

void *ac_request_alloc(ac_request *request, size_t size)
{
    return arena_zalloc(http_exchange_arena(call_of_request(request)->x), size);
}

static request_value *value_find(const ac_request *request, const char *key)
{
    for (request_value *each = request->values; each; each = each->next)
        if (strcmp(each->key, key) == 0)
            return each;
    return NULL;
}

char *ac_request_format(ac_request *request, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = arena_vformat(http_exchange_arena(call_of_request(request)->x), format, args);
    va_end(args);
    return text;
}

ac_status ac_request_set(ac_request *request, const char *key, void *value)
{
    if (!key)
        return AC_ERR_INVALID;

    request_value *entry = value_find(request, key);
    if (entry) {
        entry->value = value;
        return AC_OK;
    }

    arena *a = http_exchange_arena(call_of_request(request)->x);
    entry = arena_alloc(a, sizeof(*entry));
    char *copy = entry ? arena_copy(a, key, strlen(key)) : NULL;
    if (!copy)
        return AC_ERR_NOMEM;
    *entry = (request_value){.next = request->values, .key = copy, .value = value};
    request->values = entry;
    return AC_OK;
}

void *ac_request_get(const ac_request *request, const char *key)
{
    const request_value *entry = key ? value_find(request, key) : NULL;

    return entry ? entry->value : NULL;
}
