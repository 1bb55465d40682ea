/* loop.c - the event loop: libuv's, plus an inbox for other threads and cheap deadlines.
 *
 * The inbox is a stack that senders push onto with one compare-and-swap and that the loop takes whole; only the sender
 * that finds it empty pays for waking the loop.  Deadlines are checked by one coarse timer that runs only while some
 * are armed, so an idle process sleeps.  They are checked when the sockets have been looked at: a loop that was held up
 * does not take for silence what waits there. */
#include "http/loop.h"

#include "base/log.h"

#include <stdlib.h>

#define TICK_MS_MIN 5
#define TICK_MS_MAX 500

/* The loop that this thread dispatches for.  Not a member of the loop: a loop is another thread's from the moment at
 * which that begins to run it, and who posts from the thread that made it must not look at what is that one's. */
static _Thread_local http_loop *dispatched;

static void run_tasks(loop_task *task)
{
    while (task) {
        loop_task *next = task->next; /* run may free or repost the task */
        task->run(task);
        task = next;
    }
}

static void on_wake(uv_async_t *wake)
{
    http_loop *loop = wake->data;
    loop_task *newest = atomic_exchange_explicit(&loop->inbox, NULL, memory_order_acquire);
    loop_task *oldest = NULL;

    while (newest) { /* reverse: first come, first served */
        loop_task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    http_loop_enter(loop);
    run_tasks(oldest);
    http_loop_leave(loop);
}

void http_loop_enter(http_loop *loop)
{
    dispatched = loop;
}

bool http_loop_dispatching(const http_loop *loop)
{
    return dispatched == loop;
}

void http_loop_run_posted(http_loop *loop)
{
    while (loop->local) {
        loop_task *tasks = loop->local;
        loop->local = NULL;
        loop->local_tail = &loop->local;
        run_tasks(tasks);
    }
}

void http_loop_leave(http_loop *loop)
{
    http_loop_run_posted(loop);
    dispatched = NULL;
}

void http_loop_post(http_loop *loop, loop_task *task)
{
    loop_task *head;

    if (http_loop_dispatching(loop)) {
        task->next = NULL;
        *loop->local_tail = task;
        loop->local_tail = &task->next;
        return;
    }
    head = atomic_load_explicit(&loop->inbox, memory_order_relaxed);
    do {
        task->next = head;
    } while (
        !atomic_compare_exchange_weak_explicit(&loop->inbox, &head, task, memory_order_release, memory_order_relaxed));
    if (!head)
        uv_async_send(&loop->wake);
}

void http_loop_hold(http_loop *loop, loop_task *task)
{
    if (!loop->holds) {
        http_loop_post(loop, task);
        return;
    }
    task->next = NULL;
    *loop->held_tail = task;
    loop->held_tail = &task->next;
    if (++loop->held_count >= LOOP_HELD_MAX)
        http_loop_release(loop);
}

void http_loop_release(http_loop *loop)
{
    if (!loop->held)
        return;
    *loop->local_tail = loop->held;
    loop->local_tail = loop->held_tail;
    loop->held = NULL;
    loop->held_tail = &loop->held;
    loop->held_count = 0;
}

/* ---- input ---- */

char *http_loop_read_room(http_loop *loop, size_t *ret_length)
{
    *ret_length = LOOP_READ_BUFFER_BYTES - loop->read_used;
    return loop->read_buffer + loop->read_used;
}

void http_loop_deliver(http_loop *loop)
{
    for (unsigned i = 0; i < loop->input_count; i++) {
        const loop_input *input = &loop->inputs[i];

        if (input->from)
            input->deliver(input->from, input->data, input->length);
    }
    loop->input_count = 0;
    loop->read_used = 0;
}

void http_loop_gather(http_loop *loop, void (*deliver)(void *from, char *data, size_t length), void *from, char *data,
                      size_t length)
{
    loop_input *input = &loop->inputs[loop->input_count++];

    input->deliver = deliver;
    input->from = from;
    input->data = data;
    input->length = length;
    loop->read_used += length;
    if (loop->input_count == LOOP_INPUTS_MAX || loop->read_used > LOOP_READ_BUFFER_BYTES - LOOP_READ_ROOM_MIN)
        http_loop_deliver(loop);
}

void http_loop_forget(http_loop *loop, const void *from)
{
    for (unsigned i = 0; i < loop->input_count; i++)
        if (loop->inputs[i].from == from)
            loop->inputs[i].from = NULL;
}

static void check_deadlines(http_loop *loop);

static void on_after_poll(uv_check_t *check)
{
    http_loop *loop = check->data;

    http_loop_deliver(loop);
    if (!uv_is_active((uv_handle_t *)&loop->look))
        return;
    uv_idle_stop(&loop->look);
    check_deadlines(loop);
}

/* ---- turns ---- */

static void end_turn(http_loop *loop)
{
    http_loop_enter(loop);
    http_loop_release(loop);
    http_loop_leave(loop);
}

static void on_before_poll(uv_prepare_t *prepare)
{
    end_turn(prepare->data);
    log_batch_flush();
}

void http_loop_run(http_loop *loop)
{
    loop->holds = true;
    log_batch_begin();
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    loop->holds = false;
    end_turn(loop);
    log_batch_end();
}

/* ---- deadlines ---- */

static unsigned period_of(const deadline_list *list)
{
    unsigned period = list->duration_ms / 8;

    return MIN(MAX(period, TICK_MS_MIN), TICK_MS_MAX);
}

/* That it is active has the loop look at its sockets without waiting. */
static void on_look(uv_idle_t *look)
{
    (void)look;
}

static void on_tick(uv_timer_t *tick)
{
    http_loop *loop = tick->data;

    uv_idle_start(&loop->look, on_look);
}

static void set_tick(http_loop *loop, unsigned period)
{
    if (loop->tick_ms == period)
        return;
    loop->tick_ms = period;
    if (period)
        uv_timer_start(&loop->tick, on_tick, period, period);
    else
        uv_timer_stop(&loop->tick);
}

static bool is_empty(const deadline_list *list)
{
    return list->head.next == &list->head;
}

/* Afterwards the timer is as slow as what is still armed allows. */
static void check_deadlines(http_loop *loop)
{
    uint64_t now = uv_now(&loop->uv);
    unsigned period = 0;

    http_loop_enter(loop);
    for (size_t i = 0; i < loop->deadline_kinds; i++) {
        deadline_list *list = loop->deadlines[i];

        while (!is_empty(list) && list->head.next->due_ms <= now) {
            deadline *d = list->head.next;
            deadline_disarm(loop, d);
            list->expired(d);
        }
    }
    http_loop_leave(loop);
    for (size_t i = 0; i < loop->deadline_kinds; i++)
        if (!is_empty(loop->deadlines[i]) && (!period || period_of(loop->deadlines[i]) < period))
            period = period_of(loop->deadlines[i]);
    set_tick(loop, period);
}

void http_loop_add_deadlines(http_loop *loop, deadline_list *list, unsigned duration_ms, void (*expired)(deadline *d))
{
    list->head.next = list->head.previous = &list->head;
    list->duration_ms = duration_ms;
    list->expired = expired;
    loop->deadlines[loop->deadline_kinds++] = list;
}

void deadline_arm(http_loop *loop, deadline_list *list, deadline *d)
{
    deadline_disarm(loop, d);
    d->list = list;
    d->due_ms = uv_now(&loop->uv) + list->duration_ms;
    d->previous = list->head.previous;
    d->next = &list->head;
    d->previous->next = d;
    list->head.previous = d;
    loop->deadlines_armed++;
    if (!loop->tick_ms || period_of(list) < loop->tick_ms)
        set_tick(loop, period_of(list));
}

void deadline_disarm(http_loop *loop, deadline *d)
{
    if (!d->next)
        return;
    d->next->previous = d->previous;
    d->previous->next = d->next;
    d->next = d->previous = NULL;
    loop->deadlines_armed--;
}

/* ---- life ---- */

ac_status http_loop_init(http_loop *loop)
{
    *loop = (http_loop){.local_tail = &loop->local, .held_tail = &loop->held};
    if (uv_loop_init(&loop->uv) != 0)
        return AC_ERR_NOMEM;
    loop->read_buffer = malloc(LOOP_READ_BUFFER_BYTES);
    loop->local_tail = &loop->local;
    if (!loop->read_buffer || uv_async_init(&loop->uv, &loop->wake, on_wake) != 0) {
        free(loop->read_buffer);
        uv_loop_close(&loop->uv);
        return AC_ERR_NOMEM;
    }
    uv_timer_init(&loop->uv, &loop->tick);
    uv_idle_init(&loop->uv, &loop->look);
    uv_check_init(&loop->uv, &loop->after_poll);
    uv_prepare_init(&loop->uv, &loop->before_poll);
    loop->wake.data = loop->tick.data = loop->after_poll.data = loop->before_poll.data = loop;
    uv_check_start(&loop->after_poll, on_after_poll);
    uv_prepare_start(&loop->before_poll, on_before_poll);
    uv_unref((uv_handle_t *)&loop->wake);
    uv_unref((uv_handle_t *)&loop->tick);
    uv_unref((uv_handle_t *)&loop->look);
    uv_unref((uv_handle_t *)&loop->after_poll);
    uv_unref((uv_handle_t *)&loop->before_poll);
    http_loop_adopt(loop);
    return AC_OK;
}

void http_loop_adopt(http_loop *loop)
{
    atomic_store_explicit(&loop->thread, pthread_self(), memory_order_relaxed);
}

void http_loop_done(http_loop *loop)
{
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->tick, NULL);
    uv_close((uv_handle_t *)&loop->look, NULL);
    uv_close((uv_handle_t *)&loop->after_poll, NULL);
    uv_close((uv_handle_t *)&loop->before_poll, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
    free(loop->read_buffer);
    loop->read_buffer = NULL;
}
