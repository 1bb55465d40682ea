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
#define LOOP_READ_ROOM_MIN 16384 /* bytes of it that a read can count on */
#define LOOP_INPUTS_MAX 32       /* that wait in it */
#define LOOP_DEADLINE_KINDS_MAX 16
#define LOOP_HELD_MAX 32

/* What was read from one connection and waits in the read buffer. */
typedef struct loop_input {
    void (*deliver)(void *from, char *data, size_t length);
    void *from; /* NULL: it is gone */
    char *data;
    size_t length;
} loop_input;

struct http_loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t tick;
    uv_idle_t look;                 /* active from a tick until the sockets have been looked at */
    uv_check_t after_poll;          /* all is read: deliver what was gathered */
    uv_prepare_t before_poll;       /* the end of a turn: run what was held, flush what was logged */
    _Atomic(loop_task *) inbox;     /* newest first */
    loop_task *local, **local_tail; /* posted by the loop thread itself while it dispatches */
    loop_task *held, **held_tail;   /* see http_loop_hold */
    unsigned held_count;
    bool holds;
    _Atomic pthread_t thread;
    deadline_list *deadlines[LOOP_DEADLINE_KINDS_MAX];
    size_t deadline_kinds;
    size_t deadlines_armed;
    unsigned tick_ms; /* the timer's period while it runs */
    char *read_buffer;
    size_t read_used; /* by what waits */
    loop_input inputs[LOOP_INPUTS_MAX];
    unsigned input_count;
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

/* Whether the calling thread is between the two. */
bool http_loop_dispatching(const http_loop *loop);

/* Run them now, inside the brackets. */
void http_loop_run_posted(http_loop *loop);

/* Have task->run(task) called at the end of the loop's turn, together with others that are held, or as soon as there
 * are LOOP_HELD_MAX of them.  For work that is cheaper done in a row.  Loop thread, inside the brackets; it is as
 * http_loop_post while loop->holds is not set. */
void http_loop_hold(http_loop *loop, loop_task *task);

/* Have what is held run with what is posted. */
void http_loop_release(http_loop *loop);

/* Where to read to: at least LOOP_READ_ROOM_MIN bytes, shared by all connections.  What is read there is either used
 * before the next read, or gathered. */
char *http_loop_read_room(http_loop *loop, size_t *ret_length);

/* Have deliver(from, data, length) called when everything that has come in is read, for data that was read into the
 * room just now; earlier when the room gets short.  For work that is cheaper done in a row. */
void http_loop_gather(http_loop *loop, void (*deliver)(void *from, char *data, size_t length), void *from, char *data,
                      size_t length);

/* Deliver what was gathered now; not from inside a delivery. */
void http_loop_deliver(http_loop *loop);

/* What was gathered from there is not to be delivered any more. */
void http_loop_forget(http_loop *loop, const void *from);

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
