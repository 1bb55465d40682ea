/* test_sandbox_end.c - stopping, and that nothing is left: not by many sandboxes, and not when somebody is killed. */
#include "sandbox_fixture.h"

#include "base/clock.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define IN_PARALLEL 100
#define ONE_AFTER_ANOTHER 500

static sandbox *start_reporting(sandboxes *all, const char *const *argv, int *ret_output)
{
    int ends[2];
    sandbox *box;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    box = fixture_start(all, (sandbox_spec){.argv = argv, .output_fd = ends[1]});
    close(ends[1]);
    *ret_output = ends[0];
    return box;
}

/* ---- stopping ---- */

static void stop_asks_first(void **state)
{
    sandbox_event event;
    sandbox *box;
    int output;

    fixture_need(*state);
    box = start_reporting(*state, ARGV(GUEST, "wait", "exit"), &output);
    fixture_await_text(output, "waiting");
    sandbox_stop(box, 10000);
    event = fixture_await(box, SANDBOX_ENDED);
    assert_int_equal(event.end, SANDBOX_EXITED);
    assert_int_equal(event.code, 7);
    close(output);
    sandbox_free(box);

    box = start_reporting(*state, ARGV(GUEST, "wait", "leave"), &output);
    fixture_await_text(output, "waiting");
    sandbox_stop(box, 10000);
    event = fixture_await(box, SANDBOX_ENDED);
    assert_int_equal(event.end, SANDBOX_KILLED);
    assert_int_equal(event.code, SIGTERM);
    close(output);
    sandbox_free(box);
}

static void stop_kills_in_the_end(void **state)
{
    uint64_t begin_ms;
    sandbox_event event;
    sandbox *box;
    int output;

    fixture_need(*state);
    box = start_reporting(*state, ARGV(GUEST, "wait", "ignore"), &output);
    fixture_await_text(output, "waiting");
    begin_ms = clock_monotonic_ms();
    sandbox_stop(box, 200);
    event = fixture_await(box, SANDBOX_ENDED);
    assert_true(clock_monotonic_ms() - begin_ms >= 200);
    assert_int_equal(event.end, SANDBOX_KILLED);
    assert_int_equal(event.code, SIGKILL);
    assert_false(sandbox_next_event(box, &event));
    sandbox_stop(box, 1); /* it is over: nothing */
    sandbox_stop(box, 0);
    close(output);
    sandbox_free(box);

    /* A second stop may be more impatient. */
    box = start_reporting(*state, ARGV(GUEST, "wait", "ignore"), &output);
    fixture_await_text(output, "waiting");
    sandbox_stop(box, 1000000);
    sandbox_stop(box, 0);
    assert_int_equal(fixture_await(box, SANDBOX_ENDED).end, SANDBOX_KILLED);
    close(output);
    sandbox_free(box);
}

static void free_takes_all(void **state)
{
    sandbox *box;
    int output;

    fixture_need(*state);
    box = start_reporting(*state, ARGV("/bin/sh", "-c", "sleep 1000 & setsid sleep 1000 & echo up; wait"), &output);
    fixture_await_text(output, "up");
    assert_true(fixture_busy(*state) >= 4); /* bwrap, init, the shell, a sleep or two */
    sandbox_free(box);
    assert_int_equal(fixture_busy(*state), 0); /* at once */
    assert_int_equal(read(output, &(char){0}, 1), 0);
    assert_int_equal(fixture_groups(*state), 0);
    assert_int_equal(sandboxes_count(*state), 0);
    close(output);
    sandbox_free(NULL);
}

/* ---- many ---- */

/* The spawner tells of an end before it closes what it had for it, and makes runners ready when it has time. */
static void await_spawner_files(const sandboxes *all, size_t most)
{
    uint64_t end_ms = clock_monotonic_ms() + FIXTURE_WAIT_MS;
    pid_t spawner = fixture_spawner(all);

    while (fixture_open_files(spawner) > most) {
        if (clock_monotonic_ms() >= end_ms)
            fail_msg("the spawner has %zu files open, not %zu", fixture_open_files(spawner), most);
        poll(NULL, 0, 5);
    }
}

static void *start_one(void *arg)
{
    sandbox *box = NULL;
    ac_error err = {0};

    if (sandbox_start(arg, &(sandbox_spec){.argv = ARGV("sleep", "1000"), .output_fd = -1}, &box, &err) != AC_OK)
        print_message("# %s\n", err.message);
    return box;
}

static void many_at_once(void **state)
{
    size_t files = fixture_open_files(getpid()), spawner_files = fixture_open_files(fixture_spawner(*state));
    pthread_t threads[IN_PARALLEL];
    void *boxes[IN_PARALLEL];

    fixture_need(*state);
    for (size_t i = 0; i < IN_PARALLEL; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, start_one, *state), 0);
    for (size_t i = 0; i < IN_PARALLEL; i++)
        pthread_join(threads[i], &boxes[i]);
    for (size_t i = 0; i < IN_PARALLEL; i++)
        assert_non_null(boxes[i]);
    assert_int_equal(sandboxes_count(*state), IN_PARALLEL);
    assert_int_equal(fixture_busy(*state), 3 * IN_PARALLEL);
    if (fixture_has_cgroups(*state))
        assert_true(fixture_groups(*state) >= IN_PARALLEL);
    for (size_t i = 0; i < IN_PARALLEL; i++)
        sandbox_free(boxes[i]);
    assert_int_equal(fixture_busy(*state), 0);
    assert_int_equal(fixture_groups(*state), 0);
    assert_true(fixture_open_files(getpid()) <= files + 1); /* agentcore-init's, which is kept */
    await_spawner_files(*state, spawner_files + 4);         /* runners */
}

static void many_one_after_another(void **state)
{
    static const char *const argvs[][4] = {{"/bin/true", NULL}, {"/no/such", NULL}, {"sleep", "1000", NULL}};
    size_t files, spawner_files = fixture_open_files(fixture_spawner(*state));

    fixture_need(*state);
    files = fixture_open_files(getpid());
    for (unsigned i = 0; i < ONE_AFTER_ANOTHER; i++) {
        sandbox *box = NULL;
        ac_error err = {0};
        ac_status status = sandbox_start(*state, &(sandbox_spec){.argv = argvs[i % 3], .output_fd = -1}, &box, &err);

        if (status != (i % 3 == 1 ? AC_ERR_NOT_FOUND : AC_OK))
            fail_msg("start %u: %s", i, err.message);
        sandbox_free(box);
    }
    assert_int_equal(sandboxes_count(*state), 0);
    assert_int_equal(fixture_busy(*state), 0);
    assert_int_equal(fixture_groups(*state), 0);
    assert_int_equal(fixture_open_files(getpid()), files);
    await_spawner_files(*state, spawner_files + 4); /* runners */
}

static void as_many_as_there_may_be(void **state)
{
    sandboxes *all = NULL;
    sandbox *one = NULL, *two = NULL;
    const sandbox_spec spec = {.argv = ARGV("/bin/sleep", "1000"), .output_fd = -1};
    char init[512];

    fixture_need(*state);
    snprintf(init, sizeof init, "%s/agentcore-init", fixture_directory());
    assert_int_equal(sandboxes_open(&(sandboxes_options){.init = init, .sandboxes_max = 1}, &all, NULL), AC_OK);
    assert_int_equal(sandbox_start(all, &spec, &one, NULL), AC_OK);
    assert_int_equal(sandbox_start(all, &spec, &two, NULL), AC_ERR_QUOTA);
    sandbox_free(one);
    assert_int_equal(sandbox_start(all, &spec, &two, NULL), AC_OK);
    sandbox_free(two);
    sandboxes_close(all);
}

/* ---- killed ---- */

static void kill_and_watch(pid_t (*whom)(const sandboxes *all))
{
    sandboxes *all = fixture_sandboxes();
    pid_t pids[FIXTURE_PROCESSES_MAX], victim;
    sandbox *boxes[3], *late = NULL;
    int outputs[3], fd;
    sandbox_event event;
    size_t count;

    for (size_t i = 0; i < 3; i++) {
        boxes[i] = start_reporting(all, ARGV(GUEST, "wait", "ignore"), &outputs[i]);
        fixture_await_text(outputs[i], "waiting");
    }
    count = fixture_descendants(fixture_keeper(all), pids);
    assert_true(count >= 10);
    victim = whom(all);
    kill(victim, SIGKILL);
    fixture_await_death(pids, count);
    for (size_t i = 0; i < 3; i++) {
        event = fixture_await(boxes[i], SANDBOX_ENDED);
        assert_int_equal(event.end, SANDBOX_KILLED);
        assert_int_equal(sandbox_socket(boxes[i], &fd, NULL), AC_ERR_CLOSED);
        sandbox_free(boxes[i]);
        close(outputs[i]);
    }
    assert_int_equal(sandbox_start(all, &(sandbox_spec){.argv = ARGV("true"), .output_fd = -1}, &late, NULL),
                     AC_ERR_IO);
    assert_int_equal(fixture_groups(all) > 0 && victim != fixture_keeper(all), 0);
    sandboxes_close(all);
}

static void nothing_outlives_the_spawner(void **state)
{
    fixture_need(*state);
    kill_and_watch(fixture_spawner);
}

static void nothing_outlives_the_keeper(void **state)
{
    fixture_need(*state);
    kill_and_watch(fixture_keeper);
}

/* In a child: start some, with more on the way all the time, and wait to be killed. */
_Noreturn static void be_a_daemon(int report)
{
    sandboxes *all = fixture_sandboxes();
    pthread_t thread;
    int output;

    for (size_t i = 0; i < 3; i++) {
        start_reporting(all, ARGV(GUEST, "wait", "ignore"), &output);
        fixture_await_text(output, "waiting");
    }
    for (size_t i = 0; i < 4; i++)
        if (pthread_create(&thread, NULL, start_one, all) != 0)
            _exit(1);
    if (write(report, "up", 2) != 2)
        _exit(1);
    for (;;)
        pause();
}

static void nothing_outlives_the_daemon(void **state)
{
    fixture_need(*state);
    for (unsigned round = 0; round < 10; round++) {
        pid_t pids[FIXTURE_PROCESSES_MAX], child;
        int report[2];
        size_t count;

        assert_int_equal(pipe2(report, O_CLOEXEC), 0);
        child = fork();
        if (child == 0)
            be_a_daemon(report[1]);
        close(report[1]);
        fixture_await_text(report[0], "up");
        close(report[0]);
        poll(NULL, 0, (int)round); /* at different moments of the starts that are on their way */
        kill(child, SIGSTOP);
        count = fixture_descendants(child, pids);
        assert_true(count >= 2 + 3 * 3);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        fixture_await_death(pids, count);
    }
}

static void close_takes_all(void **state)
{
    sandboxes *all;
    pid_t pids[FIXTURE_PROCESSES_MAX];
    size_t count, files = fixture_open_files(getpid());
    sandbox *box;
    int output;

    fixture_need(*state);
    all = fixture_sandboxes();
    box = start_reporting(all, ARGV(GUEST, "wait", "ignore"), &output);
    fixture_await_text(output, "waiting");
    count = fixture_descendants(fixture_keeper(all), pids);
    assert_true(count >= 4);
    sandbox_free(box);
    sandboxes_close(all);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(kill(pids[i], 0), -1);
    close(output);
    assert_int_equal(fixture_open_files(getpid()), files);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stop_asks_first),
        cmocka_unit_test(stop_kills_in_the_end),
        cmocka_unit_test(free_takes_all),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(many_one_after_another),
        cmocka_unit_test(as_many_as_there_may_be),
        cmocka_unit_test(nothing_outlives_the_spawner),
        cmocka_unit_test(nothing_outlives_the_keeper),
        cmocka_unit_test(nothing_outlives_the_daemon),
        cmocka_unit_test(close_takes_all),
    };

    fixture_main(argc, argv);
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
