/* cgroup2_imitation.h - a directory that behaves as control groups of version 2, as far as the rules matter that we
 * must keep.  Linked with --wrap for the calls of cgroup_files.h that change something. */
#ifndef TESTS_DAEMON_CGROUP2_IMITATION_H
#define TESTS_DAEMON_CGROUP2_IMITATION_H

#include <stdbool.h>

typedef struct imitation_options {
    const char *own;         /* group of this process: "/", or "/a/b" */
    const char *controllers; /* that its parent passes on to it */
    const char *neighbours;  /* other processes in it, "11\n12\n" */
    bool own_is_root_of_all; /* it may have processes and pass on controllers */
    bool no_kill;            /* a kernel before 5.14 */
    bool no_swap;            /* which does not count swap */
    bool no_pids;            /* the controller is there, its limit is not */
    int failure_of_make;     /* errno of a new directory */
} imitation_options;

/* Make one, and the root for cgroups_open_at. */
const char *imitation_open(const imitation_options *options);
extern char imitation_root[64];
void imitation_close(void);

/* Contents of a file, static; "-" when it is not there.  group: as "/a/b", below the mount. */
const char *imitation_file(const char *group, const char *file);
void imitation_set(const char *group, const char *file, const char *text);
void imitation_set_proc(const char *file, const char *text); /* of /proc/self */
void imitation_make(const char *group);
bool imitation_exists(const char *group);

#endif
