/* model_engine.h - the parts of the model engine: asking for JSON, and the four kinds. */
#ifndef MEMORY_EXTRACT_MODEL_ENGINE_H
#define MEMORY_EXTRACT_MODEL_ENGINE_H

#include "daemon/memory/extract/extract_internal.h"
#include "daemon/memory/extract/model_prompts.h"

#define MODEL_ITEMS_MAX 200 /* facts, decisions, ... in one answer */

/* One question.  What it asks is put together in question, by the kinds. */
typedef struct model_question {
    const extractor *x;
    plan *plan;
    const model_prompt *prompt;
    const char *append;   /* the override's appendToPrompt; NULL: none */
    const char *model;    /* the override's modelId; NULL: the configured one */
    yyjson_val *metadata; /* the schema of metadata that each item gets; NULL: none */
    buf question;
    /* Whether the answer is one: NULL, or what is wrong with it, as a sentence for the model. */
    const char *(*check)(void *user, yyjson_val *root);
    void *user;
} model_question;

model_question model_question_new(const extractor *x, plan *p, const model_prompt *prompt);
void model_question_done(model_question *q);

/* Ask; when the answer is not what it should be, say so and ask once more.  The document is freed with the plan's
 * arena. AC_ERR_PROTOCOL: the second answer was none either; what the model fails with. */
ac_status model_question_ask(model_question *q, yyjson_val **ret_root, ac_error *err) AC_MUST_USE;

/* The JSON object in an answer, without the prose or the fences around it.  False: there is none. */
bool model_json_find(const char *text, size_t length, const char **ret_json, size_t *ret_length);

/* Append the window: a line for each turn, numbered from 1, with NEW before the first new one; from: the first told. */
ac_status model_write_turns(const extract_task *t, size_t from, size_t first_new, buf *out) AC_MUST_USE;

/* "[1] text", numbered from `number` on. */
ac_status model_write_known(const extract_known *known, size_t count, size_t number, buf *out) AC_MUST_USE;

/* An array at key of at most MODEL_ITEMS_MAX objects; NULL when it is not that. */
yyjson_val *model_items(yyjson_val *root, const char *key);

/* A string at key that may be a record's text; NULL when it is none or too long. */
const char *model_text(yyjson_val *item, const char *key, bool empty_allowed);

ac_status model_facts(const extractor *x, plan *p, ac_error *err) AC_MUST_USE;
ac_status model_summary(const extractor *x, plan *p, ac_error *err) AC_MUST_USE;
ac_status model_episodes(const extractor *x, plan *p, ac_error *err) AC_MUST_USE;

#endif
