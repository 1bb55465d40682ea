/* phrase.c - taking a sentence apart.  A word is what stands between spaces, without the punctuation around it; a full
 * stop inside a sentence belongs to the abbreviation before it. */
#include "daemon/memory/extract/phrase.h"

#include <string.h>

#define MARKS_MAX 8 /* punctuation on one side of a word; more is left out */

typedef struct reader {
    arena *arena;
    phrase *out;
    size_t room;
} reader;

/* What people leave the apostrophe out of. */
static const struct {
    const char *low, *text;
} spellings[] = {
    {"im", "I'm"},
    {"ive", "I've"},
    {"dont", "don't"},
    {"cant", "can't"},
    {"wont", "won't"},
    {"didnt", "didn't"},
    {"doesnt", "doesn't"},
    {"isnt", "isn't"},
    {"wasnt", "wasn't"},
    {"havent", "haven't"},
    {"hasnt", "hasn't"},
    {"arent", "aren't"},
    {"weren't", "weren't"},
    {"wouldnt", "wouldn't"},
    {"couldnt", "couldn't"},
    {"shouldnt", "shouldn't"},
    {"i", "I"},
    {"i'm", "I'm"},
    {"i've", "I've"},
    {"i'd", "I'd"},
    {"i'll", "I'll"},
};

static char *lower(arena *a, const char *text, size_t length)
{
    char *low = arena_copy(a, text, length);

    for (size_t i = 0; low && i < length; i++)
        if (low[i] >= 'A' && low[i] <= 'Z')
            low[i] = (char)(low[i] + 32);
    return low;
}

static ac_status put(reader *r, const char *text, size_t length, bool is_word, bool glued)
{
    phrase *p = r->out;
    phrase_token t = {.word = is_word, .glued = glued};

    if (p->count == PHRASE_TOKENS_MAX || length == 0)
        return AC_OK;
    if (p->count == r->room) {
        size_t room = r->room ? r->room * 2 : 32;
        phrase_token *more = arena_alloc(r->arena, room * sizeof *more);

        if (!more)
            return AC_ERR_NOMEM;
        if (p->count)
            memcpy(more, p->tokens, p->count * sizeof *more);
        p->tokens = more;
        r->room = room;
    }
    t.text = arena_copy(r->arena, text, length);
    t.low = t.text ? lower(r->arena, text, length) : NULL;
    if (!t.low)
        return AC_ERR_NOMEM;
    for (size_t i = 0; is_word && i < ARRAY_SIZE(spellings); i++)
        if (strcmp(t.low, spellings[i].low) == 0) {
            t.text = spellings[i].text;
            t.low = lower(r->arena, t.text, strlen(t.text));
            if (!t.low)
                return AC_ERR_NOMEM;
        }
    p->tokens[p->count++] = t;
    return AC_OK;
}

/* Bytes of the mark of punctuation at p, 0 when there is none.  Other characters beyond ASCII are letters. */
static size_t mark_at(const char *p, const char *end)
{
    static const char *const wide[] = {"\u201c", "\u201d", "\u2018", "\u2026", "\u2013", "\u2014",
                                       "\u3002", "\uff01", "\uff1f", "\uff0c", "\u3001"};

    if (strchr(",.;:!?\"()[]{}<>*_~|", *p) && *p)
        return 1;
    for (size_t i = 0; i < ARRAY_SIZE(wide); i++)
        if (end - p >= 3 && memcmp(p, wide[i], 3) == 0)
            return 3;
    if (end - p >= 2 && ((unsigned char)p[0] == 0xc2) && ((unsigned char)p[1] == 0xab || (unsigned char)p[1] == 0xbb))
        return 2;
    return 0;
}

/* Bytes of an emoji or another pictograph: U+1F000 to U+1FFFF, U+2600 to U+27BF, and what is joined to them. */
static size_t picture_at(const char *p, const char *end)
{
    const unsigned char *u = (const unsigned char *)p;

    if (end - p >= 4 && u[0] == 0xf0 && u[1] == 0x9f)
        return 4;
    if (end - p >= 3 && u[0] == 0xe2 &&
        (u[1] == 0x98 || u[1] == 0x99 || u[1] == 0x9a || u[1] == 0x9b || u[1] == 0x9c || u[1] == 0x9d || u[1] == 0x9e))
        return 3;
    if (end - p >= 3 && u[0] == 0xef && u[1] == 0xb8 && u[2] == 0x8f)
        return 3;
    return end - p >= 3 && memcmp(p, "\u200d", 3) == 0 ? 3 : 0;
}

/* The bytes of a mark that ends just before end. */
static size_t mark_before(const char *begin, const char *end)
{
    for (size_t n = 1; n <= 3 && begin + n <= end; n++)
        if (mark_at(end - n, end) == n)
            return n;
    return 0;
}

/* One run of characters without a space: marks, a word, marks. */
static ac_status put_run(reader *r, const char *begin, const char *end, bool last)
{
    const char *marks[MARKS_MAX];
    size_t lengths[MARKS_MAX], count = 0, n;
    bool glued = false;

    while (begin < end && (n = mark_at(begin, end)) > 0) {
        AC_TRY(put(r, begin, n, false, glued));
        begin += n;
        glued = true;
    }
    while (end > begin && (n = mark_before(begin, end)) > 0) {
        if (n == 1 && end[-1] == '.' && count == 0 && !last)
            break; /* "Dr." */
        end -= n;
        if (count < MARKS_MAX) {
            marks[count] = end;
            lengths[count++] = n;
        }
    }
    if (end > begin)
        AC_TRY(put(r, begin, (size_t)(end - begin), !(end - begin == 1 && (*begin == '-' || *begin == '/')), glued));
    while (count > 0) {
        count--;
        AC_TRY(put(r, marks[count], lengths[count], false, true));
    }
    return AC_OK;
}

/* The text with ’ as ' and without pictures. */
static char *plain(const char *text, size_t length, arena *a, size_t *ret_length)
{
    char *out = arena_alloc(a, length + length / 3 + 2);
    const char *end = text + length;
    size_t n = 0, skip;

    for (const char *p = text; out && p < end;) {
        if (end - p >= 3 && memcmp(p, "\u2019", 3) == 0) {
            out[n++] = '\'';
            p += 3;
        } else if (end - p >= 3 && memcmp(p, "\u2764", 3) == 0 && p - text >= 2 && memcmp(p - 2, "I ", 2) == 0) {
            memcpy(out + n, "love", 4); /* one byte more */
            n += 4;
            p += 3;
        } else if ((skip = picture_at(p, end)) > 0) {
            p += skip;
        } else {
            out[n++] = *p++;
        }
    }
    if (out)
        out[n] = '\0';
    *ret_length = n;
    return out;
}

ac_status phrase_of(const char *text, size_t length, arena *a, phrase *ret_phrase)
{
    reader r = {.arena = a, .out = ret_phrase};
    const char *p = plain(text, length, a, &length), *end = p ? p + length : NULL;

    *ret_phrase = (phrase){0};
    if (!p)
        return AC_ERR_NOMEM;
    while (p < end) {
        const char *stop;

        while (p < end && *p == ' ')
            p++;
        for (stop = p; stop < end && *stop != ' ';)
            stop++;
        const char *next = stop;
        while (next < end && *next == ' ')
            next++;
        AC_TRY(put_run(&r, p, stop, next == end));
        p = stop;
    }
    return AC_OK;
}

const char *phrase_low(const phrase *p, size_t i)
{
    return i < p->count && p->tokens[i].word ? p->tokens[i].low : "";
}

bool phrase_is(const phrase *p, size_t i, const char *text, size_t *ret_words)
{
    size_t words = 0;

    while (*text) {
        size_t length = strcspn(text, " ");
        const char *low = phrase_low(p, i + words);

        if (strlen(low) != length || memcmp(low, text, length) != 0)
            return false;
        words++;
        text += length;
        text += *text == ' ';
    }
    if (ret_words)
        *ret_words = words;
    return words > 0;
}

bool word_in(const char *low, const char *list)
{
    size_t length = strlen(low);

    if (length == 0)
        return false;
    for (const char *at = list; (at = strstr(at, low)); at++)
        if (at > list && at[-1] == ' ' && at[length] == ' ')
            return true;
    return false;
}

bool phrase_is_capital(const phrase_token *t)
{
    return t->word && t->text[0] >= 'A' && t->text[0] <= 'Z';
}
