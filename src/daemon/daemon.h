/* daemon.h - the running service: what is open, and how a room of services joins it.
 *
 * A room (identity, tags, memory, ...) is a row in rooms.c.  Its start function registers operations with the front and
 * adds handlers for the jobs it queues; the daemon does the rest:
 *
 *     static ac_status start(agentcored *d, void **ret_room, ac_error *err)
 *     {
 *         ...
 *         return front_register(d->front, operations, ARRAY_SIZE(operations), *ret_room);
 *     } */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "daemon/artifacts/artifacts.h"
#include "daemon/config.h"
#include "daemon/front/front.h"
#include "daemon/sessions/sessions.h"
#include "daemon/store/job_runner.h"
#include "daemon/store/store.h"

#define DAEMON_JOB_HANDLERS_MAX 64
#define DAEMON_ROOMS_MAX 32
#define DAEMON_WATCHES_MAX 8
#define DAEMON_URL_SIZE 320

/* A room that wants to know when a session of its kind is over; see sessions_options.on_over. */
typedef struct daemon_watch {
    const char *kind;
    void (*on_over)(const session_key *key, const char *reason, void *user);
    void *user;
} daemon_watch;

/* Everything is open before the first room starts, and stays so until the last one has stopped. */
typedef struct agentcored {
    const config *config;
    store *store;
    keys *keys;
    workers *workers;
    jwt_verifier *jwt;
    front *front;
    sandboxes *sandboxes;
    sessions *sessions;
    artifacts *artifacts;
    struct http_tls *tls;      /* NULL: plain HTTP */
    char *ca_file;             /* the local CA's root; NULL: there is none */
    char url[DAEMON_URL_SIZE]; /* for clients on this machine; set when the port is open */

    job_handler job_handlers[DAEMON_JOB_HANDLERS_MAX];
    size_t job_handler_count;
    job_runner *jobs;
    daemon_watch watches[DAEMON_WATCHES_MAX];
    size_t watch_count;

    void *rooms[DAEMON_ROOMS_MAX]; /* by their place in the table */
    size_t rooms_started;
} agentcored;

/* Open all, serve until SIGTERM or SIGINT, drain, close.  AC_OK: it was told to stop. */
ac_status agentcored_serve(const config *c, ac_error *err) AC_MUST_USE;

/* For a room's start function.  AC_ERR_QUOTA: DAEMON_JOB_HANDLERS_MAX. */
ac_status agentcored_add_job(agentcored *d, const job_handler *handler, ac_error *err) AC_MUST_USE;

/* The same, AC_ERR_QUOTA: DAEMON_WATCHES_MAX. */
ac_status agentcored_watch_sessions(agentcored *d, const daemon_watch *watch, ac_error *err) AC_MUST_USE;

/* ---- rooms.c ---- */

typedef struct daemon_room {
    const char *name;
    /* *ret_room is what stop gets; it may stay NULL. */
    ac_status (*start)(agentcored *d, void **ret_room, ac_error *err);
    /* No operation and no job runs any more.  May be NULL. */
    void (*stop)(void *room);
} daemon_room;

/* Start all rooms, in the order of the table. */
ac_status rooms_register(agentcored *d, ac_error *err) AC_MUST_USE;

/* Stop those that were started, last first. */
void rooms_stop(agentcored *d);

/* ---- daemon_report.c: what GET /health and GET /metrics say beyond the front; user is the agentcored ---- */

ac_status daemon_health(void *user, ac_error *err);
ac_status daemon_metrics(buf *out, void *user);

#endif
