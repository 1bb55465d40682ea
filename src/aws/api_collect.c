/* api_collect.c - the server's first step: one JSON object out of path, query, headers and body.
 *
 * Everything that came as text becomes what its type asks for where it can ("5" -> 5, "true" -> true, ?k=a&k=b ->
 * ["a", "b"]); where it cannot, it stays text and api_validate names the member.  All text is UTF-8 afterwards.  Memory
 * is proportional to the request. */
#include "aws/api_internal.h"
#include "aws/uri.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>

typedef struct collector {
    const api_operation *op;
    const api_shape *structure;
    const api_source *source;
    yyjson_mut_doc *doc;
    yyjson_mut_val *root;
    buf text; /* what is being decoded */
    ac_error *err;
} collector;

void api_input_done(api_input *input)
{
    yyjson_mut_doc_free(input->doc);
    *input = (api_input){0};
}

static ac_status no_memory(const collector *c)
{
    return ac_error_set(c->err, AC_ERR_NOMEM, "out of memory");
}

static ac_status add(const collector *c, const api_member *member, yyjson_mut_val *value)
{
    yyjson_mut_val *key = yyjson_mut_str(c->doc, api_text(member->name));

    return key && value && yyjson_mut_obj_add(c->root, key, value) ? AC_OK : no_memory(c);
}

/* A number or boolean as people write them in a query; NULL when the text is none, or memory is out. */
static yyjson_mut_val *scalar_of(yyjson_mut_doc *doc, api_type type, const char *text)
{
    char *end = NULL;

    if (type == API_BOOLEAN && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        return yyjson_mut_bool(doc, *text == 't');
    if (*text != '-' && (*text < '0' || *text > '9'))
        return NULL;
    errno = 0;
    if (type == API_INTEGER || type == API_LONG) {
        int64_t number = strtoll(text, &end, 10);
        return errno == 0 && *end == '\0' && end > text ? yyjson_mut_sint(doc, number) : NULL;
    }
    if (type == API_FLOAT || type == API_DOUBLE || type == API_TIMESTAMP) {
        double number = strtod(text, &end);
        bool plain = strspn(text, "+-0123456789.eE") == strlen(text);
        return plain && *end == '\0' && __builtin_isfinite(number) ? yyjson_mut_real(doc, number) : NULL;
    }
    return NULL;
}

/* The value of what is in c->text. */
static yyjson_mut_val *value_of(collector *c, const api_shape *shape)
{
    const char *text = buf_terminate(&c->text);
    bool as_it_is = shape->type == API_STRING || shape->type == API_BLOB ||
                    (shape->type == API_TIMESTAMP && shape->first == API_TIME_ISO8601);

    if (!text)
        return NULL;
    yyjson_mut_val *value = as_it_is ? NULL : scalar_of(c->doc, (api_type)shape->type, text);
    return value ? value : yyjson_mut_strncpy(c->doc, text, c->text.length);
}

/* Decode into c->text. */
static ac_status decode(collector *c, view encoded, const char *what)
{
    c->text.length = 0;
    ac_status status = uri_decode(&c->text, encoded.text, encoded.length, URI_PLUS_LITERAL);
    if (status == AC_ERR_NOMEM)
        return no_memory(c);
    if (status != AC_OK || !utf8_valid(c->text.data, c->text.length))
        return ac_error_set(c->err, AC_ERR_PROTOCOL, "%s is not percent-encoded UTF-8", what);
    return AC_OK;
}

static ac_status collect_labels(collector *c, const api_route *route)
{
    for (size_t i = 0; i < c->op->label_count; i++) {
        const api_member *member = &api_members[c->structure->first + c->op->labels[i]];

        AC_TRY(decode(c, route->labels[i], api_text(member->name)));
        AC_TRY(add(c, member, value_of(c, &api_shapes[member->shape])));
    }
    return AC_OK;
}

static const api_member *query_member(const collector *c, const buf *name)
{
    for (size_t i = 0; i < c->structure->count; i++) {
        const api_member *member = &api_members[c->structure->first + i];

        if (member->place == API_IN_QUERY && view_is((view){name->data, name->length}, api_text(member->wire)))
            return member;
    }
    return NULL;
}

/* One name=value pair whose member is known: lists gather, of anything else the first counts. */
static ac_status collect_parameter(collector *c, const api_member *member, view encoded)
{
    const api_shape *shape = &api_shapes[member->shape];
    yyjson_mut_val *there = yyjson_mut_obj_get(c->root, api_text(member->name));

    AC_TRY(decode(c, encoded, api_text(member->name)));
    if (shape->type != API_LIST)
        return there ? AC_OK : add(c, member, value_of(c, shape));
    if (!there) {
        there = yyjson_mut_arr(c->doc);
        AC_TRY(add(c, member, there));
    }
    yyjson_mut_val *element = value_of(c, &api_shapes[shape->first]);
    return element && yyjson_mut_arr_append(there, element) ? AC_OK : no_memory(c);
}

static ac_status collect_query(collector *c)
{
    view rest = {c->source->query, c->source->query_length}, pair, name;
    size_t count = 0;

    while (view_split(&rest, '&', &pair)) {
        if (pair.length == 0)
            continue;
        if (++count > API_QUERY_PAIRS_MAX)
            return ac_error_set(c->err, AC_ERR_PROTOCOL, "the query has more than %d parameters", API_QUERY_PAIRS_MAX);
        view_split(&pair, '=', &name);
        AC_TRY(decode(c, name, "the name of a query parameter"));
        const api_member *member = query_member(c, &c->text);
        if (member)
            AC_TRY(collect_parameter(c, member, pair.text ? pair : (view){"", 0}));
    }
    return AC_OK;
}

/* An empty header is one that is not there. */
static ac_status collect_headers(collector *c)
{
    for (size_t i = 0; i < c->structure->count; i++) {
        const api_member *member = &api_members[c->structure->first + i];
        size_t length = 0;

        if (member->place != API_IN_HEADER || !c->source->header)
            continue;
        const char *value = c->source->header(c->source->data, api_text(member->wire), &length);
        if (!value || length == 0)
            continue;
        if (!utf8_valid(value, length))
            return ac_error_set(c->err, AC_ERR_PROTOCOL, "the header %s is not UTF-8", api_text(member->wire));
        c->text.length = 0;
        if (buf_append(&c->text, value, length) != AC_OK)
            return no_memory(c);
        AC_TRY(add(c, member, value_of(c, &api_shapes[member->shape])));
    }
    return AC_OK;
}

static ac_status copy_members(collector *c, yyjson_val *object)
{
    yyjson_obj_iter members;
    yyjson_val *key;

    yyjson_obj_iter_init(object, &members);
    while ((key = yyjson_obj_iter_next(&members)) != NULL) {
        const api_member *member = api_member_find(c->structure, yyjson_get_str(key), yyjson_get_len(key));

        if (member && member->place == API_IN_BODY)
            AC_TRY(add(c, member, yyjson_val_mut_copy(c->doc, yyjson_obj_iter_get_val(key))));
    }
    return AC_OK;
}

static ac_status collect_json(collector *c)
{
    ac_json_read_options options = {.depth_max = API_BODY_DEPTH_MAX};
    yyjson_doc *body;
    ac_error flaw = {0};

    if (c->source->body_length == 0)
        return AC_OK;
    ac_status status = ac_json_read(c->source->body, c->source->body_length, &options, &body, &flaw);
    if (status == AC_ERR_NOMEM)
        return no_memory(c);
    if (status != AC_OK)
        return ac_error_set(c->err, AC_ERR_PROTOCOL, "the request body is not JSON: %s", flaw.message);

    yyjson_val *root = yyjson_doc_get_root(body);
    if (c->op->in_body == API_BODY_MEMBER)
        status = add(c, &api_members[c->structure->first + c->op->in_payload], yyjson_val_mut_copy(c->doc, root));
    else if (yyjson_is_obj(root))
        status = copy_members(c, root);
    else
        status = ac_error_set(c->err, AC_ERR_PROTOCOL, "the request body is not a JSON object");
    yyjson_doc_free(body);
    return status;
}

static ac_status collect_all(collector *c, const api_route *route)
{
    AC_TRY(collect_labels(c, route));
    AC_TRY(collect_query(c));
    AC_TRY(collect_headers(c));
    if (c->op->in_body == API_BODY_JSON || c->op->in_body == API_BODY_MEMBER)
        return collect_json(c);
    return AC_OK;
}

ac_status api_collect(const api_route *route, const api_source *source, api_input *ret_input, ac_error *err)
{
    const api_operation *op = route->op;

    *ret_input = (api_input){0};
    if (!op->described)
        return ac_error_set(err, AC_ERR_UNSUPPORTED, "%s is not implemented", api_name(op));

    collector c = {
        .op = op,
        .structure = &api_shapes[op->input],
        .source = source,
        .doc = yyjson_mut_doc_new(NULL),
        .text = BUF_INIT(SIZE_MAX),
        .err = err,
    };
    ret_input->doc = c.doc;
    if (op->in_body == API_BODY_BLOB)
        ret_input->payload = (view){source->body ? source->body : "", source->body_length};
    c.root = yyjson_mut_obj(c.doc);
    yyjson_mut_doc_set_root(c.doc, c.root);
    ac_status status = c.root ? collect_all(&c, route) : no_memory(&c);
    buf_done(&c.text);
    if (status != AC_OK)
        api_input_done(ret_input);
    return status;
}
