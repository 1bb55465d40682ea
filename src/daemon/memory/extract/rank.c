/* rank.c - TextRank (Mihalcea and Tarau, 2004): sentences vote for those they share words with.
 *
 * The weight between two sentences is the number of stems they share over the sum of the logarithms of their lengths;
 * the scores are where repeated voting comes to rest (damped by 0.85). */
#include "daemon/memory/extract/builtin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DAMPING 0.85
#define ROUNDS_MAX 40
#define AT_REST 1e-6
#define STEMS_MAX 100 /* of a sentence */

/* The stems of a text's content words, each once, in order. */
typedef struct stem_set {
    const char **list;
    size_t count;
} stem_set;

static int compare_stems(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static ac_status stems_of(const char *text, arena *a, stem_set *out)
{
    text_word *words;
    size_t count, kept = 0;

    AC_TRY(words_of(text, strlen(text), a, &words, &count));
    out->list = arena_alloc(a, (STEMS_MAX + 1) * sizeof *out->list);
    if (!out->list)
        return AC_ERR_NOMEM;
    for (size_t i = 0; i < count && kept < STEMS_MAX; i++)
        if (!words[i].stop && strcmp(words[i].text, "assistant") != 0)
            out->list[kept++] = words[i].stem;
    qsort(out->list, kept, sizeof *out->list, compare_stems);
    out->count = 0;
    for (size_t i = 0; i < kept; i++)
        if (out->count == 0 || strcmp(out->list[out->count - 1], out->list[i]) != 0)
            out->list[out->count++] = out->list[i];
    return AC_OK;
}

static size_t shared(const stem_set *a, const stem_set *b)
{
    size_t i = 0, k = 0, count = 0;

    while (i < a->count && k < b->count) {
        int order = strcmp(a->list[i], b->list[k]);

        count += order == 0;
        i += order <= 0;
        k += order >= 0;
    }
    return count;
}

static double weight(const stem_set *a, const stem_set *b)
{
    size_t common = shared(a, b);

    return common ? (double)common / (log((double)a->count + 1) + log((double)b->count + 1)) : 0;
}

/* One round of voting; returns the largest change. */
static double vote(const double *weights, const double *sums, size_t count, const double *old, double *scores)
{
    double most = 0;

    for (size_t i = 0; i < count; i++) {
        double got = 0;

        for (size_t k = 0; k < count; k++)
            if (k != i && sums[k] > 0)
                got += weights[k * count + i] / sums[k] * old[k];
        scores[i] = 1 - DAMPING + DAMPING * got;
        most = MAX(most, fabs(scores[i] - old[i]));
    }
    return most;
}

ac_status rank_sentences(const char *const *texts, size_t count, arena *a, double *ret_scores)
{
    stem_set *sets = arena_alloc(a, MAX(count, 1U) * sizeof *sets);
    double *weights = arena_zalloc(a, MAX(count * count, 1U) * sizeof *weights);
    double *sums = arena_zalloc(a, MAX(count, 1U) * sizeof *sums), *old = arena_alloc(a, MAX(count, 1U) * sizeof *old);

    if (!sets || !weights || !sums || !old)
        return AC_ERR_NOMEM;
    for (size_t i = 0; i < count; i++) {
        AC_TRY(stems_of(texts[i], a, &sets[i]));
        ret_scores[i] = 1;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = i + 1; k < count; k++) {
            double w = weight(&sets[i], &sets[k]);

            weights[i * count + k] = weights[k * count + i] = w;
            sums[i] += w;
            sums[k] += w;
        }
    for (int round = 0; round < ROUNDS_MAX; round++) {
        memcpy(old, ret_scores, count * sizeof *old);
        if (vote(weights, sums, count, old, ret_scores) < AT_REST)
            break;
    }
    return AC_OK;
}

ac_status rank_likeness(const char *one, const char *other, arena *a, double *ret_likeness)
{
    stem_set mine, theirs;
    size_t common, all;

    AC_TRY(stems_of(one, a, &mine));
    AC_TRY(stems_of(other, a, &theirs));
    common = shared(&mine, &theirs);
    all = mine.count + theirs.count - common;
    *ret_likeness = all ? (double)common / (double)all : 0;
    return AC_OK;
}
