/* api_pattern.c - the regular expressions of the table, on PCRE2.
 *
 * A pattern is compiled when it is first needed and kept: two threads may compile the same one, the first to finish
 * stays.  Patterns match whole values, and characters, not bytes.
 *
 * Values come from strangers, and some of the patterns can be made to go back and forth over a long value.  The limits
 * on work and memory end that: such a value counts as one that does not match. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "aws/api_internal.h"

#include <pcre2.h>
#include <stdatomic.h>

#define MATCH_STEPS_MAX 100000
#define MATCH_DEPTH_MAX 20000
#define MATCH_HEAP_KIB_MAX 4096
#define PATTERN_BYTES_MAX 1024

static _Atomic(pcre2_code *) compiled[API_PATTERN_COUNT];

/* NULL when memory runs out; the patterns themselves are all known to compile (a test says so). */
static pcre2_code *compile(uint16_t pattern)
{
    char text[PATTERN_BYTES_MAX];
    int flaw;
    PCRE2_SIZE at;
    pcre2_code *none = NULL;

    int length = snprintf(text, sizeof text, "\\A(?:%s)\\z", api_text(api_patterns[pattern]));
    if (length < 0 || (size_t)length >= sizeof text)
        return NULL;
    /* Some descriptions write \uHHHH, as JavaScript and Java do. */
    uint32_t options = PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_ALT_BSUX;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)text, (PCRE2_SIZE)length, options, &flaw, &at, NULL);
    if (!code || atomic_compare_exchange_strong(&compiled[pattern], &none, code))
        return code;
    pcre2_code_free(code);
    return none;
}

api_match api_pattern_match(uint16_t pattern, const char *text, size_t length)
{
    pcre2_code *code = atomic_load(&compiled[pattern]);
    api_match verdict = API_MATCH_NOMEM;

    if (!code)
        code = compile(pattern);

    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    if (code && data && limits) {
        pcre2_set_match_limit(limits, MATCH_STEPS_MAX);
        pcre2_set_depth_limit(limits, MATCH_DEPTH_MAX);
        pcre2_set_heap_limit(limits, MATCH_HEAP_KIB_MAX);
        int result = pcre2_match(code, (PCRE2_SPTR)text, length, 0, PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK, data, limits);
        /* 0: matched, but more groups than there is room for. */
        verdict = result >= 0 ? API_MATCH : result == PCRE2_ERROR_NOMEMORY ? API_MATCH_NOMEM : API_NO_MATCH;
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    return verdict;
}
