/* test_extract.c - the built-in engine: what is added, updated, left and superseded; that doing it again changes nothing;
 * summaries, episodes, reflections and metadata. */
#include "extract_store.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

#define TURNS_MAX 64
#define NOON 1741435200000 /* 2025-03-08T12:00:00Z, a Saturday */

static fake_store store;
static extractor *engine;
static ac_error err;

/* A conversation: role, text, role, text, ..., NULL. */
typedef struct talk {
    extract_turn turns[TURNS_MAX];
    char events[TURNS_MAX][32];
    size_t count;
    int64_t now_ms;
    unsigned event;
} talk;

static talk session;

static void say(const char *role, const char *text)
{
    extract_turn *t = &session.turns[session.count];

    assert_true(session.count < TURNS_MAX);
    session.now_ms = session.now_ms ? session.now_ms + 1000 : NOON;
    snprintf(session.events[session.count], sizeof session.events[0], "%019lld#%08x", (long long)session.now_ms,
             session.event++);
    *t = (extract_turn){.role = role,
                        .text = text,
                        .text_length = strlen(text),
                        .timestamp_ms = session.now_ms,
                        .event_id = session.events[session.count]};
    session.count++;
}

static extract_task task_of(extract_kind kind, size_t first_new)
{
    return (extract_task){.kind = kind,
                          .turns = session.turns,
                          .turn_count = session.count,
                          .first_new = first_new,
                          .actor_id = "user-123",
                          .session_id = store.session,
                          .reflect = true,
                          .nearest = store_nearest,
                          .user = &store};
}

/* Run over what was said since first_new, apply, and return how many changes there were. */
static size_t run_task(const extract_task *task)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    extract_change *changes;
    size_t count;

    if (extract_run(engine, task, &memory, &changes, &count, &err) != AC_OK)
        fail_msg("%s", err.message);
    assert_true(store_apply(&store, changes, count));
    return count;
}

static size_t run(extract_kind kind, size_t first_new)
{
    extract_task task = task_of(kind, first_new);

    return run_task(&task);
}

/* What the user says, as one window; then the same again, which must change nothing. */
static size_t tell(extract_kind kind, const char *text)
{
    size_t before = session.count, count;

    say("USER", text);
    count = run(kind, before);
    assert_int_equal(run(kind, before), 0);
    return count;
}

static int set_up(void **state)
{
    (void)state;
    store_clear(&store);
    snprintf(store.session, sizeof store.session, "session-1");
    memset(&session, 0, sizeof session);
    return extractor_open(&(extractor_options){0}, &engine, &err) == AC_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    extractor_close(engine);
    store_clear(&store);
    return 0;
}

static void expect_standing(const char *const *texts, size_t count)
{
    size_t standing = 0;

    for (size_t i = 0; i < store.count; i++) {
        if (store.records[i].superseded_by[0])
            continue;
        if (standing >= count || strcmp(store.records[i].text, texts[standing]) != 0)
            fail_msg("record %zu is \"%s\", not \"%s\"", i, store.records[i].text,
                     standing < count ? texts[standing] : "nothing");
        standing++;
    }
    assert_int_equal(standing, count);
}

#define expect(...)                                                                                                    \
    expect_standing((const char *const[]){__VA_ARGS__}, ARRAY_SIZE(((const char *const[]){__VA_ARGS__})))

static const char *metadata_string(size_t record, const char *key)
{
    yyjson_val *metadata = yyjson_doc_get_root(store.records[record].metadata);

    return ac_json_string(yyjson_obj_get(metadata, key), "stringValue", "");
}

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

/* ---- summaries ---- */

static void a_session_has_one_summary(void **state)
{
    (void)state;
    say("USER", "I'm planning a trip to Japan in April. Can you suggest hotels in Tokyo?");
    say("ASSISTANT", "The Park Hotel in Tokyo has quiet rooms and is close to the station. Anything else?");
    assert_int_equal(run(EXTRACT_SUMMARY, 0), 1);
    assert_int_equal(run(EXTRACT_SUMMARY, 0), 0);
    assert_int_equal(store.count, 1);
    assert_memory_equal(store.records[0].text, "<topic name=\"", 13);
    assert_non_null(strstr(store.records[0].text, "The user is planning a trip to Japan in April."));
    assert_non_null(strstr(store.records[0].text, "The user asks the assistant to suggest hotels in Tokyo."));
    assert_non_null(strstr(store.records[0].text, "</topic>"));
    say("USER", "The trip to Japan should include <Kyoto> & cost less than $3000.");
    assert_int_equal(run(EXTRACT_SUMMARY, 2), 1);
    assert_int_equal(run(EXTRACT_SUMMARY, 2), 0);
    assert_int_equal(store.count, 1);
    assert_non_null(strstr(store.records[0].text, "&lt;Kyoto&gt;"));
    assert_non_null(strstr(store.records[0].text, "a trip to Japan in April"));
    extract_task old = task_of(EXTRACT_SUMMARY, 0);
    old.turn_count = 2; /* the first job again */
    assert_int_equal(run_task(&old), 0);
}

static void small_talk_has_no_summary(void **state)
{
    (void)state;
    say("USER", "Hi!");
    say("ASSISTANT", "Hello!");
    assert_int_equal(run(EXTRACT_SUMMARY, 0), 0);
}

static void long_sessions_stay_short(void **state)
{
    static char texts[60][200];

    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        snprintf(texts[i], sizeof texts[i],
                 "I have a plan number %u for the garden with tulips, roses and %u other plants.", i, i * 7);
        say("USER", texts[i]);
        assert_int_equal(run(EXTRACT_SUMMARY, i), 1);
    }
    assert_int_equal(store.count, 1);
    assert_true(strlen(store.records[0].text) < 4000);
}

/* ---- episodes ---- */

static const char *field_of(const stored *r, const char *key)
{
    static char value[1024];
    yyjson_doc *doc = yyjson_read(r->text, strlen(r->text), 0);

    assert_non_null(doc);
    snprintf(value, sizeof value, "%s", ac_json_string(yyjson_doc_get_root(doc), key, ""));
    yyjson_doc_free(doc);
    return value;
}

static void episodes_grow_and_end(void **state)
{
    (void)state;
    say("USER", "I'm in Rome this week. Could you book a table for two at a quiet restaurant?");
    say("ASSISTANT", "I found Da Enzo with a free table at 8 pm. Shall I book it?");
    assert_int_equal(run(EXTRACT_EPISODIC, 0), 1);
    assert_int_equal(run(EXTRACT_EPISODIC, 0), 0);
    assert_string_equal(field_of(&store.records[0], "intent"),
                        "The user asks the assistant to book a table for two at a quiet restaurant.");
    assert_string_equal(field_of(&store.records[0], "outcome"), "open");
    assert_string_equal(field_of(&store.records[0], "situation"), "The user is in Rome in the week of 2025-03-03.");
    say("USER", "Yes, please.");
    say("TOOL", "booking confirmed");
    say("USER", "Perfect, thanks!");
    assert_int_equal(run(EXTRACT_EPISODIC, 2), 1);
    assert_int_equal(run(EXTRACT_EPISODIC, 2), 0);
    assert_int_equal(store.count, 1);
    assert_string_equal(field_of(&store.records[0], "outcome"), "success");
    assert_string_equal(field_of(&store.records[0], "evidence"), "Perfect, thanks!");
    assert_non_null(strstr(store.records[0].text, "A tool answered: booking confirmed"));
}

/* The same, where the window of the second job begins after the episode did. */
static void episodes_go_on_out_of_sight(void **state)
{
    (void)state;
    say("USER", "Please fix the build of my project.");
    say("ASSISTANT", "I changed the compiler flags.");
    run(EXTRACT_EPISODIC, 0);
    session.count = 0;
    say("USER", "It still complains about a missing header.");
    say("ASSISTANT", "I added the include path.");
    say("USER", "That worked, thank you.");
    assert_int_equal(run(EXTRACT_EPISODIC, 0), 1);
    assert_int_equal(run(EXTRACT_EPISODIC, 0), 0);
    assert_int_equal(store.count, 1);
    assert_string_equal(field_of(&store.records[0], "outcome"), "success");
    assert_non_null(strstr(store.records[0].text, "compiler flags"));
    assert_non_null(strstr(store.records[0].text, "include path"));
}

static void book(const char *answer, const char *verdict)
{
    size_t before = session.count;

    say("USER", "Can you book a flight to Berlin?");
    say("ASSISTANT", answer);
    say("USER", verdict);
    run(EXTRACT_EPISODIC, before);
    assert_int_equal(run(EXTRACT_EPISODIC, before), 0);
}

static void episodes_teach(void **state)
{
    const stored *lesson = NULL;

    (void)state;
    book("I booked the cheapest one.", "That's wrong, forget it.");
    assert_int_equal(store.count, 1);
    snprintf(store.session, sizeof store.session, "session-2");
    session.count = 0;
    book("I asked for your dates first, and booked a direct one.", "Perfect, thanks!");
    for (size_t i = 0; i < store.count; i++)
        if (store.records[i].reflection)
            lesson = &store.records[i];
    assert_non_null(lesson);
    assert_int_equal(store.count, 3);
    assert_string_equal(field_of(lesson, "title"), "Book flight berlin");
    assert_non_null(strstr(lesson->text, "1 of 2 such requests went well."));
    assert_non_null(strstr(lesson->text, "What worked: The assistant: I asked for your dates first"));
    assert_non_null(strstr(lesson->text, "What did not work: The assistant: I booked the cheapest one."));
}

/* ---- metadata ---- */

static void metadata_is_inferred(void **state)
{
    static const char text[] =
        "[{\"key\":\"mood\",\"type\":\"STRING\",\"extractionType\":\"LLM_INFERRED\",\"extractionConfig\":{"
        "\"llmExtractionConfig\":{\"definition\":\"d\",\"validation\":{\"stringValidation\":{\"allowedValues\":[\"love\","
        "\"hate\"]}}}}},"
        "{\"key\":\"what\",\"type\":\"STRINGLIST\",\"extractionConfig\":{\"llmExtractionConfig\":{\"definition\":\"d\","
        "\"validation\":{\"stringListValidation\":{\"allowedValues\":[\"apple\",\"cherry\",\"plum\"],\"maxItems\":5}}}}},"
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

/* ---- doing it again ---- */

static char *corpus[1024];
static size_t corpus_count;

static void read_corpus(void)
{
    char path[4096], *line = NULL;
    size_t room = 0;
    FILE *file;

    snprintf(path, sizeof path, "%s/tests/daemon/extract_sentences.txt", getenv("AC_SOURCE_DIR"));
    file = fopen(path, "r");
    assert_non_null(file);
    while (getline(&line, &room, file) >= 0 && corpus_count < ARRAY_SIZE(corpus))
        if (line[0] == '>' && line[1] == ' ')
            corpus[corpus_count++] = strndup(line + 2, strcspn(line + 2, "\n"));
    free(line);
    fclose(file);
}

static uint32_t dice(uint32_t *seed, uint32_t sides)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % sides;
}

/* Random conversations in random windows: each window again right after it, and all of them again at the end. */
static void again_changes_nothing(void **state)
{
    static const extract_kind kinds[] = {EXTRACT_SEMANTIC, EXTRACT_USER_PREFERENCE, EXTRACT_SUMMARY, EXTRACT_EPISODIC};
    size_t begins[TURNS_MAX + 1];

    read_corpus();
    for (uint32_t round = 0; round < 80; round++) {
        extract_kind kind = kinds[round % ARRAY_SIZE(kinds)];
        uint32_t seed = round + 1;
        size_t windows = 0;

        tear_down(state);
        set_up(state);
        while (session.count + 8 < TURNS_MAX) {
            size_t begin = session.count;

            for (uint32_t n = 1 + dice(&seed, 6); n > 0; n--)
                say(dice(&seed, 3) ? "USER" : "ASSISTANT", corpus[dice(&seed, (uint32_t)corpus_count)]);
            run(kind, begin);
            begins[windows++] = begin;
            if (run(kind, begin) != 0)
                fail_msg("kind %d, round %u: the window from turn %zu again", kind, round, begin);
        }
        for (size_t w = 0; w < windows; w++) {
            extract_task task = task_of(kind, begins[w]);

            task.turn_count = w + 1 < windows ? begins[w + 1] : session.count;
            if (run_task(&task) != 0)
                fail_msg("kind %d, round %u: window %zu at the end", kind, round, w);
        }
    }
    while (corpus_count > 0)
        free(corpus[--corpus_count]);
}

int main(void)
{
#define with_store(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
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
        with_store(a_session_has_one_summary),
        with_store(small_talk_has_no_summary),
        with_store(long_sessions_stay_short),
        with_store(episodes_grow_and_end),
        with_store(episodes_go_on_out_of_sight),
        with_store(episodes_teach),
        with_store(metadata_is_inferred),
        with_store(odd_input),
        with_store(far_times),
        with_store(again_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
