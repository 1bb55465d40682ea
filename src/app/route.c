/* route.c - which path and method leads where.
 *
 * Requests arrive here on the loop thread.  What blocks goes to a worker; everything else is answered at once. */
#include "app/app_internal.h"

#include <string.h>

typedef struct route {
    const char *path;
    const char *method;  /* the usual one */
    const char *methods; /* as the Allow header lists them */
    ac_status (*handle)(app_call *call);
    bool invocation;
} route;

static const route routes[] = {
    {"/invocations", "POST", "POST", invoke_handle, true},
    {"/ping", "GET", "GET, HEAD", ping_handle, false},
};

static ac_status answer_not_found(app_call *call)
{
    return reply_text(&call->reply, 404, "Not Found");
}

static const route *route_find(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
        if (strcmp(routes[i].path, path) == 0)
            return &routes[i];
    return NULL;
}

static ac_status answer_wrong_method(app_call *call)
{
    const route *found = route_find(call->request.path);

    AC_TRY(ac_reply_set_header(&call->reply, "Allow", found->methods));
    return reply_text(&call->reply, 405, "Method Not Allowed");
}

/* A request that wants to be a WebSocket and is not one.  Only the version can be negotiated (RFC 6455, 4.2.2). */
static ac_status answer_bad_upgrade(app_call *call)
{
    const char *version = http_exchange_header(call->x, "Sec-WebSocket-Version");

    if (version && strcmp(version, "13") == 0)
        return reply_text(&call->reply, 400, "Malformed WebSocket handshake");
    AC_TRY(ac_reply_set_header(&call->reply, "Sec-WebSocket-Version", "13"));
    AC_TRY(ac_reply_set_header(&call->reply, "Upgrade", "websocket"));
    return reply_text(&call->reply, 426, "Upgrade Required");
}

/* "/ping/" leads to "/ping", as Starlette has it. */
static const route *route_without_slash(app_call *call, char **ret_location)
{
    const char *path = call->request.path;
    const char *query = call->http->query;
    size_t length = strlen(path);

    while (length > 1 && path[length - 1] == '/')
        length--;
    if (path[length] != '/')
        return NULL;

    char *location = arena_alloc(http_exchange_arena(call->x), length + (query ? strlen(query) : 0) + 2);
    if (!location)
        return NULL;
    memcpy(location, path, length);
    location[length] = '\0';
    const route *found = route_find(location);
    if (query)
        stpcpy(stpcpy(location + length, "?"), query);
    *ret_location = location;
    return found;
}

static ac_status answer_no_route(app_call *call)
{
    char *location = NULL;

    if (!route_without_slash(call, &location))
        return answer_not_found(call);
    AC_TRY(ac_reply_set_header(&call->reply, "Location", location));
    AC_TRY(reply_text(&call->reply, 307, ""));
    call->reply.content_type = NULL;
    return AC_OK;
}

static bool wants_websocket(app_call *call)
{
    const char *upgrade = http_exchange_header(call->x, "Upgrade");

    return upgrade && strcmp(call->http->method, "GET") == 0 && ws_header_has_token(upgrade, "websocket");
}

static bool allows(const route *r, const char *method)
{
    return strcmp(r->method, method) == 0 || list_has(r->methods, method, strlen(method), false);
}

static void choose(app_call *call)
{
    const route *found = route_find(call->request.path);

    if (found && allows(found, call->http->method)) {
        call->handle = found->handle;
        call->invocation = found->invocation;
    } else if (found) {
        call->handle = answer_wrong_method;
    } else if (strcmp(call->request.path, "/ws") == 0 && wants_websocket(call)) {
        call->handle = answer_bad_upgrade;
    } else {
        call->handle = answer_no_route;
    }
}

static void run_job(workers_job *job)
{
    call_run(CONTAINER_OF(job, app_call, job));
}

static void run_on_worker(app_call *call)
{
    call->job.run = run_job;

    ac_status status = workers_submit(call->app->workers, &call->job);
    if (status == AC_OK)
        return;
    ac_log_error("No thread for a request: %s", ac_status_text(status));
    status = reply_error(&call->reply, 503, "No thread is free to serve this request", NULL);
    call_finish(call, status);
}

void app_on_request(http_exchange *x, void *user)
{
    ac_app *app = user;
    app_call *call = call_new(app, x);

    if (!call) {
        call_refuse(x);
        return;
    }
    if (call->http->websocket) {
        websocket_start(call);
        return;
    }
    choose(call);
    if (call->invocation && app->handler && !app->handler_on_loop)
        run_on_worker(call);
    else
        call_run(call);
}
