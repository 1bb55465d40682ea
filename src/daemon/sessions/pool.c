/* pool.c - sessions that are started in advance.
 *
 * A pool is known from the first session whose plan names it, and keeps the plan of the last one: the sandboxes it
 * starts are like that.  What is handed out gets the key of the one who asks, whose place in the table it takes; the
 * pool is filled again behind his back.  A pool that nobody has taken from for UNUSED_MS goes, and so does one whose
 * runtime is stopped as a whole (sessions_stop_all).  Plans hold what grows old (credentials): the oldest is handed out
 * first, and one that is too old is replaced.  A pool whose sandboxes do not start waits longer with each failure. */
#include "daemon/sessions/internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

#define UNUSED_MS (30 * 60 * 1000)
#define RETRY_MS 1000
#define RETRY_MAX_MS (5 * 60 * 1000)
#define POOLS_MAX 256

/* ---- life of a pool; with the lock held ---- */

static session_pool *find_pool(sessions *all, const session *s)
{
    session_pool *p = all->pools;

    while (p && (strcmp(p->recipe->plan.pool, s->recipe->plan.pool) != 0 || strcmp(p->owner, s->owner) != 0 ||
                 strcmp(p->kind, s->kind) != 0))
        p = p->next;
    return p;
}

static void pool_free(session_pool *p)
{
    session_recipe_unref(p->recipe);
    free(p->kind);
    free(p->owner);
    free(p);
}

static void fill(workers_job *job);

static session_pool *add_pool(sessions *all, const session *s)
{
    session_pool *p;
    unsigned count = 0;

    for (p = all->pools; p; p = p->next)
        count++;
    p = count < POOLS_MAX ? calloc(1, sizeof(*p)) : NULL;
    if (!p)
        return NULL;
    p->all = all;
    p->recipe = session_recipe_ref(s->recipe);
    p->fill_job.run = fill;
    p->kind = strdup(s->kind);
    p->owner = strdup(s->owner);
    if (!p->kind || !p->owner) {
        pool_free(p);
        return NULL;
    }
    p->next = all->pools;
    all->pools = p;
    if (!all->pools_tick) {
        all->pools_tick = true;
        http_loop_post(&all->loop, &all->pool_task);
    }
    return p;
}

/* End what it has.  It is freed when its last session is gone and nobody fills it. */
static void drop(session_pool *p, const char *why)
{
    sessions *all = p->all;
    session *next;

    p->dropped = true;
    for (session *s = all->first; s; s = next) {
        next = s->next;
        if (s->pool == p)
            session_end(s, s->recipe->plan.stop_grace_ms, false, "%s", why);
    }
}

static void free_if_done(session_pool *p)
{
    if (!p->dropped || p->filling || p->count > 0)
        return;
    for (session_pool **link = &p->all->pools; *link; link = &(*link)->next) {
        if (*link == p) {
            *link = p->next;
            break;
        }
    }
    pool_free(p);
}

/* ---- filling ---- */

static bool wants_more(const session_pool *p, uint64_t now)
{
    const sessions *all = p->all;

    /* Who waits for a place has precedence. */
    return !p->dropped && !all->closing && p->count < p->recipe->plan.warm && now >= p->retry_ms &&
           all->count < all->options.sessions_max && all->waiting == 0;
}

static void start_filling(session_pool *p)
{
    if (p->filling || !wants_more(p, clock_monotonic_ms()))
        return;
    p->filling = workers_submit(p->all->workers, &p->fill_job) == AC_OK;
    p->all->filling += p->filling;
}

static void note_start(session_pool *p, ac_status status, const ac_error *err)
{
    unsigned wait_ms = RETRY_MS;

    if (status == AC_OK) {
        p->failures = 0;
        return;
    }
    for (unsigned i = 0; i < p->failures && wait_ms < RETRY_MAX_MS; i++)
        wait_ms *= 2;
    p->failures++;
    p->retry_ms = clock_monotonic_ms() + MIN(wait_ms, (unsigned)RETRY_MAX_MS);
    if (!p->dropped && p->failures == 1)
        ac_log_warning("A session for %s cannot be started in advance: %s", p->owner, err->message);
}

/* Start one.  With the lock held, which is let go meanwhile. */
static void add_warm(session_pool *p)
{
    sessions *all = p->all;
    ac_error err = {.status = AC_OK};
    session *s = session_new(all, &(session_key){p->kind, p->owner, ""});

    if (!s) {
        ac_error_set(&err, AC_ERR_NOMEM, "out of memory");
        note_start(p, AC_ERR_NOMEM, &err);
        return;
    }
    session_set_recipe(s, session_recipe_ref(p->recipe));
    s->warm = true;
    s->pool = p;
    p->count++;
    session_add(s);
    pthread_mutex_unlock(&all->lock);
    ac_status status = session_start(s, &err);
    pthread_mutex_lock(&all->lock);
    if (!s->gave_way)
        note_start(p, status, &err);
    session_unref(s);
}

static void fill(workers_job *job)
{
    session_pool *p = CONTAINER_OF(job, session_pool, fill_job);
    sessions *all = p->all;

    pthread_mutex_lock(&all->lock);
    while (wants_more(p, clock_monotonic_ms()))
        add_warm(p);
    p->filling = false;
    all->filling--;
    free_if_done(p);
    pthread_cond_broadcast(&all->room);
    pthread_mutex_unlock(&all->lock);
}

void session_pool_lost(session *s)
{
    session_pool *p = TAKE_PTR(s->pool);

    if (!p)
        return;
    p->count--;
    p->retry_ms = MAX(p->retry_ms, clock_monotonic_ms() + RETRY_MS); /* do not hurry with the next one */
    free_if_done(p);
}

static void end_old(const session_pool *p, uint64_t now)
{
    session *next;

    for (session *s = p->all->first; s; s = next) {
        next = s->next;
        if (s->pool == p && s->state == SESSION_READY && now - s->born_ms >= p->all->options.warm_ms)
            session_end(s, s->recipe->plan.stop_grace_ms, false, "nobody has needed it");
    }
}

bool session_pools_tick(sessions *all)
{
    uint64_t now = clock_monotonic_ms();
    session_pool *next;

    pthread_mutex_lock(&all->lock);
    for (session_pool *p = all->pools; p; p = next) {
        next = p->next;
        if (!p->dropped && now - p->used_ms >= UNUSED_MS)
            drop(p, "nobody needed it");
        end_old(p, now);
        start_filling(p);
        free_if_done(p);
    }
    bool more = all->pools_tick = all->pools != NULL;
    pthread_mutex_unlock(&all->lock);
    return more;
}

/* ---- handing out ---- */

static session *find_warm(sessions *all, const session_pool *p)
{
    session *oldest = NULL;

    for (session *s = all->first; s; s = s->next) {
        if (s->pool == p && s->state == SESSION_READY)
            oldest = s; /* new ones are put in front */
    }
    return oldest;
}

/* warm becomes what `asked` was to be, and takes its place.  With the lock held. */
static void hand_out(session *warm, session *asked)
{
    char *id = warm->id;

    asked->retry = true;
    asked->state = SESSION_OVER;
    session_remove(asked);
    pthread_cond_broadcast(&asked->changed);
    session_unref(asked); /* the list's */

    session_remove(warm);
    warm->id = asked->id;
    asked->id = id;
    warm->hash = asked->hash;
    warm->claim = asked->claim;
    asked->claim = 0;
    warm->warm = false;
    warm->was_had = true;
    warm->pool->count--;
    warm->pool = NULL;
    warm->in_use = 1;
    warm->used_ms = warm->born_ms = clock_monotonic_ms();
    warm->created_ms = asked->created_ms;
    warm->idle_ms = asked->idle_ms;
    warm->life_ms = asked->life_ms;
    session_add(warm);
    session_unref(warm); /* the list's former one */
    session_kick(warm);
}

session *session_pool_take(session *s)
{
    sessions *all = s->all;
    const session_plan *plan = &s->recipe->plan;
    session *warm = NULL;

    if (!plan->pool || plan->warm == 0)
        return NULL;
    pthread_mutex_lock(&all->lock);
    session_pool *p = find_pool(all, s);
    if (!p && s->state == SESSION_STARTING)
        p = add_pool(all, s);
    if (p && !p->dropped) {
        p->used_ms = clock_monotonic_ms();
        session_recipe_unref(p->recipe);
        p->recipe = session_recipe_ref(s->recipe);
        warm = s->state == SESSION_STARTING ? find_warm(all, p) : NULL;
        if (warm) {
            hand_out(session_ref(warm), s);
            start_filling(p); /* otherwise the tick does, when the one who asks has what he needs */
        }
    }
    pthread_mutex_unlock(&all->lock);
    if (warm)
        session_prepare_socket(warm);
    return warm;
}

bool session_matches(const session *s, const char *kind, const char *owner_prefix, const char *version)
{
    if (kind && strcmp(s->kind, kind) != 0)
        return false;
    if (owner_prefix && strncmp(s->owner, owner_prefix, strlen(owner_prefix)) != 0)
        return false;
    return !version || (s->recipe && strcmp(s->recipe->plan.version, version) == 0);
}

void session_pools_drop(sessions *all, const char *kind, const char *owner_prefix, const char *version)
{
    session_pool *next;

    for (session_pool *p = all->pools; p; p = next) {
        const session as = {.kind = p->kind, .owner = p->owner, .recipe = p->recipe};
        next = p->next;
        if (p->dropped || !session_matches(&as, kind, owner_prefix, version))
            continue;
        drop(p, "what it runs is not needed any more");
        free_if_done(p);
    }
}
