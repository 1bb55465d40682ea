/* test_rooms.c - the first rooms, end to end: signed requests in, answers out, on a fresh store. */
#include "rooms_client.h"

#include "base/clock.h"
#include "daemon/resources/arns.h"
#include "daemon/resources/canonical.h"
#include "daemon/resources/document.h"
#include "daemon/resources/transact.h"

#include <stdlib.h>

#define IDENTITY_ARN(region, name)                                                                                     \
    "arn:aws:bedrock-agentcore:" region ":" ROOMS_ACCOUNT ":workload-identity-directory/default/workload-identity/" name

static void create_identity(rooms *r, const char *name)
{
    rooms_good(r, "CreateWorkloadIdentity", rooms_format(r, "{\"name\": \"%s\"}", name));
}

static size_t urls_of(yyjson_mut_val *output)
{
    return yyjson_mut_arr_size(yyjson_mut_obj_get(output, "allowedResourceOauth2ReturnUrls"));
}

static int64_t number_of(yyjson_mut_val *output, const char *member)
{
    yyjson_mut_val *value = yyjson_mut_obj_get(output, member);

    assert_true(yyjson_mut_is_int(value));
    return yyjson_mut_get_sint(value);
}

/* ---- workload identities ---- */

static void identity_life(void **state)
{
    rooms *r = *state;
    int64_t before = clock_unix_ms();
    yyjson_mut_val *made, *got;

    made = rooms_good(r, "CreateWorkloadIdentity",
                      "{\"name\": \"agent_1\", \"allowedResourceOauth2ReturnUrls\": [\"https://a.test/cb\"]}");
    assert_string_equal(text_of(made, "name"), "agent_1");
    assert_string_equal(text_of(made, "workloadIdentityArn"), IDENTITY_ARN("us-west-2", "agent_1"));
    assert_int_equal(urls_of(made), 1);

    got = rooms_good(r, "GetWorkloadIdentity", "{\"name\": \"agent_1\"}");
    assert_string_equal(text_of(got, "workloadIdentityArn"), IDENTITY_ARN("us-west-2", "agent_1"));
    assert_int_equal(urls_of(got), 1);
    assert_true(number_of(got, "createdTime") / 1000 >= before / 1000);
    assert_int_equal(number_of(got, "createdTime"), number_of(got, "lastUpdatedTime"));

    got = rooms_good(r, "UpdateWorkloadIdentity", "{\"name\": \"agent_1\"}");
    assert_int_equal(urls_of(got), 1);
    got = rooms_good(r, "UpdateWorkloadIdentity",
                     "{\"name\": \"agent_1\", \"allowedResourceOauth2ReturnUrls\": [\"x:y\", \"https://b.test/\"]}");
    assert_int_equal(urls_of(got), 2);
    got = rooms_good(r, "UpdateWorkloadIdentity", "{\"name\": \"agent_1\", \"allowedResourceOauth2ReturnUrls\": []}");
    assert_int_equal(urls_of(got), 0);
    assert_true(number_of(got, "lastUpdatedTime") >= number_of(got, "createdTime"));

    rooms_good(r, "DeleteWorkloadIdentity", "{\"name\": \"agent_1\"}");
    rooms_bad(r, "GetWorkloadIdentity", "{\"name\": \"agent_1\"}", 404, "ResourceNotFoundException");
}

static void identity_errors(void **state)
{
    rooms *r = *state;
    rooms_answer answer;

    create_identity(r, "taken");
    answer = rooms_bad(r, "CreateWorkloadIdentity", "{\"name\": \"taken\"}", 400, "ValidationException");
    assert_non_null(strstr(answer.body, "already exists"));
    create_identity(r, "Taken");
    for (size_t i = 0; i < 3; i++) {
        static const char *const operations[] = {"GetWorkloadIdentity", "UpdateWorkloadIdentity",
                                                 "DeleteWorkloadIdentity"};
        rooms_bad(r, operations[i], "{\"name\": \"absent\"}", 404, "ResourceNotFoundException");
    }
}

/* One machine: who comes from another region sees the same resources, as his own region's. */
static void identity_regions(void **state)
{
    rooms *r = *state;
    yyjson_mut_val *got;

    create_identity(r, "everywhere");
    r->region = "eu-central-1";
    got = rooms_good(r, "GetWorkloadIdentity", "{\"name\": \"everywhere\"}");
    assert_string_equal(text_of(got, "workloadIdentityArn"), IDENTITY_ARN("eu-central-1", "everywhere"));
    rooms_bad(r, "CreateWorkloadIdentity", "{\"name\": \"everywhere\"}", 400, "ValidationException");
    rooms_good(r, "TagResource",
               "{\"resourceArn\": \"" IDENTITY_ARN("eu-central-1", "everywhere") "\", \"tags\": {\"a\": \"b\"}}");
    r->region = ROOMS_REGION;
    got = rooms_good(r, "ListTagsForResource", "{\"resourceArn\": \"" IDENTITY_ARN("us-west-2", "everywhere") "\"}");
    assert_int_equal(yyjson_mut_obj_size(yyjson_mut_obj_get(got, "tags")), 1);
    r->region = "nowhere";
    rooms_bad(r, "GetWorkloadIdentity", "{\"name\": \"everywhere\"}", 400, "ValidationException");
}

static yyjson_mut_val *page_of(rooms *r, size_t limit, const char *token)
{
    return rooms_good(r, "ListWorkloadIdentities",
                      token ? rooms_format(r, "{\"maxResults\": %zu, \"nextToken\": \"%s\"}", limit, token)
                            : rooms_format(r, "{\"maxResults\": %zu}", limit));
}

static void identity_pages(void **state)
{
    rooms *r = *state;
    const char *token = NULL;
    size_t seen[12] = {0}, pages = 0;

    for (int i = 0; i < 12; i++)
        create_identity(r, rooms_format(r, "agent-%02d", i));
    do {
        yyjson_mut_val *page = page_of(r, 5, token), *item;
        yyjson_mut_arr_iter walk;

        yyjson_mut_arr_iter_init(yyjson_mut_obj_get(page, "workloadIdentities"), &walk);
        assert_true(yyjson_mut_arr_size(walk.arr) <= 5);
        while ((item = yyjson_mut_arr_iter_next(&walk)) != NULL) {
            int number = atoi(text_of(item, "name") + strlen("agent-"));
            assert_non_null(text_of(item, "workloadIdentityArn"));
            if (number < 12)
                seen[number]++;
        }
        token = text_of(page, "nextToken");
        create_identity(r, rooms_format(r, "agent-%02zu", 20 + pages));
    } while (token && ++pages < 10);
    assert_null(token);
    for (int i = 0; i < 12; i++)
        assert_int_equal(seen[i], 1);

    for (int i = 40; i < 50; i++)
        create_identity(r, rooms_format(r, "agent-%02d", i));
    yyjson_mut_val *all = rooms_good(r, "ListWorkloadIdentities", "{}");
    assert_int_equal(yyjson_mut_arr_size(yyjson_mut_obj_get(all, "workloadIdentities")), 20);
    assert_non_null(text_of(all, "nextToken"));
}

static void bad_tokens(void **state)
{
    rooms *r = *state;
    const char *token;

    create_identity(r, "one");
    create_identity(r, "two");
    token = text_of(page_of(r, 1, NULL), "nextToken");
    assert_non_null(token);
    rooms_bad(r, "ListWorkloadIdentities", "{\"nextToken\": \"nonsense\"}", 400, "ValidationException");
    rooms_bad(r, "ListWorkloadIdentities", rooms_format(r, "{\"nextToken\": \"%.*sA\"}", (int)strlen(token) - 1, token),
              400, "ValidationException");
    rooms_bad(r, "ListBrowsers", rooms_format(r, "{\"nextToken\": \"%s\"}", token), 400, "ValidationException");
    rooms_bad(r, "ListWorkloadIdentities", "{\"maxResults\": 21}", 400, "ValidationException");
}

/* ---- tags and policies ---- */

#define ON(name) "\"resourceArn\": \"" IDENTITY_ARN("us-west-2", name) "\""

static size_t tag_count(rooms *r)
{
    yyjson_mut_val *got = rooms_good(r, "ListTagsForResource", "{" ON("tagged") "}");
    return yyjson_mut_obj_size(yyjson_mut_obj_get(got, "tags"));
}

static void tags(void **state)
{
    rooms *r = *state;
    yyjson_mut_val *got;

    rooms_good(r, "CreateWorkloadIdentity", "{\"name\": \"tagged\", \"tags\": {\"team\": \"a\", \"stage\": \"dev\"}}");
    rooms_good(r, "TagResource", "{" ON("tagged") ", \"tags\": {\"team\": \"b\", \"with space/+\": \"\"}}");
    got = yyjson_mut_obj_get(rooms_good(r, "ListTagsForResource", "{" ON("tagged") "}"), "tags");
    assert_int_equal(yyjson_mut_obj_size(got), 3);
    assert_string_equal(text_of(got, "team"), "b");
    assert_string_equal(text_of(got, "stage"), "dev");
    rooms_good(r, "UntagResource", "{" ON("tagged") ", \"tagKeys\": [\"team\", \"absent\", \"with space/+\"]}");
    assert_int_equal(tag_count(r), 1);

    rooms_good(r, "DeleteWorkloadIdentity", "{\"name\": \"tagged\"}");
    rooms_bad(r, "ListTagsForResource", "{" ON("tagged") "}", 404, "ResourceNotFoundException");
    create_identity(r, "tagged");
    assert_int_equal(tag_count(r), 0);
}

static void tag_limits(void **state)
{
    rooms *r = *state;
    buf map = BUF_INIT(8192);

    for (int i = 0; i < 50; i++)
        assert_int_equal(buf_appendf(&map, "%s\"k%d\": \"v\"", i ? ", " : "", i), AC_OK);
    assert_non_null(buf_terminate(&map));
    rooms_good(r, "CreateWorkloadIdentity", rooms_format(r, "{\"name\": \"tagged\", \"tags\": {%s}}", map.data));
    rooms_bad(r, "TagResource", "{" ON("tagged") ", \"tags\": {\"k1\": \"new\", \"one-more\": \"v\"}}", 402,
              "ServiceQuotaExceededException");
    assert_int_equal(tag_count(r), 50);
    rooms_good(r, "TagResource", "{" ON("tagged") ", \"tags\": {\"k1\": \"new\"}}");
    rooms_bad(r, "TagResource", rooms_format(r, "{" ON("tagged") ", \"tags\": {%s, \"k50\": \"v\"}}", map.data), 400,
              "ValidationException");
    rooms_bad(r, "TagResource", "{" ON("tagged") ", \"tags\": {\"AWS:mine\": \"v\"}}", 400, "ValidationException");
    rooms_bad(r, "CreateWorkloadIdentity", "{\"name\": \"other\", \"tags\": {\"aws:x\": \"v\"}}", 400,
              "ValidationException");
    rooms_bad(r, "GetWorkloadIdentity", "{\"name\": \"other\"}", 404, "ResourceNotFoundException");
    buf_done(&map);
}

static void unknown_arns(void **state)
{
    static const struct {
        const char *arn;
        int status;
    } cases[] = {
        {IDENTITY_ARN("us-west-2", "absent"), 404},
        {"arn:aws:bedrock-agentcore:us-west-2:210987654321:workload-identity-directory/default/workload-identity/here",
         404},
        {"arn:aws:bedrock-agentcore:us-west-2:" ROOMS_ACCOUNT ":no-such-kind/here", 404},
        {"arn:aws:bedrock-agentcore:us-west-2:" ROOMS_ACCOUNT ":workload-identity-directory/default", 404},
        {IDENTITY_ARN("us-west-2", "here") "/more/parts", 404},
        {"arn:aws:s3:us-west-2:" ROOMS_ACCOUNT ":workload-identity-directory/default/workload-identity/here", 400},
        {"arn:awsx:bedrock-agentcore:us-west-2:" ROOMS_ACCOUNT ":a/b", 400},
        {"arn:aws:bedrock-agentcore:x:" ROOMS_ACCOUNT ":a/b", 400},
        {"this is no ARN at all, but long", 400},
    };
    rooms *r = *state;

    create_identity(r, "here");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *name = cases[i].status == 404 ? "ResourceNotFoundException" : "ValidationException";
        const char *on = rooms_format(r, "{\"resourceArn\": \"%s\"}", cases[i].arn);

        rooms_bad(r, "ListTagsForResource", on, cases[i].status, name);
        rooms_bad(r, "GetResourcePolicy", on, cases[i].status, name);
        rooms_bad(r, "DeleteResourcePolicy", on, cases[i].status, name);
        rooms_bad(r, "PutResourcePolicy",
                  rooms_format(r, "{\"resourceArn\": \"%s\", \"policy\": \"{}\"}", cases[i].arn), cases[i].status,
                  name);
    }
}

static void policies(void **state)
{
    static const char policy[] = "{ \\\"Version\\\": \\\"2012-10-17\\\",\\n \\\"Statement\\\": [] }";
    static const char stored[] = "{ \"Version\": \"2012-10-17\",\n \"Statement\": [] }";
    static const char *const refused[] = {"no JSON", "[]", "{", "\\\"text\\\"", ""};
    rooms *r = *state;

    create_identity(r, "p-1");
    assert_null(text_of(rooms_good(r, "GetResourcePolicy", "{" ON("p-1") "}"), "policy"));
    for (size_t i = 0; i + 1 < ARRAY_SIZE(refused); i++)
        rooms_bad(r, "PutResourcePolicy", rooms_format(r, "{" ON("p-1") ", \"policy\": \"%s\"}", refused[i]), 400,
                  "ValidationException");
    rooms_bad(r, "PutResourcePolicy", rooms_format(r, "{" ON("p-1") ", \"policy\": \"{%20480s}\"}", ""), 400,
              "ValidationException");
    assert_string_equal(
        text_of(rooms_good(r, "PutResourcePolicy", rooms_format(r, "{" ON("p-1") ", \"policy\": \"%s\"}", policy)),
                "policy"),
        stored);
    assert_string_equal(text_of(rooms_good(r, "GetResourcePolicy", "{" ON("p-1") "}"), "policy"), stored);
    rooms_good(r, "PutResourcePolicy", "{" ON("p-1") ", \"policy\": \"{}\"}");
    assert_string_equal(text_of(rooms_good(r, "GetResourcePolicy", "{" ON("p-1") "}"), "policy"), "{}");
    rooms_good(r, "DeleteResourcePolicy", "{" ON("p-1") "}");
    rooms_good(r, "DeleteResourcePolicy", "{" ON("p-1") "}");
    assert_null(text_of(rooms_good(r, "GetResourcePolicy", "{" ON("p-1") "}"), "policy"));

    rooms_good(r, "PutResourcePolicy", "{" ON("p-1") ", \"policy\": \"{}\"}");
    rooms_good(r, "DeleteWorkloadIdentity", "{\"name\": \"p-1\"}");
    create_identity(r, "p-1");
    assert_null(text_of(rooms_good(r, "GetResourcePolicy", "{" ON("p-1") "}"), "policy"));
}

/* ---- built-in tools ---- */

static void check_tool(rooms *r, const char *what, const char *id, const char *arn_text)
{
    const char *lower = strcmp(what, "Browser") == 0 ? "browser" : "codeInterpreter";
    const char *get = rooms_format(r, "Get%s", what), *list = rooms_format(r, "List%ss", what);
    yyjson_mut_val *got = rooms_good(r, get, rooms_format(r, "{\"%sId\": \"%s\"}", lower, id)), *items;
    const char *summaries = rooms_format(r, "%sSummaries", lower);

    assert_string_equal(text_of(got, rooms_format(r, "%sArn", lower)), arn_text);
    assert_string_equal(text_of(got, "status"), "READY");
    assert_string_equal(text_of(yyjson_mut_obj_get(got, "networkConfiguration"), "networkMode"), "PUBLIC");
    number_of(got, "createdAt");

    items = yyjson_mut_obj_get(rooms_good(r, list, "{}"), summaries);
    assert_int_equal(yyjson_mut_arr_size(items), 1);
    assert_string_equal(text_of(yyjson_mut_arr_get_first(items), rooms_format(r, "%sId", lower)), id);
    items = yyjson_mut_obj_get(rooms_good(r, list, "{\"type\": \"SYSTEM\", \"maxResults\": 1}"), summaries);
    assert_int_equal(yyjson_mut_arr_size(items), 1);
    items = yyjson_mut_obj_get(rooms_good(r, list, "{\"type\": \"CUSTOM\"}"), summaries);
    assert_true(yyjson_mut_is_arr(items));
    assert_int_equal(yyjson_mut_arr_size(items), 0);

    rooms_bad(r, get, rooms_format(r, "{\"%sId\": \"mine-a1B2c3D4e5\"}", lower), 404, "ResourceNotFoundException");
    rooms_bad(r, get, rooms_format(r, "{\"%sId\": \"not an id\"}", lower), 400, "ValidationException");
    rooms_bad(r, list, "{\"type\": \"OTHER\"}", 400, "ValidationException");
    rooms_bad(r, list, "{\"nextToken\": \"x\"}", 400, "ValidationException");
}

static void tools(void **state)
{
    check_tool(*state, "Browser", "aws.browser.v1", "arn:aws:bedrock-agentcore:us-west-2:aws:browser/aws.browser.v1");
    check_tool(*state, "CodeInterpreter", "aws.codeinterpreter.v1",
               "arn:aws:bedrock-agentcore:us-west-2:aws:code-interpreter/aws.codeinterpreter.v1");
}

/* ---- clientToken replay, on an operation that a room of this test serves ---- */

#define THING                                                                                                          \
    "{\"name\": \"thing\", \"networkConfiguration\": {\"networkMode\": \"PUBLIC\"}, \"clientToken\": \"%s\"%s}"

static ac_status make_thing(store_tx *tx, front_call *call, void *arg, ac_error *err)
{
    const char *name = front_text(call, "name");
    resource r = {.key = resource_key_of(call, KIND_WORKLOAD_IDENTITY, NULL, name), .status = "READY", .body = "{}"};
    int64_t count;

    (void)arg;
    if (front_text(call, "description"))
        return ac_error_set(err, AC_ERR_DENIED, "not this one");
    AC_TRY(resource_count(tx, &r.key, &count, err));
    r.key.id = arena_copy(call->memory, "abcdef", (size_t)count + 1);
    r.name = r.key.id;
    AC_TRY(resource_create(tx, &r, err));
    AC_TRY(front_add_text(call, "browserId", r.key.id, err));
    AC_TRY(front_add_text(call, "browserArn", "arn", err));
    AC_TRY(front_add_time(call, "createdAt", r.created_ms, err));
    return front_add_text(call, "status", r.status, err);
}

static ac_status create_thing(front_call *call, ac_error *err)
{
    return transact_write(call->room, call, make_thing, NULL, err);
}

static void replay(void **state)
{
    static const front_operation operations[] = {{API_CREATE_BROWSER, create_thing, NULL, false}};
    static const char one[] = "11111111-1111-4111-8111-111111111111", two[] = "22222222-2222-4222-8222-222222222222";
    static const char sorted[] = "{\"clientToken\": \"11111111-1111-4111-8111-111111111111\", \"networkConfiguration\":"
                                 " {\"networkMode\": \"PUBLIC\"}, \"unknown\": 1, \"name\": \"thing\"}";
    rooms *r = *state;
    rooms_answer first, again;

    assert_int_equal(front_register(r->front, operations, 1, r->fixture->s), AC_OK);
    assert_int_equal(front_register(r->front, operations, 1, r->fixture->s), AC_ERR_CONFLICT);
    first = rooms_call(r, "CreateBrowser", rooms_format(r, THING, one, ""));
    assert_int_equal(first.status, 202);
    again = rooms_call(r, "CreateBrowser", rooms_format(r, THING, one, ""));
    assert_int_equal(again.status, 202);
    assert_string_equal(again.body, first.body);
    again = rooms_send(r, "PUT", "/browsers", NULL, sorted);
    assert_string_equal(again.body, first.body);
    assert_int_equal(fixture_number(r->fixture->s, "SELECT COUNT(*) FROM resources"), 1);

    again = rooms_bad(r, "CreateBrowser", rooms_format(r, THING, one, ", \"description\": \"x\""), 400,
                      "ValidationException");
    assert_string_equal(ac_json_string(again.json, "reason", ""), "IdempotentParameterMismatchException");
    again = rooms_call(r, "CreateBrowser", rooms_format(r, THING, two, ""));
    assert_int_equal(again.status, 202);
    assert_string_not_equal(again.body, first.body);

    /* What failed is not kept, and a failure does not use the token up. */
    rooms_bad(r, "CreateBrowser",
              rooms_format(r, THING, "33333333-3333-4333-8333-333333333333", ", \"description\": \"x\""), 403,
              "AccessDeniedException");
    again = rooms_call(r, "CreateBrowser", rooms_format(r, THING, "33333333-3333-4333-8333-333333333333", ""));
    assert_int_equal(again.status, 202);
    assert_int_equal(fixture_number(r->fixture->s, "SELECT COUNT(*) FROM resources"), 3);
}

/* Eight with one token at once have one effect and one answer; eight with one name and no token, one that made it. */
static void at_once(void **state)
{
    static const front_operation operations[] = {{API_CREATE_BROWSER, create_thing, NULL, false}};
    const char *same[8], *named[8];
    rooms_answer answers[8];
    rooms *r = *state;
    size_t made = 0;

    assert_int_equal(front_register(r->front, operations, 1, r->fixture->s), AC_OK);
    for (size_t i = 0; i < 8; i++) {
        same[i] = rooms_format(r, THING, "44444444-4444-4444-8444-444444444444", "");
        named[i] = "{\"name\": \"wanted\"}";
    }
    rooms_call_at_once(r, "CreateBrowser", same, 8, answers);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(answers[i].status, 202);
        assert_string_equal(answers[i].body, answers[0].body);
    }
    assert_int_equal(fixture_number(r->fixture->s, "SELECT COUNT(*) FROM resources"), 1);
    rooms_call_at_once(r, "CreateWorkloadIdentity", named, 8, answers);
    for (size_t i = 0; i < 8; i++) {
        assert_true(answers[i].status == 201 || answers[i].status == 400);
        made += answers[i].status == 201;
    }
    assert_int_equal(made, 1);
}

static void canonical(void **state)
{
    static const char text[] = "{\"b\": [3, {\"z\": null, \"y\": true}], \"a\": \"\\u00e9\", \"drop\": 1, \"ab\": {}}";
    yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
    yyjson_mut_doc *copy = yyjson_doc_mut_copy(doc, NULL);
    buf out = BUF_INIT(1024), tight = BUF_INIT(8);

    (void)state;
    assert_int_equal(canonical_write(&out, yyjson_mut_doc_get_root(copy), "drop"), AC_OK);
    assert_string_equal(buf_terminate(&out), "{\"a\":\"\xc3\xa9\",\"ab\":{},\"b\":[3,{\"y\":true,\"z\":null}]}");
    assert_int_equal(canonical_write(&tight, yyjson_mut_doc_get_root(copy), NULL), AC_ERR_TOO_LARGE);
    buf_done(&out);
    buf_done(&tight);
    yyjson_mut_doc_free(copy);
    yyjson_doc_free(doc);
}

/* ---- what the front refuses ---- */

static void expect(rooms_answer answer, int status, const char *name, const char *reason)
{
    if (answer.status != status || !answer.type || strcmp(answer.type, name) != 0)
        fail_msg("%d %s %s", answer.status, answer.type ? answer.type : "-", answer.body);
    if (reason)
        assert_string_equal(ac_json_string(answer.json, "reason", ""), reason);
}

static void refused_callers(void **state)
{
    rooms *r = *state;
    const char *make = "{\"name\": \"mine\"}";

    r->unsigned_requests = true;
    rooms_bad(r, "CreateWorkloadIdentity", make, 403, "MissingAuthenticationTokenException");
    r->unsigned_requests = false;
    r->use_secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    rooms_bad(r, "CreateWorkloadIdentity", make, 403, "InvalidSignatureException");
    r->use_secret = NULL;
    r->use_key = "AKIDEXAMPLE";
    rooms_bad(r, "CreateWorkloadIdentity", make, 403, "UnrecognizedClientException");
    r->use_key = NULL;
    rooms_bad(r, "GetWorkloadIdentity", make, 404, "ResourceNotFoundException");
}

static void refused_requests(void **state)
{
    rooms *r = *state;
    rooms_answer answer;
    yyjson_val *field;

    expect(rooms_send(r, "POST", "/no/such/path", NULL, "{}"), 404, "UnknownOperationException", NULL);
    expect(rooms_send(r, "GET", "/identities/GetWorkloadIdentity", NULL, NULL), 404, "UnknownOperationException", NULL);
    expect(rooms_send(r, "GET", "/gateways/", NULL, NULL), 501, "NotImplementedException", NULL);
    expect(rooms_send(r, "POST", "/identities/GetWorkloadIdentity", NULL, "{\"name\":"), 400, "ValidationException",
           "CannotParse");
    expect(rooms_send(r, "POST", "/identities/GetWorkloadIdentity", NULL, "{}"), 400, "ValidationException",
           "FieldValidationFailed");
    answer = rooms_send(r, "POST", "/identities/CreateWorkloadIdentity", NULL,
                        "{\"name\": \"a b c\", \"allowedResourceOauth2ReturnUrls\": [\"https://ok.test\", 5]}");
    expect(answer, 400, "ValidationException", "FieldValidationFailed");
    assert_int_equal(yyjson_arr_size(yyjson_obj_get(answer.json, "fieldList")), 2);
    field = yyjson_arr_get_first(yyjson_obj_get(answer.json, "fieldList"));
    assert_string_equal(ac_json_string(field, "name", ""), "name");
    assert_true(*ac_json_string(field, "message", ""));
    assert_int_equal(fixture_number(r->fixture->s, "SELECT COUNT(*) FROM resources"), 0);
}

#define ROOMS_TEST(name) cmocka_unit_test_setup_teardown(name, rooms_set_up, rooms_tear_down)

int main(void)
{
    const struct CMUnitTest all[] = {
        ROOMS_TEST(identity_life),   ROOMS_TEST(identity_errors), ROOMS_TEST(identity_regions),
        ROOMS_TEST(identity_pages),  ROOMS_TEST(bad_tokens),      ROOMS_TEST(tags),
        ROOMS_TEST(tag_limits),      ROOMS_TEST(unknown_arns),    ROOMS_TEST(policies),
        ROOMS_TEST(tools),           ROOMS_TEST(replay),          ROOMS_TEST(at_once),
        cmocka_unit_test(canonical), ROOMS_TEST(refused_callers), ROOMS_TEST(refused_requests),
    };

    fixture_require();
    return cmocka_run_group_tests(all, NULL, NULL);
}
