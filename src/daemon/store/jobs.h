/* jobs.h - work that is promised in a transaction and done later, by some daemon on the same store.
 *
 *     jobs_enqueue(tx, &(job_spec){.kind = "memory.extract", .key = session, .payload = json}, err)
 *
 * A job is done at least once: it is taken under a lease, which is renewed while its handler runs; when the process
 * dies, the lease runs out and another one takes it.  So handlers are written to be repeated.  A handler whose effect
 * is in the store can have it exactly once, by calling job_done in the transaction that has the effect.
 *
 * A job that fails is tried again after 1 s, 2 s, 4 s, ... with jitter, and is dead after attempts_max failures: it is
 * kept, visible, until it is revived or deleted.  A job that is done is deleted. */
#ifndef DAEMON_STORE_JOBS_H
#define DAEMON_STORE_JOBS_H

#include "base/arena.h"
#include "daemon/store/sql.h"

#define JOB_ATTEMPTS_DEFAULT 10
#define JOB_ATTEMPTS_FOREVER (-1)
#define JOB_PAGE_MAX 1000

typedef struct job_spec {
    const char *kind;    /* which handler */
    const char *key;     /* what it is about; NULL: jobs of this kind have nothing in common */
    const char *payload; /* for the handler; NULL: "" */
    int64_t delay_ms;    /* not before; 0: now */
    int attempts_max;    /* 0: JOB_ATTEMPTS_DEFAULT; JOB_ATTEMPTS_FOREVER */
    int64_t period_ms;   /* it comes back so long after it was done; 0: no */
} job_spec;

/* Queue a job; it exists when the transaction is committed.  With a key there is one job of that kind and key:
 *   - if it waits, it keeps its payload, and runs at the earlier time (unless it waits after a failure);
 *   - if it is running, it runs once more after that, for its handler may have looked before this change;
 *   - if it is dead, it begins anew with this payload. */
ac_status jobs_enqueue(store_tx *tx, const job_spec *spec, ac_error *err) AC_MUST_USE;

typedef struct job {
    int64_t id;
    const char *kind;
    const char *key; /* may be NULL */
    const char *payload;
    int attempt;            /* 1 for the first */
    const char *owner;      /* who has the lease: another name for each claim */
    const char *state;      /* "ready", "running", "dead" */
    int64_t due_ms;         /* when it may be taken: run time, or end of the lease; 0: dead */
    const char *last_error; /* NULL: has not failed */
    int64_t created_ms;
} job;

/* In a handler's own transaction: the job is done if this transaction is committed.  AC_ERR_CONFLICT: the lease was
 * lost, and with it the right to do anything: return this, so that the transaction is taken back. */
ac_status job_done(store_tx *tx, const job *j, ac_error *err) AC_MUST_USE;

/* From here on: for job_runner.c, and for whoever looks after the queue. */

typedef struct job_claim {
    const char *const *kinds;
    size_t kind_count;
    const char *owner; /* never the same one twice: a job that comes back is at its first attempt again */
    unsigned lease_ms;
    size_t limit;
} job_claim;

/* Take up to limit due jobs of these kinds for owner, for lease_ms.  *ret_jobs is in memory. */
ac_status jobs_claim(store_tx *tx, const job_claim *claim, arena *memory, job **ret_jobs, size_t *ret_count,
                     ac_error *err) AC_MUST_USE;

/* How long until the next of these kinds may be due: 0 now, INT64_MAX never. */
ac_status jobs_next_due(store_tx *tx, const char *const *kinds, size_t kind_count, int64_t *ret_wait_ms, ac_error *err)
    AC_MUST_USE;

/* AC_ERR_CONFLICT: the lease was lost. */
ac_status job_renew(store_tx *tx, const job *j, unsigned lease_ms, ac_error *err) AC_MUST_USE;

/* The handler failed: wait for delay_ms, or be dead if this was the last attempt. */
ac_status job_failed(store_tx *tx, const job *j, int64_t delay_ms, const char *message, ac_error *err) AC_MUST_USE;

/* The job was not begun: let somebody else have it at once. */
ac_status job_release(store_tx *tx, const job *j, ac_error *err) AC_MUST_USE;

/* End the leases of all jobs that are running: whoever had them is known to be gone. */
ac_status jobs_end_leases(store_tx *tx, ac_error *err) AC_MUST_USE;

typedef struct job_count {
    const char *kind;
    const char *state;
    int64_t count;
} job_count;

/* How many there are by kind and state; at most JOB_PAGE_MAX rows. */
ac_status jobs_count(store_tx *tx, arena *memory, job_count **ret_counts, size_t *ret_count, ac_error *err) AC_MUST_USE;

typedef struct job_filter {
    const char *kind;       /* NULL: any */
    const char *state;      /* NULL: any */
    const char *key_prefix; /* NULL: any; needs a kind */
    int64_t after_id;       /* of the last job on the page before */
    size_t limit;           /* 1 to JOB_PAGE_MAX */
} job_filter;

/* A page of the queue, oldest first. */
ac_status jobs_list(store_tx *tx, const job_filter *filter, arena *memory, job **ret_jobs, size_t *ret_count,
                    ac_error *err) AC_MUST_USE;

/* A dead job begins anew, or is deleted.  AC_ERR_NOT_FOUND: there is no such dead job. */
ac_status job_revive(store_tx *tx, int64_t id, ac_error *err) AC_MUST_USE;
ac_status job_delete(store_tx *tx, int64_t id, ac_error *err) AC_MUST_USE;

/* What the jobs of a kind whose keys begin with prefix were about is gone: delete those that are not running. */
ac_status jobs_forget(store_tx *tx, const char *kind, const char *prefix, ac_error *err) AC_MUST_USE;

#endif
