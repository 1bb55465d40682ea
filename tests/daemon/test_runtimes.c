/* test_runtimes.c - agent runtimes, their versions and what is deployed: signed requests in, answers and jobs out. */
#include "runtimes_lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void bad(lab *l, const char *operation, const char *input, int status)
{
    const char *name = status == 404   ? "ResourceNotFoundException"
                       : status == 409 ? "ConflictException"
                       : status == 402 ? "ServiceQuotaExceededException"
                                       : "ValidationException";

    rooms_bad(l->r, operation, input, status, name);
}

static size_t count_of(yyjson_mut_val *output, const char *list)
{
    assert_true(yyjson_mut_is_arr(yyjson_mut_obj_get(output, list)));
    return yyjson_mut_arr_size(yyjson_mut_obj_get(output, list));
}

static int64_t time_of(yyjson_mut_val *output, const char *member)
{
    assert_true(yyjson_mut_is_int(yyjson_mut_obj_get(output, member)));
    return yyjson_mut_get_sint(yyjson_mut_obj_get(output, member));
}

static void expect_texts(yyjson_mut_val *output, const char *const pairs[][2], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = text_of(output, pairs[i][0]);

        if (!text || strcmp(text, pairs[i][1]) != 0)
            fail_msg("%s: %s, not %s", pairs[i][0], text ? text : "(none)", pairs[i][1]);
    }
}

#define expect(output, ...)                                                                                            \
    expect_texts(output, (const char *const[][2]){__VA_ARGS__},                                                        \
                 sizeof((const char *const[][2]){__VA_ARGS__}) / sizeof(const char *[2]))

static int64_t rows(lab *l, const char *table)
{
    return fixture_number(l->r->fixture->s, rooms_format(l->r, "SELECT COUNT(*) FROM %s", table));
}

/* ---- from creation to deletion ---- */

static const char *made(lab *l, yyjson_mut_val *output)
{
    const char *id = text_of(output, "agentRuntimeId");
    yyjson_mut_val *identity = yyjson_mut_obj_get(output, "workloadIdentityDetails");

    assert_int_equal(strlen(id), strlen("agent_1-XXXXXXXXXX"));
    assert_int_equal(strncmp(id, "agent_1-", 8), 0);
    expect(output, {"agentRuntimeVersion", "1"}, {"status", "CREATING"},
           {"agentRuntimeArn", rooms_format(l->r, LAB_RUNTIME_ARN("%s"), id)});
    assert_non_null(strstr(text_of(identity, "workloadIdentityArn"), id));
    assert_true(time_of(output, "createdAt") > 0);
    return id;
}

static void look_at_first(lab *l, const char *id)
{
    const char *about = lab_about(l, id, "");
    yyjson_mut_val *got = rooms_good(l->r, "GetAgentRuntime", about);

    expect(got, {"agentRuntimeName", "agent_1"}, {"agentRuntimeId", id}, {"agentRuntimeVersion", "1"},
           {"status", "CREATING"}, {"description", "the first"}, {"roleArn", "arn:aws:iam::123456789012:role/agent"});
    expect(yyjson_mut_obj_get(got, "networkConfiguration"), {"networkMode", "PUBLIC"});
    expect(yyjson_mut_obj_get(got, "protocolConfiguration"), {"serverProtocol", "HTTP"});
    expect(yyjson_mut_obj_get(got, "environmentVariables"), {"KEY", "value"});
    assert_int_equal(time_of(yyjson_mut_obj_get(got, "lifecycleConfiguration"), "idleRuntimeSessionTimeout"), 900);
    assert_int_equal(time_of(yyjson_mut_obj_get(got, "lifecycleConfiguration"), "maxLifetime"), 28800);
    assert_null(text_of(got, "artifactDigest"));
    assert_null(text_of(got, "failureReason"));

    got = rooms_good(l->r, "GetAgentRuntimeEndpoint", lab_about(l, id, ", \"endpointName\": \"DEFAULT\""));
    expect(got, {"name", "DEFAULT"}, {"status", "CREATING"}, {"targetVersion", "1"},
           {"agentRuntimeArn", rooms_format(l->r, LAB_RUNTIME_ARN("%s"), id)},
           {"agentRuntimeEndpointArn", rooms_format(l->r, LAB_RUNTIME_ARN("%s/runtime-endpoint/DEFAULT"), id)});
    assert_null(text_of(got, "liveVersion"));
    assert_int_equal(strncmp(text_of(got, "id"), "DEFAULT-", 8), 0);
    rooms_good(l->r, "GetWorkloadIdentity", rooms_format(l->r, "{\"name\": \"%s\"}", id));
    got = rooms_good(l->r, "ListTagsForResource",
                     rooms_format(l->r, "{\"resourceArn\": \"" LAB_RUNTIME_ARN("%s") "\"}", id));
    expect(yyjson_mut_obj_get(got, "tags"), {"team", "blue"});
}

static void update_once(lab *l, const char *id)
{
    yyjson_mut_val *got;

    lab_stop_jobs(l);
    got = rooms_good(l->r, "UpdateAgentRuntime",
                     lab_change(l, id, ", \"metadataConfiguration\": {\"requireMMDSV2\": true}"));
    expect(got, {"agentRuntimeVersion", "2"}, {"status", "UPDATING"}, {"agentRuntimeId", id});
    assert_true(time_of(got, "lastUpdatedAt") >= time_of(got, "createdAt"));
    got = rooms_good(l->r, "GetAgentRuntimeEndpoint", lab_about(l, id, ", \"endpointName\": \"DEFAULT\""));
    expect(got, {"status", "UPDATING"}, {"liveVersion", "1"}, {"targetVersion", "2"});

    lab_start_jobs(l);
    got = lab_wait(l, id, NULL, "READY");
    expect(got, {"agentRuntimeVersion", "2"});
    assert_null(text_of(got, "description")); /* the whole configuration is replaced */
    assert_null(yyjson_mut_obj_get(got, "environmentVariables"));
    assert_true(
        yyjson_mut_get_bool(yyjson_mut_obj_get(yyjson_mut_obj_get(got, "metadataConfiguration"), "requireMMDSV2")));
    assert_string_equal(lab_found.asked, "agent:2");
    got = lab_wait(l, id, "DEFAULT", "READY");
    expect(got, {"liveVersion", "2"}, {"targetVersion", "2"});
    got = rooms_good(l->r, "GetAgentRuntime", lab_about(l, id, ", \"agentRuntimeVersion\": \"1\""));
    expect(got, {"agentRuntimeVersion", "1"}, {"status", "READY"}, {"description", "the first"});
}

static void look_at_lists(lab *l, const char *id)
{
    yyjson_mut_val *list = rooms_good(l->r, "ListAgentRuntimes", "{}"), *item;

    assert_int_equal(count_of(list, "agentRuntimes"), 1);
    item = yyjson_mut_arr_get_first(yyjson_mut_obj_get(list, "agentRuntimes"));
    expect(item, {"agentRuntimeId", id}, {"agentRuntimeVersion", "2"}, {"agentRuntimeName", "agent_1"},
           {"description", ""}, {"status", "READY"},
           {"agentRuntimeArn", rooms_format(l->r, LAB_RUNTIME_ARN("%s"), id)});
    time_of(item, "lastUpdatedAt");
    list = rooms_good(l->r, "ListAgentRuntimeVersions", lab_about(l, id, ""));
    assert_int_equal(count_of(list, "agentRuntimes"), 2);
    item = yyjson_mut_arr_get_first(yyjson_mut_obj_get(list, "agentRuntimes"));
    expect(item, {"agentRuntimeId", id}, {"agentRuntimeVersion", "2"}, {"description", ""}, {"status", "READY"});
    item = yyjson_mut_arr_get_last(yyjson_mut_obj_get(list, "agentRuntimes"));
    expect(item, {"agentRuntimeVersion", "1"}, {"description", "the first"}, {"agentRuntimeName", "agent_1"},
           {"agentRuntimeArn", rooms_format(l->r, LAB_RUNTIME_ARN("%s"), id)});
}

static void life(void **state)
{
    lab *l = *state;
    const char *id = made(l, rooms_good(l->r, "CreateAgentRuntime",
                                        lab_input(l, "agent_1",
                                                  ", \"description\": \"the first\", \"tags\": {\"team\": \"blue\"},"
                                                  " \"environmentVariables\": {\"KEY\": \"value\"}")));
    const char *about = lab_about(l, id, "");

    look_at_first(l, id);
    lab_start_jobs(l);
    lab_wait(l, id, NULL, "READY");
    expect(lab_wait(l, id, "DEFAULT", "READY"), {"liveVersion", "1"}, {"targetVersion", "1"});
    assert_string_equal(lab_found.asked, "code/a/b.zip@- main.py -");
    update_once(l, id);
    look_at_lists(l, id);

    lab_stop_jobs(l);
    for (int i = 0; i < 2; i++)
        expect(rooms_good(l->r, "DeleteAgentRuntime", about), {"status", "DELETING"}, {"agentRuntimeId", id});
    expect(rooms_good(l->r, "GetAgentRuntime", about), {"status", "DELETING"});
    expect(rooms_good(l->r, "GetAgentRuntimeEndpoint", lab_about(l, id, ", \"endpointName\": \"DEFAULT\"")),
           {"status", "DELETING"});
    bad(l, "UpdateAgentRuntime", lab_change(l, id, ""), 409);
    bad(l, "CreateAgentRuntime", lab_input(l, "agent_1", ""), 409);
    lab_start_jobs(l);
    lab_wait(l, id, NULL, NULL);
    assert_string_equal(lab_stopped, rooms_format(l->r, "runtime " ROOMS_ACCOUNT "/%s/ -", id));
    lab_stop_jobs(l);
    assert_int_equal(rows(l, "resources"), 0);
    assert_int_equal(rows(l, "tags"), 0);
    assert_int_equal(rows(l, "jobs WHERE kind <> 'runtime.collect'"), 0);
    rooms_good(l->r, "CreateAgentRuntime", lab_input(l, "agent_1", ""));
}

/* ---- deployments that fail ---- */

static void fail_with(ac_status status, const char *message, int failures)
{
    lab_found.status = status;
    lab_found.message = message;
    lab_found.failures = failures;
    lab_found.calls = 0;
}

static void failed_first(void **state)
{
    lab *l = *state;
    const char *id = text_of(rooms_good(l->r, "CreateAgentRuntime", lab_input(l, "agent", "")), "agentRuntimeId");
    yyjson_mut_val *got;

    bad(l, "UpdateAgentRuntime", lab_change(l, id, ""), 409);
    bad(l, "DeleteAgentRuntime", lab_about(l, id, ""), 409);
    bad(l, "DeleteAgentRuntimeEndpoint", lab_about(l, id, ", \"endpointName\": \"DEFAULT\""), 409);
    fail_with(AC_ERR_NOT_FOUND, "There is no s3://code/a/b.zip", -1);
    lab_start_jobs(l);
    got = lab_wait(l, id, NULL, "CREATE_FAILED");
    expect(got, {"failureReason", "There is no s3://code/a/b.zip"}, {"agentRuntimeVersion", "1"});
    expect(lab_wait(l, id, "DEFAULT", "CREATE_FAILED"), {"failureReason", "There is no s3://code/a/b.zip"});
    assert_int_equal(lab_found.calls, 1);

    lab_found.failures = 0;
    rooms_good(l->r, "UpdateAgentRuntime", lab_change(l, id, ""));
    got = lab_wait(l, id, NULL, "READY");
    expect(got, {"agentRuntimeVersion", "2"});
    assert_null(text_of(got, "failureReason"));
    got = lab_wait(l, id, "DEFAULT", "READY");
    expect(got, {"liveVersion", "2"});
    assert_null(text_of(got, "failureReason"));
    got = rooms_good(l->r, "GetAgentRuntime", lab_about(l, id, ", \"agentRuntimeVersion\": \"1\""));
    expect(got, {"status", "CREATE_FAILED"}, {"failureReason", "There is no s3://code/a/b.zip"});
}

static void failed_update(void **state)
{
    lab *l = *state;
    const char *id = lab_create(l, "agent", "");
    yyjson_mut_val *got;

    fail_with(AC_ERR_INVALID, "not a zip file", -1);
    rooms_good(l->r, "UpdateAgentRuntime", lab_change(l, id, ""));
    got = lab_wait(l, id, NULL, "UPDATE_FAILED");
    expect(got, {"failureReason", "not a zip file"}, {"agentRuntimeVersion", "2"});
    got = lab_wait(l, id, "DEFAULT", "UPDATE_FAILED");
    expect(got, {"failureReason", "not a zip file"}, {"liveVersion", "1"}, {"targetVersion", "2"});
    lab_found.failures = 0;
    expect(rooms_good(l->r, "UpdateAgentRuntime", lab_change(l, id, "")), {"agentRuntimeVersion", "3"});
    lab_wait(l, id, NULL, "READY");
    expect(lab_wait(l, id, "DEFAULT", "READY"), {"liveVersion", "3"});
    rooms_good(l->r, "DeleteAgentRuntime", lab_about(l, id, ""));
    lab_wait(l, id, NULL, NULL);
}

static void failures_that_pass(void **state)
{
    lab *l = *state;
    const char *id;

    fail_with(AC_ERR_IO, "the disk is slow", 2);
    lab_create(l, "agent", "");
    assert_int_equal(lab_found.calls, 3);

    fail_with(AC_ERR_TIMEOUT, "S3 does not answer", -1);
    id = text_of(rooms_good(l->r, "CreateAgentRuntime", lab_input(l, "other", "")), "agentRuntimeId");
    expect(lab_wait(l, id, NULL, "CREATE_FAILED"), {"failureReason", "S3 does not answer"});
    assert_int_equal(lab_found.calls, 4);
    rooms_good(l->r, "DeleteAgentRuntime", lab_about(l, id, ""));
    lab_wait(l, id, NULL, NULL);
}

/* ---- what is refused ---- */

static void unknown(void **state)
{
    static const char *const plain[] = {"GetAgentRuntime", "DeleteAgentRuntime", "ListAgentRuntimeVersions",
                                        "ListAgentRuntimeEndpoints"};
    static const char *const endpoint[] = {"GetAgentRuntimeEndpoint", "UpdateAgentRuntimeEndpoint",
                                           "DeleteAgentRuntimeEndpoint"};
    lab *l = *state;
    const char *ids[] = {"nobody-1234567890", lab_create(l, "agent", "")};

    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        bad(l, plain[i], lab_about(l, ids[0], ""), 404);
    for (size_t i = 0; i < 2 * ARRAY_SIZE(endpoint); i++)
        bad(l, endpoint[i / 2], lab_about(l, ids[i % 2], ", \"endpointName\": \"nothing\""), 404);
    for (size_t i = 0; i < 2; i++) {
        bad(l, "GetAgentRuntime", lab_about(l, ids[i], ", \"agentRuntimeVersion\": \"7\""), 404);
        bad(l, "DeleteAgentRuntime", lab_about(l, ids[i], ", \"agentRuntimeVersion\": \"7\""), 404);
        bad(l, "CreateAgentRuntimeEndpoint", lab_about(l, ids[i], ", \"name\": \"x\", \"agentRuntimeVersion\": \"7\""),
            404);
    }
    bad(l, "UpdateAgentRuntime", lab_change(l, ids[0], ""), 404);
    bad(l, "CreateAgentRuntime", lab_input(l, "agent", ""), 409);
    rooms_good(l->r, "CreateAgentRuntime", lab_input(l, "Agent", ""));
}

#define LIFECYCLE(idle, life)                                                                                          \
    ", \"lifecycleConfiguration\": {\"idleRuntimeSessionTimeout\": " idle ", \"maxLifetime\": " life "}"
#define HEADERS(list) ", \"requestHeaderConfiguration\": {\"requestHeaderAllowlist\": [" list "]}"
#define MOUNT(path) "{\"sessionStorage\": {\"mountPath\": \"" path "\"}}"
#define JWT(more)                                                                                                      \
    ", \"authorizerConfiguration\": {\"customJWTAuthorizer\": {\"discoveryUrl\":"                                      \
    " \"https://idp.test/.well-known/openid-configuration\"" more "}}"
#define CLAIM(type, how, value)                                                                                        \
    ", \"customClaims\": [{\"inboundTokenClaimName\": \"group\", \"inboundTokenClaimValueType\": \"" type              \
    "\", \"authorizingClaimMatchValue\": {\"claimMatchOperator\": \"" how "\", \"claimMatchValue\": {" value "}}}]"

static void configurations(void **state)
{
    static const char *const refused[] = {
        LIFECYCLE("601", "600"),
        ", \"networkConfiguration\": {\"networkMode\": \"VPC\"}",
        ", \"environmentVariables\": {\"A=B\": \"x\"}",
        ", \"environmentVariables\": {\"A B\": \"x\"}",
        ", \"environmentVariables\": {\"A\": \"x\\u0000y\"}",
        HEADERS("\"X-One\", \"x-one\""),
        HEADERS("\"Host\""),
        HEADERS("\"content-length\""),
        ", \"filesystemConfigurations\": [" MOUNT("/mnt/data") ", " MOUNT("/mnt/data/") "]",
        ", \"filesystemConfigurations\": [" MOUNT("/mnt/..") "]",
        ", \"capacityProviderConfiguration\": {\"capacityProviderArn\": \"arn:aws:bedrock-agentcore:us-west-2:"
        "123456789012:capacity-provider/nobody-a1B2c3D4e5\"}",
        JWT(CLAIM("STRING", "CONTAINS", "\"matchValueString\": \"x\"")),
    };
    static const char *const accepted[] = {
        LIFECYCLE("600", "600"),
        ", \"lifecycleConfiguration\": {\"maxLifetime\": 60}",
        ", \"lifecycleConfiguration\": {\"idleRuntimeSessionTimeout\": 30000}",
        ", \"networkConfiguration\": {\"networkMode\": \"VPC\", \"networkModeConfig\": {\"securityGroups\":"
        " [\"sg-12345678\"], \"subnets\": [\"subnet-12345678\"]}}",
        ", \"environmentVariables\": {\"some.name-1\": \"\"}",
        HEADERS("\"Authorization\", \"X-One\""),
        ", \"filesystemConfigurations\": [" MOUNT("/mnt/a") ", " MOUNT("/mnt/b") "]",
        JWT(", \"allowedAudience\": [\"a\"]" CLAIM("STRING_ARRAY", "CONTAINS_ANY",
                                                   "\"matchValueStringList\": [\"x\"]")),
    };
    lab *l = *state;

    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        bad(l, "CreateAgentRuntime", lab_input(l, "agent", refused[i]), 400);
    assert_int_equal(rows(l, "resources"), 0);
    for (size_t i = 0; i < ARRAY_SIZE(accepted); i++)
        rooms_good(l->r, "CreateAgentRuntime", lab_input(l, rooms_format(l->r, "agent%zu", i), accepted[i]));
}

static void entry_points(void **state)
{
    static const char *const refused[] = {"/bin/sh", "../main.py", "a/../../b", "a\\u0000b"};
    lab *l = *state;

    for (size_t i = 0; i <= ARRAY_SIZE(refused); i++) {
        bool good = i == ARRAY_SIZE(refused);
        const char *input = rooms_format(
            l->r,
            "{\"agentRuntimeName\": \"agent\", \"roleArn\": \"arn:aws:iam::123456789012:role/agent\","
            " \"agentRuntimeArtifact\": {\"codeConfiguration\": {\"code\": {\"s3\": {\"bucket\": \"code\", \"prefix\":"
            " \"c\", \"versionId\": \"v-1\"}}, \"runtime\": \"NODE_22\", \"entryPoint\": [\"run\", \"%s\"]}}}",
            good ? "bin/agent" : refused[i]);

        if (good)
            rooms_good(l->r, "CreateAgentRuntime", input);
        else
            bad(l, "CreateAgentRuntime", input, 400);
    }
    lab_start_jobs(l);
    lab_create(l, "other", "");
    lab_stop_jobs(l);
}

static void tokens_and_races(void **state)
{
    static const char token[] = ", \"clientToken\": \"11111111-1111-4111-8111-111111111111\"";
    lab *l = *state;
    const char *same[8], *named[8], *updates[8], *id;
    rooms_answer answers[8];
    size_t won = 0;

    for (size_t i = 0; i < 8; i++) {
        same[i] = lab_input(l, "one", token);
        named[i] = lab_input(l, "two", "");
    }
    rooms_call_at_once(l->r, "CreateAgentRuntime", same, 8, answers);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(answers[i].status, 202);
        assert_string_equal(answers[i].body, answers[0].body);
    }
    bad(l, "CreateAgentRuntime", lab_input(l, "three", token), 400);
    rooms_call_at_once(l->r, "CreateAgentRuntime", named, 8, answers);
    for (size_t i = 0; i < 8; i++) {
        assert_true(answers[i].status == 202 || answers[i].status == 409);
        won += answers[i].status == 202;
    }
    assert_int_equal(won, 1);

    id = lab_create(l, "four", "");
    lab_stop_jobs(l);
    for (size_t i = 0; i < 8; i++)
        updates[i] = lab_change(l, id, "");
    rooms_call_at_once(l->r, "UpdateAgentRuntime", updates, 8, answers);
    for (won = 0; won < 8; won++)
        assert_true(answers[won].status == 202 || answers[won].status == 409);
    expect(rooms_good(l->r, "GetAgentRuntime", lab_about(l, id, "")), {"agentRuntimeVersion", "2"});
}

/* ---- versions ---- */

static void pages(void **state)
{
    lab *l = *state;
    const char *id = lab_create(l, "agent", ""), *token = NULL;
    int expected = 7;

    for (int i = 2; i <= expected; i++) {
        rooms_good(l->r, "UpdateAgentRuntime", lab_change(l, id, ""));
        lab_wait(l, id, NULL, "READY");
    }
    do {
        const char *more =
            token ? rooms_format(l->r, ", \"maxResults\": 3, \"nextToken\": \"%s\"", token) : ", \"maxResults\": 3";
        yyjson_mut_val *page = rooms_good(l->r, "ListAgentRuntimeVersions", lab_about(l, id, more)), *item;
        yyjson_mut_arr_iter walk = yyjson_mut_arr_iter_with(yyjson_mut_obj_get(page, "agentRuntimes"));

        while ((item = yyjson_mut_arr_iter_next(&walk)) != NULL)
            assert_int_equal(atoi(text_of(item, "agentRuntimeVersion")), expected--);
        token = text_of(page, "nextToken");
    } while (token && expected > 0);
    assert_null(token);
    assert_int_equal(expected, 0);
    bad(l, "ListAgentRuntimes", "{\"nextToken\": \"x\"}", 400);
}

static void deleted_versions(void **state)
{
    lab *l = *state;
    const char *id = lab_create(l, "agent", "");
    const char *first = lab_about(l, id, ", \"agentRuntimeVersion\": \"1\"");

    bad(l, "DeleteAgentRuntime", first, 409);
    rooms_good(l->r, "CreateAgentRuntimeEndpoint", lab_about(l, id, ", \"name\": \"prod\""));
    rooms_good(l->r, "UpdateAgentRuntime", lab_change(l, id, ""));
    lab_wait(l, id, NULL, "READY");
    bad(l, "DeleteAgentRuntime", first, 409);
    rooms_good(l->r, "UpdateAgentRuntimeEndpoint",
               lab_about(l, id, ", \"endpointName\": \"prod\", \"agentRuntimeVersion\": \"2\""));
    lab_stop_jobs(l);
    for (int i = 0; i < 2; i++)
        expect(rooms_good(l->r, "DeleteAgentRuntime", first), {"status", "DELETING"}, {"agentRuntimeVersion", "1"});
    expect(rooms_good(l->r, "GetAgentRuntime", first), {"status", "DELETING"});
    bad(l, "UpdateAgentRuntimeEndpoint",
        lab_about(l, id, ", \"endpointName\": \"prod\", \"agentRuntimeVersion\": \"1\""), 409);
    lab_start_jobs(l);
    while (rooms_call(l->r, "GetAgentRuntime", first).status == 200)
        lab_wait(l, id, NULL, "READY");
    bad(l, "GetAgentRuntime", first, 404);
    lab_stop_jobs(l);
    assert_string_equal(lab_stopped, rooms_format(l->r, "runtime " ROOMS_ACCOUNT "/%s/ 1", id));
    assert_int_equal(count_of(rooms_good(l->r, "ListAgentRuntimeVersions", lab_about(l, id, "")), "agentRuntimes"), 1);
}

static void version_quota(void **state)
{
    lab *l = *state;
    const char *id = lab_create(l, "agent", "");

    for (int i = 0; i < 999; i++)
        fixture_sql(l->r->fixture->s,
                    rooms_format(l->r,
                                 "INSERT INTO resources SELECT scope, kind, parent, 'n%d', 'n%d', status, version,"
                                 " created_ms, updated_ms, body FROM resources"
                                 " WHERE kind = 'agent-runtime-version' AND id = '1'",
                                 i, i));
    bad(l, "UpdateAgentRuntime", lab_change(l, id, ""), 402);
    expect(rooms_good(l->r, "GetAgentRuntime", lab_about(l, id, "")), {"status", "READY"},
           {"agentRuntimeVersion", "1"});
}

/* ---- artifacts nobody uses ---- */

static const job_handler *collecting_of(const lab *l)
{
    for (size_t i = 0; i < l->daemon.job_handler_count; i++)
        if (strcmp(l->daemon.job_handlers[i].kind, "runtime.collect") == 0)
            return &l->daemon.job_handlers[i];
    fail_msg("nothing collects");
    return NULL;
}

static void collect_now(void *user)
{
    static const job_run *const no_run = NULL;
    const job j = {.kind = "runtime.collect", .key = "periodic", .payload = ""};
    const lab *l = user;
    const job_handler *collect = collecting_of(l);
    ac_error err;

    assert_ok(collect->run(l->daemon.store, &j, no_run, collect->arg, &err));
}

static void collecting(void **state)
{
    lab *l = *state;
    const char *id = lab_create(l, "agent", "");

    snprintf(lab_found.digest, sizeof lab_found.digest, "sha256:two");
    rooms_good(l->r, "UpdateAgentRuntime", lab_change(l, id, ""));
    lab_wait(l, id, NULL, "READY");
    lab_stop_jobs(l);
    lab_found.unpacked[0] = "sha256:one";
    lab_found.unpacked[1] = "sha256:other";
    lab_found.unpacked[2] = "sha256:two";
    assert_true(collecting_of(l)->period_ms > 0);
    collect_now(l);
    assert_true(lab_found.kept[0] && !lab_found.kept[1] && lab_found.kept[2]);
    fixture_sql(l->daemon.store, "DELETE FROM resources");
    collect_now(l);
    assert_false(lab_found.kept[0] || lab_found.kept[1] || lab_found.kept[2]);
}

/* What a session is about to run is not taken away, although the collecting may know nothing of its version. */
static void collecting_while_a_session_starts(void **state)
{
    _cleanup_(runtime_target_unrefp) const runtime_target *target = NULL;
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    lab *l = *state;
    const char *id = lab_create(l, "agent", "");
    const front_call call = {.caller = {.account = ROOMS_ACCOUNT, .region = ROOMS_REGION}};
    session_plan plan;
    ac_error err;

    lab_stop_jobs(l);
    assert_ok(runtime_target_find(l->room, &call, id, NULL, ROOMS_ACCOUNT, &target, &err));
    lab_found.calls = lab_found.collected = 0;
    lab_found.meanwhile = collect_now;
    lab_found.user = l;
    (void)!runtime_plan(&(runtime_plan_request){l->room, target}, &memory, &plan, &err); /* of no real artifact */
    assert_int_equal(lab_found.calls, 1);
    assert_null(lab_found.meanwhile);
    assert_int_equal(lab_found.collected, 0);
    collect_now(l);
    assert_int_equal(lab_found.collected, 1);
}

#define LAB_TEST(name) cmocka_unit_test_setup_teardown(name, lab_set_up, lab_tear_down)

int main(void)
{
    const struct CMUnitTest all[] = {
        LAB_TEST(life),
        LAB_TEST(failed_first),
        LAB_TEST(failed_update),
        LAB_TEST(failures_that_pass),
        LAB_TEST(unknown),
        LAB_TEST(configurations),
        LAB_TEST(entry_points),
        LAB_TEST(tokens_and_races),
        LAB_TEST(pages),
        LAB_TEST(deleted_versions),
        LAB_TEST(version_quota),
        LAB_TEST(collecting),
        LAB_TEST(collecting_while_a_session_starts),
    };

    fixture_require();
    return cmocka_run_group_tests(all, NULL, NULL);
}
