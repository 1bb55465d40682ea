/* code_interpreter_internal.h - what the files of the code interpreter's client share. */
#ifndef CLIENT_CODE_INTERPRETER_INTERNAL_H
#define CLIENT_CODE_INTERPRETER_INTERNAL_H

#include "client/client_internal.h"

#include <agentcore/code_interpreter.h>
#include <stdatomic.h>

struct ac_code_session {
    ac_client *client;
    yyjson_doc *doc;        /* owns the two strings */
    const char *identifier; /* of the interpreter */
    const char *id;
    unsigned read_timeout_ms;
    bool attached; /* somebody else's: it is left running */
    atomic_bool stopped;
};

/* An operation's input that is built member by member; strings are borrowed. */
typedef struct code_input {
    yyjson_mut_doc *doc;
    yyjson_mut_val *members;
} code_input;

ac_status code_input_init(code_input *in, ac_error *err) AC_MUST_USE;
void code_input_done(code_input *in);

/* A member that is left out when there is no value. */
bool code_add_text(const code_input *in, const char *member, const char *value) AC_MUST_USE;

/* Call with what was built.  ret_output may be NULL. */
ac_status code_input_call(const code_input *in, ac_client *client, const char *operation, yyjson_doc **ret_output,
                          ac_error *err);

/* ---- code_interpreter_invoke.c: one call of a tool ---- */

/* arguments are of in's document; options may be NULL. */
ac_status code_invoke(ac_code_session *session, const char *tool, code_input *in, const ac_code_options *options,
                      ac_code_result **ret_result, ac_error *err);

/* The same for a tool whose result says nothing but whether it could: AC_ERR_HANDLER when it could not. */
ac_status code_invoke_plainly(ac_code_session *session, const char *tool, code_input *in, ac_error *err);

#endif
