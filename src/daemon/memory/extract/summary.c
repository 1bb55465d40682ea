/* summary.c - the built-in summary: an extract of what was said, the sentences that say most about the whole.
 *
 * The summary so far and the new turns are one pool; TextRank chooses from it, so that what a session comes back to
 * stays, and what was said by the way goes.  The record remembers through which turn it goes (EXTRACT_KEY_THROUGH), so
 * that nothing is taken in twice.  Sentences are kept in their order, grouped by the word that most of a group
 * share. */
#include "daemon/memory/extract/summary.h"

#include "daemon/memory/extract/builtin.h"

#include <stdlib.h>
#include <string.h>

#define CHOSEN_MAX 14
#define CHOSEN_BYTES_MAX 3000
#define WRITTEN_BYTES_MAX 14000 /* of them once they are escaped; names of topics come on top */
#define LINE_BYTES_MAX 400
#define TOPICS_MAX 4
#define TOPIC_STEMS_MAX 512
#define SO_FAR_BONUS 1.1 /* what was chosen before is worth a little more: summaries should not flicker */

typedef struct line {
    const char *text;
    double score;
    bool chosen;
    int topic; /* -1: of none */
} line;

typedef struct pool {
    plan *plan;
    line lines[RANK_SENTENCES_MAX];
    size_t count, so_far; /* those of the summary as it is come first */
} pool;

/* ---- texts ---- */

/* What stands for a mark in XML; NULL for what is no mark. */
static const char *escape_of(char mark)
{
    switch (mark) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    default:
        return NULL;
    }
}

ac_status summary_escape(buf *out, const char *text)
{
    for (; *text; text++) {
        const char *name = escape_of(*text);

        AC_TRY(name ? buf_append_text(out, name) : buf_append(out, text, 1));
    }
    return AC_OK;
}

static size_t escaped_length(const char *text)
{
    size_t length = 0;

    for (; *text; text++) {
        const char *name = escape_of(*text);

        length += name ? strlen(name) : 1;
    }
    return length;
}

static char *unescape(const char *text, size_t length, arena *a)
{
    static const struct {
        const char *name;
        char character;
    } names[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}};
    char *out = arena_copy(a, text, length);
    size_t n = 0;

    for (size_t i = 0; out && i < length; i++) {
        out[n] = text[i];
        for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
            size_t name = strlen(names[k].name);

            if (length - i >= name && memcmp(text + i, names[k].name, name) == 0) {
                out[n] = names[k].character;
                i += name - 1;
                break;
            }
        }
        n++;
    }
    if (out)
        out[n] = '\0';
    return out;
}

ac_status summary_lines(const char *text, arena *a, const char ***ret_lines, size_t *ret_count)
{
    size_t room = 1;

    for (const char *p = text; *p; p++)
        room += *p == '\n';
    *ret_lines = arena_alloc(a, room * sizeof **ret_lines);
    *ret_count = 0;
    if (!*ret_lines)
        return AC_ERR_NOMEM;
    while (*text) {
        size_t length = strcspn(text, "\n");

        if (length > 0 && *text != '<') {
            const char *one = unescape(text, length, a);

            if (!one)
                return AC_ERR_NOMEM;
            (*ret_lines)[(*ret_count)++] = one;
        }
        text += length + (text[length] == '\n');
    }
    return AC_OK;
}

/* ---- the pool ---- */

static void put(pool *p, const char *text)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->lines[i].text, text) == 0)
            return;
    if (p->count == RANK_SENTENCES_MAX) { /* the oldest of the new ones goes */
        size_t at = MIN(p->so_far, (size_t)RANK_SENTENCES_MAX / 2);

        memmove(p->lines + at, p->lines + at + 1, (p->count - at - 1) * sizeof *p->lines);
        p->count--;
    }
    p->lines[p->count++] = (line){.text = text, .topic = -1};
}

/* Words that say what is spoken of: fewer than two make no line. */
static ac_status content_of(const char *text, arena *a, size_t *ret_count)
{
    text_word *words;
    size_t count;

    AC_TRY(words_of(text, strlen(text), a, &words, &count));
    *ret_count = 0;
    for (size_t i = 0; i < count; i++)
        *ret_count += !words[i].stop;
    return AC_OK;
}

static ac_status put_said(pool *p, const char *who, const sentence *s)
{
    arena *a = p->plan->arena;
    size_t content;

    if (s->length > LINE_BYTES_MAX)
        return AC_OK;
    AC_TRY(content_of(s->text, a, &content));
    if (content < 3)
        return AC_OK;
    const char *text = arena_format(a, "%s: %s", who, s->text);
    if (text)
        put(p, text);
    return text ? AC_OK : AC_ERR_NOMEM;
}

/* A sentence of the user: the facts in it, else what it asks for. */
static ac_status put_user(pool *p, rewriter *r, const sentence *s)
{
    size_t before = r->count, content;
    const char *request;

    AC_TRY(rewrite_sentence(r, s));
    for (size_t i = before; i < r->count; i++)
        put(p, r->facts[i].text);
    if (r->count > before)
        return AC_OK;
    AC_TRY(rewrite_request(r, s, &request));
    if (!request)
        return AC_OK;
    AC_TRY(content_of(s->text, r->arena, &content));
    if (content > 1) /* "What else?" tells nothing */
        put(p, request);
    return AC_OK;
}

static ac_status put_turn(pool *p, rewriter *r, const extract_turn *turn)
{
    sentence *sentences;
    size_t count;

    if (!turn_is(turn, "USER") && !turn_is(turn, "ASSISTANT"))
        return AC_OK;
    AC_TRY(builtin_sentences(turn, p->plan->arena, &sentences, &count));
    rewriter_turn(r, turn->timestamp_ms);
    for (size_t i = 0; i < count; i++) {
        if (turn_is(turn, "USER"))
            AC_TRY(put_user(p, r, &sentences[i]));
        else if (!sentences[i].question)
            AC_TRY(put_said(p, "The assistant", &sentences[i]));
    }
    return AC_OK;
}

/* ---- choosing ---- */

static ac_status choose(pool *p)
{
    const char **texts = arena_alloc(p->plan->arena, MAX(p->count, 1U) * sizeof *texts);
    double *scores = arena_alloc(p->plan->arena, MAX(p->count, 1U) * sizeof *scores);
    size_t bytes = 0, written = 0;

    if (!texts || !scores)
        return AC_ERR_NOMEM;
    for (size_t i = 0; i < p->count; i++)
        texts[i] = p->lines[i].text;
    AC_TRY(rank_sentences(texts, p->count, p->plan->arena, scores));
    for (size_t i = 0; i < p->count; i++) /* what the user says weighs more than what he is told */
        p->lines[i].score =
            scores[i] * (i < p->so_far ? SO_FAR_BONUS : 1) * (strncmp(texts[i], "The assistant:", 14) == 0 ? 0.8 : 1);
    for (size_t n = 0; n < CHOSEN_MAX; n++) {
        line *best = NULL;

        for (size_t i = 0; i < p->count; i++)
            if (!p->lines[i].chosen && (!best || p->lines[i].score > best->score))
                best = &p->lines[i];
        if (!best || bytes + strlen(best->text) > CHOSEN_BYTES_MAX ||
            written + escaped_length(best->text) > WRITTEN_BYTES_MAX)
            break;
        best->chosen = true;
        bytes += strlen(best->text);
        written += escaped_length(best->text);
    }
    return AC_OK;
}

/* ---- topics ---- */

typedef struct topic {
    const char *stem, *name;
    size_t lines; /* that have it and no topic yet */
} topic;

typedef struct line_words {
    text_word *words;
    size_t count;
} line_words;

static bool has_stem(const line_words *l, const char *stem)
{
    for (size_t i = 0; i < l->count; i++)
        if (!l->words[i].stop && strcmp(l->words[i].stem, stem) == 0)
            return true;
    return false;
}

/* The word that most chosen lines without a topic share; it names the next one. */
static topic next_topic(const pool *p, const line_words *lines)
{
    topic best = {0};
    size_t seen = 0;

    for (size_t i = 0; i < p->count; i++) {
        if (!p->lines[i].chosen || p->lines[i].topic >= 0)
            continue;
        for (size_t w = 0; w < lines[i].count && seen < TOPIC_STEMS_MAX; w++) {
            const text_word *word = &lines[i].words[w];
            topic one = {.stem = word->stem, .name = word->text};

            if (word->stop || word->length < 3 || strcmp(word->text, "assistant") == 0 ||
                strcmp(word->stem, "ask") == 0 ||
                (word->length > 5 && strcmp(word->text + strlen(word->text) - 3, "ing") == 0))
                continue;
            seen++;
            for (size_t k = 0; k < p->count; k++)
                one.lines += p->lines[k].chosen && p->lines[k].topic < 0 && has_stem(&lines[k], word->stem);
            if (one.lines > best.lines)
                best = one;
        }
    }
    return best;
}

static ac_status find_topics(pool *p, topic topics[TOPICS_MAX + 1], size_t *ret_count)
{
    line_words *lines = arena_zalloc(p->plan->arena, MAX(p->count, 1U) * sizeof *lines);
    size_t count = 0;
    bool others = false;

    if (!lines)
        return AC_ERR_NOMEM;
    for (size_t i = 0; i < p->count; i++)
        if (p->lines[i].chosen)
            AC_TRY(
                words_of(p->lines[i].text, strlen(p->lines[i].text), p->plan->arena, &lines[i].words, &lines[i].count));
    while (count < TOPICS_MAX) {
        topic one = next_topic(p, lines);

        if (one.lines < 2)
            break;
        for (size_t i = 0; i < p->count; i++)
            if (p->lines[i].chosen && p->lines[i].topic < 0 && has_stem(&lines[i], one.stem))
                p->lines[i].topic = (int)count;
        topics[count++] = one;
    }
    for (size_t i = 0; i < p->count; i++)
        if (p->lines[i].chosen && p->lines[i].topic < 0) {
            p->lines[i].topic = (int)count;
            others = true;
        }
    if (others)
        topics[count++] = (topic){.name = count == 0 ? "Conversation" : "Other"};
    *ret_count = count;
    return AC_OK;
}

static ac_status write_topic(const pool *p, const topic *t, int number, buf *out)
{
    size_t at;

    AC_TRY(buf_append_text(out, "<topic name=\""));
    at = out->length;
    AC_TRY(summary_escape(out, t->name));
    if (out->data[at] >= 'a' && out->data[at] <= 'z')
        out->data[at] = (char)(out->data[at] - 32);
    AC_TRY(buf_append_text(out, "\">\n"));
    for (size_t i = 0; i < p->count; i++)
        if (p->lines[i].chosen && p->lines[i].topic == number) {
            AC_TRY(summary_escape(out, p->lines[i].text));
            AC_TRY(buf_append_text(out, "\n"));
        }
    return buf_append_text(out, "</topic>\n");
}

static ac_status write_summary(pool *p, const char **ret_text)
{
    _cleanup_(buf_done) buf out = BUF_INIT(EXTRACT_TEXT_BYTES_MAX);
    topic topics[TOPICS_MAX + 1];
    size_t count;

    AC_TRY(choose(p));
    AC_TRY(find_topics(p, topics, &count));
    for (size_t i = 0; i < count; i++)
        AC_TRY(write_topic(p, &topics[i], (int)i, &out));
    *ret_text = arena_copy(p->plan->arena, out.data ? out.data : "", out.length ? out.length - 1 : 0);
    return *ret_text ? AC_OK : AC_ERR_NOMEM;
}

/* ---- the whole ---- */

static ac_status fill(pool *p, const extract_known *known, size_t from)
{
    const extract_task *t = p->plan->task;
    const char **lines;
    size_t count;
    rewriter r;

    if (known) {
        AC_TRY(summary_lines(known->text, p->plan->arena, &lines, &count));
        for (size_t i = 0; i < count && i < RANK_SENTENCES_MAX / 2; i++)
            put(p, lines[i]);
    }
    p->so_far = p->count;
    rewriter_begin(&r, p->plan->arena);
    for (size_t i = from; i < t->turn_count; i++)
        AC_TRY(put_turn(p, &r, &t->turns[i]));
    return AC_OK;
}

ac_status builtin_summary(plan *p, ac_error *err)
{
    const extract_turn *last = &p->task->turns[p->task->turn_count - 1];
    pool *lines = arena_zalloc(p->arena, sizeof *lines);
    extract_known *known;
    size_t count, from;
    plan_entry entry;

    if (!lines)
        return extract_nomem(err);
    AC_TRY(builtin_of_session(p, 1, &known, &count, err));
    known = count ? known : NULL;
    from = builtin_first_unseen(p, known);
    lines->plan = p;
    if (from < p->task->turn_count && fill(lines, known, from) != AC_OK)
        return extract_nomem(err);
    if (lines->count == lines->so_far) /* nothing new was said */
        return AC_OK;
    entry = (plan_entry){.change = {.action = known ? EXTRACT_UPDATE : EXTRACT_ADD,
                                    .id = known ? known->id : NULL,
                                    .stated_ms = last->timestamp_ms},
                         .through = plan_turn_key(p->arena, last)};
    if (!entry.through || write_summary(lines, &entry.change.text) != AC_OK)
        return extract_nomem(err);
    return plan_add(p, &entry, NULL, err);
}
