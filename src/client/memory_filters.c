/* memory_filters.c - expressions about metadata, of events and of records: both have one form. */
#include "client/memory_internal.h"

#include "base/utf8.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    bool alone; /* takes no operand */
} operators[] = {
    [AC_MEMORY_EQUALS_TO] = {"EQUALS_TO", false},
    [AC_MEMORY_EXISTS] = {"EXISTS", true},
    [AC_MEMORY_NOT_EXISTS] = {"NOT_EXISTS", true},
    [AC_MEMORY_BEFORE] = {"BEFORE", false},
    [AC_MEMORY_AFTER] = {"AFTER", false},
    [AC_MEMORY_CONTAINS] = {"CONTAINS", false},
    [AC_MEMORY_GREATER_THAN] = {"GREATER_THAN", false},
    [AC_MEMORY_GREATER_THAN_OR_EQUALS] = {"GREATER_THAN_OR_EQUALS", false},
    [AC_MEMORY_LESS_THAN] = {"LESS_THAN", false},
    [AC_MEMORY_LESS_THAN_OR_EQUALS] = {"LESS_THAN_OR_EQUALS", false},
};

/* ---- what is wrong: NULL when nothing is ---- */

static const char *wrong_text(const char *text)
{
    if (!text)
        return "a text is missing";
    return utf8_valid(text, strlen(text)) ? NULL : "a text is not UTF-8";
}

static const char *wrong_value(const ac_memory_value *v)
{
    const char *why = NULL;

    switch (v->type) {
    case AC_MEMORY_STRING:
        return wrong_text(v->string);
    case AC_MEMORY_STRING_LIST:
        for (size_t i = 0; i < v->string_count && !why; i++)
            why = wrong_text(v->strings[i]);
        return v->string_count ? why : "the list is empty";
    case AC_MEMORY_NUMBER:
        return isfinite(v->number) ? NULL : "the number is not finite";
    case AC_MEMORY_TIME:
        return NULL;
    }
    return "no such type";
}

static ac_status check_filter(const ac_memory_filter *f, size_t index, ac_error *err)
{
    const char *why = f->key ? wrong_text(f->key) : "a key is required";

    if (!why && (size_t)f->op >= ARRAY_SIZE(operators))
        why = "no such operator";
    if (why)
        return ac_error_set(err, AC_ERR_INVALID, "filter %zu: %s", index, why);
    if (operators[f->op].alone && f->right)
        return ac_error_set(err, AC_ERR_INVALID,
                            "%s does not accept a right operand; the service rejects this combination.",
                            operators[f->op].name);
    if (!operators[f->op].alone && !f->right)
        return ac_error_set(err, AC_ERR_INVALID, "%s requires a right operand.", operators[f->op].name);
    why = f->right ? wrong_value(f->right) : NULL;
    return why ? ac_error_set(err, AC_ERR_INVALID, "filter %zu: %s", index, why) : AC_OK;
}

/* ---- expressions: false or NULL when memory runs out ---- */

static bool add_value(yyjson_mut_doc *doc, yyjson_mut_val *to, const ac_memory_value *v)
{
    yyjson_mut_val *list;

    switch (v->type) {
    case AC_MEMORY_STRING:
        return yyjson_mut_obj_add_strcpy(doc, to, "stringValue", v->string);
    case AC_MEMORY_STRING_LIST:
        list = yyjson_mut_obj_add_arr(doc, to, "stringListValue");
        for (size_t i = 0; i < v->string_count; i++) {
            if (!yyjson_mut_arr_add_strcpy(doc, list, v->strings[i]))
                return false;
        }
        return true;
    case AC_MEMORY_NUMBER:
        return yyjson_mut_obj_add_real(doc, to, "numberValue", v->number);
    case AC_MEMORY_TIME:
        return yyjson_mut_obj_add_sint(doc, to, "dateTimeValue", v->time_ms);
    }
    return false;
}

static yyjson_mut_val *expression(yyjson_mut_doc *doc, const ac_memory_filter *f)
{
    yyjson_mut_val *object = yyjson_mut_obj(doc);
    yyjson_mut_val *left = yyjson_mut_obj_add_obj(doc, object, "left");

    if (!left || !yyjson_mut_obj_add_strcpy(doc, left, "metadataKey", f->key) ||
        !yyjson_mut_obj_add_str(doc, object, "operator", operators[f->op].name))
        return NULL;
    if (!f->right)
        return object;
    yyjson_mut_val *right = yyjson_mut_obj_add_obj(doc, object, "right");
    yyjson_mut_val *value = yyjson_mut_obj_add_obj(doc, right, "metadataValue");
    return value && add_value(doc, value, f->right) ? object : NULL;
}

ac_status memory_filter_list(yyjson_mut_doc *doc, const ac_memory_filter *filters, size_t count,
                             yyjson_mut_val **ret_list, ac_error *err)
{
    yyjson_mut_val *list = yyjson_mut_arr(doc);

    *ret_list = NULL;
    for (size_t i = 0; i < count; i++) {
        AC_TRY(check_filter(&filters[i], i, err));
        if (!yyjson_mut_arr_append(list, expression(doc, &filters[i])))
            return memory_exhausted(err);
    }
    *ret_list = list;
    return list ? AC_OK : memory_exhausted(err);
}

ac_status ac_memory_filters_build(const ac_memory_filter *filters, size_t count, yyjson_doc **ret_filters,
                                  ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *list = NULL;

    *ret_filters = NULL;
    if (count > MEMORY_FILTERS_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "metadata_filters supports a maximum of %d expressions; received %zu.",
                            MEMORY_FILTERS_MAX, count);
    AC_TRY(memory_filter_list(doc, filters, count, &list, err));
    yyjson_mut_doc_set_root(doc, list);
    return memory_finish(doc, ret_filters, err);
}
