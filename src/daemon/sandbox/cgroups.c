/* cgroups.c - limits over all processes of a sandbox.
 *
 * Each controller is in one hierarchy: one of version 1 (which may carry several), or that of version 2.  A group is a
 * directory of the same name in every hierarchy that is used: PARENT/NAME, where PARENT is this process's own
 * (cgroups_parent.c).  A hierarchy in which no group may be made is left out, which is no error. */
#include "daemon/sandbox/cgroups.h"
#include "daemon/sandbox/cgroups_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_BYTES_MAX 64
#define CPU_PERIOD_US 100000U
#define CONNECTIONS_SHARE 8 /* of memory, for buffers of connections */

const char *const cgroup_controller_names[CGROUP_CONTROLLERS] = {"memory", "pids", "cpu"};

typedef struct hierarchy {
    int version;
    unsigned controllers;
    char own[PATH_MAX]; /* the group that the parent is in */
    char parent[PATH_MAX];
    int lock; /* of the parent */
} hierarchy;

struct cgroups {
    hierarchy all[CGROUP_CONTROLLERS];
    size_t count;
};

struct cgroup {
    const cgroups *groups;
    char name[NAME_BYTES_MAX];
};

/* ---- finding hierarchies ---- */

/* Controllers may share a hierarchy of version 1. */
static void add_v1(cgroups *groups, const char *own, unsigned controller)
{
    hierarchy *h = &groups->all[groups->count];

    for (size_t i = 0; i < groups->count; i++)
        if (strcmp(groups->all[i].own, own) == 0) {
            groups->all[i].controllers |= controller;
            return;
        }
    snprintf(h->own, sizeof h->own, "%s", own);
    if (!cgroup_parent_make(own, h->parent, &h->lock))
        return;
    h->version = 1;
    h->controllers = controller;
    groups->count++;
}

/* What version 1 does not have. */
static void add_v2(const char *root, cgroups *groups, unsigned wanted)
{
    hierarchy *h = &groups->all[groups->count];

    if (!wanted || !cgroup_find(root, NULL, h->own))
        return;
    cgroup_v2_start(h->own);
    wanted &= cgroup_v2_offered(h->own);
    if (!wanted || !cgroup_parent_make(h->own, h->parent, &h->lock))
        return;
    h->version = 2;
    h->controllers = cgroup_v2_pass_on(h->own, wanted);
    h->controllers = h->controllers ? cgroup_v2_pass_on(h->parent, h->controllers) : 0;
    if (h->controllers) {
        groups->count++;
        return;
    }
    cgroup_directory_remove(h->parent);
    close(h->lock);
}

ac_status cgroups_open_at(const char *root, cgroups **ret_groups, ac_error *err)
{
    cgroups *groups = calloc(1, sizeof *groups);
    char own[PATH_MAX];
    unsigned elsewhere = 0;

    if (!groups)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++) {
        if (cgroup_find(root, cgroup_controller_names[i], own))
            add_v1(groups, own, 1U << i);
        else
            elsewhere |= 1U << i;
    }
    if (elsewhere)
        add_v2(root, groups, elsewhere);
    *ret_groups = groups;
    return AC_OK;
}

ac_status cgroups_open(cgroups **ret_groups, ac_error *err)
{
    return cgroups_open_at("", ret_groups, err);
}

void cgroups_close(cgroups *groups)
{
    for (size_t i = 0; groups && i < groups->count; i++) {
        cgroup_parent_remove(groups->all[i].parent);
        close(groups->all[i].lock);
    }
    free(groups);
}

unsigned cgroups_have(const cgroups *groups)
{
    unsigned have = 0;

    for (size_t i = 0; i < groups->count; i++)
        have |= groups->all[i].controllers;
    return have;
}

/* ---- limits ---- */

AC_PRINTF(3, 4) static int set(const char *directory, const char *file, const char *format, ...)
{
    char text[64];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return cgroup_write(directory, file, text);
}

/* Memory and swap together.  Where swap is not counted, the group is asked to keep out of it.  Buffers of connections
 * are beside all that, out of an amount that the whole machine shares; some kernels do not count them. */
static int limit_memory_v1(const char *directory, uint64_t bytes)
{
    int failure = set(directory, "memory.limit_in_bytes", "%" PRIu64, bytes);

    if (!failure && set(directory, "memory.memsw.limit_in_bytes", "%" PRIu64, bytes) != 0)
        failure = set(directory, "memory.swappiness", "0");
    if (failure)
        return failure;
    failure = set(directory, "memory.kmem.tcp.limit_in_bytes", "%" PRIu64, bytes / CONNECTIONS_SHARE);
    return failure == ENOENT || failure == EOPNOTSUPP ? 0 : failure;
}

static int limit_memory_v2(const char *directory, uint64_t bytes)
{
    int failure = set(directory, "memory.max", "%" PRIu64, bytes);

    if (failure)
        return failure;
    failure = set(directory, "memory.swap.max", "0");
    return failure == ENOENT ? 0 : failure; /* swap is not counted, and cannot be kept from it */
}

static int limit_memory(const char *directory, int version, uint64_t bytes)
{
    return version == 2 ? limit_memory_v2(directory, bytes) : limit_memory_v1(directory, bytes);
}

static int limit_cpu(const char *directory, int version, unsigned percent)
{
    uint64_t quota_us = (uint64_t)percent * CPU_PERIOD_US / 100;
    int failure;

    if (version == 2)
        failure = set(directory, "cpu.max", "%" PRIu64 " %u", quota_us, CPU_PERIOD_US);
    else
        failure = set(directory, "cpu.cfs_quota_us", "%" PRIu64, quota_us);
    /* EINVAL: more than a group above has, whose limit holds.  ENOENT: a kernel that can only weigh. */
    return failure == EINVAL || failure == ENOENT ? 0 : failure;
}

static int limit(const hierarchy *h, const char *directory, const cgroup_limits *limits)
{
    int failure = 0;

    if (h->controllers & CGROUP_MEMORY && limits->memory_bytes)
        failure = limit_memory(directory, h->version, limits->memory_bytes);
    if (!failure && h->controllers & CGROUP_PIDS && limits->processes)
        failure = set(directory, "pids.max", "%u", limits->processes);
    if (!failure && h->controllers & CGROUP_CPU && limits->cpu_percent)
        failure = limit_cpu(directory, h->version, limits->cpu_percent);
    return failure;
}

/* ---- groups ---- */

static bool name_is_good(const char *name)
{
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

    return good > 0 && good < NAME_BYTES_MAX && name[good] == '\0';
}

/* Directory of a group in one hierarchy. */
static int directory_of(const cgroup *group, const hierarchy *h, char ret_directory[PATH_MAX])
{
    int length = snprintf(ret_directory, PATH_MAX, "%s/%s", h->parent, group->name);

    return length < PATH_MAX ? 0 : ENAMETOOLONG;
}

static int make_in(const cgroup *group, const hierarchy *h, const cgroup_limits *limits)
{
    char directory[PATH_MAX];
    int failure = directory_of(group, h, directory);

    if (!failure)
        failure = cgroup_directory_make(directory);
    if (!failure && (failure = limit(h, directory, limits)) != 0)
        cgroup_directory_remove(directory);
    return failure;
}

static void remove_from_first(const cgroup *group, size_t count)
{
    char directory[PATH_MAX];

    for (size_t i = 0; i < count; i++)
        if (directory_of(group, &group->groups->all[i], directory) == 0)
            cgroup_directory_remove(directory);
}

ac_status cgroup_make(cgroups *groups, const char *name, const cgroup_limits *limits, cgroup **ret_group, ac_error *err)
{
    cgroup *group;

    if (!name_is_good(name))
        return ac_error_set(err, AC_ERR_INVALID, "no name of a control group");
    group = calloc(1, sizeof *group);
    if (!group)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    group->groups = groups;
    memcpy(group->name, name, strlen(name) + 1);
    for (size_t i = 0; i < groups->count; i++) {
        int failure = make_in(group, &groups->all[i], limits);

        if (!failure)
            continue;
        remove_from_first(group, i);
        free(group);
        return ac_error_set(err, failure == EEXIST ? AC_ERR_CONFLICT : AC_ERR_IO,
                            "cannot make the control group %s in %s: %s", name, groups->all[i].parent,
                            strerror(failure));
    }
    *ret_group = group;
    return AC_OK;
}

ac_status cgroup_limit(cgroup *group, const cgroup_limits *limits, ac_error *err)
{
    char directory[PATH_MAX];

    for (size_t i = 0; i < group->groups->count; i++) {
        const hierarchy *h = &group->groups->all[i];
        int failure = directory_of(group, h, directory);

        if (!failure)
            failure = limit(h, directory, limits);
        if (failure)
            return ac_error_set(err, AC_ERR_IO, "cannot limit the control group %s: %s", directory, strerror(failure));
    }
    return AC_OK;
}

ac_status cgroup_add(cgroup *group, pid_t pid, ac_error *err)
{
    char directory[PATH_MAX];

    for (size_t i = 0; i < group->groups->count; i++) {
        int failure = directory_of(group, &group->groups->all[i], directory);

        if (!failure)
            failure = set(directory, "cgroup.procs", "%ld", (long)pid);
        if (failure)
            return ac_error_set(err, AC_ERR_IO, "cannot put process %ld into the control group %s: %s", (long)pid,
                                directory, strerror(failure));
    }
    return AC_OK;
}

bool cgroup_out_of_memory(const cgroup *group)
{
    char directory[PATH_MAX];

    for (size_t i = 0; i < group->groups->count; i++) {
        const hierarchy *h = &group->groups->all[i];
        const char *file = h->version == 2 ? "memory.events" : "memory.oom_control";

        if (h->controllers & CGROUP_MEMORY && directory_of(group, h, directory) == 0)
            return cgroup_read_number(directory, file, "oom_kill") > 0;
    }
    return false;
}

/* In one hierarchy all of its processes are found: in that which can stop new ones. */
void cgroup_kill(cgroup *group)
{
    const hierarchy *best = NULL;
    char directory[PATH_MAX];

    for (size_t i = 0; i < group->groups->count; i++) {
        const hierarchy *h = &group->groups->all[i];

        if (!best || h->version == 2 || (best->version != 2 && h->controllers & CGROUP_PIDS))
            best = h;
    }
    if (best && directory_of(group, best, directory) == 0)
        cgroup_directory_kill(directory);
}

bool cgroup_remove(cgroup *group)
{
    char directory[PATH_MAX];
    bool all = true;

    for (size_t i = 0; i < group->groups->count; i++) {
        int failure = directory_of(group, &group->groups->all[i], directory);

        if (!failure)
            failure = cgroup_directory_remove(directory);
        all = all && (failure == 0 || failure == ENOENT);
    }
    if (all)
        free(group);
    return all;
}
