/* tags.h - what hangs on a resource's ARN: tags, and a resource policy. */
#ifndef DAEMON_STORE_TAGS_H
#define DAEMON_STORE_TAGS_H

#include "base/arena.h"
#include "daemon/store/sql.h"

#define TAGS_MAX 50 /* per resource */

typedef struct tag {
    const char *name;
    const char *value;
} tag;

/* Add tags, or give those that are there new values.  AC_ERR_QUOTA: it would have more than TAGS_MAX. */
ac_status tags_put(store_tx *tx, const char *arn, const tag *tags, size_t count, ac_error *err) AC_MUST_USE;

/* Take tags away; those that are not there are no error. */
ac_status tags_remove(store_tx *tx, const char *arn, const char *const *names, size_t count, ac_error *err) AC_MUST_USE;

/* All tags of a resource, by name. */
ac_status tags_list(store_tx *tx, const char *arn, arena *memory, tag **ret_tags, size_t *ret_count, ac_error *err)
    AC_MUST_USE;

ac_status policy_put(store_tx *tx, const char *arn, const char *body, ac_error *err) AC_MUST_USE;
ac_status policy_get(store_tx *tx, const char *arn, arena *memory, const char **ret_body, ac_error *err)
    AC_MUST_USE; /* AC_ERR_NOT_FOUND */
ac_status policy_delete(store_tx *tx, const char *arn, bool *ret_was_there, ac_error *err) AC_MUST_USE;

/* The resource goes: take its tags and its policy with it. */
ac_status arn_forget(store_tx *tx, const char *arn, ac_error *err) AC_MUST_USE;

#endif
