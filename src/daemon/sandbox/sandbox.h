/* sandbox.h - run a program walled in: its own root view, processes, users, network, limits.  Serves agents,
 * interpreters and browsers.
 *
 *     AC_TRY(sandboxes_open(&options, &all, err));      // before the process has a second thread
 *     ...
 *     AC_TRY(sandbox_start(all, &(sandbox_spec){.argv = argv, .environment = env, .output_fd = log}, &box, err));
 *     AC_TRY(sandbox_socket(box, &fd, err));            // then connect() it to 127.0.0.1:8080: the program's
 *     ...
 *     sandbox_stop(box, 5000);
 *     sandbox_free(box);                                // nothing of it is left when this returns
 *
 * Processes are made by the spawner, a small process with one thread that is started first: a threaded daemon must not
 * fork.  Each sandbox is bubblewrap (namespaces, mounts, no capabilities, no_new_privs) with our system call filter, in
 * a cgroup where one may be made.  Inside, the first process is agentcore-init (guest/): it starts the program and
 * later commands, hands out sockets of the sandbox's network, watches limits that no cgroup enforces, and takes
 * everything with it when it ends.  When the spawner or this process dies, however that happens, so do all sandboxes.
 *
 * Started by root, every sandbox runs under a user of its own that owns nothing (uid_base + slot).  A sandbox that
 * cannot be walled in is not started: there is no unprotected mode. */
#ifndef DAEMON_SANDBOX_SANDBOX_H
#define DAEMON_SANDBOX_SANDBOX_H

#include "base/util.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SANDBOX_MOUNTS_MAX 32
#define SANDBOX_WORDS_MAX 1024                   /* of argv, and of the environment */
#define SANDBOX_SPEC_BYTES_MAX ((size_t)1 << 20) /* all texts of a specification */
#define SANDBOX_COMMANDS_MAX 64                  /* run by sandbox_exec at once */

typedef struct sandboxes sandboxes;
typedef struct sandbox sandbox;

/* Zero means the default beside it. */
typedef struct sandboxes_options {
    const char *bwrap;      /* "bwrap", looked up in PATH */
    const char *init;       /* the agentcore-init program; beside this program or in ../libexec/agentcore */
    const char *slirp;      /* "slirp4netns", looked up in PATH */
    const char *reach;      /* directory of mounts' sources, to which sandboxes' users are let through when root started
                               them and a directory above it is closed to others; NULL: no need */
    uid_t uid_base;         /* first user of sandboxes when started by root; 1879048192 (nobody else's range) */
    unsigned sandboxes_max; /* at once; 4096 */
    unsigned start_ms;      /* longest start; 10 s */
} sandboxes_options;

typedef enum sandbox_network {
    SANDBOX_NETWORK_NONE,   /* its own loopback, and nothing else */
    SANDBOX_NETWORK_PUBLIC, /* out to public addresses; private, link-local, loopback and metadata ones are refused */
} sandbox_network;

/* Zero means the default beside it. */
typedef struct sandbox_limits {
    uint64_t memory_bytes; /* of all its processes and files in memory; 2 GiB */
    uint64_t disk_bytes;   /* of each writable place (/tmp, home), which are memory, too; 512 MiB */
    unsigned processes;    /* and threads; 512 */
    unsigned cpu_percent;  /* 100: one core; 200 */
    unsigned open_files;   /* of a process; 4096 */
} sandbox_limits;

/* Something of the machine's that is seen inside.  A directory or a file; where it is seen is made as needed. */
typedef struct sandbox_mount {
    const char *source;
    const char *target;
    bool writable;
} sandbox_mount;

/* Zero means the default beside it.  All of it is borrowed until the call returns. */
typedef struct sandbox_spec {
    const char *const *argv; /* the program and its arguments, ends with NULL; looked up in PATH of environment */
    const char *const *environment; /* "NAME=value", ends with NULL: exactly what it gets, with HOME and PATH added when
                                       they are not there */
    const char *root;               /* directory that is "/", read-only; the machine's own system, read-only: /usr and
                                       what of /etc a program needs, no data, no secrets */
    const sandbox_mount *mounts;
    size_t mount_count;
    const char *directory; /* it starts in; "/" */
    const char *home;      /* made, empty and writable, as /tmp is; "/home/agent" */
    unsigned uid, gid;     /* that it sees itself as; 1000 */
    sandbox_network network;
    uint16_t service_port; /* what connects to 127.0.0.1:service_port inside is handed to the owner as a
                              SANDBOX_CONNECTED event; 0: nothing */
    sandbox_limits limits;
    int output_fd; /* standard output and error; -1: /dev/null.  0 is not allowed */
} sandbox_spec;

/* Start the spawner.  While the process has one thread.  AC_ERR_IO, AC_ERR_NOMEM.  Does not need bwrap to be there:
 * sandbox_start says what is missing. */
ac_status sandboxes_open(const sandboxes_options *options, sandboxes **ret_all, ac_error *err) AC_MUST_USE;

/* Kill what still runs, wait until it is gone, end the spawner.  All sandboxes have been freed. */
void sandboxes_close(sandboxes *all);
DEFINE_CLEANUP(sandboxes *, sandboxes_close)

/* How many there are now. */
unsigned sandboxes_count(const sandboxes *all);

/* Start one, and return when its program runs (or could not be executed).  Any thread; many at once.
 * A few are started at a time, others wait for their turn: a burst is over sooner so, and its first ones much sooner.
 * AC_ERR_INVALID: the specification; AC_ERR_NOT_FOUND: no such program inside; AC_ERR_UNSUPPORTED: this machine cannot
 * wall it in (the message says what is missing and what to do); AC_ERR_QUOTA: sandboxes_max; AC_ERR_TIMEOUT,
 * AC_ERR_IO, AC_ERR_NOMEM. */
ac_status sandbox_start(sandboxes *all, const sandbox_spec *spec, sandbox **ret_box, ac_error *err) AC_MUST_USE;

/* A new TCP socket (non-blocking, close-on-exec) of the sandbox's network, not connected, the caller's to close.  Takes
 * tens of microseconds.  Any thread.  AC_ERR_CLOSED: the sandbox is over; AC_ERR_TIMEOUT; AC_ERR_IO. */
ac_status sandbox_socket(sandbox *box, int *ret_fd, ac_error *err) AC_MUST_USE;

/* Another program inside, beside the first one.  Its end is an event. */
typedef struct sandbox_command {
    const char *const *argv;
    const char *const *environment;    /* NULL: that of the program */
    const char *directory;             /* NULL: that of the program */
    int input_fd, output_fd, error_fd; /* borrowed; -1: /dev/null */
} sandbox_command;

/* *ret_id names it: above 0.  Errors as of sandbox_start, AC_ERR_QUOTA: SANDBOX_COMMANDS_MAX, and AC_ERR_CLOSED. */
ac_status sandbox_exec(sandbox *box, const sandbox_command *command, uint32_t *ret_id, ac_error *err) AC_MUST_USE;

/* Send a signal to the program (id 0) or to a command and all of its process group.  Nothing when it has ended. */
void sandbox_signal(sandbox *box, uint32_t id, int signal);

typedef enum sandbox_event_kind {
    SANDBOX_ENDED,         /* the program has ended, and with it the sandbox; the last event */
    SANDBOX_COMMAND_ENDED, /* a command has */
    SANDBOX_CONNECTED,     /* somebody inside has connected to service_port */
} sandbox_event_kind;

typedef enum sandbox_end {
    SANDBOX_EXITED,    /* by itself: code */
    SANDBOX_SIGNALLED, /* by a signal: code */
    SANDBOX_MEMORY,    /* killed for using more memory than it may */
    SANDBOX_KILLED,    /* by sandbox_stop or sandbox_free, or the spawner is gone */
} sandbox_end;

typedef struct sandbox_event {
    sandbox_event_kind kind;
    uint32_t id; /* of the command; 0: the program */
    sandbox_end end;
    int code; /* exit code or signal */
    int fd;   /* SANDBOX_CONNECTED: a connected TCP socket, the receiver's to close; else -1 */
} sandbox_event;

/* A descriptor that is readable (poll, epoll, uv_poll) while events wait; lives as long as the sandbox. */
int sandbox_event_fd(const sandbox *box);

/* Take the next event; false when none waits.  One thread. */
bool sandbox_next_event(sandbox *box, sandbox_event *ret_event);

/* Ask the program to end (SIGTERM) and kill everything when it has not within grace_ms; 0: at once.  Returns at once;
 * SANDBOX_ENDED follows.  Any thread. */
void sandbox_stop(sandbox *box, unsigned grace_ms);

/* Kill what is left, wait (at most seconds) until processes, mounts and cgroup are gone, and free.  NULL is allowed. */
void sandbox_free(sandbox *box);
DEFINE_CLEANUP(sandbox *, sandbox_free)

/* "exited with code 3", "was killed by signal 9 (Killed)", "used more memory than its limit of 512 MiB", ... */
void sandbox_end_text(const sandbox_event *event, const sandbox_limits *limits, char *ret_text, size_t size);

#endif
