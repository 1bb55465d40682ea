/* lexicon.h - which facts are preferences, and what they are about. */
#ifndef MEMORY_EXTRACT_LEXICON_H
#define MEMORY_EXTRACT_LEXICON_H

#include "daemon/memory/extract/phrase.h"

#define CATEGORIES_MAX 3 /* of one preference */

/* Whether a fact about the user says what he likes, avoids, cannot have, always does or wants done. */
bool lexicon_is_preference(const phrase *fact);

/* What a fact is about, by its words: "food", "travel", ...; "general" when none is known.  Static strings. */
size_t lexicon_categories(const phrase *fact, const char *ret_categories[CATEGORIES_MAX]);

#endif
