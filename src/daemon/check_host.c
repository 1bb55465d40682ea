/* check_host.c - disk, descriptors, and the PostgreSQL server, tried out without leaving a trace.
 *
 * The data directory may not exist yet: then the nearest directory above it, where it would be made, is looked at. */
#include "daemon/check.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <libpq-fe.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SPACE_LOW_BYTES ((uint64_t)1 << 30)
#define SPACE_LEAST_BYTES ((uint64_t)64 << 20)
#define WRITES 20
#define WRITE_BYTES 4096
#define WRITE_SLOW_US 20000
#define FILES_FEW 4096
#define FILES_LEAST 256
#define CONNECT_S "5"

/* The data directory, or what there is above it. */
static bool existing_directory(const config *c, char path[PATH_MAX], bool *ret_itself)
{
    struct stat info;
    const char *up;

    if ((size_t)snprintf(path, PATH_MAX, "%s", c->data_dir) >= PATH_MAX)
        return false;
    *ret_itself = true;
    while (stat(path, &info) != 0) {
        if (errno != ENOENT || strcmp(path, "/") == 0)
            return false;
        *ret_itself = false;
        up = dirname(path);
        memmove(path, up, strlen(up) + 1);
    }
    return S_ISDIR(info.st_mode);
}

check_state check_data_dir(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    char path[PATH_MAX];
    bool itself;

    if (!existing_directory(c, path, &itself)) {
        snprintf(detail, CHECK_DETAIL_SIZE, "%.150s: %s", c->data_dir, errno ? strerror(errno) : "not a directory");
        return CHECK_MISSING;
    }
    if (faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
        snprintf(detail, CHECK_DETAIL_SIZE, "%.180s cannot be written: %s", path, strerror(errno));
        return CHECK_MISSING;
    }
    snprintf(detail, CHECK_DETAIL_SIZE, "%.180s%s", c->data_dir, itself ? "" : ", which the first start makes");
    return CHECK_OK;
}

check_state check_disk_space(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    char path[PATH_MAX];
    struct statvfs info;
    uint64_t free_bytes;
    bool itself;

    if (!existing_directory(c, path, &itself) || statvfs(path, &info) != 0) {
        snprintf(detail, CHECK_DETAIL_SIZE, "unknown");
        return CHECK_LIMITED;
    }
    free_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    snprintf(detail, CHECK_DETAIL_SIZE, "%.1f GB free", (double)free_bytes / 1e9);
    return free_bytes >= SPACE_LOW_BYTES ? CHECK_OK : free_bytes >= SPACE_LEAST_BYTES ? CHECK_LIMITED : CHECK_MISSING;
}

/* A file without a name, where the file system can do that. */
static int nameless_file(const char *directory)
{
    char path[PATH_MAX];
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || (size_t)snprintf(path, sizeof path, "%s/check.XXXXXX", directory) >= sizeof path)
        return fd;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

check_state check_durable_writes(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    char path[PATH_MAX], block[WRITE_BYTES] = {1};
    uint64_t begin, each_us;
    bool itself, well;
    int fd;

    if (!existing_directory(c, path, &itself) || (fd = nameless_file(path)) < 0) {
        snprintf(detail, CHECK_DETAIL_SIZE, "no file can be made: %s", strerror(errno));
        return CHECK_MISSING;
    }
    begin = clock_monotonic_ns();
    well = true;
    for (int i = 0; i < WRITES && well; i++)
        well = pwrite(fd, block, sizeof block, (off_t)i * WRITE_BYTES) == WRITE_BYTES && fdatasync(fd) == 0;
    each_us = (clock_monotonic_ns() - begin) / 1000 / WRITES;
    if (!well)
        snprintf(detail, CHECK_DETAIL_SIZE, "writing fails: %s", strerror(errno));
    else
        snprintf(detail, CHECK_DETAIL_SIZE, "%.2f ms each", (double)each_us / 1000);
    close(fd);
    return !well ? CHECK_MISSING : each_us < WRITE_SLOW_US ? CHECK_OK : CHECK_LIMITED;
}

check_state check_open_files(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    struct rlimit limit;

    (void)c;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        snprintf(detail, CHECK_DETAIL_SIZE, "unknown: %s", strerror(errno));
        return CHECK_LIMITED;
    }
    if (limit.rlim_max == RLIM_INFINITY)
        snprintf(detail, CHECK_DETAIL_SIZE, "no limit");
    else
        snprintf(detail, CHECK_DETAIL_SIZE, "at most %llu", (unsigned long long)limit.rlim_max);
    return limit.rlim_max >= FILES_FEW ? CHECK_OK : limit.rlim_max >= FILES_LEAST ? CHECK_LIMITED : CHECK_MISSING;
}

/* libpq's messages may quote the connection's parameters, never the password; they have several lines. */
static void take_first_line(const char *text, char detail[CHECK_DETAIL_SIZE])
{
    snprintf(detail, CHECK_DETAIL_SIZE, "%.*s", (int)MIN(strcspn(text, "\n"), (size_t)200), text);
}

check_state check_postgresql(const config *c, char detail[CHECK_DETAIL_SIZE])
{
    const char *const names[] = {"dbname", "connect_timeout", "application_name", NULL};
    const char *const values[] = {c->store, CONNECT_S, "agentcored check", NULL};
    check_state state = CHECK_OK;
    PGconn *connection;
    int version;

    if (!c->store)
        return CHECK_SKIPPED;
    connection = PQconnectdbParams(names, values, 1);
    if (PQstatus(connection) != CONNECTION_OK) {
        take_first_line(PQerrorMessage(connection), detail);
        state = CHECK_MISSING;
    } else {
        version = PQserverVersion(connection);
        snprintf(detail, CHECK_DETAIL_SIZE, "server version %d.%d", version / 10000, version % 10000);
        state = version >= 120000 ? CHECK_OK : CHECK_LIMITED;
    }
    PQfinish(connection);
    return state;
}
