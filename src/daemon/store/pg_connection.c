/* pg_connection.c - one connection to PostgreSQL: set-up, prepared statements, values and columns.
 *
 * Values travel as text except bytes, results in binary, which saves the server and us from printing and parsing rows.
 * The server finds out the parameters' types from the statement; a result column of a type that is not read here is
 * refused when the statement is first run, that is by the first test of it.
 *
 * Statements are prepared once and found by their text (as in sqlite_connection.c); when there are too many, all are
 * given up.  The marks of a comment for PostgreSQL (sql.h) are blanks in what is sent, so that the server sees what is
 * between them. */
#include "daemon/store/pg_connection.h"
#include "base/utf8.h"
#include "daemon/store/pg_wire.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NETWORK_GRACE_MS 3000 /* the server's own time limit comes first */
#define IDLE_IN_TRANSACTION_MS 60000

/* Types of PostgreSQL, by their fixed numbers. */
enum { OID_BOOL = 16, OID_BYTEA = 17, OID_NAME = 19, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_TEXT = 25 };
enum { OID_FLOAT8 = 701, OID_VARCHAR = 1043, OID_VOID = 2278 };

static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

static ac_status set_up(pg_connection *c, bool *ret_transient, ac_error *err)
{
    char text[512];

    /* An answer means "on disk", whatever the database's own default says. */
    snprintf(text, sizeof(text),
             "SET statement_timeout = %u; SET idle_in_transaction_session_timeout = %d;"
             "SELECT set_config('synchronous_commit', 'on', false)"
             " WHERE current_setting('synchronous_commit') = 'off'",
             c->statement_ms, IDLE_IN_TRANSACTION_MS);
    return pg_do(c, text, c->statement_ms + NETWORK_GRACE_MS, ret_transient, NULL, err);
}

static ac_status connect_once(pg_connection *c, const char *url, unsigned timeout_ms, bool *ret_transient,
                              ac_error *err)
{
    static const char *const names[] = {
        "connect_timeout", "fallback_application_name", "keepalives_idle", "client_encoding", "dbname", NULL};
    const char *const values[] = {"5", "agentcored", "30", "UTF8", url, NULL};
    ac_status status;

    PQfinish(c->pg);
    c->pg = PQconnectStartParams(names, values, 1);
    if (!c->pg)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    PQsetNoticeReceiver(c->pg, ignore_notice, NULL);
    status = pg_wait_connected(c->pg, timeout_ms, err);
    *ret_transient = status == AC_ERR_TIMEOUT || (status != AC_OK && PQpingParams(names, values, 1) != PQPING_OK);
    return status;
}

/* A server that lets others in, but not us, will not change its mind by itself.  It may however have come up between
 * the refusal and the look at it: so only a second refusal, by a server known to be up, is one that lasts. */
static ac_status begin_connect(pg_connection *c, const char *url, unsigned timeout_ms, bool *ret_transient,
                               ac_error *err)
{
    ac_status status = connect_once(c, url, timeout_ms, ret_transient, err);

    if (status == AC_OK || status == AC_ERR_NOMEM || *ret_transient)
        return status;
    return connect_once(c, url, timeout_ms, ret_transient, err);
}

ac_status pg_connection_open(const store *s, const char *url, unsigned timeout_ms, pg_connection **ret_connection,
                             bool *ret_transient, ac_error *err)
{
    pg_connection *c = calloc(1, sizeof(*c));

    *ret_transient = false;
    if (!c)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    c->statement_ms = s->statement_ms;
    ac_status status = begin_connect(c, url, timeout_ms, ret_transient, err);
    if (status == AC_OK && PQsetnonblocking(c->pg, 1) != 0)
        status = ac_error_set(err, AC_ERR_IO, "the connection to the PostgreSQL server broke");
    if (status == AC_OK)
        status = set_up(c, ret_transient, err);
    if (status != AC_OK) {
        pg_connection_close(c);
        return status;
    }
    *ret_connection = c;
    return AC_OK;
}

static void forget_statements(pg_connection *c)
{
    for (size_t i = 0; i < c->statements; i++)
        free(c->cache[i].text);
    c->statements = 0;
}

void pg_connection_close(pg_connection *c)
{
    if (!c)
        return;
    forget_statements(c);
    PQfinish(c->pg);
    free(c);
}

static ac_status not_sent(pg_connection *c, bool *ret_may_retry, ac_error *err)
{
    c->lost = true;
    *ret_may_retry = true;
    return ac_error_set(err, AC_ERR_IO, "the connection to the PostgreSQL server broke");
}

ac_status pg_do(pg_connection *c, const char *text, unsigned timeout_ms, bool *ret_may_retry, char ret_tag[16],
                ac_error *err)
{
    PGresult *result = NULL;

    *ret_may_retry = false;
    if (!PQsendQuery(c->pg, text))
        return not_sent(c, ret_may_retry, err);
    AC_TRY(pg_collect(c, timeout_ms, &result, ret_may_retry, err));
    if (ret_tag)
        snprintf(ret_tag, 16, "%s", PQcmdStatus(result));
    PQclear(result);
    return AC_OK;
}

ac_status pg_script(store_tx *tx, const char *text, ac_error *err)
{
    return pg_do(tx->connection, text, STORE_MIGRATION_MS + NETWORK_GRACE_MS, &tx->may_retry, NULL, err);
}

/* A copy of the text in which what is written for us is no comment. */
static char *uncover(const char *text)
{
    char *copy = strdup(text);

    for (char *at = copy; at && (at = strstr(at, "/*pg "));) {
        char *end = strstr(at, "*/");
        memset(at, ' ', 4);
        if (end)
            memset(end, ' ', 2);
    }
    return copy;
}

static ac_status prepare(store_tx *tx, const char *text, const char *name, ac_error *err)
{
    pg_connection *c = tx->connection;
    char *uncovered = uncover(text);
    PGresult *result = NULL;

    if (!uncovered)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    int sent = PQsendPrepare(c->pg, name, uncovered, 0, NULL);
    free(uncovered);
    if (!sent)
        return not_sent(c, &tx->may_retry, err);
    AC_TRY(pg_collect(c, c->statement_ms + NETWORK_GRACE_MS, &result, &tx->may_retry, err));
    PQclear(result);
    return AC_OK;
}

static size_t find_statement(const pg_connection *c, const char *text)
{
    size_t i;

    for (i = 0; i < c->statements; i++) {
        if (c->cache[i].seen_at == text && strcmp(c->cache[i].text, text) == 0)
            return i;
    }
    for (i = 0; i < c->statements; i++) {
        if (strcmp(c->cache[i].text, text) == 0)
            break;
    }
    return i;
}

/* The name under which the server knows the statement: s0, s1, ... by its place. */
static ac_status name_of(store_tx *tx, const char *text, char ret_name[16], ac_error *err)
{
    pg_connection *c = tx->connection;
    size_t at = find_statement(c, text);

    if (at == PG_STATEMENTS_MAX) {
        AC_TRY(pg_do(c, "DEALLOCATE ALL", c->statement_ms + NETWORK_GRACE_MS, &tx->may_retry, NULL, err));
        forget_statements(c);
        at = 0;
    }
    snprintf(ret_name, 16, "s%zu", at);
    if (at == c->statements) {
        char *copy = strdup(text);
        if (!copy)
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
        ac_status status = prepare(tx, text, ret_name, err);
        if (status != AC_OK) {
            free(copy);
            return status;
        }
        c->cache[at].text = copy;
        c->statements++;
    }
    c->cache[at].seen_at = text;
    return AC_OK;
}

typedef struct parameters {
    const char *values[SQL_VALUES_MAX];
    int lengths[SQL_VALUES_MAX];
    int formats[SQL_VALUES_MAX];
    char numbers[SQL_VALUES_MAX][32];
} parameters;

/* All values but NULL are sent as binary or as text; text in binary is the text itself, and needs no NUL behind it. */
static void put_parameters(parameters *p, const sql_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        p->values[i] = NULL;
        p->lengths[i] = 0;
        p->formats[i] = 0;
        switch (values[i].type) {
        case SQL_NULL:
            break;
        case SQL_INT:
            snprintf(p->numbers[i], sizeof(p->numbers[i]), "%lld", (long long)values[i].integer);
            p->values[i] = p->numbers[i];
            break;
        case SQL_REAL:
            snprintf(p->numbers[i], sizeof(p->numbers[i]), "%.17g", values[i].real);
            p->values[i] = p->numbers[i];
            break;
        case SQL_TEXT:
        case SQL_BLOB:
            p->values[i] = values[i].length ? values[i].data : "";
            p->lengths[i] = (int)values[i].length;
            p->formats[i] = 1;
            break;
        }
    }
}

static ac_status run_prepared(store_tx *tx, const char *text, const sql_value *values, size_t count,
                              PGresult **ret_result, ac_error *err)
{
    pg_connection *c = tx->connection;
    parameters p;
    char name[16];

    tx->may_retry = false;
    AC_TRY(name_of(tx, text, name, err));
    put_parameters(&p, values, count);
    if (!PQsendQueryPrepared(c->pg, name, (int)count, p.values, p.lengths, p.formats, 1))
        return not_sent(c, &tx->may_retry, err);
    return pg_collect(c, c->statement_ms + NETWORK_GRACE_MS, ret_result, &tx->may_retry, err);
}

ac_status pg_execute(store_tx *tx, const char *text, const sql_value *values, size_t count, int64_t *ret_changed,
                     ac_error *err)
{
    PGresult *result = NULL;

    AC_TRY(run_prepared(tx, text, values, count, &result, err));
    *ret_changed = strtoll(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return AC_OK;
}

/* A number that is the same in every daemon (FNV-1a).  Two names that share one only wait for each other. */
static int64_t lock_number(const char *name)
{
    uint64_t hash = 14695981039346656037u;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return (int64_t)hash;
}

ac_status pg_lock(store_tx *tx, const char *name, ac_error *err)
{
    int64_t changed;

    return pg_execute(tx, "SELECT pg_advisory_xact_lock($1)", SQL_VALUES(sql_int(lock_number(name))), &changed, err);
}

static bool readable_type(Oid type)
{
    switch (type) {
    case OID_BOOL:
    case OID_BYTEA:
    case OID_NAME:
    case OID_INT8:
    case OID_INT2:
    case OID_INT4:
    case OID_TEXT:
    case OID_FLOAT8:
    case OID_VARCHAR:
    case OID_VOID:
        return true;
    default:
        return false;
    }
}

ac_status pg_query(store_tx *tx, const char *text, const sql_value *values, size_t count, sql_rows *ret_rows,
                   ac_error *err)
{
    PGresult *result = NULL;

    AC_TRY(run_prepared(tx, text, values, count, &result, err));
    for (int i = 0; i < PQnfields(result); i++) {
        if (!readable_type(PQftype(result, i))) {
            unsigned type = PQftype(result, i);
            PQclear(result);
            return ac_error_set(err, AC_ERR_INTERNAL, "column %d has the unexpected type %u: cast it", i, type);
        }
    }
    ret_rows->handle = result;
    ret_rows->row = -1;
    ret_rows->columns = PQnfields(result);
    return AC_OK;
}

ac_status pg_next(sql_rows *rows, bool *ret_found, ac_error *err)
{
    (void)err;
    if (rows->row < PQntuples(rows->handle))
        rows->row++;
    *ret_found = rows->row < PQntuples(rows->handle);
    return AC_OK;
}

void pg_done(sql_rows *rows)
{
    PQclear(rows->handle);
}

bool pg_is_null(const sql_rows *rows, int column)
{
    return PQgetisnull(rows->handle, rows->row, column) != 0;
}

int64_t pg_get_int(const sql_rows *rows, int column)
{
    const char *data = PQgetvalue(rows->handle, rows->row, column);
    uint64_t wide;
    uint32_t half;
    uint16_t quarter;

    switch (PQgetlength(rows->handle, rows->row, column)) {
    case 8:
        memcpy(&wide, data, 8);
        return (int64_t)be64toh(wide);
    case 4:
        memcpy(&half, data, 4);
        return (int32_t)be32toh(half);
    case 2:
        memcpy(&quarter, data, 2);
        return (int16_t)be16toh(quarter);
    case 1:
        return data[0];
    default:
        return 0; /* NULL */
    }
}

double pg_get_real(const sql_rows *rows, int column)
{
    uint64_t bits;
    double real;

    if (PQftype(rows->handle, column) != OID_FLOAT8)
        return (double)pg_get_int(rows, column);
    if (PQgetlength(rows->handle, rows->row, column) != (int)sizeof(bits))
        return 0;
    memcpy(&bits, PQgetvalue(rows->handle, rows->row, column), sizeof(bits));
    bits = be64toh(bits);
    memcpy(&real, &bits, sizeof(real));
    return real;
}

const void *pg_get_blob(const sql_rows *rows, int column, size_t *ret_length)
{
    *ret_length = (size_t)PQgetlength(rows->handle, rows->row, column);
    return PQgetisnull(rows->handle, rows->row, column) ? NULL : PQgetvalue(rows->handle, rows->row, column);
}
