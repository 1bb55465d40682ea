/* fuzz_code_supervisor.c - what may be sent to the supervisor of a code interpreter's sandbox, for its file tools.
 *
 * Each input is a connection; the tool is one of four, whatever it asks for.  They run in a work directory with links
 * that lead out of it.  What lies outside must be as it was, and what comes back must not have it in it. */
#include "../guest/code/code.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define BAIT "bait-that-is-outside"
#define INPUT_BYTES_MAX 100000 /* a socket holds that much */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char outside[64]; /* with the work directory and the bait in it */
static int outside_fd = -1;
static int start_fd = -1; /* where the fuzzer runs */

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void write_file(int directory, const char *name, const char *text)
{
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    require(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void leave(void)
{
    tree_remove_at(outside_fd, "work", 0);
    unlinkat(outside_fd, "bait", 0);
    rmdir(outside);
}

static void begin(void)
{
    snprintf(outside, sizeof outside, "/tmp/agentcore-fuzz-XXXXXX");
    require(mkdtemp(outside) != NULL);
    outside_fd = open(outside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    require(outside_fd >= 0);
    write_file(outside_fd, "bait", BAIT);
    start_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    require(start_fd >= 0);
    atexit(leave);
}

/* The work directory as each input finds it. */
static void set_up(void)
{
    require(mkdirat(outside_fd, "work", 0700) == 0 && fchdir(outside_fd) == 0 && chdir("work") == 0);
    require(files_begin());
    require(symlinkat("..", AT_FDCWD, "up") == 0 && symlinkat("../bait", AT_FDCWD, "bait") == 0);
    require(symlinkat("/", AT_FDCWD, "root") == 0 && mkdir("d", 0700) == 0 && symlinkat("d", AT_FDCWD, "e") == 0);
    write_file(AT_FDCWD, "f", "inside");
}

static void look(int replies)
{
    char text[sizeof BAIT + 1] = "", answer[65536 + 1];
    struct stat info;
    ssize_t got;
    int fd = openat(outside_fd, "bait", O_RDONLY | O_CLOEXEC);

    require(fd >= 0 && read(fd, text, sizeof text - 1) == (ssize_t)strlen(BAIT) && strcmp(text, BAIT) == 0);
    close(fd);
    require(fstat(outside_fd, &info) == 0 && info.st_nlink == 3);
    while ((got = recv(replies, answer, sizeof answer - 1, MSG_DONTWAIT)) > 0)
        require(!memmem(answer, (size_t)got, BAIT, strlen(BAIT)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t tools[] = {TOOL_READ, TOOL_WRITE, TOOL_LIST, TOOL_REMOVE};
    const struct timeval wait = {.tv_sec = 1};
    unsigned char request[CODE_REQUEST_BYTES];
    const code_request r = {.tool = size > 0 ? tools[data[0] % sizeof tools] : TOOL_READ, .output_bytes = 4096};
    int ends[2];
    call c = {0};

    if (size < 1 || size > INPUT_BYTES_MAX)
        return 0;
    if (memmem(data, size, BAIT, strlen(BAIT))) /* a name that comes back in a message */
        return 0;
    if (outside_fd < 0)
        begin();
    set_up();
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    code_put_request(request, &r);
    require(frame_send(ends[1], CODE_REQUEST, request, sizeof request, NULL, 0));
    require(send(ends[1], data + 1, size - 1, MSG_NOSIGNAL) == (ssize_t)(size - 1));
    shutdown(ends[1], SHUT_WR);
    c.fd = ends[0];
    call_serve(&c);
    free(c.text);
    close(ends[0]);
    look(ends[1]);
    close(ends[1]);
    require(fchdir(start_fd) == 0 && tree_remove_at(outside_fd, "work", 0) == 0);
    return 0;
}
