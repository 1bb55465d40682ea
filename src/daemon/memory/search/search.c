/* search.c - a query from start to end: the indexes it needs, held and brought up to date; the ranking under their
 * locks.
 *
 * Locks are taken in the order of the entries' addresses and only to read; the one that changes an index holds no other
 * lock, so nobody waits in a circle. */
#include "daemon/memory/search/search.h"

#include "base/clock.h"
#include "daemon/memory/search/load.h"
#include "daemon/memory/search/rank.h"

#include <agentcore/log.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUERY_TIMEOUT_MS 5000 /* for the vector of a query */
#define QUERY_PAUSE_MS 30000  /* not asked for after a failure */
#define NEAREST_TEXTS_MAX 1000

struct memory_search {
    search_source source;
    embeddings *embeddings;
    char *wordnet_dir;
    pthread_mutex_t wordnet_lock;
    bool wordnet_tried;
    wordnet *wordnet; /* does not change once tried */
    cache *cache;
    atomic_uint_fast64_t vectors_again_ms; /* monotonic */
};

ac_status memory_search_open(const search_options *options, memory_search **ret_search, ac_error *err)
{
    _cleanup_(memory_search_closep) memory_search *s = calloc(1, sizeof *s);

    *ret_search = NULL;
    if (!s)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    pthread_mutex_init(&s->wordnet_lock, NULL);
    s->source = options->source;
    s->embeddings = options->embeddings;
    s->wordnet_dir = strdup(options->wordnet_dir ? options->wordnet_dir : WORDNET_DIR_DEFAULT);
    s->cache = cache_new(options->bytes_max ? options->bytes_max : SEARCH_BYTES_DEFAULT);
    if (!s->wordnet_dir || !s->cache)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    *ret_search = TAKE_PTR(s);
    return AC_OK;
}

void memory_search_close(memory_search *s)
{
    if (!s)
        return;
    cache_free(s->cache);
    wordnet_close(s->wordnet);
    pthread_mutex_destroy(&s->wordnet_lock);
    free(s->wordnet_dir);
    free(s);
}

/* WordNet, opened by the first who needs it; NULL: it is not installed. */
static const wordnet *words_of(memory_search *s)
{
    ac_error err;

    pthread_mutex_lock(&s->wordnet_lock);
    if (!s->wordnet_tried) {
        s->wordnet_tried = true;
        if (wordnet_open(s->wordnet_dir, &s->wordnet, &err) != AC_OK)
            ac_log_info("memory search: without WordNet (%s): synonyms are not found", err.message);
    }
    pthread_mutex_unlock(&s->wordnet_lock);
    return s->wordnet;
}

bool memory_search_wordnet_check(const char *wordnet_dir, char *ret_detail, size_t detail_size)
{
    const char *directory = wordnet_dir ? wordnet_dir : WORDNET_DIR_DEFAULT;
    _cleanup_(wordnet_closep) wordnet *w = NULL;
    wordnet_synset senses[WORDNET_SENSES_MAX];
    ac_error err;
    bool usable = wordnet_open(directory, &w, &err) == AC_OK;

    if (!usable)
        snprintf(ret_detail, detail_size, "%s", err.message);
    else if (!(usable = wordnet_senses(w, WORDNET_NOUN, "word", senses) > 0))
        snprintf(ret_detail, detail_size, "the files in %s are not WordNet's", directory);
    else
        snprintf(ret_detail, detail_size, "%s", directory);
    return usable;
}

void memory_search_forget(memory_search *s, const char *memory, const char *namespace_name)
{
    cache_forget(s->cache, memory, namespace_name);
}

/* ---- entries of a query ---- */

typedef struct held {
    cache_entry *entry;
    unsigned namespace_index;
} held;

typedef struct query_run {
    memory_search *search;
    const search_query *query;
    held *held;
    size_t count;
} query_run;

static int by_address(const void *a, const void *b)
{
    uintptr_t left = (uintptr_t)((const held *)a)->entry, right = (uintptr_t)((const held *)b)->entry;

    return left < right ? -1 : left > right;
}

static void release_all(query_run *r)
{
    for (size_t i = 0; i < r->count; i++)
        cache_release(r->search->cache, r->held[i].entry);
    r->count = 0;
}

static ac_status hold_all(query_run *r, ac_error *err)
{
    const loader l = {&r->search->source, r->search->embeddings, words_of(r->search)};
    size_t different = 0;

    for (size_t i = 0; i < r->query->namespace_count; i++) {
        const search_namespace *n = &r->query->namespaces[i];
        cache_entry *entry = n->version > 0 ? cache_hold(r->search->cache, r->query->memory, n->name) : NULL;

        if (n->version <= 0)
            continue;
        if (!entry)
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
        r->held[r->count++] = (held){entry, (unsigned)i};
        AC_TRY(load_up_to(&l, entry, r->query->memory, n->name, n->version, err));
    }
    qsort(r->held, r->count, sizeof *r->held, by_address);
    for (size_t i = 0; i < r->count; i++) { /* a namespace that is asked twice is searched once */
        if (different > 0 && r->held[different - 1].entry == r->held[i].entry)
            cache_release(r->search->cache, r->held[i].entry);
        else
            r->held[different++] = r->held[i];
    }
    r->count = different;
    return AC_OK;
}

/* ---- the ranking ---- */

/* The vector of a text, aligned and filled up with zeros; NULL: there is none. */
static float *vector_of(memory_search *s, const char *text, size_t length)
{
    view one = {text, length};
    void *vector = NULL;
    unsigned dimensions;
    ac_error err;

    if (!s->embeddings || clock_monotonic_ms() < atomic_load(&s->vectors_again_ms))
        return NULL;
    if (embeddings_dimensions(s->embeddings, QUERY_TIMEOUT_MS, &dimensions, &err) == AC_OK &&
        posix_memalign(&vector, 64, (EMBEDDINGS_DIMENSIONS_MAX + 16) * sizeof(float)) == 0) {
        memset(vector, 0, (EMBEDDINGS_DIMENSIONS_MAX + 16) * sizeof(float));
        if (embeddings_of(s->embeddings, &one, 1, QUERY_TIMEOUT_MS, vector, &err) == AC_OK)
            return vector;
    }
    free(vector);
    ac_log_warning("memory search: no vector for a query (%s); ranked by words alone", err.message);
    atomic_store(&s->vectors_again_ms, clock_monotonic_ms() + QUERY_PAUSE_MS);
    return NULL;
}

static ac_status rank_held(const query_run *r, const ask *asked, const float *vector, arena *a, search_hit **ret_hits,
                           size_t *ret_count, ac_error *err)
{
    rank_target *targets = arena_alloc(a, MAX(r->count, (size_t)1) * sizeof *targets);
    rank_request request = {
        .ask = asked, .vector = vector, .targets = targets, .query = r->query, .weights = &rank_weights_default};
    ac_status status;

    if (!targets)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < r->count; i++) {
        cache_entry *entry = r->held[i].entry;

        pthread_rwlock_rdlock(&entry->lock);
        if (entry->index) /* gone when changes could not be put in */
            targets[request.target_count++] = (rank_target){entry->index, r->held[i].namespace_index};
    }
    status = rank_run(&request, a, ret_hits, ret_count, err);
    for (size_t i = r->count; i-- > 0;)
        pthread_rwlock_unlock(&r->held[i].entry->lock);
    return status;
}

static ac_status run_query(query_run *r, arena *a, search_hit **ret_hits, size_t *ret_count, ac_error *err)
{
    _cleanup_(text_reader_freep) text_reader *reader = text_reader_new();
    size_t length = MIN(r->query->text_length, (size_t)SEARCH_QUERY_BYTES_MAX);
    _cleanup_(arena_done) arena scratch = ARENA_INIT;
    search_hit *hits;
    float *vector;
    ask *asked;
    ac_status status;

    if (!reader)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(hold_all(r, err));
    AC_TRY(ask_read(reader, words_of(r->search), r->query->text, length, clock_unix_ms(), &scratch, &asked, err));
    vector = vector_of(r->search, r->query->text, length);
    status = rank_held(r, asked, vector, &scratch, &hits, ret_count, err);
    free(vector);
    if (status != AC_OK)
        return status;
    *ret_hits = arena_alloc(a, MAX(*ret_count, (size_t)1) * sizeof *hits);
    if (!*ret_hits)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (*ret_count)
        memcpy(*ret_hits, hits, *ret_count * sizeof *hits);
    return AC_OK;
}

ac_status memory_search_query(memory_search *search, const search_query *query, arena *a, search_hit **ret_hits,
                              size_t *ret_count, ac_error *err)
{
    query_run r = {.search = search, .query = query};
    ac_status status;

    *ret_hits = NULL;
    *ret_count = 0;
    if (query->namespace_count > SEARCH_NAMESPACES_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "more than %d namespaces are searched at once", SEARCH_NAMESPACES_MAX);
    r.held = malloc(MAX(query->namespace_count, (size_t)1) * sizeof *r.held);
    if (!r.held)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    status = run_query(&r, a, ret_hits, ret_count, err);
    release_all(&r);
    free(r.held);
    return status;
}

/* ---- a few texts ---- */

static ac_status put_texts(memory_search *s, search_index *x, text_reader *reader, const search_text *texts,
                           size_t count, bool with_vectors, ac_error *err)
{
    unsigned dimensions = 0;
    float *vectors = NULL;
    ac_status status = AC_OK;

    if (with_vectors && embeddings_dimensions(s->embeddings, QUERY_TIMEOUT_MS, &dimensions, NULL) == AC_OK)
        vectors = calloc(MAX(count, (size_t)1) * dimensions, sizeof *vectors);
    for (size_t i = 0; vectors && i < count; i += EMBEDDINGS_BATCH_MAX) {
        view batch[EMBEDDINGS_BATCH_MAX];
        size_t some = MIN(count - i, (size_t)EMBEDDINGS_BATCH_MAX);

        for (size_t j = 0; j < some; j++)
            batch[j] = (view){texts[i + j].text, texts[i + j].length};
        if (embeddings_of(s->embeddings, batch, some, QUERY_TIMEOUT_MS, vectors + i * dimensions, NULL) != AC_OK) {
            free(vectors); /* words alone */
            vectors = NULL;
        }
    }
    if (vectors)
        index_want_vectors(x, dimensions);
    for (size_t i = 0; i < count && status == AC_OK; i++) {
        char id[SEARCH_ID_SIZE];
        search_record record = {.id = id, .text = texts[i].text, .text_length = texts[i].length};

        snprintf(id, sizeof id, "%zu", i);
        status = index_put(x, reader, &record, "", vectors ? vectors + i * dimensions : NULL, err);
    }
    free(vectors);
    return status;
}

ac_status memory_search_nearest(memory_search *search, const char *text, size_t text_length, const search_text *texts,
                                size_t count, double *ret_scores, ac_error *err)
{
    _cleanup_(index_freep) search_index *x = index_new();
    _cleanup_(text_reader_freep) text_reader *reader = text_reader_new();
    _cleanup_(arena_done) arena scratch = ARENA_INIT;
    const wordnet *w = words_of(search);
    rank_weights weights = rank_weights_default;
    search_query query = {.top_k = count, .matches_only = true};
    rank_target target = {.index = x};
    rank_request request = {.targets = &target, .target_count = 1, .query = &query, .weights = &weights};
    search_hit *hits;
    size_t hit_count;
    float *vector;
    ask *asked;
    ac_status status;

    if (count > NEAREST_TEXTS_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "more than %d texts are compared at once", NEAREST_TEXTS_MAX);
    memset(ret_scores, 0, count * sizeof *ret_scores);
    if (!x || !reader)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    text_length = MIN(text_length, (size_t)SEARCH_QUERY_BYTES_MAX);
    vector = vector_of(search, text, text_length);
    status = put_texts(search, x, reader, texts, count, vector != NULL, err);
    if (status == AC_OK)
        status = index_settle(x, w, err);
    if (status == AC_OK)
        status = ask_read(reader, w, text, text_length, clock_unix_ms(), &scratch, &asked, err);
    if (status == AC_OK) {
        weights.feedback = weights.class_ = weights.asks = 0;
        request.ask = asked;
        request.vector = vector;
        status = rank_run(&request, &scratch, &hits, &hit_count, err);
    }
    for (size_t i = 0; status == AC_OK && i < hit_count; i++)
        ret_scores[strtoul(hits[i].id, NULL, 10)] = hits[i].score;
    free(vector);
    return status;
}
