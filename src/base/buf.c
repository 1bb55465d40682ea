/* buf.c - the growing byte buffer.
 *
 * Invariants: length <= capacity, length <= cap, data is NULL exactly when capacity is 0.  capacity may pass cap by the
 * one byte that a terminating NUL takes: cap counts what a peer sent, and the NUL is ours.  A failed call changes
 * neither length nor the bytes before it. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first allocation: smaller ones would only be followed by another at once. */
#define BUF_FIRST_BYTES 64

static void buf_release(buf *b)
{
    if (b->secret && b->data)
        explicit_bzero(b->data, b->capacity);
    free(b->data);
}

void buf_done(buf *b)
{
    buf_release(b);
    b->data = NULL;
    b->length = 0;
    b->capacity = 0;
}

/* realloc may leave a copy of the old bytes behind, so a secret moves by hand. */
static char *buf_reallocate(buf *b, size_t capacity)
{
    if (!b->secret)
        return realloc(b->data, capacity);

    char *data = malloc(capacity);
    if (!data)
        return NULL;
    if (b->length > 0)
        memcpy(data, b->data, b->length);
    buf_release(b);
    return data;
}

/* Have at least need bytes allocated; the cap only bounds how much is taken beyond need. */
static ac_status buf_grow(buf *b, size_t need)
{
    if (need <= b->capacity)
        return AC_OK;

    size_t twice = b->capacity > SIZE_MAX / 2 ? SIZE_MAX : b->capacity * 2;
    size_t wanted = MIN(MAX(twice, (size_t)BUF_FIRST_BYTES), b->cap);
    wanted = MAX(wanted, need);

    char *data = buf_reallocate(b, wanted);
    if (!data && wanted > need) {
        wanted = need;
        data = buf_reallocate(b, wanted);
    }
    if (!data)
        return AC_ERR_NOMEM;
    b->data = data;
    b->capacity = wanted;
    return AC_OK;
}

ac_status buf_reserve_slow(buf *b, size_t extra)
{
    if (b->length > b->cap || extra > b->cap - b->length)
        return AC_ERR_TOO_LARGE;
    return buf_grow(b, b->length + extra);
}

ac_status buf_append_slow(buf *b, const void *data, size_t length)
{
    AC_TRY(buf_reserve(b, length));
    if (length > 0)
        memcpy(b->data + b->length, data, length);
    b->length += length;
    return AC_OK;
}

ac_status buf_vappendf(buf *b, const char *format, va_list args)
{
    size_t room = b->capacity - b->length;
    va_list again;

    va_copy(again, args);
    int printed = vsnprintf(room > 0 ? b->data + b->length : NULL, room, format, again);
    va_end(again);
    if (printed < 0)
        return AC_ERR_INVALID;

    size_t length = (size_t)printed;
    AC_TRY(buf_reserve(b, length));
    if (length >= room) {
        AC_TRY(buf_grow(b, b->length + length + 1));
        vsnprintf(b->data + b->length, length + 1, format, args);
    }
    b->length += length;
    return AC_OK;
}

ac_status buf_appendf(buf *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    ac_status status = buf_vappendf(b, format, args);
    va_end(args);
    return status;
}

void buf_consume(buf *b, size_t length)
{
    size_t gone = MIN(length, b->length);
    size_t left = b->length - gone;

    if (gone == 0)
        return;
    if (left > 0)
        memmove(b->data, b->data + gone, left);
    if (b->secret)
        explicit_bzero(b->data + left, gone);
    b->length = left;
}

char *buf_terminate(buf *b)
{
    if (b->length == SIZE_MAX || buf_grow(b, b->length + 1) != AC_OK)
        return NULL;
    b->data[b->length] = '\0';
    return b->data;
}

char *buf_take(buf *b, size_t *ret_length)
{
    char *data = TAKE_PTR(b->data);

    if (ret_length)
        *ret_length = b->length;
    b->length = 0;
    b->capacity = 0;
    return data;
}
