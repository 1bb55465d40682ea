/* test_runtime_invoke.c - invoking deployed agents with whole answers: what is sent, what comes back, what fails; and
 * the other calls to a session. */
#include "agent_house.h"

#include <agentcore/app.h>
#include <agentcore/testing.h>

#include <stdlib.h>

static void answer_with(http_exchange *x, int status, const char *type, const http_field *fields, size_t count,
                        const char *text)
{
    buf body = BUF_INIT(1U << 24);

    if (buf_append_text(&body, text) != AC_OK)
        abort();
    http_response response = {.status = status, .content_type = type, .fields = fields, .field_count = count};
    (void)!http_respond(x, &response, &body);
    http_exchange_unref(x);
}

static void answer_json(agent_house *h, http_exchange *x)
{
    static const http_field fields[] = {{AC_HEADER_SESSION_ID, SESSION}, {"Mcp-Session-Id", "m-1"}};

    (void)h;
    answer_with(x, 200, "application/json", fields, 2, "{\"result\": \"a joke\"}");
}

static void must(ac_status status, const ac_error *err)
{
    if (status != AC_OK)
        fail_msg("%s: %s", err->aws_name, err->message);
}

/* ---- what is sent ---- */

static void plain(void **state)
{
    agent_house h = {0};
    ac_runtime_answer *answer = NULL;
    ac_error err = {0};

    (void)state;
    agent_house_start(&h, answer_json, 1);
    must(ac_runtime_invoke(h.client, ARN, "{\"prompt\": \"hi\"}", 16, NULL, &answer, &err), &err);
    assert_int_equal(answer->status, 200);
    assert_string_equal(answer->content_type, "application/json");
    assert_string_equal(answer->session_id, SESSION);
    assert_string_equal(answer->body, "{\"result\": \"a joke\"}");
    assert_int_equal(answer->length, strlen(answer->body));
    assert_string_equal(ac_runtime_answer_header(answer, "mcp-session-id"), "m-1");
    assert_null(ac_runtime_answer_header(answer, "baggage"));
    ac_runtime_answer_free(answer);

    assert_int_equal(h.verified, SIGV4_OK);
    assert_int_equal(h.form, SIGV4_FORM_HEADER);
    assert_string_equal(h.line, "POST /runtimes/" ENCODED_ARN "/invocations");
    assert_string_equal(h.body, "{\"prompt\": \"hi\"}");
    assert_true(agent_house_saw(&h, "Content-Type", "application/json"));
    assert_true(agent_house_saw(&h, AC_HEADER_SESSION_ID, NULL)); /* made */
    assert_false(agent_house_saw(&h, AC_HEADER_IDENTITY_WAT, NULL));
    agent_house_stop(&h);
}

static void every_option(void **state)
{
    static const ac_header headers[] = {
        {"X-Amzn-Bedrock-AgentCore-Runtime-Custom-Tenant", "t 1"},
        {"Mcp-Protocol-Version", "2025-06-18"},
        {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        {"baggage", "a=b"},
        {AC_HEADER_IDENTITY_WAT, "mine"},
    };
    const ac_runtime_options options = {
        .session_id = SESSION,
        .qualifier = "prod",
        .account_id = "123456789012",
        .user_id = "alice",
        .content_type = "text/plain",
        .accept = "text/event-stream",
        .headers = headers,
        .header_count = ARRAY_SIZE(headers),
    };
    agent_house h = {0};
    ac_runtime_answer *answer = NULL;
    ac_error err = {0};

    (void)state;
    agent_house_start(&h, answer_json, 1);
    must(ac_runtime_invoke(h.client, "my_agent-AbCdEf1234", "hi", 2, &options, &answer, &err), &err);
    ac_runtime_answer_free(answer);
    assert_int_equal(h.verified, SIGV4_OK);
    assert_string_equal(h.line, "POST /runtimes/my_agent-AbCdEf1234/invocations?qualifier=prod&accountId=123456789012");
    assert_true(agent_house_saw(&h, AC_HEADER_SESSION_ID, SESSION));
    assert_true(agent_house_saw(&h, "X-Amzn-Bedrock-AgentCore-Runtime-User-Id", "alice"));
    assert_true(agent_house_saw(&h, "Content-Type", "text/plain"));
    assert_true(agent_house_saw(&h, "Accept", "text/event-stream"));
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
        assert_true(agent_house_saw(&h, headers[i].name, headers[i].value));
    agent_house_stop(&h);
}

static void bearer(void **state)
{
    agent_house h = {0};
    yyjson_doc *result = NULL;
    ac_error err = {0};

    (void)state;
    agent_house_start(&h, answer_json, 1);
    must(ac_runtime_invoke_pack(h.client, ARN, &(ac_runtime_options){.bearer_token = "e.y.J"}, &result, &err, "{s:s}",
                                "prompt", "hi"),
         &err);
    assert_string_equal(ac_json_string(yyjson_doc_get_root(result), "result", ""), "a joke");
    yyjson_doc_free(result);
    assert_true(agent_house_saw(&h, "Authorization", "Bearer e.y.J"));
    assert_false(agent_house_saw(&h, "X-Amz-Date", NULL));
    assert_string_equal(h.body, "{\"prompt\":\"hi\"}");
    agent_house_stop(&h);
}

static void refuse(ac_client *client, const ac_runtime_options *o, const char *message)
{
    ac_runtime_answer *answer = NULL;
    ac_error err = {0};

    assert_int_equal(ac_runtime_invoke(client, ARN, "", 0, o, &answer, &err), AC_ERR_INVALID);
    assert_null(answer);
    if (!strstr(err.message, message))
        fail_msg("'%s' is not in '%s'", message, err.message);
}

static void options_that_are_refused(void **state)
{
    agent_house h = {0};
    ac_header many[65];
    ac_header one = {"x", "y"};

    (void)state;
    agent_house_start(&h, answer_json, 1);
    refuse(h.client, &(ac_runtime_options){.session_id = "short"}, "runtimeSessionId");
    refuse(h.client, &(ac_runtime_options){.bearer_token = ""}, "Bearer token cannot be empty");
    refuse(h.client, &(ac_runtime_options){.bearer_token = "a\nb"}, "bearer token has characters");
    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = one;
    refuse(h.client, &(ac_runtime_options){.headers = many, .header_count = ARRAY_SIZE(many)}, "more than 64");
    static const char *const taken[] = {"Host",         "authorization",      "X-Amz-Date",
                                        "Content-Type", AC_HEADER_SESSION_ID, "Content-Length"};
    for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
        one = (ac_header){taken[i], "v"};
        refuse(h.client, &(ac_runtime_options){.headers = &one, .header_count = 1}, "is set by the client");
    }
    one = (ac_header){"X-Custom", "a\r\nX-Other: b"};
    refuse(h.client, &(ac_runtime_options){.headers = &one, .header_count = 1}, "a header has characters");
    assert_int_equal(agent_house_count(&h), 0);
    agent_house_stop(&h);
}

/* ---- the identity of the agent that calls ---- */

static ac_status call_another(ac_request *request, ac_reply *reply, void *user)
{
    agent_house *h = user;
    yyjson_doc *result = NULL;
    ac_error err = {0};

    (void)request;
    ac_status status = ac_runtime_invoke_pack(h->client, ARN, NULL, &result, &err, "{}");
    if (status == AC_OK)
        status = ac_reply_pack(reply, "{s:v}", "got", yyjson_doc_get_root(result));
    yyjson_doc_free(result);
    return status;
}

static void identity_is_passed_on(void **state)
{
    agent_house h = {0};
    ac_app *app = ac_app_new(NULL);

    (void)state;
    agent_house_start(&h, answer_json, 1);
    assert_int_equal(ac_app_entrypoint(app, call_another, &h), AC_OK);
    ac_test_client *client = ac_test_client_new(app, NULL);
    assert_int_equal(ac_test_set_header(client, AC_HEADER_WORKLOAD_TOKEN, "the-token"), AC_OK);
    ac_test_response *r = ac_test_post(client, "/invocations", "{}");
    assert_int_equal(r->status, 200);
    assert_int_equal(h.verified, SIGV4_OK); /* signed, too */
    assert_true(agent_house_saw(&h, AC_HEADER_IDENTITY_WAT, "the-token"));
    ac_test_client_free(client);
    ac_app_free(app);
    agent_house_stop(&h);
}

/* ---- failures ---- */

static const struct failure {
    int http;
    const char *type, *body;
    ac_status status;
    const char *name, *message;
} failures[] = {
    {424, "RuntimeClientError", "{\"message\": \"the tool broke\"}", AC_ERR_HANDLER, "RuntimeClientError",
     "the tool broke"},
    {400, "ValidationException", "{\"message\": \"no\", \"reason\": \"CannotParse\"}", AC_ERR_INVALID,
     "ValidationException", "no"},
    {401, "UnauthorizedException:http://x/", "{\"Message\": \"who?\"}", AC_ERR_UNAUTHORIZED, "UnauthorizedException",
     "who?"},
    {402, "ServiceQuotaExceededException", "{\"message\": \"full\"}", AC_ERR_QUOTA, "ServiceQuotaExceededException",
     "full"},
    {403, "AccessDeniedException", "{\"message\": \"stop\"}", AC_ERR_DENIED, "AccessDeniedException", "stop"},
    {404, "ResourceNotFoundException", "{\"message\": \"where?\"}", AC_ERR_NOT_FOUND, "ResourceNotFoundException",
     "where?"},
    {409, "RetryableConflictException", "{\"message\": \"starting\"}", AC_ERR_CONFLICT, "RetryableConflictException",
     "starting"},
    {429, "ThrottlingException", "{\"message\": \"slow\"}", AC_ERR_THROTTLED, "ThrottlingException", "slow"},
    {500, "InternalServerException", "{\"message\": \"oh\"}", AC_ERR_INTERNAL, "InternalServerException", "oh"},
    {502, NULL, "<html>", AC_ERR_INTERNAL, "", "the service answered 502"},
    {403, NULL, "{\"__type\": \"com.x#ExpiredTokenException\", \"message\": \"old\"}", AC_ERR_DENIED,
     "ExpiredTokenException", "old"},
};

static size_t failing;

static void answer_failure(agent_house *h, http_exchange *x)
{
    const struct failure *f = &failures[failing];
    const http_field type = {"x-amzn-ErrorType", f->type};

    (void)h;
    answer_with(x, f->http, "application/json", &type, f->type ? 1 : 0, f->body);
}

static void what_the_service_says(void **state)
{
    agent_house h = {0};

    (void)state;
    agent_house_start(&h, answer_failure, 1);
    for (failing = 0; failing < ARRAY_SIZE(failures); failing++) {
        const struct failure *f = &failures[failing];
        ac_runtime_answer *answer = NULL;
        ac_error err = {0};
        assert_int_equal(ac_runtime_invoke(h.client, ARN, "{}", 2, NULL, &answer, &err), f->status);
        assert_null(answer);
        assert_string_equal(err.aws_name, f->name);
        assert_string_equal(err.message, f->message);
        assert_int_equal(err.http_status, f->http);
    }
    agent_house_stop(&h);
}

static void answer_later(agent_house *h, http_exchange *x)
{
    static const http_field type = {"x-amzn-ErrorType", "ThrottlingException"};

    if (h->count < 3)
        answer_with(x, 429, "application/json", &type, 1, "{\"message\": \"slow\"}");
    else
        answer_json(h, x);
}

static void a_busy_service_is_asked_again(void **state)
{
    agent_house h = {0};
    ac_error err = {0};

    (void)state;
    agent_house_start(&h, answer_later, 3);
    must(ac_runtime_invoke_pack(h.client, ARN, NULL, NULL, &err, "{}"), &err);
    assert_int_equal(h.count, 3);
    assert_int_equal(h.verified, SIGV4_OK);
    agent_house_stop(&h);
}

static void keep(agent_house *h, http_exchange *x)
{
    h->held = x;
}

/* Nobody knows whether the agent has done it. */
static void an_agent_is_not_asked_twice(void **state)
{
    agent_house h = {0};
    ac_error err = {0};

    (void)state;
    agent_house_start(&h, keep, 3);
    assert_int_equal(
        ac_runtime_invoke_pack(h.client, ARN, &(ac_runtime_options){.read_timeout_ms = 200}, NULL, &err, "{}"),
        AC_ERR_TIMEOUT);
    agent_house_held(&h); /* it may come to the agent after the client has given up */
    assert_int_equal(agent_house_count(&h), 1);
    agent_house_stop(&h);
}

static void answer_text(agent_house *h, http_exchange *x)
{
    (void)h;
    answer_with(x, 200, "text/plain", NULL, 0, "plain words");
}

static void answers_that_are_not_json(void **state)
{
    agent_house h = {0};
    yyjson_doc *result = NULL;
    ac_error err = {0};

    (void)state;
    agent_house_start(&h, answer_text, 1);
    assert_int_equal(ac_runtime_invoke_pack(h.client, ARN, NULL, &result, &err, "{}"), AC_ERR_PROTOCOL);
    assert_null(result);
    assert_non_null(strstr(err.message, "the agent's answer (text/plain) is not JSON"));
    assert_int_equal(ac_runtime_invoke_pack(h.client, ARN, NULL, &result, &err, "{s", "k"), AC_ERR_INVALID);
    agent_house_stop(&h);
}

/* ---- the session's other calls ---- */

static void answer_empty(agent_house *h, http_exchange *x)
{
    (void)h;
    answer_with(x, 200, "application/json", NULL, 0, "{\"name\": \"agent\", \"skills\": []}");
}

static void stop_and_card(void **state)
{
    agent_house h = {0};
    yyjson_doc *card = NULL;
    ac_error err = {0};

    (void)state;
    agent_house_start(&h, answer_empty, 1);
    must(ac_runtime_stop_session(h.client, ARN, SESSION, &(ac_runtime_options){.qualifier = "prod"}, &err), &err);
    assert_string_equal(h.line, "POST /runtimes/" ENCODED_ARN "/stopruntimesession?qualifier=prod");
    assert_true(agent_house_saw(&h, AC_HEADER_SESSION_ID, SESSION));
    assert_non_null(strstr(h.body, "clientToken"));
    assert_int_equal(ac_runtime_stop_session(h.client, ARN, "short", NULL, &err), AC_ERR_INVALID);
    assert_int_equal(ac_runtime_stop_session(h.client, ARN, NULL, NULL, &err), AC_ERR_INVALID);
    assert_int_equal(
        ac_runtime_stop_session(h.client, ARN, SESSION, &(ac_runtime_options){.session_id = SESSION}, &err),
        AC_ERR_INVALID);

    must(ac_runtime_agent_card(h.client, ARN, NULL, &card, &err), &err);
    assert_string_equal(h.line, "GET /runtimes/" ENCODED_ARN "/invocations/.well-known/agent-card.json");
    assert_int_equal(h.verified, SIGV4_OK);
    assert_string_equal(ac_json_string(yyjson_doc_get_root(card), "name", ""), "agent");
    yyjson_doc_free(card);
    assert_int_equal(ac_runtime_agent_card(h.client, ARN, &(ac_runtime_options){.user_id = "u"}, &card, &err),
                     AC_ERR_INVALID);
    agent_house_stop(&h);
}

/* ---- an agent by itself ---- */

static void fail_by_itself(agent_house *h, http_exchange *x)
{
    (void)h;
    answer_with(x, 503, "application/json", NULL, 0, "{\"error\": \"it is tired\"}");
}

static void by_itself(void **state)
{
    agent_house h = {0};
    ac_runtime_answer *answer = NULL;
    ac_error err = {0};
    char url[sizeof h.endpoint];

    (void)state;
    agent_house_start(&h, answer_json, 3);
    snprintf(url, sizeof url, "%s", h.endpoint);
    must(ac_runtime_invoke(h.client, url, "{}", 2, &(ac_runtime_options){.session_id = SESSION}, &answer, &err), &err);
    assert_string_equal(answer->body, "{\"result\": \"a joke\"}");
    assert_string_equal(h.line, "POST /invocations");
    assert_true(agent_house_saw(&h, AC_HEADER_SESSION_ID, SESSION));
    assert_false(agent_house_saw(&h, "Authorization", NULL));
    assert_false(agent_house_saw(&h, "X-Amz-Date", NULL));
    ac_runtime_answer_free(answer);
    assert_int_equal(
        ac_runtime_invoke(h.client, url, "{}", 2, &(ac_runtime_options){.qualifier = "prod"}, &answer, &err),
        AC_ERR_INVALID);
    assert_int_equal(ac_runtime_invoke(h.client, "ftp://here", "{}", 2, NULL, &answer, &err), AC_ERR_INVALID);
    agent_house_stop(&h);

    h = (agent_house){0};
    agent_house_start(&h, fail_by_itself, 3);
    assert_int_equal(ac_runtime_invoke(h.client, h.endpoint, "{}", 2, NULL, &answer, &err), AC_ERR_HANDLER);
    assert_string_equal(err.message, "the agent answered with status 503: it is tired");
    assert_string_equal(err.aws_name, "RuntimeClientError");
    assert_int_equal(err.http_status, 503);
    assert_int_equal(agent_house_count(&h), 1); /* it is not asked again */
    agent_house_stop(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),
        cmocka_unit_test(every_option),
        cmocka_unit_test(bearer),
        cmocka_unit_test(options_that_are_refused),
        cmocka_unit_test(identity_is_passed_on),
        cmocka_unit_test(what_the_service_says),
        cmocka_unit_test(a_busy_service_is_asked_again),
        cmocka_unit_test(an_agent_is_not_asked_twice),
        cmocka_unit_test(answers_that_are_not_json),
        cmocka_unit_test(stop_and_card),
        cmocka_unit_test(by_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
