/* content.h - what a guest has said, as the result event of InvokeCodeInterpreter. */
#ifndef DAEMON_CODE_CONTENT_H
#define DAEMON_CODE_CONTENT_H

#include "daemon/code/arguments.h"
#include "daemon/code/result.h"

/* The whole result; first_items of its items are in it, which are all unless they were sent before.  The document is
 * the caller's to free. */
ac_status code_content_result(const code_result *r, const code_arguments *a, yyjson_mut_doc **ret_doc, ac_error *err)
    AC_MUST_USE;

/* An event of the first count items alone: files that do not go into one event together. */
ac_status code_content_items(const code_result *r, size_t count, yyjson_mut_doc **ret_doc, ac_error *err) AC_MUST_USE;

/* A result that is an error, and nothing else. */
ac_status code_content_refusal(const char *message, yyjson_mut_doc **ret_doc, ac_error *err) AC_MUST_USE;

/* An event of a piece of output, while code runs. */
ac_status code_content_output(bool is_error_output, const char *text, size_t length, yyjson_mut_doc **ret_doc,
                              ac_error *err) AC_MUST_USE;

#endif
