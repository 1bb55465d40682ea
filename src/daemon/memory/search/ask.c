/* ask.c - reading a query: its terms, the times it names, and the noun that says what the answer is.
 *
 * "What kind of martial arts has John done?" asks for martial arts: whatever WordNet knows to be one is an answer,
 * however seldom the words "martial arts" are said.  The phrase stands between "what" or "which" and the verb. */
#include "daemon/memory/search/ask.h"

#include <stdio.h>
#include <string.h>

#define PHRASE_WORDS_MAX 4
#define COMPOUND_WORDS_MAX 3 /* of one lemma: "martial_art" */

typedef struct reading {
    ask *ask;
    arena *memory;
    const char *forms[ASK_WORDS_MAX];
    size_t form_count;
    bool nomem;
} reading;

static void add_term(ask *a, const word *w)
{
    for (size_t i = 0; i < a->term_count; i++)
        if (strcmp(a->terms[i].term, w->term) == 0)
            return;
    if (a->term_count == ASK_TERMS_MAX)
        return;
    ask_term *t = &a->terms[a->term_count++];
    memcpy(t->term, w->term, strlen(w->term) + 1);
    memcpy(t->base, w->base, strlen(w->base) + 1);
    t->flags = w->flags;
}

static bool read_word(void *user, const word *w)
{
    reading *r = user;

    if (!(w->flags & WORD_JOINED)) {
        const char *form = arena_copy(r->memory, w->form, strlen(w->form));

        if (!form) {
            r->nomem = true;
            return false;
        }
        r->forms[r->form_count++] = form;
    }
    if (!(w->flags & WORD_STOP))
        add_term(r->ask, w);
    return r->form_count < ASK_WORDS_MAX;
}

/* ---- what is asked for ---- */

static bool is_one_of(const char *form, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(form, words[i]) == 0)
            return true;
    return false;
}

/* Where the question word is, or "many" of "how many"; form_count: nowhere. */
static size_t question_at(const reading *r)
{
    static const char *const questions[] = {"what", "which", "where", "who"};
    size_t at = 0;

    while (at < r->form_count && !is_one_of(r->forms[at], questions, ARRAY_SIZE(questions)) &&
           !(strcmp(r->forms[at], "many") == 0 && at > 0 && strcmp(r->forms[at - 1], "how") == 0))
        at++;
    return at;
}

/* The words of the phrase, without what only introduces it.  How many; 0: there is none, or no end to it. */
static size_t class_phrase(const reading *r, const char *phrase[PHRASE_WORDS_MAX])
{
    static const char *const verbs[] = {"do",  "does", "did",   "is",  "are",   "was",    "were",  "has", "have",
                                        "had", "will", "would", "can", "could", "should", "might", "may", "must"};
    static const char *const links[] = {"in",  "on", "for",   "with", "at",  "to", "from", "that", "who", "by",
                                        "and", "or", "about", "i",    "you", "we", "they", "he",   "she"};
    static const char *const fillers[] = {"the",      "a",         "an",    "some", "all",   "of",    "kind",
                                          "kinds",    "type",      "types", "sort", "sorts", "other", "new",
                                          "specific", "different", "many",  "much", "my",    "your"};
    size_t at = question_at(r), count = 0;

    for (at++; at < r->form_count; at++) {
        const char *form = r->forms[at];

        if (is_one_of(form, verbs, ARRAY_SIZE(verbs)) || is_one_of(form, links, ARRAY_SIZE(links)))
            return count;
        if (is_one_of(form, fillers, ARRAY_SIZE(fillers)))
            continue;
        if (count == PHRASE_WORDS_MAX)
            return 0;
        phrase[count++] = form;
    }
    return 0;
}

/* Several things are asked for by a plural ("what instruments"), by what has been done up to now ("where has ... been")
 * and of several people ("both"). */
static bool asks_several(const reading *r)
{
    static const char *const perfect[] = {"has", "have"};
    static const char *const plain[] = {"kinds", "types", "sorts", "both", "many"};
    const char *phrase[PHRASE_WORDS_MAX];
    size_t count = class_phrase(r, phrase), at = question_at(r), length;

    if (at == r->form_count)
        return false;
    for (size_t i = 0; i < r->form_count; i++)
        if (is_one_of(r->forms[i], plain, ARRAY_SIZE(plain)) ||
            (i > at && i <= at + 1 + count + 2 && is_one_of(r->forms[i], perfect, ARRAY_SIZE(perfect))))
            return true;
    length = count ? strlen(phrase[count - 1]) : 0;
    return length > 3 && phrase[count - 1][length - 1] == 's' && phrase[count - 1][length - 2] != 's';
}

/* The longest end of the phrase that WordNet knows. */
static void read_class(const reading *r, const wordnet *w)
{
    const char *phrase[PHRASE_WORDS_MAX];
    size_t count = class_phrase(r, phrase);

    for (size_t words = MIN(count, (size_t)COMPOUND_WORDS_MAX); words > 0 && !r->ask->class_count; words--) {
        char lemma[COMPOUND_WORDS_MAX * (WORD_BYTES_MAX + 1)];
        size_t length = 0;

        for (size_t i = count - words; i < count; i++)
            length += (size_t)snprintf(lemma + length, sizeof lemma - length, "%s%s", length ? "_" : "", phrase[i]);
        r->ask->class_count = concepts_class(w, lemma, r->ask->class_targets);
    }
}

static bool read_targets(reading *r, const wordnet *w)
{
    concept_target targets[CONCEPTS_MAX];

    for (size_t i = 0; i < r->ask->term_count; i++) {
        ask_term *t = &r->ask->terms[i];
        size_t count = t->flags & (WORD_NUMBER | WORD_JOINED) ? 0 : concepts_asked(w, t->base, targets);

        if (!count)
            continue;
        t->targets = arena_alloc(r->memory, count * sizeof *targets);
        if (!t->targets)
            return false;
        memcpy(t->targets, targets, count * sizeof *targets);
        t->target_count = count;
    }
    return true;
}

ac_status ask_read(text_reader *reader, const wordnet *w, const char *text, size_t length, int64_t now_ms, arena *a,
                   ask **ret_ask, ac_error *err)
{
    reading r = {.ask = arena_zalloc(a, sizeof(ask)), .memory = a};

    *ret_ask = r.ask;
    if (!r.ask)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    text_read(reader, text, length, read_word, &r);
    if (r.nomem || (w && !read_targets(&r, w)))
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    r.ask->moment_count = moments_read(r.forms, r.form_count, now_ms, r.ask->moments);
    r.ask->several = asks_several(&r);
    if (w)
        read_class(&r, w);
    return AC_OK;
}
