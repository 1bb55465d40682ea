/* index.h - the records of one namespace, laid out for ranking.
 *
 * What is kept of a record: which terms it has and how often (in statements and in questions apart), when, where in
 * which conversation, who speaks, what filters need; not its text.  An index is changed by one thread while nobody
 * reads it; its owner sees to that.
 *
 * Places: the records in the order of their conversations.  Everything that ranks counts in places, so that a turn's
 * neighbours are beside it. */
#ifndef MEMORY_SEARCH_INDEX_H
#define MEMORY_SEARCH_INDEX_H

#include "daemon/memory/search/concepts.h"
#include "daemon/memory/search/names.h"
#include "daemon/memory/search/search.h"
#include "daemon/memory/search/text.h"

#define INDEX_WINDOW 6         /* neighbours on each side that may count */
#define INDEX_SPEAKERS_MAX 255 /* that are told apart; more are nobody */
#define INDEX_RECORDS_MAX (UINT32_C(1) << 24)
#define INDEX_WORDS_MAX 16384 /* of a record that are indexed */

typedef struct index_posting {
    uint32_t record;
    uint16_t said;  /* in statements */
    uint16_t asked; /* in questions */
} index_posting;

typedef struct index_term {
    index_posting *postings; /* in the order of records; those of removed records stay until the next reset */
    uint32_t count, capacity;
    uint32_t records; /* that have it and are not removed */
    uint32_t base;    /* a base of it, number in bases: for WordNet */
    uint32_t uses, capitals;
} index_term;

typedef struct index_record {
    char *block;     /* terms, id, metadata as JSON text or "": one allocation */
    uint32_t *terms; /* each once, in the order of numbers; in block */
    uint32_t term_count;
    uint32_t length;   /* words without stop words */
    uint32_t strategy; /* number in strategies; NAME_NONE: none */
    uint32_t group;    /* number in groups; NAME_NONE: alone */
    uint32_t metadata; /* offset in block */
    float asked_share; /* part of its words that are in questions */
    uint8_t speaker;   /* number in speakers + 1; 0: nobody */
    int64_t time_ms, sequence, created_ms, updated_ms;
} index_record;

/* What ranking needs to know of a place. */
typedef struct index_place {
    uint32_t record;
    float asked_share;     /* as the record's */
    uint16_t length;       /* as the record's, up to INDEX_WORDS_MAX */
    uint8_t before, after; /* neighbours of the same conversation, up to INDEX_WINDOW */
    uint8_t speaker;       /* as the record's */
} index_place;

/* Where a meaning leads to a term: chained by hash of the meaning. */
typedef struct index_concept {
    concept concept;
    uint32_t term;
    uint32_t next; /* index + 1 */
} index_concept;

typedef struct search_index {
    names terms_by_name, bases, ids, groups, strategies, speakers;
    index_term *terms; /* by number in terms_by_name */
    uint32_t term_capacity;
    index_record *records;
    uint32_t *place_of; /* by record; NAME_NONE: removed */
    uint32_t record_count, record_capacity, place_of_capacity, live_count;
    uint32_t *record_of_id; /* by number in ids; NAME_NONE: removed */
    uint32_t id_capacity;
    index_place *places;
    uint32_t place_capacity, placed_count;
    bool places_stale;
    uint64_t length_sum; /* of live records */
    index_concept *concepts;
    uint32_t concept_count, concept_capacity;
    uint32_t *concept_slots; /* index + 1; a power of two of them */
    uint32_t concept_slot_count;
    uint32_t concept_terms; /* terms below this number have their concepts in */
    size_t block_bytes, posting_bytes;
    float *vectors; /* aligned; vector_dimensions numbers per record, by record number; NULL: none */
    uint32_t vector_dimensions, vector_stride, vector_capacity;
} search_index;

search_index *index_new(void); /* NULL: out of memory */
void index_free(search_index *x);
DEFINE_CLEANUP(search_index *, index_free)

/* Put a record in, in place of one with its id.  metadata: its JSON text instead of the record's member, "": none.
 * vector: vector_dimensions numbers, or NULL.  When it fails, the record is not there (nor what it replaced). */
ac_status index_put(search_index *x, text_reader *reader, const search_record *record, const char *metadata,
                    const float *vector, ac_error *err) AC_MUST_USE;

/* Vectors of that many numbers belong to the records.  Before the first record. */
void index_want_vectors(search_index *x, uint32_t dimensions);

void index_remove(search_index *x, const char *id);

/* After changes, before ranking: places, and concepts of new terms (wordnet may be NULL). */
ac_status index_settle(search_index *x, const wordnet *w, ac_error *err) AC_MUST_USE;

/* Whether so much was removed that it should be built anew. */
bool index_is_wasteful(const search_index *x);

size_t index_bytes(const search_index *x);

/* A record's id and its metadata, JSON text or "". */
static inline const char *index_record_id(const index_record *r)
{
    return r->block + r->term_count * sizeof *r->terms;
}

static inline const char *index_record_metadata(const index_record *r)
{
    return r->block + r->metadata;
}

/* The terms that a meaning leads to: call with *at 0 first; NULL: no more. */
const index_concept *index_next_concept(const search_index *x, wordnet_synset synset, uint32_t *at);

#endif
