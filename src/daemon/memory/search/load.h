/* load.h - bringing one index up to date: what the source says, put in; vectors asked for on the way. */
#ifndef MEMORY_SEARCH_LOAD_H
#define MEMORY_SEARCH_LOAD_H

#include "daemon/memory/search/cache.h"

typedef struct loader {
    const search_source *source;
    embeddings *embeddings; /* NULL: none */
    const wordnet *wordnet; /* NULL: none */
} loader;

/* When the entry's version is older than version (or it has none): load.  Waits for another thread that is at it. */
ac_status load_up_to(const loader *l, cache_entry *entry, const char *memory, const char *namespace_name,
                     int64_t version, ac_error *err) AC_MUST_USE;

#endif
