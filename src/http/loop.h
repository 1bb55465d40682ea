/* loop.h - one event loop on one thread, and what its connections share: the way in from other threads, deadlines,
 * a read buffer.  Only http_loop_post may be called from another thread. */
#ifndef HTTP_LOOP_H
#define HTTP_LOOP_H

#include "base/util.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

typedef struct http_loop http_loop;

/* Work handed to a loop.  Sits inside the caller's structure and is the loop's from post until run is called. */
typedef struct loop_task {
    struct loop_task *next;
    void (*run)(struct loop_task *task);
} loop_task;

/* A point in time by which something must have happened.  Deadlines of one kind all last equally long, so each kind
 * is a list in order of due time: arming and disarming cost a few stores. */
typedef struct deadline {
    struct deadline *next, *previous; /* both NULL when not armed */
    uint64_t due_ms;
    struct deadline_list *list;
} deadline;

typedef struct deadline_list {
    deadline head; /* of a ring */
    unsigned duration_ms;
    void (*expired)(deadline *d); /* the deadline is disarmed before the call */
} deadline_list;

#define LOOP_READ_BUFFER_BYTES 65536
#define LOOP_DEADLINE_KINDS_MAX 16
#define LOOP_HELD_MAX 32

struct http_loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t tick;
    uv_prepare_t before_poll;       /* the end of a turn: run what was held, flush what was logged */
    _Atomic(loop_task *) inbox;     /* newest first */
    loop_task *local, **local_tail; /* posted by the loop thread itself while it dispatches */
    bool dispatching;
    loop_task *held, **held_tail; /* see http_loop_hold */
    unsigned held_count;
    bool holds;
    _Atomic pthread_t thread;
    deadline_list *deadlines[LOOP_DEADLINE_KINDS_MAX];
    size_t deadline_kinds;
    size_t deadlines_armed;
    unsigned tick_ms; /* the timer's period while it runs */
    char *read_buffer;
};

/* Errors: AC_ERR_NOMEM, AC_ERR_IO. */
ac_status http_loop_init(http_loop *loop) AC_MUST_USE;

/* Close the loop's own handles, run until all handles are closed, release memory.  The caller has closed its
 * handles. */
void http_loop_done(http_loop *loop);

/* Make the calling thread the loop's. */
void http_loop_adopt(http_loop *loop);

/* Have task->run(task) called on the loop thread, in order of posting per thread.  Any thread; never called from
 * inside this. */
void http_loop_post(http_loop *loop, loop_task *task);

static inline bool http_loop_here(const http_loop *loop)
{
    return atomic_load_explicit(&loop->thread, memory_order_relaxed) == pthread_self();
}

/* Brackets around every callback in which connections do work: tasks posted meanwhile from this thread run at the
 * end. */
void http_loop_enter(http_loop *loop);
void http_loop_leave(http_loop *loop);

/* Run them now, inside the brackets. */
void http_loop_run_posted(http_loop *loop);

/* Have task->run(task) called at the end of the loop's turn, together with others that are held, or as soon as there
 * are LOOP_HELD_MAX of them.  For work that is cheaper done in a row.  Loop thread, inside the brackets; it is as
 * http_loop_post while loop->holds is not set. */
void http_loop_hold(http_loop *loop, loop_task *task);

/* Have what is held run with what is posted. */
void http_loop_release(http_loop *loop);

/* Run the loop until it ends, in turns: what it does to end one is done even after the last. */
void http_loop_run(http_loop *loop);

/* Register a kind of deadline; list outlives the loop. */
void http_loop_add_deadlines(http_loop *loop, deadline_list *list, unsigned duration_ms, void (*expired)(deadline *d));

/* Arm (again), counted from now; and disarm, which is allowed when not armed. */
void deadline_arm(http_loop *loop, deadline_list *list, deadline *d);
void deadline_disarm(http_loop *loop, deadline *d);

static inline bool deadline_armed(const deadline *d)
{
    return d->next != NULL;
}

#endif
