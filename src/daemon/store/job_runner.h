/* job_runner.h - the part of a daemon that does the jobs of jobs.h: one thread that looks for them, and threads on
 * demand that run handlers. */
#ifndef DAEMON_STORE_JOB_RUNNER_H
#define DAEMON_STORE_JOB_RUNNER_H

#include "daemon/store/jobs.h"

typedef struct job_runner job_runner;

/* One job that is running here. */
typedef struct job_run job_run;

/* Do a job, on a thread of its own where it may block and use the store.  AC_OK: it is done (also when job_done was
 * called).  Else err's sentence is kept with the job and shown, so it holds no secret. */
typedef ac_status (*job_fn)(store *s, const job *j, const job_run *run, void *arg, ac_error *err);

/* Whether to give up: the runner is being stopped, or the lease is lost and somebody else has the job. */
bool job_run_cancelled(const job_run *run);

typedef struct job_handler {
    const char *kind;
    job_fn run;
    void *arg;
    unsigned period_ms; /* the job comes by itself, so long after the last time, once over all daemons; 0: no */
} job_handler;

typedef struct job_runner_options {
    const job_handler *handlers; /* copied, but not the strings */
    size_t handler_count;
    unsigned running_max;  /* jobs at a time; 0: 8 */
    unsigned lease_ms;     /* a dead process's jobs are taken over after this; 0: 30 s */
    unsigned poll_ms;      /* longest time between two looks; 0: 1 s on PostgreSQL, 60 s on SQLite, where all who
                             queue jobs are in this process and wake the runner */
    unsigned retry_ms;     /* before the second attempt, doubled for each one more; 0: 1 s */
    unsigned retry_max_ms; /* 0: 5 min */
    bool alone;            /* no other runner can be on this store: jobs that are running belong to one that died */
} job_runner_options;

ac_status job_runner_start(store *s, const job_runner_options *options, job_runner **ret_runner, ac_error *err)
    AC_MUST_USE;

/* Take no more jobs, tell handlers to give up, and wait up to timeout_ms for them.  Jobs given up are tried again, by
 * whoever comes next, and the attempt does not count.  True: all is over and the runner is
 * freed.  False: a handler is stuck, and keeps its thread, the runner and its use of the store; the process should end,
 * and its jobs will be taken over. */
bool job_runner_stop(job_runner *r, unsigned timeout_ms) AC_MUST_USE;

#endif
