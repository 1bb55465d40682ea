/* extract_talk.h - conversations for the tests of extraction: said turn by turn, and drawn from in windows. */
#ifndef TESTS_DAEMON_EXTRACT_TALK_H
#define TESTS_DAEMON_EXTRACT_TALK_H

#include "extract_store.h"

#include <setjmp.h>
#include <stdarg.h>

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

static inline void say(const char *role, const char *text)
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

static inline extract_task task_of(extract_kind kind, size_t first_new)
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
static inline size_t run_task(const extract_task *task)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    extract_change *changes;
    size_t count;

    if (extract_run(engine, task, &memory, &changes, &count, &err) != AC_OK)
        fail_msg("%s", err.message);
    assert_true(store_apply(&store, changes, count));
    return count;
}

static inline size_t run(extract_kind kind, size_t first_new)
{
    extract_task task = task_of(kind, first_new);

    return run_task(&task);
}

/* What the user says, as one window; then the same again, which must change nothing. */
static inline size_t tell(extract_kind kind, const char *text)
{
    size_t before = session.count, count;

    say("USER", text);
    count = run(kind, before);
    assert_int_equal(run(kind, before), 0);
    return count;
}

static inline int set_up(void **state)
{
    (void)state;
    store_clear(&store);
    snprintf(store.session, sizeof store.session, "session-1");
    memset(&session, 0, sizeof session);
    return extractor_open(&(extractor_options){0}, &engine, &err) == AC_OK ? 0 : 1;
}

static inline int tear_down(void **state)
{
    (void)state;
    extractor_close(engine);
    store_clear(&store);
    return 0;
}

static inline void expect_standing(const char *const *texts, size_t count)
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

static inline const char *metadata_string(size_t record, const char *key)
{
    yyjson_val *metadata = yyjson_doc_get_root(store.records[record].metadata);

    return ac_json_string(yyjson_obj_get(metadata, key), "stringValue", "");
}

#define with_store(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

#endif
