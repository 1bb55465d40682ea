/* Calls that are kept: what ended them may be gone before the call is, and what is logged of it is still true. */
#include "rooms_client.h"

#include "base/log.h"

#include <fcntl.h>
#include <unistd.h>

static front_call *kept;

/* The failure is gone as soon as it was told. */
static void *end_it(void *unused)
{
    ac_error *err = calloc(1, sizeof *err);

    (void)unused;
    assert_non_null(err);
    ac_error_set(err, AC_ERR_AGAIN, "come again");
    front_end_failed(kept, front_retryable(err), err);
    memset(err, 'x', sizeof *err);
    free(err);
    return NULL;
}

/* Is ended by another thread while the handler has not returned yet, so that this thread is the last. */
static ac_status handle(front_call *call, ac_error *err)
{
    pthread_t thread;

    (void)err;
    front_keep(call);
    kept = call;
    assert_int_equal(pthread_create(&thread, NULL, end_it, NULL), 0);
    pthread_join(thread, NULL);
    return AC_OK;
}

static void failure_is_kept(void **state)
{
    static const front_operation operation = {.id = API_LIST_MEMORIES, .handle = handle};
    rooms *r = *state;
    char lines[4096];
    int ends[2], saved = dup(STDERR_FILENO);
    ac_error err;

    assert_ok(front_register(r->front, &operation, 1, NULL));
    r->front->options.access_log = true;
    ac_log_set_level(AC_LOG_INFO);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    dup2(ends[1], STDERR_FILENO);
    rooms_bad(r, "ListMemories", "{}", 409, "RetryableConflictException");
    assert_true(workers_stop(r->workers, 20000)); /* the line comes after the answer */
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);

    size_t length = 0;
    for (ssize_t got; (got = read(ends[0], lines + length, sizeof lines - 1 - length)) > 0;)
        length += (size_t)got;
    lines[length] = '\0';
    close(ends[0]);
    assert_non_null(strstr(lines, "\"status\": 409"));
    assert_non_null(strstr(lines, "\"error\": \"RetryableConflictException\""));
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test_setup_teardown(failure_is_kept, rooms_set_up, rooms_tear_down),
    };

    fixture_require();
    return cmocka_run_group_tests(all, NULL, NULL);
}
