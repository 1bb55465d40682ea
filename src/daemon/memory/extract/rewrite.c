/* rewrite.c - which clauses say something that lasts, and the facts they become.
 *
 * A clause is left out when it asks, orders, wishes under conditions, speaks to the assistant ("you"), means something
 * that is not in it ("I like that") or how somebody feels for a moment ("I'm tired").  Of what others do, only what
 * names somebody or something is kept: "Anna lives in Bergen", not "Sushi is expensive". */
#include "daemon/memory/extract/dates.h"
#include "daemon/memory/extract/rewrite_internal.h"
#include "daemon/memory/extract/verbs.h"

#include <stdio.h>
#include <string.h>

#define YOU " you your yours yourself you're you've you'd you'll u ur "
#define QUESTION_WORDS                                                                                                    \
    " what what's who who's whom whose where where's when's why how how's which do does did can could would will should " \
    "shall may is are am was were have has isn't aren't don't doesn't didn't can't couldn't wouldn't won't shouldn't "
#define WEAK_VERBS                                                                                                          \
    " like love want need know think see do have go get mean agree understand hope guess feel appreciate try use say tell " \
    "ask look hate prefer enjoy wish believe suppose wonder hear keep make take come be can could will would should did "   \
    "disagree doubt remember forget wait "
#define PASSING                                                                                                           \
    " tired hungry thirsty bored back here sorry fine good ok okay ready done sure happy glad afraid confused curious "   \
    "excited great well bad sick busy late lost stuck free home right wrong grateful thankful interested asking kidding " \
    "joking wondering impressed sad angry cold hot awake new there "

void rewriter_begin(rewriter *r, arena *a)
{
    *r = (rewriter){.arena = a};
}

void rewriter_turn(rewriter *r, int64_t said_ms)
{
    r->said_ms = said_ms;
    r->person[0] = r->thing[0] = r->company[0] = r->mentioned[0] = '\0';
}

/* ---- facts out ---- */

static ac_status keep(rewriter *r, const char *text, bool foreign)
{
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 16;
        fact *more = arena_alloc(r->arena, room * sizeof *more);

        if (!more)
            return AC_ERR_NOMEM;
        if (r->count)
            memcpy(more, r->facts, r->count * sizeof *more);
        r->facts = more;
        r->room = room;
    }
    r->facts[r->count++] = (fact){.text = text, .source = r->source, .foreign = foreign};
    return AC_OK;
}

/* A statement made whole: dates counted, a capital, a full stop. */
static ac_status keep_statement(rewriter *r, buf *statement)
{
    _cleanup_(buf_done) buf out = BUF_INIT(FACT_BYTES_MAX);
    ac_status status;

    while (statement->length > 0 && strchr(" .,;:!?-*_", statement->data[statement->length - 1]))
        statement->length--;
    if (statement->length == 0)
        return AC_OK;
    if (!buf_terminate(statement))
        return AC_ERR_NOMEM;
    status = dates_resolve(statement->data, r->said_ms, &out);
    if (status == AC_OK)
        status = buf_append_text(&out, ".");
    if (status != AC_OK)
        return status == AC_ERR_TOO_LARGE ? AC_OK : status;
    if (out.data[0] >= 'a' && out.data[0] <= 'z')
        out.data[0] = (char)(out.data[0] - 32);
    const char *text = arena_copy(r->arena, out.data, out.length);
    return text ? keep(r, text, false) : AC_ERR_NOMEM;
}

/* ---- what is left out ---- */

static bool has_word(const phrase *p, size_t from, const char *list)
{
    for (size_t i = from; i < p->count; i++)
        if (word_in(phrase_low(p, i), list))
            return true;
    return false;
}

/* Words that say what is spoken of. */
static size_t content_words(const phrase *p, size_t from)
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

/* "I'd like to know", "I want you to", "I need help": wishes of the moment. */
static bool is_request(const phrase *p, size_t at)
{
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

    for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++)
        if (phrase_is(p, at, beginnings[i], NULL))
            return true;
    return false;
}

/* "I'm tired": an adjective of the moment and no more. */
static bool is_passing(const phrase *p, size_t at)
{
    size_t i = at;

    if (word_in(phrase_low(p, i), " i'm we're "))
        i++;
    else if (word_in(phrase_low(p, i + 1), " am was feel are "))
        i += 2;
    else
        return false;
    while (word_in(phrase_low(p, i), " so very really just still not feeling getting a bit too pretty quite all "))
        i++;
    return word_in(phrase_low(p, i), PASSING) && content_words(p, i + 1) == 0;
}

static bool says_something(const rewriter *r, const phrase *p, subject who, size_t at, bool implied)
{
    char base[VERB_SIZE];
    size_t verb = at + !implied;
    const char *last = phrase_low(p, p->count - 1);

    if (*r->mentioned && has_word(p, verb, " him her "))
        return true;
    /* "I avoid them", "I find it odd": but what? */
    if (p->count - verb <= 6 && content_words(p, verb) <= 3 &&
        word_in(phrase_low(p, verb + 1), " it them that this ") && !word_in(phrase_low(p, verb + 2), " when that if "))
        return false;
    if (word_in(last, " it them that this these those him her one ") && content_words(p, verb) <= 1 &&
        p->count - verb <= 4)
        return false;
    if (content_words(p, verb) > 0)
        return true;
    /* "I smoke", "I don't drink": the verb alone. */
    while (verb < p->count && (verb_is_auxiliary(phrase_low(p, verb)) || word_in(phrase_low(p, verb), " not never ")))
        verb++;
    return who == SUBJECT_I && verb_find(phrase_low(p, verb), base) != VERB_NONE && !word_in(base, WEAK_VERBS);
}

/* ---- clauses of others ---- */

/* Whether a clause about somebody else names something: a capital inside, a number, the user. */
static bool names_something(const phrase *p)
{
    for (size_t i = 0; i < p->count; i++) {
        const phrase_token *t = &p->tokens[i];

        if (t->word && (strpbrk(t->text, "0123456789") || word_in(t->low, " i i'm i've my me our us we ")))
            return true;
        if (i > 0 && phrase_is_capital(t))
            return true;
    }
    return false;
}

static bool is_statement(const phrase *p)
{
    const char *low = phrase_low(p, 0);
    size_t verb = clause_verb(p, 0);
    bool ours = has_word(p, 1, " my me our ");

    if (strcmp(low, "there's") == 0)
        return ours;
    if (p->count < 3 || verb >= p->count || verb == 0)
        return false;
    if (word_in(low, " if what when where who why how which that those these unless whether to as than like according "
                     "let's maybe perhaps "))
        return false;
    if (word_in(low, " this there here it it's that's there's "))
        return ours;
    return !clause_is_command(p) && names_something(p) && content_words(p, 0) >= 2;
}

/* ---- orders that last ---- */

/* "Call me Bob", "always answer in Spanish", "never recommend seafood". */
static ac_status write_order(rewriter *r, const phrase *p, bool *ret_done)
{
    _cleanup_(buf_done) buf out = BUF_INIT(FACT_BYTES_MAX);
    phrase rest = *p, order;
    const char *beginning = NULL;
    size_t words = 0, at = 0;

    *ret_done = false;
    if (phrase_is(p, at, "please", &words))
        at += words;
    if (phrase_is(p, at, "from now on", &words)) {
        at += words;
        at += at < p->count && !p->tokens[at].word;
        beginning = "the user wants the assistant from now on to";
    }
    if (phrase_is(p, at, "please", &words))
        at += words;
    if (phrase_is(p, at, "call me", &words) && at + words < p->count && phrase_is_capital(&p->tokens[at + words])) {
        beginning = "the user wants to be called";
        at += words;
    } else if (phrase_is(p, at, "people call me", &words) || phrase_is(p, at, "everyone calls me", &words) ||
               phrase_is(p, at, "my friends call me", &words)) {
        beginning = "the user is called";
        at += words;
    } else if (phrase_is(p, at, "you can call me", &words)) {
        beginning = "the user wants to be called";
        at += words;
    } else if (phrase_is(p, at, "never mind", NULL)) {
        return AC_OK;
    } else if (phrase_is(p, at, "always", &words)) {
        beginning = "the user wants the assistant to always";
        at += words;
    } else if (phrase_is(p, at, "never", &words)) {
        beginning = "the user wants the assistant to never";
        at += words;
    } else if (phrase_is(p, at, "don't ever", &words)) {
        beginning = "the user wants the assistant to never";
        at += words;
    }
    if (!beginning || at + 1 > rest.count)
        return AC_OK;
    order = phrase_part(p, at, p->count);
    if (order.count == 0 || has_word(&order, 0, YOU))
        return AC_OK;
    AC_TRY(buf_append_text(&out, beginning));
    ac_status status = speech_write(r, &order, SUBJECT_OTHER, 0, false, &out);
    if (status != AC_OK)
        return status == AC_ERR_TOO_LARGE ? AC_OK : status;
    *ret_done = true;
    return keep_statement(r, &out);
}

/* ---- clauses ---- */

/* Whether somebody's words are quoted in which he says "I". */
static bool quotes_speech(const phrase *p)
{
    bool open = false;

    for (size_t i = 0; i < p->count; i++) {
        const phrase_token *t = &p->tokens[i];

        if (!t->word)
            open = strcmp(t->text, "\"") == 0
                       ? !open
                       : strcmp(t->text, "\u201c") == 0 || (open && strcmp(t->text, "\u201d") != 0);
        else if (open && word_in(t->low, " i i'm i've i'd i'll my me we "))
            return true;
    }
    return false;
}

static bool is_kept(const rewriter *r, const phrase *p, subject who, size_t at, bool implied)
{
    const char *first = phrase_low(p, 0);

    if (has_word(p, 0, YOU) || quotes_speech(p) || word_in(first, " if unless what wish hopefully "))
        return false;
    if (implied)
        return says_something(r, p, SUBJECT_I, at, true);
    switch (who) {
    case SUBJECT_I:
    case SUBJECT_WE:
        return !is_request(p, at) && !is_passing(p, at) && says_something(r, p, who, at, false);
    case SUBJECT_MINE:
        return clause_verb(p, at) < p->count;
    case SUBJECT_SHE:
        if (word_in(phrase_low(p, at), " it it's ") && has_word(p, at + 1, " my me our "))
            return true;
        return mention_known(r, phrase_low(p, at)) && content_words(p, at + 1) > 0;
    default:
        return is_statement(p);
    }
}

static ac_status write_clause(rewriter *r, const clause *c)
{
    _cleanup_(buf_done) buf out = BUF_INIT(FACT_BYTES_MAX);
    phrase words = c->words, *p = &words;
    size_t at = 0;
    subject who = c->implied ? SUBJECT_I : clause_subject(p, &at);

    if (who == SUBJECT_MINE)
        who = mention_company(r, p, &at);
    else if (at == 0)
        who = mention_company_behind(r, p, who, at);

    if (p->count == 0 || !is_kept(r, p, who, at, c->implied)) {
        if (p->count > 0)
            mention_remember(r, p, who, at);
        return AC_OK;
    }
    if (who == SUBJECT_SHE && !mention_known(r, phrase_low(p, at)))
        who = SUBJECT_OTHER;
    ac_status status = speech_write(r, p, who, at, c->implied, &out);
    mention_remember(r, p, who, at);
    if (status != AC_OK)
        return status == AC_ERR_TOO_LARGE ? AC_OK : status;
    return keep_statement(r, &out);
}

static ac_status write_clauses(rewriter *r, const phrase *p)
{
    clause clauses[CLAUSES_MAX];
    size_t count = clauses_of(p, clauses);

    for (size_t i = 0; i < count; i++) {
        phrase words = clauses[i].words;

        if (!clauses[i].implied) {
            size_t begin = i ? clause_beginning(&words) : 0;

            words = phrase_part(&words, begin, words.count);
        }
        if (i > 0 && !clauses[i].implied && (word_in(phrase_low(&words, 0), QUESTION_WORDS)))
            break; /* "..., what about you" */
        AC_TRY(write_clause(r, &(clause){words, clauses[i].implied}));
    }
    return AC_OK;
}

/* "Since I'm vegetarian, what can I eat?": the reason is a fact. */
static ac_status write_reason(rewriter *r, const phrase *p)
{
    if (!word_in(phrase_low(p, 0), " since because as ") || !word_in(phrase_low(p, 1), " i i'm i've my "))
        return AC_OK;
    for (size_t i = 1; i < p->count; i++)
        if (!p->tokens[i].word && strcmp(p->tokens[i].text, ",") == 0) {
            phrase reason = phrase_part(p, 1, i);

            return write_clauses(r, &reason);
        }
    return AC_OK;
}

/* The statements before the question that ends a sentence: "I like sushi, what about you?" */
static ac_status write_before_question(rewriter *r, const phrase *p)
{
    clause clauses[CLAUSES_MAX];

    AC_TRY(write_reason(r, p));
    if (word_in(phrase_low(p, 0), QUESTION_WORDS))
        return AC_OK;
    for (size_t i = 1; i + 1 < p->count; i++) {
        bool mark = !p->tokens[i].word && (strcmp(p->tokens[i].text, ",") == 0 || strcmp(p->tokens[i].text, ";") == 0);
        size_t next = i + 1 + (mark && word_in(phrase_low(p, i + 1), " and but so "));

        if ((mark || word_in(phrase_low(p, i), " and but so ")) &&
            word_in(phrase_low(p, mark ? next : i + 1), QUESTION_WORDS)) {
            phrase statement = phrase_part(p, 0, i);
            size_t count = clauses_of(&statement, clauses);

            return count ? write_clauses(r, &statement) : AC_OK;
        }
    }
    return AC_OK;
}

/* ---- sentences without a subject ---- */

/* "Love sushi!", "Allergic to nuts.": "I" is understood. */
static const char *understood(const phrase *p)
{
    static const struct {
        const char *beginning, *subject;
    } table[] = {
        {"love", "I"},
        {"hate", "I"},
        {"prefer", "I"},
        {"adore", "I"},
        {"can't stand", "I"},
        {"cannot stand", "I"},
        {"don't like", "I"},
        {"allergic to", "I'm"},
        {"born in", "I was"},
        {"living in", "I'm"},
        {"working at", "I'm"},
        {"working as", "I'm"},
        {"working for", "I'm"},
        {"moved to", "I"},
        {"went to", "I"},
        {"grew up in", "I"},
        {"married to", "I'm"},
        {"retired", "I'm"},
        {"vegetarian", "I'm"},
        {"vegan", "I'm"},
        {"currently living", "I'm"},
        {"currently working", "I'm"},
        {"based in", "I'm"},
        {"studying", "I'm"},
        {"not a fan of", "I'm"},
        {"big fan of", "I'm a"},
        {"fan of", "I'm a"},
        {"used to live", "I"},
        {"just moved to", "I"},
        {"just bought", "I"},
        {"used to work", "I"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (phrase_is(p, 0, table[i].beginning, NULL))
            return table[i].subject;
    return NULL;
}

static ac_status with_subject(rewriter *r, const char *subject_text, const phrase *p, phrase *ret_phrase)
{
    size_t words = strchr(subject_text, ' ') ? 2 : 1;
    phrase_token *tokens = arena_alloc(r->arena, (p->count + words) * sizeof *tokens);
    phrase subject_phrase;

    if (!tokens)
        return AC_ERR_NOMEM;
    AC_TRY(phrase_of(subject_text, strlen(subject_text), r->arena, &subject_phrase));
    memcpy(tokens, subject_phrase.tokens, words * sizeof *tokens);
    memcpy(tokens + words, p->tokens, p->count * sizeof *tokens);
    tokens[words].text = phrase_is_capital(&p->tokens[0]) ? tokens[words].low : tokens[words].text;
    *ret_phrase = (phrase){tokens, p->count + words};
    return AC_OK;
}

/* ---- sentences ---- */

static ac_status read_statement(rewriter *r, phrase *p)
{
    const char *subject_text;
    bool done;

    AC_TRY(write_order(r, p, &done));
    if (done)
        return AC_OK;
    subject_text = understood(p);
    if (subject_text && p->count >= 2)
        AC_TRY(with_subject(r, subject_text, p, p));
    else if (clause_is_command(p))
        return AC_OK;
    return write_clauses(r, p);
}

ac_status rewrite_sentence(rewriter *r, const sentence *s)
{
    phrase whole, p;

    if (s->quoted || s->length > FACT_BYTES_MAX)
        return AC_OK;
    r->source = s->text;
    if (sentence_is_foreign(s->text, s->length))
        return s->question ? AC_OK : keep(r, s->text, true);
    AC_TRY(phrase_of(s->text, s->length, r->arena, &whole));
    p = phrase_part(&whole, clause_beginning(&whole), whole.count);
    p.count = clause_ending(&p);
    if (p.count == 0)
        return AC_OK;
    if (s->question)
        return write_before_question(r, &p);
    if (word_in(phrase_low(&p, 0), " what why how who which where ") && !verb_is_auxiliary(phrase_low(&p, 1)))
        return AC_OK;
    return read_statement(r, &p);
}
