/* api_check.c - the limits of single values: type, length, range, enum, pattern; and times changing their format.
 *
 * A string's length is counted in characters, a blob's in the bytes that its base64 stands for.  Messages are those of
 * AWS where AWS has one; they never contain the value. */
#include "aws/api_internal.h"

#include <stdio.h>

#define ENUM_TEXT_MAX 700

void api_check_limits(api_walk *walk, const api_shape *shape, double size, const char *what)
{
    if (walk->check_required && shape->flags & API_SHAPE_MIN && size < shape->min)
        api_walk_problem(walk, "Member must have %s greater than or equal to %.15g", what, shape->min);
    if (walk->match && shape->flags & API_SHAPE_MAX && size > shape->max)
        api_walk_problem(walk, "Member must have %s less than or equal to %.15g", what, shape->max);
}

static size_t characters(const char *text, size_t length)
{
    size_t count = 0;

    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

static void check_enum(api_walk *walk, const api_shape *shape, view text)
{
    char names[ENUM_TEXT_MAX];
    size_t length = 0;

    names[0] = '\0';
    for (size_t i = 0; i < shape->count; i++) {
        const char *name = api_text(api_enums[shape->first + i]);

        if (view_is(text, name))
            return;
        if (length < sizeof names) {
            int more = snprintf(names + length, sizeof names - length, "%s%s", i > 0 ? ", " : "", name);
            length += more > 0 ? (size_t)more : 0;
        }
    }
    api_walk_problem(walk, "Member must satisfy enum value set: [%s]", names);
}

static void check_string(api_walk *walk, const api_shape *shape, yyjson_mut_val *value)
{
    view text = {yyjson_mut_get_str(value), yyjson_mut_get_len(value)};

    if (!walk->check_type)
        return;
    if (!text.text) {
        api_walk_problem(walk, "Member must be a string");
        return;
    }

    size_t before = walk->problems->count;
    api_check_limits(walk, shape, (double)characters(text.text, text.length), "length");
    /* A text of the wrong length is not given to the pattern, which might have to work hard on it. */
    if (!walk->match || walk->problems->count != before)
        return;
    if (shape->count > 0)
        check_enum(walk, shape, text);
    if (shape->pattern == API_NONE || shape->flags & API_SHAPE_RELAX)
        return;
    api_match match = walk->match(shape->pattern, text.text, text.length);
    if (match == API_MATCH_NOMEM)
        walk->nomem = true;
    else if (match == API_NO_MATCH)
        api_walk_problem(walk, "Member must satisfy regular expression pattern: %s",
                         api_text(api_patterns[shape->pattern]));
}

static void check_blob(api_walk *walk, const api_shape *shape, yyjson_mut_val *value)
{
    const char *text = yyjson_mut_get_str(value);
    size_t bytes;

    if (!walk->check_type)
        return;
    if (!text || !base64_length(BASE64_STANDARD, text, yyjson_mut_get_len(value), &bytes))
        api_walk_problem(walk, "Member must be a string in base64");
    else
        api_check_limits(walk, shape, (double)bytes, "length");
}

static void check_integer(api_walk *walk, const api_shape *shape, yyjson_mut_val *value)
{
    bool fits =
        yyjson_mut_is_sint(value) || (yyjson_mut_is_uint(value) && yyjson_mut_get_uint(value) <= (uint64_t)INT64_MAX);
    int64_t number = fits ? yyjson_mut_get_sint(value) : 0;

    if (!walk->check_type)
        return;
    if (!fits)
        api_walk_problem(walk, "Member must be an integer");
    else if (shape->type == API_INTEGER && number != (int32_t)number)
        api_walk_problem(walk, "Member must be a 32-bit integer");
    else
        api_check_limits(walk, shape, (double)number, "value");
}

static void check_number(api_walk *walk, const api_shape *shape, yyjson_mut_val *value)
{
    if (!walk->check_type)
        return;
    if (!yyjson_mut_is_num(value))
        api_walk_problem(walk, "Member must be a number");
    else
        api_check_limits(walk, shape, yyjson_mut_get_num(value), "value");
}

/* From the wire: a number or a text of the member's own format, or of either. */
static bool time_from_wire(const api_walk *walk, const api_shape *shape, yyjson_mut_val *value, int64_t *ret_ms)
{
    bool any = walk->times == API_TIMES_FROM_ANY;

    if (yyjson_mut_is_num(value) && (any || shape->first == API_TIME_UNIX))
        return api_time_from_seconds(yyjson_mut_get_num(value), ret_ms);
    if (yyjson_mut_is_str(value) && (any || shape->first == API_TIME_ISO8601))
        return api_time_read(yyjson_mut_get_str(value), yyjson_mut_get_len(value), ret_ms) == AC_OK;
    return false;
}

/* In plain form: milliseconds; from people, ISO 8601 too. */
static bool time_from_plain(yyjson_mut_val *value, int64_t *ret_ms)
{
    if (yyjson_mut_is_str(value))
        return api_time_read(yyjson_mut_get_str(value), yyjson_mut_get_len(value), ret_ms) == AC_OK;
    *ret_ms = yyjson_mut_get_sint(value);
    return yyjson_mut_is_int(value) && api_time_valid(*ret_ms);
}

static void set_wire_time(api_walk *walk, const api_shape *shape, yyjson_mut_val *value, int64_t ms)
{
    char text[API_TIME_TEXT_SIZE];

    if (shape->first == API_TIME_UNIX && ms % 1000 == 0) {
        yyjson_mut_set_sint(value, ms / 1000);
    } else if (shape->first == API_TIME_UNIX) {
        yyjson_mut_set_real(value, (double)ms / 1000);
    } else {
        api_time_write(ms, text);
        yyjson_mut_val *copy = yyjson_mut_strcpy(walk->doc, text);
        if (!copy)
            walk->nomem = true;
        else
            yyjson_mut_set_strn(value, yyjson_mut_get_str(copy), yyjson_mut_get_len(copy));
    }
}

static void check_time(api_walk *walk, const api_shape *shape, yyjson_mut_val *value)
{
    bool to_wire = walk->times == API_TIMES_TO_WIRE;
    int64_t ms;

    if (to_wire ? time_from_plain(value, &ms) : time_from_wire(walk, shape, value, &ms)) {
        if (to_wire)
            set_wire_time(walk, shape, value, ms);
        else
            yyjson_mut_set_sint(value, ms);
    } else if (to_wire) {
        /* Checked in every direction: no answer of ours may carry a time in the wrong format. */
        api_walk_problem(walk, "Member must be a timestamp: milliseconds since 1970, or ISO 8601");
    } else {
        api_walk_problem(walk, "Member must be a timestamp: %s",
                         shape->first == API_TIME_UNIX ? "seconds since 1970 as a number" : "a string in ISO 8601");
    }
}

void api_check_scalar(api_walk *walk, const api_shape *shape, yyjson_mut_val *value)
{
    switch ((api_type)shape->type) {
    case API_STRING:
        check_string(walk, shape, value);
        break;
    case API_BLOB:
        check_blob(walk, shape, value);
        break;
    case API_INTEGER:
    case API_LONG:
        check_integer(walk, shape, value);
        break;
    case API_FLOAT:
    case API_DOUBLE:
        check_number(walk, shape, value);
        break;
    case API_TIMESTAMP:
        check_time(walk, shape, value);
        break;
    case API_BOOLEAN:
        if (walk->check_type && !yyjson_mut_is_bool(value))
            api_walk_problem(walk, "Member must be a boolean");
        break;
    default:
        break;
    }
}
