/* spawner_internal.h - between the files of the spawner. */
#ifndef DAEMON_SANDBOX_SPAWNER_INTERNAL_H
#define DAEMON_SANDBOX_SPAWNER_INTERNAL_H

#include "daemon/sandbox/spawner.h"

/* What the number means that epoll gives back: one of these, or LOOP_LINES + slot. */
enum { LOOP_REQUESTS, LOOP_SIGNALS, LOOP_LINES };

/* Waits for a sandbox to become. */
typedef struct runner {
    pid_t pid;
    int socket;
    cgroup *group; /* that it is in; NULL: none */
} runner;

#define SPAWNER_RUNNERS 4 /* kept ready */

typedef struct spawn_loop {
    const spawner_options *options;
    cgroups *groups;
    int requests, signals, loop;
    spawn_box *boxes; /* sandboxes_max of them */
    unsigned used;    /* no box at or above this index is in use */
    unsigned count;   /* in use */
    runner runners[SPAWNER_RUNNERS];
    unsigned runner_count;
    unsigned long long last_group;
    bool closing; /* the daemon is gone, or wants us to be */
} spawn_loop;

/* ---- spawner_box.c: what becomes of a box ---- */

/* fds are the request's, all of them given up here. */
void box_start(spawn_loop *s, const spawn_request *request, int *fds, size_t count);
void box_kill(spawn_box *b);

/* Something is to be read from its line, or it has ended. */
void box_line_readable(spawn_loop *s, spawn_box *b);

/* A child has been waited for. */
void box_child_ended(spawn_loop *s, pid_t pid, int status);

/* Try again to remove its cgroup. */
void box_look_again(spawn_loop *s, spawn_box *b);

/* Tell the daemon why there will be no sandbox. */
void box_refuse(int events, ac_status status, const char *text);

/* ---- spawner_network.c ---- */

/* Connect a network namespace to the machine's network, and tell init when that is done.  network is borrowed. */
void network_start(spawn_box *b, const char *slirp, int network);

/* One of its processes has ended. */
void network_ended(spawn_box *b, pid_t pid, int status);

/* End them; false while they have to be waited for. */
bool network_stop(spawn_box *b);

/* ---- spawner_routes.c ---- */

/* In a process of its own: enter the namespace; refuse ways to addresses that are not public; wait for slirp to write
 * to ready; send init its LINE_READY.  Says what fails, and ends. */
_Noreturn void routes_run(int network, int users, int ready, int line);

/* ---- spawner_launch.c ---- */

/* Make a runner execute bwrap.  Fills bwrap, line, group.  The message is for the person who runs agentcored. */
ac_status box_launch(spawn_loop *s, const spawn_request *request, int *fds, size_t count, spawn_box *b, ac_error *err)
    AC_MUST_USE;

ac_status runner_make(spawn_loop *s, runner *ret_runner, ac_error *err) AC_MUST_USE;

/* Make one that is missing. */
void runners_fill(spawn_loop *s);

/* Whether it was one. */
bool runner_ended(spawn_loop *s, pid_t pid);

/* ---- spawner_reach.c ---- */

/* In a mount namespace of our own: let users without rights get to a directory of root's. */
void reach(const char *directory);

/* ---- spawner_run.c ---- */

/* Serve until the daemon is gone and all boxes are.  In a process of its own. */
void spawner_run(const spawner_options *options, cgroups *groups, int requests);

#endif
