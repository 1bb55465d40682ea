/* files.c - readFiles, writeFiles, listFiles, removeFiles: in the work directory, and nowhere else.
 *
 * Every path is resolved by the kernel beneath the work directory (openat2, RESOLVE_BENEATH): absolute paths, "..", and
 * symbolic links that would lead out of it are refused, whatever happens to the tree meanwhile.  A file is never
 * opened for writing at its own path: what is written is a new file beside it, which takes its place in the end, when
 * all files of the call are there. */
#include "code.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DIRECTORY_DEPTH_MAX 64
#define TEMPORARY ".agentcore-%x.part"

static int work = -1;           /* the work directory */
static atomic_uint temporaries; /* so far */

bool files_begin(void)
{
    if (work >= 0)
        close(work);
    work = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return work >= 0;
}

/* ---- paths ---- */

static int open_beneath(const char *path, uint64_t flags)
{
    const struct open_how how = {.flags = flags | O_CLOEXEC,
                                 .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};

    return (int)syscall(SYS_openat2, work, path, &how, sizeof how);
}

static const char *why(int number)
{
    return number == EXDEV    ? "it leads out of the work directory"
           : number == ENOENT ? "there is no such file"
           : number == ELOOP  ? "it is a symbolic link that leads nowhere"
                              : strerror(number);
}

/* The last name of a path, which may have slashes behind it; NULL when it has none, or is "." or "..". */
static char *split(char *path, const char **ret_directory)
{
    size_t length = strlen(path);
    char *slash;

    while (length > 0 && path[length - 1] == '/')
        path[--length] = '\0';
    slash = strrchr(path, '/');
    *ret_directory = ".";
    if (slash) {
        *slash = '\0';
        *ret_directory = *path ? path : "/";
        path = slash + 1;
    }
    return !*path || strcmp(path, ".") == 0 || strcmp(path, "..") == 0 ? NULL : path;
}

/* Make what is missing of a directory's path.  0 or an errno. */
static int make_directories(const char *path)
{
    char done[CODE_PATH_BYTES_MAX + 1] = "";
    int above = fcntl(work, F_DUPFD_CLOEXEC, 3), depth = 0, failure = above < 0 ? errno : 0;

    for (const char *at = path; *at && !failure;) {
        size_t length = strcspn(at, "/"), used = strlen(done);
        char name[256];
        int next;

        if (length > 0) {
            if (length >= sizeof name || ++depth > DIRECTORY_DEPTH_MAX) {
                failure = ENAMETOOLONG;
                break;
            }
            snprintf(name, sizeof name, "%.*s", (int)length, at);
            snprintf(done + used, sizeof done - used, "%s%s", used ? "/" : "", name);
            next = open_beneath(done, O_PATH | O_DIRECTORY);
            if (next < 0 && errno == ENOENT && (mkdirat(above, name, 0755) == 0 || errno == EEXIST))
                next = open_beneath(done, O_PATH | O_DIRECTORY);
            if (next < 0)
                failure = errno;
            else
                close(above);
            above = next < 0 ? above : next;
        }
        at += length;
        at += strspn(at, "/");
    }
    if (above >= 0)
        close(above);
    return failure;
}

/* The next path of a request; false when the request is over (*ret_well) or makes no sense. */
static bool next_path(const call *c, char path[CODE_PATH_BYTES_MAX + 1], bool *ret_well)
{
    code_frame kind;
    size_t bytes;

    *ret_well = false;
    if (!frame_receive_head(c->fd, CODE_PATH_BYTES_MAX, &kind, &bytes))
        return false;
    if (kind == CODE_GO) {
        *ret_well = bytes == 0;
        return false;
    }
    if (kind != CODE_PATH || !frame_receive(c->fd, path, bytes))
        return false;
    path[bytes] = '\0';
    *ret_well = true;
    return true;
}

/* ---- reading ---- */

typedef struct reading {
    int fds[CODE_FILES_MAX];
    char *paths[CODE_FILES_MAX];
    size_t count;
} reading;

/* Returns whether it can be read; otherwise the call was ended. */
static bool open_file(call *c, reading *r, const char *path)
{
    struct stat info = {0};
    int fd = open_beneath(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    int failure = fd < 0 ? errno : fstat(fd, &info) != 0 ? errno : 0;

    if (!failure && S_ISREG(info.st_mode) && (size_t)info.st_size <= CODE_FILE_BYTES_MAX &&
        (r->paths[r->count] = strdup(path))) {
        r->fds[r->count++] = fd;
        return true;
    }
    if (fd >= 0)
        close(fd);
    if (failure)
        call_end(c, OUTCOME_REFUSED, 1, "Could not read file '%.500s': %s", path, why(failure));
    else if (S_ISDIR(info.st_mode))
        call_end(c, OUTCOME_REFUSED, 1, "Could not read file '%.500s': it is a directory", path);
    else if (!S_ISREG(info.st_mode))
        call_end(c, OUTCOME_REFUSED, 1, "Could not read file '%.500s': it is not a regular file", path);
    else
        call_end(c, OUTCOME_REFUSED, 1,
                 "Could not read file '%.500s': it has %llu bytes, and %zu are the most that can be read at once", path,
                 (unsigned long long)info.st_size, CODE_FILE_BYTES_MAX);
    return false;
}

static bool send_file(const call *c, int fd, const char *path)
{
    char data[STREAM_READ_BYTES];
    size_t left = CODE_FILE_BYTES_MAX;
    ssize_t got = 1;

    if (!frame_send(c->fd, CODE_FILE, path, strlen(path), NULL, 0))
        return false;
    while (left > 0 && (got = read(fd, data, sizeof data < left ? sizeof data : left)) > 0) {
        if (!frame_send(c->fd, CODE_PIECE, data, (size_t)got, NULL, 0))
            return false;
        left -= (size_t)got;
    }
    return true;
}

/* All are opened before the first is sent: none or all. */
void tool_read(call *c)
{
    reading *r = calloc(1, sizeof *r);
    char path[CODE_PATH_BYTES_MAX + 1];
    bool well = true, open_well = true;

    while (r && next_path(c, path, &well)) {
        if (!open_well)
            continue;
        if (r->count < CODE_FILES_MAX) {
            open_well = open_file(c, r, path);
        } else {
            call_end(c, OUTCOME_REFUSED, 1, "More than %d files", CODE_FILES_MAX);
            open_well = false;
        }
    }
    for (size_t i = 0; r && i < r->count; i++) {
        well = well && open_well && send_file(c, r->fds[i], r->paths[i]);
        close(r->fds[i]);
        free(r->paths[i]);
    }
    if (r && well && open_well)
        call_end(c, OUTCOME_DONE, 0, "%s", "");
    free(r);
}

/* ---- writing ---- */

typedef struct written {
    int directory;
    char *name;
    char temporary[40];
} written;

typedef struct writing {
    call *c;
    written files[CODE_FILES_MAX];
    size_t count;
    int fd; /* of the last one */
    bool failed;
    char why[CODE_MESSAGE_BYTES_MAX];
    char frame[CODE_FRAME_BYTES_MAX + 1];
} writing;

/* The answer has to wait until what was written for nothing is gone: it says that nothing was changed. */
static void fail(writing *w, const char *path, int number)
{
    if (!w->failed)
        snprintf(w->why, sizeof w->why, "Could not write file '%.500s': %s", path, why(number));
    w->failed = true;
}

static void begin_file(writing *w, char *path)
{
    char whole[CODE_PATH_BYTES_MAX + 1];
    written *file = &w->files[w->count];
    const char *directory;
    char *name;
    struct stat info;
    int failure;

    snprintf(whole, sizeof whole, "%.*s", CODE_PATH_BYTES_MAX, path);
    name = split(path, &directory);
    if (!name || w->count >= CODE_FILES_MAX) {
        fail(w, whole, name ? EMFILE : EISDIR);
        return;
    }
    failure = *directory == '/' ? EXDEV : make_directories(directory);
    if (!failure && (file->directory = open_beneath(directory, O_PATH | O_DIRECTORY)) < 0)
        failure = errno;
    if (failure) {
        fail(w, whole, failure);
        return;
    }
    snprintf(file->temporary, sizeof file->temporary, TEMPORARY, atomic_fetch_add(&temporaries, 1));
    if (fstatat(file->directory, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode))
        failure = EISDIR;
    else if ((w->fd = openat(file->directory, file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) < 0)
        failure = errno;
    file->name = failure ? NULL : strdup(name);
    if (file->name) {
        w->count++;
        return;
    }
    close(file->directory);
    fail(w, whole, failure ? failure : ENOMEM);
}

static void write_piece(writing *w, const char *data, size_t bytes)
{
    while (bytes > 0 && !w->failed) {
        ssize_t put = write(w->fd, data, bytes);

        if (put < 0 && errno != EINTR)
            fail(w, w->files[w->count - 1].name, errno);
        if (put > 0) {
            data += put;
            bytes -= (size_t)put;
        }
    }
}

static void end_file(writing *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

/* Also when it has failed, all is read: the room sends before it listens. */
static bool take_frames(writing *w)
{
    char *data = w->frame;

    for (;;) {
        code_frame kind;
        size_t bytes;

        if (!frame_receive_head(w->c->fd, CODE_FRAME_BYTES_MAX, &kind, &bytes) || !frame_receive(w->c->fd, data, bytes))
            return false;
        data[bytes] = '\0';
        if (kind == CODE_GO)
            return true;
        if (kind == CODE_PATH && bytes <= CODE_PATH_BYTES_MAX) {
            end_file(w);
            if (!w->failed)
                begin_file(w, data);
        } else if (kind == CODE_DATA) {
            if (!w->failed && w->fd < 0)
                return false;
            write_piece(w, data, bytes);
        } else {
            return false;
        }
    }
}

void tool_write(call *c)
{
    writing *w = calloc(1, sizeof *w);
    bool whole;

    if (!w)
        return;
    w->c = c;
    w->fd = -1;
    whole = take_frames(w);
    end_file(w);
    for (size_t i = 0; i < w->count; i++) {
        written *file = &w->files[i];

        if (whole && !w->failed && renameat(file->directory, file->temporary, file->directory, file->name) != 0)
            fail(w, file->name, errno);
        if (!whole || w->failed)
            unlinkat(file->directory, file->temporary, 0);
        close(file->directory);
        free(file->name);
    }
    if (whole && w->failed)
        call_end(c, OUTCOME_REFUSED, 1, "%s", w->why);
    else if (whole)
        call_end(c, OUTCOME_DONE, 0, "Successfully wrote all %zu files", w->count);
    free(w);
}

/* ---- listing ---- */

static bool send_entry(const call *c, int directory, const char *name)
{
    unsigned char fixed[CODE_ENTRY_BYTES];
    struct stat info;

    if (fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return true; /* gone by now */
    fixed[0] = S_ISDIR(info.st_mode) ? ENTRY_DIRECTORY : ENTRY_FILE;
    code_put64(fixed + 1, (uint64_t)info.st_size);
    return frame_send(c->fd, CODE_ENTRY, fixed, sizeof fixed, name, strlen(name));
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t read_names(DIR *entries, char **names)
{
    struct dirent *entry;
    size_t count = 0;

    while (count < CODE_ENTRIES_MAX && (entry = readdir(entries)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            (names[count] = strdup(entry->d_name)) != NULL)
            count++;
    qsort(names, count, sizeof *names, compare_names);
    return count;
}

void tool_list(call *c)
{
    char path[CODE_PATH_BYTES_MAX + 1], rest[CODE_PATH_BYTES_MAX + 1], **names;
    bool well;
    DIR *entries;
    size_t count;
    int fd;

    if (!next_path(c, path, &well) || next_path(c, rest, &well) || !well)
        return;
    fd = open_beneath(*path ? path : ".", O_RDONLY | O_DIRECTORY);
    entries = fd >= 0 ? fdopendir(fd) : NULL;
    names = calloc(CODE_ENTRIES_MAX, sizeof *names);
    if (!entries || !names) {
        call_end(c, OUTCOME_REFUSED, 1, "Could not list '%.500s': %s", path,
                 errno == ENOENT ? "there is no such directory" : why(errno));
        if (fd >= 0 && !entries)
            close(fd);
    } else {
        count = read_names(entries, names);
        for (size_t i = 0; i < count; i++) {
            well = well && send_entry(c, fd, names[i]);
            free(names[i]);
        }
        if (well)
            call_end(c, OUTCOME_DONE, 0, "%s", "");
    }
    if (entries)
        closedir(entries);
    free(names);
}

/* ---- removing ---- */

/* 0 or an errno. */
static int remove_one(char *path)
{
    const char *directory;
    char *name = split(path, &directory);
    int fd, failure;

    if (!name)
        return EBUSY;
    if (*directory == '/')
        return EXDEV;
    fd = open_beneath(directory, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return errno;
    failure = tree_remove_at(fd, name, 0);
    close(fd);
    return failure;
}

void tool_remove(call *c)
{
    char path[CODE_PATH_BYTES_MAX + 1], whole[CODE_PATH_BYTES_MAX + 1];
    size_t count = 0;
    bool well, failed = false;

    while (next_path(c, path, &well)) {
        int failure;

        snprintf(whole, sizeof whole, "%.*s", CODE_PATH_BYTES_MAX, path);
        failure = failed ? 0 : remove_one(path);
        if (failure)
            call_end(c, OUTCOME_REFUSED, 1, "Could not remove '%.500s': %s", whole, why(failure));
        failed = failed || failure;
        count++;
    }
    if (well && !failed)
        call_end(c, OUTCOME_DONE, 0, "Successfully removed all %zu files", count);
}
