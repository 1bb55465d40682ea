/* memory_control.c - memories: make, find, look at, delete, and wait for the effect. */
#include "client/memory_internal.h"

#include <string.h>

#define EVENT_EXPIRY_DAYS 90
#define MEMORIES_MAX ((size_t)100000)
#define MEMORY "memory"

/* ---- waiting ---- */

static patience patience_of(const ac_memory_wait_options *o)
{
    return patience_begin_quick(o && o->max_wait_s ? o->max_wait_s : MEMORY_MAX_WAIT_S,
                                o && o->poll_interval_ms ? o->poll_interval_ms : MEMORY_POLL_INTERVAL_MS);
}

ac_status memory_look_at(ac_client *client, const char *memory_id, yyjson_doc **ret_memory, ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "GetMemory", memory_id);

    return memory_call_run_for(&c, MEMORY, ret_memory, err);
}

/* What a strategy, or the memory, is waiting for; AC_ERR_STATE when it will not come. */
static ac_status is_active(yyjson_val *memory, bool *ret_active, ac_error *err)
{
    const char *status = ac_json_string(memory, "status", "");
    yyjson_val *strategy;
    size_t i, n;

    if (strcmp(status, "FAILED") == 0)
        return ac_error_set(err, AC_ERR_STATE, "Memory creation failed: %s",
                            ac_json_string(memory, "failureReason", "Unknown"));
    *ret_active = strcmp(status, "ACTIVE") == 0;
    yyjson_arr_foreach(yyjson_obj_get(memory, "strategies"), i, n, strategy)
    {
        status = ac_json_string(strategy, "status", "ACTIVE");
        if (strcmp(status, "FAILED") == 0)
            return ac_error_set(err, AC_ERR_STATE, "Memory creation failed: strategy %s",
                                ac_json_string(strategy, "name", "?"));
        *ret_active = *ret_active && strcmp(status, "ACTIVE") == 0;
    }
    return AC_OK;
}

ac_status ac_memory_wait_active(ac_client *client, const char *memory_id, const ac_memory_wait_options *wait,
                                yyjson_doc **ret_memory, ac_error *err)
{
    patience p = patience_of(wait);

    if (ret_memory)
        *ret_memory = NULL;
    do {
        _cleanup_(yyjson_doc_freep) yyjson_doc *memory = NULL;
        bool active = false;

        AC_TRY(memory_look_at(client, memory_id, &memory, err));
        AC_TRY(is_active(yyjson_doc_get_root(memory), &active, err));
        if (active && ret_memory)
            *ret_memory = TAKE_PTR(memory);
        if (active)
            return AC_OK;
    } while (patience_pause(&p));
    return ac_error_set(err, AC_ERR_TIMEOUT, "Memory %s did not become ACTIVE within %u seconds", memory_id,
                        p.max_wait_s);
}

ac_status ac_memory_get_state(ac_client *client, const char *memory_id, ac_memory_state *ret_state, ac_error *err)
{
    static const char *const names[] = {
        [AC_MEMORY_STATE_CREATING] = "CREATING", [AC_MEMORY_STATE_ACTIVE] = "ACTIVE",
        [AC_MEMORY_STATE_UPDATING] = "UPDATING", [AC_MEMORY_STATE_DELETING] = "DELETING",
        [AC_MEMORY_STATE_FAILED] = "FAILED",
    };
    _cleanup_(yyjson_doc_freep) yyjson_doc *memory = NULL;

    *ret_state = AC_MEMORY_STATE_UNKNOWN;
    AC_TRY(memory_look_at(client, memory_id, &memory, err));
    const char *said = ac_json_string(yyjson_doc_get_root(memory), "status", "");
    for (size_t i = AC_MEMORY_STATE_UNKNOWN + 1; i < ARRAY_SIZE(names); i++) {
        if (strcmp(said, names[i]) == 0)
            *ret_state = (ac_memory_state)i;
    }
    return AC_OK;
}

/* ---- make and find ---- */

static const char *const value_types[] = {
    [AC_MEMORY_STRING] = "STRING",
    [AC_MEMORY_STRING_LIST] = "STRINGLIST",
    [AC_MEMORY_NUMBER] = "NUMBER",
};

static ac_status add_indexed_keys(memory_call *c, const ac_memory_indexed_key *keys, size_t count, ac_error *err)
{
    yyjson_mut_val *list = yyjson_mut_arr(c->doc);

    for (size_t i = 0; i < count; i++) {
        if (!keys[i].key)
            return ac_error_set(err, AC_ERR_INVALID, "indexed key %zu: a key is required", i);
        if ((size_t)keys[i].type >= ARRAY_SIZE(value_types))
            return ac_error_set(err, AC_ERR_INVALID, "indexed key %zu: keys of this type are not indexed", i);
        yyjson_mut_val *item = yyjson_mut_arr_add_obj(c->doc, list);
        if (!item || !yyjson_mut_obj_add_str(c->doc, item, "key", keys[i].key) ||
            !yyjson_mut_obj_add_str(c->doc, item, "type", value_types[keys[i].type]))
            return memory_exhausted(err);
    }
    if (count)
        memory_call_add(c, "indexedKeys", list);
    return AC_OK;
}

static ac_status create(ac_client *client, const ac_memory_spec *spec, yyjson_doc **ret_memory, ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "CreateMemory", NULL);

    memory_call_text(&c, "name", spec->name);
    memory_call_text(&c, "description", spec->description);
    memory_call_text(&c, "memoryExecutionRoleArn", spec->execution_role_arn);
    memory_call_add(&c, "eventExpiryDuration",
                    yyjson_mut_uint(c.doc, spec->event_expiry_days ? spec->event_expiry_days : EVENT_EXPIRY_DAYS));
    AC_TRY(add_indexed_keys(&c, spec->indexed_keys, spec->indexed_key_count, err));
    AC_TRY(memory_call_strategies(&c, c.input, "memoryStrategies", spec->strategies, spec->strategy_count, err));
    return memory_call_run_for(&c, MEMORY, ret_memory, err);
}

ac_status ac_memory_create_and_wait(ac_client *client, const ac_memory_spec *spec, const ac_memory_wait_options *wait,
                                    yyjson_doc **ret_memory, ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *made = NULL;

    if (ret_memory)
        *ret_memory = NULL;
    AC_TRY(create(client, spec, &made, err));
    return ac_memory_wait_active(client, ac_json_string(yyjson_doc_get_root(made), "id", ""), wait, ret_memory, err);
}

/* An id is the name, a hyphen, and ten letters or digits; a name has no hyphen. */
static bool is_named(const char *id, const char *name)
{
    size_t length = strlen(name);

    return strncmp(id, name, length) == 0 && id[length] == '-';
}

static ac_status find_named(ac_client *client, const char *name, const ac_memory_wait_options *wait,
                            yyjson_doc **ret_memory, ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "ListMemories", NULL);
    _cleanup_(yyjson_doc_freep) yyjson_doc *list = NULL;
    yyjson_val *memory;
    size_t i, n;

    AC_TRY(memory_collect(&c, "memories", MEMORIES_MAX, &list, err));
    yyjson_arr_foreach(yyjson_doc_get_root(list), i, n, memory)
    {
        const char *id = ac_json_string(memory, "id", "");

        if (is_named(id, name))
            return ac_memory_wait_active(client, id, wait, ret_memory, err);
    }
    return ac_error_set(err, AC_ERR_NOT_FOUND, "no memory is named %s", name);
}

ac_status ac_memory_create_or_get(ac_client *client, const ac_memory_spec *spec, const ac_memory_wait_options *wait,
                                  yyjson_doc **ret_memory, ac_error *err)
{
    ac_error mine = {.status = AC_OK};
    _cleanup_(yyjson_doc_freep) yyjson_doc *made = NULL;

    if (ret_memory)
        *ret_memory = NULL;
    ac_status status = create(client, spec, &made, &mine);
    if (status == AC_OK)
        return ac_memory_wait_active(client, ac_json_string(yyjson_doc_get_root(made), "id", ""), wait, ret_memory,
                                     err);
    if (spec->name && strstr(mine.message, "already exists"))
        return find_named(client, spec->name, wait, ret_memory, err);
    if (err)
        *err = mine;
    return status;
}

/* ---- delete ---- */

ac_status ac_memory_delete_and_wait(ac_client *client, const char *memory_id, const ac_memory_wait_options *wait,
                                    ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "DeleteMemory", memory_id);
    patience p = patience_of(wait);

    AC_TRY(memory_call_run(&c, NULL, err));
    do {
        ac_error mine = {.status = AC_OK};
        ac_status status = memory_look_at(client, memory_id, NULL, &mine);

        if (status == AC_ERR_NOT_FOUND)
            return AC_OK;
        if (status != AC_OK && err)
            *err = mine;
        AC_TRY(status);
    } while (patience_pause(&p));
    return ac_error_set(err, AC_ERR_TIMEOUT, "Memory %s was not deleted within %u seconds", memory_id, p.max_wait_s);
}
