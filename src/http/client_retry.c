/* client_retry.c - the AWS standard retry mode: exponential back-off with full jitter and a quota.
 *
 * The delay before attempt n+1 is uniform in [0, min(base * 2^(n-1), max)): clients that failed together do not come
 * back together.  A server's wish (Retry-After) lengthens it, up to the same maximum, so that a hostile one cannot park
 * us.  A retry takes 5 tokens of the quota, 10 after a time-out; success gives back what the last retry took, or 1. */
#include "http/client_retry.h"

#include "base/clock.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ATTEMPTS_DEFAULT 3
#define ATTEMPTS_MAX 100
#define BACKOFF_BASE_MS 1000
#define BACKOFF_MAX_MS 20000
#define COST_RETRY 5
#define COST_TIMEOUT 10
#define GAIN_SUCCESS 1
#define RETRY_AFTER_DIGITS_MAX 9

/* ---- what happened ---- */

static bool listed(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; name && i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool is_throttling(const char *name)
{
    static const char *const names[] = {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "SlowDown",
        "PriorRequestNotComplete",
        "EC2ThrottledException",
    };

    return listed(name, names, ARRAY_SIZE(names));
}

static bool is_transient(const char *name)
{
    static const char *const names[] = {"RequestTimeout", "RequestTimeoutException", "IDPCommunicationError"};

    return listed(name, names, ARRAY_SIZE(names));
}

http_outcome http_outcome_of(http_failure failure, int status, const char *error_name)
{
    switch (failure) {
    case HTTP_FAILURE_NONE:
        break;
    case HTTP_FAILURE_TIMEOUT:
        return HTTP_OUTCOME_TIMEOUT;
    case HTTP_FAILURE_RESOLVE:
    case HTTP_FAILURE_CONNECT:
    case HTTP_FAILURE_BROKEN:
        return HTTP_OUTCOME_TRANSIENT;
    default:
        return HTTP_OUTCOME_DONE;
    }
    if (status == 429 || is_throttling(error_name))
        return HTTP_OUTCOME_THROTTLED;
    if (status == 500 || status == 502 || status == 503 || status == 504 || is_transient(error_name))
        return HTTP_OUTCOME_TRANSIENT;
    return HTTP_OUTCOME_DONE;
}

/* Digits alone; the HTTP-date form of Retry-After is left alone, as the SDKs do. */
static bool parse_number(const char *text, unsigned *ret_number)
{
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > RETRY_AFTER_DIGITS_MAX || text[digits] != '\0')
        return false;
    *ret_number = (unsigned)strtoul(text, NULL, 10);
    return true;
}

unsigned http_retry_after_ms(const http_client_head *head)
{
    const char *text = http_client_header(head, "x-amz-retry-after");
    unsigned number = 0;

    if (text && parse_number(text, &number))
        return number;
    text = http_client_header(head, "Retry-After");
    if (text && parse_number(text, &number))
        return number > UINT32_MAX / 1000 ? UINT32_MAX : number * 1000;
    return 0;
}

unsigned http_retry_attempts(const char *text)
{
    unsigned number = 0;

    if (!text || !parse_number(text, &number) || number == 0 || number > ATTEMPTS_MAX)
        return ATTEMPTS_DEFAULT;
    return number;
}

/* ---- the quota ---- */

static bool take_tokens(http_retry *r, unsigned cost)
{
    http_retry_quota *q = r->options.quota;
    bool taken;

    if (!q)
        return true;
    pthread_mutex_lock(&q->lock);
    taken = q->tokens >= cost;
    if (taken)
        q->tokens -= cost;
    pthread_mutex_unlock(&q->lock);
    if (taken)
        r->cost = cost;
    return taken;
}

static void give_tokens(http_retry *r)
{
    http_retry_quota *q = r->options.quota;

    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    q->tokens = MIN(HTTP_RETRY_QUOTA_TOKENS, q->tokens + (r->cost ? r->cost : GAIN_SUCCESS));
    pthread_mutex_unlock(&q->lock);
}

/* ---- deciding ---- */

static double system_random(void *user)
{
    uint32_t bits = 0;

    (void)user;
    if (RAND_bytes((unsigned char *)&bits, sizeof(bits)) != 1)
        bits = UINT32_MAX / 2;
    return bits / ((double)UINT32_MAX + 1);
}

static bool system_wait(void *user, unsigned delay_ms)
{
    struct timespec left = {.tv_sec = delay_ms / 1000, .tv_nsec = (long)(delay_ms % 1000) * 1000000L};

    (void)user;
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
    return true;
}

void http_retry_begin(http_retry *r, const http_retry_options *options)
{
    *r = (http_retry){0};
    if (options)
        r->options = *options;
    if (!r->options.attempts_max)
        r->options.attempts_max = ATTEMPTS_DEFAULT;
    if (!r->options.backoff_base_ms)
        r->options.backoff_base_ms = BACKOFF_BASE_MS;
    if (!r->options.backoff_max_ms)
        r->options.backoff_max_ms = BACKOFF_MAX_MS;
    if (!r->options.random)
        r->options.random = system_random;
    if (!r->options.wait)
        r->options.wait = system_wait;
}

static unsigned backoff(http_retry *r)
{
    uint64_t most = r->options.backoff_base_ms;

    for (unsigned i = 1; i < r->attempts && most < r->options.backoff_max_ms; i++)
        most *= 2;
    most = MIN(most, r->options.backoff_max_ms);
    return (unsigned)((double)most * r->options.random(r->options.user));
}

bool http_retry_next(http_retry *r, http_outcome outcome, unsigned retry_after_ms, unsigned *ret_delay_ms)
{
    r->attempts++;
    if (outcome == HTTP_OUTCOME_DONE) {
        give_tokens(r);
        return false;
    }
    if (r->attempts >= r->options.attempts_max)
        return false;
    if (!take_tokens(r, outcome == HTTP_OUTCOME_TIMEOUT ? COST_TIMEOUT : COST_RETRY))
        return false;
    unsigned asked = MIN(retry_after_ms, r->options.backoff_max_ms);
    unsigned own = backoff(r);
    *ret_delay_ms = MAX(asked, own);
    return true;
}

ac_status http_retry_run(const http_retry_options *options,
                         ac_status (*try_once)(void *user, http_attempt *attempt, ac_error *err), void *user,
                         ac_error *err)
{
    uint64_t begun = clock_monotonic_ms();
    http_retry r;

    http_retry_begin(&r, options);
    for (;;) {
        http_attempt attempt = {.number = r.attempts + 1};
        ac_status status = try_once(user, &attempt, err);
        unsigned delay_ms = 0, limit = r.options.total_timeout_ms;

        if (!http_retry_next(&r, attempt.outcome, attempt.retry_after_ms, &delay_ms))
            return status;
        if (limit && clock_monotonic_ms() + delay_ms >= begun + limit)
            return status;
        if (!r.options.wait(r.options.user, delay_ms))
            return status;
    }
}
