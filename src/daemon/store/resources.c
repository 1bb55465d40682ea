/* resources.c - control-plane resources as documents.
 *
 * The order of a listing is (created_ms, id): neither ever changes, so a row keeps its place, and a page token names
 * the place and not the row.  A change is one UPDATE that names the version or status it expects, so of two at once
 * one finds nothing to change.  Why it found nothing is looked up afterwards, only to say the right error. */
#include "daemon/store/resources.h"
#include "base/buf.h"
#include "base/clock.h"
#include "daemon/store/page_token.h"

#include <endian.h>
#include <string.h>

#define COLUMNS "scope, kind, parent, id, name, status, version, created_ms, updated_ms, body"
#define WHERE_KEY " WHERE scope = $1 AND kind = $2 AND parent = $3 AND id = $4"
#define KEY_VALUES(key) sql_text((key)->scope), sql_text((key)->kind), sql_text(parent_of(key)), sql_text((key)->id)

static const char *parent_of(const resource_key *key)
{
    return key->parent ? key->parent : "";
}

static ac_status not_found(const resource_key *key, ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOT_FOUND, "there is no %s '%s'", key->kind, key->id);
}

ac_status resource_create(store_tx *tx, resource *r, ac_error *err)
{
    static const char text[] = "INSERT INTO resources (" COLUMNS ")"
                               " VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9) ON CONFLICT DO NOTHING";
    const char *name = r->name ? r->name : r->key.id;
    int64_t now = clock_unix_ms();
    int64_t changed = 0;

    if (r->body_length == 0)
        r->body_length = strlen(r->body);
    if (r->created_ms == 0)
        r->created_ms = now;
    r->updated_ms = r->created_ms;
    r->version = 1;
    AC_TRY(sql_run(tx, text,
                   SQL_VALUES(KEY_VALUES(&r->key), sql_text(name), sql_text(r->status), sql_int(r->created_ms),
                              sql_int(r->updated_ms), sql_text_n(r->body, r->body_length)),
                   &changed, err));
    if (changed == 0)
        return ac_error_set(err, AC_ERR_CONFLICT, "a %s named '%s' exists already", r->key.kind, name);
    return AC_OK;
}

static ac_status read_row(const sql_rows *rows, arena *memory, resource *r, ac_error *err)
{
    AC_TRY(sql_copy(rows, 0, memory, &r->key.scope, NULL, err));
    AC_TRY(sql_copy(rows, 1, memory, &r->key.kind, NULL, err));
    AC_TRY(sql_copy(rows, 2, memory, &r->key.parent, NULL, err));
    AC_TRY(sql_copy(rows, 3, memory, &r->key.id, NULL, err));
    AC_TRY(sql_copy(rows, 4, memory, &r->name, NULL, err));
    AC_TRY(sql_copy(rows, 5, memory, &r->status, NULL, err));
    r->version = sql_get_int(rows, 6);
    r->created_ms = sql_get_int(rows, 7);
    r->updated_ms = sql_get_int(rows, 8);
    return sql_copy(rows, 9, memory, &r->body, &r->body_length, err);
}

static ac_status get(store_tx *tx, const char *text, const resource_key *key, arena *memory, resource *ret_resource,
                     ac_error *err)
{
    _cleanup_(sql_done) sql_rows rows = {0};
    bool found;

    AC_TRY(sql_query(tx, text, SQL_VALUES(KEY_VALUES(key)), &rows, err));
    AC_TRY(sql_next(&rows, &found, err));
    if (!found)
        return not_found(key, err);
    return read_row(&rows, memory, ret_resource, err);
}

ac_status resource_get(store_tx *tx, const resource_key *key, arena *memory, resource *ret_resource, ac_error *err)
{
    return get(tx, "SELECT " COLUMNS " FROM resources" WHERE_KEY, key, memory, ret_resource, err);
}

ac_status resource_get_by_name(store_tx *tx, const resource_key *key, arena *memory, resource *ret_resource,
                               ac_error *err)
{
    static const char text[] = "SELECT " COLUMNS " FROM resources"
                               " WHERE scope = $1 AND kind = $2 AND parent = $3 AND name = $4";

    return get(tx, text, key, memory, ret_resource, err);
}

/* An UPDATE or DELETE found nothing: is it not there, or not as expected? */
static ac_status why_nothing(store_tx *tx, const resource_key *key, ac_error *err)
{
    int64_t version;
    bool found;

    AC_TRY(sql_query_int(tx, "SELECT version FROM resources" WHERE_KEY, SQL_VALUES(KEY_VALUES(key)), &version, &found,
                         err));
    if (!found)
        return not_found(key, err);
    return ac_error_set(err, AC_ERR_CONFLICT, "the %s '%s' was changed meanwhile, or is busy", key->kind, key->id);
}

ac_status resource_update(store_tx *tx, const resource_key *key, const resource_change *change, int64_t *ret_version,
                          ac_error *err)
{
    static const char text[] =
        "UPDATE resources SET name = COALESCE($5, name), status = COALESCE($6, status), body = COALESCE($7, body),"
        " updated_ms = $8, version = version + 1" WHERE_KEY
        " AND (version = $9 OR $9 = 0) AND (status = $10 OR CAST($10 AS TEXT) IS NULL) RETURNING version";
    int64_t version;
    bool found;

    AC_TRY(sql_query_int(tx, text,
                         SQL_VALUES(KEY_VALUES(key), sql_text(change->name), sql_text(change->status),
                                    sql_text(change->body), sql_int(clock_unix_ms()), sql_int(change->version),
                                    sql_text(change->only_in_status)),
                         &version, &found, err));
    if (!found)
        return why_nothing(tx, key, err);
    if (ret_version)
        *ret_version = version;
    return AC_OK;
}

ac_status resource_delete(store_tx *tx, const resource_key *key, int64_t version, ac_error *err)
{
    int64_t changed = 0;

    AC_TRY(sql_run(tx, "DELETE FROM resources" WHERE_KEY " AND (version = $5 OR $5 = 0)",
                   SQL_VALUES(KEY_VALUES(key), sql_int(version)), &changed, err));
    return changed ? AC_OK : why_nothing(tx, key, err);
}

ac_status resource_delete_parts(store_tx *tx, const resource_key *of, int64_t *ret_count, ac_error *err)
{
    return sql_run(tx, "DELETE FROM resources WHERE scope = $1 AND kind = $2 AND parent = $3",
                   SQL_VALUES(sql_text(of->scope), sql_text(of->kind), sql_text(parent_of(of))), ret_count, err);
}

ac_status resource_count(store_tx *tx, const resource_key *of, int64_t *ret_count, ac_error *err)
{
    return sql_query_int(tx, "SELECT COUNT(*) FROM resources WHERE scope = $1 AND kind = $2 AND parent = $3",
                         SQL_VALUES(sql_text(of->scope), sql_text(of->kind), sql_text(parent_of(of))), ret_count, NULL,
                         err);
}

/* Where a page begins: behind this place in the order. */
typedef struct place {
    int64_t created_ms;
    const char *id;
    size_t id_length;
} place;

/* The list's name for page_token.h: lengths keep ("a", "bc") apart from ("ab", "c"). */
static ac_status name_list(const resource_key *of, bool newest_first, buf *ret_name, ac_error *err)
{
    const char *parent = parent_of(of);
    ac_status status = buf_appendf(ret_name, "resources %d %zu:%s %zu:%s %zu:%s", newest_first, strlen(of->scope),
                                   of->scope, strlen(of->kind), of->kind, strlen(parent), parent);

    if (status == AC_OK && !buf_terminate(ret_name))
        status = AC_ERR_NOMEM;
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "a list cannot be named");
}

static ac_status first_place(store_tx *tx, const char *list, const char *token, bool newest_first, arena *memory,
                             place *ret_place, ac_error *err)
{
    const void *position;
    uint64_t bits;
    size_t length;

    *ret_place = (place){.created_ms = newest_first ? INT64_MAX : INT64_MIN, .id = ""};
    if (!token || !*token)
        return AC_OK;
    AC_TRY(page_token_open(sql_store(tx), list, token, memory, &position, &length, err));
    if (length < sizeof(bits))
        return ac_error_set(err, AC_ERR_INVALID, "the nextToken is not valid");
    memcpy(&bits, position, sizeof(bits));
    ret_place->created_ms = (int64_t)be64toh(bits);
    ret_place->id = (const char *)position + sizeof(bits);
    ret_place->id_length = length - sizeof(bits);
    return AC_OK;
}

static ac_status make_token(store_tx *tx, const char *list, const resource *last, arena *memory, const char **ret_token,
                            ac_error *err)
{
    char position[PAGE_POSITION_MAX];
    uint64_t bits = htobe64((uint64_t)last->created_ms);
    size_t length = strlen(last->key.id);

    if (length > sizeof(position) - sizeof(bits))
        return ac_error_set(err, AC_ERR_TOO_LARGE, "an id is too long for a page token");
    memcpy(position, &bits, sizeof(bits));
    memcpy(position + sizeof(bits), last->key.id, length);
    return page_token_make(sql_store(tx), list, position, sizeof(bits) + length, memory, ret_token, err);
}

ac_status resource_list(store_tx *tx, const resource_key *of, bool newest_first, size_t limit, const char *token,
                        arena *memory, resource_page *ret_page, ac_error *err)
{
    static const char up[] = "SELECT " COLUMNS " FROM resources WHERE scope = $1 AND kind = $2 AND parent = $3"
                             " AND (created_ms, id) > ($4, $5) ORDER BY created_ms, id LIMIT $6";
    static const char down[] = "SELECT " COLUMNS " FROM resources WHERE scope = $1 AND kind = $2 AND parent = $3"
                               " AND (created_ms, id) < ($4, $5) ORDER BY created_ms DESC, id DESC LIMIT $6";
    _cleanup_(sql_done) sql_rows rows = {0};
    _cleanup_(buf_done) buf list = BUF_INIT(4096);
    bool found = false;
    place from;

    *ret_page = (resource_page){0};
    if (limit < 1 || limit > RESOURCE_PAGE_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "a page has 1 to %d entries", RESOURCE_PAGE_MAX);
    AC_TRY(name_list(of, newest_first, &list, err));
    AC_TRY(first_place(tx, list.data, token, newest_first, memory, &from, err));
    ret_page->items = arena_zalloc(memory, limit * sizeof(resource));
    if (!ret_page->items)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");

    AC_TRY(
        sql_query(tx, newest_first ? down : up,
                  SQL_VALUES(sql_text(of->scope), sql_text(of->kind), sql_text(parent_of(of)), sql_int(from.created_ms),
                             sql_text_n(from.id, from.id_length), sql_int((int64_t)limit + 1)),
                  &rows, err));
    for (;;) {
        AC_TRY(sql_next(&rows, &found, err));
        if (!found || ret_page->count == limit)
            break;
        AC_TRY(read_row(&rows, memory, &ret_page->items[ret_page->count++], err));
    }
    if (!found)
        return AC_OK;
    return make_token(tx, list.data, &ret_page->items[limit - 1], memory, &ret_page->next_token, err);
}
