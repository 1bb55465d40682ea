/* test_search.c - memory search as the memory service uses it, over a store that is an array in this test. */
#include "daemon/memory/search/cache.h"
#include "wordnet_fixture.h"

#include <agentcore/log.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ROWS_MAX 4096

/* ---- a store ---- */

typedef struct row {
    char namespace_name[32], id[32], text[160], strategy[16], metadata[64];
    int64_t version, sequence;
    bool removed;
} row;

static struct {
    pthread_mutex_t lock;
    row rows[ROWS_MAX];
    size_t count;
    int64_t version, oldest; /* what was removed before oldest is not known any more */
    unsigned loads, resets;
    ac_status fail;
} store = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void store_clear(void)
{
    store.count = store.loads = store.resets = 0;
    store.version = store.oldest = 0;
    store.fail = AC_OK;
}

static row *store_change(const char *namespace_name, const char *id, const char *text, bool removed)
{
    row *r = NULL;

    pthread_mutex_lock(&store.lock);
    for (size_t i = 0; i < store.count; i++)
        if (strcmp(store.rows[i].namespace_name, namespace_name) == 0 && strcmp(store.rows[i].id, id) == 0)
            r = &store.rows[i];
    if (!r)
        r = &store.rows[store.count++];
    memset(r, 0, sizeof *r);
    snprintf(r->namespace_name, sizeof r->namespace_name, "%s", namespace_name);
    snprintf(r->id, sizeof r->id, "%s", id);
    snprintf(r->text, sizeof r->text, "%s", text);
    r->removed = removed;
    r->version = r->sequence = ++store.version;
    pthread_mutex_unlock(&store.lock);
    return r;
}

static row *store_put(const char *namespace_name, const char *id, const char *text)
{
    return store_change(namespace_name, id, text, false);
}

static void store_remove(const char *namespace_name, const char *id)
{
    store_change(namespace_name, id, "", true);
}

static ac_status put_row(const row *r, search_sink *sink, ac_error *err)
{
    yyjson_doc *metadata = r->metadata[0] ? yyjson_read(r->metadata, strlen(r->metadata), 0) : NULL;
    search_record record = {.id = r->id,
                            .text = r->text,
                            .text_length = strlen(r->text),
                            .strategy_id = r->strategy[0] ? r->strategy : NULL,
                            .group = r->namespace_name[0] == 't' ? "" : NULL, /* "talk" is one conversation */
                            .time_ms = r->sequence * 1000,
                            .sequence = r->sequence,
                            .metadata = yyjson_doc_get_root(metadata)};
    ac_status status = search_sink_put(sink, &record, err);

    yyjson_doc_free(metadata);
    return status;
}

static ac_status load(void *user, const char *memory, const char *namespace_name, int64_t since_version,
                      search_sink *sink, int64_t *ret_version, ac_error *err)
{
    ac_status status = AC_OK;

    (void)user;
    assert_string_equal(memory, "memory");
    pthread_mutex_lock(&store.lock);
    store.loads++;
    if (store.fail != AC_OK) {
        status = ac_error_set(err, store.fail, "the store is told to fail");
    } else if (since_version < store.oldest) {
        store.resets++;
        search_sink_reset(sink);
        since_version = 0;
    }
    for (size_t i = 0; i < store.count && status == AC_OK; i++) {
        const row *r = &store.rows[i];

        if (r->version <= since_version || strcmp(r->namespace_name, namespace_name) != 0)
            continue;
        status = r->removed ? search_sink_remove(sink, r->id, err) : put_row(r, sink, err);
    }
    *ret_version = store.version;
    pthread_mutex_unlock(&store.lock);
    return status;
}

/* ---- asking ---- */

static char folder[64];
static memory_search *search;

static int set_up(void **state)
{
    search_options options = {.source = {load, NULL}, .wordnet_dir = folder};

    (void)state;
    store_clear();
    ac_log_set_level(AC_LOG_OFF);
    strcpy(folder, "/tmp/agentcored-search-XXXXXX");
    if (!mkdtemp(folder) || !wordnet_fixture_write(folder))
        return 1;
    return memory_search_open(&options, &search, NULL) == AC_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    memory_search_close(search);
    wordnet_fixture_remove(folder);
    return rmdir(folder);
}

static int64_t store_version(void)
{
    pthread_mutex_lock(&store.lock);
    int64_t version = store.version;
    pthread_mutex_unlock(&store.lock);
    return version;
}

/* The ids of the hits in one namespace, best first, with a space between. */
static const char *find_with(search_query query, const char *namespace_name, const char *text)
{
    static _Thread_local char ids[4096];
    _cleanup_(arena_done) arena a = ARENA_INIT;
    search_namespace namespaces[] = {{namespace_name, store_version()}};
    search_hit *hits;
    size_t count;
    ac_error err;

    query.memory = "memory";
    if (!query.namespaces) {
        query.namespaces = namespaces;
        query.namespace_count = 1;
    }
    query.text = text;
    query.text_length = strlen(text);
    ids[0] = '\0';
    if (memory_search_query(search, &query, &a, &hits, &count, &err) != AC_OK)
        return ac_status_name(err.status);
    for (size_t i = 0; i < count; i++) {
        assert_true(hits[i].score > 0 && hits[i].score <= 1);
        assert_true(i == 0 || hits[i].score <= hits[i - 1].score);
        snprintf(ids + strlen(ids), sizeof ids - strlen(ids), "%s%s", i ? " " : "", hits[i].id);
    }
    return ids;
}

static const char *find(const char *text)
{
    return find_with((search_query){.matches_only = true}, "n", text);
}

/* ---- tests ---- */

static void test_meanings(void **state)
{
    (void)state;
    store_put("n", "a", "The user likes sushi with tuna.");
    store_put("n", "b", "The user lives in Paris.");
    store_put("n", "c", "The user plays judo on Mondays.");
    assert_string_equal(find("what food does the user like"), "a b c"); /* all tell of the user */
    assert_string_equal(find("what food is liked"), "a");
    assert_string_equal(find("which martial arts does she do?"), "c");
    assert_string_equal(find("which city is home?"), "b");
    assert_string_equal(find("nothing of the kind"), "");
}

static void test_without_wordnet(void **state)
{
    search_options options = {.source = {load, NULL}, .wordnet_dir = "/nowhere"};
    char detail[128];

    (void)state;
    assert_true(memory_search_wordnet_check(folder, detail, sizeof detail));
    assert_false(memory_search_wordnet_check("/nowhere", detail, sizeof detail));
    assert_non_null(strstr(detail, "/nowhere"));
    memory_search_close(search);
    assert_int_equal(memory_search_open(&options, &search, NULL), AC_OK);
    store_put("n", "a", "The user likes sushi with tuna.");
    assert_string_equal(find("food"), "");
    assert_string_equal(find("liked tuna"), "a");
}

static void test_changes(void **state)
{
    (void)state;
    assert_string_equal(find("robots"), "");
    store_put("n", "a", "a robot");
    assert_string_equal(find("robots"), "a");
    unsigned loads = store.loads;
    assert_string_equal(find("robots"), "a"); /* nothing has changed: nothing is loaded */
    assert_int_equal(store.loads, loads);
    store_put("n", "b", "robots, robots");
    assert_string_equal(find("robots violin"), "b a");
    store_put("n", "a", "a violin");
    assert_string_equal(find("violin"), "a");
    store_remove("n", "a");
    assert_string_equal(find("violin"), "");
    store_put("n", "c", "a comet");
    store.oldest = store.version; /* removals are no longer known: all anew */
    assert_string_equal(find("comet"), "c");
    assert_int_equal(store.resets, 1);
}

/* The answer does not repeat what was asked. */
static void test_neighbours(void **state)
{
    (void)state;
    store_put("talk", "a", "Anna: Let's go!");
    store_put("talk", "b", "Anna: Do you have a robot?");
    store_put("talk", "c", "Bob: Yes, two of them!");
    store_put("talk", "d", "Bob: Bye.");
    assert_string_equal(find_with((search_query){.top_k = 1}, "talk", "What robots does Bob have?"), "c");
    row *far = store_put("talk", "e", "Bob: No idea.");
    far->sequence += SEARCH_PAUSE_MS; /* the next conversation */
    assert_null(strstr(find_with((search_query){.matches_only = true}, "talk", "robots"), "e"));
}

static void test_filling_up(void **state)
{
    (void)state;
    store_put("n", "a", "a robot");
    store_put("n", "b", "a violin");
    store_put("n", "c", "a comet");
    assert_string_equal(find_with((search_query){.top_k = 3}, "n", "hello there"), "c b a"); /* newest first */
    assert_string_equal(find_with((search_query){.top_k = 2}, "n", ""), "c b");
    assert_string_equal(find_with((search_query){.top_k = 1}, "n", "violin"), "b");
}

static bool accept_even(void *user, const char *id, yyjson_val *metadata, int64_t created_ms, int64_t updated_ms)
{
    (void)created_ms;
    (void)updated_ms;
    ++*(unsigned *)user;
    assert_int_equal(ac_json_int(metadata, "number", -1), strtol(id + 1, NULL, 10));
    return ac_json_int(metadata, "number", 1) % 2 == 0;
}

static void test_filters(void **state)
{
    unsigned asked = 0;
    search_query query = {.top_k = 3, .accept = accept_even, .user = &asked};

    (void)state;
    for (int i = 0; i < 50; i++) {
        char id[16];

        snprintf(id, sizeof id, "r%d", i);
        row *r = store_put("n", id, i == 8 ? "robot robot robot" : "a robot or two");
        snprintf(r->metadata, sizeof r->metadata, "{\"number\": %d}", i);
        snprintf(r->strategy, sizeof r->strategy, i < 25 ? "first" : "second");
    }
    assert_string_equal(find_with(query, "n", "robot"), "r8 r48 r46");
    assert_true(asked < 50); /* only the best are asked about */
    query.strategy_id = "second";
    assert_null(strstr(find_with(query, "n", "robot"), "r8"));
    query.strategy_id = "third";
    assert_string_equal(find_with(query, "n", "robot"), "");
}

static void test_namespaces(void **state)
{
    search_namespace namespaces[] = {{"n", 1}, {"m", 1}, {"n", 1}, {"never", 0}};
    search_query query = {.namespaces = namespaces, .namespace_count = 4, .matches_only = true};

    (void)state;
    store_put("n", "a", "a robot and a comet");
    store_put("n", "b", "a robot");
    store_put("m", "c", "a robot and robots");
    store_put("m", "d", "a violin");
    assert_string_equal(find("violin"), "");
    assert_string_equal(find_with(query, NULL, "violin"), "d");
    assert_string_equal(find_with((search_query){.matches_only = true}, "m", "comet"), "");
    /* Rarity is counted over all of them, and each record is found once. */
    assert_string_equal(find_with(query, NULL, "comet"), "a");
}

/* When several things are asked for, hits that stand beside each other count for less.  A hit of one namespace has a
 * number that the other one has no record of, nor room for one: valgrind and sanitizers tell whether it is used
 * there. */
static void test_several_namespaces(void **state)
{
    search_namespace namespaces[] = {{"n", 0}, {"m", 0}};
    search_query query = {.namespaces = namespaces, .namespace_count = 2, .matches_only = true};
    char id[32];

    (void)state;
    for (int i = 0; i < 18; i++) {
        snprintf(id, sizeof id, "t%d", i);
        store_put("n", id, i == 17 ? "Anna has played the violin and the violin" : "nothing of the kind");
    }
    store_put("m", "small", "the violin");
    namespaces[0].version = namespaces[1].version = store_version();
    assert_string_equal(find_with(query, NULL, "What violins has Anna played?"), "t17 small");
}

static void test_failures(void **state)
{
    (void)state;
    store_put("n", "a", "a robot");
    store.fail = AC_ERR_IO;
    assert_string_equal(find("robot"), "AC_ERR_IO");
    store.fail = AC_OK;
    assert_string_equal(find("robot"), "a");
    store_put("n", "b", "a violin");
    store.fail = AC_ERR_IO;
    assert_string_equal(find("violin"), "AC_ERR_IO");
    store.fail = AC_OK;
    assert_string_equal(find("violin"), "b");
    store_put("n", "an id that is much too long", "");
    memset(store.rows[store.count - 1].id, 'x', sizeof store.rows[0].id - 1);
    assert_string_equal(find("robot"), "a");
}

static void test_forgetting(void **state)
{
    (void)state;
    store_put("n", "a", "a robot");
    assert_string_equal(find("robot"), "a");
    unsigned loads = store.loads;
    memory_search_forget(search, "other", NULL);
    memory_search_forget(search, "memory", "other");
    assert_string_equal(find("robot"), "a");
    assert_int_equal(store.loads, loads);
    memory_search_forget(search, "memory", "n");
    assert_string_equal(find("robot"), "a");
    assert_int_equal(store.loads, loads + 1);
    memory_search_forget(search, "memory", NULL);
    assert_string_equal(find("robot"), "a");
    assert_int_equal(store.loads, loads + 2);
}

/* Indexes come and go, and together they stay within their bytes. */
static void test_eviction(void **state)
{
    cache *c = cache_new(20000);
    cache_entry *held = cache_hold(c, "memory", "held");
    size_t entries;

    (void)state;
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 200; i++) {
            char name[16];
            cache_entry *e;

            snprintf(name, sizeof name, "n%d", i);
            e = cache_hold(c, "memory", name);
            assert_non_null(e);
            assert_ptr_equal(cache_hold(c, "memory", name), e);
            cache_release(c, e);
            pthread_rwlock_wrlock(&e->lock);
            if (!e->index)
                e->index = index_new();
            pthread_rwlock_unlock(&e->lock);
            cache_release(c, e);
        }
    assert_true(cache_bytes(c, &entries) <= 20000);
    assert_true(entries > 5 && entries < 100);
    assert_ptr_equal(cache_hold(c, "memory", "held"), held);
    cache_forget(c, "memory", NULL);
    cache_release(c, held);
    cache_release(c, held);
    assert_int_equal(cache_bytes(c, &entries), 0);
    assert_int_equal(entries, 0);
    cache_free(c);
}

static void test_nearest(void **state)
{
    static const search_text texts[] = {{"The user likes sushi.", 21}, {"The user plays the violin.", 26}, {"", 0}};
    double scores[3];
    ac_error err;

    (void)state;
    assert_int_equal(memory_search_nearest(search, "sushi is what the user likes", 28, texts, 3, scores, &err), AC_OK);
    assert_true(scores[0] > 0.8);
    assert_true(scores[1] < 0.5 && scores[2] == 0);
    assert_int_equal(memory_search_nearest(search, "x", 1, texts, 0, scores, &err), AC_OK);
    assert_int_equal(memory_search_nearest(search, "x", 1, NULL, 1001, scores, &err), AC_ERR_INVALID);
}

/* ---- many at once ---- */

static atomic_bool writing;

static void *write_rows(void *user)
{
    (void)user;
    for (int i = 0; i < 18; i++) {
        char id[16], text[64];

        snprintf(id, sizeof id, "r%d", i % 40);
        snprintf(text, sizeof text, "robot number%d%s", i, i % 7 ? "" : " with a violin");
        store_put(i % 2 ? "n" : "m", id, text);
        if (i % 11 == 0)
            store_remove(i % 2 ? "n" : "m", id);
        if (i % 50 == 0)
            memory_search_forget(search, "memory", "n");
    }
    atomic_store(&writing, false);
    return NULL;
}

static void *read_rows(void *user)
{
    search_namespace namespaces[2];
    search_query query = {.namespaces = namespaces, .namespace_count = 2, .top_k = 5};
    unsigned *found = user;

    while (atomic_load(&writing)) {
        /* In both orders, so that two queries could wait for each other. */
        namespaces[*found % 2] = (search_namespace){"n", store_version()};
        namespaces[1 - *found % 2] = (search_namespace){"m", store_version()};
        if (strncmp(find_with(query, NULL, "robot violin"), "AC_", 3) == 0)
            return NULL;
        ++*found;
    }
    return user;
}

static void test_many_threads(void **state)
{
    pthread_t writer, readers[4];
    unsigned found[4] = {0};
    void *result;

    (void)state;
    store_put("n", "r", "a robot");
    atomic_store(&writing, true);
    for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_rows, &found[i]), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_rows, NULL), 0);
    pthread_join(writer, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
        pthread_join(readers[i], &result);
        assert_ptr_equal(result, &found[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_meanings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_wordnet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_neighbours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_filling_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_filters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_namespaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_several_namespaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forgetting, set_up, tear_down),
        cmocka_unit_test(test_eviction),
        cmocka_unit_test_setup_teardown(test_nearest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_threads, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
