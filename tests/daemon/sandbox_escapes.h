/* sandbox_escapes.h - the attempts to get out of a sandbox, as rows. */
#ifndef TESTS_DAEMON_SANDBOX_ESCAPES_H
#define TESTS_DAEMON_SANDBOX_ESCAPES_H

#include "daemon/sandbox/sandbox.h"
#include "sandbox_escapes_baits.h"

#define ESCAPE_MEMORY_BYTES ((uint64_t)256 << 20)
#define ESCAPE_DISK_BYTES ((uint64_t)32 << 20)
#define ESCAPE_PROCESSES 64
#define ESCAPE_OPEN_FILES 128

typedef enum ending {
    STAYS,     /* it tries, and waits to be looked at */
    BAD_CALL,  /* it is killed for a foreign system call */
    NO_MEMORY, /* the sandbox is killed for what it used */
} ending;

/* One start of the guest. */
typedef struct run {
    const struct escape *row;
    char token[40];
    sandbox *box;
    int output;   /* a file in memory */
    int terminal; /* the row's own, or -1 */
    sandbox_event end;
    bool ended;
} run;

typedef struct escape {
    const char *name;
    const char *more; /* beside the attempt's name, when it is tried in several ways */
    ending ending;
    sandbox_network network;
    const char *(*look)(run *r); /* besides what is looked at always; NULL or what is wrong */
    bool on_terminal;
    bool needs_own_user;  /* what is counted per user is counted together with the daemon's, when that is no root */
    bool needs_cgroups;   /* what no cgroup limits, nothing limits here */
    const char *variable; /* of its environment */
} escape;

extern const escape escapes[];
extern const size_t escape_count;
extern baits escape_baits;

/* Whether the row is one that is to reach the public address. */
bool escape_is_control(const escape *row);

#endif
