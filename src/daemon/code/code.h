/* code.h - the code interpreter: interpreters, their sessions, and the tools that run in them.
 *
 * Internal to the room.  An interpreter is a resource (store/resources.h) of the kind code-interpreter; the built-in
 * aws.codeinterpreter.v1 is a constant, which every account sees and has sessions of its own with.  A session is a
 * sandbox of the session manager, and a resource of the kind code-interpreter-session (parent: the interpreter), which
 * stays for a day when it is TERMINATED.
 *
 *     interpreters.c   control plane
 *     lookup.c         from an identifier to an interpreter
 *     start.c show.c   StartCodeInterpreterSession; the other operations on sessions
 *     records.c        rows of sessions: their ends, also those that a former life of the daemon has not written down
 *     plan.c guest_files.c    what a session's sandbox is
 *     invoke.c         InvokeCodeInterpreter: session, guest, events
 *     arguments.c      from a tool's arguments to what the guest is asked (protocol.h)
 *     guest.c frames.c result.c content.c     the guest's answer, checked, as the API's result */
#ifndef DAEMON_CODE_CODE_H
#define DAEMON_CODE_CODE_H

#include "daemon/daemon.h"
#include "daemon/resources/arns.h"

#include <pthread.h>

#define KIND_CODE_SESSION "code-interpreter-session"
#define CODE_SESSION_KIND "code-interpreter" /* of the session manager */
#define CODE_BUILTIN_ID "aws.codeinterpreter.v1"
#define CODE_TIMEOUT_S_DEFAULT 900
#define CODE_HOME "/home/agent" /* the work directory, too */

#define CODE_READY "READY"
#define CODE_TERMINATED "TERMINATED"

typedef struct code_room {
    agentcored *daemon;
    store *store;
    sessions *sessions;
    pthread_mutex_t lock;
    char *guest_directory; /* files for the inside, in the data directory; NULL: not there yet */
} code_room;

/* ---- lookup.c ---- */

typedef struct interpreter {
    const char *id;
    const char *network_mode; /* "PUBLIC" */
    const char *owner;        /* of its sessions: "ACCOUNT/ID/" */
} interpreter;

/* AC_ERR_NOT_FOUND: the caller has no such interpreter. */
ac_status interpreter_find(store_tx *tx, front_call *call, const char *id, interpreter *ret_found, ac_error *err)
    AC_MUST_USE;

/* The key of its sessions' rows, and of a session for the session manager; texts in memory. */
resource_key code_row_key(const front_call *call, const char *interpreter_id, const char *session_id);
ac_status code_session_key(const front_call *call, const char *interpreter_id, const char *session_id,
                           session_key *ret_key, ac_error *err) AC_MUST_USE;

/* ---- plan.c ---- */

typedef struct code_plan_request {
    code_room *room;
    const interpreter *interpreter;
    unsigned timeout_s;
} code_plan_request;

/* A session_prepare; user is a code_plan_request. */
ac_status code_plan(void *user, arena *memory, session_plan *ret_plan, ac_error *err);

/* ---- guest_files.c ---- */

/* The directory of what is seen at CODE_GUEST_DIRECTORY, made when it is asked for first.  AC_ERR_UNSUPPORTED: this
 * installation lacks some of it. */
ac_status code_guest_files(code_room *room, const char **ret_directory, ac_error *err) AC_MUST_USE;

/* ---- start.c ---- */

/* Start a session for an interpreter, and use it; its row is written.  name may be NULL. */
ac_status code_session_start(front_call *call, const char *interpreter_id, session **ret_session,
                             const char **ret_session_id, ac_error *err) AC_MUST_USE;

/* ---- records.c ---- */

/* Sessions of a former life of this daemon are over. */
ac_status code_records_open(code_room *room, ac_error *err) AC_MUST_USE;

/* The room's sessions_options.on_over. */
void code_session_over(const session_key *key, const char *reason, void *user);

/* Write down that a session is over, before its caller is told. */
ac_status code_session_terminate(code_room *room, const session_key *key, ac_error *err) AC_MUST_USE;

/* A session that its caller was told of is not there: why?  AC_ERR_NOT_FOUND: it never was; AC_ERR_CONFLICT: it is
 * TERMINATED. */
ac_status code_session_missing(front_call *call, const char *interpreter_id, const char *session_id, ac_error *err)
    AC_MUST_USE;

/* Whether a READY row's time is over, though nobody has said so yet. */
bool code_row_expired(const resource *row, int64_t now_ms);

/* ---- room.c ---- */

/* The operations of the control plane alone; room needs its store only. */
ac_status code_register_control(front *f, code_room *room, ac_error *err) AC_MUST_USE;

/* ---- operations ---- */

ac_status create_code_interpreter(front_call *call, ac_error *err);
ac_status get_code_interpreter(front_call *call, ac_error *err);
ac_status list_code_interpreters(front_call *call, ac_error *err);
ac_status delete_code_interpreter(front_call *call, ac_error *err);
ac_status start_code_interpreter_session(front_call *call, ac_error *err);
ac_status get_code_interpreter_session(front_call *call, ac_error *err);
ac_status list_code_interpreter_sessions(front_call *call, ac_error *err);
ac_status stop_code_interpreter_session(front_call *call, ac_error *err);
ac_status invoke_code_interpreter(front_call *call, ac_error *err);

#endif
