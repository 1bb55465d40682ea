/* speech.c - from the first person to the third: a pass over the words of a clause that gives the verb of "I" its s,
 * and turns pronouns.
 *
 * In a clause about the user himself what follows is "they": "The user sold their car when they moved".  In others it
 * is "the user": "The user's sister says the user is lazy".  An adverbial in front goes to the end, so that facts begin
 * with whom they are about. */
#include "daemon/memory/extract/rewrite_internal.h"
#include "daemon/memory/extract/verbs.h"

#include <string.h>

#define DROPPED                                                                                                        \
    " really absolutely totally just actually definitely honestly literally simply truly kinda sorta genuinely "       \
    "basically certainly obviously also personally "
#define KEPT                                                                                                           \
    " always never often usually sometimes still now already only even ever rarely seldom once recently currently "    \
    "hardly barely almost nearly mostly mainly generally normally typically occasionally regularly "

typedef struct speech {
    const rewriter *r;
    const phrase *p;
    buf *out;
    bool glue;       /* the next word stands behind a bracket or a quotation mark */
    bool about_user; /* the subject is the user: he is "they" from here on */
} speech;

/* ---- words out ---- */

static ac_status put(speech *s, const char *text, bool glued)
{
    if (!glued && !s->glue && s->out->length > 0)
        AC_TRY(buf_append(s->out, " ", 1));
    s->glue = false;
    return buf_append_text(s->out, text);
}

static ac_status put_word(speech *s, const char *text)
{
    return put(s, text, false);
}

/* ---- the verb of "I" ---- */

/* "don't" and the like for the third person; NULL: it is none. */
static const char *negated(const char *low, bool plural)
{
    static const struct {
        const char *low, *singular, *plural;
    } words[] = {
        {"don't", "does not", "do not"},
        {"didn't", "did not", "did not"},
        {"can't", "cannot", "cannot"},
        {"won't", "will not", "will not"},
        {"haven't", "has not", "have not"},
        {"wasn't", "was not", "were not"},
        {"wouldn't", "would not", "would not"},
        {"couldn't", "could not", "could not"},
        {"shouldn't", "should not", "should not"},
        {"ain't", "is not", "are not"},
        {"hadn't", "had not", "had not"},
        {"mustn't", "must not", "must not"},
        {"weren't", "were not", "were not"},
        {"aren't", "is not", "are not"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(low, words[i].low) == 0)
            return plural ? words[i].plural : words[i].singular;
    return NULL;
}

static bool is_adverb(const char *low)
{
    size_t length = strlen(low);

    return word_in(low, KEPT) || word_in(low, DROPPED) ||
           (length > 4 && memcmp(low + length - 2, "ly", 2) == 0 &&
            !word_in(low, " apply reply supply rely family fly "));
}

/* Adverbs before the verb: some say nothing that lasts.  "kind of" and "sort of" neither. */
static ac_status put_adverbs(speech *s, size_t *at)
{
    for (;;) {
        const char *low = phrase_low(s->p, *at), *next = phrase_low(s->p, *at + 1);

        if (word_in(low, " kind sort ") && strcmp(next, "of") == 0) {
            *at += 2;
        } else if (strcmp(low, "no") == 0 && strcmp(next, "longer") == 0) {
            AC_TRY(put_word(s, "no longer"));
            *at += 2;
        } else if (word_in(low, " so very ")) {
            char base[VERB_SIZE];

            if (verb_find(next, base) != VERB_BASE)
                return AC_OK;
            *at += 1;
        } else if (*low && !((*low >= 'a' && *low <= 'z') || (unsigned char)*low >= 0x80) && *next) {
            AC_TRY(put_word(s, low)); /* I 100% agree */
            *at += 1;
        } else if (is_adverb(low) && *next) {
            if (!word_in(low, DROPPED))
                AC_TRY(put_word(s, low));
            *at += 1;
        } else {
            return AC_OK;
        }
    }
}

/* Whether "I" is said to have done something then: of "put" and "quit" the past looks like the present. */
static bool is_past_here(const phrase *p, size_t at)
{
    if (word_in(phrase_low(p, at), " quit hurt cost shut "))
        return true;
    for (size_t i = at + 1; i < p->count; i++)
        if (word_in(phrase_low(p, i), " yesterday ago last "))
            return true;
    return false;
}

static ac_status put_verb(speech *s, size_t *at)
{
    const char *low = phrase_low(s->p, *at);
    char base[VERB_SIZE], form[VERB_SIZE];
    verb_form kind = verb_find(low, base);

    if (!*low)
        return AC_OK;
    (*at)++;
    if (kind == VERB_PAST || kind == VERB_PARTICIPLE || kind == VERB_THIRD || kind == VERB_GERUND ||
        (kind == VERB_NONE && verb_looks_past(low)))
        return put_word(s, low);
    if (kind == VERB_BASE && word_in(low, " put cut hit read set let cost hurt quit shut bet spread ") &&
        is_past_here(s->p, *at - 1))
        return put_word(s, low);
    if (strlen(low) + 3 > VERB_SIZE)
        return put_word(s, low); /* no verb is so long */
    verb_third_person(low, form);
    return put_word(s, form);
}

/* "do" is emphatic before a verb, an action before a noun. */
static ac_status put_do(speech *s, size_t *at)
{
    char base[VERB_SIZE];
    const char *next = phrase_low(s->p, *at + 1);

    if (strcmp(next, "not") == 0) {
        *at += 2;
        return put_word(s, "does not");
    }
    if (verb_find(next, base) == VERB_BASE) {
        (*at)++;
        return put_verb(s, at);
    }
    return put_verb(s, at);
}

/* What follows the subject when there is no contraction. */
static ac_status put_plain_verb(speech *s, size_t *at)
{
    const char *low, *negation;

    AC_TRY(put_adverbs(s, at));
    low = phrase_low(s->p, *at);
    negation = negated(low, false);
    if (negation) {
        (*at)++;
        AC_TRY(put_word(s, negation));
        return put_adverbs(s, at);
    }
    if (verb_is_modal(low)) {
        (*at)++;
        AC_TRY(put_word(s, strcmp(low, "shall") == 0 ? "will" : low));
        return put_adverbs(s, at);
    }
    if (strcmp(low, "am") == 0) {
        (*at)++;
        AC_TRY(put_word(s, "is"));
        return put_adverbs(s, at);
    }
    if (strcmp(low, "have") == 0) {
        (*at)++;
        AC_TRY(put_word(s, "has"));
        return put_adverbs(s, at);
    }
    if (strcmp(low, "do") == 0)
        return put_do(s, at);
    return put_verb(s, at);
}

/* "I'd": "had" before a participle or "better", "would" otherwise. */
static const char *would_or_had(const phrase *p, size_t at)
{
    char base[VERB_SIZE];
    const char *next = phrase_low(p, at);
    verb_form form = verb_find(next, base);

    if (word_in(next, " better been already just "))
        return "had";
    return form == VERB_PAST || form == VERB_PARTICIPLE ? "had" : "would";
}

/* "I" with its verb, in the third person singular; *at is behind them then. */
static ac_status put_user(speech *s, size_t *at, bool implied)
{
    const char *low = phrase_low(s->p, *at);
    const char *contraction = implied ? NULL : strchr(low, '\'');

    AC_TRY(put_word(s, "the user"));
    if (implied)
        return put_plain_verb(s, at);
    (*at)++;
    if (!contraction)
        return put_plain_verb(s, at);
    if (strcmp(contraction, "'m") == 0)
        AC_TRY(put_word(s, "is"));
    else if (strcmp(contraction, "'ll") == 0)
        AC_TRY(put_word(s, "will"));
    else if (strcmp(contraction, "'d") == 0)
        AC_TRY(put_word(s, would_or_had(s->p, *at)));
    else
        AC_TRY(put_word(s, "has"));
    if (strcmp(contraction, "'ve") == 0 && strcmp(phrase_low(s->p, *at), "got") == 0)
        (*at)++; /* I've got a dog */
    return put_adverbs(s, at);
}

/* ---- pronouns ---- */

static const char *company(const speech *s)
{
    return s->r->company;
}

/* "we", with "are" for its contraction and so on. */
static ac_status put_we(speech *s, const char *low)
{
    const char *contraction = strchr(low, '\'');

    if (s->about_user) {
        AC_TRY(put_word(s, "they"));
    } else {
        AC_TRY(put_word(s, "the user and"));
        AC_TRY(put_word(s, *company(s) ? company(s) : "others"));
    }
    if (!contraction)
        return AC_OK;
    return put_word(s, strcmp(contraction, "'re") == 0   ? "are"
                       : strcmp(contraction, "'ve") == 0 ? "have"
                       : strcmp(contraction, "'ll") == 0 ? "will"
                                                         : "would");
}

/* A later "I" of a clause about the user: "they", and "are" for "am". */
static ac_status put_they(speech *s, size_t *at)
{
    const char *contraction = strchr(phrase_low(s->p, *at), '\''), *next = phrase_low(s->p, *at + 1);

    (*at)++;
    AC_TRY(put_word(s, "they"));
    if (contraction)
        return put_word(s, strcmp(contraction, "'m") == 0    ? "are"
                           : strcmp(contraction, "'ve") == 0 ? "have"
                           : strcmp(contraction, "'ll") == 0 ? "will"
                                                             : would_or_had(s->p, *at));
    if (word_in(next, " am was wasn't ")) {
        (*at)++;
        return put_word(s, next[0] == 'a' ? "are" : strcmp(next, "was") == 0 ? "were" : "were not");
    }
    return AC_OK;
}

/* The other words that mean the speaker; NULL: it is none. */
static const char *turned(const speech *s, const char *low)
{
    static const struct {
        const char *low, *after, *otherwise; /* after the user has been named; in a clause about somebody else */
    } words[] = {
        {"me", "them", "the user"},       {"my", "their", "the user's"},
        {"mine", "theirs", "the user's"}, {"myself", "themselves", "themselves"},
        {"our", "their", "the user's"},   {"us", "them", "the user and others"},
        {"ours", "theirs", "the user's"}, {"ourselves", "themselves", "themselves"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(low, words[i].low) == 0)
            return s->about_user ? words[i].after : words[i].otherwise;
    return NULL;
}

/* "him" and the like at i, where somebody has been mentioned: "their dog"; NULL: it means somebody else, or is
 * "her". */
static const char *mentioned(const speech *s, size_t i)
{
    const char *low = phrase_low(s->p, i);
    person_gender gender = strcmp(low, "him") == 0 ? GENDER_HE : strcmp(low, "her") == 0 ? GENDER_SHE : GENDER_THEY;

    if (!s->about_user || !word_in(low, " him her them ") || !*s->r->mentioned)
        return NULL;
    if (gender == GENDER_SHE && *phrase_low(s->p, i + 1) && !phrase_is_capital(&s->p->tokens[i + 1]) &&
        !word_in(phrase_low(s->p, i + 1), " in on at to with for from and every when because "))
        return NULL;
    if (s->r->gender != gender && (s->r->gender != GENDER_UNKNOWN || gender == GENDER_THEY))
        return NULL;
    return s->r->mentioned;
}

/* A word in front of its clause that is no name is written small when it moves to the end. */
static const char *moved_word(const phrase_token *t, size_t i)
{
    static const char *const small =
        " in on at when while since because as although though after before until once whenever "
        "last next this every currently nowadays lately recently today tomorrow yesterday now "
        "for during at from with usually sometimes normally mostly these most the a an two "
        "three some generally typically back until by each over ";

    return i == 0 && word_in(t->low, small) ? t->low : t->text;
}

static ac_status put_words(speech *s, size_t from, size_t until, bool moved)
{
    for (size_t i = from; i < until;) {
        const phrase_token *t = &s->p->tokens[i];
        const char *other;

        s->glue = t->glued;
        if (!t->word) {
            AC_TRY(put(s, t->text, t->glued));
            i++;
        } else if (word_in(t->low, " i i'm i've i'd i'll ")) {
            if (s->about_user)
                AC_TRY(put_they(s, &i));
            else
                AC_TRY(put_user(s, &i, false));
        } else if (word_in(t->low, " we we're we've we'd we'll ")) {
            AC_TRY(put_we(s, t->low));
            i++;
        } else if (i > 0 && (other = mentioned(s, i))) {
            AC_TRY(put(s, other, t->glued));
            i++;
        } else if ((other = turned(s, t->low))) {
            AC_TRY(put(s, other, t->glued));
            i++;
        } else if (word_in(t->low, " don't can't won't didn't doesn't isn't wasn't ") && s->about_user) {
            const char *negation = negated(t->low, true);

            AC_TRY(put(s, negation ? negation : t->text, t->glued));
            i++;
        } else {
            AC_TRY(put(s, moved && i == from ? moved_word(t, i) : t->text, t->glued));
            i++;
        }
    }
    return AC_OK;
}

/* ---- subjects ---- */

/* Whoever was mentioned, for "she", "her", "it", ... and their contractions. */
static ac_status put_mentioned(speech *s, size_t *at)
{
    const char *low = phrase_low(s->p, *at), *contraction = strchr(low, '\'');
    const char *who = word_in(low, " it it's it'll its ") ? s->r->thing : s->r->person;
    bool owner = word_in(low, " his her their its ");
    bool are = s->r->gender == GENDER_THEY && low[0] == 't';

    AC_TRY(put_word(s, who));
    (*at)++;
    if (owner)
        return buf_append_text(s->out, who[strlen(who) - 1] == 's' ? "'" : "'s");
    if (!contraction)
        return AC_OK;
    if (strcmp(contraction, "'s") == 0) {
        char base[VERB_SIZE];
        verb_form form = verb_find(phrase_low(s->p, *at), base);

        return put_word(s, form == VERB_PARTICIPLE || word_in(phrase_low(s->p, *at), " been got ") ? "has" : "is");
    }
    return put_word(s, strcmp(contraction, "'re") == 0   ? are ? "are" : "is"
                       : strcmp(contraction, "'ve") == 0 ? are ? "have" : "has"
                       : strcmp(contraction, "'ll") == 0 ? "will"
                                                         : "would");
}

/* "sister's a doctor": the contraction in the words of "my" is undone. */
static ac_status put_mine(speech *s, size_t *at)
{
    size_t verb = clause_verb(s->p, *at), length;
    const char *text = verb < s->p->count ? s->p->tokens[verb].text : "";

    AC_TRY(put_words(s, *at, verb, false));
    *at = verb;
    length = strlen(text);
    if (length < 3 || memcmp(text + length - 2, "'s", 2) != 0)
        return AC_OK;
    AC_TRY(put_word(s, ""));
    AC_TRY(buf_append(s->out, text, length - 2));
    *at = verb + 1;
    return put_word(s, "is");
}

/* The adverbial in front, behind the rest. */
static ac_status put_front(speech *s, size_t until)
{
    while (until > 0 && !s->p->tokens[until - 1].word)
        until--;
    if (until == 0)
        return AC_OK;
    while (s->out->length > 0 && strchr(" .,;!", s->out->data[s->out->length - 1]))
        s->out->length--;
    return put_words(s, 0, until, true);
}

ac_status speech_write(const rewriter *r, const phrase *p, subject who, size_t at, bool implied, buf *out)
{
    speech s = {.r = r, .p = p, .out = out, .about_user = false};
    size_t front = at;

    switch (implied ? SUBJECT_I : who) {
    case SUBJECT_I:
        AC_TRY(put_user(&s, &at, implied));
        s.about_user = true;
        break;
    case SUBJECT_WE:
        AC_TRY(put_we(&s, phrase_low(p, at)));
        at++;
        s.about_user = true;
        break;
    case SUBJECT_MINE:
        AC_TRY(put_mine(&s, &at));
        break;
    case SUBJECT_SHE:
        AC_TRY(put_mentioned(&s, &at));
        break;
    default:
        if (strcmp(phrase_low(p, at), "it's") == 0) {
            at++;
            AC_TRY(put_word(&s, word_in(phrase_low(p, at), " been got ") ? "it has" : "it is"));
        }
        break;
    }
    AC_TRY(put_words(&s, at, p->count, false));
    return put_front(&s, front);
}
