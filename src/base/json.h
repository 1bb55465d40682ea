/* json.h - JSON in and out, for the rooms above: public json.h plus what servers need. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

#include <agentcore/json.h>

typedef enum json_flaw {
    JSON_FLAW_NONE,
    JSON_FLAW_ENCODING, /* the text is not UTF-8 */
    JSON_FLAW_SYNTAX,   /* it is not JSON */
    JSON_FLAW_DEPTH,    /* nested deeper than depth_max */
} json_flaw;

/* Bytes that must be readable and writable after the text for json_read_in_place. */
#define JSON_PADDING YYJSON_PADDING_SIZE

/* Parse text without copying it: the document's strings point into text, which is changed and must outlive it.
 * (A text with escapes in it is copied by the parser all the same: unescaping would spoil the positions of errors.)
 * text must have JSON_PADDING bytes of room after length; they are set to zero.  *ret_flaw (may be NULL) says what kind
 * of AC_ERR_PROTOCOL it was; err's message is what the Python SDK calls the parser text:
 *   syntax:   "<what>: line L column C (char N)", for empty text "Expecting value: line 1 column 1 (char 0)";
 *   encoding: "'utf-8' codec can't decode byte 0xff in position 3: invalid start byte" (or "invalid continuation
 *             byte", "unexpected end of data", as Python says it). */
ac_status json_read_in_place(char *text, size_t length, size_t depth_max, yyjson_doc **ret_doc, json_flaw *ret_flaw,
                             ac_error *err) AC_MUST_USE;

typedef enum json_style {
    JSON_COMPACT, /* {"a":1,"b":[1,2]} : Starlette's JSONResponse */
    JSON_SPACED,  /* {"a": 1, "b": [1, 2]} : json.dumps with default separators, non-ASCII kept */
} json_style;

/* What writing had to bend, so that the caller can warn. */
typedef struct json_repairs {
    bool not_a_number; /* NaN or infinity became null */
    bool not_utf8;     /* bytes of a string became U+FFFD */
} json_repairs;

/* Append value (NULL: `null`) as JSON text to out.  Always valid JSON.  AC_ERR_NOMEM, AC_ERR_TOO_LARGE (out's cap). */
ac_status json_write(buf *out, const yyjson_mut_val *value, json_style style, json_repairs *ret_repairs) AC_MUST_USE;

/* Append what json_write would of the value that ac_json_vpack builds of the same format and arguments, without
 * building it.  AC_ERR_INVALID where that returns NULL (a wrong format, a string that is not UTF-8), and errors as
 * above; then nothing is appended. */
ac_status json_vpack_text(buf *out, json_style style, json_repairs *ret_repairs, const char *format, va_list args)
    AC_MUST_USE;

/* Append text as a JSON string literal with its quotes; bytes that are not UTF-8 become U+FFFD. */
ac_status json_write_string(buf *out, const char *text, size_t length) AC_MUST_USE;

#endif
