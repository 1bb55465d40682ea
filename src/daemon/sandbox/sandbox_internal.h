/* sandbox_internal.h - between the files of sandbox.h. */
#ifndef DAEMON_SANDBOX_INTERNAL_H
#define DAEMON_SANDBOX_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "daemon/sandbox/protocol.h"
#include "daemon/sandbox/sandbox.h"

#include <pthread.h>
#include <stdatomic.h>

#define SANDBOX_BWRAP "bwrap"
#define SANDBOX_SLIRP "slirp4netns"
#define SANDBOX_UID_BASE 1879048192U
#define SANDBOXES_MAX_DEFAULT 4096U
#define SANDBOX_START_MS 10000U
#define SANDBOX_TURN_MS 60000U /* that a start waits for its turn */
#define SANDBOX_STARTS_MIN 4U
#define SANDBOX_HOME "/home/agent"
#define SANDBOX_PATH "/usr/local/bin:/usr/bin:/bin"
#define SANDBOX_UID 1000U
#define SANDBOX_HOSTNAME "agentcore"
#define SANDBOX_DATA_MAX (BOX_FD_END - BOX_FD_DATA)

struct sandboxes {
    char *init_path; /* NULL: looked for */
    unsigned sandboxes_max, start_ms;
    unsigned controllers; /* of cgroups, that limit */
    int spawner;          /* socket */
    pid_t keeper;
    pthread_mutex_t lock;
    pthread_cond_t turn;           /* a start is over */
    unsigned starting, starts_max; /* under the lock */
    int init;                      /* the program; -1: not found yet */
    _Atomic unsigned count;
    _Atomic uint64_t last_id;
};

struct sandbox {
    sandboxes *all;
    uint64_t id;
    int ask, events;
    pthread_mutex_t asking;
    uint32_t number;    /* of the last request that is answered */
    bool over;          /* EVENT_GONE was seen */
    bool out_of_memory; /* with it: its cgroup, or init, has seen that */
    bool ended;         /* so was EVENT_PROGRAM_ENDED */
    bool told;          /* SANDBOX_ENDED was taken by the owner */
    sandbox_event end;
};

/* ---- sandbox_check.c ---- */

/* The specification with every default in its place, and checked; texts are borrowed from it, or in memory. */
ac_status sandbox_check(const sandbox_spec *spec, arena *memory, sandbox_spec *ret_spec, ac_error *err) AC_MUST_USE;
ac_status sandbox_check_command(const sandbox_command *command, ac_error *err) AC_MUST_USE;

/* ---- sandbox_pack.c: files in memory that go to the sandbox ---- */

/* A file in memory with this in it, at its beginning. */
ac_status sandbox_file(const char *name, const void *data, size_t length, int *ret_fd, ac_error *err) AC_MUST_USE;

/* spec has been checked. */
ac_status sandbox_pack(const sandbox_spec *spec, bool watch_memory, int *ret_fd, ac_error *err) AC_MUST_USE;
ac_status sandbox_pack_command(const sandbox_command *command, int *ret_fd, ac_error *err) AC_MUST_USE;

/* ---- sandbox_args.c ---- */

/* What bwrap is told, and files that it makes: descriptors of the caller's. */
ac_status sandbox_args(const sandbox_spec *spec, arena *memory, int *ret_fd, int data[SANDBOX_DATA_MAX],
                       size_t *ret_count, ac_error *err) AC_MUST_USE;

/* ---- sandbox_resolver.c ---- */

/* Make fd a socket to the machine's name server; it stays what it is when there is none. */
void sandbox_resolver(int fd);

/* ---- sandbox_ask.c: agentcore-init, and its answers ---- */

/* Find the program, which is kept open.  AC_ERR_UNSUPPORTED. */
ac_status sandbox_init_program(sandboxes *all, int *ret_fd, ac_error *err) AC_MUST_USE;

/* Wait for the answer of this number; ret_fd (may be NULL) gets the descriptor that came with it, or -1.
 * AC_ERR_CLOSED, AC_ERR_TIMEOUT. */
ac_status sandbox_await_reply(sandbox *box, uint32_t number, unsigned wait_ms, ask_reply *ret_reply, int *ret_fd,
                              ac_error *err) AC_MUST_USE;

/* What a reply's failure means. */
ac_status sandbox_reply_error(const ask_reply *reply, const char *program, const char *directory, ac_error *err)
    AC_MUST_USE;

/* ---- sandbox.c ---- */

/* Read events until the last one, at most so long; the first EVENT_FAILED (may be NULL) is kept. */
bool sandbox_await_gone(sandbox *box, unsigned wait_ms, box_event *ret_failed);

/* Tell the spawner to kill it. */
void sandbox_kill(sandbox *box);

#endif
