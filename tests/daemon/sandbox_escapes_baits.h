/* sandbox_escapes_baits.h - what a sandboxed program must not reach, set out around it, and whether it was reached.
 *
 * The test has a network of its own, in which it may have any address: what sandboxes see as "the machine". */
#ifndef TESTS_DAEMON_SANDBOX_ESCAPES_BAITS_H
#define TESTS_DAEMON_SANDBOX_ESCAPES_BAITS_H

#include "base/buf.h"

#include <limits.h>
#include <sys/types.h>

#define BAIT_PORT 5432
#define BAIT_OWN_ADDRESSES "10.77.0.1,192.168.77.1,172.16.77.1,100.64.77.1"
#define BAIT_PUBLIC_ADDRESS "11.22.33.44" /* in the test's own network: nobody is asked */
#define BAIT_HANDLE_BYTES 128
#define BAITS_STATE_BYTES_MAX ((size_t)1 << 20)

typedef struct baits {
    char lab[64];         /* a directory of the test's, with the guest in it */
    char secret_file[80]; /* in it, as a data directory's would be */
    char socket_file[80];
    char shared[80];    /* a directory that the sandbox may write */
    char read_only[80]; /* one that it may not, with a file "canary" */
    char setuid[80];    /* the guest with the set-user-ID bit, when this is root */
    char secret[40], neighbour_secret[40];
    char bait[48];                          /* the name of an abstract socket, a queue, shared memory, and a key */
    char handle[2 * BAIT_HANDLE_BYTES + 1]; /* of the secret file, in hexadecimal */
    int handle_type;
    int key_serial; /* 0: none */
    int key;        /* System V */
    unsigned vsock_port;
    pid_t victim; /* a process of the same user, that does nothing and reports signals */

    int reports; /* the victim's */
    int streams[8], datagrams[4];
    size_t stream_count, datagram_count;
    int segment;
    char *shared_memory;
    int queue;
    long long clock_offset_ms; /* of the wall clock against the time since boot */
    const char *const *watched;
    buf state; /* of the machine, as text */
} baits;

/* Enter a network and a mount namespace of the test's own, and set addresses; before the first thread.  An ordinary
 * user enters a user namespace for it.  false: this may not be done here. */
bool baits_network(void);

/* guest: the path of the guest program; watched: of programs that must stay as they are, ends with NULL. */
bool baits_open(baits *b, const char *guest, const char *const *watched);
void baits_close(baits *b);

/* Copy a program into a directory. */
bool baits_copy(const char *from, const char *directory, const char *name, mode_t mode);

/* What was touched since the last look, or has changed since the beginning, in words; NULL for nothing. */
const char *baits_touched(baits *b);

/* Whether somebody has come to the public address since the last look. */
bool baits_public_visited(baits *b);

/* ---- sandbox_escapes_state.c ---- */

/* What must not change of the machine and of the baits, as text. */
ac_status baits_state(const baits *b, buf *out);

#endif
