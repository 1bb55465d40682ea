/* test_api_vectors.c - what we send and read against what botocore sends and reads (vectors/api.json, made by
 * make_api_vectors.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api_helpers.h"
#include "aws/api_internal.h"

static yyjson_doc *vectors;

static int load(void **state)
{
    const char *source = getenv("AC_SOURCE_DIR");
    char path[4096];

    (void)state;
    snprintf(path, sizeof path, "%s/tests/aws/vectors/api.json", source ? source : ".");
    vectors = read_json_file(path);
    return vectors ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    yyjson_doc_free(vectors);
    return 0;
}

/* The bytes of a base64 member. */
static buf bytes_of(yyjson_val *object, const char *key)
{
    buf out = BUF_INIT(SIZE_MAX);
    const char *text = ac_json_string(object, key, "");
    size_t bytes;

    assert_true(base64_length(BASE64_STANDARD, text, strlen(text), &bytes));
    assert_int_equal(base64_decode(&out, BASE64_STANDARD, text, strlen(text)), AC_OK);
    assert_int_equal(out.length, bytes);
    return out;
}

/* Equal bytes, or equal JSON: botocore puts blanks into its JSON. */
static void assert_same_body(const char *name, const buf *expected, view got)
{
    if (view_equal((view){expected->data, expected->length}, got))
        return;
    yyjson_doc *a = yyjson_read(expected->data, expected->length, 0);
    yyjson_doc *b = yyjson_read(got.text, got.length, 0);
    if (!a || !b || !yyjson_equals(yyjson_doc_get_root(a), yyjson_doc_get_root(b)))
        fail_msg("%s: body %.*s is not %.*s", name, (int)got.length, got.text, (int)expected->length, expected->data);
    yyjson_doc_free(a);
    yyjson_doc_free(b);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The order of parameters is the caller's in botocore and the table's here, so both are sorted. */
static void assert_same_query(const char *name, yyjson_val *expected, buf *query)
{
    char *pairs[32], *rest = buf_terminate(query), *pair;
    size_t count = 0;

    while ((pair = strsep(&rest, "&")) != NULL && *pair != '\0')
        pairs[count++] = pair;
    qsort(pairs, count, sizeof *pairs, by_text);
    if (count != yyjson_arr_size(expected))
        fail_msg("%s: %zu parameters", name, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(pairs[i], yyjson_get_str(yyjson_arr_get(expected, i)));
}

static void assert_same_headers(const char *name, yyjson_val *expected, api_request *request)
{
    size_t index, count, length;
    yyjson_val *key, *value;

    yyjson_obj_foreach(expected, index, count, key, value)
    {
        const char *got = request_header(request, yyjson_get_str(key), &length);

        if (!got || strcmp(got, yyjson_get_str(value)) != 0)
            fail_msg("%s: header %s is %s", name, yyjson_get_str(key), got ? got : "not there");
    }
    assert_int_equal(request->header_count, count);
}

static void requests_are_those_of_botocore(void **state)
{
    size_t index, count;
    yyjson_val *item;

    (void)state;
    yyjson_arr_foreach(yyjson_doc_get_root(vectors), index, count, item)
    {
        _cleanup_(api_request_done) api_request request;
        const char *name = ac_json_string(item, "op", "");
        yyjson_val *expected = yyjson_obj_get(item, "request");
        _cleanup_(buf_done) buf body = bytes_of(expected, "body");
        ac_error err = {0};

        if (api_build(api_find(name), yyjson_obj_get(item, "input"), NULL, &request, &err) != AC_OK)
            fail_msg("%s: %s", name, err.message);
        assert_string_equal(request.method, ac_json_string(expected, "method", ""));
        assert_string_equal(buf_terminate(&request.path), ac_json_string(expected, "path", ""));
        assert_same_query(name, yyjson_obj_get(expected, "query"), &request.query);
        assert_same_headers(name, yyjson_obj_get(expected, "headers"), &request);
        assert_same_body(name, &body, request.body);
    }
    assert_true(count >= 40);
}

static void answers_are_read_as_by_botocore(void **state)
{
    size_t index, count, tried = 0;
    yyjson_val *item;

    (void)state;
    yyjson_arr_foreach(yyjson_doc_get_root(vectors), index, count, item)
    {
        yyjson_val *answer = yyjson_obj_get(item, "answer");
        _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *output = NULL;
        _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *expected = yyjson_mut_doc_new(NULL);
        const char *name = ac_json_string(item, "op", "");
        ac_error err = {0};

        if (!answer)
            continue;
        _cleanup_(buf_done) buf body = bytes_of(answer, "body");
        api_answer got = {
            .status = (int)ac_json_int(answer, "status", 0),
            .header = json_header,
            .data = yyjson_obj_get(answer, "headers"),
            .body = body.data,
            .body_length = body.length,
        };
        if (api_parse(api_find(name), &got, &output, &err) != AC_OK)
            fail_msg("%s: %s", name, err.message);
        yyjson_mut_doc_set_root(expected, yyjson_val_mut_copy(expected, yyjson_obj_get(answer, "output")));
        if (!yyjson_mut_equals(yyjson_mut_doc_get_root(expected), yyjson_mut_doc_get_root(output)))
            fail_msg("%s: %s is not %s", name, yyjson_mut_write(output, 0, NULL), yyjson_mut_write(expected, 0, NULL));
        tried++;
    }
    assert_true(tried >= 40);
}

/* The other way: from what botocore reads to an answer that is the same on the wire. */
static void answers_are_written_as_they_were(void **state)
{
    size_t index, count;
    yyjson_val *item;

    (void)state;
    yyjson_arr_foreach(yyjson_doc_get_root(vectors), index, count, item)
    {
        yyjson_val *answer = yyjson_obj_get(item, "answer");
        const api_operation *op = api_find(ac_json_string(item, "op", ""));
        _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *output = yyjson_mut_doc_new(NULL);
        _cleanup_(api_response_done) api_response response = {0};
        ac_error err = {0};
        size_t header_index, header_count, length;
        yyjson_val *key, *value;

        if (!answer)
            continue;
        _cleanup_(buf_done) buf body = bytes_of(answer, "body");
        yyjson_mut_doc_set_root(output, yyjson_val_mut_copy(output, yyjson_obj_get(answer, "output")));
        if (api_reply(op, output, SIZE_MAX, &response, &err) != AC_OK)
            fail_msg("%s: %s", api_name(op), err.message);
        assert_int_equal(response.status, ac_json_int(answer, "status", 0));
        if (op->out_body != API_BODY_BLOB)
            assert_same_body(api_name(op), &body, (view){response.body.data, response.body.length});

        api_request as_request = {.header_count = response.header_count};
        memcpy(as_request.headers, response.headers, sizeof response.headers);
        yyjson_obj_foreach(yyjson_obj_get(answer, "headers"), header_index, header_count, key, value)
        {
            const char *got = request_header(&as_request, yyjson_get_str(key), &length);

            assert_non_null(got);
            assert_string_equal(got, yyjson_get_str(value));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_those_of_botocore),
        cmocka_unit_test(answers_are_read_as_by_botocore),
        cmocka_unit_test(answers_are_written_as_they_were),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
