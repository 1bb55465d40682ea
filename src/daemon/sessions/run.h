/* run.h - run a command in a session and see its output as it comes: InvokeAgentRuntimeCommand, and what interpreters
 * run. */
#ifndef DAEMON_SESSIONS_RUN_H
#define DAEMON_SESSIONS_RUN_H

#include "daemon/sessions/sessions.h"

typedef enum run_stream { RUN_STDOUT, RUN_STDERR } run_stream;

typedef struct run_command {
    const char *const *argv;        /* ends with NULL */
    const char *const *environment; /* NULL: the session's own */
    const char *directory;          /* NULL: the session's own */
    unsigned timeout_ms;            /* then it is killed with its process group */
    /* A piece of output: whole characters, valid UTF-8 (bytes that are none are replaced).  A failure kills the command
     * and is what session_run returns. */
    ac_status (*on_output)(void *user, run_stream stream, const char *text, size_t length, ac_error *err);
    /* Asked once a second at least while it runs, for a silent command does not notice that its client is gone.  False:
     * it is killed as well, and AC_ERR_CLOSED returned.  NULL: it is wanted to its end. */
    bool (*is_wanted)(void *user);
    void *user;
} run_command;

typedef struct run_result {
    bool started;
    bool timed_out;
    int exit_code; /* 128 and the signal's number when one has ended it; -1 when it was killed for the time-out */
    uint64_t duration_ms;
} run_result;

/* Run it to its end.  Blocks.  What it leaves running in the background goes on, but its output is not waited for.
 * Errors: as session_exec; AC_ERR_CLOSED: the session ended meanwhile; what on_output failed with. */
ac_status session_run(session *s, const run_command *command, run_result *ret_result, ac_error *err) AC_MUST_USE;

#endif
