/* pg_store.c - the engine on PostgreSQL: the pool of connections, transactions, and trying again.
 *
 * A transaction holds a connection from BEGIN to COMMIT and gives it back before anything is waited for.  It is run
 * again from the start when the server took it back for a deadlock or a collision, or when the connection broke before
 * COMMIT was sent: then nothing has happened.  A connection that breaks during COMMIT leaves open what happened, and
 * that is what the caller is told.
 *
 * Connections to a server that was restarted all break at once, so the first one that does takes the idle ones with
 * it.  Making a new one is tried until the caller's patience (wait_ms) ends. */
#include "base/clock.h"
#include "daemon/store/pg_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MAX_MS 64
#define COMMIT_GRACE_MS 3000

typedef struct pg_state {
    char *url;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    pg_connection *idle;
    unsigned made; /* connections that exist or are being made */
} pg_state;

static void pg_close(store *s)
{
    pg_state *state = s->state;

    while (state->idle) {
        pg_connection *c = state->idle;
        state->idle = c->next;
        pg_connection_close(c);
    }
    pthread_cond_destroy(&state->freed);
    pthread_mutex_destroy(&state->lock);
    if (state->url)
        explicit_bzero(state->url, strlen(state->url));
    free(state->url);
    free(state);
    s->state = NULL;
}

/* An idle connection, or the right to make one (*ret_connection NULL). */
static ac_status wait_for_connection(store *s, uint64_t deadline_ms, pg_connection **ret_connection, ac_error *err)
{
    pg_state *state = s->state;
    uint64_t now = clock_monotonic_ms();
    struct timespec deadline = store_deadline(deadline_ms > now ? (unsigned)(deadline_ms - now) : 0);
    int rc = 0;

    pthread_mutex_lock(&state->lock);
    while (!state->idle && state->made >= s->connections_max && rc == 0)
        rc = pthread_cond_timedwait(&state->freed, &state->lock, &deadline);
    *ret_connection = state->idle;
    if (state->idle) {
        state->idle = state->idle->next;
        rc = 0;
    } else if (state->made < s->connections_max) {
        state->made++;
        rc = 0;
    }
    pthread_mutex_unlock(&state->lock);
    if (rc)
        return ac_error_set(err, AC_ERR_TIMEOUT, "all connections to the store were in use for longer than %u ms",
                            s->wait_ms);
    return AC_OK;
}

static void uncount(store *s, unsigned count)
{
    pg_state *state = s->state;

    pthread_mutex_lock(&state->lock);
    state->made -= count;
    pthread_cond_broadcast(&state->freed);
    pthread_mutex_unlock(&state->lock);
}

static void drop_idle(store *s)
{
    pg_state *state = s->state;
    unsigned count = 0;

    pthread_mutex_lock(&state->lock);
    pg_connection *list = state->idle;
    state->idle = NULL;
    pthread_mutex_unlock(&state->lock);
    while (list) {
        pg_connection *c = list;
        list = c->next;
        pg_connection_close(c);
        count++;
    }
    atomic_fetch_sub_explicit(&s->connections, count, memory_order_relaxed);
    uncount(s, count);
}

static ac_status take_connection(store *s, uint64_t deadline_ms, pg_connection **ret_connection, bool *ret_may_retry,
                                 ac_error *err)
{
    pg_state *state = s->state;

    AC_TRY(wait_for_connection(s, deadline_ms, ret_connection, err));
    if (*ret_connection)
        return AC_OK;
    uint64_t now = clock_monotonic_ms();
    unsigned left_ms = deadline_ms > now ? (unsigned)(deadline_ms - now) : 1;
    ac_status status = pg_connection_open(s, state->url, left_ms, ret_connection, ret_may_retry, err);
    if (status == AC_OK)
        atomic_fetch_add_explicit(&s->connections, 1, memory_order_relaxed);
    else
        uncount(s, 1);
    return status;
}

static void give_back(store *s, pg_connection *c)
{
    pg_state *state = s->state;

    if (!c->lost && PQtransactionStatus(c->pg) == PQTRANS_IDLE) {
        pthread_mutex_lock(&state->lock);
        c->next = state->idle;
        state->idle = c;
        pthread_cond_signal(&state->freed);
        pthread_mutex_unlock(&state->lock);
        return;
    }
    bool lost = c->lost;
    pg_connection_close(c);
    atomic_fetch_sub_explicit(&s->connections, 1, memory_order_relaxed);
    uncount(s, 1);
    if (lost)
        drop_idle(s);
}

static ac_status commit(store_tx *tx, ac_error *err)
{
    pg_connection *c = tx->connection;
    char tag[16] = "";
    ac_status status = pg_do(c, "COMMIT", c->statement_ms + COMMIT_GRACE_MS, &tx->may_retry, tag, err);

    if (tx->writes)
        atomic_fetch_add_explicit(&tx->store->commits, 1, memory_order_relaxed);
    if (c->lost && tx->writes) {
        tx->may_retry = false;
        return ac_error_set(err, AC_ERR_IO,
                            "the connection to the PostgreSQL server broke during a commit; "
                            "it is unknown whether the change was made");
    }
    if (status == AC_OK && strcmp(tag, "COMMIT") != 0)
        return ac_error_set(err, AC_ERR_INTERNAL, "the PostgreSQL server took a transaction back");
    return status;
}

static ac_status run_on(store_tx *tx, store_fn fn, void *arg, ac_error *err)
{
    static const char begin_write[] = "BEGIN";
    static const char begin_read[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    pg_connection *c = tx->connection;
    unsigned timeout_ms = c->statement_ms + COMMIT_GRACE_MS;
    bool ignored;

    AC_TRY(pg_do(c, tx->writes ? begin_write : begin_read, timeout_ms, &tx->may_retry, NULL, err));
    ac_status status = store_call(tx, fn, arg, err);
    if (status == AC_OK)
        return commit(tx, err);
    if (tx->failed == AC_OK)
        tx->may_retry = false; /* fn's own decision */
    if (!c->lost && pg_do(c, "ROLLBACK", timeout_ms, &ignored, NULL, NULL) != AC_OK)
        c->lost = true;
    return status;
}

static void pause_before(unsigned attempt)
{
    unsigned most_ms = MIN(1u << MIN(attempt, 6u), PAUSE_MAX_MS);
    uint64_t ns = (clock_monotonic_ns() * 2654435761u) % ((uint64_t)most_ms * 1000000) + 200000;
    struct timespec t = {.tv_nsec = (long)ns};

    nanosleep(&t, NULL);
}

static ac_status pg_transaction(store *s, bool writes, store_fn fn, void *arg, ac_error *err)
{
    uint64_t deadline_ms = clock_monotonic_ms() + s->wait_ms;

    for (unsigned attempt = 1;; attempt++) {
        store_tx tx = {.store = s, .writes = writes};
        pg_connection *c = NULL;
        ac_status status = take_connection(s, deadline_ms, &c, &tx.may_retry, err);

        if (status == AC_OK) {
            tx.connection = c;
            status = run_on(&tx, fn, arg, err);
            give_back(s, c);
        }
        if (status == AC_OK && tx.wakes)
            store_wake(s);
        if (status == AC_OK || !tx.may_retry || clock_monotonic_ms() >= deadline_ms)
            return status;
        atomic_fetch_add_explicit(&s->retries, 1, memory_order_relaxed);
        pause_before(attempt);
    }
}

static ac_status nothing(store_tx *tx, void *arg, ac_error *err)
{
    (void)tx;
    (void)arg;
    (void)err;
    return AC_OK;
}

/* libpq quotes what it could not use, and in a URL with an unescaped character that may be part of the password. */
static ac_status check_url(const char *url, ac_error *err)
{
    PQconninfoOption *parsed = PQconninfoParse(url, NULL);
    bool good = parsed != NULL;

    for (const PQconninfoOption *each = parsed; each && each->keyword; each++) {
        if (!each->val)
            continue;
        if (strcmp(each->keyword, "host") == 0 || strcmp(each->keyword, "dbname") == 0)
            good = good && !strchr(each->val, '@');
        if (strcmp(each->keyword, "port") == 0)
            good = good && each->val[strspn(each->val, "0123456789,")] == '\0';
    }
    PQconninfoFree(parsed);
    if (!good)
        return ac_error_set(err, AC_ERR_INVALID,
                            "the store's URL cannot be read; in a password, write %%40 for @, %%3A for :, %%2F for /");
    return AC_OK;
}

static ac_status pg_open(store *s, const store_options *options, ac_error *err)
{
    pg_state *state;

    AC_TRY(check_url(options->url, err));
    state = calloc(1, sizeof(*state));
    if (!state)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    pthread_mutex_init(&state->lock, NULL);
    store_cond_init(&state->freed);
    s->state = state;
    state->url = strdup(options->url);
    if (!state->url)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    return pg_transaction(s, false, nothing, NULL, err);
}

const store_engine store_postgres = {
    .name = "postgresql",
    .open = pg_open,
    .close = pg_close,
    .run = pg_transaction,
    .execute = pg_execute,
    .script = pg_script,
    .lock = pg_lock,
    .query = pg_query,
    .next = pg_next,
    .done = pg_done,
    .is_null = pg_is_null,
    .get_int = pg_get_int,
    .get_real = pg_get_real,
    .get_blob = pg_get_blob,
    /* Read as rows: to_regclass answers from a cache, which may not know yet what the last holder of the lock made. */
    .has_meta = "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE c.relname = 'store_meta' AND n.nspname = ANY (current_schemas(false))",
    /* The number is any one that all daemons agree on. */
    .migration_begin = "SET LOCAL statement_timeout = 600000; SELECT pg_advisory_xact_lock(7163384699740877)",
    .word_id = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    .word_int = "BIGINT",
    .word_text = "TEXT COLLATE \"C\"",
    .word_blob = "BYTEA",
    .word_table_end = ")",
    .now_ms = "CREATE OR REPLACE FUNCTION now_ms() RETURNS BIGINT LANGUAGE SQL VOLATILE AS "
              "'SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)'",
};
