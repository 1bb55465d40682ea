/* cgroup_files.c - where control groups are, and the few things one does with their files.
 *
 * /proc/self/mountinfo says where a hierarchy is mounted and which part of it; /proc/self/cgroup, where in it we are.
 * Files of groups are written with one write: the kernel takes each as one command. */
#include "daemon/sandbox/cgroup_files.h"
#include "daemon/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROC_BYTES_MAX ((size_t)1 << 20)
#define FIELDS_MAX 64
#define SEPARATORS ", \n"

typedef struct place {
    char root[PATH_MAX];  /* which part of the hierarchy is mounted */
    char mount[PATH_MAX]; /* where */
    char own[PATH_MAX];   /* our group in it */
} place;

typedef bool take_fn(char *line, const char *controller, place *p);

bool cgroup_has_word(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = list; *at; at += strcspn(at, SEPARATORS)) {
        at += strspn(at, SEPARATORS);
        if (strcspn(at, SEPARATORS) == length && strncmp(at, word, length) == 0)
            return length > 0;
    }
    return false;
}

static bool copy_path(char to[PATH_MAX], const char *path)
{
    return (size_t)snprintf(to, PATH_MAX, "%s", path) < PATH_MAX;
}

/* "36 35 98:0 /root /mount options ... - type source super-options" */
static bool take_mount(char *line, const char *controller, place *p)
{
    char *fields[FIELDS_MAX], *save = NULL;
    size_t count = 0, dash = 0;

    for (char *field = strtok_r(line, " ", &save); field && count < FIELDS_MAX; field = strtok_r(NULL, " ", &save)) {
        if (strcmp(field, "-") == 0)
            dash = count;
        fields[count++] = field;
    }
    if (dash < 6 || dash + 3 >= count)
        return false;
    if (strcmp(fields[dash + 1], controller ? "cgroup" : "cgroup2") != 0)
        return false;
    if (controller && !cgroup_has_word(fields[dash + 3], controller))
        return false;
    return copy_path(p->root, fields[3]) && copy_path(p->mount, fields[4]);
}

/* "0::/path" for version 2, "4:memory:/path" or "3:cpu,cpuacct:/path" for version 1. */
static bool take_own(char *line, const char *controller, place *p)
{
    char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;

    if (!path)
        return false;
    *path = '\0';
    if (controller ? !cgroup_has_word(controllers + 1, controller) : controllers[1] != '\0')
        return false;
    return copy_path(p->own, path + 1);
}

static bool find_line(const char *root, const char *file, take_fn *take, const char *controller, place *p)
{
    _cleanup_(buf_done) buf text = BUF_INIT(PROC_BYTES_MAX);
    char *line = cgroup_read(root, file, &text), *save = NULL;

    for (line = line ? strtok_r(line, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save))
        if (take(line, controller, p))
            return true;
    return false;
}

/* What of own is below root; NULL when it is elsewhere: then it is not mounted here. */
static const char *below(const char *own, const char *root)
{
    size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);

    if (strncmp(own, root, length) != 0 || (own[length] != '/' && own[length] != '\0'))
        return NULL;
    return strcmp(own + length, "/") == 0 ? "" : own + length;
}

bool cgroup_find(const char *root, const char *controller, char ret_directory[PATH_MAX])
{
    place p;
    const char *rest;

    if (!find_line(root, "proc/self/mountinfo", take_mount, controller, &p) ||
        !find_line(root, "proc/self/cgroup", take_own, controller, &p))
        return false;
    /* "/..": seen from a cgroup namespace that we are not in. */
    if (!(rest = below(p.own, p.root)) || strstr(p.own, "/.."))
        return false;
    return (size_t)snprintf(ret_directory, PATH_MAX, "%s%s%s", root, p.mount, rest) < PATH_MAX;
}

/* ---- files ---- */

int cgroup_directory_make(const char *directory)
{
    return mkdir(directory, 0755) == 0 ? 0 : errno;
}

int cgroup_directory_remove(const char *directory)
{
    return rmdir(directory) == 0 ? 0 : errno;
}

static bool file_path(char path[PATH_MAX], const char *directory, const char *file)
{
    return (size_t)snprintf(path, PATH_MAX, "%s/%s", directory, file) < PATH_MAX;
}

int cgroup_write(const char *directory, const char *file, const char *text)
{
    char path[PATH_MAX];
    size_t length = strlen(text);
    int fd, failure;
    ssize_t put;

    if (!file_path(path, directory, file))
        return ENAMETOOLONG;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    put = write(fd, text, length);
    failure = put < 0 ? errno : put == (ssize_t)length ? 0 : EIO;
    close(fd);
    return failure;
}

char *cgroup_read(const char *directory, const char *file, buf *out)
{
    char path[PATH_MAX];

    out->length = 0;
    if (!file_path(path, directory, file) || file_read(path, out, NULL, NULL) != AC_OK)
        return NULL;
    return buf_terminate(out);
}

uint64_t cgroup_read_number(const char *directory, const char *file, const char *name)
{
    _cleanup_(buf_done) buf text = BUF_INIT(PROC_BYTES_MAX);
    char *line = cgroup_read(directory, file, &text), *save = NULL;
    size_t length = strlen(name);

    for (line = line ? strtok_r(line, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save))
        if (strncmp(line, name, length) == 0 && line[length] == ' ')
            return strtoull(line + length, NULL, 10);
    return 0;
}
