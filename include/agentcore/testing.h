/* testing.h - call an app in-process, without a port or a socket, from a unit test.
 *
 *     ac_app *app = ac_app_new(NULL);
 *     ac_app_entrypoint(app, invoke, NULL);
 *     ac_test_client *client = ac_test_client_new(app, NULL);
 *     ac_test_response *r = ac_test_post(client, "/invocations", "{\"message\": \"hello\"}");
 *     assert(r->status == 200 && strstr(r->body, "hello"));
 *
 * Requests go through the same parser, limits, middleware and handlers as over a socket; only the socket is missing.
 * A client belongs to the thread that made it; handlers run on worker threads as usual. */
#ifndef AGENTCORE_TESTING_H
#define AGENTCORE_TESTING_H

#include <agentcore/app.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ac_test_client ac_test_client;

/* One answer.  Owned by the client; valid until ac_test_client_free. */
typedef struct ac_test_response {
    int status;          /* HTTP status; 0 when no answer came within the client's time-out (see error) */
    const char *body;    /* NUL-terminated, de-chunked */
    size_t body_length;  /* bytes */
    yyjson_val *json;    /* the body parsed, when it is JSON; else NULL */
    const char **events; /* the data of each Server-Sent Event, when the body is an event stream */
    size_t event_count;
    const char *error; /* NULL, or what went wrong in one sentence */
} ac_test_response;

/* A client of app; the app's on_start is called.  err may be NULL.  NULL when the app has no handler, on_start failed,
 * or memory ran out.  Each exchange may take 10 seconds.  The app must not be running and outlives the client. */
AC_API ac_test_client *ac_test_client_new(ac_app *app, ac_error *err);

/* Stop the app's work (on_stop is called), free the client and all its responses.  NULL is allowed. */
AC_API void ac_test_client_free(ac_test_client *client);

/* Send a header with every later request and WebSocket of this client; value NULL takes it away. */
AC_API ac_status ac_test_set_header(ac_test_client *client, const char *name, const char *value);

/* GET path; POST json_text to path; or any request at all (body may be NULL).  Never NULL but when memory is out. */
AC_API ac_test_response *ac_test_get(ac_test_client *client, const char *path);
AC_API ac_test_response *ac_test_post(ac_test_client *client, const char *path, const char *json_text);
AC_API ac_test_response *ac_test_request(ac_test_client *client, const char *method, const char *path, const void *body,
                                         size_t body_length);

/* A header of a response by name (any case), or NULL. */
AC_API const char *ac_test_response_header(const ac_test_response *response, const char *name);

/* A WebSocket to path ("/ws").  Several may be open at once. */
typedef struct ac_test_websocket ac_test_websocket;

/* Connect.  NULL when the app refused (err says with which status).  Freed by ac_test_websocket_free. */
AC_API ac_test_websocket *ac_test_websocket_connect(ac_test_client *client, const char *path, ac_error *err);

/* Send a text message. */
AC_API ac_status ac_test_websocket_send(ac_test_websocket *websocket, const char *text);

/* Receive the next message within timeout_ms; data is valid until the next receive.  Errors: AC_ERR_TIMEOUT,
 * AC_ERR_CLOSED (*ret_close_code, when not NULL, gets the code). */
AC_API ac_status ac_test_websocket_receive(ac_test_websocket *websocket, ac_message *ret_message, int timeout_ms,
                                           int *ret_close_code);

/* Close with 1000 and free.  NULL is allowed. */
AC_API void ac_test_websocket_free(ac_test_websocket *websocket);

#ifdef __cplusplus
}
#endif

#endif
