/* testing.c - agentcore/testing.h: an app called in-process, over the server's memory connections.
 *
 * The calling thread is the loop: it pumps the server whenever it waits for something.  Each request gets a connection
 * of its own.  Responses and WebSockets hang on the client and end with it.  What can fail is memory; everything else
 * (no answer, no HTTP) is told in the response. */
#include "app/testing_internal.h"

#include "app/app_internal.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

ac_test_client *ac_test_client_new(ac_app *app, ac_error *err)
{
    if (!app) {
        ac_error_set(err, AC_ERR_INVALID, "there is no app");
        return NULL;
    }
    ac_test_client *client = calloc(1, sizeof(*client));
    if (!client) {
        ac_error_set(err, AC_ERR_NOMEM, "no memory for a test client");
        return NULL;
    }
    if (app_open(app, err) != AC_OK) {
        free(client);
        return NULL;
    }
    client->app = app;
    client->server = app_server(app);
    return client;
}

static void header_free(test_header *header)
{
    free(header->name);
    free(header->value);
    free(header);
}

void ac_test_client_free(ac_test_client *client)
{
    if (!client)
        return;
    while (client->websockets)
        ac_test_websocket_free(client->websockets);
    http_memory_shutdown(client->server);
    app_close(client->app);

    while (client->responses) {
        test_response *r = client->responses;
        client->responses = r->next;
        test_response_free(r);
    }
    while (client->headers) {
        test_header *header = client->headers;
        client->headers = header->next;
        header_free(header);
    }
    free(client);
}

/* ---- headers of the client ---- */

ac_status ac_test_set_header(ac_test_client *client, const char *name, const char *value)
{
    if (!name || !http_field_valid(name, value ? value : ""))
        return AC_ERR_INVALID;

    test_header *header = NULL;
    if (value) {
        header = calloc(1, sizeof(*header));
        if (!header)
            return AC_ERR_NOMEM;
        header->name = strdup(name);
        header->value = strdup(value);
        if (!header->name || !header->value) {
            header_free(header);
            return AC_ERR_NOMEM;
        }
    }

    test_header **at = &client->headers;
    while (*at && strcasecmp((*at)->name, name) != 0)
        at = &(*at)->next;
    if (*at) {
        test_header *old = *at;
        *at = old->next;
        header_free(old);
    }
    if (header) {
        header->next = *at;
        *at = header;
    }
    return AC_OK;
}

bool test_client_has_header(const ac_test_client *client, const char *name)
{
    for (const test_header *header = client->headers; header; header = header->next)
        if (strcasecmp(header->name, name) == 0)
            return true;
    return false;
}

ac_status test_client_write_headers(const ac_test_client *client, buf *out)
{
    for (const test_header *header = client->headers; header; header = header->next)
        AC_TRY(buf_appendf(out, "%s: %s\r\n", header->name, header->value));
    return AC_OK;
}

/* ---- one request ---- */

static ac_status write_request(const ac_test_client *client, const char *method, const char *path, const void *body,
                               size_t body_length, buf *out)
{
    AC_TRY(buf_appendf(out, "%s %s HTTP/1.1\r\n", method, path));
    if (!test_client_has_header(client, "Host"))
        AC_TRY(buf_append_text(out, "Host: test\r\n"));
    if (!test_client_has_header(client, "Connection"))
        AC_TRY(buf_append_text(out, "Connection: close\r\n"));
    if (body && !test_client_has_header(client, "Content-Type"))
        AC_TRY(buf_append_text(out, "Content-Type: application/json\r\n"));
    if (body && !test_client_has_header(client, "Content-Length") &&
        !test_client_has_header(client, "Transfer-Encoding"))
        AC_TRY(buf_appendf(out, "Content-Length: %zu\r\n", body_length));
    AC_TRY(test_client_write_headers(client, out));
    AC_TRY(buf_append_text(out, "\r\n"));
    return body ? buf_append(out, body, body_length) : AC_OK;
}

ac_status test_client_read(ac_test_client *client, http_memory *m, test_response *r)
{
    uint64_t deadline = clock_monotonic_ms() + TEST_EXCHANGE_MS;
    for (;;) {
        size_t length = 0, used = 0;
        const char *data = http_memory_received(m, &length);
        if (length > 0) {
            ac_status status = test_response_feed(r, data, length, &used);
            http_memory_take(m, used);
            if (status != AC_OK || r->complete)
                return status;
            continue;
        }
        if (http_memory_closed(m)) {
            test_response_feed_end(r);
            return r->complete ? AC_OK : AC_ERR_CLOSED;
        }
        uint64_t now = clock_monotonic_ms();
        if (now >= deadline)
            return AC_ERR_TIMEOUT;
        http_memory_pump(client->server, (int)(deadline - now));
    }
}

static ac_status exchange(ac_test_client *client, const buf *request, test_response *r)
{
    http_memory *m = http_memory_connect(client->server);
    if (!m)
        return AC_ERR_NOMEM;
    http_memory_send(m, request->data, request->length);
    ac_status status = test_client_read(client, m, r);
    http_memory_free(m);
    return status;
}

static void tell_failure(test_response *r, ac_status status)
{
    r->public.status = 0;
    if (status == AC_ERR_TIMEOUT)
        r->public.error = "the answer was not complete within 10 seconds";
    else if (status == AC_ERR_CLOSED)
        r->public.error = "the connection was closed before the answer was complete";
    else if (status == AC_ERR_PROTOCOL)
        r->public.error = "what came back is not HTTP";
    else
        r->public.error = "out of memory";
}

ac_test_response *ac_test_request(ac_test_client *client, const char *method, const char *path, const void *body,
                                  size_t body_length)
{
    test_response *r = malloc(sizeof(*r));
    if (!r)
        return NULL;
    test_response_init(r, strcmp(method, "HEAD") == 0);
    r->next = client->responses;
    client->responses = r;

    _cleanup_(buf_done) buf request = BUF_INIT(TEST_RESPONSE_MAX);
    ac_status status = write_request(client, method, path, body, body_length, &request);
    if (status == AC_OK)
        status = exchange(client, &request, r);
    ac_status finished = test_response_finish(r);
    if (status != AC_OK || finished != AC_OK)
        tell_failure(r, status != AC_OK ? status : finished);
    return &r->public;
}

ac_test_response *ac_test_get(ac_test_client *client, const char *path)
{
    return ac_test_request(client, "GET", path, NULL, 0);
}

ac_test_response *ac_test_post(ac_test_client *client, const char *path, const char *json_text)
{
    return ac_test_request(client, "POST", path, json_text, strlen(json_text));
}
