/* files.c - small files of the data directory: read whole, replaced whole.
 *
 * A file is written beside its place under a name that nobody else uses (mkostemp), synced, and then renamed over the
 * old one, or linked where none may be.  Root (say, `sudo agentcored keys add` for a service with a user of its own)
 * hands the new file to the owner of the old one, or of the directory: otherwise the service could not read it. */
#include "daemon/files.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_PIECE ((size_t)16384)

static ac_status failed(ac_error *err, const char *what, const char *path)
{
    ac_status status = AC_ERR_IO;

    if (errno == EACCES || errno == EPERM || errno == EROFS)
        status = AC_ERR_DENIED;
    else if (errno == ENOENT)
        status = AC_ERR_NOT_FOUND;
    else if (errno == ENOMEM)
        status = AC_ERR_NOMEM;
    return ac_error_set(err, status, "cannot %s %s: %s", what, path, strerror(errno));
}

file_stamp file_stamp_of(const struct stat *info)
{
    return (file_stamp){info->st_dev, info->st_ino, info->st_size, info->st_mtim, info->st_ctim};
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool file_stamp_same(const file_stamp *a, const file_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
           same_time(a->modified, b->modified) && same_time(a->changed, b->changed);
}

char *path_join(const char *directory, const char *name)
{
    char *path;

    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

/* ---- reading ---- */

static ac_status read_all(int fd, const char *path, buf *out, ac_error *err)
{
    for (;;) {
        size_t room = MIN(out->cap - out->length, READ_PIECE);
        char beyond;
        ssize_t got;

        if (room > 0 && buf_reserve(out, room) != AC_OK)
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
        got = room > 0 ? read(fd, out->data + out->length, room) : read(fd, &beyond, 1);
        if (got == 0)
            return AC_OK;
        if (got < 0 && errno != EINTR)
            return failed(err, "read", path);
        if (got > 0 && room == 0)
            return ac_error_set(err, AC_ERR_TOO_LARGE, "%s is larger than %zu bytes", path, out->cap);
        out->length += got > 0 ? (size_t)got : 0;
    }
}

ac_status file_read(const char *path, buf *out, struct stat *ret_info, ac_error *err)
{
    /* O_NONBLOCK: a FIFO in its place must not hold us up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    ac_status status;

    if (fd < 0)
        return failed(err, "open", path);
    if (fstat(fd, &info) != 0)
        status = failed(err, "look at", path);
    else if (!S_ISREG(info.st_mode))
        status = ac_error_set(err, AC_ERR_INVALID, "%s is not a regular file", path);
    else
        status = read_all(fd, path, out, err);
    close(fd);
    if (status == AC_OK && ret_info)
        *ret_info = info;
    return status;
}

/* ---- writing ---- */

static ac_status write_all(int fd, const char *path, const char *data, size_t length, ac_error *err)
{
    while (length > 0) {
        ssize_t put = write(fd, data, length);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return failed(err, "write", path);
        data += put;
        length -= (size_t)put;
    }
    return AC_OK;
}

static ac_status sync_directory(const char *directory, ac_error *err)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ac_status status = AC_OK;

    if (fd < 0)
        return failed(err, "open", directory);
    if (fsync(fd) != 0)
        status = failed(err, "sync", directory);
    close(fd);
    return status;
}

static ac_status hand_over(int fd, const char *path, const char *directory, ac_error *err)
{
    struct stat owner;

    if (geteuid() != 0 || (stat(path, &owner) != 0 && stat(directory, &owner) != 0))
        return AC_OK;
    if (fchown(fd, owner.st_uid, owner.st_gid) != 0)
        return failed(err, "set the owner of", path);
    return AC_OK;
}

static ac_status put_in_place(const char *temporary, const char *path, file_mode mode, ac_error *err)
{
    if (mode == FILE_REPLACE)
        return rename(temporary, path) == 0 ? AC_OK : failed(err, "replace", path);
    if (link(temporary, path) != 0)
        return errno == EEXIST ? ac_error_set(err, AC_ERR_CONFLICT, "%s exists", path) : failed(err, "make", path);
    unlink(temporary);
    return AC_OK;
}

ac_status file_write(const char *path, file_mode mode, const void *data, size_t length, ac_error *err)
{
    char temporary[PATH_MAX], directory[PATH_MAX];
    ac_status status;
    int fd;

    if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= (int)sizeof temporary)
        return ac_error_set(err, AC_ERR_INVALID, "the path %.64s... is too long", path);
    memcpy(directory, path, strlen(path) + 1);
    fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return failed(err, "make a file beside", path);
    status = hand_over(fd, path, dirname(directory), err);
    if (status == AC_OK)
        status = write_all(fd, path, data, length, err);
    if (status == AC_OK && fsync(fd) != 0)
        status = failed(err, "sync", path);
    if (close(fd) != 0 && status == AC_OK)
        status = failed(err, "write", path);
    if (status == AC_OK)
        status = put_in_place(temporary, path, mode, err);
    if (status != AC_OK) {
        unlink(temporary);
        return status;
    }
    memcpy(temporary, path, strlen(path) + 1);
    return sync_directory(dirname(temporary), err);
}

/* ---- files for sandboxes ---- */

static int open_beside(const char *place, const char *name)
{
    char path[PATH_MAX + 128];
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
    char *slash;

    if (length <= 0)
        return -1;
    path[length] = '\0';
    slash = strrchr(path, '/');
    if (!slash)
        return -1;
    snprintf(slash + 1, sizeof path - (size_t)(slash + 1 - path), "%s%s", place, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

int file_open_guest(const char *name)
{
    static const char *const places[] = {"", "guest/", "../guest/", "../libexec/agentcore/"};
    int fd = -1;

    for (size_t i = 0; i < ARRAY_SIZE(places) && fd < 0; i++)
        fd = open_beside(places[i], name);
    return fd;
}
