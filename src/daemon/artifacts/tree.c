/* tree.c - writing below a directory, and nowhere else.
 *
 * Everything is made relative to an open directory, by one name without a slash, and the way to that directory is
 * walked from the root name by name with O_NOFOLLOW: no name is "..", none is followed if it is a link.  So whatever an
 * archive holds, and in whatever order, nothing outside the root can be reached.  openat2(RESOLVE_BENEATH |
 * RESOLVE_NO_SYMLINKS) would say the same in one call, but parents have to be made on the way, which it cannot, and
 * older kernels and some seccomp filters refuse it: one way that always works is better tested than two.  libarchive's
 * archive_write_disk is not used: it wants the process's working directory, its secure flags test paths by name before
 * they use them, and it knows nothing of layers.
 *
 * Files are made with O_EXCL, after what was there is removed, so that none is written through another name of it.
 * Ownership, set-user-ID bits and the like are not taken over: all is ours, directories and programs 0700, files 0600,
 * or 0755 and 0644.
 *
 * The directory is new and only this thread writes into it; the walk is for what archives hold, not for races. */
#include "daemon/artifacts/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define WALK_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

ac_status tree_open(tree *t, int directory_fd, const char *name, bool readable_by_all, ac_error *err)
{
    *t = (tree){.root_fd = -1, .parent_fd = -1, .readable_by_all = readable_by_all};
    if (mkdirat(directory_fd, name, 0700) != 0 || fchmodat(directory_fd, name, readable_by_all ? 0755 : 0700, 0) != 0)
        return work_failed(err, "make", name);
    t->root_fd = openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return t->root_fd >= 0 ? AC_OK : work_failed(err, "open", name);
}

void tree_forget(tree *t)
{
    if (t->parent_fd >= 0)
        close(t->parent_fd);
    t->parent_fd = -1;
}

void tree_close(tree *t)
{
    tree_forget(t);
    if (t->root_fd >= 0)
        close(t->root_fd);
    t->root_fd = -1;
}

/* ---- paths ---- */

static ac_status check_segment(const char *segment, size_t length, ac_error *err)
{
    if (length == 2 && memcmp(segment, "..", 2) == 0)
        return ac_error_set(err, AC_ERR_INVALID, "it leads out of the archive");
    if (length > NAME_BYTES_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "a name in it is longer than %d bytes", NAME_BYTES_MAX);
    return AC_OK;
}

ac_status path_clean(const char *name, size_t length, char ret_path[ARTIFACT_PATH_MAX], ac_error *err)
{
    size_t used = 0, depth = 0;

    if (memchr(name, '\0', length))
        return ac_error_set(err, AC_ERR_INVALID, "it has a NUL in it");
    for (size_t at = 0; at < length;) {
        const char *slash = memchr(name + at, '/', length - at);
        size_t segment = (slash ? (size_t)(slash - name) : length) - at;

        if (segment > 0 && !(segment == 1 && name[at] == '.')) {
            AC_TRY(check_segment(name + at, segment, err));
            if (++depth > ARTIFACT_DEPTH_MAX)
                return ac_error_set(err, AC_ERR_TOO_LARGE, "it is deeper than %d directories", ARTIFACT_DEPTH_MAX);
            if (used + 1 + segment + 1 > ARTIFACT_PATH_MAX)
                return ac_error_set(err, AC_ERR_TOO_LARGE, "it is longer than %d bytes", ARTIFACT_PATH_MAX - 1);
            if (used > 0)
                ret_path[used++] = '/';
            memcpy(ret_path + used, name + at, segment);
            used += segment;
        }
        at += segment + 1;
    }
    ret_path[used] = '\0';
    return AC_OK;
}

/* ---- the way to a name ---- */

static ac_status in_the_way(ac_error *err, int fd, const char *name)
{
    struct stat info;
    bool link = fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode);

    return ac_error_set(err, AC_ERR_INVALID, "it lies behind the %s %s", link ? "link" : "file", show_text(name).text);
}

/* From directory *fd into its directory name; *fd is closed. */
static ac_status step(tree *t, int *fd, const char *name, bool make, ac_error *err)
{
    int next = openat(*fd, name, WALK_FLAGS);

    if (next < 0 && errno == ENOENT && make) {
        if (++t->made > ARTIFACT_FILES_MAX)
            return ac_error_set(err, AC_ERR_TOO_LARGE, "it lies in one of more than %d directories",
                                ARTIFACT_FILES_MAX);
        if (mkdirat(*fd, name, 0700) != 0 || fchmodat(*fd, name, t->readable_by_all ? 0755 : 0700, 0) != 0)
            return work_failed(err, "make the directory", name);
        next = openat(*fd, name, WALK_FLAGS);
    }
    if (next < 0)
        return errno == ENOTDIR || errno == ELOOP ? in_the_way(err, *fd, name)
                                                  : work_failed(err, "open the directory", name);
    close(*fd);
    *fd = next;
    return AC_OK;
}

static ac_status walk(tree *t, const char *path, size_t length, bool make, int *ret_fd, ac_error *err)
{
    _cleanup_(fd_closep) int fd = openat(t->root_fd, ".", WALK_FLAGS);
    char name[NAME_BYTES_MAX + 1];

    if (fd < 0)
        return work_failed(err, "open", "the directory to unpack to");
    for (size_t at = 0; at < length;) {
        const char *slash = memchr(path + at, '/', length - at);
        size_t segment = (slash ? (size_t)(slash - path) : length) - at;

        memcpy(name, path + at, segment);
        name[segment] = '\0';
        AC_TRY(step(t, &fd, name, make, err));
        at += segment + 1;
    }
    *ret_fd = fd;
    fd = -1;
    return AC_OK;
}

ac_status tree_parent(tree *t, const char *path, bool make, int *ret_fd, const char **ret_leaf, ac_error *err)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;

    *ret_leaf = slash ? slash + 1 : path;
    if (t->parent_fd < 0 || strncmp(t->parent, path, length) != 0 || t->parent[length] != '\0') {
        tree_forget(t);
        AC_TRY(walk(t, path, length, make, &t->parent_fd, err));
        memcpy(t->parent, path, length);
        t->parent[length] = '\0';
    }
    *ret_fd = t->parent_fd;
    return AC_OK;
}

/* The directory for a new name, which is free then. */
static ac_status make_room(tree *t, const char *path, int *ret_fd, const char **ret_leaf, ac_error *err)
{
    struct stat info;

    AC_TRY(tree_parent(t, path, true, ret_fd, ret_leaf, err));
    if (fstatat(*ret_fd, *ret_leaf, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? AC_OK : work_failed(err, "look at", *ret_leaf);
    if (!t->replace)
        return ac_error_set(err, AC_ERR_INVALID, "there are two of that name");
    AC_TRY(tree_remove(t, path, err));
    return tree_parent(t, path, true, ret_fd, ret_leaf, err);
}

/* ---- making ---- */

ac_status tree_directory(tree *t, const char *path, ac_error *err)
{
    struct stat info;
    const char *leaf;
    int fd;

    AC_TRY(tree_parent(t, path, true, &fd, &leaf, err));
    if (fstatat(fd, leaf, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode))
        return AC_OK;
    AC_TRY(make_room(t, path, &fd, &leaf, err));
    if (mkdirat(fd, leaf, 0700) != 0 || fchmodat(fd, leaf, t->readable_by_all ? 0755 : 0700, 0) != 0)
        return work_failed(err, "make the directory", leaf);
    return AC_OK;
}

ac_status tree_file(tree *t, const char *path, int *ret_fd, ac_error *err)
{
    const char *leaf;
    int fd;

    AC_TRY(make_room(t, path, &fd, &leaf, err));
    *ret_fd = openat(fd, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return *ret_fd >= 0 ? AC_OK : work_failed(err, "make the file", leaf);
}

ac_status tree_file_write(int fd, const void *data, size_t length, off_t at, ac_error *err)
{
    while (length > 0) {
        ssize_t put = pwrite(fd, data, length, at);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return work_failed(err, "write", "the unpacked file");
        data = (const char *)data + put;
        length -= (size_t)put;
        at += put;
    }
    return AC_OK;
}

ac_status tree_file_done(tree *t, int fd, bool executable, struct timespec modified, ac_error *err)
{
    struct timespec times[2] = {modified, modified};
    mode_t mode = t->readable_by_all ? (executable ? 0755 : 0644) : (executable ? 0700 : 0600);
    ac_status status = AC_OK;

    if (fchmod(fd, mode) != 0)
        status = work_failed(err, "set the mode of", "the unpacked file");
    /* Python compares the times of sources and of what it compiled from them.  A time that the file system cannot
     * keep is no reason to fail. */
    (void)futimens(fd, times);
    if (close(fd) != 0 && status == AC_OK)
        status = work_failed(err, "write", "the unpacked file");
    return status;
}

ac_status tree_symlink(tree *t, const char *path, const char *target, struct timespec modified, ac_error *err)
{
    struct timespec times[2] = {modified, modified};
    const char *leaf;
    int fd;

    AC_TRY(make_room(t, path, &fd, &leaf, err));
    if (symlinkat(target, fd, leaf) != 0)
        return work_failed(err, "make the link", leaf);
    (void)utimensat(fd, leaf, times, AT_SYMLINK_NOFOLLOW);
    return AC_OK;
}

ac_status tree_hardlink(tree *t, const char *path, const char *target, ac_error *err)
{
    _cleanup_(fd_closep) int from = -1;
    const char *leaf, *target_leaf;
    struct stat info;
    int fd;

    if (strcmp(path, target) == 0)
        return AC_OK;
    AC_TRY(tree_parent(t, target, false, &fd, &target_leaf, err));
    from = openat(fd, ".", WALK_FLAGS);
    if (from < 0)
        return work_failed(err, "open the directory of", target);
    if (fstatat(from, target_leaf, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return work_failed(err, "find", target);
    if (!S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode))
        return ac_error_set(err, AC_ERR_INVALID, "a hard link to %s, which is no file", show_text(target).text);
    AC_TRY(make_room(t, path, &fd, &leaf, err));
    if (linkat(from, target_leaf, fd, leaf, 0) != 0)
        return work_failed(err, "make the hard link", leaf);
    return AC_OK;
}

ac_status tree_remove(tree *t, const char *path, ac_error *err)
{
    const char *leaf;
    struct stat info;
    int fd;

    AC_TRY(tree_parent(t, path, false, &fd, &leaf, err));
    if (unlinkat(fd, leaf, 0) == 0 || errno == ENOENT)
        return AC_OK;
    if (fstatat(fd, leaf, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(info.st_mode))
        return work_failed(err, "remove", leaf);
    AC_TRY(remove_tree(fd, leaf, err));
    tree_forget(t); /* it may have been in what was removed */
    return AC_OK;
}
