/* test_cgroups_v2.c - control groups of version 2, in a directory that keeps the kernel's rules (cgroup2_imitation.c).
 * Whether a real kernel agrees is what test_cgroups.c shows on a machine that has version 2. */
#include "cgroup2_imitation.h"
#include "daemon/sandbox/cgroups_internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SERVICE "/user.slice/user-1000.slice/user@1000.service/app.slice/agentcored.service"
#define ALL (CGROUP_MEMORY | CGROUP_PIDS | CGROUP_CPU)

static const cgroup_limits limits = {.memory_bytes = 1 << 20, .processes = 7, .cpu_percent = 150};
static ac_error err;
static char path[256], text[64];

static cgroups *open_in(const imitation_options *options)
{
    cgroups *groups = NULL;

    assert_int_equal(cgroups_open_at(imitation_open(options), &groups, &err), AC_OK);
    return groups;
}

static int tear_down(void **state)
{
    (void)state;
    imitation_close();
    return 0;
}

/* "OWN/agentcored-PID/name" */
static const char *of_parent(const char *own, const char *name)
{
    snprintf(path, sizeof path, "%s/agentcored-%ld%s", strcmp(own, "/") == 0 ? "" : own, (long)getpid(), name);
    return path;
}

static const char *own_pid(const char *before)
{
    snprintf(text, sizeof text, "%s%ld\n", before, (long)getpid());
    return text;
}

static void limits_are_set_below_a_delegated_group(void **state)
{
    cgroups *groups = open_in(&(imitation_options){.own = SERVICE, .controllers = "memory pids cpu"});
    cgroup *group = NULL;

    (void)state;
    assert_int_equal(cgroups_have(groups), ALL);
    assert_string_equal(imitation_file(SERVICE, "cgroup.procs"), "");
    assert_string_equal(imitation_file(SERVICE "/agentcored", "cgroup.procs"), own_pid(""));

    assert_int_equal(cgroup_make(groups, "box", &limits, &group, &err), AC_OK);
    assert_string_equal(imitation_file(of_parent(SERVICE, "/box"), "memory.max"), "1048576");
    assert_string_equal(imitation_file(path, "memory.swap.max"), "0");
    assert_string_equal(imitation_file(path, "pids.max"), "7");
    assert_string_equal(imitation_file(path, "cpu.max"), "150000 100000");

    assert_int_equal(cgroup_add(group, 77, &err), AC_OK);
    assert_string_equal(imitation_file(path, "cgroup.procs"), "77\n");
    assert_false(cgroup_remove(group));
    assert_false(cgroup_out_of_memory(group));
    imitation_set(path, "memory.events", "low 0\noom 3\noom_kill 2\n");
    assert_true(cgroup_out_of_memory(group));

    cgroup_kill(group);
    assert_string_equal(imitation_file(path, "cgroup.kill"), "1");
    assert_true(cgroup_remove(group));
    assert_false(imitation_exists(of_parent(SERVICE, "/box")));
    cgroups_close(groups);
    assert_false(imitation_exists(of_parent(SERVICE, "")));
}

static void processes_beside_us_are_moved_too(void **state)
{
    cgroups *groups = open_in(
        &(imitation_options){.own = "/session.scope", .controllers = "memory pids cpu", .neighbours = "11\n12\n"});
    char expected[64];

    (void)state;
    assert_int_equal(cgroups_have(groups), ALL);
    snprintf(expected, sizeof expected, "%ld\n11\n12\n", (long)getpid());
    assert_string_equal(imitation_file("/session.scope/agentcored", "cgroup.procs"), expected);
    cgroups_close(groups);
}

/* Of another process namespace: it cannot be moved, so nothing can be passed on. */
static void a_process_out_of_reach_is_in_the_way(void **state)
{
    cgroups *groups =
        open_in(&(imitation_options){.own = "/box", .controllers = "memory pids cpu", .neighbours = "0\n"});

    (void)state;
    assert_int_equal(cgroups_have(groups), 0);
    assert_false(imitation_exists(of_parent("/box", "")));
    cgroups_close(groups);
}

static void the_root_of_all_keeps_its_processes(void **state)
{
    cgroups *groups =
        open_in(&(imitation_options){.own = "/", .controllers = "memory pids cpu", .own_is_root_of_all = true});
    cgroup *group = NULL;

    (void)state;
    assert_int_equal(cgroups_have(groups), ALL);
    assert_string_equal(imitation_file("/", "cgroup.procs"), own_pid(""));
    assert_false(imitation_exists("/agentcored"));
    assert_int_equal(cgroup_make(groups, "box", &limits, &group, &err), AC_OK);
    assert_string_equal(imitation_file(of_parent("/", "/box"), "pids.max"), "7");
    assert_true(cgroup_remove(group));
    cgroups_close(groups);
}

static void who_starts_in_the_leaf_uses_the_group_above(void **state)
{
    cgroups *groups;
    cgroup *group = NULL;

    (void)state;
    groups = open_in(&(imitation_options){.own = "/a.service", .controllers = "memory pids"});
    cgroups_close(groups);
    assert_true(imitation_exists("/a.service/agentcored"));
    imitation_set_proc("cgroup", "0::/a.service/agentcored\n");

    assert_int_equal(cgroups_open_at(imitation_root, &groups, &err), AC_OK);
    assert_int_equal(cgroups_have(groups), CGROUP_MEMORY | CGROUP_PIDS);
    assert_int_equal(cgroup_make(groups, "box", &limits, &group, &err), AC_OK);
    assert_true(imitation_exists(of_parent("/a.service", "/box")));
    assert_true(cgroup_remove(group));
    cgroups_close(groups);
    assert_false(imitation_exists("/a.service/agentcored/agentcored"));
}

static void only_what_is_delegated_is_had(void **state)
{
    cgroups *groups = open_in(&(imitation_options){.own = SERVICE, .controllers = "pids hugetlb cpuset"});
    cgroup *group = NULL;

    (void)state;
    assert_int_equal(cgroups_have(groups), CGROUP_PIDS);
    assert_int_equal(cgroup_make(groups, "box", &limits, &group, &err), AC_OK);
    assert_string_equal(imitation_file(of_parent(SERVICE, "/box"), "pids.max"), "7");
    assert_string_equal(imitation_file(path, "memory.max"), "-");
    assert_false(cgroup_out_of_memory(group));
    assert_true(cgroup_remove(group));
    cgroups_close(groups);
}

static void a_group_that_is_not_ours_is_left_alone(void **state)
{
    cgroups *groups = open_in(&(imitation_options){
        .own = "/session.scope", .controllers = "memory pids", .failure_of_make = EACCES, .neighbours = "11\n"});
    cgroup *group = NULL;
    char before[64];

    (void)state;
    assert_int_equal(cgroups_have(groups), 0);
    snprintf(before, sizeof before, "%ld\n11\n", (long)getpid());
    assert_string_equal(imitation_file("/session.scope", "cgroup.procs"), before);
    assert_int_equal(cgroup_make(groups, "box", &limits, &group, &err), AC_OK);
    assert_true(cgroup_remove(group));
    cgroups_close(groups);
}

static void swap_that_is_not_counted_is_no_failure(void **state)
{
    cgroups *groups = open_in(&(imitation_options){.own = SERVICE, .controllers = "memory", .no_swap = true});
    cgroup *group = NULL;

    (void)state;
    assert_int_equal(cgroup_make(groups, "box", &limits, &group, &err), AC_OK);
    assert_string_equal(imitation_file(of_parent(SERVICE, "/box"), "memory.max"), "1048576");
    assert_true(cgroup_remove(group));
    cgroups_close(groups);
}

/* Without cgroup.kill: no more processes, and a process that is not in the group any more is not killed: 1 never is. */
static void old_kernels_are_killed_by_hand(void **state)
{
    cgroups *groups = open_in(&(imitation_options){.own = SERVICE, .controllers = "pids", .no_kill = true});
    cgroup *group = NULL;

    (void)state;
    assert_int_equal(cgroup_make(groups, "box", &limits, &group, &err), AC_OK);
    imitation_set(of_parent(SERVICE, "/box"), "cgroup.procs", "0\n999999999\n");
    cgroup_kill(group);
    assert_string_equal(imitation_file(path, "pids.max"), "0");
    imitation_set(path, "cgroup.procs", "");
    assert_true(cgroup_remove(group));
    cgroups_close(groups);
}

/* A limit that cannot be set: no group, and none left. */
static void a_group_without_its_limits_is_not_made(void **state)
{
    cgroups *groups = open_in(&(imitation_options){.own = SERVICE, .controllers = "memory pids", .no_pids = true});
    cgroup *group = NULL;

    (void)state;
    assert_int_equal(cgroup_make(groups, "box", &limits, &group, &err), AC_ERR_IO);
    assert_null(group);
    assert_false(imitation_exists(of_parent(SERVICE, "/box")));
    cgroups_close(groups);
}

static void abandoned_groups_are_removed_unless_processes_are_in_them(void **state)
{
    cgroups *groups = open_in(&(imitation_options){.own = SERVICE, .controllers = "memory pids"});
    cgroups *second = NULL;

    (void)state;
    imitation_make(SERVICE "/agentcored-99");
    imitation_make(SERVICE "/agentcored-99/box");
    imitation_make(SERVICE "/agentcored-98");
    imitation_make(SERVICE "/agentcored-98/box");
    imitation_set(SERVICE "/agentcored-98/box", "cgroup.procs", "1234\n");
    imitation_make(SERVICE "/other-97");
    assert_int_equal(cgroups_open_at(imitation_root, &second, &err), AC_OK);
    assert_false(imitation_exists(SERVICE "/agentcored-99"));
    assert_true(imitation_exists(SERVICE "/agentcored-98/box"));
    assert_true(imitation_exists(SERVICE "/other-97"));
    assert_true(imitation_exists(of_parent(SERVICE, "")));
    assert_true(imitation_exists(of_parent(SERVICE, "-2")));
    cgroups_close(second);
    assert_false(imitation_exists(of_parent(SERVICE, "-2")));
    cgroups_close(groups);
}

/* ---- where we are ---- */

static void paths_are_found(void **state)
{
    static const struct {
        const char *mounts, *own, *controller, *below_root;
    } cases[] = {
        {"30 1 0:26 / /cg rw - cgroup2 none rw\n", "0::/\n", NULL, "/cg"},
        {"30 1 0:26 / /cg rw shared:4 master:2 - cgroup2 none rw\n", "0::/x/y\n", NULL, "/cg/x/y"},
        {"30 1 0:26 /box /cg rw - cgroup2 none rw\n", "0::/box\n", NULL, "/cg"},
        {"30 1 0:26 /box /cg rw - cgroup2 none rw\n", "0::/box/z\n", NULL, "/cg/z"},
        {"30 1 0:26 /box /cg rw - cgroup2 none rw\n", "0::/boxes\n", NULL, NULL},
        {"30 1 0:26 / /cg rw - cgroup2 none rw\n", "0::/../a\n", NULL, NULL},
        {"30 1 0:26 / /cg rw - cgroup2 none rw\n", "4:pids:/\n", NULL, NULL},
        {"30 1 0:26 / /c1 rw - cgroup none rw,cpu,cpuacct\n", "3:cpu,cpuacct:/d\n0::/\n", "cpu", "/c1/d"},
        {"30 1 0:26 / /c1 rw - cgroup none rw,cpuset\n", "3:cpuset:/\n", "cpu", NULL},
        {"30 1 0:26 / /c1 rw - cgroup none rw,name=pids\n", "3:name=pids:/\n", "pids", NULL},
        {"30 1 0:26 / /cg\n - \n\n", "\n::\n:\n", NULL, NULL},
    };
    const char *root = imitation_open(&(imitation_options){.own = "/", .controllers = ""});
    char directory[PATH_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        imitation_set_proc("mountinfo", cases[i].mounts);
        imitation_set_proc("cgroup", cases[i].own);
        assert_int_equal(cgroup_find(root, cases[i].controller, directory), cases[i].below_root != NULL);
        if (cases[i].below_root)
            assert_string_equal(directory + strlen(root), cases[i].below_root);
    }
}

static void words_are_whole_ones(void **state)
{
    (void)state;
    assert_true(cgroup_has_word("cpuset cpu io\n", "cpu"));
    assert_true(cgroup_has_word("rw,cpu", "cpu"));
    assert_false(cgroup_has_word("cpuset cpuacct", "cpu"));
    assert_false(cgroup_has_word("", "cpu"));
    assert_false(cgroup_has_word(",,", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(limits_are_set_below_a_delegated_group, tear_down),
        cmocka_unit_test_teardown(processes_beside_us_are_moved_too, tear_down),
        cmocka_unit_test_teardown(a_process_out_of_reach_is_in_the_way, tear_down),
        cmocka_unit_test_teardown(the_root_of_all_keeps_its_processes, tear_down),
        cmocka_unit_test_teardown(who_starts_in_the_leaf_uses_the_group_above, tear_down),
        cmocka_unit_test_teardown(only_what_is_delegated_is_had, tear_down),
        cmocka_unit_test_teardown(a_group_that_is_not_ours_is_left_alone, tear_down),
        cmocka_unit_test_teardown(swap_that_is_not_counted_is_no_failure, tear_down),
        cmocka_unit_test_teardown(old_kernels_are_killed_by_hand, tear_down),
        cmocka_unit_test_teardown(a_group_without_its_limits_is_not_made, tear_down),
        cmocka_unit_test_teardown(abandoned_groups_are_removed_unless_processes_are_in_them, tear_down),
        cmocka_unit_test_teardown(paths_are_found, tear_down),
        cmocka_unit_test(words_are_whole_ones),
    };

    return cmocka_run_group_tests_name("daemon_cgroups_v2", tests, NULL, NULL);
}
