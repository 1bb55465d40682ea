/* model_openai.c - chat completions as OpenAI defined them and many servers took them over.
 *
 * Streams are SSE: chunks with a delta each, a last one with the usage, and the word [DONE] (which model.c takes for
 * the end).  Calls of tools come in pieces too, told apart by their index. */
#include "agent/model_internal.h"

#include <string.h>

static ac_status write_path(const char *name, bool streamed, buf *out)
{
    (void)name;
    (void)streamed;
    return buf_append_text(out, "/chat/completions");
}

/* ---- the request ---- */

static bool write_calls(const model_message *m, yyjson_mut_doc *doc, yyjson_mut_val *message)
{
    yyjson_mut_val *list = m->call_count ? yyjson_mut_obj_add_arr(doc, message, "tool_calls") : NULL;

    for (size_t i = 0; i < m->call_count; i++) {
        const model_tool_call *c = &m->calls[i];
        yyjson_mut_val *call =
            ac_json_pack(doc, "{s:s, s:s, s:{s:s, s:s}}", "id", c->id, "type", "function", "function", "name", c->name,
                         "arguments", c->arguments ? c->arguments : "{}");

        if (!list || !call || !yyjson_mut_arr_append(list, call))
            return false;
    }
    return m->call_count == 0 || list;
}

static bool write_messages(const model_request *r, yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "messages");

    for (size_t i = 0; list && i < r->message_count; i++) {
        const model_message *m = &r->messages[i];
        yyjson_mut_val *message = ac_json_pack(doc, "{s:s, s:s?}", "role", roles[m->role], "content", m->text);

        if (!message || !yyjson_mut_arr_append(list, message) || !write_calls(m, doc, message))
            return false;
        if (m->role == MODEL_TOOL && !yyjson_mut_obj_add_str(doc, message, "tool_call_id", m->call_id))
            return false;
    }
    return list;
}

static bool write_tools(const model_request *r, yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    static const char *const choices[] = {"auto", "none", "required"};
    yyjson_mut_val *list;

    if (r->tool_count == 0)
        return true;
    list = yyjson_mut_obj_add_arr(doc, root, "tools");
    for (size_t i = 0; list && i < r->tool_count; i++) {
        const model_tool *t = &r->tools[i];
        yyjson_mut_val *parameters = model_parameters(doc, t->parameters);
        yyjson_mut_val *tool =
            parameters ? ac_json_pack(doc, "{s:s, s:{s:s, s:s, s:o}}", "type", "function", "function", "name", t->name,
                                      "description", t->description ? t->description : "", "parameters", parameters)
                       : NULL;

        if (!tool || !yyjson_mut_arr_append(list, tool))
            return false;
    }
    return list && yyjson_mut_obj_add_str(doc, root, "tool_choice", choices[r->choice]);
}

/* A service that has refused schemas is asked for JSON alone; whoever asks has put the schema into words, too. */
static bool write_schema(const model_request *r, unsigned dropped, yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    yyjson_mut_val *format;

    if (!r->schema)
        return true;
    if (dropped & MODEL_NO_SCHEMA)
        format = ac_json_pack(doc, "{s:s}", "type", "json_object");
    else
        format = ac_json_pack(doc, "{s:s, s:{s:s, s:b, s:v}}", "type", "json_schema", "json_schema", "name",
                              model_schema_name(r), "strict", 1, "schema", r->schema);
    return format && yyjson_mut_obj_add_val(doc, root, "response_format", format);
}

static bool write_limits(const model_request *r, unsigned dropped, yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    const char *tokens = dropped & MODEL_NEW_TOKENS_NAME ? "max_completion_tokens" : "max_tokens";

    if (r->max_tokens && !yyjson_mut_obj_add_uint(doc, root, tokens, r->max_tokens))
        return false;
    if (r->has_temperature && !(dropped & MODEL_NO_TEMPERATURE) &&
        !yyjson_mut_obj_add_real(doc, root, "temperature", r->temperature))
        return false;
    if (r->stop_count == 0)
        return true;
    yyjson_mut_val *stops = yyjson_mut_arr_with_str(doc, (const char **)r->stops, r->stop_count);
    return stops && yyjson_mut_obj_add_val(doc, root, "stop", stops);
}

static bool write_stream(bool streamed, unsigned dropped, yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    if (!streamed)
        return true;
    if (!yyjson_mut_obj_add_bool(doc, root, "stream", true))
        return false;
    if (dropped & MODEL_NO_STREAM_USAGE)
        return true;
    yyjson_mut_val *options = ac_json_pack(doc, "{s:b}", "include_usage", 1);
    return options && yyjson_mut_obj_add_val(doc, root, "stream_options", options);
}

static bool write_body(const model_request *r, const char *name, bool streamed, unsigned dropped, yyjson_mut_doc *doc,
                       yyjson_mut_val *root)
{
    return yyjson_mut_obj_add_str(doc, root, "model", name) && write_messages(r, doc, root) &&
           write_tools(r, doc, root) && write_schema(r, dropped, doc, root) && write_limits(r, dropped, doc, root) &&
           write_stream(streamed, dropped, doc, root);
}

/* ---- the answer ---- */

static void read_usage(gather *g, yyjson_val *root)
{
    yyjson_val *usage = yyjson_obj_get(root, "usage");

    if (!yyjson_is_obj(usage))
        return;
    g->input_tokens = yyjson_get_uint(yyjson_obj_get(usage, "prompt_tokens"));
    g->output_tokens = yyjson_get_uint(yyjson_obj_get(usage, "completion_tokens"));
}

static void read_stop(gather *g, const char *reason)
{
    static const struct {
        const char *name;
        model_stop stop;
    } reasons[] = {{"stop", MODEL_STOP_END},
                   {"length", MODEL_STOP_TOKENS},
                   {"tool_calls", MODEL_STOP_TOOLS},
                   {"function_call", MODEL_STOP_TOOLS},
                   {"content_filter", MODEL_STOP_REFUSED}};

    g->ended = true;
    g->stop = MODEL_STOP_OTHER;
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (strcmp(reason, reasons[i].name) == 0)
            g->stop = reasons[i].stop;
}

/* The calls of a message or a delta; in the first the index is the place in the list. */
static ac_status read_calls(gather *g, yyjson_val *list, ac_error *err)
{
    yyjson_arr_iter at = yyjson_arr_iter_with(list);
    yyjson_val *call;

    for (unsigned place = 0; (call = yyjson_arr_iter_next(&at)); place++) {
        yyjson_val *function = yyjson_obj_get(call, "function"), *number = yyjson_obj_get(call, "index");
        yyjson_val *arguments = yyjson_obj_get(function, "arguments");
        unsigned index = number ? (unsigned)yyjson_get_uint(number) : place;

        AC_TRY(gather_call(g, index, ac_json_string(call, "id", NULL), ac_json_string(function, "name", NULL), err));
        if (yyjson_is_str(arguments))
            AC_TRY(gather_arguments(g, index, yyjson_get_str(arguments), yyjson_get_len(arguments), err));
    }
    return AC_OK;
}

static ac_status read_choice(gather *g, yyjson_val *choice, const char *part, ac_error *err)
{
    yyjson_val *message = yyjson_obj_get(choice, part), *content = yyjson_obj_get(message, "content");
    const char *reason = ac_json_string(choice, "finish_reason", NULL);

    if (yyjson_is_str(content))
        AC_TRY(gather_text(g, yyjson_get_str(content), yyjson_get_len(content), err));
    AC_TRY(read_calls(g, yyjson_obj_get(message, "tool_calls"), err));
    if (reason)
        read_stop(g, reason);
    if (yyjson_get_len(yyjson_obj_get(message, "refusal")) > 0)
        g->stop = MODEL_STOP_REFUSED;
    return AC_OK;
}

static ac_status read_answer(gather *g, yyjson_val *root, ac_error *err)
{
    yyjson_val *choice = yyjson_arr_get_first(yyjson_obj_get(root, "choices"));

    if (!yyjson_is_obj(yyjson_obj_get(choice, "message")))
        return model_misread(err, "there is no choices[0].message");
    read_usage(g, root);
    AC_TRY(read_choice(g, choice, "message", err));
    if (g->call_count && g->stop == MODEL_STOP_END)
        g->stop = MODEL_STOP_TOOLS; /* some servers say "stop" all the same */
    return AC_OK;
}

static ac_status read_event(gather *g, const char *type, yyjson_val *root, ac_error *err)
{
    yyjson_val *error = yyjson_obj_get(root, "error");

    (void)type;
    if (error)
        return model_broke(err, AC_ERR_IO, ac_json_string(error, "message", NULL));
    read_usage(g, root);
    AC_TRY(read_choice(g, yyjson_arr_get_first(yyjson_obj_get(root, "choices")), "delta", err));
    if (g->call_count && g->stop == MODEL_STOP_END)
        g->stop = MODEL_STOP_TOOLS;
    return AC_OK;
}

const model_ops model_openai = {
    .name = "openai",
    .accept = "text/event-stream",
    .write_path = write_path,
    .write_body = write_body,
    .read_answer = read_answer,
    .read_event = read_event,
};
