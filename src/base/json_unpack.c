/* json_unpack.c - taking a value apart by a format string.
 *
 * The walk keeps the way from the root to the value it is at, and turns it into "user.tags[2]" only for an error.
 * Values under an absent optional key are walked too, with nothing to take and no output set, because their arguments
 * stand in the list before the ones that follow. */
#include "base/json.h"
#include "base/json_format.h"

#include <limits.h>
#include <stdio.h>

typedef struct unpack_step {
    const char *key; /* NULL for an element of an array */
    size_t index;
} unpack_step;

typedef struct unpacker {
    const char *at; /* in the format */
    ac_error *err;
    bool skip; /* pass arguments over */
    size_t depth;
    unpack_step path[FORMAT_DEPTH_MAX];
    va_list args;
} unpacker;

static ac_status unpack_value(unpacker *u, yyjson_val *value);

static ac_status format_error(unpacker *u, const char *what)
{
    return ac_error_set(u->err, AC_ERR_INVALID, "the format for unpacking is wrong: %s", what);
}

static ac_status mismatch(unpacker *u, const yyjson_val *value, const char *expected)
{
    char path[256] = "";
    size_t length = 0;

    for (size_t i = 0; i < u->depth && length < sizeof(path); i++) {
        const unpack_step *step = &u->path[i];
        char *to = path + length;
        size_t room = sizeof(path) - length;
        int printed;

        if (step->key)
            printed = snprintf(to, room, "%s%s", i > 0 ? "." : "", step->key);
        else
            printed = snprintf(to, room, "[%zu]", step->index);
        length += printed > 0 ? (size_t)printed : 0;
    }
    return ac_error_set(u->err, AC_ERR_INVALID, "%s%sexpected %s%s", path, u->depth > 0 ? ": " : "", expected,
                        value ? "" : " (missing)");
}

/* Go one step down, take the value there, come back. */
static ac_status unpack_at(unpacker *u, yyjson_val *value, const char *key, size_t index)
{
    if (u->depth == FORMAT_DEPTH_MAX)
        return format_error(u, "nested too deep");

    u->path[u->depth++] = (unpack_step){.key = key, .index = index};
    AC_TRY(unpack_value(u, value));
    u->depth--;
    return AC_OK;
}

static ac_status unpack_member(unpacker *u, yyjson_val *object)
{
    if (format_next(&u->at) != 's')
        return format_error(u, "a key must be 's'");

    const char *key = va_arg(u->args, const char *);
    bool optional = *u->at == '?';
    bool skipped = u->skip;

    u->at += optional;
    if (!key)
        return format_error(u, "a key is NULL");

    yyjson_val *value = yyjson_obj_get(object, key);
    u->skip = skipped || (optional && !value);
    AC_TRY(unpack_at(u, value, key, 0));
    u->skip = skipped;
    return AC_OK;
}

static ac_status unpack_object(unpacker *u, yyjson_val *value)
{
    if (!u->skip && !yyjson_is_obj(value))
        return mismatch(u, value, "an object");

    while (!format_ends(&u->at, '}'))
        AC_TRY(unpack_member(u, value));
    return AC_OK;
}

static ac_status unpack_array(unpacker *u, yyjson_val *value)
{
    if (!u->skip && !yyjson_is_arr(value))
        return mismatch(u, value, "an array");

    yyjson_val *element = u->skip ? NULL : yyjson_arr_get_first(value);
    size_t count = u->skip ? 0 : yyjson_arr_size(value);
    for (size_t i = 0; !format_ends(&u->at, ']'); i++) {
        AC_TRY(unpack_at(u, element, NULL, i));
        element = i + 1 < count ? unsafe_yyjson_get_next(element) : NULL;
    }
    return AC_OK;
}

static ac_status unpack_string(unpacker *u, yyjson_val *value)
{
    const char **ret_text = va_arg(u->args, const char **);
    size_t *ret_length = NULL;

    if (*u->at == '%') {
        u->at++;
        ret_length = va_arg(u->args, size_t *);
    }
    if (u->skip)
        return AC_OK;
    if (!yyjson_is_str(value))
        return mismatch(u, value, "a string");
    *ret_text = yyjson_get_str(value);
    if (ret_length)
        *ret_length = yyjson_get_len(value);
    return AC_OK;
}

static ac_status unpack_bool(unpacker *u, yyjson_val *value)
{
    bool *ret = va_arg(u->args, bool *);

    if (u->skip)
        return AC_OK;
    if (!yyjson_is_bool(value))
        return mismatch(u, value, "a boolean");
    *ret = yyjson_get_bool(value);
    return AC_OK;
}

static ac_status unpack_double(unpacker *u, yyjson_val *value)
{
    double *ret = va_arg(u->args, double *);

    if (u->skip)
        return AC_OK;
    if (!yyjson_is_num(value))
        return mismatch(u, value, "a number");
    *ret = yyjson_get_num(value);
    return AC_OK;
}

/* A number that was read is a uint unless it is negative; one that was built may be a sint all the same. */
static bool fits_signed(yyjson_val *value, int64_t low, int64_t high)
{
    if (yyjson_is_uint(value))
        return yyjson_get_uint(value) <= (uint64_t)high;
    return yyjson_is_sint(value) && yyjson_get_sint(value) >= low && yyjson_get_sint(value) <= high;
}

static ac_status unpack_int(unpacker *u, yyjson_val *value)
{
    int *ret = va_arg(u->args, int *);

    if (u->skip)
        return AC_OK;
    if (!fits_signed(value, INT_MIN, INT_MAX))
        return mismatch(u, value, yyjson_is_int(value) ? "an integer of 32 bits" : "an integer");
    *ret = (int)yyjson_get_sint(value);
    return AC_OK;
}

static ac_status unpack_int64(unpacker *u, yyjson_val *value)
{
    int64_t *ret = va_arg(u->args, int64_t *);

    if (u->skip)
        return AC_OK;
    if (!fits_signed(value, INT64_MIN, INT64_MAX))
        return mismatch(u, value, yyjson_is_int(value) ? "an integer of 64 bits" : "an integer");
    *ret = yyjson_get_sint(value);
    return AC_OK;
}

static ac_status unpack_uint64(unpacker *u, yyjson_val *value)
{
    uint64_t *ret = va_arg(u->args, uint64_t *);

    if (u->skip)
        return AC_OK;
    if (!yyjson_is_uint(value) && !fits_signed(value, 0, INT64_MAX))
        return mismatch(u, value, yyjson_is_int(value) ? "an integer of at least 0" : "an integer");
    *ret = yyjson_get_uint(value);
    return AC_OK;
}

static ac_status unpack_any(unpacker *u, yyjson_val *value)
{
    yyjson_val **ret = va_arg(u->args, yyjson_val **);

    if (u->skip)
        return AC_OK;
    if (!value)
        return mismatch(u, value, "a value");
    *ret = value;
    return AC_OK;
}

static ac_status unpack_value(unpacker *u, yyjson_val *value)
{
    switch (format_next(&u->at)) {
    case '{':
        return unpack_object(u, value);
    case '[':
        return unpack_array(u, value);
    case 's':
        return unpack_string(u, value);
    case 'b':
        return unpack_bool(u, value);
    case 'i':
        return unpack_int(u, value);
    case 'I':
        return unpack_int64(u, value);
    case 'U':
        return unpack_uint64(u, value);
    case 'f':
        return unpack_double(u, value);
    case 'n':
        return u->skip || yyjson_is_null(value) ? AC_OK : mismatch(u, value, "null");
    case 'o':
        return unpack_any(u, value);
    default:
        return format_error(u, "a letter that means nothing, or a bracket is missing");
    }
}

ac_status ac_json_unpack(yyjson_val *value, ac_error *err, const char *format, ...)
{
    if (!format)
        return ac_error_set(err, AC_ERR_INVALID, "the format for unpacking is NULL");

    unpacker u = {.at = format, .err = err};
    va_start(u.args, format);
    ac_status status = unpack_value(&u, value);
    va_end(u.args);
    if (status == AC_OK && format_next(&u.at) != '\0')
        return format_error(&u, "it goes on after the value");
    return status;
}
