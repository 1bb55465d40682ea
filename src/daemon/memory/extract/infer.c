/* infer.c - metadata that a strategy's schema asks the engine to infer (extractionType LLM_INFERRED).
 *
 * An entry of the schema: {"key", "type": STRING, STRINGLIST or NUMBER, "extractionConfig": {"llmExtractionConfig":
 * {"definition", "llmExtractionInstruction", "validation": {"stringValidation": {"allowedValues"},
 * "stringListValidation": {"allowedValues", "maxItems"}, "numberValidation": {"minValue", "maxValue"}}}}}.  What does
 * not pass its validation or the API's limits is left out: metadata helps to find a record, and must not keep it from
 * being stored. */
#include "daemon/memory/extract/plan.h"

#include "agent/sentences.h"

#include <math.h>
#include <string.h>

#define STRING_BYTES_MAX 256
#define LIST_STRING_BYTES_MAX 64
#define LIST_ITEMS_MAX 5
#define CHARACTERS " \t\nabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/=+@-"

typedef struct inferred {
    const char *key;
    char type; /* 's'tring, 'l'ist, 'n'umber */
    const char *definition, *instruction;
    yyjson_val *allowed; /* array, or NULL */
    size_t items_max;
    double min, max;
} inferred;

/* An entry of the schema, when it is to be inferred. */
static bool read_entry(yyjson_val *entry, inferred *out)
{
    yyjson_val *config = yyjson_obj_get(yyjson_obj_get(entry, "extractionConfig"), "llmExtractionConfig");
    yyjson_val *validation = yyjson_obj_get(config, "validation"), *numbers, *lists;
    const char *type = ac_json_string(entry, "type", "STRING");

    *out = (inferred){
        .key = ac_json_string(entry, "key", NULL), .items_max = LIST_ITEMS_MAX, .min = -HUGE_VAL, .max = HUGE_VAL};
    if (!out->key || strcmp(ac_json_string(entry, "extractionType", "LLM_INFERRED"), "LLM_INFERRED") != 0)
        return false;
    out->type = strcmp(type, "NUMBER") == 0 ? 'n' : strcmp(type, "STRINGLIST") == 0 ? 'l' : 's';
    out->definition = ac_json_string(config, "definition", "");
    out->instruction = ac_json_string(config, "llmExtractionInstruction", "");
    lists = yyjson_obj_get(validation, "stringListValidation");
    numbers = yyjson_obj_get(validation, "numberValidation");
    out->allowed =
        yyjson_obj_get(out->type == 'l' ? lists : yyjson_obj_get(validation, "stringValidation"), "allowedValues");
    if (!yyjson_is_arr(out->allowed))
        out->allowed = NULL;
    int64_t items = ac_json_int(lists, "maxItems", LIST_ITEMS_MAX);
    out->items_max = items >= 1 && items < LIST_ITEMS_MAX ? (size_t)items : LIST_ITEMS_MAX;
    if (yyjson_is_num(yyjson_obj_get(numbers, "minValue")))
        out->min = yyjson_get_num(yyjson_obj_get(numbers, "minValue"));
    if (yyjson_is_num(yyjson_obj_get(numbers, "maxValue")))
        out->max = yyjson_get_num(yyjson_obj_get(numbers, "maxValue"));
    return true;
}

static bool string_valid(const inferred *i, yyjson_val *value)
{
    const char *text = yyjson_get_str(value);
    size_t length = yyjson_get_len(value), most = i->type == 'l' ? LIST_STRING_BYTES_MAX : STRING_BYTES_MAX;
    yyjson_arr_iter at;
    yyjson_val *allowed;

    if (!text || length == 0 || length > most || strspn(text, CHARACTERS) != length)
        return false;
    if (!i->allowed)
        return true;
    at = yyjson_arr_iter_with(i->allowed);
    while ((allowed = yyjson_arr_iter_next(&at)))
        if (yyjson_equals_str(allowed, text))
            return true;
    return false;
}

static bool add(yyjson_mut_doc *doc, yyjson_mut_val *metadata, const char *key, yyjson_mut_val *value)
{
    yyjson_mut_val *name = yyjson_mut_strcpy(doc, key);

    return name && value && yyjson_mut_obj_add(metadata, name, value);
}

/* ---- from a model's values ---- */

static bool add_list(const inferred *i, yyjson_val *values, yyjson_mut_doc *doc, yyjson_mut_val *metadata)
{
    yyjson_mut_val *list = yyjson_mut_arr(doc);
    yyjson_arr_iter at = yyjson_arr_iter_with(values);
    yyjson_val *value;

    while (list && (value = yyjson_arr_iter_next(&at)) && yyjson_mut_arr_size(list) < i->items_max)
        if (string_valid(i, value) &&
            !yyjson_mut_arr_add_strncpy(doc, list, yyjson_get_str(value), yyjson_get_len(value)))
            return false;
    if (!list || yyjson_mut_arr_size(list) == 0)
        return list;
    return add(doc, metadata, i->key, ac_json_pack(doc, "{s:o}", "stringListValue", list));
}

static bool add_value(const inferred *i, yyjson_val *value, yyjson_mut_doc *doc, yyjson_mut_val *metadata)
{
    if (i->type == 'l')
        return add_list(i, value, doc, metadata);
    if (i->type == 'n') {
        double number = yyjson_get_num(value);

        if (!yyjson_is_num(value) || !isfinite(number) || number < i->min || number > i->max)
            return true;
        return add(doc, metadata, i->key, ac_json_pack(doc, "{s:f}", "numberValue", number));
    }
    if (!string_valid(i, value))
        return true;
    return add(doc, metadata, i->key, ac_json_pack(doc, "{s:s}", "stringValue", yyjson_get_str(value)));
}

/* ---- from the text alone ---- */

/* Whether all words of a value stand in the text, by their stems.  1, 0; -1: no memory. */
static int names(const char *text, const char *value, arena *a)
{
    text_word *words, *asked;
    size_t count, asked_count;

    if (words_of(text, strlen(text), a, &words, &count) != AC_OK ||
        words_of(value, strlen(value), a, &asked, &asked_count) != AC_OK)
        return -1;
    for (size_t k = 0; k < asked_count; k++) {
        size_t i = 0;

        while (i < count && strcmp(words[i].stem, asked[k].stem) != 0)
            i++;
        if (i == count)
            return 0;
    }
    return asked_count > 0;
}

static bool add_named(const inferred *i, const char *text, yyjson_mut_doc *doc, yyjson_mut_val *metadata)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    yyjson_mut_val *list = yyjson_mut_arr(doc);
    yyjson_arr_iter at;
    yyjson_val *value;

    if (!i->allowed || i->type == 'n')
        return true;
    at = yyjson_arr_iter_with(i->allowed);
    while (list && (value = yyjson_arr_iter_next(&at))) {
        int named = string_valid(i, value) ? names(text, yyjson_get_str(value), &memory) : 0;

        if (named < 0)
            return false;
        if (named && yyjson_mut_arr_size(list) < (i->type == 'l' ? i->items_max : 1) &&
            !yyjson_mut_arr_add_strncpy(doc, list, yyjson_get_str(value), yyjson_get_len(value)))
            return false;
    }
    if (!list || yyjson_mut_arr_size(list) == 0)
        return list;
    if (i->type == 'l')
        return add(doc, metadata, i->key, ac_json_pack(doc, "{s:o}", "stringListValue", list));
    return add(doc, metadata, i->key,
               ac_json_pack(doc, "{s:s}", "stringValue", yyjson_mut_get_str(yyjson_mut_arr_get_first(list))));
}

bool infer_metadata(yyjson_val *schema, yyjson_val *values, const char *text, yyjson_mut_doc *doc,
                    yyjson_mut_val *metadata)
{
    yyjson_arr_iter at = yyjson_arr_iter_with(schema);
    yyjson_val *entry;
    inferred one;

    for (size_t count = 0; count < INFERRED_MAX && (entry = yyjson_arr_iter_next(&at)); count++) {
        if (!read_entry(entry, &one) || yyjson_mut_obj_get(metadata, one.key))
            continue;
        if (values ? !add_value(&one, yyjson_obj_get(values, one.key), doc, metadata)
                   : !add_named(&one, text, doc, metadata))
            return false;
    }
    return true;
}

/* ---- for the model ---- */

static yyjson_mut_val *property_of(const inferred *i, yyjson_mut_doc *doc)
{
    yyjson_mut_val *kind;

    if (i->type == 'n')
        return ac_json_pack(doc, "{s:[s, s]}", "type", "number", "null");
    kind = ac_json_pack(doc, "{s:s}", "type", "string");
    if (kind && i->allowed) {
        yyjson_mut_val *allowed = yyjson_val_mut_copy(doc, i->allowed);

        if (!allowed || !yyjson_mut_obj_add_val(doc, kind, "enum", allowed))
            return NULL;
    }
    if (i->type == 'l')
        return kind ? ac_json_pack(doc, "{s:s, s:o}", "type", "array", "items", kind) : NULL;
    return kind ? ac_json_pack(doc, "{s:[o, {s:s}]}", "anyOf", kind, "type", "null") : NULL;
}

yyjson_mut_val *infer_schema(yyjson_val *schema, yyjson_mut_doc *doc, bool *ret_nomem)
{
    yyjson_mut_val *properties = yyjson_mut_obj(doc), *required = yyjson_mut_arr(doc);
    yyjson_arr_iter at = yyjson_arr_iter_with(schema);
    yyjson_val *entry;
    inferred one;

    *ret_nomem = !properties || !required;
    for (size_t count = 0; !*ret_nomem && count < INFERRED_MAX && (entry = yyjson_arr_iter_next(&at)); count++)
        if (read_entry(entry, &one))
            *ret_nomem = !add(doc, properties, one.key, property_of(&one, doc)) ||
                         !yyjson_mut_arr_add_strcpy(doc, required, one.key);
    if (*ret_nomem || yyjson_mut_arr_size(required) == 0)
        return NULL;
    yyjson_mut_val *whole = ac_json_pack(doc, "{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties,
                                         "required", required, "additionalProperties", 0);
    *ret_nomem = !whole;
    return whole;
}

static ac_status describe_allowed(const inferred *i, buf *out)
{
    yyjson_arr_iter at = yyjson_arr_iter_with(i->allowed);
    yyjson_val *value;
    const char *before = " (one of: ";

    while ((value = yyjson_arr_iter_next(&at))) {
        AC_TRY(buf_appendf(out, "%s%s", before, yyjson_get_str(value) ? yyjson_get_str(value) : ""));
        before = ", ";
    }
    return i->allowed ? buf_append_text(out, ")") : AC_OK;
}

ac_status infer_describe(yyjson_val *schema, buf *out)
{
    static const char *const kinds[] = {"a text", "a list of texts", "a number"};
    yyjson_arr_iter at = yyjson_arr_iter_with(schema);
    yyjson_val *entry;
    inferred one;

    for (size_t count = 0; count < INFERRED_MAX && (entry = yyjson_arr_iter_next(&at)); count++) {
        if (!read_entry(entry, &one))
            continue;
        AC_TRY(buf_appendf(out, "- %s, %s", one.key, kinds[one.type == 's' ? 0 : one.type == 'l' ? 1 : 2]));
        AC_TRY(describe_allowed(&one, out));
        AC_TRY(buf_appendf(out, ": %s %s\n", one.definition, one.instruction));
    }
    return AC_OK;
}
