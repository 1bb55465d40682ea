/* code_interpreter_files.c - files into a session and out of it.
 *
 * What is UTF-8 without NUL is written as text, because that is readable in a log of the service and shorter; base64
 * for all else. */
#include "client/code_interpreter_internal.h"

#include "base/base64.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* ---- into it ---- */

static bool is_text(const ac_code_file *file)
{
    return file->length == 0 || (!memchr(file->data, '\0', file->length) && utf8_valid(file->data, file->length));
}

static ac_status add_file(code_input *in, yyjson_mut_val *content, const ac_code_file *file, ac_error *err)
{
    _cleanup_(buf_done) buf coded = BUF_INIT(SIZE_MAX);
    yyjson_mut_val *block = yyjson_mut_arr_add_obj(in->doc, content);

    if (!block || !yyjson_mut_obj_add_str(in->doc, block, "path", file->path))
        return no_memory(err);
    if (is_text(file))
        return yyjson_mut_obj_add_strn(in->doc, block, "text", file->length ? file->data : "", file->length)
                   ? AC_OK
                   : no_memory(err);
    if (base64_encode(&coded, BASE64_STANDARD, file->data, file->length) != AC_OK ||
        !yyjson_mut_obj_add_strncpy(in->doc, block, "blob", coded.data, coded.length))
        return no_memory(err);
    return AC_OK;
}

static ac_status write_files(ac_code_session *session, const ac_code_file *files, size_t count, const char *hint,
                             ac_error *err)
{
    _cleanup_(code_input_done) code_input in = {0};

    for (size_t i = 0; i < count; i++)
        if (files[i].path[0] == '/')
            return ac_error_set(err, AC_ERR_INVALID, "Path must be relative, not absolute. Got: %.200s%s",
                                files[i].path, hint);
    AC_TRY(code_input_init(&in, err));
    yyjson_mut_val *content = yyjson_mut_obj_add_arr(in.doc, in.members, "content");
    if (!content)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        AC_TRY(add_file(&in, content, &files[i], err));
    return code_invoke_plainly(session, "writeFiles", &in, err);
}

ac_status ac_code_upload(ac_code_session *session, const char *path, const void *data, size_t length, ac_error *err)
{
    const ac_code_file file = {path, data, length};

    return write_files(session, &file, 1, ". Use paths like 'data.csv' or 'scripts/analysis.py'.", err);
}

ac_status ac_code_upload_files(ac_code_session *session, const ac_code_file *files, size_t count, ac_error *err)
{
    return write_files(session, files, count, "", err);
}

static ac_status add_paths(code_input *in, const char *const *paths, size_t count, ac_error *err)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(in->doc, in->members, "paths");

    if (!list)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        if (!yyjson_mut_arr_add_str(in->doc, list, paths[i]))
            return no_memory(err);
    return AC_OK;
}

ac_status ac_code_remove_files(ac_code_session *session, const char *const *paths, size_t count, ac_error *err)
{
    _cleanup_(code_input_done) code_input in;

    AC_TRY(code_input_init(&in, err));
    AC_TRY(add_paths(&in, paths, count, err));
    return code_invoke_plainly(session, "removeFiles", &in, err);
}

/* ---- out of it ---- */

typedef struct file_set {
    ac_code_files seen; /* first: what the caller has a pointer to */
    ac_code_file *files;
} file_set;

static const char *path_of(const char *uri)
{
    if (strncmp(uri, "file://", 7) == 0)
        uri += 7;
    return uri + strspn(uri, "/");
}

/* The bytes of a resource, NUL-terminated. */
static ac_status decode(yyjson_val *resource, ac_code_file *file, ac_error *err)
{
    _cleanup_(buf_done) buf data = BUF_INIT(SIZE_MAX);
    yyjson_val *text = yyjson_obj_get(resource, "text"), *blob = yyjson_obj_get(resource, "blob");
    ac_status status = yyjson_is_str(text)
                           ? buf_append(&data, yyjson_get_str(text), yyjson_get_len(text))
                           : base64_decode(&data, BASE64_STANDARD, yyjson_is_str(blob) ? yyjson_get_str(blob) : "",
                                           yyjson_get_len(blob));

    if (status == AC_ERR_PROTOCOL)
        return ac_error_set(err, status, "the content of a file is not base64");
    /* Reserved in any case: buf_terminate gives an empty text that is nobody's to free. */
    if (status != AC_OK || buf_reserve(&data, 1) != AC_OK || !buf_terminate(&data))
        return no_memory(err);
    file->data = buf_take(&data, &file->length);
    file->path = strdup(path_of(ac_json_string(resource, "uri", "")));
    return file->path ? AC_OK : no_memory(err);
}

static ac_status take_files(file_set *set, yyjson_val *content, ac_error *err)
{
    yyjson_arr_iter iter;
    yyjson_val *block;

    set->files = calloc(yyjson_arr_size(content) + 1, sizeof *set->files);
    if (!set->files)
        return no_memory(err);
    set->seen.files = set->files;
    yyjson_arr_iter_init(content, &iter);
    while ((block = yyjson_arr_iter_next(&iter)))
        if (strcmp(ac_json_string(block, "type", ""), "resource") == 0)
            AC_TRY(decode(yyjson_obj_get(block, "resource"), &set->files[set->seen.count++], err));
    return AC_OK;
}

ac_status ac_code_download_files(ac_code_session *session, const char *const *paths, size_t count,
                                 ac_code_files **ret_files, ac_error *err)
{
    _cleanup_(code_input_done) code_input in;
    ac_code_result *result = NULL;
    file_set *set;

    *ret_files = NULL;
    AC_TRY(code_input_init(&in, err));
    AC_TRY(add_paths(&in, paths, count, err));
    AC_TRY(code_invoke(session, "readFiles", &in, NULL, &result, err));
    set = calloc(1, sizeof *set);
    ac_status status = set ? take_files(set, result->content, err) : no_memory(err);
    ac_code_result_free(result);
    if (status == AC_OK)
        *ret_files = &set->seen;
    else
        ac_code_files_free(set ? &set->seen : NULL);
    return status;
}

ac_status ac_code_download(ac_code_session *session, const char *path, char **ret_data, size_t *ret_length,
                           ac_error *err)
{
    ac_code_files *files = NULL;

    *ret_data = NULL;
    AC_TRY(ac_code_download_files(session, &path, 1, &files, err));
    ac_status status = files->count > 0 ? AC_OK : ac_error_set(err, AC_ERR_NOT_FOUND, "Could not read file: %s", path);
    if (status == AC_OK) {
        ac_code_file *file = &((file_set *)files)->files[0];

        if (ret_length)
            *ret_length = file->length;
        *ret_data = (char *)TAKE_PTR(file->data);
    }
    ac_code_files_free(files);
    return status;
}

const ac_code_file *ac_code_files_find(const ac_code_files *files, const char *path)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->files[i].path, path_of(path)) == 0)
            return &files->files[i];
    return NULL;
}

void ac_code_files_free(ac_code_files *files)
{
    file_set *set = (file_set *)files;

    if (!set)
        return;
    for (size_t i = 0; set->files && i < set->seen.count; i++) {
        free((char *)set->files[i].path);
        free((char *)set->files[i].data);
    }
    free(set->files);
    free(set);
}
