/* sqlite_connection.h - one connection to the SQLite file, with its prepared statements; for this room only. */
#ifndef DAEMON_STORE_SQLITE_CONNECTION_H
#define DAEMON_STORE_SQLITE_CONNECTION_H

#include "daemon/store/engine.h"

#include <sqlite3.h>

#define SQLITE_STATEMENTS_MAX 96

typedef struct sqlite_statement {
    sqlite3_stmt *handle;
    char *text;
    const char *seen_at;                 /* where the text stood when it was last asked for */
    bool busy;                           /* its rows are being walked */
    unsigned char index[SQL_VALUES_MAX]; /* of $1, $2, ...; 0 where the text has none */
} sqlite_statement;

typedef struct sqlite_connection {
    sqlite3 *db;
    struct sqlite_connection *next; /* in the pool of readers */
    uint64_t deadline_ns;           /* of the statement that runs */
    unsigned statement_ms;
    size_t statements;
    size_t oldest; /* the one to be given up next */
    sqlite_statement *cache[SQLITE_STATEMENTS_MAX];
} sqlite_connection;

/* Opened for one thread at a time.  A reader cannot write. */
ac_status sqlite_connection_open(const store *s, const char *path, bool reader, sqlite_connection **ret_connection,
                                 ac_error *err) AC_MUST_USE;
void sqlite_connection_close(sqlite_connection *c);

/* What an SQLite result code means for our callers. */
ac_status sqlite_failed(sqlite_connection *c, int rc, ac_error *err);

/* Run a statement without values or rows, kept prepared. */
ac_status sqlite_do(sqlite_connection *c, const char *text, ac_error *err) AC_MUST_USE;

/* The functions of the engine's table that work on statements. */
ac_status sqlite_execute(store_tx *tx, const char *text, const sql_value *values, size_t count, int64_t *ret_changed,
                         ac_error *err) AC_MUST_USE;
ac_status sqlite_script(store_tx *tx, const char *text, ac_error *err) AC_MUST_USE;
ac_status sqlite_query(store_tx *tx, const char *text, const sql_value *values, size_t count, sql_rows *ret_rows,
                       ac_error *err) AC_MUST_USE;
ac_status sqlite_next(sql_rows *rows, bool *ret_found, ac_error *err) AC_MUST_USE;
void sqlite_done(sql_rows *rows);
bool sqlite_is_null(const sql_rows *rows, int column);
int64_t sqlite_get_int(const sql_rows *rows, int column);
double sqlite_get_real(const sql_rows *rows, int column);
const void *sqlite_get_blob(const sql_rows *rows, int column, size_t *ret_length);

#endif
