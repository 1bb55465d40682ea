/* strategies.c - from the strategies of an input to those of an answer, which is also how they are stored.
 *
 * An input is a union of five kinds; an answer is one structure with a type, and what an override says is nested three
 * deep in its configuration.  The tables say which name of the one is which of the other. */
#include "daemon/memory/memory.h"

#include "base/clock.h"
#include "daemon/resources/ids.h"

#include <stdio.h>
#include <string.h>

/* Where a strategy's records go when nobody says. */
#define TEMPLATE_ACTOR "/strategies/{memoryStrategyId}/actors/{actorId}"
#define TEMPLATE_SESSION TEMPLATE_ACTOR "/sessions/{sessionId}"

#define HISTORY_DEFAULT 4
#define MEMBER_SIZE 64

typedef struct kind_row {
    const char *member;
    const char *type;
    const char *template; /* default */
} kind_row;

static const kind_row kinds[] = {
    {"semanticMemoryStrategy", "SEMANTIC", TEMPLATE_ACTOR},
    {"summaryMemoryStrategy", "SUMMARIZATION", TEMPLATE_SESSION},
    {"userPreferenceMemoryStrategy", "USER_PREFERENCE", TEMPLATE_ACTOR},
    {"episodicMemoryStrategy", "EPISODIC", TEMPLATE_SESSION},
    {"customMemoryStrategy", "CUSTOM", TEMPLATE_ACTOR},
};

typedef struct override_row {
    const char *member;
    const char *type;
    const char *stem; /* of the names in its configuration */
    const char *template;
} override_row;

static const override_row overrides[] = {
    {"semanticOverride", "SEMANTIC_OVERRIDE", "semantic", TEMPLATE_ACTOR},
    {"summaryOverride", "SUMMARY_OVERRIDE", "summary", TEMPLATE_SESSION},
    {"userPreferenceOverride", "USER_PREFERENCE_OVERRIDE", "userPreference", TEMPLATE_ACTOR},
    {"episodicOverride", "EPISODIC_OVERRIDE", "episodic", TEMPLATE_SESSION},
    {"selfManagedConfiguration", "SELF_MANAGED", NULL, TEMPLATE_ACTOR},
};

/* The steps of an override. */
typedef struct step_row {
    const char *member; /* "extraction" */
    const char *word;   /* "Extraction" */
} step_row;

static const step_row steps[] = {
    {"extraction", "Extraction"}, {"consolidation", "Consolidation"}, {"reflection", "Reflection"}};

static ac_status added(bool well, ac_error *err)
{
    return well ? AC_OK : memory_no_memory(err);
}

/* Put a value of a static name, in place of one that is there. */
static ac_status put(yyjson_mut_doc *body, yyjson_mut_val *object, const char *name, yyjson_mut_val *value,
                     ac_error *err)
{
    yyjson_mut_val *key = yyjson_mut_strcpy(body, name);

    return added(key && value && yyjson_mut_obj_put(object, key, value), err);
}

static ac_status put_copy(yyjson_mut_doc *body, yyjson_mut_val *object, const char *name, yyjson_mut_val *value,
                          ac_error *err)
{
    return value ? put(body, object, name, yyjson_mut_val_mut_copy(body, value), err) : AC_OK;
}

static const char *only_text(yyjson_mut_val *list)
{
    return yyjson_mut_get_str(yyjson_mut_arr_get_first(list));
}

/* namespaces is the old name of namespaceTemplates; answers have both. */
static ac_status put_templates(yyjson_mut_doc *body, yyjson_mut_val *object, yyjson_mut_val *input,
                               const char *fallback, ac_error *err)
{
    const char *old = only_text(yyjson_mut_obj_get(input, "namespaces"));
    const char *given = only_text(yyjson_mut_obj_get(input, "namespaceTemplates"));

    if (old && given && strcmp(old, given) != 0)
        return ac_error_set(err, AC_ERR_INVALID, "namespaces and namespaceTemplates of a strategy must be the same");
    given = given ? given : old ? old : fallback;
    if (!given)
        return AC_OK;
    AC_TRY(put(body, object, "namespaces", ac_json_pack(body, "[s]", given), err));
    return put(body, object, "namespaceTemplates", ac_json_pack(body, "[s]", given), err);
}

static ac_status make_object(yyjson_mut_doc *body, yyjson_mut_val *parent, const char *name,
                             yyjson_mut_val **ret_object, ac_error *err)
{
    *ret_object = yyjson_mut_obj(body);
    return put(body, parent, name, *ret_object, err);
}

/* ---- configurations ---- */

/* A reflection block goes to its place with both names of its namespace. */
static ac_status put_reflection(yyjson_mut_doc *body, yyjson_mut_val *parent, const char *name, yyjson_mut_val *input,
                                ac_error *err)
{
    yyjson_mut_val *copy = input ? yyjson_mut_val_mut_copy(body, input) : yyjson_mut_obj(body);

    AC_TRY(added(copy != NULL, err));
    AC_TRY(put_templates(body, copy, input, TEMPLATE_ACTOR, err));
    return put(body, parent, name, copy, err);
}

/* configuration.extraction.customExtractionConfiguration.semanticExtractionOverride and its like. */
static ac_status put_step(yyjson_mut_doc *body, yyjson_mut_val *configuration, const override_row *row,
                          const step_row *step, yyjson_mut_val *input, ac_error *err)
{
    bool reflects = strcmp(step->member, "reflection") == 0;
    yyjson_mut_val *outer, *inner;
    char name[MEMBER_SIZE];

    AC_TRY(make_object(body, configuration, step->member, &outer, err));
    snprintf(name, sizeof name, "custom%sConfiguration", step->word);
    AC_TRY(make_object(body, outer, name, &inner, err));
    snprintf(name, sizeof name, "%s%sOverride", row->stem, step->word);
    return reflects ? put_reflection(body, inner, name, input, err) : put_copy(body, inner, name, input, err);
}

static ac_status put_steps(yyjson_mut_doc *body, yyjson_mut_val *configuration, const override_row *row,
                           yyjson_mut_val *input, ac_error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        yyjson_mut_val *given = yyjson_mut_obj_get(input, steps[i].member);

        if (given)
            AC_TRY(put_step(body, configuration, row, &steps[i], given, err));
    }
    return AC_OK;
}

/* What AWS fills in. */
static yyjson_mut_val *default_triggers(yyjson_mut_doc *body)
{
    return ac_json_pack(body, "[{s:{s:i}}, {s:{s:i}}, {s:{s:i}}]", "messageBasedTrigger", "messageCount", 6,
                        "tokenBasedTrigger", "tokenCount", 5000, "timeBasedTrigger", "idleSessionTimeout", 20);
}

static ac_status put_self_managed(yyjson_mut_doc *body, yyjson_mut_val *configuration, yyjson_mut_val *input,
                                  ac_error *err)
{
    yyjson_mut_val *copy = yyjson_mut_val_mut_copy(body, input);

    AC_TRY(added(copy != NULL, err));
    if (!yyjson_mut_obj_get(copy, "triggerConditions"))
        AC_TRY(put(body, copy, "triggerConditions", default_triggers(body), err));
    if (!yyjson_mut_obj_get(copy, "historicalContextWindowSize"))
        AC_TRY(put(body, copy, "historicalContextWindowSize", yyjson_mut_int(body, HISTORY_DEFAULT), err));
    return put(body, configuration, "selfManagedConfiguration", copy, err);
}

static ac_status put_override(yyjson_mut_doc *body, yyjson_mut_val *strategy, yyjson_mut_val *input,
                              const char **ret_template, ac_error *err)
{
    yyjson_mut_val *configuration;

    for (size_t i = 0; i < ARRAY_SIZE(overrides); i++) {
        const override_row *row = &overrides[i];
        yyjson_mut_val *given = yyjson_mut_obj_get(input, row->member);

        if (!given)
            continue;
        *ret_template = row->template;
        AC_TRY(make_object(body, strategy, "configuration", &configuration, err));
        AC_TRY(put(body, configuration, "type", yyjson_mut_str(body, row->type), err));
        return row->stem ? put_steps(body, configuration, row, given, err)
                         : put_self_managed(body, configuration, given, err);
    }
    return ac_error_set(err, AC_ERR_INVALID, "A customMemoryStrategy needs a configuration");
}

static ac_status put_configuration(yyjson_mut_doc *body, yyjson_mut_val *strategy, const kind_row *row,
                                   yyjson_mut_val *input, const char **ret_template, ac_error *err)
{
    yyjson_mut_val *configuration, *reflection;

    *ret_template = row->template;
    if (strcmp(row->type, "CUSTOM") == 0)
        return put_override(body, strategy, yyjson_mut_obj_get(input, "configuration"), ret_template, err);
    if (strcmp(row->type, "EPISODIC") != 0)
        return AC_OK;
    AC_TRY(make_object(body, strategy, "configuration", &configuration, err));
    AC_TRY(make_object(body, configuration, "reflection", &reflection, err));
    return put_reflection(body, reflection, "episodicReflectionConfiguration",
                          yyjson_mut_obj_get(input, "reflectionConfiguration"), err);
}

/* ---- adding ---- */

static yyjson_mut_val *find_by(yyjson_mut_val *list, const char *member, const char *value)
{
    yyjson_mut_val *each;
    yyjson_mut_arr_iter walk;

    yyjson_mut_arr_iter_init(list, &walk);
    while ((each = yyjson_mut_arr_iter_next(&walk)) != NULL) {
        const char *text = yyjson_mut_get_str(yyjson_mut_obj_get(each, member));

        if (text && strcmp(text, value) == 0)
            return each;
    }
    return NULL;
}

static ac_status add_one(yyjson_mut_doc *body, yyjson_mut_val *list, const kind_row *row, yyjson_mut_val *input,
                         arena *memory, ac_error *err)
{
    const char *name = yyjson_mut_get_str(yyjson_mut_obj_get(input, "name")), *id, *fallback;
    yyjson_mut_val *strategy;
    int64_t now = clock_unix_ms();

    if (find_by(list, "name", name))
        return ac_error_set(err, AC_ERR_INVALID, "A strategy with the name '%s' already exists in this memory", name);
    if (yyjson_mut_arr_size(list) >= MEMORY_STRATEGIES_MAX)
        return ac_error_set(err, AC_ERR_QUOTA, "A memory has at most %d strategies", MEMORY_STRATEGIES_MAX);
    AC_TRY(resource_make_id(name, memory, &id, err));
    strategy = ac_json_pack(body, "{s:s, s:s, s:s, s:s, s:I, s:I}", "strategyId", id, "name", name, "type", row->type,
                            "status", MEMORY_CREATING, "createdAt", now, "updatedAt", now);
    AC_TRY(added(strategy && yyjson_mut_arr_append(list, strategy), err));
    AC_TRY(put_copy(body, strategy, "description", yyjson_mut_obj_get(input, "description"), err));
    AC_TRY(put_configuration(body, strategy, row, input, &fallback, err));
    AC_TRY(put_templates(body, strategy, input, fallback, err));
    return put_copy(body, strategy, "memoryRecordSchema", yyjson_mut_obj_get(input, "memoryRecordSchema"), err);
}

ac_status memory_strategies_add(yyjson_mut_doc *body, yyjson_mut_val *list, yyjson_mut_val *inputs, arena *memory,
                                ac_error *err)
{
    yyjson_mut_val *each;
    yyjson_mut_arr_iter walk;

    if (!inputs)
        return AC_OK;
    yyjson_mut_arr_iter_init(inputs, &walk);
    while ((each = yyjson_mut_arr_iter_next(&walk)) != NULL) {
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
            yyjson_mut_val *input = yyjson_mut_obj_get(each, kinds[i].member);

            if (input)
                AC_TRY(add_one(body, list, &kinds[i], input, memory, err));
        }
    }
    return AC_OK;
}

/* ---- modifying ---- */

static const override_row *override_of(yyjson_mut_val *strategy)
{
    yyjson_mut_val *configuration = yyjson_mut_obj_get(strategy, "configuration");
    const char *type = yyjson_mut_get_str(yyjson_mut_obj_get(configuration, "type"));

    for (size_t i = 0; type && i < ARRAY_SIZE(overrides); i++)
        if (strcmp(overrides[i].type, type) == 0)
            return &overrides[i];
    return NULL;
}

static ac_status no_such_step(const char *member, ac_error *err)
{
    return ac_error_set(err, AC_ERR_INVALID, "The strategy's type has no such %s configuration", member);
}

/* {"customExtractionConfiguration": {"semanticExtractionOverride": {...}}}: the names must be those of its type. */
static ac_status modify_step(yyjson_mut_doc *body, yyjson_mut_val *configuration, const override_row *row,
                             const step_row *step, yyjson_mut_val *input, ac_error *err)
{
    yyjson_mut_val *own = yyjson_mut_obj_get(input, "episodicReflectionConfiguration"), *outer, *given;
    char name[MEMBER_SIZE];

    if (own) {
        if (row)
            return no_such_step(step->member, err);
        AC_TRY(make_object(body, configuration, step->member, &outer, err));
        return put_reflection(body, outer, "episodicReflectionConfiguration", own, err);
    }
    if (!row || !row->stem)
        return no_such_step(step->member, err);
    snprintf(name, sizeof name, "custom%sConfiguration", step->word);
    given = yyjson_mut_obj_get(input, name);
    snprintf(name, sizeof name, "%s%sOverride", row->stem, step->word);
    given = yyjson_mut_obj_get(given, name);
    return given ? put_step(body, configuration, row, step, given, err) : no_such_step(step->member, err);
}

static ac_status modify_self_managed(yyjson_mut_doc *body, yyjson_mut_val *configuration, yyjson_mut_val *input,
                                     ac_error *err)
{
    static const char *const whole[] = {"triggerConditions", "historicalContextWindowSize"};
    static const char *const parts[] = {"topicArn", "payloadDeliveryBucketName"};
    yyjson_mut_val *stored = yyjson_mut_obj_get(configuration, "selfManagedConfiguration");
    yyjson_mut_val *to = yyjson_mut_obj_get(stored, "invocationConfiguration");
    yyjson_mut_val *from = yyjson_mut_obj_get(input, "invocationConfiguration");

    if (!stored)
        return no_such_step("selfManaged", err);
    for (size_t i = 0; i < ARRAY_SIZE(whole); i++)
        AC_TRY(put_copy(body, stored, whole[i], yyjson_mut_obj_get(input, whole[i]), err));
    for (size_t i = 0; from && i < ARRAY_SIZE(parts); i++)
        AC_TRY(put_copy(body, to, parts[i], yyjson_mut_obj_get(from, parts[i]), err));
    return AC_OK;
}

static ac_status modify_configuration(yyjson_mut_doc *body, yyjson_mut_val *strategy, yyjson_mut_val *input,
                                      ac_error *err)
{
    yyjson_mut_val *configuration = yyjson_mut_obj_get(strategy, "configuration");
    yyjson_mut_val *self_managed = yyjson_mut_obj_get(input, "selfManagedConfiguration");
    const override_row *row = override_of(strategy);

    if (!configuration)
        return ac_error_set(err, AC_ERR_INVALID, "A strategy of this type has no configuration to modify");
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        yyjson_mut_val *given = yyjson_mut_obj_get(input, steps[i].member);

        if (given)
            AC_TRY(modify_step(body, configuration, row, &steps[i], given, err));
    }
    return self_managed ? modify_self_managed(body, configuration, self_managed, err) : AC_OK;
}

/* The strategy that an input names, unless it is on its way in or out. */
static ac_status find_settled(yyjson_mut_val *list, yyjson_mut_val *input, yyjson_mut_val **ret_strategy, ac_error *err)
{
    const char *id = yyjson_mut_get_str(yyjson_mut_obj_get(input, "memoryStrategyId")), *status;

    *ret_strategy = find_by(list, "strategyId", id);
    if (!*ret_strategy)
        return ac_error_set(err, AC_ERR_NOT_FOUND, "The memory has no strategy with the id '%s'", id);
    status = yyjson_mut_get_str(yyjson_mut_obj_get(*ret_strategy, "status"));
    if (strcmp(status, MEMORY_ACTIVE) != 0)
        return ac_error_set(err, AC_ERR_CONFLICT, "The strategy '%s' is %s", id, status);
    return AC_OK;
}

ac_status memory_strategies_modify(yyjson_mut_doc *body, yyjson_mut_val *list, yyjson_mut_val *inputs, ac_error *err)
{
    static const char *const taken[] = {"description", "memoryRecordSchema"};
    yyjson_mut_val *input, *strategy, *configuration;
    yyjson_mut_arr_iter walk;

    if (!inputs)
        return AC_OK;
    yyjson_mut_arr_iter_init(inputs, &walk);
    while ((input = yyjson_mut_arr_iter_next(&walk)) != NULL) {
        AC_TRY(find_settled(list, input, &strategy, err));
        for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
            AC_TRY(put_copy(body, strategy, taken[i], yyjson_mut_obj_get(input, taken[i]), err));
        AC_TRY(put_templates(body, strategy, input, NULL, err));
        configuration = yyjson_mut_obj_get(input, "configuration");
        if (configuration)
            AC_TRY(modify_configuration(body, strategy, configuration, err));
        AC_TRY(put(body, strategy, "updatedAt", yyjson_mut_sint(body, clock_unix_ms()), err));
    }
    return AC_OK;
}

ac_status memory_strategies_delete(yyjson_mut_doc *body, yyjson_mut_val *list, yyjson_mut_val *inputs, ac_error *err)
{
    yyjson_mut_val *input, *strategy;
    yyjson_mut_arr_iter walk;

    if (!inputs)
        return AC_OK;
    yyjson_mut_arr_iter_init(inputs, &walk);
    while ((input = yyjson_mut_arr_iter_next(&walk)) != NULL) {
        AC_TRY(find_settled(list, input, &strategy, err));
        AC_TRY(put(body, strategy, "status", yyjson_mut_str(body, MEMORY_DELETING), err));
    }
    return AC_OK;
}
