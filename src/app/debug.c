/* debug.c - the actions that a payload may ask for when the app runs with debug on:
 * {"_agent_core_app_action": "ping_status"} and its like.  Without debug the key is ordinary payload.
 *
 * The answers to nonsense (a payload that is no object, an action that is a list) are worded as the Python SDK words
 * them, because tools that were written against it compare. */
#include "app/app_internal.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTION_KEY "_agent_core_app_action"

static ac_status answer_forced(app_call *call, const char *forced)
{
    json_scratch scratch;
    yyjson_mut_doc *doc = scratch_doc(&scratch);
    yyjson_mut_val *object = doc ? ac_json_pack(doc, "{s:s}", "forced_status", forced) : NULL;
    ac_status status = object ? reply_json(&call->reply, 200, object, JSON_COMPACT) : AC_ERR_NOMEM;

    yyjson_mut_doc_free(doc);
    return status;
}

static ac_status act_ping_status(app_call *call)
{
    return ping_answer(call, NULL);
}

static ac_status act_job_status(app_call *call)
{
    yyjson_mut_doc *doc = ac_reply_doc(&call->reply);
    yyjson_mut_val *info = doc ? ac_app_task_info(call->app, doc) : NULL;

    return info ? reply_json(&call->reply, 200, info, JSON_COMPACT) : AC_ERR_NOMEM;
}

static ac_status act_force_healthy(app_call *call)
{
    ac_app_force_ping_status(call->app, AC_PING_HEALTHY);
    ac_log_info("Ping status forced to Healthy");
    return answer_forced(call, "Healthy");
}

static ac_status act_force_busy(app_call *call)
{
    ac_app_force_ping_status(call->app, AC_PING_HEALTHY_BUSY);
    ac_log_info("Ping status forced to HealthyBusy");
    return answer_forced(call, "HealthyBusy");
}

static ac_status act_clear(app_call *call)
{
    ac_app_force_ping_status(call->app, AC_PING_UNSET);
    ac_log_info("Forced ping status cleared");
    return answer_forced(call, "Cleared");
}

static const struct {
    const char *name;
    ac_status (*act)(app_call *call);
} actions[] = {
    {"ping_status", act_ping_status}, {"job_status", act_job_status},     {"force_healthy", act_force_healthy},
    {"force_busy", act_force_busy},   {"clear_forced_status", act_clear},
};

/* What Python would call the type of a JSON value. */
static const char *python_type(yyjson_val *value)
{
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_BOOL:
        return "bool";
    case YYJSON_TYPE_NUM:
        return yyjson_is_int(value) ? "int" : "float";
    case YYJSON_TYPE_STR:
        return "str";
    case YYJSON_TYPE_ARR:
        return "list";
    case YYJSON_TYPE_OBJ:
        return "dict";
    default:
        return "NoneType";
    }
}

/* null, false, zero and everything empty mean that no action is asked for. */
static bool asks_for_nothing(yyjson_val *action)
{
    switch (yyjson_get_type(action)) {
    case YYJSON_TYPE_BOOL:
        return !yyjson_get_bool(action);
    case YYJSON_TYPE_NUM:
        return yyjson_get_num(action) == 0.0;
    case YYJSON_TYPE_STR:
        return yyjson_get_len(action) == 0;
    case YYJSON_TYPE_ARR:
    case YYJSON_TYPE_OBJ:
        return unsafe_yyjson_get_len(action) == 0;
    default:
        return true;
    }
}

/* The action as text, for messages. */
static const char *action_text(app_call *call, yyjson_val *action)
{
    if (yyjson_is_str(action))
        return yyjson_get_str(action);
    if (yyjson_is_bool(action))
        return yyjson_get_bool(action) ? "True" : "False";

    size_t length = 0;
    char *text = yyjson_val_write(action, YYJSON_WRITE_NOFLAG, &length);
    char *copy = text ? arena_copy(http_exchange_arena(call->x), text, length) : NULL;
    free(text);
    return copy ? copy : "";
}

static ac_status run_action(app_call *call, const char *text)
{
    ac_log_debug("Processing debug action: %s", text);
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        if (strcmp(actions[i].name, text) != 0)
            continue;
        ac_status status = actions[i].act(call);
        if (status != AC_OK) {
            log_failure_here(ac_status_name(status), ac_status_text(status), "Debug action '%s' failed", text);
            return reply_error(&call->reply, 500, "Debug action failed", ac_status_text(status));
        }
        ac_log_debug("Debug action '%s' completed successfully", text);
        return AC_OK;
    }
    ac_log_warning("Unknown debug action requested: %s", text);

    char *message = arena_alloc(http_exchange_arena(call->x), strlen(text) + sizeof("Unknown action: "));
    if (!message)
        return AC_ERR_NOMEM;
    stpcpy(stpcpy(message, "Unknown action: "), text);
    return reply_error(&call->reply, 400, message, NULL);
}

ac_status debug_handle(app_call *call, bool *ret_done)
{
    yyjson_val *payload = ac_request_payload(&call->request);
    char message[64];

    *ret_done = false;
    if (!yyjson_is_obj(payload)) {
        snprintf(message, sizeof(message), "'%s' object has no attribute 'get'", python_type(payload));
        *ret_done = true;
        log_failure_here("AttributeError", message, "Invocation failed (%ss)", call_seconds(call, SECONDS_ROOM));
        return reply_error(&call->reply, 500, message, NULL);
    }

    yyjson_val *action = yyjson_obj_get(payload, ACTION_KEY);
    if (asks_for_nothing(action))
        return AC_OK;

    *ret_done = true;
    if (yyjson_is_ctn(action)) {
        snprintf(message, sizeof(message), "unhashable type: '%s'", python_type(action));
        log_failure_here("TypeError", message, "Debug action '%s' failed", action_text(call, action));
        AC_TRY(reply_error(&call->reply, 500, "Debug action failed", message));
    } else {
        AC_TRY(run_action(call, action_text(call, action)));
    }
    ac_log_info("Debug action completed (%ss)", call_seconds(call, SECONDS_ROOM));
    return AC_OK;
}
