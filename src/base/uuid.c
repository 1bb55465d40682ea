/* uuid.c - random identifiers, one per request: each thread draws random bytes from the kernel in batches.
 *
 * A fork copies the batch.  The child must not use it, so a fork handler advances a generation that each batch is
 * stamped with.  Bytes are wiped as they are used: an identifier may be all that guards a session, and an old one
 * should not be found in a core dump. */
#include "base/uuid.h"
#include "base/util.h"

#include <endian.h>
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

/* Four bytes as eight digits, all at once: each half of a byte in a byte of its own. */
static void put_hex(char *to, const unsigned char *bytes)
{
    uint64_t spread = bytes[0] | (uint64_t)bytes[1] << 16 | (uint64_t)bytes[2] << 32 | (uint64_t)bytes[3] << 48;
    uint64_t halves = (spread >> 4 & UINT64_C(0x000F000F000F000F)) | (spread & UINT64_C(0x000F000F000F000F)) << 8;
    uint64_t letters = (halves + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101); /* 1: above 9 */
    uint64_t digits = htole64(halves + UINT64_C(0x3030303030303030) + letters * ('a' - '0' - 10));

    memcpy(to, &digits, sizeof(digits));
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

    char digits[2 * UUID_BYTES];
    for (size_t i = 0; i < UUID_BYTES; i += 4)
        put_hex(digits + 2 * i, id + i);
    memcpy(ret_text, digits, 8);
    memcpy(ret_text + 9, digits + 8, 4);
    memcpy(ret_text + 14, digits + 12, 4);
    memcpy(ret_text + 19, digits + 16, 4);
    memcpy(ret_text + 24, digits + 20, 12);
    ret_text[8] = ret_text[13] = ret_text[18] = ret_text[23] = '-';
    ret_text[36] = '\0';
}
