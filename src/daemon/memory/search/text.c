/* text.c - reading text, character by character, in one pass per sentence.
 *
 * A sentence ends at '.', '!', '?' before white space or at the end of the text, and at a line's end.  Where it ends is
 * looked for before its words are read, since the question mark at the end says what they are. */
#include "daemon/memory/search/text.h"

#include <libstemmer.h>
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#define CHAR_NONE UINT32_MAX /* no UTF-8 here */

struct text_reader {
    struct sb_stemmer *stemmer;
    char form[WORD_BYTES_MAX + 1], base[WORD_BYTES_MAX + 1], term[WORD_BYTES_MAX + 1];
    char before[WORD_BYTES_MAX + 1]; /* the form of the word before a hyphen, or "" */
    /* the call's */
    const unsigned char *text, *end;
    bool (*each)(void *user, const word *w);
    void *user;
};

/* Character classes of all scripts, whatever the process's locale.  (locale_t)0: there is none, ASCII only. */
static locale_t classes;
static pthread_once_t classes_once = PTHREAD_ONCE_INIT;

static void classes_load(void)
{
    classes = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

text_reader *text_reader_new(void)
{
    text_reader *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    pthread_once(&classes_once, classes_load);
    r->stemmer = sb_stemmer_new("english", "UTF_8");
    if (!r->stemmer) {
        free(r);
        return NULL;
    }
    return r;
}

void text_reader_free(text_reader *r)
{
    if (!r)
        return;
    sb_stemmer_delete(r->stemmer);
    free(r);
}

/* ---- characters ---- */

/* The character at *at, which moves behind it; CHAR_NONE and one byte when there is none. */
static uint32_t next_char(const unsigned char **at, const unsigned char *end)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = *at;
    unsigned char lead = *p;
    size_t length = lead < 0x80 ? 1 : lead >= 0xF0 && lead < 0xF5 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;

    *at = p + 1;
    if (length == 1)
        return lead;
    if (length == 0 || lead >= 0xF5 || (size_t)(end - p) < length)
        return CHAR_NONE;
    uint32_t c = lead & (0x7FU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return CHAR_NONE;
        c = c << 6 | (p[i] & 0x3FU);
    }
    if (c < least[length] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return CHAR_NONE;
    *at = p + length;
    return c;
}

static bool is_apostrophe(uint32_t c)
{
    return c == '\'' || c == 0x2019 || c == 0x02BC;
}

static bool is_mark(uint32_t c) /* an accent of its own, after the letter it belongs to */
{
    return c >= 0x300 && c <= 0x36F;
}

/* Scripts without spaces between words. */
static bool is_dense(uint32_t c)
{
    return (c >= 0x3041 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x323AF) || (c >= 0x0E01 && c <= 0x0E3A) ||
           (c >= 0x0E40 && c <= 0x0E4E);
}

static bool is_digit(uint32_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(uint32_t c)
{
    if (c < 0x80)
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
    return c != CHAR_NONE && classes && iswalnum_l((wint_t)c, classes);
}

static bool is_capital(uint32_t c)
{
    return c < 0x80 ? c >= 'A' && c <= 'Z' : classes && iswupper_l((wint_t)c, classes);
}

/* The letters of U+00C0 to U+017F without their accents; '*' where there is none to take off. */
static const char plain_letters[] = "AAAAAA*CEEEEIIII*NOOOOO*OUUUUY**aaaaaa*ceeeeiiii*nooooo*ouuuuy*y"
                                    "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi**JjKk*LlLlLl*"
                                    "*LlNnNnNn***OoOoOo**RrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZz*";

static uint32_t fold(uint32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    if (c >= 0xFF01 && c <= 0xFF5E) /* full width */
        return fold(c - 0xFEE0);
    if (c >= 0xC0 && c - 0xC0 < sizeof plain_letters - 1 && plain_letters[c - 0xC0] != '*')
        return fold((unsigned char)plain_letters[c - 0xC0]);
    if (is_apostrophe(c))
        return '\'';
    return classes ? (uint32_t)towlower_l((wint_t)c, classes) : c;
}

/* Append a character; false, and nothing changed, when there is no room. */
static bool put_char(char *text, size_t *length, uint32_t c)
{
    unsigned char bytes[4];
    size_t count;

    if (c < 0x80) {
        bytes[0] = (unsigned char)c;
        count = 1;
    } else if (c < 0x800) {
        bytes[0] = (unsigned char)(0xC0 | c >> 6);
        bytes[1] = (unsigned char)(0x80 | (c & 0x3F));
        count = 2;
    } else if (c < 0x10000) {
        bytes[0] = (unsigned char)(0xE0 | c >> 12);
        bytes[1] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
        bytes[2] = (unsigned char)(0x80 | (c & 0x3F));
        count = 3;
    } else {
        bytes[0] = (unsigned char)(0xF0 | c >> 18);
        bytes[1] = (unsigned char)(0x80 | (c >> 12 & 0x3F));
        bytes[2] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
        bytes[3] = (unsigned char)(0x80 | (c & 0x3F));
        count = 4;
    }
    if (*length + count > WORD_BYTES_MAX)
        return false;
    memcpy(text + *length, bytes, count);
    *length += count;
    text[*length] = '\0';
    return true;
}

/* ---- words ---- */

/* Take off what an apostrophe adds ("caroline's", "we'll"), and apostrophes themselves. */
static void without_apostrophes(const char *form, char base[WORD_BYTES_MAX + 1])
{
    static const char *const endings[] = {"s", "ll", "re", "ve", "d", "m"};
    const char *last = strrchr(form, '\'');
    size_t length = strlen(form), out = 0;

    for (size_t i = 0; last && i < ARRAY_SIZE(endings); i++)
        if (strcmp(last + 1, endings[i]) == 0)
            length = (size_t)(last - form);
    for (size_t i = 0; i < length; i++)
        if (form[i] != '\'')
            base[out++] = form[i];
    base[out] = '\0';
}

static bool has_letter(const char *text)
{
    for (; *text; text++)
        if (!is_digit((unsigned char)*text) && *text != '.')
            return true;
    return false;
}

static void stem(text_reader *r, const char *base)
{
    size_t length = strlen(base);

    if (has_letter(base)) {
        const sb_symbol *stemmed = sb_stemmer_stem(r->stemmer, (const sb_symbol *)base, (int)length);
        if (stemmed) { /* NULL: out of memory; the word itself will do */
            length = MIN((size_t)sb_stemmer_length(r->stemmer), (size_t)WORD_BYTES_MAX);
            memcpy(r->term, stemmed, length);
            r->term[length] = '\0';
            return;
        }
    }
    memcpy(r->term, base, length + 1);
}

const char *text_term(text_reader *r, const char *form)
{
    char base[WORD_BYTES_MAX + 1];
    size_t length = strnlen(form, WORD_BYTES_MAX);

    memcpy(r->form, form, length);
    r->form[length] = '\0';
    without_apostrophes(r->form, base);
    stem(r, wordlist_regular(base));
    return r->term;
}

/* Hand r->form over as a word. */
static bool give(text_reader *r, size_t offset, unsigned flags)
{
    word w = {.form = r->form, .base = r->base, .term = r->term, .offset = offset, .flags = flags};
    const char *regular;

    without_apostrophes(r->form, r->base);
    if (!r->base[0])
        return true;
    if (!(flags & WORD_JOINED) && (wordlist_stop(r->form) || wordlist_stop(r->base)))
        w.flags |= WORD_STOP;
    regular = wordlist_regular(r->base);
    if (regular != r->base)
        memcpy(r->base, regular, strlen(regular) + 1);
    if (wordlist_weak(r->base))
        w.flags |= WORD_WEAK;
    if (!has_letter(r->base))
        w.flags |= WORD_NUMBER;
    stem(r, r->base);
    return r->each(r->user, &w);
}

/* What stands between two words of which one may be: a single hyphen. */
static bool is_hyphen(const unsigned char *from, const unsigned char *to)
{
    const unsigned char *at = from;
    uint32_t c = at < to ? next_char(&at, to) : CHAR_NONE;

    return at == to && (c == '-' || c == 0x2010 || c == 0x2011);
}

/* Read the characters of one word into r->form.  *at is at its first and moves behind it. */
static void read_word(text_reader *r, const unsigned char **at, const unsigned char *end)
{
    size_t length = 0;
    uint32_t before = 0;

    r->form[0] = '\0';
    while (*at < end) {
        const unsigned char *next = *at;
        uint32_t c = next_char(&next, end);

        if (!is_letter(c) || is_dense(c)) {
            const unsigned char *after = next;
            uint32_t following = after < end ? next_char(&after, end) : CHAR_NONE;
            bool number = is_digit(before) && is_digit(following);

            if (is_mark(c) || (number && c == ',')) {
                *at = next;
                continue;
            }
            if (!(number && c == '.') && !(is_apostrophe(c) && is_letter(following) && !is_dense(following)))
                return;
        }
        if (c == 0xDF) { /* the only letters that fold to two */
            if (put_char(r->form, &length, 's'))
                put_char(r->form, &length, 's');
        } else if (c == 0xE6 || c == 0xC6) {
            if (put_char(r->form, &length, 'a'))
                put_char(r->form, &length, 'e');
        } else {
            put_char(r->form, &length, fold(c)); /* what has no room is cut off */
        }
        before = c;
        *at = next;
    }
}

/* A run of characters of a script without spaces: each, and each with the one before it. */
static bool read_dense(text_reader *r, const unsigned char **at, const unsigned char *end, unsigned flags)
{
    uint32_t before = 0;

    while (*at < end) {
        const unsigned char *next = *at;
        uint32_t c = next_char(&next, end);
        size_t offset = (size_t)(*at - r->text), length = 0;

        if (!is_dense(c))
            return true;
        put_char(r->form, &length, c);
        if (!give(r, offset, flags))
            return false;
        length = 0;
        if (before && put_char(r->form, &length, before) && put_char(r->form, &length, c) && !give(r, offset, flags))
            return false;
        before = c;
        *at = next;
    }
    return true;
}

/* The word before a hyphen and the one after it, as one. */
static bool give_joined(text_reader *r, size_t offset, unsigned flags)
{
    char after[WORD_BYTES_MAX + 1];
    size_t first = strlen(r->before), second = strlen(r->form);
    bool well;

    if (first + second > WORD_BYTES_MAX)
        return true;
    memcpy(after, r->form, second + 1);
    memmove(r->form + first, r->form, second + 1);
    memcpy(r->form, r->before, first);
    well = give(r, offset, flags | WORD_JOINED);
    memcpy(r->form, after, second + 1);
    return well;
}

static bool read_sentence(text_reader *r, const unsigned char *from, const unsigned char *to, unsigned asked)
{
    const unsigned char *at = from, *word_end = NULL;
    bool first = true;

    while (at < to) {
        const unsigned char *start = at, *next = at;
        uint32_t c = next_char(&next, to);

        if (!is_letter(c)) {
            at = next;
            continue;
        }
        if (is_dense(c)) {
            if (!read_dense(r, &at, to, asked))
                return false;
            word_end = NULL;
            continue;
        }
        unsigned flags = asked | (!first && is_capital(c) ? WORD_CAPITAL : 0U);
        size_t offset = (size_t)(start - r->text);
        read_word(r, &at, to);
        if (word_end && is_hyphen(word_end, start) && !give_joined(r, offset, flags))
            return false;
        memcpy(r->before, r->form, sizeof r->before);
        word_end = at;
        if (!give(r, offset, flags))
            return false;
        first = false;
    }
    return true;
}

/* Where the sentence that begins at from ends; *ret_asked: with a question mark. */
static const unsigned char *sentence_end(const unsigned char *from, const unsigned char *end, bool *ret_asked)
{
    *ret_asked = false;
    for (const unsigned char *at = from; at < end; at++) {
        if (*at == '\n')
            return at;
        if (*at != '.' && *at != '!' && *at != '?')
            continue;
        *ret_asked = *ret_asked || *at == '?';
        if (at + 1 == end || at[1] == ' ' || at[1] == '\t' || at[1] == '\r' || at[1] == '\n' || at[1] >= 0x80)
            return at + 1;
        if (at[1] != '.' && at[1] != '!' && at[1] != '?')
            *ret_asked = false; /* inside of an address or a number */
    }
    return end;
}

bool text_read(text_reader *r, const char *text, size_t length, bool (*each)(void *user, const word *w), void *user)
{
    r->text = (const unsigned char *)text;
    r->end = r->text + length;
    r->each = each;
    r->user = user;
    r->before[0] = '\0';
    for (const unsigned char *at = r->text; at < r->end;) {
        bool asked;
        const unsigned char *to = sentence_end(at, r->end, &asked);

        if (!read_sentence(r, at, to, asked ? WORD_ASKED : 0))
            return false;
        at = to < r->end && to == at ? to + 1 : to;
    }
    return true;
}
