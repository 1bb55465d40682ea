/* cgroups_parent.c - the directory that all groups of this process are made in.
 *
 * agentcored-PID tells people whose it is.  Whether that daemon still lives is told by a lock on the directory, which
 * the kernel drops with the process: a process id could be another's by now, or one of another container's.  Only empty
 * groups are removed, so that even a mistake here would kill nothing. */
#include "daemon/sandbox/cgroups_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PARENT_PREFIX "agentcored-"
#define NAMES_MAX 16 /* that are tried when others have taken ours, from another process namespace */

static int lock_directory(const char *directory)
{
    struct stat locked, there;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return -1;
    /* Still the one that the path names: another may have removed it between the two calls. */
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &locked) == 0 && stat(directory, &there) == 0 &&
        locked.st_ino == there.st_ino && locked.st_dev == there.st_dev)
        return fd;
    close(fd);
    return -1;
}

static bool entry_path(char path[PATH_MAX], const char *directory, const struct dirent *entry)
{
    return entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
           (size_t)snprintf(path, PATH_MAX, "%s/%s", directory, entry->d_name) < PATH_MAX;
}

void cgroup_parent_remove(const char *parent)
{
    DIR *entries = opendir(parent);
    char path[PATH_MAX];

    for (struct dirent *entry = entries ? readdir(entries) : NULL; entry; entry = readdir(entries))
        if (entry_path(path, parent, entry))
            cgroup_directory_remove(path);
    if (entries)
        closedir(entries);
    cgroup_directory_remove(parent);
}

static void remove_abandoned(const char *own)
{
    DIR *entries = opendir(own);
    char path[PATH_MAX];

    for (struct dirent *entry = entries ? readdir(entries) : NULL; entry; entry = readdir(entries)) {
        int lock;

        if (strncmp(entry->d_name, PARENT_PREFIX, strlen(PARENT_PREFIX)) != 0 || !entry_path(path, own, entry))
            continue;
        lock = lock_directory(path);
        if (lock < 0)
            continue;
        cgroup_parent_remove(path);
        close(lock);
    }
    if (entries)
        closedir(entries);
}

bool cgroup_parent_make(const char *own, char ret_parent[PATH_MAX], int *ret_lock)
{
    remove_abandoned(own);
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        char more[16] = "";
        int failure;

        if (i > 0)
            snprintf(more, sizeof more, "-%u", i + 1);
        if (snprintf(ret_parent, PATH_MAX, "%s/" PARENT_PREFIX "%ld%s", own, (long)getpid(), more) >= PATH_MAX)
            return false;
        failure = cgroup_directory_make(ret_parent);
        if (failure && failure != EEXIST)
            return false;
        if (failure == 0 && (*ret_lock = lock_directory(ret_parent)) >= 0)
            return true;
    }
    return false;
}
