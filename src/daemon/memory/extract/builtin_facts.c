/* builtin_facts.c - facts and preferences: what the user says about himself, turn by turn, consolidated one by one. */
#include "daemon/memory/extract/builtin.h"
#include "daemon/memory/extract/lexicon.h"

#include <stdlib.h>
#include <string.h>

#define CONTEXT_BYTES_MAX 1000

ac_status builtin_sentences(const extract_turn *turn, arena *a, sentence **ret_sentences, size_t *ret_count)
{
    return sentences_of(turn->text, MIN(turn->text_length, (size_t)EXTRACT_TURN_BYTES_MAX), a, ret_sentences,
                        ret_count);
}

ac_status builtin_turn_facts(rewriter *r, const extract_turn *turn, const char *question)
{
    bool user = turn_is(turn, "USER");
    sentence *sentences;
    size_t count;

    if (!user && !turn_is(turn, "ASSISTANT"))
        return AC_OK;
    AC_TRY(builtin_sentences(turn, r->arena, &sentences, &count));
    rewriter_turn(r, turn->timestamp_ms);
    for (size_t i = 0; i < count; i++) {
        bool done = false;

        if (!user) {
            AC_TRY(rewrite_told(r, &sentences[i]));
            continue;
        }
        if (question)
            AC_TRY(rewrite_answer(r, question, &sentences[i], &done));
        if (!done)
            AC_TRY(rewrite_sentence(r, &sentences[i]));
    }
    return AC_OK;
}

/* The last question of an assistant's turn; NULL: it asks nothing. */
static ac_status last_question(const extract_turn *turn, arena *a, const char **ret_question)
{
    sentence *sentences;
    size_t count;

    *ret_question = NULL;
    if (!turn_is(turn, "ASSISTANT"))
        return AC_OK;
    AC_TRY(builtin_sentences(turn, a, &sentences, &count));
    if (count > 0 && sentences[count - 1].question)
        *ret_question = sentences[count - 1].text;
    return AC_OK;
}

/* ---- records' texts ---- */

static const char *fact_statement(const char *text, arena *a)
{
    (void)a;
    return text;
}

static const char *preference_statement(const char *text, arena *a)
{
    static const ac_json_read_options limits = {.depth_max = 16};
    const char *found = NULL;
    yyjson_doc *doc = NULL;

    if (ac_json_read(text, strlen(text), &limits, &doc, NULL) == AC_OK)
        found = ac_json_string(yyjson_doc_get_root(doc), "preference", NULL);
    found = found ? arena_copy(a, found, strlen(found)) : NULL;
    yyjson_doc_free(doc);
    return found;
}

static const char *preference_text(const fact *f, const phrase *words, arena *a)
{
    const char *categories[CATEGORIES_MAX];
    size_t count = lexicon_categories(words, categories), source = strnlen(f->source, CONTEXT_BYTES_MAX);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *list = doc ? yyjson_mut_arr_with_str(doc, categories, count) : NULL;
    const char *context = source < CONTEXT_BYTES_MAX ? arena_format(a, "The user said: \"%s\"", f->source) : f->text;
    yyjson_mut_val *root = list && context ? ac_json_pack(doc, "{s:s, s:s, s:o}", "context", context, "preference",
                                                          f->text, "categories", list)
                                           : NULL;
    char *text = root ? yyjson_mut_val_write(root, 0, NULL) : NULL;
    const char *copy = text ? arena_copy(a, text, strlen(text)) : NULL;

    free(text);
    yyjson_mut_doc_free(doc);
    return copy;
}

/* ---- one by one ---- */

static ac_status take_fact(consolidation *c, plan *p, const fact *f, int64_t stated_ms, ac_error *err)
{
    candidate one = {.text = f->text, .statement = f->text, .stated_ms = stated_ms};
    phrase words;

    if (p->task->kind == EXTRACT_USER_PREFERENCE) {
        if (f->foreign)
            return AC_OK;
        if (phrase_of(f->text, strlen(f->text), p->arena, &words) != AC_OK)
            return extract_nomem(err);
        if (!lexicon_is_preference(&words))
            return AC_OK;
        one.text = preference_text(f, &words, p->arena);
        if (!one.text)
            return extract_nomem(err);
    }
    return consolidate(c, &one, err);
}

ac_status builtin_facts(plan *p, size_t known_max, ac_error *err)
{
    const extract_task *t = p->task;
    bool preferences = t->kind == EXTRACT_USER_PREFERENCE;
    consolidation *c = consolidation_new(p, known_max, preferences ? preference_statement : fact_statement);
    rewriter r;

    if (!c)
        return extract_nomem(err);
    rewriter_begin(&r, p->arena);
    for (size_t i = t->first_new; i < t->turn_count; i++) {
        const char *question = NULL;
        size_t before = r.count;

        if ((i > 0 && last_question(&t->turns[i - 1], p->arena, &question) != AC_OK) ||
            builtin_turn_facts(&r, &t->turns[i], question) != AC_OK)
            return extract_nomem(err);
        for (size_t f = before; f < r.count; f++)
            AC_TRY(take_fact(c, p, &r.facts[f], t->turns[i].timestamp_ms, err));
    }
    return AC_OK;
}

ac_status builtin_of_session(const plan *p, size_t count, extract_known **ret_known, size_t *ret_count, ac_error *err)
{
    *ret_known = NULL;
    *ret_count = 0;
    return p->task->nearest(p->task->user, &(extract_query){.count = count}, p->arena, ret_known, ret_count, err);
}

size_t builtin_find_turn(const plan *p, const char *key)
{
    const extract_task *t = p->task;

    for (size_t i = 0; key && i < t->turn_count; i++) {
        const char *own = plan_turn_key(p->arena, &t->turns[i]);

        if (own && strcmp(own, key) == 0)
            return i;
    }
    return t->turn_count;
}

size_t builtin_first_unseen(const plan *p, const extract_known *summary)
{
    const extract_task *t = p->task;
    size_t through;

    if (!summary)
        return 0;
    through = builtin_find_turn(p, known_string(summary, EXTRACT_KEY_THROUGH));
    if (through < t->turn_count)
        return through + 1;
    if (known_stated_ms(summary) > t->turns[t->turn_count - 1].timestamp_ms)
        return t->turn_count; /* an old job done again */
    return t->first_new;
}
