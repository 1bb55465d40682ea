/* concepts.c - walks through WordNet, each bounded by CONCEPTS_MAX and by its depth. */
#include "daemon/memory/search/concepts.h"

#include <string.h>

#define POINTERS_MAX 48  /* looked at of one meaning */
#define RANK_DECAY 0.7F  /* a word's second meaning counts for this much of its first */
#define NEAR_WEIGHT 0.6F /* of what is similar, a derived or a pertaining meaning */

static bool is_kind_of(const wordnet_pointer *p)
{
    return p->kind[0] == '@' && (p->kind[1] == '\0' || p->kind[1] == 'i');
}

/* Add one, or come to know a shorter way to it. */
static size_t add(concept *concepts, size_t count, concept one)
{
    for (size_t i = 0; i < count; i++) {
        if (concepts[i].synset != one.synset)
            continue;
        if (one.rank + one.depth < concepts[i].rank + concepts[i].depth)
            concepts[i] = one;
        return count;
    }
    if (count < CONCEPTS_MAX)
        concepts[count++] = one;
    return count;
}

/* A meaning and all above it, breadth first: the part of the list from `from` on is the queue. */
static size_t climb(const wordnet *w, concept start, unsigned depth_max, concept *concepts, size_t count)
{
    size_t from = count;

    count = add(concepts, count, start);
    for (size_t at = from; at < count; at++) {
        wordnet_pointer pointers[POINTERS_MAX];
        concept below = concepts[at];

        if (below.depth >= depth_max)
            continue;
        size_t found = wordnet_pointers(w, below.synset, NULL, pointers, POINTERS_MAX);
        for (size_t i = 0; i < found; i++) {
            if (!is_kind_of(&pointers[i]))
                continue;
            concept above = below;
            above.synset = pointers[i].target & 0x3FFFFFF;
            above.depth = (below.depth + 1) & 7;
            above.instance = below.instance || pointers[i].kind[1] == 'i';
            count = add(concepts, count, above);
        }
    }
    return count;
}

size_t concepts_of(const wordnet *w, const char *base, concept ret_concepts[CONCEPTS_MAX])
{
    char lemma[WORDNET_LEMMA_MAX];
    wordnet_synset senses[WORDNET_SENSES_MAX];
    size_t count = 0;

    for (wordnet_part part = 0; part < WORDNET_PARTS; part++) {
        unsigned depth = part == WORDNET_NOUN ? CONCEPT_DEPTH_CLASS : part == WORDNET_VERB ? CONCEPT_DEPTH_KIND : 0;

        if (!wordnet_lemma(w, part, base, lemma))
            continue;
        size_t found = wordnet_senses(w, part, lemma, senses);
        for (size_t i = 0; i < found && i <= CONCEPT_RANK_MAX; i++) {
            concept start = {.synset = senses[i] & 0x3FFFFFF, .rank = i & 3};

            count = climb(w, start, depth, ret_concepts, count);
        }
    }
    return count;
}

static size_t add_target(concept_target *targets, size_t count, wordnet_synset synset, float weight)
{
    for (size_t i = 0; i < count; i++) {
        if (targets[i].synset != synset)
            continue;
        targets[i].weight = MAX(targets[i].weight, weight);
        return count;
    }
    if (count < CONCEPTS_MAX)
        targets[count++] = (concept_target){synset, weight};
    return count;
}

static size_t add_near(const wordnet *w, wordnet_synset sense, const char *lemma, float weight, concept_target *targets,
                       size_t count)
{
    wordnet_pointer pointers[POINTERS_MAX];
    size_t found = wordnet_pointers(w, sense, lemma, pointers, POINTERS_MAX);

    for (size_t i = 0; i < found; i++)
        if (pointers[i].kind[0] == '+')
            count = add_target(targets, count, pointers[i].target, weight);
    found = wordnet_pointers(w, sense, NULL, pointers, POINTERS_MAX);
    for (size_t i = 0; i < found; i++)
        if (strchr("&\\^", pointers[i].kind[0]))
            count = add_target(targets, count, pointers[i].target, weight * NEAR_WEIGHT);
    return count;
}

size_t concepts_asked(const wordnet *w, const char *base, concept_target ret_targets[CONCEPTS_MAX])
{
    char lemma[WORDNET_LEMMA_MAX];
    wordnet_synset senses[WORDNET_SENSES_MAX];
    size_t count = 0;

    for (wordnet_part part = 0; part < WORDNET_PARTS; part++) {
        float weight = 1;

        if (!wordnet_lemma(w, part, base, lemma))
            continue;
        size_t found = wordnet_senses(w, part, lemma, senses);
        for (size_t i = 0; i < found && i <= CONCEPT_RANK_MAX; i++) {
            count = add_target(ret_targets, count, senses[i], weight);
            count = add_near(w, senses[i], lemma, weight, ret_targets, count);
            weight *= RANK_DECAY;
        }
    }
    return count;
}

size_t concepts_class(const wordnet *w, const char *phrase, concept_target ret_targets[CONCEPTS_MAX])
{
    char lemma[WORDNET_LEMMA_MAX];
    wordnet_synset senses[WORDNET_SENSES_MAX];

    if (!wordnet_lemma(w, WORDNET_NOUN, phrase, lemma) || wordnet_senses(w, WORDNET_NOUN, lemma, senses) == 0)
        return 0;
    return add_target(ret_targets, 0, senses[0], 1);
}
