/* interpreters.c - the operations on code interpreters.
 *
 * One is READY as soon as it is there: nothing has to be set up before a session starts.  The built-in one is a
 * constant of the program, which nobody can change or delete.  Lists begin with it; a nextToken of theirs says that it
 * was shown and nothing else yet. */
#include "daemon/code/code.h"

#include "aws/endpoints.h"
#include "daemon/resources/document.h"
#include "daemon/resources/ids.h"
#include "daemon/resources/transact.h"

#include <string.h>

#define BUILTIN_ACCOUNT "aws"
#define BUILTIN_SINCE_MS 1735689600000LL /* 2025-01-01: clients want a date, and the same one each time */
#define PAGE_DEFAULT 10
#define AFTER_BUILTIN "custom" /* a nextToken */

static const char *const kept[] = {"description", "executionRoleArn", "networkConfiguration"};

static const document_member created_members[] = {
    {"codeInterpreterId", DOCUMENT_ID, NULL},
    {"codeInterpreterArn", DOCUMENT_ARN, NULL},
    {"createdAt", DOCUMENT_CREATED, NULL},
    {"status", DOCUMENT_STATUS, NULL},
};
static const document_form created = DOCUMENT_FORM(created_members);

static const document_member shown_members[] = {
    {"codeInterpreterId", DOCUMENT_ID, NULL},
    {"codeInterpreterArn", DOCUMENT_ARN, NULL},
    {"name", DOCUMENT_NAME, NULL},
    {"description", DOCUMENT_BODY, NULL},
    {"executionRoleArn", DOCUMENT_BODY, NULL},
    {"networkConfiguration", DOCUMENT_BODY, NULL},
    {"status", DOCUMENT_STATUS, NULL},
    {"createdAt", DOCUMENT_CREATED, NULL},
    {"lastUpdatedAt", DOCUMENT_UPDATED, NULL},
};
static const document_form shown = DOCUMENT_FORM(shown_members);

static const document_member listed_members[] = {
    {"codeInterpreterId", DOCUMENT_ID, NULL},
    {"codeInterpreterArn", DOCUMENT_ARN, NULL},
    {"name", DOCUMENT_NAME, NULL},
    {"description", DOCUMENT_BODY, NULL},
    {"status", DOCUMENT_STATUS, NULL},
    {"createdAt", DOCUMENT_CREATED, NULL},
    {"lastUpdatedAt", DOCUMENT_UPDATED, NULL},
};
static const document_form listed = DOCUMENT_FORM(listed_members);

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static resource_key key_of(const front_call *call)
{
    return resource_key_of(call, KIND_CODE_INTERPRETER, NULL, front_text(call, "codeInterpreterId"));
}

/* ---- the built-in one ---- */

/* What Get and List show alike. */
static ac_status show_builtin(front_call *call, yyjson_mut_val *object, ac_error *err)
{
    yyjson_mut_doc *doc = call->doc;
    const char *arn_text;

    AC_TRY(arn_of_caller(call, AWS_SERVICE, BUILTIN_ACCOUNT, "code-interpreter/" CODE_BUILTIN_ID, &arn_text, err));
    if (!yyjson_mut_obj_add_str(doc, object, "codeInterpreterId", CODE_BUILTIN_ID) ||
        !yyjson_mut_obj_add_strcpy(doc, object, "codeInterpreterArn", arn_text) ||
        !yyjson_mut_obj_add_str(doc, object, "name", "aws_codeinterpreter_v1") ||
        !yyjson_mut_obj_add_str(doc, object, "description", "The built-in code interpreter") ||
        !yyjson_mut_obj_add_str(doc, object, "status", CODE_READY) ||
        !yyjson_mut_obj_add_sint(doc, object, "createdAt", BUILTIN_SINCE_MS) ||
        !yyjson_mut_obj_add_sint(doc, object, "lastUpdatedAt", BUILTIN_SINCE_MS))
        return no_memory(err);
    return AC_OK;
}

/* ---- create ---- */

/* What AWS has and this machine does not. */
static ac_status check_input(const front_call *call, ac_error *err)
{
    if (yyjson_mut_arr_size(front_value(call, "filesystemConfigurations")) > 0)
        return ac_error_set(err, AC_ERR_INVALID, "filesystemConfigurations: there are no file systems of AWS here");
    if (yyjson_mut_arr_size(front_value(call, "certificates")) > 0)
        return ac_error_set(err, AC_ERR_INVALID, "certificates: there is no Secrets Manager here to get them from");
    return AC_OK;
}

static ac_status create_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const char *name = front_text(call, "name"), *id;
    resource r = {.name = name, .status = CODE_READY};
    ac_status status;

    (void)arg;
    AC_TRY(resource_make_id(name, call->memory, &id, err));
    r.key = resource_key_of(call, KIND_CODE_INTERPRETER, NULL, id);
    AC_TRY(document_body(call, kept, ARRAY_SIZE(kept), &r.body, err));
    status = resource_create(tx, &r, err);
    if (status == AC_ERR_CONFLICT)
        return ac_error_set(err, status, "A code interpreter with the name '%s' already exists", name);
    AC_TRY(status);
    AC_TRY(resource_tag(tx, &r.key, front_value(call, "tags"), call->memory, err));
    return document_answer(call, &r, &created, err);
}

ac_status create_code_interpreter(front_call *call, ac_error *err)
{
    const code_room *room = call->room;

    AC_TRY(check_input(call, err));
    return transact_write(room->store, call, create_in, NULL, err);
}

/* ---- get and list ---- */

static ac_status get_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const resource_key key = key_of(call);
    ac_status status;
    resource r;

    (void)arg;
    status = resource_get(tx, &key, call->memory, &r, err);
    if (status == AC_ERR_NOT_FOUND)
        return ac_error_set(err, status, "There is no code interpreter '%s'", key.id);
    AC_TRY(status);
    return document_answer(call, &r, &shown, err);
}

ac_status get_code_interpreter(front_call *call, ac_error *err)
{
    const code_room *room = call->room;

    if (strcmp(front_text(call, "codeInterpreterId"), CODE_BUILTIN_ID) != 0)
        return transact_read(room->store, call, get_in, NULL, err);
    AC_TRY(show_builtin(call, call->output, err));
    return front_add_value(call, "networkConfiguration", ac_json_pack(call->doc, "{s:s}", "networkMode", "PUBLIC"),
                           err);
}

static ac_status add_own(store_tx *tx, front_call *call, size_t limit, const char *token, yyjson_mut_val *items,
                         ac_error *err)
{
    const resource_key of = resource_key_of(call, KIND_CODE_INTERPRETER, NULL, NULL);
    resource_page page;
    int64_t count;

    if (limit == 0) {
        AC_TRY(resource_count(tx, &of, &count, err));
        return count > 0 ? front_add_text(call, "nextToken", AFTER_BUILTIN, err) : AC_OK;
    }
    AC_TRY(resource_list(tx, &of, false, limit, token, call->memory, &page, err));
    for (size_t i = 0; i < page.count; i++) {
        yyjson_mut_val *item;

        AC_TRY(document_object(call, &page.items[i], &listed, &item, err));
        if (!yyjson_mut_arr_append(items, item))
            return no_memory(err);
    }
    return page.next_token ? front_add_text(call, "nextToken", page.next_token, err) : AC_OK;
}

static ac_status list_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const char *type = front_text(call, "type"), *token = front_text(call, "nextToken");
    bool system = !type || strcmp(type, "SYSTEM") == 0, custom = !type || strcmp(type, "CUSTOM") == 0;
    size_t limit = (size_t)MAX(front_int(call, "maxResults", PAGE_DEFAULT), 1);
    yyjson_mut_val *items = yyjson_mut_arr(call->doc), *item = yyjson_mut_obj(call->doc);

    (void)arg;
    if (!items || !item)
        return no_memory(err);
    if (token && !custom)
        return ac_error_set(err, AC_ERR_INVALID, "the nextToken is not valid");
    if (system && !token) {
        AC_TRY(show_builtin(call, item, err));
        if (!yyjson_mut_arr_append(items, item))
            return no_memory(err);
        limit--;
    }
    if (token && strcmp(token, AFTER_BUILTIN) == 0)
        token = NULL;
    if (custom)
        AC_TRY(add_own(tx, call, limit, token, items, err));
    return front_add_value(call, "codeInterpreterSummaries", items, err);
}

ac_status list_code_interpreters(front_call *call, ac_error *err)
{
    const code_room *room = call->room;

    return transact_read(room->store, call, list_in, NULL, err);
}

/* ---- delete ---- */

/* Rows of its sessions go with it: nobody can ask for them any more. */
static ac_status delete_in(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const resource_key key = key_of(call), parts = code_row_key(call, key.id, NULL);
    ac_status status;
    resource r;

    (void)arg;
    status = resource_get(tx, &key, call->memory, &r, err);
    if (status == AC_ERR_NOT_FOUND)
        return ac_error_set(err, status, "There is no code interpreter '%s'", key.id);
    AC_TRY(status);
    AC_TRY(resource_delete_parts(tx, &parts, NULL, err));
    AC_TRY(resource_remove(tx, &key, call->memory, err));
    AC_TRY(front_add_text(call, "codeInterpreterId", key.id, err));
    AC_TRY(front_add_text(call, "status", "DELETING", err));
    return front_add_time(call, "lastUpdatedAt", r.updated_ms, err);
}

ac_status delete_code_interpreter(front_call *call, ac_error *err)
{
    const char *id = front_text(call, "codeInterpreterId");
    const code_room *room = call->room;
    session_key key;

    if (strcmp(id, CODE_BUILTIN_ID) == 0)
        return ac_error_set(err, AC_ERR_DENIED, "The built-in code interpreter cannot be deleted");
    AC_TRY(transact_write(room->store, call, delete_in, NULL, err));
    AC_TRY(code_session_key(call, id, "", &key, err));
    if (room->sessions)
        sessions_stop_all(room->sessions, key.kind, key.owner, NULL);
    return AC_OK;
}
