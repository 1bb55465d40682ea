/* text.h - text to words: what is indexed of a record and what is asked of a query.
 *
 * A word is a run of letters and digits of any script, in lower case and without accents; apostrophes inside it belong
 * to it ("o'brien"), and so do the separators of a number ("1,000", "2.5").  Scripts written without spaces give single
 * characters and pairs of them.  Bytes that are not UTF-8 separate words and are otherwise ignored.
 *
 * A word's term is what is compared: "running", "ran" and "runs" have the term "run".  The stems are Snowball's for
 * English; words of other languages go through them too, on both sides alike. */
#ifndef MEMORY_SEARCH_TEXT_H
#define MEMORY_SEARCH_TEXT_H

#include "base/util.h"

#include <stdbool.h>

#define WORD_BYTES_MAX 64 /* of a form, base or term; what is longer is cut */

#define WORD_STOP 1U    /* says nothing about a topic: "the", "was", "really" */
#define WORD_WEAK 2U    /* says little in a question: "mention", "kind" */
#define WORD_CAPITAL 4U /* begins with a capital, and not because it begins a sentence: a name, mostly */
#define WORD_ASKED 8U   /* in a sentence that ends with a question mark */
#define WORD_JOINED                                                                                                    \
    16U /* two words with a hyphen, taken as one ("destress" of "de-stress"); both come by themselves too */
#define WORD_NUMBER 32U /* digits */

/* Texts are NUL-terminated and live during the call they are passed to. */
typedef struct word {
    const char *form; /* as it stands, folded: "mothers'" is "mothers'" */
    const char *base; /* without endings of contractions, irregular forms made regular: "went" is "go"; not stemmed */
    const char *term; /* the stem */
    size_t offset;    /* of its first byte in the text */
    unsigned flags;
} word;

/* A reader holds the stemmer and some memory; one thread at a time. */
typedef struct text_reader text_reader;
text_reader *text_reader_new(void); /* NULL: out of memory */
void text_reader_free(text_reader *r);
DEFINE_CLEANUP(text_reader *, text_reader_free)

/* Call each(user, word) for every word, stop words too, until it returns false.  Returns false then. */
bool text_read(text_reader *r, const char *text, size_t length, bool (*each)(void *user, const word *w), void *user);

/* The term of one word as the caller has it (folded already); r's memory, until the next call. */
const char *text_term(text_reader *r, const char *form);

/* ---- wordlist.c: what is known about single words; all texts are folded ---- */

bool wordlist_stop(const char *form);
bool wordlist_weak(const char *base);
const char *wordlist_regular(const char *form); /* "went": "go"; the word itself when nothing is known */
unsigned wordlist_month(const char *form);      /* 1 to 12, of names and their first three letters; 0: none */

#endif
