/* sqlite_connection.c - one connection to the SQLite file: set-up, prepared statements, errors.
 *
 * Statements are kept by their text.  Texts are nearly always literals, so the place where a text stands finds it
 * without reading it; what is found is compared all the same, since a built text may stand where another one stood.
 * A text whose rows are still being walked gets a second, uncached statement.
 *
 * A statement that runs longer than it may is interrupted by the progress handler.  When it was one that writes, SQLite
 * takes the whole transaction back, as it may do when the disk is full: sqlite_store.c looks for that. */
#include "daemon/store/sqlite_connection.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRESS_STEPS 2000 /* of the virtual machine, between two looks at the clock: some 50 us */

static const char setup_text[] = "PRAGMA journal_mode = WAL;"
                                 "PRAGMA synchronous = FULL;"
                                 "PRAGMA temp_store = MEMORY;"
                                 "PRAGMA trusted_schema = OFF;"
                                 "PRAGMA wal_autocheckpoint = 2000;"
                                 "PRAGMA journal_size_limit = 16777216;";

ac_status sqlite_failed(sqlite_connection *c, int rc, ac_error *err)
{
    int extended = c->db ? sqlite3_extended_errcode(c->db) : rc;

    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        if (extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY ||
            extended == SQLITE_CONSTRAINT_FOREIGNKEY)
            return ac_error_set(err, AC_ERR_CONFLICT, "the store has such a row already");
        return ac_error_set(err, AC_ERR_INTERNAL, "the store refused a row: %s", sqlite3_errmsg(c->db));
    case SQLITE_FULL:
        return ac_error_set(err, AC_ERR_IO, "no space is left for the store; nothing was changed");
    case SQLITE_IOERR:
        return ac_error_set(err, AC_ERR_IO, "the store's disk failed (SQLite %d, errno %d); nothing was changed",
                            extended, sqlite3_system_errno(c->db));
    case SQLITE_NOMEM:
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    case SQLITE_INTERRUPT:
        return ac_error_set(err, AC_ERR_TIMEOUT, "a statement took longer than %u ms", c->statement_ms);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ac_error_set(err, AC_ERR_AGAIN, "another program keeps the store's file locked");
    case SQLITE_TOOBIG:
        return ac_error_set(err, AC_ERR_TOO_LARGE, "a value is too large to be stored");
    case SQLITE_READONLY:
        return ac_error_set(err, AC_ERR_STATE, "a transaction that only reads cannot write, or the file is read-only");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ac_error_set(err, AC_ERR_IO, "the store's file is damaged or not a database: %s", sqlite3_errstr(rc));
    case SQLITE_CANTOPEN:
        return ac_error_set(err, AC_ERR_IO, "the store's file cannot be opened (errno %d)",
                            c->db ? sqlite3_system_errno(c->db) : 0);
    default:
        return ac_error_set(err, AC_ERR_INTERNAL, "SQLite: %s", c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc));
    }
}

static int check_deadline(void *arg)
{
    const sqlite_connection *c = arg;

    return clock_monotonic_ns() > c->deadline_ns;
}

static void begin_clock(sqlite_connection *c, unsigned ms)
{
    c->deadline_ns = clock_monotonic_ns() + (uint64_t)ms * 1000000;
}

static void now_ms(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    (void)values;
    sqlite3_result_int64(context, clock_unix_ms());
}

static int set_up(sqlite_connection *c, const store *s, bool reader)
{
    int rc = sqlite3_create_function_v2(c->db, "now_ms", 0, SQLITE_UTF8, NULL, now_ms, NULL, NULL, NULL);

    sqlite3_busy_timeout(c->db, (int)s->wait_ms);
    sqlite3_progress_handler(c->db, PROGRESS_STEPS, check_deadline, c);
    begin_clock(c, s->wait_ms + s->statement_ms);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(c->db, setup_text, NULL, NULL, NULL);
    if (rc == SQLITE_OK && reader)
        rc = sqlite3_exec(c->db, "PRAGMA query_only = ON; PRAGMA cache_size = -1000", NULL, NULL, NULL);
    return rc;
}

ac_status sqlite_connection_open(const store *s, const char *path, bool reader, sqlite_connection **ret_connection,
                                 ac_error *err)
{
    sqlite_connection *c = calloc(1, sizeof(*c));

    if (!c)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    c->statement_ms = s->statement_ms;
    int rc = sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = set_up(c, s, reader);
    if (rc != SQLITE_OK) {
        ac_status status = sqlite_failed(c, rc, err);
        sqlite_connection_close(c);
        return status;
    }
    *ret_connection = c;
    return AC_OK;
}

static void statement_free(sqlite_statement *st)
{
    sqlite3_finalize(st->handle);
    free(st->text);
    free(st);
}

void sqlite_connection_close(sqlite_connection *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->statements; i++)
        statement_free(c->cache[i]);
    sqlite3_close(c->db);
    free(c);
}

static sqlite_statement *cache_find(const sqlite_connection *c, const char *text)
{
    for (size_t i = 0; i < c->statements; i++) {
        sqlite_statement *st = c->cache[i];
        if (st->seen_at == text && strcmp(st->text, text) == 0)
            return st;
    }
    for (size_t i = 0; i < c->statements; i++) {
        if (strcmp(c->cache[i]->text, text) == 0)
            return c->cache[i];
    }
    return NULL;
}

/* Keep a new statement, giving up one of the older ones when there are many.  False: all are in use. */
static bool cache_put(sqlite_connection *c, sqlite_statement *st)
{
    if (c->statements < SQLITE_STATEMENTS_MAX) {
        c->cache[c->statements++] = st;
        return true;
    }
    for (size_t tried = 0; tried < SQLITE_STATEMENTS_MAX; tried++) {
        size_t at = c->oldest;
        c->oldest = (c->oldest + 1) % SQLITE_STATEMENTS_MAX;
        if (!c->cache[at]->busy) {
            statement_free(c->cache[at]);
            c->cache[at] = st;
            return true;
        }
    }
    return false;
}

static ac_status prepare(sqlite_connection *c, const char *text, bool keep, sqlite_statement **ret_statement,
                         ac_error *err)
{
    sqlite_statement *st = calloc(1, sizeof(*st));
    int rc;

    if (!st || (keep && !(st->text = strdup(text)))) {
        free(st);
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    }
    st->seen_at = text;
    rc = sqlite3_prepare_v3(c->db, text, -1, keep ? SQLITE_PREPARE_PERSISTENT : 0, &st->handle, NULL);
    if (rc == SQLITE_OK && !st->handle)
        rc = SQLITE_MISUSE;
    if (rc != SQLITE_OK) {
        ac_status status = sqlite_failed(c, rc, err);
        statement_free(st);
        return status;
    }
    /* SQLite numbers parameters as they come in the text, so $2 may well be its first. */
    for (int i = 0; i < SQL_VALUES_MAX; i++) {
        char name[16];
        snprintf(name, sizeof(name), "$%d", i + 1);
        st->index[i] = (unsigned char)sqlite3_bind_parameter_index(st->handle, name);
    }
    if (keep && !cache_put(c, st)) {
        free(st->text);
        st->text = NULL;
    }
    *ret_statement = st;
    return AC_OK;
}

static ac_status take_statement(sqlite_connection *c, const char *text, sqlite_statement **ret_statement, ac_error *err)
{
    sqlite_statement *st = cache_find(c, text);

    if (!st || st->busy) {
        AC_TRY(prepare(c, text, st == NULL, &st, err));
    }
    st->seen_at = text;
    st->busy = true;
    *ret_statement = st;
    return AC_OK;
}

static void give_back(sqlite_statement *st)
{
    sqlite3_reset(st->handle);
    st->busy = false;
    if (!st->text)
        statement_free(st);
}

static int bind_one(sqlite3_stmt *handle, int at, const sql_value *value, sqlite3_destructor_type life)
{
    switch (value->type) {
    case SQL_INT:
        return sqlite3_bind_int64(handle, at, value->integer);
    case SQL_REAL:
        return sqlite3_bind_double(handle, at, value->real);
    case SQL_TEXT:
        return sqlite3_bind_text(handle, at, value->data, (int)value->length, life);
    case SQL_BLOB:
        return sqlite3_bind_blob(handle, at, value->length ? value->data : "", (int)value->length, life);
    case SQL_NULL:
        break;
    }
    return sqlite3_bind_null(handle, at);
}

static ac_status bind(sqlite_connection *c, sqlite_statement *st, const sql_value *values, size_t count,
                      sqlite3_destructor_type life, ac_error *err)
{
    if (sqlite3_bind_parameter_count(st->handle) != (int)count)
        return ac_error_set(err, AC_ERR_INTERNAL, "a statement was given the wrong number of values");
    for (size_t i = 0; i < count; i++) {
        int rc = st->index[i] ? bind_one(st->handle, st->index[i], &values[i], life) : SQLITE_RANGE;
        if (rc != SQLITE_OK)
            return sqlite_failed(c, rc, err);
    }
    return AC_OK;
}

static ac_status finish_step(sqlite_connection *c, int rc, ac_error *err)
{
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? AC_OK : sqlite_failed(c, rc, err);
}

ac_status sqlite_do(sqlite_connection *c, const char *text, ac_error *err)
{
    sqlite_statement *st;

    AC_TRY(take_statement(c, text, &st, err));
    begin_clock(c, c->statement_ms);
    ac_status status = finish_step(c, sqlite3_step(st->handle), err);
    give_back(st);
    return status;
}

ac_status sqlite_execute(store_tx *tx, const char *text, const sql_value *values, size_t count, int64_t *ret_changed,
                         ac_error *err)
{
    sqlite_connection *c = tx->connection;
    sqlite_statement *st;
    int64_t before = sqlite3_total_changes64(c->db);

    AC_TRY(take_statement(c, text, &st, err));
    ac_status status = bind(c, st, values, count, SQLITE_STATIC, err);
    if (status == AC_OK) {
        begin_clock(c, c->statement_ms);
        status = finish_step(c, sqlite3_step(st->handle), err);
    }
    give_back(st);
    *ret_changed = sqlite3_total_changes64(c->db) - before;
    return status;
}

ac_status sqlite_script(store_tx *tx, const char *text, ac_error *err)
{
    sqlite_connection *c = tx->connection;

    begin_clock(c, STORE_MIGRATION_MS);
    int rc = sqlite3_exec(c->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? AC_OK : sqlite_failed(c, rc, err);
}

ac_status sqlite_query(store_tx *tx, const char *text, const sql_value *values, size_t count, sql_rows *ret_rows,
                       ac_error *err)
{
    sqlite_connection *c = tx->connection;
    sqlite_statement *st;

    AC_TRY(take_statement(c, text, &st, err));
    ac_status status = bind(c, st, values, count, SQLITE_TRANSIENT, err);
    int rc = SQLITE_DONE;

    /* The first step is made here, so that a statement with RETURNING acts even if nobody looks at its rows. */
    if (status == AC_OK) {
        begin_clock(c, c->statement_ms);
        rc = sqlite3_step(st->handle);
        status = finish_step(c, rc, err);
    }
    if (rc != SQLITE_ROW) {
        give_back(st);
        return status;
    }
    ret_rows->handle = st;
    ret_rows->row = -1;
    ret_rows->columns = sqlite3_column_count(st->handle);
    return AC_OK;
}

ac_status sqlite_next(sql_rows *rows, bool *ret_found, ac_error *err)
{
    sqlite_connection *c = rows->tx->connection;
    sqlite_statement *st = rows->handle;
    int rc = SQLITE_ROW;

    rows->row++;
    if (rows->row > 0) {
        begin_clock(c, c->statement_ms);
        rc = sqlite3_step(st->handle);
    }
    ac_status status = finish_step(c, rc, err);
    *ret_found = rc == SQLITE_ROW;
    if (rc != SQLITE_ROW)
        sql_done(rows); /* a further step would begin anew */
    return status;
}

void sqlite_done(sql_rows *rows)
{
    give_back(rows->handle);
}

bool sqlite_is_null(const sql_rows *rows, int column)
{
    const sqlite_statement *st = rows->handle;

    return sqlite3_column_type(st->handle, column) == SQLITE_NULL;
}

int64_t sqlite_get_int(const sql_rows *rows, int column)
{
    const sqlite_statement *st = rows->handle;

    return sqlite3_column_int64(st->handle, column);
}

double sqlite_get_real(const sql_rows *rows, int column)
{
    const sqlite_statement *st = rows->handle;

    return sqlite3_column_double(st->handle, column);
}

const void *sqlite_get_blob(const sql_rows *rows, int column, size_t *ret_length)
{
    const sqlite_statement *st = rows->handle;
    const void *data = sqlite3_column_blob(st->handle, column);

    *ret_length = (size_t)sqlite3_column_bytes(st->handle, column);
    return data;
}
