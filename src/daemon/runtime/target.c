/* target.c - from an ARN and a qualifier to what is to be called.
 *
 * A target is read from three rows in one transaction and then never changes.  The cache is a table with one place per
 * hash: who comes later to a place takes it.  What this daemon changes it forgets at once; what another daemon on the
 * same store changes is noticed when TARGET_FRESH_MS are over.  `changes` keeps a target that was read before a change
 * from being kept after it, and `changing` from being kept while a change is made that others see before it returns. */
#include "daemon/runtime/control.h"

#include "aws/uri.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define TARGET_PLACES 1024
#define QUERY_VALUE_MAX 2048
#define QUERY_NAME_MAX 64 /* none that is looked for is longer */

typedef struct loaded_target {
    runtime_target target; /* what callers see */
    atomic_uint references;
    arena memory;
    yyjson_doc *body; /* of the version */
} loaded_target;

typedef struct place {
    const runtime_target *target;
    uint64_t until_ms;
} place;

struct runtime_targets {
    store *store;
    pthread_mutex_t lock;
    uint64_t changes;
    unsigned changing;
    place places[TARGET_PLACES];
};

/* ---- counted ---- */

const runtime_target *runtime_target_ref(const runtime_target *target)
{
    atomic_fetch_add(&CONTAINER_OF(target, loaded_target, target)->references, 1);
    return target;
}

static void loaded_free(loaded_target *t)
{
    yyjson_doc_free(t->body);
    arena_done(&t->memory);
    free(t);
}

void runtime_target_unref(const runtime_target *target)
{
    loaded_target *t = target ? CONTAINER_OF(target, loaded_target, target) : NULL;

    if (t && atomic_fetch_sub(&t->references, 1) == 1)
        loaded_free(t);
}

static void release(void *target)
{
    runtime_target_unref(target);
}

ac_status runtime_target_bind(const runtime_target *target, arena *memory, ac_error *err)
{
    if (arena_on_release(memory, release, (void *)target) == AC_OK)
        return AC_OK;
    runtime_target_unref(target);
    ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    return AC_ERR_NOMEM;
}

DEFINE_CLEANUP(loaded_target *, loaded_free)

/* ---- the cache ---- */

struct runtime_targets *runtime_targets_new(store *s)
{
    struct runtime_targets *targets = calloc(1, sizeof *targets);

    if (!targets)
        return NULL;
    targets->store = s;
    pthread_mutex_init(&targets->lock, NULL);
    return targets;
}

static void empty(place *p)
{
    runtime_target_unref(p->target);
    *p = (place){0};
}

void runtime_targets_free(struct runtime_targets *targets)
{
    if (!targets)
        return;
    for (size_t i = 0; i < TARGET_PLACES; i++)
        empty(&targets->places[i]);
    pthread_mutex_destroy(&targets->lock);
    free(targets);
}

/* With the lock held. */
static void forget(struct runtime_targets *targets, const char *account, const char *id)
{
    targets->changes++;
    for (size_t i = 0; i < TARGET_PLACES; i++) {
        const runtime_target *t = targets->places[i].target;

        if (t && (!id || (strcmp(t->account, account) == 0 && strcmp(t->id, id) == 0)))
            empty(&targets->places[i]);
    }
}

void runtime_targets_change(struct runtime_targets *targets, const char *account, const char *id)
{
    pthread_mutex_lock(&targets->lock);
    forget(targets, account, id);
    targets->changing++;
    pthread_mutex_unlock(&targets->lock);
}

void runtime_targets_changed(struct runtime_targets *targets, const char *account, const char *id)
{
    pthread_mutex_lock(&targets->lock);
    forget(targets, account, id);
    targets->changing--;
    pthread_mutex_unlock(&targets->lock);
}

static uint32_t mix(uint32_t hash, const char *text) /* FNV-1a, the end of the text included */
{
    do
        hash = (hash ^ (unsigned char)*text) * 16777619U;
    while (*text++);
    return hash;
}

static place *place_of(struct runtime_targets *targets, const resource_key *runtime, const char *endpoint)
{
    return &targets->places[mix(mix(mix(2166136261U, runtime->scope), runtime->id), endpoint) % TARGET_PLACES];
}

static bool is_target_of(const runtime_target *t, const resource_key *runtime, const char *endpoint)
{
    return strcmp(t->account, runtime->scope) == 0 && strcmp(t->id, runtime->id) == 0 &&
           strcmp(t->endpoint, endpoint) == 0;
}

/* A reference to a fresh one, or NULL and the number of changes so far. */
static const runtime_target *recall(struct runtime_targets *targets, const resource_key *runtime, const char *endpoint,
                                    uint64_t *ret_changes)
{
    const runtime_target *found = NULL;
    place *p = place_of(targets, runtime, endpoint);

    pthread_mutex_lock(&targets->lock);
    if (p->target && is_target_of(p->target, runtime, endpoint) && clock_monotonic_ms() < p->until_ms)
        found = runtime_target_ref(p->target);
    *ret_changes = targets->changes;
    pthread_mutex_unlock(&targets->lock);
    return found;
}

static void keep(struct runtime_targets *targets, const resource_key *runtime, const runtime_target *target,
                 uint64_t read_ms, uint64_t changes)
{
    place *p = place_of(targets, runtime, target->endpoint);

    pthread_mutex_lock(&targets->lock);
    if (targets->changes == changes && targets->changing == 0) {
        empty(p);
        *p = (place){runtime_target_ref(target), read_ms + TARGET_FRESH_MS};
    }
    pthread_mutex_unlock(&targets->lock);
}

/* ---- reading ---- */

typedef struct reading {
    resource_key runtime;
    const char *endpoint;
    loaded_target *into;
    runtime_row row;
    resource version;
} reading;

static ac_status read_in(store_tx *tx, void *arg, ac_error *err)
{
    reading *r = arg;
    arena *memory = &r->into->memory;
    endpoint_row e;

    AC_TRY(runtime_row_get(tx, &r->runtime, false, memory, &r->row, err));
    AC_TRY(endpoint_row_get(tx, &r->runtime, r->endpoint, memory, &e, err));
    if (runtime_is(&r->row.r, RUNTIME_DELETING) || runtime_is(&e.r, RUNTIME_DELETING))
        return ac_error_set(err, AC_ERR_NOT_FOUND, "The endpoint '%s' of the agent runtime '%s' is being deleted",
                            r->endpoint, r->runtime.id);
    if (!e.live) {
        ac_error_set(err, AC_ERR_CONFLICT, "The endpoint '%s' of the agent runtime '%s' is %s%s%s", r->endpoint,
                     r->runtime.id, e.r.status, e.failure ? ": " : "", e.failure ? e.failure : "");
        return runtime_in_progress(&e.r) ? front_retryable(err) : AC_ERR_CONFLICT;
    }
    r->into->target.endpoint = e.r.key.id;
    return version_row_get(tx, &r->runtime, e.live, memory, &r->version, err);
}

static runtime_protocol protocol_of(yyjson_val *body)
{
    static const char *const names[] = {
        [RUNTIME_HTTP] = "HTTP", [RUNTIME_MCP] = "MCP", [RUNTIME_A2A] = "A2A", [RUNTIME_AGUI] = "AGUI"};
    const char *name = ac_json_string(yyjson_obj_get(body, "protocolConfiguration"), "serverProtocol", "");

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (runtime_protocol)i;
    return RUNTIME_HTTP;
}

static const char *const *header_allowlist(yyjson_val *body, arena *memory)
{
    yyjson_val *list = yyjson_obj_get(yyjson_obj_get(body, "requestHeaderConfiguration"), "requestHeaderAllowlist");
    const char **names = arena_zalloc(memory, (yyjson_arr_size(list) + 1) * sizeof *names);
    size_t index, count;
    yyjson_val *name;

    yyjson_arr_foreach(list, index, count, name)
    {
        if (names)
            names[index] = yyjson_get_str(name);
    }
    return names;
}

/* Ends in a slash, so that no owner begins with another one. */
static const char *make_owner(const runtime_target *t, arena *memory)
{
    _cleanup_(buf_done) buf text = BUF_INIT(SESSION_OWNER_MAX);

    if (buf_appendf(&text, "%s/%s/%s/", t->account, t->id, t->endpoint) != AC_OK)
        return NULL;
    return arena_copy(memory, text.data, text.length);
}

static ac_status fill(loaded_target *into, const reading *r, ac_error *err)
{
    runtime_target *t = &into->target;
    yyjson_val *body, *lifecycle;

    AC_TRY(version_read(&r->version, &into->body, err));
    body = yyjson_doc_get_root(into->body);
    lifecycle = yyjson_obj_get(body, "lifecycleConfiguration");
    t->account = r->row.r.key.scope;
    t->id = r->row.r.key.id;
    t->name = r->row.r.name;
    t->version = r->version.key.id;
    t->owner = make_owner(t, &into->memory);
    t->digest = ac_json_string(body, RUNTIME_DIGEST, "");
    t->protocol = protocol_of(body);
    t->network_mode = ac_json_string(yyjson_obj_get(body, "networkConfiguration"), "networkMode", "PUBLIC");
    t->idle_s = (unsigned)ac_json_int(lifecycle, "idleRuntimeSessionTimeout", 0);
    t->life_s = (unsigned)ac_json_int(lifecycle, "maxLifetime", 0);
    t->workload_identity = r->row.workload_identity;
    t->header_allowlist = header_allowlist(body, &into->memory);
    t->configuration = body;
    t->authorizer = yyjson_obj_get(yyjson_obj_get(body, "authorizerConfiguration"), "customJWTAuthorizer");
    return t->owner && t->header_allowlist ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status load(struct runtime_targets *targets, const resource_key *runtime, const char *endpoint,
                      const runtime_target **ret_target, ac_error *err)
{
    _cleanup_(loaded_freep) loaded_target *t = calloc(1, sizeof *t);
    reading r = {.runtime = *runtime, .endpoint = endpoint, .into = t};

    if (!t) {
        ac_error_set(err, AC_ERR_NOMEM, "out of memory");
        return AC_ERR_NOMEM;
    }
    AC_TRY(store_read(targets->store, read_in, &r, err));
    AC_TRY(fill(t, &r, err));
    atomic_init(&t->references, 1);
    *ret_target = &TAKE_PTR(t)->target;
    return AC_OK;
}

/* ---- finding ---- */

/* The runtime that a caller names; *qualifier is set when he names an endpoint with it. */
static ac_status find_key(const front_call *call, const char *arn_or_id, const char *account_id, resource_key *ret_key,
                          const char **qualifier, ac_error *err)
{
    *ret_key = runtime_key(call->caller.account, arn_or_id);
    if (strncmp(arn_or_id, "arn:", 4) != 0) {
        if (!account_id || !*account_id)
            return ac_error_set(err, AC_ERR_INVALID, "The agentRuntimeArn is not an ARN, and there is no accountId");
        if (strcmp(account_id, call->caller.account) != 0)
            return ac_error_set(err, AC_ERR_NOT_FOUND, "There is no agent runtime '%s'", arn_or_id);
        return AC_OK;
    }
    AC_TRY(resource_of_arn(call, arn_or_id, ret_key, err));
    if (strcmp(ret_key->kind, KIND_AGENT_RUNTIME_ENDPOINT) == 0 && !*qualifier) {
        *qualifier = ret_key->id;
        *ret_key = runtime_key(ret_key->scope, ret_key->parent);
    }
    if (strcmp(ret_key->kind, KIND_AGENT_RUNTIME) != 0)
        return ac_error_set(err, AC_ERR_NOT_FOUND, "There is no agent runtime with the ARN %s", arn_or_id);
    return AC_OK;
}

/* A runtime with an authorizer takes tokens and nothing else, as on AWS: whoever holds an access key is not one of the
 * users that it was made for. */
static ac_status check_caller(const front_call *call, const runtime_target **target, ac_error *err)
{
    if (!(*target)->authorizer || !call->caller.access_key)
        return AC_OK;
    runtime_target_unref(TAKE_PTR(*target));
    ac_error_set(err, AC_ERR_DENIED,
                 "Authorization method mismatch: this agent runtime takes OAuth bearer tokens, not signatures");
    return AC_ERR_DENIED;
}

ac_status runtime_target_find(runtime_room *room, const front_call *call, const char *arn_or_id, const char *qualifier,
                              const char *account_id, const runtime_target **ret_target, ac_error *err)
{
    const char *endpoint = qualifier && *qualifier ? qualifier : NULL;
    uint64_t changes, now = clock_monotonic_ms();
    resource_key key;

    AC_TRY(find_key(call, arn_or_id, account_id, &key, &endpoint, err));
    if (!endpoint)
        endpoint = RUNTIME_DEFAULT_ENDPOINT;
    *ret_target = recall(room->targets, &key, endpoint, &changes);
    if (!*ret_target) {
        AC_TRY(load(room->targets, &key, endpoint, ret_target, err));
        keep(room->targets, &key, *ret_target, now, changes);
    }
    return check_caller(call, ret_target, err);
}

/* ---- authorizing: before the input is read ---- */

static ac_status decode(view encoded, arena *memory, const char **ret_text, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(QUERY_VALUE_MAX);
    ac_status status = uri_decode(&text, encoded.text, encoded.length, URI_PLUS_LITERAL);

    if (status == AC_OK && text.length > 0 && memchr(text.data, '\0', text.length))
        status = AC_ERR_INVALID;
    *ret_text = status == AC_OK ? arena_copy(memory, text.data ? text.data : "", text.length) : NULL;
    if (status == AC_OK && *ret_text)
        return AC_OK;
    status = status == AC_OK || status == AC_ERR_NOMEM ? AC_ERR_NOMEM : AC_ERR_INVALID;
    ac_error_set(err, status, status == AC_ERR_NOMEM ? "out of memory" : "The request's URL is not valid");
    return status;
}

/* Names may be encoded too, and whoever reads the input decodes them (api_collect): what is authorized here must be
 * what is called there. */
static ac_status is_named(view encoded, const char *name, bool *ret_is, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(QUERY_NAME_MAX);
    ac_status status = uri_decode(&text, encoded.text, encoded.length, URI_PLUS_LITERAL);

    *ret_is = status == AC_OK && text.length > 0 && view_is((view){text.data, text.length}, name);
    return status == AC_ERR_NOMEM ? ac_error_set(err, status, "out of memory") : AC_OK;
}

/* The first value of a name in the query; NULL when it has none. */
static ac_status query_text(const front_call *call, const char *name, const char **ret_text, ac_error *err)
{
    const char *query = http_exchange_request(call->exchange)->query;
    view rest = query ? view_of(query) : (view){NULL, 0}, pair, key;

    *ret_text = NULL;
    while (view_split(&rest, '&', &pair)) {
        view value = pair;
        bool found = false;

        if (view_split(&value, '=', &key))
            AC_TRY(is_named(key, name, &found, err));
        if (found)
            return decode(value.text ? value : (view){"", 0}, call->memory, ret_text, err);
    }
    return AC_OK;
}

/* The caller is nobody yet, so the account is the one that bearer tokens are good for. */
static ac_status find_asked_for(runtime_room *room, const front_call *call, const runtime_target **ret_target,
                                ac_error *err)
{
    const char *arn_text, *qualifier, *account_id;
    front_call as = *call;

    as.caller.account = room->daemon->config->account;
    as.caller.region = room->daemon->config->region;
    AC_TRY(decode(call->route->labels[0], call->memory, &arn_text, err));
    AC_TRY(query_text(call, "qualifier", &qualifier, err));
    AC_TRY(query_text(call, "accountId", &account_id, err));
    return runtime_target_find(room, &as, arn_text, qualifier, account_id, ret_target, err);
}

ac_status runtime_authorize(front_call *call, jwt_authorizer *ret_authorizer, ac_error *err)
{
    const runtime_target *target;
    ac_status status = find_asked_for(call->room, call, &target, err);

    if (status == AC_ERR_CONFLICT) /* why it is not ready is not for strangers */
        return ac_error_set(err, status, "This agent runtime is not ready");
    AC_TRY(status);
    AC_TRY(runtime_target_bind(target, call->memory, err));
    if (!target->authorizer)
        return ac_error_set(err, AC_ERR_DENIED, "This agent runtime takes no bearer tokens");
    return runtime_authorizer_read(target->authorizer, call->memory, ret_authorizer, err);
}
