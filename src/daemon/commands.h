/* commands.h - the verbs of agentcored, and what the command line gives them. */
#ifndef DAEMON_COMMANDS_H
#define DAEMON_COMMANDS_H

#include "daemon/config.h"
#include "daemon/front/keys.h"

/* Exit codes of all verbs. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

typedef struct invocation {
    config config;
    bool json;
    bool unset;             /* env */
    bool secret_stdin;      /* keys add */
    bool follow;            /* logs */
    const char *access_key; /* env, keys add; NULL: not given */
    const char *tail;       /* logs; NULL: not given */
    const char *session;    /* logs; NULL: of all */
    char *const *arguments; /* what is not an option, behind the verb */
    int argument_count;
} invocation;

/* Print "agentcored: ..." on standard error. */
void complain(const char *format, ...) AC_PRINTF(1, 2);

/* The keys of a data directory where a daemon has been: nothing is made in a place that was only mistyped. */
ac_status open_existing_keys(const config *c, keys **ret_keys, ac_error *err) AC_MUST_USE;

/* Each does its work and returns an exit code. */
int command_serve(invocation *in);
int command_env(invocation *in);
int command_check(invocation *in);
int command_keys(invocation *in);
int command_logs(invocation *in);
int command_status(invocation *in);

#endif
