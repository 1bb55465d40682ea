/* client_internal.h - what the files of this room share: one call of an operation, and an answer that has begun. */
#ifndef CLIENT_INTERNAL_H
#define CLIENT_INTERNAL_H

#include "aws/api.h"
#include "aws/credentials.h"
#include "aws/endpoints.h"
#include "aws/eventstream.h"
#include "aws/sigv4.h"
#include "http/client.h"
#include "http/client_retry.h"

#include <agentcore/client.h>
#include <agentcore/context.h>
#include <agentcore/version.h>

struct ac_client {
    char region[REGION_SIZE];
    aws_endpoint endpoints[2]; /* control, data */
    aws_provider *provider;
    http_client *http;
    char *ca_file; /* NULL: the system's */
    http_retry_quota quota;
    unsigned attempts_max;
    unsigned connect_timeout_ms;
    unsigned read_timeout_ms;
    size_t answer_bytes_max;
};

/* An input built by a format string; NULL when memory runs out or the format is wrong: client_unpackable says so. */
yyjson_doc *client_vpack(const char *format, va_list args);
ac_status client_unpackable(const char *format, ac_error *err);

/* ---- call.c: from an operation's input to its answer ---- */

#define CLIENT_HEADERS_MAX 64 /* that a caller may add to a request */

/* What goes into one call.  Everything is borrowed while it runs. */
typedef struct client_request {
    const api_operation *op;
    yyjson_val *input;        /* NULL: no members */
    const view *payload;      /* the body of an operation whose body is bytes */
    const ac_header *headers; /* beside the operation's own */
    size_t header_count;
    const char *bearer_token; /* instead of a signature; NULL: sign */
    const char *agent_url;    /* of an agent that runs by itself: nothing is signed; NULL: the service */
    unsigned read_timeout_ms; /* 0: the client's */
} client_request;

/* Call, and read all of the answer.  ret_output may be NULL. */
ac_status client_fetch(ac_client *client, const client_request *request, yyjson_doc **ret_output, ac_error *err)
    AC_MUST_USE;

/* An answer whose head has come: a success. */
typedef struct client_answer {
    http_transfer *transfer;      /* its body is not read yet */
    const http_client_head *head; /* lives as long as the transfer */
    yyjson_doc *output;           /* the members that travel in headers and status */
    unsigned read_timeout_ms;
} client_answer;

/* Call, and return when a successful answer begins.  A request that may have arrived is not sent again, unless the
 * operation is idempotent or the server itself answered that it failed: an agent shall not be asked twice. */
ac_status client_open(ac_client *client, const client_request *request, client_answer *ret_answer, ac_error *err)
    AC_MUST_USE;

/* Cancels what is still on its way. */
void client_answer_done(client_answer *answer);

/* ---- input.c: the body of an answer as it comes ---- */

#define CLIENT_INPUT_BYTES ((size_t)16 << 10)

typedef struct client_input {
    char bytes[CLIENT_INPUT_BYTES];
    size_t at, end; /* what was read and is not used yet */
    bool ended;
} client_input;

/* On the clock of clock_monotonic_ms: now + timeout_ms, or + usual_ms when that is negative. */
uint64_t client_deadline(int timeout_ms, unsigned usual_ms);

/* Read once more when nothing is left, and wait for it until then. */
ac_status client_input_fill(client_input *input, http_transfer *transfer, uint64_t until_ms, ac_error *err) AC_MUST_USE;

/* ---- events.c: application/vnd.amazon.eventstream ---- */

/* What a message of a stream says: *ret_event is {name: value} in plain form, or NULL when it means nothing to this
 * client.  An exception is the call's failure. */
ac_status client_event_read(const api_operation *op, const eventstream_message *message, yyjson_mut_doc **ret_event,
                            ac_error *err) AC_MUST_USE;

/* Put the events of a whole stream into output, as a list under the name of its member. */
ac_status client_read_events(const api_operation *op, const buf *body, yyjson_mut_doc *output, ac_error *err)
    AC_MUST_USE;

/* stream.c: the first part of ac_client_open for a request that is more than an input. */
ac_status client_stream_open(ac_client *client, const client_request *request, ac_client_stream **ret_stream,
                             ac_error *err) AC_MUST_USE;

#endif
