/* memory_turn.c - a turn of a conversation with a model: remember, ask, keep. */
#include "client/memory_internal.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#define NAMESPACE_MAX 1024
#define QUERY_MAX 65536
#define TOP_K 10

/* ---- where to look, and for what ---- */

static ac_status append_placeholder(buf *out, const char *name, size_t length, const ac_memory_session *session,
                                    const ac_memory_retrieval *r, ac_error *err)
{
    const struct {
        const char *name, *value;
    } known[] = {
        {"actorId", session->actor_id},
        {"sessionId", session->session_id},
        {"memoryStrategyId", r->strategy_id ? r->strategy_id : ""},
        {"strategyId", r->strategy_id ? r->strategy_id : ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (strlen(known[i].name) == length && memcmp(known[i].name, name, length) == 0)
            return buf_append_text(out, known[i].value);
    }
    return ac_error_set(err, AC_ERR_INVALID, "%s: unknown placeholder {%.*s}", r->namespace_template, (int)length,
                        name);
}

static ac_status fill_in(buf *out, const ac_memory_session *session, const ac_memory_retrieval *r, ac_error *err)
{
    const char *at = r->namespace_template;

    while (*at) {
        size_t plain = strcspn(at, "{");

        if (buf_append(out, at, plain) != AC_OK)
            return ac_error_set(err, AC_ERR_TOO_LARGE, "%s: too long", r->namespace_template);
        at += plain;
        if (!*at)
            break;
        size_t length = strcspn(at + 1, "}");
        if (!at[1 + length])
            return ac_error_set(err, AC_ERR_INVALID, "%s: a { without its }", r->namespace_template);
        ac_status status = append_placeholder(out, at + 1, length, session, r, err);
        if (status != AC_OK && status != AC_ERR_INVALID)
            return ac_error_set(err, status, "%s: too long", r->namespace_template);
        AC_TRY(status);
        at += length + 2;
    }
    return AC_OK;
}

static ac_status keep_relevant(yyjson_mut_doc *memories, yyjson_val *records, double score_min, ac_error *err)
{
    yyjson_val *record;
    size_t i, n;

    yyjson_arr_foreach(records, i, n, record)
    {
        if (yyjson_get_num(yyjson_obj_get(record, "score")) < score_min)
            continue;
        if (!yyjson_mut_arr_append(yyjson_mut_doc_get_root(memories), yyjson_val_mut_copy(memories, record)))
            return memory_exhausted(err);
    }
    return AC_OK;
}

static ac_status remember(const ac_memory_session *session, const char *input, const ac_memory_retrieval *r,
                          yyjson_mut_doc *memories, ac_error *err)
{
    _cleanup_(buf_done) buf name = BUF_INIT(NAMESPACE_MAX + 1);
    _cleanup_(buf_done) buf query = BUF_INIT(QUERY_MAX);
    _cleanup_(yyjson_doc_freep) yyjson_doc *records = NULL;

    if (!r->namespace_template)
        return ac_error_set(err, AC_ERR_INVALID, "a retrieval has no namespace_template");
    AC_TRY(fill_in(&name, session, r, err));
    ac_status status =
        r->retrieval_query ? buf_appendf(&query, "%s %s", r->retrieval_query, input) : buf_append_text(&query, input);
    if (status != AC_OK)
        return ac_error_set(err, status, "the input is too long for a search");
    ac_memory_place place = {.namespace_prefix = buf_terminate(&name), .strategy_id = r->strategy_id};
    const char *words = buf_terminate(&query);
    if (!place.namespace_prefix || !words)
        return memory_exhausted(err);
    AC_TRY(ac_memory_search(session->client, session->memory_id, words, &place, r->top_k ? r->top_k : TOP_K, &records,
                            err));
    return keep_relevant(memories, yyjson_doc_get_root(records), r->relevance_score, err);
}

/* ---- the turn ---- */

static ac_status ask(ac_memory_model model, void *userdata, const char *input, ac_memory_turn *turn, ac_error *err)
{
    AC_TRY(model(input, yyjson_doc_get_root(turn->memories), userdata, &turn->response, err));
    if (!turn->response)
        return ac_error_set(err, AC_ERR_HANDLER, "LLM callback must return a string response");
    return AC_OK;
}

static ac_status process(ac_memory_session *session, const char *input, ac_memory_model model, void *userdata,
                         const ac_memory_turn_options *o, ac_memory_turn *turn, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *memories = memory_new_list();

    if (!memories)
        return memory_exhausted(err);
    for (size_t i = 0; i < o->retrieval_count; i++)
        AC_TRY(remember(session, input, &o->retrievals[i], memories, err));
    AC_TRY(memory_finish(memories, &turn->memories, err));
    AC_TRY(ask(model, userdata, input, turn, err));
    const ac_memory_message both[] = {
        {.role = AC_MEMORY_USER, .text = input},
        {.role = AC_MEMORY_ASSISTANT, .text = turn->response},
    };
    return ac_memory_add_turns(session, both, ARRAY_SIZE(both), o->event, &turn->event, err);
}

ac_status ac_memory_process_turn(ac_memory_session *session, const char *input, ac_memory_model model, void *userdata,
                                 const ac_memory_turn_options *options, ac_memory_turn *ret_turn, ac_error *err)
{
    static const ac_memory_turn_options none;

    *ret_turn = (ac_memory_turn){0};
    ac_status status = process(session, input, model, userdata, options ? options : &none, ret_turn, err);
    if (status != AC_OK)
        ac_memory_turn_done(ret_turn);
    return status;
}

void ac_memory_turn_done(ac_memory_turn *turn)
{
    yyjson_doc_free(turn->memories);
    free(turn->response);
    yyjson_doc_free(turn->event);
    *turn = (ac_memory_turn){0};
}
