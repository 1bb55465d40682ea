/* spawner_reach.c - a way to root's data directory for the users that sandboxes run under.
 *
 * What bwrap mounts, it must reach with the rights of its user, who owns nothing: in a data directory below /root it
 * would find nothing.  So in the spawner's own mount namespace what is closed to others is covered, with an empty
 * directory that leads to the data directory and nowhere else.  Where that cannot be done, bwrap says what it cannot
 * reach. */
#include "daemon/sandbox/spawner_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASSABLE 0711

/* The length of the first part of a path that others may not pass; 0: they may pass all of them.  The last part is not
 * looked at. */
static size_t find_closed(const char *path)
{
    char part[PATH_MAX];
    struct stat info;

    for (size_t i = 1; path[i]; i++) {
        if (path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (stat(part, &info) != 0 || !(info.st_mode & S_IXOTH))
            return i;
    }
    return 0;
}

/* Directories from there on. */
static bool make_way(const char *path, size_t from)
{
    char part[PATH_MAX];

    for (size_t i = from + 1;; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, PASSABLE) != 0 || chmod(part, PASSABLE) != 0) /* whatever the umask is */
            return false;
        if (path[i] == '\0')
            return true;
    }
}

static void cover(const char *path, size_t closed, const char *source)
{
    char part[PATH_MAX];

    memcpy(part, path, closed);
    part[closed] = '\0';
    if (mount("tmpfs", part, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0711,size=64k") != 0)
        return;
    if (!make_way(path, closed) || mount(source, path, NULL, MS_BIND | MS_REC, NULL) != 0)
        umount2(part, MNT_DETACH);
}

void reach(const char *directory)
{
    char path[PATH_MAX], source[32];
    size_t closed;
    int fd;

    if (geteuid() != 0 || !realpath(directory, path) || (closed = find_closed(path)) == 0)
        return;
    fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
    cover(path, closed, source);
    close(fd);
}
