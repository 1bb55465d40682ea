/* middleware.c - functions around every request.
 *
 * The list is fixed while the app is open.  A call remembers how many befores were begun, and exactly those have their
 * after, in reverse. */
#include "app/app_internal.h"

#include <stdlib.h>

ac_status ac_app_middleware(ac_app *app, const ac_middleware *middleware)
{
    AC_TRY(app_may_register(app));
    if (!middleware)
        return AC_ERR_INVALID;

    ac_middleware *larger = reallocarray(app->middleware, app->middleware_count + 1, sizeof(*larger));
    if (!larger)
        return AC_ERR_NOMEM;
    larger[app->middleware_count++] = *middleware;
    app->middleware = larger;
    return AC_OK;
}

ac_status middleware_before(app_call *call)
{
    const ac_app *app = call->app;

    while (call->befores < app->middleware_count && call->reply.state == REPLY_OPEN) {
        const ac_middleware *each = &app->middleware[call->befores++];
        if (each->before)
            AC_TRY(each->before(&call->request, &call->reply, each->user));
    }
    return AC_OK;
}

void middleware_after(app_call *call)
{
    while (call->befores > 0) {
        const ac_middleware *each = &call->app->middleware[--call->befores];
        if (each->after)
            each->after(&call->request, &call->reply, each->user);
    }
}
