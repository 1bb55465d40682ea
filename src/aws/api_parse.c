/* api_parse.c - answers as AWS clients read them: into one JSON object, or into an error.
 *
 * A client must not stumble over what a newer service adds, so unknown members stay, and times are taken in whatever
 * format they come. */
#include "aws/api_internal.h"
#include "base/utf8.h"

#include <stdlib.h>

#define NAME_MAX_BYTES (sizeof(((ac_error *)NULL)->aws_name) - 1)

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static view header_of(const api_answer *answer, const char *name)
{
    size_t length = 0;
    const char *value = answer->header ? answer->header(answer->data, name, &length) : NULL;

    return (view){value, value ? length : 0};
}

/* ---- errors ---- */

static ac_status status_of(const char *name, int http)
{
    static const struct {
        int http;
        ac_status status;
    } rows[] = {
        {401, AC_ERR_UNAUTHORIZED}, {402, AC_ERR_QUOTA},     {403, AC_ERR_DENIED},  {404, AC_ERR_NOT_FOUND},
        {409, AC_ERR_CONFLICT},     {413, AC_ERR_TOO_LARGE}, {424, AC_ERR_HANDLER}, {429, AC_ERR_THROTTLED},
        {501, AC_ERR_UNSUPPORTED},  {503, AC_ERR_AGAIN},     {504, AC_ERR_TIMEOUT},
    };

    if (strcmp(name, "UnknownOperationException") == 0)
        return AC_ERR_UNSUPPORTED;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].http == http)
            return rows[i].status;
    if (http >= 400 && http < 500)
        return AC_ERR_INVALID;
    return http >= 500 ? AC_ERR_INTERNAL : AC_ERR_PROTOCOL;
}

/* "com.amazonaws#Name:http://..." -> "Name"; empty for what cannot be a name. */
static void read_name(view text, char ret_name[NAME_MAX_BYTES + 1])
{
    view name, rest = text;

    view_split(&rest, ':', &name);
    const char *hash = name.length > 0 ? memchr(name.text, '#', name.length) : NULL;
    if (hash)
        name = (view){hash + 1, name.length - (size_t)(hash + 1 - name.text)};
    name.length = MIN(name.length, NAME_MAX_BYTES);
    if (!utf8_valid(name.text, name.length))
        name.length = 0;
    if (name.length > 0)
        memcpy(ret_name, name.text, name.length);
    ret_name[name.length] = '\0';
}

static const char *first_string(yyjson_val *object, const char *const *keys)
{
    for (; *keys; keys++) {
        const char *text = ac_json_string(object, *keys, NULL);

        if (text && *text)
            return text;
    }
    return NULL;
}

ac_status api_parse_error(const api_answer *answer, ac_error *err)
{
    static const char *const name_keys[] = {"code", "__type", NULL};
    static const char *const message_keys[] = {"message", "Message", "errorMessage", NULL};
    char name[NAME_MAX_BYTES + 1];
    yyjson_doc *body = NULL;
    view type = header_of(answer, "x-amzn-errortype");

    if (answer->body_length > 0 && ac_json_read(answer->body, answer->body_length, NULL, &body, NULL) == AC_ERR_NOMEM)
        return no_memory(err);
    yyjson_val *root = yyjson_doc_get_root(body);
    const char *code = first_string(root, name_keys);
    const char *message = first_string(root, message_keys);
    read_name(type.length > 0 ? type : code ? view_of(code) : (view){0}, name);

    ac_status status = status_of(name, answer->status);
    if (message)
        ac_error_set(err, status, "%s", message);
    else
        ac_error_set(err, status, "the service answered %d%s%s", answer->status, name[0] ? " " : "", name);
    yyjson_doc_free(body);
    if (err) {
        memcpy(err->aws_name, name, sizeof name);
        err->http_status = answer->status;
    }
    return status;
}

/* ---- outputs ---- */

typedef struct reader {
    const api_operation *op;
    const api_shape *structure;
    const api_answer *answer;
    yyjson_mut_doc *doc;
    yyjson_mut_val *root;
    ac_error *err;
} reader;

static yyjson_mut_val *header_value(const reader *r, const api_shape *shape, view text)
{
    char number[24] = "";
    char *end = number;

    if (shape->type == API_BOOLEAN)
        return yyjson_mut_bool(r->doc, view_is(text, "true"));
    if ((shape->type == API_INTEGER || shape->type == API_LONG) && text.length < sizeof number) {
        memcpy(number, text.text, text.length);
        number[text.length] = '\0';
        long long value = strtoll(number, &end, 10);
        if (end > number && *end == '\0')
            return yyjson_mut_sint(r->doc, value);
    }
    return yyjson_mut_strncpy(r->doc, text.text, text.length);
}

static ac_status add(const reader *r, const api_member *member, yyjson_mut_val *value)
{
    yyjson_mut_val *key = yyjson_mut_str(r->doc, api_text(member->name));

    return key && value && yyjson_mut_obj_put(r->root, key, value) ? AC_OK : no_memory(r->err);
}

static ac_status read_outside(const reader *r)
{
    for (size_t i = 0; i < r->structure->count; i++) {
        const api_member *member = &api_members[r->structure->first + i];

        if (member->place == API_IN_STATUS)
            AC_TRY(add(r, member, yyjson_mut_sint(r->doc, r->answer->status)));
        if (member->place != API_IN_HEADER)
            continue;
        view text = header_of(r->answer, api_text(member->wire));
        if (text.text && utf8_valid(text.text, text.length))
            AC_TRY(add(r, member, header_value(r, &api_shapes[member->shape], text)));
    }
    return AC_OK;
}

static ac_status from_wire(yyjson_mut_doc *doc, const api_shape *structure, yyjson_mut_val *value, ac_error *err)
{
    _cleanup_(api_problems_done) api_problems problems = API_PROBLEMS_INIT;
    api_walk walk = {
        .doc = doc,
        .problems = &problems,
        .unknown = API_UNKNOWN_KEEP,
        .times = API_TIMES_FROM_ANY,
    };

    api_walk_structure(&walk, structure, value, true);
    if (walk.nomem)
        return no_memory(err);
    if (problems.count > 0)
        return ac_error_set(err, AC_ERR_PROTOCOL, "the answer cannot be read: %s: %s", problems.items[0].name,
                            problems.items[0].message);
    return AC_OK;
}

static ac_status read_json(const char *text, size_t length, yyjson_doc **ret_doc, ac_error *err)
{
    ac_error flaw = {0};
    ac_status status = ac_json_read(text, length, NULL, ret_doc, &flaw);

    if (status == AC_OK)
        return AC_OK;
    return ac_error_set(err, status, "the answer is not JSON: %s", flaw.message);
}

static ac_status read_blob(const reader *r, const api_member *member)
{
    _cleanup_(buf_done) buf text = BUF_INIT(SIZE_MAX);

    if (r->answer->keep_blob)
        return AC_OK;
    if (base64_encode(&text, BASE64_STANDARD, r->answer->body, r->answer->body_length) != AC_OK)
        return no_memory(r->err);
    return add(r, member, yyjson_mut_strncpy(r->doc, text.data ? text.data : "", text.length));
}

/* The body comes first: what headers and status say of a member wins over it. */
static ac_status read_body(reader *r)
{
    const api_member *payload =
        r->op->out_payload == API_NONE ? NULL : &api_members[r->structure->first + r->op->out_payload];
    yyjson_doc *body = NULL;

    if (payload && r->op->out_body == API_BODY_BLOB)
        return read_blob(r, payload);
    if (r->op->out_body == API_BODY_EVENTS || r->answer->body_length == 0 || r->answer->status == 204)
        return AC_OK;
    AC_TRY(read_json(r->answer->body, r->answer->body_length, &body, r->err));

    yyjson_val *root = yyjson_doc_get_root(body);
    yyjson_mut_val *copy = yyjson_val_mut_copy(r->doc, root);
    ac_status status = AC_OK;
    if (!copy) {
        status = no_memory(r->err);
    } else if (payload) {
        status = add(r, payload, copy);
    } else if (yyjson_is_obj(root)) {
        r->root = copy;
        yyjson_mut_doc_set_root(r->doc, copy);
    } else {
        status = ac_error_set(r->err, AC_ERR_PROTOCOL, "the answer is not a JSON object");
    }
    yyjson_doc_free(body);
    return status;
}

static ac_status read_all(reader *r)
{
    r->root = yyjson_mut_obj(r->doc);
    if (!r->root)
        return no_memory(r->err);
    yyjson_mut_doc_set_root(r->doc, r->root);
    AC_TRY(read_body(r));
    AC_TRY(from_wire(r->doc, r->structure, r->root, r->err));
    return read_outside(r);
}

ac_status api_parse(const api_operation *op, const api_answer *answer, yyjson_mut_doc **ret_output, ac_error *err)
{
    *ret_output = NULL;
    if (!op->described)
        return ac_error_set(err, AC_ERR_UNSUPPORTED, "%s is not described", api_name(op));
    if (answer->status < 200 || answer->status > 299)
        return api_parse_error(answer, err);

    reader r = {
        .op = op,
        .structure = &api_shapes[op->output],
        .answer = answer,
        .doc = yyjson_mut_doc_new(NULL),
        .err = err,
    };
    ac_status status = r.doc ? read_all(&r) : no_memory(err);
    if (status != AC_OK)
        yyjson_mut_doc_free(r.doc);
    else
        *ret_output = r.doc;
    return status;
}

ac_status api_event_read(const api_operation *op, const char *event, size_t event_length, const char *text,
                         size_t length, yyjson_mut_doc **ret_value, ac_error *err)
{
    yyjson_doc *body = NULL;

    *ret_value = NULL;
    if (!op->described || op->out_body != API_BODY_EVENTS)
        return ac_error_set(err, AC_ERR_INVALID, "%s has no events", api_name(op));
    const api_shape *events = &api_shapes[api_members[api_shapes[op->output].first + op->out_payload].shape];
    const api_member *member = api_member_find(events, event, event_length);
    if (!member)
        return ac_error_set(err, AC_ERR_INVALID, "%s has no such event", api_name(op));

    AC_TRY(read_json(text, length, &body, err));
    yyjson_mut_doc *doc = yyjson_doc_mut_copy(body, NULL);
    yyjson_doc_free(body);
    ac_status status =
        doc ? from_wire(doc, &api_shapes[member->shape], yyjson_mut_doc_get_root(doc), err) : no_memory(err);
    if (status != AC_OK)
        yyjson_mut_doc_free(doc);
    else
        *ret_value = doc;
    return status;
}
