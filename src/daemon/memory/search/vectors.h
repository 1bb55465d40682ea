/* vectors.h - dot products of vectors, exact, as fast as the machine can. */
#ifndef MEMORY_SEARCH_VECTORS_H
#define MEMORY_SEARCH_VECTORS_H

#include <stddef.h>

/* The sum of the products of count numbers; count is a multiple of 16, and both begin at multiples of 64 bytes.  Picks
 * the widest instructions the processor has, once. */
float vector_dot(const float *a, const float *b, size_t count);

typedef float (*vector_dot_fn)(const float *a, const float *b, size_t count);

/* Each way there is, for the tests: its name, NULL behind the last; function NULL: not on this processor. */
typedef struct vector_way {
    const char *name;
    vector_dot_fn dot;
} vector_way;

const vector_way *vector_ways(void);

#endif
