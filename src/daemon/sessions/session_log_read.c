/* session_log_read.c - reading logs that are written and rotated meanwhile.
 *
 * Files are opened newest first: a file that is renamed in between is met again under its new name, and known by its
 * inode; opened the other way round, one could be missed.  When the newest is another one afterwards, files that are
 * newer than those opened first may stand among the older ones, so all are opened anew.  They are then read oldest
 * first.  For the last N lines the files are read twice, once to count: that needs no memory for lines, and there are
 * at most SESSION_LOG_FILES of SESSION_LOG_FILE_BYTES.
 *
 * The writer appends whole lines, so what has no newline yet is left for the next look.  Following, when the name leads
 * to another inode than the one being read, that one is read to its end first, then what was made since. */
#include "daemon/sessions/session_log_read.h"

#include "base/buf.h"
#include "daemon/sessions/session_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 65536
#define OPENINGS_MAX 16
#define LINE_BYTES_MAX (8 * SESSION_LOG_LINE_MAX) /* one that is longer was not written by us, and is cut */

typedef struct log_reader {
    const session_log_query *query;
    int fds[SESSION_LOG_FILES]; /* newest first */
    ino_t inodes[SESSION_LOG_FILES];
    size_t count;
    size_t lines; /* that match, so far */
    size_t skip;  /* as many of them are not shown */
    bool counting, enough;
    buf line; /* unfinished */
} log_reader;

static void close_files(log_reader *r)
{
    while (r->count > 0)
        close(r->fds[--r->count]);
}

static void reader_done(log_reader *r)
{
    close_files(r);
    buf_done(&r->line);
}

/* ---- lines ---- */

static bool is_time(const char *text, size_t length)
{
    return length == 24 && text[4] == '-' && text[10] == 'T' && text[23] == 'Z';
}

static void take_apart(const char *line, size_t length, session_log_line *ret)
{
    const char *end = line + length;
    const char *first = memchr(line, ' ', length);
    const char *second = first ? memchr(first + 1, ' ', (size_t)(end - first - 1)) : NULL;

    *ret = (session_log_line){.line = line, .length = length, .text = line, .text_length = length};
    if (!second || !is_time(line, (size_t)(first - line)))
        return;
    ret->time = line;
    ret->time_length = (size_t)(first - line);
    ret->session_id = first + 1;
    ret->session_id_length = (size_t)(second - first - 1);
    ret->text = second + 1;
    ret->text_length = (size_t)(end - second - 1);
}

static void give_line(log_reader *r, const char *text, size_t length)
{
    const char *id = r->query->session_id;
    session_log_line line;

    take_apart(text, length, &line);
    if (id && (!line.session_id || line.session_id_length != strlen(id) ||
               memcmp(line.session_id, id, line.session_id_length) != 0))
        return;
    r->lines++;
    if (!r->counting && r->lines > r->skip)
        r->enough = !r->query->on_line(&line, r->query->user);
}

static ac_status take_bytes(log_reader *r, const char *data, size_t length)
{
    while (length > 0 && !r->enough) {
        const char *newline = memchr(data, '\n', length);
        size_t part = newline ? (size_t)(newline - data) : length;

        if (newline && r->line.length == 0) {
            give_line(r, data, part);
        } else {
            AC_TRY(buf_append(&r->line, data, MIN(part, LINE_BYTES_MAX - r->line.length)));
            if (newline) {
                give_line(r, r->line.data, r->line.length);
                r->line.length = 0;
            }
        }
        part += newline ? 1 : 0;
        data += part;
        length -= part;
    }
    return AC_OK;
}

/* What there is from where the file was left. */
static ac_status read_on(log_reader *r, int fd, ac_error *err)
{
    char data[READ_BYTES];

    while (!r->enough) {
        ssize_t got = read(fd, data, sizeof(data));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ac_error_set(err, AC_ERR_IO, "the log cannot be read: %s", strerror(errno));
        if (got == 0)
            return AC_OK;
        if (take_bytes(r, data, (size_t)got) != AC_OK)
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    }
    return AC_OK;
}

/* ---- files ---- */

static ac_status open_one(const log_reader *r, int number, int *ret_fd, ino_t *ret_inode, ac_error *err)
{
    const session_log_query *q = r->query;
    char path[4096];
    struct stat info;
    int length = number ? snprintf(path, sizeof(path), "%s/%s.log.%d", q->directory, q->name, number)
                        : snprintf(path, sizeof(path), "%s/%s.log", q->directory, q->name);

    if (length < 0 || (size_t)length >= sizeof(path))
        return ac_error_set(err, AC_ERR_INVALID, "the log's path is too long");
    *ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*ret_fd >= 0 && fstat(*ret_fd, &info) == 0 && S_ISREG(info.st_mode)) {
        *ret_inode = info.st_ino;
        return AC_OK;
    }
    int error = *ret_fd >= 0 ? EINVAL : errno;
    if (*ret_fd >= 0)
        close(*ret_fd);
    return ac_error_set(err,
                        error == ENOENT || error == ENOTDIR ? AC_ERR_NOT_FOUND
                        : error == EACCES                   ? AC_ERR_DENIED
                                                            : AC_ERR_IO,
                        "%s: %s", path, strerror(error));
}

static bool is_open(const log_reader *r, ino_t inode)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->inodes[i] == inode)
            return true;
    }
    return false;
}

static ac_status open_once(log_reader *r, ino_t until, ac_error *err)
{
    for (int number = 0; number < SESSION_LOG_FILES; number++) {
        ino_t inode = 0;
        int fd = -1;
        ac_status status = open_one(r, number, &fd, &inode, err);

        /* While files are renamed, one after the other, each name is free for a moment; what stands behind it is
         * there. */
        if (status == AC_ERR_NOT_FOUND)
            continue;
        AC_TRY(status);
        if (inode == until) {
            close(fd);
            break;
        }
        if (is_open(r, inode)) {
            close(fd);
            continue;
        }
        r->fds[r->count] = fd;
        r->inodes[r->count++] = inode;
    }
    return AC_OK;
}

/* Of the file that is written to; 0: there is none just now. */
static ino_t newest(const log_reader *r)
{
    ino_t inode = 0;
    int fd = -1;

    if (open_one(r, 0, &fd, &inode, NULL) != AC_OK)
        return 0;
    close(fd);
    return inode;
}

/* All that are newer than the file with this inode; 0: all. */
static ac_status open_files(log_reader *r, ino_t until, ac_error *err)
{
    for (int i = 1;; i++) {
        ino_t before = newest(r);
        ac_status status = open_once(r, until, err);

        if (status != AC_OK || newest(r) == before || i == OPENINGS_MAX)
            return status;
        close_files(r);
    }
}

static ac_status read_files(log_reader *r, ac_error *err)
{
    for (size_t i = r->count; i-- > 0 && !r->enough;) {
        AC_TRY(read_on(r, r->fds[i], err));
        if (i > 0)
            r->line.length = 0; /* cut off by a full disk */
    }
    return AC_OK;
}

static ac_status count_lines(log_reader *r, ac_error *err)
{
    r->counting = true;
    AC_TRY(read_files(r, err));
    r->counting = false;
    r->line.length = 0;
    r->skip = r->lines > r->query->tail_lines ? r->lines - r->query->tail_lines : 0;
    r->lines = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (lseek(r->fds[i], 0, SEEK_SET) != 0)
            return ac_error_set(err, AC_ERR_IO, "the log cannot be read again: %s", strerror(errno));
    }
    return AC_OK;
}

/* ---- following ---- */

/* Only the newest file is still written to. */
static void keep_newest(log_reader *r)
{
    while (r->count > 1)
        close(r->fds[--r->count]);
}

static ac_status follow(log_reader *r, ac_error *err)
{
    const session_log_query *q = r->query;

    r->skip = 0;
    while (!r->enough && (!q->on_wait || q->on_wait(q->user))) {
        poll(NULL, 0, (int)(q->poll_ms ? q->poll_ms : SESSION_LOG_POLL_MS));
        if (r->count > 0)
            AC_TRY(read_on(r, r->fds[0], err));
        log_reader newer = {.query = q};
        ac_status status = open_files(&newer, r->count ? r->inodes[0] : 0, err);
        if (status == AC_OK && newer.count > 0 && r->count > 0)
            status = read_on(r, r->fds[0], err); /* what came until it was renamed */
        if (status != AC_OK) {
            close_files(&newer);
            return status;
        }
        if (newer.count == 0)
            continue;
        close_files(r);
        r->line.length = 0;
        memcpy(r->fds, newer.fds, sizeof(r->fds));
        memcpy(r->inodes, newer.inodes, sizeof(r->inodes));
        r->count = newer.count;
        AC_TRY(read_files(r, err));
        keep_newest(r);
    }
    return AC_OK;
}

ac_status session_log_read(const session_log_query *query, ac_error *err)
{
    _cleanup_(reader_done) log_reader r = {.query = query, .line = BUF_INIT(LINE_BYTES_MAX)};

    if (!session_log_name_valid(query->name))
        return ac_error_set(err, AC_ERR_INVALID, "not the name of a log");
    AC_TRY(open_files(&r, 0, err));
    if (r.count == 0 && !query->follow)
        return ac_error_set(err, AC_ERR_NOT_FOUND, "there is no log of %s", query->name);
    if (query->tail_lines)
        AC_TRY(count_lines(&r, err));
    AC_TRY(read_files(&r, err));
    if (!query->follow || r.enough)
        return AC_OK;
    keep_newest(&r);
    return follow(&r, err);
}
