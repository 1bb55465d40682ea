/* model_bedrock.c - Converse and ConverseStream of Amazon Bedrock's runtime: blocks as unions ({"text": ...},
 * {"toolUse": ...}), a schema as a tool that must be called, streams as AWS's event streams. */
#include "agent/model_internal.h"

#include "aws/uri.h"

#include <string.h>

static ac_status write_path(const char *name, bool streamed, buf *out)
{
    AC_TRY(buf_append_text(out, "/model/"));
    AC_TRY(uri_encode(out, name, strlen(name), URI_ENCODE_SLASH));
    return buf_append_text(out, streamed ? "/converse-stream" : "/converse");
}

/* ---- the request ---- */

static bool append(yyjson_mut_val *list, yyjson_mut_val *block)
{
    return block && yyjson_mut_arr_append(list, block);
}

static bool write_system(const model_request *r, yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    yyjson_mut_val *list;

    if (r->messages[0].role != MODEL_SYSTEM)
        return true;
    list = yyjson_mut_obj_add_arr(doc, root, "system");
    for (size_t i = 0; list && i < r->message_count && r->messages[i].role == MODEL_SYSTEM; i++)
        if (!append(list, ac_json_pack(doc, "{s:s}", "text", r->messages[i].text)))
            return false;
    return list;
}

static bool write_blocks(const model_message *m, yyjson_mut_doc *doc, yyjson_mut_val *content)
{
    if (m->role == MODEL_TOOL)
        return append(content, ac_json_pack(doc, "{s:{s:s, s:[{s:s}], s:s}}", "toolResult", "toolUseId", m->call_id,
                                            "content", "text", m->text, "status", m->failed ? "error" : "success"));
    if (m->text && *m->text && !append(content, ac_json_pack(doc, "{s:s}", "text", m->text)))
        return false;
    for (size_t i = 0; i < m->call_count; i++) {
        yyjson_mut_val *input = model_arguments(doc, m->calls[i].arguments);

        if (!input || !append(content, ac_json_pack(doc, "{s:{s:s, s:s, s:o}}", "toolUse", "toolUseId", m->calls[i].id,
                                                    "name", m->calls[i].name, "input", input)))
            return false;
    }
    return true;
}

/* The two sides must alternate: messages of one that follow each other are one. */
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

static yyjson_mut_val *tool_of(yyjson_mut_doc *doc, const char *name, const char *description, yyjson_mut_val *schema)
{
    if (!schema)
        return NULL;
    return ac_json_pack(doc, "{s:{s:s, s:s, s:{s:o}}}", "toolSpec", "name", name, "description",
                        description && *description ? description : name, "inputSchema", "json", schema);
}

static bool write_tools(const model_request *r, yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    yyjson_mut_val *config, *list, *choice = NULL;

    if ((r->tool_count == 0 && !r->schema) || (r->choice == MODEL_CHOICE_NONE && !r->schema))
        return true; /* Converse has no "none": without tools there are no calls */
    config = yyjson_mut_obj_add_obj(doc, root, "toolConfig");
    list = config ? yyjson_mut_obj_add_arr(doc, config, "tools") : NULL;
    if (!list)
        return false;
    for (size_t i = 0; i < r->tool_count; i++) {
        const model_tool *t = &r->tools[i];

        if (!append(list, tool_of(doc, t->name, t->description, model_parameters(doc, t->parameters))))
            return false;
    }
    if (r->schema) {
        const char *name = model_schema_name(r);

        if (!append(list, tool_of(doc, name, "Give the answer.", yyjson_val_mut_copy(doc, r->schema))))
            return false;
        choice = ac_json_pack(doc, "{s:{s:s}}", "tool", "name", name);
    } else {
        choice = ac_json_pack(doc, "{s:{}}", r->choice == MODEL_CHOICE_ANY ? "any" : "auto");
    }
    return choice && yyjson_mut_obj_add_val(doc, config, "toolChoice", choice);
}

static bool write_limits(const model_request *r, unsigned dropped, yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    bool warm = r->has_temperature && !(dropped & MODEL_NO_TEMPERATURE);
    yyjson_mut_val *config;

    if (!r->max_tokens && !warm && !r->stop_count)
        return true;
    config = yyjson_mut_obj_add_obj(doc, root, "inferenceConfig");
    if (!config || (r->max_tokens && !yyjson_mut_obj_add_uint(doc, config, "maxTokens", r->max_tokens)) ||
        (warm && !yyjson_mut_obj_add_real(doc, config, "temperature", r->temperature)))
        return false;
    if (r->stop_count == 0)
        return true;
    yyjson_mut_val *stops = yyjson_mut_arr_with_str(doc, (const char **)r->stops, r->stop_count);
    return stops && yyjson_mut_obj_add_val(doc, config, "stopSequences", stops);
}

static bool write_body(const model_request *r, const char *name, bool streamed, unsigned dropped, yyjson_mut_doc *doc,
                       yyjson_mut_val *root)
{
    (void)name;
    (void)streamed;
    return write_system(r, doc, root) && write_messages(r, doc, root) && write_tools(r, doc, root) &&
           write_limits(r, dropped, doc, root);
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
                   {"guardrail_intervened", MODEL_STOP_REFUSED},
                   {"content_filtered", MODEL_STOP_REFUSED}};

    g->ended = true;
    g->stop = MODEL_STOP_OTHER;
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (strcmp(reason, reasons[i].name) == 0)
            g->stop = reasons[i].stop;
}

static void read_usage(gather *g, yyjson_val *root)
{
    yyjson_val *usage = yyjson_obj_get(root, "usage");

    g->input_tokens = yyjson_get_uint(yyjson_obj_get(usage, "inputTokens"));
    g->output_tokens = yyjson_get_uint(yyjson_obj_get(usage, "outputTokens"));
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
    yyjson_val *message = yyjson_obj_get(yyjson_obj_get(root, "output"), "message"), *block;
    yyjson_val *content = yyjson_obj_get(message, "content");
    yyjson_arr_iter at = yyjson_arr_iter_with(content);

    if (!yyjson_is_arr(content))
        return model_misread(err, "there is no output.message.content");
    for (unsigned index = 0; (block = yyjson_arr_iter_next(&at)); index++) {
        yyjson_val *use = yyjson_obj_get(block, "toolUse");

        AC_TRY(read_text(g, yyjson_obj_get(block, "text"), err));
        if (use)
            AC_TRY(gather_whole_call(g, index, ac_json_string(use, "toolUseId", NULL),
                                     ac_json_string(use, "name", NULL), yyjson_obj_get(use, "input"), err));
    }
    read_usage(g, root);
    read_stop(g, ac_json_string(root, "stopReason", ""));
    return AC_OK;
}

static ac_status read_event(gather *g, const char *type, yyjson_val *root, ac_error *err)
{
    unsigned index = (unsigned)yyjson_get_uint(yyjson_obj_get(root, "contentBlockIndex"));
    yyjson_val *delta = yyjson_obj_get(root, "delta");

    if (strcmp(type, "contentBlockStart") == 0) {
        yyjson_val *use = yyjson_obj_get(yyjson_obj_get(root, "start"), "toolUse");

        if (use)
            return gather_call(g, index, ac_json_string(use, "toolUseId", NULL), ac_json_string(use, "name", NULL),
                               err);
    } else if (strcmp(type, "contentBlockDelta") == 0) {
        yyjson_val *input = yyjson_obj_get(yyjson_obj_get(delta, "toolUse"), "input");

        if (yyjson_is_str(input))
            return gather_arguments(g, index, yyjson_get_str(input), yyjson_get_len(input), err);
        return read_text(g, yyjson_obj_get(delta, "text"), err);
    } else if (strcmp(type, "messageStop") == 0) {
        read_stop(g, ac_json_string(root, "stopReason", ""));
    } else if (strcmp(type, "metadata") == 0) {
        read_usage(g, root);
    }
    return AC_OK; /* messageStart, contentBlockStop, and what newer services send */
}

const model_ops model_bedrock = {
    .name = "bedrock",
    .forces_tool = true,
    .event_stream = true,
    .accept = "application/vnd.amazon.eventstream",
    .write_path = write_path,
    .write_body = write_body,
    .read_answer = read_answer,
    .read_event = read_event,
};
