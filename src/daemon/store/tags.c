/* tags.c - what hangs on a resource's ARN: tags, and a resource policy.
 *
 * Whether the resource exists is for the caller to see to, in the same transaction.  The limit on tags holds for two
 * callers at once because they take turns (store_lock). */
#include "daemon/store/tags.h"
#include "base/clock.h"

ac_status tags_put(store_tx *tx, const char *arn, const tag *tags, size_t count, ac_error *err)
{
    static const char text[] = "INSERT INTO tags (arn, name, value) VALUES ($1, $2, $3)"
                               " ON CONFLICT (arn, name) DO UPDATE SET value = excluded.value";
    int64_t total;

    AC_TRY(store_lock(tx, arn, err));
    for (size_t i = 0; i < count; i++)
        AC_TRY(
            sql_run(tx, text, SQL_VALUES(sql_text(arn), sql_text(tags[i].name), sql_text(tags[i].value)), NULL, err));
    AC_TRY(sql_query_int(tx, "SELECT COUNT(*) FROM tags WHERE arn = $1", SQL_VALUES(sql_text(arn)), &total, NULL, err));
    if (total > TAGS_MAX)
        return ac_error_set(err, AC_ERR_QUOTA, "a resource has at most %d tags", TAGS_MAX);
    return AC_OK;
}

ac_status tags_remove(store_tx *tx, const char *arn, const char *const *names, size_t count, ac_error *err)
{
    for (size_t i = 0; i < count; i++)
        AC_TRY(sql_run(tx, "DELETE FROM tags WHERE arn = $1 AND name = $2",
                       SQL_VALUES(sql_text(arn), sql_text(names[i])), NULL, err));
    return AC_OK;
}

ac_status tags_list(store_tx *tx, const char *arn, arena *memory, tag **ret_tags, size_t *ret_count, ac_error *err)
{
    _cleanup_(sql_done) sql_rows rows = {0};
    tag *tags = arena_zalloc(memory, TAGS_MAX * sizeof(*tags));
    size_t count = 0;

    if (!tags)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(sql_query(tx, "SELECT name, value FROM tags WHERE arn = $1 ORDER BY name LIMIT $2",
                     SQL_VALUES(sql_text(arn), sql_int(TAGS_MAX)), &rows, err));
    for (;; count++) {
        bool found;
        AC_TRY(sql_next(&rows, &found, err));
        if (!found)
            break;
        AC_TRY(sql_copy(&rows, 0, memory, &tags[count].name, NULL, err));
        AC_TRY(sql_copy(&rows, 1, memory, &tags[count].value, NULL, err));
    }
    *ret_tags = tags;
    *ret_count = count;
    return AC_OK;
}

ac_status policy_put(store_tx *tx, const char *arn, const char *body, ac_error *err)
{
    static const char text[] = "INSERT INTO policies (arn, body, updated_ms) VALUES ($1, $2, $3)"
                               " ON CONFLICT (arn) DO UPDATE SET"
                               " body = excluded.body, updated_ms = excluded.updated_ms";

    return sql_run(tx, text, SQL_VALUES(sql_text(arn), sql_text(body), sql_int(clock_unix_ms())), NULL, err);
}

ac_status policy_get(store_tx *tx, const char *arn, arena *memory, const char **ret_body, ac_error *err)
{
    _cleanup_(sql_done) sql_rows rows = {0};
    bool found;

    AC_TRY(sql_query(tx, "SELECT body FROM policies WHERE arn = $1", SQL_VALUES(sql_text(arn)), &rows, err));
    AC_TRY(sql_next(&rows, &found, err));
    if (!found)
        return ac_error_set(err, AC_ERR_NOT_FOUND, "the resource %s has no policy", arn);
    return sql_copy(&rows, 0, memory, ret_body, NULL, err);
}

ac_status policy_delete(store_tx *tx, const char *arn, bool *ret_was_there, ac_error *err)
{
    int64_t changed = 0;

    AC_TRY(sql_run(tx, "DELETE FROM policies WHERE arn = $1", SQL_VALUES(sql_text(arn)), &changed, err));
    if (ret_was_there)
        *ret_was_there = changed > 0;
    return AC_OK;
}

ac_status arn_forget(store_tx *tx, const char *arn, ac_error *err)
{
    AC_TRY(sql_run(tx, "DELETE FROM tags WHERE arn = $1", SQL_VALUES(sql_text(arn)), NULL, err));
    return policy_delete(tx, arn, NULL, err);
}
