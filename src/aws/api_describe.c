/* api_describe.c - an operation as JSON, its input and output as JSON Schema: the table, for those who read it.
 *
 * Texts of the table are constant and are not copied.  Shapes may hold themselves; inside itself one is told by its
 * type alone. */
#include "aws/api_internal.h"

#define DEPTH_MAX 64

typedef struct describer {
    yyjson_mut_doc *doc;
    size_t depth;
    uint16_t inside[DEPTH_MAX]; /* the shapes around the current one */
    bool failed;                /* no memory */
} describer;

static const struct {
    const char *type; /* NULL: any */
    const char *smallest, *largest;
} kinds[] = {
    [API_STRING] = {"string", "minLength", "maxLength"},
    [API_INTEGER] = {"integer", "minimum", "maximum"},
    [API_LONG] = {"integer", "minimum", "maximum"},
    [API_FLOAT] = {"number", "minimum", "maximum"},
    [API_DOUBLE] = {"number", "minimum", "maximum"},
    [API_BOOLEAN] = {"boolean", NULL, NULL},
    [API_TIMESTAMP] = {"integer", NULL, NULL},
    [API_BLOB] = {"string", NULL, NULL},
    [API_LIST] = {"array", "minItems", "maxItems"},
    [API_MAP] = {"object", "minProperties", "maxProperties"},
    [API_STRUCTURE] = {"object", NULL, NULL},
    [API_DOCUMENT] = {NULL, NULL, NULL},
};

static yyjson_mut_val *describe(describer *d, uint16_t index);

static void need(describer *d, bool well)
{
    d->failed = d->failed || !well;
}

static void put(describer *d, yyjson_mut_val *object, const char *name, yyjson_mut_val *value)
{
    need(d, value && yyjson_mut_obj_add_val(d->doc, object, name, value));
}

static void put_text(describer *d, yyjson_mut_val *object, const char *name, const char *text)
{
    need(d, yyjson_mut_obj_add_str(d->doc, object, name, text));
}

static void put_limit(describer *d, yyjson_mut_val *object, const char *name, double limit)
{
    if (!name)
        return;
    if (limit >= -9e15 && limit <= 9e15 && limit == (double)(int64_t)limit)
        need(d, yyjson_mut_obj_add_sint(d->doc, object, name, (int64_t)limit));
    else
        need(d, yyjson_mut_obj_add_real(d->doc, object, name, limit));
}

static void put_structure(describer *d, yyjson_mut_val *object, const api_shape *shape)
{
    yyjson_mut_val *properties = yyjson_mut_obj(d->doc), *required = yyjson_mut_arr(d->doc);
    const api_member *member = &api_members[shape->first];

    for (const api_member *end = member + shape->count; member < end && !d->failed; member++) {
        put(d, properties, api_text(member->name), describe(d, member->shape));
        if (member->flags & API_MEMBER_REQUIRED)
            need(d, yyjson_mut_arr_add_str(d->doc, required, api_text(member->name)));
    }
    put(d, object, "properties", properties);
    if (yyjson_mut_arr_size(required) > 0)
        put(d, object, "required", required);
    if (shape->flags & API_SHAPE_UNION) {
        need(d, yyjson_mut_obj_add_int(d->doc, object, "minProperties", 1));
        need(d, yyjson_mut_obj_add_int(d->doc, object, "maxProperties", 1));
    }
}

static void put_string(describer *d, yyjson_mut_val *object, const api_shape *shape)
{
    yyjson_mut_val *values;

    if (shape->pattern != API_NONE)
        put_text(d, object, "pattern", api_text(api_patterns[shape->pattern]));
    if (shape->count == 0)
        return;
    values = yyjson_mut_arr(d->doc);
    for (size_t i = 0; i < shape->count; i++)
        need(d, yyjson_mut_arr_add_str(d->doc, values, api_text(api_enums[shape->first + i])));
    put(d, object, "enum", values);
}

static void put_inside(describer *d, yyjson_mut_val *object, const api_shape *shape)
{
    switch ((api_type)shape->type) {
    case API_STRUCTURE:
        put_structure(d, object, shape);
        break;
    case API_LIST:
        put(d, object, "items", describe(d, shape->first));
        break;
    case API_MAP:
        put(d, object, "propertyNames", describe(d, shape->first));
        put(d, object, "additionalProperties", describe(d, shape->count));
        break;
    case API_STRING:
        put_string(d, object, shape);
        break;
    case API_TIMESTAMP:
        put_text(d, object, "format", "unix-ms");
        break;
    case API_BLOB:
        put_text(d, object, "contentEncoding", "base64");
        break;
    case API_INTEGER:
    case API_LONG:
    case API_FLOAT:
    case API_DOUBLE:
    case API_BOOLEAN:
    case API_DOCUMENT:
        break;
    }
}

static bool is_inside(const describer *d, uint16_t index)
{
    for (size_t i = 0; i < d->depth; i++)
        if (d->inside[i] == index)
            return true;
    return d->depth == DEPTH_MAX;
}

static yyjson_mut_val *describe(describer *d, uint16_t index)
{
    const api_shape *shape = &api_shapes[index];
    yyjson_mut_val *object = yyjson_mut_obj(d->doc);

    if (!object)
        return NULL;
    if (kinds[shape->type].type)
        put_text(d, object, "type", kinds[shape->type].type);
    if (is_inside(d, index))
        return object;
    if (shape->flags & API_SHAPE_MIN)
        put_limit(d, object, kinds[shape->type].smallest, shape->min);
    if (shape->flags & API_SHAPE_MAX)
        put_limit(d, object, kinds[shape->type].largest, shape->max);
    d->inside[d->depth++] = index;
    put_inside(d, object, shape);
    d->depth--;
    return d->failed ? NULL : object;
}

bool api_describe(const api_operation *op, yyjson_mut_doc *doc)
{
    describer d = {.doc = doc};
    yyjson_mut_val *root = yyjson_mut_obj(doc), *errors;

    yyjson_mut_doc_set_root(doc, root);
    put_text(&d, root, "name", api_name(op));
    put_text(&d, root, "plane", op->plane == API_DATA_PLANE ? "data" : "control");
    put_text(&d, root, "method", api_method_name((api_method)op->method));
    put_text(&d, root, "path", api_text(op->uri));
    need(&d, yyjson_mut_obj_add_bool(doc, root, "described", op->described));
    need(&d, yyjson_mut_obj_add_bool(doc, root, "streams", op->described && op->out_body == API_BODY_EVENTS));
    if (!op->described)
        return !d.failed;
    errors = yyjson_mut_arr(doc);
    for (size_t i = 0; i < op->error_count; i++)
        need(&d, yyjson_mut_arr_add_str(doc, errors, api_text(api_errors[api_error_uses[op->errors + i]].name)));
    put(&d, root, "errors", errors);
    put(&d, root, "input", describe(&d, op->input));
    put(&d, root, "output", describe(&d, op->output));
    return !d.failed;
}
