/* sandbox_fixture.c - sandboxes for tests.
 *
 * What goes into sandboxes is copied to a directory that other users may look into, since a build directory need not be
 * one.  Whether this machine makes sandboxes is tried once. */
#include "sandbox_fixture.h"
#include "base/clock.h"
#include "daemon/sandbox/cgroups.h"
#include "daemon/sandbox/sandbox_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORDINARY_USER 65534
#define DIRECTORY_VARIABLE "AC_SANDBOX_TEST_DIRECTORY"

static char directory[PATH_MAX];
static char guest[PATH_MAX + 32], init[PATH_MAX + 32];

/* ---- the run ---- */

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static void remove_directory(void)
{
    nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void copy_program(const char *name)
{
    const char *build = getenv("AC_BUILD_DIR");
    char from[PATH_MAX], to[PATH_MAX + 32];
    ssize_t got = 1;
    int in, out;

    snprintf(from, sizeof from, "%s/%s", build ? build : ".", name);
    snprintf(to, sizeof to, "%s/%s", directory, strrchr(from, '/') + 1);
    in = open(from, O_RDONLY | O_CLOEXEC);
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    while (in >= 0 && out >= 0 && got > 0)
        got = sendfile(out, in, NULL, 1 << 20);
    if (in < 0 || out < 0 || got < 0 || fchmod(out, 0755) != 0) {
        fprintf(stderr, "cannot copy %s: %s\n", from, strerror(errno));
        exit(1);
    }
    close(in);
    close(out);
}

static void make_directory(bool for_user)
{
    snprintf(directory, sizeof directory, "/tmp/agentcore-test-XXXXXX");
    if (!mkdtemp(directory) || chmod(directory, 0755) != 0) {
        fprintf(stderr, "cannot make a directory: %s\n", strerror(errno));
        exit(1);
    }
    copy_program("tests/sandbox_guest");
    copy_program("guest/agentcore-init");
    if (for_user && chown(directory, ORDINARY_USER, ORDINARY_USER) != 0)
        exit(1);
}

/* The run as an ordinary user is a program of its own: only exec gives a process back what changing its user takes. */
static int run_as_user(char **argv)
{
    pid_t child;
    int status = 0;

    if (geteuid() != 0) {
        printf("1..0 # SKIP not root: the other run is this one\n");
        return 0;
    }
    make_directory(true);
    setenv(DIRECTORY_VARIABLE, directory, 1);
    child = fork();
    if (child == 0) {
        if (setgroups(0, NULL) == 0 && setresgid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER) == 0 &&
            setresuid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER) == 0)
            execv("/proc/self/exe", (char *[]){argv[0], NULL});
        _exit(1);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    remove_directory();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

void fixture_main(int argc, char **argv)
{
    const char *given = getenv(DIRECTORY_VARIABLE);

    if (argc > 1 && strcmp(argv[1], "user") == 0)
        exit(run_as_user(argv));
    if (given)
        snprintf(directory, sizeof directory, "%s", given);
    else
        make_directory(false);
    if (!given)
        atexit(remove_directory);
    snprintf(guest, sizeof guest, "%s/sandbox_guest", directory);
    snprintf(init, sizeof init, "%s/agentcore-init", directory);
}

const char *fixture_directory(void)
{
    return directory;
}

void fixture_write(const char *name, const char *text, unsigned mode)
{
    char path[PATH_MAX + 256];
    int fd;

    snprintf(path, sizeof path, "%s/%s", directory, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

/* ---- opening ---- */

sandboxes *fixture_sandboxes(void)
{
    sandboxes *all = NULL;
    ac_error err = {0};

    if (sandboxes_open(&(sandboxes_options){.init = init}, &all, &err) != AC_OK)
        fail_msg("cannot open: %s", err.message);
    return all;
}

int fixture_open(void **state)
{
    *state = fixture_sandboxes();
    return 0;
}

int fixture_close(void **state)
{
    sandboxes_close(*state);
    return 0;
}

const char *fixture_lacks(sandboxes *all)
{
    static char reason[512];
    static bool tried;
    sandbox *box = NULL;
    ac_error err = {0};

    if (!tried) {
        tried = true;
        if (sandbox_start(all, &(sandbox_spec){.argv = ARGV("/bin/true"), .output_fd = -1}, &box, &err) ==
            AC_ERR_UNSUPPORTED)
            snprintf(reason, sizeof reason, "%s", err.message);
        sandbox_free(box);
    }
    return *reason ? reason : NULL;
}

void fixture_need(sandboxes *all)
{
    const char *reason = fixture_lacks(all);

    if (!reason)
        return;
    print_message("# skipped: %s\n", reason);
    skip();
}

bool fixture_has_cgroups(const sandboxes *all)
{
    return all->controllers & CGROUP_MEMORY;
}

/* ---- running ---- */

sandbox *fixture_start(sandboxes *all, sandbox_spec spec)
{
    sandbox_mount mounts[SANDBOX_MOUNTS_MAX] = {{.source = guest, .target = GUEST}};
    sandbox *box = NULL;
    ac_error err = {0};

    for (size_t i = 0; i < spec.mount_count; i++)
        mounts[i + 1] = spec.mounts[i];
    spec.mounts = mounts;
    spec.mount_count++;
    if (sandbox_start(all, &spec, &box, &err) != AC_OK)
        fail_msg("cannot start %s: %s", spec.argv[0], err.message);
    return box;
}

sandbox_event fixture_await(sandbox *box, sandbox_event_kind kind)
{
    uint64_t end_ms = clock_monotonic_ms() + FIXTURE_WAIT_MS;
    sandbox_event event;

    for (;;) {
        struct pollfd readable = {.fd = sandbox_event_fd(box), .events = POLLIN};

        while (sandbox_next_event(box, &event)) {
            if (event.kind == kind)
                return event;
            if (event.fd >= 0)
                close(event.fd);
            if (event.kind == SANDBOX_ENDED)
                fail_msg("the sandbox has ended");
        }
        if (clock_monotonic_ms() >= end_ms)
            fail_msg("event %d has not come", (int)kind);
        poll(&readable, 1, 100);
    }
}

void fixture_run(sandboxes *all, sandbox_spec spec, fixture_result *result)
{
    int ends[2];
    size_t length = 0;
    ssize_t got;
    sandbox *box;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    spec.output_fd = ends[1];
    box = fixture_start(all, spec);
    close(ends[1]);
    while ((got = read(ends[0], result->output + length, sizeof result->output - 1 - length)) > 0)
        length += (size_t)got;
    result->output[length] = '\0';
    close(ends[0]);
    result->end = fixture_await(box, SANDBOX_ENDED);
    sandbox_free(box);
}

void fixture_shell(sandboxes *all, const char *script, fixture_result *result)
{
    fixture_run(all, (sandbox_spec){.argv = ARGV("/bin/sh", "-c", script)}, result);
}

void fixture_await_text(int fd, const char *text)
{
    uint64_t end_ms = clock_monotonic_ms() + FIXTURE_WAIT_MS;
    char seen[4096] = "";
    size_t length = 0;

    while (!strstr(seen, text)) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        ssize_t got;

        if (clock_monotonic_ms() >= end_ms || length == sizeof seen - 1)
            fail_msg("'%s' has not come, but '%s'", text, seen);
        if (poll(&readable, 1, 100) < 1)
            continue;
        got = read(fd, seen + length, sizeof seen - 1 - length);
        if (got <= 0)
            fail_msg("'%s' has not come, but '%s' and the end", text, seen);
        length += (size_t)got;
        seen[length] = '\0';
    }
}

/* ---- looking from outside ---- */

static pid_t parent_of(pid_t pid, char *ret_state)
{
    char path[64], text[512], *at;
    int parent = 0, fd;
    ssize_t got;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return 0;
    text[got] = '\0';
    at = strrchr(text, ')');
    return at && sscanf(at + 2, "%c %d", ret_state, &parent) == 2 ? (pid_t)parent : 0;
}

static bool descends(pid_t pid, pid_t of)
{
    char state;

    for (unsigned i = 0; i < 32 && pid > 1; i++) {
        pid = parent_of(pid, &state);
        if (pid == of)
            return true;
    }
    return false;
}

size_t fixture_descendants(pid_t of, pid_t pids[FIXTURE_PROCESSES_MAX])
{
    DIR *processes = opendir("/proc");
    size_t count = 0;

    assert_non_null(processes);
    for (struct dirent *entry = readdir(processes); entry; entry = readdir(processes)) {
        pid_t pid = (pid_t)atoi(entry->d_name);

        if (pid > 0 && descends(pid, of)) {
            assert_true(count < FIXTURE_PROCESSES_MAX);
            pids[count++] = pid;
        }
    }
    closedir(processes);
    return count;
}

static bool is_ours(pid_t pid)
{
    static const char start[] = "agentcored-";
    char path[64], name[32] = "";
    int fd;

    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true; /* gone */
    if (read(fd, name, sizeof name - 1) < 0)
        name[0] = '\0';
    close(fd);
    return strncmp(name, start, strlen(start)) == 0;
}

size_t fixture_busy(const sandboxes *all)
{
    pid_t pids[FIXTURE_PROCESSES_MAX];
    size_t count = fixture_descendants(all->keeper, pids), busy = 0;

    for (size_t i = 0; i < count; i++)
        busy += !is_ours(pids[i]);
    return busy;
}

void fixture_await_death(const pid_t *pids, size_t count)
{
    uint64_t end_ms = clock_monotonic_ms() + FIXTURE_WAIT_MS;

    for (size_t i = 0; i < count; i++) {
        char state = 'X';

        while (parent_of(pids[i], &state) != 0 && state != 'Z') {
            if (clock_monotonic_ms() >= end_ms)
                fail_msg("process %d lives on", (int)pids[i]);
            poll(NULL, 0, 5);
        }
    }
}

pid_t fixture_keeper(const sandboxes *all)
{
    return all->keeper;
}

pid_t fixture_spawner(const sandboxes *all)
{
    pid_t pids[FIXTURE_PROCESSES_MAX];
    size_t count = fixture_descendants(all->keeper, pids);
    char state;

    for (size_t i = 0; i < count; i++)
        if (parent_of(pids[i], &state) == all->keeper)
            return pids[i];
    fail_msg("no spawner");
    return 0;
}

size_t fixture_open_files(pid_t pid)
{
    char path[64];
    size_t count = 0;
    DIR *files;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    files = opendir(path);
    if (!files)
        return 0; /* it is not ours to look into */
    for (struct dirent *entry = readdir(files); entry; entry = readdir(files))
        count += entry->d_name[0] != '.';
    closedir(files);
    return count;
}

static size_t groups_found;
static char groups_of[64];

static int count_group(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)at;
    char procs[PATH_MAX];
    FILE *file;

    if (kind != FTW_D || !strstr(path, groups_of) || !strstr(path, "/box-"))
        return 0;
    snprintf(procs, sizeof procs, "%.4000s/cgroup.procs", path);
    file = fopen(procs, "re");
    for (int pid; file && fscanf(file, "%d", &pid) == 1;)
        if (!is_ours((pid_t)pid)) {
            groups_found++;
            break;
        }
    if (file)
        fclose(file);
    return 0;
}

size_t fixture_groups(const sandboxes *all)
{
    groups_found = 0;
    snprintf(groups_of, sizeof groups_of, "/agentcored-%d", (int)all->keeper);
    nftw("/sys/fs/cgroup", count_group, 16, FTW_PHYS);
    return groups_found;
}
