/* control.h - what the files of the control plane share: rows of the store as structs, the check of a configuration,
 * and the steps that several operations take.
 *
 * Whoever changes anything of a runtime locks the runtime first (runtime_row_get with lock), so that its rows, its
 * versions' and its endpoints' change together.
 *
 * Statuses.  A version is CREATING (the first one) or UPDATING until its artifact is found, then READY, CREATE_FAILED
 * or UPDATE_FAILED; the runtime has the status of its newest version, or DELETING.  The newest version cannot be
 * deleted, so numbers are never used again. */
#ifndef DAEMON_RUNTIME_CONTROL_H
#define DAEMON_RUNTIME_CONTROL_H

#include "daemon/resources/arns.h"
#include "daemon/resources/document.h"
#include "daemon/resources/ids.h"
#include "daemon/resources/transact.h"
#include "daemon/runtime/runtime.h"

#define RUNTIME_CREATING "CREATING"
#define RUNTIME_CREATE_FAILED "CREATE_FAILED"
#define RUNTIME_UPDATING "UPDATING"
#define RUNTIME_UPDATE_FAILED "UPDATE_FAILED"
#define RUNTIME_READY "READY"
#define RUNTIME_DELETING "DELETING"

#define RUNTIME_FIRST_VERSION "1"
#define RUNTIME_PAGE_DEFAULT 100 /* also the most that maxResults may ask for */

/* Members of a version's body beside its configuration. */
#define RUNTIME_DIGEST "artifactDigest"
#define RUNTIME_FAILURE "failureReason"

bool runtime_is(const resource *r, const char *status);
bool runtime_in_progress(const resource *r);          /* CREATING or UPDATING */
const char *runtime_failed_status(const resource *r); /* of one in progress */

/* ---- rows.c ---- */

typedef struct runtime_row {
    resource r;
    const char *version;     /* the newest */
    const char *description; /* of the newest; "" when it has none */
    const char *workload_identity;
} runtime_row;

typedef struct endpoint_row {
    resource r;
    const char *id;          /* NAME-XXXXXXXXXX */
    const char *target;      /* version that it is to serve */
    const char *live;        /* version that it serves; NULL: none was ready yet */
    const char *description; /* NULL: none */
    const char *failure;     /* NULL: none */
} endpoint_row;

/* Keys of what belongs to a runtime, from the runtime's own. */
resource_key runtime_key(const char *account, const char *id);
resource_key runtime_part_key(const resource_key *runtime, const char *kind, const char *id);

/* AC_ERR_NOT_FOUND with a sentence for the caller.  With lock nobody else changes the runtime until the transaction
 * ends. */
ac_status runtime_row_get(store_tx *tx, const resource_key *key, bool lock, arena *memory, runtime_row *ret_row,
                          ac_error *err) AC_MUST_USE;
ac_status endpoint_row_get(store_tx *tx, const resource_key *runtime, const char *name, arena *memory,
                           endpoint_row *ret_row, ac_error *err) AC_MUST_USE;
ac_status version_row_get(store_tx *tx, const resource_key *runtime, const char *version, arena *memory,
                          resource *ret_row, ac_error *err) AC_MUST_USE;
ac_status endpoint_row_read(const resource *r, arena *memory, endpoint_row *ret_row, ac_error *err) AC_MUST_USE;

/* Store a row's members: as resource_create, and as resource_update to a status. */
ac_status runtime_row_create(store_tx *tx, runtime_row *row, arena *memory, ac_error *err) AC_MUST_USE;
ac_status runtime_row_update(store_tx *tx, runtime_row *row, const char *status, arena *memory, ac_error *err)
    AC_MUST_USE;
ac_status endpoint_row_create(store_tx *tx, endpoint_row *row, arena *memory, ac_error *err) AC_MUST_USE;
ac_status endpoint_row_update(store_tx *tx, endpoint_row *row, const char *status, arena *memory, ac_error *err)
    AC_MUST_USE;

/* All endpoints of a runtime, DEFAULT among them. */
ac_status endpoint_rows(store_tx *tx, const resource_key *runtime, arena *memory, endpoint_row **ret_rows,
                        size_t *ret_count, ac_error *err) AC_MUST_USE;

/* The body of a version as a document. */
ac_status version_read(const resource *version, yyjson_doc **ret_doc, ac_error *err) AC_MUST_USE;

/* ---- configuration.c: what the input of Create and Update says, beyond what the API table checks ---- */

/* Fill in the defaults that Get is to show, and check what hangs together.  AC_ERR_INVALID. */
ac_status runtime_configuration_prepare(const runtime_room *room, front_call *call, ac_error *err) AC_MUST_USE;

/* What a customJWTAuthorizer asks for; its texts are the document's, its lists in memory. */
ac_status runtime_authorizer_read(yyjson_val *custom, arena *memory, jwt_authorizer *ret_authorizer, ac_error *err)
    AC_MUST_USE;

/* ---- runtimes.c ---- */

/* transact_write of an operation that changes something about the runtime: calls in this daemon know it at once. */
ac_status runtime_change(front_call *call, transact_fn fn, ac_error *err) AC_MUST_USE;

/* ---- versions.c ---- */

/* Store the input as a version; after is the one before, NULL for the first.  AC_ERR_QUOTA. */
ac_status runtime_version_create(store_tx *tx, front_call *call, const resource_key *runtime, const resource *after,
                                 const char **ret_version, ac_error *err) AC_MUST_USE;

/* The configuration members of Get, from a version. */
ac_status runtime_version_show(front_call *call, const resource *version, ac_error *err) AC_MUST_USE;

/* A version has been found to be good (failure NULL, digest is that of its artifact) or not. */
ac_status runtime_version_settle(store_tx *tx, const resource *version, const char *digest, const char *failure,
                                 arena *memory, ac_error *err) AC_MUST_USE;

/* transact_fn of DeleteAgentRuntime with a version. */
ac_status runtime_version_delete_in(store_tx *tx, front_call *call, void *arg, ac_error *err);

/* ---- endpoints.c ---- */

ac_status runtime_default_create(store_tx *tx, const resource_key *runtime, arena *memory, ac_error *err) AC_MUST_USE;

/* DEFAULT, when it is there, is to serve this version. */
ac_status runtime_default_follow(store_tx *tx, const resource_key *runtime, const char *version, arena *memory,
                                 ac_error *err) AC_MUST_USE;

/* The version that endpoints have waited for is there (failure NULL) or is not going to be. */
ac_status runtime_endpoints_settle(store_tx *tx, const resource_key *runtime, const char *version, const char *failure,
                                   arena *memory, ac_error *err) AC_MUST_USE;

/* ---- deploy.c: queue a job ---- */

ac_status runtime_queue_deploy(store_tx *tx, const resource_key *runtime, const char *version, ac_error *err)
    AC_MUST_USE;

/* part: a version or an endpoint; NULL: the runtime with all that belongs to it. */
ac_status runtime_queue_delete(store_tx *tx, const resource_key *runtime, const resource_key *part, ac_error *err)
    AC_MUST_USE;

/* ---- for answers ---- */

/* An object (an output, or an entry of a list) gets the ARN of the runtime as agentRuntimeArn. */
ac_status runtime_show_arn(front_call *call, const resource_key *runtime, yyjson_mut_val *object, ac_error *err)
    AC_MUST_USE;

/* The page of a list: show fills an entry that has the form's members already. */
typedef struct runtime_list {
    resource_key of;
    const char *member;
    document_form form;
    bool newest_first;
    const runtime_row *runtime;
    ac_status (*show)(front_call *call, const runtime_row *runtime, const resource *r, yyjson_mut_val *object,
                      ac_error *err);
} runtime_list;

ac_status runtime_answer_page(store_tx *tx, front_call *call, const runtime_list *list, ac_error *err) AC_MUST_USE;

#endif
