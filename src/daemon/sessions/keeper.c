/* keeper.c - the thread that watches sandboxes: their events, what they write, and the time.
 *
 * A session's times are kept by one timer each.  It is not moved by each use: when it fires, what is due then is worked
 * out anew, so that a use costs two stores and an unused session ends within a timer's accuracy of its time.
 *
 * What a session writes is read in bounded portions, one per turn of the loop, and no faster than OUTPUT_TURN_BYTES in
 * OUTPUT_TURN_MS: a program that writes without end then waits in its own write, and neither its neighbours nor the
 * disk notice much. */
#include "daemon/sessions/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define OUTPUT_READ_BYTES 65536
#define OUTPUT_TURN_BYTES (1U << 20)
#define OUTPUT_TURN_MS 100
#define EVENTS_PER_TURN 64
#define POOL_TICK_MS 1000

/* ---- output ---- */

bool session_read_output(session *s, size_t most)
{
    size_t total = 0;

    while (total < most) {
        ssize_t got = read(s->output_fd, s->all->output_buffer, MIN(OUTPUT_READ_BYTES, most - total));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return true;
        if (got <= 0)
            return false;
        session_log_write(s->log, s->all->output_buffer, (size_t)got);
        total += (size_t)got;
        s->output_bytes += (size_t)got;
    }
    return true;
}

static void on_output(uv_poll_t *poll, int status, int events);

static void on_output_again(uv_timer_t *timer)
{
    session *s = timer->data;

    uv_poll_start(&s->output, UV_READABLE, on_output);
}

static void on_output(uv_poll_t *poll, int status, int events)
{
    session *s = poll->data;
    uint64_t now = uv_now(&s->all->loop.uv);

    (void)status;
    (void)events;
    http_loop_enter(&s->all->loop);
    if (now - s->output_turn_ms >= OUTPUT_TURN_MS) {
        s->output_turn_ms = now;
        s->output_bytes = 0;
    }
    if (!session_read_output(s, OUTPUT_READ_BYTES)) {
        uv_poll_stop(&s->output); /* it has closed its output, and may live on */
    } else if (s->output_bytes >= OUTPUT_TURN_BYTES) {
        uv_poll_stop(&s->output);
        uv_timer_start(&s->output_timer, on_output_again, s->output_turn_ms + OUTPUT_TURN_MS - now, 0);
    }
    http_loop_leave(&s->all->loop);
}

/* ---- events ---- */

static void pass_connection(session *s, int fd)
{
    const sessions_options *options = &s->all->options;

    pthread_mutex_lock(&s->all->lock);
    bool wanted = options->on_connection && !s->warm; /* a key that has been given does not change */
    pthread_mutex_unlock(&s->all->lock);
    if (wanted)
        options->on_connection(fd, &(session_key){s->kind, s->owner, s->id}, options->user);
    else
        close(fd);
}

void session_read_events(session *s)
{
    sandbox_event event;

    for (int i = 0; i < EVENTS_PER_TURN && !s->ending && sandbox_next_event(s->box, &event); i++) {
        switch (event.kind) {
        case SANDBOX_ENDED:
            keeper_end(s, &event);
            break;
        case SANDBOX_COMMAND_ENDED:
            session_command_ended(s, &event);
            break;
        case SANDBOX_CONNECTED:
            pass_connection(s, event.fd);
            break;
        }
    }
}

static void on_events(uv_poll_t *poll, int status, int events)
{
    session *s = poll->data;

    (void)status;
    (void)events;
    http_loop_enter(&s->all->loop);
    session_read_events(s);
    http_loop_leave(&s->all->loop);
}

/* ---- times ---- */

/* When an idle session without a look under way is to be seen to.  With the lock held. */
static uint64_t idle_due(const session *s)
{
    const session_plan *plan = &s->recipe->plan;
    uint64_t due = s->warm ? UINT64_MAX : s->used_ms + s->idle_ms;

    if (plan->health_path)
        due = MIN(due, MAX(s->looked_ms, s->used_ms) + s->all->options.health_interval_ms);
    return due;
}

/* When a session must be looked at next.  With the lock held. */
static uint64_t next_due(const session *s, uint64_t now)
{
    uint64_t due = UINT64_MAX;

    if (s->look.running)
        due = s->look.due_ms;
    if (s->state == SESSION_STOPPING)
        return MIN(due, s->end_due_ms);
    if (s->state != SESSION_READY)
        return due;
    if (!s->warm)
        due = MIN(due, s->born_ms + s->life_ms);
    if (s->in_use > 0) /* nothing can be due before so much time has passed without use */
        return MIN(due, now + MIN(s->idle_ms, s->all->options.health_interval_ms));
    return s->look.running ? due : MIN(due, idle_due(s));
}

static void on_timer(uv_timer_t *timer);

void session_schedule(session *s)
{
    if (s->ending)
        return;
    pthread_mutex_lock(&s->all->lock);
    uint64_t now = clock_monotonic_ms(), due = next_due(s, now);
    pthread_mutex_unlock(&s->all->lock);
    if (due == UINT64_MAX) {
        uv_timer_stop(&s->timer);
        return;
    }
    uv_update_time(&s->all->loop.uv);
    uv_timer_start(&s->timer, on_timer, due > now ? due - now : 0, 0);
}

typedef enum duty { DUTY_NONE, DUTY_END, DUTY_LOOK, DUTY_DECIDE, DUTY_LATE_LOOK } duty;

/* What is due now.  With the lock held. */
static duty find_duty(session *s, uint64_t now)
{
    const session_plan *plan = &s->recipe->plan;

    if (s->state == SESSION_STOPPING && now >= s->end_due_ms)
        return DUTY_END;
    if (s->look.running && now >= s->look.due_ms)
        return DUTY_LATE_LOOK;
    if (s->state != SESSION_READY)
        return DUTY_NONE;
    if (!s->warm && now >= s->born_ms + s->life_ms) {
        session_end(s, plan->stop_grace_ms, false, "its life time of %u s is over", (s->life_ms + 999) / 1000);
        return DUTY_NONE;
    }
    if (s->in_use > 0 || s->look.running || now < idle_due(s))
        return DUTY_NONE;
    if (s->warm || now < s->used_ms + s->idle_ms)
        return DUTY_LOOK;
    if (plan->health_path)
        return DUTY_DECIDE;
    session_end(s, plan->stop_grace_ms, false, "it was idle for %u s", (s->idle_ms + 999) / 1000);
    return DUTY_NONE;
}

static void on_timer(uv_timer_t *timer)
{
    session *s = timer->data;

    http_loop_enter(&s->all->loop);
    pthread_mutex_lock(&s->all->lock);
    duty what = find_duty(s, clock_monotonic_ms());
    pthread_mutex_unlock(&s->all->lock);
    if (what == DUTY_END)
        keeper_end(s, NULL);
    else if (what == DUTY_LATE_LOOK)
        session_look_expired(s);
    else if (what == DUTY_LOOK || what == DUTY_DECIDE)
        session_look_start(s, what == DUTY_DECIDE);
    session_schedule(s);
    http_loop_leave(&s->all->loop);
}

static void run_kick(loop_task *task)
{
    session *s = CONTAINER_OF(task, session, kick_task);

    pthread_mutex_lock(&s->all->lock);
    s->kicked = false;
    bool named = !s->warm && !s->ending;
    pthread_mutex_unlock(&s->all->lock);
    if (named)
        session_log_assign(s->log, s->id);
    session_schedule(s);
    session_unref(s);
}

void session_kick(session *s)
{
    if (s->kicked)
        return;
    s->kicked = true;
    s->kick_task.run = run_kick;
    session_ref(s);
    http_loop_post(&s->all->loop, &s->kick_task);
}

/* ---- beginning ---- */

static bool watch_fd(session *s, uv_poll_t *poll, int fd, uv_poll_cb callback)
{
    if (uv_poll_init(&s->all->loop.uv, poll, fd) != 0)
        return false;
    poll->data = s;
    s->handles++;
    return uv_poll_start(poll, UV_READABLE, callback) == 0;
}

static void watch_timer(session *s, uv_timer_t *timer)
{
    uv_timer_init(&s->all->loop.uv, timer);
    timer->data = s;
    s->handles++;
}

void session_watch(loop_task *task)
{
    session *s = CONTAINER_OF(task, session, watch_task);

    s->looked_ms = clock_monotonic_ms();
    watch_timer(s, &s->timer);
    watch_timer(s, &s->output_timer);
    if (watch_fd(s, &s->output, s->output_fd, on_output) &&
        watch_fd(s, &s->events, sandbox_event_fd(s->box), on_events)) {
        session_schedule(s);
        return;
    }
    pthread_mutex_lock(&s->all->lock);
    session_end(s, 0, false, "out of memory or descriptors");
    pthread_mutex_unlock(&s->all->lock);
    keeper_end(s, NULL);
}

/* ---- the thread ---- */

static void run_stop(loop_task *task)
{
    uv_stop(&CONTAINER_OF(task, sessions, stop_task)->loop.uv);
}

/* While there are pools only: an idle process sleeps. */
static void on_pool_tick(uv_timer_t *timer)
{
    if (!session_pools_tick(timer->data))
        uv_timer_stop(timer);
}

static void run_pools(loop_task *task)
{
    sessions *all = CONTAINER_OF(task, sessions, pool_task);

    uv_timer_start(&all->pool_timer, on_pool_tick, POOL_TICK_MS, POOL_TICK_MS);
}

static void on_lease(uv_timer_t *timer)
{
    sessions *all = timer->data;

    pthread_mutex_lock(&all->lock);
    bool due = !all->renewing;
    if (due)
        all->renewing = workers_submit(all->workers, &all->lease_job) == AC_OK;
    pthread_mutex_unlock(&all->lock);
}

static void *keeper_main(void *arg)
{
    sessions *all = arg;

    http_loop_adopt(&all->loop);
    pthread_mutex_lock(&all->lock);
    all->runs = true;
    pthread_cond_broadcast(&all->room);
    pthread_mutex_unlock(&all->lock);
    log_batch_begin();
    uv_run(&all->loop.uv, UV_RUN_DEFAULT);
    log_batch_end();
    return NULL;
}

static void keeper_free(sessions *all)
{
    uv_close((uv_handle_t *)&all->lease_timer, NULL);
    uv_close((uv_handle_t *)&all->pool_timer, NULL);
    http_loop_done(&all->loop);
    free(all->output_buffer);
}

ac_status keeper_start(sessions *all, ac_error *err)
{
    all->output_buffer = malloc(OUTPUT_READ_BYTES);
    if (!all->output_buffer || http_loop_init(&all->loop) != AC_OK) {
        free(all->output_buffer);
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    }
    uv_ref((uv_handle_t *)&all->loop.wake); /* it runs until it is stopped */
    all->stop_task.run = run_stop;
    uv_timer_init(&all->loop.uv, &all->lease_timer);
    uv_timer_init(&all->loop.uv, &all->pool_timer);
    all->lease_timer.data = all->pool_timer.data = all;
    all->lease_job.run = claims_renew;
    if (all->shared)
        uv_timer_start(&all->lease_timer, on_lease, SESSION_LEASE_MS / 3, SESSION_LEASE_MS / 3);
    all->pool_task.run = run_pools;
    if (thread_start(&all->thread, NULL, keeper_main, all) != 0) {
        keeper_free(all);
        return ac_error_set(err, AC_ERR_IO, "no thread for the sessions can be made");
    }
    /* Until then the loop is this thread's, and what is posted would be for here. */
    pthread_mutex_lock(&all->lock);
    while (!all->runs)
        pthread_cond_wait(&all->room, &all->lock);
    pthread_mutex_unlock(&all->lock);
    return AC_OK;
}

void keeper_stop(sessions *all)
{
    http_loop_post(&all->loop, &all->stop_task);
    pthread_join(all->thread, NULL);
    http_loop_adopt(&all->loop);
    keeper_free(all);
}
