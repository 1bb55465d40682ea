/* test_api_cases.c - every operation of the table, there and back; and every limit of every input, broken alone.
 *
 * The cases come from make_api_cases.py, which reads the same table: what is tested is that both ends agree and that no
 * limit is forgotten.  Whether the table agrees with AWS clients is the business of test_api_vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_helpers.h"
#include "aws/api_internal.h"

static const char *cases_path;

typedef struct fixture {
    yyjson_doc *doc;
    yyjson_val *cases;
    yyjson_val *known;
} fixture;

static int load(void **state)
{
    static fixture f;

    f.doc = read_json_file(cases_path);
    f.cases = yyjson_obj_get(yyjson_doc_get_root(f.doc), "cases");
    f.known = yyjson_obj_get(yyjson_doc_get_root(f.doc), "known");
    *state = &f;
    return f.doc ? 0 : -1;
}

static int unload(void **state)
{
    yyjson_doc_free(((fixture *)*state)->doc);
    return 0;
}

/* Tokens, and the Content-Type that a body of JSON brings with it. */
static bool is_made_by_client(const api_operation *op, const char *name)
{
    const api_member *member = api_member_find(&api_shapes[op->input], name, strlen(name));

    return member && (member->flags & API_MEMBER_TOKEN || strcmp(api_text(member->wire), "Content-Type") == 0);
}

static const char *blob_name(const api_operation *op)
{
    return op->in_body == API_BODY_BLOB ? api_text(api_members[api_shapes[op->input].first + op->in_payload].name) : "";
}

static void assert_same_value(yyjson_val *expected, yyjson_mut_val *got, const char *where)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *copy = yyjson_val_mut_copy(doc, expected);

    if (!got || !yyjson_mut_equals(copy, got))
        fail_msg("%s: %s is not %s", where, got ? yyjson_mut_val_write(got, 0, NULL) : "nothing",
                 yyjson_val_write(expected, 0, NULL));
    yyjson_mut_doc_free(doc);
}

/* The collected input has what was sent, and beyond that only what clients add. */
static void assert_same_input(const api_operation *op, yyjson_val *sent, const api_input *got)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(got->doc);
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_mut_val *mut_key, *mut_value;

    yyjson_obj_foreach(sent, index, count, key, value)
    {
        if (strcmp(yyjson_get_str(key), blob_name(op)) == 0)
            assert_string_equal(yyjson_get_str(value), "eA==");
        else
            assert_same_value(value, yyjson_mut_obj_get(root, yyjson_get_str(key)), api_name(op));
    }
    yyjson_mut_obj_foreach(root, index, count, mut_key, mut_value)
    {
        const char *name = yyjson_mut_get_str(mut_key);

        if (!yyjson_obj_get(sent, name) && !is_made_by_client(op, name))
            fail_msg("%s: %s came from nowhere", api_name(op), name);
    }
    if (op->in_body == API_BODY_BLOB)
        assert_true(view_is(got->payload, "x"));
}

static void there_and_back(const api_operation *op, yyjson_val *input)
{
    _cleanup_(api_request_done) api_request request;
    _cleanup_(api_problems_done) api_problems problems = API_PROBLEMS_INIT;
    _cleanup_(api_input_done) api_input collected = {0};
    api_route route;
    ac_error err = {0};

    if (api_build(op, input, NULL, &request, &err) != AC_OK)
        fail_msg("%s: %s", api_name(op), err.message);
    assert_int_equal(route_request(&request, &route), API_ROUTE_FOUND);
    assert_ptr_equal(route.op, op);

    api_source source = source_of(&request);
    if (api_collect(&route, &source, &collected, &err) != AC_OK)
        fail_msg("%s: %s", api_name(op), err.message);
    if (api_validate(op, &collected, &problems, &err) != AC_OK)
        fail_msg("%s: %s", api_name(op), err.message);
    assert_same_input(op, input, &collected);
}

static void every_operation_goes_there_and_back(void **state)
{
    const fixture *f = *state;
    size_t index, count;
    yyjson_val *item;

    assert_int_equal(yyjson_arr_size(f->cases), API_DESCRIBED_COUNT);
    yyjson_arr_foreach(f->cases, index, count, item)
    {
        const char *name = ac_json_string(item, "op", "");
        const api_operation *op = api_find(name);

        if (!op || !op->described)
            fail_msg("%s is not described", name);
        there_and_back(op, yyjson_obj_get(item, "input"));
        there_and_back(op, yyjson_obj_get(item, "full"));
    }
}

/* A name that is too long is cut. */
static bool is_named(const api_problems *problems, const char *name)
{
    const char *got = problems->count == 1 ? problems->items[0].name : "";

    return strcmp(got, name) == 0 ||
           (strlen(name) > API_PROBLEM_NAME_MAX && *got && strncmp(got, name, strlen(got)) == 0);
}

static void assert_one_problem(const api_operation *op, yyjson_val *bad)
{
    _cleanup_(api_problems_done) api_problems problems = API_PROBLEMS_INIT;
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    const char *name = ac_json_string(bad, "name", "");
    api_input input = {.doc = doc};
    ac_error err = {0};

    if (op->in_body == API_BODY_BLOB)
        input.payload = view_of("x");
    yyjson_mut_doc_set_root(doc, yyjson_val_mut_copy(doc, yyjson_obj_get(bad, "input")));
    ac_status status = api_validate(op, &input, &problems, &err);
    if (status != AC_ERR_INVALID || !is_named(&problems, name))
        fail_msg("%s, where %s is bad: %zu problems, the first is %s: %s", api_name(op), name, problems.count,
                 problems.count > 0 ? problems.items[0].name : "none",
                 problems.count > 0 ? problems.items[0].message : "");
    assert_string_equal(err.aws_name, "ValidationException");
    assert_non_null(strstr(err.message, "1 validation error detected"));
}

static void every_broken_limit_is_named(void **state)
{
    const fixture *f = *state;
    size_t index, count, bad_index, bad_count, total = 0;
    yyjson_val *item, *bad;

    yyjson_arr_foreach(f->cases, index, count, item)
    {
        const api_operation *op = api_find(ac_json_string(item, "op", ""));

        yyjson_arr_foreach(yyjson_obj_get(item, "bad"), bad_index, bad_count, bad)
        {
            assert_one_problem(op, bad);
            total++;
        }
    }
    assert_true(total > 2000);
}

static void known_operations_are_found_and_not_described(void **state)
{
    const fixture *f = *state;
    size_t index, count, plane, planes, total = 0;
    yyjson_val *name, *http, *plane_name, *names;

    yyjson_obj_foreach(f->known, plane, planes, plane_name, names)
    {
        yyjson_obj_foreach(names, index, count, name, http)
        {
            const api_operation *op = api_find(yyjson_get_str(name));
            const char *text = yyjson_get_str(http), *space = strchr(text, ' ');
            api_method method;
            api_route route;

            assert_non_null(op);
            assert_false(op->described);
            assert_true(api_method_find(text, (size_t)(space - text), &method));
            assert_int_equal(api_route_find(method, space + 1, strlen(space + 1), &route), API_ROUTE_FOUND);
            assert_ptr_equal(route.op, op);
            total++;
        }
    }
    assert_int_equal(total + API_DESCRIBED_COUNT, API_OPERATION_COUNT);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_goes_there_and_back),
        cmocka_unit_test(every_broken_limit_is_named),
        cmocka_unit_test(known_operations_are_found_and_not_described),
    };

    if (argc != 2) {
        fprintf(stderr, "usage: %s CASES.json\n", argv[0]);
        return 2;
    }
    cases_path = argv[1];
    return cmocka_run_group_tests(tests, load, unload);
}
