/* model_session.c - the summary of a session, its episodes, and reflections on them, by a model. */
#include "daemon/memory/extract/episodes.h"
#include "daemon/memory/extract/model_engine.h"
#include "daemon/memory/extract/summary.h"

#include <stdlib.h>
#include <string.h>

/* ---- the summary ---- */

static const char *check_summary(void *user, yyjson_val *root)
{
    yyjson_val *list = model_items(root, "topics"), *item;
    yyjson_arr_iter at = yyjson_arr_iter_with(list);

    (void)user;
    if (!list || yyjson_arr_size(list) == 0)
        return "\"topics\" must be a list with at least one object";
    while ((item = yyjson_arr_iter_next(&at)))
        if (!model_text(item, "name", false) || !model_text(item, "text", false))
            return "each of the topics must have a \"name\" and a \"text\"";
    return NULL;
}

static ac_status write_topics(yyjson_val *root, buf *out)
{
    yyjson_arr_iter at = yyjson_arr_iter_with(yyjson_obj_get(root, "topics"));
    yyjson_val *item;

    while ((item = yyjson_arr_iter_next(&at))) {
        AC_TRY(buf_append_text(out, out->length ? "\n<topic name=\"" : "<topic name=\""));
        AC_TRY(summary_escape(out, ac_json_string(item, "name", "")));
        AC_TRY(buf_append_text(out, "\">\n"));
        AC_TRY(summary_escape(out, ac_json_string(item, "text", "")));
        AC_TRY(buf_append_text(out, "\n</topic>"));
    }
    return AC_OK;
}

static ac_status put_summary(plan *p, yyjson_val *root, const extract_known *known, ac_error *err)
{
    const extract_turn *last = &p->task->turns[p->task->turn_count - 1];
    _cleanup_(buf_done) buf text = BUF_INIT(EXTRACT_TEXT_BYTES_MAX);
    ac_status status = write_topics(root, &text);
    plan_entry entry = {.change = {.action = known ? EXTRACT_UPDATE : EXTRACT_ADD,
                                   .id = known ? known->id : NULL,
                                   .stated_ms = last->timestamp_ms},
                        .through = plan_turn_key(p->arena, last),
                        .inferred = yyjson_obj_get(yyjson_arr_get_first(yyjson_obj_get(root, "topics")), "metadata")};

    if (status == AC_ERR_TOO_LARGE)
        return ac_error_set(err, AC_ERR_PROTOCOL, "the model's summary is longer than a record may be");
    if (status != AC_OK)
        return extract_nomem(err);
    entry.change.text = arena_copy(p->arena, text.data, text.length);
    if (!entry.change.text || !entry.through)
        return extract_nomem(err);
    return plan_add(p, &entry, NULL, err);
}

ac_status model_summary(const extractor *x, plan *p, ac_error *err)
{
    _cleanup_(model_question_done) model_question q = model_question_new(x, p, &prompt_summary);
    const extract_task *t = p->task;
    extract_known *known;
    size_t count, from;
    yyjson_val *root;
    ac_status status = AC_OK;

    AC_TRY(builtin_of_session(p, 1, &known, &count, err));
    from = builtin_first_unseen(p, count ? known : NULL);
    if (from >= t->turn_count)
        return AC_OK;
    q.append = t->consolidation_prompt ? t->consolidation_prompt : t->extraction_prompt;
    q.model = t->consolidation_model ? t->consolidation_model : t->extraction_model;
    q.metadata = t->metadata_schema;
    q.check = check_summary;
    if (count)
        status = buf_appendf(&q.question, "Summary so far:\n%s\n\n", known->text);
    if (status == AC_OK)
        status = model_write_turns(t, from, from, &q.question);
    if (status != AC_OK)
        return ac_error_set(err, status, "the conversation is too long for a question, or memory ran out");
    AC_TRY(model_question_ask(&q, &root, err));
    return put_summary(p, root, count ? known : NULL, err);
}

/* ---- episodes ---- */

typedef struct session {
    const extractor *x;
    plan *plan;
    extract_known *known;
    size_t known_count;
} session;

static bool strings_only(yyjson_val *list)
{
    yyjson_arr_iter at = yyjson_arr_iter_with(list);
    yyjson_val *item;

    while ((item = yyjson_arr_iter_next(&at)))
        if (!yyjson_is_str(item))
            return false;
    return yyjson_is_arr(list);
}

/* Whether a value is the number of a known record, or no number and so none's. */
static bool is_known(const session *s, yyjson_val *value)
{
    return !yyjson_is_int(value) || (yyjson_get_sint(value) >= 1 && (size_t)yyjson_get_sint(value) <= s->known_count);
}

static const char *check_episodes(void *user, yyjson_val *root)
{
    const session *s = user;
    yyjson_val *list = model_items(root, "episodes"), *item;
    yyjson_arr_iter at = yyjson_arr_iter_with(list);
    int64_t turns = (int64_t)s->plan->task->turn_count;

    if (!list)
        return "\"episodes\" must be a list of objects";
    while ((item = yyjson_arr_iter_next(&at))) {
        const char *outcome = ac_json_string(item, "outcome", "");
        int64_t first = ac_json_int(item, "first_turn", 0), last = ac_json_int(item, "last_turn", 0);
        yyjson_val *known = yyjson_obj_get(item, "known");

        if (!model_text(item, "situation", true) || !model_text(item, "intent", false) ||
            !model_text(item, "evidence", true))
            return "each of the episodes must have a \"situation\", an \"intent\" and an \"evidence\"";
        if (!strings_only(yyjson_obj_get(item, "actions")))
            return "\"actions\" must be a list of strings";
        if (strcmp(outcome, "success") != 0 && strcmp(outcome, "failure") != 0 && strcmp(outcome, "open") != 0)
            return "\"outcome\" must be success, failure or open";
        if (first < 1 || last < first || last > turns)
            return "\"first_turn\" and \"last_turn\" must be numbers of turns";
        if (!is_known(s, known))
            return "\"known\" must be null or the number of a known record";
    }
    return NULL;
}

static void read_episode(yyjson_val *item, episode *e)
{
    yyjson_arr_iter at = yyjson_arr_iter_with(yyjson_obj_get(item, "actions"));
    const char *outcome = ac_json_string(item, "outcome", "");
    yyjson_val *action;

    *e = (episode){.first = (size_t)ac_json_int(item, "first_turn", 1) - 1,
                   .last = (size_t)ac_json_int(item, "last_turn", 1) - 1,
                   .situation = ac_json_string(item, "situation", ""),
                   .intent = ac_json_string(item, "intent", ""),
                   .closed = strcmp(outcome, "open") != 0,
                   .success = strcmp(outcome, "success") == 0,
                   .evidence = ac_json_string(item, "evidence", "")};
    while (e->action_count < ACTIONS_MAX && (action = yyjson_arr_iter_next(&at)))
        e->actions[e->action_count++] = yyjson_get_str(action);
}

/* The record that an episode is: the one the model names, or the one that begins with the same turn. */
static const extract_known *record_of(const session *s, yyjson_val *item, const char *since)
{
    yyjson_val *number = yyjson_obj_get(item, "known");

    if (yyjson_is_int(number))
        return &s->known[yyjson_get_sint(number) - 1];
    for (size_t i = 0; i < s->known_count; i++) {
        const char *other = known_string(&s->known[i], EXTRACT_KEY_SINCE);

        if (other && strcmp(other, since) == 0)
            return &s->known[i];
    }
    return NULL;
}

static ac_status put_episode(session *s, yyjson_val *item, const episode *e, ac_error *err)
{
    plan *p = s->plan;
    const extract_turn *first = &p->task->turns[e->first], *last = &p->task->turns[e->last];
    const char *since = plan_turn_key(p->arena, first);
    const extract_known *old = since ? record_of(s, item, since) : NULL;
    plan_entry entry = {.change = {.action = old ? EXTRACT_UPDATE : EXTRACT_ADD,
                                   .id = old ? old->id : NULL,
                                   .text = episode_text(e, p->arena),
                                   .stated_ms = last->timestamp_ms},
                        .since =
                            old && known_string(old, EXTRACT_KEY_SINCE) ? known_string(old, EXTRACT_KEY_SINCE) : since,
                        .through = plan_turn_key(p->arena, last),
                        .inferred = yyjson_obj_get(item, "metadata")};

    if (!entry.since || !entry.through || !entry.change.text)
        return extract_nomem(err);
    if (strlen(entry.change.text) > EXTRACT_TEXT_BYTES_MAX)
        return ac_error_set(err, AC_ERR_PROTOCOL, "an episode of the model is longer than a record may be");
    if (old && (strcmp(old->text, entry.change.text) == 0 || known_stated_ms(old) > last->timestamp_ms))
        return AC_OK;
    return plan_add(p, &entry, NULL, err);
}

/* ---- reflections ---- */

static const char *check_reflections(void *user, yyjson_val *root)
{
    const session *s = user;
    yyjson_val *list = model_items(root, "reflections"), *item;
    yyjson_arr_iter at = yyjson_arr_iter_with(list);

    if (!list)
        return "\"reflections\" must be a list of objects";
    while ((item = yyjson_arr_iter_next(&at))) {
        yyjson_val *known = yyjson_obj_get(item, "known"), *confidence = yyjson_obj_get(item, "confidence");
        double sure = yyjson_get_num(confidence);

        if (!model_text(item, "title", false) || !model_text(item, "use_cases", true) ||
            !strings_only(yyjson_obj_get(item, "hints")))
            return "each of the reflections must have a \"title\", \"use_cases\" and a list of \"hints\"";
        if (!yyjson_is_num(confidence) || !(sure >= 0 && sure <= 1))
            return "\"confidence\" must be a number from 0 to 1";
        if (!is_known(s, known))
            return "\"known\" must be null or the number of a known reflection";
    }
    return NULL;
}

static const char *reflection_text(yyjson_val *item, arena *a)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root =
        doc ? ac_json_pack(doc, "{s:s, s:s, s:v, s:f}", "title", ac_json_string(item, "title", ""), "use_cases",
                           ac_json_string(item, "use_cases", ""), "hints", yyjson_obj_get(item, "hints"), "confidence",
                           yyjson_get_num(yyjson_obj_get(item, "confidence")))
            : NULL;
    char *text = root ? yyjson_mut_val_write(root, 0, NULL) : NULL;
    const char *copy = text ? arena_copy(a, text, strlen(text)) : NULL;

    free(text);
    yyjson_mut_doc_free(doc);
    return copy;
}

static ac_status put_reflections(const session *s, yyjson_val *root, int64_t stated_ms, ac_error *err)
{
    yyjson_arr_iter at = yyjson_arr_iter_with(yyjson_obj_get(root, "reflections"));
    yyjson_val *item;

    while ((item = yyjson_arr_iter_next(&at))) {
        yyjson_val *number = yyjson_obj_get(item, "known");
        const extract_known *old = yyjson_is_int(number) ? &s->known[yyjson_get_sint(number) - 1] : NULL;
        const char *text = reflection_text(item, s->plan->arena);
        plan_entry entry = {.change = {.action = old ? EXTRACT_UPDATE : EXTRACT_ADD,
                                       .id = old ? old->id : NULL,
                                       .text = text,
                                       .reflection = true,
                                       .stated_ms = stated_ms},
                            .inferred = yyjson_obj_get(item, "metadata")};

        if (!text)
            return extract_nomem(err);
        if (strlen(text) > EXTRACT_TEXT_BYTES_MAX)
            return ac_error_set(err, AC_ERR_PROTOCOL, "a reflection of the model is longer than a record may be");
        if (!old || strcmp(old->text, text) != 0)
            AC_TRY(plan_add(s->plan, &entry, NULL, err));
    }
    return AC_OK;
}

static ac_status ask_known(const session *s, const char *text, bool reflections, extract_known **ret_known,
                           size_t *ret_count, ac_error *err)
{
    const extract_task *t = s->plan->task;
    extract_query query = {
        .text = text, .text_length = strlen(text), .count = s->x->known_max, .reflections = reflections};

    *ret_known = NULL;
    *ret_count = 0;
    return t->nearest(t->user, &query, s->plan->arena, ret_known, ret_count, err);
}

/* After an episode that is over: what it and its likes teach. */
static ac_status reflect(const session *s, const episode *e, ac_error *err)
{
    const extract_task *t = s->plan->task;
    _cleanup_(model_question_done) model_question q = model_question_new(s->x, s->plan, &prompt_reflections);
    session mine = {.x = s->x, .plan = s->plan};
    const char *newest = episode_text(e, s->plan->arena);
    extract_known *likes;
    yyjson_val *root;
    size_t count;
    ac_status status;

    if (!newest)
        return extract_nomem(err);
    AC_TRY(ask_known(s, e->intent, false, &likes, &count, err));
    AC_TRY(ask_known(s, e->intent, true, &mine.known, &mine.known_count, err));
    q.append = t->reflection_prompt;
    q.model = t->reflection_model;
    q.metadata = t->reflection_schema;
    q.check = check_reflections;
    q.user = &mine;
    status = buf_appendf(&q.question, "Newest episode:\n%s\nEarlier episodes:\n", newest);
    for (size_t i = 0; i < count && status == AC_OK; i++)
        if (strcmp(likes[i].text, newest) != 0)
            status = buf_appendf(&q.question, "- %s\n", likes[i].text);
    if (status == AC_OK)
        status = buf_append_text(&q.question, "Known reflections:\n");
    if (status == AC_OK)
        status = model_write_known(mine.known, mine.known_count, 1, &q.question);
    if (status != AC_OK)
        return ac_error_set(err, status, "the episodes are too long for a question, or memory ran out");
    AC_TRY(model_question_ask(&q, &root, err));
    return put_reflections(&mine, root, t->turns[e->last].timestamp_ms, err);
}

static ac_status take_episodes(session *s, yyjson_val *root, ac_error *err)
{
    yyjson_arr_iter at = yyjson_arr_iter_with(yyjson_obj_get(root, "episodes"));
    yyjson_val *item;

    while ((item = yyjson_arr_iter_next(&at))) {
        size_t before = s->plan->count;
        episode e;

        read_episode(item, &e);
        if (e.last < s->plan->task->first_new)
            continue; /* it was told not to */
        AC_TRY(put_episode(s, item, &e, err));
        if (s->plan->task->reflect && e.closed && s->plan->count > before)
            AC_TRY(reflect(s, &e, err));
    }
    return AC_OK;
}

ac_status model_episodes(const extractor *x, plan *p, ac_error *err)
{
    const extract_task *t = p->task;
    _cleanup_(model_question_done) model_question q = model_question_new(x, p, &prompt_episodes);
    session s = {.x = x, .plan = p};
    yyjson_val *root;
    ac_status status = AC_OK;

    AC_TRY(builtin_of_session(p, EPISODES_MAX, &s.known, &s.known_count, err));
    if (s.known_count && known_stated_ms(&s.known[s.known_count - 1]) > t->turns[t->turn_count - 1].timestamp_ms)
        return AC_OK; /* an old job done again */
    q.append = t->extraction_prompt;
    q.model = t->extraction_model;
    q.metadata = t->metadata_schema;
    q.check = check_episodes;
    q.user = &s;
    if (s.known_count) {
        status = buf_append_text(&q.question, "Known records of this session:\n");
        if (status == AC_OK)
            status = model_write_known(s.known, s.known_count, 1, &q.question);
    }
    if (status == AC_OK)
        status = model_write_turns(t, 0, t->first_new, &q.question);
    if (status != AC_OK)
        return ac_error_set(err, status, "the conversation is too long for a question, or memory ran out");
    AC_TRY(model_question_ask(&q, &root, err));
    return take_episodes(&s, root, err);
}
