/* test_runtime_callers.c - who may call an agent, and for whom the agent is told to act. */
#include "jwt_helpers.h"
#include "runtimes_lab.h"

#include "base/clock.h"
#include "daemon/identity/workload_tokens.h"
#include "daemon/runtime/invocation.h"

#include <strings.h>

#define SESSION "session-0123456789-0123456789-0123456789"

static provider idp;
static EVP_PKEY *key;

/* What an agent would have been told by the last call. */
static struct told {
    unsigned calls;
    char endpoint[64], user[64], subject[64];
    unsigned tokens; /* headers of that name */
} told;

static void note_headers(const invocation *in)
{
    for (size_t i = 0; i < in->header_count; i++)
        told.tokens += strcasecmp(in->headers[i].name, WORKLOAD_TOKEN_HEADER) == 0;
}

static ac_status note_identity(const invocation *in, ac_error *err)
{
    const char *text = NULL;
    workload_token who;

    for (size_t i = 0; i < in->header_count && !text; i++)
        if (strcasecmp(in->headers[i].name, WORKLOAD_TOKEN_HEADER) == 0)
            text = in->headers[i].value;
    AC_TRY(workload_token_read(in->room->store, text ? text : "", clock_unix_ms() / 1000, in->call->memory, &who, err));
    snprintf(told.user, sizeof told.user, "%s", who.user ? who.user : "-");
    snprintf(told.subject, sizeof told.subject, "%s", who.subject ? who.subject : "-");
    return AC_OK;
}

/* As invoke_agent_runtime, up to where a session would be started. */
static ac_status invoke(front_call *call, ac_error *err)
{
    invocation in = {.call = call, .room = call->room, .session_id = SESSION};
    ac_status status;

    AC_TRY(runtime_target_find(in.room, call, front_text(call, "agentRuntimeArn"), front_text(call, "qualifier"),
                               front_text(call, "accountId"), &in.target, err));
    status = headers_to_agent(&in, err);
    if (status == AC_OK)
        status = note_identity(&in, err);
    told.calls++;
    snprintf(told.endpoint, sizeof told.endpoint, "%s", in.target->endpoint);
    note_headers(&in);
    runtime_target_unref(in.target);
    return status == AC_OK ? ac_error_set(err, AC_ERR_QUOTA, "told") : status;
}

static const char *token_of(const char *subject)
{
    char claims[512];

    snprintf(claims, sizeof claims, "{\"iss\":\"https://issuer.example\",\"sub\":\"%s\",\"exp\":%lld}", subject,
             (long long)(clock_unix_ms() / 1000 + 600));
    return make_token(key, "ES256", "{\"alg\":\"ES256\",\"kid\":\"1\"}", claims);
}

static int set_up(void **state)
{
    static const front_operation operations[] = {{API_INVOKE_AGENT_RUNTIME, invoke, runtime_authorize, false}};
    static char jwk[TEXT_MAX];

    lab_set_up(state);
    lab *l = *state;
    key = EVP_EC_gen("P-256");
    jwk[0] = '\0';
    add_jwk(jwk, key, "\"kid\":\"1\",");
    provider_start(&idp);
    provider_publish(&idp, jwk);
    assert_int_equal(front_register(l->r->front, operations, 1, l->room), AC_OK);
    told = (struct told){0};
    return 0;
}

static int tear_down(void **state)
{
    lab_tear_down(state);
    house_stop(&idp.house);
    EVP_PKEY_free(key);
    return 0;
}

static const char *guard(lab *l)
{
    return rooms_format(l->r, ", \"authorizerConfiguration\": {\"customJWTAuthorizer\": {\"discoveryUrl\": \"%s\"}}",
                        idp.url);
}

static rooms_answer call(lab *l, const char *id, const char *query)
{
    const char *path = rooms_format(
        l->r,
        "/runtimes/arn%%3Aaws%%3Abedrock-agentcore%%3Aus-west-2%%3A" ROOMS_ACCOUNT "%%3Aruntime%%2F%s/invocations", id);

    return rooms_send(l->r, "POST", path, query, "{}");
}

static void expect_told(rooms_answer answer)
{
    if (answer.status != 402)
        fail_msg("%d %s", answer.status, answer.body);
}

/* However its name is written: what is authorized is what is called. */
static void token_opens_the_endpoint_that_is_called(void **state)
{
    lab *l = *state;
    const char *id = lab_create(l, "agent", "");

    rooms_good(l->r, "CreateAgentRuntimeEndpoint", lab_about(l, id, ", \"name\": \"open\""));
    rooms_good(l->r, "UpdateAgentRuntime", lab_change(l, id, guard(l)));
    lab_wait(l, id, NULL, "READY");
    lab_stop_jobs(l);
    l->r->bearer = token_of("user-1");
    expect_told(call(l, id, "qualifier=DEFAULT"));
    assert_string_equal(told.endpoint, "DEFAULT");
    assert_int_equal(call(l, id, "qualifier=open").status, 403);
    assert_int_equal(call(l, id, "%71ualifier=open&qualifier=DEFAULT").status, 403);
    assert_int_equal(call(l, id, "x%zz=1&qualifier=DEFAULT").status, 400);
    assert_int_equal(told.calls, 1);
    expect_told(call(l, id, "quali%66ier=DEFAULT&qualifier=open"));
    assert_string_equal(told.endpoint, "DEFAULT");
    l->r->bearer = NULL;
}

/* Why something cannot be called is for those who may call it. */
static void strangers_learn_no_reason(void **state)
{
    lab *l = *state;
    const char *id = text_of(rooms_good(l->r, "CreateAgentRuntime", lab_input(l, "agent", guard(l))), "agentRuntimeId");
    rooms_answer answer;

    lab_found.status = AC_ERR_INVALID;
    lab_found.message = "a secret place is empty";
    lab_found.failures = 1;
    lab_start_jobs(l);
    lab_wait(l, id, NULL, "CREATE_FAILED");
    lab_stop_jobs(l);
    answer = call(l, id, NULL);
    assert_int_equal(answer.status, 400);
    assert_non_null(strstr(answer.body, "secret place"));
    l->r->bearer = "abc.def.ghi";
    answer = call(l, id, NULL);
    assert_int_equal(answer.status, 400);
    assert_null(strstr(answer.body, "secret place"));
    l->r->bearer = NULL;
}

/* The holder of a token is who it says he is, and nobody else by his own word. */
static void holder_of_a_token_names_no_other_user(void **state)
{
    lab *l = *state;
    const char *id = lab_create(l, "agent", guard(l));

    lab_stop_jobs(l);
    l->r->bearer = token_of("user-1");
    l->r->extra = USER_ID_HEADER ": alice\r\n";
    expect_told(call(l, id, NULL));
    assert_string_equal(told.user, "-");
    assert_string_equal(told.subject, "user-1");
    l->r->bearer = l->r->extra = NULL;
}

/* Who comes with the token of a workload acts for its user; in the account that it is of. */
static void chain_stays_in_its_account(void **state)
{
    static const struct {
        const char *account, *user;
    } cases[] = {{ROOMS_ACCOUNT, "alice"}, {"210987654321", "-"}};
    lab *l = *state;
    const char *id = lab_create(l, "agent", guard(l));

    lab_stop_jobs(l);
    l->r->bearer = token_of("user-1");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const workload_token before = {.account = cases[i].account, .workload = "other", .user = "alice"};
        const char *text;
        ac_error err;

        assert_ok(workload_token_make(l->daemon.store, &before, clock_unix_ms() / 1000, &l->r->memory, &text, &err));
        l->r->extra = rooms_format(l->r, IDENTITY_TOKEN_HEADER ": %s\r\n", text);
        expect_told(call(l, id, NULL));
        assert_string_equal(told.user, cases[i].user);
    }
    assert_string_equal(told.subject, "user-1");
    l->r->bearer = l->r->extra = NULL;
}

/* Whoever was handed a signed request may not change whom it is for. */
static void user_of_a_signed_request_is_signed(void **state)
{
    lab *l = *state;
    const char *id = lab_create(l, "agent", "");
    const char *input = rooms_format(l->r,
                                     "{\"agentRuntimeArn\": \"" LAB_RUNTIME_ARN("%s") "\", \"payload\": \"e30=\","
                                                                                      " \"runtimeUserId\": \"alice\"}",
                                     id);

    lab_stop_jobs(l);
    expect_told(rooms_call(l->r, "InvokeAgentRuntime", input));
    assert_string_equal(told.user, "alice");
    l->r->extra = USER_ID_HEADER ": bob\r\n";
    assert_int_equal(call(l, id, NULL).status, 403);
    l->r->extra = NULL;
    expect_told(call(l, id, NULL));
    assert_string_equal(told.user, "-");
    assert_int_equal(told.calls, 2);
}

/* Not even where the allow-list names them. */
static void headers_of_the_service_are_its_own(void **state)
{
    lab *l = *state;
    const char *id = lab_create(
        l, "agent", ", \"requestHeaderConfiguration\": {\"requestHeaderAllowlist\": [\"" WORKLOAD_TOKEN_HEADER "\"]}");

    lab_stop_jobs(l);
    l->r->extra = WORKLOAD_TOKEN_HEADER ": forged\r\n";
    expect_told(call(l, id, NULL));
    l->r->extra = NULL;
    assert_int_equal(told.tokens, 1);
}

#define CALLER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest all[] = {
        CALLER_TEST(token_opens_the_endpoint_that_is_called), CALLER_TEST(strangers_learn_no_reason),
        CALLER_TEST(holder_of_a_token_names_no_other_user),   CALLER_TEST(chain_stays_in_its_account),
        CALLER_TEST(user_of_a_signed_request_is_signed),      CALLER_TEST(headers_of_the_service_are_its_own),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
