/* testing_internal.h - what the files behind agentcore/testing.h share: the client, and reading one response. */
#ifndef APP_TESTING_INTERNAL_H
#define APP_TESTING_INTERNAL_H

#include "base/buf.h"
#include "http/server.h"

#include <agentcore/testing.h>
#include <llhttp.h>

#define TEST_EXCHANGE_MS 10000         /* how long one exchange may take */
#define TEST_CLOSE_MS 1000             /* how long a WebSocket's close handshake may take */
#define TEST_RESPONSE_MAX (1ULL << 30) /* most bytes of a body that are kept */

/* A response as it is being read, and later as the test sees it. */
typedef struct test_response {
    ac_test_response public; /* first, so that a pointer to it is one to us */
    struct test_response *next;
    buf headers; /* name NUL value NUL ... */
    buf body;
    char *event_text; /* what the events point into */
    yyjson_doc *doc;
    llhttp_t parser;
    bool head; /* of a HEAD request: no body follows */
    bool in_trailers;
    bool complete;
    bool broken; /* memory ran out, or it is too large */
} test_response;

void test_response_init(test_response *r, bool head);
void test_response_free(test_response *r);

/* Read more bytes.  *ret_used: how many belong to the response (fewer than length only after an upgrade).
 * AC_ERR_PROTOCOL when this is no HTTP response. */
ac_status test_response_feed(test_response *r, const char *data, size_t length, size_t *ret_used) AC_MUST_USE;

/* The server closed: complete now, for a body that ends with the connection. */
void test_response_feed_end(test_response *r);

/* The last steps when everything is there: parse JSON, split events. */
ac_status test_response_finish(test_response *r) AC_MUST_USE;

typedef struct test_header {
    struct test_header *next;
    char *name;
    char *value;
} test_header;

struct ac_test_client {
    ac_app *app;
    http_server *server;
    test_header *headers;
    test_response *responses;
    ac_test_websocket *websockets;
};

/* The client's headers as lines.  Those of the server's own making (Content-Length, ...) are the caller's care. */
ac_status test_client_write_headers(const ac_test_client *client, buf *out) AC_MUST_USE;
bool test_client_has_header(const ac_test_client *client, const char *name);

/* Read what the server has sent into r until it is complete; stays short of bytes after an upgrade. */
ac_status test_client_read(ac_test_client *client, http_memory *m, test_response *r) AC_MUST_USE;

#endif
