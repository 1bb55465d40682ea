/* buf.h - a growing byte buffer with a cap given at birth.
 *
 * A buf never grows past its cap, whatever a peer sends; appends then fail with AC_ERR_TOO_LARGE and leave what is
 * there.  data is NULL until the first append.  Not thread-safe. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/util.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

typedef struct buf {
    char *data;
    size_t length;   /* bytes in use */
    size_t capacity; /* bytes allocated */
    size_t cap;      /* most bytes it may ever hold */
    bool secret;     /* wipe memory before it is given back (also when growing) */
} buf;

#define BUF_INIT(cap_bytes) ((buf){.cap = (cap_bytes)})

/* Release the memory (wiping it when secret); the buf is empty and usable again.  As a cleanup: _cleanup_(buf_done). */
void buf_done(buf *b);

/* When it must grow. */
ac_status buf_reserve_slow(buf *b, size_t extra) AC_MUST_USE;
ac_status buf_append_slow(buf *b, const void *data, size_t length) AC_MUST_USE;

/* Make room for extra more bytes beyond length.  AC_ERR_TOO_LARGE past the cap, AC_ERR_NOMEM. */
static inline AC_MUST_USE ac_status buf_reserve(buf *b, size_t extra)
{
    if (LIKELY(extra <= b->capacity - b->length && b->length <= b->cap && extra <= b->cap - b->length))
        return AC_OK;
    return buf_reserve_slow(b, extra);
}

static inline AC_MUST_USE ac_status buf_append(buf *b, const void *data, size_t length)
{
    if (UNLIKELY(!b->data || length > b->capacity - b->length || b->length > b->cap || length > b->cap - b->length))
        return buf_append_slow(b, data, length);
    if (length)
        memcpy(b->data + b->length, data, length);
    b->length += length;
    return AC_OK;
}

static inline AC_MUST_USE ac_status buf_append_text(buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

ac_status buf_appendf(buf *b, const char *format, ...) AC_PRINTF(2, 3) AC_MUST_USE;
ac_status buf_vappendf(buf *b, const char *format, va_list args) AC_PRINTF(2, 0) AC_MUST_USE;

/* Drop length bytes from the front. */
void buf_consume(buf *b, size_t length);

/* NUL-terminate beyond length and return data: "" for an empty buf.  NULL when memory runs out. */
char *buf_terminate(buf *b);

/* Hand the contents to another buf; this one is empty afterwards, with the same cap. */
static inline buf buf_move(buf *b)
{
    buf moved = *b;

    b->data = NULL;
    b->length = b->capacity = 0;
    return moved;
}

/* Give the memory alone to another buf, unless it is larger than bytes_max; then it is released.  Not for secrets. */
static inline buf buf_spare(buf *b, size_t bytes_max)
{
    buf spare = {.cap = b->cap};

    if (b->capacity > bytes_max) {
        buf_done(b);
    } else {
        spare = buf_move(b);
        spare.length = 0;
    }
    return spare;
}

/* Hand the memory over (free() it); the buf is empty afterwards. */
char *buf_take(buf *b, size_t *ret_length);

#endif
