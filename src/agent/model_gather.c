/* model_gather.c - an answer put together from its parts. */
#include "agent/model_internal.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

void gather_begin(gather *g, const model_request *request, bool forced, size_t bytes_max)
{
    *g = (gather){.request = request, .forced = forced, .text = BUF_INIT(bytes_max), .stop = MODEL_STOP_OTHER};
}

void gather_done(gather *g)
{
    buf_done(&g->text);
    for (size_t i = 0; i < g->call_count; i++) {
        free(g->calls[i].id);
        free(g->calls[i].name);
        buf_done(&g->calls[i].arguments);
    }
    g->call_count = 0;
}

static ac_status full(ac_error *err, ac_status status)
{
    return ac_error_set(err, status, status == AC_ERR_TOO_LARGE ? "the model's answer is too large" : "out of memory");
}

ac_status gather_text(gather *g, const char *text, size_t length, ac_error *err)
{
    const model_request *r = g->request;
    ac_status status = buf_append(&g->text, text, length);

    if (status != AC_OK)
        return full(err, status);
    if (r->on_text && length > 0 && !r->on_text(r->user, text, length))
        return ac_error_set(err, AC_ERR_CLOSED, "the call was given up while the model answered");
    return AC_OK;
}

static gathered_call *find_call(gather *g, unsigned index)
{
    for (size_t i = 0; i < g->call_count; i++)
        if (g->calls[i].index == index)
            return &g->calls[i];
    return NULL;
}

ac_status gather_call(gather *g, unsigned index, const char *id, const char *name, ac_error *err)
{
    gathered_call *call;

    if (g->forced || find_call(g, index))
        return AC_OK;
    if (g->call_count == MODEL_CALLS_MAX)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "the model calls more than %d tools at once", MODEL_CALLS_MAX);
    call = &g->calls[g->call_count++];
    *call = (gathered_call){.index = index, .arguments = BUF_INIT(g->text.cap)};
    call->id = strdup(id ? id : "");
    call->name = strdup(name ? name : "");
    return call->id && call->name ? AC_OK : full(err, AC_ERR_NOMEM);
}

ac_status gather_arguments(gather *g, unsigned index, const char *text, size_t length, ac_error *err)
{
    gathered_call *call = find_call(g, index);
    ac_status status;

    if (g->forced)
        return gather_text(g, text, length, err);
    if (!call)
        return model_misread(err, "arguments of a call that has not begun");
    status = buf_append(&call->arguments, text, length);
    return status == AC_OK ? AC_OK : full(err, status);
}

ac_status gather_whole_call(gather *g, unsigned index, const char *id, const char *name, yyjson_val *arguments,
                            ac_error *err)
{
    size_t length = 0;
    char *text = arguments ? yyjson_val_write(arguments, 0, &length) : NULL;
    ac_status status;

    if (arguments && !text)
        return full(err, AC_ERR_NOMEM);
    status = gather_call(g, index, id, name, err);
    if (status == AC_OK)
        status = gather_arguments(g, index, text ? text : "{}", text ? length : 2, err);
    free(text);
    return status;
}

static ac_status finish_calls(gather *g, arena *a, model_answer *answer, ac_error *err)
{
    model_tool_call *calls = arena_alloc(a, MAX(g->call_count, 1U) * sizeof *calls);

    if (!calls)
        return full(err, AC_ERR_NOMEM);
    for (size_t i = 0; i < g->call_count; i++) {
        const gathered_call *from = &g->calls[i];
        const char *arguments = from->arguments.length ? from->arguments.data : "{}";

        calls[i].id = arena_copy(a, from->id, strlen(from->id));
        calls[i].name = arena_copy(a, from->name, strlen(from->name));
        calls[i].arguments = arena_copy(a, arguments, from->arguments.length ? from->arguments.length : 2);
        if (!calls[i].id || !calls[i].name || !calls[i].arguments)
            return full(err, AC_ERR_NOMEM);
    }
    answer->calls = calls;
    answer->call_count = g->call_count;
    return AC_OK;
}

ac_status gather_finish(gather *g, arena *a, model_answer *ret_answer, ac_error *err)
{
    *ret_answer = (model_answer){
        .text_length = g->text.length,
        .stop = g->stop,
        .input_tokens = g->input_tokens,
        .output_tokens = g->output_tokens,
    };
    if (g->forced && g->stop == MODEL_STOP_TOOLS)
        ret_answer->stop = MODEL_STOP_END;
    ret_answer->text = arena_copy(a, g->text.data ? g->text.data : "", g->text.length);
    if (!ret_answer->text)
        return full(err, AC_ERR_NOMEM);
    return finish_calls(g, a, ret_answer, err);
}
