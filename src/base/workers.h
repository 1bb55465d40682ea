/* workers.h - threads for code that blocks: made on demand, kept while there is work, ended when idle.
 *
 * A job starts at once on an idle thread, else on a new one while fewer than the limit exist, else it waits its turn.
 * So a thousand jobs that wait for something do not hold up the next one, and an idle program has no threads. */
#ifndef BASE_WORKERS_H
#define BASE_WORKERS_H

#include "base/util.h"

#include <stdbool.h>

typedef struct workers workers;

/* Sits inside the caller's own structure; no allocation per job. */
typedef struct workers_job {
    void (*run)(struct workers_job *job); /* job may be freed by run */
    struct workers_job *next;             /* the pool's */
} workers_job;

typedef struct workers_options {
    unsigned threads_max; /* 0: 4096 */
    size_t stack_bytes;   /* 0: the system's default */
    unsigned idle_ms;     /* an idle thread ends after this long; 0: 10 s */
} workers_options;

/* A pool without threads.  NULL when memory runs out. */
workers *workers_new(const workers_options *options);

/* Run a job on some thread of the pool.  AC_ERR_STATE after workers_stop; AC_ERR_AGAIN when there is no thread at all
 * and none can be made (the job was not taken then). */
ac_status workers_submit(workers *w, workers_job *job) AC_MUST_USE;

/* Threads that are running a job, and jobs that wait for one. */
void workers_counts(workers *w, unsigned *ret_running, unsigned *ret_waiting);

/* Take no more jobs, and wait up to timeout_ms until the ones taken are done and all threads have ended.  False when
 * the time was not enough. */
bool workers_stop(workers *w, unsigned timeout_ms);

/* Free a stopped pool.  When threads are still stuck in a job, they are left behind and the pool's memory with them,
 * for it is still in use. */
void workers_free(workers *w);

#endif
