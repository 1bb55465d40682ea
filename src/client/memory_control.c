/* memory_control.c - memories and their strategies: make, find, change, delete, and wait for the effect. */
#include "client/memory_internal.h"

#include <string.h>

#define EVENT_EXPIRY_DAYS 90
#define MEMORIES_MAX ((size_t)100000)
#define MEMORY "memory"

/* ---- strategies ---- */

static const char *const strategy_members[] = {
    [AC_MEMORY_SEMANTIC] = "semanticMemoryStrategy",
    [AC_MEMORY_SUMMARY] = "summaryMemoryStrategy",
    [AC_MEMORY_USER_PREFERENCE] = "userPreferenceMemoryStrategy",
    [AC_MEMORY_EPISODIC] = "episodicMemoryStrategy",
};

static bool add_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *text)
{
    return !text || yyjson_mut_obj_add_str(doc, object, key, text);
}

static bool add_template(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *text)
{
    if (!text)
        return true;
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, object, "namespaceTemplates");
    return list && yyjson_mut_arr_add_str(doc, list, text);
}

static bool add_reflections(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *text)
{
    if (!text)
        return true;
    yyjson_mut_val *reflections = yyjson_mut_obj_add_obj(doc, object, "reflectionConfiguration");
    return reflections && add_template(doc, reflections, text);
}

/* {"semanticMemoryStrategy": {...}}; NULL when memory runs out. */
static yyjson_mut_val *strategy_input(yyjson_mut_doc *doc, const ac_memory_strategy *s)
{
    yyjson_mut_val *outer = yyjson_mut_obj(doc);
    yyjson_mut_val *inner = yyjson_mut_obj_add_obj(doc, outer, strategy_members[s->kind]);
    bool added = inner && add_text(doc, inner, "name", s->name) &&
                 add_text(doc, inner, "description", s->description) &&
                 add_template(doc, inner, s->namespace_template) && add_reflections(doc, inner, s->reflection_template);

    return added ? outer : NULL;
}

static ac_status add_strategies(memory_call *c, yyjson_mut_val *to, const char *key,
                                const ac_memory_strategy *strategies, size_t count, ac_error *err)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(c->doc, to, key);

    for (size_t i = 0; i < count; i++) {
        const ac_memory_strategy *s = &strategies[i];

        if ((size_t)s->kind >= ARRAY_SIZE(strategy_members))
            return ac_error_set(err, AC_ERR_INVALID, "strategy %zu: no such kind", i);
        if (s->reflection_template && s->kind != AC_MEMORY_EPISODIC)
            return ac_error_set(err, AC_ERR_INVALID, "strategy %zu: only an episodic one has reflections", i);
        if (!yyjson_mut_arr_append(list, strategy_input(c->doc, s)))
            return memory_exhausted(err);
    }
    return list ? AC_OK : memory_exhausted(err);
}

/* ---- waiting ---- */

static patience patience_of(const ac_memory_wait_options *o)
{
    return patience_begin_quick(o && o->max_wait_s ? o->max_wait_s : MEMORY_MAX_WAIT_S,
                                o && o->poll_interval_ms ? o->poll_interval_ms : MEMORY_POLL_INTERVAL_MS);
}

static ac_status look_at(ac_client *client, const char *memory_id, yyjson_doc **ret_memory, ac_error *err)
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

        AC_TRY(look_at(client, memory_id, &memory, err));
        AC_TRY(is_active(yyjson_doc_get_root(memory), &active, err));
        if (active && ret_memory)
            *ret_memory = TAKE_PTR(memory);
        if (active)
            return AC_OK;
    } while (patience_pause(&p));
    return ac_error_set(err, AC_ERR_TIMEOUT, "Memory %s did not become ACTIVE within %u seconds", memory_id,
                        p.max_wait_s);
}

/* ---- make and find ---- */

static ac_status create(ac_client *client, const ac_memory_spec *spec, yyjson_doc **ret_memory, ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "CreateMemory", NULL);

    memory_call_text(&c, "name", spec->name);
    memory_call_text(&c, "description", spec->description);
    memory_call_text(&c, "memoryExecutionRoleArn", spec->execution_role_arn);
    memory_call_add(&c, "eventExpiryDuration",
                    yyjson_mut_uint(c.doc, spec->event_expiry_days ? spec->event_expiry_days : EVENT_EXPIRY_DAYS));
    if (spec->strategy_count && !c.broken)
        AC_TRY(add_strategies(&c, c.input, "memoryStrategies", spec->strategies, spec->strategy_count, err));
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

/* ---- change ---- */

static ac_status update(memory_call *c, yyjson_mut_val *changes, const ac_memory_wait_options *wait,
                        const char *memory_id, yyjson_doc **ret_memory, ac_error *err)
{
    memory_call_add(c, "memoryStrategies", changes);
    AC_TRY(memory_call_run(c, NULL, err));
    return ac_memory_wait_active(c->client, memory_id, wait, ret_memory, err);
}

ac_status ac_memory_add_strategy_and_wait(ac_client *client, const char *memory_id, const ac_memory_strategy *strategy,
                                          const ac_memory_wait_options *wait, yyjson_doc **ret_memory, ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "UpdateMemory", memory_id);
    yyjson_mut_val *changes = yyjson_mut_obj(c.doc);

    if (ret_memory)
        *ret_memory = NULL;
    AC_TRY(add_strategies(&c, changes, "addMemoryStrategies", strategy, 1, err));
    return update(&c, changes, wait, memory_id, ret_memory, err);
}

ac_status ac_memory_delete_strategy_and_wait(ac_client *client, const char *memory_id, const char *strategy_id,
                                             const ac_memory_wait_options *wait, yyjson_doc **ret_memory, ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "UpdateMemory", memory_id);

    if (ret_memory)
        *ret_memory = NULL;
    if (!strategy_id)
        return ac_error_set(err, AC_ERR_INVALID, "strategy_id is required");
    yyjson_mut_val *changes =
        c.doc ? ac_json_pack(c.doc, "{s:[{s:s}]}", "deleteMemoryStrategies", "memoryStrategyId", strategy_id) : NULL;
    return update(&c, changes, wait, memory_id, ret_memory, err);
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
        ac_status status = look_at(client, memory_id, NULL, &mine);

        if (status == AC_ERR_NOT_FOUND)
            return AC_OK;
        if (status != AC_OK && err)
            *err = mine;
        AC_TRY(status);
    } while (patience_pause(&p));
    return ac_error_set(err, AC_ERR_TIMEOUT, "Memory %s was not deleted within %u seconds", memory_id, p.max_wait_s);
}
