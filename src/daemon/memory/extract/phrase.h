/* phrase.h - a sentence as the rewriter sees it: words and punctuation in order. */
#ifndef MEMORY_EXTRACT_PHRASE_H
#define MEMORY_EXTRACT_PHRASE_H

#include "base/arena.h"

#include <stdbool.h>

#define PHRASE_TOKENS_MAX 400 /* the rest of a longer sentence is left out */

typedef struct phrase_token {
    const char *text; /* ’ as ', "im" and the like as "I'm" */
    const char *low;  /* in lower case */
    bool word;        /* else punctuation */
    bool glued;       /* no space before it */
} phrase_token;

typedef struct phrase {
    phrase_token *tokens;
    size_t count;
} phrase;

/* Tokens and strings live in the arena.  AC_ERR_NOMEM. */
ac_status phrase_of(const char *text, size_t length, arena *a, phrase *ret_phrase) AC_MUST_USE;

/* The part [begin, end), sharing the tokens. */
static inline phrase phrase_part(const phrase *p, size_t begin, size_t end)
{
    return (phrase){p->tokens ? p->tokens + begin : NULL, end - begin};
}

/* The word at i in lower case; "" for punctuation and beyond the end. */
const char *phrase_low(const phrase *p, size_t i);

/* Whether the words at i are those of text, which is in lower case with single spaces. */
bool phrase_is(const phrase *p, size_t i, const char *text, size_t *ret_words);

/* Whether a word in lower case is one of those in list: " in, with, spaces around each ". */
bool word_in(const char *low, const char *list);

/* Whether it begins with a capital. */
bool phrase_is_capital(const phrase_token *t);

#endif
