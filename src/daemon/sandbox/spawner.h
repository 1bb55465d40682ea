/* spawner.h - the process that makes sandboxes' processes. */
#ifndef DAEMON_SANDBOX_SPAWNER_H
#define DAEMON_SANDBOX_SPAWNER_H

#include "daemon/sandbox/cgroups.h"
#include "daemon/sandbox/protocol.h"

#include <stdbool.h>

typedef struct spawner_options {
    const char *bwrap, *slirp;
    const char *reach; /* sandboxes_options.reach; NULL: none */
    uid_t uid_base;
    unsigned sandboxes_max;
} spawner_options;

/* Fork it off; *ret_socket (SEQPACKET, close-on-exec) takes spawn_requests, *ret_pid is to be waited for when that has
 * been closed.  AC_ERR_IO. */
ac_status spawner_start(const spawner_options *options, int *ret_socket, pid_t *ret_pid, spawn_hello *ret_hello,
                        ac_error *err) AC_MUST_USE;

/* ---- inside the spawner ---- */

/* Descriptors below are kept for bwrap's; those of the spawner are above. */
#define SPAWNER_FD_FLOOR 32

/* One sandbox. */
typedef struct spawn_box {
    uint64_t id;    /* 0: free */
    unsigned slot;  /* its user is uid_base + slot */
    pid_t bwrap;    /* 0: has ended */
    pid_t init;     /* 0: not known yet, or gone */
    int handle;     /* of init (pidfd); -1 */
    int line;       /* from init, which says hello on it; ends when bwrap and init have; -1 */
    int events;     /* to the daemon */
    cgroup *group;  /* NULL: has none (any more) */
    pid_t slirp;    /* that carries its packets; 0: none, or has ended */
    pid_t routes;   /* that sets its routes, likewise */
    int slirp_says; /* what both have to say; -1 */
    bool init_ended, kill_asked, out_of_memory;
    uint64_t give_up_ms; /* its cgroup is not empty yet: until when that is waited for; 0: it is not */
} spawn_box;

#endif
