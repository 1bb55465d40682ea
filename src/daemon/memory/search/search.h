/* search.h - finding texts by what they say: an index over the records of one namespace, in memory.
 *
 *     search_index *index = search_index_new(lexicon, &options);
 *     AC_TRY(search_add(index, &(search_text){.id = "mem-1", .text = "The user likes sushi with tuna"}, err));
 *     AC_TRY(search_find(index, &(search_query){.text = "what food does the user like"}, hits, 10, &count, err));
 *
 * A score is made of three parts and calibrated to 0..1, so that a threshold means the same in every namespace:
 *   words      Snowball stems without stop words, BM25
 *   meaning    dot products of unit vectors: of an embeddings model when there is one (search_text.vector), else of
 *              features from WordNet (lexicon.h): synonyms and hypernyms, weighted by how rare they are
 *   context    what the neighbours in the same conversation scored (search_text.group and order)
 *
 * One writer and many readers at a time (a lock inside); no I/O.  Built from the store by whoever owns it. */
#ifndef DAEMON_MEMORY_SEARCH_SEARCH_H
#define DAEMON_MEMORY_SEARCH_SEARCH_H

#include "base/util.h"

#include <stdbool.h>
#include <stdint.h>

#define SEARCH_ID_MAX 64           /* bytes */
#define SEARCH_TEXT_MAX 65536      /* bytes of one text that are looked at */
#define SEARCH_QUERY_MAX 40000     /* bytes of a query that are looked at */
#define SEARCH_DIMENSIONS_MAX 4096 /* of an embedding */

typedef struct search_index search_index;
typedef struct lexicon lexicon; /* lexicon.h: WordNet and stemmer tables, shared by all indexes, read-only */

typedef struct search_options {
    unsigned dimensions; /* of the vectors that come with texts and queries; 0: they come without */
    size_t bytes_max;    /* memory; 0: 1 GiB.  AC_ERR_QUOTA beyond */
} search_options;

/* lexicon may be NULL: no WordNet features. */
search_index *search_index_new(const lexicon *words, const search_options *options);
void search_index_free(search_index *index);
DEFINE_CLEANUP(search_index *, search_index_free)

typedef struct search_text {
    const char *id; /* at most SEARCH_ID_MAX bytes */
    const char *text;
    size_t length;       /* 0: strlen */
    const float *vector; /* options.dimensions long, any length but zero; NULL: not embedded (yet) */
    const char *group;   /* texts of one conversation have the same; NULL: alone */
    int64_t order;       /* inside a group: neighbours are those next to each other */
    uint64_t tag;        /* the caller's: for search_query.accept */
} search_text;

/* Add a text, or put it in place of the one with the same id.  AC_ERR_INVALID, AC_ERR_QUOTA, AC_ERR_NOMEM. */
ac_status search_add(search_index *index, const search_text *text, ac_error *err) AC_MUST_USE;

/* False: there was none. */
bool search_remove(search_index *index, const char *id);

size_t search_count(search_index *index);
size_t search_bytes(search_index *index);

typedef struct search_query {
    const char *text;
    size_t length;       /* 0: strlen */
    const float *vector; /* NULL: not embedded */
    /* Whether a text may be found; NULL: all.  Called under the index's lock; must be quick. */
    bool (*accept)(void *user, const char *id, uint64_t tag);
    void *user;
} search_query;

typedef struct search_hit {
    char id[SEARCH_ID_MAX + 1];
    double score; /* 0..1 */
} search_hit;

/* The best texts, best first; equal scores in the order of ids.  At most room of them, none with score 0.
 * AC_ERR_NOMEM. */
ac_status search_find(search_index *index, const search_query *query, search_hit *ret_hits, size_t room,
                      size_t *ret_count, ac_error *err) AC_MUST_USE;

#endif
