/* index_settle.c - what is made after changes and before ranking: places, and where meanings lead. */
#include "daemon/memory/search/index.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 1024
#define INSERT_MAX 64 /* new records that are put in one by one; more: everything is sorted */

/* ---- places ---- */

static int compare_records(const search_index *x, uint32_t a, uint32_t b)
{
    const index_record *left = &x->records[a], *right = &x->records[b];

    if (left->group != right->group)
        return left->group < right->group ? -1 : 1;
    if (left->time_ms != right->time_ms)
        return left->time_ms < right->time_ms ? -1 : 1;
    if (left->sequence != right->sequence)
        return left->sequence < right->sequence ? -1 : 1;
    return a < b ? -1 : a > b;
}

static int by_place(const void *a, const void *b, void *user)
{
    return compare_records(user, ((const index_place *)a)->record, ((const index_place *)b)->record);
}

/* The new ones stand behind the others, which are in order. */
static void insert_new(const search_index *x, uint32_t sorted, uint32_t count)
{
    for (uint32_t i = sorted; i < count; i++) {
        index_place one = x->places[i];
        uint32_t at = i;

        for (; at > 0 && compare_records(x, x->places[at - 1].record, one.record) > 0; at--)
            ;
        memmove(&x->places[at + 1], &x->places[at], (i - at) * sizeof one);
        x->places[at] = one;
    }
}

static bool together(const search_index *x, uint32_t a, uint32_t b)
{
    const index_record *left = &x->records[x->places[a].record], *right = &x->records[x->places[b].record];

    return left->group == right->group && left->group != NAME_NONE &&
           (uint64_t)right->time_ms - (uint64_t)left->time_ms <= SEARCH_PAUSE_MS;
}

static void find_neighbours(const search_index *x, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bool same = i > 0 && together(x, i - 1, i);

        const index_record *record = &x->records[x->places[i].record];

        x->place_of[x->places[i].record] = i;
        x->places[i].asked_share = record->asked_share;
        x->places[i].length = (uint16_t)record->length;
        x->places[i].speaker = record->speaker;
        x->places[i].before = same ? (uint8_t)MIN(x->places[i - 1].before + 1, INDEX_WINDOW) : 0;
    }
    for (uint32_t i = count; i-- > 0;) {
        bool same = i + 1 < count && together(x, i, i + 1);

        x->places[i].after = same ? (uint8_t)MIN(x->places[i + 1].after + 1, INDEX_WINDOW) : 0;
    }
}

static bool settle_places(search_index *x)
{
    uint32_t count = 0, placed = 0, newest = 0;

    if (!x->places_stale)
        return true;
    if (x->place_capacity < x->live_count) {
        uint32_t capacity = x->live_count + x->live_count / 2 + 16;
        index_place *places = realloc(x->places, capacity * sizeof *places);

        if (!places)
            return false;
        memset(places + x->place_capacity, 0, (capacity - x->place_capacity) * sizeof *places);
        x->places = places;
        x->place_capacity = capacity;
    }
    /* Those that had a place keep their order; the rest have numbers above all of theirs. */
    for (uint32_t i = 0; i < x->placed_count; i++) {
        uint32_t record = x->places[i].record;

        newest = MAX(newest, record + 1);
        if (x->place_of[record] != NAME_NONE)
            x->places[count++].record = record;
    }
    placed = count;
    for (uint32_t i = newest; i < x->record_count; i++)
        if (x->place_of[i] != NAME_NONE)
            x->places[count++].record = i;
    if (count - placed <= INSERT_MAX)
        insert_new(x, placed, count);
    else
        qsort_r(x->places, count, sizeof *x->places, by_place, x);
    find_neighbours(x, count);
    x->placed_count = count;
    x->places_stale = false;
    return true;
}

/* ---- concepts ---- */

static uint32_t slot_of(const search_index *x, uint32_t synset)
{
    return (uint32_t)((synset * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (x->concept_slot_count - 1);
}

static bool grow_slots(search_index *x)
{
    uint32_t count = x->concept_slot_count ? x->concept_slot_count * 2 : SLOTS_FIRST;
    uint32_t *slots = calloc(count, sizeof *slots);

    if (!slots)
        return false;
    free(x->concept_slots);
    x->concept_slots = slots;
    x->concept_slot_count = count;
    for (uint32_t i = 0; i < x->concept_count; i++) {
        uint32_t *slot = &slots[slot_of(x, x->concepts[i].concept.synset)];

        x->concepts[i].next = *slot;
        *slot = i + 1;
    }
    return true;
}

static bool add_concept(search_index *x, concept one, uint32_t term)
{
    if (x->concept_count == x->concept_capacity) {
        uint32_t capacity = x->concept_count + x->concept_count / 2 + 256;
        index_concept *concepts = realloc(x->concepts, capacity * sizeof *concepts);

        if (!concepts)
            return false;
        x->concepts = concepts;
        x->concept_capacity = capacity;
    }
    if (x->concept_count >= x->concept_slot_count && !grow_slots(x))
        return false;
    uint32_t *slot = &x->concept_slots[slot_of(x, one.synset)];
    x->concepts[x->concept_count] = (index_concept){one, term, *slot};
    *slot = ++x->concept_count;
    return true;
}

static bool settle_concepts(search_index *x, const wordnet *w)
{
    concept concepts[CONCEPTS_MAX];

    for (; w && x->concept_terms < x->terms_by_name.count; x->concept_terms++) {
        uint32_t base = x->terms[x->concept_terms].base;
        size_t count = base == NAME_NONE ? 0 : concepts_of(w, names_text(&x->bases, base), concepts);

        for (size_t i = 0; i < count; i++)
            if (!add_concept(x, concepts[i], x->concept_terms))
                return false;
    }
    return true;
}

const index_concept *index_next_concept(const search_index *x, wordnet_synset synset, uint32_t *at)
{
    if (!x->concept_slot_count)
        return NULL;
    for (*at = *at ? x->concepts[*at - 1].next : x->concept_slots[slot_of(x, synset)]; *at;
         *at = x->concepts[*at - 1].next)
        if (x->concepts[*at - 1].concept.synset == synset)
            return &x->concepts[*at - 1];
    return NULL;
}

ac_status index_settle(search_index *x, const wordnet *w, ac_error *err)
{
    return settle_places(x) && settle_concepts(x, w) ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}
