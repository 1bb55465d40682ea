/* concepts.h - what a word may mean, as WordNet sees it.
 *
 * A record's word brings its own meanings and what they are kinds of: "sushi" brings sushi, dish, nutriment, food.  A
 * query's word asks for its own meanings and what is derived from or near to them.  Where the two meet, the record has
 * something of what is asked, though the words differ. */
#ifndef MEMORY_SEARCH_CONCEPTS_H
#define MEMORY_SEARCH_CONCEPTS_H

#include "daemon/memory/search/wordnet.h"

#define CONCEPTS_MAX 64       /* of one word */
#define CONCEPT_RANK_MAX 2    /* meanings of a word from the fourth on are left out, for each part of speech */
#define CONCEPT_DEPTH_KIND 2  /* steps from a meaning to what it is a kind of, for any word of a query */
#define CONCEPT_DEPTH_CLASS 6 /* and for the word that names what is asked for: "which cities" */

/* One of a record's word.  Packed, for there are many. */
typedef struct concept {
    uint32_t synset : 26;
    uint32_t rank : 2;     /* which of the word's meanings it comes from: 0 is the most frequent */
    uint32_t depth : 3;    /* steps up from there */
    uint32_t instance : 1; /* by way of "is an instance of": the word is a name, as "Paris" */
}
concept;

/* Returns how many. */
size_t concepts_of(const wordnet *w, const char *base, concept ret_concepts[CONCEPTS_MAX]);

typedef struct concept_target {
    wordnet_synset synset;
    float weight; /* up to 1 */
} concept_target;

/* What a query's word asks for. */
size_t concepts_asked(const wordnet *w, const char *base, concept_target ret_targets[CONCEPTS_MAX]);

/* What a noun phrase that names what is asked for stands for: "martial_arts", "cities"; 0 when it is no noun. */
size_t concepts_class(const wordnet *w, const char *phrase, concept_target ret_targets[CONCEPTS_MAX]);

#endif
