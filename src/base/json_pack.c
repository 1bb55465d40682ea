/* json_pack.c - building values by a format string, and single members with a fallback.
 *
 * Formats come from the programmer, values from anywhere.  A wrong format ends the packing before the argument that it
 * is wrong about is taken, so that the argument list is never read past what the format has named.  Values that were
 * built before a failure stay in the document unused until it is freed. */
#include "base/json.h"
#include "base/json_format.h"
#include "base/utf8.h"

#include <string.h>

typedef struct packer {
    yyjson_mut_doc *doc;
    const char *at; /* in the format */
    size_t depth;
    va_list args;
} packer;

static yyjson_mut_val *pack_value(packer *p);

static yyjson_mut_val *pack_text(packer *p, const char *text, size_t length)
{
    return utf8_valid(text, length) ? yyjson_mut_strncpy(p->doc, text, length) : NULL;
}

/* After an 's': "s", "s?" or "s%". */
static yyjson_mut_val *pack_string(packer *p)
{
    const char *text = va_arg(p->args, const char *);
    size_t length;

    if (*p->at == '?') {
        p->at++;
        if (!text)
            return yyjson_mut_null(p->doc);
    }
    if (*p->at == '%') {
        p->at++;
        length = va_arg(p->args, size_t);
        return text || length == 0 ? pack_text(p, text ? text : "", length) : NULL;
    }
    return text ? pack_text(p, text, strlen(text)) : NULL;
}

static yyjson_mut_val *pack_key(packer *p)
{
    if (format_next(&p->at) != 's')
        return NULL;

    yyjson_mut_val *key = pack_string(p);
    return yyjson_mut_is_str(key) ? key : NULL;
}

static yyjson_mut_val *pack_object(packer *p)
{
    yyjson_mut_val *object = yyjson_mut_obj(p->doc);

    while (object && !format_ends(&p->at, '}')) {
        yyjson_mut_val *key = pack_key(p);
        yyjson_mut_val *value = key ? pack_value(p) : NULL;

        if (!value || !yyjson_mut_obj_add(object, key, value))
            return NULL;
    }
    return object;
}

static yyjson_mut_val *pack_array(packer *p)
{
    yyjson_mut_val *array = yyjson_mut_arr(p->doc);

    while (array && !format_ends(&p->at, ']')) {
        yyjson_mut_val *value = pack_value(p);

        if (!value || !yyjson_mut_arr_append(array, value))
            return NULL;
    }
    return array;
}

static yyjson_mut_val *pack_container(packer *p, char kind)
{
    if (p->depth == FORMAT_DEPTH_MAX)
        return NULL;

    p->depth++;
    yyjson_mut_val *value = kind == '{' ? pack_object(p) : pack_array(p);
    p->depth--;
    return value;
}

static yyjson_mut_val *pack_value(packer *p)
{
    char kind = format_next(&p->at);

    switch (kind) {
    case '{':
    case '[':
        return pack_container(p, kind);
    case 's':
        return pack_string(p);
    case 'b':
        return yyjson_mut_bool(p->doc, va_arg(p->args, int) != 0);
    case 'i':
        return yyjson_mut_sint(p->doc, va_arg(p->args, int));
    case 'I':
        return yyjson_mut_sint(p->doc, va_arg(p->args, int64_t));
    case 'U':
        return yyjson_mut_uint(p->doc, va_arg(p->args, uint64_t));
    case 'f':
        return yyjson_mut_real(p->doc, va_arg(p->args, double));
    case 'n':
        return yyjson_mut_null(p->doc);
    case 'o':
        return va_arg(p->args, yyjson_mut_val *);
    case 'v':
        return yyjson_val_mut_copy(p->doc, va_arg(p->args, yyjson_val *));
    default:
        return NULL;
    }
}

yyjson_mut_val *ac_json_vpack(yyjson_mut_doc *doc, const char *format, va_list args)
{
    if (!doc || !format)
        return NULL;

    packer p = {.doc = doc, .at = format};
    va_copy(p.args, args);
    yyjson_mut_val *value = pack_value(&p);
    va_end(p.args);
    return format_next(&p.at) == '\0' ? value : NULL;
}

yyjson_mut_val *ac_json_pack(yyjson_mut_doc *doc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    yyjson_mut_val *value = ac_json_vpack(doc, format, args);
    va_end(args);
    return value;
}

const char *ac_json_string(yyjson_val *value, const char *key, const char *fallback)
{
    const char *text = yyjson_get_str(yyjson_obj_get(value, key));

    return text ? text : fallback;
}

int64_t ac_json_int(yyjson_val *value, const char *key, int64_t fallback)
{
    yyjson_val *member = yyjson_obj_get(value, key);

    if (!yyjson_is_int(member) || (yyjson_is_uint(member) && yyjson_get_uint(member) > INT64_MAX))
        return fallback;
    return yyjson_get_sint(member);
}

bool ac_json_bool(yyjson_val *value, const char *key, bool fallback)
{
    yyjson_val *member = yyjson_obj_get(value, key);

    return yyjson_is_bool(member) ? yyjson_get_bool(member) : fallback;
}
