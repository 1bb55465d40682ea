/* sql.c - statements inside a transaction: the checks and the bookkeeping that both engines share.
 *
 * The first statement that fails marks the transaction.  SQLite would let it go on and PostgreSQL would not; the rule
 * is the stricter one, so that code which was tried on one engine does the same on the other. */
#include "daemon/store/sql.h"
#include "base/utf8.h"
#include "daemon/store/engine.h"

#include <string.h>

static ac_status check_call(store_tx *tx, const sql_value *values, size_t count, ac_error *err)
{
    if (tx->failed != AC_OK)
        return ac_error_set(err, AC_ERR_STATE, "an earlier statement of this transaction has failed");
    if (count > SQL_VALUES_MAX)
        return ac_error_set(err, AC_ERR_INTERNAL, "more than %d values for one statement", SQL_VALUES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (values[i].length > INT32_MAX)
            return ac_error_set(err, AC_ERR_TOO_LARGE, "a value is too large to be stored");
        if (values[i].type == SQL_TEXT &&
            (memchr(values[i].data, 0, values[i].length) || !utf8_valid(values[i].data, values[i].length)))
            return ac_error_set(err, AC_ERR_INVALID, "a text to be stored is not UTF-8, or has a NUL in it");
    }
    return AC_OK;
}

static ac_status note_failure(store_tx *tx, ac_status status)
{
    if (status != AC_OK && tx->failed == AC_OK)
        tx->failed = status;
    return status;
}

ac_status sql_run(store_tx *tx, const char *text, const sql_value *values, size_t count, int64_t *ret_changed,
                  ac_error *err)
{
    int64_t changed = 0;

    AC_TRY(check_call(tx, values, count, err));
    AC_TRY(note_failure(tx, tx->store->engine->execute(tx, text, values, count, &changed, err)));
    if (ret_changed)
        *ret_changed = changed;
    return AC_OK;
}

ac_status sql_query(store_tx *tx, const char *text, const sql_value *values, size_t count, sql_rows *ret_rows,
                    ac_error *err)
{
    *ret_rows = (sql_rows){.tx = tx, .row = -1};
    AC_TRY(check_call(tx, values, count, err));
    return note_failure(tx, tx->store->engine->query(tx, text, values, count, ret_rows, err));
}

ac_status sql_next(sql_rows *rows, bool *ret_found, ac_error *err)
{
    *ret_found = false;
    if (!rows->handle)
        return AC_OK;
    return note_failure(rows->tx, rows->tx->store->engine->next(rows, ret_found, err));
}

void sql_done(sql_rows *rows)
{
    if (rows->handle)
        rows->tx->store->engine->done(rows);
    rows->handle = NULL;
}

bool sql_is_null(const sql_rows *rows, int column)
{
    return rows->tx->store->engine->is_null(rows, column);
}

int64_t sql_get_int(const sql_rows *rows, int column)
{
    return rows->tx->store->engine->get_int(rows, column);
}

double sql_get_real(const sql_rows *rows, int column)
{
    return rows->tx->store->engine->get_real(rows, column);
}

const void *sql_get_blob(const sql_rows *rows, int column, size_t *ret_length)
{
    return rows->tx->store->engine->get_blob(rows, column, ret_length);
}

ac_status sql_copy(const sql_rows *rows, int column, arena *memory, const char **ret_text, size_t *ret_length,
                   ac_error *err)
{
    size_t length = 0;
    const char *data;

    *ret_text = NULL;
    if (ret_length)
        *ret_length = 0;
    if (sql_is_null(rows, column))
        return AC_OK;
    data = sql_get_blob(rows, column, &length);
    if (!data && length > 0)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    *ret_text = arena_copy(memory, data ? data : "", length);
    if (!*ret_text)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (ret_length)
        *ret_length = length;
    return AC_OK;
}

ac_status sql_query_int(store_tx *tx, const char *text, const sql_value *values, size_t count, int64_t *ret_number,
                        bool *ret_found, ac_error *err)
{
    _cleanup_(sql_done) sql_rows rows = {0};
    bool found = false;

    AC_TRY(sql_query(tx, text, values, count, &rows, err));
    AC_TRY(sql_next(&rows, &found, err));
    *ret_number = found ? sql_get_int(&rows, 0) : 0;
    if (ret_found)
        *ret_found = found;
    else if (!found)
        return ac_error_set(err, AC_ERR_NOT_FOUND, "there is no such row");
    return AC_OK;
}

const store *sql_store(const store_tx *tx)
{
    return tx->store;
}

ac_status store_lock(store_tx *tx, const char *name, ac_error *err)
{
    AC_TRY(check_call(tx, NULL, 0, err));
    return note_failure(tx, tx->store->engine->lock(tx, name, err));
}
