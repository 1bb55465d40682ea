/* front.h - the door of agentcored: every AWS call comes in here, is routed, authenticated and validated by the API
 * table, handled by the room that registered for it, and answered.
 *
 *     static ac_status get_thing(front_call *call, ac_error *err)
 *     {
 *         thing found;
 *
 *         AC_TRY(thing_find(call->room, front_text(call, "thingId"), &found, err));
 *         return front_add_text(call, "name", found.name, err);
 *     }
 *
 *     static const front_operation operations[] = {{API_GET_THING, get_thing}};
 *
 * A handler sees an input that satisfies the operation's description.  It runs on a worker thread and may block.  When
 * it fails, the status becomes the exception that this operation uses for it (api_error_name), unless err->aws_name
 * says another; err->message goes to the client, so it holds no secret. */
#ifndef DAEMON_FRONT_H
#define DAEMON_FRONT_H

#include "aws/api.h"
#include "base/arena.h"
#include "base/workers.h"
#include "daemon/front/jwt.h"
#include "daemon/front/keys.h"
#include "daemon/store/store.h"
#include "http/server.h"

typedef struct front front;

/* For which user a signed request is.  Nobody to whom a signed request was handed (a presigned URL, say) may say so:
 * where it is there, the signature must cover it. */
#define USER_ID_HEADER "X-Amzn-Bedrock-AgentCore-Runtime-User-Id"

/* Who calls. */
typedef struct front_caller {
    const char *account;    /* 12 digits */
    const char *region;     /* that the request was signed for; the daemon's own for bearer tokens */
    const char *access_key; /* NULL for bearer tokens */
    bool presigned;
    bool lent;                /* with credentials of lent_keys.h: a program that agentcored runs */
    bool passed_on;           /* by another daemon (peer.h) */
    const jwt_claims *claims; /* of a bearer token that was verified; NULL for signed requests */
} front_caller;

typedef struct front_call {
    const api_operation *operation;
    const api_route *route; /* with the labels of the path, still encoded; all that an authorizer has of the input */
    front_caller caller;
    const char *request_id;
    yyjson_mut_val *input;  /* the object of all members, in plain form (api.h) */
    view payload;           /* the body, for operations whose body is a blob */
    yyjson_mut_doc *doc;    /* of the answer */
    yyjson_mut_val *output; /* its root, an empty object to fill, in plain form */
    arena *memory;          /* lives as long as the call */
    void *room;             /* what was given to front_register */
    http_exchange *exchange;
    const char *reason; /* of a ValidationException, beside its message: "IdempotentParameterMismatchException" */
    bool answered;      /* the handler has answered on exchange itself, or will (front_keep) */
} front_call;

typedef ac_status (*front_handler)(front_call *call, ac_error *err);

/* What a bearer token must satisfy for this call's resource.  AC_ERR_DENIED when the resource takes none; other
 * failures as of a handler.  Lists live in call->memory. */
typedef ac_status (*front_authorizer)(front_call *call, jwt_authorizer *ret_authorizer, ac_error *err);

typedef struct front_operation {
    api_id id;
    front_handler handle;
    front_authorizer authorize; /* NULL: bearer tokens are refused */
    bool closed_to_agents;      /* programs that agentcored runs may not (front_caller.lent): it is for whoever deploys
                                   them */
} front_operation;

/* ---- reading the input ---- */

/* A text member, or NULL when it is absent. */
const char *front_text(const front_call *call, const char *member);

/* A number, or fallback when it is absent. */
int64_t front_int(const front_call *call, const char *member, int64_t fallback);

/* Any member; NULL when it is absent. */
yyjson_mut_val *front_value(const front_call *call, const char *member);

/* The store that front_options named. */
const store *front_store(const front_call *call);

/* ---- filling the answer: AC_ERR_NOMEM alone ---- */

ac_status front_add_text(front_call *call, const char *member, const char *text, ac_error *err);
ac_status front_add_time(front_call *call, const char *member, int64_t unix_ms, ac_error *err);
ac_status front_add_value(front_call *call, const char *member, yyjson_mut_val *value, ac_error *err);

/* Make of the error that was just set one that clients try again by themselves: RetryableConflictException (409). */
ac_status front_retryable(ac_error *err);

/* ---- calls that go on when their handler has returned ---- */

/* Keep the call: it lives, with its memory and input, until front_end, which must come exactly once, from any thread.
 * The handler must return AC_OK then.  For what is relayed on the loop. */
void front_keep(front_call *call);

/* The end of a kept call: it was answered on the exchange with an HTTP status (0: the client was gone).  failure, a
 * static text or NULL, is the exception's name, for the log. */
void front_end(front_call *call, int http_status, const char *failure);

/* The same, answering with the exception of a failure, as if the handler had returned it. */
void front_end_failed(front_call *call, ac_status status, const ac_error *err);

/* ---- answers that are event streams (api_operation.out_body is API_BODY_EVENTS) ----
 *
 *     AC_TRY(front_events_begin(call, err));      // sends the head, from call->output
 *     AC_TRY(front_event(call, "chunk", doc, err));
 *     front_events_end(call);
 *
 * On worker threads; a slow client blocks the writer, one that is gone makes it fail with AC_ERR_CLOSED. */
ac_status front_events_begin(front_call *call, ac_error *err) AC_MUST_USE;

/* Send an event; the root of value, in plain form, is changed on the way. */
ac_status front_event(front_call *call, const char *event, yyjson_mut_doc *value, ac_error *err) AC_MUST_USE;

/* Send the exception of a failure as the last event, and end. */
void front_events_fail(front_call *call, ac_status status, const ac_error *err);
void front_events_end(front_call *call);

/* ---- the front itself ---- */

typedef struct front_options {
    http_server_options server; /* wrap is set for TLS */
    keys *keys;                 /* borrowed */
    const store *store;         /* borrowed; for lent keys; NULL: there are none */
    jwt_verifier *jwt;          /* borrowed; NULL: bearer tokens are refused */
    workers *workers;           /* borrowed */
    const char *region;         /* copied; for callers without one */
    const char *account;        /* copied; for bearer tokens */
    /* Lines of Prometheus text from other rooms; may be NULL. */
    ac_status (*metrics)(buf *out, void *user);
    /* Whether the daemon can do its work; GET /health answers 503 with the message otherwise.  May be NULL. */
    ac_status (*health)(void *user, ac_error *err);
    void *user;
    bool access_log; /* a JSON line per request */
} front_options;

/* NULL when memory runs out. */
front *front_new(const front_options *options);
void front_free(front *f);

/* Let a room handle operations; before front_run.  room is handed to each call. */
ac_status front_register(front *f, const front_operation *operations, size_t count, void *room) AC_MUST_USE;

/* Open the port, as http_server_listen. */
ac_status front_listen(front *f, ac_error *err) AC_MUST_USE;
int front_port(const front *f);

/* Serve until SIGTERM or SIGINT; drains.  on_ready (may be NULL) is called once the port answers. */
ac_status front_run(front *f, void (*on_ready)(void *user), void *user, ac_error *err) AC_MUST_USE;
void front_stop(front *f);

/* Serve a connection that came in another way (http_server_adopt), spoken to without TLS. */
void front_adopt(front *f, int fd);

#endif
