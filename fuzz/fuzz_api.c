/* fuzz_api.c - a request from a stranger through router, collector and validator, and what comes out of it back through
 * the client's side.
 *
 * The input is text: "METHOD path?query\n", "name: value\n" lines, an empty line, and the body.  What was accepted must
 * build into a request that is routed to the same operation and accepted again, with the same members. */
#include "aws/api.h"

#include <stdlib.h>
#include <strings.h>

#define HEADERS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct incoming {
    view method, path, query, body;
    view names[HEADERS_MAX], values[HEADERS_MAX];
    size_t header_count;
} incoming;

static void require(bool condition)
{
    if (!condition)
        abort();
}

static const char *incoming_header(void *data, const char *name, size_t *ret_length)
{
    const incoming *in = data;

    for (size_t i = 0; i < in->header_count; i++) {
        if (in->names[i].length == strlen(name) && strncasecmp(in->names[i].text, name, strlen(name)) == 0) {
            *ret_length = in->values[i].length;
            return in->values[i].text;
        }
    }
    return NULL;
}

static const char *request_header(void *data, const char *name, size_t *ret_length)
{
    const api_request *request = data;

    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0) {
            *ret_length = strlen(request->headers[i].value);
            return request->headers[i].value;
        }
    }
    return NULL;
}

static incoming parse(view text)
{
    incoming in = {0};
    view line, target;

    view_split(&text, '\n', &line);
    view_split(&line, ' ', &in.method);
    target = line.text ? line : (view){"", 0};
    view_split(&target, '?', &in.path);
    in.query = target;
    while (view_split(&text, '\n', &line) && line.length > 0) {
        view name;

        view_split(&line, ':', &name);
        if (!line.text || in.header_count == HEADERS_MAX)
            continue;
        in.names[in.header_count] = name;
        in.values[in.header_count++] = line;
    }
    in.body = text.text ? text : (view){"", 0};
    return in;
}

/* Collect and validate; the input is to be released when it is true. */
static bool accept(const api_route *route, const api_source *source, api_input *ret_input)
{
    api_problems problems = API_PROBLEMS_INIT;
    ac_error err = {0};

    ac_status status = api_collect(route, source, ret_input, &err);
    if (status != AC_OK) {
        require(err.message[0] != '\0' && !ret_input->doc);
        return false;
    }
    status = api_validate(route->op, ret_input, &problems, &err);
    require((status == AC_OK) == (problems.count == 0) && problems.count <= API_PROBLEMS_MAX);
    for (size_t i = 0; i < problems.count; i++)
        require(strlen(problems.items[i].name) <= API_PROBLEM_NAME_MAX && problems.items[i].message[0] != '\0');
    api_problems_done(&problems);
    if (status != AC_OK)
        api_input_done(ret_input);
    return status == AC_OK;
}

/* Members of the first input are all in the second, with the same values; the client adds tokens. */
static void require_same(const api_input *first, const api_input *second)
{
    yyjson_mut_obj_iter members;
    yyjson_mut_val *key;

    yyjson_mut_obj_iter_init(yyjson_mut_doc_get_root(first->doc), &members);
    while ((key = yyjson_mut_obj_iter_next(&members)) != NULL) {
        char *a = yyjson_mut_val_write(yyjson_mut_obj_iter_get_val(key), 0, NULL);
        char *b = yyjson_mut_val_write(
            yyjson_mut_obj_get(yyjson_mut_doc_get_root(second->doc), yyjson_mut_get_str(key)), 0, NULL);

        require(a && b && strcmp(a, b) == 0);
        free(a);
        free(b);
    }
    require(view_equal(first->payload, second->payload));
}

static void send_again(const api_operation *op, const api_input *input)
{
    yyjson_doc *plain = yyjson_mut_doc_imut_copy(input->doc, NULL);
    api_request request;
    api_route route;
    api_input again;
    api_method method;

    /* A header may hold what a client refuses to send. */
    if (api_build(op, yyjson_doc_get_root(plain), input->payload.text ? &input->payload : NULL, &request, NULL) ==
        AC_OK) {
        api_source source = {request.query.data, request.query.length, request_header,
                             &request,           request.body.text,    request.body.length};

        require(api_method_find(request.method, strlen(request.method), &method));
        require(api_route_find(method, request.path.data, request.path.length, &route) == API_ROUTE_FOUND);
        require(route.op == op);
        require(accept(&route, &source, &again));
        require_same(input, &again);
        api_input_done(&again);
        api_request_done(&request);
    }
    yyjson_doc_free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    incoming in = parse((view){(const char *)data, size});
    api_source source = {in.query.text, in.query.length, incoming_header, &in, in.body.text, in.body.length};
    api_method method;
    api_route route;
    api_input input;

    if (!api_method_find(in.method.text, in.method.length, &method) ||
        api_route_find(method, in.path.text, in.path.length, &route) != API_ROUTE_FOUND)
        return 0;
    if (!route.op->described || !accept(&route, &source, &input))
        return 0;
    send_again(route.op, &input);
    api_input_done(&input);
    return 0;
}
