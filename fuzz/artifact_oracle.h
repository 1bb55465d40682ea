/* artifact_oracle.h - what both fuzzers of src/daemon/artifacts check: whatever was unpacked, nothing beside the root
 * has changed, and in the root there are files, directories and links alone, of our own modes.
 *
 * The root lies four directories deep in a new temporary one, each of which holds nothing else, so that a name which
 * climbs is seen at every height. */
#ifndef FUZZ_ARTIFACT_ORACLE_H
#define FUZZ_ARTIFACT_ORACLE_H

#include "base/clock.h"
#include "daemon/artifacts/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define ORACLE_HEIGHTS 4

static inline void require(bool condition)
{
    if (!condition)
        abort();
}

typedef struct oracle {
    char base[64];
    int heights[ORACLE_HEIGHTS + 1]; /* base, base/d, base/d/d, ... */
    tree t;
    work w;
} oracle;

static inline size_t oracle_entries(int directory_fd)
{
    int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fdopendir(fd);
    size_t count = 0;

    require(directory != NULL);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count - 2; /* "." and ".." */
}

static inline void oracle_begin(oracle *o)
{
    strcpy(o->base, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz-artifact-XXXXXX" : "/tmp/fuzz-artifact-XXXXXX");
    require(mkdtemp(o->base) != NULL);
    o->heights[0] = open(o->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < ORACLE_HEIGHTS; i++) {
        require(mkdirat(o->heights[i], "d", 0700) == 0);
        o->heights[i + 1] = openat(o->heights[i], "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        require(o->heights[i + 1] >= 0);
    }
    o->w = (work){.deadline_ms = clock_monotonic_ms() + 10000};
    require(tree_open(&o->t, o->heights[ORACLE_HEIGHTS], "root", false, NULL) == AC_OK);
}

static inline void oracle_check_tree(int directory_fd, const char *name, int depth)
{
    int fd = openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fdopendir(fd);
    const struct dirent *entry;
    struct stat info;

    require(directory != NULL && depth <= ARTIFACT_DEPTH_MAX);
    while ((entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        require(fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0);
        if (S_ISDIR(info.st_mode)) {
            require((info.st_mode & 07777) == 0700);
            oracle_check_tree(fd, entry->d_name, depth + 1);
        } else if (S_ISREG(info.st_mode)) {
            require((info.st_mode & 07777) == 0600 || (info.st_mode & 07777) == 0700);
        } else {
            require(S_ISLNK(info.st_mode));
        }
    }
    closedir(directory);
}

/* After unpacking: check, and remove everything. */
static inline void oracle_end(oracle *o)
{
    tree_close(&o->t);
    for (int i = 0; i <= ORACLE_HEIGHTS; i++)
        require(oracle_entries(o->heights[i]) == 1);
    oracle_check_tree(o->heights[ORACLE_HEIGHTS], "root", 0);
    require(remove_tree(o->heights[ORACLE_HEIGHTS], "root", NULL) == AC_OK);
    for (int i = ORACLE_HEIGHTS; i >= 0; i--) {
        require(oracle_entries(o->heights[i]) == 0);
        close(o->heights[i]);
        require(i == 0 ? rmdir(o->base) == 0 : unlinkat(o->heights[i - 1], "d", AT_REMOVEDIR) == 0);
    }
}

#endif
