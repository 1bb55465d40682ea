/* lexicon.h - what is known about English words: stems (Snowball), stop words, and WordNet's synonyms and hypernyms.
 *
 * WordNet is read from the files of Debian's wordnet-base (/usr/share/wordnet), once, into compact read-only tables.
 * Where they are not there, everything works without them. */
#ifndef DAEMON_MEMORY_SEARCH_LEXICON_H
#define DAEMON_MEMORY_SEARCH_LEXICON_H

#include "base/util.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lexicon lexicon;

/* directory NULL: /usr/share/wordnet.  *ret_lexicon is set also when there is no WordNet; lexicon_has_wordnet tells.
 * AC_ERR_NOMEM, AC_ERR_IO, AC_ERR_PROTOCOL (a damaged file: the message names it). */
ac_status lexicon_open(const char *directory, lexicon **ret_lexicon, ac_error *err) AC_MUST_USE;
void lexicon_free(lexicon *words);
bool lexicon_has_wordnet(const lexicon *words);

/* Cut a text into words and call fn for each: the word in lower case (NUL-terminated) and its stem.  Numbers, dates and
 * hyphenated words are words; apostrophes are cut off ("user's": user).  Unicode letters beyond ASCII are folded where
 * that is simple (é: e), else kept.  stop: one of the words that say nothing.  AC_ERR_NOMEM. */
typedef struct lexicon_word {
    const char *word;
    const char *stem;
    bool stop;
    size_t start, end; /* bytes of the text */
} lexicon_word;

ac_status lexicon_words(const lexicon *words, const char *text, size_t length,
                        void (*fn)(void *user, const lexicon_word *word), void *user) AC_MUST_USE;

/* Features of a word: numbers of WordNet's synsets that it may mean, and those above them, with weights that sink with
 * distance and with how many meanings the word has.  Returns how many were written, at most room. */
typedef struct lexicon_feature {
    uint32_t synset;
    float weight;
} lexicon_feature;

size_t lexicon_features(const lexicon *words, const char *word, lexicon_feature *ret_features, size_t room);

#endif
