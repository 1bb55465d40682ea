/* wordnet_fixture.h - a small WordNet of the tests' own, written where they say. */
#ifndef TESTS_WORDNET_FIXTURE_H
#define TESTS_WORDNET_FIXTURE_H

#include <stdbool.h>

/* What is in it:
 *   nouns   food; dish, a kind of food; sushi, a kind of dish; tuna, a kind of food; city; paris, an instance of city;
 *           martial_art; judo, a kind of martial_art; mentor, derived from the verb; music, musician apart
 *   verbs   mentor, eat
 *   exceptions   geese: goose (a noun)
 * Writes all the files into directory, which must be there.  False: it could not. */
bool wordnet_fixture_write(const char *directory);

/* Remove them again. */
void wordnet_fixture_remove(const char *directory);

#endif
