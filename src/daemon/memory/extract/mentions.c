/* mentions.c - whom pronouns mean: "she" is the sister that the sentence before was about, "it" the car that was
 * bought, and "we" the user and whoever was named with him. */
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

#define PEOPLE                                                                                                         \
    " wife sister mother mom mum mommy grandmother grandma aunt niece daughter girlfriend fiancee husband brother "    \
    "father dad daddy grandfather grandpa uncle nephew son boyfriend fiance parents kids children friends friend "     \
    "partner boss colleague cousin neighbour neighbor doctor teacher manager roommate flatmate family baby child "     \
    "kid sons daughters brothers sisters grandparents twins colleagues team coworker dentist therapist coach dog "     \
    "cat puppy kitten dogs cats siblings cousins pet horse parrot rabbit hamster spouse granddaughter grandson "       \
    "stepmother stepfather stepson stepdaughter "

/* Words that stand for somebody or something; one that does not fit is none, rather than half of one. */
typedef struct name {
    char text[NAME_BYTES_MAX];
    bool whole;
} name;

static name name_of(const char *beginning)
{
    name n = {.whole = true};

    snprintf(n.text, sizeof n.text, "%s", beginning);
    return n;
}

static void name_add(name *n, const char *word)
{
    size_t used = strlen(n->text), length = strlen(word);

    if (used + 1 + length >= sizeof n->text) {
        n->whole = false;
        return;
    }
    n->text[used] = ' ';
    memcpy(n->text + used + 1, word, length + 1);
}

/* "sister's" without the end, where that is short enough for a kin. */
static void without_owner(const char *low, char ret_word[VERB_SIZE])
{
    size_t length = strcspn(low, "'");

    snprintf(ret_word, VERB_SIZE, "%.*s", length < VERB_SIZE ? (int)length : 0, low);
}

/* "sister Anna" at the words [from, kin], and a name behind them. */
static name person_name(const char *beginning, const phrase *p, size_t from, size_t kin, const char *low)
{
    name n = name_of(beginning);

    for (size_t k = from; k < kin; k++)
        name_add(&n, phrase_low(p, k));
    name_add(&n, low);
    if (kin + 1 < p->count && phrase_is_capital(&p->tokens[kin + 1]) && strcmp(p->tokens[kin + 1].low, "i") != 0 &&
        !strchr(p->tokens[kin + 1].text, '\''))
        name_add(&n, p->tokens[kin + 1].text);
    return n;
}

/* Remember "my sister Anna" at the words from i ("my") on, up to the verb or so. */
static void remember_person(rewriter *r, const phrase *p, size_t i)
{
    for (size_t kin = i + 1; kin < p->count && kin <= i + 3; kin++) {
        char low[VERB_SIZE];

        without_owner(phrase_low(p, kin), low);
        if (!*low)
            return;
        if (!word_in(low, PEOPLE))
            continue;
        name person = person_name("the user's", p, i + 1, kin, low), mine = person_name("their", p, i + 1, kin, low);
        if (!person.whole)
            return;
        memcpy(r->person, person.text, sizeof r->person);
        memcpy(r->mentioned, mine.text, sizeof r->mentioned);
        if (!word_in(low, " dog cat puppy kitten dogs cats pet horse parrot rabbit hamster "))
            memcpy(r->company, mine.text, sizeof r->company);
        r->gender = gender_of(low);
        return;
    }
}

/* The words [from, until) are what "it" means then; not when a mark is among them. */
static void keep_thing(rewriter *r, const phrase *p, size_t from, size_t until)
{
    name n = name_of("the user's");

    for (size_t k = from; k < until; k++) {
        n.whole = n.whole && p->tokens[k].word;
        name_add(&n, p->tokens[k].text);
    }
    if (n.whole)
        memcpy(r->thing, n.text, sizeof r->thing);
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
        if (i < p->count && !word_in(phrase_low(p, p->count - 1), PEOPLE))
            keep_thing(r, p, i, p->count);
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

        if (verb < p->count)
            keep_thing(r, p, at + 1, verb);
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
    for (size_t i = *at + 2; i < p->count && i <= *at + 5; i++) {
        name company = name_of("their");

        if (strcmp(phrase_low(p, i - 1), "and") != 0 || !word_in(phrase_low(p, i), " i me "))
            continue;
        for (size_t k = *at + 1; k + 1 < i; k++)
            name_add(&company, p->tokens[k].text);
        if (!company.whole)
            break;
        memcpy(r->company, company.text, sizeof r->company);
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
    name company = name_of("their");
    char base[VERB_SIZE];

    if (!word_in(phrase_low(p, at), " i me ") || strcmp(phrase_low(p, at + 1), "and") != 0 ||
        !word_in(phrase_low(p, at + 2), " my our "))
        return who;
    for (size_t i = at + 3; i < p->count && i <= at + 6 && company.whole; i++) {
        if (i > at + 3 && (verb_is_auxiliary(phrase_low(p, i)) || verb_find(phrase_low(p, i), base) != VERB_NONE)) {
            memcpy(r->company, company.text, sizeof r->company);
            p->tokens[i - 1].text = p->tokens[i - 1].low = "we";
            *p = phrase_part(p, i - 1, p->count);
            return SUBJECT_WE;
        }
        name_add(&company, p->tokens[i].text);
    }
    return who;
}
