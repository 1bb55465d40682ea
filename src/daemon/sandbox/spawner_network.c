/* spawner_network.c - a network for a sandbox: slirp4netns carries packets between a device in the sandbox's network
 * namespace and sockets of its own in ours.
 *
 * Two processes for each sandbox.  slirp stays; it has walls of its own: no file system, no rights but to bind low
 * ports when root started it, a system call filter.  The machine's loopback is closed to it, and it serves no names.
 * The other one (spawner_routes.c) closes private addresses by routes in the sandbox's namespace, and ends; when it
 * fails, there is no sandbox. */
#include "base/fork.h"
#include "daemon/sandbox/spawner_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define REASON_BYTES 110

/* Descriptors as slirp finds them. */
enum { SLIRP_FD_NETWORK = 3, SLIRP_FD_USERS, SLIRP_FD_READY };

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void unblock_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void be_slirp(const char *slirp, int network, int users, int ready, int says)
{
    static char *const no_variables[] = {NULL};
    char *arguments[] = {"slirp4netns",
                         "--configure",
                         "--mtu=65520",
                         "--disable-host-loopback",
                         "--disable-dns",
                         "--enable-sandbox",
                         "--enable-seccomp",
                         "--netns-type=path",
                         "--userns-path=/proc/self/fd/4",
                         "--ready-fd=5",
                         "/proc/self/fd/3",
                         "tap0",
                         NULL};

    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (dup2(network, SLIRP_FD_NETWORK) < 0 || dup2(users, SLIRP_FD_USERS) < 0 || dup2(ready, SLIRP_FD_READY) < 0 ||
        dup2(says, STDERR_FILENO) < 0)
        _exit(126);
    unblock_signals();
    execvpe(slirp, arguments, no_variables);
    dprintf(STDERR_FILENO, "cannot execute %s: %s; install the package slirp4netns\n", slirp, strerror(errno));
    _exit(127);
}

_Noreturn static void be_routes(int network, int users, int ready, int says, int line)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (dup2(says, STDERR_FILENO) < 0)
        _exit(126);
    unblock_signals();
    routes_run(network, users, ready, line);
}

/* What the first that failed has said: slirp's complaint stands before those that follow from it. */
static void refuse(spawn_box *b)
{
    char said[REASON_BYTES + 1], text[PROTOCOL_TEXT_SIZE];
    ssize_t got = b->slirp_says >= 0 ? pread(b->slirp_says, said, REASON_BYTES, 0) : 0;

    said[got > 0 ? got : 0] = '\0';
    said[strcspn(said, "\n")] = '\0';
    snprintf(text, sizeof text,
             "no network can be made for the sandbox (%s): see slirp4netns and tun-device in `agentcored check`, or do "
             "without by --session-network off",
             said);
    box_refuse(b->events, AC_ERR_UNSUPPORTED, text);
    box_kill(b);
}

static bool start_both(spawn_box *b, const char *slirp, int network, int users, int ready[2])
{
    b->slirp = fork_alone();
    if (b->slirp == 0)
        be_slirp(slirp, network, users, ready[1], b->slirp_says);
    close(ready[1]); /* so that its other end ends with slirp */
    ready[1] = -1;
    b->routes = b->slirp > 0 ? fork_alone() : -1;
    if (b->routes == 0)
        be_routes(network, users, ready[0], b->slirp_says, b->line);
    b->slirp = MAX(b->slirp, 0);
    b->routes = MAX(b->routes, 0);
    return b->routes > 0;
}

void network_start(spawn_box *b, const char *slirp, int network)
{
    int users = ioctl(network, NS_GET_USERNS), ready[2] = {-1, -1};

    b->slirp_says = memfd_create("slirp", MFD_CLOEXEC);
    if (users < 0 || b->slirp_says < 0 || pipe2(ready, O_CLOEXEC) != 0 || !start_both(b, slirp, network, users, ready))
        refuse(b);
    close_fd(&users);
    close_fd(&ready[0]);
    close_fd(&ready[1]);
}

void network_ended(spawn_box *b, pid_t pid, int status)
{
    if (pid == b->slirp) {
        b->slirp = 0; /* before the routes were set, they are refused for want of it */
        return;
    }
    b->routes = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        refuse(b);
    close_fd(&b->slirp_says);
}

bool network_stop(spawn_box *b)
{
    if (b->slirp)
        kill(b->slirp, SIGKILL);
    if (b->routes)
        kill(b->routes, SIGKILL);
    if (b->slirp || b->routes)
        return false;
    close_fd(&b->slirp_says);
    return true;
}
