/* extract.c - which engine, what may be asked of it, and what may come out. */
#include "daemon/memory/extract/extract_internal.h"

#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KNOWN_DEFAULT 8
#define KNOWN_MAX 100

ac_status extractor_open(const extractor_options *options, extractor **ret_extractor, ac_error *err)
{
    extractor *x = calloc(1, sizeof *x);
    model *m = options->model;

    *ret_extractor = x;
    if (!x)
        return extract_nomem(err);
    x->model = m && model_kind_in_use(m) != MODEL_BUILTIN ? m : NULL;
    x->known_max = options->known_max ? MIN(options->known_max, (size_t)KNOWN_MAX) : KNOWN_DEFAULT;
    if (x->model)
        snprintf(x->engine, sizeof x->engine, "model:%s", model_name(m));
    else
        snprintf(x->engine, sizeof x->engine, "builtin");
    return AC_OK;
}

void extractor_close(extractor *x)
{
    free(x);
}

const char *extractor_engine(const extractor *x)
{
    return x->engine;
}

static ac_status check(const extract_task *t, ac_error *err)
{
    if (!t->nearest || t->first_new > t->turn_count)
        return ac_error_set(err, AC_ERR_INVALID, "a window has its new turns among the others");
    if (t->turn_count > EXTRACT_TURNS_MAX)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "a window has at most %d turns", EXTRACT_TURNS_MAX);
    for (size_t i = 0; i < t->turn_count; i++)
        if (!t->turns[i].text || !t->turns[i].event_id || !t->turns[i].role)
            return ac_error_set(err, AC_ERR_INVALID, "turn %zu has no text, role or event", i);
    return AC_OK;
}

/* A copy of a turn's text that is UTF-8, without control characters but line feeds and tabs, and not longer than is
 * read; NULL when memory runs out. */
static char *clean_text(const extract_turn *turn, arena *a, size_t *ret_length)
{
    _cleanup_(buf_done) buf text = BUF_INIT(3 * (size_t)EXTRACT_TURN_BYTES_MAX + 1);
    size_t length = MIN(turn->text_length, (size_t)EXTRACT_TURN_BYTES_MAX);
    char *copy;

    if (length < turn->text_length)
        length = utf8_valid_prefix(turn->text, length); /* not in the middle of a character */
    if (utf8_append_clean(&text, turn->text, length) != AC_OK)
        return NULL;
    copy = arena_copy(a, text.data ? text.data : "", text.length);
    for (size_t i = 0; copy && i < text.length; i++)
        if ((unsigned char)copy[i] < ' ' && copy[i] != '\n' && copy[i] != '\t')
            copy[i] = ' ';
    *ret_length = text.length;
    return copy;
}

static ac_status clean(const extract_task *t, arena *a, extract_task *ret_task)
{
    extract_turn *turns = arena_alloc(a, MAX(t->turn_count, 1U) * sizeof *turns);

    if (!turns)
        return AC_ERR_NOMEM;
    for (size_t i = 0; i < t->turn_count; i++) {
        turns[i] = t->turns[i];
        turns[i].text = clean_text(&t->turns[i], a, &turns[i].text_length);
        if (!turns[i].text)
            return AC_ERR_NOMEM;
    }
    *ret_task = *t;
    ret_task->turns = turns;
    return AC_OK;
}

static ac_status run(const extractor *x, plan *p, ac_error *err)
{
    if (x->model)
        return model_engine_run(x, p, err);
    switch (p->task->kind) {
    case EXTRACT_SUMMARY:
        return builtin_summary(p, err);
    case EXTRACT_EPISODIC:
        return builtin_episodes(p, x->known_max, err);
    default:
        return builtin_facts(p, x->known_max, err);
    }
}

ac_status extract_run(extractor *x, const extract_task *task, arena *a, extract_change **ret_changes, size_t *ret_count,
                      ac_error *err)
{
    extract_task cleaned;
    plan p = {.task = &cleaned, .engine = x->engine, .arena = a};

    *ret_changes = NULL;
    *ret_count = 0;
    AC_TRY(check(task, err));
    if (clean(task, a, &cleaned) != AC_OK)
        return extract_nomem(err);
    if (task->first_new == task->turn_count)
        return AC_OK;
    AC_TRY(run(x, &p, err));
    return plan_finish(&p, ret_changes, ret_count, err);
}
