/* api_reply.c - answers as a service sends them: status, headers and body out of an operation's output or a failure. */
#include "aws/api_internal.h"
#include "aws/eventstream.h"

#include <stdio.h>

#define ERROR_BODY_MAX (256u << 10)
#define STATUS_NO_CONTENT 204
#define VALUE_MAX 40 /* a number or a boolean as text */

void api_response_done(api_response *response)
{
    buf_done(&response->body);
    arena_done(&response->texts);
    response->header_count = 0;
}

static ac_status add_header(api_response *r, const char *name, const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7F)
            return AC_ERR_INTERNAL;
    if (r->header_count == API_HEADERS_MAX)
        return AC_ERR_INTERNAL;
    char *copy = arena_copy(&r->texts, value, length);
    if (!copy)
        return AC_ERR_NOMEM;
    r->headers[r->header_count++] = (api_header){name, copy};
    return AC_OK;
}

static bool has_header(const api_response *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (strcmp(r->headers[i].name, name) == 0)
            return true;
    return false;
}

static ac_status scalar_header(api_response *r, const char *name, yyjson_mut_val *value)
{
    char text[VALUE_MAX];
    int length = 0;

    if (yyjson_mut_is_str(value))
        return add_header(r, name, yyjson_mut_get_str(value), yyjson_mut_get_len(value));
    if (yyjson_mut_is_bool(value))
        length = snprintf(text, sizeof text, "%s", yyjson_mut_get_bool(value) ? "true" : "false");
    else if (yyjson_mut_is_int(value))
        length = snprintf(text, sizeof text, "%lld", (long long)yyjson_mut_get_sint(value));
    else
        return AC_ERR_INTERNAL;
    return add_header(r, name, text, (size_t)length);
}

/* Bring a value into wire form; problems are mistakes of the program that made it. */
static ac_status to_wire(yyjson_mut_doc *doc, const api_shape *structure, yyjson_mut_val *value, ac_error *err)
{
    _cleanup_(api_problems_done) api_problems problems = API_PROBLEMS_INIT;
    api_walk walk = {
        .doc = doc,
        .problems = &problems,
        .unknown = API_UNKNOWN_REMOVE,
        .times = API_TIMES_TO_WIRE,
    };

    api_walk_structure(&walk, structure, value, true);
    if (walk.nomem)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (problems.count > 0)
        return ac_error_set(err, AC_ERR_INTERNAL, "an answer cannot be written: %s: %s", problems.items[0].name,
                            problems.items[0].message);
    return AC_OK;
}

/* Move members out of the output whose place is not the body. */
static ac_status take_outside(const api_shape *structure, yyjson_mut_val *root, api_response *r)
{
    for (size_t i = 0; i < structure->count; i++) {
        const api_member *member = &api_members[structure->first + i];

        if (member->place != API_IN_HEADER && member->place != API_IN_STATUS)
            continue;
        yyjson_mut_val *value = yyjson_mut_obj_remove_key(root, api_text(member->name));
        if (!value)
            continue;
        if (member->place == API_IN_HEADER)
            AC_TRY(scalar_header(r, api_text(member->wire), value));
        else if (yyjson_mut_is_int(value) && yyjson_mut_get_sint(value) >= 100 && yyjson_mut_get_sint(value) <= 599)
            r->status = (int)yyjson_mut_get_sint(value);
        else
            return AC_ERR_INTERNAL;
    }
    return AC_OK;
}

static ac_status write_body(const api_operation *op, yyjson_mut_val *root, api_response *r)
{
    const api_shape *structure = &api_shapes[op->output];

    if (r->status == STATUS_NO_CONTENT || op->out_body == API_BODY_BLOB)
        return AC_OK;
    if (op->out_body == API_BODY_EVENTS)
        return has_header(r, "Content-Type")
                   ? AC_OK
                   : add_header(r, "Content-Type", EVENTSTREAM_CONTENT_TYPE, strlen(EVENTSTREAM_CONTENT_TYPE));
    if (op->out_body == API_BODY_MEMBER)
        root = yyjson_mut_obj_get(root, api_text(api_members[structure->first + op->out_payload].name));
    AC_TRY(json_write(&r->body, root, JSON_COMPACT, NULL));
    return has_header(r, "Content-Type")
               ? AC_OK
               : add_header(r, "Content-Type", "application/json", strlen("application/json"));
}

static ac_status reply(const api_operation *op, yyjson_mut_doc *output, api_response *r, ac_error *err)
{
    const api_shape *structure = &api_shapes[op->output];
    yyjson_mut_val *root = yyjson_mut_doc_get_root(output);

    if (!root) {
        root = yyjson_mut_obj(output);
        yyjson_mut_doc_set_root(output, root);
    }
    if (!yyjson_mut_is_obj(root))
        return ac_error_set(err, root ? AC_ERR_INTERNAL : AC_ERR_NOMEM, "the output is not an object");
    AC_TRY(to_wire(output, structure, root, err));
    ac_status status = take_outside(structure, root, r);
    if (status == AC_OK)
        status = write_body(op, root, r);
    if (status != AC_OK)
        return ac_error_set(err, status, "the answer of %s cannot be written: %s", api_name(op),
                            ac_status_text(status));
    return AC_OK;
}

ac_status api_reply(const api_operation *op, yyjson_mut_doc *output, size_t body_bytes_max, api_response *ret_response,
                    ac_error *err)
{
    yyjson_mut_doc *empty = NULL;

    *ret_response = (api_response){.status = op->status, .body = BUF_INIT(body_bytes_max), .texts = ARENA_INIT};
    if (!op->described)
        return ac_error_set(err, AC_ERR_UNSUPPORTED, "%s is not implemented", api_name(op));
    if (!output)
        output = empty = yyjson_mut_doc_new(NULL);
    ac_status status = output ? reply(op, output, ret_response, err) : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    yyjson_mut_doc_free(empty);
    if (status != AC_OK)
        api_response_done(ret_response);
    return status;
}

static ac_status write_text_member(buf *out, const char *before, const char *text)
{
    AC_TRY(buf_append_text(out, before));
    return json_write_string(out, text, strlen(text));
}

static ac_status write_failure(buf *out, const api_failure *failure)
{
    const api_problems *problems = failure->problems;

    AC_TRY(write_text_member(out, "{\"message\":", failure->message ? failure->message : failure->name));
    if (failure->reason)
        AC_TRY(write_text_member(out, ",\"reason\":", failure->reason));
    if (problems && problems->count > 0) {
        AC_TRY(buf_append_text(out, ",\"fieldList\":["));
        for (size_t i = 0; i < problems->count; i++) {
            AC_TRY(write_text_member(out, i > 0 ? ",{\"name\":" : "{\"name\":", problems->items[i].name));
            AC_TRY(write_text_member(out, ",\"message\":", problems->items[i].message));
            AC_TRY(buf_append_text(out, "}"));
        }
        AC_TRY(buf_append_text(out, "]"));
    }
    return buf_append_text(out, "}");
}

ac_status api_error_reply(const api_failure *failure, api_response *ret_response)
{
    api_response *r = ret_response;
    int status = failure->status ? failure->status : api_error_status(failure->name);

    *r = (api_response){.status = status ? status : 500, .body = BUF_INIT(ERROR_BODY_MAX), .texts = ARENA_INIT};
    ac_status made = add_header(r, "Content-Type", "application/json", strlen("application/json"));
    if (made == AC_OK)
        made = add_header(r, "x-amzn-errortype", failure->name, strlen(failure->name));
    if (made == AC_OK)
        made = write_failure(&r->body, failure);
    if (made != AC_OK)
        api_response_done(r);
    return made;
}

ac_status api_event_write(const api_operation *op, const char *event, yyjson_mut_doc *value, buf *out, ac_error *err)
{
    const api_shape *structure = op->described ? &api_shapes[op->output] : NULL;

    if (!structure || op->out_body != API_BODY_EVENTS)
        return ac_error_set(err, AC_ERR_INVALID, "%s has no events", api_name(op));
    const api_shape *events = &api_shapes[api_members[structure->first + op->out_payload].shape];
    const api_member *member = api_member_find(events, event, strlen(event));
    yyjson_mut_val *root = yyjson_mut_doc_get_root(value);
    if (!member || !yyjson_mut_is_obj(root))
        return ac_error_set(err, AC_ERR_INVALID, "%s has no event %s, or it is not an object", api_name(op), event);
    AC_TRY(to_wire(value, &api_shapes[member->shape], root, err));
    ac_status status = json_write(out, root, JSON_COMPACT, NULL);
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "the event cannot be written");
}
