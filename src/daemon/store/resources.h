/* resources.h - control-plane resources as documents: runtimes, memories, browsers, providers, evaluators, ...
 *
 * All functions work inside the caller's transaction.  Texts that are returned live in the arena that is passed.
 *
 *     resource r = {.key = {.scope = account, .kind = "memory", .id = id}, .name = name, .status = "CREATING",
 *                   .body = json};
 *
 *     AC_TRY(resource_create(tx, &r, err));
 *     AC_TRY(jobs_enqueue(tx, &(job_spec){.kind = "memory.create", .key = id}, err)); */
#ifndef DAEMON_STORE_RESOURCES_H
#define DAEMON_STORE_RESOURCES_H

#include "base/arena.h"
#include "daemon/store/sql.h"

#define RESOURCE_PAGE_MAX 1000

/* Which resource.  Several kinds may use the same id; parts of different parents too. */
typedef struct resource_key {
    const char *scope;  /* whose: the account */
    const char *kind;   /* "agent-runtime", ... */
    const char *parent; /* the id of what it is part of (an endpoint's runtime); NULL: it stands alone */
    const char *id;
} resource_key;

typedef struct resource {
    resource_key key;
    const char *name;   /* unique among those of the same scope, kind and parent; NULL at creation: the id */
    const char *status; /* "READY", ... */
    int64_t version;    /* 1 when it is new, one more with each change */
    int64_t created_ms;
    int64_t updated_ms;
    const char *body; /* JSON text */
    size_t body_length;
} resource;

/* Add one; version and times are set in r (created_ms is kept when it is not 0), body_length too when it is 0.
 * AC_ERR_CONFLICT: id or name is taken; the transaction is still good then. */
ac_status resource_create(store_tx *tx, resource *r, ac_error *err) AC_MUST_USE;

/* AC_ERR_NOT_FOUND.  The second takes key->id as a name. */
ac_status resource_get(store_tx *tx, const resource_key *key, arena *memory, resource *ret_resource, ac_error *err)
    AC_MUST_USE;
ac_status resource_get_by_name(store_tx *tx, const resource_key *key, arena *memory, resource *ret_resource,
                               ac_error *err) AC_MUST_USE;

typedef struct resource_change {
    int64_t version;            /* that it must have; 0: any */
    const char *name;           /* NULL: as it is */
    const char *status;         /* NULL: as it is */
    const char *body;           /* NULL: as it is */
    const char *only_in_status; /* that it must be in; NULL: any */
} resource_change;

/* Change what is named.  AC_ERR_NOT_FOUND; AC_ERR_CONFLICT: it has another version or status by now (and the
 * transaction is still good), or the new name is taken (and it is not).  ret_version (may be NULL): the new one. */
ac_status resource_update(store_tx *tx, const resource_key *key, const resource_change *change, int64_t *ret_version,
                          ac_error *err) AC_MUST_USE;

/* version as above.  Tags and policies are the caller's to delete: they go by ARN. */
ac_status resource_delete(store_tx *tx, const resource_key *key, int64_t version, ac_error *err) AC_MUST_USE;

/* Delete all of a kind that are part of parent. */
ac_status resource_delete_parts(store_tx *tx, const resource_key *of, int64_t *ret_count, ac_error *err) AC_MUST_USE;

/* How many there are of a scope, kind and parent. */
ac_status resource_count(store_tx *tx, const resource_key *of, int64_t *ret_count, ac_error *err) AC_MUST_USE;

typedef struct resource_page {
    resource *items;
    size_t count;
    const char *next_token; /* NULL on the last page */
} resource_page;

/* A page of those of a scope, kind and parent, in the order of their creation or the other way round.  token: NULL or
 * "" for the first page.  What is there all the while is on exactly one page of a walk, whatever else is added or
 * deleted meanwhile.  AC_ERR_INVALID: a token of something else, or a limit outside 1 to RESOURCE_PAGE_MAX. */
ac_status resource_list(store_tx *tx, const resource_key *of, bool newest_first, size_t limit, const char *token,
                        arena *memory, resource_page *ret_page, ac_error *err) AC_MUST_USE;

#endif
