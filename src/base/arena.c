/* arena.c - memory that is released all at once.
 *
 * Blocks form a list, the newest first, and small requests are cut from its head.  A request for more than a quarter
 * of a block gets a block of its own, which is put behind the head so that the head's free bytes are not lost.  An
 * empty arena owns no memory: a connection that waits for its next request costs nothing here.
 *
 * The first block is 1 KiB, which holds the context of an ordinary request; it is also about the largest size that
 * malloc implementations serve from a per-thread cache, so that a request that stays within it takes no lock.
 *
 * Under AddressSanitizer free bytes of a block are poisoned, and so is a gap after each allocation. */
#include "base/arena.h"
#include "base/poison.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_FIRST_BLOCK_BYTES 1024
#define ARENA_BLOCK_BYTES 4096
#define ARENA_LARGE_BYTES (ARENA_BLOCK_BYTES / 4)
#define ARENA_ALIGN _Alignof(max_align_t)

#ifdef MEMORY_IS_WATCHED
#define ARENA_GAP_BYTES 16
#else
#define ARENA_GAP_BYTES 0
#endif

struct arena_block {
    arena_block *older;
    _Alignas(max_align_t) char bytes[];
};

struct arena_hook {
    arena_hook *older;
    void (*fn)(void *data);
    void *data;
};

static void arena_run_hooks(arena *a)
{
    while (a->hooks) {
        arena_hook *hook = a->hooks;

        /* Unlinked first: a hook may allocate from the arena or add another hook. */
        a->hooks = hook->older;
        hook->fn(hook->data);
    }
}

void arena_done(arena *a)
{
    arena_run_hooks(a);
    while (a->blocks) {
        arena_block *block = a->blocks;

        a->blocks = block->older;
        free(block);
    }
    *a = ARENA_INIT;
}

void arena_reset(arena *a)
{
    arena_run_hooks(a);

    arena_block *block = a->blocks;
    if (!block || block->older || a->end != (char *)block + ARENA_FIRST_BLOCK_BYTES) {
        arena_done(a);
        return;
    }
    a->next = block->bytes;
    memory_hide(a->next, (size_t)(a->end - a->next));
}

static void *arena_alloc_alone(arena *a, size_t length)
{
    if (length > PTRDIFF_MAX - sizeof(arena_block))
        return NULL;

    arena_block *block = malloc(sizeof(*block) + length);
    if (!block)
        return NULL;
    if (a->next) {
        block->older = a->blocks->older;
        a->blocks->older = block;
    } else {
        block->older = a->blocks;
        a->blocks = block;
    }
    return block->bytes;
}

/* Make a fresh block the one being cut. */
static bool arena_add_block(arena *a)
{
    size_t bytes = a->next ? ARENA_BLOCK_BYTES : ARENA_FIRST_BLOCK_BYTES;
    arena_block *block = malloc(bytes);

    if (!block)
        return false;
    block->older = a->blocks;
    a->blocks = block;
    a->next = block->bytes;
    a->end = (char *)block + bytes;
    memory_hide(a->next, (size_t)(a->end - a->next));
    return true;
}

void *arena_alloc(arena *a, size_t length)
{
    if (length > ARENA_LARGE_BYTES)
        return arena_alloc_alone(a, length);

    /* Nothing is still something: each allocation has an address of its own. */
    size_t taken = (MAX(length, (size_t)1) + ARENA_GAP_BYTES + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);

    /* Twice at most: what does not fit into a first block fits into one of full size. */
    while ((size_t)(a->end - a->next) < taken) {
        if (!arena_add_block(a))
            return NULL;
    }
    char *memory = a->next;
    a->next += taken;
    memory_show(memory, length);
    return memory;
}

void *arena_zalloc(arena *a, size_t length)
{
    void *memory = arena_alloc(a, length);

    if (memory && length > 0)
        memset(memory, 0, length);
    return memory;
}

char *arena_copy(arena *a, const char *text, size_t length)
{
    if (length == SIZE_MAX)
        return NULL;

    char *copy = arena_alloc(a, length + 1);
    if (!copy)
        return NULL;
    if (length > 0)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

ac_status arena_on_release(arena *a, void (*fn)(void *data), void *data)
{
    arena_hook *hook = arena_alloc(a, sizeof(*hook));

    if (!hook)
        return AC_ERR_NOMEM;
    *hook = (arena_hook){.older = a->hooks, .fn = fn, .data = data};
    a->hooks = hook;
    return AC_OK;
}

char *arena_vformat(arena *a, const char *format, va_list args)
{
    va_list again;

    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);

    char *text = length >= 0 ? arena_alloc(a, (size_t)length + 1) : NULL;
    if (text)
        vsnprintf(text, (size_t)length + 1, format, args);
    return text;
}

char *arena_format(arena *a, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = arena_vformat(a, format, args);
    va_end(args);
    return text;
}
