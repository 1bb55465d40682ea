/* left_out.c - what says nothing that lasts: requests, small talk, moods, and sentences whose object is only a
 * pronoun. */
#include "daemon/memory/extract/rewrite_internal.h"
#include "daemon/memory/extract/verbs.h"

#include <string.h>

#define WEAK_VERBS                                                                                                     \
    " like love want need know think see do have go get mean agree understand hope guess feel appreciate try use "     \
    "say tell ask look hate prefer enjoy wish believe suppose wonder hear keep make take come be can could will "      \
    "would should did disagree doubt remember forget wait "

#define PASSING                                                                                                        \
    " tired hungry thirsty bored back here sorry fine good ok okay ready done sure happy glad afraid confused "        \
    "curious excited great well bad sick busy late lost stuck free home right wrong grateful thankful interested "     \
    "asking kidding joking wondering impressed sad angry cold hot awake new there "

bool phrase_has(const phrase *p, size_t from, const char *list)
{
    for (size_t i = from; i < p->count; i++)
        if (word_in(phrase_low(p, i), list))
            return true;
    return false;
}

/* Words that say what is spoken of. */
size_t clause_content(const phrase *p, size_t from)
{
    size_t count = 0;

    for (size_t i = from; i < p->count; i++) {
        const char *low = phrase_low(p, i);

        count +=
            *low && !word_is_stop(low, strlen(low)) && !word_in(low, WEAK_VERBS) &&
            !word_in(low, " much lot bit one thing things stuff anymore too though lol haha please sometimes always "
                          "never often ");
    }
    return count;
}

/* Of wishes, and of other things that are said to keep a conversation going. */
static const char *const beginnings[] = {
    "i'd like to know",
    "i'd like to ask",
    "i would like to know",
    "i would like to ask",
    "i want to know",
    "i want to ask",
    "i need to know",
    "i need help",
    "i need your",
    "i need some help",
    "i was wondering",
    "i'm wondering",
    "i wonder",
    "i have a question",
    "i've a question",
    "i have another question",
    "i've got a question",
    "i have some questions",
    "i don't know",
    "i don't understand",
    "i do not know",
    "i do not understand",
    "i see",
    "i understand",
    "i agree",
    "i disagree",
    "i guess",
    "i hope",
    "i wish",
    "i appreciate",
    "i'd appreciate",
    "i think so",
    "i don't think so",
    "i'm not sure",
    "i am not sure",
    "i'm asking",
    "i mean",
    "i'm sure",
    "i am sure",
    "i bet",
    "i can't wait",
    "i forgot what",
    "i suppose",
    "i'm just",
    "i'm curious",
    "i'll try",
    "i'll see",
    "i'll let",
    "i'll check",
    "i'll do that",
    "i'll take it",
    "i'll have a look",
    "i'll think about",
    "i get it",
    "i got it",
    "i'm sorry",
    "i am sorry",
    "i'm afraid",
    "i can see",
    "i know",
    "i didn't know",
    "i don't mind",
    "i'd be happy",
    "i'm trying to understand",
    "i didn't get",
    "i love that",
    "i like that",
    "i like this",
    "i love this",
    "i have no idea",
    "i never thought",
    "i should probably",
};

/* "I'd like to know", "I want you to", "I need help": wishes of the moment. */
bool clause_is_request(const phrase *p, size_t at)
{
    phrase_token tokens[8];
    phrase plain = {tokens, 0};

    /* "I totally agree" is "I agree". */
    for (size_t i = at; i < p->count && plain.count < ARRAY_SIZE(tokens); i++) {
        const char *low = phrase_low(p, i);
        size_t length = strlen(low);

        if (i > at && i < at + 3 &&
            (word_in(low, " really just so also always still ") || (length > 4 && strcmp(low + length - 2, "ly") == 0)))
            continue;
        tokens[plain.count++] = p->tokens[i];
    }
    for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++)
        if (phrase_is(p, at, beginnings[i], NULL) || phrase_is(&plain, 0, beginnings[i], NULL))
            return true;
    return false;
}

/* "I'm tired": an adjective of the moment and no more. */
bool clause_is_passing(const phrase *p, size_t at)
{
    size_t i = at;

    if (word_in(phrase_low(p, i), " i'm we're "))
        i++;
    else if (word_in(phrase_low(p, i + 1), " am was feel are "))
        i += 2;
    else
        return false;
    while (
        word_in(phrase_low(p, i), " so super very really just still not feeling getting a bit too pretty quite all "))
        i++;
    return word_in(phrase_low(p, i), PASSING) && clause_content(p, i + 1) == 0;
}

bool clause_says(const rewriter *r, const phrase *p, subject who, size_t at, bool implied)
{
    char base[VERB_SIZE];
    size_t verb = at + !implied;
    const char *last = phrase_low(p, p->count - 1);

    if (*r->mentioned && phrase_has(p, verb, " him her "))
        return true;
    /* "I avoid them", "I find it odd": but what? */
    if (p->count - verb <= 6 && clause_content(p, verb) <= 3 &&
        word_in(phrase_low(p, verb + 1), " it them that this ") && !word_in(phrase_low(p, verb + 2), " when that if "))
        return false;
    if (word_in(last, " it them that this these those him her one ") && clause_content(p, verb) <= 1 &&
        p->count - verb <= 4)
        return false;
    if (clause_content(p, verb) > 0)
        return true;
    /* "I smoke", "I don't drink": the verb alone. */
    while (verb < p->count && (verb_is_auxiliary(phrase_low(p, verb)) || word_in(phrase_low(p, verb), " not never ")))
        verb++;
    return who == SUBJECT_I && verb_find(phrase_low(p, verb), base) != VERB_NONE && !word_in(base, WEAK_VERBS);
}
