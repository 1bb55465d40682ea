/* api_helpers.h - what the tests of the API table share: files of JSON, and a request of ours seen as one that came. */
#ifndef TESTS_AWS_API_HELPERS_H
#define TESTS_AWS_API_HELPERS_H

#include "aws/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)
DEFINE_CLEANUP(yyjson_mut_doc *, yyjson_mut_doc_free)

static inline yyjson_doc *read_json_file(const char *path)
{
    yyjson_read_err flaw = {0};
    yyjson_doc *doc = yyjson_read_file(path, 0, NULL, &flaw);

    if (!doc)
        fprintf(stderr, "%s: %s\n", path, flaw.msg ? flaw.msg : "cannot be read");
    return doc;
}

/* An api_header_fn over the headers of an api_request. */
static inline const char *request_header(void *data, const char *name, size_t *ret_length)
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

/* An api_header_fn over a JSON object of headers. */
static inline const char *json_header(void *data, const char *name, size_t *ret_length)
{
    yyjson_obj_iter members;
    yyjson_val *key;

    yyjson_obj_iter_init(data, &members);
    while ((key = yyjson_obj_iter_next(&members)) != NULL) {
        yyjson_val *value = yyjson_obj_iter_get_val(key);

        if (strcasecmp(yyjson_get_str(key), name) == 0) {
            *ret_length = yyjson_get_len(value);
            return yyjson_get_str(value);
        }
    }
    return NULL;
}

static inline api_source source_of(api_request *request)
{
    return (api_source){
        .query = request->query.data,
        .query_length = request->query.length,
        .header = request_header,
        .data = request,
        .body = request->body.text,
        .body_length = request->body.length,
    };
}

static inline api_route_result route_request(const api_request *request, api_route *ret_route)
{
    api_method method;

    if (!api_method_find(request->method, strlen(request->method), &method))
        return API_ROUTE_PATH;
    return api_route_find(method, request->path.data, request->path.length, ret_route);
}

#endif
