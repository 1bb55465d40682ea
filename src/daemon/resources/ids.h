/* ids.h - identifiers of resources: NAME-XXXXXXXXXX. */
#ifndef DAEMON_RESOURCES_IDS_H
#define DAEMON_RESOURCES_IDS_H

#include "base/arena.h"

/* The name with ten random letters and digits behind it, in memory. */
ac_status resource_make_id(const char *name, arena *memory, const char **ret_id, ac_error *err) AC_MUST_USE;

#endif
