/* words.c - the words of a text, in lower case and by their stems. */
#include "agent/sentences.h"

#include "base/utf8.h"

#include <libstemmer.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BYTES_MAX 64 /* what is longer is no word: it is cut */

/* In order, for bsearch. */
static const char *const stop_words[] = {
    "a",       "about",    "above",  "after",  "again",   "all",    "also",   "am",        "an",     "and",
    "any",     "anything", "are",    "aren't", "as",      "at",     "be",     "because",   "been",   "before",
    "being",   "both",     "but",    "by",     "can",     "can't",  "could",  "did",       "didn't", "do",
    "does",    "doesn't",  "doing",  "don't",  "during",  "each",   "ever",   "for",       "from",   "get",
    "got",     "had",      "has",    "have",   "haven't", "having", "he",     "her",       "hers",   "herself",
    "him",     "himself",  "his",    "how",    "i",       "i'd",    "i'll",   "i'm",       "i've",   "if",
    "in",      "into",     "is",     "isn't",  "it",      "it's",   "its",    "itself",    "just",   "let",
    "let's",   "may",      "me",     "might",  "mine",    "more",   "most",   "my",        "myself", "no",
    "not",     "now",      "of",     "off",    "oh",      "ok",     "okay",   "on",        "once",   "only",
    "or",      "other",    "our",    "ours",   "out",     "over",   "please", "really",    "said",   "same",
    "say",     "says",     "shall",  "she",    "should",  "so",     "some",   "something", "such",   "than",
    "thank",   "thanks",   "that",   "that's", "the",     "their",  "theirs", "them",      "then",   "there",
    "there's", "these",    "they",   "this",   "those",   "to",     "too",    "under",     "until",  "up",
    "us",      "user",     "user's", "very",   "was",     "wasn't", "we",     "we're",     "we've",  "well",
    "were",    "what",     "when",   "where",  "which",   "while",  "who",    "whom",      "why",    "will",
    "with",    "won't",    "would",  "yeah",   "yes",     "you",    "you're", "you've",    "your",   "yours",
    "yourself"};

static int compare_word(const void *key, const void *entry)
{
    return strcmp(key, *(const char *const *)entry);
}

bool word_is_stop(const char *text, size_t length)
{
    char word[16];

    if (length >= sizeof word)
        return false;
    memcpy(word, text, length);
    word[length] = '\0';
    return bsearch(word, stop_words, ARRAY_SIZE(stop_words), sizeof *stop_words, compare_word);
}

static bool is_word_byte(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0xc3;
}

static bool is_inner(unsigned char c)
{
    return c == '\'' || c == '-' || c == '_' || c == '.' || c == '@';
}

/* Bytes of the character at p when it can stand in a word, with a word on both sides for marks; 0 when not. */
static size_t word_step(const char *p, const char *end)
{
    unsigned char c = (unsigned char)*p;

    if (c >= 0xe2 && c <= 0xe3) { /* punctuation, mostly; ’ is an apostrophe */
        if (end - p >= 4 && memcmp(p, "\u2019", 3) == 0 && is_word_byte((unsigned char)p[3]))
            return 3;
        return c == 0xe3 && end - p >= 3 && (unsigned char)p[1] >= 0x81 ? 3 : 0;
    }
    if (is_word_byte(c)) {
        size_t length = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

        return MIN(length, (size_t)(end - p));
    }
    return is_inner(c) && end - p >= 2 && is_word_byte((unsigned char)p[1]) ? 1 : 0;
}

static size_t lower(const char *text, size_t length, char out[WORD_BYTES_MAX + 1])
{
    size_t n = 0;

    for (size_t i = 0; i < length && n < WORD_BYTES_MAX; i++) {
        if (length - i >= 3 && memcmp(text + i, "\u2019", 3) == 0) {
            out[n++] = '\'';
            i += 2;
        } else {
            out[n++] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
        }
    }
    if (n == WORD_BYTES_MAX)
        n = utf8_valid_prefix(out, n); /* not in the middle of a character */
    out[n] = '\0';
    return n;
}

typedef struct reader {
    arena *arena;
    struct sb_stemmer *stemmer;
    text_word *list;
    size_t count, room;
} reader;

static ac_status put(reader *r, const char *text, size_t offset, size_t length)
{
    char word_text[WORD_BYTES_MAX + 1];
    size_t n = lower(text + offset, length, word_text);
    const sb_symbol *stem;

    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 32;
        text_word *more = arena_alloc(r->arena, room * sizeof *more);

        if (!more)
            return AC_ERR_NOMEM;
        if (r->count)
            memcpy(more, r->list, r->count * sizeof *more);
        r->list = more;
        r->room = room;
    }
    stem = sb_stemmer_stem(r->stemmer, (const sb_symbol *)word_text, (int)n);
    text_word w = {.text = arena_copy(r->arena, word_text, n),
                   .stem =
                       stem ? arena_copy(r->arena, (const char *)stem, (size_t)sb_stemmer_length(r->stemmer)) : NULL,
                   .offset = offset,
                   .length = length,
                   .stop = word_is_stop(word_text, n)};
    if (!w.text || !w.stem)
        return AC_ERR_NOMEM;
    r->list[r->count++] = w;
    return AC_OK;
}

ac_status words_of(const char *text, size_t length, arena *a, text_word **ret_words, size_t *ret_count)
{
    reader r = {.arena = a, .stemmer = sb_stemmer_new("english", "UTF_8")};
    ac_status status = r.stemmer ? AC_OK : AC_ERR_NOMEM;
    const char *end = text + length;

    for (size_t at = 0; at < length && status == AC_OK && r.count < WORDS_MAX;) {
        size_t begin = at, step;

        if (is_inner((unsigned char)text[at]) || !word_step(text + at, end)) {
            at++;
            continue;
        }
        while (at < length && (step = word_step(text + at, end)) > 0)
            at += step;
        status = put(&r, text, begin, at - begin);
    }
    sb_stemmer_delete(r.stemmer);
    *ret_words = r.list;
    *ret_count = status == AC_OK ? r.count : 0;
    return status;
}
