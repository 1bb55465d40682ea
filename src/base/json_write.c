/* json_write.c - values to JSON text, compact or spaced, always valid.
 *
 * Ordinary values are written here, in one pass and straight into the caller's buffer.  What is not ordinary (strings
 * that are not UTF-8, NaN and infinity, raw text, deep nesting) goes to json_mend.c, which writes the value once more
 * from the start, so nothing has to be known about a value beforehand.
 *
 * Strings are copied sixteen bytes at a time, looking for what must be escaped on the way; all bytes seen are gathered,
 * and only a string that is not pure ASCII is looked at again, for UTF-8. */
#include "base/json.h"
#include "base/json_mend.h"
#include "base/json_text.h"
#include "base/text_scan.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* Nesting up to which values are written here. */
#define WRITE_DEPTH_MAX 64

/* The longest escape, \u00XX. */
#define ESCAPE_BYTES_MAX 6

#define INTEGER_BYTES_MAX 20 /* of 64 bits, with sign */

typedef struct writer {
    buf *out;
    bool spaced;
} writer;

/* Put an escape at `to`, which has room for the longest. */
static char *put_escape(char *to, unsigned char byte, bool lower_case)
{
    static const char letters[] = "btn\0fr"; /* of \b, which is 8, to \r */
    const char *digits = lower_case ? "0123456789abcdef" : "0123456789ABCDEF";

    *to++ = '\\';
    if (byte == '"' || byte == '\\') {
        *to++ = (char)byte;
    } else if (byte >= '\b' && byte <= '\r' && byte != '\v') {
        *to++ = letters[byte - '\b'];
    } else {
        memcpy(to, "u00", 3);
        to[3] = digits[byte >> 4];
        to[4] = digits[byte & 0x0F];
        to += 5;
    }
    return to;
}

static bool is_escaped(unsigned char byte)
{
    return byte < ' ' || byte == '"' || byte == '\\';
}

/* Copy text, of which the first `at` bytes are done, up to the first byte that is escaped or a little less far; to is
 * where its next byte goes.  Returns how far it got. */
static size_t copy_plain(char *to, const char *text, size_t at, size_t length, text_chunk *seen)
{
    char *begin = to - at; /* were nothing escaped; only used where that is so */

    for (; length - at >= 4 * TEXT_CHUNK; at += 4 * (size_t)TEXT_CHUNK) {
        text_chunk a = text_load(text + at), b = text_load(text + at + TEXT_CHUNK);
        text_chunk c = text_load(text + at + 2 * (size_t)TEXT_CHUNK), d = text_load(text + at + 3 * (size_t)TEXT_CHUNK);

        if (text_any_high(text_to_escape(a) | text_to_escape(b) | text_to_escape(c) | text_to_escape(d)))
            break;
        *seen |= a | b | c | d;
        text_store(begin + at, a);
        text_store(begin + at + TEXT_CHUNK, b);
        text_store(begin + at + 2 * (size_t)TEXT_CHUNK, c);
        text_store(begin + at + 3 * (size_t)TEXT_CHUNK, d);
    }
    for (; length - at >= TEXT_CHUNK; at += TEXT_CHUNK) {
        text_chunk chunk = text_load(text + at);

        if (text_any_high(text_to_escape(chunk)))
            return at;
        *seen |= chunk;
        text_store(begin + at, chunk);
    }
    /* The rest with bytes before it: when there is nothing to escape in them, they are copied already as they are. */
    if (at < length && length >= TEXT_CHUNK) {
        text_chunk chunk = text_load(text + length - TEXT_CHUNK);

        if (text_any_high(text_to_escape(chunk)))
            return at;
        *seen |= chunk;
        text_store(begin + length - TEXT_CHUNK, chunk);
        at = length;
    }
    return at;
}

/* Copy at most a chunk byte by byte, up to the first that is escaped.  Returns how many. */
static size_t copy_bytes(char *to, const char *from, size_t length, unsigned char *seen)
{
    size_t most = MIN(length, (size_t)TEXT_CHUNK), at = 0;

    for (; at < most && !is_escaped((unsigned char)from[at]); at++) {
        *seen |= (unsigned char)from[at];
        to[at] = from[at];
    }
    return at;
}

/* Copy a text shorter than a chunk, by loads and stores that overlap.  Returns a chunk that has all of its bytes, and
 * no others. */
static text_chunk copy_short(char *to, const char *text, size_t length)
{
    uint64_t words[2];
    uint32_t halves[2];
    text_chunk chunk;

    if (length >= 8) {
        memcpy(&words[0], text, 8);
        memcpy(&words[1], text + length - 8, 8);
        memcpy(to, &words[0], 8);
        memcpy(to + length - 8, &words[1], 8);
    } else if (length >= 4) {
        memcpy(&halves[0], text, 4);
        memcpy(&halves[1], text + length - 4, 4);
        memcpy(to, &halves[0], 4);
        memcpy(to + length - 4, &halves[1], 4);
        words[0] = words[1] = halves[0] | (uint64_t)halves[1] << 32;
    } else {
        unsigned char first = (unsigned char)text[0], middle = (unsigned char)text[length / 2];
        unsigned char last = (unsigned char)text[length - 1];

        to[0] = (char)first;
        to[length / 2] = (char)middle;
        to[length - 1] = (char)last;
        words[0] = words[1] =
            (first | (uint64_t)middle << 8 | (uint64_t)last << 16 | (uint64_t)first << 24) * UINT64_C(0x100000001);
    }
    memcpy(&chunk, words, sizeof(chunk));
    return chunk;
}

/* Append an escaped byte, and make sure that the rest of the string and its quote still fit. */
static bool append_escape(buf *out, unsigned char byte, size_t rest, bool lower_case)
{
    char escape[ESCAPE_BYTES_MAX];
    size_t length = (size_t)(put_escape(escape, byte, lower_case) - escape);

    return buf_append(out, escape, length) == AC_OK && buf_reserve(out, rest + 1) == AC_OK;
}

/* The general case of json_text_string. */
static bool append_escaped(buf *out, const char *text, size_t length, bool lower_case)
{
    text_chunk seen = {0};
    unsigned char seen_byte = 0;
    size_t before = out->length;
    size_t at = 0;

    out->data[out->length++] = '"';
    while (at < length) {
        size_t from = at;

        at = copy_plain(out->data + out->length, text, at, length, &seen);
        at += copy_bytes(out->data + out->length + (at - from), text + at, length - at, &seen_byte);
        out->length += at - from;
        if (at < length && is_escaped((unsigned char)text[at])) {
            if (!append_escape(out, (unsigned char)text[at], length - at - 1, lower_case))
                break;
            at++;
        }
    }
    if (at == length && (!(text_any_high(seen) || seen_byte >= 0x80) || utf8_valid(text, length))) {
        out->data[out->length++] = '"';
        return true;
    }
    out->length = before;
    return false;
}

bool json_text_string(buf *out, const char *text, size_t length, bool lower_case)
{
    if (length > SIZE_MAX - 2 || buf_reserve(out, length + 2) != AC_OK)
        return false;

    /* Most strings are names and numbers: short, and nothing in them to escape. */
    if (length > 0 && length < TEXT_CHUNK) {
        char *to = out->data + out->length;
        text_chunk chunk = copy_short(to + 1, text, length);

        if (!text_any_high(text_to_escape(chunk) | chunk)) {
            to[0] = to[length + 1] = '"';
            out->length += length + 2;
            return true;
        }
    }
    return append_escaped(out, text, length, lower_case);
}

bool json_text_integer(buf *out, bool negative, uint64_t left)
{
    char text[INTEGER_BYTES_MAX];
    char *at = text + sizeof(text);

    if (negative)
        left = 0 - left;
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (negative)
        *--at = '-';
    return buf_append(out, at, (size_t)(text + sizeof(text) - at)) == AC_OK;
}

static bool write_integer(buf *out, yyjson_mut_val *value)
{
    return json_text_integer(out, yyjson_mut_is_sint(value) && yyjson_mut_get_sint(value) < 0,
                             yyjson_mut_get_uint(value));
}

/* The shortest digits that read back as the same number are yyjson's art. */
static bool write_real(buf *out, yyjson_mut_val *value)
{
    size_t length;
    char *text = yyjson_mut_val_write(value, YYJSON_WRITE_NOFLAG, &length);
    bool written = text && buf_append(out, text, length) == AC_OK;

    free(text);
    return written;
}

static bool write_mark(const writer *w, char mark)
{
    char text[2] = {mark, ' '};

    return buf_append(w->out, text, w->spaced ? 2 : 1) == AC_OK;
}

static bool write_any(const writer *w, yyjson_mut_val *value, unsigned depth);

static bool write_object(const writer *w, yyjson_mut_val *object, unsigned depth)
{
    yyjson_mut_obj_iter members;
    yyjson_mut_val *key;
    bool first = true;

    yyjson_mut_obj_iter_init(object, &members);
    while ((key = yyjson_mut_obj_iter_next(&members)) != NULL) {
        if (!first && !write_mark(w, ','))
            return false;
        if (!yyjson_mut_is_str(key) || !write_any(w, key, depth) || !write_mark(w, ':') ||
            !write_any(w, key->next, depth))
            return false;
        first = false;
    }
    return true;
}

static bool write_array(const writer *w, yyjson_mut_val *array, unsigned depth)
{
    yyjson_mut_arr_iter members;
    yyjson_mut_val *member;
    bool first = true;

    yyjson_mut_arr_iter_init(array, &members);
    while ((member = yyjson_mut_arr_iter_next(&members)) != NULL) {
        if ((!first && !write_mark(w, ',')) || !write_any(w, member, depth))
            return false;
        first = false;
    }
    return true;
}

static bool write_container(const writer *w, yyjson_mut_val *value, unsigned depth)
{
    bool object = yyjson_mut_is_obj(value);

    return depth < WRITE_DEPTH_MAX && buf_append(w->out, object ? "{" : "[", 1) == AC_OK &&
           (object ? write_object(w, value, depth + 1) : write_array(w, value, depth + 1)) &&
           buf_append(w->out, object ? "}" : "]", 1) == AC_OK;
}

/* False: no room, or a value that is not for here; part of it may have been appended. */
static bool write_any(const writer *w, yyjson_mut_val *value, unsigned depth)
{
    switch (yyjson_mut_get_type(value)) {
    case YYJSON_TYPE_STR:
        return json_text_string(w->out, yyjson_mut_get_str(value), yyjson_mut_get_len(value), w->spaced);
    case YYJSON_TYPE_OBJ:
    case YYJSON_TYPE_ARR:
        return write_container(w, value, depth);
    case YYJSON_TYPE_NUM:
        return yyjson_mut_is_real(value) ? write_real(w->out, value) : write_integer(w->out, value);
    case YYJSON_TYPE_BOOL:
        return buf_append_text(w->out, yyjson_mut_get_bool(value) ? "true" : "false") == AC_OK;
    case YYJSON_TYPE_NULL:
        return buf_append(w->out, "null", 4) == AC_OK;
    default:
        return false;
    }
}

ac_status json_write(buf *out, const yyjson_mut_val *value, json_style style, json_repairs *ret_repairs)
{
    const writer w = {.out = out, .spaced = style == JSON_SPACED};
    json_repairs repairs = {0};
    size_t before = out->length;
    ac_status status = AC_OK;

    if (!value) {
        status = buf_append(out, "null", 4);
    } else if (!write_any(&w, (yyjson_mut_val *)(uintptr_t)value, 0)) { /* which yyjson's getters only read */
        out->length = before;
        status = json_write_mended(out, value, style, &repairs);
    }
    if (ret_repairs)
        *ret_repairs = repairs;
    return status;
}

ac_status json_write_string(buf *out, const char *text, size_t length)
{
    yyjson_mut_val value = {0};

    if (json_text_string(out, text, length, false))
        return AC_OK;
    yyjson_mut_set_strn(&value, text, length);
    return json_write_mended(out, &value, JSON_COMPACT, &(json_repairs){0});
}
