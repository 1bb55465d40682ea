/* test_memory_exhausted.c - what the memory client builds, while its documents get no more memory at each value and
 * each string in turn: it says so, or what it built is whole.
 *
 * yyjson takes memory for many values at once, and from its own malloc, which --wrap does not reach.  So the documents
 * have an allocator that once fails to give a piece, and a first piece that holds so many values, or bytes of
 * strings, and no more. */
#include "client/memory_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Until the one that fails; negative: none does.  All that come after it succeed, so that a failure which is passed
 * over is not made good by the next one. */
static int pieces_left;
static bool has_failed;

static bool may_allocate(void)
{
    if (pieces_left < 0 || pieces_left-- > 0)
        return true;
    pieces_left = -1;
    has_failed = true;
    return false;
}

static void *give(void *ctx, size_t size)
{
    (void)ctx;
    return may_allocate() ? malloc(size) : NULL;
}

static void *resize(void *ctx, void *block, size_t old_size, size_t size)
{
    (void)ctx;
    (void)old_size;
    return may_allocate() ? realloc(block, size) : NULL;
}

static void take_back(void *ctx, void *block)
{
    (void)ctx;
    free(block);
}

static const yyjson_alc allocator = {give, resize, take_back, NULL};

/* Builds into doc, whose root it sets. */
typedef ac_status (*builder)(yyjson_mut_doc *doc, ac_error *err);

static char *built_with(builder build, size_t values, size_t bytes, int pieces, ac_status *ret_status)
{
    ac_error err = {0};

    pieces_left = -1;
    has_failed = false;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(&allocator);
    assert_non_null(doc);
    assert_true(yyjson_mut_doc_set_val_pool_size(doc, values));
    assert_true(yyjson_mut_doc_set_str_pool_size(doc, bytes));
    pieces_left = pieces;
    *ret_status = build(doc, &err);
    char *text = *ret_status == AC_OK ? yyjson_mut_write(doc, 0, NULL) : NULL;
    if (*ret_status != AC_OK)
        assert_string_equal(err.message, "out of memory");
    yyjson_mut_doc_free(doc);
    return text;
}

#define PLENTY 100000

/* One piece for values, and one for strings if they are copied. */
static void exhaust(builder build, bool has_strings)
{
    ac_status status;
    char *whole = built_with(build, PLENTY, PLENTY, -1, &status);
    size_t failures = 0;

    assert_int_equal(status, AC_OK);
    assert_non_null(whole);
    for (int strings = 0; strings <= (has_strings ? 1 : 0); strings++) {
        for (size_t room = 1;; room++) {
            char *text =
                built_with(build, strings ? PLENTY : room, strings ? room : PLENTY, has_strings ? 2 : 1, &status);
            bool failed = has_failed;

            assert_true(failed ? status == AC_ERR_NOMEM : status == AC_OK);
            if (!failed)
                assert_string_equal(text, whole);
            failures += failed;
            free(text);
            if (!failed && room > 1)
                break;
            assert_true(room < PLENTY);
        }
    }
    assert_true(failures > 0);
    free(whole);
}

/* ---- strategies ---- */

static const ac_memory_overrides episodes = {
    .extraction = {"e", "m"}, .consolidation = {"c", "m"}, .reflection = {"r", "m"}};
static const ac_memory_self_managed own = {.topic_arn = "arn",
                                           .bucket = "bucket",
                                           .message_count = 1,
                                           .token_count = 100,
                                           .idle_session_timeout_s = 10,
                                           .history_window = 3};

static ac_status in_an_object(yyjson_mut_doc *doc, memory_call *c, ac_error *err)
{
    yyjson_mut_val *root = yyjson_mut_obj(doc);

    if (!root)
        return memory_exhausted(err);
    yyjson_mut_doc_set_root(doc, root);
    *c = (memory_call){.doc = doc, .input = root};
    return AC_OK;
}

static ac_status add_strategies(yyjson_mut_doc *doc, ac_error *err)
{
    static const char text[] = "{\"metadataSchema\": [{\"key\": \"k\"}]}";
    yyjson_doc *schema = yyjson_read(text, strlen(text), 0);
    const ac_memory_strategy all[] = {
        {.kind = AC_MEMORY_SEMANTIC,
         .name = "a",
         .description = "d",
         .namespace_template = "/f/",
         .record_schema = yyjson_doc_get_root(schema)},
        {.kind = AC_MEMORY_EPISODIC, .name = "b", .reflection_template = "/r/"},
        {.kind = AC_MEMORY_EPISODIC, .name = "c", .reflection_template = "/r/", .overrides = &episodes},
        {.kind = AC_MEMORY_SELF_MANAGED, .name = "d", .self_managed = &own},
    };
    memory_call c;

    assert_non_null(schema);
    ac_status status = in_an_object(doc, &c, err);
    if (status == AC_OK)
        status = memory_call_strategies(&c, c.input, "memoryStrategies", all, ARRAY_SIZE(all), err);
    yyjson_doc_free(schema);
    return status;
}

static ac_status change_with(yyjson_mut_doc *doc, const char *type, const char *custom_type,
                             const ac_memory_strategy_change *change, ac_error *err)
{
    yyjson_mut_doc *theirs = memory_new_object();
    yyjson_mut_val *root = yyjson_mut_doc_get_root(theirs), *list = yyjson_mut_arr(doc);
    memory_call c = {.doc = doc};

    yyjson_mut_obj_add_str(theirs, root, "type", type);
    yyjson_mut_obj_add_str(theirs, yyjson_mut_obj_add_obj(theirs, root, "configuration"), "type", custom_type);
    yyjson_doc *strategy = yyjson_mut_doc_imut_copy(theirs, NULL);
    yyjson_mut_doc_free(theirs);
    ac_status status = list ? AC_OK : memory_exhausted(err);
    yyjson_mut_doc_set_root(doc, list);
    if (status == AC_OK)
        status = memory_call_change(&c, list, change, 0, yyjson_doc_get_root(strategy), err);
    yyjson_doc_free(strategy);
    return status;
}

static ac_status change_overrides(yyjson_mut_doc *doc, ac_error *err)
{
    const ac_memory_strategy_change change = {.strategy_id = "s",
                                              .description = "d",
                                              .namespace_template = "/n/",
                                              .reflection_template = "/r/",
                                              .overrides = &episodes};

    return change_with(doc, "CUSTOM", "EPISODIC_OVERRIDE", &change, err);
}

static ac_status change_reflections(yyjson_mut_doc *doc, ac_error *err)
{
    const ac_memory_strategy_change change = {.strategy_id = "s", .reflection_template = "/r/"};

    return change_with(doc, "EPISODIC", "", &change, err);
}

static ac_status change_self_managed(yyjson_mut_doc *doc, ac_error *err)
{
    const ac_memory_strategy_change change = {.strategy_id = "s", .self_managed = &own};

    return change_with(doc, "CUSTOM", "SELF_MANAGED", &change, err);
}

static void strategies(void **state)
{
    (void)state;
    exhaust(add_strategies, true);
    exhaust(change_overrides, false);
    exhaust(change_reflections, false);
    exhaust(change_self_managed, false);
}

/* ---- filters and branches ---- */

static ac_status build_filters(yyjson_mut_doc *doc, ac_error *err)
{
    static const char *const two[] = {"a", "b"};
    const ac_memory_value text = {.type = AC_MEMORY_STRING, .string = "t"}, time = {.type = AC_MEMORY_TIME},
                          list = {.type = AC_MEMORY_STRING_LIST, .strings = two, .string_count = 2},
                          number = {.type = AC_MEMORY_NUMBER, .number = 0.5};
    const ac_memory_filter all[] = {{"a", AC_MEMORY_EQUALS_TO, &text},
                                    {"b", AC_MEMORY_EXISTS, NULL},
                                    {"c", AC_MEMORY_CONTAINS, &list},
                                    {"d", AC_MEMORY_LESS_THAN, &number},
                                    {"e", AC_MEMORY_AFTER, &time}};
    yyjson_mut_val *built = NULL;
    ac_status status = memory_filter_list(doc, all, ARRAY_SIZE(all), &built, err);

    yyjson_mut_doc_set_root(doc, built);
    return status;
}

static yyjson_doc *listed_events(void)
{
    static const char text[] =
        "[{\"eventId\": \"3\", \"eventTimestamp\": 3, \"branch\": {\"name\": \"b\"}, \"payload\": "
        "[{\"conversational\": {\"role\": \"USER\", "
        "\"content\": {\"text\": \"a text that is so long that it is cut after "
        "fifty "
        "characters\"}}}]}, {\"eventId\": \"2\", \"eventTimestamp\": 2, \"branch\": {\"name\": \"b\", \"rootEventId\": "
        "\"1\"}, \"payload\": [{\"blob\": 1}]}, {\"eventId\": \"1\", \"eventTimestamp\": 1, \"payload\": "
        "[{\"conversational\": {\"role\": \"USER\", \"content\": {\"text\": \"x\"}}}, {\"conversational\": {\"role\": "
        "\"OTHER\", \"content\": {\"text\": \"y\"}}}]}]";
    yyjson_doc *events = yyjson_read(text, strlen(text), 0);

    assert_non_null(events);
    return events;
}

static ac_status merge_messages(yyjson_mut_doc *doc, ac_error *err)
{
    yyjson_mut_val *root = yyjson_mut_arr(doc);

    if (!root)
        return memory_exhausted(err);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_doc *events = listed_events();
    ac_status status = memory_messages_of(doc, yyjson_doc_get_root(events), err);
    yyjson_doc_free(events);
    return status;
}

static ac_status grow_tree(yyjson_mut_doc *doc, ac_error *err)
{
    const ac_memory_session session = {.actor_id = (char *)"a", .session_id = (char *)"s"};
    yyjson_doc *events = NULL;
    yyjson_val *event;
    ac_status status = AC_OK;
    bool done = false;
    size_t i, n;

    if (!memory_tree_begin(doc, &session))
        return memory_exhausted(err);
    events = listed_events();
    yyjson_arr_foreach(yyjson_doc_get_root(events), i, n, event)
    {
        if (status == AC_OK)
            status = memory_tree_take(event, doc, &done, err);
    }
    yyjson_doc_free(events);
    return status;
}

static ac_status list_branches(yyjson_mut_doc *doc, ac_error *err)
{
    yyjson_mut_val *root = yyjson_mut_arr(doc);
    yyjson_doc *events = NULL;
    yyjson_val *event;
    ac_status status = AC_OK;
    bool done = false;
    size_t i, n;

    if (!root)
        return memory_exhausted(err);
    yyjson_mut_doc_set_root(doc, root);
    events = listed_events();
    yyjson_arr_foreach(yyjson_doc_get_root(events), i, n, event)
    {
        if (status == AC_OK)
            status = memory_count_event(event, doc, &done, err);
    }
    yyjson_doc_free(events);
    return status;
}

static ac_status ask_for_pages(yyjson_mut_doc *doc, ac_error *err)
{
    memory_call c;

    ac_status status = in_an_object(doc, &c, err);
    memory_pages pages = memory_pages_of(&c, "events", 3);
    if (status == AC_OK)
        status = memory_pages_ask(&pages, NULL, err);
    if (status == AC_OK)
        status = memory_pages_ask(&pages, "a token", err);
    if (status == AC_OK)
        status = memory_pages_ask(&pages, "another", err);
    return status;
}

static void filters_and_branches(void **state)
{
    (void)state;
    exhaust(list_branches, true);
    exhaust(ask_for_pages, true);
    exhaust(build_filters, true);
    exhaust(merge_messages, true);
    exhaust(grow_tree, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strategies),
        cmocka_unit_test(filters_and_branches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
