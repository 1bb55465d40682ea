/* index.c - putting records in and taking them out.
 *
 * A record's number is never used twice, and postings are appended in the order of numbers: so each list is sorted, and
 * a removed record needs only its mark (its place is NAME_NONE).  What piles up that way is let go when the owner
 * builds the index anew (index_is_wasteful).
 *
 * Putting in is done in two halves: first everything that can fail, then what cannot, so that a record is there as a
 * whole or not at all. */
#include "daemon/memory/search/index.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SPEAKER_BYTES_MAX 40
#define SPEAKER_WORDS_MAX 4
#define COUNT_MAX UINT16_MAX
#define VECTOR_ALIGN 64
#define STRIDE_STEP 16 /* floats in VECTOR_ALIGN bytes */

search_index *index_new(void)
{
    return calloc(1, sizeof(search_index));
}

void index_free(search_index *x)
{
    if (!x)
        return;
    for (uint32_t i = 0; i < x->terms_by_name.count && i < x->term_capacity; i++)
        free(x->terms[i].postings);
    for (uint32_t i = 0; i < x->record_count; i++)
        free(x->records[i].block);
    names_done(&x->terms_by_name);
    names_done(&x->bases);
    names_done(&x->ids);
    names_done(&x->groups);
    names_done(&x->strategies);
    names_done(&x->speakers);
    free(x->terms);
    free(x->records);
    free(x->place_of);
    free(x->record_of_id);
    free(x->places);
    free(x->concepts);
    free(x->concept_slots);
    free(x->vectors);
    free(x);
}

void index_want_vectors(search_index *x, uint32_t dimensions)
{
    x->vector_dimensions = dimensions;
    x->vector_stride = (dimensions + STRIDE_STEP - 1) / STRIDE_STEP * STRIDE_STEP;
}

size_t index_bytes(const search_index *x)
{
    return sizeof *x + names_bytes(&x->terms_by_name) + names_bytes(&x->bases) + names_bytes(&x->ids) +
           names_bytes(&x->groups) + names_bytes(&x->strategies) + names_bytes(&x->speakers) +
           x->term_capacity * sizeof *x->terms + x->record_capacity * sizeof *x->records +
           x->place_of_capacity * sizeof *x->place_of + x->id_capacity * sizeof *x->record_of_id +
           x->place_capacity * sizeof *x->places + x->concept_capacity * sizeof *x->concepts +
           x->concept_slot_count * sizeof *x->concept_slots + x->block_bytes + x->posting_bytes +
           (size_t)x->vector_capacity * x->vector_stride * sizeof *x->vectors;
}

bool index_is_wasteful(const search_index *x)
{
    return x->record_count - x->live_count > x->live_count + 1000 || x->record_count >= INDEX_RECORDS_MAX;
}

/* Room for one more in an array; grows by half. */
static bool room_for(void **array, uint32_t *capacity, uint32_t count, size_t size)
{
    if (count < *capacity)
        return true;
    uint32_t larger = count + count / 2 + 16;
    void *moved = realloc(*array, larger * size);

    if (!moved)
        return false;
    *array = moved;
    *capacity = larger;
    return true;
}

/* ---- reading a record ---- */

/* One of a term in a record, as it is met: term * 2, + 1 in a question. */
typedef struct reading {
    search_index *x;
    uint32_t *met;
    uint32_t count, capacity;
    uint32_t words, asked_words;
    bool nomem;
} reading;

static uint32_t term_of(search_index *x, const word *w)
{
    uint32_t known = x->terms_by_name.count, number;

    if (!room_for((void **)&x->terms, &x->term_capacity, known, sizeof *x->terms))
        return NAME_NONE;
    number = names_add(&x->terms_by_name, w->term, strlen(w->term));
    if (number == NAME_NONE || number < known)
        return number;
    x->terms[number] = (index_term){.base = names_add(&x->bases, w->base, strlen(w->base))};
    return number;
}

static bool meet(void *user, const word *w)
{
    reading *r = user;
    uint32_t term;

    if (!(w->flags & WORD_JOINED)) {
        r->words++;
        if (w->flags & WORD_ASKED)
            r->asked_words++;
    }
    if (w->flags & WORD_STOP)
        return true;
    term = term_of(r->x, w);
    if (term == NAME_NONE || !room_for((void **)&r->met, &r->capacity, r->count, sizeof *r->met)) {
        r->nomem = true;
        return false;
    }
    r->x->terms[term].uses++;
    if (w->flags & WORD_CAPITAL)
        r->x->terms[term].capitals++;
    r->met[r->count++] = term << 1 | ((w->flags & WORD_ASKED) != 0);
    return r->count < INDEX_WORDS_MAX;
}

static int by_number(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return left < right ? -1 : left > right;
}

/* "Caroline: I went ..." is said by Caroline.  Number + 1; 0: nobody. */
static uint8_t speaker_of(search_index *x, const char *text, size_t length)
{
    char name[SPEAKER_BYTES_MAX];
    size_t at = 0, spaces = 0;
    uint32_t number;

    for (; at < length && at < SPEAKER_BYTES_MAX && text[at] != ':'; at++) {
        unsigned char c = (unsigned char)text[at];

        if (!isalpha(c) && c < 0x80 && !(at > 0 && (c == ' ' || c == '.' || c == '-' || c == '\'' || c == '_')))
            return 0;
        spaces += c == ' ';
        name[at] = (char)(c < 0x80 ? tolower(c) : c);
    }
    if (at == 0 || at >= SPEAKER_BYTES_MAX || at + 1 >= length || text[at + 1] != ' ' || spaces >= SPEAKER_WORDS_MAX)
        return 0;
    number = names_find(&x->speakers, name, at);
    if (number == NAME_NONE && x->speakers.count < INDEX_SPEAKERS_MAX)
        number = names_add(&x->speakers, name, at);
    return number < INDEX_SPEAKERS_MAX ? (uint8_t)(number + 1) : 0;
}

/* ---- putting in ---- */

/* Terms of the record, each once and in order of their numbers, with counts of both kinds. */
typedef struct term_counts {
    uint32_t term;
    uint16_t said, asked;
} term_counts;

static uint32_t count_terms(uint32_t *met, uint32_t count, term_counts *counts)
{
    uint32_t terms = 0;

    if (count)
        qsort(met, count, sizeof *met, by_number);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t term = met[i] >> 1;

        if (terms == 0 || counts[terms - 1].term != term)
            counts[terms++] = (term_counts){.term = term};
        uint16_t *which = met[i] & 1 ? &counts[terms - 1].asked : &counts[terms - 1].said;
        if (*which < COUNT_MAX)
            ++*which;
    }
    return terms;
}

static bool reserve_postings(search_index *x, const term_counts *counts, uint32_t terms)
{
    for (uint32_t i = 0; i < terms; i++) {
        index_term *t = &x->terms[counts[i].term];

        if (t->count == t->capacity) {
            uint32_t capacity = t->count + t->count / 2 + 2;
            index_posting *postings = realloc(t->postings, capacity * sizeof *postings);

            if (!postings)
                return false;
            x->posting_bytes += (capacity - t->capacity) * sizeof *postings;
            t->postings = postings;
            t->capacity = capacity;
        }
    }
    return true;
}

static bool reserve_vector(search_index *x)
{
    uint32_t capacity = x->record_count + x->record_count / 2 + 16;
    size_t row = x->vector_stride * sizeof(float);
    void *vectors;

    if (x->record_count < x->vector_capacity)
        return true;
    if (posix_memalign(&vectors, VECTOR_ALIGN, capacity * row) != 0)
        return false;
    if (x->vectors)
        memcpy(vectors, x->vectors, x->record_count * row);
    free(x->vectors);
    x->vectors = vectors;
    x->vector_capacity = capacity;
    return true;
}

/* Everything of a record that needs memory: its place in the tables, and its block. */
static bool reserve_record(search_index *x, const search_record *from, const char *metadata, index_record *record,
                           uint32_t terms, uint32_t *ret_id)
{
    size_t id_length = strlen(from->id), metadata_length = strlen(metadata);
    size_t bytes = terms * sizeof(uint32_t) + id_length + 1 + metadata_length + 1;

    record->block = malloc(bytes);
    if (record->block) {
        record->terms = (uint32_t *)(void *)record->block; /* first, where it is aligned */
        record->metadata = (uint32_t)(terms * sizeof(uint32_t) + id_length + 1);
        memcpy(record->block + terms * sizeof(uint32_t), from->id, id_length + 1);
        memcpy(record->block + record->metadata, metadata, metadata_length + 1);
    }
    if (!record->block)
        return false;
    *ret_id = names_add(&x->ids, from->id, id_length);
    if (*ret_id == NAME_NONE ||
        !room_for((void **)&x->record_of_id, &x->id_capacity, x->ids.count, sizeof *x->record_of_id) ||
        !room_for((void **)&x->records, &x->record_capacity, x->record_count, sizeof *x->records) ||
        !room_for((void **)&x->place_of, &x->place_of_capacity, x->record_count, sizeof *x->place_of) ||
        (x->vector_dimensions && !reserve_vector(x)))
        return false;
    record->group = from->group ? names_add(&x->groups, from->group, strlen(from->group)) : NAME_NONE;
    record->strategy =
        from->strategy_id ? names_add(&x->strategies, from->strategy_id, strlen(from->strategy_id)) : NAME_NONE;
    if ((from->group && record->group == NAME_NONE) || (from->strategy_id && record->strategy == NAME_NONE))
        return false;
    x->block_bytes += bytes;
    return true;
}

/* The half that cannot fail. */
static void commit(search_index *x, const index_record *record, const term_counts *counts, uint32_t terms, uint32_t id,
                   const float *vector)
{
    uint32_t number = x->record_count++;

    x->records[number] = *record;
    x->records[number].term_count = terms;
    x->place_of[number] = 0;
    for (uint32_t i = 0; i < terms; i++) {
        index_term *t = &x->terms[counts[i].term];

        t->postings[t->count++] = (index_posting){number, counts[i].said, counts[i].asked};
        t->records++;
        x->records[number].terms[i] = counts[i].term;
    }
    if (x->vector_dimensions) {
        float *row = x->vectors + (size_t)number * x->vector_stride;

        memset(row, 0, x->vector_stride * sizeof *row);
        if (vector)
            memcpy(row, vector, x->vector_dimensions * sizeof *row);
    }
    x->record_of_id[id] = number;
    x->live_count++;
    x->length_sum += record->length;
    x->places_stale = true;
}

ac_status index_put(search_index *x, text_reader *reader, const search_record *from, const char *metadata,
                    const float *vector, ac_error *err)
{
    reading r = {.x = x};
    index_record record = {.time_ms = from->time_ms,
                           .sequence = from->sequence,
                           .created_ms = from->created_ms,
                           .updated_ms = from->updated_ms};
    size_t length = MIN(from->text_length, (size_t)SEARCH_RECORD_BYTES_MAX);
    term_counts *counts;
    uint32_t terms = 0, id = NAME_NONE;
    bool well;

    if (!from->id || !from->id[0] || strlen(from->id) >= SEARCH_ID_SIZE)
        return ac_error_set(err, AC_ERR_INVALID, "a record's id has 1 to %d bytes", SEARCH_ID_SIZE - 1);
    index_remove(x, from->id);
    record.speaker = speaker_of(x, from->text, length);
    text_read(reader, from->text, length, meet, &r);
    record.length = r.count;
    record.asked_share = r.words ? (float)r.asked_words / (float)r.words : 0;
    counts = malloc((r.count + 1) * sizeof *counts);
    well = counts && !r.nomem && x->record_count < INDEX_RECORDS_MAX;
    if (well) {
        terms = count_terms(r.met, r.count, counts);
        well = reserve_postings(x, counts, terms) && reserve_record(x, from, metadata, &record, terms, &id);
    }
    if (well)
        commit(x, &record, counts, terms, id, vector);
    else
        free(record.block);
    free(counts);
    free(r.met);
    return well ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* ---- taking out ---- */

void index_remove(search_index *x, const char *id)
{
    uint32_t number = names_find(&x->ids, id, strlen(id));
    index_record *record;

    if (number == NAME_NONE || number >= x->id_capacity || x->record_of_id[number] == NAME_NONE)
        return;
    record = &x->records[x->record_of_id[number]];
    for (uint32_t i = 0; i < record->term_count; i++)
        x->terms[record->terms[i]].records--;
    x->live_count--;
    x->length_sum -= record->length;
    x->place_of[x->record_of_id[number]] = NAME_NONE;
    x->record_of_id[number] = NAME_NONE;
    x->places_stale = true;
}
