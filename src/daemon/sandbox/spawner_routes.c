/* spawner_routes.c - routes in a sandbox's network namespace that refuse what is not a public address.
 *
 * The machine's neighbours, its own private addresses, link-local ones (the metadata service of clouds is one),
 * loopback, multicast.  Routes refuse addresses, so a name that leads to such an address leads nowhere.  To change them
 * takes CAP_NET_ADMIN in the user namespace that owns the network, where nothing of the sandbox is.  A socket that is
 * bound to the device goes past routes, but only to what answers on that device's own wire: the gateway, which has no
 * ports (--disable-host-loopback, --disable-dns).  There is no IPv6: slirp4netns carries none.
 *
 * Also made here, because it is a low port: the socket on which agentcore-init answers questions for names. */
#include "daemon/sandbox/spawner_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME_PORT 53

typedef struct prefix {
    const char *address;
    unsigned char bits;
} prefix;

static const prefix refused[] = {
    {"0.0.0.0", 8},    {"10.0.0.0", 8},     {"100.64.0.0", 10}, {"169.254.0.0", 16}, {"172.16.0.0", 12},
    {"192.0.0.0", 24}, {"192.168.0.0", 16}, {"198.18.0.0", 15}, {"224.0.0.0", 4},    {"240.0.0.0", 4},
};

/* The network of slirp4netns itself; its gateway must be found when the default route is set, and not afterwards. */
static const prefix refused_later[] = {{"10.0.2.0", 25}, {"10.0.2.128", 25}};

typedef struct route_message {
    struct nlmsghdr header;
    struct rtmsg route;
    struct rtattr destination;
    struct in_addr address;
} route_message;

typedef struct route_answer {
    struct nlmsghdr header;
    struct nlmsgerr error;
    char more[256];
} route_answer;

_Noreturn static void fail(const char *what, int number)
{
    dprintf(STDERR_FILENO, "cannot %s: %s\n", what, strerror(number));
    _exit(1);
}

static int refuse(int netlink, const prefix *p)
{
    route_message message = {
        .header = {.nlmsg_len = sizeof message,
                   .nlmsg_type = RTM_NEWROUTE,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE},
        .route = {.rtm_family = AF_INET,
                  .rtm_dst_len = p->bits,
                  .rtm_table = RT_TABLE_MAIN,
                  .rtm_protocol = RTPROT_STATIC,
                  .rtm_scope = RT_SCOPE_UNIVERSE,
                  .rtm_type = RTN_PROHIBIT},
        .destination = {.rta_len = RTA_LENGTH(sizeof(struct in_addr)), .rta_type = RTA_DST},
    };
    route_answer answer;
    ssize_t got;

    inet_pton(AF_INET, p->address, &message.address);
    if (send(netlink, &message, sizeof message, 0) != (ssize_t)sizeof message)
        return errno;
    got = recv(netlink, &answer, sizeof answer, 0);
    if (got < (ssize_t)(sizeof answer.header + sizeof answer.error.error) || answer.header.nlmsg_type != NLMSG_ERROR)
        return got < 0 ? errno : EPROTO;
    return -answer.error.error;
}

static void refuse_all(int netlink, const prefix *prefixes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int number = refuse(netlink, &prefixes[i]);

        if (number)
            fail("refuse private addresses", number);
    }
}

static int open_names(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(NAME_PORT)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("open the port of the name server", errno);
    return fd;
}

_Noreturn void routes_run(int network, int users, int ready, int line)
{
    const char word = LINE_READY;
    int netlink, names;
    char said;

    if (setns(users, CLONE_NEWUSER) != 0 || setns(network, CLONE_NEWNET) != 0)
        fail("enter the sandbox's network", errno);
    netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (netlink < 0)
        fail("set routes", errno);
    refuse_all(netlink, refused, ARRAY_SIZE(refused));
    names = open_names();
    if (read(ready, &said, 1) != 1)
        fail("connect the sandbox's network", ENETDOWN);
    refuse_all(netlink, refused_later, ARRAY_SIZE(refused_later));
    if (protocol_send(line, &word, 1, &names, 1) != 1)
        fail("reach the sandbox", errno);
    _exit(0);
}
