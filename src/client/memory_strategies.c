/* memory_strategies.c - how a memory draws knowledge: its strategies are added, changed, removed and listed.
 *
 * A strategy of the service's own is a member named after its kind.  One with overrides, and one that is self-managed,
 * is a customMemoryStrategy whose configuration says the kind.  In a change each step is nested twice more
 * (extraction.customExtractionConfiguration.semanticExtractionOverride), by the kind that the strategy had when it was
 * made, so that GetMemory is asked for it first. */
#include "client/memory_internal.h"

#include "base/utf8.h"

#include <string.h>

#define CUSTOM_STRATEGY "customMemoryStrategy"
#define TEMPLATES "namespaceTemplates"

enum { EXTRACTION, CONSOLIDATION, REFLECTION, STEP_COUNT };

static const struct {
    const char *member;
    const char *wrapper; /* in a change */
} steps[STEP_COUNT] = {
    [EXTRACTION] = {"extraction", "customExtractionConfiguration"},
    [CONSOLIDATION] = {"consolidation", "customConsolidationConfiguration"},
    [REFLECTION] = {"reflection", "customReflectionConfiguration"},
};

typedef struct kind_row {
    const char *member;            /* of an input, when nothing is overridden */
    const char *custom_member;     /* of a configuration, when something is */
    const char *custom_type;       /* of what GetMemory shows then */
    const char *wraps[STEP_COUNT]; /* in a change; NULL: no such step */
} kind_row;

static const kind_row kinds[] = {
    [AC_MEMORY_SEMANTIC] = {"semanticMemoryStrategy",
                            "semanticOverride",
                            "SEMANTIC_OVERRIDE",
                            {"semanticExtractionOverride", "semanticConsolidationOverride"}},
    [AC_MEMORY_SUMMARY] = {"summaryMemoryStrategy",
                           "summaryOverride",
                           "SUMMARY_OVERRIDE",
                           {NULL, "summaryConsolidationOverride"}},
    [AC_MEMORY_USER_PREFERENCE] = {"userPreferenceMemoryStrategy",
                                   "userPreferenceOverride",
                                   "USER_PREFERENCE_OVERRIDE",
                                   {"userPreferenceExtractionOverride", "userPreferenceConsolidationOverride"}},
    [AC_MEMORY_EPISODIC] = {"episodicMemoryStrategy",
                            "episodicOverride",
                            "EPISODIC_OVERRIDE",
                            {"episodicExtractionOverride", "episodicConsolidationOverride",
                             "episodicReflectionOverride"}},
    [AC_MEMORY_SELF_MANAGED] = {CUSTOM_STRATEGY, "selfManagedConfiguration", "SELF_MANAGED", {NULL}},
};

static const ac_memory_prompt *prompt_of(const ac_memory_overrides *o, size_t step)
{
    return step == EXTRACTION ? &o->extraction : step == CONSOLIDATION ? &o->consolidation : &o->reflection;
}

static bool is_given(const ac_memory_prompt *p)
{
    return p->append_to_prompt || p->model_id;
}

/* ---- parts of an input: false when memory runs out ---- */

static bool add_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *text)
{
    return !text || yyjson_mut_obj_add_str(doc, object, key, text);
}

static bool add_template(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *text)
{
    if (!text)
        return true;
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, object, TEMPLATES);
    return list && yyjson_mut_arr_add_str(doc, list, text);
}

static bool add_schema(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_val *schema)
{
    if (!schema)
        return true;
    yyjson_mut_val *copy = yyjson_val_mut_copy(doc, schema);
    return copy && yyjson_mut_obj_add_val(doc, object, "memoryRecordSchema", copy);
}

/* What an object has at a key, of a plain object that may still have to be made. */
static yyjson_mut_val *object_at(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key)
{
    yyjson_mut_val *there = yyjson_mut_obj_get(object, key);

    return there ? there : yyjson_mut_obj_add_obj(doc, object, key);
}

static bool add_prompt(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const ac_memory_prompt *p,
                       const char *template)
{
    yyjson_mut_val *block = yyjson_mut_obj_add_obj(doc, object, key);

    return block && yyjson_mut_obj_add_str(doc, block, "appendToPrompt", p->append_to_prompt) &&
           yyjson_mut_obj_add_str(doc, block, "modelId", p->model_id) && add_template(doc, block, template);
}

static bool add_trigger(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *kind, const char *what, unsigned count)
{
    if (count == 0)
        return true;
    yyjson_mut_val *list = yyjson_mut_obj_get(object, "triggerConditions");
    if (!list)
        list = yyjson_mut_obj_add_arr(doc, object, "triggerConditions");
    yyjson_mut_val *condition = yyjson_mut_arr_add_obj(doc, list);
    yyjson_mut_val *trigger = yyjson_mut_obj_add_obj(doc, condition, kind);
    return trigger && yyjson_mut_obj_add_uint(doc, trigger, what, count);
}

static bool add_self_managed(yyjson_mut_doc *doc, yyjson_mut_val *object, const ac_memory_self_managed *s)
{
    if (s->topic_arn || s->bucket) {
        yyjson_mut_val *how = yyjson_mut_obj_add_obj(doc, object, "invocationConfiguration");
        if (!how || !add_text(doc, how, "topicArn", s->topic_arn) ||
            !add_text(doc, how, "payloadDeliveryBucketName", s->bucket))
            return false;
    }
    return add_trigger(doc, object, "messageBasedTrigger", "messageCount", s->message_count) &&
           add_trigger(doc, object, "tokenBasedTrigger", "tokenCount", s->token_count) &&
           add_trigger(doc, object, "timeBasedTrigger", "idleSessionTimeout", s->idle_session_timeout_s) &&
           (s->history_window == 0 ||
            yyjson_mut_obj_add_int(doc, object, "historicalContextWindowSize", MAX(s->history_window, 0)));
}

/* ---- what a client can see is wrong ---- */

/* Which of a list it is about: "strategy 2: ...". */
typedef struct place {
    const char *word;
    size_t index;
} place;

static ac_status refuse(place at, const char *why, ac_error *err)
{
    return ac_error_set(err, AC_ERR_INVALID, "%s %zu: %s", at.word, at.index, why);
}

static ac_status check_overrides(const ac_memory_overrides *o, const kind_row *row, const char *reflection_template,
                                 place at, ac_error *err)
{
    bool any = false;

    for (size_t i = 0; i < STEP_COUNT; i++) {
        const ac_memory_prompt *p = prompt_of(o, i);

        if (!is_given(p))
            continue;
        any = true;
        if (!row->wraps[i])
            return ac_error_set(err, AC_ERR_INVALID, "%s %zu: one of this kind has no %s to override", at.word,
                                at.index, steps[i].member);
        if (!p->append_to_prompt || !p->model_id)
            return ac_error_set(err, AC_ERR_INVALID, "%s %zu: %s needs both append_to_prompt and model_id", at.word,
                                at.index, steps[i].member);
        if (!utf8_valid(p->append_to_prompt, strlen(p->append_to_prompt)))
            return ac_error_set(err, AC_ERR_INVALID, "%s %zu: the prompt of the %s is not UTF-8", at.word, at.index,
                                steps[i].member);
    }
    if (!any)
        return refuse(at, "the overrides say nothing", err);
    if (reflection_template && !is_given(&o->reflection))
        return refuse(at, "with overrides, reflection_template needs a prompt for the reflection", err);
    return AC_OK;
}

static ac_status check_strategy(const ac_memory_strategy *s, place at, ac_error *err)
{
    if ((size_t)s->kind >= ARRAY_SIZE(kinds))
        return refuse(at, "no such kind", err);
    if (s->reflection_template && s->kind != AC_MEMORY_EPISODIC)
        return refuse(at, "only an episodic one has reflections", err);
    if ((s->kind == AC_MEMORY_SELF_MANAGED) != (s->self_managed != NULL))
        return refuse(at, "self_managed is for a self-managed one, and required there", err);
    if (s->self_managed && (!s->self_managed->topic_arn || !s->self_managed->bucket))
        return refuse(at, "topic_arn and bucket are required", err);
    return s->overrides ? check_overrides(s->overrides, &kinds[s->kind], s->reflection_template, at, err) : AC_OK;
}

/* ---- adding ---- */

static bool add_configuration(yyjson_mut_doc *doc, yyjson_mut_val *object, const ac_memory_strategy *s)
{
    yyjson_mut_val *configuration = yyjson_mut_obj_add_obj(doc, object, "configuration");
    yyjson_mut_val *block = yyjson_mut_obj_add_obj(doc, configuration, kinds[s->kind].custom_member);

    if (!block || s->self_managed)
        return block && add_self_managed(doc, block, s->self_managed);
    for (size_t i = 0; i < STEP_COUNT; i++) {
        const ac_memory_prompt *p = prompt_of(s->overrides, i);

        if (is_given(p) && !add_prompt(doc, block, steps[i].member, p, i == REFLECTION ? s->reflection_template : NULL))
            return false;
    }
    return true;
}

static bool add_reflections(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *text)
{
    return !text || add_template(doc, yyjson_mut_obj_add_obj(doc, object, "reflectionConfiguration"), text);
}

/* {"semanticMemoryStrategy": {...}}; NULL when memory runs out. */
static yyjson_mut_val *strategy_input(yyjson_mut_doc *doc, const ac_memory_strategy *s)
{
    bool custom = s->overrides || s->self_managed;
    yyjson_mut_val *outer = yyjson_mut_obj(doc);
    yyjson_mut_val *inner = yyjson_mut_obj_add_obj(doc, outer, custom ? CUSTOM_STRATEGY : kinds[s->kind].member);
    bool added = inner && add_text(doc, inner, "name", s->name) &&
                 add_text(doc, inner, "description", s->description) &&
                 add_template(doc, inner, s->namespace_template) && add_schema(doc, inner, s->record_schema) &&
                 (custom ? add_configuration(doc, inner, s) : add_reflections(doc, inner, s->reflection_template));

    return added ? outer : NULL;
}

ac_status memory_call_strategies(memory_call *c, yyjson_mut_val *to, const char *key,
                                 const ac_memory_strategy *strategies, size_t count, ac_error *err)
{
    if (count == 0)
        return AC_OK;
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(c->doc, to, key);
    for (size_t i = 0; i < count; i++) {
        AC_TRY(check_strategy(&strategies[i], (place){"strategy", i}, err));
        if (!yyjson_mut_arr_append(list, strategy_input(c->doc, &strategies[i])))
            return memory_exhausted(err);
    }
    return list ? AC_OK : memory_exhausted(err);
}

/* ---- changing ---- */

/* The kind of a custom strategy; NULL when it is none, or one that this version does not know. */
static const kind_row *custom_kind(yyjson_val *strategy)
{
    const char *type = ac_json_string(yyjson_obj_get(strategy, "configuration"), "type", "");

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(kinds[i].custom_type, type) == 0)
            return &kinds[i];
    }
    return NULL;
}

static ac_status check_change(const ac_memory_strategy_change *change, const kind_row *row, yyjson_val *strategy,
                              place at, ac_error *err)
{
    bool self_managed = row == &kinds[AC_MEMORY_SELF_MANAGED];

    if (change->self_managed && !self_managed)
        return refuse(at, "the strategy is not self-managed", err);
    if (change->overrides && (!row || self_managed))
        return refuse(at, "the strategy was made without overrides", err);
    if (change->overrides)
        return check_overrides(change->overrides, row, change->reflection_template, at, err);
    if (change->reflection_template && strcmp(ac_json_string(strategy, "type", ""), "EPISODIC") != 0)
        return refuse(at, "reflection_template is for an episodic strategy, with overrides only beside them", err);
    return AC_OK;
}

static bool change_steps(yyjson_mut_doc *doc, yyjson_mut_val *object, const ac_memory_strategy_change *change,
                         const kind_row *row)
{
    yyjson_mut_val *configuration = object_at(doc, object, "configuration");

    for (size_t i = 0; i < STEP_COUNT; i++) {
        const ac_memory_prompt *p = prompt_of(change->overrides, i);
        yyjson_mut_val *step, *wrapper;

        if (!is_given(p))
            continue;
        step = yyjson_mut_obj_add_obj(doc, configuration, steps[i].member);
        wrapper = yyjson_mut_obj_add_obj(doc, step, steps[i].wrapper);
        if (!wrapper ||
            !add_prompt(doc, wrapper, row->wraps[i], p, i == REFLECTION ? change->reflection_template : NULL))
            return false;
    }
    return configuration != NULL;
}

static bool change_reflections(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *text)
{
    yyjson_mut_val *configuration = object_at(doc, object, "configuration");
    yyjson_mut_val *reflection = yyjson_mut_obj_add_obj(doc, configuration, steps[REFLECTION].member);
    yyjson_mut_val *block = yyjson_mut_obj_add_obj(doc, reflection, "episodicReflectionConfiguration");

    return block && add_template(doc, block, text);
}

static bool change_self_managed(yyjson_mut_doc *doc, yyjson_mut_val *object, const ac_memory_self_managed *s)
{
    yyjson_mut_val *configuration = object_at(doc, object, "configuration");
    yyjson_mut_val *block = yyjson_mut_obj_add_obj(doc, configuration, "selfManagedConfiguration");

    return block && add_self_managed(doc, block, s);
}

ac_status memory_call_change(memory_call *c, yyjson_mut_val *list, const ac_memory_strategy_change *change,
                             size_t index, yyjson_val *strategy, ac_error *err)
{
    const kind_row *row = custom_kind(strategy);
    yyjson_mut_val *object = yyjson_mut_obj(c->doc);

    AC_TRY(check_change(change, row, strategy, (place){"change", index}, err));
    bool added = object && yyjson_mut_obj_add_str(c->doc, object, "memoryStrategyId", change->strategy_id) &&
                 add_text(c->doc, object, "description", change->description) &&
                 add_template(c->doc, object, change->namespace_template) &&
                 add_schema(c->doc, object, change->record_schema);
    if (added && change->overrides)
        added = change_steps(c->doc, object, change, row);
    else if (added && change->reflection_template)
        added = change_reflections(c->doc, object, change->reflection_template);
    if (added && change->self_managed)
        added = change_self_managed(c->doc, object, change->self_managed);
    return added && yyjson_mut_arr_append(list, object) ? AC_OK : memory_exhausted(err);
}

static yyjson_val *find_strategy(yyjson_val *strategies, const char *id)
{
    yyjson_val *strategy;
    size_t i, n;

    yyjson_arr_foreach(strategies, i, n, strategy)
    {
        if (strcmp(ac_json_string(strategy, "strategyId", ""), id) == 0)
            return strategy;
    }
    return NULL;
}

static ac_status add_changes(memory_call *c, const char *memory_id, yyjson_mut_val *to,
                             const ac_memory_strategy_changes *changes, ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *strategies = NULL;

    if (changes->modify_count == 0)
        return AC_OK;
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(c->doc, to, "modifyMemoryStrategies");
    if (!list)
        return memory_exhausted(err);
    AC_TRY(ac_memory_list_strategies(c->client, memory_id, &strategies, err));
    for (size_t i = 0; i < changes->modify_count; i++) {
        const ac_memory_strategy_change *change = &changes->modify[i];

        if (!change->strategy_id)
            return ac_error_set(err, AC_ERR_INVALID, "change %zu: strategy_id is required", i);
        yyjson_val *strategy = find_strategy(yyjson_doc_get_root(strategies), change->strategy_id);
        if (!strategy)
            return ac_error_set(err, AC_ERR_NOT_FOUND, "Strategy %s not found in memory %s", change->strategy_id,
                                memory_id);
        AC_TRY(memory_call_change(c, list, change, i, strategy, err));
    }
    return AC_OK;
}

static ac_status add_removals(memory_call *c, yyjson_mut_val *to, const ac_memory_strategy_changes *changes,
                              ac_error *err)
{
    if (changes->remove_count == 0)
        return AC_OK;
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(c->doc, to, "deleteMemoryStrategies");
    for (size_t i = 0; i < changes->remove_count; i++) {
        if (!changes->remove_ids[i])
            return ac_error_set(err, AC_ERR_INVALID, "strategy_id is required");
        yyjson_mut_val *item = yyjson_mut_arr_add_obj(c->doc, list);
        if (!item || !yyjson_mut_obj_add_str(c->doc, item, "memoryStrategyId", changes->remove_ids[i]))
            return memory_exhausted(err);
    }
    return list ? AC_OK : memory_exhausted(err);
}

ac_status ac_memory_update_strategies_and_wait(ac_client *client, const char *memory_id,
                                               const ac_memory_strategy_changes *changes,
                                               const ac_memory_wait_options *wait, yyjson_doc **ret_memory,
                                               ac_error *err)
{
    _cleanup_(memory_call_done) memory_call c = memory_call_begin(client, "UpdateMemory", memory_id);
    yyjson_mut_val *all = yyjson_mut_obj(c.doc);

    if (ret_memory)
        *ret_memory = NULL;
    if (!changes || changes->modify_count + changes->remove_count + changes->add_count == 0)
        return ac_error_set(err, AC_ERR_INVALID, "No strategy operations provided");
    AC_TRY(add_changes(&c, memory_id, all, changes, err));
    AC_TRY(add_removals(&c, all, changes, err));
    AC_TRY(memory_call_strategies(&c, all, "addMemoryStrategies", changes->add, changes->add_count, err));
    memory_call_add(&c, "memoryStrategies", all);
    AC_TRY(memory_call_run(&c, NULL, err));
    return ac_memory_wait_active(client, memory_id, wait, ret_memory, err);
}

ac_status ac_memory_add_strategy_and_wait(ac_client *client, const char *memory_id, const ac_memory_strategy *strategy,
                                          const ac_memory_wait_options *wait, yyjson_doc **ret_memory, ac_error *err)
{
    const ac_memory_strategy_changes changes = {.add = strategy, .add_count = 1};

    return ac_memory_update_strategies_and_wait(client, memory_id, &changes, wait, ret_memory, err);
}

ac_status ac_memory_modify_strategy_and_wait(ac_client *client, const char *memory_id,
                                             const ac_memory_strategy_change *change,
                                             const ac_memory_wait_options *wait, yyjson_doc **ret_memory, ac_error *err)
{
    const ac_memory_strategy_changes changes = {.modify = change, .modify_count = 1};

    return ac_memory_update_strategies_and_wait(client, memory_id, &changes, wait, ret_memory, err);
}

ac_status ac_memory_delete_strategy_and_wait(ac_client *client, const char *memory_id, const char *strategy_id,
                                             const ac_memory_wait_options *wait, yyjson_doc **ret_memory, ac_error *err)
{
    const ac_memory_strategy_changes changes = {.remove_ids = &strategy_id, .remove_count = 1};

    return ac_memory_update_strategies_and_wait(client, memory_id, &changes, wait, ret_memory, err);
}

ac_status ac_memory_list_strategies(ac_client *client, const char *memory_id, yyjson_doc **ret_strategies,
                                    ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *memory = NULL;
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *none = NULL;

    *ret_strategies = NULL;
    AC_TRY(memory_look_at(client, memory_id, &memory, err));
    yyjson_val *strategies = yyjson_obj_get(yyjson_doc_get_root(memory), "strategies");
    if (strategies)
        return memory_copy(strategies, ret_strategies, err);
    none = memory_new_list();
    return none ? memory_finish(none, ret_strategies, err) : memory_exhausted(err);
}
