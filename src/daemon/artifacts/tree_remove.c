/* tree_remove.c - taking away: a whole tree, or of a tree what a whiteout hides.
 *
 * Directories are walked by descriptor and never through links.  The walk recurses; ARTIFACT_DEPTH_MAX and one level
 * more for what lies around an artifact bound it.
 *
 * A whiteout hides what lower layers have, not what its own layer brings, and may stand before or behind that in the
 * archive.  So a layer notes the paths it makes, as hashes of 64 bits with a seed of chance: a collision, which nobody
 * can plan, would let one file stay that should go. */
#include "daemon/artifacts/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define REMOVE_DEPTH_MAX (ARTIFACT_DEPTH_MAX + 8)
#define REMOVE_PASSES 8
#define SET_FIRST_CAPACITY 1024

static void dir_closep(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

/* NULL with errno. */
static DIR *open_directory(int directory_fd, const char *name)
{
    int fd = openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;

    if (fd >= 0 && !directory)
        close(fd);
    return directory;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* ---- all of it ---- */

static ac_status remove_at(int directory_fd, const char *name, int depth, ac_error *err);

static ac_status remove_children(int directory_fd, const char *name, int depth, ac_error *err)
{
    _cleanup_(dir_closep) DIR *directory = open_directory(directory_fd, name);
    const struct dirent *entry;

    if (!directory)
        return work_failed(err, "open", name);
    if (depth > REMOVE_DEPTH_MAX)
        return ac_error_set(err, AC_ERR_IO, "cannot remove %s: it is too deep", show_text(name).text);
    while ((entry = readdir(directory)))
        if (!is_dots(entry->d_name))
            AC_TRY(remove_at(dirfd(directory), entry->d_name, depth + 1, err));
    return AC_OK;
}

static ac_status remove_at(int directory_fd, const char *name, int depth, ac_error *err)
{
    if (unlinkat(directory_fd, name, 0) == 0 || errno == ENOENT)
        return AC_OK;
    if (errno != EISDIR && errno != EPERM)
        return work_failed(err, "remove", name);
    /* Some file systems skip entries when others go while a directory is read. */
    for (int pass = 0; pass < REMOVE_PASSES; pass++) {
        AC_TRY(remove_children(directory_fd, name, depth, err));
        if (unlinkat(directory_fd, name, AT_REMOVEDIR) == 0)
            return AC_OK;
        if (errno != ENOTEMPTY && errno != EEXIST)
            break;
    }
    return work_failed(err, "remove", name);
}

ac_status remove_tree(int directory_fd, const char *name, ac_error *err)
{
    return remove_at(directory_fd, name, 0, err);
}

/* ---- the paths of a layer ---- */

void path_set_done(path_set *set)
{
    free(set->slots);
    *set = (path_set){0};
}

/* FNV-1a; never 0, which marks a free slot. */
static uint64_t path_hash(const path_set *set, const char *path, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325U ^ set->seed;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)path[i]) * 0x100000001b3U;
    hash ^= hash >> 29;
    return hash | 1;
}

static uint64_t *find_slot(uint64_t *slots, size_t capacity, uint64_t hash)
{
    size_t at = (size_t)(hash >> 1) & (capacity - 1);

    while (slots[at] && slots[at] != hash)
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

static ac_status grow(path_set *set)
{
    size_t capacity = set->capacity ? set->capacity * 2 : SET_FIRST_CAPACITY;
    uint64_t *slots = calloc(capacity, sizeof *slots);

    if (!slots)
        return AC_ERR_NOMEM;
    if (!set->slots && RAND_bytes((unsigned char *)&set->seed, sizeof set->seed) != 1) {
        free(slots);
        return AC_ERR_INTERNAL;
    }
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slots[i])
            *find_slot(slots, capacity, set->slots[i]) = set->slots[i];
    free(set->slots);
    set->slots = slots;
    set->capacity = capacity;
    return AC_OK;
}

ac_status path_set_add(path_set *set, const char *path)
{
    /* From the path up; what is known is known with all above it. */
    for (size_t length = strlen(path); length > 0;) {
        if (set->count >= set->capacity / 2)
            AC_TRY(grow(set));

        uint64_t hash = path_hash(set, path, length);
        uint64_t *slot = find_slot(set->slots, set->capacity, hash);
        if (*slot)
            return AC_OK;
        *slot = hash;
        set->count++;
        while (length > 0 && path[--length] != '/') {
        }
    }
    return AC_OK;
}

bool path_set_has(const path_set *set, const char *path)
{
    return set->capacity > 0 && *find_slot(set->slots, set->capacity, path_hash(set, path, strlen(path))) != 0;
}

/* ---- hiding ---- */

typedef struct hiding {
    const path_set *set;
    char path[ARTIFACT_PATH_MAX]; /* of what is looked at */
    ac_error *err;
} hiding;

static ac_status hide(hiding *h, int directory_fd, const char *name, int depth);

static ac_status hide_children(hiding *h, int directory_fd, const char *name, int depth)
{
    _cleanup_(dir_closep) DIR *directory = open_directory(directory_fd, name);
    size_t length = strlen(h->path);
    const struct dirent *entry;

    if (!directory)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? AC_OK : work_failed(h->err, "open", name);
    if (depth > REMOVE_DEPTH_MAX)
        return ac_error_set(h->err, AC_ERR_IO, "cannot remove %s: it is too deep", show_text(name).text);
    while ((entry = readdir(directory))) {
        if (is_dots(entry->d_name))
            continue;
        snprintf(h->path + length, sizeof h->path - length, "%s%s", length ? "/" : "", entry->d_name);
        AC_TRY(hide(h, dirfd(directory), entry->d_name, depth + 1));
        h->path[length] = '\0';
    }
    return AC_OK;
}

static ac_status hide(hiding *h, int directory_fd, const char *name, int depth)
{
    if (!path_set_has(h->set, h->path))
        return remove_tree(directory_fd, name, h->err);
    return hide_children(h, directory_fd, name, depth);
}

ac_status tree_hide(tree *t, const char *path, bool children_only, const path_set *set, ac_error *err)
{
    hiding h = {.set = set, .err = err};
    const char *leaf = ".";
    ac_error unused;
    int fd = t->root_fd;

    if (*path) {
        ac_status status = tree_parent(t, path, false, &fd, &leaf, &unused);

        if (status == AC_ERR_NOT_FOUND || status == AC_ERR_INVALID) /* nothing there to hide */
            return AC_OK;
        if (status != AC_OK)
            return ac_error_set(err, status, "%s", unused.message);
    }
    snprintf(h.path, sizeof h.path, "%s", path);
    AC_TRY(children_only ? hide_children(&h, fd, leaf, 0) : hide(&h, fd, leaf, 0));
    tree_forget(t);
    return AC_OK;
}
