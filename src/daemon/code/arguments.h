/* arguments.h - what a call of a tool asks for, read from its arguments. */
#ifndef DAEMON_CODE_ARGUMENTS_H
#define DAEMON_CODE_ARGUMENTS_H

#include "daemon/code/guest.h"
#include "daemon/front/front.h"

/* A file's path, or a file with what is to be in it. */
typedef struct code_path {
    const char *path; /* below the work directory */
    const char *text; /* NULL: none */
    size_t text_length;
    const char *base64; /* NULL: none */
    size_t base64_length;
} code_path;

typedef struct code_arguments {
    code_request request; /* without its limits */
    const char *text;     /* code, command, or task; NULL: the tool has none */
    size_t text_length;
    code_path *paths;
    size_t path_count;
    const char *refusal; /* the result is an error that says this; NULL: none */
} code_arguments;

/* AC_ERR_INVALID: the arguments are not those of the tool. */
ac_status code_arguments_read(front_call *call, code_arguments *ret_arguments, ac_error *err) AC_MUST_USE;

/* Send all of it but the request. */
ac_status code_arguments_send(const code_arguments *a, guest *g, ac_error *err) AC_MUST_USE;

#endif
