/* front_internal.h - what the files of the front share. */
#ifndef DAEMON_FRONT_INTERNAL_H
#define DAEMON_FRONT_INTERNAL_H

#include "aws/sigv4.h"
#include "base/uuid.h"
#include "daemon/front/front.h"

#include <stdatomic.h>

#define FRONT_BODY_MAX ((size_t)100 << 20) /* bytes of an answer */
#define FRONT_HEADERS_MAX (API_HEADERS_MAX + 2)

/* ---- metrics.c ---- */

#define METRICS_BUCKETS 12

typedef struct operation_metrics {
    atomic_uint_fast64_t by_class[6]; /* answers by the first digit of their status */
    atomic_uint_fast64_t buckets[METRICS_BUCKETS + 1];
    atomic_uint_fast64_t total_us;
} operation_metrics;

typedef struct front_metrics {
    operation_metrics operations[API_DESCRIBED_COUNT + 1]; /* the last: requests that are no operation */
    atomic_uint in_flight;
} front_metrics;

/* operation NULL: none.  Lock-free. */
void metrics_count(front_metrics *m, const api_operation *operation, int status, uint64_t duration_us);

/* Append Prometheus text. */
ac_status metrics_write(const front *f, buf *out);

/* ---- the front ---- */

typedef struct registration {
    front_handler handle;
    front_authorizer authorize;
    bool closed_to_agents;
    void *room;
} registration;

struct front {
    front_options options;
    http_server *server;
    registration operations[API_DESCRIBED_COUNT];
    front_metrics metrics;
    void (*on_ready)(void *user);
    void *on_ready_user;
};

/* One request, in the arena of its exchange. */
typedef struct front_job {
    workers_job job;
    front *front;
    front_call call;
    http_exchange *exchange; /* one reference */
    const http_request *http;
    char request_id[UUID_SIZE];
    char account[KEY_ACCOUNT_SIZE];
    sigv4_identity signer;
    jwt_claims *claims;
    api_route route;
    api_input input;
    api_problems problems;
    const char *failure;                            /* exception name, static or own_name; NULL: as the status says */
    char own_name[sizeof((ac_error *)0)->aws_name]; /* of an error that may be gone before the job is */
    int failure_status;                             /* HTTP; 0: of the exception */
    int status;                                     /* that was answered */
    atomic_uint parts; /* who is not done with the job: the handler's thread, and whoever keeps the call */
} front_job;

/* ---- auth.c ---- */

/* Find out who calls, and see to it that it is true; fills call.caller.  On failure nothing was executed; job->failure
 * names the exception. */
ac_status auth_check(front_job *job, ac_error *err) AC_MUST_USE;

/* ---- answer.c ---- */

/* Answer with what the handler has put together, or with the failure. */
void answer_success(front_job *job);
void answer_failure(front_job *job, ac_status status, const ac_error *err);

/* The head of an answer, with the headers that every one has; also sets the job's status.  What it points to lives as
 * long as response and fields. */
void answer_head(front_job *job, const api_response *response, http_field fields[FRONT_HEADERS_MAX],
                 http_response *ret_head);

/* The name of the exception that a failure is, and what its message says. */
const char *answer_failure_name(front_job *job, ac_status status, const ac_error *err);

/* GET /health and GET /metrics; false for other requests. */
bool answer_operator(front_job *job);

#endif
