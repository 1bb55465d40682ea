/* filters.c - what metadata must satisfy: of events (three operators on texts), and of records (ten, on four types). */
#include "daemon/memory/records.h"

#include <string.h>

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)

static const char *key_of(yyjson_mut_val *filter)
{
    return yyjson_mut_get_str(yyjson_mut_obj_get(yyjson_mut_obj_get(filter, "left"), "metadataKey"));
}

static yyjson_mut_val *right_of(yyjson_mut_val *filter)
{
    return yyjson_mut_obj_get(yyjson_mut_obj_get(filter, "right"), "metadataValue");
}

static ac_status check_right(const char *operator_name, bool unary, bool given, ac_error *err)
{
    if (unary && given)
        return ac_error_set(err, AC_ERR_INVALID, "The operator %s takes no right operand", operator_name);
    if (!unary && !given)
        return ac_error_set(err, AC_ERR_INVALID, "The operator %s needs a right operand", operator_name);
    return AC_OK;
}

/* ---- events ---- */

ac_status event_filters_check(yyjson_mut_val *filters, ac_error *err)
{
    yyjson_mut_val *each;
    yyjson_mut_arr_iter walk;

    if (!filters)
        return AC_OK;
    yyjson_mut_arr_iter_init(filters, &walk);
    while ((each = yyjson_mut_arr_iter_next(&walk)) != NULL) {
        const char *name = yyjson_mut_get_str(yyjson_mut_obj_get(each, "operator"));

        AC_TRY(check_right(name, strcmp(name, "EQUALS_TO") != 0, yyjson_mut_obj_get(each, "right") != NULL, err));
    }
    return AC_OK;
}

static bool event_accepts(yyjson_mut_val *filter, yyjson_val *metadata)
{
    const char *name = yyjson_mut_get_str(yyjson_mut_obj_get(filter, "operator"));
    const char *wanted = yyjson_mut_get_str(yyjson_mut_obj_get(right_of(filter), "stringValue"));
    const char *have = ac_json_string(yyjson_obj_get(metadata, key_of(filter)), "stringValue", NULL);

    if (strcmp(name, "EXISTS") == 0)
        return have != NULL;
    if (strcmp(name, "NOT_EXISTS") == 0)
        return have == NULL;
    return have && wanted && strcmp(have, wanted) == 0;
}

bool event_filters_accept(yyjson_mut_val *filters, const char *metadata, size_t length)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *doc = metadata ? yyjson_read(metadata, length, 0) : NULL;
    yyjson_mut_val *each;
    yyjson_mut_arr_iter walk;

    yyjson_mut_arr_iter_init(filters, &walk);
    while ((each = yyjson_mut_arr_iter_next(&walk)) != NULL)
        if (!event_accepts(each, yyjson_doc_get_root(doc)))
            return false;
    return true;
}

/* ---- records ---- */

typedef enum operator_id {
    OPERATOR_EQUALS,
    OPERATOR_EXISTS,
    OPERATOR_NOT_EXISTS,
    OPERATOR_BEFORE,
    OPERATOR_AFTER,
    OPERATOR_CONTAINS,
    OPERATOR_GREATER,
    OPERATOR_GREATER_OR_EQUAL,
    OPERATOR_LESS,
    OPERATOR_LESS_OR_EQUAL,
} operator_id;

/* right: the member its right operand must have; NULL: it takes none; "": any. */
static const struct {
    const char *name;
    const char *right;
} operators[] = {
    [OPERATOR_EQUALS] = {"EQUALS_TO", ""},
    [OPERATOR_EXISTS] = {"EXISTS", NULL},
    [OPERATOR_NOT_EXISTS] = {"NOT_EXISTS", NULL},
    [OPERATOR_BEFORE] = {"BEFORE", "dateTimeValue"},
    [OPERATOR_AFTER] = {"AFTER", "dateTimeValue"},
    [OPERATOR_CONTAINS] = {"CONTAINS", "stringValue"},
    [OPERATOR_GREATER] = {"GREATER_THAN", "numberValue"},
    [OPERATOR_GREATER_OR_EQUAL] = {"GREATER_THAN_OR_EQUALS", "numberValue"},
    [OPERATOR_LESS] = {"LESS_THAN", "numberValue"},
    [OPERATOR_LESS_OR_EQUAL] = {"LESS_THAN_OR_EQUALS", "numberValue"},
};

struct record_filter {
    const char *key;
    operator_id operator_id;
    yyjson_mut_val *right; /* NULL: none */
};

static bool is_indexed(const memory_definition *d, const char *key)
{
    size_t index, count;
    yyjson_val *each;

    if (strncmp(key, MEMORY_OWN_KEYS, strlen(MEMORY_OWN_KEYS)) == 0)
        return true;
    yyjson_arr_foreach(d->indexed_keys, index, count,
                       each) if (strcmp(ac_json_string(each, "key", ""), key) == 0) return true;
    return false;
}

static ac_status read_filter(const memory_definition *d, yyjson_mut_val *input, record_filter *f, ac_error *err)
{
    const char *name = yyjson_mut_get_str(yyjson_mut_obj_get(input, "operator")), *right;

    f->key = key_of(input);
    f->right = right_of(input);
    for (size_t i = 0; i < ARRAY_SIZE(operators); i++)
        if (strcmp(operators[i].name, name) == 0)
            f->operator_id = (operator_id)i;
    if (!is_indexed(d, f->key))
        return ac_error_set(err, AC_ERR_INVALID, "The metadata key '%s' is not one of the memory's indexedKeys",
                            f->key);
    right = operators[f->operator_id].right;
    AC_TRY(check_right(name, !right, yyjson_mut_obj_get(input, "right") != NULL, err));
    if (right && *right && !yyjson_mut_obj_get(f->right, right))
        return ac_error_set(err, AC_ERR_INVALID, "The operator %s needs a %s on its right", name, right);
    return AC_OK;
}

ac_status record_filters_read(const memory_definition *d, yyjson_mut_val *list, arena *memory,
                              record_filters *ret_filters, ac_error *err)
{
    record_filter *items;
    yyjson_mut_val *each;
    yyjson_mut_arr_iter walk;
    size_t count = 0;

    *ret_filters = (record_filters){0};
    if (!list)
        return AC_OK;
    items = arena_zalloc(memory, (yyjson_mut_arr_size(list) + 1) * sizeof *items);
    if (!items)
        return memory_no_memory(err);
    yyjson_mut_arr_iter_init(list, &walk);
    while ((each = yyjson_mut_arr_iter_next(&walk)) != NULL) {
        AC_TRY(read_filter(d, each, &items[count], err));
        if (strcmp(items[count++].key, EXTRACT_KEY_SUPERSEDED) == 0)
            ret_filters->superseded = true;
    }
    ret_filters->items = items;
    ret_filters->count = count;
    return AC_OK;
}

/* What a record has under a key; system keys are not in its metadata. */
typedef struct held {
    bool there;
    yyjson_val *value; /* NULL: a time */
    int64_t time_ms;
} held;

static held held_of(const char *key, yyjson_val *metadata, int64_t created_ms, int64_t updated_ms)
{
    yyjson_val *value, *time;

    if (strcmp(key, MEMORY_KEY_CREATED) == 0)
        return (held){true, NULL, created_ms};
    if (strcmp(key, MEMORY_KEY_UPDATED) == 0)
        return (held){true, NULL, updated_ms};
    value = yyjson_obj_get(metadata, key);
    time = yyjson_obj_get(value, "dateTimeValue");
    return time ? (held){true, NULL, yyjson_get_sint(time)} : (held){value != NULL, value, 0};
}

static bool list_contains(yyjson_val *list, const char *text)
{
    size_t index, count;
    yyjson_val *each;

    yyjson_arr_foreach(list, index, count, each) if (yyjson_equals_str(each, text)) return true;
    return false;
}

static bool same_list(yyjson_val *list, yyjson_mut_val *other)
{
    yyjson_mut_arr_iter walk;
    size_t index, count;
    yyjson_val *each;

    if (!other || yyjson_arr_size(list) != yyjson_mut_arr_size(other))
        return false;
    yyjson_mut_arr_iter_init(other, &walk);
    yyjson_arr_foreach(
        list, index, count,
        each) if (!yyjson_equals_str(each, yyjson_mut_get_str(yyjson_mut_arr_iter_next(&walk)))) return false;
    return true;
}

static bool equals(const held *h, yyjson_mut_val *right)
{
    yyjson_mut_val *time = yyjson_mut_obj_get(right, "dateTimeValue");
    yyjson_mut_val *number = yyjson_mut_obj_get(right, "numberValue");
    const char *text = yyjson_mut_get_str(yyjson_mut_obj_get(right, "stringValue"));
    yyjson_val *have;

    if (!h->value)
        return time && yyjson_mut_get_sint(time) == h->time_ms;
    if ((have = yyjson_obj_get(h->value, "stringValue")) != NULL)
        return text && yyjson_equals_str(have, text);
    if ((have = yyjson_obj_get(h->value, "numberValue")) != NULL)
        return number && yyjson_mut_get_num(number) == yyjson_get_num(have);
    return same_list(yyjson_obj_get(h->value, "stringListValue"), yyjson_mut_obj_get(right, "stringListValue"));
}

static bool compare_numbers(operator_id which, yyjson_val *value, yyjson_mut_val *right)
{
    yyjson_val *have = yyjson_obj_get(value, "numberValue");
    double one = yyjson_get_num(have), other = yyjson_mut_get_num(yyjson_mut_obj_get(right, "numberValue"));

    if (!have)
        return false;
    switch (which) {
    case OPERATOR_GREATER:
        return one > other;
    case OPERATOR_GREATER_OR_EQUAL:
        return one >= other;
    case OPERATOR_LESS:
        return one < other;
    default:
        return one <= other;
    }
}

static bool accepts(const record_filter *f, const held *h)
{
    int64_t time = yyjson_mut_get_sint(yyjson_mut_obj_get(f->right, "dateTimeValue"));

    if (f->operator_id == OPERATOR_NOT_EXISTS)
        return !h->there;
    if (!h->there)
        return false;
    switch (f->operator_id) {
    case OPERATOR_EXISTS:
        return true;
    case OPERATOR_EQUALS:
        return equals(h, f->right);
    case OPERATOR_BEFORE:
        return !h->value && h->time_ms < time;
    case OPERATOR_AFTER:
        return !h->value && h->time_ms > time;
    case OPERATOR_CONTAINS:
        return list_contains(yyjson_obj_get(h->value, "stringListValue"),
                             yyjson_mut_get_str(yyjson_mut_obj_get(f->right, "stringValue")));
    default:
        return compare_numbers(f->operator_id, h->value, f->right);
    }
}

bool record_filters_accept(const record_filters *filters, yyjson_val *metadata, int64_t created_ms, int64_t updated_ms)
{
    for (size_t i = 0; i < filters->count; i++) {
        held h = held_of(filters->items[i].key, metadata, created_ms, updated_ms);

        if (!accepts(&filters->items[i], &h))
            return false;
    }
    return true;
}
