/* text.c - memory that lives as long as the command, and small files. */
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct kept {
    struct kept *next;
    _Alignas(16) char bytes[];
} kept;

static kept *all;

void nomem(void)
{
    fputs("agentcore: out of memory\n", stderr);
    exit(1);
}

void *keep(size_t length)
{
    kept *k = calloc(1, sizeof *k + length);

    if (!k)
        nomem();
    k->next = all;
    all = k;
    return k->bytes;
}

void *text_mark(void)
{
    return all;
}

void text_release(void *mark)
{
    while (all && all != mark) {
        kept *next = all->next;

        free(all);
        all = next;
    }
}

void text_done(void)
{
    text_release(NULL);
}

char *keep_text(const char *text, size_t length)
{
    char *copy = keep(length + 1);

    if (length)
        memcpy(copy, text, length);
    return copy;
}

char *textf(const char *format, ...)
{
    va_list args;
    char *made = NULL, *copy;

    va_start(args, format);
    int length = vasprintf(&made, format, args);
    va_end(args);
    if (length < 0)
        nomem();
    copy = keep_text(made, (size_t)length);
    free(made);
    return copy;
}

bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);

    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

void words_add(words *w, const char *word)
{
    if (w->count + 1 >= w->room) {
        size_t room = w->room ? 2 * w->room : 16;
        const char **more = keep(room * sizeof *more);

        if (w->count)
            memcpy(more, w->items, w->count * sizeof *more);
        w->items = more;
        w->room = room;
    }
    w->items[w->count++] = word;
    w->items[w->count] = NULL;
}

void hex(const unsigned char *bytes, size_t length, char *ret)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < length; i++) {
        ret[2 * i] = digits[bytes[i] >> 4];
        ret[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret[2 * length] = '\0';
}

/* ---- files ---- */

ac_status file_error(ac_error *err, const char *what, const char *path)
{
    ac_status status = errno == ENOENT || errno == ENOTDIR ? AC_ERR_NOT_FOUND
                       : errno == EACCES || errno == EPERM ? AC_ERR_DENIED
                                                           : AC_ERR_STATE;

    return ac_error_set(err, status, "cannot %s %s: %s", what, path, strerror(errno));
}

static ac_status read_all(int fd, const char *path, char **ret_text, size_t *ret_length, ac_error *err)
{
    size_t room = 1 << 16, length = 0;
    char *text = malloc(room + 1);
    ssize_t got;

    while (text && (got = read(fd, text + length, room - length)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || (length += (size_t)got) > FILE_BYTES_MAX) {
            free(text);
            return got < 0 ? file_error(err, "read", path)
                           : ac_error_set(err, AC_ERR_TOO_LARGE, "%s is larger than %zu bytes", path, FILE_BYTES_MAX);
        }
        if (length == room) {
            char *more = realloc(text, 2 * room + 1);

            if (!more)
                free(text);
            text = more;
            room *= 2;
        }
    }
    if (!text)
        nomem();
    *ret_text = keep_text(text, length);
    if (ret_length)
        *ret_length = length;
    free(text);
    return AC_OK;
}

ac_status file_get(const char *path, char **ret_text, size_t *ret_length, ac_error *err)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    ac_status status;

    if (fd < 0)
        return file_error(err, "read", path);
    status = read_all(fd, standard ? "standard input" : path, ret_text, ret_length, err);
    if (!standard)
        close(fd);
    return status;
}

static bool write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t put = write(fd, data, length);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        data += put;
        length -= (size_t)put;
    }
    return true;
}

ac_status file_put(const char *path, const void *data, size_t length, mode_t mode, ac_error *err)
{
    char *beside = textf("%s.XXXXXX", path);
    int fd = mkostemp(beside, O_CLOEXEC), failure;
    bool well;

    if (fd < 0)
        return file_error(err, "write", path);
    well = write_all(fd, data, length) && fchmod(fd, mode) == 0;
    well = close(fd) == 0 && well && rename(beside, path) == 0;
    if (well)
        return AC_OK;
    failure = errno;
    unlink(beside);
    errno = failure;
    return file_error(err, "write", path);
}

ac_status directory_make(const char *path, ac_error *err)
{
    char *part = textf("%s", path);

    for (char *slash = part + 1;; slash++) {
        char was = *slash;

        if (was != '/' && was != '\0')
            continue;
        *slash = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return file_error(err, "make", part);
        *slash = was;
        if (!was)
            return is_directory(path) ? AC_OK : ac_error_set(err, AC_ERR_CONFLICT, "%s is no directory", path);
    }
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    remove(path);
    return 0;
}

void tree_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

ac_status directory_beside(const char *path, char **ret_path, ac_error *err)
{
    char *made = textf("%s.XXXXXX", path);

    if (!mkdtemp(made) || chmod(made, 0755) != 0)
        return file_error(err, "make a directory beside", path);
    *ret_path = made;
    return AC_OK;
}

bool is_directory(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool is_file(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}
