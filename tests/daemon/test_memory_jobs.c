/* The jobs that a strategy has with a session, on a store without a service around it. */
#include "daemon/memory/extraction.h"
#include "store_fixture.h"

#include <glob.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define ACCOUNT "123456789012"
#define MEMORY "memory_a-0123456789"
#define STRATEGY "strategy_a-0123456789"
#define PLACE "/here/"

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)
DEFINE_CLEANUP(yyjson_mut_doc *, yyjson_mut_doc_free)

/* ---- a memory ---- */

static ac_status make_in(store_tx *tx, void *arg, ac_error *err)
{
    resource r = {.key = {.scope = ACCOUNT, .kind = KIND_MEMORY, .id = MEMORY},
                  .name = "memory_a",
                  .status = MEMORY_ACTIVE,
                  .body = arg};

    return resource_create(tx, &r, err);
}

/* With one strategy, which has these members beside those that all have. */
static void make_memory(store *s, const char *members)
{
    char body[2048];
    ac_error err;

    snprintf(body, sizeof body,
             "{\"eventExpiryDuration\": 30, \"strategies\": [{\"strategyId\": \"" STRATEGY "\", \"status\": \"ACTIVE\","
             " \"namespaces\": [\"" PLACE "\"], \"namespaceTemplates\": [\"" PLACE "\"], %s}]}",
             members);
    assert_ok(store_write(s, make_in, body, &err));
    fixture_sql(s, "INSERT INTO memory_sessions (memory, actor, session, created_ms)"
                   " VALUES ('" MEMORY "', 'actor', 'session', 0)");
}

typedef struct said {
    const char *payload;
    int64_t at_ms;
} said;

static ac_status say_in(store_tx *tx, void *arg, ac_error *err)
{
    static const char text[] =
        "INSERT INTO memory_events (session, at_ms, created_ms, expires_ms, extractable, payload)"
        " SELECT id, $1 /*pg ::bigint */, $1 /*pg ::bigint */, 9000000000000000, 1, $2 /*pg ::bytea */"
        " FROM memory_sessions";
    const said *e = arg;

    return sql_run(tx, text, SQL_VALUES(sql_int(e->at_ms), sql_blob(e->payload, strlen(e->payload))), NULL, err);
}

/* An event of so many messages, numbered. */
static void say(store *s, int64_t at_ms, const char *text, size_t messages)
{
    _cleanup_(buf_done) buf payload = BUF_INIT((size_t)1 << 20);
    ac_error err;

    for (size_t i = 0; i < messages; i++)
        assert_int_equal(
            buf_appendf(&payload, "%s{\"conversational\": {\"role\": \"USER\", \"content\": {\"text\": \"%s %zu\"}}}",
                        i ? ", " : "[", text, i),
            AC_OK);
    assert_int_equal(buf_append_text(&payload, "]"), AC_OK);
    assert_non_null(buf_terminate(&payload));
    assert_ok(store_write(s, say_in, &(said){payload.data, at_ms}, &err));
}

/* ---- its jobs ---- */

static void queue_job(memory_room *room, const char *kind)
{
    int64_t session = fixture_number(room->store, "SELECT MAX(id) FROM memory_sessions");
    char text[512];

    snprintf(text, sizeof text,
             "INSERT INTO jobs (kind, key, payload, state, due_ms, period_ms, attempts, attempts_max, created_ms)"
             " VALUES ('%s', '" MEMORY "/" STRATEGY "/%lld', '" ACCOUNT "', 'ready', 0, 0, 0, 1, 0)",
             kind, (long long)session);
    fixture_sql(room->store, text);
}

/* Run the session's job until it is done, or has failed for good. */
static void run_job(memory_room *room, const char *kind, job_fn fn)
{
    job_handler handler = {.kind = kind, .run = fn, .arg = room};
    job_runner *r;
    ac_error err;

    queue_job(room, kind);
    assert_ok(job_runner_start(
        room->store, &(job_runner_options){.handlers = &handler, .handler_count = 1, .poll_ms = 10}, &r, &err));
    while (fixture_number(room->store, "SELECT COUNT(*) FROM jobs WHERE state <> 'dead'") > 0)
        sched_yield();
    assert_true(job_runner_stop(r, FIXTURE_STOP_MS));
    assert_int_equal(fixture_number(room->store, "SELECT COUNT(*) FROM jobs"), 0);
}

static memory_room room_of(const fixture *f)
{
    memory_room room = {.store = f->s, .data_dir = f->dir, .definitions = memory_definitions_new()};
    ac_error err;

    assert_non_null(room.definitions);
    assert_ok(extractor_open(&(extractor_options){0}, &room.extractor, &err));
    for (size_t i = 0; i < MEMORY_TURNS; i++)
        pthread_mutex_init(&room.turns[i], NULL);
    return room;
}

static void room_done(memory_room *room)
{
    extractor_close(room->extractor);
    memory_definitions_free(room->definitions);
    for (size_t i = 0; i < MEMORY_TURNS; i++)
        pthread_mutex_destroy(&room->turns[i]);
}

/* More messages in a few events than an engine takes at a time. */
static void all_of_a_long_session_is_drawn_from(void **state)
{
    fixture *f = *state;
    memory_room room = room_of(f);

    make_memory(f->s, "\"type\": \"SUMMARIZATION\"");
    for (int i = 0; i < 13; i++)
        say(f->s, 1700000000000 + i, "I have a plan for the garden with tulips and number", 100);
    run_job(&room, MEMORY_JOB_EXTRACT, memory_extract);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM memory_records"), 1);
    assert_int_equal(fixture_number(f->s, "SELECT MAX(event) FROM memory_cursors"),
                     fixture_number(f->s, "SELECT MAX(id) FROM memory_events"));
    room_done(&room);
}

/* One event of which more comes than an engine gives: it is passed over, and what is said later is drawn from. */
static void an_event_that_is_too_much_blocks_nobody(void **state)
{
    _cleanup_(buf_done) buf text = BUF_INIT((size_t)1 << 20);
    fixture *f = *state;
    memory_room room = room_of(f);

    make_memory(f->s, "\"type\": \"SEMANTIC\"");
    for (int i = 0; i < 1001; i++)
        assert_int_equal(buf_appendf(&text, "I own the boat named Lady%dway. ", i), AC_OK);
    assert_non_null(buf_terminate(&text));
    say(f->s, 1700000000000, text.data, 1);
    say(f->s, 1700000000001, "I live in Berlin since March", 1);
    run_job(&room, MEMORY_JOB_EXTRACT, memory_extract);
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM memory_records"), 1);
    assert_int_equal(fixture_number(f->s, "SELECT MAX(event) FROM memory_cursors"),
                     fixture_number(f->s, "SELECT MAX(id) FROM memory_events"));
    room_done(&room);
}

/* ---- turns ---- */

static ac_status do_nothing(store *s, const job *j, const job_run *run, void *arg, ac_error *err)
{
    (void)s;
    (void)j;
    (void)run;
    (void)arg;
    (void)err;
    return AC_OK;
}

/* The runner's only place is not kept by a job whose namespace another one is at work in. */
static void who_waits_for_a_turn_makes_room(void **state)
{
    fixture *f = *state;
    memory_room room = room_of(f);
    const job_handler handlers[] = {{.kind = MEMORY_JOB_EXTRACT, .run = memory_extract, .arg = &room},
                                    {.kind = MEMORY_JOB_SWEEP, .run = do_nothing}};
    const job_runner_options options = {
        .handlers = handlers, .handler_count = ARRAY_SIZE(handlers), .running_max = 1, .poll_ms = 10};
    pthread_mutex_t *turn = extraction_turn(&room, MEMORY, PLACE);
    job_runner *r;
    ac_error err;

    make_memory(f->s, "\"type\": \"SUMMARIZATION\"");
    say(f->s, 1700000000000, "I have a plan for the garden with tulips and number", 1);
    pthread_mutex_lock(turn);
    queue_job(&room, MEMORY_JOB_EXTRACT);
    queue_job(&room, MEMORY_JOB_SWEEP);
    assert_ok(job_runner_start(f->s, &options, &r, &err));
    while (fixture_number(f->s, "SELECT COUNT(*) FROM jobs WHERE kind = '" MEMORY_JOB_SWEEP "'") > 0)
        sched_yield();
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM memory_records"), 0);
    pthread_mutex_unlock(turn);
    while (fixture_number(f->s, "SELECT COUNT(*) FROM jobs") > 0)
        sched_yield();
    assert_true(job_runner_stop(r, FIXTURE_STOP_MS));
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM memory_records"), 1);
    room_done(&room);
}

/* ---- what is delivered ---- */

static yyjson_doc *delivered(const fixture *f)
{
    char pattern[256];
    yyjson_doc *doc;
    glob_t found;

    snprintf(pattern, sizeof pattern, "%s/buckets/bucket/memory/" MEMORY "/" STRATEGY "/session/*.json", f->dir);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    doc = yyjson_read_file(found.gl_pathv[0], 0, NULL, NULL);
    globfree(&found);
    assert_non_null(doc);
    return doc;
}

/* Also by a daemon that has not heard of the memory since it was started. */
static void history_is_delivered(void **state)
{
    fixture *f = *state;
    memory_room room = room_of(f);

    make_memory(f->s, "\"type\": \"CUSTOM\", \"configuration\": {\"type\": \"SELF_MANAGED\","
                      " \"selfManagedConfiguration\": {\"historicalContextWindowSize\": 4,"
                      " \"triggerConditions\": [{\"messageBasedTrigger\": {\"messageCount\": 1}}],"
                      " \"invocationConfiguration\": {\"topicArn\": \"arn:aws:sns:us-west-2:" ACCOUNT ":topic\","
                      " \"payloadDeliveryBucketName\": \"bucket\"}}}");
    say(f->s, 1700000000000, "before", 2);
    fixture_sql(f->s, "INSERT INTO memory_cursors (session, strategy, event)"
                      " SELECT session, '" STRATEGY "', id FROM memory_events");
    say(f->s, 1700000001000, "now", 3);
    run_job(&room, MEMORY_JOB_DELIVER, memory_deliver);

    _cleanup_(yyjson_doc_freep) yyjson_doc *doc = delivered(f);
    yyjson_val *root = yyjson_doc_get_root(doc);
    assert_int_equal(yyjson_arr_size(yyjson_obj_get(root, "currentContext")), 3);
    assert_int_equal(yyjson_arr_size(yyjson_obj_get(root, "historicalContext")), 2);
    room_done(&room);
}

/* ---- metadata of events ---- */

typedef struct drawing {
    extraction_changes changes;
    arena memory;
} drawing;

static ac_status draw_in(store_tx *tx, void *arg, ac_error *err)
{
    drawing *d = arg;

    return extraction_changes_write(tx, &d->changes, &d->memory, err);
}

/* Store a fact whose metadata has what an event's text is as a NUMBER. */
static void draw_number(const fixture *f, const char *text)
{
    static const char schema[] = "{\"memoryRecordSchema\": {\"metadataSchema\": [{\"key\": \"rank\", \"type\":"
                                 " \"NUMBER\", \"extractionType\": \"STRICTLY_CONSISTENT\"}]}}";
    _cleanup_(yyjson_doc_freep) yyjson_doc *stored = yyjson_read(schema, strlen(schema), 0);
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    const memory_strategy strategy = {.id = STRATEGY, .stored = yyjson_doc_get_root(stored)};
    char metadata[128];
    event_row last = {.metadata = metadata};
    const extraction_task task = {.account = ACCOUNT, .memory_id = MEMORY, .strategy_id = STRATEGY, .session = 1};
    const extraction_window window = {.strategy = &strategy, .last = &last};
    const extract_change change = {.action = EXTRACT_ADD, .text = "a fact", .metadata = yyjson_mut_obj(doc)};
    drawing d = {
        .changes = {.task = &task, .window = &window, .items = &change, .count = 1, .namespace_name = PLACE},
        .memory = ARENA_INIT,
    };
    ac_error err;

    last.metadata_length = (size_t)snprintf(metadata, sizeof metadata, "{\"rank\": {\"stringValue\": \"%s\"}}", text);
    fixture_sql(f->s, "DELETE FROM memory_records");
    assert_ok(store_write(f->s, draw_in, &d, &err));
    arena_done(&d.memory);
}

static void numbers_are_numbers(void **state)
{
    static const char *const none[] = {"nan", "inf", "-infinity", "1e999", "7 apples", ""};
    fixture *f = *state;

    draw_number(f, "7");
    assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM memory_records WHERE metadata LIKE '%7.0%'"), 1);
    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        draw_number(f, none[i]);
        assert_int_equal(fixture_number(f->s, "SELECT COUNT(*) FROM memory_records WHERE metadata IS NULL"), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_of_a_long_session_is_drawn_from, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(an_event_that_is_too_much_blocks_nobody, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(who_waits_for_a_turn_makes_room, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(history_is_delivered, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(numbers_are_numbers, fixture_set_up, fixture_tear_down),
    };

    fixture_require();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
