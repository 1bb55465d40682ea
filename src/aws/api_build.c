/* api_build.c - requests as AWS clients make them, out of one JSON object.
 *
 * Labels and query are percent-encoded except for A-Z a-z 0-9 - . _ ~; a body of JSON is there whenever the operation
 * has members for it.  Header values are refused when they could end the header. */
#include "aws/api_internal.h"
#include "aws/uri.h"
#include "base/uuid.h"

#include <stdio.h>
#include <strings.h>

#define PATH_MAX_BYTES (64u << 10)
#define QUERY_MAX_BYTES (1u << 20)
#define NUMBER_MAX 40

typedef struct builder {
    const api_operation *op;
    const api_shape *structure;
    yyjson_mut_doc *doc;
    yyjson_mut_val *root;
    api_request *request;
    ac_error *err;
} builder;

void api_request_done(api_request *request)
{
    buf_done(&request->path);
    buf_done(&request->query);
    buf_done(&request->text);
    arena_done(&request->texts);
    request->header_count = 0;
    request->body = (view){0};
}

/* What a scalar looks like outside JSON; number holds it unless it is a string.  text is NULL for other values. */
static view text_of(yyjson_mut_val *value, char number[NUMBER_MAX])
{
    int length = -1;

    if (yyjson_mut_is_str(value))
        return (view){yyjson_mut_get_str(value), yyjson_mut_get_len(value)};
    if (yyjson_mut_is_bool(value))
        length = snprintf(number, NUMBER_MAX, "%s", yyjson_mut_get_bool(value) ? "true" : "false");
    else if (yyjson_mut_is_sint(value))
        length = snprintf(number, NUMBER_MAX, "%lld", (long long)yyjson_mut_get_sint(value));
    else if (yyjson_mut_is_uint(value))
        length = snprintf(number, NUMBER_MAX, "%llu", (unsigned long long)yyjson_mut_get_uint(value));
    else if (yyjson_mut_is_real(value))
        length = snprintf(number, NUMBER_MAX, "%.17g", yyjson_mut_get_real(value));
    return length < 0 ? (view){0} : (view){number, (size_t)length};
}

static ac_status refuse(const builder *b, const api_member *member, const char *why)
{
    return ac_error_set(b->err, AC_ERR_INVALID, "%s: %s", api_text(member->name), why);
}

static ac_status make_tokens(const builder *b)
{
    char uuid[UUID_SIZE];

    for (size_t i = 0; i < b->structure->count; i++) {
        const api_member *member = &api_members[b->structure->first + i];
        yyjson_mut_val *there = yyjson_mut_obj_get(b->root, api_text(member->name));

        if (!(member->flags & API_MEMBER_TOKEN) || (there && !yyjson_mut_is_null(there)))
            continue;
        uuid_v4(uuid);
        yyjson_mut_obj_remove_key(b->root, api_text(member->name));
        if (!yyjson_mut_obj_add_strcpy(b->doc, b->root, api_text(member->name), uuid))
            return AC_ERR_NOMEM;
    }
    return AC_OK;
}

static ac_status check(const builder *b, bool payload_given)
{
    _cleanup_(api_problems_done) api_problems problems = API_PROBLEMS_INIT;
    api_walk walk = {
        .doc = b->doc,
        .problems = &problems,
        .unknown = API_UNKNOWN_REFUSE,
        .times = API_TIMES_TO_WIRE,
        .check_type = true,
        .check_required = true,
    };

    api_walk_structure(&walk, b->structure, b->root, payload_given);
    if (walk.nomem)
        return AC_ERR_NOMEM;
    if (problems.count > 0)
        return ac_error_set(b->err, AC_ERR_INVALID, "%s: %s: %s", api_name(b->op), problems.items[0].name,
                            problems.items[0].message);
    return AC_OK;
}

/* The path: the template with each label's member in its place. */
static ac_status build_path(const builder *b)
{
    const char *at = api_text(b->op->uri);
    char number[NUMBER_MAX];

    for (size_t i = 0; i < b->op->label_count; i++) {
        const api_member *member = &api_members[b->structure->first + b->op->labels[i]];
        yyjson_mut_val *value = yyjson_mut_obj_remove_key(b->root, api_text(member->name));
        view text = text_of(value, number);
        const char *open = strchr(at, '{'), *close = open ? strchr(open, '}') : NULL;

        if (!close)
            return AC_ERR_INTERNAL;
        if (text.length == 0)
            return refuse(b, member, "must not be empty, because it is part of the path");
        AC_TRY(buf_append(&b->request->path, at, (size_t)(open - at)));
        AC_TRY(uri_encode(&b->request->path, text.text, text.length, URI_ENCODE_SLASH));
        at = close + 1;
    }
    return buf_append_text(&b->request->path, at);
}

static ac_status add_parameter(const builder *b, const api_member *member, yyjson_mut_val *value)
{
    buf *query = &b->request->query;
    const char *name = api_text(member->wire);
    char number[NUMBER_MAX];
    view text = text_of(value, number);

    if (!text.text)
        return refuse(b, member, "cannot stand in a query");
    if (query->length > 0)
        AC_TRY(buf_append_text(query, "&"));
    AC_TRY(uri_encode(query, name, strlen(name), URI_ENCODE_SLASH));
    AC_TRY(buf_append_text(query, "="));
    return uri_encode(query, text.text, text.length, URI_ENCODE_SLASH);
}

static ac_status add_parameters(const builder *b, const api_member *member, yyjson_mut_val *value)
{
    yyjson_mut_arr_iter elements;
    yyjson_mut_val *element;

    if (!yyjson_mut_arr_iter_init(value, &elements))
        return add_parameter(b, member, value);
    while ((element = yyjson_mut_arr_iter_next(&elements)) != NULL)
        AC_TRY(add_parameter(b, member, element));
    return AC_OK;
}

static ac_status put_header(api_request *request, const char *name, view value)
{
    if (request->header_count == API_HEADERS_MAX)
        return AC_ERR_INTERNAL;
    char *copy = arena_copy(&request->texts, value.text, value.length);
    if (!copy)
        return AC_ERR_NOMEM;
    request->headers[request->header_count++] = (api_header){name, copy};
    return AC_OK;
}

static ac_status add_header(const builder *b, const api_member *member, yyjson_mut_val *value)
{
    char number[NUMBER_MAX];
    view text = text_of(value, number);

    if (!text.text)
        return refuse(b, member, "cannot stand in a header");
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)text.text[i] < 0x20 || text.text[i] == 0x7F)
            return refuse(b, member, "has control characters, which a header cannot carry");
    return put_header(b->request, api_text(member->wire), text);
}

/* Take everything out of the object that is not in the body. */
static ac_status take_outside(const builder *b)
{
    for (size_t i = 0; i < b->structure->count; i++) {
        const api_member *member = &api_members[b->structure->first + i];

        if (member->place != API_IN_QUERY && member->place != API_IN_HEADER)
            continue;
        yyjson_mut_val *value = yyjson_mut_obj_remove_key(b->root, api_text(member->name));
        if (!value)
            continue;
        AC_TRY(member->place == API_IN_QUERY ? add_parameters(b, member, value) : add_header(b, member, value));
    }
    return AC_OK;
}

static ac_status build_json(const builder *b, yyjson_mut_val *value)
{
    api_request *request = b->request;

    AC_TRY(json_write(&request->text, value, JSON_COMPACT, NULL));
    request->body = (view){request->text.data, request->text.length};
    for (size_t i = 0; i < request->header_count; i++)
        if (strcasecmp(request->headers[i].name, "Content-Type") == 0)
            return AC_OK;
    return put_header(request, "Content-Type", view_of("application/json"));
}

static ac_status build_body(const builder *b, const view *payload)
{
    const api_member *member =
        b->op->in_payload == API_NONE ? NULL : &api_members[b->structure->first + b->op->in_payload];
    yyjson_mut_val *value = member ? yyjson_mut_obj_get(b->root, api_text(member->name)) : NULL;
    api_request *request = b->request;

    switch ((api_body)b->op->in_body) {
    case API_BODY_JSON:
        return build_json(b, b->root);
    case API_BODY_MEMBER:
        return value ? build_json(b, value) : AC_OK;
    case API_BODY_BLOB:
        if (payload) {
            request->body = *payload;
        } else if (value) {
            AC_TRY(
                base64_decode(&request->text, BASE64_STANDARD, yyjson_mut_get_str(value), yyjson_mut_get_len(value)));
            request->body = (view){request->text.data, request->text.length};
        }
        return AC_OK;
    default:
        return AC_OK;
    }
}

static ac_status build(builder *b, yyjson_val *input, const view *payload)
{
    b->root = input ? yyjson_val_mut_copy(b->doc, input) : yyjson_mut_obj(b->doc);
    if (!b->root)
        return AC_ERR_NOMEM;
    yyjson_mut_doc_set_root(b->doc, b->root);
    if (!yyjson_mut_is_obj(b->root))
        return ac_error_set(b->err, AC_ERR_INVALID, "the input of %s is not an object", api_name(b->op));
    AC_TRY(make_tokens(b));
    AC_TRY(check(b, payload != NULL && b->op->in_body == API_BODY_BLOB));
    AC_TRY(build_path(b));
    AC_TRY(take_outside(b));
    return build_body(b, payload);
}

ac_status api_build(const api_operation *op, yyjson_val *input, const view *payload, api_request *ret_request,
                    ac_error *err)
{
    ac_error flaw = {0};

    *ret_request = (api_request){
        .method = api_method_name((api_method)op->method),
        .path = BUF_INIT(PATH_MAX_BYTES),
        .query = BUF_INIT(QUERY_MAX_BYTES),
        .text = BUF_INIT(SIZE_MAX),
        .texts = ARENA_INIT,
    };
    if (!op->described)
        return ac_error_set(err, AC_ERR_UNSUPPORTED, "%s is not described", api_name(op));

    builder b = {
        .op = op,
        .structure = &api_shapes[op->input],
        .doc = yyjson_mut_doc_new(NULL),
        .request = ret_request,
        .err = &flaw,
    };
    ac_status status = b.doc ? build(&b, input, payload) : AC_ERR_NOMEM;
    yyjson_mut_doc_free(b.doc);
    if (status == AC_OK)
        return AC_OK;
    api_request_done(ret_request);
    return ac_error_set(err, status, "%s", flaw.message[0] ? flaw.message : ac_status_text(status));
}
