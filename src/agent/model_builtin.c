/* model_builtin.c - what answers where no model is configured: sentences of the conversation that hold what is asked.
 *
 * No network and no canned phrases, but no model either, and the answer begins with saying so.  A sentence counts by
 * the stems it shares with the last message, each worth less the more sentences have it. */
#include "agent/model_internal.h"
#include "agent/sentences.h"

#include <math.h>
#include <string.h>

#define FOUND_MAX 3
#define SENTENCES_SEEN_MAX 2000
#define BEGINNING "builtin, which is no language model, "

typedef struct line {
    sentence sentence;
    text_word *words;
    size_t word_count;
    double score;
} line;

typedef struct pool {
    line *lines;
    size_t count;
} pool;

static bool has_stem(const line *l, const char *stem)
{
    for (size_t i = 0; i < l->word_count; i++)
        if (strcmp(l->words[i].stem, stem) == 0)
            return true;
    return false;
}

/* The statements of a message. */
static ac_status add_message(pool *p, const model_message *m, arena *a)
{
    sentence *list;
    size_t count;

    if (!m->text)
        return AC_OK;
    AC_TRY(sentences_of(m->text, strlen(m->text), a, &list, &count));
    for (size_t i = 0; i < count && p->count < SENTENCES_SEEN_MAX; i++) {
        line *l = &p->lines[p->count];

        if (list[i].question)
            continue;
        *l = (line){.sentence = list[i]};
        AC_TRY(words_of(list[i].text, list[i].length, a, &l->words, &l->word_count));
        p->count++;
    }
    return AC_OK;
}

static void score(pool *p, const text_word *asked, size_t asked_count)
{
    for (size_t w = 0; w < asked_count; w++) {
        size_t having = 0;

        if (asked[w].stop)
            continue;
        for (size_t i = 0; i < p->count; i++)
            having += has_stem(&p->lines[i], asked[w].stem);
        for (size_t i = 0; having && i < p->count; i++)
            if (has_stem(&p->lines[i], asked[w].stem))
                p->lines[i].score += log(1 + (double)p->count / (double)having);
    }
}

static line *best(pool *p)
{
    line *found = NULL;

    for (size_t i = 0; i < p->count; i++)
        if (p->lines[i].score > 0 && (!found || p->lines[i].score > found->score))
            found = &p->lines[i];
    return found;
}

static ac_status answer(pool *p, gather *g, ac_error *err)
{
    static const char found_text[] = BEGINNING "found:", nothing[] = BEGINNING "found nothing about that.";
    line *l = best(p);

    if (!l)
        return gather_text(g, nothing, sizeof nothing - 1, err);
    AC_TRY(gather_text(g, found_text, sizeof found_text - 1, err));
    for (int n = 0; l && n < FOUND_MAX; n++, l = best(p)) {
        AC_TRY(gather_text(g, " ", 1, err));
        AC_TRY(gather_text(g, l->sentence.text, l->sentence.length, err));
        l->score = 0;
    }
    return AC_OK;
}

static ac_status search(pool *p, const model_request *r, arena *a)
{
    const model_message *last = &r->messages[r->message_count - 1];
    text_word *asked;
    size_t asked_count;

    p->lines = arena_alloc(a, SENTENCES_SEEN_MAX * sizeof *p->lines);
    if (!p->lines)
        return AC_ERR_NOMEM;
    for (size_t i = 0; i + 1 < r->message_count; i++)
        AC_TRY(add_message(p, &r->messages[i], a));
    AC_TRY(words_of(last->text ? last->text : "", last->text ? strlen(last->text) : 0, a, &asked, &asked_count));
    score(p, asked, asked_count);
    return AC_OK;
}

ac_status model_builtin_ask(const model_request *r, gather *g, ac_error *err)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    pool p = {0};

    if (r->schema || (r->tool_count && r->choice == MODEL_CHOICE_ANY))
        return ac_error_set(err, AC_ERR_UNSUPPORTED,
                            "no language model is configured, and builtin fills in no schemas");
    if (search(&p, r, &memory) != AC_OK)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    g->stop = MODEL_STOP_END;
    g->ended = true;
    return answer(&p, g, err);
}
