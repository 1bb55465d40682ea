/* rewrite.h - what somebody says about himself, as facts about "the user".
 *
 * "I love eating apples" becomes "The user loves eating apples."; questions, commands, small talk and what is said to
 * the assistant become nothing.  English; sentences in other languages are kept as they are.  docs/memory-extraction.md
 * says what is understood; tests/daemon/extract_sentences.txt has the cases. */
#ifndef MEMORY_EXTRACT_REWRITE_H
#define MEMORY_EXTRACT_REWRITE_H

#include "agent/sentences.h"
#include "daemon/memory/extract/phrase.h"

#define FACT_BYTES_MAX 1200 /* a longer one is no fact but a story: left out */
#define NAME_BYTES_MAX 96   /* of what a pronoun stands for */

typedef enum person_gender { GENDER_UNKNOWN, GENDER_SHE, GENDER_HE, GENDER_THEY } person_gender;

typedef struct fact {
    const char *text;   /* "The user's sister Anna lives in Oslo." */
    const char *source; /* the sentence as it was said */
    bool foreign;       /* kept as it was said: no English */
} fact;

/* What sentences of one speaker are read with: whom "she", "it" and "we" mean.  Fields are rewrite.c's own. */
typedef struct rewriter {
    arena *arena;
    int64_t said_ms;
    char person[NAME_BYTES_MAX]; /* "the user's sister Anna"; "": nobody has been mentioned */
    person_gender gender;
    char thing[NAME_BYTES_MAX];     /* "the user's car" */
    char mentioned[NAME_BYTES_MAX]; /* person, as the user has it: "their sister Anna" */
    char company[NAME_BYTES_MAX];   /* "their wife": "we" is the user and she */
    const char *source;
    fact *facts;
    size_t count, room;
} rewriter;

void rewriter_begin(rewriter *r, arena *a);

/* A new turn: from when dates are counted. */
void rewriter_turn(rewriter *r, int64_t said_ms);

/* Add the facts of a sentence of the user to r->facts.  AC_ERR_NOMEM. */
ac_status rewrite_sentence(rewriter *r, const sentence *s) AC_MUST_USE;

/* The same for a short answer to the assistant's question ("Where do you live?" "In Oslo").  *ret_done: it was one. */
ac_status rewrite_answer(rewriter *r, const char *question, const sentence *s, bool *ret_done) AC_MUST_USE;

/* And for a sentence of the assistant, of which only data about the user is taken: "Your booking number is A17". */
ac_status rewrite_told(rewriter *r, const sentence *s) AC_MUST_USE;

/* What a sentence of the user asks for, in the third person: "The user asks the assistant to book a table."  NULL: it
 * asks for nothing. */
ac_status rewrite_request(rewriter *r, const sentence *s, const char **ret_request) AC_MUST_USE;

/* Whether a sentence is in another language than English. */
bool sentence_is_foreign(const char *text, size_t length);

#endif
