/* test_extract_nomem.c - extraction when malloc fails, at each place in turn: no changes, the error says why, and
 * nothing is lost (which the address sanitizer sees).
 *
 * Linked with -Wl,--wrap=malloc,--wrap=realloc,--wrap=calloc; what yyjson and libstemmer allocate does not pass
 * here. */
#include "extract_store.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "../failing_malloc.h"

#define TURN(n, who, said)                                                                                             \
    {                                                                                                                  \
        .role = who, .text = said, .text_length = sizeof said - 1, .timestamp_ms = 1741435200000 + n * 1000,           \
        .event_id = "0000000000000000001#00000001", .index = n                                                         \
    }

static const extract_turn turns[] = {
    TURN(0, "USER", "I live in Oslo with my wife Anna. She is a doctor. I like sushi with tuna and hate jazz."),
    TURN(1, "ASSISTANT", "Nice! Your booking number is 17. Where do you work?"),
    TURN(2, "USER", "At Acme. Can you book a flight to Berlin for next Friday?"),
    TURN(3, "ASSISTANT", "I booked the direct flight to Berlin."),
    TURN(4, "USER", "Perfect, thanks! I moved to Bergen yesterday. I love jazz. \xff"),
};

static fake_store store;
static extractor *engine;

static ac_status run(extract_kind kind, size_t turn_count, bool apply)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    extract_change *changes;
    ac_error err = {.status = AC_OK};
    size_t count;
    extract_task task = {.kind = kind,
                         .turns = turns,
                         .turn_count = turn_count,
                         .actor_id = "a",
                         .session_id = store.session,
                         .reflect = true,
                         .nearest = store_nearest,
                         .user = &store};
    ac_status status = extract_run(engine, &task, &memory, &changes, &count, &err);

    if (status != AC_OK) {
        assert_int_equal(status, AC_ERR_NOMEM);
        assert_string_equal(err.message, "out of memory");
        assert_int_equal(count, 0);
    } else if (apply) {
        assert_true(store_apply(&store, changes, count));
    }
    return status;
}

static void each_kind(void **state)
{
    (void)state;
    for (extract_kind kind = EXTRACT_SEMANTIC; kind <= EXTRACT_EPISODIC; kind++) {
        int failures = 0;

        snprintf(store.session, sizeof store.session, "s");
        assert_int_equal(run(kind, 4, true), AC_OK); /* so that something is known */
        for (int at = 0;; at++, failures++) {
            allocations_left = at;
            has_failed = false;
            ac_status status = run(kind, ARRAY_SIZE(turns), false);
            allocations_left = -1;
            if (!has_failed) {
                assert_int_equal(status, AC_OK);
                break;
            }
            assert_true(at < 5000);
        }
        assert_true(failures > 3);
        store_clear(&store);
    }
}

static void opening(void **state)
{
    extractor *x;

    (void)state;
    allocations_left = 0;
    assert_int_equal(extractor_open(&(extractor_options){0}, &x, NULL), AC_ERR_NOMEM);
    allocations_left = -1;
    assert_null(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(opening), cmocka_unit_test(each_kind)};
    int failed;

    if (extractor_open(&(extractor_options){0}, &engine, NULL) != AC_OK)
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    extractor_close(engine);
    return failed;
}
