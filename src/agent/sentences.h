/* sentences.h - English prose taken apart: sentences, and words with their stems.
 *
 * What models and the built-in stand-ins for them have in common.  Sans-IO; input is any bytes, output is valid UTF-8
 * where the input was. */
#ifndef AGENT_SENTENCES_H
#define AGENT_SENTENCES_H

#include "base/arena.h"

#include <stdbool.h>

#define SENTENCES_MAX 10000     /* of one text; the rest is left out */
#define SENTENCE_BYTES_MAX 2000 /* a longer one is cut at a word */
#define WORDS_MAX 20000         /* of one text; the rest is left out */

typedef struct sentence {
    const char *text; /* NUL-terminated, white space folded to one space; lives in the arena */
    size_t length;
    bool question; /* ends in '?' */
    bool listed;   /* stands in a list, a heading or a table */
    bool quoted;   /* of a block quotation */
} sentence;

/* Take text apart.  Sentences end at . ! ? and their likes, at blank lines, and at short lines before a capital; not at
 * abbreviations, initials, numbers, nor inside quotation marks.  Fenced code is left out.  AC_ERR_NOMEM. */
ac_status sentences_of(const char *text, size_t length, arena *a, sentence **ret_sentences, size_t *ret_count)
    AC_MUST_USE;

typedef struct text_word {
    const char *text; /* in lower case, NUL-terminated; ’ is ' */
    const char *stem; /* Snowball's English stem */
    size_t offset;    /* of its first byte in the text */
    size_t length;    /* in the text */
    bool stop;        /* says nothing about what is spoken of: the, of, is, I, ... */
} text_word;

/* The words of a text in order: letters, digits, and ' - _ . @ inside.  AC_ERR_NOMEM. */
ac_status words_of(const char *text, size_t length, arena *a, text_word **ret_words, size_t *ret_count) AC_MUST_USE;

/* Whether a word in lower case is one of the stop words. */
bool word_is_stop(const char *text, size_t length);

#endif
