/* jwt_providers.c - the key sets of OpenID providers, by discovery URL: kept, renewed, and given up when too many.
 *
 * One lock guards the table; nothing is fetched under it.  At most one thread fetches for a provider.  Meanwhile others
 * that have what they need in an aged set use that, and the rest wait for the fetch, which has a deadline.
 *
 * A set is fresh, then stale (renewed at the next use, but good while that fails), then gone.  Two things keep
 * strangers from making us fetch at will: tokens with unknown keys cause one fetch per pause, and after a failed fetch
 * the failure itself is the answer for one pause.
 *
 * Sets are immutable and counted, so that a token can be checked with one that is replaced meanwhile. */
#include "base/clock.h"
#include "daemon/front/jwt_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct provider {
    char *url;
    jwt_key_set *keys; /* NULL: none yet */
    uint64_t fetched_ms;
    uint64_t fetches;      /* that succeeded */
    uint64_t next_try_ms;  /* after a failure */
    uint64_t next_miss_ms; /* for an unknown key */
    uint64_t used;         /* the table's count when it was used last */
    unsigned users;        /* calls that hold a pointer to it */
    bool fetching;
    ac_error failure; /* of the last fetch; AC_OK when that succeeded */
} provider;

struct jwt_providers {
    jwt_options options;
    uint64_t (*now_ms)(void);
    pthread_mutex_t lock;
    pthread_cond_t fetched; /* some fetch is over */
    http_client *client;    /* made by the first fetch */
    provider *list[JWT_PROVIDERS_MAX];
    size_t count;
    uint64_t uses;
};

static void provider_free(provider *e)
{
    if (!e)
        return;
    jwt_key_set_unref(e->keys);
    free(e->url);
    free(e);
}

jwt_providers *jwt_providers_new(const jwt_options *options)
{
    jwt_providers *p = calloc(1, sizeof *p);
    char *ca_file = NULL;

    if (p && options->ca_file)
        ca_file = strdup(options->ca_file);
    if (!p || (options->ca_file && !ca_file)) {
        free(p);
        return NULL;
    }
    p->options = *options;
    p->options.ca_file = ca_file;
    p->now_ms = clock_monotonic_ms;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->fetched, NULL);
    return p;
}

void jwt_providers_free(jwt_providers *p)
{
    if (!p)
        return;
    if (p->client)
        http_client_free(p->client);
    for (size_t i = 0; i < p->count; i++)
        provider_free(p->list[i]);
    pthread_cond_destroy(&p->fetched);
    pthread_mutex_destroy(&p->lock);
    free((char *)p->options.ca_file);
    free(p);
}

void jwt_providers_set_clock(jwt_providers *p, uint64_t (*now_ms)(void))
{
    p->now_ms = now_ms;
}

/* ---- the table; all with the lock held ---- */

/* A place for one more: at the end, or that of the one used longest ago.  NULL when all are in use. */
static provider **free_place(jwt_providers *p)
{
    provider **oldest = NULL;

    if (p->count < JWT_PROVIDERS_MAX)
        return &p->list[p->count++];
    for (size_t i = 0; i < p->count; i++)
        if (p->list[i]->users == 0 && (!oldest || p->list[i]->used < (*oldest)->used))
            oldest = &p->list[i];
    if (oldest)
        provider_free(*oldest);
    return oldest;
}

static ac_status find_or_add(jwt_providers *p, const char *url, provider **ret_provider, ac_error *err)
{
    provider *e = NULL, **place;

    for (size_t i = 0; i < p->count && !e; i++)
        if (strcmp(p->list[i]->url, url) == 0)
            e = p->list[i];
    if (!e) {
        e = calloc(1, sizeof *e);
        if (!e || !(e->url = strdup(url))) {
            provider_free(e);
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
        }
        place = free_place(p);
        if (!place) {
            provider_free(e);
            return ac_error_set(err, AC_ERR_AGAIN, "too many OpenID providers are asked at the same time");
        }
        *place = e;
    }
    e->used = ++p->uses;
    *ret_provider = e;
    return AC_OK;
}

/* ---- what to do for a token; all with the lock held ---- */

typedef struct lookup {
    const jwt_token *token;
    uint64_t fetches; /* the provider's count when the call began */
    bool fetched;     /* this call has fetched already */
} lookup;

typedef enum decision { DECIDE_USE, DECIDE_FAIL, DECIDE_WAIT, DECIDE_FETCH } decision;

static const jwt_key *known_key(const provider *e, const lookup *l)
{
    return e->keys ? jwt_key_set_find(e->keys, l->token->alg, l->token->kid) : NULL;
}

static bool is_younger(const jwt_providers *p, const provider *e, unsigned seconds)
{
    return e->keys && p->now_ms() - e->fetched_ms < (uint64_t)seconds * 1000;
}

static decision decide(const jwt_providers *p, const provider *e, const lookup *l)
{
    uint64_t now = p->now_ms();
    bool fresh = is_younger(p, e, p->options.keys_fresh_s);
    bool usable = is_younger(p, e, p->options.keys_stale_s);
    bool known = usable && known_key(e, l);
    bool failed = e->failure.status != AC_OK;
    bool wanted = !l->fetched && (!failed || now >= e->next_try_ms);

    if (fresh && known)
        return DECIDE_USE;
    /* A key that is not in the set: has it come since?  Not when this very call has waited for the set. */
    if (fresh)
        wanted = wanted && l->fetches == e->fetches && now >= e->next_miss_ms;
    if (wanted)
        return !e->fetching ? DECIDE_FETCH : known ? DECIDE_USE : DECIDE_WAIT;
    /* While the provider fails, an unknown key may be good: the failure says so better than "unknown". */
    return known || (usable && !failed) ? DECIDE_USE : DECIDE_FAIL;
}

static ac_status make_client(jwt_providers *p, ac_error *err)
{
    http_client_options options = {.ca_file = p->options.ca_file, .user_agent = "agentcored"};
    ac_error why = {0};
    ac_status status = p->client ? AC_OK : http_client_new(&options, &p->client, &why);

    if (status == AC_OK || status == AC_ERR_NOMEM)
        return status == AC_OK ? AC_OK : ac_error_set(err, status, "out of memory");
    return ac_error_set(err, AC_ERR_IO, "OpenID providers cannot be asked: %s", why.message);
}

/* Fetch for e, without the lock meanwhile. */
static void renew(jwt_providers *p, provider *e, lookup *l)
{
    ac_error failure = {0};
    jwt_key_set *keys = NULL;
    ac_status status = make_client(p, &failure);

    l->fetched = true;
    if (is_younger(p, e, p->options.keys_fresh_s))
        e->next_miss_ms = p->now_ms() + p->options.refetch_pause_ms;
    if (status == AC_OK) {
        e->fetching = true;
        pthread_mutex_unlock(&p->lock);
        status = jwt_fetch(p->client, &p->options, e->url, &keys, &failure);
        pthread_mutex_lock(&p->lock);
        e->fetching = false;
    }
    e->failure = failure;
    e->failure.status = status;
    if (status == AC_OK) {
        jwt_key_set_unref(e->keys);
        e->keys = keys;
        e->fetched_ms = p->now_ms();
        e->fetches++;
    } else {
        e->next_try_ms = p->now_ms() + p->options.refetch_pause_ms;
    }
    pthread_cond_broadcast(&p->fetched);
}

static ac_status use(const provider *e, const lookup *l, jwt_key_set **ret_set, const jwt_key **ret_key, ac_error *err)
{
    const jwt_key *key = known_key(e, l);

    if (!key)
        return ac_error_set(err, AC_ERR_UNAUTHORIZED, "the token's key is not among those of the provider");
    *ret_set = jwt_key_set_ref(e->keys);
    *ret_key = key;
    return AC_OK;
}

static ac_status fail(const provider *e, ac_error *err)
{
    /* Fetched by this call, and outdated before it came to look. */
    if (e->failure.status == AC_OK)
        return ac_error_set(err, AC_ERR_TIMEOUT, "the provider's keys came too late");
    return ac_error_set(err, e->failure.status, "%s", e->failure.message);
}

static ac_status key_of(jwt_providers *p, provider *e, lookup *l, jwt_key_set **ret_set, const jwt_key **ret_key,
                        ac_error *err)
{
    for (;;) {
        switch (decide(p, e, l)) {
        case DECIDE_USE:
            return use(e, l, ret_set, ret_key, err);
        case DECIDE_FAIL:
            return fail(e, err);
        case DECIDE_WAIT:
            pthread_cond_wait(&p->fetched, &p->lock);
            break;
        case DECIDE_FETCH:
            renew(p, e, l);
            break;
        }
    }
}

ac_status jwt_providers_key(jwt_providers *p, const char *discovery_url, const jwt_token *token, jwt_key_set **ret_set,
                            const jwt_key **ret_key, ac_error *err)
{
    provider *e = NULL;
    ac_status status;

    *ret_set = NULL;
    *ret_key = NULL;
    pthread_mutex_lock(&p->lock);
    status = find_or_add(p, discovery_url, &e, err);
    if (e) {
        lookup l = {.token = token, .fetches = e->fetches};

        e->users++;
        status = key_of(p, e, &l, ret_set, ret_key, err);
        e->users--;
    }
    pthread_mutex_unlock(&p->lock);
    return status;
}
