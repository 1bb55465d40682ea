/* image_user.c - who an image runs as: User of its config, by name or number.
 *
 * The files are the image's.  They are opened as a process inside would see them (openat2 with RESOLVE_IN_ROOT: links
 * are followed, and "/" is the image's root); where the kernel has no openat2, only when no link is on the way. */
#include "daemon/artifacts/image_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define ACCOUNTS_BYTES_MAX ((size_t)4 << 20)
#define ID_MAX 4294967294U /* (uid_t)-1 is none */

static int open_without_links(int root_fd, const char *name)
{
    int etc = openat(root_fd, "etc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), fd;

    if (etc < 0)
        return -1;
    fd = openat(etc, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    close(etc);
    return fd;
}

static int open_in_root(int root_fd, const char *name)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    char path[32];
    int fd;

    snprintf(path, sizeof path, "etc/%s", name);
    fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = open_without_links(root_fd, name);
    return fd;
}

/* The file's text; "" when there is no such file. */
static ac_status read_accounts(int root_fd, const char *name, buf *text, ac_error *err)
{
    _cleanup_(fd_closep) int fd = open_in_root(root_fd, name);
    struct stat info;
    ssize_t got = 0;

    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return AC_OK;
    if ((uint64_t)info.st_size > ACCOUNTS_BYTES_MAX)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "the image's /etc/%s is larger than %zu bytes", name,
                            ACCOUNTS_BYTES_MAX);
    if (buf_reserve(text, (size_t)info.st_size) != AC_OK)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    while (text->length < (size_t)info.st_size &&
           (got = read(fd, text->data + text->length, (size_t)info.st_size - text->length)) > 0)
        text->length += (size_t)got;
    return got < 0 ? work_failed(err, "read the image's /etc/", name) : AC_OK;
}

/* ---- lines ---- */

#define FIELDS_MAX 4

typedef struct account {
    const char *fields[FIELDS_MAX]; /* name, password, number, and of passwd the group */
    size_t lengths[FIELDS_MAX];
    size_t count;
} account;

static account split_line(const char *line, size_t length)
{
    account a = {.count = 0};

    while (a.count < FIELDS_MAX) {
        const char *colon = memchr(line, ':', length);
        size_t field = colon ? (size_t)(colon - line) : length;

        a.fields[a.count] = line;
        a.lengths[a.count++] = field;
        if (!colon)
            break;
        line += field + 1;
        length -= field + 1;
    }
    return a;
}

static bool read_number(const char *text, size_t length, unsigned *ret_number)
{
    uint64_t number = 0;

    if (length == 0 || length > 10)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (unsigned)(text[i] - '0');
    }
    *ret_number = (unsigned)number;
    return number <= ID_MAX;
}

static bool field_is(const account *a, size_t field, const char *text)
{
    return a->count > field && a->lengths[field] == strlen(text) &&
           memcmp(a->fields[field], text, a->lengths[field]) == 0;
}

/* The line whose field is that text. */
static bool find_line(const buf *text, size_t field, const char *value, account *ret_account)
{
    const char *at = text->data, *end = at ? at + text->length : NULL;

    while (at && at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline ? (size_t)(newline - at) : (size_t)(end - at);

        *ret_account = split_line(at, length);
        if (field_is(ret_account, field, value))
            return true;
        at += length + 1;
    }
    return false;
}

/* ---- user and group ---- */

static ac_status find_user(int root_fd, const char *user, unsigned *ret_uid, unsigned *ret_gid, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(ACCOUNTS_BYTES_MAX);
    bool number = read_number(user, strlen(user), ret_uid);
    account a;

    AC_TRY(read_accounts(root_fd, "passwd", &text, err));
    if (find_line(&text, 0, user, &a) && a.count == FIELDS_MAX && read_number(a.fields[2], a.lengths[2], ret_uid) &&
        read_number(a.fields[3], a.lengths[3], ret_gid))
        return AC_OK;
    if (!number)
        return ac_error_set(err, AC_ERR_INVALID, "the image runs as %s, who is not in its /etc/passwd",
                            show_text(user).text);
    AC_TRY(read_number(user, strlen(user), ret_uid) ? AC_OK : AC_ERR_INVALID);
    *ret_gid = 0;
    if (find_line(&text, 2, user, &a) && a.count == FIELDS_MAX && !read_number(a.fields[3], a.lengths[3], ret_gid))
        *ret_gid = 0;
    return AC_OK;
}

static ac_status find_group(int root_fd, const char *group, unsigned *ret_gid, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(ACCOUNTS_BYTES_MAX);
    account a;

    AC_TRY(read_accounts(root_fd, "group", &text, err));
    if (find_line(&text, 0, group, &a) && a.count > 2 && read_number(a.fields[2], a.lengths[2], ret_gid))
        return AC_OK;
    if (read_number(group, strlen(group), ret_gid))
        return AC_OK;
    return ac_error_set(err, AC_ERR_INVALID, "the image runs in the group %s, which is not in its /etc/group",
                        show_text(group).text);
}

ac_status image_user_find(int root_fd, const char *user, unsigned *ret_uid, unsigned *ret_gid, ac_error *err)
{
    const char *colon = strchr(user, ':');
    size_t length = colon ? (size_t)(colon - user) : strlen(user);
    char name[NAME_BYTES_MAX + 1];

    *ret_uid = *ret_gid = 0;
    if (length > NAME_BYTES_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "User of the image's config is too long");
    memcpy(name, user, length);
    name[length] = '\0';
    if (length > 0)
        AC_TRY(find_user(root_fd, name, ret_uid, ret_gid, err));
    return colon && colon[1] ? find_group(root_fd, colon + 1, ret_gid, err) : AC_OK;
}
