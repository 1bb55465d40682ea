/* rank_score.c - the score of every place.
 *
 * For each term of the query, occurrences are spread over the turns around them ("window"): what is asked about in one
 * turn is often answered in the next, and the answer does not repeat it.  Then, as in BM25, more of the same term
 * counts for less and less: a place where two terms of the query are near beats one that has a single term twice.
 * Only places that a term reaches are touched. */
#include "daemon/memory/search/rank_internal.h"
#include "daemon/memory/search/vectors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEEDBACK_RECORDS 5
#define FEEDBACK_TERMS 10
#define FEEDBACK_CANDIDATES 512
#define VECTOR_LEAST 0.2F /* nearer than this any two texts are */

/* ---- words ---- */

/* A place is noted when its window stops being zero: an amount of zero must not note it, or it is noted twice. */
static void reach(rank_part *part, uint32_t place, float amount)
{
    if (amount <= 0)
        return;
    if (part->window[place] == 0)
        part->touched[part->touched_count++] = place;
    part->window[place] += amount;
}

static void spread(const ranking *r, rank_part *part, uint32_t place, float said, float asked)
{
    const rank_weights *w = r->weights;
    const index_place *at = &part->index->places[place];
    float own = said + asked * w->question, back = said + asked * w->question_back;

    reach(part, place, own / part->norms[place]);
    part->own[place] += own;
    for (uint32_t i = 1; i <= at->after; i++)
        reach(part, place + i, (said + asked) * r->next[i] + (i == 1 ? asked * w->answer : 0));
    for (uint32_t i = 1; i <= at->before && back > 0; i++)
        reach(part, place - i, back * r->last[i]);
}

static void add_up(const ranking *r, rank_part *part, float weight)
{
    const rank_weights *w = r->weights;
    float own_weight = w->own + (r->request->ask->several ? w->several_own : 0);

    for (uint32_t i = 0; i < part->touched_count; i++) {
        uint32_t place = part->touched[i];
        float window = part->window[place], own = part->own[place];

        part->scores[place] += weight * window / (window + w->window_half);
        if (own > 0)
            part->scores[place] += weight * own_weight * own / (own + w->own_half * part->norms[place]);
        part->window[place] = part->own[place] = 0;
    }
    part->touched_count = 0;
}

static void score_term(const ranking *r, rank_part *part, size_t number)
{
    const rank_matches *matches = &part->matches[number];

    for (size_t i = 0; i < matches->count; i++) {
        const index_term *t = &part->index->terms[matches->list[i].term];
        float share = matches->list[i].share;

        for (uint32_t j = 0; j < t->count; j++) {
            uint32_t place = part->index->place_of[t->postings[j].record];

            if (place != NAME_NONE)
                spread(r, part, place, (float)t->postings[j].said * share, (float)t->postings[j].asked * share);
        }
    }
    add_up(r, part, r->weights_of_terms[number]);
}

/* ---- what is asked for ---- */

/* How many records of all parts have each of the terms that are one of what is asked for.  counts by number in
 * terms; false: out of memory. */
static bool count_class_records(const ranking *r, names *terms, uint64_t **ret_counts)
{
    size_t all = 0;

    for (size_t i = 0; i < r->part_count; i++)
        all += r->parts[i].class_matches.count;
    *ret_counts = arena_zalloc(r->memory, MAX(all, (size_t)1) * sizeof **ret_counts);
    for (size_t i = 0; *ret_counts && i < r->part_count; i++) {
        const rank_part *part = &r->parts[i];

        for (size_t j = 0; j < part->class_matches.count; j++) {
            uint32_t term = part->class_matches.list[j].term;
            const char *text = names_text(&part->index->terms_by_name, term);
            uint32_t number = names_add(terms, text, strlen(text));

            if (number == NAME_NONE)
                return false;
            (*ret_counts)[number] += part->index->terms[term].records;
        }
    }
    return *ret_counts;
}

/* Note the worth of a term at each place that has it.  Returns how many places had nothing before. */
static uint64_t note_worth(rank_part *part, const index_term *t, float worth)
{
    uint64_t more = 0;

    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t place = part->index->place_of[t->postings[i].record];

        if (place == NAME_NONE)
            continue;
        if (part->window[place] == 0) {
            part->touched[part->touched_count++] = place;
            more++;
        }
        part->window[place] = MAX(part->window[place], worth);
    }
    return more;
}

/* Records that have one of what is asked for: the fewer there are, the more it says. */
static ac_status score_class(ranking *r, ac_error *err)
{
    _cleanup_(names_done) names terms = {0};
    float all = (float)log((double)r->records + 1);
    uint64_t *counts, with = 0;

    if (!count_class_records(r, &terms, &counts))
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < r->part_count; i++) {
        rank_part *part = &r->parts[i];

        for (size_t j = 0; j < part->class_matches.count; j++) {
            const rank_match *match = &part->class_matches.list[j];
            const char *text = names_text(&part->index->terms_by_name, match->term);
            uint64_t count = counts[names_find(&terms, text, strlen(text))];

            with += note_worth(part, &part->index->terms[match->term], match->share * rank_rarity(r, count) / all);
        }
    }
    for (size_t i = 0; i < r->part_count; i++) {
        rank_part *part = &r->parts[i];

        for (uint32_t j = 0; j < part->touched_count; j++) {
            uint32_t place = part->touched[j];

            part->scores[place] += r->weights->class_ * rank_rarity(r, with) * part->window[place];
            part->window[place] = 0;
        }
        part->touched_count = 0;
    }
    return AC_OK;
}

/* ---- who, when, and whether it only asks ---- */

static void adjust(const ranking *r, rank_part *part)
{
    const rank_weights *w = r->weights;
    const ask *a = r->request->ask;
    float speaker = w->speaker + (a->several ? w->several_speaker : 0);

    for (uint32_t i = 0; i < part->places; i++) {
        const index_place *at = &part->index->places[i];
        float fit = 0;

        if (part->scores[i] <= 0)
            continue;
        if (part->any_speaker && part->speakers[at->speaker])
            part->scores[i] *= 1 + speaker;
        for (size_t j = 0; j < a->moment_count; j++)
            fit = MAX(fit, moment_fit(&a->moments[j], part->index->records[at->record].time_ms));
        part->scores[i] *= (1 + w->moment * fit) * (1 - w->asks * at->asked_share);
    }
}

/* ---- feedback: what the best records have in common lifts others that were found, but finds none ---- */

typedef struct best_place {
    rank_part *part;
    uint32_t place;
    float score;
} best_place;

static size_t find_best(const ranking *r, best_place best[FEEDBACK_RECORDS])
{
    size_t count = 0;

    for (size_t i = 0; i < r->part_count; i++)
        for (uint32_t j = 0; j < r->parts[i].places; j++) {
            float score = r->parts[i].scores[j];
            size_t at = count;

            if (score <= 0 || (count == FEEDBACK_RECORDS && score <= best[count - 1].score))
                continue;
            if (count < FEEDBACK_RECORDS)
                count++;
            else
                at--;
            for (; at > 0 && best[at - 1].score < score; at--)
                best[at] = best[at - 1];
            best[at] = (best_place){&r->parts[i], j, score};
        }
    return count;
}

typedef struct candidate {
    const char *text;
    float worth;
} candidate;

static void note_candidate(candidate *list, size_t *count, const char *text, float worth)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(list[i].text, text) == 0) {
            list[i].worth += worth;
            return;
        }
    if (*count < FEEDBACK_CANDIDATES)
        list[(*count)++] = (candidate){text, worth};
}

static int by_worth(const void *a, const void *b)
{
    const candidate *left = a, *right = b;

    return left->worth > right->worth ? -1 : left->worth < right->worth;
}

static bool is_asked(const ranking *r, const char *text)
{
    const ask *a = r->request->ask;

    for (size_t i = 0; i < a->term_count; i++)
        if (strcmp(a->terms[i].term, text) == 0)
            return true;
    return false;
}

static void score_candidate(ranking *r, const candidate *c, float weight)
{
    for (size_t i = 0; i < r->part_count; i++) {
        rank_part *part = &r->parts[i];
        uint32_t term = names_find(&part->index->terms_by_name, c->text, strlen(c->text));

        for (uint32_t j = 0; term != NAME_NONE && j < part->index->terms[term].count; j++) {
            const index_posting *p = &part->index->terms[term].postings[j];
            uint32_t place = part->index->place_of[p->record];
            float count = (float)p->said + (float)p->asked;

            if (place != NAME_NONE && part->scores[place] > 0)
                part->scores[place] += weight * count / (count + 1);
        }
    }
}

static ac_status score_feedback(ranking *r, ac_error *err)
{
    candidate *list = arena_alloc(r->memory, FEEDBACK_CANDIDATES * sizeof *list);
    best_place best[FEEDBACK_RECORDS];
    size_t found = find_best(r, best), count = 0;
    float sum = 0, weights = 0;

    if (!list)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < found; i++) {
        const search_index *x = best[i].part->index;
        const index_record *record = &x->records[x->places[best[i].place].record];

        for (uint32_t j = 0; j < record->term_count; j++) {
            const char *text = names_text(&x->terms_by_name, record->terms[j]);
            uint32_t base = x->terms[record->terms[j]].base;

            if (!is_asked(r, text) && !(base != NAME_NONE && rank_is_name(best[i].part, names_text(&x->bases, base))))
                note_candidate(list, &count, text,
                               best[i].score / best[0].score * rank_rarity(r, x->terms[record->terms[j]].records));
        }
    }
    qsort(list, count, sizeof *list, by_worth);
    count = MIN(count, (size_t)FEEDBACK_TERMS);
    for (size_t i = 0; i < count; i++)
        sum += list[i].worth;
    for (size_t i = 0; i < r->request->ask->term_count; i++)
        weights += r->weights_of_terms[i];
    for (size_t i = 0; i < count; i++)
        score_candidate(r, &list[i], r->weights->feedback * weights * list[i].worth / sum);
    return AC_OK;
}

/* ---- vectors ---- */

static void score_vectors(ranking *r, rank_part *part)
{
    const search_index *x = part->index;
    float full = (float)r->full;

    if (!r->request->vector || !x->vectors)
        return;
    if (full <= 0) /* no words to compare with */
        r->full = full = 1;
    for (uint32_t i = 0; i < part->places; i++) {
        const float *row = x->vectors + (size_t)x->places[i].record * x->vector_stride;
        float near = vector_dot(row, r->request->vector, x->vector_stride);

        if (near > VECTOR_LEAST)
            part->scores[i] += r->weights->vector * full * (near - VECTOR_LEAST) / (1 - VECTOR_LEAST);
    }
}

ac_status rank_score(ranking *r, ac_error *err)
{
    for (size_t i = 0; i < r->part_count; i++)
        for (size_t j = 0; j < r->request->ask->term_count; j++)
            if (r->weights_of_terms[j] > 0)
                score_term(r, &r->parts[i], j);
    if (r->weights->class_ > 0)
        AC_TRY(score_class(r, err));
    for (size_t i = 0; i < r->part_count; i++) {
        score_vectors(r, &r->parts[i]);
        adjust(r, &r->parts[i]);
    }
    return r->weights->feedback > 0 ? score_feedback(r, err) : AC_OK;
}
