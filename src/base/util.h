/* util.h - the handful of macros that every file of ours leans on. */
#ifndef BASE_UTIL_H
#define BASE_UTIL_H

#include <agentcore/error.h>
#include <stddef.h>
#include <stdint.h>

/* Release a local when it goes out of scope: `_cleanup_(buf_done) buf out = BUF_INIT(1024);`. */
#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* Define a cleanup function NAMEp for locals of pointer type, from a free function that takes the pointer. */
#define DEFINE_CLEANUP(type, fn)                                                                                       \
    static inline void fn##p(type *pointer)                                                                            \
    {                                                                                                                  \
        if (*pointer)                                                                                                  \
            fn(*pointer);                                                                                              \
    }

/* Hand a pointer over and forget it here, so that a cleanup does not release it. */
#define TAKE_PTR(pointer)                                                                                              \
    ({                                                                                                                 \
        __typeof__(pointer) taken_ = (pointer);                                                                        \
        (pointer) = NULL;                                                                                              \
        taken_;                                                                                                        \
    })

/* Return from the calling function when an expression fails. */
#define AC_TRY(expression)                                                                                             \
    do {                                                                                                               \
        ac_status try_status_ = (expression);                                                                          \
        if (try_status_ != AC_OK)                                                                                      \
            return try_status_;                                                                                        \
    } while (0)

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#undef MIN /* <sys/param.h> has its own */
#undef MAX
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* The struct that holds a member, from a pointer to the member. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
