/* client_retry.h - trying again, as the AWS SDKs' standard mode does it.
 *
 * Sans-IO in its core: http_retry_next says whether to try again and after how long.  http_retry_run waits and
 * calls. */
#ifndef HTTP_CLIENT_RETRY_H
#define HTTP_CLIENT_RETRY_H

#include "http/client.h"

#include <pthread.h>

/* How an attempt ended. */
typedef enum http_outcome {
    HTTP_OUTCOME_DONE,      /* success, or a failure that trying again would only repeat */
    HTTP_OUTCOME_TRANSIENT, /* server trouble, lost connections */
    HTTP_OUTCOME_TIMEOUT,   /* no answer in time */
    HTTP_OUTCOME_THROTTLED,
} http_outcome;

/* What an attempt that got a whole answer, or none, amounts to.  failure and status as in a response (status 0: none);
 * error_name is the AWS exception name, NULL when there is none. */
http_outcome http_outcome_of(http_failure failure, int status, const char *error_name);

/* What the server asks for: x-amz-retry-after (milliseconds) or Retry-After (seconds); 0 when it asks for nothing. */
unsigned http_retry_after_ms(const http_client_head *head);

/* Retries cost tokens, successes give some back: when a service is down, its clients do not make it worse.  Shared
 * by all requests to one service; any thread. */
typedef struct http_retry_quota {
    pthread_mutex_t lock;
    unsigned tokens;
} http_retry_quota;

#define HTTP_RETRY_QUOTA_TOKENS 500
#define HTTP_RETRY_QUOTA_INIT ((http_retry_quota){PTHREAD_MUTEX_INITIALIZER, HTTP_RETRY_QUOTA_TOKENS})

/* Zero means the default beside it. */
typedef struct http_retry_options {
    unsigned attempts_max;     /* the first included; 3 */
    unsigned backoff_base_ms;  /* longest wait before the second attempt; doubles each time; 1 s */
    unsigned backoff_max_ms;   /* longest wait of all, also when the server asks for more; 20 s */
    unsigned total_timeout_ms; /* no attempt begins later than this after the first; no limit */
    http_retry_quota *quota;   /* NULL: none */
    /* Uniform in [0, 1); NULL: from the system's random bytes. */
    double (*random)(void *user);
    /* Wait; false: give up.  NULL: sleep. */
    bool (*wait)(void *user, unsigned delay_ms);
    void *user;
} http_retry_options;

typedef struct http_retry {
    http_retry_options options;
    unsigned attempts; /* made so far */
    unsigned cost;     /* tokens that the last retry took */
} http_retry;

void http_retry_begin(http_retry *r, const http_retry_options *options);

/* After an attempt: whether to make another one, and how long to wait before it. */
bool http_retry_next(http_retry *r, http_outcome outcome, unsigned retry_after_ms, unsigned *ret_delay_ms);

/* What an attempt says about itself beside its status. */
typedef struct http_attempt {
    unsigned number;         /* in: 1, 2, ... */
    http_outcome outcome;    /* out; DONE when left alone */
    unsigned retry_after_ms; /* out */
} http_attempt;

/* Call try_once until its outcome is DONE or http_retry_next says no, and return what it returned last.  An attempt
 * that has handed bytes of an answer to its caller must say DONE. */
ac_status http_retry_run(const http_retry_options *options,
                         ac_status (*try_once)(void *user, http_attempt *attempt, ac_error *err), void *user,
                         ac_error *err) AC_MUST_USE;

/* AWS_MAX_ATTEMPTS as text (NULL: not set): 1 to 100, otherwise 3. */
unsigned http_retry_attempts(const char *text);

#endif
