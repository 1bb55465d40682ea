/* arguments.c - the arguments of each tool.
 *
 * What a model may get wrong - a file's path - becomes a result that says so, for the model to read; what a program has
 * got wrong - an argument that is missing - a ValidationException.  Paths are relative to the work directory; an
 * absolute one that lies in it is taken, too. */
#include "daemon/code/arguments.h"

#include "base/base64.h"
#include "daemon/code/code.h"

#include <string.h>

typedef struct reading {
    front_call *call;
    yyjson_mut_val *given; /* the arguments; may be NULL */
    code_arguments *to;
} reading;

static ac_status missing(const reading *r, const char *member, ac_error *err)
{
    return ac_error_set(err, AC_ERR_INVALID, "%s needs arguments.%s", front_text(r->call, "name"), member);
}

static yyjson_mut_val *member(const reading *r, const char *name)
{
    return yyjson_mut_obj_get(r->given, name);
}

/* ---- texts ---- */

static ac_status read_text(reading *r, const char *name, bool whole, ac_error *err)
{
    yyjson_mut_val *value = member(r, name);

    if (!yyjson_mut_is_str(value) || (whole && yyjson_mut_get_len(value) == 0))
        return missing(r, name, err);
    r->to->text = yyjson_mut_get_str(value);
    r->to->text_length = yyjson_mut_get_len(value);
    if (whole && memchr(r->to->text, '\0', r->to->text_length))
        return ac_error_set(err, AC_ERR_INVALID, "arguments.%s has a NUL character in it", name);
    return AC_OK;
}

static bool is(yyjson_mut_val *value, const char *text)
{
    return yyjson_mut_is_str(value) && strcmp(yyjson_mut_get_str(value), text) == 0;
}

/* language is Python's when nothing is said; a runtime alone says which language, too. */
static ac_status read_code(reading *r, ac_error *err)
{
    yyjson_mut_val *language = member(r, "language"), *engine = member(r, "runtime");
    code_request *q = &r->to->request;

    q->language = is(language, "javascript")                    ? LANGUAGE_JAVASCRIPT
                  : is(language, "typescript")                  ? LANGUAGE_TYPESCRIPT
                  : language || !engine || is(engine, "python") ? LANGUAGE_PYTHON
                                                                : LANGUAGE_JAVASCRIPT;
    q->engine = is(engine, "nodejs") ? ENGINE_NODE : is(engine, "deno") ? ENGINE_DENO : ENGINE_ANY;
    if (engine && is(engine, "python") != (q->language == LANGUAGE_PYTHON))
        return ac_error_set(err, AC_ERR_INVALID, "arguments.runtime %s does not run the language %s",
                            yyjson_mut_get_str(engine), language ? yyjson_mut_get_str(language) : "python");
    q->clear = yyjson_mut_get_bool(member(r, "clearContext"));
    return read_text(r, "code", false, err);
}

/* ---- paths ---- */

/* Below the work directory; a refusal when it is not. */
static ac_status read_path(reading *r, yyjson_mut_val *value, code_path *ret_path, ac_error *err)
{
    const char *path = yyjson_mut_get_str(value);
    size_t home = strlen(CODE_HOME);

    if (!path || yyjson_mut_get_len(value) != strlen(path) || strlen(path) > CODE_PATH_BYTES_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "a path has at most %d bytes, and no NUL", CODE_PATH_BYTES_MAX);
    ret_path->path = path;
    if (*path != '/')
        return AC_OK;
    if (strncmp(path, CODE_HOME, home) == 0 && (path[home] == '/' || path[home] == '\0')) {
        ret_path->path = path[home] ? path + home + 1 : ".";
        return AC_OK;
    }
    r->to->refusal = arena_format(r->call->memory,
                                  "Path must be relative, not absolute. Got: %.500s. Use paths like 'data.csv' or "
                                  "'scripts/analysis.py'.",
                                  path);
    return r->to->refusal ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status make_paths(reading *r, size_t count, ac_error *err)
{
    if (count > CODE_FILES_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "at most %d files at once", CODE_FILES_MAX);
    r->to->paths = arena_zalloc(r->call->memory, (count + 1) * sizeof *r->to->paths);
    r->to->path_count = count;
    return r->to->paths ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status read_paths(reading *r, ac_error *err)
{
    yyjson_mut_val *list = member(r, "paths"), *one = member(r, "path");
    yyjson_mut_arr_iter walk;
    size_t at = 0;

    if (yyjson_mut_arr_size(list) == 0 && yyjson_mut_is_str(one)) {
        AC_TRY(make_paths(r, 1, err));
        return read_path(r, one, &r->to->paths[0], err);
    }
    if (yyjson_mut_arr_size(list) == 0)
        return missing(r, "paths", err);
    AC_TRY(make_paths(r, yyjson_mut_arr_size(list), err));
    yyjson_mut_arr_iter_init(list, &walk);
    while ((one = yyjson_mut_arr_iter_next(&walk)) != NULL)
        AC_TRY(read_path(r, one, &r->to->paths[at++], err));
    return AC_OK;
}

static ac_status read_directory(reading *r, ac_error *err)
{
    yyjson_mut_val *path = member(r, "directoryPath") ? member(r, "directoryPath") : member(r, "path");

    AC_TRY(make_paths(r, 1, err));
    r->to->paths[0].path = "";
    return yyjson_mut_is_str(path) ? read_path(r, path, &r->to->paths[0], err) : AC_OK;
}

static ac_status read_file(reading *r, yyjson_mut_val *given, code_path *ret_path, ac_error *err)
{
    yyjson_mut_val *text = yyjson_mut_obj_get(given, "text"), *blob = yyjson_mut_obj_get(given, "blob");
    size_t bytes;

    AC_TRY(read_path(r, yyjson_mut_obj_get(given, "path"), ret_path, err));
    if ((text == NULL) == (blob == NULL))
        return ac_error_set(err, AC_ERR_INVALID, "each of arguments.content has either text or blob");
    ret_path->text = yyjson_mut_get_str(text);
    ret_path->text_length = yyjson_mut_get_len(text);
    ret_path->base64 = yyjson_mut_get_str(blob);
    ret_path->base64_length = yyjson_mut_get_len(blob);
    if (blob && !base64_length(BASE64_STANDARD, ret_path->base64, ret_path->base64_length, &bytes))
        return ac_error_set(err, AC_ERR_INVALID, "a blob of arguments.content is not base64");
    return AC_OK;
}

static ac_status read_contents(reading *r, ac_error *err)
{
    yyjson_mut_val *list = member(r, "content"), *one;
    yyjson_mut_arr_iter walk;
    size_t at = 0;

    if (yyjson_mut_arr_size(list) == 0)
        return missing(r, "content", err);
    AC_TRY(make_paths(r, yyjson_mut_arr_size(list), err));
    yyjson_mut_arr_iter_init(list, &walk);
    while ((one = yyjson_mut_arr_iter_next(&walk)) != NULL)
        AC_TRY(read_file(r, one, &r->to->paths[at++], err));
    return AC_OK;
}

/* ---- tools ---- */

static ac_status read_command(reading *r, ac_error *err)
{
    return read_text(r, "command", true, err);
}

static ac_status read_task(reading *r, ac_error *err)
{
    return read_text(r, "taskId", true, err);
}

static const struct {
    const char *name;
    code_tool tool;
    ac_status (*read)(reading *r, ac_error *err);
} tools[] = {
    {"executeCode", TOOL_EXECUTE, read_code},
    {"executeCommand", TOOL_COMMAND, read_command},
    {"readFiles", TOOL_READ, read_paths},
    {"listFiles", TOOL_LIST, read_directory},
    {"removeFiles", TOOL_REMOVE, read_paths},
    {"writeFiles", TOOL_WRITE, read_contents},
    {"startCommandExecution", TOOL_TASK_START, read_command},
    {"getTask", TOOL_TASK_GET, read_task},
    {"stopTask", TOOL_TASK_STOP, read_task},
};

ac_status code_arguments_read(front_call *call, code_arguments *ret_arguments, ac_error *err)
{
    const char *name = front_text(call, "name");
    reading r = {call, front_value(call, "arguments"), ret_arguments};

    *ret_arguments = (code_arguments){0};
    for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
        if (strcmp(tools[i].name, name) != 0)
            continue;
        ret_arguments->request.tool = (uint8_t)tools[i].tool;
        return tools[i].read(&r, err);
    }
    return ac_error_set(err, AC_ERR_INVALID, "There is no tool '%s'", name);
}

/* ---- sending ---- */

/* In pieces, of which each is a whole number of groups of four. */
static ac_status send_base64(const code_path *p, guest *g, ac_error *err)
{
    const size_t piece = CODE_FRAME_BYTES_MAX / 3 * 4;

    for (size_t at = 0; at < p->base64_length; at += piece) {
        _cleanup_(buf_done) buf bytes = BUF_INIT(CODE_FRAME_BYTES_MAX);
        ac_status status = base64_decode(&bytes, BASE64_STANDARD, p->base64 + at, MIN(piece, p->base64_length - at));

        if (status != AC_OK)
            return ac_error_set(err, status, "a blob of arguments.content: %s", ac_status_text(status));
        AC_TRY(guest_send(g, CODE_DATA, bytes.data, bytes.length, err));
    }
    return AC_OK;
}

ac_status code_arguments_send(const code_arguments *a, guest *g, ac_error *err)
{
    if (a->text)
        AC_TRY(guest_send(g, CODE_TEXT, a->text, a->text_length, err));
    for (size_t i = 0; i < a->path_count; i++) {
        const code_path *p = &a->paths[i];

        AC_TRY(guest_send(g, CODE_PATH, p->path, strlen(p->path), err));
        if (p->text && p->text_length)
            AC_TRY(guest_send(g, CODE_DATA, p->text, p->text_length, err));
        if (p->base64)
            AC_TRY(send_base64(p, g, err));
    }
    return guest_go(g, err);
}
