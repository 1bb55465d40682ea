/* test_memory_strategies.c - what the memory client sends of strategies, and what it does with what it is told. */
#include "memory_script.h"

#define MEMORY(status, more) "{\"memory\": {\"id\": \"" MEMORY_ID "\", \"status\": \"" status "\"" more "}}"
#define ACTIVE MEMORY("ACTIVE", "")
#define PROMPT(text) "{\"appendToPrompt\": \"" text "\", \"modelId\": \"m\"}"

static const ac_memory_wait_options quick = {.max_wait_s = 20, .poll_interval_ms = 1};

/* ---- adding ---- */

static const ac_memory_self_managed own = {
    .topic_arn = "arn:aws:sns:us-west-2:123456789012:notices",
    .bucket = "my-bucket",
    .message_count = 6,
    .token_count = 1000,
    .idle_session_timeout_s = 30,
    .history_window = -1,
};
#define OWN                                                                                                            \
    "{\"invocationConfiguration\": {\"topicArn\": \"arn:aws:sns:us-west-2:123456789012:notices\", "                    \
    "\"payloadDeliveryBucketName\": \"my-bucket\"}, \"triggerConditions\": [{\"messageBasedTrigger\": "                \
    "{\"messageCount\": 6}}, {\"tokenBasedTrigger\": {\"tokenCount\": 1000}}, {\"timeBasedTrigger\": "                 \
    "{\"idleSessionTimeout\": 30}}], \"historicalContextWindowSize\": 0}"

static const ac_memory_overrides facts = {.extraction = {"only names", "m"}, .consolidation = {"keep all", "m"}};
static const ac_memory_overrides summaries = {.consolidation = {"be short", "m"}};
static const ac_memory_overrides episodes = {
    .extraction = {"e", "m"}, .consolidation = {"c", "m"}, .reflection = {"r", "m"}};

static void every_kind(void **state)
{
    static const struct {
        ac_memory_strategy strategy;
        const char *sent;
    } cases[] = {
        {{.kind = AC_MEMORY_SEMANTIC, .name = "a", .description = "d", .namespace_template = "/f/{actorId}/"},
         "{\"semanticMemoryStrategy\": {\"name\": \"a\", \"description\": \"d\", \"namespaceTemplates\": "
         "[\"/f/{actorId}/\"]}}"},
        {{.kind = AC_MEMORY_SUMMARY, .name = "a"}, "{\"summaryMemoryStrategy\": {\"name\": \"a\"}}"},
        {{.kind = AC_MEMORY_USER_PREFERENCE, .name = "a"}, "{\"userPreferenceMemoryStrategy\": {\"name\": \"a\"}}"},
        {{.kind = AC_MEMORY_EPISODIC, .name = "a", .reflection_template = "/r/"},
         "{\"episodicMemoryStrategy\": {\"name\": \"a\", \"reflectionConfiguration\": {\"namespaceTemplates\": "
         "[\"/r/\"]}}}"},
        {{.kind = AC_MEMORY_SEMANTIC, .name = "a", .namespace_template = "/f/", .overrides = &facts},
         "{\"customMemoryStrategy\": {\"name\": \"a\", \"namespaceTemplates\": [\"/f/\"], \"configuration\": "
         "{\"semanticOverride\": {\"extraction\": " PROMPT("only names") ", \"consolidation\": " PROMPT(
             "keep all") "}}}}"},
        {{.kind = AC_MEMORY_SUMMARY, .name = "a", .overrides = &summaries},
         "{\"customMemoryStrategy\": {\"name\": \"a\", \"configuration\": {\"summaryOverride\": {\"consolidation\": "
         "" PROMPT("be short") "}}}}"},
        {{.kind = AC_MEMORY_USER_PREFERENCE, .name = "a", .overrides = &summaries},
         "{\"customMemoryStrategy\": {\"name\": \"a\", \"configuration\": {\"userPreferenceOverride\": "
         "{\"consolidation\": " PROMPT("be short") "}}}}"},
        {{.kind = AC_MEMORY_EPISODIC, .name = "a", .reflection_template = "/r/", .overrides = &episodes},
         "{\"customMemoryStrategy\": {\"name\": \"a\", \"configuration\": {\"episodicOverride\": {\"extraction\": "
         "" PROMPT("e") ", \"consolidation\": " PROMPT(
             "c") ", \"reflection\": {\"appendToPrompt\": \"r\", "
                  "\"modelId\": \"m\", \"namespaceTemplates\": [\"/r/\"]}}}}}"},
        {{.kind = AC_MEMORY_SELF_MANAGED, .name = "a", .self_managed = &own},
         "{\"customMemoryStrategy\": {\"name\": \"a\", \"configuration\": {\"selfManagedConfiguration\": " OWN "}}}"},
    };
    agent_house *h = *state;
    char expected[2048];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const ac_memory_spec spec = {.name = "Memory", .strategies = &cases[i].strategy, .strategy_count = 1};
        ac_error err = {0};

        SCRIPT(ACTIVE);
        must(ac_memory_add_strategy_and_wait(h->client, MEMORY_ID, &cases[i].strategy, &quick, NULL, &err), &err);
        assert_string_equal(lines[0], "PUT /memories/" MEMORY_ID "/update");
        snprintf(expected, sizeof expected, "{\"addMemoryStrategies\": [%s]}", cases[i].sent);
        assert_json(bodies[0], "memoryStrategies", expected);
        SCRIPT(ACTIVE);
        must(ac_memory_create_and_wait(h->client, &spec, &quick, NULL, &err), &err);
        snprintf(expected, sizeof expected, "[%s]", cases[i].sent);
        assert_json(bodies[0], "memoryStrategies", expected);
    }
}

static void strategies_that_are_wrong(void **state)
{
    static const ac_memory_overrides nothing = {{NULL, NULL}, {NULL, NULL}, {NULL, NULL}};
    static const ac_memory_overrides half = {.extraction = {"p", NULL}}, no_utf8 = {.extraction = {"\xff", "m"}};
    static const ac_memory_self_managed nowhere = {.topic_arn = "arn:aws:sns:us-west-2:123456789012:notices"};
    static const struct {
        ac_memory_strategy strategy;
        const char *message;
    } cases[] = {
        {{.kind = (ac_memory_strategy_kind)9, .name = "a"}, "strategy 0: no such kind"},
        {{.kind = AC_MEMORY_SUMMARY, .name = "a", .reflection_template = "/r/"},
         "strategy 0: only an episodic one has reflections"},
        {{.kind = AC_MEMORY_SELF_MANAGED, .name = "a"},
         "strategy 0: self_managed is for a self-managed one, and required there"},
        {{.kind = AC_MEMORY_SEMANTIC, .name = "a", .self_managed = &own},
         "strategy 0: self_managed is for a self-managed one, and required there"},
        {{.kind = AC_MEMORY_SELF_MANAGED, .name = "a", .self_managed = &nowhere},
         "strategy 0: topic_arn and bucket are required"},
        {{.kind = AC_MEMORY_SELF_MANAGED, .name = "a", .self_managed = &own, .overrides = &facts},
         "strategy 0: one of this kind has no extraction to override"},
        {{.kind = AC_MEMORY_SUMMARY, .name = "a", .overrides = &facts},
         "strategy 0: one of this kind has no extraction to override"},
        {{.kind = AC_MEMORY_SEMANTIC, .name = "a", .overrides = &episodes},
         "strategy 0: one of this kind has no reflection to override"},
        {{.kind = AC_MEMORY_SEMANTIC, .name = "a", .overrides = &half},
         "strategy 0: extraction needs both append_to_prompt and model_id"},
        {{.kind = AC_MEMORY_SEMANTIC, .name = "a", .overrides = &no_utf8},
         "strategy 0: the prompt of the extraction is not UTF-8"},
        {{.kind = AC_MEMORY_SEMANTIC, .name = "a", .overrides = &nothing}, "strategy 0: the overrides say nothing"},
        {{.kind = AC_MEMORY_EPISODIC, .name = "a", .reflection_template = "/r/", .overrides = &facts},
         "strategy 0: with overrides, reflection_template needs a prompt for the reflection"},
    };
    agent_house *h = *state;

    SCRIPT(ACTIVE);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ac_error err = {0};

        assert_int_equal(ac_memory_add_strategy_and_wait(h->client, MEMORY_ID, &cases[i].strategy, &quick, NULL, &err),
                         AC_ERR_INVALID);
        assert_string_equal(err.message, cases[i].message);
    }
    assert_int_equal(asked, 0);
}

/* ---- changing ---- */

#define THEIRS(type, configuration)                                                                                    \
    MEMORY("ACTIVE", ", \"strategies\": [{\"strategyId\": \"s-1\", \"name\": \"s\", \"status\": \"ACTIVE\", "          \
                     "\"type\": \"" type "\"" configuration "}]")
#define CUSTOM(type) THEIRS("CUSTOM", ", \"configuration\": {\"type\": \"" type "\"}")
#define STEP(step, Step, kind, prompt)                                                                                 \
    "\"" step "\": {\"custom" Step "Configuration\": {\"" kind Step "Override\": " prompt "}}"

#define EXTRACTING STEP("extraction", "Extraction", "episodic", PROMPT("e"))
#define CONSOLIDATING STEP("consolidation", "Consolidation", "episodic", PROMPT("c"))
#define REFLECTING STEP("reflection", "Reflection", "episodic", REFLECTION)
#define REFLECTION "{\"appendToPrompt\": \"r\", \"modelId\": \"m\", \"namespaceTemplates\": [\"/r/\"]}"
#define EPISODIC_STEPS EXTRACTING ", " CONSOLIDATING ", " REFLECTING

static void changes(void **state)
{
    static const ac_memory_self_managed other_bucket = {.bucket = "other", .message_count = 2};
    static const struct {
        const char *theirs;
        ac_memory_strategy_change change;
        const char *sent;
    } cases[] = {
        {THEIRS("SEMANTIC", ""),
         {.strategy_id = "s-1", .description = "d", .namespace_template = "/n/"},
         "{\"memoryStrategyId\": \"s-1\", \"description\": \"d\", \"namespaceTemplates\": [\"/n/\"]}"},
        {CUSTOM("SEMANTIC_OVERRIDE"),
         {.strategy_id = "s-1", .overrides = &facts},
         "{\"memoryStrategyId\": \"s-1\", \"configuration\": {" STEP(
             "extraction", "Extraction", "semantic",
             PROMPT("only names")) ", " STEP("consolidation", "Consolidation", "semantic", PROMPT("keep all")) "}}"},
        {CUSTOM("SUMMARY_OVERRIDE"),
         {.strategy_id = "s-1", .overrides = &summaries},
         "{\"memoryStrategyId\": \"s-1\", \"configuration\": {" STEP("consolidation", "Consolidation", "summary",
                                                                     PROMPT("be short")) "}}"},
        {CUSTOM("USER_PREFERENCE_OVERRIDE"),
         {.strategy_id = "s-1", .overrides = &summaries},
         "{\"memoryStrategyId\": \"s-1\", \"configuration\": {" STEP("consolidation", "Consolidation", "userPreference",
                                                                     PROMPT("be short")) "}}"},
        {CUSTOM("EPISODIC_OVERRIDE"),
         {.strategy_id = "s-1", .overrides = &episodes, .reflection_template = "/r/"},
         "{\"memoryStrategyId\": \"s-1\", \"configuration\": {" EPISODIC_STEPS "}}"},
        {THEIRS("EPISODIC", ", \"configuration\": {\"reflection\": {}}"),
         {.strategy_id = "s-1", .reflection_template = "/r/"},
         "{\"memoryStrategyId\": \"s-1\", \"configuration\": {\"reflection\": {\"episodicReflectionConfiguration\": "
         "{\"namespaceTemplates\": [\"/r/\"]}}}}"},
        {CUSTOM("SELF_MANAGED"),
         {.strategy_id = "s-1", .self_managed = &other_bucket},
         "{\"memoryStrategyId\": \"s-1\", \"configuration\": {\"selfManagedConfiguration\": "
         "{\"invocationConfiguration\": {\"payloadDeliveryBucketName\": \"other\"}, \"triggerConditions\": "
         "[{\"messageBasedTrigger\": {\"messageCount\": 2}}]}}}"},
    };
    agent_house *h = *state;
    char expected[2048];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        yyjson_doc *memory = NULL;
        ac_error err = {0};

        SCRIPT(cases[i].theirs, MEMORY("UPDATING", ""), MEMORY("UPDATING", ""), ACTIVE);
        must(ac_memory_modify_strategy_and_wait(h->client, MEMORY_ID, &cases[i].change, &quick, &memory, &err), &err);
        assert_int_equal(asked, 4);
        assert_string_equal(lines[0], "GET /memories/" MEMORY_ID "/details");
        assert_string_equal(lines[1], "PUT /memories/" MEMORY_ID "/update");
        snprintf(expected, sizeof expected, "{\"modifyMemoryStrategies\": [%s]}", cases[i].sent);
        assert_json(bodies[1], "memoryStrategies", expected);
        assert_string_equal(ac_json_string(yyjson_doc_get_root(memory), "status", ""), "ACTIVE");
        yyjson_doc_free(memory);
    }
}

static void changes_that_are_wrong(void **state)
{
    static const struct {
        const char *theirs;
        ac_memory_strategy_change change;
        ac_status status;
        const char *message;
    } cases[] = {
        {ACTIVE, {.strategy_id = NULL}, AC_ERR_INVALID, "change 0: strategy_id is required"},
        {ACTIVE, {.strategy_id = "s-1"}, AC_ERR_NOT_FOUND, "Strategy s-1 not found in memory " MEMORY_ID},
        {GONE, {.strategy_id = "s-1"}, AC_ERR_NOT_FOUND, "no such thing"},
        {THEIRS("SEMANTIC", ""),
         {.strategy_id = "s-1", .overrides = &facts},
         AC_ERR_INVALID,
         "change 0: the strategy was made without overrides"},
        {CUSTOM("SELF_MANAGED"),
         {.strategy_id = "s-1", .overrides = &facts},
         AC_ERR_INVALID,
         "change 0: the strategy was made without overrides"},
        {CUSTOM("SUMMARY_OVERRIDE"),
         {.strategy_id = "s-1", .overrides = &facts},
         AC_ERR_INVALID,
         "change 0: one of this kind has no extraction to override"},
        {CUSTOM("SUMMARY_OVERRIDE"),
         {.strategy_id = "s-1", .self_managed = &own},
         AC_ERR_INVALID,
         "change 0: the strategy is not self-managed"},
        {CUSTOM("EPISODIC_OVERRIDE"),
         {.strategy_id = "s-1", .reflection_template = "/r/"},
         AC_ERR_INVALID,
         "change 0: reflection_template is for an episodic strategy, with overrides only beside them"},
    };
    agent_house *h = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        yyjson_doc *memory = NULL;
        ac_error err = {0};

        SCRIPT(cases[i].theirs);
        assert_int_equal(
            ac_memory_modify_strategy_and_wait(h->client, MEMORY_ID, &cases[i].change, &quick, &memory, &err),
            cases[i].status);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(asked, 1);
        assert_null(memory);
    }
}

static void several_at_once(void **state)
{
    static const char *const gone[] = {"s-2", "s-3"}, *const none[] = {NULL};
    const ac_memory_strategy added[] = {{.kind = AC_MEMORY_SUMMARY, .name = "a"},
                                        {.kind = AC_MEMORY_SEMANTIC, .name = "b"}};
    const ac_memory_strategy_change changed = {.strategy_id = "s-1", .description = "d"};
    const ac_memory_strategy_changes all = {
        .modify = &changed, .modify_count = 1, .remove_ids = gone, .remove_count = 2, .add = added, .add_count = 2};
    agent_house *h = *state;
    ac_error err = {0};

    SCRIPT(THEIRS("SEMANTIC", ""), ACTIVE);
    must(ac_memory_update_strategies_and_wait(h->client, MEMORY_ID, &all, &quick, NULL, &err), &err);
    assert_json(bodies[1], "memoryStrategies",
                "{\"modifyMemoryStrategies\": [{\"memoryStrategyId\": \"s-1\", \"description\": \"d\"}], "
                "\"deleteMemoryStrategies\": [{\"memoryStrategyId\": \"s-2\"}, {\"memoryStrategyId\": \"s-3\"}], "
                "\"addMemoryStrategies\": [{\"summaryMemoryStrategy\": {\"name\": \"a\"}}, "
                "{\"semanticMemoryStrategy\": {\"name\": \"b\"}}]}");

    SCRIPT(ACTIVE);
    assert_int_equal(ac_memory_update_strategies_and_wait(h->client, MEMORY_ID, NULL, &quick, NULL, &err),
                     AC_ERR_INVALID);
    assert_string_equal(err.message, "No strategy operations provided");
    assert_int_equal(ac_memory_update_strategies_and_wait(h->client, MEMORY_ID, &(ac_memory_strategy_changes){0},
                                                          &quick, NULL, &err),
                     AC_ERR_INVALID);
    assert_string_equal(err.message, "No strategy operations provided");
    assert_int_equal(ac_memory_delete_strategy_and_wait(h->client, MEMORY_ID, none[0], &quick, NULL, &err),
                     AC_ERR_INVALID);
    assert_string_equal(err.message, "strategy_id is required");
    assert_int_equal(asked, 0);
}

static void waiting_ends(void **state)
{
    const ac_memory_wait_options short_wait = {.max_wait_s = 1, .poll_interval_ms = 100};
    agent_house *h = *state;
    ac_error err = {0};

    SCRIPT(ACTIVE, MEMORY("ACTIVE", ", \"strategies\": [{\"name\": \"s\", \"status\": \"FAILED\"}]"));
    assert_int_equal(ac_memory_delete_strategy_and_wait(h->client, MEMORY_ID, "s-1", &quick, NULL, &err), AC_ERR_STATE);
    assert_string_equal(err.message, "Memory creation failed: strategy s");
    SCRIPT(ACTIVE, MEMORY("ACTIVE", ", \"strategies\": [{\"name\": \"s\", \"status\": \"CREATING\"}]"));
    assert_int_equal(ac_memory_delete_strategy_and_wait(h->client, MEMORY_ID, "s-1", &short_wait, NULL, &err),
                     AC_ERR_TIMEOUT);
    assert_string_equal(err.message, "Memory " MEMORY_ID " did not become ACTIVE within 1 seconds");
}

/* ---- looking ---- */

static void lists_and_states(void **state)
{
    static const struct {
        const char *said;
        ac_memory_state state;
    } cases[] = {
        {MEMORY("CREATING", ""), AC_MEMORY_STATE_CREATING}, {ACTIVE, AC_MEMORY_STATE_ACTIVE},
        {MEMORY("UPDATING", ""), AC_MEMORY_STATE_UPDATING}, {MEMORY("DELETING", ""), AC_MEMORY_STATE_DELETING},
        {MEMORY("FAILED", ""), AC_MEMORY_STATE_FAILED},     {MEMORY("RESTING", ""), AC_MEMORY_STATE_UNKNOWN},
    };
    agent_house *h = *state;
    ac_memory_state seen = AC_MEMORY_STATE_ACTIVE;
    yyjson_doc *list = NULL;
    ac_error err = {0};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        SCRIPT(cases[i].said);
        must(ac_memory_get_state(h->client, MEMORY_ID, &seen, &err), &err);
        assert_int_equal(seen, cases[i].state);
    }
    SCRIPT(GONE);
    assert_int_equal(ac_memory_get_state(h->client, MEMORY_ID, &seen, &err), AC_ERR_NOT_FOUND);
    assert_int_equal(seen, AC_MEMORY_STATE_UNKNOWN);
    assert_int_equal(ac_memory_list_strategies(h->client, MEMORY_ID, &list, &err), AC_ERR_NOT_FOUND);
    assert_null(list);
    SCRIPT(MEMORY("ACTIVE", ", \"strategies\": [{\"strategyId\": \"s-1\", \"type\": \"SEMANTIC\"}]"));
    must(ac_memory_list_strategies(h->client, MEMORY_ID, &list, &err), &err);
    assert_answer(list, "[{\"strategyId\": \"s-1\", \"type\": \"SEMANTIC\"}]");
    SCRIPT(ACTIVE);
    must(ac_memory_list_strategies(h->client, MEMORY_ID, &list, &err), &err);
    assert_answer(list, "[]");
}

static void indexed_keys(void **state)
{
    const ac_memory_indexed_key keys[] = {
        {"colour", AC_MEMORY_STRING}, {"tags", AC_MEMORY_STRING_LIST}, {"size", AC_MEMORY_NUMBER}};
    const ac_memory_indexed_key of_time = {"when", AC_MEMORY_TIME}, nameless = {NULL, AC_MEMORY_STRING};
    ac_memory_spec spec = {.name = "Memory", .indexed_keys = keys, .indexed_key_count = 3};
    agent_house *h = *state;
    ac_error err = {0};

    SCRIPT(ACTIVE);
    must(ac_memory_create_and_wait(h->client, &spec, &quick, NULL, &err), &err);
    assert_json(bodies[0], "indexedKeys",
                "[{\"key\": \"colour\", \"type\": \"STRING\"}, {\"key\": \"tags\", \"type\": \"STRINGLIST\"}, "
                "{\"key\": \"size\", \"type\": \"NUMBER\"}]");
    spec.indexed_key_count = 1;
    spec.indexed_keys = &of_time;
    assert_int_equal(ac_memory_create_and_wait(h->client, &spec, &quick, NULL, &err), AC_ERR_INVALID);
    assert_string_equal(err.message, "indexed key 0: keys of this type are not indexed");
    spec.indexed_keys = &nameless;
    assert_int_equal(ac_memory_create_and_wait(h->client, &spec, &quick, NULL, &err), AC_ERR_INVALID);
    assert_string_equal(err.message, "indexed key 0: a key is required");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind),       cmocka_unit_test(strategies_that_are_wrong),
        cmocka_unit_test(changes),          cmocka_unit_test(changes_that_are_wrong),
        cmocka_unit_test(several_at_once),  cmocka_unit_test(waiting_ends),
        cmocka_unit_test(lists_and_states), cmocka_unit_test(indexed_keys),
    };

    return cmocka_run_group_tests(tests, script_set_up, script_tear_down);
}
