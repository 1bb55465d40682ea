/* session.c - one session as an object.
 *
 * A session's memory lives until its last reference: the list's (until it is over), the keeper's (until its sandbox is
 * gone), each use's, each kept connection's, each waiting thread's.  State goes one way, STARTING, READY, STOPPING,
 * OVER, and may skip; whoever waits is woken at each step. */
#include "daemon/sessions/internal.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define HASH_START UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

/* ---- recipes ---- */

session_recipe *session_recipe_new(void)
{
    session_recipe *recipe = calloc(1, sizeof(*recipe));

    if (recipe)
        atomic_init(&recipe->references, 1);
    return recipe;
}

session_recipe *session_recipe_ref(session_recipe *recipe)
{
    atomic_fetch_add_explicit(&recipe->references, 1, memory_order_relaxed);
    return recipe;
}

void session_recipe_unref(session_recipe *recipe)
{
    if (!recipe || atomic_fetch_sub_explicit(&recipe->references, 1, memory_order_acq_rel) != 1)
        return;
    arena_done(&recipe->memory);
    free(recipe);
}

void session_set_recipe(session *s, session_recipe *recipe)
{
    s->recipe = recipe;
    s->idle_ms = recipe->plan.idle_ms;
    s->life_ms = recipe->plan.life_ms;
}

/* ---- waiting ---- */

void session_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t clock;

    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &clock);
    pthread_condattr_destroy(&clock);
}

bool session_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t until_ms)
{
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000), .tv_nsec = (long)(until_ms % 1000) * 1000000L};

    return pthread_cond_timedwait(cond, lock, &until) == 0 || clock_monotonic_ms() < until_ms;
}

bool session_wait(session *s, uint64_t until_ms)
{
    return session_cond_wait(&s->changed, &s->all->lock, until_ms);
}

/* ---- memory ---- */

static void session_free(session *s)
{
    for (unsigned i = 0; i < s->spare_count; i++)
        close(s->spares[i]);
    session_commands_free(s);
    session_recipe_unref(s->recipe);
    session_log_free(s->log);
    pthread_cond_destroy(&s->changed);
    free(s->kind);
    free(s->owner);
    free(s->id);
    free(s);
}

session *session_new(sessions *all, const session_key *key)
{
    session *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->all = all;
    atomic_init(&s->references, 1);
    session_cond_init(&s->changed);
    s->output_fd = -1;
    s->kind = strdup(key->kind);
    s->owner = strdup(key->owner);
    s->id = strdup(key->id);
    s->hash = session_hash(key);
    s->used_ms = s->born_ms = clock_monotonic_ms();
    s->created_ms = clock_unix_ms();
    s->start_due_ms = s->born_ms + SESSION_START_MS_DEFAULT;
    session_look_init(s);
    if (s->kind && s->owner && s->id)
        return s;
    session_free(s);
    return NULL;
}

session *session_ref(session *s)
{
    atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
    return s;
}

void session_unref(session *s)
{
    if (atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) == 1)
        session_free(s);
}

/* ---- the table ---- */

static uint64_t mix(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * HASH_PRIME;
    return (hash ^ 0xff) * HASH_PRIME;
}

uint64_t session_hash(const session_key *key)
{
    uint64_t hash = mix(mix(mix(HASH_START, key->kind), key->owner), key->id);

    return hash ^ hash >> 29;
}

session *session_find(sessions *all, const session_key *key, uint64_t hash)
{
    session *s = all->buckets[hash & all->bucket_mask];

    while (s && (s->hash != hash || strcmp(s->id, key->id) != 0 || strcmp(s->owner, key->owner) != 0 ||
                 strcmp(s->kind, key->kind) != 0))
        s = s->hash_next;
    return s;
}

void session_add(session *s)
{
    sessions *all = s->all;

    if (!s->warm) {
        session **bucket = &all->buckets[s->hash & all->bucket_mask];
        s->hash_next = *bucket;
        *bucket = s;
    }
    s->next = all->first;
    if (s->next)
        s->next->previous = s;
    all->first = session_ref(s);
    all->count++;
    all->warm += s->warm;
}

void session_remove(session *s)
{
    sessions *all = s->all;

    for (session **link = &all->buckets[s->hash & all->bucket_mask]; *link && !s->warm; link = &(*link)->hash_next) {
        if (*link == s) {
            *link = s->hash_next;
            break;
        }
    }
    if (s->next)
        s->next->previous = s->previous;
    *(s->previous ? &s->previous->next : &all->first) = s->next;
    s->next = s->previous = s->hash_next = NULL;
    all->count--;
    all->warm -= s->warm;
    pthread_cond_broadcast(&all->room);
}

/* ---- its end ---- */

void session_end(session *s, unsigned grace_ms, bool quote, const char *why, ...)
{
    va_list args;

    if (s->state == SESSION_STOPPING && grace_ms == 0 && s->box)
        sandbox_stop(s->box, 0);
    if (s->state != SESSION_STARTING && s->state != SESSION_READY)
        return;
    va_start(args, why);
    vsnprintf(s->why, sizeof(s->why), why, args);
    va_end(args);
    s->quote = quote;
    s->state = SESSION_STOPPING;
    s->all->stopping++;
    s->end_due_ms = clock_monotonic_ms() + grace_ms + SESSION_END_LATE_MS;
    if (s->box) {
        sandbox_stop(s->box, grace_ms);
        session_kick(s);
    }
    pthread_cond_broadcast(&s->changed);
}

void session_fail(session *s, const ac_error *failure)
{
    if (s->state == SESSION_OVER)
        return;
    s->all->stopping -= s->state == SESSION_STOPPING;
    if (!s->retry) {
        s->failure = *failure;
        snprintf(s->why, sizeof(s->why), "%.*s", (int)sizeof(s->why) - 1, failure->message);
        s->all->failed++;
    }
    s->state = SESSION_OVER;
    atomic_store(&s->over, true);
    session_pool_lost(s);
    session_remove(s);
    pthread_cond_broadcast(&s->changed);
    session_unref(s); /* the list's: whoever calls this has another */
}

bool session_enter(session *s)
{
    pthread_mutex_lock(&s->all->lock);
    bool alive = s->box && s->state != SESSION_OVER;
    s->box_users += alive;
    pthread_mutex_unlock(&s->all->lock);
    return alive;
}

void session_leave(session *s)
{
    pthread_mutex_lock(&s->all->lock);
    if (--s->box_users == 0)
        pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->all->lock);
}

const char *session_noun(const session *s)
{
    return strcmp(s->kind, "runtime") == 0   ? "the agent"
           : strcmp(s->kind, "browser") == 0 ? "the browser"
                                             : "the program";
}

/* The last bytes that there is room for: what went wrong is at the end. */
void session_say(const session *s, char *ret_text, size_t size)
{
    static const char quoting[] = "; its last output: ";
    size_t used = (size_t)snprintf(ret_text, size, "%s", s->why);
    const char *words = s->words;
    size_t length = strlen(words);

    if (!s->quote || length == 0 || used + sizeof(quoting) + 16 > size)
        return;
    size_t room = size - used - sizeof(quoting);
    if (length > room)
        words += length - room;
    while (((unsigned char)*words & 0xc0) == 0x80)
        words++;
    snprintf(ret_text + used, size - used, "%s%s", quoting, words);
}

/* ---- what callers see ---- */

const char *session_version(const session *s)
{
    return s->recipe->plan.version;
}

int64_t session_created_ms(const session *s)
{
    return s->created_ms;
}

void session_over_reason(session *s, unsigned wait_ms, char ret_text[SESSION_REASON_SIZE])
{
    uint64_t until_ms = clock_monotonic_ms() + wait_ms;

    pthread_mutex_lock(&s->all->lock);
    while (s->state != SESSION_OVER && wait_ms > 0 && session_wait(s, until_ms))
        continue;
    ret_text[0] = '\0';
    if (s->state == SESSION_OVER)
        session_say(s, ret_text, SESSION_REASON_SIZE);
    pthread_mutex_unlock(&s->all->lock);
}

void session_release(session *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->all->lock);
    s->in_use--;
    s->used_ms = clock_monotonic_ms();
    if (s->in_use == 0 && s->all->waiting > 0)
        pthread_cond_broadcast(&s->all->room);
    pthread_mutex_unlock(&s->all->lock);
    session_unref(s);
}
