/* test_search_text.c - words, lists of words, times in questions, and WordNet's files. */
#include "base/buf.h"
#include "daemon/memory/search/ask.h"
#include "daemon/memory/search/wordlist.h"
#include "wordnet_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY_MS INT64_C(86400000)

/* ---- words ---- */

typedef struct gathered {
    char text[4096];
    unsigned flags[256];
    size_t count;
    bool terms;
} gathered;

static bool gather(void *user, const word *w)
{
    gathered *g = user;

    snprintf(g->text + strlen(g->text), sizeof g->text - strlen(g->text), "%s%s", g->count ? " " : "",
             g->terms ? w->term : w->form);
    g->flags[g->count++] = w->flags;
    return true;
}

static gathered read_text(const char *text, size_t length, bool terms)
{
    _cleanup_(text_reader_freep) text_reader *reader = text_reader_new();
    gathered g = {.terms = terms};

    assert_non_null(reader);
    text_read(reader, text, length, gather, &g);
    return g;
}

static void assert_forms(const char *text, const char *forms)
{
    assert_string_equal(read_text(text, strlen(text), false).text, forms);
}

static void assert_terms(const char *text, const char *terms)
{
    assert_string_equal(read_text(text, strlen(text), true).text, terms);
}

static void test_forms(void **state)
{
    (void)state;
    assert_forms("", "");
    assert_forms("Hello, World!", "hello world");
    assert_forms("O'Brien\xE2\x80\x99s 1,000 cats cost $2.50.", "o'brien's 1000 cats cost 2.50");
    assert_forms("Cr\xC3\xA8me br\xC3\xBBl\xC3\xA9"
                 "e, STRA\xC3\x9F"
                 "E, \xC3\x86on",
                 "creme brulee strasse aeon");
    assert_forms("e\xCC\x81t\xC3\xA9", "ete"); /* an accent of its own, and one that is part of the letter */
    assert_forms("\xD0\x9C\xD0\x9E\xD0\xA1\xD0\x9A\xD0\x92\xD0\x90",
                 "\xD0\xBC\xD0\xBE\xD1\x81\xD0\xBA\xD0\xB2\xD0\xB0");
    assert_forms("\xE5\xAF\xBF\xE5\x8F\xB8", "\xE5\xAF\xBF \xE5\x8F\xB8 \xE5\xAF\xBF\xE5\x8F\xB8");
    assert_forms("de-stress", "de destress stress");
    assert_forms("a--b - c", "a b c");
    assert_forms("\xEF\xBC\xA1\xEF\xBC\xA2\xEF\xBC\x91", "ab1"); /* full width */
}

static void test_terms(void **state)
{
    (void)state;
    assert_terms("running runs ran", "run run run");
    assert_terms("children kids child's", "child child child");
    assert_terms("Mom mothers mother", "mother mother mother");
    assert_terms("paintings painted", "paint paint");
    assert_terms("two 2", "2 2");
}

static void test_flags(void **state)
{
    static const char text[] = "We met Anna. Did Anna like the sushi? Not 5!";
    gathered g = read_text(text, strlen(text), false);

    (void)state;
    assert_string_equal(g.text, "we met anna did anna like the sushi not 5");
    assert_int_equal(g.flags[0], WORD_STOP); /* "We" begins the sentence */
    assert_int_equal(g.flags[2], WORD_CAPITAL);
    assert_int_equal(g.flags[4], WORD_CAPITAL | WORD_ASKED);
    assert_int_equal(g.flags[7], WORD_ASKED);
    assert_int_equal(g.flags[9], WORD_NUMBER);
    static const char address[] = "See http://x.org/a?b=c now";
    g = read_text(address, strlen(address), false);
    for (size_t i = 0; i < g.count; i++)
        assert_int_equal(g.flags[i] & WORD_ASKED, 0);
}

/* Bytes of any kind: every word is valid UTF-8, not empty, and no longer than it may be. */
static bool check_word(void *user, const word *w)
{
    size_t *count = user;

    assert_true(w->form[0] && w->base[0]);
    assert_true(strlen(w->form) <= WORD_BYTES_MAX && strlen(w->term) <= WORD_BYTES_MAX);
    ++*count;
    return *count < 1000;
}

static void test_hostile(void **state)
{
    _cleanup_(text_reader_freep) text_reader *reader = text_reader_new();
    char text[2000];
    size_t count;

    (void)state;
    assert_forms("a\x80"
                 "b\xC3",
                 "a b");
    assert_forms("x\xED\xA0\x80y\xF4\x90\x80\x80z", "x y z");
    srand(7);
    for (int round = 0; round < 500; round++) {
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (char)(round % 2 ? rand() : "aB'-.\xE2\x80\x99\xE5\xAF\xBF 1,?"[rand() % 15]);
        count = 0;
        text_read(reader, text, sizeof text, check_word, &count);
    }
    memset(text, 'a', sizeof text);
    count = 0;
    text_read(reader, text, sizeof text, check_word, &count);
    assert_int_equal(count, 1);
}

static void test_lists_are_in_order(void **state)
{
    (void)state;
    for (size_t i = 1; i < wordlist_stop_count; i++)
        assert_true(strcmp(wordlist_stops[i - 1], wordlist_stops[i]) < 0);
    for (size_t i = 1; i < wordlist_weak_count; i++)
        assert_true(strcmp(wordlist_weaks[i - 1], wordlist_weaks[i]) < 0);
    for (size_t i = 1; i < wordlist_pair_count; i++)
        assert_true(strcmp(wordlist_pairs[2 * i - 2], wordlist_pairs[2 * i]) < 0);
    for (size_t i = 0; i < wordlist_pair_count; i++) /* one step is enough */
        assert_ptr_equal(wordlist_regular(wordlist_pairs[2 * i + 1]), wordlist_pairs[2 * i + 1]);
    assert_true(wordlist_stop("the") && !wordlist_stop("sushi"));
}

/* ---- questions ---- */

static ask *ask_of(const char *text, const wordnet *w, arena *a)
{
    _cleanup_(text_reader_freep) text_reader *reader = text_reader_new();
    ask *asked;
    ac_error err;

    /* a Wednesday: 2024-05-15T12:00Z */
    assert_int_equal(ask_read(reader, w, text, strlen(text), INT64_C(1715774400000), a, &asked, &err), AC_OK);
    return asked;
}

#define AT(days) (INT64_C(1715731200000) + (days)*DAY_MS) /* the beginning of that day, and days after it */

static float fit_of(const char *text, int64_t time_ms)
{
    _cleanup_(arena_done) arena a = ARENA_INIT;
    ask *asked = ask_of(text, NULL, &a);

    return asked->moment_count ? moment_fit(&asked->moments[0], time_ms) : -1;
}

static void test_moments(void **state)
{
    static const char *const days[] = {"on 15 May, 2024",      "on May 15, 2024", "on May 15th 2024",
                                       "the 15th of May 2024", "on 2024-05-15",   "today",
                                       "What was on May 15?"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(days); i++) {
        assert_true(fit_of(days[i], AT(0)) == 1);
        assert_true(fit_of(days[i], AT(1) - 1) == 1);
        assert_true(fit_of(days[i], AT(3)) < 1 && fit_of(days[i], AT(3)) > 0);
        assert_true(fit_of(days[i], AT(-40)) == 0);
    }
    assert_true(fit_of("yesterday", AT(-1)) == 1);
    assert_true(fit_of("in May 2024", AT(0)) > 0 && fit_of("in May 2024", AT(-60)) == 0);
    assert_true(fit_of("in May", AT(0)) > 0 && fit_of("in May", AT(-366)) > 0);
    assert_true(fit_of("in 2024", AT(0)) > 0 && fit_of("in 2023", AT(0)) == 0);
    assert_true(fit_of("last week", AT(-3)) > 0);
    assert_true(fit_of("she may march on", AT(0)) == -1);
    assert_true(fit_of("room 2024 b 17", INT64_MAX) == 0);
    assert_true(fit_of("in May", INT64_MIN) == 0);
    assert_true(fit_of("on 2024-99-99", AT(0)) > 0); /* only the year of it is one */
}

static void test_several(void **state)
{
    static const char *const yes[] = {
        "Which cities has Jon visited?", "What instruments does she play?", "What do both like?",
        "Where has Maria been?",         "How many dogs are there?",        "What types of yoga did she try?"};
    static const char *const no[] = {"When did she go?", "What is her name?", "Which city did Jon visit?", "sushi", ""};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        _cleanup_(arena_done) arena a = ARENA_INIT;
        assert_true(ask_of(yes[i], NULL, &a)->several);
    }
    for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
        _cleanup_(arena_done) arena a = ARENA_INIT;
        assert_false(ask_of(no[i], NULL, &a)->several);
    }
}

static void test_ask_is_bounded(void **state)
{
    _cleanup_(arena_done) arena a = ARENA_INIT;
    buf text = BUF_INIT(100000);

    (void)state;
    for (int i = 0; i < 5000; i++)
        assert_int_equal(buf_appendf(&text, "w%dx ", i), AC_OK);
    assert_int_equal(ask_of(buf_terminate(&text), NULL, &a)->term_count, ASK_TERMS_MAX);
    buf_done(&text);
}

/* ---- WordNet ---- */

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/agentcored-wordnet-XXXXXX");
    return mkdtemp(folder) && wordnet_fixture_write(folder) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    wordnet_fixture_remove(folder);
    return rmdir(folder);
}

static void test_wordnet(void **state)
{
    _cleanup_(wordnet_closep) wordnet *w = NULL;
    char lemma[WORDNET_LEMMA_MAX];
    wordnet_synset senses[WORDNET_SENSES_MAX];
    wordnet_pointer pointers[4];
    ac_error err;

    (void)state;
    assert_int_equal(wordnet_open(folder, &w, &err), AC_OK);
    assert_int_equal(wordnet_senses(w, WORDNET_NOUN, "sushi", senses), 1);
    assert_int_equal(wordnet_pointers(w, senses[0], NULL, pointers, 4), 1);
    assert_int_equal(pointers[0].kind[0], '@');
    assert_int_equal(wordnet_senses(w, WORDNET_NOUN, "sush", senses), 0);
    assert_int_equal(wordnet_senses(w, WORDNET_NOUN, "", senses), 0);
    assert_int_equal(wordnet_senses(w, WORDNET_NOUN, "zzz", senses), 0);
    assert_int_equal(wordnet_senses(w, WORDNET_NOUN, "aaa", senses), 0);
    assert_true(wordnet_lemma(w, WORDNET_NOUN, "cities", lemma));
    assert_string_equal(lemma, "city");
    assert_true(wordnet_lemma(w, WORDNET_NOUN, "geese", lemma));
    assert_string_equal(lemma, "goose");
    assert_false(wordnet_lemma(w, WORDNET_VERB, "cities", lemma));
    assert_int_equal(wordnet_senses(w, WORDNET_VERB, "mentor", senses), 1);
    assert_int_equal(wordnet_pointers(w, senses[0], "mentor", pointers, 4), 1);
    assert_int_equal(wordnet_pointers(w, senses[0], "other", pointers, 4), 0);
    assert_int_equal(wordnet_pointers(w, senses[0] + 1, NULL, pointers, 4), 0);
    assert_int_equal(wordnet_pointers(w, UINT32_MAX, NULL, pointers, 4), 0);
    wordnet_close(w);
    assert_int_equal(wordnet_open("/nowhere", &w, &err), AC_ERR_NOT_FOUND);
    assert_null(w);
}

static bool has_target(const concept_target *targets, size_t count, const concept *concepts, size_t concept_count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < concept_count; j++)
            if (targets[i].synset == concepts[j].synset)
                return true;
    return false;
}

static void test_concepts(void **state)
{
    _cleanup_(wordnet_closep) wordnet *w = NULL;
    _cleanup_(arena_done) arena a = ARENA_INIT;
    concept concepts[CONCEPTS_MAX];
    concept_target targets[CONCEPTS_MAX];
    size_t count, target_count;
    ac_error err;

    (void)state;
    assert_int_equal(wordnet_open(folder, &w, &err), AC_OK);
    count = concepts_of(w, "sushi", concepts);
    assert_int_equal(count, 3); /* sushi, dish, food */
    target_count = concepts_asked(w, "food", targets);
    assert_true(has_target(targets, target_count, concepts, count));
    target_count = concepts_asked(w, "city", targets);
    assert_false(has_target(targets, target_count, concepts, count));

    ask *asked = ask_of("What kind of martial arts has John done?", w, &a);
    assert_int_equal(asked->class_count, 1);
    count = concepts_of(w, "judo", concepts);
    assert_true(has_target(asked->class_targets, 1, concepts, count));
    assert_int_equal(ask_of("What happened?", w, &a)->class_count, 0);
    assert_int_equal(ask_of("which", w, &a)->class_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_terms),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_lists_are_in_order),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_ask_is_bounded),
        cmocka_unit_test_setup_teardown(test_wordnet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_concepts, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
