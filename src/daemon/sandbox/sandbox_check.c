/* sandbox_check.c - is a specification one that can be meant?  Defaults, limits, paths.
 *
 * Paths of the sandbox are absolute, without "." and ".."; what the kernel provides (/proc, /dev) is not to be covered.
 * Whether the sandbox's user can read a mount's source is seen by bwrap. */
#include "daemon/sandbox/sandbox_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MEBI ((uint64_t)1 << 20)
#define MEMORY_DEFAULT (2048 * MEBI)
#define MEMORY_MIN MEBI
#define MEMORY_MAX ((uint64_t)1 << 46)
#define DISK_DEFAULT (512 * MEBI)
#define DISK_MIN 4096
#define PROCESSES_DEFAULT 512U
#define PROCESSES_MAX 4000000U
#define CPU_PERCENT_DEFAULT 200U
#define CPU_PERCENT_MAX 1000000U
#define OPEN_FILES_DEFAULT 4096U
#define OPEN_FILES_MIN 16U
#define OPEN_FILES_MAX 1048576U
#define ID_MAX 65533U

static ac_status count_words(const char *const *words, const char *what, size_t *ret_bytes, ac_error *err)
{
    for (size_t i = 0; words[i]; i++) {
        if (i >= SANDBOX_WORDS_MAX)
            return ac_error_set(err, AC_ERR_INVALID, "%s has more than %d words", what, SANDBOX_WORDS_MAX);
        *ret_bytes += strlen(words[i]) + 1;
        if (*ret_bytes > SANDBOX_SPEC_BYTES_MAX)
            return ac_error_set(err, AC_ERR_INVALID, "the specification of a sandbox has more than %zu bytes",
                                SANDBOX_SPEC_BYTES_MAX);
    }
    return AC_OK;
}

static ac_status check_words(const char *const *argv, const char *const *environment, ac_error *err)
{
    size_t bytes = 0;

    if (!argv || !argv[0] || !*argv[0])
        return ac_error_set(err, AC_ERR_INVALID, "no program is named");
    AC_TRY(count_words(argv, "the command line", &bytes, err));
    if (!environment)
        return AC_OK;
    AC_TRY(count_words(environment, "the environment", &bytes, err));
    for (size_t i = 0; environment[i]; i++) {
        const char *equals = strchr(environment[i], '=');

        if (!equals || equals == environment[i])
            return ac_error_set(err, AC_ERR_INVALID, "entry %zu of the environment is not NAME=value", i + 1);
    }
    return AC_OK;
}

static ac_status check_output(int fd, const char *what, ac_error *err)
{
    if (fd == -1 || (fd >= 0 && fcntl(fd, F_GETFD) >= 0))
        return AC_OK;
    return ac_error_set(err, AC_ERR_INVALID, "%s is not an open descriptor", what);
}

/* ---- paths ---- */

/* Without doubled and closing slashes; "/" stays. */
static ac_status clean_path(const char *path, const char *what, arena *memory, const char **ret_path, ac_error *err)
{
    char clean[PATH_MAX], *end = clean;

    if (!path || *path != '/')
        return ac_error_set(err, AC_ERR_INVALID, "%s is not an absolute path", what);
    if (strlen(path) >= sizeof clean)
        return ac_error_set(err, AC_ERR_INVALID, "%s is too long", what);
    for (const char *at = path + strspn(path, "/"); *at; at += strspn(at, "/")) {
        size_t length = strcspn(at, "/");

        if ((length == 1 && at[0] == '.') || (length == 2 && at[0] == '.' && at[1] == '.'))
            return ac_error_set(err, AC_ERR_INVALID, "%s has \".\" or \"..\" in it", what);
        for (size_t i = 0; i < length; i++)
            if ((unsigned char)at[i] < ' ' || at[i] == 0x7f)
                return ac_error_set(err, AC_ERR_INVALID, "%s has a control character in it", what);
        *end++ = '/';
        memcpy(end, at, length);
        end += length;
        at += length;
    }
    if (end == clean)
        *end++ = '/';
    *ret_path = arena_copy(memory, clean, (size_t)(end - clean));
    return *ret_path ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static bool is_in(const char *path, const char *directory)
{
    size_t length = strlen(directory);

    return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static ac_status check_place(const char *path, const char *what, ac_error *err)
{
    if (strcmp(path, "/") == 0 || is_in(path, "/proc") || is_in(path, "/dev") || is_in(path, "/sys"))
        return ac_error_set(err, AC_ERR_INVALID, "%s cannot be %s", what, path);
    return AC_OK;
}

static ac_status check_mount(const sandbox_mount *mount, arena *memory, sandbox_mount *ret_mount, ac_error *err)
{
    struct stat info;

    *ret_mount = *mount;
    AC_TRY(clean_path(mount->source, "the source of a mount", memory, &ret_mount->source, err));
    AC_TRY(clean_path(mount->target, "the target of a mount", memory, &ret_mount->target, err));
    AC_TRY(check_place(ret_mount->target, "the target of a mount", err));
    if (stat(mount->source, &info) != 0)
        return ac_error_set(err, AC_ERR_INVALID, "cannot mount %s: %s", mount->source, strerror(errno));
    if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode) && !S_ISSOCK(info.st_mode))
        return ac_error_set(err, AC_ERR_INVALID, "cannot mount %s: it is neither a directory nor a file",
                            mount->source);
    return AC_OK;
}

static ac_status check_mounts(sandbox_spec *spec, arena *memory, ac_error *err)
{
    sandbox_mount *mounts;

    if (spec->mount_count > SANDBOX_MOUNTS_MAX || (spec->mount_count && !spec->mounts))
        return ac_error_set(err, AC_ERR_INVALID, "more than %d mounts", SANDBOX_MOUNTS_MAX);
    mounts = arena_alloc(memory, (spec->mount_count + 1) * sizeof *mounts);
    if (!mounts)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < spec->mount_count; i++)
        AC_TRY(check_mount(&spec->mounts[i], memory, &mounts[i], err));
    spec->mounts = mounts;
    return AC_OK;
}

static ac_status check_paths(sandbox_spec *spec, arena *memory, ac_error *err)
{
    struct stat info;

    AC_TRY(clean_path(spec->directory ? spec->directory : "/", "the directory to start in", memory, &spec->directory,
                      err));
    AC_TRY(clean_path(spec->home ? spec->home : SANDBOX_HOME, "the home", memory, &spec->home, err));
    AC_TRY(check_place(spec->home, "the home", err));
    if (is_in(spec->home, "/tmp") || strchr(spec->home, ':'))
        return ac_error_set(err, AC_ERR_INVALID, "the home cannot be %s", spec->home);
    if (!spec->root)
        return AC_OK;
    AC_TRY(clean_path(spec->root, "the root", memory, &spec->root, err));
    if (stat(spec->root, &info) != 0 || !S_ISDIR(info.st_mode))
        return ac_error_set(err, AC_ERR_INVALID, "the root %s is not a directory", spec->root);
    return AC_OK;
}

/* ---- numbers ---- */

static ac_status check_number(uint64_t *number, uint64_t usual, uint64_t least, uint64_t most, const char *what,
                              ac_error *err)
{
    if (*number == 0)
        *number = usual;
    if (*number >= least && *number <= most)
        return AC_OK;
    return ac_error_set(err, AC_ERR_INVALID, "%s is not between %llu and %llu", what, (unsigned long long)least,
                        (unsigned long long)most);
}

static ac_status check_small(unsigned *number, unsigned usual, unsigned least, unsigned most, const char *what,
                             ac_error *err)
{
    uint64_t large = *number;

    AC_TRY(check_number(&large, usual, least, most, what, err));
    *number = (unsigned)large;
    return AC_OK;
}

static ac_status check_limits(sandbox_limits *l, ac_error *err)
{
    AC_TRY(check_number(&l->memory_bytes, MEMORY_DEFAULT, MEMORY_MIN, MEMORY_MAX, "the limit of memory", err));
    AC_TRY(check_number(&l->disk_bytes, DISK_DEFAULT, DISK_MIN, MEMORY_MAX, "the limit of disk space", err));
    AC_TRY(check_small(&l->processes, PROCESSES_DEFAULT, 1, PROCESSES_MAX, "the limit of processes", err));
    AC_TRY(check_small(&l->cpu_percent, CPU_PERCENT_DEFAULT, 1, CPU_PERCENT_MAX, "the limit of CPU time", err));
    return check_small(&l->open_files, OPEN_FILES_DEFAULT, OPEN_FILES_MIN, OPEN_FILES_MAX, "the limit of open files",
                       err);
}

ac_status sandbox_check(const sandbox_spec *spec, arena *memory, sandbox_spec *ret_spec, ac_error *err)
{
    *ret_spec = *spec;
    AC_TRY(check_words(spec->argv, spec->environment, err));
    AC_TRY(check_paths(ret_spec, memory, err));
    AC_TRY(check_mounts(ret_spec, memory, err));
    AC_TRY(check_limits(&ret_spec->limits, err));
    AC_TRY(check_small(&ret_spec->uid, SANDBOX_UID, 1, ID_MAX, "the user", err));
    AC_TRY(check_small(&ret_spec->gid, SANDBOX_UID, 1, ID_MAX, "the group", err));
    if (spec->network != SANDBOX_NETWORK_NONE && spec->network != SANDBOX_NETWORK_PUBLIC)
        return ac_error_set(err, AC_ERR_INVALID, "no such network");
    if (spec->output_fd == 0)
        return ac_error_set(err, AC_ERR_INVALID, "the output cannot be descriptor 0");
    return check_output(spec->output_fd, "the output", err);
}

ac_status sandbox_check_command(const sandbox_command *command, ac_error *err)
{
    AC_TRY(check_words(command->argv, command->environment, err));
    if (command->directory && (*command->directory != '/' || strlen(command->directory) >= PATH_MAX))
        return ac_error_set(err, AC_ERR_INVALID, "the directory to start in is not an absolute path");
    AC_TRY(check_output(command->input_fd, "the input", err));
    AC_TRY(check_output(command->output_fd, "the output", err));
    return check_output(command->error_fd, "the error output", err);
}
