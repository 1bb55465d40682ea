/* cgroups_internal.h - between the files of cgroups.h; and the door for tests that imitate a kernel. */
#ifndef DAEMON_SANDBOX_CGROUPS_INTERNAL_H
#define DAEMON_SANDBOX_CGROUPS_INTERNAL_H

#include "daemon/sandbox/cgroup_files.h"
#include "daemon/sandbox/cgroups.h"

#define CGROUP_CONTROLLERS 3
extern const char *const cgroup_controller_names[CGROUP_CONTROLLERS]; /* bit i of a set is name i */

/* cgroups_open with a root as of cgroup_files.h. */
ac_status cgroups_open_at(const char *root, cgroups **ret_groups, ac_error *err) AC_MUST_USE;

/* ---- cgroups_parent.c: the directory that all groups of this process are made in ---- */

/* Below own: remove what daemons left that are gone, make agentcored-PID and lock it for as long as *ret_lock is open.
 * false when it may not be made. */
bool cgroup_parent_make(const char *own, char ret_parent[PATH_MAX], int *ret_lock);

/* Remove a parent and what is in it, as far as no process is left there. */
void cgroup_parent_remove(const char *parent);

/* ---- cgroups_v2.c ---- */

/* The group to make the parent in, from that of this process. */
void cgroup_v2_start(char directory[PATH_MAX]);

/* Which of the controllers there are that could be given to groups below. */
unsigned cgroup_v2_offered(const char *directory);

/* Give controllers to the groups below, which have these afterwards.  Processes that are in the way (no process may be
 * in a group that has groups with controllers) are moved to a leaf. */
unsigned cgroup_v2_pass_on(const char *directory, unsigned controllers);

/* ---- cgroups_kill.c ---- */

/* Kill what is in the group.  It is over with it: where processes are limited, none can be made in it any more. */
void cgroup_directory_kill(const char *directory);

#endif
