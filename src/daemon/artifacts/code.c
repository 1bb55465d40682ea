/* code.c - code in a zip file: from DATA/buckets, or from real S3 when that is allowed.
 *
 * A zip file in DATA/buckets belongs to whoever put it there and may be written over while it is read.  It is hashed
 * and then unpacked through one descriptor; when its times or its size have moved meanwhile, the two may be of
 * different contents and the result is thrown away.  Links in DATA/buckets are followed: only who owns the data
 * directory can make them.  What comes from S3 goes to a file of our own first. */
#include "daemon/artifacts/internal.h"

#include "daemon/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

typedef struct code_source {
    artifacts *all;
    const artifact_code *code;
    int fd;
    struct stat info; /* when it was opened */
    uint64_t bytes;
} code_source;

/* ---- where it is ---- */

static ac_status local_path(const code_source *s, char path[PATH_MAX], ac_error *err)
{
    const artifact_code *c = s->code;
    int length = snprintf(path, PATH_MAX, "%s/buckets/%s/%s%s%s", s->all->data_dir, c->bucket, c->key,
                          c->version ? ".versions/" : "", c->version ? c->version : "");

    return length < PATH_MAX ? AC_OK : ac_error_set(err, AC_ERR_INVALID, "the key is too long");
}

/* AC_ERR_NOT_FOUND: nothing there. */
static ac_status open_local(code_source *s, const char *path, ac_error *err)
{
    s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
    if (s->fd < 0 && errno != ENOENT && errno != ENOTDIR)
        return work_failed(err, "open", path);
    if (s->fd < 0)
        return AC_ERR_NOT_FOUND;
    if (fstat(s->fd, &s->info) != 0)
        return work_failed(err, "look at", path);
    if (S_ISDIR(s->info.st_mode))
        return ac_error_set(err, AC_ERR_INVALID, "%s is a directory; a zip file of what is in it is needed", path);
    return S_ISREG(s->info.st_mode) ? AC_OK : ac_error_set(err, AC_ERR_INVALID, "%s is not a file", path);
}

static ac_status open_source(code_source *s, const work *w, ac_error *err)
{
    char path[PATH_MAX];

    AC_TRY(local_path(s, path, err));
    ac_status status = open_local(s, path, err);
    if (status != AC_ERR_NOT_FOUND)
        return status;
    if (!s->all->s3)
        return ac_error_set(err, AC_ERR_NOT_FOUND, "there is no file %s, and S3 itself is not asked", path);
    AC_TRY(artifacts_scratch(s->all, &s->fd, err));
    AC_TRY(s3_fetch(s->all, s->code, w, s->fd, err));
    return fstat(s->fd, &s->info) == 0 ? AC_OK : work_failed(err, "look at", "the fetched file");
}

static ac_status find_code(void *user, work *w, char ret_digest[ARTIFACT_DIGEST_SIZE], ac_error *err)
{
    code_source *s = user;

    AC_TRY(open_source(s, w, err));
    return digest_of_file(s->fd, ARTIFACT_ZIP_BYTES_MAX, w, ret_digest, &s->bytes, err);
}

static ac_status fill_code(void *user, tree *t, work *w, arena *memory, artifact *a, ac_error *err)
{
    code_source *s = user;
    struct stat now;
    file_stamp before = file_stamp_of(&s->info), after;
    ac_status status = zip_unpack(s->fd, s->bytes, t, w, err);

    (void)memory;
    (void)a;
    if (fstat(s->fd, &now) != 0)
        return work_failed(err, "look at", "the zip file");
    after = file_stamp_of(&now);
    if (!file_stamp_same(&before, &after))
        return ac_error_set(err, AC_ERR_CONFLICT, "the file was changed while it was read");
    return status;
}

/* ---- the entry point ---- */

/* All links in what is unpacked stay inside, so they may be followed. */
static bool is_file(const artifact *a, const char *name)
{
    char clean[ARTIFACT_PATH_MAX], path[PATH_MAX];
    struct stat info;

    if (name[0] == '/' || path_clean(name, strlen(name), clean, NULL) != AC_OK || !*clean)
        return false;
    return snprintf(path, sizeof path, "%s/%s", a->directory, clean) < (int)sizeof path && stat(path, &info) == 0 &&
           S_ISREG(info.st_mode);
}

/* ["main.py"], or ["opentelemetry-instrument", "main.py"]: a command that starts the file need not be a file. */
static ac_status check_entry_point(const artifact_code *code, const artifact *a, ac_error *err)
{
    const char *const *name = code->entry_point;

    if (!name || !*name)
        return AC_OK;
    for (; *name; name++)
        if (is_file(a, *name))
            return AC_OK;
    return ac_error_set(err, AC_ERR_NOT_FOUND, "s3://%s/%s: the entry point %s is not in the zip file", code->bucket,
                        show_text(code->key).text, show_text(name[-1]).text);
}

ac_status artifact_code_get(artifacts *all, const artifact_code *code, const char *digest, arena *memory,
                            artifact *ret_artifact, ac_error *err)
{
    _cleanup_(buf_done) buf name = BUF_INIT(8192);
    code_source s = {.all = all, .code = code, .fd = -1};
    artifact_source source = {.find = find_code, .fill = fill_code, .user = &s};
    ac_status status;

    *ret_artifact = (artifact){0};
    AC_TRY(s3_check_names(code->bucket, code->key, code->version, err));
    AC_TRY(buf_appendf(&name, "s3://%s/%s", code->bucket, code->key));
    if (code->version)
        AC_TRY(buf_appendf(&name, "?versionId=%s", code->version));
    source.name = buf_terminate(&name);
    if (!source.name)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    status = artifact_get(all, &source, digest, memory, ret_artifact, err);
    if (s.fd >= 0)
        close(s.fd);
    return status == AC_OK ? check_entry_point(code, ret_artifact, err) : status;
}
