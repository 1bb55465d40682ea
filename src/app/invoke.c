/* invoke.c - POST /invocations: body to payload, payload to handler.
 *
 * Order, texts and statuses are those of the Python SDK: a body that is not JSON is refused before anything else, then
 * debug actions are looked for, and only then is asked whether there is a handler at all. */
#include "app/app_internal.h"

static ac_status refuse_body(app_call *call)
{
    const ac_request *request = &call->request;
    const char *what = request->flaw == JSON_FLAW_ENCODING ? "Invalid encoding" : "Invalid JSON";

    call->logged = true;
    ac_log_warning("%s in request (%ss): %s", what, call_seconds(call, SECONDS_ROOM), request->parse_details);
    return reply_error(&call->reply, 400, what, request->parse_details);
}

ac_status invoke_handle(app_call *call)
{
    ac_app *app = call->app;
    ac_status status = request_parse(&call->request);

    if (status == AC_ERR_PROTOCOL)
        return refuse_body(call);
    if (status != AC_OK)
        return status;
    ac_log_debug("Processing invocation request");

    if (app->options.debug) {
        bool done = false;
        AC_TRY(debug_handle(call, &done));
        if (done)
            return AC_OK;
    }
    if (!app->handler) {
        ac_log_error("No entrypoint defined");
        return reply_error(&call->reply, 500, "No entrypoint defined", NULL);
    }
    ac_log_debug("Invoking handler");
    call->handled = true;
    return app->handler(&call->request, &call->reply, app->handler_user);
}
