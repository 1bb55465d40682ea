/* data_dir.c - the directory that one daemon has for itself.
 *
 * The lock is flock() on DIR/lock: the kernel gives it back when the process is gone, so there are no stale locks.  The
 * file holds the pid of its owner, only to be shown to the one who is refused.  The file is never removed: removing it
 * would let two processes lock two files of one name. */
#include "daemon/store/data_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME "lock"

struct data_dir {
    char *path;
    int dir_fd;
    int lock_fd;
};

static ac_status io_error(ac_error *err, const char *what, const char *path)
{
    ac_status status = errno == EACCES || errno == EPERM ? AC_ERR_DENIED : AC_ERR_IO;

    return ac_error_set(err, status, "cannot %s %s: %s", what, path, strerror(errno));
}

/* Root's sandboxes run under users of their own, who must get through to what is deployed; what is secret in here has
 * modes of its own. */
static mode_t closed_mode(void)
{
    return geteuid() == 0 ? 0711 : 0700;
}

ac_status data_dir_make(const char *path, ac_error *err)
{
    char part[PATH_MAX];
    size_t length = strlen(path);

    if (length == 0 || length >= sizeof(part))
        return ac_error_set(err, AC_ERR_INVALID, "the data directory's path is empty or too long");
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, closed_mode()) != 0 && errno != EEXIST)
            return io_error(err, "make the data directory", part);
    }
    return AC_OK;
}

static bool is_empty(int dir_fd)
{
    int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    const struct dirent *entry;
    bool empty = dir != NULL;

    if (!dir) {
        if (copy >= 0)
            close(copy);
        return false;
    }
    while (empty && (entry = readdir(dir)))
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(dir);
    return empty;
}

static ac_status close_to_others(const data_dir *dir, ac_error *err)
{
    mode_t mode = closed_mode();
    struct stat info;

    if (fstat(dir->dir_fd, &info) != 0)
        return io_error(err, "look at the data directory", dir->path);
    if ((info.st_mode & 0777) == mode)
        return AC_OK;
    if ((info.st_mode & 066) != 0 && !is_empty(dir->dir_fd) && faccessat(dir->dir_fd, LOCK_NAME, F_OK, 0) != 0)
        return ac_error_set(err, AC_ERR_DENIED,
                            "the data directory %s is open to others (mode %04o) and holds files that are not ours; "
                            "choose another one, or close it: chmod 700 %s",
                            dir->path, (unsigned)(info.st_mode & 07777), dir->path);
    if (fchmod(dir->dir_fd, mode) != 0)
        return io_error(err, "close to others the data directory", dir->path);
    return AC_OK;
}

static ac_status refused(const data_dir *dir, ac_error *err)
{
    char text[32] = "";
    ssize_t length = pread(dir->lock_fd, text, sizeof(text) - 1, 0);
    long pid = length > 0 ? strtol(text, NULL, 10) : 0;

    if (pid > 0)
        return ac_error_set(err, AC_ERR_STATE, "the data directory %s is in use by process %ld", dir->path, pid);
    return ac_error_set(err, AC_ERR_STATE, "the data directory %s is in use by another process", dir->path);
}

static ac_status take_lock(data_dir *dir, ac_error *err)
{
    char text[32];
    int length;

    dir->lock_fd = openat(dir->dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (dir->lock_fd < 0)
        return io_error(err, "open the lock in", dir->path);
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? refused(dir, err) : io_error(err, "lock", dir->path);

    /* A full disk is no reason not to start: the pid only helps whoever is refused. */
    length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(dir->lock_fd, 0) == 0 && pwrite(dir->lock_fd, text, (size_t)length, 0) < 0)
        errno = 0;
    return AC_OK;
}

ac_status data_dir_open(const char *path, data_dir **ret_dir, ac_error *err)
{
    data_dir *dir = calloc(1, sizeof(*dir));
    ac_status status;

    if (!dir)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    dir->dir_fd = dir->lock_fd = -1;
    dir->path = strdup(path);
    status = dir->path ? data_dir_make(path, err) : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (status == AC_OK) {
        dir->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir->dir_fd < 0)
            status = io_error(err, "open the data directory", path);
    }
    if (status == AC_OK)
        status = close_to_others(dir, err);
    if (status == AC_OK)
        status = take_lock(dir, err);
    if (status != AC_OK) {
        data_dir_close(dir);
        return status;
    }
    *ret_dir = dir;
    return AC_OK;
}

void data_dir_close(data_dir *dir)
{
    if (!dir)
        return;
    if (dir->lock_fd >= 0)
        close(dir->lock_fd);
    if (dir->dir_fd >= 0)
        close(dir->dir_fd);
    free(dir->path);
    free(dir);
}

const char *data_dir_path(const data_dir *dir)
{
    return dir->path;
}

ac_status data_dir_sync(const data_dir *dir, ac_error *err)
{
    if (fsync(dir->dir_fd) != 0)
        return io_error(err, "sync the data directory", dir->path);
    return AC_OK;
}
