/* test_runtime_endpoints.c - endpoints of agent runtimes, and the way from an ARN to what is to be called. */
#include "runtimes_lab.h"

#include "base/clock.h"
#include "daemon/runtime/control.h"

#include <stdio.h>
#include <string.h>

static void bad(lab *l, const char *operation, const char *input, int status)
{
    const char *name = status == 404   ? "ResourceNotFoundException"
                       : status == 409 ? "ConflictException"
                       : status == 402 ? "ServiceQuotaExceededException"
                                       : "ValidationException";

    rooms_bad(l->r, operation, input, status, name);
}

static void expect(yyjson_mut_val *output, const char *status, const char *live, const char *target)
{
    assert_string_equal(text_of(output, "status"), status);
    assert_string_equal(text_of(output, "targetVersion"), target);
    if (live)
        assert_string_equal(text_of(output, "liveVersion"), live);
    else
        assert_null(text_of(output, "liveVersion"));
}

static const char *named(lab *l, const char *id, const char *name, const char *more)
{
    return lab_about(l, id, rooms_format(l->r, ", \"endpointName\": \"%s\"%s", name, more));
}

static yyjson_mut_val *get(lab *l, const char *id, const char *name)
{
    return rooms_good(l->r, "GetAgentRuntimeEndpoint", named(l, id, name, ""));
}

static yyjson_mut_val *create(lab *l, const char *id, const char *name, const char *more)
{
    return rooms_good(l->r, "CreateAgentRuntimeEndpoint",
                      lab_about(l, id, rooms_format(l->r, ", \"name\": \"%s\"%s", name, more)));
}

/* The next version, READY. */
static void deploy_next(lab *l, const char *id)
{
    rooms_good(l->r, "UpdateAgentRuntime", lab_change(l, id, ""));
    lab_wait(l, id, NULL, "READY");
}

/* ---- the operations ---- */

static void pinned(void **state)
{
    lab *l = *state;
    const char *id = lab_create(l, "agent", "");
    yyjson_mut_val *got = create(l, id, "prod", ", \"description\": \"for all\", \"tags\": {\"a\": \"b\"}");

    expect(got, "CREATING", NULL, "1");
    assert_string_equal(text_of(got, "endpointName"), "prod");
    assert_string_equal(text_of(got, "agentRuntimeId"), id);
    assert_string_equal(text_of(got, "agentRuntimeEndpointArn"),
                        rooms_format(l->r, LAB_RUNTIME_ARN("%s/runtime-endpoint/prod"), id));
    got = get(l, id, "prod");
    expect(got, "READY", "1", "1");
    assert_string_equal(text_of(got, "description"), "for all");
    assert_string_equal(text_of(got, "name"), "prod");
    got = rooms_good(l->r, "ListTagsForResource",
                     rooms_format(l->r, "{\"resourceArn\": \"" LAB_RUNTIME_ARN("%s/runtime-endpoint/prod") "\"}", id));
    assert_string_equal(text_of(yyjson_mut_obj_get(got, "tags"), "a"), "b");
    bad(l, "CreateAgentRuntimeEndpoint", lab_about(l, id, ", \"name\": \"prod\""), 409);

    deploy_next(l, id);
    expect(get(l, id, "prod"), "READY", "1", "1"); /* stays where it was put */
    expect(get(l, id, "DEFAULT"), "READY", "2", "2");
    got = rooms_good(l->r, "UpdateAgentRuntimeEndpoint", named(l, id, "prod", ", \"agentRuntimeVersion\": \"2\""));
    expect(got, "UPDATING", "1", "2");
    got = get(l, id, "prod");
    expect(got, "READY", "2", "2");
    assert_string_equal(text_of(got, "description"), "for all");
    got = rooms_good(l->r, "UpdateAgentRuntimeEndpoint", named(l, id, "prod", ", \"description\": \"for some\""));
    expect(got, "UPDATING", "2", "2");
    assert_string_equal(text_of(get(l, id, "prod"), "description"), "for some");

    rooms_good(l->r, "DeleteAgentRuntimeEndpoint", named(l, id, "prod", ""));
    lab_wait(l, id, "prod", NULL);
    lab_stop_jobs(l);
    assert_string_equal(lab_stopped, rooms_format(l->r, "runtime " ROOMS_ACCOUNT "/%s/prod/ -", id));
    bad(l, "ListTagsForResource",
        rooms_format(l->r, "{\"resourceArn\": \"" LAB_RUNTIME_ARN("%s/runtime-endpoint/prod") "\"}", id), 404);
}

/* Made while its version is still being deployed. */
static void waiting(void **state)
{
    lab *l = *state;
    const char *id = lab_create(l, "agent", "");

    lab_stop_jobs(l);
    rooms_good(l->r, "UpdateAgentRuntime", lab_change(l, id, ""));
    create(l, id, "early", "");
    create(l, id, "other", ", \"agentRuntimeVersion\": \"1\"");
    expect(get(l, id, "early"), "CREATING", NULL, "2");
    expect(get(l, id, "other"), "READY", "1", "1");
    bad(l, "UpdateAgentRuntimeEndpoint", named(l, id, "early", ", \"description\": \"x\""), 409);
    bad(l, "DeleteAgentRuntimeEndpoint", named(l, id, "early", ""), 409);
    rooms_good(l->r, "UpdateAgentRuntimeEndpoint", named(l, id, "other", ", \"agentRuntimeVersion\": \"2\""));
    expect(get(l, id, "other"), "UPDATING", "1", "2");
    lab_found.status = AC_ERR_NOT_FOUND;
    lab_found.message = "no such image";
    lab_found.failures = 1;
    lab_start_jobs(l);
    assert_string_equal(text_of(lab_wait(l, id, "early", "CREATE_FAILED"), "failureReason"), "no such image");
    expect(lab_wait(l, id, "other", "UPDATE_FAILED"), "UPDATE_FAILED", "1", "2");
    bad(l, "UpdateAgentRuntimeEndpoint", named(l, id, "early", ", \"agentRuntimeVersion\": \"2\""), 409);
    rooms_good(l->r, "UpdateAgentRuntimeEndpoint", named(l, id, "early", ", \"agentRuntimeVersion\": \"1\""));
    expect(get(l, id, "early"), "READY", "1", "1");
    assert_null(text_of(get(l, id, "early"), "failureReason"));
    rooms_good(l->r, "DeleteAgentRuntimeEndpoint", named(l, id, "other", ""));
    lab_wait(l, id, "other", NULL);
}

static void the_default_one(void **state)
{
    lab *l = *state;
    const char *id = lab_create(l, "agent", "");

    bad(l, "CreateAgentRuntimeEndpoint", lab_about(l, id, ", \"name\": \"DEFAULT\""), 409);
    deploy_next(l, id);
    bad(l, "UpdateAgentRuntimeEndpoint", named(l, id, "DEFAULT", ", \"agentRuntimeVersion\": \"1\""), 409);
    rooms_good(l->r, "UpdateAgentRuntimeEndpoint", named(l, id, "DEFAULT", ", \"agentRuntimeVersion\": \"2\""));
    rooms_good(l->r, "UpdateAgentRuntimeEndpoint", named(l, id, "DEFAULT", ", \"description\": \"mine\""));
    assert_string_equal(text_of(get(l, id, "DEFAULT"), "description"), "mine");

    /* It may go, without the runtime, and come back. */
    rooms_good(l->r, "DeleteAgentRuntimeEndpoint", named(l, id, "DEFAULT", ""));
    lab_wait(l, id, "DEFAULT", NULL);
    deploy_next(l, id);
    bad(l, "GetAgentRuntimeEndpoint", named(l, id, "DEFAULT", ""), 404);
    create(l, id, "DEFAULT", "");
    expect(get(l, id, "DEFAULT"), "READY", "3", "3");
    deploy_next(l, id);
    expect(lab_wait(l, id, "DEFAULT", "READY"), "READY", "4", "4");
}

static void quota_and_pages(void **state)
{
    lab *l = *state;
    const char *id = lab_create(l, "agent", ""), *token = NULL;
    size_t seen = 0, sizes = 0;

    for (int i = 0; i < RUNTIME_ENDPOINTS_MAX; i++)
        create(l, id, rooms_format(l->r, "e%d", i), "");
    bad(l, "CreateAgentRuntimeEndpoint", lab_about(l, id, ", \"name\": \"more\""), 402);
    do {
        const char *more =
            token ? rooms_format(l->r, ", \"maxResults\": 4, \"nextToken\": \"%s\"", token) : ", \"maxResults\": 4";
        yyjson_mut_val *page = rooms_good(l->r, "ListAgentRuntimeEndpoints", lab_about(l, id, more));
        yyjson_mut_val *items = yyjson_mut_obj_get(page, "runtimeEndpoints");

        assert_non_null(text_of(yyjson_mut_arr_get_first(items), "agentRuntimeArn"));
        assert_non_null(text_of(yyjson_mut_arr_get_first(items), "id"));
        seen += yyjson_mut_arr_size(items);
        token = text_of(page, "nextToken");
    } while (token && ++sizes < 5);
    assert_int_equal(seen, RUNTIME_ENDPOINTS_MAX + 1);
    rooms_good(l->r, "DeleteAgentRuntime", lab_about(l, id, ""));
    lab_wait(l, id, NULL, NULL);
}

/* ---- targets ---- */

static const char *signer; /* access key of the calls; NULL: they are not signed */

static ac_status find(lab *l, const char *what, const char *qualifier, const char *account,
                      const runtime_target **ret_target, ac_error *err)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    const front_call call = {
        .caller = {.account = ROOMS_ACCOUNT, .region = ROOMS_REGION, .access_key = signer},
        .memory = &memory,
    };

    *ret_target = NULL;
    return runtime_target_find(l->room, &call, what, qualifier, account, ret_target, err);
}

static void found(lab *l, const char *what, const char *qualifier, const char *account, const char *version)
{
    _cleanup_(runtime_target_unrefp) const runtime_target *target = NULL;
    ac_error err;

    assert_ok(find(l, what, qualifier, account, &target, &err));
    assert_string_equal(target->version, version);
}

static void not_found(lab *l, const char *what, const char *qualifier, const char *account, ac_status status)
{
    const runtime_target *target;
    ac_error err;

    assert_int_equal(find(l, what, qualifier, account, &target, &err), status);
}

/* What was read then, or later, need not be remembered any more: a busy machine may have stopped us. */
static bool is_stale(uint64_t begun_ms)
{
    return clock_monotonic_ms() - begun_ms >= TARGET_FRESH_MS;
}

static void targets(void **state)
{
    lab *l = *state;
    const char *id = lab_create(l, "agent",
                                ", \"protocolConfiguration\": {\"serverProtocol\": \"A2A\"},"
                                " \"lifecycleConfiguration\": {\"maxLifetime\": 100},"
                                " \"requestHeaderConfiguration\": {\"requestHeaderAllowlist\": [\"X-A\", \"X-B\"]}");
    const char *arn = rooms_format(l->r, LAB_RUNTIME_ARN("%s"), id);
    const runtime_target *target, *again;
    uint64_t begun_ms;
    ac_error err;

    lab_stop_jobs(l); /* so that nothing is forgotten now */
    begun_ms = clock_monotonic_ms();
    assert_ok(find(l, arn, NULL, NULL, &target, &err));
    assert_string_equal(target->account, ROOMS_ACCOUNT);
    assert_string_equal(target->id, id);
    assert_string_equal(target->name, "agent");
    assert_string_equal(target->version, "1");
    assert_string_equal(target->endpoint, "DEFAULT");
    assert_string_equal(target->owner, rooms_format(l->r, ROOMS_ACCOUNT "/%s/DEFAULT/", id));
    assert_string_equal(target->digest, "sha256:one");
    assert_string_equal(target->network_mode, "PUBLIC");
    assert_string_equal(target->workload_identity, id);
    assert_int_equal(target->protocol, RUNTIME_A2A);
    assert_int_equal(target->idle_s, 100);
    assert_int_equal(target->life_s, 100);
    assert_string_equal(target->header_allowlist[1], "X-B");
    assert_null(target->header_allowlist[2]);
    assert_null(target->authorizer);
    assert_non_null(yyjson_obj_get(target->configuration, "agentRuntimeArtifact"));
    assert_ok(find(l, arn, "DEFAULT", NULL, &again, &err));
    assert_true(again == target || is_stale(begun_ms)); /* not read again */
    runtime_target_unref(again);

    lab_start_jobs(l);
    deploy_next(l, id);
    create(l, id, "old", ", \"agentRuntimeVersion\": \"1\"");
    lab_stop_jobs(l); /* its last word is said, so what it changes is forgotten */
    found(l, arn, NULL, NULL, "2");
    found(l, arn, "old", NULL, "1");
    found(l, rooms_format(l->r, LAB_RUNTIME_ARN("%s/runtime-endpoint/old"), id), NULL, NULL, "1");
    found(l, rooms_format(l->r, "arn:aws:bedrock-agentcore:eu-west-1:" ROOMS_ACCOUNT ":runtime/%s", id), "", NULL, "2");
    found(l, id, "old", ROOMS_ACCOUNT, "1");
    assert_string_equal(target->version, "1"); /* what a call holds does not change under it */
    runtime_target_unref(target);

    not_found(l, id, NULL, NULL, AC_ERR_INVALID);
    not_found(l, id, NULL, "210987654321", AC_ERR_NOT_FOUND);
    not_found(l, arn, "nothing", NULL, AC_ERR_NOT_FOUND);
    not_found(l, LAB_RUNTIME_ARN("agent-1234567890"), NULL, NULL, AC_ERR_NOT_FOUND);
    not_found(l, rooms_format(l->r, "arn:aws:bedrock-agentcore:us-west-2:210987654321:runtime/%s", id), NULL, NULL,
              AC_ERR_NOT_FOUND);
    not_found(l, "arn:aws:s3:us-west-2:123456789012:runtime/x", NULL, NULL, AC_ERR_INVALID);
    not_found(l,
              "arn:aws:bedrock-agentcore:us-west-2:123456789012:workload-identity-directory/default/"
              "workload-identity/x",
              NULL, NULL, AC_ERR_NOT_FOUND);
    rooms_good(l->r, "DeleteAgentRuntime", lab_about(l, id, ""));
    not_found(l, arn, NULL, NULL, AC_ERR_NOT_FOUND);
}

static void targets_that_are_not_ready(void **state)
{
    lab *l = *state;
    const char *id = text_of(rooms_good(l->r, "CreateAgentRuntime", lab_input(l, "agent", "")), "agentRuntimeId");
    const char *arn = rooms_format(l->r, LAB_RUNTIME_ARN("%s"), id);
    const runtime_target *target;
    uint64_t begun_ms;
    ac_status status;
    ac_error err;

    assert_int_equal(find(l, arn, NULL, NULL, &target, &err), AC_ERR_AGAIN); /* it will be */
    assert_string_equal(err.aws_name, "RetryableConflictException");
    lab_found.status = AC_ERR_INVALID;
    lab_found.message = "this is no zip file";
    lab_found.failures = 1;
    lab_start_jobs(l);
    lab_wait(l, id, NULL, "CREATE_FAILED");
    assert_int_equal(find(l, arn, NULL, NULL, &target, &err), AC_ERR_CONFLICT);
    assert_non_null(strstr(err.message, "this is no zip file"));
    deploy_next(l, id);
    lab_stop_jobs(l);
    begun_ms = clock_monotonic_ms();
    found(l, arn, NULL, NULL, "2");
    fixture_sql(l->daemon.store, "DELETE FROM resources");
    status = find(l, arn, NULL, NULL, &target, &err); /* which another daemon may have done: noticed later */
    assert_true(status == AC_OK || is_stale(begun_ms));
    if (status == AC_OK)
        runtime_target_unref(target);
    runtime_targets_change(l->room->targets, NULL, NULL);
    runtime_targets_changed(l->room->targets, NULL, NULL);
    not_found(l, arn, NULL, NULL, AC_ERR_NOT_FOUND);
}

static lab *watching;
static const char *watched_arn;
static ac_status found_at_stop; /* what somebody got who called when sessions were last stopped */

static void call_at_stop(void)
{
    const runtime_target *target;
    ac_error err;

    found_at_stop = find(watching, watched_arn, NULL, NULL, &target, &err);
    if (found_at_stop == AC_OK)
        runtime_target_unref(target);
}

static ac_status queue_delete(store_tx *tx, void *arg, ac_error *err)
{
    const resource_key key = runtime_key(ROOMS_ACCOUNT, arg);

    return runtime_queue_delete(tx, &key, NULL, err);
}

/* What another daemon has marked as deleted is still remembered here, but not when sessions are stopped for good. */
static void targets_that_another_daemon_deletes(void **state)
{
    lab *l = *state;
    const char *id = lab_create(l, "agent", "");
    ac_error err;

    lab_stop_jobs(l);
    watching = l;
    watched_arn = rooms_format(l->r, LAB_RUNTIME_ARN("%s"), id);
    lab_on_stop = call_at_stop;
    found(l, watched_arn, NULL, NULL, "1");
    fixture_sql(l->daemon.store, "UPDATE resources SET status = 'DELETING'");
    assert_ok(store_write(l->daemon.store, queue_delete, (void *)id, &err));
    lab_start_jobs(l);
    lab_wait(l, id, NULL, NULL);
    lab_stop_jobs(l);
    lab_on_stop = NULL;
    assert_int_equal(found_at_stop, AC_ERR_NOT_FOUND);
}

static char met_when_ready[32]; /* the version that was met by who called as soon as the runtime was READY */

static void call_when_ready(void)
{
    static const char ready[] = "SELECT COUNT(*) FROM resources WHERE kind = 'agent-runtime' AND status = 'READY'";
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the runner writes, too */
    const runtime_target *target;
    ac_error err;

    pthread_mutex_lock(&lock);
    if (!met_when_ready[0] && fixture_number(watching->daemon.store, ready) > 0) {
        assert_ok(find(watching, watched_arn, NULL, NULL, &target, &err));
        snprintf(met_when_ready, sizeof met_when_ready, "%s", target->version);
        runtime_target_unref(target);
    }
    pthread_mutex_unlock(&lock);
}

static void targets_are_new_when_they_are_ready(void **state)
{
    lab *l = *state;
    const char *id = lab_create(l, "agent", "");

    lab_stop_jobs(l);
    watching = l;
    watched_arn = rooms_format(l->r, LAB_RUNTIME_ARN("%s"), id);
    rooms_good(l->r, "UpdateAgentRuntime", lab_change(l, id, ""));
    found(l, watched_arn, NULL, NULL, "1");
    met_when_ready[0] = '\0';
    lab_on_written = call_when_ready;
    lab_start_jobs(l);
    lab_wait(l, id, NULL, "READY");
    lab_stop_jobs(l);
    lab_on_written = NULL;
    assert_string_equal(met_when_ready, "2");
}

/* ---- authorizers ---- */

static char asked_texts[512]; /* what the authorizer of the last call asked for */

static ac_status spy(front_call *call, jwt_authorizer *ret_authorizer, ac_error *err)
{
    jwt_authorizer asked;

    AC_TRY(runtime_authorize(call, &asked, err));
    snprintf(asked_texts, sizeof asked_texts, "%s %zu %s %zu %s %zu %s %d", asked.discovery_url, asked.audience_count,
             asked.audience_count ? asked.audiences[0] : "-", asked.scope_count,
             asked.scope_count ? asked.scopes[0] : "-", asked.claim_count,
             asked.claim_count ? asked.claims[0].values[0] : "-", asked.claim_count ? (int)asked.claims[0].match : -1);
    *ret_authorizer = asked;
    return ac_error_set(err, AC_ERR_DENIED, "seen");
}

static ac_status refuse(front_call *call, ac_error *err)
{
    (void)call;
    return ac_error_set(err, AC_ERR_INTERNAL, "not to be reached");
}

/* With a bearer token; encoded as clients do it. */
static rooms_answer invoke(lab *l, const char *id, const char *qualifier)
{
    const char *path = rooms_format(
        l->r,
        "/runtimes/arn%%3Aaws%%3Abedrock-agentcore%%3Aus-west-2%%3A" ROOMS_ACCOUNT "%%3Aruntime%%2F%s/invocations", id);

    return rooms_send(l->r, "POST", path, rooms_format(l->r, "x=y&qualifier=%s", qualifier), "{}");
}

static void authorizers(void **state)
{
    static const front_operation operations[] = {{API_INVOKE_AGENT_RUNTIME, refuse, spy, false}};
    lab *l = *state;
    const char *id = lab_create(
        l, "agent",
        ", \"authorizerConfiguration\": {\"customJWTAuthorizer\": {\"discoveryUrl\":"
        " \"https://idp.test/.well-known/openid-configuration\", \"allowedAudience\": [\"a1\", \"a2\"],"
        " \"allowedScopes\": [\"s1\"], \"customClaims\": [{\"inboundTokenClaimName\": \"group\","
        " \"inboundTokenClaimValueType\": \"STRING\", \"authorizingClaimMatchValue\": {\"claimMatchOperator\":"
        " \"EQUALS\", \"claimMatchValue\": {\"matchValueString\": \"blue\"}}}]}}");
    const char *open = lab_create(l, "open", "");
    rooms_answer answer;

    assert_int_equal(front_register(l->r->front, operations, 1, l->room), AC_OK);
    l->r->bearer = "abc.def.ghi";
    answer = invoke(l, id, "DEFAULT");
    assert_int_equal(answer.status, 403);
    assert_non_null(strstr(answer.body, "seen"));
    assert_string_equal(asked_texts, "https://idp.test/.well-known/openid-configuration 2 a1 1 s1 1 blue 0");

    answer = invoke(l, open, "DEFAULT");
    assert_int_equal(answer.status, 403);
    assert_non_null(strstr(answer.body, "no bearer tokens"));
    assert_int_equal(invoke(l, id, "%6Fther").status, 404);
    assert_int_equal(invoke(l, "nobody-1234567890", "DEFAULT").status, 404);
    assert_int_equal(invoke(l, id, "%zz").status, 400);
    l->r->bearer = NULL;

    signer = "AKIDEXAMPLE"; /* a signature opens only what has no authorizer */
    not_found(l, id, NULL, ROOMS_ACCOUNT, AC_ERR_DENIED);
    found(l, open, NULL, ROOMS_ACCOUNT, "1");
    signer = NULL;
}

#define LAB_TEST(name) cmocka_unit_test_setup_teardown(name, lab_set_up, lab_tear_down)

int main(void)
{
    const struct CMUnitTest all[] = {
        LAB_TEST(pinned),
        LAB_TEST(waiting),
        LAB_TEST(targets),
        LAB_TEST(the_default_one),
        LAB_TEST(targets_that_another_daemon_deletes),
        LAB_TEST(targets_are_new_when_they_are_ready),
        LAB_TEST(authorizers),
        LAB_TEST(quota_and_pages),
        LAB_TEST(targets_that_are_not_ready),
    };

    fixture_require();
    return cmocka_run_group_tests(all, NULL, NULL);
}
