/* mentions.c - whom pronouns mean: "she" is the sister that the sentence before was about, "it" the car that was bought, and
 * "we" the user and whoever was named with him. */
#include "daemon/memory/extract/rewrite_internal.h"
#include "daemon/memory/extract/verbs.h"

#include <stdio.h>
#include <string.h>

static person_gender gender_of(const char *kin)
{
    if (word_in(kin, " wife sister mother mom mum mommy grandmother grandma aunt niece daughter girlfriend fiancee "
                     "stepmother stepsister stepdaughter granddaughter "))
        return GENDER_SHE;
    if (word_in(kin,
                " husband brother father dad daddy grandfather grandpa uncle nephew son boyfriend fiance stepfather "
                "stepbrother stepson grandson "))
        return GENDER_HE;
    if (word_in(kin, " parents kids children friends sons daughters brothers sisters grandparents twins colleagues "
                     "neighbours neighbors cats dogs siblings cousins "))
        return GENDER_THEY;
    return GENDER_UNKNOWN;
}

#define PEOPLE                                                                                                             \
    " wife sister mother mom mum mommy grandmother grandma aunt niece daughter girlfriend fiancee husband brother father " \
    "dad daddy grandfather grandpa uncle nephew son boyfriend fiance parents kids children friends friend partner boss "   \
    "colleague cousin neighbour neighbor doctor teacher manager roommate flatmate family baby child kid sons daughters "   \
    "brothers sisters grandparents twins colleagues team coworker dentist therapist coach dog cat puppy kitten dogs cats " \
    "siblings cousins pet horse parrot rabbit hamster spouse granddaughter grandson stepmother stepfather stepson "        \
    "stepdaughter "

/* Remember "my sister Anna" at the words from i ("my") on, up to the verb or so. */
static void remember_person(rewriter *r, const phrase *p, size_t i)
{
    char who[NAME_BYTES_MAX] = "";
    person_gender gender;

    for (size_t kin = i + 1; kin < p->count && kin <= i + 3; kin++) {
        char low[VERB_SIZE];

        snprintf(low, sizeof low, "%.*s", (int)strcspn(phrase_low(p, kin), "'"), phrase_low(p, kin));
        if (!word_in(low, PEOPLE)) {
            if (!*low)
                return;
            continue;
        }
        gender = gender_of(low);
        for (size_t k = i + 1; k <= kin; k++) {
            size_t used = strlen(who);
            snprintf(who + used, sizeof who - used, " %s", k == kin ? low : phrase_low(p, k));
        }
        if (kin + 1 < p->count && phrase_is_capital(&p->tokens[kin + 1]) && strcmp(p->tokens[kin + 1].low, "i") != 0 &&
            !strchr(p->tokens[kin + 1].text, '\'')) {
            size_t used = strlen(who);
            snprintf(who + used, sizeof who - used, " %s", p->tokens[kin + 1].text);
        }
        snprintf(r->person, sizeof r->person, "the user's%.80s", who);
        snprintf(r->mentioned, sizeof r->mentioned, "their%.80s", who);
        if (!word_in(low, " dog cat puppy kitten dogs cats pet horse parrot rabbit hamster "))
            memcpy(r->company, r->mentioned, sizeof r->company);
        r->gender = gender;
        return;
    }
}

/* Remember "a red car" at the end of a clause: "it" is the user's red car then. */
static void remember_thing(rewriter *r, const phrase *p, size_t at)
{
    for (size_t i = p->count; i > at + 1; i--) {
        const char *low = phrase_low(p, i - 1);

        if (!*low || p->count - i > 3)
            return;
        if (!word_in(low, " a an my our the "))
            continue;
        if (i == p->count || word_in(phrase_low(p, p->count - 1), PEOPLE))
            return;
        char thing[NAME_BYTES_MAX] = "the user's";
        for (size_t k = i; k < p->count; k++) {
            size_t used = strlen(thing);

            if (!p->tokens[k].word)
                return;
            snprintf(thing + used, sizeof thing - used, " %s", p->tokens[k].text);
        }
        memcpy(r->thing, thing, sizeof thing);
        return;
    }
}

void mention_remember(rewriter *r, const phrase *p, subject who, size_t at)
{
    for (size_t i = 0; i + 1 < p->count; i++)
        if (word_in(phrase_low(p, i), " my our ") ||
            (word_in(phrase_low(p, i), " a an two three ") && (who == SUBJECT_I || who == SUBJECT_WE) &&
             (word_in(phrase_low(p, i + 1), PEOPLE) || word_in(phrase_low(p, i + 2), PEOPLE))))
            remember_person(r, p, i);
    if (who == SUBJECT_I || who == SUBJECT_WE)
        remember_thing(r, p, at);
    if (who == SUBJECT_MINE && !r->person[0]) {
        size_t verb = clause_verb(p, at);
        char thing[NAME_BYTES_MAX] = "the user's";

        for (size_t k = at + 1; k < verb && verb < p->count; k++) {
            size_t used = strlen(thing);
            snprintf(thing + used, sizeof thing - used, " %s", p->tokens[k].text);
        }
        if (verb < p->count)
            memcpy(r->thing, thing, sizeof thing);
    }
}

bool mention_known(const rewriter *r, const char *low)
{
    if (word_in(low, " it it's it'll its "))
        return r->thing[0] && strcmp(low, "it'll") != 0;
    if (!r->person[0])
        return false;
    if (low[0] == 's' || strcmp(low, "her") == 0)
        return r->gender == GENDER_SHE || r->gender == GENDER_UNKNOWN;
    if (strncmp(low, "he", 2) == 0 || strcmp(low, "his") == 0)
        return r->gender == GENDER_HE || r->gender == GENDER_UNKNOWN;
    return r->gender == GENDER_THEY;
}

/* ---- company ---- */

/* "My wife and I moved": the two are "we", and what is in front stays there. */
subject mention_company(rewriter *r, phrase *p, const size_t *at)
{
    char who[NAME_BYTES_MAX] = "their";

    for (size_t i = *at + 2; i < p->count && i <= *at + 5; i++) {
        const char *before = phrase_low(p, i - 1);

        if (strcmp(before, "and") != 0 || !word_in(phrase_low(p, i), " i me "))
            continue;
        for (size_t k = *at + 1; k + 1 < i; k++) {
            size_t used = strlen(who);
            snprintf(who + used, sizeof who - used, " %s", p->tokens[k].text);
        }
        memcpy(r->company, who, sizeof who);
        p->tokens[i].text = p->tokens[i].low = "we";
        memmove(p->tokens + i - *at, p->tokens, *at * sizeof *p->tokens);
        *p = phrase_part(p, i - *at, p->count);
        return SUBJECT_WE;
    }
    return SUBJECT_MINE;
}

/* The same for "me and my brother run": the words up to the verb. */
subject mention_company_behind(rewriter *r, phrase *p, subject who, size_t at)
{
    char base[VERB_SIZE], company[NAME_BYTES_MAX] = "their";

    if (!word_in(phrase_low(p, at), " i me ") || strcmp(phrase_low(p, at + 1), "and") != 0 ||
        !word_in(phrase_low(p, at + 2), " my our "))
        return who;
    for (size_t i = at + 3; i < p->count && i <= at + 6; i++) {
        size_t used = strlen(company);

        if (i > at + 3 && (verb_is_auxiliary(phrase_low(p, i)) || verb_find(phrase_low(p, i), base) != VERB_NONE)) {
            memcpy(r->company, company, sizeof company);
            p->tokens[i - 1].text = p->tokens[i - 1].low = "we";
            *p = phrase_part(p, i - 1, p->count);
            return SUBJECT_WE;
        }
        snprintf(company + used, sizeof company - used, " %s", p->tokens[i].text);
    }
    return who;
}
