/* plan.c - changes to records, and their metadata in the wire's form: {"key": {"stringValue": "..."}}. */
#include "daemon/memory/extract/plan.h"

#include <stdio.h>
#include <string.h>

#define STRING_BYTES_MAX 256 /* of a stringValue */

/* What may stand in a stringValue, by the API's pattern. */
#define STRING_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._:/=+@-"

ac_status plan_add(plan *p, const plan_entry *entry, size_t *ret_index, ac_error *err)
{
    if (p->count == EXTRACT_CHANGES_MAX)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "more than %d changes come of one conversation",
                            EXTRACT_CHANGES_MAX);
    if (p->count == p->room) {
        size_t room = p->room ? p->room * 2 : 16;
        plan_entry *more = arena_alloc(p->arena, room * sizeof *more);

        if (!more)
            return extract_nomem(err);
        if (p->count)
            memcpy(more, p->entries, p->count * sizeof *more);
        p->entries = more;
        p->room = room;
    }
    if (ret_index)
        *ret_index = p->count;
    p->entries[p->count++] = *entry;
    return AC_OK;
}

/* A copy with '-' for what the pattern does not have, cut to its length. */
static char *fitting(arena *a, const char *text)
{
    char *copy = arena_copy(a, text, strnlen(text, STRING_BYTES_MAX));

    for (char *p = copy; p && *p; p++)
        if (!strchr(STRING_CHARACTERS, *p))
            *p = '-';
    return copy;
}

const char *plan_turn_key(arena *a, const extract_turn *turn)
{
    const char *text = arena_format(a, "%s:%u", turn->event_id ? turn->event_id : "", turn->index);

    return text ? fitting(a, text) : NULL;
}

/* ---- metadata of known records ---- */

const char *known_string(const extract_known *known, const char *key)
{
    return ac_json_string(yyjson_obj_get(known->metadata, key), "stringValue", NULL);
}

int64_t known_stated_ms(const extract_known *known)
{
    yyjson_val *value = yyjson_obj_get(yyjson_obj_get(known->metadata, EXTRACT_KEY_STATED), "dateTimeValue");
    double seconds = yyjson_get_num(value);

    return seconds > -1e15 && seconds < 1e15 ? (int64_t)(seconds * 1000 + (seconds < 0 ? -0.5 : 0.5)) : 0;
}

/* ---- metadata of changes ---- */

static bool add_string(yyjson_mut_doc *doc, yyjson_mut_val *metadata, const char *key, const char *text)
{
    yyjson_mut_val *value = ac_json_pack(doc, "{s:s}", "stringValue", text);

    return value && yyjson_mut_obj_add(metadata, yyjson_mut_strcpy(doc, key), value);
}

static bool add_all(plan *p, const plan_entry *e, yyjson_mut_doc *doc, yyjson_mut_val *metadata)
{
    yyjson_val *schema = e->change.reflection ? p->task->reflection_schema : p->task->metadata_schema;
    const char *engine = fitting(p->arena, p->engine);
    yyjson_mut_val *stated = ac_json_pack(doc, "{s:f}", "dateTimeValue", (double)e->change.stated_ms / 1000);

    if (!metadata || !engine || !stated || !add_string(doc, metadata, EXTRACT_KEY_ENGINE, engine) ||
        !yyjson_mut_obj_add_val(doc, metadata, EXTRACT_KEY_STATED, stated))
        return false;
    if (e->since && !add_string(doc, metadata, EXTRACT_KEY_SINCE, e->since))
        return false;
    if (e->through && !add_string(doc, metadata, EXTRACT_KEY_THROUGH, e->through))
        return false;
    return infer_metadata(schema, e->inferred, e->change.text, doc, metadata);
}

static void free_doc(void *data)
{
    yyjson_mut_doc_free(data);
}

ac_status plan_finish(plan *p, extract_change **ret_changes, size_t *ret_count, ac_error *err)
{
    extract_change *changes = arena_alloc(p->arena, MAX(p->count, 1U) * sizeof *changes);
    size_t *places = arena_alloc(p->arena, MAX(p->count, 1U) * sizeof *places);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    size_t count = 0;

    if (!changes || !places || !doc || arena_on_release(p->arena, free_doc, doc) != AC_OK) {
        yyjson_mut_doc_free(doc);
        return extract_nomem(err);
    }
    for (size_t i = 0; i < p->count; i++) {
        plan_entry *e = &p->entries[i];
        extract_change *c = &e->change;

        if (e->dropped)
            continue;
        places[i] = count;
        if (c->action == EXTRACT_SUPERSEDE) {
            c->by = places[c->by];
        } else {
            c->metadata = yyjson_mut_obj(doc);
            if (!add_all(p, e, doc, c->metadata))
                return extract_nomem(err);
        }
        changes[count++] = *c;
    }
    *ret_changes = changes;
    *ret_count = count;
    return AC_OK;
}
