/* sandbox_escapes_resources.c - attempts to take so much that others feel it. */
#include "sandbox_escapes_guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define TAKERS 40
#define MEMORY_MIB 1024 /* four times the limit */
#define OUTRUN_MIB 2048 /* more than one process may have before the watch looks, where no cgroup counts (guest/init) */

static void fork_bomb(void)
{
    signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 5000; i++) {
        pid_t child = fork();

        if (child == 0)
            for (;;)
                if (fork() < 0)
                    pause();
        if (child < 0)
            return;
    }
}

/* The kernel ends it, or the sandbox; it says what it has done before it begins. */
static void announce(const char *name)
{
    printf("\nTRIED %s, claims 0\n", name);
    fflush(stdout);
}

static void touch(char *memory, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += 4096)
        memory[at] = 1;
}

static void memory(void)
{
    announce("memory");
    for (int i = 0; i < OUTRUN_MIB; i++) {
        char *more = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (more == MAP_FAILED)
            pause();
        touch(more, MIB);
    }
    claim("took %d MiB", OUTRUN_MIB);
}

/* In files that are mapped by nobody. */
static void hidden_memory(void)
{
    static char bytes[MIB];
    int fd = -1;

    announce("hidden-memory");
    for (int i = 0; i < MEMORY_MIB; i++) {
        if (i % 16 == 0)
            fd = memfd_create("hidden", MFD_CLOEXEC);
        if (write(fd, bytes, sizeof bytes) != (ssize_t)sizeof bytes)
            pause();
    }
    claim("hid %d MiB", MEMORY_MIB);
}

static void shared_memory(void)
{
    announce("shared-memory");
    for (int i = 0; i < MEMORY_MIB / 16; i++) {
        int id = shmget(IPC_PRIVATE, 16 * MIB, IPC_CREAT | 0600);
        char *more = id < 0 ? (char *)-1 : shmat(id, NULL, 0);

        if (more == (char *)-1)
            pause();
        touch(more, 16 * MIB);
        shmdt(more);
    }
    claim("hid %d MiB in segments", MEMORY_MIB);
}

/* ---- files ---- */

static size_t written;

static void fill(const char *directory)
{
    static char bytes[MIB / 4];
    char path[4096];

    for (int i = 0; i < 64; i++) {
        int fd;

        snprintf(path, sizeof path, "%s/fill-%d", directory, i);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            return;
        for (ssize_t put; (put = write(fd, bytes, sizeof bytes)) > 0 && written < (size_t)MEMORY_MIB * MIB;)
            written += (size_t)put;
        close(fd);
        if (errno == ENOSPC || written >= (size_t)MEMORY_MIB * MIB)
            return;
    }
}

/* Each place by itself; the memory limit holds for all of them together. */
static void fill_place(const char *directory, size_t limit_bytes)
{
    char path[4096];

    written = 0;
    fill(directory);
    if (written > limit_bytes)
        claim("wrote %zu bytes to %s", written, directory);
    for (int i = 0; i < 64; i++) {
        snprintf(path, sizeof path, "%s/fill-%d", directory, i);
        unlink(path);
    }
}

static void fill_places(void)
{
    size_t limit = strtoul(given("disk_bytes"), NULL, 10);

    fill_place("/tmp", limit);
    fill_place(getenv("HOME"), limit);
    fill_place("/dev/shm", limit);
}

/* Where a program has nothing to write at all. */
static void fill_elsewhere(void)
{
    static const char *const places[] = {"/",     "/dev",     "/dev/pts", "/dev/mqueue", "/proc", "/sys",
                                         "/run",  "/etc",     "/var",     "/home",       "/mnt",  "/opt",
                                         "/root", "/usr/tmp", "/srv",     "/lib",        "/media"};

    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        fill_place(places[i], 0);
}

/* Empty files cost memory that no size of a place counts. */
static void empty_files(void)
{
    char path[64];
    int made = 0;

    announce("empty-files");
    while (made < 2000000) {
        int fd;

        snprintf(path, sizeof path, "/tmp/empty-%d", made);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            break;
        close(fd);
        made++;
    }
    if (made >= 2000000)
        claim("no end of empty files");
}

/* ---- what the machine has a fixed number of ---- */

static void descriptors(void)
{
    int count = 0;

    while (count < 100000 && open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
        count++;
    if (count > 256)
        claim("opened %d files", count);
}

/* By many processes at once, since one may only have so many descriptors; until none of them gets any more. */
static void take_all(int (*take)(void))
{
    int done[2];
    char byte = 0;

    if (pipe(done) != 0)
        return;
    for (int process = 0; process < TAKERS; process++) {
        if (fork() != 0)
            continue;
        while (take() >= 0)
            ;
        if (write(done[1], &byte, 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    for (int process = 0; process < TAKERS; process++)
        if (read(done[0], &byte, 1) != 1)
            return;
}

static int take_terminal(void)
{
    return open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static void terminals(void)
{
    take_all(take_terminal);
}

static int take_watch(void)
{
    return inotify_init1(IN_CLOEXEC);
}

static void watches(void)
{
    take_all(take_watch);
}

static int take_pipe(void)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    return fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) < 0 ? 0 : ends[1];
}

static void pipes(void)
{
    take_all(take_pipe);
}

/* Nobody reads what is written. */
static int fill_local_socket(void)
{
    static char bytes[65536];
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    for (int i = 0; i < 2; i++)
        while (write(ends[i], bytes, sizeof bytes) > 0)
            ;
    return 0;
}

static void local_sockets(void)
{
    announce("local-sockets");
    take_all(fill_local_socket);
    claim("filled all sockets that there are");
}

static int fill_connection(void)
{
    static char bytes[65536];
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int most = 8 << 20, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), here, there;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        return -1;
    here = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(here, SOL_SOCKET, SO_SNDBUF, &most, sizeof most);
    if (here < 0 || connect(here, (struct sockaddr *)&address, sizeof address) != 0)
        return -1;
    there = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    close(listener);
    fcntl(here, F_SETFL, O_NONBLOCK);
    while (write(here, bytes, sizeof bytes) > 0 || (there >= 0 && write(there, bytes, sizeof bytes) > 0))
        ;
    return there;
}

static void connections(void)
{
    take_all(fill_connection);
}

static void asynchronous(void)
{
    unsigned long context = 0;

    if (syscall(SYS_io_setup, 65536, &context) == 0)
        claim("has the machine's asynchronous requests");
}

const attempt resource_attempts[] = {
    {"fork-bomb", fork_bomb},
    {"memory", memory},
    {"hidden-memory", hidden_memory},
    {"shared-memory", shared_memory},
    {"fill-places", fill_places},
    {"fill-elsewhere", fill_elsewhere},
    {"empty-files", empty_files},
    {"descriptors", descriptors},
    {"terminals", terminals},
    {"watches", watches},
    {"pipes", pipes},
    {"local-sockets", local_sockets},
    {"connections", connections},
    {"asynchronous", asynchronous},
    {NULL, NULL},
};
