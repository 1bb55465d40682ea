/* test_extract_sessions.c - the built-in engine over sessions: summaries, episodes and reflections; and that doing any
 * of again changes nothing. */
#include "extract_talk.h"

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

/* What is escaped is up to six times as long. */
static void marks_do_not_burst_a_summary(void **state)
{
    static char texts[10][420], marks[341];

    (void)state;
    memset(marks, '"', sizeof marks - 1);
    for (unsigned i = 0; i < 10; i++) {
        snprintf(texts[i], sizeof texts[i], "Secret value %u %s.", i, marks);
        say("ASSISTANT", texts[i]);
    }
    assert_int_equal(run(EXTRACT_SUMMARY, 0), 1);
    assert_int_equal(run(EXTRACT_SUMMARY, 0), 0);
    assert_non_null(strstr(store.records[0].text, "&quot;"));
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

/* The same, where a client has put metadata of its own in place of what was noted. */
static void episodes_go_on_without_notes(void **state)
{
    (void)state;
    say("USER", "Please fix the build of my project.");
    say("ASSISTANT", "I changed the compiler flags.");
    run(EXTRACT_EPISODIC, 0);
    yyjson_doc_free(store.records[0].metadata);
    store.records[0].metadata = NULL;
    session.count = 0;
    say("USER", "It still complains about a missing header.");
    say("ASSISTANT", "I added the include path.");
    assert_int_equal(run(EXTRACT_EPISODIC, 0), 1);
    assert_int_equal(run(EXTRACT_EPISODIC, 0), 0);
    say("USER", "That worked, thank you.");
    assert_int_equal(run(EXTRACT_EPISODIC, 2), 1);
    assert_int_equal(run(EXTRACT_EPISODIC, 2), 0);
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
    if (!lesson)
        return;
    assert_int_equal(store.count, 3);
    assert_string_equal(field_of(lesson, "title"), "Book flight berlin");
    assert_non_null(strstr(lesson->text, "1 of 2 such requests went well."));
    assert_non_null(strstr(lesson->text, "What worked: The assistant: I asked for your dates first"));
    assert_non_null(strstr(lesson->text, "What did not work: The assistant: I booked the cheapest one."));
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
    const struct CMUnitTest tests[] = {
        with_store(a_session_has_one_summary),    with_store(marks_do_not_burst_a_summary),
        with_store(small_talk_has_no_summary),    with_store(long_sessions_stay_short),
        with_store(episodes_grow_and_end),        with_store(episodes_go_on_out_of_sight),
        with_store(episodes_go_on_without_notes), with_store(episodes_teach),
        with_store(again_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
