/* acquire.c - find a session, wait for it, or start it.
 *
 * A key is put into the table, as STARTING, before anything slow begins; so of many threads that ask for a new key one
 * starts it and the others find it and wait.  When the start fails they all get its error.  When something else has
 * ended the session meanwhile, they look again. */
#include "daemon/sessions/internal.h"

#include "base/clock.h"

#include <stdio.h>

#define START_SLACK_MS (2 * SESSION_END_LATE_MS) /* beyond start_ms: making the sandbox, taking it down */
#define DOUBT_MS 100                             /* how long a program that has died still takes connections, at most */

static ac_status check_key(const session_key *key, ac_error *err)
{
    if (!key->kind || !key->owner || !key->id || strlen(key->kind) > 31 || strlen(key->owner) > SESSION_OWNER_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "not a session's key");
    if (!key->id[0] || strlen(key->id) > SESSION_ID_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "a session id has 1 to %d bytes", SESSION_ID_MAX);
    return AC_OK;
}

/* ---- one that is there but not ready ---- */

/* AC_OK: look again.  With the lock held. */
static ac_status wait_for(session *s, ac_error *err)
{
    while (s->state == SESSION_STARTING) {
        if (!session_wait(s, s->start_due_ms + START_SLACK_MS))
            return ac_error_set(err, AC_ERR_TIMEOUT, "the session is still being started");
    }
    uint64_t until_ms = clock_monotonic_ms() + SESSION_STOPPING_WAIT_MS;
    while (s->state == SESSION_STOPPING) {
        if (!session_wait(s, until_ms))
            return ac_error_set(err, AC_ERR_AGAIN, "the session is being stopped");
    }
    if (s->state == SESSION_OVER && s->failure.status != AC_OK) {
        if (err)
            *err = s->failure;
        return s->failure.status;
    }
    return AC_OK;
}

/* ---- room ---- */

/* Nobody's yet: it is ready, or on its way. */
static bool is_spare(const session *s)
{
    return s->warm && (s->state == SESSION_READY || s->state == SESSION_STARTING);
}

/* Warm ones first, then the longest idle one.  Busy is also what works without a request. */
static session *find_victim(sessions *all)
{
    session *victim = NULL;

    for (session *s = all->first; s; s = s->next) {
        if (!is_spare(s) && (s->state != SESSION_READY || s->in_use > 0 || s->busy))
            continue;
        if (!victim || s->warm > victim->warm || (s->warm == victim->warm && s->used_ms < victim->used_ms))
            victim = s;
    }
    return victim;
}

/* Have a place for one more.  *ret_waited: the lock was let go, so look again.  With the lock held. */
static ac_status make_room(sessions *all, uint64_t until_ms, bool *ret_waited, ac_error *err)
{
    *ret_waited = false;
    if (all->count < all->options.sessions_max)
        return AC_OK;
    session *victim = all->stopping <= all->waiting ? find_victim(all) : NULL;
    if (victim) {
        victim->gave_way = true;
        session_end(victim, victim->recipe->plan.stop_grace_ms, false, "it was ended to make room for another");
    }
    if (all->stopping == 0)
        return ac_error_set(err, AC_ERR_QUOTA, "all %u sessions are busy", all->options.sessions_max);
    *ret_waited = true;
    all->waiting++;
    bool in_time = session_cond_wait(&all->room, &all->lock, until_ms);
    all->waiting--;
    return in_time ? AC_OK : ac_error_set(err, AC_ERR_AGAIN, "there is no place for another session yet");
}

/* ---- a new one ---- */

static void fill_defaults(session_plan *plan)
{
    if (!plan->version)
        plan->version = "";
    if (!plan->start_ms)
        plan->start_ms = SESSION_START_MS_DEFAULT;
    if (!plan->idle_ms)
        plan->idle_ms = SESSION_IDLE_MS_DEFAULT;
    if (!plan->life_ms)
        plan->life_ms = SESSION_LIFE_MS_DEFAULT;
    if (!plan->stop_grace_ms)
        plan->stop_grace_ms = SESSION_STOP_GRACE_MS_DEFAULT;
}

static ac_status make_recipe(session *s, const session_request *request, ac_error *err)
{
    _cleanup_(session_recipe_unrefp) session_recipe *recipe = session_recipe_new();

    if (!recipe)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(request->prepare(request->user, &recipe->memory, &recipe->plan, err));
    fill_defaults(&recipe->plan);
    pthread_mutex_lock(&s->all->lock);
    session_set_recipe(s, TAKE_PTR(recipe));
    pthread_mutex_unlock(&s->all->lock);
    return AC_OK;
}

/* s is in the table, starting, and ours.  What is returned is used once. */
static ac_status start_new(session *s, const session_request *request, session **ret_session, session_peer *ret_peer,
                           ac_error *err)
{
    ac_status status = session_claim(s, request->stay_here, ret_peer, err);

    if (status == AC_OK)
        status = make_recipe(s, request, err);
    if (status != AC_OK) {
        if (err->status == AC_OK)
            ac_error_set(err, status, "%s", ac_status_text(status));
        pthread_mutex_lock(&s->all->lock);
        /* Who waits looks again where another daemon has it. */
        s->retry = status == AC_ERR_AGAIN;
        session_fail(s, err);
        pthread_mutex_unlock(&s->all->lock);
        session_unclaim(s);
        return status;
    }
    *ret_session = session_pool_take(s);
    if (*ret_session)
        return AC_OK;
    AC_TRY(session_start(s, err));
    *ret_session = session_ref(s);
    return AC_OK;
}

/* With the lock held, which is let go. */
static ac_status add_unlock(sessions *all, const session_request *request, session **ret_session,
                            session_peer *ret_peer, ac_error *err)
{
    ac_error why = {.status = AC_OK};
    session *s = session_new(all, &request->key);

    if (s)
        session_add(s);
    pthread_mutex_unlock(&all->lock);
    if (!s)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    ac_status status = start_new(s, request, ret_session, ret_peer, &why);
    if (status != AC_OK && err)
        *err = why;
    session_unref(s);
    return status;
}

/* ---- one that may have died ---- */

void session_doubt(session *s)
{
    pthread_mutex_lock(&s->all->lock);
    s->doubt_ms = clock_monotonic_ms() + DOUBT_MS;
    pthread_mutex_unlock(&s->all->lock);
}

/* Whether it still is what it was; with the lock held, which is let go. */
static bool outlives_doubt(session *s)
{
    session_ref(s);
    while (s->state == SESSION_READY && s->doubt_ms && session_wait(s, s->doubt_ms))
        continue;
    s->doubt_ms = 0;
    bool ready = s->state == SESSION_READY;
    session_unref(s);
    return ready;
}

ac_status session_acquire(sessions *all, const session_request *request, session **ret_session, session_peer *ret_peer,
                          ac_error *err)
{
    uint64_t room_until_ms = 0;

    if (ret_peer)
        ret_peer->url[0] = '\0';
    AC_TRY(check_key(&request->key, err));
    uint64_t hash = session_hash(&request->key);
    pthread_mutex_lock(&all->lock);
    for (;;) {
        ac_status status = AC_OK;
        bool waited = true;
        session *s = session_find(all, &request->key, hash);

        if (s && s->state == SESSION_READY && s->doubt_ms && !outlives_doubt(s))
            continue;
        if (s && s->state == SESSION_READY) {
            s->in_use++;
            *ret_session = session_ref(s);
            pthread_mutex_unlock(&all->lock);
            session_prepare_socket(s);
            return AC_OK;
        }
        if (s) {
            session_ref(s);
            status = wait_for(s, err);
            session_unref(s);
        } else if (!request->prepare) {
            pthread_mutex_unlock(&all->lock);
            return session_look_up(all, &request->key, ret_peer, err);
        } else if (all->closing) {
            status = ac_error_set(err, AC_ERR_AGAIN, "the service is being stopped");
        } else {
            if (!room_until_ms)
                room_until_ms = clock_monotonic_ms() + SESSION_ROOM_WAIT_MS;
            status = make_room(all, room_until_ms, &waited, err);
        }
        if (status != AC_OK) {
            pthread_mutex_unlock(&all->lock);
            return status;
        }
        if (!waited)
            return add_unlock(all, request, ret_session, ret_peer, err);
    }
}
