/* pg_wire.c - waiting for PostgreSQL, and understanding what went wrong.
 *
 * libpq's blocking calls know no deadline, so its sockets are polled here.  The server ends slow statements by itself
 * (statement_timeout); the deadline here is a little later and is for a server or a network that is gone.
 *
 * Of an error only the primary message is passed on: the detail may quote values. */
#include "daemon/store/pg_wire.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* Poll the connection's socket until the deadline; which is not necessarily the same socket from call to call. */
static ac_status wait_socket(const PGconn *pg, short events, uint64_t deadline_ms, ac_error *err)
{
    for (;;) {
        struct pollfd socket = {.fd = PQsocket(pg), .events = events};
        uint64_t now = clock_monotonic_ms();

        if (now >= deadline_ms)
            return ac_error_set(err, AC_ERR_TIMEOUT, "the PostgreSQL server did not answer in time");
        int rc = poll(&socket, 1, (int)MIN(deadline_ms - now, (uint64_t)60000));
        if (rc > 0)
            return AC_OK;
        if (rc < 0 && errno != EINTR)
            return ac_error_set(err, AC_ERR_IO, "cannot wait for the PostgreSQL server: %s", strerror(errno));
    }
}

ac_status pg_say(ac_error *err, ac_status status, const char *what, const char *message)
{
    size_t length = strcspn(message ? message : "", "\n");

    return ac_error_set(err, status, "%s: %.*s", what, (int)MIN(length, (size_t)400), message ? message : "");
}

ac_status pg_wait_connected(PGconn *pg, unsigned timeout_ms, ac_error *err)
{
    uint64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;

    while (PQstatus(pg) != CONNECTION_BAD && want != PGRES_POLLING_OK && want != PGRES_POLLING_FAILED) {
        AC_TRY(wait_socket(pg, want == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms, err));
        want = PQconnectPoll(pg);
    }
    if (PQstatus(pg) != CONNECTION_OK)
        return pg_say(err, AC_ERR_IO, "PostgreSQL", PQerrorMessage(pg));
    return AC_OK;
}

typedef struct sqlstate_row {
    const char *prefix; /* of the five characters */
    ac_status status;
    bool may_retry;
    const char *sentence; /* NULL: the server's */
} sqlstate_row;

/* The first row that fits counts. */
static const sqlstate_row sqlstates[] = {
    {"23505", AC_ERR_CONFLICT, false, "the store has such a row already"},
    {"23503", AC_ERR_CONFLICT, false, "another row of the store depends on this"},
    {"40001", AC_ERR_AGAIN, true, "transactions of the store kept colliding"},
    {"40P01", AC_ERR_AGAIN, true, "transactions of the store kept colliding"},
    {"57014", AC_ERR_TIMEOUT, false, "a statement took longer than it may"},
    {"55P03", AC_ERR_TIMEOUT, false, "a lock was held for too long"},
    {"25006", AC_ERR_STATE, false, "a transaction that only reads cannot write"},
    {"53100", AC_ERR_IO, false, "no space is left on the PostgreSQL server; nothing was changed"},
    {"53200", AC_ERR_IO, false, "the PostgreSQL server is out of memory; nothing was changed"},
    {"53", AC_ERR_AGAIN, true, NULL},
    {"57P", AC_ERR_IO, true, NULL}, /* it is being stopped, or is starting */
    {"25P03", AC_ERR_TIMEOUT, false, "a transaction did nothing for too long"},
    {"08P01", AC_ERR_INTERNAL, false, NULL}, /* the wrong number of values */
    {"08", AC_ERR_IO, true, NULL},
    {"58", AC_ERR_IO, false, NULL},
    {"XX", AC_ERR_IO, false, NULL},
    {"22021", AC_ERR_INVALID, false, "a text to be stored is not UTF-8"},
    {"54000", AC_ERR_TOO_LARGE, false, "a value is too large to be stored"},
};

static ac_status result_failed(pg_connection *c, const PGresult *result, bool *ret_may_retry, ac_error *err)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    if (PQstatus(c->pg) == CONNECTION_BAD) {
        c->lost = true;
        *ret_may_retry = true;
        return ac_error_set(err, AC_ERR_IO, "the connection to the PostgreSQL server broke");
    }
    for (size_t i = 0; state && i < ARRAY_SIZE(sqlstates); i++) {
        const sqlstate_row *row = &sqlstates[i];
        if (strncmp(state, row->prefix, strlen(row->prefix)) != 0)
            continue;
        *ret_may_retry = row->may_retry;
        if (row->sentence)
            return ac_error_set(err, row->status, "%s", row->sentence);
        return pg_say(err, row->status, "PostgreSQL", message);
    }
    return pg_say(err, AC_ERR_INTERNAL, "PostgreSQL", message ? message : PQerrorMessage(c->pg));
}

static ac_status lose(pg_connection *c, ac_status status)
{
    c->lost = true;
    return status;
}

static ac_status flush_out(pg_connection *c, uint64_t deadline_ms, bool *ret_may_retry, ac_error *err)
{
    int rc;

    while ((rc = PQflush(c->pg)) > 0) {
        ac_status status = wait_socket(c->pg, POLLIN | POLLOUT, deadline_ms, err);
        if (status != AC_OK)
            return lose(c, status);
        if (!PQconsumeInput(c->pg))
            break;
    }
    if (rc == 0)
        return AC_OK;
    *ret_may_retry = true;
    return lose(c, ac_error_set(err, AC_ERR_IO, "the connection to the PostgreSQL server broke"));
}

/* The next result of the request, NULL behind the last.  A broken connection makes libpq give a result that says so. */
static ac_status next_result(pg_connection *c, uint64_t deadline_ms, PGresult **ret_result, ac_error *err)
{
    while (PQisBusy(c->pg)) {
        ac_status status = wait_socket(c->pg, POLLIN, deadline_ms, err);
        if (status != AC_OK)
            return lose(c, status);
        if (!PQconsumeInput(c->pg))
            break;
    }
    *ret_result = PQgetResult(c->pg);
    return AC_OK;
}

ac_status pg_collect(pg_connection *c, unsigned timeout_ms, PGresult **ret_result, bool *ret_may_retry, ac_error *err)
{
    uint64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    ac_status status = flush_out(c, deadline_ms, ret_may_retry, err);
    PGresult *kept = NULL, *next = NULL;

    while (status == AC_OK && (status = next_result(c, deadline_ms, &next, err)) == AC_OK && next) {
        ExecStatusType kind = PQresultStatus(next);

        PQclear(kept);
        kept = next;
        if (kind != PGRES_COMMAND_OK && kind != PGRES_TUPLES_OK && kind != PGRES_EMPTY_QUERY) {
            status = result_failed(c, kept, ret_may_retry, err);
            while (!c->lost && next_result(c, deadline_ms, &next, NULL) == AC_OK && next)
                PQclear(next);
        }
    }
    if (status == AC_OK && !kept) {
        *ret_may_retry = true;
        status = lose(c, ac_error_set(err, AC_ERR_IO, "the connection to the PostgreSQL server broke"));
    }
    if (status != AC_OK) {
        PQclear(kept);
        return status;
    }
    *ret_result = kept;
    return AC_OK;
}
