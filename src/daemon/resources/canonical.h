/* canonical.h - a JSON value written so that equal values are equal texts: members sorted by name, nothing else. */
#ifndef DAEMON_RESOURCES_CANONICAL_H
#define DAEMON_RESOURCES_CANONICAL_H

#include "base/json.h"

/* Append an object without the member leave_out (may be NULL), or any other value, to out.  Of members with the same
 * name the order is kept.  Nesting is that of a body the front has read: API_BODY_DEPTH_MAX.  AC_ERR_NOMEM,
 * AC_ERR_TOO_LARGE. */
ac_status canonical_write(buf *out, yyjson_mut_val *value, const char *leave_out) AC_MUST_USE;

#endif
