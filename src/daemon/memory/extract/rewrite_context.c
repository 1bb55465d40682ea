/* rewrite_context.c - sentences that are understood by who says them to whom: short answers to a question, and what the
 * assistant tells the user about himself.  And which sentences are none of ours to rewrite: other languages. */
#include "daemon/memory/extract/rewrite_internal.h"
#include "daemon/memory/extract/verbs.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ANSWER_WORDS_MAX 8

/* ---- answers ---- */

/* Words of a question, and what the answer to it is put behind. */
static const struct {
    const char *question, *statement;
    bool common; /* the answer is no name: its capital is the sentence's */
} answers[] = {
    {"your name", "My name is", false},
    {"what should i call you", "My name is", false},
    {"where do you live", "I live", false},
    {"where are you based", "I am based", false},
    {"where are you from", "I am from", false},
    {"where do you work", "I work", false},
    {"what do you do for", "I work as", true},
    {"your job", "I work as", true},
    {"your profession", "I work as", true},
    {"how old are you", "I am", false},
    {"your birthday", "My birthday is", false},
    {"your favorite food", "My favorite food is", true},
    {"your favourite food", "My favourite food is", true},
    {"your favorite color", "My favorite color is", true},
    {"your favourite colour", "My favourite colour is", true},
    {"your email", "My email address is", false},
    {"your phone number", "My phone number is", false},
    {"your address", "My address is", false},
    {"what are you allergic to", "I am allergic to", true},
    {"any allergies", "I am allergic to", true},
    {"dietary restrictions", "My dietary restrictions are", true},
    {"your budget", "My budget is", true},
};

static bool holds(const char *text, const char *words)
{
    size_t length = strlen(words);

    for (; *text; text++)
        if (strncasecmp(text, words, length) == 0)
            return true;
    return false;
}

/* "In Oslo" stays behind "I live"; "Oslo" needs the "in". */
static const char *preposition(const char *statement, const phrase *p)
{
    const char *low = phrase_low(p, 0);

    if ((strcmp(statement, "I live") == 0 || strcmp(statement, "I am based") == 0) &&
        !word_in(low, " in near at on close outside by with "))
        return " in";
    if (strcmp(statement, "I work") == 0 && !word_in(low, " at in for as from with on "))
        return " at";
    if (strcmp(statement, "I am from") == 0 && strcmp(low, "from") == 0)
        return NULL;
    return "";
}

ac_status rewrite_answer(rewriter *r, const char *question, const sentence *s, bool *ret_done)
{
    phrase p;
    char text[FACT_BYTES_MAX];
    const char *between;

    *ret_done = false;
    AC_TRY(phrase_of(s->text, s->length, r->arena, &p));
    p = phrase_part(&p, clause_beginning(&p), p.count);
    if (s->question || p.count == 0 || p.count > ANSWER_WORDS_MAX || clause_verb(&p, 0) < p.count ||
        word_in(phrase_low(&p, 0), " i i'm i've my we none nothing nowhere not "))
        return AC_OK;
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        if (!holds(question, answers[i].question) || !(between = preposition(answers[i].statement, &p)))
            continue;
        int length = snprintf(text, sizeof text, "%s%s", answers[i].statement, between);
        for (size_t k = 0; k < p.count && length > 0 && (size_t)length < sizeof text; k++)
            length += snprintf(text + length, sizeof text - (size_t)length, "%s%s", p.tokens[k].glued ? "" : " ",
                               k == 0 && (answers[i].common || word_is_stop(p.tokens[k].low, strlen(p.tokens[k].low)))
                                   ? p.tokens[k].low
                                   : p.tokens[k].text);
        if (length <= 0 || (size_t)length >= sizeof text)
            return AC_OK;
        *ret_done = true;
        return rewrite_sentence(
            r, &(sentence){.text = arena_copy(r->arena, text, (size_t)length) ?: "", .length = (size_t)length});
    }
    return AC_OK;
}

/* ---- requests ---- */

/* The words behind "could you please", "I'd like you to" and the like; *ret_lead is what they become. */
static bool find_lead(const phrase *p, size_t *ret_at, const char **ret_lead)
{
    static const struct {
        const char *words, *lead;
    } leads[] = {
        {"can you", "asks the assistant to"},
        {"could you", "asks the assistant to"},
        {"would you", "asks the assistant to"},
        {"will you", "asks the assistant to"},
        {"can you please", "asks the assistant to"},
        {"could you please", "asks the assistant to"},
        {"would you please", "asks the assistant to"},
        {"i want you to", "asks the assistant to"},
        {"i'd like you to", "asks the assistant to"},
        {"i need you to", "asks the assistant to"},
        {"i would like you to", "asks the assistant to"},
        {"please", "asks the assistant to"},
        {"i want to", "wants to"},
        {"i'd like to", "would like to"},
        {"i would like to", "would like to"},
        {"i need to", "needs to"},
        {"i'm trying to", "is trying to"},
        {"i am trying to", "is trying to"},
        {"i need", "needs"},
        {"i want", "wants"},
        {"i'm looking for", "is looking for"},
        {"i am looking for", "is looking for"},
        {"can i", "asks whether they can"},
        {"could i", "asks whether they could"},
    };
    size_t best = 0, words;

    for (size_t i = 0; i < ARRAY_SIZE(leads); i++)
        if (phrase_is(p, 0, leads[i].words, &words) && words > best && words < p->count) {
            best = words;
            *ret_lead = leads[i].lead;
        }
    *ret_at = best;
    return best > 0;
}

static bool is_small_talk(const phrase *p)
{
    static const char *const list[] = {"how are you",      "how have you been", "how's it going", "how is it going",
                                       "how do you do",    "what's up",         "what's new",     "how's everything",
                                       "how was your day", "how are things",    "how about you",  "what about you",
                                       "are you there"};

    for (size_t i = 0; i < ARRAY_SIZE(list); i++)
        if (phrase_is(p, 0, list[i], NULL))
            return true;
    return false;
}

ac_status rewrite_request(rewriter *r, const sentence *s, const char **ret_request)
{
    _cleanup_(buf_done) buf out = BUF_INIT(FACT_BYTES_MAX);
    const char *lead = "asks the assistant to";
    phrase p, rest;
    size_t at = 0;

    *ret_request = NULL;
    if (s->length > FACT_BYTES_MAX / 2 || s->quoted)
        return AC_OK;
    AC_TRY(phrase_of(s->text, s->length, r->arena, &p));
    p = phrase_part(&p, clause_beginning(&p), p.count);
    p.count = clause_ending(&p);
    if (p.count < 2 || is_small_talk(&p))
        return AC_OK;
    if (!find_lead(&p, &at, &lead) && !(clause_is_command(&p) && !s->question)) {
        if (s->question)
            *ret_request = arena_format(r->arena, "The user asks: \"%s\"", s->text);
        return s->question && !*ret_request ? AC_ERR_NOMEM : AC_OK;
    }
    rest = phrase_part(&p, at, p.count);
    AC_TRY(buf_appendf(&out, "The user %s", lead));
    if (at == 0 && rest.tokens[0].word)
        rest.tokens[0].text = rest.tokens[0].low;
    ac_status status = speech_write(r, &rest, SUBJECT_OTHER, 0, false, &out);
    if (status == AC_OK)
        status = buf_append_text(&out, ".");
    if (status != AC_OK)
        return status == AC_ERR_TOO_LARGE ? AC_OK : status;
    *ret_request = arena_copy(r->arena, out.data, out.length);
    return *ret_request ? AC_OK : AC_ERR_NOMEM;
}

/* ---- what the assistant tells ---- */

/* "Your" at the beginning, a verb, and a number: a booking, an appointment, an account. */
ac_status rewrite_told(rewriter *r, const sentence *s)
{
    _cleanup_(buf_done) buf text = BUF_INIT(FACT_BYTES_MAX);
    phrase p;

    if (s->question || s->quoted || s->length > FACT_BYTES_MAX / 2)
        return AC_OK;
    AC_TRY(phrase_of(s->text, s->length, r->arena, &p));
    if (strcmp(phrase_low(&p, 0), "your") != 0 || clause_verb(&p, 0) >= p.count || !strpbrk(s->text, "0123456789"))
        return AC_OK;
    for (size_t i = 0; i < p.count; i++) {
        const char *low = phrase_low(&p, i);
        const char *mine = strcmp(low, "your") == 0 ? "my" : strcmp(low, "you") == 0 ? "me" : p.tokens[i].text;

        if (word_in(low, " you're you've you'll i i'm i've i'll "))
            return AC_OK;
        AC_TRY(buf_appendf(&text, "%s%s", i && !p.tokens[i].glued ? " " : "", mine));
    }
    const char *copy = arena_copy(r->arena, text.data, text.length);
    return copy ? rewrite_sentence(r, &(sentence){.text = copy, .length = text.length}) : AC_ERR_NOMEM;
}

/* ---- other languages ---- */

/* Words that English has not, or not so often. */
static const char foreign_words[] =
    " der die das und ich nicht ist ein eine mit auf wir sie du mein meine habe bin sehr auch mag gerne wohne arbeite "
    "el la los las que y yo soy es una un por con para mi mis tengo vivo gusta muy pero como en del al lo se le "
    "je suis les des et il elle mon ma mes avec pour dans est une habite aime j'ai j'aime j'habite ne pas du "
    "io sono che e di il mio mia non ho con per nel abito lavoro piace gli "
    "eu sou moro trabalho gosto meu minha nao uma com em os um da do na "
    "ik ben een het niet woon werk mijn van en met hou jag bor inte och min mitt har som jeg er ikke og på "
    "ja jestem nie mam moj moja mieszkam lubie w z na i "
    "ben bir ve benim için ";

static const char shared_words[] = " a i in on me no do is he die was an en le la la's as or to be so am per e w z ";

bool sentence_is_foreign(const char *text, size_t length)
{
    size_t wide = 0, letters = 0, english = 0, foreign = 0, shared = 0, words = 0;

    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];

        letters += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0xc3;
        wide += c >= 0xc3 && !(c == 0xe2 || c == 0xf0); /* leading bytes, but not of punctuation and pictures */
    }
    if (letters >= 4 && wide * 10 >= letters * 3)
        return true;
    for (size_t i = 0; i < length;) {
        char word[24];
        size_t n = 0;

        while (i < length && (strchr(" ,.;:!?\"()", text[i]) || !text[i]))
            i++;
        while (i < length && !strchr(" ,.;:!?\"()", text[i])) {
            if (n + 1 < sizeof word)
                word[n++] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
            i++;
        }
        word[n] = '\0';
        if (n == 0)
            continue;
        words++;
        if (word_in(word, shared_words))
            shared += word_in(word, foreign_words);
        else if (word_in(word, foreign_words))
            foreign++;
        else if (word_is_stop(word, n))
            english++;
    }
    return words >= 3 && foreign >= 1 && foreign + shared >= 2 && foreign > 2 * english;
}
