/* What memory keeps in the store, without a service around it: ids, namespaces, expiry, and the index that follows the
 * records. */
#include "daemon/memory/extraction.h"
#include "store_fixture.h"

#include <malloc.h>
#include <sched.h>
#include <stdio.h>

#define MEMORY "memory_a-0123456789"
#define PLACE "/facts/"

/* ---- names ---- */

static void event_ids(void **state)
{
    static const struct {
        int64_t at_ms, id;
        const char *text;
    } good[] = {
        {0, 1, "0000000000000000000#00000001"},
        {1700000000123, 0xabcdef01, "0000001700000000123#abcdef01"},
        {INT64_MAX, INT64_C(0x7ffffffff), "9223372036854775807#ffffffff"},
    };
    static const char *const bad[] = {"", "#", "1", "1#", "1#g", "99999999999999999999#1", "1#100000000", "1#1 "};
    char text[EVENT_ID_SIZE];
    int64_t at_ms, low;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        event_id_write(good[i].at_ms, good[i].id, text);
        assert_string_equal(text, good[i].text);
        assert_true(event_id_read(text, &at_ms, &low));
        assert_int_equal(at_ms, good[i].at_ms);
        assert_int_equal(low, good[i].id & 0xffffffff);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(event_id_read(bad[i], &at_ms, &low));
}

static void templates(void **state)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    const char *name;
    ac_error err;

    (void)state;
    assert_ok(
        namespace_fill("/a/{memoryStrategyId}/{actorId}{sessionId}/", "st", "ac/tor", "se", &memory, &name, &err));
    assert_string_equal(name, "/a/st/ac/torse/");
    assert_ok(namespace_fill("plain", "st", "a", "s", &memory, &name, &err));
    assert_string_equal(name, "plain");
    assert_int_equal(namespace_fill("/{nobody}/", "st", "a", "s", &memory, &name, &err), AC_ERR_INVALID);
    assert_int_equal(namespace_fill("/{", "st", "a", "s", &memory, &name, &err), AC_ERR_INVALID);
}

/* ---- expiry ---- */

static void sweep(store *s)
{
    job_handler handler = {.kind = MEMORY_JOB_SWEEP, .run = memory_sweep};
    job_runner *r;
    ac_error err;

    fixture_sql(s, "INSERT INTO jobs (kind, key, payload, state, due_ms, period_ms, attempts, attempts_max, created_ms)"
                   " VALUES ('" MEMORY_JOB_SWEEP "', 'now', '', 'ready', 0, 0, 0, 3, 0)");
    assert_ok(
        job_runner_start(s, &(job_runner_options){.handlers = &handler, .handler_count = 1, .poll_ms = 10}, &r, &err));
    while (fixture_number(s, "SELECT COUNT(*) FROM jobs") > 0)
        sched_yield();
    assert_true(job_runner_stop(r, FIXTURE_STOP_MS));
}

static void add_event(store *s, int session, int number, const char *expires)
{
    char text[512];

    snprintf(text, sizeof text,
             "INSERT INTO memory_events (session, at_ms, created_ms, expires_ms, extractable, payload)"
             " SELECT id, %d, 0, %s, 0, CAST('[]' AS %s) FROM memory_sessions WHERE session = 's%d'",
             number, expires, fixture_on_postgres() ? "BYTEA" : "BLOB", session);
    fixture_sql(s, text);
}

static void what_has_expired_goes(void **state)
{
    fixture *f = *state;

    for (int i = 0; i < 3; i++) {
        char text[256];

        snprintf(text, sizeof text,
                 "INSERT INTO memory_sessions (memory, actor, session, created_ms) VALUES ('m', 'a', 's%d', 0)", i);
        fixture_sql(f->s, text);
    }
    fixture_sql(f->s, "INSERT INTO memory_branches (session, name) SELECT id, 'b' FROM memory_sessions");
    fixture_sql(f->s, "INSERT INTO memory_cursors (session, strategy, event) SELECT id, 'x', 1 FROM memory_sessions");
    for (int i = 0; i < 1200; i++)
        add_event(f->s, 0, i, "1");
    add_event(f->s, 1, 0, "1");
    add_event(f->s, 1, 1, "9000000000000000");
    sweep(f->s);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM memory_events"), 1);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM memory_sessions WHERE session = 's0'"), 0);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM memory_sessions"), 2); /* s2 never had an event */
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM memory_branches"), 2);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM memory_cursors"), 2);
}

/* ---- records and the index ---- */

typedef struct change {
    const char *record;
    const char *text; /* NULL: remove it */
} change;

static ac_status put_in(store_tx *tx, void *arg, ac_error *err)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    const change *c = arg;
    record_row row;
    int64_t version;
    bool found;

    AC_TRY(namespace_raise(tx, MEMORY, PLACE, &version, err));
    AC_TRY(record_get(tx, MEMORY, c->record, &memory, &row, &found, err));
    if (found)
        AC_TRY(record_remove(tx, MEMORY, &row, version, err));
    if (!c->text)
        return AC_OK;
    row = (record_row){.record = c->record,
                       .namespace_name = PLACE,
                       .session = 1, /* drawn: it has no neighbours */
                       .content = c->text,
                       .content_length = strlen(c->text),
                       .version = version};
    return record_insert(tx, MEMORY, &row, err);
}

static void put(store *s, const char *record, const char *text)
{
    change c = {record, text};
    ac_error err;

    assert_ok(store_write(s, put_in, &c, &err));
}

static int64_t newest(store *s)
{
    return fixture_number(s, "SELECT COALESCE(MAX(version), 0) FROM memory_namespaces");
}

/* How well the record that fits best does; 0 when it is another one. */
static double score_at(memory_search *search, int64_t version, const char *query, const char *record)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    search_namespace place = {.name = PLACE, .version = version};
    search_query q = {.memory = MEMORY,
                      .namespaces = &place,
                      .namespace_count = 1,
                      .text = query,
                      .text_length = strlen(query),
                      .top_k = 1};
    search_hit *hits;
    size_t count;
    ac_error err;

    assert_ok(memory_search_query(search, &q, &memory, &hits, &count, &err));
    return count && strcmp(hits[0].id, record) == 0 ? hits[0].score : 0;
}

static double score_of(memory_search *search, store *s, const char *query, const char *record)
{
    return score_at(search, newest(s), query, record);
}

static void the_index_follows(void **state)
{
    fixture *f = *state;
    memory_room room = {.store = f->s};
    memory_search *search;
    ac_error err;
    char id[RECORD_ID_SIZE], text[64];

    assert_ok(
        memory_search_open(&(search_options){.source = {.load = record_index_load, .user = &room}}, &search, &err));
    put(f->s, "mem-violin", "a violin in the attic");
    assert_true(score_of(search, f->s, "violin", "mem-violin") > 0.3);
    put(f->s, "mem-violin", "a trumpet in the attic");
    assert_true(score_of(search, f->s, "violin", "mem-violin") < 0.3);
    assert_true(score_of(search, f->s, "trumpet", "mem-violin") > 0.3);

    /* More than a batch at once, and back. */
    for (int i = 0; i < 1100; i++) {
        snprintf(id, sizeof id, "mem-%d", i);
        snprintf(text, sizeof text, "the lantern of keeper%d", i);
        put(f->s, id, text);
    }
    assert_true(score_of(search, f->s, "keeper1077", "mem-1077") > 0.3);
    for (int i = 0; i < 1100; i++) {
        snprintf(id, sizeof id, "mem-%d", i);
        put(f->s, id, NULL);
    }
    assert_true(score_of(search, f->s, "keeper1077", "mem-1077") < 0.3);
    assert_true(score_of(search, f->s, "trumpet", "mem-violin") > 0.3);
    memory_search_close(search);
}

/* ---- lists ---- */

typedef struct listing {
    record_scan scan;
    arena memory;
    size_t count;
    bool more;
} listing;

static ac_status list_in(store_tx *tx, void *arg, ac_error *err)
{
    listing *l = arg;
    record_row *rows;

    return record_scan_run(tx, &l->scan, &l->memory, &rows, &l->count, &l->more, err);
}

static size_t allocated(void)
{
    struct mallinfo2 info = mallinfo2(); /* of sanitizers: all zero */

    return info.uordblks + info.hblkhd;
}

/* However many are passed over for the few that are wanted, only these are kept. */
static void lists_keep_what_they_show(void **state)
{
    fixture *f = *state;
    char id[RECORD_ID_SIZE], text[20000];
    listing l = {
        .scan = {.memory_id = MEMORY, .range = {PLACE, "/facts0", PLACE, PLACE}, .strategy = "nobody's", .limit = 20},
        .memory = ARENA_INIT,
    };
    size_t before;
    ac_error err;

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 60; i++) {
        snprintf(id, sizeof id, "mem-%d", i);
        put(f->s, id, text);
    }
    assert_ok(store_read(f->s, list_in, &l, &err)); /* what the store keeps for itself is there then */
    assert_int_equal(l.count, 0);
    arena_done(&l.memory);
    before = allocated();
    assert_ok(store_read(f->s, list_in, &l, &err));
    assert_true(allocated() < before + 30 * sizeof text);
    arena_done(&l.memory);
    l.scan.strategy = NULL;
    assert_ok(store_read(f->s, list_in, &l, &err));
    assert_int_equal(l.count, 20);
    assert_true(l.more);
    arena_done(&l.memory);
}

static ac_status count_in(store_tx *tx, void *arg, ac_error *err)
{
    static const namespace_range range = {PLACE, "/facts0", PLACE, PLACE};
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    search_namespace *namespaces;

    return namespace_list(tx, MEMORY, &range, &memory, &namespaces, arg, err);
}

/* Only so many are searched at once: those that hold nothing are not to take the places of others. */
static void emptied_namespaces_are_not_searched(void **state)
{
    fixture *f = *state;
    size_t count = 0;
    ac_error err;

    put(f->s, "mem-violin", "a violin in the attic");
    assert_ok(store_read(f->s, count_in, &count, &err));
    assert_int_equal(count, 1);
    put(f->s, "mem-violin", NULL);
    assert_ok(store_read(f->s, count_in, &count, &err));
    assert_int_equal(count, 0);
}

/* What was removed is forgotten after a while; an index that has missed it begins anew. */
static void removals_are_forgotten(void **state)
{
    fixture *f = *state;
    memory_room room = {.store = f->s};
    memory_search *search;
    ac_error err;

    assert_ok(
        memory_search_open(&(search_options){.source = {.load = record_index_load, .user = &room}}, &search, &err));
    put(f->s, "mem-kayak", "a kayak in the shed");
    put(f->s, "mem-tent", "a tent in the shed");
    assert_true(score_of(search, f->s, "kayak", "mem-kayak") > 0.3);
    put(f->s, "mem-kayak", NULL);
    fixture_sql(f->s, "UPDATE memory_removals SET removed_ms = 1");
    sweep(f->s);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM memory_removals"), 0);
    assert_int_equal(fixture_number(f->s, "SELECT floor FROM memory_namespaces"), 3);
    assert_true(score_of(search, f->s, "kayak", "mem-kayak") < 0.3);
    assert_true(score_of(search, f->s, "tent", "mem-tent") > 0.3);
    memory_search_close(search);
}

/* The linker leads all reads here, a job runner's too: what happens behind this thread's next one. */
static _Thread_local void (*behind_read)(store *s);

ac_status __wrap_store_read(store *s, store_fn fn, void *arg, ac_error *err) AC_MUST_USE;
ac_status __real_store_read(store *s, store_fn fn, void *arg, ac_error *err) AC_MUST_USE;

ac_status __wrap_store_read(store *s, store_fn fn, void *arg, ac_error *err)
{
    ac_status status = __real_store_read(s, fn, arg, err);
    void (*now)(store * s) = TAKE_PTR(behind_read);

    if (now)
        now(s);
    return status;
}

/* The same, when they are forgotten between two looks of one and the same index. */
static void removals_are_forgotten_while_they_are_read(void **state)
{
    fixture *f = *state;
    memory_room room = {.store = f->s};
    memory_search *search;
    ac_error err;

    assert_ok(
        memory_search_open(&(search_options){.source = {.load = record_index_load, .user = &room}}, &search, &err));
    put(f->s, "mem-kayak", "a kayak in the shed");
    assert_true(score_of(search, f->s, "kayak", "mem-kayak") > 0.3);
    put(f->s, "mem-kayak", NULL);
    fixture_sql(f->s, "UPDATE memory_removals SET removed_ms = 1");
    int64_t version = newest(f->s);
    behind_read = sweep;
    assert_true(score_at(search, version, "kayak", "mem-kayak") == 0);
    assert_null(behind_read);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM memory_removals"), 0);
    memory_search_close(search);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event_ids),
        cmocka_unit_test(templates),
        cmocka_unit_test_setup_teardown(what_has_expired_goes, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(the_index_follows, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(lists_keep_what_they_show, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(emptied_namespaces_are_not_searched, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(removals_are_forgotten, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(removals_are_forgotten_while_they_are_read, fixture_set_up, fixture_tear_down),
    };

    fixture_require();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
