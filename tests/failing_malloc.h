/* failing_malloc.h - allocations that fail when a test wants it: for programs linked with
 * -Wl,--wrap=malloc,--wrap=realloc,--wrap=calloc (their names end with _nomem; see meson.build).  Included once
 * in each. */
#ifndef TESTS_FAILING_MALLOC_H
#define TESTS_FAILING_MALLOC_H

#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_calloc(size_t count, size_t size);

/* Allocations that still succeed before one fails; negative: all do. */
static int allocations_left = -1;
static bool has_failed;
static bool keeps_failing; /* and all after it, until allocations_left is set anew */

static bool may_allocate(void)
{
    if (allocations_left < 0)
        return true;
    if (allocations_left > 0) {
        allocations_left--;
        return true;
    }
    if (!keeps_failing)
        allocations_left = -1;
    has_failed = true;
    return false;
}

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_realloc(void *block, size_t size)
{
    return may_allocate() ? __real_realloc(block, size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? __real_calloc(count, size) : NULL;
}

#endif
