/* exec.c - commands in a session's sandbox: each has its end told once, on the keeper's thread.
 *
 * A command may be over before session_exec has learnt its id.  Its event waits in the list then, as one that is not
 * known, until session_exec finds it.  When the sandbox ends, so do all commands in it. */
#include "daemon/sessions/internal.h"

#include <stdlib.h>

static void tell(session_command *c)
{
    session *s = c->owner;

    c->on_end(c->user, &c->event);
    free(c);
    session_unref(s);
}

static void run_tell(loop_task *task)
{
    tell(CONTAINER_OF(task, session_command, task));
}

/* With the lock held, for all of these. */
static session_command *find_command(session *s, uint32_t id)
{
    session_command *c = s->commands;

    while (c && c->id != id)
        c = c->next;
    return c;
}

static void remove_command(session *s, const session_command *c)
{
    session_command **link = &s->commands;

    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
}

static session_command *add_command(session *s, uint32_t id)
{
    session_command *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->id = id;
    c->owner = s;
    c->next = s->commands;
    s->commands = c;
    return c;
}

/* What is told of a command that was running when its sandbox ended: not an end of its own. */
static const sandbox_event killed = {.kind = SANDBOX_ENDED, .end = SANDBOX_KILLED, .fd = -1};

/* It runs, or has ended already.  With the lock held. */
static void learn_id(session *s, session_command *mine, uint32_t id)
{
    session_command *early = find_command(s, id);

    mine->id = id;
    mine->known = true;
    if (early) {
        mine->event = early->event;
        remove_command(s, early);
        free(early);
    } else if (atomic_load(&s->over)) {
        mine->event = killed;
        mine->event.id = id;
    } else {
        return;
    }
    remove_command(s, mine);
    mine->task.run = run_tell;
    http_loop_post(&s->all->loop, &mine->task);
}

ac_status session_exec(session *s, const sandbox_command *command,
                       void (*on_end)(void *user, const sandbox_event *event), void *user, uint32_t *ret_id,
                       ac_error *err)
{
    uint32_t id = 0;

    if (!session_enter(s))
        return ac_error_set(err, AC_ERR_CLOSED, "the session is over");
    pthread_mutex_lock(&s->all->lock);
    session_command *mine = add_command(s, 0); /* before it runs: there is no way back then */
    if (mine) {
        session_ref(s);
        mine->on_end = on_end;
        mine->user = user;
    }
    pthread_mutex_unlock(&s->all->lock);
    ac_status status =
        mine ? sandbox_exec(s->box, command, &id, err) : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    pthread_mutex_lock(&s->all->lock);
    if (status == AC_OK) {
        *ret_id = id;
        learn_id(s, mine, id);
    } else if (mine) {
        remove_command(s, mine);
    }
    pthread_mutex_unlock(&s->all->lock);
    session_leave(s);
    if (status != AC_OK && mine) {
        free(mine);
        session_unref(s);
    }
    return status;
}

void session_signal(session *s, uint32_t id, int signal)
{
    if (!session_enter(s))
        return;
    sandbox_signal(s->box, id, signal);
    session_leave(s);
}

void session_command_ended(session *s, const sandbox_event *event)
{
    pthread_mutex_lock(&s->all->lock);
    session_command *c = find_command(s, event->id);
    bool known = c && c->known;
    if (known)
        remove_command(s, c);
    else if (!c)
        c = add_command(s, event->id); /* out of memory: its end is told with the session's */
    if (c)
        c->event = *event;
    pthread_mutex_unlock(&s->all->lock);
    if (known)
        tell(c);
}

void session_commands_over(session *s)
{
    session_command *c;

    for (;;) {
        pthread_mutex_lock(&s->all->lock);
        for (c = s->commands; c && !c->known; c = c->next)
            continue;
        if (c)
            remove_command(s, c);
        pthread_mutex_unlock(&s->all->lock);
        if (!c)
            return;
        c->event = killed;
        c->event.id = c->id;
        tell(c);
    }
}

/* Ends that came early, of commands whose start was not learnt of in time: nobody is left to be told. */
void session_commands_free(session *s)
{
    while (s->commands) {
        session_command *c = s->commands;

        s->commands = c->next;
        free(c);
    }
}
