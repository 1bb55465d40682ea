/* json_read.c - JSON text to values (RFC 8259, strict), with a limit on nesting and errors that say where.
 *
 * yyjson parses, but for what json_plain.c can; added are the depth limit, the byte order mark and the positions.
 * Nesting is counted before parsing, because the memory yyjson takes for a text is proportional to its brackets and
 * whoever walks the values may recurse.
 *
 * Reading in place unescapes strings in the text itself, after which the position of an error can no longer be counted
 * in it.  A text with escapes is therefore given to yyjson to copy; one without stays the same but for closing quotes.
 *
 * Errors come in the order in which the Python SDK meets them: bytes that are not UTF-8 anywhere in the text win over
 * whatever else is wrong with it. */
#include "base/json.h"
#include "base/json_plain.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"
#define BYTE_ORDER_MARK_BYTES 3

/* The byte after the closing quote of the string whose first byte is `at`; end when it is not closed. */
static const char *string_end(const char *at, const char *end)
{
    const char *start = at;

    while (at < end) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        const char *slash = quote;

        if (!quote)
            break;
        while (slash > start && slash[-1] == '\\')
            slash--;
        at = quote + 1;
        if ((quote - slash) % 2 == 0)
            return at;
    }
    return end;
}

/* Whether arrays and objects nest deeper than depth_max; what is inside strings does not count. */
static bool is_too_deep(const char *text, size_t length, size_t depth_max)
{
    const char *end = text + length;
    size_t depth = 0;

    /* Every level takes a byte at least. */
    if (length <= depth_max)
        return false;
    for (const char *at = text; at < end;) {
        char byte = *at++;

        /* Brackets differ from braces in bit 5 only. */
        if (byte == '"') {
            at = string_end(at, end);
        } else if ((byte | 0x20) == '{') {
            if (++depth > depth_max)
                return true;
        } else if ((byte | 0x20) == '}') {
            depth -= depth > 0;
        }
    }
    return false;
}

/* Lines and columns count from 1, char from 0, all in characters; as Python's JSONDecodeError has them. */
static ac_status syntax_error(const char *text, size_t at, const char *what, json_flaw *ret_flaw, ac_error *err)
{
    size_t line = 1, line_start = 0, characters = 0;

    for (size_t i = 0; i < at; i++) {
        if (((unsigned char)text[i] & 0xC0) != 0x80)
            characters++;
        if (text[i] == '\n') {
            line++;
            line_start = characters;
        }
    }
    *ret_flaw = JSON_FLAW_SYNTAX;
    return ac_error_set(err, AC_ERR_PROTOCOL, "%s: line %zu column %zu (char %zu)", what, line,
                        characters - line_start + 1, characters);
}

/* How many bytes from `at` are a correct start of a character that then breaks off; 0 when no character starts so. */
static size_t broken_character_length(const char *at, size_t left)
{
    utf8_state state = {0};
    size_t good = 0;

    while (good < left && utf8_feed(&state, at + good, 1))
        good++;
    return good;
}

/* What Python's decoder says about the first bytes that are not UTF-8. */
static ac_status encoding_error(const char *text, size_t length, size_t at, json_flaw *ret_flaw, ac_error *err)
{
    size_t good = broken_character_length(text + at, length - at);
    const char *reason = "invalid continuation byte";

    if (good == 0)
        reason = "invalid start byte";
    else if (at + good == length)
        reason = "unexpected end of data";

    *ret_flaw = JSON_FLAW_ENCODING;
    if (good > 1)
        return ac_error_set(err, AC_ERR_PROTOCOL, "'utf-8' codec can't decode bytes in position %zu-%zu: %s", at,
                            at + good - 1, reason);
    return ac_error_set(err, AC_ERR_PROTOCOL, "'utf-8' codec can't decode byte 0x%02x in position %zu: %s",
                        (unsigned char)text[at], at, reason);
}

static ac_status parse_error(const char *text, size_t length, const yyjson_read_err *failure, json_flaw *ret_flaw,
                             ac_error *err)
{
    if (failure->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory while reading %zu bytes of JSON", length);
    if (failure->code == YYJSON_READ_ERROR_EMPTY_CONTENT)
        return syntax_error(text, length, "Expecting value", ret_flaw, err);
    return syntax_error(text, MIN(failure->pos, length), failure->msg, ret_flaw, err);
}

static ac_status read_text(char *text, size_t length, size_t depth_max, bool in_place, yyjson_doc **ret_doc,
                           json_flaw *ret_flaw, ac_error *err)
{
    yyjson_read_err failure = {0};

    if (length >= BYTE_ORDER_MARK_BYTES && memcmp(text, BYTE_ORDER_MARK, BYTE_ORDER_MARK_BYTES) == 0) {
        text += BYTE_ORDER_MARK_BYTES;
        length -= BYTE_ORDER_MARK_BYTES;
    }
    if (length == 0)
        return syntax_error(text, 0, "Expecting value", ret_flaw, err);

    if (in_place && (*ret_doc = json_read_plain(text, length, depth_max)) != NULL)
        return AC_OK;

    bool too_deep = is_too_deep(text, length, depth_max);
    if (!too_deep) {
        yyjson_read_flag flags = YYJSON_READ_NOFLAG;

        if (in_place && !memchr(text, '\\', length)) {
            flags = YYJSON_READ_INSITU;
            memset(text + length, 0, JSON_PADDING);
        }
        *ret_doc = yyjson_read_opts(text, length, flags, NULL, &failure);
        if (*ret_doc)
            return AC_OK;
    }

    size_t valid = utf8_valid_prefix(text, length);
    if (valid < length)
        return encoding_error(text, length, valid, ret_flaw, err);
    if (!too_deep)
        return parse_error(text, length, &failure, ret_flaw, err);
    *ret_flaw = JSON_FLAW_DEPTH;
    return ac_error_set(err, AC_ERR_PROTOCOL, "JSON is nested deeper than %zu levels", depth_max);
}

ac_status json_read_in_place(char *text, size_t length, size_t depth_max, yyjson_doc **ret_doc, json_flaw *ret_flaw,
                             ac_error *err)
{
    json_flaw flaw = JSON_FLAW_NONE;

    *ret_doc = NULL;
    ac_status status = read_text(text, length, depth_max, true, ret_doc, &flaw, err);
    if (ret_flaw)
        *ret_flaw = flaw;
    return status;
}

ac_status ac_json_read(const char *text, size_t length, const ac_json_read_options *options, yyjson_doc **ret_doc,
                       ac_error *err)
{
    size_t depth_max = options && options->depth_max > 0 ? options->depth_max : AC_JSON_DEPTH_MAX;
    size_t size_max = options && options->size_max > 0 ? options->size_max : SIZE_MAX;
    json_flaw flaw;

    *ret_doc = NULL;
    if (length > size_max)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "%zu bytes of JSON are more than the limit of %zu", length,
                            size_max);
    return read_text((char *)text, length, depth_max, false, ret_doc, &flaw, err);
}
