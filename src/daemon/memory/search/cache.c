/* cache.c - a hash table and a list in the order of use, both under one lock that is never held for long. */
#include "daemon/memory/search/cache.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 64

struct cache {
    pthread_mutex_t lock;
    cache_entry **buckets; /* a power of two */
    size_t bucket_count, count;
    cache_entry *newest, *oldest;
    size_t bytes, bytes_max;
};

cache *cache_new(size_t bytes_max)
{
    cache *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->buckets = calloc(BUCKETS_FIRST, sizeof(cache_entry *));
    if (!c->buckets) {
        free(c);
        return NULL;
    }
    c->bucket_count = BUCKETS_FIRST;
    c->bytes_max = bytes_max;
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void entry_free(cache_entry *e)
{
    index_free(e->index);
    pthread_rwlock_destroy(&e->lock);
    pthread_mutex_destroy(&e->loading);
    free(e->key);
    free(e);
}

void cache_free(cache *c)
{
    cache_entry *next;

    if (!c)
        return;
    for (cache_entry *e = c->newest; e; e = next) {
        next = e->older;
        entry_free(e);
    }
    free(c->buckets);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* ---- finding; all under the lock ---- */

static cache_entry **bucket_of(cache *c, const char *key, size_t length)
{
    return &c->buckets[names_hash(key, length) & (c->bucket_count - 1)];
}

static void unlink_used(cache *c, cache_entry *e)
{
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
    e->newer = e->older = NULL;
}

static void link_newest(cache *c, cache_entry *e)
{
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

/* Take an entry out of table and list; it is freed now, or by its last holder. */
static void drop(cache *c, cache_entry *e)
{
    cache_entry **at = bucket_of(c, e->key, e->key_length);

    while (*at != e)
        at = &(*at)->next_in_bucket;
    *at = e->next_in_bucket;
    unlink_used(c, e);
    c->bytes -= e->bytes;
    c->count--;
    e->forgotten = true;
    if (!e->holders)
        entry_free(e);
}

static void grow_buckets(cache *c)
{
    size_t count = c->bucket_count * 2;
    cache_entry **buckets = c->count < c->bucket_count ? NULL : calloc(count, sizeof(cache_entry *));

    if (!buckets) /* without memory it only gets slower */
        return;
    free(c->buckets);
    c->buckets = buckets;
    c->bucket_count = count;
    for (cache_entry *e = c->newest; e; e = e->older) {
        cache_entry **at = bucket_of(c, e->key, e->key_length);

        e->next_in_bucket = *at;
        *at = e;
    }
}

static cache_entry *entry_new(char *key, size_t length)
{
    cache_entry *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->key = key;
    e->key_length = length;
    e->bytes = sizeof *e + length;
    pthread_mutex_init(&e->loading, NULL);
    pthread_rwlock_init(&e->lock, NULL);
    return e;
}

cache_entry *cache_hold(cache *c, const char *memory, const char *namespace_name)
{
    size_t first = strlen(memory) + 1, length = first + strlen(namespace_name);
    char *key = malloc(length + 1);
    cache_entry *e;

    if (!key)
        return NULL;
    memcpy(key, memory, first);
    memcpy(key + first, namespace_name, length - first + 1);
    pthread_mutex_lock(&c->lock);
    for (e = *bucket_of(c, key, length); e; e = e->next_in_bucket)
        if (e->key_length == length && memcmp(e->key, key, length) == 0)
            break;
    if (e) {
        unlink_used(c, e);
    } else if ((e = entry_new(key, length))) {
        cache_entry **at;

        key = NULL;
        grow_buckets(c);
        at = bucket_of(c, e->key, length);
        e->next_in_bucket = *at;
        *at = e;
        c->count++;
        c->bytes += e->bytes;
    }
    if (e) {
        link_newest(c, e);
        e->holders++;
    }
    pthread_mutex_unlock(&c->lock);
    free(key);
    return e;
}

void cache_release(cache *c, cache_entry *entry)
{
    size_t bytes = sizeof *entry + entry->key_length;

    pthread_rwlock_rdlock(&entry->lock);
    if (entry->index)
        bytes += index_bytes(entry->index);
    pthread_rwlock_unlock(&entry->lock);

    pthread_mutex_lock(&c->lock);
    entry->holders--;
    if (entry->forgotten) {
        if (!entry->holders)
            entry_free(entry);
    } else {
        c->bytes += bytes - entry->bytes;
        entry->bytes = bytes;
    }
    /* The newest stays, however large: it would only be built again for the next query. */
    for (cache_entry *e = c->oldest, *newer; e && e != c->newest && c->bytes > c->bytes_max; e = newer) {
        newer = e->newer;
        if (!e->holders)
            drop(c, e);
    }
    pthread_mutex_unlock(&c->lock);
}

void cache_forget(cache *c, const char *memory, const char *namespace_name)
{
    size_t first = strlen(memory) + 1;

    pthread_mutex_lock(&c->lock);
    for (cache_entry *e = c->newest, *older; e; e = older) {
        older = e->older;
        if (strcmp(e->key, memory) == 0 && (!namespace_name || strcmp(e->key + first, namespace_name) == 0))
            drop(c, e);
    }
    pthread_mutex_unlock(&c->lock);
}

size_t cache_bytes(cache *c, size_t *ret_entries)
{
    pthread_mutex_lock(&c->lock);
    size_t bytes = c->bytes;
    *ret_entries = c->count;
    pthread_mutex_unlock(&c->lock);
    return bytes;
}
