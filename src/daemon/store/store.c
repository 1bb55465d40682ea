/* store.c - the part of the store that is the same on both engines: opening, the rules for transactions, counting, and
 * telling job runners of new work.
 *
 * A thread that is inside a transaction function is marked, so that a nested call is refused instead of waiting for a
 * connection (or the writer's turn) that its own caller holds. */
#include "daemon/store/store.h"
#include "daemon/store/engine.h"

#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_DEFAULT 8
#define CONNECTIONS_LIMIT 1024
#define WAIT_MS_DEFAULT 5000
#define STATEMENT_MS_DEFAULT 10000
#define MS_LIMIT (24u * 60 * 60 * 1000)

static _Thread_local bool inside_transaction;

static ac_status choose_engine(const store_options *options, store *s, ac_error *err)
{
    const char *url = options->url;

    if (!url) {
        s->engine = &store_sqlite;
        if (!options->data_dir)
            return ac_error_set(err, AC_ERR_INVALID, "a store without a URL needs a data directory");
    } else if (strncmp(url, "postgresql://", 13) == 0 || strncmp(url, "postgres://", 11) == 0) {
        s->engine = &store_postgres;
    } else {
        return ac_error_set(err, AC_ERR_INVALID, "the store's URL must begin with postgresql://");
    }
    if (options->wait_ms > MS_LIMIT || options->statement_ms > MS_LIMIT)
        return ac_error_set(err, AC_ERR_INVALID, "a time limit of the store is longer than a day");
    if (options->connections_max > CONNECTIONS_LIMIT)
        return ac_error_set(err, AC_ERR_INVALID, "more than %d connections to the store", CONNECTIONS_LIMIT);
    return AC_OK;
}

static ac_status open_parts(store *s, const store_options *options, ac_error *err)
{
    AC_TRY(choose_engine(options, s, err));
    if (options->data_dir)
        AC_TRY(data_dir_open(options->data_dir, &s->directory, err));
    AC_TRY(s->engine->open(s, options, err));
    return schema_prepare(s, err);
}

ac_status store_open(const store_options *options, store **ret_store, ac_error *err)
{
    store *s = calloc(1, sizeof(*s));
    ac_status status;

    if (!s)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    pthread_mutex_init(&s->wakers_lock, NULL);
    s->connections_max = options->connections_max ? options->connections_max : CONNECTIONS_DEFAULT;
    s->wait_ms = options->wait_ms ? options->wait_ms : WAIT_MS_DEFAULT;
    s->statement_ms = options->statement_ms ? options->statement_ms : STATEMENT_MS_DEFAULT;

    status = open_parts(s, options, err);
    if (status != AC_OK) {
        store_close(s);
        return status;
    }
    *ret_store = s;
    return AC_OK;
}

void store_close(store *s)
{
    if (!s)
        return;
    if (s->state)
        s->engine->close(s);
    data_dir_close(s->directory);
    explicit_bzero(s->secret, sizeof(s->secret));
    pthread_mutex_destroy(&s->wakers_lock);
    free(s);
}

struct timespec store_deadline(unsigned ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (t.tv_nsec >= 1000000000L) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000L;
    }
    return t;
}

void store_cond_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

const char *store_engine_name(const store *s)
{
    return s->engine->name;
}

ac_status store_call(store_tx *tx, store_fn fn, void *arg, ac_error *err)
{
    inside_transaction = true;
    ac_status status = fn(tx, arg, err);
    inside_transaction = false;

    if (status == AC_OK && tx->failed != AC_OK)
        return ac_error_set(err, tx->failed, "a statement failed, and the transaction with it");
    return status;
}

static ac_status run_counted(store *s, bool writes, store_fn fn, void *arg, ac_error *err)
{
    if (inside_transaction)
        return ac_error_set(err, AC_ERR_STATE, "a transaction cannot begin another one");
    atomic_fetch_add_explicit(writes ? &s->writes : &s->reads, 1, memory_order_relaxed);
    ac_status status = s->engine->run(s, writes, fn, arg, err);
    if (status != AC_OK)
        atomic_fetch_add_explicit(&s->failures, 1, memory_order_relaxed);
    return status;
}

ac_status store_write(store *s, store_fn fn, void *arg, ac_error *err)
{
    return run_counted(s, true, fn, arg, err);
}

ac_status store_read(store *s, store_fn fn, void *arg, ac_error *err)
{
    return run_counted(s, false, fn, arg, err);
}

void store_get_stats(store *s, store_stats *ret_stats)
{
    *ret_stats = (store_stats){
        .reads = atomic_load_explicit(&s->reads, memory_order_relaxed),
        .writes = atomic_load_explicit(&s->writes, memory_order_relaxed),
        .commits = atomic_load_explicit(&s->commits, memory_order_relaxed),
        .retries = atomic_load_explicit(&s->retries, memory_order_relaxed),
        .failures = atomic_load_explicit(&s->failures, memory_order_relaxed),
        .connections = atomic_load_explicit(&s->connections, memory_order_relaxed),
        .connections_max = s->connections_max,
    };
}

void store_wake(store *s)
{
    pthread_mutex_lock(&s->wakers_lock);
    for (store_waker *each = s->wakers; each; each = each->next)
        each->wake(each);
    pthread_mutex_unlock(&s->wakers_lock);
}

void store_waker_add(store *s, store_waker *waker)
{
    pthread_mutex_lock(&s->wakers_lock);
    waker->next = s->wakers;
    s->wakers = waker;
    pthread_mutex_unlock(&s->wakers_lock);
}

void store_waker_remove(store *s, store_waker *waker)
{
    pthread_mutex_lock(&s->wakers_lock);
    for (store_waker **link = &s->wakers; *link; link = &(*link)->next) {
        if (*link == waker) {
            *link = waker->next;
            break;
        }
    }
    pthread_mutex_unlock(&s->wakers_lock);
}

ac_status store_key(const store *s, const char *purpose, unsigned char ret_key[STORE_KEY_BYTES], ac_error *err)
{
    _Static_assert(STORE_KEY_BYTES == 32, "a key is as long as SHA-256's result");

    if (!HMAC(EVP_sha256(), s->secret, STORE_SECRET_BYTES, (const unsigned char *)purpose, strlen(purpose), ret_key,
              NULL))
        return ac_error_set(err, AC_ERR_INTERNAL, "a key cannot be derived");
    return AC_OK;
}

bool store_is_shared(const store *s)
{
    return s->engine == &store_postgres;
}
