/* lookup.c - from an identifier to an interpreter, and to the keys of its sessions. */
#include "daemon/code/code.h"

#include <string.h>

static const char builtin_mode[] = "PUBLIC";

static ac_status read_mode(const resource *r, arena *memory, const char **ret_mode, ac_error *err)
{
    yyjson_doc *doc = NULL;
    yyjson_val *network;

    AC_TRY(ac_json_read(r->body, r->body_length, NULL, &doc, err));
    network = yyjson_obj_get(yyjson_doc_get_root(doc), "networkConfiguration");
    *ret_mode = ac_json_string(network, "networkMode", builtin_mode);
    *ret_mode = arena_copy(memory, *ret_mode, strlen(*ret_mode));
    yyjson_doc_free(doc);
    return *ret_mode ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static const char *make_owner(const front_call *call, const char *id)
{
    return arena_format(call->memory, "%s/%s/", call->caller.account, id);
}

ac_status interpreter_find(store_tx *tx, front_call *call, const char *id, interpreter *ret_found, ac_error *err)
{
    const resource_key key = resource_key_of(call, KIND_CODE_INTERPRETER, NULL, id);
    ac_status status;
    resource r;

    *ret_found = (interpreter){.id = id, .network_mode = builtin_mode, .owner = make_owner(call, id)};
    if (!ret_found->owner)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (strcmp(id, CODE_BUILTIN_ID) == 0)
        return AC_OK;
    status = resource_get(tx, &key, call->memory, &r, err);
    if (status == AC_ERR_NOT_FOUND)
        return ac_error_set(err, status, "There is no code interpreter '%s'", id);
    AC_TRY(status);
    return read_mode(&r, call->memory, &ret_found->network_mode, err);
}

resource_key code_row_key(const front_call *call, const char *interpreter_id, const char *session_id)
{
    return resource_key_of(call, KIND_CODE_SESSION, interpreter_id, session_id);
}

ac_status code_session_key(const front_call *call, const char *interpreter_id, const char *session_id,
                           session_key *ret_key, ac_error *err)
{
    const char *owner = make_owner(call, interpreter_id);

    *ret_key = (session_key){.kind = CODE_SESSION_KIND, .owner = owner, .id = session_id};
    if (!owner)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (strlen(owner) > SESSION_OWNER_MAX || strchr(interpreter_id, '/'))
        return ac_error_set(err, AC_ERR_NOT_FOUND, "There is no code interpreter '%.64s'", interpreter_id);
    return AC_OK;
}
