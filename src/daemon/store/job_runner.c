/* job_runner.c - finds due jobs, runs their handlers, keeps their leases.
 *
 * The runner's thread sleeps until the next job is due, a lease wants renewing, a place is free again, or somebody in
 * this process has queued something; and for poll_ms at most, for those who queue elsewhere.  It looks with a read
 * before it claims with a write.  It claims no more than it has places for, so a claimed job begins at once.
 *
 * Each look for jobs claims under a name of its own: a job whose handler has ended it (job_done), and that was asked
 * for again, may be claimed anew before the run of the first time is quite over, and that must not end the second.
 *
 * Leases are renewed after a third of their time.  A run whose lease could not be renewed in time counts as lost: its
 * handler is told, and whatever it still says about the job finds no row to change (jobs.c).
 *
 * Lock order: the store's list of wakers, then the runner's lock; no lock is held while the store is used. */
#include "daemon/store/job_runner.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/uuid.h"
#include "base/workers.h"
#include "daemon/store/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNNING_DEFAULT 8
#define RUNNING_LIMIT 1024
#define LEASE_MS_DEFAULT 30000
#define POLL_MS_SHARED 1000
#define POLL_MS_ALONE 60000
#define RETRY_MS_DEFAULT 1000
#define RETRY_MAX_MS_DEFAULT (5 * 60 * 1000)
#define TROUBLE_MS 1000 /* until the next look when the store fails */
#define HANDLERS_MAX 24
#define OWNER_SIZE (UUID_SIZE + 24) /* the runner's name, and a number */

struct job_run {
    workers_job work;
    job_runner *runner;
    const job_handler *handler;
    job job;
    arena memory;           /* the job's texts */
    uint64_t held_until_ms; /* by the monotonic clock; the runner thread's */
    atomic_bool lost;
    struct job_run *next; /* in the runner's list */
};

struct job_runner {
    store *store;
    store_waker waker;
    job_handler handlers[HANDLERS_MAX];
    const char *kinds[HANDLERS_MAX];
    size_t handler_count;
    unsigned running_max, lease_ms, poll_ms, retry_ms, retry_max_ms;
    bool alone;
    char name[UUID_SIZE];
    uint64_t claims; /* so far; the runner thread's */
    workers *workers;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool woken;
    atomic_bool stopping;
    unsigned running;
    job_run *runs;
};

bool job_run_cancelled(const job_run *run)
{
    return atomic_load(&run->lost) || atomic_load(&run->runner->stopping);
}

static void wake(store_waker *waker)
{
    job_runner *r = CONTAINER_OF(waker, job_runner, waker);

    pthread_mutex_lock(&r->lock);
    r->woken = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void run_free(job_run *run)
{
    arena_done(&run->memory);
    free(run);
}

static void run_forget(job_run *run)
{
    job_runner *r = run->runner;

    pthread_mutex_lock(&r->lock);
    for (job_run **link = &r->runs; *link; link = &(*link)->next) {
        if (*link == run) {
            *link = run->next;
            break;
        }
    }
    r->running--;
    r->woken = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

/* How long to wait after a failed attempt: doubled each time, half of it left to chance, so that jobs which failed
 * together do not come back together. */
static int64_t retry_delay(const job_runner *r, int attempt)
{
    int64_t delay = r->retry_ms;

    for (int i = 1; i < attempt && delay < r->retry_max_ms; i++)
        delay *= 2;
    delay = MIN(delay, (int64_t)r->retry_max_ms);
    return delay - (int64_t)(clock_monotonic_ns() % (uint64_t)(delay / 2 + 1));
}

typedef struct outcome {
    const job_run *run;
    ac_status status;
    const char *message;
} outcome;

static ac_status write_outcome(store_tx *tx, void *arg, ac_error *err)
{
    const outcome *o = arg;
    const job *j = &o->run->job;

    if (o->status == AC_OK)
        return job_done(tx, j, err);
    if (atomic_load(&o->run->runner->stopping)) /* it was told to give up: restarts are not to kill jobs */
        return job_release(tx, j, err);
    return job_failed(tx, j, retry_delay(o->run->runner, j->attempt), o->message, err);
}

static void run_job(workers_job *work)
{
    job_run *run = CONTAINER_OF(work, job_run, work);
    job_runner *r = run->runner;
    ac_error failure = {0}, err = {0};

    ac_status status = run->handler->run(r->store, &run->job, run, run->handler->arg, &failure);
    if (status != AC_OK && !failure.message[0])
        ac_error_set(&failure, status, "%s", ac_status_text(status));
    if (status != AC_OK && !atomic_load(&r->stopping))
        ac_log_warning("job %lld (%s) failed at attempt %d: %s", (long long)run->job.id, run->job.kind,
                       run->job.attempt, failure.message);

    outcome o = {.run = run, .status = status, .message = failure.message};
    ac_status written = store_write(r->store, write_outcome, &o, &err);
    /* A conflict is what a handler leaves that called job_done itself, or that lost its lease. */
    if (written != AC_OK && written != AC_ERR_CONFLICT)
        ac_log_warning("job %lld (%s) will be run again, for its outcome was not stored: %s", (long long)run->job.id,
                       run->job.kind, err.message);
    run_forget(run);
    run_free(run);
}

static const job_handler *handler_of(const job_runner *r, const char *kind)
{
    for (size_t i = 0; i < r->handler_count; i++) {
        if (strcmp(r->handlers[i].kind, kind) == 0)
            return &r->handlers[i];
    }
    return NULL;
}

static bool copy_job(job_run *run, const job *j)
{
    run->job = *j;
    run->job.kind = arena_copy(&run->memory, j->kind, strlen(j->kind));
    run->job.key = j->key ? arena_copy(&run->memory, j->key, strlen(j->key)) : NULL;
    run->job.payload = arena_copy(&run->memory, j->payload, strlen(j->payload));
    run->job.owner = arena_copy(&run->memory, j->owner, strlen(j->owner));
    run->job.state = "running";
    run->job.last_error = NULL;
    return run->job.kind && run->job.payload && run->job.owner && (run->job.key || !j->key);
}

static ac_status release(store_tx *tx, void *arg, ac_error *err)
{
    return job_release(tx, arg, err);
}

/* Begin a claimed job, or give it back. */
static void begin(job_runner *r, job *j, uint64_t held_until_ms)
{
    job_run *run = calloc(1, sizeof(*run));

    if (run) {
        run->runner = r;
        run->work.run = run_job;
        run->handler = handler_of(r, j->kind);
        run->held_until_ms = held_until_ms;
        if (run->handler && copy_job(run, j)) {
            pthread_mutex_lock(&r->lock);
            run->next = r->runs;
            r->runs = run;
            r->running++;
            pthread_mutex_unlock(&r->lock);
            if (workers_submit(r->workers, &run->work) == AC_OK)
                return;
            run_forget(run);
        }
        run_free(run);
    }
    if (store_write(r->store, release, j, NULL) != AC_OK)
        ac_log_warning("job %lld waits until its lease ends, for there was no memory to run it", (long long)j->id);
}

typedef struct claim {
    job_runner *runner;
    char owner[OWNER_SIZE];
    arena *memory;
    size_t limit;
    job *jobs;
    size_t count;
    int64_t wait_ms;
} claim;

static ac_status look(store_tx *tx, void *arg, ac_error *err)
{
    claim *c = arg;

    return jobs_next_due(tx, c->runner->kinds, c->runner->handler_count, &c->wait_ms, err);
}

static ac_status take(store_tx *tx, void *arg, ac_error *err)
{
    claim *c = arg;
    job_runner *r = c->runner;
    job_claim what = {.kinds = r->kinds,
                      .kind_count = r->handler_count,
                      .owner = c->owner,
                      .lease_ms = r->lease_ms,
                      .limit = c->limit};

    return jobs_claim(tx, &what, c->memory, &c->jobs, &c->count, err);
}

/* Begin what is due, as far as there are places; how long until there may be more.  Trouble is not reported each time:
 * whoever queues jobs meets it as well. */
static uint64_t serve(job_runner *r, unsigned places)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    claim c = {.runner = r, .memory = &memory, .limit = places};
    ac_error err;

    if (store_read(r->store, look, &c, &err) != AC_OK)
        return TROUBLE_MS;
    if (c.wait_ms > 0)
        return (uint64_t)c.wait_ms;
    uint64_t held_until_ms = clock_monotonic_ms() + r->lease_ms;
    snprintf(c.owner, sizeof c.owner, "%s/%llu", r->name, (unsigned long long)++r->claims);
    if (store_write(r->store, take, &c, &err) != AC_OK) {
        ac_log_warning("jobs cannot be taken: %s", err.message);
        return TROUBLE_MS;
    }
    for (size_t i = 0; i < c.count; i++)
        begin(r, &c.jobs[i], held_until_ms);
    return c.count ? 0 : 1; /* none: another daemon was faster */
}

typedef struct renewal {
    int64_t id;
    int attempt;
    char owner[OWNER_SIZE];
    bool done, lost;
} renewal;

typedef struct renewals {
    job_runner *runner;
    renewal items[RUNNING_LIMIT];
    size_t count;
} renewals;

static ac_status renew(store_tx *tx, void *arg, ac_error *err)
{
    renewals *all = arg;

    for (size_t i = 0; i < all->count; i++) {
        renewal *each = &all->items[i];
        job j = {.id = each->id, .attempt = each->attempt, .owner = each->owner};
        ac_status status = job_renew(tx, &j, all->runner->lease_ms, err);
        each->done = status == AC_OK;
        each->lost = status == AC_ERR_CONFLICT;
        if (!each->done && !each->lost)
            return status;
    }
    return AC_OK;
}

static void note_renewals(job_runner *r, const renewals *all, bool written, uint64_t held_until_ms)
{
    uint64_t now = clock_monotonic_ms();

    pthread_mutex_lock(&r->lock);
    for (job_run *run = r->runs; run; run = run->next) {
        for (size_t i = 0; i < all->count; i++) {
            const renewal *each = &all->items[i];
            if (each->id != run->job.id || strcmp(each->owner, run->job.owner) != 0 || !written)
                continue;
            if (each->done)
                run->held_until_ms = held_until_ms;
            if (each->lost)
                atomic_store(&run->lost, true);
        }
        if (run->held_until_ms <= now)
            atomic_store(&run->lost, true);
    }
    pthread_mutex_unlock(&r->lock);
}

static void note_run(renewal *each, const job_run *run)
{
    *each = (renewal){.id = run->job.id, .attempt = run->job.attempt};
    snprintf(each->owner, sizeof each->owner, "%s", run->job.owner);
}

static void keep_leases(job_runner *r)
{
    renewals *all = calloc(1, sizeof(*all));

    if (!all)
        return;
    all->runner = r;
    pthread_mutex_lock(&r->lock);
    for (const job_run *run = r->runs; run && all->count < RUNNING_LIMIT; run = run->next) {
        if (!atomic_load(&run->lost))
            note_run(&all->items[all->count++], run);
    }
    pthread_mutex_unlock(&r->lock);
    if (all->count) {
        uint64_t held_until_ms = clock_monotonic_ms() + r->lease_ms;
        bool written = store_write(r->store, renew, all, NULL) == AC_OK;
        note_renewals(r, all, written, held_until_ms);
    }
    free(all);
}

static void *runner_main(void *arg)
{
    job_runner *r = arg;
    uint64_t renew_at_ms = clock_monotonic_ms() + r->lease_ms / 3;

    pthread_mutex_lock(&r->lock);
    while (!atomic_load(&r->stopping)) {
        unsigned places = r->running_max - r->running;
        uint64_t wait_ms = r->poll_ms;

        if (r->running == 0)
            renew_at_ms = clock_monotonic_ms() + r->lease_ms / 3;
        r->woken = false;
        pthread_mutex_unlock(&r->lock);
        if (clock_monotonic_ms() >= renew_at_ms) {
            keep_leases(r);
            renew_at_ms = clock_monotonic_ms() + r->lease_ms / 3;
        }
        if (places > 0) {
            uint64_t next_ms = serve(r, places);
            wait_ms = MIN(wait_ms, next_ms);
        }

        pthread_mutex_lock(&r->lock);
        uint64_t now = clock_monotonic_ms();
        if (r->running > 0)
            wait_ms = MIN(wait_ms, renew_at_ms > now ? renew_at_ms - now : 0);
        struct timespec deadline = store_deadline((unsigned)wait_ms);
        int rc = wait_ms ? 0 : 1;
        while (!r->woken && !atomic_load(&r->stopping) && rc == 0)
            rc = pthread_cond_timedwait(&r->changed, &r->lock, &deadline);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static ac_status prepare_jobs(store_tx *tx, void *arg, ac_error *err)
{
    const job_runner *r = arg;

    if (r->alone)
        AC_TRY(jobs_end_leases(tx, err));
    for (size_t i = 0; i < r->handler_count; i++) {
        const job_handler *h = &r->handlers[i];
        if (h->period_ms)
            AC_TRY(jobs_enqueue(tx,
                                &(job_spec){.kind = h->kind,
                                            .key = "periodic",
                                            .delay_ms = h->period_ms,
                                            .period_ms = h->period_ms,
                                            .attempts_max = JOB_ATTEMPTS_FOREVER},
                                err));
    }
    return AC_OK;
}

static void runner_free(job_runner *r)
{
    workers_free(r->workers);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static void take_options(job_runner *r, const job_runner_options *o)
{
    bool alone = r->store->engine == &store_sqlite;

    r->running_max = o->running_max ? MIN(o->running_max, (unsigned)RUNNING_LIMIT) : RUNNING_DEFAULT;
    r->lease_ms = o->lease_ms ? o->lease_ms : LEASE_MS_DEFAULT;
    r->poll_ms = o->poll_ms ? o->poll_ms : alone ? POLL_MS_ALONE : POLL_MS_SHARED;
    r->retry_ms = o->retry_ms ? o->retry_ms : RETRY_MS_DEFAULT;
    r->retry_max_ms = o->retry_max_ms ? o->retry_max_ms : RETRY_MAX_MS_DEFAULT;
    r->alone = o->alone;
    r->handler_count = o->handler_count;
    for (size_t i = 0; i < o->handler_count; i++) {
        r->handlers[i] = o->handlers[i];
        r->kinds[i] = o->handlers[i].kind;
    }
}

ac_status job_runner_start(store *s, const job_runner_options *options, job_runner **ret_runner, ac_error *err)
{
    job_runner *r;

    if (options->handler_count < 1 || options->handler_count > HANDLERS_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "a runner has 1 to %d handlers", HANDLERS_MAX);
    r = calloc(1, sizeof(*r));
    if (!r)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    r->store = s;
    r->waker.wake = wake;
    take_options(r, options);
    uuid_v4(r->name);
    pthread_mutex_init(&r->lock, NULL);
    store_cond_init(&r->changed);
    r->workers = workers_new(&(workers_options){.threads_max = r->running_max});
    ac_status status =
        r->workers ? store_write(s, prepare_jobs, r, err) : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (status != AC_OK) {
        runner_free(r);
        return status;
    }
    store_waker_add(s, &r->waker); /* first, so that no job falls between the thread's first look and this */
    if (thread_start(&r->thread, NULL, runner_main, r) != 0) {
        store_waker_remove(s, &r->waker);
        runner_free(r);
        return ac_error_set(err, AC_ERR_AGAIN, "no thread for the jobs can be made");
    }
    *ret_runner = r;
    return AC_OK;
}

bool job_runner_stop(job_runner *r, unsigned timeout_ms)
{
    store_waker_remove(r->store, &r->waker);
    pthread_mutex_lock(&r->lock);
    atomic_store(&r->stopping, true);
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    if (!workers_stop(r->workers, timeout_ms))
        return false;
    runner_free(r);
    return true;
}
