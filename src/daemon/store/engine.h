/* engine.h - what SQLite and PostgreSQL each have to offer to the store; for files of this room only. */
#ifndef DAEMON_STORE_ENGINE_H
#define DAEMON_STORE_ENGINE_H

#include "daemon/store/data_dir.h"
#include "daemon/store/sql.h"
#include "daemon/store/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define STORE_SECRET_BYTES 32
#define STORE_MIGRATION_MS (10 * 60 * 1000) /* longest run of one migration */

/* Somebody who wants to know that a transaction which queued jobs was committed. */
typedef struct store_waker {
    void (*wake)(struct store_waker *waker); /* any thread; short */
    struct store_waker *next;
} store_waker;

typedef struct store_engine {
    const char *name;
    ac_status (*open)(store *s, const store_options *options, ac_error *err);
    void (*close)(store *s); /* also after open failed half-way */
    ac_status (*run)(store *s, bool writes, store_fn fn, void *arg, ac_error *err);

    ac_status (*execute)(store_tx *tx, const char *text, const sql_value *values, size_t count, int64_t *ret_changed,
                         ac_error *err);
    ac_status (*script)(store_tx *tx, const char *text, ac_error *err); /* several statements, for migrations */
    ac_status (*lock)(store_tx *tx, const char *name, ac_error *err);

    ac_status (*query)(store_tx *tx, const char *text, const sql_value *values, size_t count, sql_rows *ret_rows,
                       ac_error *err);
    ac_status (*next)(sql_rows *rows, bool *ret_found, ac_error *err);
    void (*done)(sql_rows *rows);
    bool (*is_null)(const sql_rows *rows, int column);
    int64_t (*get_int)(const sql_rows *rows, int column);
    double (*get_real)(const sql_rows *rows, int column);
    const void *(*get_blob)(const sql_rows *rows, int column, size_t *ret_length);

    /* What the texts of the schema (schema.c) leave open. */
    const char *has_meta;        /* a query that has a row when the table store_meta is there */
    const char *migration_begin; /* a script that keeps other daemons from migrating at the same time */
    const char *word_id, *word_int, *word_text, *word_blob, *word_table_end;
    const char *now_ms; /* a script that makes the function now_ms(), if it isn't there */
} store_engine;

extern const store_engine store_sqlite;
extern const store_engine store_postgres;

struct store {
    const store_engine *engine;
    void *state; /* the engine's */
    data_dir *directory;
    unsigned connections_max;
    unsigned wait_ms;
    unsigned statement_ms;
    unsigned char secret[STORE_SECRET_BYTES]; /* the same for all daemons on one store */

    pthread_mutex_t wakers_lock;
    store_waker *wakers;

    atomic_uint_fast64_t reads, writes, commits, retries, failures;
    atomic_uint connections;
};

struct store_tx {
    store *store;
    void *connection; /* the engine's */
    bool writes;
    bool wakes;       /* jobs were queued */
    bool may_retry;   /* the failure is of a kind that goes away when the transaction is run again */
    ac_status failed; /* of the first statement that failed */
};

/* Call fn for a transaction that has begun: AC_OK only when it and all its statements went well. */
ac_status store_call(store_tx *tx, store_fn fn, void *arg, ac_error *err) AC_MUST_USE;

/* Conditions here wait by the monotonic clock, up to this moment. */
void store_cond_init(pthread_cond_t *condition);
struct timespec store_deadline(unsigned ms);

/* Jobs were committed. */
void store_wake(store *s);
void store_waker_add(store *s, store_waker *waker);
void store_waker_remove(store *s, store_waker *waker);

/* Read the schema's version, refuse a newer one, migrate an older one, and fetch the secret. */
ac_status schema_prepare(store *s, ac_error *err) AC_MUST_USE;

#endif
