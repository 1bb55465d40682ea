/* async_tasks_agent.c - work that goes on after the answer, and what /ping says about it meanwhile.
 *
 *     curl -d '{"method": "background", "seconds": 10}' http://127.0.0.1:8080/invocations
 *     curl -d '{"method": "manual"}' http://127.0.0.1:8080/invocations
 *     curl http://127.0.0.1:8080/ping
 *
 * While a task runs, /ping answers HealthyBusy, which keeps the session alive.  Started as
 * `async_tasks_agent 8080 custom-ping`, a ping handler decides instead of the tasks:
 *
 *     curl -d '{"method": "busy", "busy": true}' http://127.0.0.1:8080/invocations */
#include "port.h"

#include <agentcore/agentcore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* Method 1: a function that runs as a tracked task; it is over when the function returns. */
static ac_status background_work(void *user)
{
    sleep((unsigned)(uintptr_t)user);
    return AC_OK;
}

static ac_status start_background(ac_request *request, ac_reply *reply)
{
    int64_t seconds = ac_json_int(ac_request_payload(request), "seconds", 600);
    if (seconds < 0 || seconds > 3600)
        return ac_reply_fail(reply, 400, "seconds must be 0 to 3600");
    ac_status status =
        ac_app_task_run(ac_request_app(request), "background_work", background_work, (void *)(uintptr_t)seconds, NULL);
    if (status != AC_OK)
        return status;
    return ac_reply_pack(reply, "{s:s}", "status", "started");
}

/* Method 2: say yourself when a task starts and when it is over. */
static ac_status track_by_hand(ac_request *request, ac_reply *reply)
{
    ac_app *app = ac_request_app(request);
    int64_t task_id = ac_app_task_start(app, "data_processing");
    if (task_id == 0)
        return AC_ERR_NOMEM;
    /* ... do the work ... */
    ac_app_task_complete(app, task_id);
    return ac_reply_pack(reply, "{s:s}", "status", "completed");
}

/* Method 3: decide what /ping answers. */
static atomic_bool system_busy;

static ac_status custom_status(ac_ping_status *ret_status, void *user)
{
    (void)user;
    *ret_status = atomic_load(&system_busy) ? AC_PING_HEALTHY_BUSY : AC_PING_HEALTHY;
    return AC_OK;
}

static ac_status invoke(ac_request *request, ac_reply *reply, void *user)
{
    (void)user;
    const char *method = ac_json_string(ac_request_payload(request), "method", "background");
    if (strcmp(method, "background") == 0)
        return start_background(request, reply);
    if (strcmp(method, "manual") == 0)
        return track_by_hand(request, reply);
    if (strcmp(method, "busy") == 0) {
        bool busy = ac_json_bool(ac_request_payload(request), "busy", true);
        atomic_store(&system_busy, busy);
        return ac_reply_pack(reply, "{s:b}", "busy", busy);
    }
    return ac_reply_fail(reply, 400, "unknown method: %s", method);
}

int main(int argc, char **argv)
{
    ac_app *app = ac_app_new(&(ac_app_options){.port = port_argument(argc, argv)});
    if (!app)
        return 1;
    ac_app_entrypoint(app, invoke, NULL);
    if (argc > 2 && strcmp(argv[2], "custom-ping") == 0)
        ac_app_ping(app, custom_status, NULL);

    int exit_code = ac_app_run(app, NULL);
    ac_app_free(app);
    return exit_code;
}
