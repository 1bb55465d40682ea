/* test_memory_branches.c - branches, filters and waiting for records, against a service that is scripted. */
#include "memory_script.h"

#include <math.h>

#define LISTED(events, more) "{\"events\": [" events "]" more "}"
#define SAID(role, text) "{\"conversational\": {\"role\": \"" role "\", \"content\": {\"text\": \"" text "\"}}}"
#define EVENT(id, time, more, payload)                                                                                 \
    "{\"eventId\": \"" id "\", \"eventTimestamp\": " time more ", \"payload\": [" payload "]}"
#define ON_B ", \"branch\": {\"name\": \"b\"}"
#define FIRST_ON_B ", \"branch\": {\"name\": \"b\", \"rootEventId\": \"1#a\"}"

#define FIFTY "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\u00e4"
#define ONE_(unit)                                                                                                     \
    EVENT("1#a", "1" unit, "", SAID("USER", "Hello") ", {\"blob\": {\"x\": 1}}, " SAID("ASSISTANT", "Hi"))
#define TWO_(unit) EVENT("2#b", "2" unit, FIRST_ON_B, SAID("USER", FIFTY))
#define THREE_(unit) EVENT("3#c", "3" unit, "", SAID("USER", "Bye"))
#define FOUR_(unit) EVENT("4#d", "4" unit, ON_B, SAID("USER", FIFTY "more"))

/* Seconds on the wire, milliseconds in answers. */
#define ONE ONE_("")
#define TWO TWO_("")
#define THREE THREE_("")
#define FOUR FOUR_("")
#define MS "000"

static ac_memory_session *session_of(agent_house *h)
{
    ac_memory_session *session = NULL;
    ac_error err = {0};

    must(ac_memory_session_new(h->client, MEMORY_ID, "anna", "s1", &session, &err), &err);
    return session;
}

/* ---- branches ---- */

static void branch_events(void **state)
{
    ac_memory_session *session = session_of(*state);
    yyjson_doc *events = NULL;
    ac_error err = {0};

    SCRIPT(LISTED(FOUR ", " THREE, ", \"nextToken\": \"t\""), LISTED(TWO ", " ONE, ""));
    must(ac_memory_list_branch_events(session, NULL, false, 0, &events, &err), &err);
    assert_answer(events, "[" THREE_(MS) ", " ONE_(MS) "]");
    assert_int_equal(asked, 2);
    assert_json(bodies[1], "nextToken", "\"t\"");
    SCRIPT(LISTED(FOUR ", " THREE ", " ONE, ", \"nextToken\": \"t\""), LISTED(TWO, ""));
    must(ac_memory_list_branch_events(session, "main", true, 1, &events, &err), &err);
    assert_answer(events, "[" THREE_(MS) "]");
    assert_int_equal(asked, 1);
    SCRIPT(LISTED(FOUR, ""));
    must(ac_memory_list_branch_events(session, "b", true, 7, &events, &err), &err);
    assert_answer(events, "[" FOUR_(MS) "]");
    assert_json(bodies[0], "filter", "{\"branch\": {\"name\": \"b\", \"includeParentBranches\": true}}");
    assert_json(bodies[0], "maxResults", "7");
    SCRIPT(LISTED(FOUR ", " THREE ", " ONE, ""));
    must(ac_memory_list_events(session, &(ac_memory_list_options){.branch = "main"}, &events, &err), &err);
    assert_answer(events, "[" THREE_(MS) ", " ONE_(MS) "]");
    assert_null(strstr(bodies[0], "filter"));
    SCRIPT(LISTED(FOUR ", " THREE, ""));
    must(ac_memory_last_turns(session, 2, &(ac_memory_list_options){.branch = "main"}, &events, &err), &err);
    assert_answer(events, "[[{\"role\": \"USER\", \"content\": {\"text\": \"Bye\"}}]]");
    assert_null(strstr(bodies[0], "filter"));
    SCRIPT(GONE);
    assert_int_equal(ac_memory_list_branch_events(session, NULL, false, 0, &events, &err), AC_ERR_NOT_FOUND);
    assert_null(events);
    ac_memory_session_free(session);
}

static void merged_context(void **state)
{
    ac_memory_session *session = session_of(*state);
    yyjson_doc *messages = NULL;
    ac_error err = {0};

    SCRIPT(LISTED(TWO ", " ONE, ""));
    must(ac_memory_merge_branch_context(session, "b", true, 0, &messages, &err), &err);
    assert_answer(messages,
                  "[{\"timestamp\": 1000, \"eventId\": \"1#a\", \"branch\": \"main\", \"role\": \"USER\", "
                  "\"content\": \"Hello\"}, {\"timestamp\": 1000, \"eventId\": \"1#a\", \"branch\": \"main\", "
                  "\"role\": \"ASSISTANT\", \"content\": \"Hi\"}, {\"timestamp\": 2000, \"eventId\": \"2#b\", "
                  "\"branch\": \"b\", \"role\": \"USER\", \"content\": \"" FIFTY "\"}]");
    SCRIPT(LISTED("", ""));
    must(ac_memory_merge_branch_context(session, NULL, false, 0, &messages, &err), &err);
    assert_answer(messages, "[]");
    SCRIPT(GONE);
    assert_int_equal(ac_memory_merge_branch_context(session, NULL, false, 0, &messages, &err), AC_ERR_NOT_FOUND);
    assert_null(messages);
    ac_memory_session_free(session);
}

static void tree(void **state)
{
    ac_memory_session *session = session_of(*state);
    yyjson_doc *found = NULL;
    ac_error err = {0};

    SCRIPT(LISTED(FOUR ", " THREE, ", \"nextToken\": \"t\""), LISTED(TWO ", " ONE, ""));
    must(ac_memory_conversation_tree(session, &found, &err), &err);
    assert_answer(found,
                  "{\"sessionId\": \"s1\", \"actorId\": \"anna\", \"mainBranch\": {\"events\": [{\"eventId\": \"3#c\", "
                  "\"timestamp\": 3000, \"messages\": [{\"role\": \"USER\", \"text\": \"Bye\"}]}, {\"eventId\": "
                  "\"1#a\", \"timestamp\": 1000, \"messages\": [{\"role\": \"USER\", \"text\": \"Hello\"}, {\"role\": "
                  "\"ASSISTANT\", \"text\": \"Hi\"}]}], \"branches\": {\"b\": {\"rootEventId\": \"1#a\", \"events\": "
                  "[{\"eventId\": \"4#d\", \"timestamp\": 4000, \"messages\": [{\"role\": \"USER\", \"text\": "
                  "\"" FIFTY "...\"}]}, {\"eventId\": \"2#b\", \"timestamp\": 2000, \"messages\": [{\"role\": "
                  "\"USER\", \"text\": \"" FIFTY "\"}]}]}}}}");
    SCRIPT(LISTED(FOUR, ""));
    must(ac_memory_conversation_tree(session, &found, &err), &err);
    yyjson_val *branch = yyjson_ptr_get(yyjson_doc_get_root(found), "/mainBranch/branches/b");
    assert_true(yyjson_is_null(yyjson_obj_get(branch, "rootEventId")));
    yyjson_doc_free(found);
    SCRIPT(GONE);
    assert_int_equal(ac_memory_conversation_tree(session, &found, &err), AC_ERR_NOT_FOUND);
    assert_null(found);
    ac_memory_session_free(session);
}

/* ---- filters ---- */

static const char *const list_of_two[] = {"a", "b"};
static const ac_memory_value blue = {.type = AC_MEMORY_STRING, .string = "blue"};
static const ac_memory_value two = {.type = AC_MEMORY_STRING_LIST, .strings = list_of_two, .string_count = 2};
static const ac_memory_value number = {.type = AC_MEMORY_NUMBER, .number = 1.5};
static const ac_memory_value moment = {.type = AC_MEMORY_TIME, .time_ms = 1700000000000};

static void filters(void **state)
{
    static const struct {
        ac_memory_operator op;
        const ac_memory_value *right;
        const char *rest;
    } cases[] = {
        {AC_MEMORY_EQUALS_TO, &blue, "\"EQUALS_TO\", \"right\": {\"metadataValue\": {\"stringValue\": \"blue\"}}"},
        {AC_MEMORY_EXISTS, NULL, "\"EXISTS\""},
        {AC_MEMORY_NOT_EXISTS, NULL, "\"NOT_EXISTS\""},
        {AC_MEMORY_BEFORE, &moment, "\"BEFORE\", \"right\": {\"metadataValue\": {\"dateTimeValue\": 1700000000000}}"},
        {AC_MEMORY_AFTER, &moment, "\"AFTER\", \"right\": {\"metadataValue\": {\"dateTimeValue\": 1700000000000}}"},
        {AC_MEMORY_CONTAINS, &two,
         "\"CONTAINS\", \"right\": {\"metadataValue\": {\"stringListValue\": [\"a\", \"b\"]}}"},
        {AC_MEMORY_GREATER_THAN, &number, "\"GREATER_THAN\", \"right\": {\"metadataValue\": {\"numberValue\": 1.5}}"},
        {AC_MEMORY_GREATER_THAN_OR_EQUALS, &number,
         "\"GREATER_THAN_OR_EQUALS\", \"right\": {\"metadataValue\": {\"numberValue\": 1.5}}"},
        {AC_MEMORY_LESS_THAN, &number, "\"LESS_THAN\", \"right\": {\"metadataValue\": {\"numberValue\": 1.5}}"},
        {AC_MEMORY_LESS_THAN_OR_EQUALS, &number,
         "\"LESS_THAN_OR_EQUALS\", \"right\": {\"metadataValue\": {\"numberValue\": 1.5}}"},
    };
    char expected[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const ac_memory_filter filter = {.key = "k", .op = cases[i].op, .right = cases[i].right};
        yyjson_doc *built = NULL;
        ac_error err = {0};

        must(ac_memory_filters_build(&filter, 1, &built, &err), &err);
        snprintf(expected, sizeof expected, "[{\"left\": {\"metadataKey\": \"k\"}, \"operator\": %s}]", cases[i].rest);
        assert_answer(built, expected);
    }
}

static void filters_that_are_wrong(void **state)
{
    static const char *const with_gap[] = {"a", NULL};
    static const ac_memory_value no_text = {.type = AC_MEMORY_STRING}, no_list = {.type = AC_MEMORY_STRING_LIST},
                                 gap = {.type = AC_MEMORY_STRING_LIST, .strings = with_gap, .string_count = 2},
                                 no_utf8 = {.type = AC_MEMORY_STRING, .string = "\xff"},
                                 no_number = {.type = AC_MEMORY_NUMBER, .number = INFINITY},
                                 no_type = {.type = (ac_memory_value_type)9};
    static const struct {
        ac_memory_filter filter;
        const char *message;
    } cases[] = {
        {{"k", AC_MEMORY_EXISTS, &blue},
         "EXISTS does not accept a right operand; the service rejects this combination."},
        {{"k", AC_MEMORY_NOT_EXISTS, &blue},
         "NOT_EXISTS does not accept a right operand; the service rejects this combination."},
        {{"k", AC_MEMORY_EQUALS_TO, NULL}, "EQUALS_TO requires a right operand."},
        {{"k", AC_MEMORY_LESS_THAN_OR_EQUALS, NULL}, "LESS_THAN_OR_EQUALS requires a right operand."},
        {{NULL, AC_MEMORY_EXISTS, NULL}, "filter 0: a key is required"},
        {{"\xff", AC_MEMORY_EXISTS, NULL}, "filter 0: a text is not UTF-8"},
        {{"k", (ac_memory_operator)99, NULL}, "filter 0: no such operator"},
        {{"k", AC_MEMORY_EQUALS_TO, &no_text}, "filter 0: a text is missing"},
        {{"k", AC_MEMORY_EQUALS_TO, &no_utf8}, "filter 0: a text is not UTF-8"},
        {{"k", AC_MEMORY_CONTAINS, &no_list}, "filter 0: the list is empty"},
        {{"k", AC_MEMORY_CONTAINS, &gap}, "filter 0: a text is missing"},
        {{"k", AC_MEMORY_LESS_THAN, &no_number}, "filter 0: the number is not finite"},
        {{"k", AC_MEMORY_LESS_THAN, &no_type}, "filter 0: no such type"},
    };
    const ac_memory_filter six[6] = {{.key = "k", .op = AC_MEMORY_EXISTS}};
    yyjson_doc *built = NULL;
    ac_error err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(ac_memory_filters_build(&cases[i].filter, 1, &built, &err), AC_ERR_INVALID);
        assert_string_equal(err.message, cases[i].message);
        assert_null(built);
    }
    assert_int_equal(ac_memory_filters_build(six, 6, &built, &err), AC_ERR_INVALID);
    assert_string_equal(err.message, "metadata_filters supports a maximum of 5 expressions; received 6.");
    must(ac_memory_filters_build(NULL, 0, &built, &err), &err);
    assert_answer(built, "[]");
}

static void filtered_events(void **state)
{
    const ac_memory_filter absent = {.key = "k", .op = AC_MEMORY_NOT_EXISTS};
    const ac_memory_metadata colour = {"colour", "blue"};
    ac_memory_session *session = session_of(*state);
    yyjson_doc *built = NULL, *events = NULL;
    ac_error err = {0};

    must(ac_memory_filters_build(&absent, 1, &built, &err), &err);
    ac_memory_list_options options = {.metadata_filters = yyjson_doc_get_root(built)};
    SCRIPT(LISTED(ONE, ""));
    must(ac_memory_list_events(session, &options, &events, &err), &err);
    assert_json(bodies[0], "filter",
                "{\"eventMetadata\": [{\"left\": {\"metadataKey\": \"k\"}, \"operator\": \"NOT_EXISTS\"}]}");
    yyjson_doc_free(events);
    options.metadata = &colour;
    options.metadata_count = 1;
    SCRIPT(LISTED(ONE, ""));
    must(ac_memory_list_events(session, &options, &events, &err), &err);
    assert_json(bodies[0], "filter",
                "{\"eventMetadata\": [{\"left\": {\"metadataKey\": \"k\"}, \"operator\": \"NOT_EXISTS\"}, {\"left\": "
                "{\"metadataKey\": \"colour\"}, \"operator\": \"EQUALS_TO\", \"right\": {\"metadataValue\": "
                "{\"stringValue\": \"blue\"}}}]}");
    yyjson_doc_free(events);
    yyjson_doc_free(built);
    ac_memory_session_free(session);
}

/* ---- waiting for records ---- */

static void records_come(void **state)
{
    const ac_memory_wait_options quick = {.max_wait_s = 20, .poll_interval_ms = 1}, brief = {.max_wait_s = 1};
    const ac_memory_place facts = {.namespace_prefix = "/f/"}, wild = {.namespace_path = "/f/*/"};
    agent_house *h = *state;
    ac_error err = {0};

    SCRIPT("{\"memoryRecordSummaries\": []}", "{\"memoryRecordSummaries\": []}",
           "{\"memoryRecordSummaries\": [{\"memoryRecordId\": \"r\"}]}");
    must(ac_memory_wait_records(h->client, MEMORY_ID, &facts, &quick, &err), &err);
    assert_int_equal(asked, 3);
    SCRIPT("{\"memoryRecordSummaries\": []}");
    assert_int_equal(ac_memory_wait_records(h->client, MEMORY_ID, &wild, &quick, &err), AC_ERR_INVALID);
    assert_string_equal(err.message, "Wildcards (*) are not supported in namespaces.");
    assert_int_equal(asked, 0);
    assert_int_equal(ac_memory_wait_records(h->client, MEMORY_ID, &facts, &brief, &err), AC_ERR_TIMEOUT);
    assert_string_equal(err.message, "No memories in /f/ within 1 seconds");
}

/* ---- deleting records ---- */

#define ID(letter) "{\"memoryRecordId\": \"mem-00000000000000000000000000000000000" letter "\"}"
#define RECORDS(records, more) "{\"memoryRecordSummaries\": [" records "]" more "}"
#define DELETED(successful, failed) "{\"successfulRecords\": [" successful "], \"failedRecords\": [" failed "]}"
#define MORE ", \"nextToken\": \"t\""
#define TEN(unit) unit unit unit unit unit unit unit unit unit unit

static void records_that_stay(void **state)
{
    const ac_memory_place facts = {.namespace_prefix = "/f/"};
    agent_house *h = *state;
    yyjson_doc *outcome = NULL;
    ac_error err = {0};

    SCRIPT(RECORDS(ID("a"), MORE), RECORDS(ID("b"), ""), DELETED(ID("b"), ID("a")), RECORDS(ID("a"), ""),
           DELETED("", ID("a")));
    must(ac_memory_delete_records(h->client, MEMORY_ID, &facts, &outcome, &err), &err);
    assert_answer(outcome, DELETED(ID("b"), ID("a")));
    assert_int_equal(asked, 3);
    assert_json(bodies[2], "records", "[" ID("a") ", " ID("b") "]");

    /* A page full of them hides no others. */
    SCRIPT(RECORDS(TEN(TEN(ID("a") ",")) ID("b"), MORE), RECORDS(ID("c"), ""), DELETED("", ID("a")),
           DELETED(ID("b") ", " ID("c"), ""));
    must(ac_memory_delete_records(h->client, MEMORY_ID, &facts, &outcome, &err), &err);
    assert_answer(outcome, DELETED(ID("b") ", " ID("c"), ID("a")));
    assert_int_equal(asked, 4);
    assert_json(bodies[3], "records", "[" ID("b") ", " ID("c") "]");
}

/* More than a listing gives: the rest is listed when these are gone. */
static void more_records_than_are_listed(void **state)
{
    const ac_memory_place facts = {.namespace_path = "/f/"};
    const char *answers[1000 + 10 + 3] = {NULL};
    agent_house *h = *state;
    yyjson_doc *outcome = NULL;
    ac_error err = {0};

    for (size_t i = 0; i < 1000; i++)
        answers[i] = RECORDS(ID("a"), MORE);
    for (size_t i = 1000; i < 1010; i++)
        answers[i] = i == 1000 ? DELETED(ID("b"), ID("a")) : DELETED("", "");
    answers[1010] = RECORDS(ID("a"), "");
    answers[1011] = DELETED("", ID("a"));
    script_begin(answers);
    must(ac_memory_delete_records(h->client, MEMORY_ID, &facts, &outcome, &err), &err);
    assert_answer(outcome, DELETED(ID("b"), ID("a")));
    assert_int_equal(asked, 1012);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(branch_events),
        cmocka_unit_test(merged_context),
        cmocka_unit_test(tree),
        cmocka_unit_test(filters),
        cmocka_unit_test(filters_that_are_wrong),
        cmocka_unit_test(filtered_events),
        cmocka_unit_test(records_come),
        cmocka_unit_test(records_that_stay),
        cmocka_unit_test(more_records_than_are_listed),
    };

    return cmocka_run_group_tests(tests, script_set_up, script_tear_down);
}
