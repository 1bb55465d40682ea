/* test_cgroups.c - control groups of this machine, of whichever version: limits that bite, groups that go away.  What
 * cannot be had here (by an ordinary user, mostly) is skipped. */
#include "daemon/sandbox/cgroups_internal.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)
#define DEADLINE_MS 10000

static cgroups *groups;
static ac_error err;

static int open_groups(void **state)
{
    (void)state;
    return cgroups_open(&groups, &err) != AC_OK;
}

static int close_groups(void **state)
{
    (void)state;
    cgroups_close(groups);
    groups = NULL;
    return 0;
}

static void need(unsigned controllers)
{
    if ((cgroups_have(groups) & controllers) == controllers)
        return;
    print_message("no control group can be made here\n");
    skip();
}

static cgroup *make_group(const cgroup_limits *limits)
{
    cgroup *group = NULL;

    assert_int_equal(cgroup_make(groups, "box-1", limits, &group, &err), AC_OK);
    return group;
}

/* Run act in a process that is in the group before it begins. */
static pid_t start_in(cgroup *group, int (*act)(void))
{
    int gate[2];
    pid_t child;
    char byte;

    assert_int_equal(pipe(gate), 0);
    child = fork();
    if (child == 0) {
        close(gate[1]);
        if (read(gate[0], &byte, 1) != 0)
            _exit(99);
        _exit(act());
    }
    assert_true(child > 0);
    close(gate[0]);
    assert_int_equal(cgroup_add(group, child, &err), AC_OK);
    close(gate[1]);
    return child;
}

static int end_of(pid_t child)
{
    int status = 0;

    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void remove_soon(cgroup *group)
{
    for (int waited = 0; !cgroup_remove(group); waited++) {
        assert_true(waited < DEADLINE_MS);
        poll(NULL, 0, 1);
    }
}

/* ---- limits ---- */

static int use_memory(void)
{
    char *memory = mmap(NULL, 256 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (size_t at = 0; memory != MAP_FAILED && at < 256 * MIB; at += 4096)
        memory[at] = 1;
    return 0;
}

static void memory_is_limited(void **state)
{
    cgroup *group;
    int status;

    (void)state;
    need(CGROUP_MEMORY);
    group = make_group(&(cgroup_limits){.memory_bytes = 64 * MIB});
    assert_false(cgroup_out_of_memory(group));
    status = end_of(start_in(group, use_memory));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_true(cgroup_out_of_memory(group));
    remove_soon(group);
}

static void memory_within_the_limit_is_no_reason(void **state)
{
    cgroup *group;
    int status;

    (void)state;
    need(CGROUP_MEMORY);
    group = make_group(&(cgroup_limits){.memory_bytes = 512 * MIB});
    status = end_of(start_in(group, use_memory));
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_false(cgroup_out_of_memory(group));
    remove_soon(group);
}

/* How many children could be had; each waits for the end of the pipe. */
static int make_processes(void)
{
    int made = 0, hold[2];
    char byte;

    if (pipe(hold) != 0)
        return 98;
    for (pid_t child = fork(); child >= 0 && made < 90; child = fork()) {
        if (child == 0) {
            close(hold[1]);
            _exit((int)read(hold[0], &byte, 1));
        }
        made++;
    }
    return errno == EAGAIN ? made : 97;
}

static void processes_are_limited(void **state)
{
    cgroup *group;
    int status;

    (void)state;
    need(CGROUP_PIDS);
    group = make_group(&(cgroup_limits){.processes = 16});
    status = end_of(start_in(group, make_processes));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 15); /* and itself */
    remove_soon(group);
}

static double seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Per cent of a core that a process gets which does nothing but count. */
static int spin(void)
{
    double begin = seconds(CLOCK_MONOTONIC), wall = 0;

    while (wall < 0.6)
        wall = seconds(CLOCK_MONOTONIC) - begin;
    return (int)(seconds(CLOCK_PROCESS_CPUTIME_ID) / wall * 100);
}

static void cpu_time_is_limited(void **state)
{
    cgroup *group;
    int status;

    (void)state;
    need(CGROUP_CPU);
    group = make_group(&(cgroup_limits){.cpu_percent = 20});
    status = end_of(start_in(group, spin));
    assert_true(WIFEXITED(status));
    assert_in_range(WEXITSTATUS(status), 1, 45);
    remove_soon(group);
}

/* ---- ends ---- */

static int make_processes_without_end(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    while (fork() >= -1)
        ;
    return 0;
}

static void all_are_killed_while_they_multiply(void **state)
{
    cgroup *group;
    pid_t child;
    int status;

    (void)state;
    need(CGROUP_PIDS);
    group = make_group(&(cgroup_limits){.processes = 64});
    child = start_in(group, make_processes_without_end);
    assert_false(cgroup_remove(group));
    cgroup_kill(group);
    status = end_of(child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    remove_soon(group);
}

static int wait_for_signal(void)
{
    pause();
    return 0;
}

/* A hierarchy of version 2 without controllers can kill, too: the kernel's own way is tried where that is all there is.
 */
static void version_2_kills(void **state)
{
    char directory[PATH_MAX], pid[16];
    pid_t child;
    int status;

    (void)state;
    if (!cgroup_find("", NULL, directory) || strlen(directory) + 32 > sizeof directory)
        skip();
    sprintf(directory + strlen(directory), "/agentcored-test-%ld", (long)getpid());
    if (cgroup_directory_make(directory) != 0)
        skip();
    child = fork();
    if (child == 0)
        _exit(wait_for_signal());
    snprintf(pid, sizeof pid, "%ld", (long)child);
    assert_int_equal(cgroup_write(directory, "cgroup.procs", pid), 0);
    assert_int_equal(cgroup_directory_remove(directory), EBUSY);
    cgroup_directory_kill(directory);
    status = end_of(child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(cgroup_directory_remove(directory), 0);
}

/* ---- groups ---- */

static void a_process_that_is_gone_cannot_be_put_in(void **state)
{
    cgroup *group;
    pid_t child = fork();

    (void)state;
    if (child == 0)
        _exit(0);
    end_of(child);
    need(CGROUP_PIDS);
    group = make_group(&(cgroup_limits){.processes = 16});
    assert_int_equal(cgroup_add(group, child, &err), AC_ERR_IO);
    assert_non_null(strstr(err.message, "No such process"));
    assert_true(cgroup_remove(group));
}

static void names_are_checked_and_not_taken_twice(void **state)
{
    cgroup *group = NULL, *other = NULL;
    const cgroup_limits limits = {.processes = 16};

    (void)state;
    need(CGROUP_PIDS);
    assert_int_equal(cgroup_make(groups, "", &limits, &other, &err), AC_ERR_INVALID);
    assert_int_equal(cgroup_make(groups, "../x", &limits, &other, &err), AC_ERR_INVALID);
    assert_int_equal(cgroup_make(groups, "a/b", &limits, &other, &err), AC_ERR_INVALID);
    group = make_group(&limits);
    assert_int_equal(cgroup_make(groups, "box-1", &limits, &other, &err), AC_ERR_CONFLICT);
    assert_true(cgroup_remove(group));
    group = make_group(&limits);
    assert_true(cgroup_remove(group));
}

/* The group that the parent is made in, of the hierarchy with "pids". */
static void own_group(char own[PATH_MAX])
{
    if (cgroup_find("", "pids", own))
        return;
    assert_true(cgroup_find("", NULL, own));
    cgroup_v2_start(own);
}

/* False: the first was taken away before there was the second. */
static bool make_both(const char *outer, const char *inner)
{
    if (mkdir(outer, 0755) != 0 && errno != EEXIST)
        fail_msg("%s: %s", outer, strerror(errno));
    if (mkdir(inner, 0755) == 0 || errno == EEXIST)
        return true;
    if (errno != ENOENT && errno != ENODEV)
        fail_msg("%s: %s", inner, strerror(errno));
    return false;
}

static void groups_of_the_dead_are_removed_and_those_of_the_living_not(void **state)
{
    char own[PATH_MAX], abandoned[PATH_MAX + 16], box[PATH_MAX + 32];
    cgroups *other = NULL;
    cgroup *group = NULL;

    (void)state;
    need(CGROUP_PIDS);
    own_group(own);
    snprintf(abandoned, sizeof abandoned, "%s/agentcored-1", own);
    snprintf(box, sizeof box, "%s/box", abandoned);
    while (!make_both(abandoned, box))
        continue; /* a daemon beside us removes abandoned groups as well */
    assert_int_equal(cgroups_open(&other, &err), AC_OK);
    for (int waited = 0; access(abandoned, F_OK) == 0; waited++) { /* perhaps by that one, which has begun before */
        assert_true(waited < DEADLINE_MS);
        poll(NULL, 0, 1);
    }

    /* Both of this process, under two names, and the second did not take the first for abandoned. */
    assert_int_equal(cgroups_have(other), cgroups_have(groups));
    group = make_group(&(cgroup_limits){.processes = 16});
    assert_true(cgroup_remove(group));
    cgroups_close(other);
}

static void nothing_is_left(void **state)
{
    char own[PATH_MAX], name[32];
    DIR *entries;

    need(CGROUP_PIDS);
    own_group(own);
    close_groups(state);
    snprintf(name, sizeof name, "agentcored-%ld", (long)getpid());
    entries = opendir(own);
    assert_non_null(entries);
    for (struct dirent *entry = readdir(entries); entry; entry = readdir(entries))
        assert_int_not_equal(strncmp(entry->d_name, name, strlen(name)), 0);
    closedir(entries);
}

static void without_any_everything_succeeds(void **state)
{
    cgroups *none = NULL;
    cgroup *group = NULL;

    (void)state;
    assert_int_equal(cgroups_open_at("/nonexistent", &none, &err), AC_OK);
    assert_int_equal(cgroups_have(none), 0);
    assert_int_equal(cgroup_make(none, "box", &(cgroup_limits){.processes = 1}, &group, &err), AC_OK);
    assert_int_equal(cgroup_add(group, getpid(), &err), AC_OK);
    assert_false(cgroup_out_of_memory(group));
    cgroup_kill(group);
    assert_true(cgroup_remove(group));
    cgroups_close(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(memory_is_limited, open_groups, close_groups),
        cmocka_unit_test_setup_teardown(memory_within_the_limit_is_no_reason, open_groups, close_groups),
        cmocka_unit_test_setup_teardown(processes_are_limited, open_groups, close_groups),
        cmocka_unit_test_setup_teardown(cpu_time_is_limited, open_groups, close_groups),
        cmocka_unit_test_setup_teardown(all_are_killed_while_they_multiply, open_groups, close_groups),
        cmocka_unit_test(version_2_kills),
        cmocka_unit_test_setup_teardown(a_process_that_is_gone_cannot_be_put_in, open_groups, close_groups),
        cmocka_unit_test_setup_teardown(names_are_checked_and_not_taken_twice, open_groups, close_groups),
        cmocka_unit_test_setup_teardown(groups_of_the_dead_are_removed_and_those_of_the_living_not, open_groups,
                                        close_groups),
        cmocka_unit_test_setup_teardown(nothing_is_left, open_groups, close_groups),
        cmocka_unit_test(without_any_everything_succeeds),
    };

    return cmocka_run_group_tests_name("daemon_cgroups", tests, NULL, NULL);
}
