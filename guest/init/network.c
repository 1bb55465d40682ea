/* network.c - a way out for the sandbox.
 *
 * The spawner makes it (src/daemon/sandbox/spawner_network.c), with rights that nothing in here has: we hand over our
 * network namespace, and wait. */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#define WAIT_MS 10000 /* the daemon gives up first */

int network_begin(int *ret_names)
{
    const char word = LINE_NETWORK;
    struct pollfd line = {.fd = BOX_FD_LINE, .events = POLLIN};
    int network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fds[PROTOCOL_FDS_MAX];
    char said = '\0';
    size_t count;

    if (network < 0 || protocol_send(BOX_FD_LINE, &word, 1, &network, 1) != 1)
        return errno;
    close(network);
    while (poll(&line, 1, WAIT_MS) < 0 && errno == EINTR)
        ;
    if (protocol_receive(BOX_FD_LINE, &said, 1, fds, &count) != 1 || said != LINE_READY || count != 1)
        return ENETDOWN;
    *ret_names = fds[0];
    return 0;
}
