/* model_facts.c - facts and preferences by a model: drawn from the turns, then held against the nearest known records.
 *
 * Two questions at most: what is there to know, and what becomes of it.  The second is not asked when nothing near is
 * known.  What is known word for word is left without asking. */
#include "daemon/memory/extract/model_engine.h"

#include <stdlib.h>
#include <string.h>

#define KNOWN_MAX 200 /* records in one question */

typedef struct found {
    const char *text; /* of the record */
    yyjson_val *metadata;
    bool known; /* word for word */
} found;

typedef struct work {
    const extractor *x;
    plan *plan;
    found list[MODEL_ITEMS_MAX];
    size_t count;
    extract_known known[KNOWN_MAX];
    size_t known_count;
    yyjson_val *decisions[MODEL_ITEMS_MAX]; /* by candidate */
} work;

/* ---- what is there to know ---- */

static bool is_preference(const work *w)
{
    return w->plan->task->kind == EXTRACT_USER_PREFERENCE;
}

static const char *check_facts(void *user, yyjson_val *root)
{
    yyjson_val *list = model_items(root, "facts"), *item;
    yyjson_arr_iter at = yyjson_arr_iter_with(list);

    (void)user;
    if (!list)
        return "\"facts\" must be a list of at most 200 objects";
    while ((item = yyjson_arr_iter_next(&at)))
        if (!model_text(item, "text", false))
            return "each of the facts must have a \"text\" that is not empty";
    return NULL;
}

static const char *check_preferences(void *user, yyjson_val *root)
{
    yyjson_val *list = model_items(root, "preferences"), *item, *category;
    yyjson_arr_iter at = yyjson_arr_iter_with(list), categories;

    (void)user;
    if (!list)
        return "\"preferences\" must be a list of at most 200 objects";
    while ((item = yyjson_arr_iter_next(&at))) {
        if (!model_text(item, "preference", false) || !model_text(item, "context", true))
            return "each of the preferences must have a \"preference\" and a \"context\"";
        categories = yyjson_arr_iter_with(yyjson_obj_get(item, "categories"));
        while ((category = yyjson_arr_iter_next(&categories)))
            if (!yyjson_is_str(category))
                return "\"categories\" must be a list of strings";
    }
    return NULL;
}

/* {"context", "preference", "categories"} and nothing else. */
static const char *preference_text(yyjson_val *item, arena *a)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_val *given = yyjson_obj_get(item, "categories");
    yyjson_mut_val *categories = !doc                   ? NULL
                                 : yyjson_is_arr(given) ? yyjson_val_mut_copy(doc, given)
                                                        : yyjson_mut_arr(doc);
    yyjson_mut_val *root =
        categories ? ac_json_pack(doc, "{s:s, s:s, s:o}", "context", ac_json_string(item, "context", ""), "preference",
                                  ac_json_string(item, "preference", ""), "categories", categories)
                   : NULL;
    char *text = root ? yyjson_mut_val_write(root, 0, NULL) : NULL;
    const char *copy = text ? arena_copy(a, text, strlen(text)) : NULL;

    free(text);
    yyjson_mut_doc_free(doc);
    return copy;
}

static ac_status take(work *w, yyjson_val *root, ac_error *err)
{
    yyjson_arr_iter at = yyjson_arr_iter_with(yyjson_obj_get(root, is_preference(w) ? "preferences" : "facts"));
    yyjson_val *item;

    while ((item = yyjson_arr_iter_next(&at))) {
        const char *text = is_preference(w) ? preference_text(item, w->plan->arena) : ac_json_string(item, "text", "");
        bool twice = false;

        if (!text)
            return extract_nomem(err);
        for (size_t i = 0; i < w->count; i++)
            twice = twice || strcmp(w->list[i].text, text) == 0;
        if (!twice && strlen(text) <= EXTRACT_TEXT_BYTES_MAX)
            w->list[w->count++] = (found){.text = text, .metadata = yyjson_obj_get(item, "metadata")};
    }
    return AC_OK;
}

static ac_status find(work *w, ac_error *err)
{
    const extract_task *t = w->plan->task;
    _cleanup_(model_question_done) model_question q =
        model_question_new(w->x, w->plan, is_preference(w) ? &prompt_preferences : &prompt_facts);
    yyjson_val *root;

    q.append = t->extraction_prompt;
    q.model = t->extraction_model;
    q.metadata = t->metadata_schema;
    q.check = is_preference(w) ? check_preferences : check_facts;
    if (model_write_turns(t, 0, t->first_new, &q.question) != AC_OK)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "the conversation is too long for a question");
    AC_TRY(model_question_ask(&q, &root, err));
    return take(w, root, err);
}

/* ---- what is known ---- */

static bool has_known(const work *w, const char *id)
{
    for (size_t i = 0; i < w->known_count; i++)
        if (strcmp(w->known[i].id, id) == 0)
            return true;
    return false;
}

static ac_status look(work *w, ac_error *err)
{
    const extract_task *t = w->plan->task;

    for (size_t i = 0; i < w->count; i++) {
        found *f = &w->list[i];
        extract_query query = {.text = f->text, .text_length = strlen(f->text), .count = w->x->known_max};
        extract_known *known = NULL;
        size_t count = 0;

        AC_TRY(t->nearest(t->user, &query, w->plan->arena, &known, &count, err));
        for (size_t k = 0; k < count; k++) {
            f->known = f->known || strcmp(known[k].text, f->text) == 0;
            if (!has_known(w, known[k].id) && !known_string(&known[k], EXTRACT_KEY_SUPERSEDED) &&
                w->known_count < KNOWN_MAX)
                w->known[w->known_count++] = known[k];
        }
    }
    return AC_OK;
}

/* ---- what becomes of it ---- */

static const char *check_decisions(void *user, yyjson_val *root)
{
    const work *w = user;
    yyjson_val *list = model_items(root, "decisions"), *item;
    yyjson_arr_iter at = yyjson_arr_iter_with(list);

    if (!list)
        return "\"decisions\" must be a list of objects";
    while ((item = yyjson_arr_iter_next(&at))) {
        const char *action = ac_json_string(item, "action", "");
        int64_t number = ac_json_int(item, "candidate", 0), known = ac_json_int(item, "known", 0);
        bool refers = strcmp(action, "update") == 0 || strcmp(action, "supersede") == 0;

        if (number < 1 || (size_t)number > w->count)
            return "each \"candidate\" must be the number of one";
        if (!refers && strcmp(action, "add") != 0 && strcmp(action, "leave") != 0)
            return "each \"action\" must be add, update, leave or supersede";
        if (refers && (known < 1 || (size_t)known > w->known_count))
            return "update and supersede need the number of a known record in \"known\"";
        if (strcmp(action, "update") == 0 && !model_text(item, "text", false))
            return "update needs the record's new \"text\"";
    }
    return NULL;
}

static ac_status decide(work *w, ac_error *err)
{
    const extract_task *t = w->plan->task;
    _cleanup_(model_question_done) model_question q = model_question_new(w->x, w->plan, &prompt_consolidation);
    yyjson_val *root, *item;
    ac_status status;

    q.append = t->consolidation_prompt;
    q.model = t->consolidation_model;
    q.check = check_decisions;
    q.user = w;
    status = buf_append_text(&q.question, "Known records:\n");
    if (status == AC_OK)
        status = model_write_known(w->known, w->known_count, 1, &q.question);
    if (status == AC_OK)
        status = buf_append_text(&q.question, "Candidates:\n");
    for (size_t i = 0; i < w->count && status == AC_OK; i++)
        if (!w->list[i].known)
            status = buf_appendf(&q.question, "[%zu] %s\n", i + 1, w->list[i].text);
    if (status != AC_OK)
        return ac_error_set(err, status, "the known records are too long for a question, or memory ran out");
    AC_TRY(model_question_ask(&q, &root, err));
    yyjson_arr_iter at = yyjson_arr_iter_with(yyjson_obj_get(root, "decisions"));
    while ((item = yyjson_arr_iter_next(&at))) {
        size_t number = (size_t)ac_json_int(item, "candidate", 1) - 1;

        if (!w->decisions[number])
            w->decisions[number] = item;
    }
    return AC_OK;
}

/* The text of an update: of a preference it must have the form of one, else the candidate's own is taken. */
static const char *updated_text(const work *w, yyjson_val *decision, const found *f)
{
    static const ac_json_read_options limits = {.depth_max = 8};
    const char *text = ac_json_string(decision, "text", ""), *made = f->text;
    yyjson_doc *doc = NULL;

    if (!is_preference(w))
        return text;
    if (ac_json_read(text, strlen(text), &limits, &doc, NULL) == AC_OK &&
        model_text(yyjson_doc_get_root(doc), "preference", false))
        made = preference_text(yyjson_doc_get_root(doc), w->plan->arena);
    yyjson_doc_free(doc);
    return made;
}

static bool is_touched(const plan *p, const char *id)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->entries[i].change.id && strcmp(p->entries[i].change.id, id) == 0)
            return true;
    return false;
}

static ac_status carry_out(work *w, size_t number, ac_error *err)
{
    const extract_task *t = w->plan->task;
    found *f = &w->list[number];
    yyjson_val *decision = w->decisions[number];
    const char *action = ac_json_string(decision, "action", "add");
    bool update = strcmp(action, "update") == 0, supersede = strcmp(action, "supersede") == 0;
    /* Of other actions nobody has looked at the number. */
    const extract_known *known = update || supersede ? &w->known[ac_json_int(decision, "known", 1) - 1] : NULL;
    plan_entry entry = {
        .change = {.action = EXTRACT_ADD, .text = f->text, .stated_ms = t->turns[t->turn_count - 1].timestamp_ms},
        .inferred = f->metadata};
    size_t index;

    if (f->known || strcmp(action, "leave") == 0)
        return AC_OK;
    if (update && !is_touched(w->plan, known->id)) {
        entry.change.action = EXTRACT_UPDATE;
        entry.change.id = known->id;
        entry.change.text = updated_text(w, decision, f);
        if (!entry.change.text)
            return extract_nomem(err);
        if (strcmp(entry.change.text, known->text) == 0)
            return AC_OK;
    }
    AC_TRY(plan_add(w->plan, &entry, &index, err));
    if (!supersede || is_touched(w->plan, known->id))
        return AC_OK;
    entry = (plan_entry){.change = {.action = EXTRACT_SUPERSEDE, .id = known->id, .by = index}};
    return plan_add(w->plan, &entry, NULL, err);
}

ac_status model_facts(const extractor *x, plan *p, ac_error *err)
{
    work *w = arena_zalloc(p->arena, sizeof *w);
    bool all_known = true;

    if (!w)
        return extract_nomem(err);
    w->x = x;
    w->plan = p;
    AC_TRY(find(w, err));
    AC_TRY(look(w, err));
    for (size_t i = 0; i < w->count; i++)
        all_known = all_known && w->list[i].known;
    if (w->known_count && !all_known)
        AC_TRY(decide(w, err));
    for (size_t i = 0; i < w->count; i++)
        AC_TRY(carry_out(w, i, err));
    return AC_OK;
}
