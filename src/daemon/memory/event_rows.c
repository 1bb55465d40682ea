/* event_rows.c - events in the store: their ids, finding one, walking a session's line.
 *
 * A walk without filters is one statement.  With filters, rows are looked at in batches without their payloads, which
 * are fetched for those that are shown: a state that an agent framework keeps among thousands of messages is found
 * without reading them. */
#include "daemon/memory/events.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_ROWS 256
#define LOW_BITS INT64_C(0xffffffff)
#define LOW "4294967295"

/* ---- ids ---- */

void event_id_write(int64_t at_ms, int64_t id, char ret_text[EVENT_ID_SIZE])
{
    snprintf(ret_text, EVENT_ID_SIZE, "%019" PRId64 "#%08" PRIx64, at_ms, (uint64_t)(id & LOW_BITS));
}

bool event_id_read(const char *text, int64_t *ret_at_ms, int64_t *ret_low)
{
    const char *hash = strchr(text, '#');
    char *end;
    unsigned long long low;

    if (!hash || hash == text || !hash[1])
        return false;
    errno = 0;
    *ret_at_ms = strtoll(text, &end, 10);
    if (errno || end != hash)
        return false;
    low = strtoull(hash + 1, &end, 16);
    *ret_low = (int64_t)low;
    return !errno && !*end && low <= (unsigned long long)LOW_BITS;
}

/* ---- one ---- */

ac_status event_session(store_tx *tx, const char *memory_id, const char *actor, const char *session, int64_t *ret_id,
                        ac_error *err)
{
    static const char text[] = "SELECT id FROM memory_sessions WHERE memory = $1 AND actor = $2 AND session = $3";
    bool found;

    AC_TRY(sql_query_int(tx, text, SQL_VALUES(sql_text(memory_id), sql_text(actor), sql_text(session)), ret_id, &found,
                         err));
    if (!found)
        *ret_id = 0;
    return AC_OK;
}

ac_status event_read(const sql_rows *rows, bool payload, arena *memory, event_row *ret_row, ac_error *err)
{
    *ret_row = (event_row){
        .id = sql_get_int(rows, 0),
        .at_ms = sql_get_int(rows, 1),
        .created_ms = sql_get_int(rows, 2),
        .extractable = sql_get_int(rows, 6) != 0,
    };
    AC_TRY(sql_copy(rows, 3, memory, &ret_row->branch, NULL, err));
    AC_TRY(sql_copy(rows, 4, memory, &ret_row->root, NULL, err));
    AC_TRY(sql_copy(rows, 5, memory, &ret_row->metadata, &ret_row->metadata_length, err));
    return payload ? sql_copy(rows, 7, memory, &ret_row->payload, &ret_row->payload_length, err) : AC_OK;
}

ac_status event_get(store_tx *tx, int64_t session, const char *event_id, arena *memory, event_row *ret_row,
                    ac_error *err)
{
    static const char text[] = "SELECT " EVENT_COLUMNS EVENT_PAYLOAD " FROM memory_events"
                               " WHERE session = $1 AND at_ms = $2 AND (id & " LOW ") = $3 AND expires_ms > $4";
    _cleanup_(sql_done) sql_rows rows = {0};
    int64_t at_ms, low;
    bool found = false;

    if (session && event_id_read(event_id, &at_ms, &low)) {
        AC_TRY(sql_query(tx, text, SQL_VALUES(sql_int(session), sql_int(at_ms), sql_int(low), sql_int(clock_unix_ms())),
                         &rows, err));
        AC_TRY(sql_next(&rows, &found, err));
    }
    if (!found)
        return ac_error_set(err, AC_ERR_NOT_FOUND, "There is no event with the id '%s' in this session", event_id);
    return event_read(&rows, true, memory, ret_row, err);
}

/* ---- branches ---- */

static bool is_main(const char *branch)
{
    return !branch || strcmp(branch, EVENT_MAIN) == 0;
}

/* Where a branch left which parent; *ret_found is false when it grew from nothing. */
static ac_status find_root(store_tx *tx, int64_t session, const char *branch, arena *memory, event_segment *ret_parent,
                           bool *ret_found, ac_error *err)
{
    static const char text[] =
        "SELECT parent, root_ms, root FROM memory_branches WHERE session = $1 AND name = $2 AND root IS NOT NULL";
    _cleanup_(sql_done) sql_rows rows = {0};

    AC_TRY(sql_query(tx, text, SQL_VALUES(sql_int(session), sql_text(branch)), &rows, err));
    AC_TRY(sql_next(&rows, ret_found, err));
    if (!*ret_found)
        return AC_OK;
    *ret_parent = (event_segment){.bounded = true, .at_ms = sql_get_int(&rows, 1), .id = sql_get_int(&rows, 2)};
    return sql_copy(&rows, 0, memory, &ret_parent->branch, NULL, err);
}

ac_status event_line(store_tx *tx, int64_t session, const char *branch, bool parents, arena *memory,
                     event_segment **ret_segments, size_t *ret_count, ac_error *err)
{
    event_segment *line = arena_zalloc(memory, EVENT_BRANCH_DEPTH_MAX * sizeof *line);
    bool found = parents;
    size_t count = 1;

    if (!line)
        return memory_no_memory(err);
    line[0].branch = branch;
    while (found && count < EVENT_BRANCH_DEPTH_MAX && !is_main(line[count - 1].branch)) {
        AC_TRY(find_root(tx, session, line[count - 1].branch, memory, &line[count], &found, err));
        count += found;
    }
    *ret_segments = line;
    *ret_count = count;
    return AC_OK;
}

static bool in_segment(const event_segment *s, int64_t at_ms, int64_t id, const char *branch, size_t length)
{
    if (is_main(s->branch) ? branch && !(length == strlen(EVENT_MAIN) && memcmp(branch, EVENT_MAIN, length) == 0)
                           : !branch || length != strlen(s->branch) || memcmp(branch, s->branch, length) != 0)
        return false;
    return !s->bounded || at_ms < s->at_ms || (at_ms == s->at_ms && id <= s->id);
}

/* ---- walking ---- */

static bool wanted(const event_scan *scan, const sql_rows *rows)
{
    size_t branch_length = 0, metadata_length = 0;
    bool in_line = !scan->segments;

    if (!in_line) {
        const char *branch = sql_get_blob(rows, 3, &branch_length);

        for (size_t i = 0; i < scan->segment_count && !in_line; i++)
            in_line = in_segment(&scan->segments[i], sql_get_int(rows, 1), sql_get_int(rows, 0), branch, branch_length);
    }
    if (!in_line || !scan->filters)
        return in_line;
    const char *metadata = sql_get_blob(rows, 5, &metadata_length);
    return event_filters_accept(scan->filters, metadata, metadata_length);
}

typedef struct walk {
    const event_scan *scan;
    arena *memory;
    event_row *rows; /* limit + 1 */
    size_t count;
    int64_t before_ms, before_id;
    bool ended; /* there are no more rows */
} walk;

static const char *batch_text(bool payloads)
{
#define WALK(columns)                                                                                                  \
    "SELECT " EVENT_COLUMNS columns " FROM memory_events"                                                              \
    " WHERE session = $1 AND (at_ms, id) < ($2, $3) AND expires_ms > $4 ORDER BY at_ms DESC, id DESC LIMIT $5"
    return payloads ? WALK(EVENT_PAYLOAD) : WALK("");
#undef WALK
}

static ac_status run_batch(store_tx *tx, walk *w, bool payloads, size_t limit, ac_error *err)
{
    const event_scan *scan = w->scan;
    _cleanup_(sql_done) sql_rows rows = {0};
    size_t seen = 0;

    AC_TRY(sql_query(tx, batch_text(payloads),
                     SQL_VALUES(sql_int(scan->session), sql_int(w->before_ms), sql_int(w->before_id),
                                sql_int(clock_unix_ms()), sql_int((int64_t)limit)),
                     &rows, err));
    for (; w->count <= scan->limit; seen++) {
        bool found;

        AC_TRY(sql_next(&rows, &found, err));
        if (!found) {
            w->ended = seen < limit;
            break;
        }
        w->before_ms = sql_get_int(&rows, 1);
        w->before_id = sql_get_int(&rows, 0);
        if (wanted(scan, &rows))
            AC_TRY(event_read(&rows, payloads, w->memory, &w->rows[w->count++], err));
    }
    return AC_OK;
}

static ac_status fetch_payload(store_tx *tx, arena *memory, event_row *row, ac_error *err)
{
    _cleanup_(sql_done) sql_rows rows = {0};
    bool found;

    AC_TRY(sql_query(tx, "SELECT payload FROM memory_events WHERE id = $1", SQL_VALUES(sql_int(row->id)), &rows, err));
    AC_TRY(sql_next(&rows, &found, err));
    if (!found)
        return ac_error_set(err, AC_ERR_INTERNAL, "an event went away while it was read");
    return sql_copy(&rows, 0, memory, &row->payload, &row->payload_length, err);
}

ac_status event_scan_run(store_tx *tx, const event_scan *scan, arena *memory, event_row **ret_rows, size_t *ret_count,
                         bool *ret_more, ac_error *err)
{
    bool filtered = scan->segments || scan->filters;
    walk w = {
        .scan = scan,
        .memory = memory,
        .rows = arena_zalloc(memory, (scan->limit + 1) * sizeof *w.rows),
        .before_ms = scan->before_ms,
        .before_id = scan->before_id,
    };

    if (!w.rows)
        return memory_no_memory(err);
    while (!w.ended && w.count <= scan->limit)
        AC_TRY(run_batch(tx, &w, scan->payloads && !filtered, filtered ? BATCH_ROWS : scan->limit + 1, err));
    *ret_more = w.count > scan->limit;
    *ret_count = *ret_more ? scan->limit : w.count;
    *ret_rows = w.rows;
    for (size_t i = 0; filtered && scan->payloads && i < *ret_count; i++)
        AC_TRY(fetch_payload(tx, memory, &w.rows[i], err));
    return AC_OK;
}
