/* json_mend.c - values to JSON text by yyjson, for what json_write.c does not write itself.
 *
 * yyjson writes into a scratch buffer on the stack, and from the heap only when a text outgrows it; from there the text
 * goes into the caller's buffer in one pass, which puts the spaces in where the style has them.  Nothing is checked
 * beforehand: yyjson itself refuses NaN, infinity and broken UTF-8, and only then is the value written again with
 * that tolerated and mended. */
#include "base/json_mend.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* yyjson sets six bytes aside for each byte of a string. */
#define SCRATCH_BYTES 8192

/* Up to here the room that spaces could take at worst is reserved without counting them. */
#define SPACES_UNCOUNTED_BYTES 4096

#define LOW_BITS UINT64_C(0x0101010101010101)
#define HIGH_BITS UINT64_C(0x8080808080808080)

typedef struct scratch {
    _Alignas(max_align_t) char bytes[SCRATCH_BYTES];
} scratch;

/* yyjson's writer holds one block at a time, so the scratch buffer is either that block or free. */
static void *scratch_malloc(void *context, size_t size)
{
    return size <= SCRATCH_BYTES ? ((scratch *)context)->bytes : malloc(size);
}

static void *scratch_realloc(void *context, void *block, size_t old_size, size_t size)
{
    scratch *s = context;

    if (block != s->bytes)
        return realloc(block, size);
    if (size <= SCRATCH_BYTES)
        return block;

    void *larger = malloc(size);
    if (larger)
        memcpy(larger, block, MIN(old_size, size));
    return larger;
}

static void scratch_free(void *context, void *block)
{
    if (block != ((scratch *)context)->bytes)
        free(block);
}

static inline uint64_t load64(const char *from)
{
    uint64_t word;

    memcpy(&word, from, sizeof(word));
    return word;
}

/* Not zero when one of the eight bytes is this one; may only err towards "yes" above a byte that is. */
static inline uint64_t has_byte(uint64_t word, unsigned char byte)
{
    uint64_t difference = word ^ (LOW_BITS * byte);

    return (difference - LOW_BITS) & ~difference & HIGH_BITS;
}

/* Copy the four digits of \uXXXX, in lower case as Python has them; to may be NULL. */
static const char *copy_hex(char *to, const char *from)
{
    for (int i = 0; to && i < 4; i++)
        to[i] = from[i] >= 'A' && from[i] <= 'F' ? (char)(from[i] | 0x20) : from[i];
    return from + 4;
}

/* Copy a string up to and with its closing quote; to may be NULL to only find the end.  Returns the end in from. */
static const char *copy_string(char **to, const char *from, const char *end)
{
    const char *start = from;
    char *out = *to;

    while (from < end) {
        if (end - from >= 8) {
            uint64_t word = load64(from);

            if (!(has_byte(word, '"') | has_byte(word, '\\'))) {
                if (out)
                    memcpy(out + (from - start), &word, sizeof(word));
                from += 8;
                continue;
            }
        }
        char byte = *from;
        if (out)
            out[from - start] = byte;
        from++;
        if (byte == '"')
            break;
        if (byte == '\\' && from < end) {
            if (out)
                out[from - start] = *from;
            from++;
            if (from[-1] == 'u' && end - from >= 4)
                from = copy_hex(out ? out + (from - start) : NULL, from);
        }
    }
    if (out)
        *to = out + (from - start);
    return from;
}

/* Copy compact JSON with a space after each ',' and ':' outside of strings; with to NULL only count the spaces. */
static size_t copy_spaced(char *to, const char *from, size_t length)
{
    const char *end = from + length;
    size_t spaces = 0;

    while (from < end) {
        char byte = *from++;

        if (to)
            *to++ = byte;
        if (byte == '"') {
            from = copy_string(&to, from, end);
        } else if (byte == ',' || byte == ':') {
            spaces++;
            if (to)
                *to++ = ' ';
        }
    }
    return spaces;
}

static ac_status append_spaced(buf *out, const char *text, size_t length)
{
    if (length > SPACES_UNCOUNTED_BYTES || buf_reserve(out, length * 2) != AC_OK)
        AC_TRY(buf_reserve(out, length + copy_spaced(NULL, text, length)));

    out->length += length + copy_spaced(out->data + out->length, text, length);
    return AC_OK;
}

static ac_status append_styled(buf *out, const char *text, size_t length, json_style style)
{
    return style == JSON_SPACED ? append_spaced(out, text, length) : buf_append(out, text, length);
}

/* Bytes that are not UTF-8 appear only inside strings, so they may be replaced before or after spacing alike. */
static ac_status append_clean(buf *out, const char *text, size_t length, json_style style)
{
    _cleanup_(buf_done) buf clean = BUF_INIT(SIZE_MAX);

    AC_TRY(utf8_append_clean(&clean, text, length));
    return append_styled(out, clean.data, clean.length, style);
}

/* Write with what yyjson must tolerate added one by one, so that repairs says exactly what there was. */
static char *write_value(const yyjson_mut_val *value, const yyjson_alc *alc, size_t *ret_length, json_repairs *repairs,
                         ac_status *ret_status)
{
    yyjson_write_flag flags = YYJSON_WRITE_NOFLAG;
    yyjson_write_err failure = {0};

    for (;;) {
        char *text = yyjson_mut_val_write_opts(value, flags, alc, ret_length, &failure);

        if (text)
            return text;
        if (failure.code == YYJSON_WRITE_ERROR_NAN_OR_INF && !repairs->not_a_number) {
            repairs->not_a_number = true;
            flags |= YYJSON_WRITE_INF_AND_NAN_AS_NULL;
        } else if (failure.code == YYJSON_WRITE_ERROR_INVALID_STRING && !repairs->not_utf8) {
            repairs->not_utf8 = true;
            flags |= YYJSON_WRITE_ALLOW_INVALID_UNICODE;
        } else {
            bool memory = failure.code == YYJSON_WRITE_ERROR_MEMORY_ALLOCATION;
            *ret_status = memory ? AC_ERR_NOMEM : AC_ERR_INVALID;
            return NULL;
        }
    }
}

ac_status json_write_mended(buf *out, const yyjson_mut_val *value, json_style style, json_repairs *ret_repairs)
{
    scratch room; /* not initialised: 8 KiB to clear would cost more than most texts to write */
    yyjson_alc alc = {scratch_malloc, scratch_realloc, scratch_free, &room};
    size_t length = 0;
    ac_status status = AC_OK;

    *ret_repairs = (json_repairs){0};
    char *text = write_value(value, &alc, &length, ret_repairs, &status);
    if (!text)
        return status;
    status = ret_repairs->not_utf8 ? append_clean(out, text, length, style) : append_styled(out, text, length, style);
    scratch_free(&room, text);
    return status;
}
