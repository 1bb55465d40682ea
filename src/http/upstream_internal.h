/* upstream_internal.h - one connection to a server behind us; upstream.c (life), upstream_io.c (bytes),
 * upstream_request.c (what is sent first). */
#ifndef HTTP_UPSTREAM_INTERNAL_H
#define HTTP_UPSTREAM_INTERNAL_H

#include "http/transport.h"
#include "http/upstream_answer.h"

typedef enum upstream_phase {
    UPSTREAM_IDLE,   /* no request */
    UPSTREAM_BUSY,   /* from a request sent to its answer complete */
    UPSTREAM_TUNNEL, /* after a 101 */
} upstream_phase;

typedef struct upstream_connecting upstream_connecting;

struct http_upstream {
    http_loop *loop;
    http_transport *transport;    /* NULL: not connected yet, or no more */
    upstream_connecting *waiting; /* for the connection */
    int fd;                       /* while there is no transport; -1 later */
    int connect_error;            /* errno */
    struct sockaddr_storage address;
    socklen_t address_length;
    uint64_t connect_due_ms; /* 0: connected, or failed */

    uv_timer_t timer;          /* one for all deadlines; fires early and looks again rather than being set anew */
    uint64_t timer_ms, due_ms; /* when it fires; when something must have happened (0: nothing need) */
    loop_task fail_task;       /* to say no from the loop, not from inside a call */
    unsigned holds;            /* timer, transport, fail_task: freed when all have let go */
    bool failing, closing;

    upstream_phase phase;
    http_upstream_events events;
    http_upstream_request request; /* headers are gone */
    answer_reader reader;
    uint64_t sent_ms;
    bool heard; /* a byte of the answer came */
    bool extra; /* and more than the answer */
    bool kept;  /* an exchange over this connection has ended well */
    bool spent; /* there can be no other */
    bool stale;
    bool paused;

    buf out; /* the request's head; in a tunnel, what is being written */
    size_t out_done;
    const char *body;
    size_t body_left;
    buf more;           /* in a tunnel, what comes behind out */
    size_t in_flight;   /* bytes the transport is writing */
    size_t unsent;      /* at the last look */
    bool write_stopped; /* the answer came first, or the server takes no more */
    bool full;          /* the caller was told AC_ERR_AGAIN */
    bool shutting;      /* the end follows when all is written */
};

/* ---- upstream.c ---- */

/* Something must happen within ms. */
void upstream_arm(http_upstream *u, unsigned ms);

/* Let go of the connection; it may be NULL already.  reset: the server need not be told politely. */
void upstream_down(http_upstream *u, bool reset);

/* The request is over: tell.  Only from the loop, and nothing of u may be touched afterwards. */
void upstream_finish(http_upstream *u, ac_status status, const ac_error *err);
void upstream_fail(http_upstream *u, ac_status status, const char *what);

/* The same soon, from the loop. */
void upstream_fail_soon(http_upstream *u);

/* A hold is gone: free when it was the last. */
void upstream_release(http_upstream *u);

/* ---- upstream_io.c ---- */

extern const http_transport_events upstream_transport_events;
extern const answer_sink upstream_answer_sink;

/* Write what can be written. */
void upstream_write_on(http_upstream *u);
bool upstream_all_written(const http_upstream *u);

/* A deadline is over, which was not for connecting. */
void upstream_silent(http_upstream *u);

/* ---- upstream_request.c ---- */

/* The request's head, into out. */
ac_status upstream_compose(buf *out, const http_upstream_request *request) AC_MUST_USE;

#endif
