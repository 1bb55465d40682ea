/* credentials.c - snapshots of keys, and the provider that keeps them fresh.
 *
 * A snapshot is one block: the struct, its reference count and its strings, wiped as a whole.
 *
 * One thread fetches at a time, without the lock.  Others return the old keys until the mandatory window begins; then
 * they wait, and share the outcome of the fetch they waited for, so that a dead endpoint is not asked once per thread.
 * After a failed fetch, keys that are still valid are used for a while before the next try. */
#include "aws/credentials.h"

#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define ADVISORY_MS (15 * 60 * 1000)
#define MANDATORY_MS (10 * 60 * 1000)
#define RETRY_FAILED_MS (60 * 1000)

typedef struct snapshot {
    atomic_uint refs;
    size_t bytes;
    aws_credentials public;
    char strings[];
} snapshot;

static size_t size_of(const char *text)
{
    return text && text[0] != '\0' ? strlen(text) + 1 : 0;
}

static const char *put(char **at, const char *text)
{
    size_t size = size_of(text);
    char *begin = *at;

    if (size == 0)
        return NULL;
    memcpy(begin, text, size);
    *at += size;
    return begin;
}

aws_credentials *aws_credentials_new(const aws_credentials *from)
{
    size_t strings = size_of(from->access_key) + size_of(from->secret_key) + size_of(from->session_token) +
                     size_of(from->account_id);
    snapshot *s = calloc(1, sizeof *s + strings + 1);
    char *at;

    if (!s)
        return NULL;
    atomic_init(&s->refs, 1);
    s->bytes = sizeof *s + strings + 1;
    at = s->strings;
    s->public = *from;
    s->public.access_key = put(&at, from->access_key);
    s->public.secret_key = put(&at, from->secret_key);
    s->public.session_token = put(&at, from->session_token);
    s->public.account_id = put(&at, from->account_id);
    if (!s->public.expires_ms)
        s->public.expires_ms = AWS_NEVER_EXPIRES;
    return &s->public;
}

aws_credentials *aws_credentials_ref(aws_credentials *c)
{
    atomic_fetch_add_explicit(&CONTAINER_OF(c, snapshot, public)->refs, 1, memory_order_relaxed);
    return c;
}

void aws_credentials_unref(aws_credentials *c)
{
    snapshot *s = c ? CONTAINER_OF(c, snapshot, public) : NULL;

    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    explicit_bzero(s, s->bytes);
    free(s);
}

/* ---- the provider ---- */

struct aws_provider {
    aws_credentials_source source;
    aws_clock clock;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock */
    aws_credentials *current;
    bool fetching;
    bool expired;        /* told so by aws_provider_expire */
    unsigned fetches;    /* finished ones */
    int64_t next_try_ms; /* not before this while current is valid */
    ac_status last_status;
    ac_error last_error;
};

static int64_t system_now(void *user)
{
    (void)user;
    return clock_unix_ms();
}

aws_provider *aws_provider_new(const aws_credentials_source *source, const aws_clock *clock)
{
    aws_provider *p = calloc(1, sizeof *p);

    if (!p) {
        if (source->free)
            source->free(source->user);
        return NULL;
    }
    p->source = *source;
    p->clock = clock && clock->now_ms ? *clock : (aws_clock){.now_ms = system_now};
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    return p;
}

void aws_provider_free(aws_provider *p)
{
    if (!p)
        return;
    aws_credentials_unref(p->current);
    if (p->source.free)
        p->source.free(p->source.user);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static ac_status fetch_static(void *user, aws_credentials **ret, ac_error *err)
{
    (void)err;
    *ret = aws_credentials_ref(user);
    return AC_OK;
}

static void free_static(void *user)
{
    aws_credentials_unref(user);
}

aws_provider *aws_provider_static(const char *access_key, const char *secret_key, const char *session_token)
{
    aws_credentials *c = aws_credentials_new(&(aws_credentials){
        .access_key = access_key,
        .secret_key = secret_key,
        .session_token = session_token,
        .source = "explicit",
    });

    if (!c)
        return NULL;
    return aws_provider_new(&(aws_credentials_source){.fetch = fetch_static, .free = free_static, .user = c}, NULL);
}

static bool lasts_locked(const aws_provider *p, int64_t now, int64_t window_ms)
{
    if (!p->current || p->expired)
        return false;
    return p->current->expires_ms == AWS_NEVER_EXPIRES || p->current->expires_ms - now >= window_ms;
}

static bool valid_locked(const aws_provider *p, int64_t now)
{
    return lasts_locked(p, now, 1);
}

static void keep_locked(aws_provider *p, aws_credentials *fetched, ac_status status, const ac_error *err)
{
    int64_t now = p->clock.now_ms(p->clock.user);

    if (status == AC_OK && !fetched) {
        status = ac_error_set(&p->last_error, AC_ERR_NOT_FOUND, "there are no credentials");
    } else if (status == AC_OK && fetched->expires_ms <= now) {
        aws_credentials_unref(fetched);
        status = ac_error_set(&p->last_error, AC_ERR_DENIED, "the credentials that were just fetched have expired");
    } else if (status == AC_OK) {
        aws_credentials_unref(p->current);
        p->current = fetched;
        p->expired = false;
    } else {
        p->last_error = *err;
    }
    p->last_status = status;
    p->next_try_ms = status == AC_OK ? 0 : now + RETRY_FAILED_MS;
}

/* With the lock held, which is let go of meanwhile. */
static void fetch_locked(aws_provider *p)
{
    aws_credentials *fetched = NULL;
    ac_error err = {0};

    p->fetching = true;
    pthread_mutex_unlock(&p->lock);
    ac_status status = p->source.fetch(p->source.user, &fetched, &err);
    pthread_mutex_lock(&p->lock);
    p->fetching = false;
    p->fetches++;
    keep_locked(p, fetched, status, &err);
    if (p->last_status != AC_OK && valid_locked(p, p->clock.now_ms(p->clock.user)))
        ac_log_warning("Credentials could not be refreshed and are used on: %s", p->last_error.message);
    pthread_cond_broadcast(&p->changed);
}

static void wait_for_fetch_locked(aws_provider *p)
{
    unsigned before = p->fetches;

    while (p->fetching && p->fetches == before)
        pthread_cond_wait(&p->changed, &p->lock);
}

ac_status aws_provider_get(aws_provider *p, aws_credentials **ret_credentials, ac_error *err)
{
    int64_t now = p->clock.now_ms(p->clock.user);
    ac_status status = AC_OK;

    *ret_credentials = NULL;
    pthread_mutex_lock(&p->lock);
    if (!lasts_locked(p, now, ADVISORY_MS)) {
        if (p->fetching) {
            if (!lasts_locked(p, now, MANDATORY_MS))
                wait_for_fetch_locked(p);
        } else if (!valid_locked(p, now) || now >= p->next_try_ms) {
            fetch_locked(p);
        }
    }
    if (valid_locked(p, p->clock.now_ms(p->clock.user))) {
        *ret_credentials = aws_credentials_ref(p->current);
    } else {
        status = p->last_status != AC_OK ? p->last_status : AC_ERR_NOT_FOUND;
        if (err)
            *err = p->last_error;
    }
    pthread_mutex_unlock(&p->lock);
    return status;
}

void aws_provider_expire(aws_provider *p)
{
    pthread_mutex_lock(&p->lock);
    p->expired = true;
    pthread_mutex_unlock(&p->lock);
}
