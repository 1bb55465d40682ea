/* ids.h - ids that the service chooses. */
#ifndef DAEMON_RESOURCES_IDS_H
#define DAEMON_RESOURCES_IDS_H

#include "base/arena.h"

/* NAME-XXXXXXXXXX, ten random letters and digits behind it, in memory.  AC_ERR_IO, AC_ERR_NOMEM. */
ac_status resource_make_id(const char *name, arena *memory, const char **ret_id, ac_error *err) AC_MUST_USE;

#endif
