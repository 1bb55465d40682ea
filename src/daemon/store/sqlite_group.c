/* sqlite_group.c - writers that share one commit.
 *
 * A commit waits for the disk, some 200 us, and SQLite has one writer at a time.  So writers queue up, and one of them,
 * the leader, runs all that are waiting within one BEGIN ... COMMIT while the next ones gather.  There is no writer
 * thread: a lone writer is its own leader and pays for no thread switch, and an idle daemon has no thread for this.
 *
 * Each request runs within a savepoint, so one that fails is taken back alone.  Some failures (full disk, interrupted
 * statement) make SQLite take back the whole transaction, and a commit may fail as a whole.  Then nobody has been
 * answered yet, and each request of the group is run again in a transaction of its own: who is at fault fails alone.
 *
 * Invariants, under the lock: `led` is true exactly while some thread is leader, or has been called to be; while the
 * queue is not empty, it is led.  A request that was taken from the queue is answered by its leader, whatever happens:
 * its owner may give up waiting only while it is in the queue, for its arguments live on the owner's stack.
 *
 * An owner sleeps on its request's state itself (a futex) and not on a condition under the lock: a leader wakes all of
 * its group at once, and none of them is to be woken only to wait for the lock.  The request is gone as soon as its
 * owner sees it done, so that is the last that a leader writes to it; the call that wakes knows no more than the
 * address. */
#include "daemon/store/sqlite_group.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUP_MAX_DEFAULT 256

typedef enum request_state { REQUEST_QUEUED, REQUEST_CALLED, REQUEST_TAKEN, REQUEST_DONE } request_state;

typedef struct request {
    store_fn fn;
    void *arg;
    ac_error *err;
    ac_status status;
    bool wakes;        /* it queued jobs */
    atomic_uint state; /* request_state; changed under the lock but for the last time */
    struct request *next;
} request;

struct sqlite_group {
    store *store;
    sqlite_connection *writer; /* the leader's */
    unsigned group_max;
    pthread_mutex_t lock;
    request *first, *last;
    bool led;
};

sqlite_group *sqlite_group_new(store *s, sqlite_connection *writer, unsigned group_max)
{
    sqlite_group *g = calloc(1, sizeof(*g));

    if (!g) {
        sqlite_connection_close(writer);
        return NULL;
    }
    g->store = s;
    g->writer = writer;
    g->group_max = group_max ? group_max : GROUP_MAX_DEFAULT;
    pthread_mutex_init(&g->lock, NULL);
    return g;
}

void sqlite_group_free(sqlite_group *g)
{
    if (!g)
        return;
    sqlite_connection_close(g->writer);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

/* ROLLBACK, unless SQLite has done it already. */
static void take_back(sqlite_group *g)
{
    if (!sqlite3_get_autocommit(g->writer->db))
        sqlite3_exec(g->writer->db, "ROLLBACK", NULL, NULL, NULL);
}

static ac_status call(sqlite_group *g, request *r)
{
    store_tx tx = {.store = g->store, .connection = g->writer, .writes = true};

    r->status = store_call(&tx, r->fn, r->arg, r->err);
    r->wakes = tx.wakes;
    return r->status;
}

static ac_status run_alone(sqlite_group *g, request *r)
{
    ac_status status = sqlite_do(g->writer, "BEGIN IMMEDIATE", r->err);

    if (status == AC_OK)
        status = call(g, r);
    if (status == AC_OK) {
        status = sqlite_do(g->writer, "COMMIT", r->err);
        atomic_fetch_add_explicit(&g->store->commits, 1, memory_order_relaxed);
    }
    take_back(g);
    r->status = status;
    return status;
}

/* One request of a group.  False: the group's transaction is gone, or in a state nobody knows. */
static bool run_in_savepoint(sqlite_group *g, request *r)
{
    if (sqlite_do(g->writer, "SAVEPOINT one", NULL) != AC_OK)
        return false;
    if (call(g, r) != AC_OK) {
        if (sqlite3_get_autocommit(g->writer->db) || sqlite_do(g->writer, "ROLLBACK TO one", NULL) != AC_OK)
            return false;
    }
    return sqlite_do(g->writer, "RELEASE one", NULL) == AC_OK;
}

static bool run_together(sqlite_group *g, request *batch)
{
    bool good = sqlite_do(g->writer, "BEGIN IMMEDIATE", NULL) == AC_OK;

    for (request *r = batch; good && r; r = r->next)
        good = run_in_savepoint(g, r);
    if (good) {
        good = sqlite_do(g->writer, "COMMIT", NULL) == AC_OK;
        atomic_fetch_add_explicit(&g->store->commits, 1, memory_order_relaxed);
    }
    take_back(g);
    return good;
}

static void run_batch(sqlite_group *g, request *batch)
{
    bool wakes = false;

    if (!batch->next || !run_together(g, batch)) {
        for (request *r = batch; r; r = r->next) {
            if (batch->next)
                atomic_fetch_add_explicit(&g->store->retries, 1, memory_order_relaxed);
            (void)!run_alone(g, r);
        }
    }
    for (request *r = batch; r; r = r->next)
        wakes = wakes || (r->status == AC_OK && r->wakes);
    if (wakes)
        store_wake(g->store);
}

static void push(sqlite_group *g, request *r)
{
    if (g->last)
        g->last->next = r;
    else
        g->first = r;
    g->last = r;
}

static void remove_queued(sqlite_group *g, const request *r)
{
    request *before = NULL;

    for (request *each = g->first; each != r; each = each->next)
        before = each;
    if (before)
        before->next = r->next;
    else
        g->first = r->next;
    if (g->last == r)
        g->last = before;
}

static void set_state(request *r, request_state state)
{
    atomic_store_explicit(&r->state, state, memory_order_release);
}

static request_state state_of(request *r)
{
    return (request_state)atomic_load_explicit(&r->state, memory_order_acquire);
}

static void wake_owner(atomic_uint *state)
{
    syscall(SYS_futex, state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static request *take_batch(sqlite_group *g)
{
    request *batch = g->first, *last = batch;

    set_state(last, REQUEST_TAKEN);
    for (unsigned count = 1; last->next && count < g->group_max; count++) {
        last = last->next;
        set_state(last, REQUEST_TAKEN);
    }
    g->first = last->next;
    if (!g->first)
        g->last = NULL;
    last->next = NULL;
    return batch;
}

/* Hand the lead to the first in the queue, if there is one; it cannot leave any more.  Under the lock. */
static request *pass_lead(sqlite_group *g)
{
    g->led = g->first != NULL;
    if (g->first)
        set_state(g->first, REQUEST_CALLED);
    return g->first;
}

/* Run the batch that the leader's own request heads.  Called with the lock held. */
static void lead_and_unlock(sqlite_group *g)
{
    request *batch = take_batch(g), *called;

    pthread_mutex_unlock(&g->lock);
    run_batch(g, batch);
    pthread_mutex_lock(&g->lock);
    called = pass_lead(g);
    pthread_mutex_unlock(&g->lock);
    if (called)
        wake_owner(&called->state);
    for (request *r = batch->next, *next; r; r = next) { /* the first is our own */
        atomic_uint *state = &r->state;

        next = r->next;
        set_state(r, REQUEST_DONE);
        wake_owner(state);
    }
}

/* Sleep until the state is none in which there is nothing to do.  deadline (may be NULL) is of the monotonic clock;
 * false: it has passed. */
static bool sleep_until_changed(request *r, const struct timespec *deadline)
{
    for (;;) {
        request_state state = state_of(r);

        if (state == REQUEST_CALLED || state == REQUEST_DONE)
            return true;
        long rc =
            syscall(SYS_futex, &r->state, FUTEX_WAIT_BITSET_PRIVATE, state, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
        if (rc != 0 && errno == ETIMEDOUT)
            return false;
    }
}

/* Wait to be done, or called to lead.  False: neither came in time, and the request is out of the queue. */
static bool wait_turn(sqlite_group *g, request *r)
{
    struct timespec deadline = store_deadline(g->store->wait_ms);
    bool left;

    if (sleep_until_changed(r, &deadline))
        return true;
    pthread_mutex_lock(&g->lock);
    left = state_of(r) == REQUEST_QUEUED;
    if (left)
        remove_queued(g, r);
    pthread_mutex_unlock(&g->lock);
    return !left && sleep_until_changed(r, NULL);
}

ac_status sqlite_group_write(sqlite_group *g, store_fn fn, void *arg, ac_error *err)
{
    request mine = {.fn = fn, .arg = arg, .err = err};
    bool led;

    pthread_mutex_lock(&g->lock);
    push(g, &mine);
    led = g->led;
    if (!led)
        set_state(&mine, REQUEST_CALLED);
    g->led = true;
    if (led) {
        pthread_mutex_unlock(&g->lock);
        if (!wait_turn(g, &mine))
            return ac_error_set(err, AC_ERR_TIMEOUT, "the store was busy for longer than %u ms", g->store->wait_ms);
        if (state_of(&mine) == REQUEST_DONE)
            return mine.status;
        pthread_mutex_lock(&g->lock);
    }
    lead_and_unlock(g);
    return mine.status;
}
