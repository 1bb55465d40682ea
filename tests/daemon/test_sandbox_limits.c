/* test_sandbox_limits.c - memory, processes, places for files, open files: with cgroups, and without. */
#include "sandbox_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEBI ((uint64_t)1 << 20)

static void stops_at_its_memory(void **state)
{
    const sandbox_limits limits = {.memory_bytes = 64 * MEBI};
    fixture_result r;
    char text[128];

    fixture_need(*state);
    fixture_run(*state, (sandbox_spec){.argv = ARGV(GUEST, "eat", "400"), .limits = limits}, &r);
    assert_int_equal(r.end.end, SANDBOX_MEMORY);
    sandbox_end_text(&r.end, &limits, text, sizeof text);
    assert_string_equal(text, "used more memory than its limit of 64 MiB");
}

/* Killed is the child; the shell that tells of it ends as shells do. */
static void stops_a_child_at_its_memory(void **state)
{
    fixture_result r;

    fixture_need(*state);
    fixture_run(
        *state,
        (sandbox_spec){.argv = ARGV("/bin/sh", "-c", GUEST " eat 400; exit $?"), .limits = {.memory_bytes = 64 * MEBI}},
        &r);
    assert_int_equal(r.end.end, SANDBOX_MEMORY);
}

static void many_together_stop_at_their_memory(void **state)
{
    fixture_result r;

    fixture_need(*state);
    fixture_run(*state,
                (sandbox_spec){.argv = ARGV("/bin/sh", "-c",
                                            "trap 'exit 137' USR1; for i in 1 2 3 4 5 6; do (" GUEST
                                            " eat 20; kill -USR1 $$) & done; while :; do sleep 0.1; done"),
                               .limits = {.memory_bytes = 64 * MEBI}},
                &r);
    /* With a cgroup, one or more of them are killed and the rest stays; without, everything is killed. */
    assert_int_equal(r.end.end, SANDBOX_MEMORY);
}

static void files_in_memory_count(void **state)
{
    fixture_result r;

    fixture_need(*state);
    fixture_run(
        *state,
        (sandbox_spec){.argv = ARGV("/bin/sh", "-c",
                                    "dd if=/dev/zero of=/tmp/f bs=1M count=200 2>/dev/null; e=$?; sleep 1; exit $e"),
                       .limits = {.memory_bytes = 64 * MEBI}},
        &r);
    assert_int_equal(r.end.end, SANDBOX_MEMORY);
}

static void may_use_what_it_may(void **state)
{
    sandbox *box;
    int ends[2];

    fixture_need(*state);
    assert_int_equal(pipe(ends), 0);
    box = fixture_start(*state, (sandbox_spec){.argv = ARGV(GUEST, "eat", "100"),
                                               .output_fd = ends[1],
                                               .limits = {.memory_bytes = 160 * MEBI}});
    fixture_await_text(ends[0], "eaten");
    sandbox_stop(box, 0);
    assert_int_equal(fixture_await(box, SANDBOX_ENDED).end, SANDBOX_KILLED);
    sandbox_free(box);
    close(ends[0]);
    close(ends[1]);
}

static void stops_at_its_processes(void **state)
{
    fixture_result r;
    int made = 0;

    fixture_need(*state);
    fixture_run(*state, (sandbox_spec){.argv = ARGV(GUEST, "processes", "1000"), .limits = {.processes = 20}}, &r);
    assert_int_equal(r.end.end, SANDBOX_EXITED);
    assert_int_equal(sscanf(r.output, "made %d", &made), 1);
    assert_int_equal(made, 19); /* and itself */
}

static void stops_at_its_places(void **state)
{
    fixture_result r;

    fixture_need(*state);
    fixture_run(
        *state,
        (sandbox_spec){
            .argv = ARGV("/bin/sh", "-c",
                         "for d in /tmp /home/agent /dev/shm; do dd if=/dev/zero of=$d/f bs=64k count=1000 2>&1 | "
                         "grep -o 'No space left'; stat -c %s $d/f; done; exit 0"),
            .limits = {.disk_bytes = 4 * MEBI}},
        &r);
    assert_string_equal(r.output, "No space left\n4194304\nNo space left\n4194304\nNo space left\n4194304\n");
    assert_int_equal(r.end.end, SANDBOX_EXITED);
}

static void stops_at_its_open_files(void **state)
{
    fixture_result r;

    fixture_need(*state);
    fixture_run(*state, (sandbox_spec){.argv = ARGV(GUEST, "files"), .limits = {.open_files = 64}}, &r);
    assert_string_equal(r.output, "opened 61\n");
    fixture_shell(*state, "ulimit -c; ulimit -n 5000 2>/dev/null || echo refused", &r);
    assert_string_equal(r.output, "0\nrefused\n");
}

/* Node.js, Go and others reserve far more than they use. */
static void address_space_is_not_memory(void **state)
{
    fixture_result r;

    fixture_need(*state);
    fixture_shell(*state, "ulimit -v", &r);
    assert_string_equal(r.output, "unlimited\n");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stops_at_its_memory),
        cmocka_unit_test(stops_a_child_at_its_memory),
        cmocka_unit_test(many_together_stop_at_their_memory),
        cmocka_unit_test(files_in_memory_count),
        cmocka_unit_test(may_use_what_it_may),
        cmocka_unit_test(stops_at_its_processes),
        cmocka_unit_test(stops_at_its_places),
        cmocka_unit_test(stops_at_its_open_files),
        cmocka_unit_test(address_space_is_not_memory),
    };

    fixture_main(argc, argv);
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
