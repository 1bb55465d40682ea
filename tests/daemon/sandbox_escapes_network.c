/* sandbox_escapes_network.c - attempts by way of sockets, queues and shared memory. */
#include "sandbox_escapes_guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/vm_sockets.h>
#include <mqueue.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECT_MS 500

/* ---- connections ---- */

/* What is at the other end says its secret to everybody who comes. */
static void connect_to(int family, const void *address, socklen_t size, int type, const char *what)
{
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), failure = 0;
    struct pollfd done = {.fd = fd, .events = POLLOUT};
    socklen_t length = sizeof failure;

    if (fd < 0)
        return;
    if (connect(fd, address, size) != 0 && errno != EINPROGRESS) {
        close(fd);
        return;
    }
    if (poll(&done, 1, CONNECT_MS) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &length) == 0 && !failure) {
        if (type == SOCK_STREAM)
            claim("connected to %s", what);
        if (send(fd, "escaped", 7, MSG_NOSIGNAL) > 0 && type == SOCK_STREAM) {
            done.events = POLLIN;
            poll(&done, 1, CONNECT_MS);
            show_fd(fd, what);
        }
    }
    close(fd);
}

static void to_ip(const char *ip, uint16_t port, int type)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 modern = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    char what[128];

    snprintf(what, sizeof what, "%s port %u", ip, port);
    if (inet_pton(AF_INET, ip, &address.sin_addr) == 1)
        connect_to(AF_INET, &address, sizeof address, type, what);
    else if (inet_pton(AF_INET6, ip, &modern.sin6_addr) == 1)
        connect_to(AF_INET6, &modern, sizeof modern, type, what);
}

static uint16_t bait_port(void)
{
    return (uint16_t)strtoul(given("port"), NULL, 10);
}

static void loopback(void)
{
    static const char *const addresses[] = {"127.0.0.1", "127.0.0.2",        "127.255.255.254", "0.0.0.0", "::1",
                                            "::",        "::ffff:127.0.0.1", "10.0.2.2",        "fd00::2"};

    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        to_ip(addresses[i], bait_port(), SOCK_STREAM);
        to_ip(addresses[i], bait_port(), SOCK_DGRAM);
    }
}

/* "own": what the machine has beside its loopback, with a comma between. */
static void machine_addresses(void)
{
    char list[512], *save = NULL;

    snprintf(list, sizeof list, "%s", given("own"));
    for (char *at = strtok_r(list, ",", &save); at; at = strtok_r(NULL, ",", &save)) {
        to_ip(at, bait_port(), SOCK_STREAM);
        to_ip(at, bait_port(), SOCK_DGRAM);
    }
}

static void metadata(void)
{
    static const uint16_t ports[] = {80, 8080};

    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        to_ip("169.254.169.254", ports[i], SOCK_STREAM);
        to_ip("169.254.170.2", ports[i], SOCK_STREAM);
        to_ip("::ffff:169.254.169.254", ports[i], SOCK_STREAM);
        to_ip("fd00:ec2::254", ports[i], SOCK_STREAM);
        to_ip("100.100.100.200", ports[i], SOCK_STREAM);
    }
    to_ip("169.254.169.254", bait_port(), SOCK_STREAM);
    to_ip("169.254.169.254", bait_port(), SOCK_DGRAM);
}

/* A question for "a.test", to each server that answers for machines usually. */
static void names(void)
{
    static const char question[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\1a\4test\0\0\1\0\1";
    static const char *const servers[] = {"127.0.0.1", "127.0.0.53", "10.0.2.3", "10.77.0.1", "169.254.169.253"};

    show_file("/etc/resolv.conf");
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(53)};
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct pollfd answer = {.fd = fd, .events = POLLIN};

        inet_pton(AF_INET, servers[i], &address.sin_addr);
        if (sendto(fd, question, sizeof question - 1, 0, (struct sockaddr *)&address, sizeof address) > 0)
            poll(&answer, 1, 100);
        show_fd(fd, servers[i]);
        close(fd);
        to_ip(servers[i], 53, SOCK_STREAM);
    }
}

static void everybody(void)
{
    static const char *const groups[] = {"255.255.255.255", "224.0.0.1", "239.255.255.250", "10.77.0.255"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

    setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(bait_port())};

        inet_pton(AF_INET, groups[i], &address.sin_addr);
        sendto(fd, "escaped", 7, 0, (struct sockaddr *)&address, sizeof address);
    }
    close(fd);
}

static void local_names(void)
{
    const char *const abstract[] = {given("bait"), "agentcored-neighbour", "/tmp/.X11-unix/X0"};
    static const char *const paths[] = {
        "/run/dbus/system_bus_socket",   "/run/systemd/private", "/run/docker.sock", "/run/containerd/containerd.sock",
        "/run/postgresql/.s.PGSQL.5432", "/tmp/.X11-unix/X0",    "/dev/log"};

    for (size_t i = 0; i < sizeof abstract / sizeof *abstract; i++) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        socklen_t size = (socklen_t)(sizeof address.sun_family + 1 + strlen(abstract[i]));

        memcpy(address.sun_path + 1, abstract[i], strlen(abstract[i]));
        connect_to(AF_UNIX, &address, size, SOCK_STREAM, abstract[i]);
        connect_to(AF_UNIX, &address, size, SOCK_DGRAM, abstract[i]);
        connect_to(AF_UNIX, &address, size, SOCK_SEQPACKET, abstract[i]);
    }
    for (size_t i = 0; i <= sizeof paths / sizeof *paths; i++) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        const char *path = i < sizeof paths / sizeof *paths ? paths[i] : given("socket_file");

        snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        connect_to(AF_UNIX, &address, sizeof address, SOCK_STREAM, path);
        snprintf(address.sun_path, sizeof address.sun_path, "/proc/1/root%.90s", path);
        connect_to(AF_UNIX, &address, sizeof address, SOCK_STREAM, path);
    }
}

static void neighbour_port(void)
{
    static const char *const addresses[] = {"127.0.0.1", "0.0.0.0", "10.0.2.100", "10.0.2.15", "::1"};

    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
        to_ip(addresses[i], 8080, SOCK_STREAM);
}

/* Where a sandbox with the public network may go: shows that the others of these attempts would get somewhere. */
static void public_address(void)
{
    to_ip(given("public"), bait_port(), SOCK_STREAM);
}

static void other_machines(void)
{
    for (unsigned cid = 0; cid < 4; cid++) {
        struct sockaddr_vm address = {
            .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = (unsigned)strtoul(given("vsock_port"), NULL, 10)};

        connect_to(AF_VSOCK, &address, sizeof address, SOCK_STREAM, "the hypervisor");
    }
}

/* ---- packets and interfaces ---- */

static void raw_packets(void)
{
    static const int families[] = {AF_PACKET,    AF_INET,      AF_INET6, AF_ALG,  AF_KEY, AF_XDP,
                                   AF_BLUETOOTH, AF_CAN,       AF_TIPC,  AF_RDS,  AF_SMC, AF_NFC,
                                   AF_IB,        AF_APPLETALK, AF_X25,   AF_AX25, AF_IPX};
    static const int netlinks[] = {NETLINK_AUDIT,   NETLINK_NETFILTER, NETLINK_XFRM,     NETLINK_KOBJECT_UEVENT,
                                   NETLINK_GENERIC, NETLINK_CRYPTO,    NETLINK_SOCK_DIAG};

    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (socket(families[i], SOCK_RAW | SOCK_CLOEXEC, families[i] == AF_PACKET ? htons(3) : IPPROTO_ICMP) >= 0)
            claim("a raw socket of family %d", families[i]);
    for (size_t i = 0; i < sizeof netlinks / sizeof *netlinks; i++)
        if (socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, netlinks[i]) >= 0)
            claim("a netlink socket of kind %d", netlinks[i]);
}

typedef struct question {
    struct nlmsghdr head;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg address;
        struct rtmsg route;
        struct ndmsg neighbour;
    } body;
    char more[128];
} question;

/* Whether the kernel did it. */
static bool ask_kernel(int fd, question *q, uint16_t kind, size_t body)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char answer[512];
    const struct nlmsghdr *head = (const struct nlmsghdr *)(void *)answer;

    q->head.nlmsg_type = kind;
    q->head.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + body);
    q->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
    if (send(fd, q, q->head.nlmsg_len, 0) < 0 || poll(&ready, 1, CONNECT_MS) != 1)
        return false;
    return recv(fd, answer, sizeof answer, 0) >= (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) &&
           head->nlmsg_type == NLMSG_ERROR && ((const struct nlmsgerr *)NLMSG_DATA(head))->error == 0;
}

static void interfaces(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), control = socket(AF_INET, SOCK_DGRAM, 0);
    question link = {.body.link = {.ifi_index = 1, .ifi_change = IFF_UP}};
    question address = {.body.address = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = 1}};
    question route = {.body.route = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_BLACKHOLE}};
    struct ifreq request = {.ifr_name = "lo"};
    struct arpreq entry = {.arp_flags = ATF_PERM, .arp_dev = "lo"};

    if (ask_kernel(fd, &link, RTM_SETLINK, sizeof link.body.link))
        claim("switched an interface off");
    if (ask_kernel(fd, &address, RTM_NEWADDR, sizeof address.body.address))
        claim("added an address");
    if (ask_kernel(fd, &route, RTM_NEWROUTE, sizeof route.body.route))
        claim("added a route");
    if (ioctl(control, SIOCSIFFLAGS, &request) == 0)
        claim("switched an interface off, the old way");
    ((struct sockaddr_in *)(void *)&entry.arp_pa)->sin_family = AF_INET;
    ((struct sockaddr_in *)(void *)&entry.arp_pa)->sin_addr.s_addr = htonl(0x0a4d0002);
    if (ioctl(control, SIOCSARP, &entry) == 0)
        claim("added a neighbour");
    show_file("/proc/net/arp");
    show_file("/proc/net/unix");
    show_file("/proc/net/tcp");
}

/* ---- queues and memory by name ---- */

static void system_v(void)
{
    key_t key = (key_t)strtol(given("key"), NULL, 10);
    int id;

    /* By key, and by number, which is small. */
    for (int i = -1; i < 512; i++) {
        char *memory;

        id = i < 0 ? shmget(key, 0, 0) : i;
        memory = id < 0 ? (char *)-1 : shmat(id, NULL, 0);
        if (memory == (char *)-1)
            continue;
        claim("shared memory of another: %.200s", memory);
        strcpy(memory, "escaped");
    }
    if (msgget(key, 0) >= 0 || semget(key, 0, 0) >= 0)
        claim("a queue or semaphores of another");
    show_file("/proc/sysvipc/shm");
}

static void queues(void)
{
    const char *const names_of[] = {given("bait"), "agentcored-neighbour"};

    for (size_t i = 0; i < sizeof names_of / sizeof *names_of; i++) {
        char message[8193] = "", name[128];
        mqd_t queue;

        snprintf(name, sizeof name, "/%s", names_of[i]);
        queue = mq_open(name, O_RDWR | O_NONBLOCK);

        if (queue < 0)
            continue;
        if (mq_receive(queue, message, sizeof message - 1, NULL) >= 0)
            claim("a message of another: %.200s", message);
        mq_unlink(name);
    }
}

static void shared_files(void)
{
    each_entry("/dev/shm", show_file);
    each_entry("/tmp", show_file);
    each_entry(getenv("HOME"), show_file);
    each_entry("/var/tmp", show_file);
    each_entry("/run", show_file);
    if (shm_open(given("bait"), O_RDWR, 0) >= 0)
        claim("shared memory of the machine's");
}

const attempt network_attempts[] = {
    {"loopback", loopback},
    {"machine-addresses", machine_addresses},
    {"metadata", metadata},
    {"name-servers", names},
    {"everybody", everybody},
    {"local-names", local_names},
    {"neighbour-port", neighbour_port},
    {"public-address", public_address},
    {"other-machines", other_machines},
    {"raw-packets", raw_packets},
    {"interfaces", interfaces},
    {"system-v", system_v},
    {"queues", queues},
    {"shared-files", shared_files},
    {NULL, NULL},
};
