/* memory.h - the memory service: what its files share.
 *
 * Internal to the room.  A memory is a resource (store/resources.h) whose body is what GetMemory shows, strategies
 * included, and a few members of our own (MEMORY_AFTER).  Events, sessions, records are rows of tables of their own.
 *
 *     memories.c strategies.c definition.c settle.c    control plane; the parsed memory, kept between calls
 *     event_create.c event_rows.c event_list.c events.c    events, branches, actors, sessions
 *     record_rows.c records.c batches.c retrieve.c namespaces.c filters.c    records and search
 *     extraction.c turns.c changes.c extraction_jobs.c    jobs that draw knowledge from events
 *     self_managed.c    jobs that hand events to somebody else
 *     sweep.c    expiry
 *     engines.c index.c    the search engine and the extractor, made from the configuration
 *
 * Scope.  Rows name a memory by its id alone: its random part makes it the only one.  Whoever comes from outside is let
 * to a memory by its resource, which belongs to an account. */
#ifndef DAEMON_MEMORY_MEMORY_H
#define DAEMON_MEMORY_MEMORY_H

#include "daemon/config.h"
#include "daemon/memory/extract/extract.h"
#include "daemon/memory/search/search.h"
#include "daemon/resources/arns.h"
#include "daemon/store/job_runner.h"
#include "http/client.h"

#include <pthread.h>

#define MEMORY_CREATING "CREATING"
#define MEMORY_ACTIVE "ACTIVE"
#define MEMORY_UPDATING "UPDATING"
#define MEMORY_DELETING "DELETING"

#define MEMORY_STRATEGIES_MAX 6
#define MEMORY_INDEXED_KEYS_MAX 10
#define MEMORY_PAGE_DEFAULT 20
#define MEMORY_DAY_MS (INT64_C(24) * 60 * 60 * 1000)

/* A member of a strategy that clients don't see: the last event it has no business with, since it was there before. */
#define MEMORY_AFTER "afterEvent"

/* Times that clients may give: from 1970 to so long from now. */
#define MEMORY_AHEAD_MAX_MS (INT64_C(10) * 366 * MEMORY_DAY_MS)

/* Keys of records' metadata that are ours begin with this. */
#define MEMORY_OWN_KEYS "x-amz-agentcore-"
#define MEMORY_KEY_CREATED "x-amz-agentcore-memory-createdAt"
#define MEMORY_KEY_UPDATED "x-amz-agentcore-memory-updatedAt"

#define MEMORY_JOB_SETTLE "memory.settle"
#define MEMORY_JOB_DELETE "memory.delete"
#define MEMORY_JOB_EXTRACT "memory.extract"
#define MEMORY_JOB_DELIVER "memory.deliver"
#define MEMORY_JOB_SWEEP "memory.sweep"

/* ---- definition.c: a memory, parsed ---- */

typedef struct memory_strategy {
    const char *id;
    const char *status;
    bool self_managed;
    extract_kind kind;          /* unless it is self-managed */
    const char *namespace_name; /* template */
    const char *reflections;    /* template of the reflection namespace; NULL: none */
    int64_t after;              /* MEMORY_AFTER */
    yyjson_val *stored;         /* as it is shown */
} memory_strategy;

/* Immutable, counted, shared by calls. */
typedef struct memory_definition {
    const char *account;
    const char *id;
    const char *status;
    int64_t version; /* of the resource */
    int64_t expiry_ms;
    const memory_strategy *strategies;
    size_t strategy_count;
    yyjson_val *indexed_keys; /* array of {key, type}, or NULL */
} memory_definition;

struct memory_definitions *memory_definitions_new(void);
void memory_definitions_free(struct memory_definitions *all);

const memory_definition *memory_definition_ref(const memory_definition *d);
void memory_definition_unref(const memory_definition *d);
DEFINE_CLEANUP(const memory_definition *, memory_definition_unref)

/* What is known of a memory, without asking the store: may be out of date, or NULL. */
const memory_definition *memory_definition_recall(struct memory_definitions *all, const char *account, const char *id);

/* The memory as it is now: its version is compared in the transaction, and it is parsed only when it is another.
 * AC_ERR_NOT_FOUND: there is none, or it is being deleted. */
ac_status memory_definition_get(store_tx *tx, struct memory_definitions *all, const char *account, const char *id,
                                const memory_definition **ret_definition, ac_error *err) AC_MUST_USE;

/* AC_ERR_CONFLICT unless it can hold data: it is neither being created nor has that failed. */
ac_status memory_definition_check_ready(const memory_definition *d, ac_error *err) AC_MUST_USE;

/* NULL when there is none of this id. */
const memory_strategy *memory_definition_strategy(const memory_definition *d, const char *id);

/* ---- the room ---- */

#define MEMORY_TURNS 64 /* locks over namespaces that extraction takes in turn */

typedef struct memory_room {
    store *store;
    struct memory_definitions *definitions;
    memory_search *search;
    embeddings *embeddings; /* NULL: none */
    model *model;
    aws_provider *provider; /* signs for Bedrock; NULL: nobody needs it */
    extractor *extractor;
    const char *notices_url; /* where notices of self-managed strategies are posted; NULL: nowhere */
    http_client *http;       /* for that */
    const char *data_dir;
    pthread_mutex_t turns[MEMORY_TURNS];
} memory_room;

/* ---- engines.c: what finds and what extracts, as configured ---- */

/* AC_ERR_INVALID: an option's value. */
ac_status memory_engines_open(memory_room *room, const config *c, ac_error *err) AC_MUST_USE;
void memory_engines_close(memory_room *room);

/* ---- room.c: helpers ---- */

/* The memory that a call's memoryId names, an id or an ARN: the id, in call->memory.  AC_ERR_NOT_FOUND: another
 * account's. */
ac_status memory_id_of(const front_call *call, const char **ret_id, ac_error *err) AC_MUST_USE;

/* AC_ERR_INVALID unless a client may give this time. */
ac_status memory_check_time(int64_t ms, const char *member, ac_error *err) AC_MUST_USE;

ac_status memory_no_memory(ac_error *err);

/* As status, but the exception is this one whatever the status usually means. */
ac_status memory_fail_as(ac_status status, const char *aws_name, ac_error *err);

/* A JSON value as text, in memory; NULL stays NULL. */
ac_status memory_json_text(yyjson_mut_val *value, size_t bytes_max, arena *memory, const char **ret_text,
                           size_t *ret_length, ac_error *err) AC_MUST_USE;

/* Stored JSON as a value of a document.  AC_ERR_INTERNAL: it is damaged. */
ac_status memory_json_value(yyjson_mut_doc *doc, const char *text, size_t length, yyjson_mut_val **ret_value,
                            ac_error *err) AC_MUST_USE;

/* ---- strategies.c: a body's list of strategies, in the form of answers ---- */

/* Append those that CreateMemory or UpdateMemory asks for (array of inputs, may be NULL) to list.  AC_ERR_INVALID,
 * AC_ERR_QUOTA. */
ac_status memory_strategies_add(yyjson_mut_doc *body, yyjson_mut_val *list, yyjson_mut_val *inputs, arena *memory,
                                ac_error *err) AC_MUST_USE;
ac_status memory_strategies_modify(yyjson_mut_doc *body, yyjson_mut_val *list, yyjson_mut_val *inputs, ac_error *err)
    AC_MUST_USE;
/* Mark them as DELETING. */
ac_status memory_strategies_delete(yyjson_mut_doc *body, yyjson_mut_val *list, yyjson_mut_val *inputs, ac_error *err)
    AC_MUST_USE;

/* ---- memories.c ---- */

ac_status create_memory(front_call *call, ac_error *err);
ac_status get_memory(front_call *call, ac_error *err);
ac_status list_memories(front_call *call, ac_error *err);
ac_status update_memory(front_call *call, ac_error *err);
ac_status delete_memory(front_call *call, ac_error *err);

/* ---- settle.c: jobs of the control plane; the job's key is ACCOUNT/MEMORY ---- */

ac_status memory_queue(store_tx *tx, const char *kind, const char *account, const char *id, ac_error *err) AC_MUST_USE;
ac_status memory_settle(store *s, const job *j, const job_run *run, void *room, ac_error *err);
ac_status memory_delete(store *s, const job *j, const job_run *run, void *room, ac_error *err);

#endif
