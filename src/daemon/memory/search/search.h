/* search.h - finding memory records: what is asked in words against what was stored, best first, 0 to 1.
 *
 * One memory_search per daemon.  It keeps an index per (memory, namespace), made when it is first asked for, brought up
 * to date through the source before each query whose version is newer, and thrown away, least recently used first,
 * when all of them together pass bytes_max.  Nothing in here is durable: the store has the records.
 *
 * How it ranks is described in docs/memory-search.md.  In short: stems weighed by BM25, WordNet's synonyms and kinds of
 * (when installed), who speaks and when, the turns before and after within one conversation; and vectors, when an
 * embeddings service is configured.
 *
 * All calls are thread-safe unless it says otherwise.  Queries on one index run side by side. */
#ifndef MEMORY_SEARCH_SEARCH_H
#define MEMORY_SEARCH_SEARCH_H

#include "agent/embeddings.h"
#include "base/arena.h"

#include <agentcore/json.h>
#include <stdbool.h>

#define SEARCH_ID_SIZE 64                /* of a record's id, with its NUL; longer ones are refused */
#define SEARCH_TOP_K_MAX 1000            /* hits of one query; more are cut */
#define SEARCH_NAMESPACES_MAX 4096       /* of one query */
#define SEARCH_RECORD_BYTES_MAX 65536    /* of a record's text are read; the rest is not searched */
#define SEARCH_QUERY_BYTES_MAX 16384     /* of a query's text are read */
#define SEARCH_BYTES_DEFAULT (64U << 20) /* for all indexes together */

typedef struct memory_search memory_search;

/* One record, as the loader passes it.  Everything is borrowed during the call.
 *
 * group and the two parts of its order say which records are neighbours, as turns of one conversation are:
 *   - a record that was put by BatchCreateMemoryRecords: group is the value of its metadata key "sessionId" when it has
 *     one, otherwise "" (all of the namespace's records without one are one stream, cut where more than
 *     SEARCH_PAUSE_MS lie between two of them);
 *   - a record that extraction made: NULL: it stands alone, and its neighbours say nothing about it.
 * time_ms is the record's timestamp (of the request; for extracted ones, of the newest turn it rests on), and
 * sequence, raised with each record the store takes in, keeps the order of those with equal ones: within one
 * BatchCreateMemoryRecords the order of its records. */
typedef struct search_record {
    const char *id; /* memoryRecordId */
    const char *text;
    size_t text_length;
    const char *strategy_id; /* NULL: none */
    const char *group;
    int64_t time_ms;
    int64_t sequence;
    yyjson_val *metadata; /* JSON object as stored, or NULL; kept only for accept */
    int64_t created_ms, updated_ms;
} search_record;

#define SEARCH_PAUSE_MS (INT64_C(4) * 3600 * 1000)

/* What the loader fills.  Used by one thread during one load. */
typedef struct search_sink search_sink;

/* Forget everything: what is put from here on is all there is. */
void search_sink_reset(search_sink *sink);

/* Add a record, or replace the one of the same id.  AC_ERR_INVALID (id too long or empty), AC_ERR_NOMEM. */
ac_status search_sink_put(search_sink *sink, const search_record *record, ac_error *err) AC_MUST_USE;

/* Forget a record; one that is not there is no error. */
ac_status search_sink_remove(search_sink *sink, const char *id, ac_error *err) AC_MUST_USE;

/* Bring an index from since_version (0: it is empty) to the newest there is: puts and removes, or a reset and
 * everything. *ret_version is what it then has (at least what the query asked for).  Called on the thread that
 * queries, one call at a time for one index, several for different ones; may read the store and block; must not call
 * this room.  When it fails, the query fails with the same error and the index stays as it was. */
typedef struct search_source {
    ac_status (*load)(void *user, const char *memory, const char *namespace_name, int64_t since_version,
                      search_sink *sink, int64_t *ret_version, ac_error *err);
    void *user;
} search_source;

/* Zero means the default beside it.  Strings are copied; embeddings outlives the search. */
typedef struct search_options {
    size_t bytes_max; /* SEARCH_BYTES_DEFAULT */
    search_source source;
    embeddings *embeddings;  /* NULL: the built-in ranking alone */
    const char *wordnet_dir; /* WordNet's data files; /usr/share/wordnet.  Without them: no synonyms */
} search_options;

/* Reads nothing yet: WordNet is opened by the first query.  AC_ERR_NOMEM. */
ac_status memory_search_open(const search_options *options, memory_search **ret_search, ac_error *err) AC_MUST_USE;
void memory_search_close(memory_search *search); /* no query may be running */
DEFINE_CLEANUP(memory_search *, memory_search_close)

typedef struct search_namespace {
    const char *name;
    int64_t
        version; /* the newest, as the store says now; the index is loaded when it has an older one; 0: no records */
} search_namespace;

typedef struct search_query {
    const char *memory;
    const search_namespace *namespaces; /* statistics of words are counted over all of them together */
    size_t namespace_count;
    const char *text;
    size_t text_length;
    size_t top_k;            /* 0: 10 */
    const char *strategy_id; /* NULL: any */
    bool matches_only;       /* leave out records that have nothing in common with the query; otherwise they fill up,
                                newest first, with a score of 0.01: a search by nearness always finds something */
    /* Whether a record may be among the hits; NULL: all may.  Called best first, until top_k are found, with the index
     * locked for reading: it must not block for long or call this room.  metadata lives during the call. */
    bool (*accept)(void *user, const char *record_id, yyjson_val *metadata, int64_t created_ms, int64_t updated_ms);
    void *user;
} search_query;

typedef struct search_hit {
    char id[SEARCH_ID_SIZE];
    unsigned namespace_index; /* into the query's namespaces */
    double score; /* 0 < score <= 1: how much of what is asked the record holds; comparable between queries */
} search_hit;

/* The best records, best first.  *ret_hits lives in a.
 * AC_ERR_INVALID (too many namespaces), AC_ERR_NOMEM, what the source fails with.  An embeddings service that does not
 * answer is logged and left out. */
ac_status memory_search_query(memory_search *search, const search_query *query, arena *a, search_hit **ret_hits,
                              size_t *ret_count, ac_error *err) AC_MUST_USE;

/* Forget the indexes of a memory that is gone (namespace_name NULL) or of one namespace.  Only saves room sooner. */
void memory_search_forget(memory_search *search, const char *memory, const char *namespace_name);

typedef struct search_text {
    const char *text;
    size_t length;
} search_text;

/* The same ranking over a few texts, without an index: ret_scores[i] is how near texts[i] is to text, 0 to 1 (0:
 * nothing in common).  Statements with the same words, in whatever order, score 0.9 and more.  count <= 1000. */
ac_status memory_search_nearest(memory_search *search, const char *text, size_t text_length, const search_text *texts,
                                size_t count, double *ret_scores, ac_error *err) AC_MUST_USE;

/* What WordNet has to offer: a sentence for `agentcored check`.  True when it is usable. */
bool memory_search_wordnet_check(const char *wordnet_dir, char *ret_detail, size_t detail_size);

#endif
