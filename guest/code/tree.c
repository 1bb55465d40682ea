/* tree.c - remove a directory with all that is in it.  Symbolic links are removed, never followed. */
#include "code.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define DEPTH_MAX 64

static int empty(int directory, unsigned depth)
{
    DIR *entries = fdopendir(directory);
    struct dirent *entry;
    int failure = 0;

    if (!entries) {
        failure = errno;
        close(directory);
        return failure;
    }
    while (!failure && (entry = readdir(entries)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            failure = tree_remove_at(directory, entry->d_name, depth + 1);
    closedir(entries);
    return failure;
}

int tree_remove_at(int directory, const char *name, unsigned depth)
{
    int fd, failure;

    if (unlinkat(directory, name, 0) == 0)
        return 0;
    if (errno != EISDIR)
        return errno;
    if (depth > DEPTH_MAX)
        return ENAMETOOLONG;
    fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno;
    failure = empty(fd, depth);
    if (!failure && unlinkat(directory, name, AT_REMOVEDIR) != 0)
        failure = errno;
    return failure;
}
