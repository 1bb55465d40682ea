/* clauses.c - a sentence cut into clauses, each with one subject, and whose clause each is. */
#include "daemon/memory/extract/rewrite_internal.h"
#include "daemon/memory/extract/verbs.h"

#include <string.h>

#define ADVERBIAL_WORDS_MAX 8 /* before a subject */

#define SUBJECTS_I " i i'm i've i'd i'll "
#define SUBJECTS_WE " we we're we've we'd we'll "
#define SUBJECTS_SHE                                                                                                   \
    " he he's he'd he'll she she's she'd she'll they they're they've they'd they'll it it's it'll its his her their "
#define SUBORDINATORS " when while since because as although though after before until once whenever if unless "
#define ADVERBS                                                                                                        \
    " never always also now then still currently usually often sometimes really just only even rarely recently "       \
    "definitely absolutely "

/* ---- beginnings ---- */

/* Whether a quotation begins at i that ends somewhere. */
static bool is_quoted(const phrase *p, size_t i)
{
    bool straight = strcmp(p->tokens[i].text, "\"") == 0;

    if (!straight && strcmp(p->tokens[i].text, "\u201c") != 0)
        return false;
    for (size_t k = i + 1; k < p->count; k++)
        if (strcmp(p->tokens[k].text, straight ? "\"" : "\u201d") == 0)
            return true;
    return false;
}

/* What sentences begin with that says nothing. */
static const char *const openings[] = {
    "by the way",
    "btw",
    "just so you know",
    "for the record",
    "for your information",
    "fyi",
    "to be honest",
    "tbh",
    "honestly",
    "actually",
    "well",
    "so",
    "and",
    "but",
    "also",
    "plus",
    "oh",
    "ah",
    "hm",
    "hmm",
    "yes",
    "yeah",
    "yep",
    "yup",
    "no",
    "nope",
    "ok",
    "okay",
    "sure",
    "right",
    "hi",
    "hello",
    "hey",
    "hi there",
    "hello there",
    "hey there",
    "good morning",
    "good evening",
    "good afternoon",
    "thanks",
    "thank you",
    "great",
    "cool",
    "nice",
    "awesome",
    "perfect",
    "wow",
    "haha",
    "lol",
    "anyway",
    "in fact",
    "of course",
    "as i said",
    "like i said",
    "as i mentioned",
    "you know",
    "you see",
    "i mean",
    "look",
    "listen",
    "first",
    "second",
    "finally",
    "additionally",
    "moreover",
    "furthermore",
    "however",
    "remember that",
    "please remember that",
    "please note that",
    "note that",
    "please remember",
    "remember",
    "keep in mind that",
    "please keep in mind that",
    "don't forget that",
    "please don't forget that",
    "i should mention that",
    "i should mention",
    "i want you to know that",
    "i'd like you to know that",
    "i'd like you to remember that",
    "i want you to remember that",
    "i told you that",
    "i told you",
    "let me tell you that",
    "let me tell you",
    "did you know that",
    "you should know that",
    "it turns out that",
    "it turns out",
    "the thing is",
    "the truth is",
    "fun fact",
    "unfortunately",
    "luckily",
    "sadly",
    "fortunately",
    "personally",
    "sorry",
    "i forgot to mention that",
    "i forgot to say that",
    "can you remember that",
    "could you remember that",
    "please save that",
    "my point is that",
    "as you know",
    "i have to say",
    "i must say",
    "i guess",
    "i'd say",
    "basically",
};

size_t clause_beginning(const phrase *p)
{
    size_t at = 0, words;

    for (bool more = true; more && at < p->count;) {
        size_t best = 0;

        more = false;
        for (size_t i = 0; i < ARRAY_SIZE(openings); i++)
            if (phrase_is(p, at, openings[i], &words) && words > best)
                best = words;
        while (best == 0 && at < p->count && !p->tokens[at].word && !is_quoted(p, at)) {
            at++; /* marks that are left at the beginning */
            more = true;
        }
        if (best > 0) {
            at += best;
            more = true;
        }
    }
    return at;
}

/* Whether the mark at i closes a bracket or a quotation; of ":)" it does not. */
static bool closes(const phrase *p, size_t i)
{
    const char *mark = p->tokens[i].text;
    const char *begin = strcmp(mark, ")") == 0        ? "("
                        : strcmp(mark, "\"") == 0     ? "\""
                        : strcmp(mark, "\u201d") == 0 ? "\u201c"
                                                      : NULL;

    for (size_t k = 0; begin && k < i; k++)
        if (strcmp(p->tokens[k].text, begin) == 0)
            return true;
    return false;
}

size_t clause_ending(const phrase *p)
{
    static const char *const fillers[] = {
        "tbh",       "please", "thanks",   "thank you", "lol", "haha", "by the way", "btw",           "you know",
        "of course", "though", "actually", "right",     "ok",  "okay", "so far",     "if that helps", "to be honest"};
    size_t end = p->count, words;

    for (bool more = true; more && end > 0;) {
        more = false;
        if (!p->tokens[end - 1].word && !closes(p, end - 1)) {
            end--;
            more = true;
        }
        for (size_t i = 0; i < ARRAY_SIZE(fillers) && !more; i++)
            for (size_t n = 1; n <= 3 && n < end && !more; n++)
                if (phrase_is(p, end - n, fillers[i], &words) && words == n) {
                    end -= n;
                    more = true;
                }
    }
    return end;
}

/* ---- verbs of clauses ---- */

static bool is_finite(const phrase *p, size_t i, bool plural)
{
    char base[VERB_SIZE];
    const char *low = phrase_low(p, i);
    verb_form form;

    if (!*low)
        return false;
    if (verb_is_auxiliary(low))
        return true;
    form = verb_find(low, base);
    return form == VERB_THIRD || form == VERB_PAST || (form == VERB_BASE && plural);
}

/* "sister's" before an article, an adjective in -ing or a preposition is "sister is". */
static bool is_contracted(const phrase *p, size_t i)
{
    size_t length = strlen(phrase_low(p, i));
    const char *low = phrase_low(p, i), *next = phrase_low(p, i + 1);
    char base[VERB_SIZE];

    if (length <= 2 || memcmp(low + length - 2, "'s", 2) != 0)
        return false;
    if (strcmp(low, "name's") == 0)
        return i + 2 >= p->count || !verb_is_auxiliary(phrase_low(p, i + 2));
    return word_in(next, " a an the not in at from on very so really called named ") ||
           verb_find(next, base) == VERB_GERUND;
}

size_t clause_verb(const phrase *p, size_t from)
{
    for (size_t i = from + 1; i < p->count; i++) {
        const char *before = phrase_low(p, i - 1);
        size_t length = strlen(before);
        bool plural = i > from + 1 && length > 1 && !strchr(before, '\'') &&
                      (before[length - 1] == 's' || word_in(before, " children people "));

        if (is_contracted(p, i))
            return i;
        /* The word behind "my" is a noun, whatever verb it looks like. */
        if (i == from + 1 && word_in(before, " my our his her their its the a an ") &&
            !verb_is_auxiliary(phrase_low(p, i)))
            continue;
        if (is_finite(p, i, plural))
            return i;
    }
    return p->count;
}

bool clause_is_command(const phrase *p)
{
    char base[VERB_SIZE];
    const char *low = phrase_low(p, 0);

    if (word_in(low, " please let let's don't never imagine suppose assume hold hang bring pick keep double summarize "
                     "summarise rewrite paraphrase calculate define compute generate fetch "))
        return true;
    return verb_find(low, base) == VERB_BASE && strcmp(low, "last") != 0 && !verb_is_auxiliary(phrase_low(p, 1));
}

/* ---- subjects ---- */

static subject subject_at(const phrase *p, size_t i)
{
    const char *low = phrase_low(p, i);

    if (word_in(low, SUBJECTS_I))
        return SUBJECT_I;
    if (word_in(low, SUBJECTS_WE))
        return SUBJECT_WE;
    if (word_in(low, " my our "))
        return SUBJECT_MINE;
    if (word_in(low, SUBJECTS_SHE))
        return SUBJECT_SHE;
    return SUBJECT_OTHER;
}

/* The comma that ends a subordinate clause at the beginning; count when there is none. */
static size_t end_of_subordinate(const phrase *p, size_t from)
{
    for (size_t i = from; i < p->count; i++)
        if (!p->tokens[i].word && strcmp(p->tokens[i].text, ",") == 0)
            return i;
    return p->count;
}

/* Whether what stands in front of a subject can be an adverbial: "last year I ...", but not "the cat I ...". */
static bool begins_adverbial(const phrase *p)
{
    const char *low = phrase_low(p, 0);
    size_t length = strlen(low);

    if (strcmp(low, "the") == 0)
        return word_in(phrase_low(p, 1), " day other first next morning evening night ");
    return word_in(low,
                   " in on at last next this these every each since for during from with without until before after by "
                   "about over around near currently nowadays today tonight tomorrow yesterday now then sometimes "
                   "once often as one two three some most myself despite besides instead outside inside back when "
                   "while whenever though where monday tuesday wednesday thursday friday saturday sunday ") ||
           (length > 4 && memcmp(low + length - 2, "ly", 2) == 0);
}

subject clause_subject(const phrase *p, size_t *ret_at)
{
    subject who = subject_at(p, 0);
    char base[VERB_SIZE];

    *ret_at = 0;
    if (who != SUBJECT_OTHER)
        return who;
    size_t first = 1;
    if (word_in(phrase_low(p, 0), SUBORDINATORS)) {
        size_t comma = end_of_subordinate(p, 0);

        if (comma < p->count) {
            who = subject_at(p, comma + 1);
            *ret_at = who == SUBJECT_OTHER ? 0 : comma + 1;
            return who;
        }
        first = 2; /* "when I travel I prefer trains" */
    }
    if (!begins_adverbial(p))
        return SUBJECT_OTHER;
    for (size_t i = first; i < p->count && i <= ADVERBIAL_WORDS_MAX; i++) {
        const char *low = phrase_low(p, i - 1);
        verb_form form = verb_find(low, base);

        if (verb_is_auxiliary(low) || form == VERB_THIRD || form == VERB_PAST || form == VERB_GERUND ||
            (form == VERB_BASE && i == 1 && strcmp(low, "last") != 0))
            break;
        who = subject_at(p, i);
        if (who == SUBJECT_I || who == SUBJECT_WE ||
            (who == SUBJECT_MINE && !word_in(low, " in on at for with of from to by about during after before my ")) ||
            (who == SUBJECT_SHE && strcmp(p->tokens[i - 1].text, ",") == 0)) {
            *ret_at = i;
            return who;
        }
    }
    return SUBJECT_OTHER;
}

/* ---- cutting ---- */

/* Whether a clause with a subject of its own begins at i. */
static bool begins_clause(const phrase *p, size_t i)
{
    subject who = subject_at(p, i);

    if (who == SUBJECT_I || who == SUBJECT_WE)
        return true;
    if (who == SUBJECT_MINE || who == SUBJECT_SHE) {
        phrase rest = phrase_part(p, i, MIN(p->count, i + 6));
        const char *low = phrase_low(p, i);

        if (strchr(low, '\''))
            return true;
        return clause_verb(&rest, 0) < rest.count;
    }
    return false;
}

/* Whether a verb stands at i whose subject is the "I" before: "and work at Acme", "but don't like tea". */
static bool begins_predicate(const phrase *p, size_t i, verb_form main, bool but)
{
    char base[VERB_SIZE];
    verb_form form;

    while (word_in(phrase_low(p, i), ADVERBS))
        i++;
    const char *low = phrase_low(p, i);
    if (i + 1 >= p->count || !p->tokens[i + 1].word || word_in(phrase_low(p, i + 1), " and or but "))
        return false;
    if (word_in(low, " am don't didn't can't cannot won't haven't wouldn't couldn't was have had "))
        return true;
    if (but && word_in(low, " love like hate prefer enjoy adore dislike "))
        return true; /* also after "can't stand" */
    form = verb_find(low, base);
    if (main == VERB_PAST)
        return form == VERB_PAST;
    return main == VERB_BASE && form == VERB_BASE;
}

/* The form of the verb of an "I" clause: what a second verb must be like. */
static verb_form main_verb(const phrase *p, size_t from, size_t until)
{
    char base[VERB_SIZE];

    for (size_t i = from; i < until; i++)
        if (strcmp(phrase_low(p, i), "to") == 0 || verb_is_modal(phrase_low(p, i)) ||
            word_in(phrase_low(p, i), " i'd i'll let help make see hear "))
            return VERB_NONE;
    for (size_t i = from + 1; i < until; i++) {
        verb_form form = verb_find(phrase_low(p, i), base);

        if (word_in(phrase_low(p, i), " am was were had did didn't wasn't "))
            return phrase_low(p, i)[0] == 'a' ? VERB_BASE : VERB_PAST;
        if (form == VERB_BASE || form == VERB_PAST)
            return form;
    }
    return word_in(phrase_low(p, from), " i'm i've ") ? VERB_BASE : VERB_NONE;
}

static bool has_verb(const phrase *p, size_t begin, size_t until)
{
    char base[VERB_SIZE];

    for (size_t i = begin; i < until; i++)
        if (strchr(phrase_low(p, i), '\'') || verb_is_auxiliary(phrase_low(p, i)) ||
            (i > begin && verb_find(phrase_low(p, i), base) != VERB_NONE))
            return true;
    return false;
}

/* ", write me there" */
static bool is_order(const phrase *p, size_t i)
{
    char base[VERB_SIZE];

    return verb_find(phrase_low(p, i), base) == VERB_BASE;
}

/* How many tokens before the next clause stand between: ", and"; 0: no clause begins behind i. */
static size_t cut_at(const phrase *p, size_t begin, size_t i, bool *ret_implied)
{
    const char *text = p->tokens[i].text, *low = phrase_low(p, i);
    size_t next = i + 1;
    bool comma = strcmp(text, ",") == 0;

    *ret_implied = false;
    if (strcmp(text, ";") == 0 || strcmp(text, "\u2014") == 0 || strcmp(text, "\u2013") == 0 || strcmp(text, "-") == 0)
        return next < p->count && begins_clause(p, next) ? 1 : 0;
    if (comma && word_in(phrase_low(p, next + 1), " me us ") && is_order(p, next))
        return 1;
    if (comma && word_in(phrase_low(p, next), " and but so or yet plus however "))
        next++;
    else if (!comma && !word_in(low, " and but so plus "))
        return 0;
    if (begins_clause(p, next))
        return has_verb(p, begin, i) ? next - i : 0; /* "my wife and I" */
    if (subject_at(p, begin) == SUBJECT_I && !(comma && next == i + 1) && strcmp(low, "so") != 0 &&
        begins_predicate(p, next, main_verb(p, begin, i), strcmp(phrase_low(p, next - 1), "but") == 0)) {
        *ret_implied = true;
        return next - i;
    }
    return 0;
}

size_t clauses_of(const phrase *p, clause clauses[CLAUSES_MAX])
{
    size_t count = 0, begin = 0, at = 0;
    bool implied = false, next_implied;

    /* The comma behind "when I was young" is no cut. */
    if (word_in(phrase_low(p, 0), SUBORDINATORS))
        at = MIN(end_of_subordinate(p, 0) + 1, p->count);
    for (size_t i = at + 1; i < p->count && count + 1 < CLAUSES_MAX; i++) {
        size_t between = cut_at(p, implied ? 0 : begin, i, &next_implied);

        if (between == 0)
            continue;
        clauses[count++] = (clause){phrase_part(p, begin, i), implied};
        begin = i + between;
        implied = next_implied;
        i = begin;
    }
    if (begin < p->count)
        clauses[count++] = (clause){phrase_part(p, begin, p->count), implied};
    return count;
}
