/* spawner.c - two processes between the daemon and its sandboxes.
 *
 *     daemon
 *      `- keeper          makes the cgroups' parent, waits for the spawner, removes the cgroups' parent
 *          `- spawner     first process of a process namespace: when it ends, the kernel kills all that it has made
 *              `- bwrap   one for each sandbox
 *                  `- agentcore-init
 *
 * The daemon dies: the spawner sees the end of its socket, kills all sandboxes, removes their cgroups and ends.  The
 * spawner dies: its namespace does.  The keeper dies: the spawner is killed with it.  Where no process namespace may be
 * made (then bwrap will hardly make one either) bwrap's own death with its parent is what is left.
 *
 * Both are forks of the daemon, before it has threads, and let go of everything that is the daemon's: descriptors,
 * terminal, signals (SIGINT and SIGTERM are the daemon's to decide on).  The keeper is in the daemon's process
 * namespace, because moving processes between cgroups of version 2 needs to see them. */
#include "base/fork.h"
#include "daemon/sandbox/spawner_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELLO_MS 10000

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (write(fd, text, strlen(text)) < 0) {
        /* Seen in what does not work later. */
    }
    close(fd);
}

/* Children made from now on are in a process namespace of their own.  An ordinary user needs a user namespace for that,
 * in which it is who it was.  The mount namespace is for a /proc that fits, which bwrap looks into, and for `reach`. */
static bool separate(void)
{
    unsigned user = geteuid(), group = getegid();
    char map[64];

    if (unshare(CLONE_NEWPID | CLONE_NEWNS | (user ? CLONE_NEWUSER : 0)) != 0)
        return false;
    if (user == 0)
        return true;
    write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1\n", user, user);
    write_text("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "%u %u 1\n", group, group);
    write_text("/proc/self/gid_map", map);
    return true;
}

/* What the machine mounts later is seen here, too. */
static bool mount_own_proc(void)
{
    return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0 &&
           mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
}

static void signals_of_our_own(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
        signal(ignored[i], SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Close all but the socket, which moves above the numbers that bwrap's descriptors get; those are filled, so that
 * nothing else gets one of them. */
static int arrange_descriptors(int socket)
{
    int kept = fcntl(socket, F_DUPFD_CLOEXEC, SPAWNER_FD_FLOOR), opened = open("/dev/null", O_RDWR | O_CLOEXEC), null;

    null = fcntl(opened, F_DUPFD_CLOEXEC, SPAWNER_FD_FLOOR);
    if (kept < 0 || null < 0)
        return -1;
    for (int fd = 0; fd < SPAWNER_FD_FLOOR; fd++)
        if (dup3(null, fd, fd <= BOX_FD_ERRORS ? 0 : O_CLOEXEC) < 0)
            return -1;
    for (int fd = SPAWNER_FD_FLOOR; fd < kept; fd++)
        close(fd);
    close_range((unsigned)kept + 1, ~0U, 0);
    return kept;
}

_Noreturn static void be_spawner(const spawner_options *options, cgroups *groups, int socket, bool separated)
{
    prctl(PR_SET_NAME, "agentcored-spawn", 0, 0, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (separated && !mount_own_proc())
        _exit(1);
    if (separated && options->reach)
        reach(options->reach);
    spawner_run(options, groups, socket);
    _exit(0);
}

_Noreturn static void be_keeper(const spawner_options *options, int socket, bool separated)
{
    cgroups *groups = NULL;
    pid_t child;

    prctl(PR_SET_NAME, "agentcored-keep", 0, 0, 0);
    setsid();
    signals_of_our_own();
    socket = arrange_descriptors(socket);
    if (socket < 0 || chdir("/") != 0 || cgroups_open(&groups, NULL) != AC_OK)
        _exit(1);
    if (separated && !separate())
        _exit(1);
    child = fork_alone();
    if (child == 0)
        be_spawner(options, groups, socket, separated);
    close(socket);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    cgroups_close(groups);
    _exit(0);
}

static ac_status read_hello(int socket, spawn_hello *ret_hello, ac_error *err)
{
    struct pollfd readable = {.fd = socket, .events = POLLIN};
    int fds[PROTOCOL_FDS_MAX];
    size_t count;
    int got;

    do
        got = poll(&readable, 1, HELLO_MS);
    while (got < 0 && errno == EINTR);
    if (got == 1 && protocol_receive(socket, ret_hello, sizeof *ret_hello, fds, &count) == (ssize_t)sizeof *ret_hello)
        return AC_OK;
    return ac_error_set(err, AC_ERR_IO, "the process that makes sandboxes has not started");
}

static ac_status start(const spawner_options *options, bool separated, int *ret_socket, pid_t *ret_pid,
                       spawn_hello *ret_hello, ac_error *err)
{
    int ends[2];
    ac_status status;
    pid_t keeper;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return ac_error_set(err, AC_ERR_IO, "cannot make sockets: %s", strerror(errno));
    keeper = fork_alone();
    if (keeper == 0)
        be_keeper(options, ends[1], separated);
    close(ends[1]);
    if (keeper < 0) {
        close(ends[0]);
        return ac_error_set(err, AC_ERR_IO, "cannot make a process: %s", strerror(errno));
    }
    status = read_hello(ends[0], ret_hello, err);
    if (status != AC_OK) {
        close(ends[0]);
        waitpid(keeper, NULL, 0);
        return status;
    }
    *ret_socket = ends[0];
    *ret_pid = keeper;
    return AC_OK;
}

ac_status spawner_start(const spawner_options *options, int *ret_socket, pid_t *ret_pid, spawn_hello *ret_hello,
                        ac_error *err)
{
    if (start(options, true, ret_socket, ret_pid, ret_hello, NULL) == AC_OK)
        return AC_OK;
    return start(options, false, ret_socket, ret_pid, ret_hello, err);
}
