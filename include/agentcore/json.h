/* json.h - the little that yyjson leaves to us.
 *
 * JSON values in this library are yyjson's own: read them with yyjson_obj_get and friends.  Added here: reading with
 * limits on depth and size, building and taking apart values by a format string, and writing the text the way
 * AgentCore's Python SDK writes it.
 *
 * Format strings, for ac_json_pack and ac_json_unpack (white space, ',' and ':' in them are only for the eye):
 *
 *     pack                                              unpack
 *     {...}  object: keys (s) and values in turn        {...}  object; a key followed by '?' ("s?") may be absent
 *     [...]  array                                      [...]  array, values from the start
 *     s      const char * (NUL-terminated, UTF-8)       s      const char ** (borrowed from the document)
 *     s?     the same; NULL becomes null                s%     const char **, size_t *
 *     s%     const char *, size_t (length in bytes)
 *     b      int (0 or not)                             b      bool *
 *     i      int                                        i      int *        (must fit)
 *     I      int64_t                                    I      int64_t *
 *     U      uint64_t                                   U      uint64_t *
 *     f      double                                     f      double *     (any number)
 *     n      null                                       n      must be null
 *     o      yyjson_mut_val * of the same document      o      yyjson_val **
 *     v      yyjson_val * (deep copy)
 */
#ifndef AGENTCORE_JSON_H
#define AGENTCORE_JSON_H

#include <agentcore/error.h>
#include <agentcore/macros.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Deepest nesting of arrays and objects that is read, unless the options say otherwise. */
#define AC_JSON_DEPTH_MAX 512

typedef struct ac_json_read_options {
    size_t depth_max; /* levels; 0 = AC_JSON_DEPTH_MAX */
    size_t size_max;  /* bytes of text; 0 = no limit but memory */
} ac_json_read_options;

/* Parse length bytes of JSON text (UTF-8; a byte order mark is skipped; strict RFC 8259).
 *
 * *ret_doc is the caller's, to be freed with yyjson_doc_free; the text is copied and may go away.
 * Duplicate keys are kept as they come; yyjson_obj_get finds the first.
 * Errors: AC_ERR_PROTOCOL (not JSON, not UTF-8, or nested too deep: the message says what and where, as
 * "unexpected character: line 1 column 5 (char 4)"), AC_ERR_TOO_LARGE, AC_ERR_NOMEM.  Thread-safe. */
AC_API ac_status ac_json_read(const char *text, size_t length, const ac_json_read_options *options,
                              yyjson_doc **ret_doc, ac_error *err) AC_MUST_USE;

/* Build a value in doc by a format string (above).  Strings are copied.
 * NULL when memory runs out, the format is wrong, or a string is not valid UTF-8.
 *
 *     yyjson_mut_val *v = ac_json_pack(doc, "{s:s, s:[i, i]}", "name", "x", "at", 1, 2);
 */
AC_API yyjson_mut_val *ac_json_pack(yyjson_mut_doc *doc, const char *format, ...);
AC_API yyjson_mut_val *ac_json_vpack(yyjson_mut_doc *doc, const char *format, va_list args);

/* Take a value apart by a format string (above).  Outputs are set only up to the first mismatch; keys that are
 * optional and absent leave their outputs untouched, so set the defaults before.
 * Errors: AC_ERR_INVALID, the message names the key and what was expected ("prompt: expected a string").
 *
 *     const char *prompt = "No prompt provided";
 *     status = ac_json_unpack(payload, &err, "{s?:s}", "prompt", &prompt);
 */
AC_API ac_status ac_json_unpack(yyjson_val *value, ac_error *err, const char *format, ...);

/* The string at key of an object, or fallback when value is no object, the key is absent, or it is no string.
 * Borrowed from the document. */
AC_API const char *ac_json_string(yyjson_val *value, const char *key, const char *fallback);

/* The integer at key of an object, or fallback as above (also when it does not fit or is no integer). */
AC_API int64_t ac_json_int(yyjson_val *value, const char *key, int64_t fallback);

/* The boolean at key of an object, or fallback as above. */
AC_API bool ac_json_bool(yyjson_val *value, const char *key, bool fallback);

#ifdef __cplusplus
}
#endif

#endif
