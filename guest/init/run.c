/* run.c - start a program: descriptors, limits, process group, PATH.
 *
 * vfork, so that the errno of a failed execve comes back through memory that both share, and because a child of this
 * small process needs no copy of it.  The child may touch nothing but its own locals and `failure`. */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define FIRST_FREE_FD 100 /* above what init has open */
#define MEBI ((uint64_t)1 << 20)

static void limit(int what, uint64_t value)
{
    struct rlimit now;

    if (getrlimit((__rlimit_resource_t)what, &now) != 0)
        return;
    if (now.rlim_max != RLIM_INFINITY && value > now.rlim_max)
        value = now.rlim_max;
    now.rlim_cur = now.rlim_max = value;
    setrlimit((__rlimit_resource_t)what, &now);
}

/* RLIMIT_AS would stop programs that reserve address space without using it (Node.js, Go, Java, sanitizers).
 * RLIMIT_DATA counts writable private memory only, of one process; where no cgroup counts memory, it keeps a process
 * from outrunning the watch.  RLIMIT_FSIZE is a little above the size of the places for files, so that a full place is
 * ENOSPC and no SIGXFSZ.  RLIMIT_NPROC counts in the sandbox's own user namespace, init and a child that has not
 * executed yet included. */
static void set_limits(const box_config *c)
{
    limit(RLIMIT_NOFILE, c->open_files);
    limit(RLIMIT_NPROC, (uint64_t)c->processes + 1);
    limit(RLIMIT_FSIZE, c->disk_bytes + MEBI);
    limit(RLIMIT_CORE, 0);
    if (c->flags & BOX_WATCH_MEMORY)
        limit(RLIMIT_DATA, c->memory_bytes * 2 + 1024 * MEBI);
}

static void default_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Descriptors 0, 1, 2; every other one of init is close-on-exec. */
static bool place_descriptors(const run_spec *spec)
{
    const int from[3] = {spec->input, spec->output, spec->error};
    int kept[3];

    for (int i = 0; i < 3; i++) {
        kept[i] = fcntl(from[i] < 0 ? BOX_FD_NULL : from[i], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
        if (kept[i] < 0)
            return false;
    }
    for (int i = 0; i < 3; i++)
        if (dup2(kept[i], i) < 0)
            return false;
    return true;
}

static const char *path_of(char *const *variables)
{
    for (; *variables; variables++)
        if (strncmp(*variables, "PATH=", 5) == 0)
            return *variables + 5;
    return "/usr/local/bin:/usr/bin:/bin";
}

/* ENOENT of a file that is there is about the interpreter that it names. */
static uint32_t stage_of(const char *file, int number)
{
    struct stat info;

    return number == ENOENT && stat(file, &info) == 0 ? STAGE_LOADER : STAGE_PROGRAM;
}

/* As execvpe, but never through a shell, and with the refusal remembered when a later place has nothing either. */
static failure execute(const run_spec *spec)
{
    const char *name = spec->arguments[0];
    failure worst = {ENOENT, STAGE_PROGRAM};
    char file[PATH_BYTES];

    if (strchr(name, '/')) {
        execve(name, spec->arguments, spec->variables);
        return (failure){errno, stage_of(name, errno)};
    }
    for (const char *at = path_of(spec->variables); at; at = strchr(at, ':')) {
        size_t length;

        at += *at == ':';
        length = strcspn(at, ":");
        if (snprintf(file, sizeof file, "%.*s%s%s", (int)length, at, length ? "/" : "", name) >= (int)sizeof file)
            continue;
        execve(file, spec->arguments, spec->variables);
        if (errno != ENOENT && errno != ENOTDIR)
            worst = (failure){errno, STAGE_PROGRAM};
        else if (stage_of(file, errno) == STAGE_LOADER)
            worst = (failure){errno, STAGE_LOADER};
    }
    return worst;
}

failure run(const run_spec *spec, pid_t *ret_pid)
{
    volatile failure f = {0, STAGE_NONE};
    /* A sandbox may be near its memory limit, and the child does no more than posix_spawn's would. */
    /* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork) */
    pid_t pid = vfork();

    if (pid < 0)
        return (failure){errno, STAGE_SETUP};
    /* NOLINTBEGIN(clang-analyzer-unix.Vfork): what is assigned is the parent's to read */
    if (pid == 0) {
        failure mine = {0, STAGE_NONE};

        setpgid(0, 0);
        default_signals();
        if (chdir(spec->directory) != 0)
            mine = (failure){errno, STAGE_DIRECTORY};
        else if (!place_descriptors(spec))
            mine = (failure){errno, STAGE_SETUP};
        if (!mine.number) {
            set_limits(spec->limits); /* last: they are not meant for what is done here */
            mine = execute(spec);
        }
        f.number = mine.number;
        f.stage = mine.stage;
        _exit(127);
    }
    /* NOLINTEND(clang-analyzer-unix.Vfork) */
    *ret_pid = pid;
    return (failure){f.number, f.stage};
}
