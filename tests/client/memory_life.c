/* memory_life.c - all of memory.h against the service that the environment names, for test_memory_client.py: exits 0,
 * or says which line was not as expected. */
#include <agentcore/memory.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ac_error err;

static void check(bool expected, const char *what, int line)
{
    if (expected)
        return;
    fprintf(stderr, "line %d: %s (%s: %s)\n", line, what, err.aws_name, err.message);
    exit(1);
}

#define CHECK(condition) check((condition), #condition, __LINE__)
#define OK(call) CHECK((call) == AC_OK)
#define REFUSED(call, text) CHECK((call) == AC_ERR_INVALID && strstr(err.message, (text)))

static const ac_memory_wait_options soon = {.max_wait_s = 20};

static ac_client *client;
static ac_memory_session *session;
static char memory_id[128];

static size_t size(yyjson_doc *list)
{
    return yyjson_arr_size(yyjson_doc_get_root(list));
}

static yyjson_val *item(yyjson_doc *list, size_t index)
{
    return yyjson_arr_get(yyjson_doc_get_root(list), index);
}

/* ---- memories ---- */

static void make_memory(void)
{
    const ac_memory_strategy facts = {
        .kind = AC_MEMORY_SEMANTIC, .name = "facts", .namespace_template = "/facts/{actorId}/"};
    const ac_memory_indexed_key keys[] = {{"colour", AC_MEMORY_STRING}, {"size", AC_MEMORY_NUMBER}};
    const ac_memory_spec spec = {
        .name = "Life", .strategies = &facts, .strategy_count = 1, .indexed_keys = keys, .indexed_key_count = 2};
    yyjson_doc *made = NULL, *got = NULL;

    OK(ac_memory_create_or_get(client, &spec, &soon, &made, &err));
    yyjson_val *memory = yyjson_doc_get_root(made);
    CHECK(strcmp(ac_json_string(memory, "status", ""), "ACTIVE") == 0);
    CHECK(ac_json_int(memory, "eventExpiryDuration", 0) == 90);
    snprintf(memory_id, sizeof(memory_id), "%s", ac_json_string(memory, "id", ""));
    OK(ac_memory_create_or_get(client, &spec, &soon, &got, &err));
    CHECK(strcmp(ac_json_string(yyjson_doc_get_root(got), "id", ""), memory_id) == 0);
    REFUSED(ac_memory_create_and_wait(client, &spec, &soon, NULL, &err), "already exists");
    yyjson_doc_free(made);
    yyjson_doc_free(got);
}

static void change_strategies(void)
{
    const ac_memory_strategy episodes = {.kind = AC_MEMORY_EPISODIC,
                                         .name = "episodes",
                                         .namespace_template = "/episodes/{actorId}/{sessionId}/",
                                         .reflection_template = "/episodes/{actorId}/"};
    const ac_memory_strategy wrong = {.kind = AC_MEMORY_SUMMARY, .name = "wrong", .reflection_template = "/x/"};
    yyjson_doc *memory = NULL;
    char strategy_id[128];

    OK(ac_memory_add_strategy_and_wait(client, memory_id, &episodes, &soon, &memory, &err));
    yyjson_val *strategies = yyjson_obj_get(yyjson_doc_get_root(memory), "strategies");
    CHECK(yyjson_arr_size(strategies) == 2);
    snprintf(strategy_id, sizeof(strategy_id), "%s", ac_json_string(yyjson_arr_get_last(strategies), "strategyId", ""));
    yyjson_doc_free(memory);
    REFUSED(ac_memory_add_strategy_and_wait(client, memory_id, &wrong, &soon, NULL, &err), "reflections");
    OK(ac_memory_delete_strategy_and_wait(client, memory_id, strategy_id, &soon, &memory, &err));
    CHECK(yyjson_arr_size(yyjson_obj_get(yyjson_doc_get_root(memory), "strategies")) == 1);
    yyjson_doc_free(memory);
}

/* A strategy of the answer, by its name. */
static yyjson_val *named(yyjson_doc *memory, const char *name)
{
    yyjson_val *strategy;
    size_t i, n;

    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(memory), "strategies"), i, n, strategy)
    {
        if (strcmp(ac_json_string(strategy, "name", ""), name) == 0)
            return strategy;
    }
    return NULL;
}

static void change_several_strategies(void)
{
    const ac_memory_overrides first = {.extraction = {"e", "m"}, .consolidation = {"c", "m"}, .reflection = {"r", "m"}};
    const ac_memory_overrides then = {.reflection = {"other words", "m"}};
    const ac_memory_self_managed own = {
        .topic_arn = "arn:aws:sns:us-west-2:123456789012:notices", .bucket = "bucket", .history_window = -1};
    const ac_memory_strategy added[] = {
        {.kind = AC_MEMORY_EPISODIC, .name = "custom", .reflection_template = "/r/{actorId}/", .overrides = &first},
        {.kind = AC_MEMORY_SELF_MANAGED, .name = "own", .self_managed = &own},
        {.kind = AC_MEMORY_EPISODIC, .name = "plain"}};
    yyjson_doc *memory = NULL, *list = NULL;

    OK(ac_memory_update_strategies_and_wait(
        client, memory_id, &(ac_memory_strategy_changes){.add = added, .add_count = 3}, &soon, &memory, &err));
    CHECK(strcmp(ac_json_string(yyjson_obj_get(named(memory, "custom"), "configuration"), "type", ""),
                 "EPISODIC_OVERRIDE") == 0);
    char *ids[] = {strdup(ac_json_string(named(memory, "custom"), "strategyId", "")),
                   strdup(ac_json_string(named(memory, "own"), "strategyId", "")),
                   strdup(ac_json_string(named(memory, "plain"), "strategyId", ""))};
    const ac_memory_strategy_change modified[] = {
        {.strategy_id = ids[0], .overrides = &then, .reflection_template = "/s/{actorId}/"},
        {.strategy_id = ids[1], .self_managed = &(ac_memory_self_managed){.message_count = 9}, .description = "mine"},
        {.strategy_id = ids[2], .reflection_template = "/t/{actorId}/"}};
    yyjson_doc_free(memory);
    OK(ac_memory_update_strategies_and_wait(
        client, memory_id, &(ac_memory_strategy_changes){.modify = modified, .modify_count = 3}, &soon, &memory, &err));
    CHECK(strcmp(ac_json_string(yyjson_ptr_get(named(memory, "custom"),
                                               "/configuration/reflection/customReflectionConfiguration/"
                                               "episodicReflectionOverride"),
                                "appendToPrompt", ""),
                 "other words") == 0);
    yyjson_val *managed = yyjson_ptr_get(named(memory, "own"), "/configuration/selfManagedConfiguration");
    CHECK(ac_json_int(yyjson_ptr_get(managed, "/triggerConditions/0/messageBasedTrigger"), "messageCount", 0) == 9);
    CHECK(strcmp(ac_json_string(yyjson_obj_get(managed, "invocationConfiguration"), "payloadDeliveryBucketName", ""),
                 "bucket") == 0);
    CHECK(strcmp(ac_json_string(named(memory, "own"), "description", ""), "mine") == 0);
    CHECK(yyjson_equals_str(yyjson_ptr_get(named(memory, "plain"), "/configuration/reflection/"
                                                                   "episodicReflectionConfiguration/"
                                                                   "namespaceTemplates/0"),
                            "/t/{actorId}/"));
    yyjson_doc_free(memory);
    OK(ac_memory_update_strategies_and_wait(
        client, memory_id, &(ac_memory_strategy_changes){.remove_ids = (const char *const *)ids, .remove_count = 3},
        &soon, NULL, &err));
    OK(ac_memory_list_strategies(client, memory_id, &list, &err));
    CHECK(size(list) == 1 && strcmp(ac_json_string(item(list, 0), "name", ""), "facts") == 0);
    yyjson_doc_free(list);
    CHECK(ac_memory_modify_strategy_and_wait(client, memory_id, modified, &soon, NULL, &err) == AC_ERR_NOT_FOUND);
    for (int i = 0; i < 3; i++)
        free(ids[i]);
}

static void ask_for_the_state(void)
{
    ac_memory_state state;

    OK(ac_memory_get_state(client, memory_id, &state, &err));
    CHECK(state == AC_MEMORY_STATE_ACTIVE);
}

/* ---- events ---- */

static char *say(const char *text, const ac_memory_event_options *options)
{
    const ac_memory_message both[] = {{.role = AC_MEMORY_USER, .text = text},
                                      {.role = AC_MEMORY_ASSISTANT, .text = "I see."}};
    yyjson_doc *event = NULL;

    OK(ac_memory_add_turns(session, both, 2, options, &event, &err));
    char *id = strdup(ac_json_string(yyjson_doc_get_root(event), "eventId", ""));
    yyjson_doc_free(event);
    CHECK(id && *id);
    return id;
}

static void add_wrong_turns(void)
{
    const ac_memory_message neither = {.role = AC_MEMORY_USER}, bad_role = {.role = 9, .text = "x"};
    const ac_memory_message not_utf8 = {.role = AC_MEMORY_USER, .text = "\xff\xfe"};
    yyjson_doc *event = NULL;

    REFUSED(ac_memory_add_turns(session, NULL, 0, NULL, &event, &err), "At least one message is required");
    REFUSED(ac_memory_add_turns(session, &neither, 1, NULL, &event, &err), "one of text and blob");
    REFUSED(ac_memory_add_turns(session, &bad_role, 1, NULL, &event, &err), "no such role");
    REFUSED(ac_memory_add_turns(session, &not_utf8, 1, NULL, &event, &err), "not UTF-8");
    CHECK(!event);
}

/* A page holds 100 events: these are more. */
static void page_through_events(void)
{
    yyjson_doc *list = NULL;
    char text[64];

    for (int i = 0; i < 120; i++) {
        snprintf(text, sizeof(text), "Number %d", i);
        free(say(text, &(ac_memory_event_options){.skip_extraction = true, .timestamp_ms = 1700000000000 + i}));
    }
    OK(ac_memory_list_events(session, NULL, &list, &err));
    CHECK(size(list) == 100);
    yyjson_doc_free(list);
    OK(ac_memory_list_events(session, &(ac_memory_list_options){.results_max = 1000}, &list, &err));
    CHECK(size(list) == 120);
    yyjson_doc_free(list);
    OK(ac_memory_last_turns(session, 110, NULL, &list, &err));
    CHECK(size(list) == 110 && yyjson_arr_size(item(list, 0)) == 2);
    yyjson_val *oldest = yyjson_arr_get_first(item(list, 109));
    CHECK(strcmp(ac_json_string(yyjson_obj_get(oldest, "content"), "text", ""), "Number 10") == 0);
    yyjson_doc_free(list);
    OK(ac_memory_last_turns(session, 1000, &(ac_memory_list_options){.results_max = 7}, &list, &err));
    CHECK(size(list) == 7);
    yyjson_doc_free(list);
    OK(ac_memory_last_turns(session, 0, NULL, &list, &err));
    CHECK(size(list) == 0);
    yyjson_doc_free(list);
}

static void keep_a_blob(void)
{
    const ac_memory_metadata colour = {"colour", "blue"}, other = {"colour", "red"}, any = {"colour", NULL};
    yyjson_doc *json = yyjson_read("{\"a\":[1,2]}", 11, 0), *event = NULL, *list = NULL;
    const ac_memory_message blob = {.blob = yyjson_doc_get_root(json)};

    OK(ac_memory_add_turns(session, &blob, 1, &(ac_memory_event_options){.metadata = &colour, .metadata_count = 1},
                           &event, &err));
    const char *id = ac_json_string(yyjson_doc_get_root(event), "eventId", "");
    OK(ac_memory_get_event(session, id, &list, &err));
    yyjson_val *kept = yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(list), "payload"));
    CHECK(yyjson_equals(yyjson_obj_get(kept, "blob"), blob.blob));
    yyjson_doc_free(list);
    OK(ac_memory_list_events(session, &(ac_memory_list_options){.metadata = &colour, .metadata_count = 1}, &list,
                             &err));
    CHECK(size(list) == 1);
    yyjson_doc_free(list);
    OK(ac_memory_list_events(session, &(ac_memory_list_options){.metadata = &any, .metadata_count = 1}, &list, &err));
    CHECK(size(list) == 1);
    yyjson_doc_free(list);
    OK(ac_memory_list_events(session, &(ac_memory_list_options){.metadata = &other, .metadata_count = 1}, &list, &err));
    CHECK(size(list) == 0);
    yyjson_doc_free(list);
    OK(ac_memory_delete_event(session, id, &err));
    CHECK(ac_memory_get_event(session, id, &list, &err) == AC_ERR_NOT_FOUND && !list);
    yyjson_doc_free(event);
    yyjson_doc_free(json);
}

static void branch_off(void)
{
    const ac_memory_message other = {.role = AC_MEMORY_USER, .text = "Or rather not."};
    char *root = say("Let us go to the sea.", &(ac_memory_event_options){.skip_extraction = true});
    yyjson_doc *list = NULL;

    OK(ac_memory_fork(session, root, "doubt", &other, 1, NULL, NULL, &err));
    free(say("To the hills?", &(ac_memory_event_options){.branch = "doubt", .skip_extraction = true}));
    OK(ac_memory_list_branches(session, &list, &err));
    CHECK(size(list) == 2);
    CHECK(strcmp(ac_json_string(item(list, 0), "name", ""), "main") == 0);
    CHECK(yyjson_is_null(yyjson_obj_get(item(list, 0), "rootEventId")));
    CHECK(ac_json_int(item(list, 0), "eventCount", 0) == 121);
    CHECK(ac_json_int(item(list, 0), "created", 0) == 1700000000000);
    CHECK(strcmp(ac_json_string(item(list, 1), "rootEventId", ""), root) == 0);
    CHECK(ac_json_int(item(list, 1), "eventCount", 0) == 2);
    yyjson_doc_free(list);
    OK(ac_memory_list_events(session, &(ac_memory_list_options){.branch = "doubt"}, &list, &err));
    CHECK(size(list) == 2);
    yyjson_doc_free(list);
    OK(ac_memory_last_turns(session, 3, &(ac_memory_list_options){.branch = "doubt", .include_parents = true}, &list,
                            &err));
    CHECK(size(list) == 3);
    yyjson_doc_free(list);
    REFUSED(ac_memory_fork(session, NULL, "x", &other, 1, NULL, NULL, &err), "required");
    REFUSED(ac_memory_list_events(session, &(ac_memory_list_options){.include_parents = true}, &list, &err), "branch");
    free(root);
}

static void look_along_branches(void)
{
    yyjson_doc *list = NULL;

    OK(ac_memory_list_branch_events(session, NULL, false, 1000, &list, &err));
    CHECK(size(list) == 121 && !yyjson_obj_get(item(list, 0), "branch"));
    yyjson_doc_free(list);
    OK(ac_memory_list_branch_events(session, "doubt", false, 0, &list, &err));
    CHECK(size(list) == 2);
    yyjson_doc_free(list);
    OK(ac_memory_merge_branch_context(session, "doubt", true, 0, &list, &err));
    CHECK(size(list) >= 5);
    yyjson_val *last = item(list, size(list) - 1), *before = item(list, size(list) - 4);
    CHECK(strcmp(ac_json_string(last, "content", ""), "I see.") == 0);
    CHECK(strcmp(ac_json_string(last, "branch", ""), "doubt") == 0);
    CHECK(strcmp(ac_json_string(before, "content", ""), "I see.") == 0);
    CHECK(strcmp(ac_json_string(before, "branch", ""), "main") == 0);
    CHECK(ac_json_int(before, "timestamp", 0) <= ac_json_int(last, "timestamp", 0));
    yyjson_doc_free(list);
    OK(ac_memory_conversation_tree(session, &list, &err));
    yyjson_val *main_branch = yyjson_obj_get(yyjson_doc_get_root(list), "mainBranch");
    CHECK(yyjson_arr_size(yyjson_obj_get(main_branch, "events")) == 121);
    CHECK(yyjson_arr_size(yyjson_ptr_get(main_branch, "/branches/doubt/events")) == 2);
    CHECK(strlen(ac_json_string(yyjson_ptr_get(main_branch, "/branches/doubt"), "rootEventId", "")) > 0);
    yyjson_doc_free(list);
}

static void list_who_was_heard(void)
{
    yyjson_doc *list = NULL;

    OK(ac_memory_list_actors(client, memory_id, 0, &list, &err));
    CHECK(size(list) == 1 && strcmp(ac_json_string(item(list, 0), "actorId", ""), "anna") == 0);
    yyjson_doc_free(list);
    OK(ac_memory_list_sessions(client, memory_id, "anna", 0, &list, &err));
    CHECK(size(list) == 1);
    CHECK(strcmp(ac_json_string(item(list, 0), "sessionId", ""), ac_memory_session_id(session)) == 0);
    yyjson_doc_free(list);
}

/* ---- records ---- */

static void find_records(void)
{
    const ac_memory_place facts = {.namespace_prefix = "/facts/anna/"}, path = {.namespace_path = "/facts"};
    const ac_memory_place none = {0}, both = {.namespace_prefix = "/a/", .namespace_path = "/b/"};
    yyjson_doc *list = NULL, *record = NULL;

    free(say("I live in Reykjavik.", NULL));
    OK(ac_memory_wait_records(client, memory_id, &facts, &soon, &err));
    OK(ac_memory_search(client, memory_id, "where does the user live", &facts, 0, &list, &err));
    CHECK(size(list) >= 1 && size(list) <= 3);
    const char *id = ac_json_string(item(list, 0), "memoryRecordId", "");
    OK(ac_memory_get_record(client, memory_id, id, &record, &err));
    CHECK(strstr(ac_json_string(yyjson_obj_get(yyjson_doc_get_root(record), "content"), "text", ""), "Reykjavik"));
    OK(ac_memory_delete_record(client, memory_id, id, &err));
    yyjson_doc_free(record);
    CHECK(ac_memory_get_record(client, memory_id, id, &record, &err) == AC_ERR_NOT_FOUND && !record);
    yyjson_doc_free(list);
    OK(ac_memory_list_records(client, memory_id, &path, 0, &list, &err));
    CHECK(size(list) == 0);
    yyjson_doc_free(list);
    REFUSED(ac_memory_search(client, memory_id, "x", &none, 0, &list, &err), "At least one of");
    REFUSED(ac_memory_search(client, memory_id, "x", &both, 0, &list, &err), "mutually exclusive");
    CHECK(ac_memory_wait_records(client, memory_id, &(ac_memory_place){.namespace_prefix = "/no/"},
                                 &(ac_memory_wait_options){.max_wait_s = 1}, &err) == AC_ERR_TIMEOUT);
}

static size_t count_filtered(const ac_memory_filter *filters, size_t count)
{
    yyjson_doc *built = NULL, *list = NULL;

    OK(ac_memory_filters_build(filters, count, &built, &err));
    OK(ac_memory_list_records(
        client, memory_id,
        &(ac_memory_place){.namespace_prefix = "/things/", .metadata_filters = yyjson_doc_get_root(built)}, 0, &list,
        &err));
    size_t found = size(list);
    yyjson_doc_free(list);
    yyjson_doc_free(built);
    return found;
}

static void filter_records(void)
{
    static const char *const colours[] = {"red", "blue", "blue"};
    const ac_memory_value blue = {.type = AC_MEMORY_STRING, .string = "blue"},
                          one = {.type = AC_MEMORY_NUMBER, .number = 1}, long_ago = {.type = AC_MEMORY_TIME};
    const ac_memory_filter is_blue = {"colour", AC_MEMORY_EQUALS_TO, &blue},
                           both[] = {{"colour", AC_MEMORY_EQUALS_TO, &blue}, {"size", AC_MEMORY_GREATER_THAN, &one}},
                           coloured = {"colour", AC_MEMORY_EXISTS, NULL},
                           colourless = {"colour", AC_MEMORY_NOT_EXISTS, NULL},
                           late = {"x-amz-agentcore-memory-createdAt", AC_MEMORY_AFTER, &long_ago},
                           early = {"x-amz-agentcore-memory-createdAt", AC_MEMORY_BEFORE, &long_ago};

    for (int i = 0; i < 3; i++)
        OK(ac_client_call_pack(client, "BatchCreateMemoryRecords", NULL, &err,
                               "{s:s, s:[{s:s, s:[s], s:{s:s}, s:I, s:{s:{s:s}, s:{s:i}}}]}", "memoryId", memory_id,
                               "records", "requestIdentifier", "r", "namespaces", "/things/", "content", "text",
                               "Thing", "timestamp", (int64_t)1700000000000 + i, "metadata", "colour", "stringValue",
                               colours[i], "size", "numberValue", i));
    CHECK(count_filtered(&is_blue, 1) == 2);
    CHECK(count_filtered(both, 2) == 1);
    CHECK(count_filtered(&coloured, 1) == 3);
    CHECK(count_filtered(&colourless, 1) == 0);
    CHECK(count_filtered(&late, 1) == 3);
    CHECK(count_filtered(&early, 1) == 0);
}

/* More than a page and more than a batch. */
static void delete_many_records(void)
{
    const ac_memory_place heap = {.namespace_prefix = "/heap/"};
    yyjson_doc *outcome = NULL, *answer = NULL;

    for (int i = 0; i < 130; i++) {
        char text[32];
        snprintf(text, sizeof(text), "Record %d", i);
        OK(ac_client_call_pack(client, "BatchCreateMemoryRecords", &answer, &err,
                               "{s:s, s:[{s:s, s:[s], s:{s:s}, s:I}]}", "memoryId", memory_id, "records",
                               "requestIdentifier", "r", "namespaces", "/heap/", "content", "text", text, "timestamp",
                               (int64_t)1700000000000 + i));
        yyjson_doc_free(answer);
    }
    OK(ac_memory_delete_records(client, memory_id, &heap, &outcome, &err));
    yyjson_val *root = yyjson_doc_get_root(outcome);
    CHECK(yyjson_arr_size(yyjson_obj_get(root, "successfulRecords")) == 130);
    CHECK(yyjson_arr_size(yyjson_obj_get(root, "failedRecords")) == 0);
    yyjson_doc_free(outcome);
}

/* ---- turns ---- */

static ac_status silent(const char *input, yyjson_val *memories, void *userdata, char **ret_response, ac_error *error)
{
    (void)input;
    (void)ret_response;
    (void)error;
    *(size_t *)userdata = yyjson_arr_size(memories);
    return AC_OK;
}

static void turn_without_an_answer(void)
{
    const ac_memory_retrieval known = {.namespace_template = "/facts/{actorId}/{sessionId}/{memoryStrategyId}"};
    const ac_memory_retrieval unknown = {.namespace_template = "/facts/{userId}/"},
                              open = {.namespace_template = "/{a"};
    ac_memory_turn turn;
    size_t seen = 99;

    CHECK(ac_memory_process_turn(session, "Hello?", silent, &seen,
                                 &(ac_memory_turn_options){.retrievals = &known, .retrieval_count = 1}, &turn,
                                 &err) == AC_ERR_HANDLER);
    CHECK(seen == 0 && !turn.memories && !turn.response && !turn.event);
    REFUSED(ac_memory_process_turn(session, "Hello?", silent, &seen,
                                   &(ac_memory_turn_options){.retrievals = &unknown, .retrieval_count = 1}, &turn,
                                   &err),
            "{userId}");
    REFUSED(ac_memory_process_turn(session, "Hello?", silent, &seen,
                                   &(ac_memory_turn_options){.retrievals = &open, .retrieval_count = 1}, &turn, &err),
            "{");
}

int main(void)
{
    OK(ac_client_new(NULL, &client, &err));
    make_memory();
    change_strategies();
    change_several_strategies();
    ask_for_the_state();
    REFUSED(ac_memory_session_new(client, memory_id, NULL, NULL, &session, &err), "required");
    OK(ac_memory_session_new(client, memory_id, "anna", NULL, &session, &err));
    CHECK(strlen(ac_memory_session_id(session)) == 36);
    add_wrong_turns();
    page_through_events();
    keep_a_blob();
    branch_off();
    look_along_branches();
    list_who_was_heard();
    find_records();
    filter_records();
    delete_many_records();
    turn_without_an_answer();
    OK(ac_memory_delete_and_wait(client, memory_id, &soon, &err));
    CHECK(ac_memory_wait_active(client, memory_id, &soon, NULL, &err) == AC_ERR_NOT_FOUND);
    ac_memory_session_free(session);
    ac_client_free(client);
    return 0;
}
