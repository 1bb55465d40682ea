/* model_engine.c - asking a model for JSON, and not believing it.
 *
 * An answer is read, its JSON found and checked by the kind that asked.  A wrong one gets one reply that says what is
 * wrong with it.  Nothing is stored of an answer that does not hold. */
#include "daemon/memory/extract/model_engine.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define QUESTION_BYTES_MAX ((size_t)2 << 20)
#define TURNS_BYTES_MAX ((size_t)400 << 10) /* of the conversation are told; turns before the new ones go first */
#define ANSWER_TOKENS_MAX 8192
#define DEPTH_MAX 32

model_question model_question_new(const extractor *x, plan *p, const model_prompt *prompt)
{
    return (model_question){.x = x, .plan = p, .prompt = prompt, .question = BUF_INIT(QUESTION_BYTES_MAX)};
}

void model_question_done(model_question *q)
{
    buf_done(&q->question);
}

/* ---- reading ---- */

bool model_json_find(const char *text, size_t length, const char **ret_json, size_t *ret_length)
{
    const char *begin = memchr(text, '{', length), *end = text + length;
    bool quoted = false;
    size_t depth = 0;

    for (const char *p = begin; p && p < end; p++) {
        if (quoted) {
            if (*p == '\\')
                p++;
            else if (*p == '"')
                quoted = false;
            continue;
        }
        quoted = *p == '"';
        depth += *p == '{';
        if (*p == '}' && --depth == 0) {
            *ret_json = begin;
            *ret_length = (size_t)(p - begin) + 1;
            return true;
        }
    }
    return false;
}

yyjson_val *model_items(yyjson_val *root, const char *key)
{
    yyjson_val *list = yyjson_obj_get(root, key), *item;
    yyjson_arr_iter at = yyjson_arr_iter_with(list);

    if (!yyjson_is_arr(list) || yyjson_arr_size(list) > MODEL_ITEMS_MAX)
        return NULL;
    while ((item = yyjson_arr_iter_next(&at)))
        if (!yyjson_is_obj(item))
            return NULL;
    return list;
}

const char *model_text(yyjson_val *item, const char *key, bool empty_allowed)
{
    yyjson_val *value = yyjson_obj_get(item, key);
    const char *text = yyjson_get_str(value);
    size_t length = yyjson_get_len(value);

    if (!text || length > EXTRACT_TEXT_BYTES_MAX || strlen(text) != length)
        return NULL;
    return length > 0 || empty_allowed ? text : NULL;
}

static void free_doc(void *data)
{
    yyjson_doc_free(data);
}

/* NULL: the answer holds and *ret_root is it.  Else what is wrong. */
static const char *read_answer(const model_question *q, const model_answer *answer, yyjson_val **ret_root,
                               bool *ret_nomem)
{
    static const ac_json_read_options limits = {.depth_max = DEPTH_MAX};
    const char *json, *flaw;
    yyjson_doc *doc = NULL;
    size_t length;
    ac_status status;

    if (answer->stop == MODEL_STOP_TOKENS)
        return "it was cut because it is too long; say less";
    if (!model_json_find(answer->text, answer->text_length, &json, &length))
        return "there is no JSON object in it";
    status = ac_json_read(json, length, &limits, &doc, NULL);
    *ret_nomem = status == AC_ERR_NOMEM;
    if (status != AC_OK)
        return "it is not valid JSON";
    flaw = q->check(q->user, yyjson_doc_get_root(doc));
    *ret_nomem = !flaw && arena_on_release(q->plan->arena, free_doc, doc) != AC_OK;
    if (flaw || *ret_nomem) {
        yyjson_doc_free(doc);
        return flaw ? flaw : "";
    }
    *ret_root = yyjson_doc_get_root(doc);
    return NULL;
}

/* ---- asking ---- */

/* Metadata is one more property of the items, whatever list they stand in. */
static bool add_metadata(yyjson_mut_doc *doc, yyjson_val *schema)
{
    yyjson_mut_val *lists = yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "properties");
    yyjson_mut_obj_iter at = yyjson_mut_obj_iter_with(lists);
    yyjson_mut_val *list = yyjson_mut_obj_iter_get_val(yyjson_mut_obj_iter_next(&at));
    yyjson_mut_val *items = yyjson_mut_obj_get(list, "items"), *inferred;
    bool nomem;

    inferred = infer_schema(schema, doc, &nomem);
    if (!inferred)
        return !nomem;
    return yyjson_mut_obj_add_val(doc, yyjson_mut_obj_get(items, "properties"), "metadata", inferred) &&
           yyjson_mut_arr_add_str(doc, yyjson_mut_obj_get(items, "required"), "metadata");
}

/* The schema as a document of the arena; NULL: no memory. */
static yyjson_val *make_schema(const model_question *q)
{
    yyjson_doc *doc = yyjson_read(q->prompt->schema, strlen(q->prompt->schema), 0), *whole = NULL;
    yyjson_mut_doc *changed = doc ? yyjson_doc_mut_copy(doc, NULL) : NULL;

    if (changed && (!q->metadata || add_metadata(changed, q->metadata)))
        whole = yyjson_mut_doc_imut_copy(changed, NULL);
    yyjson_mut_doc_free(changed);
    yyjson_doc_free(doc);
    if (whole && arena_on_release(q->plan->arena, free_doc, whole) != AC_OK) {
        yyjson_doc_free(whole);
        return NULL;
    }
    return yyjson_doc_get_root(whole);
}

static ac_status write_system(const model_question *q, buf *out)
{
    size_t before;

    AC_TRY(buf_append_text(out, q->prompt->system));
    if (q->metadata) {
        before = out->length;
        AC_TRY(buf_append_text(out, "\nEach item also has \"metadata\", an object with these keys (null where the "
                                    "conversation does not say):\n"));
        size_t heading = out->length;
        AC_TRY(infer_describe(q->metadata, out));
        if (out->length == heading)
            out->length = before;
    }
    if (q->append)
        AC_TRY(buf_appendf(out, "\n%s", q->append));
    return buf_terminate(out) ? AC_OK : AC_ERR_NOMEM;
}

static ac_status ask_once(const model_question *q, const model_message *messages, size_t count, yyjson_val *schema,
                          model_answer *answer, ac_error *err)
{
    const extract_task *t = q->plan->task;
    model_request request = {
        .model = q->model,
        .messages = messages,
        .message_count = count,
        .schema = schema,
        .schema_name = q->prompt->name,
        .max_tokens = ANSWER_TOKENS_MAX,
        .temperature = 0,
        .has_temperature = true,
        .go_on = t->go_on,
        .user = t->user,
    };

    AC_TRY(model_ask(q->x->model, &request, q->plan->arena, answer, err));
    if (answer->stop == MODEL_STOP_REFUSED)
        return ac_error_set(err, AC_ERR_PROTOCOL, "the model refuses to answer");
    return AC_OK;
}

static ac_status ask_twice(const model_question *q, const char *system, yyjson_val *schema, yyjson_val **ret_root,
                           ac_error *err)
{
    model_message messages[4] = {{.role = MODEL_SYSTEM, .text = system},
                                 {.role = MODEL_USER, .text = q->question.data}};
    model_answer answer;
    bool nomem = false;
    const char *flaw;

    AC_TRY(ask_once(q, messages, 2, schema, &answer, err));
    flaw = read_answer(q, &answer, ret_root, &nomem);
    if (nomem)
        return extract_nomem(err);
    if (!flaw)
        return AC_OK;
    const char *reply =
        arena_format(q->plan->arena, "That answer cannot be used: %s. Answer again, with the JSON alone.", flaw);
    if (!reply)
        return extract_nomem(err);
    messages[2] = (model_message){.role = MODEL_ASSISTANT, .text = *answer.text ? answer.text : "(nothing)"};
    messages[3] = (model_message){.role = MODEL_USER, .text = reply};
    AC_TRY(ask_once(q, messages, 4, schema, &answer, err));
    flaw = read_answer(q, &answer, ret_root, &nomem);
    if (nomem)
        return extract_nomem(err);
    return flaw
               ? ac_error_set(err, AC_ERR_PROTOCOL, "the model's answer (%s) cannot be used: %s", q->prompt->name, flaw)
               : AC_OK;
}

ac_status model_question_ask(model_question *q, yyjson_val **ret_root, ac_error *err)
{
    _cleanup_(buf_done) buf system = BUF_INIT(QUESTION_BYTES_MAX);
    yyjson_val *schema = make_schema(q);
    ac_status status = write_system(q, &system);

    if (!schema || status == AC_ERR_NOMEM || !buf_terminate(&q->question))
        return extract_nomem(err);
    if (status != AC_OK)
        return ac_error_set(err, status, "the prompt of the strategy is too long");
    return ask_twice(q, system.data, schema, ret_root, err);
}

/* ---- what is told ---- */

static ac_status write_turn(const extract_turn *turn, size_t number, buf *out)
{
    char when[CLOCK_ISO8601_MS_SIZE];

    clock_iso8601_ms(turn->timestamp_ms, when);
    AC_TRY(buf_appendf(out, "[%zu] %.16s %s: ", number, when, turn->role));
    AC_TRY(buf_append(out, turn->text, turn->text_length));
    return buf_append_text(out, "\n");
}

ac_status model_write_turns(const extract_task *t, size_t from, size_t first_new, buf *out)
{
    size_t bytes = 0;

    for (size_t i = t->turn_count; i > from; i--) {
        bytes += t->turns[i - 1].text_length + 64;
        if (bytes > TURNS_BYTES_MAX && i - 1 < first_new) {
            from = i; /* what is too much of the earlier turns */
            break;
        }
    }
    AC_TRY(buf_append_text(out, "Conversation:\n"));
    for (size_t i = from; i < t->turn_count; i++) {
        if (i == first_new)
            AC_TRY(buf_append_text(out, "--- NEW turns from here ---\n"));
        AC_TRY(write_turn(&t->turns[i], i + 1, out));
    }
    return AC_OK;
}

ac_status model_write_known(const extract_known *known, size_t count, size_t number, buf *out)
{
    for (size_t i = 0; i < count; i++)
        AC_TRY(buf_appendf(out, "[%zu] %s\n", number + i, known[i].text));
    return AC_OK;
}

ac_status model_engine_run(const extractor *x, plan *p, ac_error *err)
{
    switch (p->task->kind) {
    case EXTRACT_SUMMARY:
        return model_summary(x, p, err);
    case EXTRACT_EPISODIC:
        return model_episodes(x, p, err);
    default:
        return model_facts(x, p, err);
    }
}
