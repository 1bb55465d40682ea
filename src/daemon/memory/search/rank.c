/* rank.c - ranking from start to end: memory for the parts, the three steps, and the picking of the best. */
#include "daemon/memory/search/rank_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOP_K_DEFAULT 10
#define APART_PLACES 2
#define SCORE_FULL 0.9 /* of a record that has each term of the query once */
#define SCORE_POWER 0.8
#define SCORE_NOTHING 0.01 /* of a record with nothing in common, which only fills up */

const rank_weights rank_weights_default = {
    .length_share = 0.3F,
    .window_half = 0.8F,
    .own_half = 0.8F,
    .own = 0.2F,
    .next = 0.7F,
    .next_decay = 0.65F,
    .last = 0.4F,
    .last_decay = 0.7F,
    .answer = 0.7F,
    .question = 0.5F,
    .question_back = 0.5F,
    .rarity_power = 1.2F,
    .weak = 0.4F,
    .name = 0.3F,
    .meaning = 0.2F,
    .class_ = 1.0F,
    .speaker = 0.2F,
    .moment = 1.5F,
    .asks = 0.3F,
    .feedback = 0.2F,
    .several_own = 0.4F,
    .several_speaker = 0.2F,
    .several_apart = 0.1F,
    .vector = 1.0F,
};

/* ---- picking ---- */

typedef struct pick {
    float score;
    uint32_t part, record;
    float apart; /* factor of the score for its neighbours among the hits, so far */
} pick;

static int64_t time_of(const ranking *r, const pick *p)
{
    return r->parts[p->part].index->records[p->record].time_ms;
}

/* Whether a goes before b: the better one; of equals the newer one. */
static bool before(const ranking *r, const pick *a, const pick *b)
{
    if (a->score != b->score)
        return a->score > b->score;
    int64_t left = time_of(r, a), right = time_of(r, b);
    if (left != right)
        return left > right;
    return a->part != b->part ? a->part < b->part : a->record < b->record;
}

static void sift(const ranking *r, pick *heap, size_t count, size_t at)
{
    for (;;) {
        size_t first = at, left = at * 2 + 1;

        if (left < count && before(r, &heap[left], &heap[first]))
            first = left;
        if (left + 1 < count && before(r, &heap[left + 1], &heap[first]))
            first = left + 1;
        if (first == at)
            return;
        pick one = heap[at];
        heap[at] = heap[first];
        heap[first] = one;
        at = first;
    }
}

/* All places that may be hits, as a heap: those with a score, or those without. */
static size_t gather(const ranking *r, bool scored, pick *heap)
{
    const search_query *q = r->request->query;
    size_t count = 0;

    for (size_t i = 0; i < r->part_count; i++) {
        const rank_part *part = &r->parts[i];
        const search_index *x = part->index;
        uint32_t strategy = q->strategy_id ? names_find(&x->strategies, q->strategy_id, strlen(q->strategy_id)) : 0;

        if (strategy == NAME_NONE)
            continue;
        for (uint32_t j = 0; j < part->places; j++) {
            uint32_t record = x->places[j].record;

            if ((part->scores[j] > 0) != scored)
                continue;
            if (!q->strategy_id || x->records[record].strategy == strategy)
                heap[count++] = (pick){MAX(part->scores[j], 0), (uint32_t)i, record, 1};
        }
    }
    for (size_t i = count / 2; i-- > 0;)
        sift(r, heap, count, i);
    return count;
}

static bool accepted(const search_query *q, const index_record *record)
{
    const char *text = index_record_metadata(record);
    yyjson_doc *metadata = NULL;
    bool yes;

    if (!q->accept)
        return true;
    if (text[0]) {
        metadata = yyjson_read(text, strlen(text), 0);
        if (!metadata) /* no memory: a record that cannot be judged is none */
            return false;
    }
    yes = q->accept(q->user, index_record_id(record), yyjson_doc_get_root(metadata), record->created_ms,
                    record->updated_ms);
    yyjson_doc_free(metadata);
    return yes;
}

/* 0 to 1: SCORE_FULL of what a record has that has each term once; above, ever slower towards 1. */
static double calibrate(double score, double full)
{
    double part = full > 0 ? score / full : 0;

    if (part <= 0)
        return SCORE_NOTHING;
    part = part <= 1 ? SCORE_FULL * pow(part, SCORE_POWER) : 1 - (1 - SCORE_FULL) * exp(1 - part);
    return MAX(part, SCORE_NOTHING);
}

/* What a record's score is worth beside the hits there are: less for each that it stands next to, when several things
 * are asked for. */
static float apart(const ranking *r, const pick *one, const pick *taken, size_t count)
{
    const search_index *x = r->parts[one->part].index;
    uint32_t place = x->place_of[one->record];
    float factor = 1;

    for (size_t i = 0; i < count && r->request->ask->several; i++) {
        if (taken[i].part != one->part) /* its number means another record here, or none */
            continue;
        uint32_t other = x->place_of[taken[i].record];
        uint32_t distance = other > place ? other - place : place - other;
        unsigned reach = other > place ? x->places[place].after : x->places[place].before;

        if (distance <= MIN(reach, (unsigned)APART_PLACES))
            factor *= 1 - r->weights->several_apart / (float)distance;
    }
    return factor;
}

static void show(const ranking *r, const pick *one, search_hit *hit)
{
    const rank_part *part = &r->parts[one->part];
    const char *id = index_record_id(&part->index->records[one->record]);

    hit->namespace_index = part->namespace_index;
    hit->score = calibrate(one->score, r->full);
    memcpy(hit->id, id, strlen(id) + 1);
}

/* Take from the heap until there are top_k hits.  A record is put back once its score has been lowered. */
static size_t take(const ranking *r, pick *heap, size_t count, size_t top_k, search_hit *hits, pick *taken,
                   size_t found)
{
    while (count > 0 && found < top_k) {
        pick best = heap[0];
        float factor = apart(r, &best, taken, found);

        if (factor < best.apart) {
            heap[0].score *= factor / best.apart;
            heap[0].apart = factor;
            sift(r, heap, count, 0);
            continue;
        }
        heap[0] = heap[--count];
        sift(r, heap, count, 0);
        if (!accepted(r->request->query, &r->parts[best.part].index->records[best.record]))
            continue;
        show(r, &best, &hits[found]);
        taken[found++] = best;
    }
    return found;
}

ac_status rank_pick(ranking *r, search_hit **ret_hits, size_t *ret_count, ac_error *err)
{
    const search_query *q = r->request->query;
    size_t top_k = MIN(q->top_k ? q->top_k : (size_t)TOP_K_DEFAULT, (size_t)SEARCH_TOP_K_MAX), found;
    pick *heap = arena_alloc(r->memory, r->records * sizeof *heap);
    search_hit *hits = arena_zalloc(r->memory, top_k * sizeof *hits);
    pick *taken = arena_alloc(r->memory, top_k * sizeof *taken);

    if (!heap || !hits || !taken)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    found = take(r, heap, gather(r, true, heap), top_k, hits, taken, 0);
    if (found < top_k && !q->matches_only)
        found = take(r, heap, gather(r, false, heap), top_k, hits, taken, found);
    *ret_hits = hits;
    *ret_count = found;
    return AC_OK;
}

/* ---- all of it ---- */

static bool begin_part(rank_part *part, const rank_target *target, arena *memory)
{
    uint32_t places = target->index->placed_count;
    float *floats = arena_zalloc(memory, (size_t)MAX(places, 1U) * 4 * sizeof *floats);

    part->index = target->index;
    part->namespace_index = target->namespace_index;
    part->places = places;
    part->touched = arena_alloc(memory, MAX(places, 1U) * sizeof *part->touched);
    if (!floats || !part->touched)
        return false;
    part->scores = floats;
    part->window = floats + places;
    part->own = part->window + places;
    part->norms = part->own + places;
    return true;
}

static void begin_norms(const ranking *r, rank_part *part)
{
    float share = r->weights->length_share;

    for (uint32_t i = 0; i < part->places; i++)
        part->norms[i] = 1 - share + share * (float)part->index->places[i].length / r->average_length;
}

static void begin_windows(ranking *r)
{
    float next = r->weights->next, last = r->weights->last;

    for (unsigned i = 1; i <= INDEX_WINDOW; i++) {
        r->next[i] = next;
        r->last[i] = last;
        next *= r->weights->next_decay;
        last *= r->weights->last_decay;
    }
}

ac_status rank_run(const rank_request *request, arena *a, search_hit **ret_hits, size_t *ret_count, ac_error *err)
{
    ranking r = {.request = request, .weights = request->weights, .memory = a};
    uint64_t length = 0;

    *ret_hits = NULL;
    *ret_count = 0;
    r.parts = arena_zalloc(a, MAX(request->target_count, (size_t)1) * sizeof *r.parts);
    if (!r.parts)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < request->target_count; i++) {
        const search_index *x = request->targets[i].index;

        if (x->live_count == 0)
            continue;
        if (!begin_part(&r.parts[r.part_count++], &request->targets[i], a))
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
        r.records += x->live_count;
        length += x->length_sum;
    }
    if (r.records == 0)
        return AC_OK;
    r.average_length = MAX((float)length / (float)r.records, 1.0F);
    begin_windows(&r);
    for (size_t i = 0; i < r.part_count; i++)
        begin_norms(&r, &r.parts[i]);
    AC_TRY(rank_expand(&r, err));
    AC_TRY(rank_score(&r, err));
    return rank_pick(&r, ret_hits, ret_count, err);
}
