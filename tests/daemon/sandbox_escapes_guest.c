/* sandbox_escapes_guest.c - tries to get out of a sandbox: `guest ATTEMPT name=value...`.
 *
 * When an attempt has been made it prints "TRIED" and how many things it believes to have achieved, and stays, so that
 * it can be looked at from outside.  `guest neighbour` is the one that others try to see. */
#include "sandbox_escapes_guest.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SHOW_BYTES_MAX 65536

static char **arguments;
static int claims;

const char *given(const char *name)
{
    size_t length = strlen(name);

    for (char **at = arguments; *at; at++)
        if (strncmp(*at, name, length) == 0 && (*at)[length] == '=')
            return *at + length + 1;
    return "";
}

void claim(const char *format, ...)
{
    va_list args;

    claims++;
    va_start(args, format);
    printf("CLAIM ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

void show_fd(int fd, const char *what)
{
    char bytes[4096];
    size_t shown = 0;
    ssize_t got;

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    while (shown < SHOW_BYTES_MAX && (got = read(fd, bytes, sizeof bytes)) > 0) {
        if (shown == 0)
            printf("-- %s\n", what);
        fwrite(bytes, 1, (size_t)got, stdout);
        shown += (size_t)got;
    }
}

void show_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return;
    show_fd(fd, path);
    close(fd);
}

void deface(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return;
    if (write(fd, text, strlen(text)) > 0)
        claim("wrote to %s", path);
    close(fd);
}

void each_entry(const char *directory, void (*fn)(const char *path))
{
    DIR *entries = opendir(directory);
    char path[PATH_MAX];

    for (struct dirent *entry = entries ? readdir(entries) : NULL; entry; entry = readdir(entries)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) < sizeof path)
            fn(path);
    }
    if (entries)
        closedir(entries);
}

void each_process(void (*fn)(const char *proc, pid_t pid))
{
    char path[32];

    /* Not by listing /proc, which may hide some. */
    for (pid_t pid = 1; pid < 400; pid++) {
        snprintf(path, sizeof path, "/proc/%d", (int)pid);
        if (pid != getpid() && access(path, F_OK) == 0)
            fn(path, pid);
    }
}

/* ---- the neighbour ---- */

static void on_signal(int number)
{
    static const char text[] = "SIGNAL\n";

    (void)number;
    if (write(1, text, sizeof text - 1) < 0)
        _exit(1);
}

static int listen_at(int family, const void *address, socklen_t size)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, address, size) != 0 || listen(fd, 8) != 0)
        claim("the neighbour cannot listen: %s", strerror(errno));
    return fd;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        claim("the neighbour cannot write %s: %s", path, strerror(errno));
}

/* A secret in every place that sandboxes must not share, and somebody who says when one comes in. */
static void be_neighbour(void)
{
    struct sockaddr_in port = {.sin_family = AF_INET, .sin_port = htons(8080)};
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0agentcored-neighbour"};
    struct pollfd fds[2];
    char *shared, path[PATH_MAX];
    int id, queue;

    for (int i = 1; i < NSIG; i++)
        if (i != SIGTERM)
            signal(i, on_signal);
    id = shmget((key_t)strtol(given("key"), NULL, 10), 4096, IPC_CREAT | 0666);
    shared = id < 0 ? (char *)-1 : shmat(id, NULL, 0);
    if (shared == (char *)-1)
        claim("the neighbour has no shared memory: %s", strerror(errno));
    else
        strcpy(shared, given("secret"));
    queue = mq_open("/agentcored-neighbour", O_CREAT | O_RDWR, 0666, NULL);
    if (queue < 0 || mq_send(queue, given("secret"), strlen(given("secret")), 0) != 0)
        claim("the neighbour has no queue: %s", strerror(errno));
    write_file("/tmp/neighbour", given("secret"));
    write_file("/dev/shm/neighbour", given("secret"));
    snprintf(path, sizeof path, "%s/neighbour", getenv("HOME"));
    write_file(path, given("secret"));
    fds[0] = (struct pollfd){.fd = listen_at(AF_INET, &port, sizeof port), .events = POLLIN};
    fds[1] = (struct pollfd){
        .fd = listen_at(AF_UNIX, &name, (socklen_t)(sizeof name.sun_family + 1 + strlen(name.sun_path + 1))),
        .events = POLLIN};
    if (claims == 0)
        printf("READY\n");
    fflush(stdout);
    for (;;)
        if (poll(fds, 2, -1) > 0) {
            printf("CONTACT\n");
            fflush(stdout);
            close(accept(fds[fds[0].revents ? 0 : 1].fd, NULL, NULL));
        }
}

/* ---- attempts ---- */

static bool make_one(const attempt *attempts, const char *name)
{
    for (; attempts->name; attempts++)
        if (strcmp(attempts->name, name) == 0) {
            attempts->make();
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    const attempt *const all[] = {file_attempts, kernel_attempts, process_attempts, network_attempts,
                                  resource_attempts};

    if (argc < 2)
        return 2;
    arguments = argv + 2;
    if (strcmp(argv[1], "neighbour") == 0)
        be_neighbour();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (make_one(all[i], argv[1])) {
            printf("\nTRIED %s, claims %d\n", argv[1], claims);
            fflush(stdout);
            for (;;)
                pause();
        }
    return 2;
}
