/* protocol.h - what the daemon, the spawner and agentcore-init say to each other.
 *
 *     daemon --spawn_request--> spawner            one socket; start and kill, never answered here
 *     daemon <--box_event------ spawner and init   one socket for each sandbox; the spawner's EVENT_GONE is the last
 *     daemon <--ask_...-------> init               one socket for each sandbox; a request and its reply
 *     init   <--box_config----- daemon             a file in memory; for each command another one
 *
 * All sockets are AF_UNIX SOCK_SEQPACKET: a message comes whole or not at all.  The three programs are built together
 * and run on one machine, so messages are plain structures; PROTOCOL_VERSION and their sizes are in every
 * configuration, so that an agentcore-init of another build is noticed.  Only the C library is used here, since
 * agentcore-init has nothing else. */
#ifndef DAEMON_SANDBOX_PROTOCOL_H
#define DAEMON_SANDBOX_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define PROTOCOL_VERSION 1U
#define PROTOCOL_FDS_MAX 24 /* that go with one message */
#define PROTOCOL_TEXT_SIZE 256

/* Descriptors as bwrap and then init find them. */
enum {
    BOX_FD_NULL = 0,   /* and 1 */
    BOX_FD_ERRORS = 2, /* what bwrap says when it fails */
    BOX_FD_ASK,
    BOX_FD_EVENTS,
    BOX_FD_CONFIG,
    BOX_FD_OUTPUT,
    BOX_FD_RESOLVER, /* with a network: a datagram socket to the machine's name server */
    BOX_FD_LINE,     /* to the spawner: open for as long as bwrap or init lives */
    BOX_FD_INIT,     /* the program agentcore-init, executed through its descriptor: no path to it is seen inside */
    BOX_FD_ARGS,     /* for bwrap, from here on */
    BOX_FD_SECCOMP,
    BOX_FD_DATA, /* first of the files that bwrap makes */
    BOX_FD_END = BOX_FD_DATA + 8,
};

/* ---- daemon to spawner ---- */

typedef enum spawn_kind { SPAWN_START = 1, SPAWN_KILL } spawn_kind;

/* With SPAWN_START go the descriptors BOX_FD_ERRORS to BOX_FD_SECCOMP (any for BOX_FD_LINE, which the spawner makes)
 * and then data_count of BOX_FD_DATA. */
typedef struct spawn_request {
    uint32_t kind;
    uint32_t data_count;
    uint64_t id; /* the daemon's, never used twice */
    uint64_t memory_bytes;
    uint32_t processes;
    uint32_t cpu_percent;
    uint32_t network; /* sandbox_network */
    uint32_t reserved;
} spawn_request;

#define SPAWN_FIXED_FDS (BOX_FD_SECCOMP - BOX_FD_ERRORS + 1)

/* The spawner's first and only answer on that socket. */
typedef struct spawn_hello {
    uint32_t version;
    uint32_t controllers; /* cgroups_have */
} spawn_hello;

/* ---- to the daemon: what happens ---- */

typedef enum event_kind {
    EVENT_PROGRAM_ENDED = 1, /* init */
    EVENT_COMMAND_ENDED,     /* init */
    EVENT_CONNECTED,         /* init, with the connection */
    EVENT_FAILED,            /* spawner: it was not even begun; status and text */
    EVENT_GONE,              /* spawner: nothing is left */
} event_kind;

enum {
    EVENT_BY_SIGNAL = 1,     /* code is a signal */
    EVENT_STOPPED = 2,       /* after ASK_STOP */
    EVENT_OUT_OF_MEMORY = 4, /* init's watch, or the cgroup's count */
    EVENT_KILL_ASKED = 8,    /* after SPAWN_KILL */
};

typedef struct box_event {
    uint32_t kind;
    uint32_t id; /* of a command */
    int32_t code;
    uint32_t flags;
    int32_t status; /* EVENT_FAILED: an ac_status */
    char text[PROTOCOL_TEXT_SIZE];
} box_event;

/* ---- daemon to init ---- */

typedef enum ask_kind {
    ASK_START = 0, /* not sent: the first reply, number 0, says how starting the program went */
    ASK_SOCKET,
    ASK_EXEC,   /* with the configuration, and descriptors for input, output, errors */
    ASK_SIGNAL, /* not answered; id, value: the signal */
    ASK_STOP,   /* not answered; value: grace time in milliseconds */
} ask_kind;

typedef struct ask_request {
    uint32_t kind;
    uint32_t number; /* comes back in the reply */
    uint32_t id;
    uint32_t value;
} ask_request;

typedef enum ask_stage {
    STAGE_NONE,
    STAGE_SETUP,   /* memory, descriptors, processes */
    STAGE_VERSION, /* not the init of this daemon */
    STAGE_NETWORK,
    STAGE_DIRECTORY, /* to start in */
    STAGE_PROGRAM,   /* it is not there, or cannot be executed */
    STAGE_LOADER,    /* it is there, but what it names as its interpreter is not */
    STAGE_COMMANDS,  /* too many at once */
} ask_stage;

typedef struct ask_reply {
    uint32_t number;
    int32_t failure; /* errno; 0: done */
    uint32_t stage;
    uint32_t id; /* of the command */
} ask_reply;

/* ---- on the line between init and the spawner: one byte each ---- */

#define LINE_HELLO 'h'   /* init runs */
#define LINE_NETWORK 'n' /* init wants a network: with its network namespace */
#define LINE_READY 'r'   /* it is there: with a socket that is bound to the name server's port inside */

/* ---- configuration of init, and of a command ---- */

enum {
    BOX_WATCH_MEMORY = 1,     /* no cgroup limits it */
    BOX_SAME_ENVIRONMENT = 2, /* commands: that of the program; of directory the same when it is "" */
};

/* Behind it: the directory, the home, then the words of argv, then those of the environment, each ending with a NUL. */
typedef struct box_config {
    uint32_t version;
    uint16_t config_size, event_size, request_size, reply_size;
    uint32_t bytes; /* of all, this header included */
    uint32_t argument_count, variable_count;
    uint32_t flags;
    uint64_t memory_bytes, disk_bytes;
    uint32_t processes, open_files;
    uint32_t network;
    uint16_t service_port, reserved;
} box_config;

_Static_assert(sizeof(spawn_request) == 40, "no padding");
_Static_assert(sizeof(box_event) == 20 + PROTOCOL_TEXT_SIZE, "no padding");
_Static_assert(sizeof(ask_request) == 16 && sizeof(ask_reply) == 16, "no padding");
_Static_assert(sizeof(box_config) == 64, "no padding but at the end");

#define BOX_CONFIG_HEADER                                                                                              \
    .version = PROTOCOL_VERSION, .config_size = sizeof(box_config), .event_size = sizeof(box_event),                   \
    .request_size = sizeof(ask_request), .reply_size = sizeof(ask_reply)

/* ---- messages with descriptors ---- */

/* Returns what sendmsg returns.  Never blocks, never raises SIGPIPE. */
static inline ssize_t protocol_send(int socket, const void *message, size_t size, const int *fds, size_t count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * PROTOCOL_FDS_MAX)];
    } control;
    struct iovec part = {.iov_base = (void *)message, .iov_len = size};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};

    if (count > 0) {
        head.msg_control = control.space;
        head.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        memset(control.space, 0, head.msg_controllen);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * count);
    }
    return sendmsg(socket, &head, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Returns what recvmsg returns; -1 with EBADMSG for a message that was cut.  *ret_count descriptors (close-on-exec) are
 * the caller's whatever the message says. */
ssize_t protocol_receive(int socket, void *message, size_t size, int fds[PROTOCOL_FDS_MAX], size_t *ret_count);

#endif
