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
#define QUESTION_WORDS                                                                                                 \
    " what what's who who's whom whose where where's when's why how how's which do does did can could would will "     \
    "should "                                                                                                          \
    "shall may is are am was were have has isn't aren't don't doesn't didn't can't couldn't wouldn't won't shouldn't "

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
    bool ours = phrase_has(p, 1, " my me our ");

    if (strcmp(low, "there's") == 0)
        return ours;
    if (p->count < 3 || verb >= p->count || verb == 0)
        return false;
    if (word_in(low, " if what when where who why how which that those these unless whether to as than like according "
                     "let's maybe perhaps here's "))
        return false;
    if (word_in(low, " this there here it it's that's there's "))
        return ours;
    return !clause_is_command(p) && names_something(p) && clause_content(p, 0) >= 2;
}

/* ---- orders that last ---- */

/* Beginnings of orders, and what they become; name: of somebody must follow. */
static const struct order {
    const char *words, *statement;
    bool name;
} orders[] = {
    {"call me", "the user wants to be called", true},
    {"you can call me", "the user wants to be called", true},
    {"people call me", "the user is called", true},
    {"everyone calls me", "the user is called", true},
    {"my friends call me", "the user is called", true},
    {"always", "the user wants the assistant to always", false},
    {"never", "the user wants the assistant to never", false},
    {"don't ever", "the user wants the assistant to never", false},
    {"from now on", "the user wants the assistant from now on to", false},
};

/* "Call me Bob", "always answer in Spanish", "never recommend seafood": the statement and where its rest begins. */
static const char *find_order(const phrase *p, size_t *ret_at)
{
    size_t at = 0, words;

    if (phrase_is(p, at, "please", &words))
        at += words;
    if (phrase_is(p, at, "never mind", NULL))
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
        if (!phrase_is(p, at, orders[i].words, &words) || at + words >= p->count)
            continue;
        at += words;
        if (orders[i].name && !phrase_is_capital(&p->tokens[at]))
            return NULL;
        at += !p->tokens[at].word; /* "from now on, ..." */
        if (phrase_is(p, at, "please", &words))
            at += words;
        *ret_at = at;
        return orders[i].statement;
    }
    return NULL;
}

static ac_status write_order(rewriter *r, const phrase *p, bool *ret_done)
{
    _cleanup_(buf_done) buf out = BUF_INIT(FACT_BYTES_MAX);
    size_t at = 0;
    const char *statement = find_order(p, &at);
    ac_status status;

    *ret_done = false;
    if (!statement || at >= p->count || phrase_has(p, at, YOU))
        return AC_OK;
    phrase order = phrase_part(p, at, p->count);
    AC_TRY(buf_append_text(&out, statement));
    status = speech_write(r, &order, SUBJECT_OTHER, 0, false, &out);
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

#define IMPERSONAL_WORDS_MAX 10 /* "it takes me an hour to get to work" says something; more is a story */

/* "It was great to see that", "it made me think": of nothing that was named before. */
static bool is_impersonal(const phrase *p, size_t at)
{
    if (!word_in(phrase_low(p, at), " it it's "))
        return false;
    if (word_in(phrase_low(p, at + 1), " feels felt seems seemed means meant "))
        return true;
    if (word_in(phrase_low(p, at + 1), " made makes helped helps ") && word_in(phrase_low(p, at + 2), " me us "))
        return true;
    return phrase_has(p, at + 1, " to how that what when because ");
}

static bool is_kept(const rewriter *r, const phrase *p, subject who, size_t at, bool implied)
{
    const char *first = phrase_low(p, 0);

    if (phrase_has(p, 0, YOU) || quotes_speech(p) || word_in(first, " if unless what wish hopefully "))
        return false;
    if (implied)
        return clause_says(r, p, SUBJECT_I, at, true);
    switch (who) {
    case SUBJECT_I:
    case SUBJECT_WE:
        return !clause_is_request(p, at) && !clause_is_passing(p, at) && clause_says(r, p, who, at, false);
    case SUBJECT_MINE:
        return clause_verb(p, at) < p->count;
    case SUBJECT_SHE:
        if (word_in(phrase_low(p, at), " it it's ") && phrase_has(p, at + 1, " my me our ") &&
            p->count - at <= IMPERSONAL_WORDS_MAX && !word_in(phrase_low(p, at + 2), " me us "))
            return true;
        if (phrase_is(p, at, "it takes me", NULL))
            return true;
        return mention_known(r, phrase_low(p, at)) && !is_impersonal(p, at) && clause_content(p, at + 1) > 0;
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
    if (who == SUBJECT_SHE && (!mention_known(r, phrase_low(p, at)) || is_impersonal(p, at)))
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
        {"gonna", "I'm"},
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
