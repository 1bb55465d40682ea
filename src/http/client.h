/* client.h - HTTP/1.1 requests to other servers, many at once, on one loop thread.
 *
 * A client owns a thread, the open connections, and nothing else.  A request is used in one of three ways:
 *   http_client_fetch   any worker thread waits for the whole response, whose size is capped;
 *   http_client_open    and then http_transfer_head and http_transfer_read: a worker pulls the body as it comes.  While
 *                       more than stream_buffer_bytes wait to be read, the server is not read from;
 *   http_client_open with events: callbacks on the client's thread, which may ask for a pause.
 *
 * Redirects are not followed, nothing is decompressed, cookies are not kept.  TLS servers must show a certificate for
 * their name from the system's authorities or ca_file.  Proxies come from the environment, as curl reads it.
 * Headers and bodies never appear in errors or logs; of a URL only scheme and host do. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "http/exchange.h"

#include <stdbool.h>

typedef struct http_client http_client;
typedef struct http_transfer http_transfer;

/* Zero means the default beside it. */
typedef struct http_client_options {
    const char *ca_file;       /* PEM file of authorities; the system's */
    const char *user_agent;    /* for requests without one of their own; none is sent */
    unsigned transfers_max;    /* at once, 1024; above: AC_ERR_AGAIN */
    unsigned connections_idle; /* kept open for the next request, 32 */
} http_client_options;

/* What read_body says beside a number of bytes. */
#define HTTP_BODY_PAUSE ((ptrdiff_t)-1) /* nothing yet: http_transfer_resume asks again */
#define HTTP_BODY_ABORT ((ptrdiff_t)-2) /* there will be no rest: the request fails with AC_ERR_IO */

/* A request's body in pieces.  Called on the client's thread; must not block. */
typedef struct http_body_source {
    ptrdiff_t (*read)(void *user, char *buffer, size_t room); /* bytes written to buffer, 0 at the end, or the above */
    bool (*rewind)(void *user); /* go back to the first byte (a kept connection had gone stale); NULL: cannot */
    void *user;
    int64_t length; /* -1: not known; sent in chunks */
} http_body_source;

/* Zero means the default beside it.  Everything is borrowed until the call it is given to returns, but the body
 * source's user, which is used until the request is done. */
typedef struct http_client_request {
    const char *method;        /* "GET", or "POST" when there is a body */
    const char *url;           /* http or https; encoded as it shall be on the wire: the path is not tidied up */
    const http_field *headers; /* no Content-Length or Transfer-Encoding: these follow from the body */
    size_t header_count;
    const void *body;
    size_t body_length;
    const http_body_source *body_source; /* instead of body */

    unsigned connect_timeout_ms;    /* name, connection and TLS; 10 s */
    unsigned first_byte_timeout_ms; /* from the last byte sent to the first of the answer; 60 s */
    unsigned idle_timeout_ms;       /* silence inside the answer; 60 s */
    unsigned total_timeout_ms;      /* all of it; 300 s for http_client_fetch, no limit for http_client_open */
    size_t head_bytes_max;          /* 64 KiB, all header lines of the answer */
    size_t body_bytes_max;          /* of the answer; 16 MiB for http_client_fetch, no limit for http_client_open */
    size_t stream_buffer_bytes;     /* 256 KiB */
    bool no_proxy;                  /* go straight, whatever the environment says */
    bool secret;                    /* the answer's body is wiped from memory when it is released */
} http_client_request;

#define HTTP_CLIENT_HEADERS_MAX 256 /* header fields in an answer */

typedef struct http_client_head {
    int status;
    const http_header *headers;
    size_t header_count;
} http_client_head;

/* The first header of that name, ignoring case; NULL when there is none. */
const char *http_client_header(const http_client_head *head, const char *name);

/* What went wrong on the way, beside the ac_status. */
typedef enum http_failure {
    HTTP_FAILURE_NONE,    /* an answer came, whatever its status */
    HTTP_FAILURE_REQUEST, /* the request cannot be sent as it is */
    HTTP_FAILURE_RESOLVE, /* no address for the name */
    HTTP_FAILURE_CONNECT, /* nobody listens, or not reachable */
    HTTP_FAILURE_TLS,     /* the certificate is not trusted, or TLS failed */
    HTTP_FAILURE_BROKEN,  /* the connection ended early */
    HTTP_FAILURE_TIMEOUT,
    HTTP_FAILURE_MALFORMED, /* the answer is not HTTP */
    HTTP_FAILURE_TOO_LARGE, /* the answer is over a limit */
    HTTP_FAILURE_CANCELLED,
    HTTP_FAILURE_LOCAL, /* out of memory, or the body source gave up */
} http_failure;

/* Start the thread.  Errors: AC_ERR_NOMEM, AC_ERR_IO, AC_ERR_INTERNAL. */
ac_status http_client_new(const http_client_options *options, http_client **ret_client, ac_error *err) AC_MUST_USE;

/* Cancel what runs, close the connections, end the thread.  No other call on the client may run meanwhile; transfers
 * may be freed afterwards.  Not from a callback. */
void http_client_free(http_client *client);
DEFINE_CLEANUP(http_client *, http_client_free)

/* ---- whole responses ---- */

typedef struct http_client_response {
    http_client_head head;
    buf body;
    http_failure failure; /* set also when the call fails */
    arena arena;          /* the head's strings */
} http_client_response;

/* Send and wait for all of the answer.  Any answer is AC_OK, whatever its status.  *ret_response is always set and
 * to be released with http_client_response_done.  Not on the client's thread (AC_ERR_STATE).
 * Errors: AC_ERR_INVALID (request), AC_ERR_TIMEOUT (the message says in which phase), AC_ERR_IO (name, connection),
 * AC_ERR_CLOSED (ended early, cancelled), AC_ERR_PROTOCOL (TLS, not HTTP), AC_ERR_TOO_LARGE, AC_ERR_AGAIN,
 * AC_ERR_NOMEM. */
ac_status http_client_fetch(http_client *client, const http_client_request *request, http_client_response *ret_response,
                            ac_error *err) AC_MUST_USE;
void http_client_response_done(http_client_response *response);

/* ---- streams ---- */

/* Callbacks on the client's thread; none may block.  Any may be NULL. */
typedef struct http_transfer_events {
    void (*on_head)(http_transfer *t, const http_client_head *head, void *user);
    /* Part of the body.  False: not taken; the same bytes come again after http_transfer_resume. */
    bool (*on_data)(http_transfer *t, const char *data, size_t length, void *user);
    /* Exactly once, last.  err is NULL when status is AC_OK. */
    void (*on_done)(http_transfer *t, ac_status status, const ac_error *err, void *user);
    void *user;
} http_transfer_events;

/* Send and return at once.  events (copied) may be NULL: then the calls below read.  request->body is copied. */
ac_status http_client_open(http_client *client, const http_client_request *request, const http_transfer_events *events,
                           http_transfer **ret_transfer, ac_error *err) AC_MUST_USE;

/* Cancel unless done, and release.  Waits until no callback runs any more; on the client's thread only once done. */
void http_transfer_free(http_transfer *t);
DEFINE_CLEANUP(http_transfer *, http_transfer_free)

/* Wait for status and headers, which live as long as the transfer.  timeout_ms < 0: as long as the request's own limits
 * allow.  AC_ERR_TIMEOUT when timeout_ms is over (the request goes on), or what the request failed with. */
ac_status http_transfer_head(http_transfer *t, int timeout_ms, const http_client_head **ret_head, ac_error *err)
    AC_MUST_USE;

/* Wait for part of the body: at least one byte, at most room; 0 at its end.  What arrived before a failure is delivered
 * first.  Errors as above; AC_ERR_STATE with events. */
ac_status http_transfer_read(http_transfer *t, void *buffer, size_t room, int timeout_ms, size_t *ret_length,
                             ac_error *err) AC_MUST_USE;

/* Go on after a pause, of the answer (on_data) or of the request's body (read_body).  Any thread. */
void http_transfer_resume(http_transfer *t);

/* Let it fail with AC_ERR_CLOSED, soon; readers wake up.  Any thread. */
void http_transfer_cancel(http_transfer *t);

/* What went wrong; HTTP_FAILURE_NONE until head, read or on_done has said so.  Thus it tells whether AC_ERR_TIMEOUT was
 * the last word. */
http_failure http_transfer_failure(http_transfer *t);

#endif
