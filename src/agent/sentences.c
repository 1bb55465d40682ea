/* sentences.c - where sentences end.
 *
 * Two steps.  Lines are put together to paragraphs: code between fences is dropped, marks of lists, headings and
 * quotations end a paragraph and are taken off, and so does a short line before one that begins with a capital, since
 * people in a chat end sentences with the enter key.  Then a paragraph is cut at full stops that are none of an
 * abbreviation, an initial or a number, outside of quotation marks. */
#include "agent/sentences.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <string.h>
#include <strings.h>

#define SHORT_LINE_BYTES 60 /* nobody's editor wraps at less */
#define QUOTE_BYTES_MAX 400 /* a mark of quotation that closes later than this is none */

typedef struct splitter {
    arena *arena;
    sentence *list;
    size_t count, room;
    buf paragraph;
    bool listed, quoted;
    char fence; /* '`' or '~' inside a block of code */
} splitter;

/* ---- characters ---- */

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_letter(char c)
{
    return is_upper(c) || (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v' || c == '\0';
}

/* The bytes of a mark that ends a sentence, 0 when there is none at p: . ! ? … 。！？ */
static size_t end_mark(const char *p, const char *end)
{
    static const char *const wide[] = {"\u2026", "\u3002", "\uff01", "\uff1f"};

    if (*p == '.' || *p == '!' || *p == '?')
        return 1;
    for (size_t i = 0; i < ARRAY_SIZE(wide); i++)
        if (end - p >= 3 && memcmp(p, wide[i], 3) == 0)
            return 3;
    return 0;
}

/* The bytes of a closing quotation mark or bracket: " ' ) ] ” ’ » */
static size_t closing(const char *p, const char *end)
{
    if (p < end && strchr("\"')]*_", *p) && *p)
        return 1;
    if (end - p >= 3 && (memcmp(p, "\u201d", 3) == 0 || memcmp(p, "\u2019", 3) == 0))
        return 3;
    return end - p >= 2 && memcmp(p, "\u00bb", 2) == 0 ? 2 : 0;
}

/* ---- where a sentence ends ---- */

/* Abbreviations that a sentence goes on after; those that may end one as well are in the second list. */
static const char *const inside[] = {"mr",   "mrs",    "ms",  "dr",  "prof", "st",  "sr",  "rev",  "hon", "gen",
                                     "capt", "sgt",    "lt",  "col", "e.g",  "i.e", "eg",  "ie",   "vs",  "cf",
                                     "ca",   "approx", "no",  "nr",  "vol",  "fig", "p",   "pp",   "ed",  "eds",
                                     "dept", "est",    "mt",  "ft",  "jan",  "feb", "aug", "sept", "sep", "oct",
                                     "nov",  "dec",    "mon", "tue", "wed",  "thu", "fri", "a.k.a"};
static const char *const either[] = {"etc", "inc",   "ltd", "co",  "corp", "jr",  "a.m", "p.m", "u.s",
                                     "u.k", "u.s.a", "e.u", "d.c", "ph.d", "b.a", "m.a", "al",  "apr",
                                     "mar", "jun",   "jul", "ave", "blvd", "rd",  "sat", "sun"};

static bool listed_in(const char *const *names, size_t count, const char *word, size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == length && strncasecmp(names[i], word, length) == 0)
            return true;
    return false;
}

/* "No." is an answer unless a number follows; months and days are words with a full stop after them, too. */
static bool needs_number(const char *word, size_t length)
{
    static const char *const names[] = {"no", "nr", "p", "pp", "fig", "vol", "mon", "sun", "sat", "dec", "mar", "jan"};

    return listed_in(names, ARRAY_SIZE(names), word, length);
}

/* Whether the full stop at dot belongs to the word before it, with next the first character of what follows. */
static bool is_abbreviation(const char *begin, const char *dot, const char *next, const char *end)
{
    const char *word = dot;
    bool capital = next < end && is_upper(*next);
    size_t length;

    while (word > begin && (is_letter(word[-1]) || is_digit(word[-1]) || word[-1] == '.'))
        word--;
    length = (size_t)(dot - word);
    if (length == 0)
        return false;
    if (length == 1 && is_upper(*word) && *word != 'I') /* an initial */
        return true;
    if (length >= 3 && word[1] == '.' && word[length - 2] == '.') /* "R.E.M." */
        return !capital;
    if (length <= 3 && is_digit(word[0]) && is_digit(word[length - 1]))
        return word == begin; /* "1." begins an item */
    if (listed_in(inside, ARRAY_SIZE(inside), word, length))
        return !needs_number(word, length) || (next < end && is_digit(*next));
    return listed_in(either, ARRAY_SIZE(either), word, length) && !capital;
}

/* The end of what stands in quotation marks from p, which is one; NULL: it does not close. */
static const char *skip_quotation(const char *p, const char *end)
{
    const char *limit = end - p > QUOTE_BYTES_MAX ? p + QUOTE_BYTES_MAX : end;

    if (*p == '"') {
        const char *close = memchr(p + 1, '"', (size_t)(limit - p - 1));
        return close;
    }
    if (end - p >= 3 && memcmp(p, "\u201c", 3) == 0) {
        const char *close = memmem(p + 3, (size_t)(limit - p) > 3 ? (size_t)(limit - p - 3) : 0, "\u201d", 3);
        return close ? close + 2 : NULL;
    }
    return NULL;
}

/* Whether what ends just before the closing mark of a quotation is a sentence, and the next one begins behind it. */
static bool ends_quoted(const char *close, const char *end)
{
    const char *next = close + 1;

    while (next < end && *next == ' ')
        next++;
    return end_mark(close - 1, end) == 1 && (next == end || is_upper(*next));
}

/* The end of the sentence that begins at p; its marks and closing quotes included. */
static const char *find_end(const char *begin, const char *end)
{
    for (const char *p = begin; p < end; p++) {
        const char *close = skip_quotation(p, end), *after;
        size_t mark;

        if (close) {
            p = close;
            if (p > begin && *p == '"' && ends_quoted(p, end))
                return p + 1;
            continue;
        }
        mark = end_mark(p, end);
        if (mark == 0)
            continue;
        after = p + mark;
        for (size_t more; after < end && ((more = end_mark(after, end)) || (more = closing(after, end)));)
            after += more;
        if (mark == 1 && after < end && *after != ' ') {
            p = after - 1;
            continue;
        }
        const char *next = after;
        while (next < end && *next == ' ')
            next++;
        bool trails = after - p >= 3 && p[0] == '.' && p[1] == '.' && next < end && !is_upper(*next);
        if (trails || (*p == '.' && after == p + 1 && is_abbreviation(begin, p, next, end))) {
            p = after - 1;
            continue;
        }
        return after;
    }
    return end;
}

/* ---- paragraphs to sentences ---- */

static ac_status put(splitter *s, const char *text, size_t length)
{
    sentence *one;

    while (length > 0 && text[length - 1] == ' ')
        length--;
    if (length > SENTENCE_BYTES_MAX) {
        length = SENTENCE_BYTES_MAX;
        while (length > 0 && text[length] != ' ')
            length--;
        length = length ? length : utf8_valid_prefix(text, SENTENCE_BYTES_MAX);
    }
    if (length == 0 || s->count == SENTENCES_MAX)
        return AC_OK;
    if (s->count == s->room) {
        size_t room = s->room ? s->room * 2 : 16;
        sentence *more = arena_alloc(s->arena, room * sizeof *more);

        if (!more)
            return AC_ERR_NOMEM;
        if (s->count)
            memcpy(more, s->list, s->count * sizeof *more);
        s->list = more;
        s->room = room;
    }
    one = &s->list[s->count];
    *one = (sentence){
        .text = arena_copy(s->arena, text, length), .length = length, .listed = s->listed, .quoted = s->quoted};
    if (!one->text)
        return AC_ERR_NOMEM;
    size_t last = length;
    while (last > 0 && closing(text + last - 1, text + length))
        last--;
    one->question = last > 0 && (text[last - 1] == '?' || (last >= 2 && text[last - 2] == '?'));
    s->count++;
    return AC_OK;
}

static ac_status end_paragraph(splitter *s)
{
    const char *p = s->paragraph.data, *end = p ? p + s->paragraph.length : NULL;

    while (p < end) {
        const char *stop = find_end(p, end);

        AC_TRY(put(s, p, (size_t)(stop - p)));
        for (p = stop; p < end && *p == ' ';)
            p++;
    }
    s->paragraph.length = 0;
    s->listed = s->quoted = false;
    return AC_OK;
}

/* ---- lines to paragraphs ---- */

/* Bytes of "- ", "* ", "+ ", "• ", "1. ", "2) " at the beginning of a line, 0 when there are none. */
static size_t list_mark(const char *p, size_t length)
{
    size_t digits = 0;

    if (length >= 2 && strchr("-*+", *p) && p[1] == ' ')
        return 2;
    if (length >= 4 && memcmp(p, "\u2022 ", 4) == 0)
        return 4;
    while (digits < length && digits < 3 && is_digit(p[digits]))
        digits++;
    if (digits && digits + 1 < length && (p[digits] == '.' || p[digits] == ')') && p[digits + 1] == ' ')
        return digits + 2;
    return 0;
}

static ac_status append_words(buf *paragraph, const char *line, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t word = i;

        while (word < length && !is_blank(line[word]))
            word++;
        if (word > i) {
            if (paragraph->length)
                AC_TRY(buf_append(paragraph, " ", 1));
            AC_TRY(buf_append(paragraph, line + i, word - i));
        }
        i = word + 1;
    }
    return AC_OK;
}

/* Whether the line ends the paragraph before it. */
static bool begins_anew(const splitter *s, const char *line, size_t length, size_t before)
{
    char last;

    if (s->paragraph.length == 0)
        return false;
    last = s->paragraph.data[s->paragraph.length - 1];
    return (before < SHORT_LINE_BYTES && length > 0 && is_upper(*line) && last != ',') || last == ':';
}

/* How many characters from the beginning are some of set. */
static size_t span_of(const char *text, size_t length, const char *set)
{
    size_t n = 0;

    while (n < length && text[n] && strchr(set, text[n]))
        n++;
    return n;
}

static ac_status take_line(splitter *s, const char *line, size_t length, size_t *before)
{
    size_t whole = length, mark;

    while (length > 0 && is_blank(*line))
        line++, length--;
    while (length > 0 && is_blank(line[length - 1]))
        length--;
    if (length >= 3 && (memcmp(line, "```", 3) == 0 || memcmp(line, "~~~", 3) == 0)) {
        s->fence = !s->fence ? *line : s->fence == *line ? '\0' : s->fence;
        return end_paragraph(s);
    }
    if (s->fence)
        return AC_OK;
    if (length == 0 || *line == '|' || span_of(line, length, "-=*_# ") == length) /* blank, of a table, or a rule */
        return end_paragraph(s);
    mark = *line == '>' ? 1 : *line == '#' ? span_of(line, length, "#") : list_mark(line, length);
    if (mark > 0 && *line == '>' && s->quoted)
        mark = 1; /* the quotation goes on */
    else if (mark > 0 || begins_anew(s, line, length, *before))
        AC_TRY(end_paragraph(s));
    if (mark > 0) {
        s->quoted = *line == '>';
        s->listed = !s->quoted;
    }
    AC_TRY(append_words(&s->paragraph, line + mark, length - mark));
    *before = whole;
    return *line == '#' ? end_paragraph(s) : AC_OK;
}

ac_status sentences_of(const char *text, size_t length, arena *a, sentence **ret_sentences, size_t *ret_count)
{
    splitter s = {.arena = a, .paragraph = BUF_INIT(length + 2)};
    size_t before = 0;
    ac_status status = AC_OK;

    for (size_t at = 0; at < length && status == AC_OK;) {
        const char *newline = memchr(text + at, '\n', length - at);
        size_t line = newline ? (size_t)(newline - text) - at : length - at;

        status = take_line(&s, text + at, line, &before);
        at += line + 1;
    }
    if (status == AC_OK)
        status = end_paragraph(&s);
    buf_done(&s.paragraph);
    *ret_sentences = s.list;
    *ret_count = status == AC_OK ? s.count : 0;
    return status;
}
