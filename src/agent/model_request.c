/* model_request.c - what may be asked of a model, and the parts of a request that several kinds write alike. */
#include "agent/model_internal.h"

#include "base/utf8.h"

#include <string.h>

#define TOOL_NAME_BYTES_MAX 64
#define SAID_BYTES_MAX 240 /* of a service about its failure */

static bool text_valid(const char *text)
{
    return !text || utf8_valid(text, strlen(text));
}

static bool tool_name_valid(const char *name)
{
    size_t length = name ? strlen(name) : 0;

    return length >= 1 && length <= TOOL_NAME_BYTES_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == length;
}

static ac_status check_message(const model_request *r, size_t i, ac_error *err)
{
    const model_message *m = &r->messages[i];

    if (!text_valid(m->text))
        return ac_error_set(err, AC_ERR_INVALID, "the text of message %zu is not UTF-8", i);
    if (!m->text && !(m->role == MODEL_ASSISTANT && m->call_count))
        return ac_error_set(err, AC_ERR_INVALID, "message %zu has no text", i);
    if (m->role == MODEL_SYSTEM && i > 0 && r->messages[i - 1].role != MODEL_SYSTEM)
        return ac_error_set(err, AC_ERR_INVALID, "message %zu is the system's, and those come first", i);
    if (m->role == MODEL_TOOL && !m->call_id)
        return ac_error_set(err, AC_ERR_INVALID, "message %zu answers no tool call", i);
    if (m->call_count > MODEL_CALLS_MAX || (m->call_count && m->role != MODEL_ASSISTANT))
        return ac_error_set(err, AC_ERR_INVALID, "message %zu cannot call tools, or not so many", i);
    for (size_t c = 0; c < m->call_count; c++)
        if (!m->calls[c].id || !tool_name_valid(m->calls[c].name) || !text_valid(m->calls[c].id) ||
            !text_valid(m->calls[c].arguments))
            return ac_error_set(err, AC_ERR_INVALID, "message %zu calls a tool without an id or a valid name", i);
    return AC_OK;
}

static ac_status check_tools(const model *m, const model_request *r, ac_error *err)
{
    if (r->tool_count > MODEL_TOOLS_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "more than %d tools", MODEL_TOOLS_MAX);
    if (r->schema && !tool_name_valid(model_schema_name(r)))
        return ac_error_set(err, AC_ERR_INVALID, "the schema's name is not valid");
    if (r->schema && r->tool_count && m->ops && m->ops->forces_tool)
        return ac_error_set(err, AC_ERR_INVALID, "%s cannot have a schema and tools at once", m->ops->name);
    for (size_t i = 0; i < r->tool_count; i++)
        if (!tool_name_valid(r->tools[i].name) || !text_valid(r->tools[i].description))
            return ac_error_set(err, AC_ERR_INVALID, "tool %zu has no valid name or description", i);
    return AC_OK;
}

ac_status model_request_check(const model *m, const model_request *r, ac_error *err)
{
    if (r->message_count == 0 || r->message_count > MODEL_MESSAGES_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "a request has 1 to %d messages", MODEL_MESSAGES_MAX);
    if (r->messages[r->message_count - 1].role == MODEL_SYSTEM)
        return ac_error_set(err, AC_ERR_INVALID, "a request has a message beside the system's");
    if (r->model && (!*r->model || strlen(r->model) > MODEL_NAME_BYTES_MAX || !text_valid(r->model)))
        return ac_error_set(err, AC_ERR_INVALID, "the model's name is empty, too long or not UTF-8");
    if (r->stop_count > MODEL_STOPS_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "more than %d stop sequences", MODEL_STOPS_MAX);
    for (size_t i = 0; i < r->stop_count; i++)
        if (!text_valid(r->stops[i]))
            return ac_error_set(err, AC_ERR_INVALID, "a stop sequence is not UTF-8");
    for (size_t i = 0; i < r->message_count; i++)
        AC_TRY(check_message(r, i, err));
    return check_tools(m, r, err);
}

yyjson_mut_val *model_parameters(yyjson_mut_doc *doc, yyjson_val *given)
{
    return given ? yyjson_val_mut_copy(doc, given) : ac_json_pack(doc, "{s:s, s:{}}", "type", "object", "properties");
}

yyjson_mut_val *model_arguments(yyjson_mut_doc *doc, const char *text)
{
    static const ac_json_read_options limits = {.depth_max = 64};
    yyjson_mut_val *value = NULL;
    yyjson_doc *parsed = NULL;

    if (!text || !*text)
        return yyjson_mut_obj(doc);
    if (ac_json_read(text, strlen(text), &limits, &parsed, NULL) == AC_OK && yyjson_is_obj(yyjson_doc_get_root(parsed)))
        value = yyjson_val_mut_copy(doc, yyjson_doc_get_root(parsed));
    yyjson_doc_free(parsed);
    return value;
}

ac_status model_broke(ac_error *err, ac_status status, const char *said)
{
    char text[SAID_BYTES_MAX + 1];
    size_t length = said ? utf8_valid_prefix(said, strnlen(said, SAID_BYTES_MAX)) : 0;

    memcpy(text, said ? said : "", length);
    text[length] = '\0';
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = ' ';
    return ac_error_set(err, status, "the model failed while it answered: %s", length ? text : "no reason told");
}

ac_status model_misread(ac_error *err, const char *what)
{
    return ac_error_set(err, AC_ERR_PROTOCOL, "the answer is none of a model: %s", what);
}
