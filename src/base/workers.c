/* workers.c - threads for code that blocks.
 *
 * Jobs wait in one queue, first in first out.  Idle threads wait in a stack, each on a condition of its own, and the
 * one that slept last is woken first: its memory is still warm, and the ones below reach their time-out and end.
 *
 * At most one thread is on its way to the queue at a time.  It takes a job and, when more are waiting, sends the next
 * thread before it runs its own.  So jobs that block all get a thread at once, one after the other, while many short
 * jobs are done by few threads: before the next one is awake, the first is back for more.  And the thread that submits,
 * which serves sockets, pays for one wake-up and not for a hundred.
 *
 * Invariant, under the lock: while a job waits in the queue, a thread is on its way, or none is idle and none can be
 * made; and at least one exists.
 *
 * Every thread holds a reference of the pool, so a pool whose jobs never return can be abandoned.  A thread that ends
 * joins the one that ended before it; so one join at the stop is a join of all, and what libraries keep per thread is
 * gone by then. */
#include "base/workers.h"

#include "base/thread.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>

#define THREADS_MAX_DEFAULT 4096
#define IDLE_MS_DEFAULT 10000

typedef struct worker {
    pthread_cond_t wake;
    bool called;                  /* taken from the stack, to come to the queue */
    struct worker *above, *below; /* in the stack of idle ones */
} worker;

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t ended; /* a thread has ended */
    workers_job *first, *last;
    worker *idle;     /* top of the stack */
    unsigned waiting; /* jobs in the queue */
    unsigned threads; /* that exist */
    unsigned running; /* that have a job */
    unsigned references;
    bool on_the_way; /* a thread was called or made and has not yet come to the queue */
    bool stopping;
    bool has_ended; /* a thread to be joined: */
    pthread_t last_ended;

    pthread_attr_t attributes;
    pthread_condattr_t clock;
    unsigned threads_max;
    unsigned idle_ms;
};

static void pool_release_memory(workers *w)
{
    pthread_attr_destroy(&w->attributes);
    pthread_condattr_destroy(&w->clock);
    pthread_cond_destroy(&w->ended);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* Called with the lock held, which is gone afterwards, and the pool perhaps too. */
static void pool_unref_unlock(workers *w)
{
    bool last = --w->references == 0;

    pthread_mutex_unlock(&w->lock);
    if (last)
        pool_release_memory(w);
}

workers *workers_new(const workers_options *options)
{
    workers *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->threads_max = options && options->threads_max ? options->threads_max : THREADS_MAX_DEFAULT;
    w->idle_ms = options && options->idle_ms ? options->idle_ms : IDLE_MS_DEFAULT;
    w->references = 1;

    pthread_attr_init(&w->attributes);
    if (options && options->stack_bytes) {
        size_t least = (size_t)PTHREAD_STACK_MIN;
        size_t bytes = MAX(options->stack_bytes, least);
        if (bytes <= SIZE_MAX - 4095)
            bytes = (bytes + 4095) & ~(size_t)4095;
        if (pthread_attr_setstacksize(&w->attributes, bytes)) {
            pthread_attr_destroy(&w->attributes);
            free(w);
            return NULL;
        }
    }
    pthread_condattr_init(&w->clock);
    pthread_condattr_setclock(&w->clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->ended, &w->clock);
    return w;
}

static struct timespec deadline_after(unsigned milliseconds)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(milliseconds / 1000);
    t.tv_nsec += (long)(milliseconds % 1000) * 1000000L;
    if (t.tv_nsec >= 1000000000L) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000L;
    }
    return t;
}

static void queue_push(workers *w, workers_job *job)
{
    job->next = NULL;
    if (w->last)
        w->last->next = job;
    else
        w->first = job;
    w->last = job;
    w->waiting++;
}

static workers_job *queue_pop(workers *w)
{
    workers_job *job = w->first;

    if (!job)
        return NULL;
    w->first = job->next;
    if (!w->first)
        w->last = NULL;
    w->waiting--;
    return job;
}

static void idle_push(workers *w, worker *self)
{
    self->above = NULL;
    self->below = w->idle;
    if (w->idle)
        w->idle->above = self;
    w->idle = self;
}

static void idle_remove(workers *w, worker *self)
{
    if (self->below)
        self->below->above = self->above;
    if (self->above)
        self->above->below = self->below;
    else
        w->idle = self->below;
}

static bool spawn(workers *w);

/* Have one more thread come to the queue, if there may be one.  The signal is sent under the lock: the worker lives on
 * its thread's stack and may be gone the moment it is free to run. */
static void send_for_one(workers *w)
{
    worker *top = w->idle;

    if (w->on_the_way)
        return;
    if (top) {
        idle_remove(w, top);
        top->called = true;
        w->on_the_way = true;
        pthread_cond_signal(&top->wake);
    } else if (w->threads < w->threads_max) {
        w->on_the_way = spawn(w);
    }
}

static workers_job *take_job(workers *w)
{
    workers_job *job = queue_pop(w);

    if (!job)
        return NULL;
    w->running++;
    if (w->first)
        send_for_one(w);
    return job;
}

/* The next job, when there is one; NULL when the thread shall end.  Under the lock. */
static workers_job *wait_for_job(workers *w, worker *self)
{
    workers_job *job;

    while (!(job = take_job(w)) && !w->stopping) {
        struct timespec deadline = deadline_after(w->idle_ms);
        int rc = 0;

        self->called = false;
        idle_push(w, self);
        while (!self->called && !w->stopping && rc == 0)
            rc = pthread_cond_timedwait(&self->wake, &w->lock, &deadline);
        if (self->called) {
            w->on_the_way = false;
            continue;
        }
        idle_remove(w, self);
        if (rc)
            return NULL;
    }
    return job;
}

/* The last act of a thread, with the lock held. */
static void leave_unlock(workers *w)
{
    bool has_previous = w->has_ended;
    pthread_t previous = w->last_ended;

    w->has_ended = w->references > 1;
    if (w->has_ended)
        w->last_ended = pthread_self();
    else
        pthread_detach(pthread_self()); /* nobody is left to join it */
    pthread_cond_broadcast(&w->ended);
    pool_unref_unlock(w);
    if (has_previous)
        pthread_join(previous, NULL);
}

static void *worker_main(void *argument)
{
    workers *w = argument;
    worker self = {.called = false};
    workers_job *job;

    pthread_cond_init(&self.wake, &w->clock);
    pthread_mutex_lock(&w->lock);
    w->on_the_way = false;
    while ((job = wait_for_job(w, &self))) {
        pthread_mutex_unlock(&w->lock);
        job->run(job);
        pthread_mutex_lock(&w->lock);
        w->running--;
    }
    pthread_cond_destroy(&self.wake);
    w->threads--;
    leave_unlock(w);
    return NULL;
}

/* Under the lock, although it takes some microseconds: so a thread that is counted exists. */
static bool spawn(workers *w)
{
    pthread_t thread;

    if (thread_start(&thread, &w->attributes, worker_main, w) != 0)
        return false;
    w->threads++;
    w->references++;
    return true;
}

static ac_status submit_locked(workers *w, workers_job *job)
{
    if (w->stopping)
        return AC_ERR_STATE;
    send_for_one(w);
    if (w->threads == 0)
        return AC_ERR_AGAIN;
    queue_push(w, job);
    return AC_OK;
}

ac_status workers_submit(workers *w, workers_job *job)
{
    pthread_mutex_lock(&w->lock);
    ac_status status = submit_locked(w, job);
    pthread_mutex_unlock(&w->lock);
    return status;
}

void workers_counts(workers *w, unsigned *ret_running, unsigned *ret_waiting)
{
    pthread_mutex_lock(&w->lock);
    *ret_running = w->running;
    *ret_waiting = w->waiting;
    pthread_mutex_unlock(&w->lock);
}

bool workers_stop(workers *w, unsigned timeout_ms)
{
    struct timespec deadline = deadline_after(timeout_ms);
    int rc = 0;

    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    for (worker *each = w->idle; each; each = each->below)
        pthread_cond_signal(&each->wake);
    while (w->threads > 0 && rc == 0)
        rc = pthread_cond_timedwait(&w->ended, &w->lock, &deadline);

    bool done = w->threads == 0;
    bool join = done && w->has_ended;
    if (join)
        w->has_ended = false;
    pthread_mutex_unlock(&w->lock);
    if (join)
        pthread_join(w->last_ended, NULL);
    return done;
}

void workers_free(workers *w)
{
    if (!w)
        return;
    workers_stop(w, 0); /* joins those that have ended since */
    pthread_mutex_lock(&w->lock);
    pool_unref_unlock(w);
}
