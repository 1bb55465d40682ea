/* fuzz_wordnet.c - WordNet's files, damaged at will: three files in one input, each behind a line "#", looked up by
 * words that are in it and by words that are not.  Nothing may be read outside of them. */
#include "daemon/memory/search/concepts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* A copy of exactly its size, so that the address sanitizer sees a read past its end. */
static view own_copy(view part)
{
    char *copy = malloc(part.length ? part.length : 1);

    require(copy != NULL);
    if (part.length)
        memcpy(copy, part.text, part.length);
    return (view){copy, part.length};
}

static view next_part(view *rest)
{
    for (size_t i = 0; i + 1 < rest->length; i++) {
        if (rest->text[i] != '#' || rest->text[i + 1] != '\n')
            continue;
        view part = {rest->text, i};
        *rest = (view){rest->text + i + 2, rest->length - i - 2};
        return part;
    }
    view part = *rest;
    *rest = (view){rest->text, 0};
    return part;
}

static void look_up(const wordnet *w, const char *form)
{
    concept concepts[CONCEPTS_MAX];
    concept_target targets[CONCEPTS_MAX];
    wordnet_synset senses[WORDNET_SENSES_MAX];
    wordnet_pointer pointers[8];

    require(concepts_of(w, form, concepts) <= CONCEPTS_MAX);
    require(concepts_asked(w, form, targets) <= CONCEPTS_MAX);
    require(concepts_class(w, form, targets) <= 1);
    for (wordnet_part part = 0; part < WORDNET_PARTS; part++) {
        size_t count = wordnet_senses(w, part, form, senses);

        require(count <= WORDNET_SENSES_MAX);
        for (size_t i = 0; i < count; i++)
            require(wordnet_pointers(w, senses[i], i % 2 ? form : NULL, pointers, 8) <= 8);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const forms[] = {"sushi", "cities", "geese", "paris", "mentors", "", "zzz", "\xff"};
    view rest = {(const char *)data, size}, files[WORDNET_PARTS][WORDNET_FILES], parts[WORDNET_FILES];
    char first[WORDNET_LEMMA_MAX] = "";
    wordnet *w;

    for (wordnet_file kind = 0; kind < WORDNET_FILES; kind++)
        parts[kind] = own_copy(next_part(&rest));
    for (wordnet_part part = 0; part < WORDNET_PARTS; part++)
        memcpy(files[part], parts, sizeof parts);
    w = wordnet_of(files);
    require(w != NULL);
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        look_up(w, forms[i]);
    for (size_t i = 0; i + 1 < sizeof first && i < parts[0].length && parts[0].text[i] != ' '; i++)
        first[i] = parts[0].text[i];
    look_up(w, first);
    wordnet_close(w);
    for (wordnet_file kind = 0; kind < WORDNET_FILES; kind++)
        free((void *)parts[kind].text);
    return 0;
}
