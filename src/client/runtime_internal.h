/* runtime_internal.h - what the files of the runtime client share. */
#ifndef CLIENT_RUNTIME_INTERNAL_H
#define CLIENT_RUNTIME_INTERNAL_H

#include "client/client_internal.h"

#include <agentcore/runtime_client.h>

/* ---- runtime_call.c: options as members of an operation's input ---- */

typedef struct runtime_call {
    yyjson_mut_doc *doc;
    yyjson_mut_val *members; /* the input, to which more may be added; strings are borrowed */
    yyjson_doc *input;
    client_request request; /* complete after runtime_call_ready */
} runtime_call;

/* options may be NULL. */
ac_status runtime_call_init(runtime_call *c, const char *operation, const char *runtime,
                            const ac_runtime_options *options, ac_error *err) AC_MUST_USE;
ac_status runtime_call_ready(runtime_call *c, ac_error *err) AC_MUST_USE;
void runtime_call_done(runtime_call *c);

/* Invoke, up to the head of the answer. */
ac_status runtime_open(ac_client *client, const char *runtime, const void *payload, size_t length,
                       const ac_runtime_options *options, client_answer *ret_answer, ac_error *err) AC_MUST_USE;

/* ---- runtime_connect.c: signed URLs and headers, with time and keys given ---- */

typedef struct runtime_signing {
    const aws_endpoint *endpoint;
    const char *region;
    const aws_credentials *keys; /* may be NULL with a bearer token */
    int64_t now_s;
} runtime_signing;

ac_status runtime_connection_make(const runtime_signing *s, const char *runtime, const ac_runtime_ws_options *options,
                                  ac_runtime_connection **ret_connection, ac_error *err) AC_MUST_USE;

ac_status runtime_presign(const runtime_signing *s, const char *runtime, const ac_runtime_presign_options *options,
                          buf *out, ac_error *err) AC_MUST_USE;

#endif
