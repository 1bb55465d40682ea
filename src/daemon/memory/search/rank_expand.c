/* rank_expand.c - which terms of each index stand for a term of the query, and what each term of the query weighs.
 *
 * A term stands for itself; with WordNet, terms that share a meaning or are kinds of it stand for part of it.  Rarity
 * is counted over all namespaces together, so that scores of different ones compare. */
#include "daemon/memory/search/rank_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RANK_DECAY 0.7F
#define DEPTH_DECAY 0.7F
#define CLASS_DEPTH_DECAY 0.9F
#define SHARE_LEAST 0.1F
#define CLASS_SHARE_LEAST 0.2F
#define MATCHES_MAX 60 /* terms that stand for one */
#define CLASS_MATCHES_MAX 256
#define NAME_LETTERS_LEAST 3 /* "Mel" for "Melanie" */

static const float rank_decays[] = {1, RANK_DECAY, RANK_DECAY *RANK_DECAY, RANK_DECAY *RANK_DECAY *RANK_DECAY};

float rank_rarity(const ranking *r, uint64_t count)
{
    double records = (double)r->records, with = (double)MIN(count, r->records);

    return (float)log(1 + (records - with + 0.5) / (with + 0.5));
}

/* ---- speakers ---- */

/* Whether a word is one of the name's, or begins one. */
static bool is_of_name(const char *name, const char *text, bool *ret_whole)
{
    size_t length = strlen(text);

    *ret_whole = false;
    for (const char *at = name; at; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (strncmp(at, text, length) != 0)
            continue;
        *ret_whole = at[length] == '\0' || at[length] == ' ';
        return true;
    }
    return false;
}

bool rank_is_name(const rank_part *part, const char *text)
{
    bool whole;

    for (uint32_t i = 0; i < part->index->speakers.count; i++)
        if (is_of_name(names_text(&part->index->speakers, i), text, &whole) && whole)
            return true;
    return false;
}

/* Whether the query names the speaker: by a word of the name, or by a familiar form, as "Mel" for "Melanie". */
static bool names_speaker(const ask *a, const char *speaker)
{
    for (size_t i = 0; i < a->term_count; i++) {
        const ask_term *t = &a->terms[i];
        bool whole;

        if (is_of_name(speaker, t->base, &whole) &&
            (whole || (strlen(t->base) >= NAME_LETTERS_LEAST && t->flags & WORD_CAPITAL)))
            return true;
    }
    return false;
}

static void find_speakers(const ask *a, rank_part *part)
{
    for (uint32_t i = 0; i < part->index->speakers.count && i < INDEX_SPEAKERS_MAX; i++) {
        part->speakers[i + 1] = names_speaker(a, names_text(&part->index->speakers, i));
        part->any_speaker = part->any_speaker || part->speakers[i + 1];
    }
}

/* ---- meanings ---- */

static float share_by_depth(const concept *c, float decay)
{
    float share = rank_decays[c->rank];

    for (unsigned i = 0; i < c->depth; i++)
        share *= decay;
    return share;
}

/* The best matches so far.  One that is below all of a full list is turned away at once: there may be very many. */
typedef struct match_list {
    rank_match list[CLASS_MATCHES_MAX];
    size_t count, room;
    float bar; /* of a full list: what a share must be above */
} match_list;

static void note_match(match_list *m, uint32_t term, float share)
{
    size_t least = 0;

    if (m->count == m->room && share <= m->bar)
        return;
    for (size_t i = 0; i < m->count; i++) {
        if (m->list[i].term == term) {
            m->list[i].share = MAX(m->list[i].share, share);
            return;
        }
        if (m->list[i].share < m->list[least].share)
            least = i;
    }
    if (m->count < m->room)
        m->list[m->count++] = (rank_match){term, share};
    else if (share > (m->bar = m->list[least].share))
        m->list[least] = (rank_match){term, share};
}

static void match_meanings(const ranking *r, const rank_part *part, const ask_term *t, match_list *m)
{
    for (size_t i = 0; i < t->target_count; i++) {
        const index_concept *found;
        uint32_t at = 0;

        while ((found = index_next_concept(part->index, t->targets[i].synset, &at))) {
            float share = t->targets[i].weight * share_by_depth(&found->concept, DEPTH_DECAY);

            if (found->concept.depth > CONCEPT_DEPTH_KIND || share < SHARE_LEAST)
                continue;
            note_match(m, found->term, share * r->weights->meaning);
        }
    }
}

static bool keep_matches(ranking *r, rank_matches *matches, const match_list *m)
{
    matches->list = arena_alloc(r->memory, MAX(m->count, (size_t)1) * sizeof *m->list);
    if (!matches->list)
        return false;
    memcpy(matches->list, m->list, m->count * sizeof *m->list);
    matches->count = m->count;
    return true;
}

static bool match_term(ranking *r, rank_part *part, size_t number)
{
    const ask_term *t = &r->request->ask->terms[number];
    match_list m = {.room = MATCHES_MAX};
    uint32_t same = names_find(&part->index->terms_by_name, t->term, strlen(t->term));

    if (r->weights->meaning > 0 && !(t->flags & WORD_WEAK) && !rank_is_name(part, t->base))
        match_meanings(r, part, t, &m);
    if (same != NAME_NONE)
        note_match(&m, same, 1);
    return keep_matches(r, &part->matches[number], &m);
}

/* Terms that are one of what is asked for, but not words of the query. */
static bool match_class(ranking *r, rank_part *part)
{
    const ask *a = r->request->ask;
    match_list m = {.room = CLASS_MATCHES_MAX};

    for (size_t i = 0; i < a->class_count; i++) {
        const index_concept *found;
        uint32_t at = 0;

        while ((found = index_next_concept(part->index, a->class_targets[i].synset, &at))) {
            const index_term *t = &part->index->terms[found->term];
            float share = a->class_targets[i].weight * share_by_depth(&found->concept, CLASS_DEPTH_DECAY);
            bool asked = false;

            if (found->concept.rank > 1 || share < CLASS_SHARE_LEAST || t->records == 0 ||
                (found->concept.instance && t->capitals * 2 < t->uses))
                continue;
            for (size_t j = 0; j < a->term_count && !asked; j++)
                asked = strcmp(names_text(&part->index->terms_by_name, found->term), a->terms[j].term) == 0;
            if (!asked)
                note_match(&m, found->term, share);
        }
    }
    return keep_matches(r, &part->class_matches, &m);
}

/* ---- weights ---- */

/* Records that have the term itself; when none has, those that have what stands for it. */
static uint64_t records_with(const ranking *r, size_t number)
{
    const char *text = r->request->ask->terms[number].term;
    uint64_t same = 0, near = 0;

    for (size_t i = 0; i < r->part_count; i++) {
        const rank_part *part = &r->parts[i];
        uint32_t term = names_find(&part->index->terms_by_name, text, strlen(text));

        if (term != NAME_NONE)
            same += part->index->terms[term].records;
        for (size_t j = 0; j < part->matches[number].count; j++)
            near += part->index->terms[part->matches[number].list[j].term].records;
    }
    return same ? same : near;
}

static float weight_of(const ranking *r, size_t number)
{
    const ask_term *t = &r->request->ask->terms[number];
    float weight = powf(rank_rarity(r, records_with(r, number)), r->weights->rarity_power);

    for (size_t i = 0; i < r->part_count; i++)
        if (rank_is_name(&r->parts[i], t->base))
            return weight * r->weights->name;
    return t->flags & WORD_WEAK ? weight * r->weights->weak : weight;
}

ac_status rank_expand(ranking *r, ac_error *err)
{
    const ask *a = r->request->ask;
    const rank_weights *w = r->weights;
    double own = w->own + (a->several ? w->several_own : 0), once = 1 / (1 + w->window_half) + own / (1 + w->own_half);

    r->weights_of_terms = arena_zalloc(r->memory, (a->term_count + 1) * sizeof *r->weights_of_terms);
    if (!r->weights_of_terms)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < r->part_count; i++) {
        rank_part *part = &r->parts[i];

        part->matches = arena_zalloc(r->memory, (a->term_count + 1) * sizeof *part->matches);
        for (size_t j = 0; part->matches && j < a->term_count; j++)
            if (!match_term(r, part, j))
                return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
        if (!part->matches || !match_class(r, part))
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
        find_speakers(a, part);
    }
    r->full = 0;
    for (size_t i = 0; i < a->term_count; i++) {
        r->weights_of_terms[i] = weight_of(r, i);
        r->full += r->weights_of_terms[i] * once;
    }
    return AC_OK;
}
