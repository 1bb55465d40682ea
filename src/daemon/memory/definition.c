/* definition.c - a memory as its resource describes it, parsed once and kept.
 *
 * Every operation needs its memory: its status, its strategies, its expiry.  What is kept is good as long as the
 * resource has the version it was parsed from, which is compared in the transaction that uses it: so a change by
 * another daemon on the same store is seen at once.  The table has one place per hash; who comes later takes it. */
#include "daemon/memory/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PLACES 1024

typedef struct parsed {
    memory_definition definition; /* what callers see */
    atomic_uint references;
    arena memory;
    yyjson_doc *body;
} parsed;

struct memory_definitions {
    pthread_mutex_t lock;
    const memory_definition *places[PLACES];
};

/* ---- counted ---- */

const memory_definition *memory_definition_ref(const memory_definition *d)
{
    atomic_fetch_add_explicit(&CONTAINER_OF(d, parsed, definition)->references, 1, memory_order_relaxed);
    return d;
}

static void parsed_free(parsed *p)
{
    yyjson_doc_free(p->body);
    arena_done(&p->memory);
    free(p);
}

void memory_definition_unref(const memory_definition *d)
{
    parsed *p = d ? CONTAINER_OF(d, parsed, definition) : NULL;

    if (p && atomic_fetch_sub_explicit(&p->references, 1, memory_order_acq_rel) == 1)
        parsed_free(p);
}

/* ---- the table ---- */

struct memory_definitions *memory_definitions_new(void)
{
    struct memory_definitions *all = calloc(1, sizeof *all);

    if (all)
        pthread_mutex_init(&all->lock, NULL);
    return all;
}

void memory_definitions_free(struct memory_definitions *all)
{
    if (!all)
        return;
    for (size_t i = 0; i < PLACES; i++)
        memory_definition_unref(all->places[i]);
    pthread_mutex_destroy(&all->lock);
    free(all);
}

static const memory_definition **place_of(struct memory_definitions *all, const char *id)
{
    uint32_t hash = 2166136261U; /* FNV-1a */

    while (*id)
        hash = (hash ^ (unsigned char)*id++) * 16777619U;
    return &all->places[hash % PLACES];
}

const memory_definition *memory_definition_recall(struct memory_definitions *all, const char *account, const char *id)
{
    const memory_definition **place = place_of(all, id), *found = NULL;

    pthread_mutex_lock(&all->lock);
    if (*place && strcmp((*place)->id, id) == 0 && strcmp((*place)->account, account) == 0)
        found = memory_definition_ref(*place);
    pthread_mutex_unlock(&all->lock);
    return found;
}

static void keep(struct memory_definitions *all, const memory_definition *d)
{
    const memory_definition **place = place_of(all, d->id), *before;

    pthread_mutex_lock(&all->lock);
    before = *place;
    *place = memory_definition_ref(d);
    pthread_mutex_unlock(&all->lock);
    memory_definition_unref(before);
}

/* ---- parsing ---- */

static const char *first_of(yyjson_val *object)
{
    yyjson_val *list = yyjson_obj_get(object, "namespaceTemplates");

    return yyjson_get_str(yyjson_arr_get_first(list));
}

static const char *reflections_of(yyjson_val *configuration)
{
    yyjson_val *reflection = yyjson_obj_get(configuration, "reflection");
    yyjson_val *custom = yyjson_obj_get(reflection, "customReflectionConfiguration");
    const char *found = first_of(yyjson_obj_get(custom, "episodicReflectionOverride"));

    return found ? found : first_of(yyjson_obj_get(reflection, "episodicReflectionConfiguration"));
}

static void read_kind(memory_strategy *s, yyjson_val *configuration)
{
    static const struct {
        const char *type;
        extract_kind kind;
    } kinds[] = {
        {"SEMANTIC", EXTRACT_SEMANTIC},
        {"SUMMARIZATION", EXTRACT_SUMMARY},
        {"USER_PREFERENCE", EXTRACT_USER_PREFERENCE},
        {"EPISODIC", EXTRACT_EPISODIC},
        {"SEMANTIC_OVERRIDE", EXTRACT_SEMANTIC},
        {"SUMMARY_OVERRIDE", EXTRACT_SUMMARY},
        {"USER_PREFERENCE_OVERRIDE", EXTRACT_USER_PREFERENCE},
        {"EPISODIC_OVERRIDE", EXTRACT_EPISODIC},
    };
    const char *type = ac_json_string(configuration, "type", ac_json_string(s->stored, "type", ""));

    s->self_managed = strcmp(type, "SELF_MANAGED") == 0;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i].type, type) == 0)
            s->kind = kinds[i].kind;
}

static ac_status read_strategies(parsed *p, yyjson_val *list, ac_error *err)
{
    memory_strategy *all = arena_zalloc(&p->memory, (yyjson_arr_size(list) + 1) * sizeof *all);
    size_t index, count;
    yyjson_val *each;

    if (!all)
        return memory_no_memory(err);
    yyjson_arr_foreach(list, index, count, each)
    {
        memory_strategy *s = &all[index];
        yyjson_val *configuration = yyjson_obj_get(each, "configuration");

        s->stored = each;
        s->id = ac_json_string(each, "strategyId", "");
        s->status = ac_json_string(each, "status", "");
        s->namespace_name = first_of(each);
        s->reflections = reflections_of(configuration);
        s->after = ac_json_int(each, MEMORY_AFTER, 0);
        read_kind(s, configuration);
        if (!s->namespace_name)
            return ac_error_set(err, AC_ERR_INTERNAL, "the stored strategy '%s' is damaged", s->id);
    }
    p->definition.strategies = all;
    p->definition.strategy_count = yyjson_arr_size(list);
    return AC_OK;
}

DEFINE_CLEANUP(parsed *, parsed_free)

static ac_status parse(const resource *r, const memory_definition **ret_definition, ac_error *err)
{
    _cleanup_(parsed_freep) parsed *p = calloc(1, sizeof *p);
    memory_definition *d;
    yyjson_val *root;

    if (!p)
        return memory_no_memory(err);
    atomic_init(&p->references, 1);
    AC_TRY(ac_json_read(r->body, r->body_length, NULL, &p->body, err));
    root = yyjson_doc_get_root(p->body);
    d = &p->definition;
    d->account = arena_copy(&p->memory, r->key.scope, strlen(r->key.scope));
    d->id = arena_copy(&p->memory, r->key.id, strlen(r->key.id));
    d->status = arena_copy(&p->memory, r->status, strlen(r->status));
    if (!d->account || !d->id || !d->status)
        return memory_no_memory(err);
    d->version = r->version;
    d->expiry_ms = ac_json_int(root, "eventExpiryDuration", 0) * MEMORY_DAY_MS;
    d->indexed_keys = yyjson_obj_get(root, "indexedKeys");
    AC_TRY(read_strategies(p, yyjson_obj_get(root, "strategies"), err));
    *ret_definition = &TAKE_PTR(p)->definition;
    return AC_OK;
}

/* ---- for the operations ---- */

static ac_status not_found(const char *id, ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOT_FOUND, "There is no memory with the id '%s'", id);
}

static ac_status read_anew(store_tx *tx, struct memory_definitions *all, const resource_key *key,
                           const memory_definition **ret_definition, ac_error *err)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    resource r;
    ac_status status = resource_get(tx, key, &memory, &r, err);

    if (status == AC_ERR_NOT_FOUND || (status == AC_OK && strcmp(r.status, MEMORY_DELETING) == 0))
        return not_found(key->id, err);
    AC_TRY(status);
    AC_TRY(parse(&r, ret_definition, err));
    keep(all, *ret_definition);
    return AC_OK;
}

ac_status memory_definition_get(store_tx *tx, struct memory_definitions *all, const char *account, const char *id,
                                const memory_definition **ret_definition, ac_error *err)
{
    static const char text[] =
        "SELECT version FROM resources WHERE scope = $1 AND kind = '" KIND_MEMORY "' AND parent = '' AND id = $2";
    _cleanup_(memory_definition_unrefp) const memory_definition *known = memory_definition_recall(all, account, id);
    const resource_key key = {.scope = account, .kind = KIND_MEMORY, .id = id};
    int64_t version;
    bool found;

    if (!known)
        return read_anew(tx, all, &key, ret_definition, err);
    AC_TRY(sql_query_int(tx, text, SQL_VALUES(sql_text(account), sql_text(id)), &version, &found, err));
    if (!found)
        return not_found(id, err);
    if (version != known->version)
        return read_anew(tx, all, &key, ret_definition, err);
    *ret_definition = TAKE_PTR(known);
    return AC_OK;
}

ac_status memory_definition_check_ready(const memory_definition *d, ac_error *err)
{
    if (strcmp(d->status, MEMORY_ACTIVE) == 0 || strcmp(d->status, MEMORY_UPDATING) == 0)
        return AC_OK;
    return ac_error_set(err, AC_ERR_CONFLICT, "The memory '%s' is %s, not " MEMORY_ACTIVE, d->id, d->status);
}

const memory_strategy *memory_definition_strategy(const memory_definition *d, const char *id)
{
    for (size_t i = 0; i < d->strategy_count; i++)
        if (strcmp(d->strategies[i].id, id) == 0)
            return &d->strategies[i];
    return NULL;
}
