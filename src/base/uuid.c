/* uuid.c - random identifiers, one per request: each thread draws random bytes from the kernel in batches.
 *
 * A fork copies the batch.  The child must not use it, so a fork handler advances a generation that each batch is
 * stamped with.  Bytes are wiped as they are used: an identifier may be all that guards a session, and an old one
 * should not be found in a core dump. */
#include "base/uuid.h"
#include "base/util.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define UUID_BYTES 16
#define POOL_BYTES (32 * UUID_BYTES)

typedef struct random_pool {
    unsigned generation;
    size_t left; /* unused bytes, at the start of bytes */
    unsigned char bytes[POOL_BYTES];
} random_pool;

static pthread_once_t fork_handler_once = PTHREAD_ONCE_INIT;
static atomic_uint fork_generation;
static _Thread_local random_pool pool;

static void forked(void)
{
    atomic_fetch_add_explicit(&fork_generation, 1, memory_order_relaxed);
}

static void watch_forks(void)
{
    /* Without the handler a child could repeat its parent's identifiers. */
    if (pthread_atfork(NULL, NULL, forked) != 0)
        abort();
}

static void pool_fill(unsigned generation)
{
    size_t got = 0;

    while (got < sizeof(pool.bytes)) {
        ssize_t more = getrandom(pool.bytes + got, sizeof(pool.bytes) - got, 0);

        /* The kernel always has random bytes once it is up; going on without would hand out guessable sessions. */
        if (more < 0 && errno != EINTR)
            abort();
        if (more > 0)
            got += (size_t)more;
    }
    pool.left = sizeof(pool.bytes);
    pool.generation = generation;
}

static char *put_hex(char *to, const unsigned char *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        *to++ = digits[bytes[i] >> 4];
        *to++ = digits[bytes[i] & 0x0F];
    }
    return to;
}

void uuid_v4(char ret_text[UUID_SIZE])
{
    unsigned char id[UUID_BYTES];

    pthread_once(&fork_handler_once, watch_forks);
    unsigned generation = atomic_load_explicit(&fork_generation, memory_order_relaxed);
    if (pool.left == 0 || pool.generation != generation)
        pool_fill(generation);

    pool.left -= UUID_BYTES;
    memcpy(id, pool.bytes + pool.left, UUID_BYTES);
    explicit_bzero(pool.bytes + pool.left, UUID_BYTES);
    id[6] = (unsigned char)((id[6] & 0x0F) | 0x40);
    id[8] = (unsigned char)((id[8] & 0x3F) | 0x80);

    char *at = put_hex(ret_text, id, 4);
    *at++ = '-';
    at = put_hex(at, id + 4, 2);
    *at++ = '-';
    at = put_hex(at, id + 6, 2);
    *at++ = '-';
    at = put_hex(at, id + 8, 2);
    *at++ = '-';
    at = put_hex(at, id + 10, 6);
    *at = '\0';
}
