/* call.c - the life of one request in this room, from its arrival to its answer.
 *
 * A call has one owner at a time: the loop thread, a worker, or whoever finishes a deferred reply.  A deferred call has
 * two holders for a while, the handler that has not yet returned and the finisher; the one who lets go last ends it, so
 * a reply may be finished on another thread before its handler is back. */
#include "app/app_internal.h"
#include "base/clock.h"
#include "base/log.h"

#include <string.h>

app_call *call_new(ac_app *app, http_exchange *x)
{
    app_call *call = arena_zalloc(http_exchange_arena(x), sizeof(*call));

    if (!call)
        return NULL;
    call->app = app;
    call->x = x;
    call->http = http_exchange_request(x);
    reply_init(&call->reply);
    if (request_init(call) != AC_OK)
        return NULL;
    context_init(&call->context, x);
    return call;
}

void call_refuse(http_exchange *x)
{
    http_respond_bare(x, 500);
    http_exchange_unref(x);
}

void call_free(app_call *call)
{
    ac_app *deferred_in = call->deferred ? call->app : NULL;

    atomic_store(&call->reply.on_writable, NULL);
    reply_done(&call->reply);
    context_done(&call->context);
    yyjson_doc_free(call->request.payload);
    http_exchange_unref(call->x); /* and with it, perhaps, the call itself */
    if (deferred_in)
        app_undefer(deferred_in); /* from here on the app may go away */
}

/* By hand: printing a double would cost more than all the rest of a log line. */
const char *call_seconds(const app_call *call, char room[SECONDS_SIZE])
{
    uint64_t ms = (clock_monotonic_ns() - call->http->arrived_ns + 500000) / 1000000;
    char *at = room + SECONDS_SIZE - 1;

    *at = '\0';
    for (int digits = 0; digits < 4 || ms > 0; digits++) {
        if (digits == 3)
            *--at = '.';
        *--at = (char)('0' + ms % 10);
        ms /= 10;
    }
    return at;
}

void call_log_access(const app_call *call, int status)
{
    if (call->app->options.debug)
        ac_log_info("%s %s %d (%ss)", call->http->method, call->http->target, status, call_seconds(call, SECONDS_ROOM));
}

/* ---- how it went ---- */

static void log_failed(const app_call *call, ac_status status)
{
    const ac_reply *reply = &call->reply;
    const char *message = reply->fail_message ? reply->fail_message : ac_status_text(status);

    if (reply->fail_status >= 500)
        ac_log_error("HTTP %d (%ss): %s", reply->fail_status, call_seconds(call, SECONDS_ROOM), message);
    else if (reply->fail_status)
        ac_log_warning("HTTP %d (%ss): %s", reply->fail_status, call_seconds(call, SECONDS_ROOM), message);
    else
        log_failure_here(ac_status_name(status), message, "%s failed (%ss)", call->handled ? "Invocation" : "Request",
                         call_seconds(call, SECONDS_ROOM));
}

/* The one line that every invocation writes: put together without a format. */
static void log_success(const app_call *call)
{
    static const char before[] = "Invocation completed successfully (";
    char text[sizeof before + SECONDS_SIZE + 2];

    memcpy(text, before, sizeof before - 1);
    stpcpy(stpcpy(text + sizeof before - 1, call_seconds(call, SECONDS_ROOM)), "s)");
    log_with_members(text, NULL);
}

static void log_done(const app_call *call)
{
    int status = call->reply.status;

    if (!call->handled || call->logged)
        return;
    if (status >= 400)
        ac_log_warning("Invocation returned HTTP %d (%ss)", status, call_seconds(call, SECONDS_ROOM));
    else if (ac_log_enabled(AC_LOG_INFO))
        log_success(call);
}

/* ---- the end ---- */

static void finish_answer(app_call *call, ac_status status)
{
    ac_reply *reply = &call->reply;
    ac_status made = AC_OK;

    if (status != AC_OK) {
        /* A client that is gone hears nothing, and that it went is no failure. */
        if (status != AC_ERR_CLOSED || !http_exchange_closed(call->x))
            log_failed(call, status);
        made = reply_error(reply, reply->fail_status ? reply->fail_status : 500,
                           reply->fail_message ? reply->fail_message : ac_status_text(status), NULL);
    } else {
        if (reply->state == REPLY_OPEN)
            made = ac_reply_value(reply, NULL);
        log_done(call);
    }
    middleware_after(call);
    if (made == AC_OK)
        made = reply_send_answer(reply);
    if (made != AC_OK && made != AC_ERR_CLOSED) {
        ac_log_error("The answer could not be sent: %s", ac_status_text(made));
        http_respond_bare(call->x, 500);
    }
    call_log_access(call, reply->status ? reply->status : 200);
    call_free(call);
}

static void resume_stream(http_exchange *x, void *user);

static void finish_stream(app_call *call, ac_status status)
{
    if (status != AC_OK && !http_exchange_closed(call->x)) {
        if (!call->logged)
            log_failure_here(call->reply.fail_type ? call->reply.fail_type : ac_status_name(status),
                             call->reply.fail_message ? call->reply.fail_message : ac_status_text(status),
                             "Error in sync streaming");
        call->logged = true;
        call->status = status;
        if (stream_fail(&call->reply, status) == AC_ERR_AGAIN &&
            http_exchange_on_writable(call->x, resume_stream, call) == AC_OK)
            return;
    }
    middleware_after(call);
    stream_end(&call->reply);
    call_log_access(call, call->reply.status ? call->reply.status : 200);
    call_free(call);
}

/* There is room for the last event now, or nobody to send it to. */
static void resume_stream(http_exchange *x, void *user)
{
    app_call *call = user;
    app_scope previous;

    (void)x;
    scope_enter(&call->context, &previous);
    finish_stream(call, call->status);
    scope_leave(&previous);
}

void call_finish(app_call *call, ac_status status)
{
    if (call->reply.state == REPLY_STREAMING)
        finish_stream(call, status);
    else
        finish_answer(call, status);
}

/* ---- running and deferring ---- */

/* The handler and the finisher each let go once. */
static void deferred_release(app_call *call)
{
    if (atomic_fetch_sub(&call->holders, 1) == 1)
        call_finish(call, call->status != AC_OK ? call->status : call->finished);
}

void call_run(app_call *call)
{
    app_scope previous;

    scope_enter(&call->context, &previous);

    ac_status status = middleware_before(call);
    if (status == AC_OK && call->reply.state == REPLY_OPEN)
        status = call->handle(call);
    if (call->deferred) {
        call->status = status;
        deferred_release(call);
    } else {
        call_finish(call, status);
    }
    scope_leave(&previous);
}

ac_reply *ac_reply_defer(ac_reply *reply)
{
    app_call *call = call_of_reply(reply);

    if (!call->handled || call->deferred)
        return NULL;
    call->deferred = true;
    app_defer(call->app);
    atomic_store(&call->holders, 2);
    return reply;
}

void ac_reply_finish(ac_reply *reply, ac_status status)
{
    app_call *call = call_of_reply(reply);
    app_scope previous;

    scope_enter(&call->context, &previous);
    call->finished = status;
    deferred_release(call);
    scope_leave(&previous);
}
