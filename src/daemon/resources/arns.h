/* arns.h - which ARN belongs to which kind of resource, and what a resource and what hangs on it have in common.
 *
 * Scope.  Resources belong to an account, not to a region: the daemon is one machine, and clients whose default regions
 * differ (a shell, a notebook, a deployed agent) are to find the same memories and agents on it.  So a region is how a
 * caller looks at a resource.  The ARNs that a caller gets carry the region that his request was signed for (clients
 * compare the two), and the region in an ARN that he sends is not looked at.  Tags and policies hang on a form of the
 * ARN without partition and region, the hook, which is the same for everybody.
 *
 * A room that adds a kind of resource adds a row to the table in arns.c; tags and policies then work for it.
 *
 * resource_remove and those that put something on a hook take turns (store_lock), so nothing is left hanging when a
 * resource goes, for the next one of its name to inherit. */
#ifndef DAEMON_RESOURCES_ARNS_H
#define DAEMON_RESOURCES_ARNS_H

#include "daemon/front/front.h"
#include "daemon/store/resources.h"

#define KIND_WORKLOAD_IDENTITY "workload-identity"
#define KIND_CODE_INTERPRETER "code-interpreter"
#define KIND_AGENT_RUNTIME "agent-runtime"
#define KIND_AGENT_RUNTIME_ENDPOINT "agent-runtime-endpoint"
#define KIND_MEMORY "memory"

/* How the ARNs of a kind are built. */
typedef struct arn_kind {
    const char *kind;    /* of resource_key */
    const char *service; /* "bedrock-agentcore"; "acps" for what is in a token vault */
    const char *path;    /* "runtime/{parent}/runtime-endpoint/{id}" */
} arn_kind;

/* The row of a kind, NULL when it has none. */
const arn_kind *arn_kind_find(const char *kind);

/* The key of the caller's resource; parent NULL: it stands alone. */
resource_key resource_key_of(const front_call *call, const char *kind, const char *parent, const char *id);

/* The ARN of a resource as this caller sees it, in call->memory.  AC_ERR_INVALID: he signed for what cannot be a
 * region. */
ac_status resource_arn(const front_call *call, const resource_key *key, const char **ret_arn, ac_error *err)
    AC_MUST_USE;

/* The same for what is not in the store: account may be "aws". */
ac_status arn_of_caller(const front_call *call, const char *service, const char *account, const char *path,
                        const char **ret_arn, ac_error *err) AC_MUST_USE;

/* What an ARN of the caller's names, whether or not it exists.  AC_ERR_INVALID: it is no ARN of this service;
 * AC_ERR_NOT_FOUND: it is another account's, or no kind has such ARNs. */
ac_status resource_of_arn(const front_call *call, const char *arn_text, resource_key *ret_key, ac_error *err)
    AC_MUST_USE;

/* ---- inside a transaction ---- */

/* What tags and a policy hang on: for tags.h, in place of the ARN. */
ac_status resource_hook(const resource_key *key, arena *memory, const char **ret_hook, ac_error *err) AC_MUST_USE;

/* AC_ERR_NOT_FOUND unless the resource is there.  With lock it stays so until the transaction ends (resource_remove
 * waits): for whoever is about to change it or to hang something on it. */
ac_status resource_check(store_tx *tx, const resource_key *key, bool lock, arena *memory, ac_error *err) AC_MUST_USE;

/* Hang the tags of an input on a resource that was just made: a map, or NULL. */
ac_status resource_tag(store_tx *tx, const resource_key *key, yyjson_mut_val *tags, arena *memory, ac_error *err)
    AC_MUST_USE;

/* Delete a resource, its tags and its policy.  AC_ERR_NOT_FOUND. */
ac_status resource_remove(store_tx *tx, const resource_key *key, arena *memory, ac_error *err) AC_MUST_USE;

#endif
