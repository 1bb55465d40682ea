/* session_log_file.c - the files below DATA/logs: shared by name, appended to, rotated.
 *
 * A file is appended to by one write() of whole lines, so a reader sees no half ones; where a full disk took a part
 * only, that part is cut off again.  Before a write that would make it larger than it may be, NAME.log becomes
 * NAME.log.1 and so on; a reader that has it open reads on in the old one and finds by the inode that there is a new
 * one (session_log_read.c).
 *
 * Names come from ids of resources, not from callers of agents; they are checked all the same, and no symbolic link is
 * followed below the directory. */
#include "daemon/sessions/session_log_file.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY_MODE 0700
#define FILE_MODE 0600

struct session_logs {
    char *directory;
    uint64_t file_bytes;
    pthread_mutex_t lock;
    log_file *files;
};

struct log_file {
    session_logs *logs;
    log_file *next; /* under logs->lock, as users */
    unsigned users;
    char *name;
    pthread_mutex_t lock; /* of what follows */
    int directory_fd, fd; /* -1: not open */
    uint64_t bytes;
    bool trouble; /* was reported */
};

session_logs *session_logs_new_sized(const char *directory, uint64_t file_bytes)
{
    session_logs *logs = calloc(1, sizeof(*logs));

    if (!logs)
        return NULL;
    logs->file_bytes = file_bytes;
    logs->directory = strdup(directory);
    if (!logs->directory) {
        free(logs);
        return NULL;
    }
    pthread_mutex_init(&logs->lock, NULL);
    return logs;
}

session_logs *session_logs_new(const char *directory)
{
    return session_logs_new_sized(directory, SESSION_LOG_FILE_BYTES);
}

void session_logs_free(session_logs *logs)
{
    if (!logs)
        return;
    pthread_mutex_destroy(&logs->lock);
    free(logs->directory);
    free(logs);
}

static bool word_valid(const char *word, size_t length)
{
    if (length == 0 || length > 255 - sizeof(".log.9") || word[0] == '.')
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = word[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

bool session_log_name_valid(const char *name)
{
    if (strlen(name) > SESSION_LOG_NAME_MAX)
        return false;
    for (;;) {
        size_t length = strcspn(name, "/");
        if (!word_valid(name, length))
            return false;
        if (!name[length])
            return true;
        name += length + 1;
    }
}

/* ---- opening ---- */

/* Step into a directory, which is made when it is not there.  Takes parent; -1 with errno. */
static int enter(int parent, const char *name, int flags)
{
    int fd = -1;

    if (mkdirat(parent, name, DIRECTORY_MODE) == 0 || errno == EEXIST)
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
    int error = errno;
    if (parent != AT_FDCWD)
        close(parent);
    errno = error;
    return fd;
}

static const char *last_word(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash ? slash + 1 : name;
}

/* The directory of a file, by its name; -1 with errno. */
static int enter_all(const log_file *file)
{
    int fd = enter(AT_FDCWD, file->logs->directory, 0);
    char word[256];

    for (const char *at = file->name; fd >= 0 && at != last_word(file->name);) {
        size_t length = strcspn(at, "/");
        snprintf(word, sizeof(word), "%.*s", (int)length, at);
        fd = enter(fd, word, O_NOFOLLOW);
        at += length + 1;
    }
    return fd;
}

static bool file_open(log_file *file)
{
    char name[300];
    struct stat info;

    if (file->fd >= 0)
        return true;
    if (file->directory_fd < 0)
        file->directory_fd = enter_all(file);
    if (file->directory_fd < 0)
        return false;
    snprintf(name, sizeof(name), "%s.log", last_word(file->name));
    file->fd = openat(file->directory_fd, name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
                      FILE_MODE);
    if (file->fd < 0)
        return false;
    if (fstat(file->fd, &info) == 0 && S_ISREG(info.st_mode)) {
        file->bytes = (uint64_t)info.st_size;
        return true;
    }
    close(file->fd);
    file->fd = -1;
    errno = EINVAL;
    return false;
}

static void file_close(log_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->directory_fd >= 0)
        close(file->directory_fd);
    file->fd = file->directory_fd = -1;
}

/* NAME.log.3 becomes NAME.log.4, ..., NAME.log becomes NAME.log.1. */
static void rotate(log_file *file)
{
    const char *name = last_word(file->name);
    char from[300], to[300];

    for (int i = SESSION_LOG_FILES - 2; i >= 0; i--) {
        snprintf(from, sizeof(from), i ? "%s.log.%d" : "%s.log", name, i);
        snprintf(to, sizeof(to), "%s.log.%d", name, i + 1);
        if (renameat(file->directory_fd, from, file->directory_fd, to) != 0 && errno != ENOENT)
            break; /* the file below stays where it is, and grows: better than losing it */
    }
    close(file->fd);
    file->fd = -1;
}

/* ---- writing ---- */

static void report(log_file *file, int error)
{
    if (!file->trouble)
        ac_log_warning("Lines of sessions are lost, %s.log cannot be written: %s", file->name, strerror(error));
    file->trouble = true;
}

void log_file_append(log_file *file, const char *lines, size_t length)
{
    ssize_t wrote = -1;

    if (length == 0)
        return;
    pthread_mutex_lock(&file->lock);
    if (file->fd >= 0 && file->bytes > 0 && file->bytes + length > file->logs->file_bytes)
        rotate(file);
    if (file_open(file)) {
        do
            wrote = write(file->fd, lines, length);
        while (wrote < 0 && errno == EINTR);
    }
    int error = wrote >= 0 ? ENOSPC : errno;
    if (wrote == (ssize_t)length) {
        file->bytes += length;
        file->trouble = false;
    } else {
        if (wrote > 0 && ftruncate(file->fd, (off_t)file->bytes) != 0)
            file->bytes += (uint64_t)wrote;
        report(file, error);
        file_close(file); /* the directory may be gone: look for it again */
    }
    pthread_mutex_unlock(&file->lock);
}

/* ---- sharing ---- */

static log_file *file_new(session_logs *logs, const char *name)
{
    log_file *file = calloc(1, sizeof(*file));

    if (!file)
        return NULL;
    file->name = strdup(name);
    if (!file->name) {
        free(file);
        return NULL;
    }
    file->logs = logs;
    file->fd = file->directory_fd = -1;
    pthread_mutex_init(&file->lock, NULL);
    return file;
}

log_file *log_file_get(session_logs *logs, const char *name)
{
    log_file *file;

    pthread_mutex_lock(&logs->lock);
    for (file = logs->files; file; file = file->next) {
        if (strcmp(file->name, name) == 0)
            break;
    }
    if (!file) {
        file = file_new(logs, name);
        if (file) {
            file->next = logs->files;
            logs->files = file;
        }
    }
    if (file)
        file->users++;
    pthread_mutex_unlock(&logs->lock);
    return file;
}

void log_file_put(log_file *file)
{
    session_logs *logs = file->logs;

    pthread_mutex_lock(&logs->lock);
    bool last = --file->users == 0;
    for (log_file **link = &logs->files; last && *link; link = &(*link)->next) {
        if (*link == file) {
            *link = file->next;
            break;
        }
    }
    pthread_mutex_unlock(&logs->lock);
    if (!last)
        return;
    file_close(file);
    pthread_mutex_destroy(&file->lock);
    free(file->name);
    free(file);
}
