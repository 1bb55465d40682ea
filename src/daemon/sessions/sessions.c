/* sessions.c - the table of sessions, and what is done to sessions by their key. */
#include "daemon/sessions/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "daemon/files.h"

#include <stdio.h>
#include <stdlib.h>

#define WARM_MS_DEFAULT (30 * 60 * 1000)
#define HEALTH_INTERVAL_MS_DEFAULT 30000
#define HEALTH_TIMEOUT_MS_DEFAULT 10000
#define BUCKETS_MIN 1024
#define BUCKETS_MAX (1U << 20)
#define CLOSE_SLACK_MS 20000 /* beyond grace times */
#define WORKERS_STOP_MS 10000

/* ---- life ---- */

static void fill_defaults(sessions_options *o)
{
    if (!o->sessions_max)
        o->sessions_max = SESSIONS_MAX_DEFAULT;
    if (!o->warm_ms)
        o->warm_ms = WARM_MS_DEFAULT;
    if (!o->health_interval_ms)
        o->health_interval_ms = HEALTH_INTERVAL_MS_DEFAULT;
    if (!o->health_timeout_ms)
        o->health_timeout_ms = HEALTH_TIMEOUT_MS_DEFAULT;
}

static void sessions_free(sessions *all)
{
    session_logs_free(all->logs);
    if (all->workers)
        workers_free(all->workers);
    for (unsigned i = 0; i < all->loop_count; i++)
        free(all->loops[i]);
    pthread_mutex_destroy(&all->lock);
    pthread_mutex_destroy(&all->loops_lock);
    pthread_cond_destroy(&all->room);
    free(all->buckets);
    free(all->peer_url);
    free(all);
}

static ac_status set_up(sessions *all, ac_error *err)
{
    char *logs = path_join(all->options.data_dir, "logs");
    size_t buckets = BUCKETS_MIN;

    while (buckets < all->options.sessions_max && buckets < BUCKETS_MAX)
        buckets *= 2;
    all->bucket_mask = buckets - 1;
    all->buckets = calloc(buckets, sizeof(session *));
    all->peer_url = all->options.peer_url ? strdup(all->options.peer_url) : NULL;
    all->logs = logs ? session_logs_new(logs) : NULL;
    all->workers = workers_new(NULL);
    free(logs);
    if (!all->buckets || !all->logs || !all->workers || (all->options.peer_url && !all->peer_url))
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(claims_open(all, err));
    return keeper_start(all, err);
}

ac_status sessions_open(const sessions_options *options, sessions **ret_all, ac_error *err)
{
    sessions *all = calloc(1, sizeof(*all));

    if (!all)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    all->options = *options;
    fill_defaults(&all->options);
    pthread_mutex_init(&all->lock, NULL);
    pthread_mutex_init(&all->loops_lock, NULL);
    session_cond_init(&all->room);
    ac_status status = set_up(all, err);
    if (status != AC_OK) {
        if (all->workers)
            workers_stop(all->workers, WORKERS_STOP_MS);
        sessions_free(all);
        return status;
    }
    *ret_all = all;
    return AC_OK;
}

/* End all, and the longest grace time among them.  With the lock held. */
static unsigned end_all(sessions *all)
{
    unsigned grace_ms = 0;

    session_pools_drop(all, NULL, NULL, NULL);
    for (session *s = all->first; s; s = s->next) {
        unsigned grace = s->recipe ? s->recipe->plan.stop_grace_ms : 0;
        session_end(s, grace, false, "the service was stopped");
        grace_ms = MAX(grace_ms, grace);
    }
    return grace_ms;
}

void sessions_close(sessions *all)
{
    if (!all)
        return;
    session_loops_done(all);
    pthread_mutex_lock(&all->lock);
    all->closing = true;
    uint64_t until_ms = clock_monotonic_ms() + end_all(all) + CLOSE_SLACK_MS;
    while ((all->count > 0 || all->unreaped > 0 || all->filling > 0 || all->renewing) &&
           session_cond_wait(&all->room, &all->lock, until_ms))
        continue;
    bool done = all->count == 0 && all->unreaped == 0 && all->filling == 0 && !all->renewing;
    pthread_mutex_unlock(&all->lock);
    done = workers_stop(all->workers, done ? WORKERS_STOP_MS : 0) && done;
    if (!done) {
        ac_log_warning("Sessions that do not end are left behind");
        return; /* the threads that are stuck with them use all of this */
    }
    keeper_stop(all);
    claims_close(all);
    sessions_free(all);
}

/* ---- by key ---- */

ac_status session_stop(sessions *all, const session_key *key, session_peer *ret_peer, ac_error *err)
{
    if (ret_peer)
        ret_peer->url[0] = '\0';
    pthread_mutex_lock(&all->lock);
    session *s = session_find(all, key, session_hash(key));
    if (!s) {
        pthread_mutex_unlock(&all->lock);
        return session_look_up(all, key, ret_peer, err);
    }
    session_ref(s);
    unsigned grace_ms = s->recipe ? s->recipe->plan.stop_grace_ms : 0;
    session_end(s, grace_ms, false, "it was stopped");
    uint64_t until_ms = clock_monotonic_ms() + grace_ms + 2 * SESSION_END_LATE_MS;
    while (s->state != SESSION_OVER && session_wait(s, until_ms))
        continue;
    bool over = s->state == SESSION_OVER;
    pthread_mutex_unlock(&all->lock);
    session_unref(s);
    return over ? AC_OK : ac_error_set(err, AC_ERR_TIMEOUT, "the session does not end");
}

void sessions_stop_all(sessions *all, const char *kind, const char *owner_prefix, const char *version)
{
    pthread_mutex_lock(&all->lock);
    session_pools_drop(all, kind, owner_prefix, version);
    for (session *s = all->first; s; s = s->next) {
        if (session_matches(s, kind, owner_prefix, version))
            session_end(s, s->recipe ? s->recipe->plan.stop_grace_ms : 0, false,
                        "what it runs was deleted or replaced");
    }
    pthread_mutex_unlock(&all->lock);
    if (!version)
        claims_revoke(all, kind, owner_prefix);
}

static const char *state_name(const session *s)
{
    switch (s->state) {
    case SESSION_STARTING:
        return "starting";
    case SESSION_READY:
        return s->in_use > 0 || s->busy ? "busy" : "ready";
    default:
        return "stopping";
    }
}

static void describe(const session *s, session_info *ret_info)
{
    snprintf(ret_info->kind, sizeof(ret_info->kind), "%s", s->kind);
    snprintf(ret_info->owner, sizeof(ret_info->owner), "%s", s->owner);
    snprintf(ret_info->id, sizeof(ret_info->id), "%s", s->id);
    snprintf(ret_info->state, sizeof(ret_info->state), "%s", state_name(s));
    ret_info->created_ms = s->created_ms;
    ret_info->used_ms = clock_unix_ms() - (int64_t)(clock_monotonic_ms() - s->used_ms);
    ret_info->in_use = s->in_use;
}

ac_status sessions_list(sessions *all, const char *kind, const char *owner_prefix, session_info **ret_infos,
                        size_t *ret_count, ac_error *err)
{
    size_t count = 0;

    pthread_mutex_lock(&all->lock);
    session_info *infos = calloc(all->count + 1, sizeof(*infos));
    for (session *s = all->first; infos && s; s = s->next) {
        if (!s->warm && session_matches(s, kind, owner_prefix, NULL))
            describe(s, &infos[count++]);
    }
    pthread_mutex_unlock(&all->lock);
    if (!infos)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    *ret_infos = infos;
    *ret_count = count;
    return AC_OK;
}

void sessions_get_stats(sessions *all, sessions_stats *ret_stats)
{
    pthread_mutex_lock(&all->lock);
    *ret_stats = (sessions_stats){
        .started = all->started,
        .failed = all->failed,
        .ended = all->ended,
        .now = all->count - all->warm,
        .warm = all->warm,
    };
    for (const session *s = all->first; s; s = s->next)
        ret_stats->busy += s->state == SESSION_READY && (s->in_use > 0 || s->busy);
    pthread_mutex_unlock(&all->lock);
}
