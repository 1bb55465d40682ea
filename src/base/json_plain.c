/* json_plain.c - small texts with long strings: a prompt and little around it.
 *
 * What an agent is sent is mostly one string, which yyjson reads byte by byte.  Here strings are looked through sixteen
 * bytes at a time.  Read are objects and arrays of few values: strings without escapes, integers that surely fit,
 * true, false and null.  The result is a document as yyjson's reader would make it (the layout is in yyjson.h, whose
 * inline functions walk it), which fuzz/fuzz_json.c checks value by value.
 *
 * The text is changed (a NUL in place of each closing quote) only when all of it was right, so that yyjson can start
 * afresh on whatever is not. */
#include "base/json_plain.h"
#include "base/text_scan.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define PLAIN_VALUES_MAX 64
#define PLAIN_DIGITS_MAX 18 /* so many fit into 64 bits, whatever they are */

typedef struct plain_reader {
    const char *at, *end;
    size_t depth_left;
    size_t count;
    yyjson_val values[PLAIN_VALUES_MAX];
} plain_reader;

static bool read_value(plain_reader *r);

static void skip_space(plain_reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

/* Skip white space and then this byte. */
static bool take(plain_reader *r, char byte)
{
    skip_space(r);
    if (r->at == r->end || *r->at != byte)
        return false;
    r->at++;
    return true;
}

static yyjson_val *add_value(plain_reader *r)
{
    return r->count < PLAIN_VALUES_MAX ? &r->values[r->count++] : NULL;
}

/* Where the first byte is that cannot stand in a string as it is, which is its end if all is plain. */
static const char *string_end(const char *at, const char *end, bool *ret_ascii)
{
    text_chunk seen = {0};
    unsigned char seen_byte = 0;

    for (; end - at >= 4 * TEXT_CHUNK; at += 4 * (ptrdiff_t)TEXT_CHUNK) {
        text_chunk a = text_load(at), b = text_load(at + TEXT_CHUNK);
        text_chunk c = text_load(at + 2 * (ptrdiff_t)TEXT_CHUNK), d = text_load(at + 3 * (ptrdiff_t)TEXT_CHUNK);

        if (text_any_high(text_to_escape(a) | text_to_escape(b) | text_to_escape(c) | text_to_escape(d)))
            break;
        seen |= a | b | c | d;
    }
    for (; end - at >= TEXT_CHUNK; at += TEXT_CHUNK) {
        text_chunk chunk = text_load(at);
        unsigned first = text_first_high(text_to_escape(chunk));

        if (first < TEXT_CHUNK) {
            *ret_ascii = !text_any_high(seen) && text_first_high(chunk) >= first;
            return at + first;
        }
        seen |= chunk;
    }
    for (; at < end && (unsigned char)*at >= ' ' && *at != '"' && *at != '\\'; at++)
        seen_byte |= (unsigned char)*at;
    *ret_ascii = !text_any_high(seen) && seen_byte < 0x80;
    return at;
}

static bool read_string(plain_reader *r)
{
    yyjson_val *value = add_value(r);
    const char *start, *end;
    bool ascii;

    if (!value || !take(r, '"'))
        return false;
    start = r->at;
    end = string_end(start, r->end, &ascii);
    if (end == r->end || *end != '"' || (!ascii && !utf8_valid(start, (size_t)(end - start))))
        return false;
    value->tag = (uint64_t)(end - start) << YYJSON_TAG_BIT | YYJSON_TYPE_STR;
    value->uni.str = start;
    r->at = end + 1;
    return true;
}

static bool read_integer(plain_reader *r)
{
    yyjson_val *value = add_value(r);
    bool negative = *r->at == '-';
    const char *start = r->at + negative;
    uint64_t number = 0;

    for (r->at = start; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
        if (r->at - start == PLAIN_DIGITS_MAX)
            return false;
        number = number * 10 + (uint64_t)(*r->at - '0');
    }
    /* "-0" is not plain, and neither is what has a fraction or an exponent. */
    if (!value || r->at == start || (*start == '0' && (negative || r->at - start > 1)))
        return false;
    if (r->at < r->end && (*r->at == '.' || *r->at == 'e' || *r->at == 'E'))
        return false;
    value->tag = YYJSON_TYPE_NUM | (negative ? YYJSON_SUBTYPE_SINT : YYJSON_SUBTYPE_UINT);
    value->uni.u64 = negative ? 0 - number : number;
    return true;
}

static bool read_word(plain_reader *r, const char *word, uint64_t tag)
{
    yyjson_val *value = add_value(r);
    size_t length = strlen(word);

    if (!value || (size_t)(r->end - r->at) < length || memcmp(r->at, word, length) != 0)
        return false;
    value->tag = tag;
    value->uni.u64 = 0;
    r->at += length;
    return true;
}

/* The members up to the closing bracket.  Returns how many there are, or -1. */
static int64_t read_members(plain_reader *r, bool object)
{
    char bracket = object ? '}' : ']';
    int64_t count = 0;

    if (take(r, bracket))
        return 0;
    do {
        if (object && (!read_string(r) || !take(r, ':')))
            return -1;
        if (!read_value(r))
            return -1;
        count++;
    } while (take(r, ','));
    return take(r, bracket) ? count : -1;
}

static bool read_container(plain_reader *r, bool object)
{
    yyjson_val *value = add_value(r);
    int64_t count;

    if (!value || r->depth_left == 0)
        return false;
    r->at++;
    r->depth_left--;
    count = read_members(r, object);
    r->depth_left++;
    if (count < 0)
        return false;
    value->tag = (uint64_t)count << YYJSON_TAG_BIT | (object ? YYJSON_TYPE_OBJ : YYJSON_TYPE_ARR);
    value->uni.ofs = (size_t)((char *)&r->values[r->count] - (char *)value);
    return true;
}

static bool read_value(plain_reader *r)
{
    skip_space(r);
    if (r->at == r->end)
        return false;
    switch (*r->at) {
    case '"':
        return read_string(r);
    case '{':
        return read_container(r, true);
    case '[':
        return read_container(r, false);
    case 't':
        return read_word(r, "true", YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_TRUE);
    case 'f':
        return read_word(r, "false", YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_FALSE);
    case 'n':
        return read_word(r, "null", YYJSON_TYPE_NULL);
    default:
        return read_integer(r);
    }
}

/* ---- the document ---- */

static void *doc_malloc(void *context, size_t size)
{
    (void)context;
    return malloc(size);
}

static void *doc_realloc(void *context, void *memory, size_t old_size, size_t size)
{
    (void)context;
    (void)old_size;
    return realloc(memory, size);
}

static void doc_free(void *context, void *memory)
{
    (void)context;
    free(memory);
}

yyjson_doc *json_read_plain(char *text, size_t length, size_t depth_max)
{
    plain_reader r;
    yyjson_doc *doc;

    r.at = text;
    r.end = text + length;
    r.depth_left = depth_max;
    r.count = 0;
    if (!read_value(&r))
        return NULL;
    skip_space(&r);
    if (r.at < r.end || !unsafe_yyjson_is_ctn(&r.values[0]))
        return NULL;

    size_t head = (sizeof(*doc) + sizeof(yyjson_val) - 1) / sizeof(yyjson_val) * sizeof(yyjson_val);
    doc = malloc(head + r.count * sizeof(yyjson_val));
    if (!doc)
        return NULL;
    doc->root = (yyjson_val *)(void *)((char *)doc + head);
    doc->alc = (yyjson_alc){doc_malloc, doc_realloc, doc_free, NULL};
    doc->dat_read = length;
    doc->val_read = r.count;
    doc->str_pool = NULL;
    memcpy(doc->root, r.values, r.count * sizeof(yyjson_val));
    for (size_t i = 0; i < r.count; i++)
        if (unsafe_yyjson_is_str(&r.values[i]))
            text[(size_t)(r.values[i].uni.str - text) + unsafe_yyjson_get_len(&r.values[i])] = '\0';
    return doc;
}
