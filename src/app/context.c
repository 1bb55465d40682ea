/* context.c - who is calling, and which call the current thread is working for.
 *
 * The context borrows everything from the request.  Its fields are found in one pass over the headers.  The list of
 * forwarded headers is made when somebody asks for it: any thread may, so whoever is first publishes the list and a
 * second maker throws his away. */
#include "app/app_internal.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct app_forwarded {
    size_t count;
    ac_header headers[]; /* and behind them the names in lower case */
};

static _Thread_local app_scope current;

#define LENGTH_OF(literal) (sizeof(literal) - 1)
#define IS(header, literal)                                                                                            \
    ((header)->name_length == LENGTH_OF(literal) && strncasecmp((header)->name, literal, LENGTH_OF(literal)) == 0)

static void take_first(const char **field, const http_header *header)
{
    if (!*field)
        *field = header->value;
}

/* An empty identity token gives way to the older header. */
static const char *unless_empty(const char *value, const char *otherwise)
{
    return value && value[0] ? value : otherwise;
}

void context_init(ac_context *context, http_exchange *x)
{
    const http_request *request = http_exchange_request(x);
    const char *identity = NULL, *workload = NULL;
    const http_header *header = request->headers;

    context->request = request;
    for (size_t i = 0; i < request->header_count; i++, header++) {
        switch (header->name_length) {
        case LENGTH_OF(AC_HEADER_SESSION_ID):
            if (IS(header, AC_HEADER_SESSION_ID))
                take_first(&context->session_id, header);
            else if (IS(header, AC_HEADER_REQUEST_ID))
                take_first(&context->request_id, header);
            break;
        case LENGTH_OF(AC_HEADER_IDENTITY_WAT):
            if (IS(header, AC_HEADER_IDENTITY_WAT))
                take_first(&identity, header);
            break;
        case LENGTH_OF(AC_HEADER_WORKLOAD_TOKEN):
            if (IS(header, AC_HEADER_WORKLOAD_TOKEN))
                take_first(&workload, header);
            break;
        case LENGTH_OF(AC_HEADER_OAUTH2_CALLBACK):
            if (IS(header, AC_HEADER_OAUTH2_CALLBACK))
                take_first(&context->oauth2_callback_url, header);
            break;
        case LENGTH_OF("baggage"):
            if (IS(header, "baggage"))
                context->baggage = context->baggage ? http_exchange_header(x, "baggage") : header->value;
            break;
        default:
            break;
        }
    }
    context->workload_token = unless_empty(unless_empty(identity, workload), NULL);
    context->oauth2_callback_url = unless_empty(context->oauth2_callback_url, NULL);
    if (!context->request_id || !context->request_id[0]) {
        uuid_v4(context->made_request_id);
        context->request_id = context->made_request_id;
    }
    atomic_init(&context->forwarded, NULL);
}

_Static_assert(LENGTH_OF(AC_HEADER_SESSION_ID) == LENGTH_OF(AC_HEADER_REQUEST_ID), "one case for both");

void context_done(ac_context *context)
{
    free(atomic_load_explicit(&context->forwarded, memory_order_acquire));
}

/* ---- forwarded headers ---- */

static bool is_forwarded(const http_header *header)
{
    return header_forwardable(header->name, header->name_length);
}

static char *lower_copy(char *out, const http_header *header)
{
    for (uint32_t i = 0; i < header->name_length; i++) {
        char c = header->name[i];
        out[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    out[header->name_length] = '\0';
    return out + header->name_length + 1;
}

static app_forwarded *make_forwarded(const http_request *request)
{
    size_t count = 0, name_bytes = 0;

    for (size_t i = 0; i < request->header_count; i++) {
        if (!is_forwarded(&request->headers[i]))
            continue;
        count++;
        name_bytes += request->headers[i].name_length + 1;
    }

    /* The counts are bounded by the limit on header bytes, so this cannot overflow. */
    app_forwarded *list = malloc(sizeof(*list) + count * sizeof(list->headers[0]) + name_bytes);
    if (!list)
        return NULL;

    char *names = (char *)&list->headers[count];
    ac_header *next = list->headers;
    for (size_t i = 0; i < request->header_count; i++) {
        const http_header *header = &request->headers[i];
        if (!is_forwarded(header))
            continue;
        if (IS(header, "authorization")) {
            next->name = "Authorization";
        } else {
            next->name = names;
            names = lower_copy(names, header);
        }
        next->value = header->value;
        next++;
    }
    list->count = count;
    return list;
}

static const app_forwarded *forwarded(const ac_context *context)
{
    /* The one field of a context that changes. */
    ac_context *changing = (ac_context *)(uintptr_t)context;
    app_forwarded *list = atomic_load_explicit(&changing->forwarded, memory_order_acquire);

    if (list)
        return list;

    app_forwarded *mine = make_forwarded(context->request);
    if (!mine)
        return NULL;
    if (atomic_compare_exchange_strong(&changing->forwarded, &list, mine))
        return mine;
    free(mine);
    return list;
}

const ac_header *ac_context_headers(const ac_context *context, size_t *ret_count)
{
    const app_forwarded *list = forwarded(context);

    *ret_count = list ? list->count : 0;
    return list ? list->headers : NULL;
}

/* The last one of a name wins, as in a dictionary that is filled in order of arrival. */
const char *ac_context_header(const ac_context *context, const char *name)
{
    const app_forwarded *list = forwarded(context);

    for (size_t i = list ? list->count : 0; i > 0; i--)
        if (strcasecmp(list->headers[i - 1].name, name) == 0)
            return list->headers[i - 1].value;
    return NULL;
}

/* ---- the fields ---- */

const char *ac_context_session_id(const ac_context *context)
{
    return context->session_id;
}

const char *ac_context_request_id(const ac_context *context)
{
    return context->request_id;
}

const char *ac_context_workload_token(const ac_context *context)
{
    return context->workload_token;
}

const char *ac_context_oauth2_callback_url(const ac_context *context)
{
    return context->oauth2_callback_url;
}

const char *ac_context_baggage(const ac_context *context)
{
    return context->baggage;
}

/* ---- the current thread ---- */

static void scope_set(const app_scope *scope)
{
    current = *scope;
    log_set_ids(scope->request_id, scope->session_id);
}

void scope_enter(const ac_context *context, app_scope *ret_previous)
{
    *ret_previous = current;
    scope_set(&(app_scope){
        .context = context,
        .request_id = context->request_id,
        .session_id = unless_empty(context->session_id, NULL),
    });
}

void scope_enter_ids(const char *request_id, const char *session_id, app_scope *ret_previous)
{
    *ret_previous = current;
    scope_set(&(app_scope){.request_id = request_id, .session_id = session_id});
}

void scope_leave(const app_scope *previous)
{
    scope_set(previous);
}

const ac_context *ac_context_current(void)
{
    return current.context;
}
