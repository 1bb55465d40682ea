/* keeper_end.c - what happens when a session is over.
 *
 * On the keeper's thread, once per session that it has watched, in this order: what the program has still written is
 * read; nobody finds the session any more, and whoever waits for it wakes; the room that it belongs to is told; handles
 * are closed; and, on a worker, because it may take a while, the sandbox is freed when no call uses it any more, and
 * after that the row in the store and the recipe with the files that it holds.
 *
 * The sandbox says that it has ended before it is freed, so all its processes are gone when others see the session's
 * end. */
#include "daemon/sessions/internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <unistd.h>

#define LAST_OUTPUT_BYTES (2U << 20) /* more than a pipe holds */

static void reap(workers_job *job)
{
    session *s = CONTAINER_OF(job, session, reap_job);
    sessions *all = s->all;

    pthread_mutex_lock(&all->lock);
    while (s->box_users > 0)
        pthread_cond_wait(&s->changed, &all->lock); /* each call on a sandbox has its own deadline */
    sandbox *box = TAKE_PTR(s->box);
    pthread_mutex_unlock(&all->lock);

    sandbox_free(box);
    close(s->output_fd);
    s->output_fd = -1;
    session_unclaim(s);

    pthread_mutex_lock(&all->lock);
    all->unreaped--;
    pthread_cond_broadcast(&all->room);
    session_unref(s); /* under the lock: sessions_close waits for this */
    pthread_mutex_unlock(&all->lock);
}

void keeper_handle_closed(uv_handle_t *handle)
{
    session *s = handle->data;

    if (--s->handles > 0)
        return;
    s->reap_job.run = reap;
    if (workers_submit(s->all->workers, &s->reap_job) != AC_OK)
        reap(&s->reap_job); /* no thread to be had: better late than never */
}

static void close_handles(session *s)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&s->timer, (uv_handle_t *)&s->output_timer, (uv_handle_t *)&s->output,
                              (uv_handle_t *)&s->events};

    for (size_t i = 0; i < ARRAY_SIZE(handles); i++) {
        if (handles[i]->data && !uv_is_closing(handles[i])) /* data: it was initialised */
            uv_close(handles[i], keeper_handle_closed);
    }
}

/* Fill in what is known of why.  With the lock held. */
static void explain(session *s, const sandbox_event *event)
{
    char text[160];

    if (s->state == SESSION_STOPPING)
        return;
    if (event) {
        sandbox_end_text(event, &s->recipe->plan.sandbox.limits, text, sizeof(text));
        snprintf(s->why, sizeof(s->why), "%s %s%s", session_noun(s), text,
                 s->state == SESSION_STARTING ? " before it was ready" : "");
    } else {
        snprintf(s->why, sizeof(s->why), "%s was ended", session_noun(s));
    }
    s->quote = true;
}

/* What a start that failed answers to those who wait for it.  With the lock held. */
static void set_failure(session *s)
{
    char text[sizeof(s->failure.message)];
    ac_status status = s->failure.status;

    if (s->was_ready)
        return;
    if (status == AC_OK)
        status = s->state == SESSION_STOPPING ? AC_ERR_AGAIN : AC_ERR_CLOSED;
    session_say(s, text, sizeof(text));
    ac_error_set(&s->failure, status, "%s", text);
}

static void take_last_words(session *s)
{
    _cleanup_(buf_done) buf tail = BUF_INIT(2 * SESSION_LOG_TAIL_BYTES);

    if (s->output_fd >= 0)
        session_read_output(s, LAST_OUTPUT_BYTES);
    session_log_tail(s->log, &tail);
    const char *text = tail.length ? buf_terminate(&tail) : NULL;
    if (!text)
        return;
    if (tail.length >= sizeof(s->words))
        text += tail.length - (sizeof(s->words) - 1);
    while (((unsigned char)*text & 0xc0) == 0x80)
        text++;
    pthread_mutex_lock(&s->all->lock);
    snprintf(s->words, sizeof(s->words), "%s", text);
    pthread_mutex_unlock(&s->all->lock);
}

/* Nobody finds it any more.  Whether somebody had it. */
static bool set_over(session *s, const sandbox_event *event)
{
    sessions *all = s->all;

    pthread_mutex_lock(&all->lock);
    explain(s, event);
    set_failure(s);
    bool had = s->was_had;
    all->stopping -= s->state == SESSION_STOPPING;
    if (s->was_ready)
        all->ended++;
    else if (s->failure.status != AC_ERR_AGAIN)
        all->failed++;
    s->state = SESSION_OVER;
    atomic_store(&s->over, true);
    if (s->warm)
        session_pool_lost(s);
    session_remove(s);
    session_unref(s); /* the list's; the keeper has its own */
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&all->lock);
    return had;
}

void keeper_end(session *s, const sandbox_event *event)
{
    sessions *all = s->all;
    char text[SESSION_REASON_SIZE], note[SESSION_REASON_SIZE + 32];

    if (s->ending)
        return;
    take_last_words(s);
    bool had = set_over(s, event);
    s->ending = true;
    snprintf(note, sizeof(note), "session ended: %s", s->why);
    session_log_note(s->log, note);
    session_log_free(TAKE_PTR(s->log));

    session_look_cancel(s);
    session_commands_over(s);
    session_forget_connections(s);
    if (had && all->options.on_over) {
        pthread_mutex_lock(&all->lock);
        session_say(s, text, sizeof(text));
        pthread_mutex_unlock(&all->lock);
        all->options.on_over(&(session_key){s->kind, s->owner, s->id}, text, all->options.user);
    }
    close_handles(s);
}
