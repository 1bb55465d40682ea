/* record.c - artifact.json: what an unpacked artifact is, so that nobody needs its source again.
 *
 *     {"format": 1, "digest": "sha256:...", "source": "s3://bucket/agent.zip", "unpackedAt": "...Z", "files": 3,
 *      "bytes": 120, "image": {"argv": [...], "environment": [...], "workingDirectory": "/", "uid": 0, "gid": 0}} */
#include "daemon/artifacts/internal.h"

#include "base/clock.h"
#include "base/json.h"
#include "daemon/files.h"

#include <limits.h>
#include <stdio.h>

#define RECORD_NAME "artifact.json"
#define RECORD_FORMAT 1
/* Strings of a config, which may get longer by escapes. */
#define RECORD_BYTES_MAX (8 * ARTIFACT_JSON_BYTES_MAX)

static ac_status path_of(const char *directory, char ret_path[PATH_MAX], ac_error *err)
{
    if (snprintf(ret_path, PATH_MAX, "%s/" RECORD_NAME, directory) >= PATH_MAX)
        return ac_error_set(err, AC_ERR_IO, "the path of the data directory is too long");
    return AC_OK;
}

/* ---- writing ---- */

static bool add_strings(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *const *strings)
{
    yyjson_mut_val *array = strings ? yyjson_mut_arr(doc) : yyjson_mut_null(doc);

    for (; array && strings && *strings; strings++)
        if (!yyjson_mut_arr_add_str(doc, array, *strings))
            return false;
    return array && yyjson_mut_obj_add_val(doc, object, key, array);
}

static bool add_image(yyjson_mut_doc *doc, yyjson_mut_val *root, const artifact *a)
{
    yyjson_mut_val *image = yyjson_mut_obj(doc);

    return image && add_strings(doc, image, "argv", a->argv) &&
           add_strings(doc, image, "environment", a->environment) &&
           (a->working_directory ? yyjson_mut_obj_add_str(doc, image, "workingDirectory", a->working_directory)
                                 : yyjson_mut_obj_add_null(doc, image, "workingDirectory")) &&
           yyjson_mut_obj_add_uint(doc, image, "uid", a->uid) && yyjson_mut_obj_add_uint(doc, image, "gid", a->gid) &&
           yyjson_mut_obj_add_val(doc, root, "image", image);
}

static yyjson_mut_val *make_record(yyjson_mut_doc *doc, const artifact *a, const char *source, const work *w)
{
    char now[CLOCK_ISO8601_MS_SIZE];
    yyjson_mut_val *root;

    clock_iso8601_ms(clock_unix_ms(), now);
    root = ac_json_pack(doc, "{s:i, s:s, s:s, s:s, s:U, s:U}", "format", RECORD_FORMAT, "digest", a->digest, "source",
                        source, "unpackedAt", now, "files", w->files, "bytes", w->bytes);
    return root && a->image && !add_image(doc, root, a) ? NULL : root;
}

ac_status record_write(const char *directory, const artifact *a, const char *source, const work *w, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(RECORD_BYTES_MAX);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? make_record(doc, a, source, w) : NULL;
    char path[PATH_MAX];
    ac_status status = root ? json_write(&text, root, JSON_COMPACT, NULL) : AC_ERR_NOMEM;

    yyjson_mut_doc_free(doc);
    if (status != AC_OK)
        return ac_error_set(err, status, "cannot write " RECORD_NAME ": %s", ac_status_text(status));
    AC_TRY(path_of(directory, path, err));
    return file_write(path, FILE_CREATE, text.data, text.length, err);
}

/* ---- reading ---- */

static ac_status copy_string(yyjson_val *value, arena *memory, const char **ret_copy)
{
    const char *text = yyjson_get_str(value);
    size_t length = yyjson_get_len(value);

    if (!text || memchr(text, '\0', length))
        return AC_ERR_INVALID;
    *ret_copy = arena_copy(memory, text, length);
    return *ret_copy ? AC_OK : AC_ERR_NOMEM;
}

ac_status json_strings(yyjson_val *array, arena *memory, const char *const **ret_strings)
{
    const char **strings;
    yyjson_arr_iter each;
    yyjson_val *value;
    size_t count = 0;

    *ret_strings = NULL;
    if (!array || yyjson_is_null(array))
        return AC_OK;
    if (!yyjson_is_arr(array))
        return AC_ERR_INVALID;
    strings = arena_zalloc(memory, (yyjson_arr_size(array) + 1) * sizeof *strings);
    if (!strings)
        return AC_ERR_NOMEM;
    yyjson_arr_iter_init(array, &each);
    while ((value = yyjson_arr_iter_next(&each)))
        AC_TRY(copy_string(value, memory, &strings[count++]));
    *ret_strings = strings;
    return AC_OK;
}

static ac_status read_image(yyjson_val *image, arena *memory, artifact *a)
{
    int64_t uid = ac_json_int(image, "uid", -1), gid = ac_json_int(image, "gid", -1);
    yyjson_val *directory = yyjson_obj_get(image, "workingDirectory");

    if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
        return AC_ERR_INVALID;
    a->uid = (unsigned)uid;
    a->gid = (unsigned)gid;
    AC_TRY(json_strings(yyjson_obj_get(image, "argv"), memory, &a->argv));
    AC_TRY(json_strings(yyjson_obj_get(image, "environment"), memory, &a->environment));
    a->working_directory = NULL;
    return yyjson_is_null(directory) ? AC_OK : copy_string(directory, memory, &a->working_directory);
}

static ac_status take_over(yyjson_val *root, arena *memory, artifact *a)
{
    yyjson_val *image = yyjson_obj_get(root, "image");

    if (ac_json_int(root, "format", 0) != RECORD_FORMAT || strcmp(ac_json_string(root, "digest", ""), a->digest) != 0 ||
        yyjson_is_obj(image) != a->image)
        return AC_ERR_INVALID;
    return a->image ? read_image(image, memory, a) : AC_OK;
}

ac_status record_read(const char *directory, arena *memory, artifact *a, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(RECORD_BYTES_MAX);
    yyjson_doc *doc = NULL;
    char path[PATH_MAX], *root = arena_alloc(memory, PATH_MAX);
    ac_status status;

    if (!root)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(path_of(directory, path, err));
    AC_TRY(file_read(path, &text, NULL, err));
    status = ac_json_read(text.data ? text.data : "", text.length, NULL, &doc, NULL);
    if (status == AC_OK)
        status = take_over(yyjson_doc_get_root(doc), memory, a);
    yyjson_doc_free(doc);
    if (status == AC_ERR_NOMEM)
        return ac_error_set(err, status, "out of memory");
    if (status != AC_OK)
        return ac_error_set(err, AC_ERR_IO, "%s is damaged: remove that directory", directory);
    snprintf(root, PATH_MAX, "%s/root", directory);
    a->directory = root;
    return AC_OK;
}
