/* namespaces.c - where records live: names made from templates, ranges of names, and their versions.
 *
 * Names are compared byte by byte.  A namespace is a prefix ("/facts/a" also means "/facts/anna"); a namespacePath is a
 * path ("/facts/a" means "/facts/a", "/facts/a/" and what is below). */
#include "daemon/memory/records.h"

#include <string.h>

#define NAME_BYTES_MAX 2048

/* ---- templates ---- */

ac_status namespace_fill(const char *template, const char *strategy, const char *actor, const char *session,
                         arena *memory, const char **ret_name, ac_error *err)
{
    const struct {
        const char *placeholder, *value;
    } known[] = {{"{memoryStrategyId}", strategy}, {"{actorId}", actor}, {"{sessionId}", session}};
    _cleanup_(buf_done) buf name = BUF_INIT(NAME_BYTES_MAX);
    ac_status status = AC_OK;

    while (*template && status == AC_OK) {
        size_t literal = strcspn(template, "{");

        status = buf_append(&name, template, literal);
        template += literal;
        for (size_t i = 0; *template && status == AC_OK && i < ARRAY_SIZE(known); i++) {
            size_t length = strlen(known[i].placeholder);

            if (strncmp(template, known[i].placeholder, length) == 0) {
                status = buf_append_text(&name, known[i].value);
                template += length;
                break;
            }
            if (i == ARRAY_SIZE(known) - 1)
                return ac_error_set(err, AC_ERR_INVALID, "a namespace template has an unknown placeholder");
        }
    }
    *ret_name = status == AC_OK ? arena_copy(memory, buf_terminate(&name), name.length) : NULL;
    if (status == AC_ERR_TOO_LARGE)
        return ac_error_set(err, AC_ERR_INVALID, "a namespace is longer than %d bytes", NAME_BYTES_MAX);
    return *ret_name ? AC_OK : memory_no_memory(err);
}

/* ---- ranges ---- */

/* The first name behind all that begin with prefix, which is not empty and holds ASCII alone. */
static char *behind(const char *prefix, arena *memory)
{
    size_t length = strlen(prefix);
    char *to = arena_copy(memory, prefix, length);

    if (to)
        to[length - 1]++;
    return to;
}

static ac_status prefix_range(const char *prefix, arena *memory, namespace_range *ret_range, ac_error *err)
{
    *ret_range = (namespace_range){.from = prefix, .to = behind(prefix, memory), .exact = prefix, .after = prefix};
    return ret_range->to ? AC_OK : memory_no_memory(err);
}

static ac_status path_range(const char *path, arena *memory, namespace_range *ret_range, ac_error *err)
{
    size_t length = strlen(path);
    char *exact, *after;

    while (length > 0 && path[length - 1] == '/')
        length--;
    exact = arena_copy(memory, path, length);
    after = arena_format(memory, "%.*s/", (int)length, path);
    if (!exact || !after)
        return memory_no_memory(err);
    *ret_range = (namespace_range){
        .from = length ? exact : after, .to = behind(after, memory), .exact = length ? exact : after, .after = after};
    return ret_range->to ? AC_OK : memory_no_memory(err);
}

ac_status namespace_range_of(front_call *call, namespace_range *ret_range, ac_error *err)
{
    const char *prefix = front_text(call, "namespace"), *path = front_text(call, "namespacePath");

    if (prefix && path)
        return ac_error_set(err, AC_ERR_INVALID, "namespace and namespacePath are mutually exclusive");
    if (!prefix && !path)
        return ac_error_set(err, AC_ERR_INVALID, "One of namespace and namespacePath must be given");
    return prefix ? prefix_range(prefix, call->memory, ret_range, err) : path_range(path, call->memory, ret_range, err);
}

/* ---- versions ---- */

ac_status namespace_list(store_tx *tx, const char *memory_id, const namespace_range *range, arena *memory,
                         search_namespace **ret_namespaces, size_t *ret_count, ac_error *err)
{
    static const char text[] =
        "SELECT n.namespace, n.version FROM memory_namespaces n WHERE n.memory = $1 AND n.namespace >= $2"
        " AND n.namespace < $3 AND (n.namespace = $4 OR n.namespace >= $5)"
        " AND EXISTS (SELECT 1 FROM memory_records r WHERE r.memory = n.memory AND r.namespace = n.namespace)"
        " ORDER BY n.namespace LIMIT $6";
    _cleanup_(sql_done) sql_rows rows = {0};
    size_t count = 0, room = 0;
    search_namespace *list = NULL;

    AC_TRY(sql_query(tx, text,
                     SQL_VALUES(sql_text(memory_id), sql_text(range->from), sql_text(range->to), sql_text(range->exact),
                                sql_text(range->after), sql_int(SEARCH_NAMESPACES_MAX)),
                     &rows, err));
    for (;;) {
        bool found;

        AC_TRY(sql_next(&rows, &found, err));
        if (!found)
            break;
        if (count == room) {
            search_namespace *larger = arena_alloc(memory, MAX(room * 2, (size_t)8) * sizeof *larger);

            if (!larger)
                return memory_no_memory(err);
            if (count)
                memcpy(larger, list, count * sizeof *larger);
            list = larger;
            room = MAX(room * 2, (size_t)8);
        }
        AC_TRY(sql_copy(&rows, 0, memory, &list[count].name, NULL, err));
        list[count++].version = sql_get_int(&rows, 1);
    }
    *ret_namespaces = list;
    *ret_count = count;
    return AC_OK;
}

ac_status namespace_raise(store_tx *tx, const char *memory_id, const char *name, int64_t *ret_version, ac_error *err)
{
    static const char text[] = "INSERT INTO memory_namespaces (memory, namespace, version, floor) VALUES ($1, $2, 1, 0)"
                               " ON CONFLICT (memory, namespace) DO UPDATE SET version = memory_namespaces.version + 1"
                               " RETURNING version";

    return sql_query_int(tx, text, SQL_VALUES(sql_text(memory_id), sql_text(name)), ret_version, NULL, err);
}

ac_status namespace_version(store_tx *tx, const char *memory_id, const char *name, int64_t *ret_version, ac_error *err)
{
    static const char text[] = "SELECT version FROM memory_namespaces WHERE memory = $1 AND namespace = $2";
    bool found;

    AC_TRY(sql_query_int(tx, text, SQL_VALUES(sql_text(memory_id), sql_text(name)), ret_version, &found, err));
    if (!found)
        *ret_version = 0;
    return AC_OK;
}
