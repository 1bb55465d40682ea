/* sqlite_group.h - writers that share one commit; for this room only. */
#ifndef DAEMON_STORE_SQLITE_GROUP_H
#define DAEMON_STORE_SQLITE_GROUP_H

#include "daemon/store/sqlite_connection.h"

typedef struct sqlite_group sqlite_group;

/* The group owns the connection, also when NULL is returned for want of memory. */
sqlite_group *sqlite_group_new(store *s, sqlite_connection *writer, unsigned group_max);
void sqlite_group_free(sqlite_group *g);

/* Run fn in a transaction of its own, and return when it is on disk or has failed. */
ac_status sqlite_group_write(sqlite_group *g, store_fn fn, void *arg, ac_error *err) AC_MUST_USE;

#endif
