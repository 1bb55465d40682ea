/* sessions.h - the session manager: agent, interpreter and browser sessions are one thing.
 *
 * A session is a sandbox that belongs to a key: made when it is first asked for, found again by later calls, ended by
 * its idle time, its life time, a stop, its own death or the daemon's end.  While a call uses it (session_acquire to
 * session_release) it is not idle.  A session that answers on a port is ready when GET on its health path says 200, is
 * asked again while it is idle, and is kept beyond its idle time as long as the answer says HealthyBusy.
 *
 * One thread, the keeper, runs the loop on which sandboxes' events, outputs and timers are; callers' threads do what
 * blocks (starting).  What a session writes goes to its log (session_log.h), whose last lines a failed start and a dead
 * session quote.
 *
 * Several daemons on one store (sessions_options.store is shared): a session belongs to the one that made it, found by
 * others through the table `sessions` and a lease that its owner renews; see session_acquire. */
#ifndef DAEMON_SESSIONS_SESSIONS_H
#define DAEMON_SESSIONS_SESSIONS_H

#include "base/arena.h"
#include "daemon/sandbox/sandbox.h"
#include "daemon/store/store.h"
#include "http/upstream.h"

typedef struct sessions sessions;
typedef struct session session;

#define SESSION_ID_MAX 256
#define SESSION_OWNER_MAX 512
#define SESSION_REASON_SIZE 1024

/* Which session. */
typedef struct session_key {
    const char *kind;  /* "runtime", "code-interpreter", "browser" */
    const char *owner; /* whose, and of what: "ACCOUNT/RUNTIME-ID/ENDPOINT"; at most SESSION_OWNER_MAX bytes */
    const char *id;    /* at most SESSION_ID_MAX bytes */
} session_key;

/* How to make one.  Zero means the default beside it; texts live in the arena that session_prepare was given.  Of one
 * that comes from a pool, idle_ms and life_ms are those of the plan that it was asked for with. */
typedef struct session_plan {
    sandbox_spec sandbox;    /* output_fd is set by the manager */
    const char *version;     /* of what runs in it: for session_version; "" */
    uint16_t port;           /* that it serves; 0: none, ready when its program runs */
    const char *health_path; /* "/ping"; NULL: ready when the port takes a connection */
    unsigned start_ms;       /* until it is ready; 60 s */
    unsigned idle_ms;        /* 900 s */
    unsigned life_ms;        /* 28,800 s */
    unsigned stop_grace_ms;  /* from SIGTERM to SIGKILL; 5 s */
    const char *log_name;    /* path below the log directory, without suffix: "runtimes/ID/ENDPOINT"; NULL: kept nowhere
                                but for the last lines */
    const char *pool;        /* sessions with the same text are interchangeable until they are first used (it names
                                version, artifact and environment); NULL: no warm ones */
    unsigned warm;           /* so many are kept started in advance, once the pool is known: by the plan of the last
                                session that was asked for, which is an hour old at most when one of them is used */
} session_plan;

/* Fill a plan; called on the acquiring thread (or a thread of the manager for warm ones), without locks. */
typedef ac_status (*session_prepare)(void *user, arena *memory, session_plan *ret_plan, ac_error *err);

typedef struct sessions_options {
    sandboxes *sandboxes;        /* borrowed */
    store *store;                /* borrowed; shared between daemons when it is PostgreSQL */
    const char *data_dir;        /* logs are in DATA/logs */
    const char *peer_url;        /* where other daemons reach this one: "http://10.0.0.5:8484"; NULL: alone */
    unsigned sessions_max;       /* at once; 1024.  Beyond: the longest idle one is ended for a new one; all busy:
                                AC_ERR_QUOTA */
    unsigned health_interval_ms; /* between looks at an idle session; 30 s */
    unsigned health_timeout_ms;  /* for the answer; 10 s; three without an answer end it */
    unsigned warm_ms;            /* a warm one that nobody took for so long is replaced; 30 min */
    /* A connection from inside (sandbox_spec.service_port): fd is the callee's.  On the keeper's thread. */
    void (*on_connection)(int fd, const session_key *key, void *user);
    /* A session is over, however it ended.  On the keeper's thread; must not block for long.  May be NULL. */
    void (*on_over)(const session_key *key, const char *reason, void *user);
    void *user;
} sessions_options;

ac_status sessions_open(const sessions_options *options, sessions **ret_all, ac_error *err) AC_MUST_USE;

/* End all sessions (those in use get their grace time) and wait.  Nobody acquires any more. */
void sessions_close(sessions *all);

typedef struct session_request {
    session_key key;
    session_prepare prepare; /* NULL: only find one that is there: AC_ERR_NOT_FOUND */
    void *user;
    bool stay_here; /* the request was passed on by another daemon: start it here rather than pass it on again */
} session_request;

/* Where a session is when it is another daemon's. */
typedef struct session_peer {
    char url[320];
} session_peer;

/* Find or start a session and use it.  While somebody else starts it, wait for that.  Blocks: worker threads.
 * AC_ERR_TIMEOUT, AC_ERR_CLOSED: it did not become ready, or died doing so: err's message is for the caller of the
 * agent and quotes its last words; AC_ERR_QUOTA; AC_ERR_AGAIN: it is being stopped (RetryableConflictException) or
 * belongs to another daemon, in which case ret_peer (may be NULL) is filled: its url is not empty; what prepare and
 * sandbox_start fail with. */
ac_status session_acquire(sessions *all, const session_request *request, session **ret_session, session_peer *ret_peer,
                          ac_error *err) AC_MUST_USE;

/* The use is over; any thread, never blocks.  NULL is allowed. */
void session_release(session *s);
DEFINE_CLEANUP(session *, session_release)

/* ---- of a session that is in use ---- */

/* Its program has broken something off, and may have died of it: its sockets are closed one after the other then, and
 * the one that takes connections perhaps last.  Who acquires the session in the next moment waits for news of its end
 * first.  Any thread, never blocks. */
void session_doubt(session *s);

/* A socket to connect to its port (or any other: 127.0.0.1 inside). */
ac_status session_socket(session *s, int *ret_fd, ac_error *err) AC_MUST_USE;

/* A connection to its port on a loop, kept from an earlier request or new; NULL when there can be none (err says why).
 * On that loop's thread. */
http_upstream *session_connect(session *s, http_loop *loop, bool fresh, ac_error *err);

/* Give one back for later requests on the same loop, where it stays for two seconds at most; closes it when it is not
 * reusable.  On that loop's thread.  Loops on which this was called end before sessions_close and are freed after it.
 * */
void session_keep(session *s, http_loop *loop, http_upstream *u);

/* Another program in the session's sandbox; see sandbox_exec.  on_end is called once on the keeper's thread. */
ac_status session_exec(session *s, const sandbox_command *command,
                       void (*on_end)(void *user, const sandbox_event *event), void *user, uint32_t *ret_id,
                       ac_error *err) AC_MUST_USE;
void session_signal(session *s, uint32_t id, int signal);

const char *session_version(const session *s);
int64_t session_created_ms(const session *s);

/* Why it is over, with the last lines of its output: "exited with code 3; its last output: ..."; "" while it lives.
 * Waits up to wait_ms for the news, for callers whose connection has just broken. */
void session_over_reason(session *s, unsigned wait_ms, char ret_text[SESSION_REASON_SIZE]);

/* ---- by key ---- */

/* End a session; returns when it is over (its grace time included) or at once when it is not this daemon's
 * (AC_ERR_AGAIN with ret_peer).  AC_ERR_NOT_FOUND: there is none. */
ac_status session_stop(sessions *all, const session_key *key, session_peer *ret_peer, ac_error *err) AC_MUST_USE;

/* End all whose owner begins with prefix: the resource is being deleted.  version: only those of it; NULL: all, other
 * daemons' among them, which end theirs within a third of a lease.  May wait for the store. */
void sessions_stop_all(sessions *all, const char *kind, const char *owner_prefix, const char *version);

typedef struct session_info {
    char kind[32];
    char owner[SESSION_OWNER_MAX + 1];
    char id[SESSION_ID_MAX + 1];
    char state[16]; /* "starting", "ready", "busy", "stopping" */
    int64_t created_ms, used_ms;
    unsigned in_use;
} session_info;

/* Those of this daemon; *ret_infos is to be freed. */
ac_status sessions_list(sessions *all, const char *kind, const char *owner_prefix, session_info **ret_infos,
                        size_t *ret_count, ac_error *err) AC_MUST_USE;

typedef struct sessions_stats {
    uint64_t started, failed, ended;
    unsigned now, busy, warm;
} sessions_stats;

void sessions_get_stats(sessions *all, sessions_stats *ret_stats);

#endif
