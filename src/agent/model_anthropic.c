/* model_anthropic.c - Anthropic's Messages: content is blocks, answers of tools are the user's, and a schema is a tool
 * that must be called. */
#include "agent/model_internal.h"

#include <string.h>

#define MAX_TOKENS 4096 /* the service must be told some number */

static ac_status write_path(const char *name, bool streamed, buf *out)
{
    (void)name;
    (void)streamed;
    return buf_append_text(out, "/v1/messages");
}

/* ---- the request ---- */

static bool write_system(const model_request *r, yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    yyjson_mut_val *list;

    if (r->messages[0].role != MODEL_SYSTEM)
        return true;
    list = yyjson_mut_obj_add_arr(doc, root, "system");
    for (size_t i = 0; list && i < r->message_count && r->messages[i].role == MODEL_SYSTEM; i++) {
        yyjson_mut_val *block = ac_json_pack(doc, "{s:s, s:s}", "type", "text", "text", r->messages[i].text);

        if (!block || !yyjson_mut_arr_append(list, block))
            return false;
    }
    return list;
}

static bool append(yyjson_mut_val *list, yyjson_mut_val *block)
{
    return block && yyjson_mut_arr_append(list, block);
}

static bool write_blocks(const model_message *m, yyjson_mut_doc *doc, yyjson_mut_val *content)
{
    if (m->role == MODEL_TOOL)
        return append(content, ac_json_pack(doc, "{s:s, s:s, s:s, s:b}", "type", "tool_result", "tool_use_id",
                                            m->call_id, "content", m->text, "is_error", m->failed));
    if (m->text && *m->text && !append(content, ac_json_pack(doc, "{s:s, s:s}", "type", "text", "text", m->text)))
        return false;
    for (size_t i = 0; i < m->call_count; i++) {
        yyjson_mut_val *input = model_arguments(doc, m->calls[i].arguments);

        if (!input || !append(content, ac_json_pack(doc, "{s:s, s:s, s:s, s:o}", "type", "tool_use", "id",
                                                    m->calls[i].id, "name", m->calls[i].name, "input", input)))
            return false;
    }
    return true;
}

/* Messages of one side that follow each other are one. */
static bool write_messages(const model_request *r, yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, root, "messages"), *content = NULL;
    bool was_user = false;

    for (size_t i = 0; list && i < r->message_count; i++) {
        const model_message *m = &r->messages[i];

        if (m->role == MODEL_SYSTEM)
            continue;
        if (!content || model_is_user(m) != was_user) {
            yyjson_mut_val *message = ac_json_pack(doc, "{s:s}", "role", model_is_user(m) ? "user" : "assistant");

            content = append(list, message) ? yyjson_mut_obj_add_arr(doc, message, "content") : NULL;
            was_user = model_is_user(m);
        }
        if (!content || !write_blocks(m, doc, content))
            return false;
    }
    return list;
}

static bool write_tools(const model_request *r, yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    static const char *const choices[] = {"auto", "none", "any"};
    yyjson_mut_val *list, *choice;

    if (r->tool_count == 0 && !r->schema)
        return true;
    list = yyjson_mut_obj_add_arr(doc, root, "tools");
    for (size_t i = 0; list && i < r->tool_count; i++) {
        const model_tool *t = &r->tools[i];
        yyjson_mut_val *parameters = model_parameters(doc, t->parameters);

        if (!parameters ||
            !append(list, ac_json_pack(doc, "{s:s, s:s, s:o}", "name", t->name, "description",
                                       t->description ? t->description : "", "input_schema", parameters)))
            return false;
    }
    if (list && r->schema &&
        !append(list, ac_json_pack(doc, "{s:s, s:s, s:v}", "name", model_schema_name(r), "description",
                                   "Give the answer.", "input_schema", r->schema)))
        return false;
    choice = r->schema ? ac_json_pack(doc, "{s:s, s:s}", "type", "tool", "name", model_schema_name(r))
                       : ac_json_pack(doc, "{s:s}", "type", choices[r->choice]);
    return list && choice && yyjson_mut_obj_add_val(doc, root, "tool_choice", choice);
}

static bool write_body(const model_request *r, const char *name, bool streamed, unsigned dropped, yyjson_mut_doc *doc,
                       yyjson_mut_val *root)
{
    if (!yyjson_mut_obj_add_str(doc, root, "model", name) ||
        !yyjson_mut_obj_add_uint(doc, root, "max_tokens", r->max_tokens ? r->max_tokens : MAX_TOKENS) ||
        !write_system(r, doc, root) || !write_messages(r, doc, root) || !write_tools(r, doc, root))
        return false;
    if (r->has_temperature && !(dropped & MODEL_NO_TEMPERATURE) &&
        !yyjson_mut_obj_add_real(doc, root, "temperature", r->temperature))
        return false;
    if (r->stop_count) {
        yyjson_mut_val *stops = yyjson_mut_arr_with_str(doc, (const char **)r->stops, r->stop_count);

        if (!stops || !yyjson_mut_obj_add_val(doc, root, "stop_sequences", stops))
            return false;
    }
    return !streamed || yyjson_mut_obj_add_bool(doc, root, "stream", true);
}

/* ---- the answer ---- */

static void read_stop(gather *g, const char *reason)
{
    static const struct {
        const char *name;
        model_stop stop;
    } reasons[] = {{"end_turn", MODEL_STOP_END},
                   {"max_tokens", MODEL_STOP_TOKENS},
                   {"tool_use", MODEL_STOP_TOOLS},
                   {"stop_sequence", MODEL_STOP_SEQUENCE},
                   {"refusal", MODEL_STOP_REFUSED}};

    g->stop = MODEL_STOP_OTHER;
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (strcmp(reason, reasons[i].name) == 0)
            g->stop = reasons[i].stop;
}

/* Text beside a forced tool is the model talking to itself. */
static ac_status read_text(gather *g, yyjson_val *text, ac_error *err)
{
    if (g->forced || !yyjson_is_str(text))
        return AC_OK;
    return gather_text(g, yyjson_get_str(text), yyjson_get_len(text), err);
}

static ac_status read_answer(gather *g, yyjson_val *root, ac_error *err)
{
    yyjson_val *content = yyjson_obj_get(root, "content"), *usage = yyjson_obj_get(root, "usage"), *block;
    yyjson_arr_iter at = yyjson_arr_iter_with(content);

    if (!yyjson_is_arr(content))
        return model_misread(err, "there is no content");
    for (unsigned index = 0; (block = yyjson_arr_iter_next(&at)); index++) {
        const char *type = ac_json_string(block, "type", "");

        if (strcmp(type, "text") == 0)
            AC_TRY(read_text(g, yyjson_obj_get(block, "text"), err));
        else if (strcmp(type, "tool_use") == 0)
            AC_TRY(gather_whole_call(g, index, ac_json_string(block, "id", NULL), ac_json_string(block, "name", NULL),
                                     yyjson_obj_get(block, "input"), err));
    }
    g->input_tokens = yyjson_get_uint(yyjson_obj_get(usage, "input_tokens"));
    g->output_tokens = yyjson_get_uint(yyjson_obj_get(usage, "output_tokens"));
    read_stop(g, ac_json_string(root, "stop_reason", ""));
    g->ended = true;
    return AC_OK;
}

static ac_status read_block_start(gather *g, unsigned index, yyjson_val *block, ac_error *err)
{
    if (strcmp(ac_json_string(block, "type", ""), "tool_use") != 0)
        return read_text(g, yyjson_obj_get(block, "text"), err);
    return gather_call(g, index, ac_json_string(block, "id", NULL), ac_json_string(block, "name", NULL), err);
}

static ac_status read_block_delta(gather *g, unsigned index, yyjson_val *delta, ac_error *err)
{
    yyjson_val *json = yyjson_obj_get(delta, "partial_json");

    if (yyjson_is_str(json))
        return gather_arguments(g, index, yyjson_get_str(json), yyjson_get_len(json), err);
    return read_text(g, yyjson_obj_get(delta, "text"), err);
}

static ac_status read_event(gather *g, const char *sse_type, yyjson_val *root, ac_error *err)
{
    const char *type = ac_json_string(root, "type", sse_type);
    unsigned index = (unsigned)yyjson_get_uint(yyjson_obj_get(root, "index"));
    yyjson_val *usage = yyjson_obj_get(root, "usage");

    if (strcmp(type, "message_start") == 0) {
        usage = yyjson_obj_get(yyjson_obj_get(root, "message"), "usage");
        g->input_tokens = yyjson_get_uint(yyjson_obj_get(usage, "input_tokens"));
    } else if (strcmp(type, "content_block_start") == 0) {
        return read_block_start(g, index, yyjson_obj_get(root, "content_block"), err);
    } else if (strcmp(type, "content_block_delta") == 0) {
        return read_block_delta(g, index, yyjson_obj_get(root, "delta"), err);
    } else if (strcmp(type, "message_delta") == 0) {
        g->output_tokens = yyjson_get_uint(yyjson_obj_get(usage, "output_tokens"));
        read_stop(g, ac_json_string(yyjson_obj_get(root, "delta"), "stop_reason", ""));
    } else if (strcmp(type, "message_stop") == 0) {
        g->ended = true;
    } else if (strcmp(type, "error") == 0) {
        return model_broke(err, AC_ERR_IO, ac_json_string(yyjson_obj_get(root, "error"), "message", NULL));
    }
    return AC_OK; /* pings, and what newer services send */
}

const model_ops model_anthropic = {
    .name = "anthropic",
    .forces_tool = true,
    .accept = "text/event-stream",
    .write_path = write_path,
    .write_body = write_body,
    .read_answer = read_answer,
    .read_event = read_event,
};
