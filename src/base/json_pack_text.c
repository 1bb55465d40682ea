/* json_pack_text.c - JSON text by a format string, without a document between.
 *
 * The same formats as json_pack.c, with the same failures; what is not a string or an integer is handed to the writer
 * of values. */
#include "base/json.h"
#include "base/json_format.h"
#include "base/json_text.h"
#include "base/utf8.h"

#include <string.h>

typedef struct text_packer {
    buf *out;
    const char *at; /* in the format */
    json_style style;
    size_t depth;
    json_repairs repairs;
    va_list args;
} text_packer;

static ac_status put_value(text_packer *p);

static ac_status put_mark(text_packer *p, char mark)
{
    const char text[2] = {mark, ' '};

    return buf_append(p->out, text, p->style == JSON_SPACED ? 2 : 1);
}

static ac_status put_text(text_packer *p, const char *text, size_t length)
{
    if (json_text_string(p->out, text, length, p->style == JSON_SPACED))
        return AC_OK;
    if (!utf8_valid(text, length))
        return AC_ERR_INVALID;
    return p->out->cap - p->out->length < length ? AC_ERR_TOO_LARGE : AC_ERR_NOMEM;
}

/* After an 's': "s", "s?" or "s%".  A key is never null. */
static ac_status put_string(text_packer *p, bool key)
{
    const char *text = va_arg(p->args, const char *);

    if (*p->at == '?') {
        p->at++;
        if (!text && !key)
            return buf_append(p->out, "null", 4);
    }
    if (*p->at == '%') {
        size_t length = va_arg(p->args, size_t);

        p->at++;
        return text || length == 0 ? put_text(p, text ? text : "", length) : AC_ERR_INVALID;
    }
    return text ? put_text(p, text, strlen(text)) : AC_ERR_INVALID;
}

static ac_status put_object(text_packer *p)
{
    for (bool first = true; !format_ends(&p->at, '}'); first = false) {
        if (!first)
            AC_TRY(put_mark(p, ','));
        if (format_next(&p->at) != 's')
            return AC_ERR_INVALID;
        AC_TRY(put_string(p, true));
        AC_TRY(put_mark(p, ':'));
        AC_TRY(put_value(p));
    }
    return AC_OK;
}

static ac_status put_array(text_packer *p)
{
    for (bool first = true; !format_ends(&p->at, ']'); first = false) {
        if (!first)
            AC_TRY(put_mark(p, ','));
        AC_TRY(put_value(p));
    }
    return AC_OK;
}

static ac_status put_container(text_packer *p, char kind)
{
    if (p->depth == FORMAT_DEPTH_MAX)
        return AC_ERR_INVALID;

    p->depth++;
    AC_TRY(buf_append(p->out, kind == '{' ? "{" : "[", 1));
    AC_TRY(kind == '{' ? put_object(p) : put_array(p));
    p->depth--;
    return buf_append(p->out, kind == '{' ? "}" : "]", 1);
}

static ac_status put_integer(text_packer *p, int64_t value)
{
    return json_text_integer(p->out, value < 0, (uint64_t)value) ? AC_OK : AC_ERR_NOMEM;
}

static ac_status put_any(text_packer *p, const yyjson_mut_val *value)
{
    json_repairs repairs = {0};

    if (!value)
        return AC_ERR_INVALID;
    AC_TRY(json_write(p->out, value, p->style, &repairs));
    p->repairs.not_a_number |= repairs.not_a_number;
    p->repairs.not_utf8 |= repairs.not_utf8;
    return AC_OK;
}

static ac_status put_real(text_packer *p, double real)
{
    yyjson_mut_val value = {0};

    yyjson_mut_set_real(&value, real);
    return put_any(p, &value);
}

/* A value that was read has to become one that can be written. */
static ac_status put_read(text_packer *p, yyjson_val *read)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);

    if (!doc)
        return AC_ERR_NOMEM;
    ac_status status = put_any(p, yyjson_val_mut_copy(doc, read));
    yyjson_mut_doc_free(doc);
    return status;
}

static ac_status put_value(text_packer *p)
{
    char kind = format_next(&p->at);

    switch (kind) {
    case '{':
    case '[':
        return put_container(p, kind);
    case 's':
        return put_string(p, false);
    case 'b':
        return buf_append_text(p->out, va_arg(p->args, int) != 0 ? "true" : "false");
    case 'i':
        return put_integer(p, va_arg(p->args, int));
    case 'I':
        return put_integer(p, va_arg(p->args, int64_t));
    case 'U':
        return json_text_integer(p->out, false, va_arg(p->args, uint64_t)) ? AC_OK : AC_ERR_NOMEM;
    case 'f':
        return put_real(p, va_arg(p->args, double));
    case 'n':
        return buf_append(p->out, "null", 4);
    case 'o':
        return put_any(p, va_arg(p->args, const yyjson_mut_val *));
    case 'v':
        return put_read(p, va_arg(p->args, yyjson_val *));
    default:
        return AC_ERR_INVALID;
    }
}

ac_status json_vpack_text(buf *out, json_style style, json_repairs *ret_repairs, const char *format, va_list args)
{
    text_packer p = {.out = out, .at = format, .style = style};
    size_t before = out->length;

    if (!format)
        return AC_ERR_INVALID;
    va_copy(p.args, args);
    ac_status status = put_value(&p);
    va_end(p.args);
    if (status == AC_OK && format_next(&p.at) != '\0')
        status = AC_ERR_INVALID;
    if (status != AC_OK)
        out->length = before;
    *ret_repairs = p.repairs;
    return status;
}
