/* code_interpreter_run.c - the tools that run something: code, commands, tasks, pip. */
#include "client/code_interpreter_internal.h"

#include "base/buf.h"

#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define ALPHANUMERIC LETTERS "0123456789"
#define COMMAND_BYTES_MAX 100000000 /* that the service takes */

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* ---- code ---- */

static bool is_language(const char *text)
{
    return strcmp(text, "python") == 0 || strcmp(text, "javascript") == 0 || strcmp(text, "typescript") == 0;
}

ac_status ac_code_execute(ac_code_session *session, const char *code, const ac_code_options *options,
                          ac_code_result **ret_result, ac_error *err)
{
    _cleanup_(code_input_done) code_input in = {0};
    const char *language = options && options->language ? options->language : "python";

    if (ret_result)
        *ret_result = NULL;
    if (!is_language(language))
        return ac_error_set(err, AC_ERR_INVALID,
                            "Language must be one of ['python', 'javascript', 'typescript'], got: %.100s", language);
    AC_TRY(code_input_init(&in, err));
    if (!code_add_text(&in, "code", code) || !code_add_text(&in, "language", language) ||
        !code_add_text(&in, "runtime", options ? options->runtime : NULL) ||
        !yyjson_mut_obj_add_bool(in.doc, in.members, "clearContext", options && options->clear_context))
        return no_memory(err);
    return code_invoke(session, "executeCode", &in, options, ret_result, err);
}

ac_status ac_code_clear_context(ac_code_session *session, ac_error *err)
{
    _cleanup_(code_input_done) code_input in;

    AC_TRY(code_input_init(&in, err));
    if (!code_add_text(&in, "code", "# Context cleared") || !code_add_text(&in, "language", "python") ||
        !yyjson_mut_obj_add_bool(in.doc, in.members, "clearContext", true))
        return no_memory(err);
    return code_invoke_plainly(session, "executeCode", &in, err);
}

/* ---- commands and tasks ---- */

static ac_status invoke_with(ac_code_session *session, const char *tool, const char *member, const char *value,
                             const ac_code_options *options, ac_code_result **ret_result, ac_error *err)
{
    _cleanup_(code_input_done) code_input in;

    if (ret_result)
        *ret_result = NULL;
    AC_TRY(code_input_init(&in, err));
    if (!code_add_text(&in, member, value))
        return no_memory(err);
    return code_invoke(session, tool, &in, options, ret_result, err);
}

ac_status ac_code_command(ac_code_session *session, const char *command, const ac_code_options *options,
                          ac_code_result **ret_result, ac_error *err)
{
    return invoke_with(session, "executeCommand", "command", command, options, ret_result, err);
}

ac_status ac_code_task_start(ac_code_session *session, const char *command, ac_code_result **ret_result, ac_error *err)
{
    return invoke_with(session, "startCommandExecution", "command", command, NULL, ret_result, err);
}

ac_status ac_code_task_get(ac_code_session *session, const char *task_id, ac_code_result **ret_result, ac_error *err)
{
    return invoke_with(session, "getTask", "taskId", task_id, NULL, ret_result, err);
}

ac_status ac_code_task_stop(ac_code_session *session, const char *task_id, ac_code_result **ret_result, ac_error *err)
{
    return invoke_with(session, "stopTask", "taskId", task_id, NULL, ret_result, err);
}

ac_status ac_code_list_files(ac_code_session *session, const char *directory, ac_code_result **ret_result,
                             ac_error *err)
{
    return invoke_with(session, "listFiles", "directoryPath", directory, NULL, ret_result, err);
}

/* ---- packages ---- */

static const char *skip_extras(const char *at)
{
    if (*at != '[')
        return at;
    at++;
    at += strspn(at, ALPHANUMERIC "._,-");
    return *at == ']' ? at + 1 : NULL;
}

static const char *skip_operator(const char *at)
{
    static const char *const operators[] = {"==", ">=", "<=", "!=", "~=", ">", "<"};

    for (size_t i = 0; i < ARRAY_SIZE(operators); i++)
        if (strncmp(at, operators[i], strlen(operators[i])) == 0)
            return at + strlen(operators[i]);
    return at;
}

/* NAME[EXTRAS]OPERATOR VERSION, all but the name optional.  A name ends with a letter or a digit; what is left of such
 * characters behind it may be a version only, and then nothing else may come between. */
static bool is_package_name(const char *text)
{
    size_t span = strspn(text, ALPHANUMERIC "._-"), name = span;
    const char *at;

    while (name > 0 && !strchr(ALPHANUMERIC, text[name - 1]))
        name--;
    if (name == 0 || !strchr(ALPHANUMERIC, text[0]))
        return false;
    at = text + name;
    if (name == span && !(at = skip_extras(at)))
        return false;
    if (name == span)
        at = skip_operator(at);
    return at[strspn(at, ALPHANUMERIC ".*")] == '\0';
}

/* Names hold nothing that a quoted word of the shell could not. */
static ac_status add_package(buf *command, const char *package)
{
    return buf_appendf(command, strpbrk(package, "<>!~*[]") ? " '%s'" : " %s", package);
}

ac_status ac_code_install_packages(ac_code_session *session, const char *const *packages, size_t count, bool upgrade,
                                   const ac_code_options *options, ac_code_result **ret_result, ac_error *err)
{
    _cleanup_(buf_done) buf command = BUF_INIT(COMMAND_BYTES_MAX);
    ac_status status = buf_append_text(&command, upgrade ? "pip install --upgrade" : "pip install");

    if (ret_result)
        *ret_result = NULL;
    if (count == 0)
        return ac_error_set(err, AC_ERR_INVALID, "At least one package name must be provided");
    for (size_t i = 0; status == AC_OK && i < count; i++) {
        if (!is_package_name(packages[i]))
            return ac_error_set(err, AC_ERR_INVALID, "Invalid package name: %.200s", packages[i]);
        status = add_package(&command, packages[i]);
    }
    if (status != AC_OK || !buf_terminate(&command))
        return ac_error_set(err, status == AC_OK ? AC_ERR_NOMEM : status, "no room for the names of all packages");
    return ac_code_command(session, command.data, options, ret_result, err);
}
