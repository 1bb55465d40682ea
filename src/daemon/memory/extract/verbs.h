/* verbs.h - English verbs: their forms, and which words are some. */
#ifndef MEMORY_EXTRACT_VERBS_H
#define MEMORY_EXTRACT_VERBS_H

#include <stdbool.h>
#include <stddef.h>

#define VERB_SIZE 48 /* of a form, with its NUL; longer words are no verbs of ours */

typedef enum verb_form {
    VERB_NONE,       /* none we know */
    VERB_BASE,       /* live */
    VERB_THIRD,      /* lives */
    VERB_PAST,       /* lived, went */
    VERB_PARTICIPLE, /* gone; where it differs from the past */
    VERB_GERUND,     /* living */
} verb_form;

/* What form of which verb a word in lower case is.  "put" and the like are VERB_BASE. */
verb_form verb_find(const char *text, char ret_base[VERB_SIZE]);

/* Whether a word that is no known verb looks like the past of one: "texted". */
bool verb_looks_past(const char *text);

/* "lives" of "live", "has" of "have", "goes" of "go", for any word. */
void verb_third_person(const char *base, char ret_form[VERB_SIZE]);

/* is, are, was, can, would, ...: what is finite whatever its subject. */
bool verb_is_auxiliary(const char *text);
bool verb_is_modal(const char *text);

#endif
