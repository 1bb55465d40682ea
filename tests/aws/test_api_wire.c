/* test_api_wire.c - requests and answers that no generated case reaches: broken requests, members in the wrong place,
 * values that settle, answers that are errors, events, inputs that clients refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_helpers.h"

static yyjson_mut_doc *mutable_doc(const char *text)
{
    yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
    yyjson_mut_doc *copy = yyjson_doc_mut_copy(doc, NULL);

    assert_non_null(copy);
    yyjson_doc_free(doc);
    return copy;
}

static void assert_doc(yyjson_mut_doc *doc, const char *expected)
{
    char *text = yyjson_mut_write(doc, 0, NULL);

    assert_string_equal(text, expected);
    free(text);
}

/* ---- requests that come ---- */

typedef struct incoming {
    const char *query;
    const char *headers; /* JSON */
    const char *body;
} incoming;

static ac_status collect(api_method method, const char *path, incoming in, api_input *ret, ac_error *err)
{
    api_route route;
    yyjson_doc *headers = in.headers ? yyjson_read(in.headers, strlen(in.headers), 0) : NULL;
    api_source source = {
        .query = in.query,
        .query_length = in.query ? strlen(in.query) : 0,
        .header = headers ? json_header : NULL,
        .data = yyjson_doc_get_root(headers),
        .body = in.body,
        .body_length = in.body ? strlen(in.body) : 0,
    };

    assert_int_equal(api_route_find(method, path, strlen(path), &route), API_ROUTE_FOUND);
    ac_status status = api_collect(&route, &source, ret, err);
    yyjson_doc_free(headers);
    return status;
}

static void assert_collected(api_method method, const char *path, incoming in, const char *expected)
{
    _cleanup_(api_input_done) api_input input = {0};

    assert_int_equal(collect(method, path, in, &input, NULL), AC_OK);
    assert_doc(input.doc, expected);
}

static void members_come_from_their_places(void **state)
{
    (void)state;
    assert_collected(API_POST, "/memories/m%2F1/events",
                     (incoming){.body = "{\"memoryId\":\"stolen\",\"actorId\":\"a\",\"new\":1}"},
                     "{\"memoryId\":\"m/1\",\"actorId\":\"a\"}");
    assert_collected(API_POST, "/runtimes/",
                     (incoming){.query = "maxResults=5&nextToken=a+b%20c&X-Amz-Date=x&maxResults=6&&nextToken",
                                .body = "{\"maxResults\":7}"},
                     "{\"maxResults\":5,\"nextToken\":\"a+b c\"}");
    assert_collected(API_POST, "/runtimes/", (incoming){.query = "maxResults=abc"}, "{\"maxResults\":\"abc\"}");
    assert_collected(API_POST, "/runtimes/", (incoming){.query = "maxResults=99999999999999999999"},
                     "{\"maxResults\":\"99999999999999999999\"}");
    assert_collected(API_DELETE, "/tags/arn", (incoming){.query = "tagKeys=a&tagKeys=b%26"},
                     "{\"resourceArn\":\"arn\",\"tagKeys\":[\"a\",\"b&\"]}");
    assert_collected(API_GET, "/browsers/b/sessions/get",
                     (incoming){.query = "sessionId=s", .headers = "{\"Accept\":\"\"}"},
                     "{\"browserIdentifier\":\"b\",\"sessionId\":\"s\"}");
}

static void broken_requests_cannot_be_parsed(void **state)
{
    static const struct {
        const char *path;
        incoming in;
    } rows[] = {
        {"/memories/m/events", {.body = "{"}},
        {"/memories/m/events", {.body = "[]"}},
        {"/memories/m/events", {.body = "{\"a\":\"\xff\"}"}},
        {"/memories/%zz/events", {.body = "{}"}},
        {"/memories/%ff/events", {.body = "{}"}},
        {"/memories/m%2/events", {.body = "{}"}},
        {"/runtimes/", {.query = "maxResults=%"}},
        {"/runtimes/", {.query = "max%ffResults=1"}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        api_input input;
        ac_error err = {0};

        assert_int_equal(collect(API_POST, rows[i].path, rows[i].in, &input, &err), AC_ERR_PROTOCOL);
        assert_string_equal(err.aws_name, "ValidationException");
        assert_null(input.doc);
    }
}

static void check(const char *path, const char *body, const char *expected_name, const char *expected_doc)
{
    _cleanup_(api_input_done) api_input input = {0};
    _cleanup_(api_problems_done) api_problems problems = API_PROBLEMS_INIT;
    api_route route;
    ac_error err = {0};

    assert_int_equal(api_route_find(API_POST, path, strlen(path), &route), API_ROUTE_FOUND);
    assert_int_equal(collect(API_POST, path, (incoming){.body = body}, &input, &err), AC_OK);
    ac_status status = api_validate(route.op, &input, &problems, &err);
    if (expected_name) {
        assert_int_equal(status, AC_ERR_INVALID);
        assert_string_equal(problems.items[0].name, expected_name);
    } else {
        if (status != AC_OK)
            fail_msg("%s", err.message);
        assert_doc(input.doc, expected_doc);
    }
}

#define EVENT "/memories/memory-0123456789/events"
#define EVENT_START "{\"actorId\":\"a\",\"eventTimestamp\":1767323045.25,\"payload\":["

static void validation_settles_the_value(void **state)
{
    (void)state;
    check(EVENT, EVENT_START "{\"blob\":{\"deep\":[null,1.5]},\"odd\":1}],\"sessionId\":null,\"actorId\":\"b\"}", NULL,
          "{\"memoryId\":\"memory-0123456789\",\"actorId\":\"a\",\"eventTimestamp\":1767323045250,"
          "\"payload\":[{\"blob\":{\"deep\":[null,1.5]}}]}");
    check(EVENT, "{\"actorId\":\"a\",\"eventTimestamp\":\"2026-01-02T03:04:05Z\",\"payload\":[]}", "eventTimestamp",
          NULL);
    check(EVENT, EVENT_START "{}]}", "payload[0]", NULL);
    check(EVENT, EVENT_START "{\"blob\":1,\"conversational\":null}]}", NULL,
          "{\"memoryId\":\"memory-0123456789\",\"actorId\":\"a\",\"eventTimestamp\":1767323045250,"
          "\"payload\":[{\"blob\":1}]}");
    check(EVENT, EVENT_START "null]}", "payload[0]", NULL);
    check(EVENT, "{\"actorId\":\"a\",\"eventTimestamp\":1e300,\"payload\":[]}", "eventTimestamp", NULL);
}

static void problems_are_bounded(void **state)
{
    _cleanup_(api_input_done) api_input input = {.doc = mutable_doc("{\"memoryStrategies\":[]}")};
    _cleanup_(api_problems_done) api_problems problems = API_PROBLEMS_INIT;
    yyjson_mut_val *list = yyjson_mut_arr(input.doc);
    ac_error err = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        yyjson_mut_arr_add_int(input.doc, list, i);
    yyjson_mut_obj_add_val(input.doc, yyjson_mut_doc_get_root(input.doc), "payload", list);
    assert_int_equal(api_validate(api_get(API_CREATE_EVENT), &input, &problems, &err), AC_ERR_INVALID);
    assert_in_range(problems.count, 2, API_PROBLEMS_MAX);
    assert_true(strlen(err.message) < sizeof err.message);

    char text[30];
    api_problems_text(&problems, text, sizeof text);
    assert_int_equal(strlen(text), sizeof text - 1);
}

/* ---- errors and events ---- */

static void failures_are_written_and_read(void **state)
{
    _cleanup_(api_problems_done) api_problems problems = API_PROBLEMS_INIT;
    _cleanup_(api_response_done) api_response response = {0};
    api_failure failure = {.name = "ValidationException",
                           .message = "bad \"x\"",
                           .reason = "FieldValidationFailed",
                           .problems = &problems};
    ac_error err = {0};

    (void)state;
    problems.items[problems.count++] = (api_problem){"a.b", "Member must not be null"};
    assert_int_equal(api_error_reply(&failure, &response), AC_OK);
    assert_int_equal(response.status, 400);
    assert_string_equal(buf_terminate(&response.body),
                        "{\"message\":\"bad \\\"x\\\"\",\"reason\":\"FieldValidationFailed\",\"fieldList\":[{\"name\":"
                        "\"a.b\",\"message\":\"Member must not be null\"}]}");

    api_request headers = {.header_count = response.header_count};
    memcpy(headers.headers, response.headers, sizeof response.headers);
    api_answer answer = {response.status, request_header, &headers, response.body.data, response.body.length, false};
    assert_int_equal(api_parse_error(&answer, &err), AC_ERR_INVALID);
    assert_string_equal(err.aws_name, "ValidationException");
    assert_string_equal(err.message, "bad \"x\"");
    assert_int_equal(err.http_status, 400);
}

static void assert_error(int http, const char *headers, const char *body, ac_status status, const char *name)
{
    yyjson_doc *doc = yyjson_read(headers, strlen(headers), 0);
    api_answer answer = {http, json_header, yyjson_doc_get_root(doc), body, strlen(body), false};
    yyjson_mut_doc *output;
    ac_error err = {0};

    assert_int_equal(api_parse(api_get(API_GET_MEMORY), &answer, &output, &err), status);
    assert_string_equal(err.aws_name, name);
    assert_int_equal(err.http_status, http);
    assert_true(err.message[0] != '\0');
    assert_null(output);
    yyjson_doc_free(doc);
}

static void error_names_come_from_header_then_body(void **state)
{
    (void)state;
    assert_error(404, "{\"X-Amzn-ErrorType\":\"ResourceNotFoundException:http://x/\"}", "{\"code\":\"Other\"}",
                 AC_ERR_NOT_FOUND, "ResourceNotFoundException");
    assert_error(429, "{}", "{\"code\":\"ThrottledException\",\"__type\":\"x\"}", AC_ERR_THROTTLED,
                 "ThrottledException");
    assert_error(409, "{}", "{\"__type\":\"com.amazon#ConflictException\"}", AC_ERR_CONFLICT, "ConflictException");
    assert_error(500, "{}", "<html>", AC_ERR_INTERNAL, "");
    assert_error(503, "{}", "", AC_ERR_AGAIN, "");
    assert_error(402, "{}", "[1]", AC_ERR_QUOTA, "");
    assert_error(302, "{}", "", AC_ERR_PROTOCOL, "");
}

static void error_names_fit_the_operation(void **state)
{
    (void)state;
    assert_string_equal(api_error_name(api_get(API_CREATE_EVENT), AC_ERR_THROTTLED), "ThrottledException");
    assert_string_equal(api_error_name(api_get(API_CREATE_EVENT), AC_ERR_INTERNAL), "ServiceException");
    assert_string_equal(api_error_name(api_get(API_GET_BROWSER), AC_ERR_INTERNAL), "InternalServerException");
    assert_string_equal(api_error_name(api_get(API_CREATE_WORKLOAD_IDENTITY), AC_ERR_CONFLICT), "ValidationException");
    assert_string_equal(api_error_name(NULL, AC_ERR_NOT_FOUND), "ResourceNotFoundException");
    assert_string_equal(api_error_name(api_find("CreateGateway"), AC_ERR_UNSUPPORTED), "NotImplementedException");
    assert_int_equal(api_error_status("RuntimeClientError"), 424);
    assert_int_equal(api_error_status("NoSuch"), 0);
    assert_null(api_find("NoSuch"));
}

static void events_take_plain_form_and_back(void **state)
{
    const api_operation *op = api_get(API_INVOKE_CODE_INTERPRETER);
    const char *text = "{\"content\":[{\"type\":\"text\",\"text\":\"1\"}],\"isError\":false}";
    _cleanup_(buf_done) buf out = BUF_INIT(1000);
    yyjson_mut_doc *value;

    (void)state;
    assert_int_equal(api_event_read(op, "result", strlen("result"), text, strlen(text), &value, NULL), AC_OK);
    assert_int_equal(api_event_write(op, "result", value, &out, NULL), AC_OK);
    assert_string_equal(buf_terminate(&out), text);
    assert_int_equal(api_event_write(op, "other", value, &out, NULL), AC_ERR_INVALID);
    assert_int_equal(api_event_write(api_get(API_GET_MEMORY), "result", value, &out, NULL), AC_ERR_INVALID);
    yyjson_mut_doc_free(value);
}

static void deleted_is_204_without_a_body(void **state)
{
    _cleanup_(api_response_done) api_response response = {0};

    (void)state;
    assert_int_equal(api_reply(api_get(API_DELETE_WORKLOAD_IDENTITY), NULL, 1000, &response, NULL), AC_OK);
    assert_int_equal(response.status, 204);
    assert_int_equal(response.body.length, 0);
    assert_int_equal(response.header_count, 0);
}

static void answers_never_carry_what_is_not_described(void **state)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *output = mutable_doc(
        "{\"memory\":{\"id\":\"m\",\"secret\":\"s\",\"createdAt\":1500,\"failureReason\":null},\"internal\":1}");
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *bad = mutable_doc("{\"memory\":{\"createdAt\":\"soon\"}}");
    _cleanup_(api_response_done) api_response response = {0}, none = {0};

    (void)state;
    assert_int_equal(api_reply(api_get(API_GET_MEMORY), output, 1000, &response, NULL), AC_OK);
    assert_string_equal(buf_terminate(&response.body), "{\"memory\":{\"id\":\"m\",\"createdAt\":1.5}}");
    assert_int_equal(api_reply(api_get(API_GET_MEMORY), bad, 1000, &none, NULL), AC_ERR_INTERNAL);
}

/* ---- requests of ours ---- */

static void assert_refused(api_id id, const char *input, const char *part)
{
    yyjson_doc *doc = yyjson_read(input, strlen(input), 0);
    api_request request;
    ac_error err = {0};

    assert_int_equal(api_build(api_get(id), yyjson_doc_get_root(doc), NULL, &request, &err), AC_ERR_INVALID);
    if (!strstr(err.message, part))
        fail_msg("%s does not say %s", err.message, part);
    yyjson_doc_free(doc);
}

static void wrong_inputs_are_refused_with_the_member(void **state)
{
    (void)state;
    assert_refused(API_GET_MEMORY, "{}", "memoryId");
    assert_refused(API_GET_MEMORY, "[]", "not an object");
    assert_refused(API_GET_MEMORY, "{\"memoryId\":\"short\"}", "memoryId");
    assert_refused(API_GET_MEMORY, "{\"memoryId\":\"memory-0123456789\",\"memoryName\":\"x\"}", "memoryName");
    assert_refused(API_GET_MEMORY, "{\"memoryId\":5}", "memoryId");
    assert_refused(API_CREATE_EVENT,
                   "{\"memoryId\":\"memory-0123456789\",\"actorId\":\"a\",\"payload\":[],\"eventTimestamp\":\"soon\"}",
                   "eventTimestamp");
    assert_refused(API_INVOKE_AGENT_RUNTIME,
                   "{\"agentRuntimeArn\":\"x\",\"payload\":\"eA==\",\"accept\":\"a\\r\\nb: c\"}", "accept");
    assert_refused(API_INVOKE_AGENT_RUNTIME, "{\"agentRuntimeArn\":\"\",\"payload\":\"eA==\"}", "agentRuntimeArn");
}

static void payload_travels_beside_the_json(void **state)
{
    const char *input = "{\"agentRuntimeArn\":\"arn:x/y\"}";
    yyjson_doc *doc = yyjson_read(input, strlen(input), 0);
    view payload = {"\0\1\2", 3};
    _cleanup_(api_request_done) api_request request;
    size_t length = 0;

    (void)state;
    assert_int_equal(api_build(api_get(API_INVOKE_AGENT_RUNTIME), yyjson_doc_get_root(doc), &payload, &request, NULL),
                     AC_OK);
    assert_ptr_equal(request.body.text, payload.text);
    assert_string_equal(buf_terminate(&request.path), "/runtimes/arn%3Ax%2Fy/invocations");
    assert_non_null(request_header(&request, "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id", &length));
    assert_int_equal(length, 36);
    yyjson_doc_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_come_from_their_places),
        cmocka_unit_test(broken_requests_cannot_be_parsed),
        cmocka_unit_test(validation_settles_the_value),
        cmocka_unit_test(problems_are_bounded),
        cmocka_unit_test(failures_are_written_and_read),
        cmocka_unit_test(error_names_come_from_header_then_body),
        cmocka_unit_test(error_names_fit_the_operation),
        cmocka_unit_test(events_take_plain_form_and_back),
        cmocka_unit_test(deleted_is_204_without_a_body),
        cmocka_unit_test(answers_never_carry_what_is_not_described),
        cmocka_unit_test(wrong_inputs_are_refused_with_the_member),
        cmocka_unit_test(payload_travels_beside_the_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
