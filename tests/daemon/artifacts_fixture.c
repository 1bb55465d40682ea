/* artifacts_fixture.c - see artifacts_fixture.h. */
#include "artifacts_fixture.h"

#include <agentcore/log.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

artifacts_shop shop;
ac_error err;

bool run_program(const char *format, ...)
{
    char command[8192], quiet[8300];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    snprintf(quiet, sizeof quiet, "{ %s; } >%s/output 2>&1 </dev/null", command, shop.base);
    if (system(quiet) == 0)
        return true;
    fprintf(stderr, "%s:\n", command);
    snprintf(quiet, sizeof quiet, "cat %s/output >&2", shop.base);
    (void)!system(quiet);
    return false;
}

const char *in_data(const char *format, ...)
{
    static char path[PATH_MAX];
    size_t used = (size_t)snprintf(path, sizeof path, "%s/", shop.data);
    va_list args;

    va_start(args, format);
    vsnprintf(path + used, sizeof path - used, format, args);
    va_end(args);
    return path;
}

void artifacts_reopen(const artifacts_options *options)
{
    artifacts_options o = options ? *options : (artifacts_options){0};

    o.data_dir = shop.data;
    artifacts_close(shop.all);
    shop.all = NULL;
    assert_int_equal(artifacts_open(&o, &shop.all, &err), AC_OK);
}

static bool unused(const char *digest, void *user)
{
    (void)digest;
    (void)user;
    return false;
}

void artifacts_clear(void)
{
    assert_int_equal(artifacts_collect(shop.all, unused, NULL, &err), AC_OK);
}

int artifacts_set_up(void **state)
{
    (void)state;
    ac_log_set_level(AC_LOG_OFF);
    umask(077); /* modes must not depend on it */
    strcpy(shop.base, "/tmp/agentcored-artifacts-XXXXXX");
    if (!mkdtemp(shop.base))
        return 1;
    snprintf(shop.data, sizeof shop.data, "%s/data", shop.base);
    if (mkdir(shop.data, 0700) != 0 ||
        !run_program("/usr/bin/python3 '%s/tests/daemon/make_zips.py' '%s'", getenv("AC_SOURCE_DIR"), shop.data) ||
        !run_program("/usr/bin/python3 '%s/tests/daemon/make_images.py' '%s'", getenv("AC_SOURCE_DIR"), shop.data))
        return 1;
    artifacts_reopen(NULL);
    return 0;
}

int artifacts_tear_down(void **state)
{
    (void)state;
    artifacts_close(shop.all);
    return !run_program("rm -rf '%s'", shop.base);
}

/* ---- listings ---- */

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

typedef struct lines {
    char **all;
    size_t count;
} lines;

static void add_line(lines *l, const char *path, const char *name)
{
    char target[PATH_MAX], *line = NULL;
    struct stat info;
    ssize_t length;
    int made;

    assert_int_equal(lstat(path, &info), 0);
    if (S_ISLNK(info.st_mode)) {
        length = readlink(path, target, sizeof target - 1);
        assert_true(length >= 0);
        target[length] = '\0';
        made = asprintf(&line, "%s l %s", name, target);
    } else if (S_ISREG(info.st_mode)) {
        made = asprintf(&line, "%s f %04o %lld", name, (unsigned)info.st_mode & 07777, (long long)info.st_size);
    } else {
        made = asprintf(&line, "%s %c %04o", name, S_ISDIR(info.st_mode) ? 'd' : '?', (unsigned)info.st_mode & 07777);
    }
    assert_true(made > 0);
    l->all = realloc(l->all, (l->count + 1) * sizeof *l->all);
    assert_non_null(l->all);
    l->all[l->count++] = line;
}

static void walk(lines *l, const char *path, const char *prefix)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;

    assert_non_null(directory);
    while ((entry = readdir(directory))) {
        char *child, *name;
        struct stat info;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        assert_true(asprintf(&child, "%s/%s", path, entry->d_name) > 0);
        assert_true(asprintf(&name, "%s%s", prefix, entry->d_name) > 0);
        add_line(l, child, name);
        assert_int_equal(lstat(child, &info), 0);
        if (S_ISDIR(info.st_mode)) {
            char *deeper;
            assert_true(asprintf(&deeper, "%s/", name) > 0);
            walk(l, child, deeper);
            free(deeper);
        }
        free(child);
        free(name);
    }
    closedir(directory);
}

char *listing(const char *path)
{
    buf out = BUF_INIT((size_t)64 << 20);
    lines l = {0};
    char *text;

    walk(&l, path, "");
    if (l.count > 0)
        qsort(l.all, l.count, sizeof *l.all, compare_lines);
    for (size_t i = 0; i < l.count; i++) {
        assert_int_equal(buf_append_text(&out, l.all[i]), AC_OK);
        assert_int_equal(buf_append_text(&out, "\n"), AC_OK);
        free(l.all[i]);
    }
    free(l.all);
    assert_non_null(buf_terminate(&out));
    text = strdup(buf_terminate(&out));
    buf_done(&out);
    return text;
}

const char *content(const char *directory, const char *name)
{
    static char text[4096];
    char path[PATH_MAX];
    ssize_t length;
    int fd;

    snprintf(path, sizeof path, "%s/%s", directory, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    length = read(fd, text, sizeof text - 1);
    close(fd);
    assert_true(length >= 0);
    text[length] = '\0';
    return text;
}
