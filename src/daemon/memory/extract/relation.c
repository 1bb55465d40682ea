/* relation.c - facts as subject, verb and object, as far as that goes without a grammar.
 *
 * Contraries are of three kinds: something there can be but one of has another value ("lives in Oslo", "lives in
 * Bergen"); the same is said and denied ("likes sushi", "does not like sushi"); a preference is turned round.  What is
 * denied must not be more than what was said: who does not like spicy sushi may like sushi. */
#include "daemon/memory/extract/relation.h"

#include "daemon/memory/extract/rewrite_internal.h"

#include <stdio.h>
#include <string.h>

#define OBJECT_STEMS_MAX 64

#define PREPOSITIONS " in at for as with to from on of about into near by over "
#define LIKES " like love adore enjoy prefer fancy favor favour crave "
#define DISLIKES " hate dislike detest loathe despise "
#define NO_OBJECT " now currently anymore any more today again still already yet too also much lot really very so "

/* ---- taking apart ---- */

static bool is_participle(const char *low)
{
    char base[VERB_SIZE];
    verb_form form = verb_find(low, base);

    return form == VERB_PAST || form == VERB_PARTICIPLE || (form == VERB_NONE && verb_looks_past(low));
}

static size_t subject_end(const phrase *p)
{
    if (phrase_is(p, 0, "the user", NULL) && strcmp(phrase_low(p, 2), "and") != 0)
        return 2;
    return clause_verb(p, 0);
}

/* What stands before the verb: negation, modals, "used to"; returns where the verb is. */
static size_t read_auxiliaries(relation *r, size_t at)
{
    const phrase *p = &r->words;

    for (;; at++) {
        const char *low = phrase_low(p, at), *next = phrase_low(p, at + 1);

        if (word_in(low, " not never cannot no hardly rarely seldom ")) {
            if (strcmp(low, "no") == 0 && strcmp(next, "longer") != 0)
                return at;
            r->negated = true;
            at += strcmp(low, "no") == 0;
        } else if (word_in(low, " does do ") && word_in(next, " not never ")) {
            continue;
        } else if (strcmp(low, "did") == 0) {
            r->tense = TENSE_PAST;
        } else if (word_in(low, " would should could might may must had ") && *next) {
            r->tense = strcmp(low, "had") == 0 && r->tense == TENSE_PRESENT && is_participle(next) ? TENSE_PAST
                       : strcmp(low, "had") == 0                                                   ? r->tense
                                                                                                   : TENSE_WOULD;
            if (strcmp(low, "had") == 0 && r->tense != TENSE_PAST)
                return at;
        } else if (strcmp(low, "will") == 0) {
            r->tense = TENSE_FUTURE;
        } else if (strcmp(low, "used") == 0 && strcmp(next, "to") == 0) {
            r->tense = TENSE_PAST;
            at++;
        } else if (word_in(low, " has have ") && (is_participle(next) || word_in(next, " not never always "))) {
            r->tense = TENSE_PERFECT;
        } else if (!word_in(low, " can always often usually sometimes still now also already mostly normally typically "
                                 "currently recently ")) {
            return at;
        }
    }
}

static void read_verb(relation *r, size_t at)
{
    const phrase *p = &r->words;
    const char *low = phrase_low(p, at), *next;
    char gerund[VERB_SIZE];
    verb_form form = verb_find(low, r->verb);

    if (form == VERB_NONE && *low && verb_is_auxiliary(low))
        snprintf(r->verb, sizeof r->verb, "%s", "be"), form = VERB_THIRD;
    if (form == VERB_NONE)
        return;
    if (r->tense == TENSE_PRESENT && form == VERB_PAST)
        r->tense = TENSE_PAST;
    at++;
    while (word_in(phrase_low(p, at), " not no longer still now currently also never always ")) {
        r->negated |= word_in(phrase_low(p, at), " not no never ");
        at++;
    }
    next = phrase_low(p, at);
    if (strcmp(r->verb, "be") == 0 && word_in(next, " living working staying studying based called named ")) {
        if (verb_find(next, gerund) != VERB_NONE)
            snprintf(r->verb, sizeof r->verb, "%s", gerund);
        else
            snprintf(r->verb, sizeof r->verb, "%s", "live"); /* based in */
        at++;
    }
    next = phrase_low(p, at);
    if (word_in(next, PREPOSITIONS)) {
        snprintf(r->preposition, sizeof r->preposition, "%s", next);
        at++;
    }
    r->object_begin = at;
}

static bool object_has(const relation *r, const char *list)
{
    for (size_t i = r->object_begin; i < r->words.count; i++)
        if (word_in(phrase_low(&r->words, i), list))
            return true;
    return false;
}

static bool subject_has(const relation *r, const char *list)
{
    for (size_t i = 0; i < r->subject_end; i++)
        if (word_in(phrase_low(&r->words, i), list))
            return true;
    return false;
}

static int liking_of(const relation *r)
{
    int sign = word_in(r->verb, LIKES) ? 1 : word_in(r->verb, DISLIKES) ? -1 : 0;
    const char *object = phrase_low(&r->words, r->object_begin);

    if (word_in(r->verb, " stand bear ") && r->negated)
        return -1;
    if (strcmp(r->verb, "be") == 0 && (word_in(object, " fond keen into crazy ") || object_has(r, " fan ")))
        sign = 1;
    if (strcmp(r->verb, "be") == 0 && strcmp(r->preposition, "into") == 0)
        sign = 1;
    return r->negated ? -sign : sign;
}

/* What a subject has but one of. */
static const char *slot_of(const relation *r)
{
    const char *prep = r->preposition, *object = phrase_low(&r->words, r->object_begin);

    if (r->negated || r->tense == TENSE_WOULD || r->tense == TENSE_FUTURE || r->liking)
        return NULL;
    if (word_in(r->verb, " move relocate ") && strcmp(prep, "to") == 0)
        return "home";
    if (r->tense != TENSE_PRESENT)
        return NULL;
    if (word_in(r->verb, " live reside ") && word_in(prep, " in at near "))
        return "home";
    if (strcmp(r->verb, "work") == 0)
        return word_in(prep, " at for ") ? "employer" : strcmp(prep, "as") == 0 ? "job" : NULL;
    if (strcmp(r->verb, "study") == 0 && strcmp(prep, "at") == 0)
        return "school";
    if (word_in(r->verb, " call name weigh ") && !*prep)
        return r->verb;
    if (strcmp(r->verb, "be") != 0 || *prep)
        return NULL;
    if (word_in(object, " single married divorced engaged widowed "))
        return "marriage";
    if (word_in(object, " vegetarian vegan pescatarian ") ||
        (strcmp(object, "a") == 0 && object_has(r, " vegetarian vegan ")))
        return "diet";
    if (object_has(r, " years ") && object_has(r, " old "))
        return "age";
    if (subject_has(r,
                    " name favourite favorite preferred number email address birthday phone budget size age job title "
                    "language surname nickname goal password salary weight height "))
        return "value";
    return NULL;
}

/* Stems of the words, and where each token begins among them: a token may hold several words ("6/7"). */
static ac_status read_stems(relation *r, arena *a)
{
    size_t room = 1, at = 0;
    char *joined;

    for (size_t i = 0; i < r->words.count; i++)
        room += strlen(r->words.tokens[i].text) + 1;
    joined = arena_alloc(a, room);
    r->offsets = arena_alloc(a, (r->words.count + 1) * sizeof *r->offsets);
    if (!joined || !r->offsets)
        return AC_ERR_NOMEM;
    for (size_t i = 0; i < r->words.count; i++) {
        size_t length = strlen(r->words.tokens[i].text);

        r->offsets[i] = at;
        memcpy(joined + at, r->words.tokens[i].text, length);
        at += length;
        joined[at++] = ' ';
    }
    r->offsets[r->words.count] = at;
    return words_of(joined, at, a, &r->stems, &r->stem_count);
}

ac_status relation_of(const char *text, arena *a, relation *ret_relation)
{
    relation *r = ret_relation;

    *r = (relation){.text = text};
    AC_TRY(phrase_of(text, strlen(text), a, &r->words));
    while (r->words.count > 0 && !r->words.tokens[r->words.count - 1].word)
        r->words.count--;
    AC_TRY(read_stems(r, a));
    r->subject_end = subject_end(&r->words);
    if (r->subject_end == 0 || r->subject_end >= r->words.count)
        return AC_OK;
    read_verb(r, read_auxiliaries(r, r->subject_end));
    if (!r->verb[0])
        return AC_OK;
    r->liking = liking_of(r);
    r->slot = slot_of(r);
    return AC_OK;
}

/* ---- comparing ---- */

typedef struct stems {
    const char *list[OBJECT_STEMS_MAX];
    size_t count;
} stems;

/* The stems of content words from token begin on. */
static void object_stems(const relation *r, size_t begin, stems *out)
{
    size_t from = r->offsets[MIN(begin, r->words.count)], until = r->offsets[r->words.count];

    out->count = 0;
    for (size_t i = 0; i < r->stem_count && out->count < OBJECT_STEMS_MAX; i++) {
        const text_word *w = &r->stems[i];

        if (r->liking && word_in(w->text, " fan fond keen crazy big huge great ") && strcmp(r->verb, "be") == 0)
            continue; /* how much, not what */
        if (w->offset >= from && w->offset < until && !w->stop && !word_in(w->text, NO_OBJECT))
            out->list[out->count++] = w->stem;
    }
}

static bool contains(const stems *set, const char *stem)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->list[i], stem) == 0)
            return true;
    return false;
}

static bool is_subset(const stems *part, const stems *whole)
{
    for (size_t i = 0; i < part->count; i++)
        if (!contains(whole, part->list[i]))
            return false;
    return true;
}

static bool same_subject(const relation *a, const relation *b)
{
    if (a->subject_end != b->subject_end)
        return false;
    for (size_t i = 0; i < a->subject_end; i++)
        if (strcmp(phrase_low(&a->words, i), phrase_low(&b->words, i)) != 0)
            return false;
    return true;
}

/* Whether the longer text goes on after the shorter one with words that add to it: "likes sushi | with tuna". */
static bool goes_on(const phrase *shorter, const phrase *longer)
{
    const char *next;

    if (shorter->count >= longer->count)
        return false;
    for (size_t i = 0; i < shorter->count; i++)
        if (strcmp(shorter->tokens[i].low, longer->tokens[i].low) != 0)
            return false;
    next = longer->tokens[shorter->count].low;
    return !longer->tokens[shorter->count].word ||
           word_in(next,
                   " with and who which that named called in at on for from because since when where or especially "
                   "to by near as during while until about over than including but of ");
}

static bool same_words(const relation *a, const relation *b)
{
    if (a->words.count != b->words.count)
        return false;
    for (size_t i = 0; i < a->words.count; i++)
        if (strcmp(a->words.tokens[i].low, b->words.tokens[i].low) != 0)
            return false;
    return true;
}

/* "prefers tea over coffee" and the other way round. */
static bool turned_round(const relation *a, const relation *b)
{
    stems mine[2], theirs[2];
    const relation *both[] = {a, b};
    stems *parts[] = {mine, theirs};

    if (strcmp(a->verb, "prefer") != 0 || strcmp(b->verb, "prefer") != 0)
        return false;
    for (size_t k = 0; k < 2; k++) {
        relation before = *both[k];
        size_t at = before.object_begin;

        while (at < before.words.count && !word_in(phrase_low(&before.words, at), " over to than "))
            at++;
        if (at >= before.words.count)
            return false;
        object_stems(&before, at, &parts[k][1]);
        before.words.count = at;
        object_stems(&before, before.object_begin, &parts[k][0]);
    }
    return mine[0].count && theirs[0].count && is_subset(&mine[0], &theirs[1]) && is_subset(&theirs[0], &mine[1]);
}

/* Whether one of them denies what the other says. */
static bool denies(const relation *a, const relation *b, const stems *of_a, const stems *of_b)
{
    bool tenses = a->tense == b->tense || (a->tense == TENSE_PERFECT && b->tense == TENSE_PRESENT);
    bool opposite =
        a->liking && b->liking ? a->liking == -b->liking : strcmp(a->verb, b->verb) == 0 && a->negated != b->negated;
    bool a_denies = a->liking ? a->liking < 0 : a->negated;

    if (!opposite || !tenses || of_a->count == 0 || of_b->count == 0)
        return false;
    return a_denies ? is_subset(of_a, of_b) : is_subset(of_b, of_a);
}

static bool other_value(const relation *a, const relation *b, const stems *of_a, const stems *of_b)
{
    if (!a->slot || !b->slot || strcmp(a->slot, b->slot) != 0)
        return false;
    if (a->tense == TENSE_PAST && b->tense == TENSE_PAST)
        return false; /* moved twice: both are history */
    return !is_subset(of_a, of_b) && !is_subset(of_b, of_a);
}

comparison relation_compare(const relation *candidate, const relation *known)
{
    stems mine, theirs;

    if (same_words(candidate, known))
        return COMPARE_SAME;
    if (!candidate->verb[0] != !known->verb[0])
        return COMPARE_DIFFERENT;
    if (!candidate->verb[0]) {
        object_stems(candidate, 0, &mine);
        object_stems(known, 0, &theirs);
        return mine.count && is_subset(&mine, &theirs) && is_subset(&theirs, &mine) ? COMPARE_SAME : COMPARE_DIFFERENT;
    }
    if (!same_subject(candidate, known))
        return COMPARE_DIFFERENT;
    object_stems(candidate, candidate->object_begin, &mine);
    object_stems(known, known->object_begin, &theirs);
    if (turned_round(candidate, known) || denies(candidate, known, &mine, &theirs) ||
        other_value(candidate, known, &mine, &theirs))
        return COMPARE_CONTRARY;
    bool alike = candidate->liking ? candidate->liking == known->liking
                                   : strcmp(candidate->verb, known->verb) == 0 && candidate->negated == known->negated;
    if (!alike || candidate->tense != known->tense || strcmp(candidate->preposition, known->preposition) != 0)
        return COMPARE_DIFFERENT;
    if (mine.count && is_subset(&mine, &theirs) && is_subset(&theirs, &mine))
        return COMPARE_SAME;
    if (candidate->slot && known->slot && strcmp(candidate->slot, known->slot) == 0 && mine.count && theirs.count) {
        /* One value, told more or less exactly; or two of the past. */
        if (is_subset(&mine, &theirs))
            return COMPARE_SAME;
        return is_subset(&theirs, &mine) ? COMPARE_EXTENDS : COMPARE_DIFFERENT;
    }
    /* Of liking the words do not matter: who adores tea and likes tea with milk has said one thing twice. */
    phrase one = candidate->words, other = known->words;
    if (candidate->liking) {
        one = phrase_part(&one, candidate->object_begin, one.count);
        other = phrase_part(&other, known->object_begin, other.count);
    }
    if (one.count == 0 || other.count == 0)
        return COMPARE_DIFFERENT;
    if (goes_on(&one, &other))
        return COMPARE_SAME;
    return goes_on(&other, &one) ? COMPARE_EXTENDS : COMPARE_DIFFERENT;
}

const char *relation_hint(const relation *r)
{
    static const struct {
        const char *slot, *text;
    } hints[] = {{"home", "The user lives in"},
                 {"employer", "The user works at"},
                 {"job", "The user works as"},
                 {"call", "The user's name is"},
                 {"marriage", "The user is married, single, divorced"},
                 {"diet", "The user is vegetarian, vegan"},
                 {"age", "The user is years old"}};

    for (size_t i = 0; r->slot && i < ARRAY_SIZE(hints); i++)
        if (strcmp(r->slot, hints[i].slot) == 0)
            return hints[i].text;
    return NULL;
}
