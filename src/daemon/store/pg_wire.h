/* pg_wire.h - waiting for PostgreSQL, and understanding what went wrong; for this room only. */
#ifndef DAEMON_STORE_PG_WIRE_H
#define DAEMON_STORE_PG_WIRE_H

#include "daemon/store/pg_connection.h"

/* Wait until the connection is made. */
ac_status pg_wait_connected(PGconn *pg, unsigned timeout_ms, ac_error *err) AC_MUST_USE;

/* Send what is queued and take all results of one request, of which the last, or the first that failed, is handed to
 * the caller to PQclear.  Past the deadline the connection is marked lost. */
ac_status pg_collect(pg_connection *c, unsigned timeout_ms, PGresult **ret_result, bool *ret_may_retry, ac_error *err)
    AC_MUST_USE;

/* What PostgreSQL said, without its trailing line breaks. */
ac_status pg_say(ac_error *err, ac_status status, const char *what, const char *message);

#endif
