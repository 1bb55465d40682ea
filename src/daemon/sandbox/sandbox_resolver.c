/* sandbox_resolver.c - the machine's name server, for sandboxes with a network.
 *
 * It usually has a private address, or that of a resolver on the machine itself, and a sandbox may reach neither.  So
 * it gets a socket that is connected to the name server and nothing else, which agentcore-init passes queries on with.
 * */
#include "daemon/files.h"
#include "daemon/sandbox/sandbox_internal.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLV_BYTES_MAX 65536
#define NAME_PORT 53

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

static bool parse(const char *text, address *ret_address)
{
    *ret_address = (address){.v4 = {.sin_family = AF_INET, .sin_port = htons(NAME_PORT)}};
    if (inet_pton(AF_INET, text, &ret_address->v4.sin_addr) == 1)
        return true;
    *ret_address = (address){.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(NAME_PORT)}};
    return inet_pton(AF_INET6, text, &ret_address->v6.sin6_addr) == 1;
}

/* The first one that is an address. */
static bool find(char *text, address *ret_address)
{
    char *lines = NULL, *words;

    for (char *line = strtok_r(text, "\n", &lines); line; line = strtok_r(NULL, "\n", &lines)) {
        char *word = strtok_r(line, " \t", &words);

        if (word && strcmp(word, "nameserver") == 0 && (word = strtok_r(NULL, " \t", &words)) &&
            parse(word, ret_address))
            return true;
    }
    return false;
}

void sandbox_resolver(int fd)
{
    _cleanup_(buf_done) buf text = BUF_INIT(RESOLV_BYTES_MAX);
    address server;
    char *lines;
    int socket_fd;

    if (file_read(RESOLV_CONF, &text, NULL, NULL) != AC_OK || !(lines = buf_terminate(&text)) || !find(lines, &server))
        return;
    socket_fd = socket(server.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket_fd < 0)
        return;
    if (connect(socket_fd, &server.any, server.any.sa_family == AF_INET ? sizeof server.v4 : sizeof server.v6) == 0 &&
        dup3(socket_fd, fd, O_CLOEXEC) < 0) {
        /* No names, then. */
    }
    close(socket_fd);
}
