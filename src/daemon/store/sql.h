/* sql.h - statements inside a transaction, the same on both engines.
 *
 *     _cleanup_(sql_done) sql_rows rows = {0};
 *     bool found;
 *
 *     AC_TRY(sql_query(tx, "SELECT name, size FROM files WHERE id = $1", SQL_VALUES(sql_int(7)), &rows, err));
 *     AC_TRY(sql_next(&rows, &found, err));
 *     if (found)
 *         size = sql_get_int(&rows, 1);
 *
 * Statements are prepared once per connection and found again by their text; texts are few and fixed, values are
 * parameters ($1 to $32).  What only PostgreSQL shall see is written as a comment, which it alone looks into:
 * "SELECT ... LIMIT $1 [slash][star]pg FOR UPDATE SKIP LOCKED [star][slash]".  now_ms() is the store's clock (the
 * server's on PostgreSQL), to be used as (SELECT now_ms()) so that an index can serve the comparison.
 *
 * Text is UTF-8 without NUL on both engines (AC_ERR_INVALID else); columns are BIGINT, DOUBLE PRECISION, TEXT or bytes.
 * Aggregates are cast to one of these.  Values are in no message and no log line. */
#ifndef DAEMON_STORE_SQL_H
#define DAEMON_STORE_SQL_H

#include "base/arena.h"
#include "daemon/store/store.h"

#include <string.h>

#define SQL_VALUES_MAX 32

typedef enum sql_type { SQL_NULL, SQL_INT, SQL_REAL, SQL_TEXT, SQL_BLOB } sql_type;

/* A parameter.  What it points to must outlive the call only. */
typedef struct sql_value {
    sql_type type;
    union {
        int64_t integer;
        double real;
        const void *data;
    };
    size_t length; /* of text and bytes */
} sql_value;

static inline sql_value sql_null(void)
{
    return (sql_value){.type = SQL_NULL};
}

static inline sql_value sql_int(int64_t integer)
{
    return (sql_value){.type = SQL_INT, .integer = integer};
}

static inline sql_value sql_real(double real)
{
    return (sql_value){.type = SQL_REAL, .real = real};
}

static inline sql_value sql_text_n(const char *text, size_t length)
{
    return (sql_value){.type = text ? SQL_TEXT : SQL_NULL, .data = text, .length = length};
}

/* NULL becomes SQL's NULL. */
static inline sql_value sql_text(const char *text)
{
    return sql_text_n(text, text ? strlen(text) : 0);
}

static inline sql_value sql_blob(const void *data, size_t length)
{
    return (sql_value){.type = data ? SQL_BLOB : SQL_NULL, .data = data, .length = length};
}

/* The values of a call and how many there are; may be empty. */
#define SQL_VALUES(...) (const sql_value[]){__VA_ARGS__}, sizeof((const sql_value[]){__VA_ARGS__}) / sizeof(sql_value)

/* Run a statement that returns no rows; *ret_changed (may be NULL): how many it inserted, changed or deleted.
 * AC_ERR_CONFLICT: a unique index refused; the transaction is lost then (where that is an expected case, write
 * ON CONFLICT DO NOTHING and look at *ret_changed).  AC_ERR_TIMEOUT, AC_ERR_IO, AC_ERR_INVALID (text). */
ac_status sql_run(store_tx *tx, const char *text, const sql_value *values, size_t count, int64_t *ret_changed,
                  ac_error *err) AC_MUST_USE;

/* The rows of one query, to be walked once.  Treat as opaque.  Rows may be kept in memory: use LIMIT. */
typedef struct sql_rows {
    store_tx *tx;
    void *handle;
    int row;
    int columns;
} sql_rows;

ac_status sql_query(store_tx *tx, const char *text, const sql_value *values, size_t count, sql_rows *ret_rows,
                    ac_error *err) AC_MUST_USE;

/* Step to the next row; *ret_found is false behind the last. */
ac_status sql_next(sql_rows *rows, bool *ret_found, ac_error *err) AC_MUST_USE;

void sql_done(sql_rows *rows);

/* Columns of the present row, counted from 0.  NULL reads as 0 or as a NULL pointer. */
bool sql_is_null(const sql_rows *rows, int column);
int64_t sql_get_int(const sql_rows *rows, int column);
double sql_get_real(const sql_rows *rows, int column);
const void *sql_get_blob(const sql_rows *rows, int column, size_t *ret_length); /* valid until the next step */

/* A NUL-terminated copy of a text or bytes column; NULL for NULL.  ret_length may be NULL. */
ac_status sql_copy(const sql_rows *rows, int column, arena *memory, const char **ret_text, size_t *ret_length,
                   ac_error *err) AC_MUST_USE;

/* The store that a transaction belongs to. */
const store *sql_store(const store_tx *tx);

/* The first column of the first row as a number; *ret_found (may be NULL: AC_ERR_NOT_FOUND then) when there is one. */
ac_status sql_query_int(store_tx *tx, const char *text, const sql_value *values, size_t count, int64_t *ret_number,
                        bool *ret_found, ac_error *err) AC_MUST_USE;

#endif
