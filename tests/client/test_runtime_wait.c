/* test_runtime_wait.c - waiting for runtimes and endpoints, against a service that goes through scripted states. */
#include "agent_house.h"

#include <stdlib.h>

#define GONE "!"

/* What the service says, one after the other; the last one again and again.  GONE: there is no such resource. */
static const char *const *script;
static unsigned step;
static char lines[64][128];
static unsigned line_count;

static void answer(agent_house *h, http_exchange *x)
{
    const char *state = script[step];
    buf body = BUF_INIT(4096);
    const http_field type = {"x-amzn-ErrorType", "ResourceNotFoundException"};
    bool gone = strcmp(state, GONE) == 0;

    snprintf(lines[line_count++ % ARRAY_SIZE(lines)], sizeof lines[0], "%.60s", h->line);
    if (script[step + 1])
        step++;
    if (buf_appendf(&body, gone ? "{\"message\": \"no such thing\"}%s" : "{\"agentRuntimeId\": \"r-1\", %s}",
                    gone ? "" : state) != AC_OK)
        abort();
    http_response response = {
        .status = gone ? 404 : 200, .content_type = "application/json", .fields = &type, .field_count = gone ? 1 : 0};
    (void)!http_respond(x, &response, &body);
    http_exchange_unref(x);
}

#define CREATING "\"status\": \"CREATING\""
#define UPDATING "\"status\": \"UPDATING\""
#define DELETING "\"status\": \"DELETING\""
#define READY "\"status\": \"READY\", \"agentRuntimeVersion\": \"7\""
#define FAILED(what, why) "\"status\": \"" what "_FAILED\"" why
#define WHY ", \"failureReason\": \"no image\""

static const ac_runtime_wait_options quick = {.max_wait_s = 20, .poll_interval_ms = 1};
static const ac_runtime_wait_options short_wait = {.max_wait_s = 1, .poll_interval_ms = 100};

static void begin(const char *const *states)
{
    script = states;
    step = line_count = 0;
}

#define BEGIN(...) begin((const char *const[]){__VA_ARGS__, NULL})

static void must(ac_status status, const ac_error *err)
{
    if (status != AC_OK)
        fail_msg("%s: %s", err->aws_name, err->message);
}

static void ready(void **state)
{
    agent_house *h = *state;
    yyjson_doc *output = NULL;
    ac_error err = {0};

    BEGIN(CREATING, CREATING, READY);
    must(ac_runtime_wait_ready(h->client, "r-1", &quick, &output, &err), &err);
    assert_string_equal(ac_json_string(yyjson_doc_get_root(output), "agentRuntimeVersion", ""), "7");
    yyjson_doc_free(output);
    assert_int_equal(line_count, 3);
    assert_string_equal(lines[0], "GET /runtimes/r-1/");
    assert_int_equal(h->verified, SIGV4_OK);

    BEGIN(UPDATING, READY);
    must(ac_runtime_wait_endpoint_ready(h->client, "r-1", "prod", &quick, NULL, &err), &err);
    assert_string_equal(lines[1], "GET /runtimes/r-1/runtime-endpoints/prod/");
    BEGIN(READY);
    must(ac_runtime_wait_ready(h->client, "r-1", NULL, NULL, NULL), &err); /* the defaults, without a pause */
}

static void failed(void **state)
{
    static const struct {
        const char *said;
        bool endpoint;
        const char *message; /* NULL: goes on waiting */
    } cases[] = {
        {FAILED("CREATE", WHY), false, "Reached CREATE_FAILED: no image"},
        {FAILED("UPDATE", WHY), false, "Reached UPDATE_FAILED: no image"},
        {FAILED("UPDATE", ""), false, "Reached UPDATE_FAILED: Unknown"},
        {FAILED("DELETE", WHY), false, NULL},
        {FAILED("CREATE", WHY), true, "Reached CREATE_FAILED: no image"},
        {FAILED("DELETE", WHY), true, "Reached DELETE_FAILED: no image"},
    };
    agent_house *h = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ac_error err = {0};
        yyjson_doc *output = NULL;
        BEGIN(CREATING, cases[i].said, READY);
        ac_status status = cases[i].endpoint
                               ? ac_runtime_wait_endpoint_ready(h->client, "r-1", "DEFAULT", &quick, &output, &err)
                               : ac_runtime_wait_ready(h->client, "r-1", &quick, &output, &err);
        assert_int_equal(status, cases[i].message ? AC_ERR_STATE : AC_OK);
        if (cases[i].message)
            assert_string_equal(err.message, cases[i].message);
        assert_true((output != NULL) == (status == AC_OK));
        yyjson_doc_free(output);
    }
}

static void out_of_time(void **state)
{
    agent_house *h = *state;
    ac_error err = {0};
    uint64_t begun = clock_monotonic_ms();

    BEGIN(CREATING);
    assert_int_equal(ac_runtime_wait_ready(h->client, "r-1", &short_wait, NULL, &err), AC_ERR_TIMEOUT);
    assert_string_equal(err.message, "Did not reach READY within 1 seconds");
    assert_true(clock_monotonic_ms() - begun >= 1000);
    assert_true(line_count >= 1 && line_count <= 12); /* the first look may have taken all the time */
    BEGIN(DELETING);
    assert_int_equal(ac_runtime_wait_deleted(h->client, "r-1", &short_wait, &err), AC_ERR_TIMEOUT);
    assert_string_equal(err.message, "Resource was not deleted within 1 seconds");
}

static void deleted(void **state)
{
    agent_house *h = *state;
    ac_error err = {0};

    BEGIN(DELETING, DELETING, GONE);
    must(ac_runtime_wait_deleted(h->client, "r-1", &quick, &err), &err);
    assert_int_equal(line_count, 3);
    BEGIN(DELETING, DELETING, GONE);
    must(ac_runtime_delete_and_wait(h->client, "r-1", &quick, &err), &err);
    assert_int_equal(strncmp(lines[0], "DELETE /runtimes/r-1/?clientToken=", 34), 0);
    assert_string_equal(lines[2], "GET /runtimes/r-1/");
    BEGIN(DELETING, GONE);
    must(ac_runtime_delete_endpoint_and_wait(h->client, "r-1", "prod", &quick, &err), &err);
    assert_string_equal(lines[1], "GET /runtimes/r-1/runtime-endpoints/prod/");
    BEGIN(DELETING, GONE);
    must(ac_runtime_wait_endpoint_deleted(h->client, "r-1", "prod", &quick, &err), &err);
    BEGIN(GONE);
    assert_int_equal(ac_runtime_delete_and_wait(h->client, "r-1", &quick, &err), AC_ERR_NOT_FOUND);
    assert_string_equal(err.aws_name, "ResourceNotFoundException");
}

static void create_and_update(void **state)
{
    static const char create[] =
        "{\"agentRuntimeName\": \"a\", \"roleArn\": \"arn:aws:iam::123456789012:role/r\", \"networkConfiguration\": "
        "{\"networkMode\": \"PUBLIC\"}, \"agentRuntimeArtifact\": {\"containerConfiguration\": "
        "{\"containerUri\": \"x\"}}}";
    static const char endpoint[] = "{\"agentRuntimeId\": \"r-1\", \"name\": \"prod\"}";
    static const char update[] = "{\"agentRuntimeId\": \"r-1\", \"endpointName\": \"prod\"}";
    agent_house *h = *state;
    yyjson_doc *input = yyjson_read(create, strlen(create), 0), *output = NULL;
    ac_error err = {0};

    BEGIN(CREATING, CREATING, READY);
    must(ac_runtime_create_and_wait(h->client, yyjson_doc_get_root(input), &quick, &output, &err), &err);
    assert_string_equal(lines[0], "PUT /runtimes/");
    assert_string_equal(lines[2], "GET /runtimes/r-1/");
    assert_non_null(output);
    yyjson_doc_free(output);
    yyjson_doc_free(input);

    input = yyjson_read(endpoint, strlen(endpoint), 0);
    BEGIN(CREATING, READY);
    must(ac_runtime_create_endpoint_and_wait(h->client, yyjson_doc_get_root(input), &quick, NULL, &err), &err);
    assert_string_equal(lines[0], "PUT /runtimes/r-1/runtime-endpoints/");
    assert_string_equal(lines[1], "GET /runtimes/r-1/runtime-endpoints/prod/");
    yyjson_doc_free(input);

    input = yyjson_read(update, strlen(update), 0);
    BEGIN(UPDATING, FAILED("UPDATE", WHY));
    assert_int_equal(ac_runtime_update_endpoint_and_wait(h->client, yyjson_doc_get_root(input), &quick, &output, &err),
                     AC_ERR_STATE);
    assert_string_equal(err.message, "Reached UPDATE_FAILED: no image");
    assert_string_equal(lines[0], "PUT /runtimes/r-1/runtime-endpoints/prod/");
    assert_null(output);
    BEGIN(GONE);
    assert_int_equal(ac_runtime_update_endpoint_and_wait(h->client, yyjson_doc_get_root(input), &quick, &output, &err),
                     AC_ERR_NOT_FOUND);
    assert_int_equal(line_count, 1);
    assert_int_equal(ac_runtime_update_and_wait(h->client, yyjson_doc_get_root(input), &quick, &output, &err),
                     AC_ERR_INVALID); /* members are missing */
    yyjson_doc_free(input);
}

static void teardown_and_status(void **state)
{
    agent_house *h = *state;
    yyjson_doc *doc = NULL;
    ac_error err = {0};

    BEGIN(DELETING, GONE, DELETING, GONE);
    must(ac_runtime_teardown(h->client, "r-1", NULL, &quick, &err), &err);
    assert_int_equal(strncmp(lines[0], "DELETE /runtimes/r-1/runtime-endpoints/DEFAULT/?", 48), 0);
    assert_int_equal(strncmp(lines[2], "DELETE /runtimes/r-1/?", 22), 0);
    BEGIN(GONE);
    must(ac_runtime_teardown(h->client, "r-1", "prod", &quick, &err), &err);
    assert_int_equal(line_count, 2);

    BEGIN(READY, GONE);
    must(ac_runtime_status(h->client, "r-1", NULL, &doc, &err), &err);
    yyjson_val *root = yyjson_doc_get_root(doc);
    assert_string_equal(ac_json_string(yyjson_obj_get(root, "runtime"), "status", ""), "READY");
    assert_string_equal(ac_json_string(yyjson_obj_get(root, "endpoint"), "error", ""), "no such thing");
    yyjson_doc_free(doc);
}

static int set_up(void **state)
{
    agent_house *h = calloc(1, sizeof *h);

    agent_house_start(h, answer, 1);
    *state = h;
    return 0;
}

static int tear_down(void **state)
{
    agent_house_stop(*state);
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready),
        cmocka_unit_test(failed),
        cmocka_unit_test(out_of_time),
        cmocka_unit_test(deleted),
        cmocka_unit_test(create_and_update),
        cmocka_unit_test(teardown_and_status),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
