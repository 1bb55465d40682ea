/* load.c - the sink that a source fills.
 *
 * An index that is built from nothing takes records as they come: nobody reads it yet.  Changes to one that is in use
 * are noted first and put in together at the end, so that queries wait for the putting in alone and not for the store.
 * With an embeddings service, records wait until a batch of them is full. */
#include "daemon/memory/search/load.h"

#include "base/clock.h"

#include <agentcore/log.h>
#include <stdlib.h>
#include <string.h>

#define VECTOR_RETRY_MS 60000

typedef struct change {
    struct change *next;
    search_record record; /* strings in the sink's memory; text NULL: removed */
    const char *metadata;
    const float *vector;
} change;

struct search_sink {
    const loader *loader;
    text_reader *reader;
    search_index *fresh; /* being built; NULL: changes are noted */
    arena memory;        /* of the changes */
    change *first, **last;
    change *unembedded; /* the first whose vector has not been asked for */
    size_t unembedded_count;
    unsigned dimensions;
    bool vectors_missing;
    bool failed; /* out of memory where nothing could be said */
};

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* ---- vectors ---- */

static void vectors_failed(search_sink *s, const ac_error *why)
{
    if (!s->vectors_missing)
        ac_log_warning("memory search: no vectors for new records (%s); they are found by their words alone, and asked "
                       "for again later",
                       why->message);
    s->vectors_missing = true;
}

/* Ask for the vectors of those that wait. */
static ac_status embed_waiting(search_sink *s, ac_error *err)
{
    view texts[EMBEDDINGS_BATCH_MAX];
    change *changes[EMBEDDINGS_BATCH_MAX];
    size_t count = 0;
    float *vectors;
    ac_error why;

    for (change *c = s->dimensions ? s->unembedded : NULL; c; c = c->next) {
        if (!c->record.text)
            continue;
        texts[count] = (view){c->record.text, c->record.text_length};
        changes[count++] = c;
    }
    s->unembedded = NULL;
    s->unembedded_count = 0;
    if (!count || s->vectors_missing)
        return AC_OK;
    vectors = arena_alloc(&s->memory, count * s->dimensions * sizeof *vectors);
    if (!vectors)
        return no_memory(err);
    if (embeddings_of(s->loader->embeddings, texts, count, 0, vectors, &why) != AC_OK) {
        vectors_failed(s, &why);
        return AC_OK;
    }
    for (size_t i = 0; i < count; i++)
        changes[i]->vector = vectors + i * s->dimensions;
    return AC_OK;
}

/* ---- changes ---- */

static ac_status apply(search_sink *s, search_index *x, ac_error *err)
{
    for (change *c = s->first; c; c = c->next) {
        if (!c->record.text)
            index_remove(x, c->record.id);
        else
            AC_TRY(index_put(x, s->reader, &c->record, c->metadata, c->vector, err));
    }
    return AC_OK;
}

static void clear_changes(search_sink *s)
{
    arena_reset(&s->memory);
    s->first = s->unembedded = NULL;
    s->last = &s->first;
    s->unembedded_count = 0;
}

/* What waits goes into the index that is being built. */
static ac_status flush(search_sink *s, ac_error *err)
{
    AC_TRY(embed_waiting(s, err));
    if (!s->fresh)
        return AC_OK;
    AC_TRY(apply(s, s->fresh, err));
    clear_changes(s);
    return AC_OK;
}

static ac_status note(search_sink *s, change c, ac_error *err)
{
    change *kept = arena_alloc(&s->memory, sizeof *kept);

    if (!kept)
        return no_memory(err);
    *kept = c;
    *s->last = kept;
    s->last = &kept->next;
    if (!s->unembedded)
        s->unembedded = kept;
    if (s->dimensions && c.record.text)
        s->unembedded_count++;
    if (s->fresh && !s->dimensions)
        return flush(s, err);
    return s->unembedded_count == EMBEDDINGS_BATCH_MAX ? flush(s, err) : AC_OK;
}

static bool copy_text(arena *a, const char **text)
{
    if (*text)
        *text = arena_copy(a, *text, strlen(*text));
    return *text;
}

ac_status search_sink_put(search_sink *s, const search_record *record, ac_error *err)
{
    change c = {.record = *record, .metadata = ""};
    arena *a = &s->memory;

    if (!record->id || !record->id[0] || strlen(record->id) >= SEARCH_ID_SIZE)
        return ac_error_set(err, AC_ERR_INVALID, "a record's id has 1 to %d bytes", SEARCH_ID_SIZE - 1);
    if (record->metadata) {
        char *text = yyjson_val_write(record->metadata, 0, NULL);

        c.metadata = text ? arena_copy(a, text, strlen(text)) : NULL;
        free(text);
    }
    c.record.metadata = NULL;
    c.record.text_length = MIN(record->text_length, (size_t)SEARCH_RECORD_BYTES_MAX);
    c.record.text = arena_copy(a, record->text ? record->text : "", record->text ? c.record.text_length : 0);
    if (!c.metadata || !c.record.text || !copy_text(a, &c.record.id) ||
        (record->strategy_id && !copy_text(a, &c.record.strategy_id)) ||
        (record->group && !copy_text(a, &c.record.group)))
        return no_memory(err);
    return note(s, c, err);
}

ac_status search_sink_remove(search_sink *s, const char *id, ac_error *err)
{
    change c = {.record = {.id = id}};

    return copy_text(&s->memory, &c.record.id) ? note(s, c, err) : no_memory(err);
}

static bool begin_fresh(search_sink *s)
{
    index_free(s->fresh);
    s->fresh = index_new();
    if (s->fresh && s->dimensions)
        index_want_vectors(s->fresh, s->dimensions);
    clear_changes(s);
    return s->fresh;
}

void search_sink_reset(search_sink *s)
{
    /* Without memory for a new index there will be none for records either: they say so. */
    if (!begin_fresh(s))
        s->failed = true;
}

/* ---- loading ---- */

static ac_status begin_sink(search_sink *s, const loader *l, const cache_entry *entry, int64_t *ret_since,
                            ac_error *err)
{
    bool anew = !entry->index || index_is_wasteful(entry->index) ||
                (entry->retry_ms && clock_monotonic_ms() >= entry->retry_ms);
    ac_error why;

    *s = (search_sink){.loader = l, .memory = ARENA_INIT, .reader = text_reader_new()};
    s->last = &s->first;
    *ret_since = anew ? 0 : entry->version;
    if (!s->reader)
        return no_memory(err);
    if (l->embeddings && embeddings_dimensions(l->embeddings, 0, &s->dimensions, &why) != AC_OK) {
        s->dimensions = 0;
        vectors_failed(s, &why);
    }
    /* An index that was built without vectors goes on without, until it is built anew. */
    if (!anew && s->dimensions != entry->index->vector_dimensions)
        s->dimensions = 0;
    return !anew || begin_fresh(s) ? AC_OK : no_memory(err);
}

static void end_sink(search_sink *s)
{
    index_free(s->fresh);
    text_reader_free(s->reader);
    arena_done(&s->memory);
}

/* Put what came where queries see it. */
static ac_status publish(search_sink *s, cache_entry *entry, int64_t version, ac_error *err)
{
    search_index *old = NULL;
    ac_status status = s->fresh ? index_settle(s->fresh, s->loader->wordnet, err) : AC_OK;

    if (status != AC_OK)
        return status;
    pthread_rwlock_wrlock(&entry->lock);
    if (s->fresh) {
        old = entry->index;
        entry->index = TAKE_PTR(s->fresh);
    } else {
        status = apply(s, entry->index, err);
        if (status == AC_OK)
            status = index_settle(entry->index, s->loader->wordnet, err);
        if (status != AC_OK) /* some of it may be in: the next one begins anew */
            old = TAKE_PTR(entry->index);
    }
    entry->version = status == AC_OK ? version : 0;
    if (s->vectors_missing)
        entry->retry_ms = clock_monotonic_ms() + VECTOR_RETRY_MS;
    else if (old && status == AC_OK)
        entry->retry_ms = 0;
    pthread_rwlock_unlock(&entry->lock);
    index_free(old);
    return status;
}

static ac_status load(const loader *l, cache_entry *entry, const char *memory, const char *namespace_name,
                      ac_error *err)
{
    search_sink sink;
    int64_t since, version = 0;
    ac_status status = begin_sink(&sink, l, entry, &since, err);

    if (status == AC_OK)
        status = l->source->load(l->source->user, memory, namespace_name, since, &sink, &version, err);
    if (status == AC_OK && sink.failed)
        status = no_memory(err);
    if (status == AC_OK)
        status = flush(&sink, err);
    if (status == AC_OK)
        status = publish(&sink, entry, version, err);
    end_sink(&sink);
    return status;
}

static bool is_current(cache_entry *entry, int64_t version)
{
    bool current;

    pthread_rwlock_rdlock(&entry->lock);
    current =
        entry->index && entry->version >= version && !(entry->retry_ms && clock_monotonic_ms() >= entry->retry_ms);
    pthread_rwlock_unlock(&entry->lock);
    return current;
}

ac_status load_up_to(const loader *l, cache_entry *entry, const char *memory, const char *namespace_name,
                     int64_t version, ac_error *err)
{
    ac_status status = AC_OK;

    if (is_current(entry, version))
        return AC_OK;
    pthread_mutex_lock(&entry->loading);
    if (!is_current(entry, version))
        status = load(l, entry, memory, namespace_name, err);
    pthread_mutex_unlock(&entry->loading);
    return status;
}
