/* room.c - the built-in browser.
 *
 * It is a constant of the program, no row of the store: nobody can change or delete it, and every account sees it,
 * under an ARN of the account "aws".  Lists are one page long, so there is no nextToken that could be right. */
#include "daemon/tools/room.h"

#include "aws/endpoints.h"
#include "daemon/resources/arns.h"

#include <string.h>

#define BUILTIN_ACCOUNT "aws"
#define BUILTIN_SINCE_MS 1735689600000LL /* 2025-01-01: clients want a date, and the same one each time */

typedef struct builtin {
    const char *id;
    const char *name;
    const char *description;
    const char *network;
    const char *arn_path;
    const char *what; /* in messages */
    /* Members of the operations. */
    const char *id_member;
    const char *arn_member;
    const char *list_member;
} builtin;

static const builtin browser = {
    .id = "aws.browser.v1",
    .name = "aws_browser_v1",
    .description = "The built-in browser",
    .network = "PUBLIC",
    .arn_path = "browser/aws.browser.v1",
    .what = "browser",
    .id_member = "browserId",
    .arn_member = "browserArn",
    .list_member = "browserSummaries",
};

/* What Get and List show alike. */
static ac_status summarize(front_call *call, const builtin *b, yyjson_mut_val *object, ac_error *err)
{
    yyjson_mut_doc *doc = call->doc;
    const char *arn_text;

    AC_TRY(arn_of_caller(call, AWS_SERVICE, BUILTIN_ACCOUNT, b->arn_path, &arn_text, err));
    if (!yyjson_mut_obj_add_str(doc, object, b->id_member, b->id) ||
        !yyjson_mut_obj_add_strcpy(doc, object, b->arn_member, arn_text) ||
        !yyjson_mut_obj_add_str(doc, object, "name", b->name) ||
        !yyjson_mut_obj_add_str(doc, object, "description", b->description) ||
        !yyjson_mut_obj_add_str(doc, object, "status", "READY") ||
        !yyjson_mut_obj_add_sint(doc, object, "createdAt", BUILTIN_SINCE_MS) ||
        !yyjson_mut_obj_add_sint(doc, object, "lastUpdatedAt", BUILTIN_SINCE_MS))
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    return AC_OK;
}

static ac_status get(front_call *call, const builtin *b, ac_error *err)
{
    const char *id = front_text(call, b->id_member);
    yyjson_mut_val *network;

    if (strcmp(id, b->id) != 0)
        return ac_error_set(err, AC_ERR_NOT_FOUND, "There is no %s '%s'", b->what, id);
    AC_TRY(summarize(call, b, call->output, err));
    network = ac_json_pack(call->doc, "{s:s}", "networkMode", b->network);
    return front_add_value(call, "networkConfiguration", network, err);
}

static ac_status list(front_call *call, const builtin *b, ac_error *err)
{
    yyjson_mut_val *items = yyjson_mut_arr(call->doc), *item = yyjson_mut_obj(call->doc);
    const char *type = front_text(call, "type");

    if (!items || !item)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (front_text(call, "nextToken"))
        return ac_error_set(err, AC_ERR_INVALID, "the nextToken is not valid");
    if (!type || strcmp(type, "SYSTEM") == 0) {
        AC_TRY(summarize(call, b, item, err));
        yyjson_mut_arr_append(items, item);
    }
    return front_add_value(call, b->list_member, items, err);
}

static ac_status get_browser(front_call *call, ac_error *err)
{
    return get(call, &browser, err);
}

static ac_status list_browsers(front_call *call, ac_error *err)
{
    return list(call, &browser, err);
}

static const front_operation operations[] = {
    {API_GET_BROWSER, get_browser, NULL, false},
    {API_LIST_BROWSERS, list_browsers, NULL, false},
};

ac_status tools_register(front *f, ac_error *err)
{
    ac_status status = front_register(f, operations, ARRAY_SIZE(operations), NULL);

    return status == AC_OK ? AC_OK : ac_error_set(err, status, "its operations are served by another room");
}

static ac_status start(agentcored *d, void **ret_room, ac_error *err)
{
    (void)ret_room;
    return tools_register(d->front, err);
}

const daemon_room tools_room = {"tools", start, NULL};
