/* arena.h - memory that is released all at once: one arena per request, connection or operation.
 *
 * Small allocations are cut from blocks; large ones get a block of their own.  Cleanup hooks run, last first, when
 * the arena is released.  One thread at a time. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/util.h"

#include <stdarg.h>

typedef struct arena_block arena_block;
typedef struct arena_hook arena_hook;

typedef struct arena {
    arena_block *blocks; /* the first one is the one being cut */
    arena_hook *hooks;
    char *next; /* free bytes in the first block: [next, end) */
    char *end;
} arena;

#define ARENA_INIT ((arena){0})

/* Run the hooks and release everything; the arena is empty and usable again.  As a cleanup: _cleanup_(arena_done). */
void arena_done(arena *a);

/* The same, but an arena that needed one small block keeps it. */
void arena_reset(arena *a);

/* length bytes, zeroed or not, aligned for any type.  NULL when memory runs out. */
void *arena_alloc(arena *a, size_t length);
void *arena_zalloc(arena *a, size_t length);

/* A NUL-terminated copy. */
char *arena_copy(arena *a, const char *text, size_t length);

/* Text made by a printf-style format.  NULL when memory runs out. */
char *arena_vformat(arena *a, const char *format, va_list args) AC_PRINTF(2, 0);
char *arena_format(arena *a, const char *format, ...) AC_PRINTF(2, 3);

/* Call fn(data) when the arena is released. */
ac_status arena_on_release(arena *a, void (*fn)(void *data), void *data) AC_MUST_USE;

#endif
