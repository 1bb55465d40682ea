/* test_extract.c - the built-in engine: which facts and preferences are added, updated, left and superseded, their
 * metadata, and odd input. */
#include "extract_talk.h"

/* ---- facts ---- */

static void facts_are_added(void **state)
{
    (void)state;
    assert_int_equal(tell(EXTRACT_SEMANTIC, "I work at Acme and I have a dog named Max. What's the weather?"), 2);
    expect("The user works at Acme.", "The user has a dog named Max.");
    assert_string_equal(metadata_string(0, EXTRACT_KEY_ENGINE), "builtin");
    yyjson_val *stated = yyjson_obj_get(yyjson_doc_get_root(store.records[0].metadata), EXTRACT_KEY_STATED);
    assert_true(yyjson_get_num(yyjson_obj_get(stated, "dateTimeValue")) * 1000 == (double)NOON);
    assert_string_equal(extractor_engine(engine), "builtin");
}

static void the_same_is_left(void **state)
{
    (void)state;
    tell(EXTRACT_SEMANTIC, "I like sushi with tuna");
    assert_int_equal(tell(EXTRACT_SEMANTIC, "I really like sushi with tuna!"), 0);
    assert_int_equal(tell(EXTRACT_SEMANTIC, "I love sushi with tuna."), 0);
    assert_int_equal(tell(EXTRACT_SEMANTIC, "I like sushi."), 0);
    expect("The user likes sushi with tuna.");
}

static void more_of_the_same_updates(void **state)
{
    (void)state;
    tell(EXTRACT_SEMANTIC, "I have a dog.");
    assert_int_equal(tell(EXTRACT_SEMANTIC, "I have a dog named Max."), 1);
    expect("The user has a dog named Max.");
    assert_int_equal(store.count, 1);
    /* Another word that begins like it is something else. */
    tell(EXTRACT_SEMANTIC, "I like tea.");
    tell(EXTRACT_SEMANTIC, "I like tea shops.");
    expect("The user has a dog named Max.", "The user likes tea.", "The user likes tea shops.");
}

static void the_contrary_supersedes(void **state)
{
    (void)state;
    tell(EXTRACT_SEMANTIC, "I live in Oslo.");
    assert_int_equal(tell(EXTRACT_SEMANTIC, "I live in Bergen now."), 2);
    expect("The user lives in Bergen now.");
    assert_string_equal(store.records[0].superseded_by, store.records[1].id);
    assert_string_equal(store.records[0].text, "The user lives in Oslo."); /* not lost */
}

typedef struct pair {
    const char *first, *second;
    bool contrary;
} pair;

static void contraries(void **state)
{
    static const pair pairs[] = {
        {"I like sushi.", "I don't like sushi anymore.", true},
        {"I like sushi with tuna.", "I don't like sushi.", true},
        {"I like sushi.", "I don't like spicy sushi.", false},
        {"I hate jazz.", "I love jazz.", true},
        {"I can't stand jazz.", "I love jazz.", true},
        {"I love jazz.", "I'm not a fan of jazz.", true},
        {"I have a car.", "I don't have a car.", true},
        {"I eat meat.", "I don't eat meat.", true},
        {"I'm vegetarian.", "I'm not vegetarian.", true},
        {"I'm vegetarian.", "I'm vegan now.", true},
        {"I live in Oslo.", "I moved to Bergen last week.", true},
        {"I moved to Oslo in 2010.", "I moved to Bergen in 2015.", false},
        {"I lived in Paris.", "I live in Oslo.", false},
        {"I live in Oslo.", "My sister lives in Bergen.", false},
        {"My sister lives in Oslo.", "My sister lives in Bergen.", true},
        {"I work at Acme.", "I work at Initech.", true},
        {"I work at Acme.", "I work as a nurse.", false},
        {"I'm married.", "I'm divorced.", true},
        {"I'm 34 years old.", "I'm 35 years old.", true},
        {"My favourite color is blue.", "My favourite color is green.", true},
        {"My favourite color is blue.", "My favourite food is pizza.", false},
        {"My email is a@example.com", "My email is b@example.com", true},
        {"My car is red.", "My car is electric.", false},
        {"I like apples.", "I like pears.", false},
        {"I prefer tea over coffee.", "I prefer coffee over tea.", true},
        {"I no longer live in Oslo.", "I live in Oslo.", true},
        {"I have two cats.", "I have a dog.", false},
        {"I went to Rome in 2019.", "I went to Paris in 2020.", false},
        {"I'd like to visit Japan.", "I don't like Japan.", false},
        {"I'm a nurse.", "I'm a mother.", false},
        {"My name is Bob.", "My name is Robert.", true},
        {"I play chess.", "I don't play chess.", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        tear_down(state);
        set_up(state);
        assert_int_equal(tell(EXTRACT_SEMANTIC, pairs[i].first), 1);
        size_t changes = tell(EXTRACT_SEMANTIC, pairs[i].second);
        if (changes != (pairs[i].contrary ? 2U : 1U) || (store.records[0].superseded_by[0] != 0) != pairs[i].contrary)
            fail_msg("\"%s\" then \"%s\": %zu changes", pairs[i].first, pairs[i].second, changes);
        assert_int_equal(store.count, 2); /* none has taken the other's place */
    }
}

/* Within one window the later statement wins. */
static void minds_change(void **state)
{
    (void)state;
    say("USER", "I live in Oslo.");
    say("USER", "Sorry, I live in Bergen.");
    assert_int_equal(run(EXTRACT_SEMANTIC, 0), 1);
    expect("The user lives in Bergen.");
    assert_int_equal(run(EXTRACT_SEMANTIC, 0), 0);
    say("USER", "I live in Oslo.");
    say("USER", "I live in Bergen.");
    assert_int_equal(run(EXTRACT_SEMANTIC, 2), 0);
}

/* An old job that is done again does not undo what came after it. */
static void old_news_is_left(void **state)
{
    (void)state;
    tell(EXTRACT_SEMANTIC, "I like sushi. I live in Oslo.");
    tell(EXTRACT_SEMANTIC, "I don't like sushi. I live in Bergen.");
    extract_task again = task_of(EXTRACT_SEMANTIC, 0);
    again.turn_count = 1;
    assert_int_equal(run_task(&again), 0);
    expect("The user does not like sushi.", "The user lives in Bergen.");
}

static void answers_are_understood(void **state)
{
    (void)state;
    say("ASSISTANT", "Nice to meet you! Where do you live?");
    say("USER", "In Oslo.");
    assert_int_equal(run(EXTRACT_SEMANTIC, 1), 1);
    expect("The user lives in Oslo.");
}

static void only_new_turns_are_read(void **state)
{
    (void)state;
    say("USER", "I like apples.");
    say("USER", "I like pears.");
    assert_int_equal(run(EXTRACT_SEMANTIC, 1), 1);
    expect("The user likes pears.");
    say("TOOL", "I like plums.");
    say("OTHER", "I like plums.");
    say("ASSISTANT", "I like plums.");
    assert_int_equal(run(EXTRACT_SEMANTIC, 2), 0);
}

static void other_languages_are_kept(void **state)
{
    (void)state;
    assert_int_equal(tell(EXTRACT_SEMANTIC, "Ich wohne in Berlin und arbeite bei Siemens. Was kostet das?"), 1);
    expect("Ich wohne in Berlin und arbeite bei Siemens.");
}

/* ---- preferences ---- */

static const char *preference_of(size_t record, const char *key)
{
    static char value[1024];
    yyjson_doc *doc = yyjson_read(store.records[record].text, strlen(store.records[record].text), 0);
    yyjson_val *found = yyjson_obj_get(yyjson_doc_get_root(doc), key);

    assert_non_null(doc);
    if (yyjson_is_arr(found))
        found = yyjson_arr_get_first(found);
    snprintf(value, sizeof value, "%s", yyjson_get_str(found) ? yyjson_get_str(found) : "");
    yyjson_doc_free(doc);
    return value;
}

static void preferences_are_json(void **state)
{
    (void)state;
    assert_int_equal(tell(EXTRACT_USER_PREFERENCE, "I like sushi with tuna. My sister lives in Oslo."), 1);
    assert_string_equal(preference_of(0, "preference"), "The user likes sushi with tuna.");
    assert_string_equal(preference_of(0, "context"), "The user said: \"I like sushi with tuna.\"");
    assert_string_equal(preference_of(0, "categories"), "food");
}

static void what_is_a_preference(void **state)
{
    static const struct {
        const char *said, *category; /* NULL: none */
    } cases[] = {
        {"I prefer window seats on flights.", "travel"},
        {"I'm allergic to peanuts.", "food"},
        {"I can't stand loud music.", "music"},
        {"My favourite movie is Alien.", "film and television"},
        {"I never drink coffee in the evening.", "drink"},
        {"I usually fly with Lufthansa.", "travel"},
        {"I am vegetarian.", "food"},
        {"I don't eat meat.", "food"},
        {"I'm a huge fan of football.", "sport"},
        {"I'd rather take the train.", "travel"},
        {"I'm really into photography.", "learning"},
        {"Please always answer in Spanish.", "communication"},
        {"I prefer dark mode in my editor.", "technology"},
        {"I'm scared of spiders.", "animals"},
        {"I'm a morning person.", "general"},
        {"I love my garden.", "home"},
        {"I work at Acme.", NULL},
        {"I live in Oslo.", NULL},
        {"I liked the play last week.", NULL},
        {"I have two kids.", NULL},
        {"I went to Rome in 2019.", NULL},
        {"My sister lives in Oslo.", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        tear_down(state);
        set_up(state);
        size_t count = tell(EXTRACT_USER_PREFERENCE, cases[i].said);
        if (count != (cases[i].category ? 1U : 0U))
            fail_msg("\"%s\": %zu preferences", cases[i].said, count);
        if (count && strcmp(preference_of(0, "categories"), cases[i].category) != 0)
            fail_msg("\"%s\" is about %s", cases[i].said, preference_of(0, "categories"));
    }
}

static void preferences_change(void **state)
{
    (void)state;
    tell(EXTRACT_USER_PREFERENCE, "I love jazz.");
    assert_int_equal(tell(EXTRACT_USER_PREFERENCE, "I love jazz!"), 0);
    assert_int_equal(tell(EXTRACT_USER_PREFERENCE, "I love jazz, especially from the fifties."), 1);
    assert_int_equal(store.count, 1);
    assert_int_equal(tell(EXTRACT_USER_PREFERENCE, "I hate jazz."), 2);
    assert_string_equal(preference_of(1, "preference"), "The user hates jazz.");
    assert_string_equal(store.records[0].superseded_by, store.records[1].id);
}

/* ---- metadata ---- */

static void metadata_is_inferred(void **state)
{
    static const char text[] =
        "[{\"key\":\"mood\",\"type\":\"STRING\",\"extractionType\":\"LLM_INFERRED\",\"extractionConfig\":{"
        "\"llmExtractionConfig\":{\"definition\":\"d\","
        "\"validation\":{\"stringValidation\":{\"allowedValues\":[\"love\","
        "\"hate\"]}}}}},"
        "{\"key\":\"what\",\"type\":\"STRINGLIST\",\"extractionConfig\":{\"llmExtractionConfig\":{\"definition\":\"d\","
        "\"validation\":{\"stringListValidation\":{\"allowedValues\":[\"apple\",\"cherry\",\"plum\"],"
        "\"maxItems\":5}}}}},"
        "{\"key\":\"copied\",\"type\":\"STRING\",\"extractionType\":\"STRICTLY_CONSISTENT\"},"
        "{\"key\":\"free\",\"type\":\"STRING\"},{\"key\":\"n\",\"type\":\"NUMBER\"},{\"type\":\"STRING\"},7]";
    yyjson_doc *schema = yyjson_read(text, sizeof text - 1, 0);
    extract_task task;

    (void)state;
    say("USER", "I love apples and cherries.");
    task = task_of(EXTRACT_SEMANTIC, 0);
    task.metadata_schema = yyjson_doc_get_root(schema);
    assert_int_equal(run_task(&task), 1);
    assert_string_equal(metadata_string(0, "mood"), "love");
    yyjson_val *metadata = yyjson_doc_get_root(store.records[0].metadata);
    yyjson_val *list = yyjson_obj_get(yyjson_obj_get(metadata, "what"), "stringListValue");
    assert_int_equal(yyjson_arr_size(list), 2);
    assert_null(yyjson_obj_get(metadata, "copied"));
    assert_null(yyjson_obj_get(metadata, "free"));
    assert_int_equal(yyjson_obj_size(metadata), 4);
    yyjson_doc_free(schema);
}

/* ---- bad input ---- */

static void odd_input(void **state)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    extract_change *changes;
    extract_task task;
    size_t count;

    (void)state;
    say("USER", "I like \xff\xfe tea. \xe2\x82");
    say("USER", "");
    assert_int_equal(run(EXTRACT_SEMANTIC, 0), 1);
    assert_string_equal(store.records[0].text, "The user likes \xef\xbf\xbd\xef\xbf\xbd tea.");
    task = task_of(EXTRACT_SEMANTIC, 3);
    assert_int_equal(extract_run(engine, &task, &memory, &changes, &count, &err), AC_ERR_INVALID);
    task = task_of(EXTRACT_SEMANTIC, 2);
    assert_int_equal(extract_run(engine, &task, &memory, &changes, &count, &err), AC_OK);
    assert_int_equal(count, 0);
    store.fail = AC_ERR_IO;
    task = task_of(EXTRACT_SEMANTIC, 0);
    assert_int_equal(extract_run(engine, &task, &memory, &changes, &count, &err), AC_ERR_IO);
    assert_int_equal(count, 0);
}

static void far_times(void **state)
{
    (void)state;
    say("USER", "I moved yesterday to Bergen.");
    session.turns[0].timestamp_ms = INT64_MIN / 4;
    run(EXTRACT_SEMANTIC, 0);
    session.turns[0].timestamp_ms = INT64_MAX / 4;
    run(EXTRACT_SEMANTIC, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(facts_are_added),
        with_store(the_same_is_left),
        with_store(more_of_the_same_updates),
        with_store(the_contrary_supersedes),
        with_store(contraries),
        with_store(minds_change),
        with_store(old_news_is_left),
        with_store(answers_are_understood),
        with_store(only_new_turns_are_read),
        with_store(other_languages_are_kept),
        with_store(preferences_are_json),
        with_store(what_is_a_preference),
        with_store(preferences_change),
        with_store(metadata_is_inferred),
        with_store(odd_input),
        with_store(far_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
