/* wordnet.h - WordNet's database files (wndb(5WN)), as Debian's wordnet-base installs them, read where they lie.
 *
 * The files are mapped and looked up by halving: only pages that are touched are in memory, and the kernel may drop
 * them.  Nothing in the files is trusted: every offset, count and line is held against the file's size. */
#ifndef MEMORY_SEARCH_WORDNET_H
#define MEMORY_SEARCH_WORDNET_H

#include "aws/view.h"
#include "base/util.h"

#include <stdbool.h>

#define WORDNET_DIR_DEFAULT "/usr/share/wordnet"
#define WORDNET_LEMMA_MAX 64
#define WORDNET_SENSES_MAX 8

typedef enum wordnet_part { WORDNET_NOUN, WORDNET_VERB, WORDNET_ADJECTIVE, WORDNET_ADVERB, WORDNET_PARTS } wordnet_part;

/* One meaning: its part of speech in bits 24 and 25, its offset in that part's file below. */
typedef uint32_t wordnet_synset;

static inline wordnet_part wordnet_part_of(wordnet_synset s)
{
    return (wordnet_part)(s >> 24);
}

typedef struct wordnet wordnet;

/* AC_ERR_NOT_FOUND: no such files (the message says which); AC_ERR_NOMEM, AC_ERR_IO.  Any number of threads may look
 * things up at once. */
ac_status wordnet_open(const char *directory, wordnet **ret_wordnet, ac_error *err) AC_MUST_USE;

/* The same of files that are in memory already and stay there: of each part its index, its data, its exceptions. */
typedef enum wordnet_file { WORDNET_INDEX, WORDNET_DATA, WORDNET_EXCEPTIONS, WORDNET_FILES } wordnet_file;
wordnet *wordnet_of(const view files[WORDNET_PARTS][WORDNET_FILES]); /* NULL: out of memory, or a file is too large */

void wordnet_close(wordnet *w);
DEFINE_CLEANUP(wordnet *, wordnet_close)

/* The meanings of a lemma ("martial_art"), the most frequent one first.  How many; 0: no such lemma. */
size_t wordnet_senses(const wordnet *w, wordnet_part part, const char *lemma,
                      wordnet_synset ret_senses[WORDNET_SENSES_MAX]);

/* The lemma that a form belongs to ("cities": "city"), as a part of speech.  False: there is none. */
bool wordnet_lemma(const wordnet *w, wordnet_part part, const char *form, char ret_lemma[WORDNET_LEMMA_MAX]);

typedef struct wordnet_pointer {
    char kind[2]; /* '@' and 0: kind of; '@' 'i': instance of; '+': derived from; '&', '\\', '^': similar, ... */
    wordnet_synset target;
} wordnet_pointer;

/* What a meaning points to: all of it, or all that the lemma (not NULL) has of its own there.  Returns how many. */
size_t wordnet_pointers(const wordnet *w, wordnet_synset synset, const char *lemma, wordnet_pointer *ret_pointers,
                        size_t room);

#endif
