/* code_interpreter.h - run code that nobody has read, in a sandbox of AgentCore: Python, JavaScript, TypeScript, shell.
 *
 *     static ac_status compute(ac_code_session *session, void *user, ac_error *err)
 *     {
 *         ac_code_result *result = NULL;
 *         ac_status status = ac_code_execute(session, "print(6 * 7)", NULL, &result, err);
 *
 *         if (status == AC_OK)
 *             puts(result->text);
 *         ac_code_result_free(result);
 *         return status;
 *     }
 *
 *     status = ac_code_session_with(client, NULL, compute, NULL, &err);
 *
 * A session is a sandbox with files, variables and processes of its own.  It ends when it is stopped, or with its time.
 * Code that fails is no failure of the call: result->is_error says so.
 *
 * Everything here works on an ac_client (client.h), which knows region, endpoint and credentials and must outlive its
 * sessions.  Functions block; any thread may call them, and many may use one session at once, but none while it is
 * freed.
 *
 * A program that uses this links libagentcore-client (pkg-config agentcore-client). */
#ifndef AGENTCORE_CODE_INTERPRETER_H
#define AGENTCORE_CODE_INTERPRETER_H

#include <agentcore/client.h>
#include <agentcore/error.h>
#include <agentcore/macros.h>
#include <agentcore/tools.h>
#include <stdbool.h>
#include <stddef.h>
#include <yyjson.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- sessions --------------------------------------------------------------------------------------------------- */

#define AC_CODE_INTERPRETER_DEFAULT "aws.codeinterpreter.v1"

typedef struct ac_code_session ac_code_session;

/* Zero means the default beside it.  All is borrowed during the call. */
typedef struct ac_code_session_options {
    const char *identifier;          /* of the interpreter; AC_CODE_INTERPRETER_DEFAULT */
    const char *name;                /* 1 to 100 characters; "code-session-" and 8 random hexadecimal digits */
    unsigned timeout_s;              /* 1 to 28,800: when the session ends, used or not; 900 */
    const char *const *certificates; /* ARNs of secrets (tools.h); none */
    size_t certificate_count;
    unsigned read_timeout_ms; /* silence of a call, before and inside its answer; 300 s */
} ac_code_session_options;

/* Start a session.  options may be NULL.  *ret_session is the caller's (ac_code_session_free); NULL after a failure.
 * Errors: AC_ERR_NOT_FOUND (no such interpreter), AC_ERR_QUOTA, and those of ac_client_call.
 * Operation: StartCodeInterpreterSession. */
AC_API ac_status ac_code_session_start(ac_client *client, const ac_code_session_options *options,
                                       ac_code_session **ret_session, ac_error *err) AC_MUST_USE;

/* Use a session that somebody else has started; nothing is sent yet.  identifier NULL: AC_CODE_INTERPRETER_DEFAULT;
 * read_timeout_ms as above.  Freeing it does not stop it.  Errors: AC_ERR_INVALID (no session id), AC_ERR_NOMEM. */
AC_API ac_status ac_code_session_attach(ac_client *client, const char *identifier, const char *session_id,
                                        unsigned read_timeout_ms, ac_code_session **ret_session, ac_error *err)
    AC_MUST_USE;

/* Borrowed from the session. */
AC_API const char *ac_code_session_id(const ac_code_session *session);
AC_API const char *ac_code_session_identifier(const ac_code_session *session);

/* Stop it: its processes end and its files are gone.  Once is enough: another stop does nothing, and calls of its tools
 * fail with AC_ERR_STATE.  Errors as ac_client_call; it can be tried again then.
 * Operation: StopCodeInterpreterSession. */
AC_API ac_status ac_code_session_stop(ac_code_session *session, ac_error *err);

/* Stop the session when it was started here and was not stopped yet, whatever comes of that, and free it.  NULL is
 * allowed. */
AC_API void ac_code_session_free(ac_code_session *session);

/* What ac_code_session_with runs; err is the caller's. */
typedef ac_status ac_code_session_fn(ac_code_session *session, void *user, ac_error *err);

/* Start a session, run function with it, and stop it whatever has happened.  The status is function's; when that is
 * AC_OK, the stop's.  options may be NULL.  Errors as ac_code_session_start and ac_code_session_stop. */
AC_API ac_status ac_code_session_with(ac_client *client, const ac_code_session_options *options,
                                      ac_code_session_fn *function, void *user, ac_error *err);

/* ---- results ---------------------------------------------------------------------------------------------------- */

/* What a tool says.  Read-only; all of it is released by ac_code_result_free.  Strings are never NULL. */
typedef struct ac_code_result {
    bool is_error;           /* the code, the command or the tool failed */
    const char *text;        /* of the first block of content: for a model or a person to read */
    const char *stdout_text; /* standard output */
    const char *stderr_text; /* standard error */
    int exit_code;           /* -1: the tool has none */
    double execution_s;      /* seconds; 0 when the tool does not say */
    const char *task_id;     /* of ac_code_task_*; else "" */
    const char *task_status; /* "submitted", "working", "completed", "canceled", "failed"; "" */
    yyjson_val *content;     /* all blocks: an array of {"type": "text" | "image" | "resource" | "resource_link", ...};
                               * blobs ("data" of an image, "blob" of a resource) are base64 */
    yyjson_val *structured;  /* structuredContent; NULL when there is none */
} ac_code_result;

/* NULL is allowed. */
AC_API void ac_code_result_free(ac_code_result *result);

typedef enum ac_code_output {
    AC_CODE_STDOUT,
    AC_CODE_STDERR,
} ac_code_output;

/* A piece of output while the code runs: whole characters, NUL-terminated beyond length, valid during the call.
 * Anything but AC_OK ends the call of the tool with that status, and interrupts the code. */
typedef ac_status ac_code_output_fn(void *user, ac_code_output output, const char *text, size_t length);

/* How to run something.  Zero means the default beside it; options that a tool has no use for are ignored. */
typedef struct ac_code_options {
    const char *language;         /* "python", "javascript", "typescript"; "python" */
    const char *runtime;          /* "nodejs", "deno", "python"; what the service takes for the language */
    bool clear_context;           /* forget the variables first (Python); keep them */
    ac_code_output_fn *on_output; /* gets output as it comes from agentcored, and at the end from a service that
                                   * sends it in one; none */
    void *user;                   /* of on_output */
} ac_code_options;

/* ---- running code ----------------------------------------------------------------------------------------------- */

/* What these have in common: *ret_result (may be NULL) is the caller's (ac_code_result_free), NULL after a failure;
 * options may be NULL.
 * Errors: AC_ERR_STATE (the session was stopped here), AC_ERR_CONFLICT (it has ended), AC_ERR_NOT_FOUND,
 * AC_ERR_INVALID, AC_ERR_TIMEOUT, what on_output returned, and those of ac_client_open and ac_client_stream_next.
 * Operation: InvokeCodeInterpreter. */

/* Run code (NUL-terminated UTF-8).  AC_ERR_INVALID "Language must be one of ['python', 'javascript', 'typescript'],
 * got: X".  Tool: executeCode. */
AC_API ac_status ac_code_execute(ac_code_session *session, const char *code, const ac_code_options *options,
                                 ac_code_result **ret_result, ac_error *err);

/* Run a shell command.  Tool: executeCommand. */
AC_API ac_status ac_code_command(ac_code_session *session, const char *command, const ac_code_options *options,
                                 ac_code_result **ret_result, ac_error *err);

/* Forget all variables of Python.  Tool: executeCode. */
AC_API ac_status ac_code_clear_context(ac_code_session *session, ac_error *err);

/* Install packages of Python with pip, in sessions with a network.  packages are names, which may have extras and one
 * version: "pandas>=2.0", "uvicorn[standard]"; upgrade installs newer versions of what is there.
 * AC_ERR_INVALID "At least one package name must be provided", "Invalid package name: X".  What pip says is the result
 * of a command.  Tool: executeCommand. */
AC_API ac_status ac_code_install_packages(ac_code_session *session, const char *const *packages, size_t count,
                                          bool upgrade, const ac_code_options *options, ac_code_result **ret_result,
                                          ac_error *err);

/* Start a command that goes on: result->task_id names it.  Tool: startCommandExecution. */
AC_API ac_status ac_code_task_start(ac_code_session *session, const char *command, ac_code_result **ret_result,
                                    ac_error *err) AC_MUST_USE;

/* Where a task is, and the end of its output.  Tool: getTask. */
AC_API ac_status ac_code_task_get(ac_code_session *session, const char *task_id, ac_code_result **ret_result,
                                  ac_error *err) AC_MUST_USE;

/* End a task.  Tool: stopTask. */
AC_API ac_status ac_code_task_stop(ac_code_session *session, const char *task_id, ac_code_result **ret_result,
                                   ac_error *err);

/* Any tool by its name; arguments is an object (NULL: none), borrowed. */
AC_API ac_status ac_code_invoke(ac_code_session *session, const char *tool, yyjson_val *arguments,
                                const ac_code_options *options, ac_code_result **ret_result, ac_error *err);

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* One file.  Its path is relative to the work directory. */
typedef struct ac_code_file {
    const char *path;
    const char *data; /* any bytes */
    size_t length;
} ac_code_file;

/* Write a file, or all files or none.  Directories are made as needed.  What is UTF-8 travels as text, all else as a
 * blob; the file is the same.
 * Errors as above, AC_ERR_INVALID "Path must be relative, not absolute. Got: X...", and AC_ERR_HANDLER with what the
 * tool said when it could not.  Tool: writeFiles. */
AC_API ac_status ac_code_upload(ac_code_session *session, const char *path, const void *data, size_t length,
                                ac_error *err);
AC_API ac_status ac_code_upload_files(ac_code_session *session, const ac_code_file *files, size_t count, ac_error *err);

/* Read a file.  *ret_data is the caller's (free), NUL-terminated beyond *ret_length (may be NULL).
 * Errors as above, AC_ERR_NOT_FOUND "Could not read file: X".  Tool: readFiles. */
AC_API ac_status ac_code_download(ac_code_session *session, const char *path, char **ret_data, size_t *ret_length,
                                  ac_error *err) AC_MUST_USE;

/* Files that were read.  Read-only; all of it is released by ac_code_files_free. */
typedef struct ac_code_files {
    const ac_code_file *files; /* as the service sends them; data is NUL-terminated beyond length */
    size_t count;
} ac_code_files;

/* Read files, all or none: when one cannot be read, *ret_files has none.  paths in the result begin without "/".
 * Errors as above.  Tool: readFiles. */
AC_API ac_status ac_code_download_files(ac_code_session *session, const char *const *paths, size_t count,
                                        ac_code_files **ret_files, ac_error *err) AC_MUST_USE;

/* The file of that path; NULL when it is not among them.  Borrowed. */
AC_API const ac_code_file *ac_code_files_find(const ac_code_files *files, const char *path);

/* NULL is allowed. */
AC_API void ac_code_files_free(ac_code_files *files);

/* What is in a directory (NULL: the work directory): content has a "resource_link" for each entry.  Errors as
 * ac_code_execute.  Tool: listFiles. */
AC_API ac_status ac_code_list_files(ac_code_session *session, const char *directory, ac_code_result **ret_result,
                                    ac_error *err) AC_MUST_USE;

/* Remove files, and directories with all that is in them.  Errors as ac_code_upload.  Tool: removeFiles. */
AC_API ac_status ac_code_remove_files(ac_code_session *session, const char *const *paths, size_t count, ac_error *err);

/* ---- interpreters ----------------------------------------------------------------------------------------------- */

/* What an interpreter is made of.  Zero means the default beside it; all is borrowed during the call. */
typedef struct ac_code_interpreter_config {
    const char *name;                /* a letter and up to 47 letters, digits, "_"; required */
    const char *execution_role_arn;  /* none */
    const ac_tool_network *network;  /* "PUBLIC" */
    const char *description;         /* 1 to 4,096 characters; none */
    const char *const *certificates; /* ARNs of secrets (tools.h); none */
    size_t certificate_count;
    const ac_tag *tags; /* up to 50; none */
    size_t tag_count;
    const char *client_token; /* 33 to 256 characters: the same call again makes nothing new; a random one */
} ac_code_interpreter_config;

/* The input of CreateCodeInterpreter.  *ret_value belongs to doc.  Errors: AC_ERR_INVALID (as ac_tool_network_build),
 * AC_ERR_NOMEM. */
AC_API ac_status ac_code_interpreter_build(yyjson_mut_doc *doc, const ac_code_interpreter_config *config,
                                           yyjson_mut_val **ret_value, ac_error *err);

/* The operations on interpreters and their sessions.  *ret_output (may be NULL) is the caller's (yyjson_doc_free).
 * NULL and 0 leave a member out.  Errors as ac_client_call; the first also as ac_code_interpreter_build.
 * Operations: CreateCodeInterpreter, GetCodeInterpreter, DeleteCodeInterpreter, ListCodeInterpreters,
 * GetCodeInterpreterSession, ListCodeInterpreterSessions. */
AC_API ac_status ac_code_interpreter_create(ac_client *client, const ac_code_interpreter_config *config,
                                            yyjson_doc **ret_output, ac_error *err);
AC_API ac_status ac_code_interpreter_get(ac_client *client, const char *interpreter_id, yyjson_doc **ret_output,
                                         ac_error *err);
AC_API ac_status ac_code_interpreter_delete(ac_client *client, const char *interpreter_id, const char *client_token,
                                            yyjson_doc **ret_output, ac_error *err);

/* One page of a list: max_results 1 to 100 (0: 10), next_token of the page before. */
typedef struct ac_code_page {
    unsigned max_results;
    const char *next_token;
} ac_code_page;

/* type: "SYSTEM" or "CUSTOM"; page may be NULL. */
AC_API ac_status ac_code_interpreter_list(ac_client *client, const char *type, const ac_code_page *page,
                                          yyjson_doc **ret_output, ac_error *err);

AC_API ac_status ac_code_session_get(ac_code_session *session, yyjson_doc **ret_output, ac_error *err);

/* identifier NULL: AC_CODE_INTERPRETER_DEFAULT; state: "READY" or "TERMINATED"; page may be NULL. */
AC_API ac_status ac_code_session_list(ac_client *client, const char *identifier, const char *state,
                                      const ac_code_page *page, yyjson_doc **ret_output, ac_error *err);

#ifdef __cplusplus
}
#endif

#endif
