/* internal.h - the session manager's own: what its files share.
 *
 *     sessions.c   open, close, by key: find, list, stop
 *     session.c    one session as an object: memory, references, state, what is said about its end
 *     acquire.c    find, wait for, or start a session
 *     start.c      from a recipe to a sandbox that answers
 *     pool.c       sessions started in advance
 *     keeper.c     the thread that watches sandboxes; times
 *     keeper_end.c what happens when one is over
 *     look.c       GET of the health path
 *     connect.c    sockets and connections kept per loop
 *     exec.c       commands in a session's sandbox
 *     claims.c     whose a session is among several daemons
 *
 * Locks: sessions.lock guards the table, the pools and what is marked below; it is held for a few stores only, never
 * while something waits, so that session_acquire of a session that is there, and session_release, cost next to nothing.
 * What is marked with "keeper" is only touched on the keeper's thread, from session_watch on. */
#ifndef DAEMON_SESSIONS_INTERNAL_H
#define DAEMON_SESSIONS_INTERNAL_H

#include "base/workers.h"
#include "daemon/sessions/session_log.h"
#include "daemon/sessions/sessions.h"

#include <pthread.h>
#include <stdatomic.h>

#define SESSIONS_MAX_DEFAULT 1024
#define SESSION_START_MS_DEFAULT 60000
#define SESSION_IDLE_MS_DEFAULT (900 * 1000)
#define SESSION_LIFE_MS_DEFAULT (28800 * 1000)
#define SESSION_STOP_GRACE_MS_DEFAULT 5000
#define SESSION_END_LATE_MS 10000     /* beyond its grace time: then it is over, whatever the sandbox says */
#define SESSION_STOPPING_WAIT_MS 3000 /* that acquire waits for one that is being stopped */
#define SESSION_ROOM_WAIT_MS 10000    /* that acquire waits for the place of one that it has ended */
#define SESSION_LEASE_MS 30000
#define SESSION_MISSES_MAX 3 /* looks without an answer */
#define SESSION_LOOPS_MAX 64
#define SESSION_SPARES_MAX 2
#define SESSION_WORDS_SIZE SESSION_REASON_SIZE

typedef enum session_state {
    SESSION_STARTING,
    SESSION_READY,
    SESSION_STOPPING, /* was told to end */
    SESSION_OVER,     /* not in the table any more */
} session_state;

/* How sessions of one plan are made.  Counted: by its sessions until their sandboxes are gone, and by a pool. */
typedef struct session_recipe {
    atomic_uint references;
    arena memory; /* the plan's texts, and what session_prepare has bound to them */
    session_plan plan;
} session_recipe;

/* An answer of the health path, on its way. */
typedef struct session_look {
    workers_job job; /* gets a socket */
    loop_task task;  /* brings it to the keeper */
    int fd;          /* connected when `starting` */
    bool starting;   /* asked for by session_start */
    bool running;    /* keeper; from session_look to its result */
    bool deciding;   /* keeper: what it says ends an idle session, or not */
    uint64_t due_ms; /* keeper: without an answer by then it has failed */
    http_upstream *upstream;
    buf body;
    int status;
} session_look;

typedef struct session_command {
    struct session_command *next;
    uint32_t id;
    bool known; /* session_exec has said whose it is */
    bool ended; /* the event is here */
    sandbox_event event;
    void (*on_end)(void *user, const sandbox_event *event);
    void *user;
    session *owner;
    loop_task task;
} session_command;

struct session_kept;
struct session_pool;

struct session {
    sessions *all;
    session_recipe *recipe; /* NULL: not known yet */
    char *kind, *owner;
    char *id;      /* changes once, from "" when a warm one is handed out: under the lock */
    uint64_t hash; /* of the key */
    atomic_uint references;
    atomic_bool over; /* state is SESSION_OVER, for loops */

    /* ---- under all->lock ---- */
    session *hash_next;
    session *next, *previous; /* in all->first */
    pthread_cond_t changed;
    session_state state;
    unsigned in_use;
    unsigned box_users; /* calls that are using box: it is not freed before they return */
    sandbox *box;
    bool warm;                 /* has no key yet */
    bool gave_way;             /* ended to make room for another */
    bool was_ready;            /* for once */
    bool was_had;              /* by somebody */
    bool retry;                /* over because another took its place: look again */
    bool busy;                 /* HealthyBusy at the last look */
    bool kicked;               /* kick_task is on its way */
    bool quote;                /* its last words belong to why */
    bool looked;               /* session_start's look has its result: look_status */
    int look_status;           /* the last answer's; 0: there was none */
    uint64_t used_ms;          /* when it was last used, or HealthyBusy; monotonic, as all uint64_t times */
    uint64_t doubt_ms;         /* until then it may be about to end; 0: no doubt */
    uint64_t born_ms;          /* its life counts from here */
    unsigned idle_ms, life_ms; /* as the plan says, or that of the one who got it from a pool */
    int64_t created_ms;        /* the same by the calendar */
    uint64_t start_due_ms;
    uint64_t end_due_ms;            /* when stopping: over by then */
    char why[256];                  /* of its end; "" until it is known */
    char words[SESSION_WORDS_SIZE]; /* last output */
    ac_error failure;               /* of a start; status AC_OK: none */
    struct session_pool *pool;      /* of a warm one */
    session_command *commands;
    int spares[SESSION_SPARES_MAX]; /* sockets, not connected */
    unsigned spare_count;
    uint64_t claim; /* number of its row in the store; 0: none */

    atomic_uint kept_count;                       /* over all loops */
    struct session_kept *kept[SESSION_LOOPS_MAX]; /* each on its loop's thread */
    unsigned char kept_height[SESSION_LOOPS_MAX];

    /* ---- keeper ---- */
    loop_task watch_task, kick_task;
    uv_timer_t timer;
    uv_timer_t output_timer;
    uv_poll_t events, output;
    unsigned handles; /* not closed yet */
    int output_fd;    /* read end; -1: none */
    uint64_t output_turn_ms;
    uint64_t output_bytes; /* since output_turn_ms */
    bool ending;           /* keeper_end has been called */
    unsigned misses;
    uint64_t looked_ms; /* the last look's time */
    session_look look;
    session_log *log;
    workers_job reap_job;
};

/* Sessions started in advance, of one kind, owner and text. */
typedef struct session_pool {
    struct session_pool *next;
    sessions *all;
    session_recipe *recipe;
    char *kind, *owner;
    uint64_t used_ms, retry_ms;
    unsigned failures; /* in a row */
    unsigned count;    /* warm ones, and being started */
    bool dropped, filling;
    workers_job fill_job;
} session_pool;

/* What sessions keep on one loop; on its thread. */
typedef struct session_loop {
    sessions *all;
    http_loop *loop;
    unsigned index;
    deadline_list idle;
    struct session_kept *kept; /* all of them */
    loop_task task;            /* closes those whose session is over */
    atomic_bool posted;
} session_loop;

struct sessions {
    sessions_options options;
    char *peer_url;
    session_logs *logs;
    workers *workers;
    bool shared; /* rows are kept in the store */
    char daemon_id[40];

    pthread_t thread;
    http_loop loop; /* the keeper's */
    loop_task stop_task, pool_task;
    uv_timer_t lease_timer, pool_timer;
    workers_job lease_job;
    char *output_buffer; /* keeper */

    pthread_mutex_t lock;
    pthread_cond_t room; /* fewer sessions than before, or fewer to be reaped */
    session **buckets;
    size_t bucket_mask;
    session *first;
    unsigned count;    /* in the list */
    unsigned stopping; /* of them */
    unsigned warm;
    unsigned waiting;  /* acquirers that wait for room */
    unsigned unreaped; /* sessions, over or not, whose sandbox may still be there */
    bool runs;         /* the keeper's thread does */
    bool closing;
    bool renewing;
    session_pool *pools;
    bool pools_tick;  /* pool_task was posted, and the timer has not stopped since */
    unsigned filling; /* pools */
    uint64_t claims;
    uint64_t started, failed, ended;

    pthread_mutex_t loops_lock;
    session_loop *loops[SESSION_LOOPS_MAX];
    atomic_uint loop_count;
};

/* ---- session.c ---- */

session_recipe *session_recipe_new(void);
session_recipe *session_recipe_ref(session_recipe *recipe);
void session_recipe_unref(session_recipe *recipe); /* NULL is allowed */
DEFINE_CLEANUP(session_recipe *, session_recipe_unref)

/* Takes the reference.  With the lock held when s can be found. */
void session_set_recipe(session *s, session_recipe *recipe);

/* A session that is in no table, with one reference. */
session *session_new(sessions *all, const session_key *key);
session *session_ref(session *s);
void session_unref(session *s);

/* With the lock held. */
void session_add(session *s);    /* to the list, and by its key unless it is warm; a reference of the list's */
void session_remove(session *s); /* from all of it; the reference is the caller's */
session *session_find(sessions *all, const session_key *key, uint64_t hash);
uint64_t session_hash(const session_key *key);

/* Tell one that starts or is ready to end; why is kept unless it ends by itself before.  quote: with its last words.
 * With the lock held. */
void session_end(session *s, unsigned grace_ms, bool quote, const char *why, ...) AC_PRINTF(4, 5);

/* It is over without ever having been watched.  With the lock held. */
void session_fail(session *s, const ac_error *failure);

/* Hold its sandbox for a call; false when it is over. */
bool session_enter(session *s);
void session_leave(session *s);

/* Wait for a change until a time; false when it has passed.  With the lock held. */
bool session_wait(session *s, uint64_t until_ms);

/* "the agent exited with code 3; its last output: ...".  With the lock held. */
void session_say(const session *s, char *ret_text, size_t size);

/* "the agent", "the browser", ... */
const char *session_noun(const session *s);

void session_cond_init(pthread_cond_t *cond);
bool session_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t until_ms);

/* ---- start.c ---- */

/* Start a session whose recipe is set, and wait until it is ready.  Afterwards it is ready, and used once unless it is
 * warm; or over. */
ac_status session_start(session *s, ac_error *err) AC_MUST_USE;

/* ---- keeper.c ---- */

ac_status keeper_start(sessions *all, ac_error *err) AC_MUST_USE;
void keeper_stop(sessions *all);

/* Let the keeper look at a session anew.  Any thread, with the lock held. */
void session_kick(session *s);
void session_watch(loop_task *task);               /* task is s->watch_task */
void session_schedule(session *s);                 /* keeper */
void session_read_events(session *s);              /* keeper */
bool session_read_output(session *s, size_t most); /* keeper; false: nothing is left */

/* ---- keeper_end.c ---- */

/* It is over.  event: as the sandbox says; NULL: without waiting for that. */
void keeper_end(session *s, const sandbox_event *event);
void keeper_handle_closed(uv_handle_t *handle);

/* ---- look.c ---- */

void session_look_init(session *s);
void session_look_start(session *s, bool deciding); /* keeper */
void session_look_cancel(session *s);               /* keeper; no result any more */
void session_look_expired(session *s);              /* keeper: its time is over */
/* For session_start: one over a connected socket, whose result is s->looked.  Takes fd.  With the lock held. */
void session_look_first(session *s, int fd);

/* ---- connect.c ---- */

void session_prepare_socket(session *s);
void session_forget_connections(session *s); /* it is over */
void session_loops_done(sessions *all);

/* ---- exec.c ---- */

void session_command_ended(session *s, const sandbox_event *event); /* keeper */
void session_commands_over(session *s);                             /* keeper */
void session_commands_free(session *s);

/* ---- pool.c ---- */

/* A warm session for a recipe takes the place of s; NULL: there is none.  Makes the pool known. */
session *session_pool_take(session *s);
void session_pool_lost(session *s); /* a warm one is over; with the lock held */
/* Fill and drop; false when there are none left, and the ticking may stop. */
bool session_pools_tick(sessions *all);
/* With the lock held. */
void session_pools_drop(sessions *all, const char *kind, const char *owner_prefix, const char *version);
bool session_matches(const session *s, const char *kind, const char *owner_prefix, const char *version);

/* ---- claims.c ---- */

ac_status claims_open(sessions *all, ac_error *err) AC_MUST_USE;
void claims_close(sessions *all);

/* Make a session this daemon's.  AC_ERR_AGAIN: it is another's, and ret_peer says whose. */
ac_status session_claim(session *s, bool stay_here, session_peer *ret_peer, ac_error *err) AC_MUST_USE;
void session_unclaim(session *s);
/* Which other daemon has it: AC_ERR_AGAIN; AC_ERR_NOT_FOUND: none. */
ac_status session_look_up(sessions *all, const session_key *key, session_peer *ret_peer, ac_error *err) AC_MUST_USE;
void claims_renew(workers_job *job);
/* Take those of other daemons whose owner begins with the prefix away; they end them when they renew their leases. */
void claims_revoke(sessions *all, const char *kind, const char *owner_prefix);

#endif
