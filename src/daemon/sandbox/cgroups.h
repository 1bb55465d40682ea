/* cgroups.h - limits over all processes of a sandbox, by control groups of version 1 or 2, whichever may be written.
 *
 * Used by the spawner alone (one thread).  Where no controller may be written the handle is empty, every call is a
 * success that does nothing, and agentcore-init's own watch and resource limits are what is left; cgroups_have tells.
 * */
#ifndef DAEMON_SANDBOX_CGROUPS_H
#define DAEMON_SANDBOX_CGROUPS_H

#include "base/util.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct cgroups cgroups; /* where groups can be made */
typedef struct cgroup cgroup;   /* one group, in every hierarchy that is used */

typedef enum cgroup_controller { CGROUP_MEMORY = 1, CGROUP_PIDS = 2, CGROUP_CPU = 4 } cgroup_controller;

/* Find out what may be written, and make the parent group of this process's sandboxes (agentcored-PID) below the group
 * it is in (version 2: processes of this group are moved to a leaf first, as its rules demand).  Groups that a daemon
 * which is gone has left are removed.  *ret_groups is never NULL after AC_OK.  AC_ERR_NOMEM. */
ac_status cgroups_open(cgroups **ret_groups, ac_error *err) AC_MUST_USE;
void cgroups_close(cgroups *groups); /* removes the parent group */

/* A set of cgroup_controller. */
unsigned cgroups_have(const cgroups *groups);

typedef struct cgroup_limits {
    uint64_t memory_bytes; /* with swap */
    unsigned processes;
    unsigned cpu_percent;
} cgroup_limits;

/* name: letters, digits, '-'. */
ac_status cgroup_make(cgroups *groups, const char *name, const cgroup_limits *limits, cgroup **ret_group, ac_error *err)
    AC_MUST_USE;

/* Give it other limits; of those that are 0 it keeps what it has. */
ac_status cgroup_limit(cgroup *group, const cgroup_limits *limits, ac_error *err) AC_MUST_USE;

/* Put a process in; its children follow. */
ac_status cgroup_add(cgroup *group, pid_t pid, ac_error *err) AC_MUST_USE;

/* Whether the kernel has killed something in it for want of memory. */
bool cgroup_out_of_memory(const cgroup *group);

/* Kill all in it. */
void cgroup_kill(cgroup *group);

/* Remove it and free the handle; false when processes are still in it (then it is kept, to be tried again). */
bool cgroup_remove(cgroup *group);

#endif
