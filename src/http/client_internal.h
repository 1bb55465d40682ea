/* client_internal.h - what the files of the HTTP client share. */
#ifndef HTTP_CLIENT_INTERNAL_H
#define HTTP_CLIENT_INTERNAL_H

#include "http/client.h"
#include "http/client_head.h"
#include "http/loop.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#define HTTP_ORIGIN_SIZE 300 /* "https://" + a host name + ":65535", and the NUL */
#define HTTP_NEVER UINT64_MAX

struct http_client {
    atomic_uint refs; /* the owner's, and one per transfer */
    http_loop loop;
    pthread_t thread;
    char *ca_file;
    char *user_agent;
    unsigned transfers_max;
    atomic_uint transfers;

    /* loop thread */
    CURLM *multi;
    uv_timer_t curl_timer; /* when curl wants to be called */
    uv_timer_t due_timer;  /* when the first deadline of a transfer may be over */
    uint64_t due_ms;       /* what it is set to */
    http_transfer *active;
    bool stopping;
    loop_task stop;
};

typedef enum transfer_phase {
    TRANSFER_CONNECTING,
    TRANSFER_ASKING,   /* connected: sending the request, or waiting for the answer */
    TRANSFER_ANSWERED, /* the answer has begun */
} transfer_phase;

typedef struct transfer_limits {
    uint64_t connect_ms, first_byte_ms, idle_ms, total_ms; /* HTTP_NEVER: none */
    uint64_t body_bytes;                                   /* UINT64_MAX: none */
    size_t stream_bytes;                                   /* SIZE_MAX: never pause for the reader */
} transfer_limits;

struct http_transfer {
    atomic_uint refs; /* the caller's, the loop's while it runs, and one per task on its way */
    http_client *client;
    char origin[HTTP_ORIGIN_SIZE]; /* for messages */
    transfer_limits limits;
    http_transfer_events events;
    bool has_events;
    bool fetching; /* for http_client_fetch, which checks the sizes for itself and never pauses */

    /* the request: until done, the loop thread's */
    CURL *easy;
    struct curl_slist *headers;
    char curl_message[CURL_ERROR_SIZE];
    http_body_source source;
    char *body_copy; /* NULL: borrowed */
    const char *body;
    size_t body_length, body_sent;

    /* loop thread */
    http_transfer *next, *previous;
    bool linked;
    transfer_phase phase;
    uint64_t started_ms, progress_ms;
    uint64_t received;
    bool upload_paused;
    ac_status failed; /* found out inside a curl callback, which can only say "stop" */
    http_failure failed_how;
    loop_task start, wake;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock */
    bool wake_posted;
    bool resume_wanted, cancelled;
    bool download_paused;
    bool head_ready, done;
    head_gatherer head; /* the loop's until head_ready, then constant */
    http_client_head head_view;
    buf answer;          /* of the body: what came */
    size_t answer_taken; /* and was read already */
    ac_status status;
    http_failure failure;
    ac_error error;
    bool told; /* a failure, to whoever reads */
};

/* client_setup.c */

/* curl_global_init, once per process. */
ac_status http_curl_global(ac_error *err) AC_MUST_USE;

/* scheme://host:port of an http or https URL, for messages.  AC_ERR_INVALID for others and for ones with user names. */
ac_status http_url_origin(const char *url, char ret_origin[HTTP_ORIGIN_SIZE], ac_error *err) AC_MUST_USE;

/* The options that hold for all our connections. */
ac_status http_curl_common(CURL *easy, const char *ca_file, char *message, bool no_proxy) AC_MUST_USE;

/* Make t->easy and t->headers from the request. */
ac_status http_transfer_prepare(http_transfer *t, const http_client_request *request, ac_error *err) AC_MUST_USE;

/* client_error.c */

/* What a curl result means.  message is CURLOPT_ERRORBUFFER's. */
ac_status http_curl_failure(CURL *easy, CURLcode code, const char *message, const char *origin,
                            http_failure *ret_failure, ac_error *err);

/* client_transfer.c */
void http_transfer_begin(loop_task *task);
uint64_t http_transfer_due(const http_transfer *t);
void http_transfer_check_due(http_transfer *t, uint64_t now_ms);
void http_transfer_finished(http_transfer *t, CURLcode code);
void http_transfer_abort(http_transfer *t, ac_status status, http_failure failure, const char *what);
void http_transfer_unref(http_transfer *t);
bool http_transfer_post_locked(http_transfer *t); /* have the loop look at what is wanted */

/* client.c */
void http_client_unref(http_client *client);
void http_client_watch(http_client *client, uint64_t due_ms); /* a deadline that may be before all others */
void http_client_link(http_client *client, http_transfer *t);
void http_client_unlink(http_client *client, http_transfer *t);

#endif
