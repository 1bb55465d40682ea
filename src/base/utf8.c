/* utf8.c - UTF-8 validation (RFC 3629), whole and in pieces.
 *
 * What may follow a lead byte is decided by that byte alone: how many bytes, and a range for the first of them; the
 * others are always 80..BF.  The narrowed ranges are what keeps overlong forms (E0, F0), surrogates (ED) and code
 * points above U+10FFFF (F4) out, and they make the streaming form fail at the earliest byte possible. */
#include "base/utf8.h"
#include "base/text_scan.h"

#include <string.h>

#define UTF8_REPLACEMENT "\xEF\xBF\xBD"
#define CHARACTER_BYTES_MAX 4

/* utf8_state.state: continuation bytes still to come, or this; utf8_state.code: the range of the next one. */
#define UTF8_FAILED UINT32_MAX
#define UTF8_RANGE(low, high) ((uint32_t)(low) | (uint32_t)(high) << 8)
#define UTF8_RANGE_ANY UTF8_RANGE(0x80, 0xBF)

/* How many bytes follow a lead byte above ASCII, and in which range the first of them lies; 0 for no lead byte. */
static inline uint32_t lead_rest(unsigned char lead, uint32_t *ret_range)
{
    *ret_range = UTF8_RANGE_ANY;
    if (lead < 0xC2)
        return 0;
    if (lead < 0xE0)
        return 1;
    if (lead < 0xF0) {
        if (lead == 0xE0)
            *ret_range = UTF8_RANGE(0xA0, 0xBF);
        else if (lead == 0xED)
            *ret_range = UTF8_RANGE(0x80, 0x9F);
        return 2;
    }
    if (lead > 0xF4)
        return 0;
    if (lead == 0xF0)
        *ret_range = UTF8_RANGE(0x90, 0xBF);
    else if (lead == 0xF4)
        *ret_range = UTF8_RANGE(0x80, 0x8F);
    return 3;
}

static inline bool range_has(uint32_t range, unsigned char byte)
{
    return byte >= (range & 0xFF) && byte <= range >> 8;
}

static inline uint64_t load64(const unsigned char *from)
{
    uint64_t word;

    memcpy(&word, from, sizeof(word));
    return word;
}

static inline const unsigned char *skip_ascii(const unsigned char *at, const unsigned char *end)
{
    const uint64_t high = UINT64_C(0x8080808080808080);

    while (end - at >= 4 * TEXT_CHUNK) {
        const char *text = (const char *)at;

        if (text_any_high(text_load(text) | text_load(text + TEXT_CHUNK) | text_load(text + 2 * (size_t)TEXT_CHUNK) |
                          text_load(text + 3 * (size_t)TEXT_CHUNK)))
            break;
        at += 4 * (size_t)TEXT_CHUNK;
    }
    while (end - at >= 8) {
        if (load64(at) & high)
            break;
        at += 8;
    }
    while (at < end && *at < 0x80)
        at++;
    return at;
}

/* The length of the valid character at `at`, which is not ASCII; 0 when there is none. */
static inline size_t character_length(const unsigned char *at, const unsigned char *end)
{
    uint32_t range;
    size_t rest = lead_rest(*at, &range);

    if (rest == 0 || (size_t)(end - at) <= rest || !range_has(range, at[1]))
        return 0;
    if (rest > 1 && (at[2] & 0xC0) != 0x80)
        return 0;
    if (rest > 2 && (at[3] & 0xC0) != 0x80)
        return 0;
    return rest + 1;
}

size_t utf8_valid_prefix(const char *text, size_t length)
{
    const unsigned char *start = (const unsigned char *)text;
    const unsigned char *at = start;

    if (length == 0)
        return 0;
    for (const unsigned char *end = start + length; at < end;) {
        if (*at < 0x80) {
            at = skip_ascii(at, end);
            continue;
        }
        size_t whole = character_length(at, end);
        if (whole == 0)
            break;
        at += whole;
    }
    return (size_t)(at - start);
}

bool utf8_valid(const char *text, size_t length)
{
    return utf8_valid_prefix(text, length) == length;
}

static bool feed_byte(utf8_state *s, unsigned char byte)
{
    if (s->state == 0) {
        if (byte < 0x80)
            return true;
        s->state = lead_rest(byte, &s->code);
        if (s->state == 0)
            s->state = UTF8_FAILED;
    } else if (range_has(s->code, byte)) {
        s->state--;
        s->code = UTF8_RANGE_ANY;
    } else {
        s->state = UTF8_FAILED;
    }
    return s->state != UTF8_FAILED;
}

bool utf8_feed(utf8_state *s, const char *text, size_t length)
{
    size_t at = 0;

    if (s->state == UTF8_FAILED)
        return false;
    while (at < length && s->state != 0) {
        if (!feed_byte(s, (unsigned char)text[at++]))
            return false;
    }
    if (at < length)
        at += utf8_valid_prefix(text + at, length - at);

    /* What is left starts with a character that is broken or not finished: three more steps tell. */
    while (at < length) {
        if (!feed_byte(s, (unsigned char)text[at++]))
            return false;
    }
    return true;
}

bool utf8_complete(const utf8_state *s)
{
    return s->state == 0;
}

ac_status utf8_append_clean(buf *out, const char *text, size_t length)
{
    size_t before = out->length;
    size_t at = 0;

    while (at < length) {
        size_t good = utf8_valid_prefix(text + at, length - at);
        ac_status status = buf_append(out, text + at, good);

        at += good;
        if (status == AC_OK && at < length) {
            status = buf_append_text(out, UTF8_REPLACEMENT);
            at++;
        }
        if (status != AC_OK) {
            out->length = before;
            return status;
        }
    }
    return AC_OK;
}

size_t utf8_unfinished(const char *text, size_t length)
{
    for (size_t back = 1; back < CHARACTER_BYTES_MAX && back <= length; back++) {
        utf8_state state = {0};

        if (((unsigned char)text[length - back] & 0xC0) == 0x80)
            continue; /* in the middle of one: look further back */
        return utf8_feed(&state, text + length - back, back) && !utf8_complete(&state) ? back : 0;
    }
    return 0;
}
