/* cache.h - the indexes that are in memory: found by memory and namespace, brought up to date, bounded in bytes.
 *
 * An entry is held while it is used, and read under its lock; changes come in under the same lock, for as long as they
 * are put in but not while they are read from the store.  A whole new index is built aside and swapped in. */
#ifndef MEMORY_SEARCH_CACHE_H
#define MEMORY_SEARCH_CACHE_H

#include "daemon/memory/search/index.h"

#include <pthread.h>

typedef struct cache_entry {
    struct cache_entry *next_in_bucket, *newer, *older; /* the cache's */
    char *key;                                          /* memory, NUL, namespace */
    size_t key_length;
    unsigned holders; /* under the cache's lock */
    bool forgotten;   /* no longer found; goes with its last holder */
    size_t bytes;     /* as last counted */
    pthread_mutex_t loading;
    pthread_rwlock_t lock; /* of what follows */
    search_index *index;   /* NULL: never loaded */
    int64_t version;
    uint64_t retry_ms; /* monotonic: vectors are missing, try for them from then on; 0: none are */
} cache_entry;

typedef struct cache cache;

cache *cache_new(size_t bytes_max); /* NULL: out of memory */
void cache_free(cache *c);
DEFINE_CLEANUP(cache *, cache_free)

/* Hold the entry of a namespace, made when it is not there.  NULL: out of memory. */
cache_entry *cache_hold(cache *c, const char *memory, const char *namespace_name);

/* Let go; the entry's bytes are counted anew, and what is too much is thrown away. */
void cache_release(cache *c, cache_entry *entry);

void cache_forget(cache *c, const char *memory, const char *namespace_name);

/* Bytes of all entries, and how many there are. */
size_t cache_bytes(cache *c, size_t *ret_entries);

#endif
