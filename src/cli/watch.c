/* watch.c - inotify on a tree of directories.
 *
 * The watches are not kept by name: when a directory comes, the whole tree is watched anew, which adds what is missing
 * and leaves the rest as it is. */
#include "cli/watch.h"

#include "cli/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define WATCHED (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ONLYDIR)
#define DEPTH_MAX 32
#define PATH_BYTES 4096

static bool is_passed_over(const char *name)
{
    static const char *const names[] = {"node_modules", "__pycache__", "venv", "target", "dist"};

    if (name[0] == '.' || starts_with(name, "build") || ends_with(name, ".oci") || ends_with(name, ".zip"))
        return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool add_tree(int fd, const char *path, int depth)
{
    bool well = inotify_add_watch(fd, path, WATCHED) >= 0;
    DIR *directory = opendir(path);
    const struct dirent *entry;
    char inside[PATH_BYTES];

    while (directory && depth < DEPTH_MAX && (entry = readdir(directory))) {
        if (entry->d_type != DT_DIR || is_passed_over(entry->d_name))
            continue;
        if ((size_t)snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name) < sizeof inside)
            well = add_tree(fd, inside, depth + 1) && well;
    }
    if (directory)
        closedir(directory);
    return well;
}

ac_status watch_open(const char *directory, int *ret_fd, ac_error *err)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    *ret_fd = fd;
    if (fd >= 0 && add_tree(fd, directory, 0))
        return AC_OK;
    ac_status status = file_error(err, "watch", directory);
    if (fd >= 0)
        close(fd);
    *ret_fd = -1;
    return status;
}

static bool counts(const struct inotify_event *event)
{
    size_t length = event->len ? strlen(event->name) : 0;

    if (event->mask & IN_Q_OVERFLOW)
        return true;
    if (length == 0 || is_passed_over(event->name) || ends_with(event->name, "~") || ends_with(event->name, ".pyc") ||
        strspn(event->name, "0123456789") == length) /* vim tries whether it can write with a file 4913 */
        return false;
    /* A file that is only made is still to be written. */
    return !(event->mask & IN_CREATE) || event->mask & IN_ISDIR;
}

bool watch_read(int fd, const char *directory)
{
    _Alignas(struct inotify_event) char bytes[16384];
    bool changed = false, grown = false;
    ssize_t length;

    while ((length = read(fd, bytes, sizeof bytes)) > 0)
        for (char *at = bytes; at < bytes + length;) {
            const struct inotify_event *event = (const struct inotify_event *)at;

            changed = changed || counts(event);
            grown = grown || (event->mask & IN_ISDIR && event->mask & (IN_CREATE | IN_MOVED_TO));
            at += sizeof *event + event->len;
        }
    if (grown)
        add_tree(fd, directory, 0);
    return changed;
}
