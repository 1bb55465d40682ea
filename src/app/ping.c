/* ping.c - GET /ping: is this agent healthy, and is it busy?
 *
 * Forced status, then the ping handler, then the tasks.  The time in the answer is when the status last changed as far
 * as anybody has asked: status and time are one atomic word, so asking needs no lock and the two always belong
 * together. */
#include "app/app_internal.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STATUS_BITS 2
#define STATUS_MASK 3u

const char *ping_status_text(ac_ping_status status)
{
    return status == AC_PING_HEALTHY_BUSY ? "HealthyBusy" : "Healthy";
}

static bool is_answer(int status)
{
    return status == AC_PING_HEALTHY || status == AC_PING_HEALTHY_BUSY;
}

static ac_ping_status ask_handler(ac_app *app)
{
    ac_ping_status said = AC_PING_UNSET;
    ac_status status = app->ping.handler(&said, app->ping.user);

    if (status != AC_OK) {
        ac_log_warning("Custom ping handler failed, falling back to automatic: %s: %s", ac_status_name(status),
                       ac_status_text(status));
        return AC_PING_UNSET;
    }
    if (said != AC_PING_UNSET && !is_answer((int)said)) {
        ac_log_warning("Custom ping handler failed, falling back to automatic: %s: %d is not a valid ac_ping_status",
                       ac_status_name(AC_ERR_INVALID), (int)said);
        return AC_PING_UNSET;
    }
    return said;
}

static ac_ping_status current_status(ac_app *app)
{
    ac_ping_status status = (ac_ping_status)atomic_load_explicit(&app->ping.forced, memory_order_acquire);

    if (status == AC_PING_UNSET && app->ping.handler)
        status = ask_handler(app);
    if (status != AC_PING_UNSET)
        return status;
    return atomic_load(&app->tasks.active) > 0 ? AC_PING_HEALTHY_BUSY : AC_PING_HEALTHY;
}

ac_ping_status ping_get(ac_app *app, int64_t *ret_since)
{
    ac_ping_status status = current_status(app);
    uint_fast64_t last = atomic_load(&app->ping.last);

    while ((last & STATUS_MASK) != (uint_fast64_t)status) {
        uint_fast64_t now = (uint_fast64_t)(clock_unix_ms() / 1000) << STATUS_BITS | (uint_fast64_t)status;
        if (atomic_compare_exchange_weak(&app->ping.last, &last, now))
            last = now;
    }
    if (ret_since)
        *ret_since = (int64_t)(last >> STATUS_BITS);
    return status;
}

ac_status ping_answer(app_call *call, ac_ping_status *ret_status)
{
    int64_t since;
    ac_ping_status status = ping_get(call->app, &since);
    ac_reply *reply = &call->reply;

    reply->body.length = 0;
    AC_TRY(buf_appendf(&reply->body, "{\"status\":\"%s\",\"time_of_last_update\":%" PRId64 "}",
                       ping_status_text(status), since));
    reply->content_type = "application/json";
    reply->state = REPLY_ANSWERED;
    if (ret_status)
        *ret_status = status;
    return AC_OK;
}

ac_status ping_handle(app_call *call)
{
    ac_ping_status status;

    AC_TRY(ping_answer(call, &status));
    ac_log_debug("Ping request - status: %s", ping_status_text(status));
    return AC_OK;
}

ac_status ac_app_ping(ac_app *app, ac_status (*handler)(ac_ping_status *ret_status, void *user), void *user)
{
    AC_TRY(app_may_register(app));
    app->ping.handler = handler;
    app->ping.user = user;
    return AC_OK;
}

ac_status ac_app_force_ping_status(ac_app *app, ac_ping_status status)
{
    if (status != AC_PING_UNSET && !is_answer((int)status))
        return AC_ERR_INVALID;
    atomic_store(&app->ping.forced, (int)status);
    return AC_OK;
}

ac_ping_status ac_app_get_ping_status(ac_app *app)
{
    return ping_get(app, NULL);
}
