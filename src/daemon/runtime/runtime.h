/* runtime.h - the runtime service: agents that are deployed, their versions and endpoints, and calls to them.
 *
 * Internal to the room.  An agent runtime is three kinds of resources (store/resources.h):
 *     agent-runtime            id NAME-XXXXXXXXXX; name; status; body: what all versions share, newest version's number
 *     agent-runtime-version    parent: the runtime; id "1", "2", ...; body: the configuration as it was given, and the
 *                              artifact's digest once it was found.  Never changed after that
 *     agent-runtime-endpoint   parent: the runtime; id: its name; body: liveVersion, targetVersion, description
 * Deploying (finding and unpacking the artifact) is a job, after which the version is READY and DEFAULT points to it.
 *
 *     runtimes.c versions.c endpoints.c    control plane
 *     rows.c configuration.c               what it shares: rows of the store, the check of an input
 *     deploy.c                             the jobs
 *     target.c                             from an ARN and a qualifier to what is to be called
 *     plan.c                               from a target to a session's plan
 *     invoke.c ws.c command.c card.c stop.c   data plane */
#ifndef DAEMON_RUNTIME_RUNTIME_H
#define DAEMON_RUNTIME_RUNTIME_H

#include "daemon/artifacts/artifacts.h"
#include "daemon/daemon.h"
#include "daemon/resources/arns.h"
#include "daemon/sessions/sessions.h"

#include <pthread.h>

#define KIND_AGENT_RUNTIME_VERSION "agent-runtime-version"
#define RUNTIME_DEFAULT_ENDPOINT "DEFAULT"
#define RUNTIME_SESSION_KIND "runtime"

#define RUNTIME_VERSIONS_MAX 1000 /* of a runtime; ServiceQuotaExceededException beyond */
#define RUNTIME_ENDPOINTS_MAX 10  /* beside DEFAULT */

typedef enum runtime_protocol { RUNTIME_HTTP, RUNTIME_MCP, RUNTIME_A2A, RUNTIME_AGUI } runtime_protocol;

struct runtime_targets; /* target.c: a cache */

typedef struct runtime_room {
    agentcored *daemon;
    store *store;
    artifacts *artifacts;
    sessions *sessions;
    struct runtime_targets *targets;
    pthread_rwlock_t artifacts_lock; /* held for writing where unpacked artifacts are removed; see deploy.c */
} runtime_room;

/* ---- target.c ---- */

/* What a call goes to: an endpoint's live version.  Immutable, counted, shared by calls. */
typedef struct runtime_target {
    const char *account;
    const char *id; /* of the runtime */
    const char *name;
    const char *version;  /* "3" */
    const char *endpoint; /* "DEFAULT" */
    const char *owner;    /* of its sessions: "ACCOUNT/ID/ENDPOINT/": no owner begins with another */
    const char *digest;   /* of the artifact */
    runtime_protocol protocol;
    const char *network_mode; /* "PUBLIC" */
    unsigned idle_s, life_s;
    const char *workload_identity;       /* name */
    const char *const *header_allowlist; /* ends with NULL */
    yyjson_val *configuration;           /* the version's body: agentRuntimeArtifact, environmentVariables, ... */
    yyjson_val *authorizer;              /* customJWTAuthorizer; NULL: signed requests only */
} runtime_target;

struct runtime_targets *runtime_targets_new(store *s);
void runtime_targets_free(struct runtime_targets *targets);

#define TARGET_FRESH_MS 1000

/* Find what an ARN, or a runtime's id with accountId, and a qualifier (NULL: DEFAULT) name, for this caller.  Found
 * again without the store for TARGET_FRESH_MS, or until a change in this daemon.
 * AC_ERR_NOT_FOUND: no such runtime or endpoint; AC_ERR_INVALID: not an ARN, an id without accountId; AC_ERR_CONFLICT:
 * it is there but was never READY (its failureReason is in the message). */
ac_status runtime_target_find(runtime_room *room, const front_call *call, const char *arn_or_id, const char *qualifier,
                              const char *account_id, const runtime_target **ret_target, ac_error *err) AC_MUST_USE;
const runtime_target *runtime_target_ref(const runtime_target *target);
void runtime_target_unref(const runtime_target *target);
DEFINE_CLEANUP(const runtime_target *, runtime_target_unref)

/* Let a reference end with memory; it is given up at once when that fails.  AC_ERR_NOMEM. */
ac_status runtime_target_bind(const runtime_target *target, arena *memory, ac_error *err) AC_MUST_USE;

/* Call the first before the transaction that changes something about a runtime, and the second after it, however that
 * went: nobody who sees the change finds a target that was read before it.  id NULL: about any.  Any thread. */
void runtime_targets_change(struct runtime_targets *targets, const char *account, const char *id);
void runtime_targets_changed(struct runtime_targets *targets, const char *account, const char *id);

/* front_authorizer of all operations on a runtime whose label is agentRuntimeArn: its customJWTAuthorizer. */
ac_status runtime_authorize(front_call *call, jwt_authorizer *ret_authorizer, ac_error *err);

/* ---- plan.c ---- */

/* session_prepare; user is a runtime_plan_request. */
typedef struct runtime_plan_request {
    runtime_room *room;
    const runtime_target *target;
} runtime_plan_request;

ac_status runtime_plan(void *user, arena *memory, session_plan *ret_plan, ac_error *err);

/* ---- the operations ---- */

ac_status create_agent_runtime(front_call *call, ac_error *err);
ac_status get_agent_runtime(front_call *call, ac_error *err);
ac_status update_agent_runtime(front_call *call, ac_error *err);
ac_status delete_agent_runtime(front_call *call, ac_error *err);
ac_status list_agent_runtimes(front_call *call, ac_error *err);
ac_status list_agent_runtime_versions(front_call *call, ac_error *err);
ac_status create_agent_runtime_endpoint(front_call *call, ac_error *err);
ac_status get_agent_runtime_endpoint(front_call *call, ac_error *err);
ac_status update_agent_runtime_endpoint(front_call *call, ac_error *err);
ac_status delete_agent_runtime_endpoint(front_call *call, ac_error *err);
ac_status list_agent_runtime_endpoints(front_call *call, ac_error *err);
ac_status invoke_agent_runtime(front_call *call, ac_error *err);
ac_status invoke_agent_runtime_command(front_call *call, ac_error *err);
ac_status connect_agent_runtime(front_call *call, ac_error *err); /* the WebSocket */
ac_status get_agent_card(front_call *call, ac_error *err);
ac_status stop_runtime_session(front_call *call, ac_error *err);

/* ---- deploy.c ---- */

/* Register the jobs: agentcored_add_job. */
ac_status runtime_add_jobs(runtime_room *room, ac_error *err) AC_MUST_USE;

#endif
