/* sandbox_guest.c - what tests let run inside a sandbox. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sockaddr_in local(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* Answer each connection with what it says. */
static int serve(const char *port)
{
    struct sockaddr_in address = local(port);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 16) != 0)
        return 1;
    puts("serving");
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        char text[256];
        ssize_t got;

        while (fd >= 0 && (got = read(fd, text, sizeof text)) > 0)
            if (write(fd, text, (size_t)got) < 0)
                break;
        close(fd);
    }
}

static int call(const char *port, const char *word)
{
    struct sockaddr_in address = local(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char text[256];
    ssize_t got;

    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        printf("cannot connect: %s\n", strerror(errno));
        return 1;
    }
    if (write(fd, word, strlen(word)) < 0)
        return 1;
    got = read(fd, text, sizeof text - 1);
    if (got < 0)
        return 1;
    text[got] = '\0';
    printf("answer: %s\n", text);
    return 0;
}

static int eat(const char *mebibytes)
{
    size_t bytes = (size_t)atol(mebibytes) << 20;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        printf("no memory\n");
        return 9;
    }
    memset(memory, 1, bytes);
    printf("eaten\n");
    fflush(stdout);
    pause();
    return 0;
}

static int make_processes(const char *most)
{
    int made = 0;

    while (made < atoi(most)) {
        pid_t pid = fork();

        if (pid < 0)
            break;
        if (pid == 0) {
            pause();
            _exit(0);
        }
        made++;
    }
    printf("made %d\n", made);
    return 0;
}

static int open_files(void)
{
    int opened = 0;

    while (opened < 1000000 && open("/dev/null", O_RDONLY) >= 0)
        opened++;
    printf("opened %d\n", opened);
    return 0;
}

static void on_term(int signal)
{
    (void)signal;
    _exit(7);
}

_Noreturn static void wait_for_term(const char *how)
{
    signal(SIGTERM, strcmp(how, "ignore") == 0 ? SIG_IGN : strcmp(how, "leave") == 0 ? SIG_DFL : on_term);
    puts("waiting");
    fflush(stdout);
    for (;;)
        pause();
}

static void report(const char *what, long result)
{
    printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "done");
}

/* Everything that might reach agentcore-init; none may. */
static int attack(void)
{
    char byte = 0;
    struct iovec mine = {&byte, 1}, theirs = {&byte, 1};

    report("ptrace", ptrace(PTRACE_ATTACH, 1, NULL, NULL));
    report("mem", open("/proc/1/mem", O_RDWR));
    report("fds", opendir("/proc/1/fd") ? 0 : -1);
    report("exe", readlink("/proc/1/exe", &byte, 1));
    report("environ", open("/proc/1/environ", O_RDONLY) < 0 ? -1 : read(open("/proc/1/environ", O_RDONLY), &byte, 1));
    report("read", process_vm_readv(1, &mine, 1, &theirs, 1, 0));
    for (int i = 1; i < 65; i++)
        kill(1, i); /* those that may be sent do nothing */
    report("alive", kill(1, 0));
    report("root", open("/proc/1/root/", O_RDONLY));
    return 0;
}

static int list_files(void)
{
    for (int fd = 0; fd < 1024; fd++) {
        char path[64], target[256];
        ssize_t length;

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        length = readlink(path, target, sizeof target - 1);
        if (length < 0)
            continue;
        target[length] = '\0';
        printf("%d %s\n", fd, target);
    }
    return 0;
}

/* An orphan that has left its process group and holds the output open. */
static int leave_orphan(void)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0)
            for (;;)
                pause();
        _exit(0);
    }
    wait(NULL);
    puts("left");
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "", *first = argc > 2 ? argv[2] : "", *second = argc > 3 ? argv[3] : "";

    if (strcmp(what, "serve") == 0)
        return serve(first);
    if (strcmp(what, "call") == 0)
        return call(first, second);
    if (strcmp(what, "eat") == 0)
        return eat(first);
    if (strcmp(what, "processes") == 0)
        return make_processes(first);
    if (strcmp(what, "files") == 0)
        return open_files();
    if (strcmp(what, "wait") == 0)
        wait_for_term(first);
    if (strcmp(what, "attack") == 0)
        return attack();
    if (strcmp(what, "descriptors") == 0)
        return list_files();
    if (strcmp(what, "orphan") == 0)
        return leave_orphan();
    return 2;
}
