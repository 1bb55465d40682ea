/* consolidate.c - a fact held against what is known, and against what this run has found before it.
 *
 * Said already: left.  More than was known: the record is updated.  The contrary of it: the old record is superseded,
 * unless the new fact was said before the old one, as happens when a job is done again.  Within one run the later
 * statement wins, and the earlier one leaves no trace. */
#include "daemon/memory/extract/builtin.h"
#include "daemon/memory/extract/relation.h"

#include <string.h>

#define SUPERSEDED_MAX 16 /* by one fact */

struct consolidation {
    plan *plan;
    size_t known_max;
    const char *(*statement_of)(const char *text, arena *a);
    relation *pending; /* of the plan's entries, by their places; verb "" and no text: a SUPERSEDE */
    size_t room;
};

/* What the known records say to a candidate. */
typedef struct verdict {
    bool leave;
    const char *update; /* the id of what it extends */
    const char *supersede[SUPERSEDED_MAX];
    size_t supersede_count;
} verdict;

consolidation *consolidation_new(plan *p, size_t known_max, const char *(*statement_of)(const char *text, arena *a))
{
    consolidation *c = arena_zalloc(p->arena, sizeof *c);

    if (c)
        *c = (consolidation){.plan = p, .known_max = known_max, .statement_of = statement_of};
    return c;
}

static ac_status put(consolidation *c, const plan_entry *entry, const relation *r, size_t *ret_index, ac_error *err)
{
    AC_TRY(plan_add(c->plan, entry, ret_index, err));
    if (*ret_index >= c->room) {
        size_t room = c->room ? c->room * 2 : 32;
        relation *more = arena_zalloc(c->plan->arena, room * sizeof *more);

        if (!more)
            return extract_nomem(err);
        if (c->room)
            memcpy(more, c->pending, c->room * sizeof *more);
        c->pending = more;
        c->room = room;
    }
    if (r)
        c->pending[*ret_index] = *r;
    return AC_OK;
}

/* ---- within the run ---- */

/* An entry and what it superseded are forgotten: the known records stand as they were. */
static void drop(plan *p, size_t index)
{
    p->entries[index].dropped = true;
    for (size_t i = 0; i < p->count; i++)
        if (p->entries[i].change.action == EXTRACT_SUPERSEDE && p->entries[i].change.by == index)
            p->entries[i].dropped = true;
}

/* Whether the candidate is done with: said before in this run. */
static bool compare_pending(consolidation *c, const relation *r, const candidate *one)
{
    plan *p = c->plan;

    for (size_t i = 0; i < p->count; i++) {
        plan_entry *e = &p->entries[i];

        if (e->dropped || e->change.action == EXTRACT_SUPERSEDE)
            continue;
        switch (relation_compare(r, &c->pending[i])) {
        case COMPARE_SAME:
            e->change.stated_ms = MAX(e->change.stated_ms, one->stated_ms);
            return true;
        case COMPARE_EXTENDS:
            e->change.text = one->text;
            e->change.stated_ms = MAX(e->change.stated_ms, one->stated_ms);
            c->pending[i] = *r;
            return true;
        case COMPARE_CONTRARY:
            drop(p, i);
            break;
        case COMPARE_DIFFERENT:
            break;
        }
    }
    return false;
}

/* Whether this run changes the record already. */
static bool is_touched(const plan *p, const char *id)
{
    for (size_t i = 0; i < p->count; i++) {
        const plan_entry *e = &p->entries[i];

        if (!e->dropped && e->change.id && strcmp(e->change.id, id) == 0)
            return true;
    }
    return false;
}

/* ---- the known ---- */

static ac_status judge(const consolidation *c, const extract_known *k, const relation *r, const candidate *one,
                       verdict *v)
{
    arena *a = c->plan->arena;
    const char *statement;
    relation known;

    if (is_touched(c->plan, k->id) || known_string(k, EXTRACT_KEY_SUPERSEDED) ||
        !(statement = c->statement_of(k->text, a)))
        return AC_OK;
    AC_TRY(relation_of(statement, a, &known));
    switch (relation_compare(r, &known)) {
    case COMPARE_SAME:
        v->leave = true;
        break;
    case COMPARE_EXTENDS:
        v->update = v->update ? v->update : k->id;
        break;
    case COMPARE_CONTRARY:
        if (one->stated_ms < known_stated_ms(k))
            v->leave = true;
        else if (v->supersede_count < SUPERSEDED_MAX)
            v->supersede[v->supersede_count++] = k->id;
        break;
    case COMPARE_DIFFERENT:
        break;
    }
    return AC_OK;
}

static ac_status judge_nearest(const consolidation *c, const char *text, const relation *r, const candidate *one,
                               verdict *v, ac_error *err)
{
    const extract_task *task = c->plan->task;
    extract_query query = {.text = text, .text_length = strlen(text), .count = c->known_max};
    extract_known *known = NULL;
    size_t count = 0;

    AC_TRY(task->nearest(task->user, &query, c->plan->arena, &known, &count, err));
    for (size_t i = 0; i < count && !v->leave; i++)
        if (judge(c, &known[i], r, one, v) != AC_OK)
            return extract_nomem(err);
    return AC_OK;
}

static bool is_listed(const verdict *v, size_t until, const char *id)
{
    for (size_t i = 0; i < until; i++)
        if (strcmp(v->supersede[i], id) == 0)
            return true;
    return v->update && strcmp(v->update, id) == 0;
}

static ac_status carry_out(consolidation *c, const relation *r, const candidate *one, const verdict *v, ac_error *err)
{
    plan_entry entry = {.change = {.action = v->update ? EXTRACT_UPDATE : EXTRACT_ADD,
                                   .id = v->update,
                                   .text = one->text,
                                   .stated_ms = one->stated_ms}};
    size_t index, other;

    AC_TRY(put(c, &entry, r, &index, err));
    for (size_t i = 0; i < v->supersede_count; i++) {
        plan_entry old = {.change = {.action = EXTRACT_SUPERSEDE, .id = v->supersede[i], .by = index}};

        if (!is_listed(v, i, v->supersede[i])) /* the two queries may both have found it */
            AC_TRY(put(c, &old, NULL, &other, err));
    }
    return AC_OK;
}

ac_status consolidate(consolidation *c, const candidate *one, ac_error *err)
{
    verdict v = {0};
    const char *hint;
    relation r;

    if (relation_of(one->statement, c->plan->arena, &r) != AC_OK)
        return extract_nomem(err);
    if (compare_pending(c, &r, one))
        return AC_OK;
    AC_TRY(judge_nearest(c, one->statement, &r, one, &v, err));
    hint = relation_hint(&r);
    if (hint && !v.leave)
        AC_TRY(judge_nearest(c, hint, &r, one, &v, err));
    return v.leave ? AC_OK : carry_out(c, &r, one, &v, err);
}
