/* pg_connection.h - one connection to PostgreSQL, with its prepared statements; for this room only. */
#ifndef DAEMON_STORE_PG_CONNECTION_H
#define DAEMON_STORE_PG_CONNECTION_H

#include "daemon/store/engine.h"

#include <libpq-fe.h>

#define PG_STATEMENTS_MAX 96

typedef struct pg_connection {
    PGconn *pg;
    struct pg_connection *next; /* in the pool */
    unsigned statement_ms;
    bool lost; /* not to be used any more */
    size_t statements;
    struct {
        char *text;
        const char *seen_at; /* where the text stood when it was last asked for */
    } cache[PG_STATEMENTS_MAX];
} pg_connection;

/* *ret_transient (when it fails): whether the server may only be starting, or just being stopped. */
ac_status pg_connection_open(const store *s, const char *url, unsigned timeout_ms, pg_connection **ret_connection,
                             bool *ret_transient, ac_error *err) AC_MUST_USE;
void pg_connection_close(pg_connection *c);

/* Run a text without values.  *ret_may_retry: it failed in a way that goes away in a new transaction.  ret_tag (may be
 * NULL) gets what the server says it did. */
ac_status pg_do(pg_connection *c, const char *text, unsigned timeout_ms, bool *ret_may_retry, char ret_tag[16],
                ac_error *err) AC_MUST_USE;

/* The functions of the engine's table that work on statements. */
ac_status pg_execute(store_tx *tx, const char *text, const sql_value *values, size_t count, int64_t *ret_changed,
                     ac_error *err) AC_MUST_USE;
ac_status pg_script(store_tx *tx, const char *text, ac_error *err) AC_MUST_USE;
ac_status pg_lock(store_tx *tx, const char *name, ac_error *err) AC_MUST_USE;
ac_status pg_query(store_tx *tx, const char *text, const sql_value *values, size_t count, sql_rows *ret_rows,
                   ac_error *err) AC_MUST_USE;
ac_status pg_next(sql_rows *rows, bool *ret_found, ac_error *err) AC_MUST_USE;
void pg_done(sql_rows *rows);
bool pg_is_null(const sql_rows *rows, int column);
int64_t pg_get_int(const sql_rows *rows, int column);
double pg_get_real(const sql_rows *rows, int column);
const void *pg_get_blob(const sql_rows *rows, int column, size_t *ret_length);

#endif
