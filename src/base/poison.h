/* poison.h - memory that is ours, but holds nothing now: under AddressSanitizer touching it is an error. */
#ifndef BASE_POISON_H
#define BASE_POISON_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEMORY_IS_WATCHED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define MEMORY_IS_WATCHED 1
#endif

#ifdef MEMORY_IS_WATCHED
#include <sanitizer/asan_interface.h>
#define memory_hide(from, length) __asan_poison_memory_region(from, length)
#define memory_show(from, length) __asan_unpoison_memory_region(from, length)
#else
#define memory_hide(from, length) ((void)(from), (void)(length))
#define memory_show(from, length) ((void)(from), (void)(length))
#endif

#endif
