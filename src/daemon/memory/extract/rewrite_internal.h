/* rewrite_internal.h - the three steps of rewriting: clauses.c cuts, rewrite.c judges, speech.c writes. */
#ifndef MEMORY_EXTRACT_REWRITE_INTERNAL_H
#define MEMORY_EXTRACT_REWRITE_INTERNAL_H

#include "base/buf.h"
#include "daemon/memory/extract/rewrite.h"

#define CLAUSES_MAX 16

/* A part of a sentence with a subject of its own, said or implied. */
typedef struct clause {
    phrase words;
    bool implied; /* "and work at Acme": the subject is the one before */
} clause;

/* Where the sentence begins behind "well", "by the way", "please remember that" and the like. */
size_t clause_beginning(const phrase *p);

/* And where it ends, before "please", "you know" and marks. */
size_t clause_ending(const phrase *p);

/* Cut a sentence into clauses; returns how many. */
size_t clauses_of(const phrase *p, clause clauses[CLAUSES_MAX]);

typedef enum subject {
    SUBJECT_OTHER,
    SUBJECT_I,
    SUBJECT_WE,
    SUBJECT_MINE, /* my sister, our house */
    SUBJECT_SHE,  /* he, she, they, it, his, ...: whoever was mentioned */
} subject;

/* Whose clause it is, and where the subject begins: behind an adverbial, as in "last year I moved". */
subject clause_subject(const phrase *p, size_t *ret_at);

/* Where the finite verb of a clause is that begins with a noun; count when there is none. */
size_t clause_verb(const phrase *p, size_t from);

/* Whether a sentence begins with an order: "book me a flight", "please stop". */
bool clause_is_command(const phrase *p);

/* Whether a word from `from` on is one of a list. */
bool phrase_has(const phrase *p, size_t from, const char *list);

/* How many words from `from` on say what is spoken of. */
size_t clause_content(const phrase *p, size_t from);

/* "I'd like to know", "I see": to keep a conversation going. */
bool clause_is_request(const phrase *p, size_t at);

/* "I'm tired": an adjective of the moment and no more. */
bool clause_is_passing(const phrase *p, size_t at);

/* Whether a clause says something by itself, and not only "I like that". */
bool clause_says(const rewriter *r, const phrase *p, subject who, size_t at, bool implied);

/* Remember who and what a clause mentions, for the pronouns of the next one. */
void mention_remember(rewriter *r, const phrase *p, subject who, size_t at);

/* Whether somebody or something has been mentioned that a pronoun can mean. */
bool mention_known(const rewriter *r, const char *low);

/* "My wife and I moved", "me and my brother run": the two are "we"; the words in front stay there.  What is returned is
 * whose clause it is then. */
subject mention_company(rewriter *r, phrase *p, const size_t *at);
subject mention_company_behind(rewriter *r, phrase *p, subject who, size_t at);

/* Write a clause as a statement about the user.  implied: without its subject, which is "I". */
ac_status speech_write(const rewriter *r, const phrase *p, subject who, size_t at, bool implied, buf *out) AC_MUST_USE;

#endif
