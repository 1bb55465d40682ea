/* test_search_nomem.c - memory search when malloc fails, at each place in turn: the call says so, nothing leaks, and
 * what was there before is still found afterwards.
 *
 * Linked with -Wl,--wrap=malloc,--wrap=realloc,--wrap=calloc. */
#include "daemon/memory/search/search.h"
#include "wordnet_fixture.h"

#include <agentcore/log.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TRIES_MAX 5000

#include "../failing_malloc.h"

/* ---- two namespaces that grow by a record with each version ---- */

static ac_status load(void *user, const char *memory, const char *namespace_name, int64_t since_version,
                      search_sink *sink, int64_t *ret_version, ac_error *err)
{
    static const char *const texts[] = {"Anna: Do you like sushi?", "Bob: Yes, with tuna!", "Anna: Let's go to Paris."};
    int64_t newest = *(int64_t *)user;

    (void)memory;
    for (int64_t i = since_version; i < newest; i++) {
        char id[16];
        search_record record = {.id = id,
                                .text = texts[i % 3],
                                .text_length = strlen(texts[i % 3]),
                                .strategy_id = "strategy",
                                .group = namespace_name,
                                .time_ms = i,
                                .sequence = i};

        snprintf(id, sizeof id, "r%d", (int)i);
        AC_TRY(search_sink_put(sink, &record, err));
        if (i > 5)
            AC_TRY(search_sink_remove(sink, "r1", err));
    }
    *ret_version = newest;
    return AC_OK;
}

static char folder[64];
static int64_t newest;

static ac_status ask(memory_search *search, size_t *ret_count)
{
    _cleanup_(arena_done) arena a = ARENA_INIT;
    search_namespace namespaces[] = {{"n", newest}, {"m", newest}};
    search_query query = {.memory = "memory",
                          .namespaces = namespaces,
                          .namespace_count = 2,
                          .text = "What food does Bob like in May 2024?",
                          .text_length = 36,
                          .top_k = 50,
                          .matches_only = true};
    search_hit *hits;
    ac_error err;

    return memory_search_query(search, &query, &a, &hits, ret_count, &err);
}

/* Ask with the first, then the second, ... allocation failing, until it runs through without meeting the failure. */
static void ask_everywhere(memory_search *search, size_t expected)
{
    size_t count = 0;

    for (int i = 0; i < TRIES_MAX; i++) {
        ac_status status;

        has_failed = false;
        allocations_left = i;
        status = ask(search, &count);
        allocations_left = -1;
        if (!has_failed) {
            assert_int_equal(status, AC_OK);
            assert_int_equal(count, expected);
            return;
        }
        /* A failure may also be without consequence: a table that stays as small as it was. */
        assert_true(status == AC_OK || status == AC_ERR_NOMEM);
        assert_true(status != AC_OK || count == expected);
    }
    fail_msg("there is no end to it");
}

static size_t expected_count(memory_search *search)
{
    size_t count;

    assert_int_equal(ask(search, &count), AC_OK);
    return count;
}

static void test_queries(void **state)
{
    search_options options = {.source = {load, &newest}, .wordnet_dir = folder};
    memory_search *search, *other;

    (void)state;
    /* WordNet is opened once, and a failure to is remembered: it is opened before. */
    assert_int_equal(memory_search_open(&options, &search, NULL), AC_OK);
    assert_int_equal(memory_search_open(&options, &other, NULL), AC_OK);
    newest = 1;
    expected_count(search);
    for (newest = 4; newest < 300; newest += newest < 20 ? 3 : 90) {
        size_t expected = expected_count(other);

        memory_search_forget(other, "memory", NULL);
        ask_everywhere(search, expected); /* changes to what is there */
        if (newest < 20)
            ask_everywhere(other, expected); /* all anew */
    }
    memory_search_close(search);
    memory_search_close(other);
}

static void test_opening(void **state)
{
    search_options options = {.source = {load, &newest}, .wordnet_dir = folder};
    memory_search *search;
    ac_error err;

    (void)state;
    for (int i = 0; i < TRIES_MAX; i++) {
        has_failed = false;
        allocations_left = i;
        ac_status status = memory_search_open(&options, &search, &err);
        allocations_left = -1;
        assert_int_equal(status, has_failed ? AC_ERR_NOMEM : AC_OK);
        memory_search_close(search);
        if (!has_failed)
            return;
    }
    fail_msg("there is no end to it");
}

static void test_nearest(void **state)
{
    static const search_text texts[] = {{"The user likes sushi.", 21}, {"The user plays the violin.", 26}};
    search_options options = {.source = {load, &newest}, .wordnet_dir = folder};
    memory_search *search;
    double scores[2];
    ac_error err;

    (void)state;
    newest = 1;
    assert_int_equal(memory_search_open(&options, &search, NULL), AC_OK);
    expected_count(search);
    for (has_failed = true, allocations_left = 0; has_failed;) {
        int left = allocations_left;

        has_failed = false;
        ac_status status = memory_search_nearest(search, "likes sushi", 11, texts, 2, scores, &err);
        allocations_left = -1;
        assert_true(status == AC_OK || (has_failed && status == AC_ERR_NOMEM));
        assert_true(status != AC_OK || scores[0] > scores[1]);
        allocations_left = has_failed ? left + 1 : -1;
    }
    memory_search_close(search);
}

static int set_up(void **state)
{
    (void)state;
    ac_log_set_level(AC_LOG_OFF);
    strcpy(folder, "/tmp/agentcored-search-XXXXXX");
    return mkdtemp(folder) && wordnet_fixture_write(folder) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    wordnet_fixture_remove(folder);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opening),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_nearest),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
