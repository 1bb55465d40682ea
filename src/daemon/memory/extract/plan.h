/* plan.h - the changes of one run while they are being made up, and the metadata they carry. */
#ifndef MEMORY_EXTRACT_PLAN_H
#define MEMORY_EXTRACT_PLAN_H

#include "base/buf.h"
#include "daemon/memory/extract/extract.h"

#define INFERRED_MAX 15 /* of a schema's keys are filled in: with ours there must not be more than 20 */

/* A change without its metadata, which is written at the end, when it is known which texts stay. */
typedef struct plan_entry {
    extract_change change;
    const char *since, *through; /* SUMMARY, EPISODIC */
    yyjson_val *inferred;        /* {"key": value} from a model, for the schema's keys; NULL: by what the text names */
    bool dropped;
} plan_entry;

typedef struct plan {
    const extract_task *task;
    const char *engine; /* for the metadata */
    arena *arena;
    plan_entry *entries;
    size_t count, room;
} plan;

/* A new entry at the end.  AC_ERR_NOMEM; AC_ERR_TOO_LARGE: EXTRACT_CHANGES_MAX. */
ac_status plan_add(plan *p, const plan_entry *entry, size_t *ret_index, ac_error *err) AC_MUST_USE;

/* Write the metadata and hand over what was not dropped, with places put right.  The changes live in the arena. */
ac_status plan_finish(plan *p, extract_change **ret_changes, size_t *ret_count, ac_error *err) AC_MUST_USE;

/* A key for a turn: its event's id and its place in it, of characters that metadata may have. */
const char *plan_turn_key(arena *a, const extract_turn *turn);

/* The stringValue of a key, NULL when there is none; the dateTimeValue in ms, 0 when there is none. */
const char *known_string(const extract_known *known, const char *key);
int64_t known_stated_ms(const extract_known *known);

/* ---- infer.c ---- */

/* Add the LLM_INFERRED keys of a schema (may be NULL) to metadata.  From values (may be NULL) those that are valid by
 * the schema; otherwise those of allowedValues that text names.  False: no memory. */
bool infer_metadata(yyjson_val *schema, yyjson_val *values, const char *text, yyjson_mut_doc *doc,
                    yyjson_mut_val *metadata) AC_MUST_USE;

/* The JSON schema of the LLM_INFERRED keys, for the model: an object with a property for each.  NULL: there are none,
 * or no memory, which *ret_nomem tells. */
yyjson_mut_val *infer_schema(yyjson_val *schema, yyjson_mut_doc *doc, bool *ret_nomem);

/* And in words: "- topic (one of a, b): what it is. How to find it." */
ac_status infer_describe(yyjson_val *schema, buf *out) AC_MUST_USE;

static inline ac_status extract_nomem(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

#endif
