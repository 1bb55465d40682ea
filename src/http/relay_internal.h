/* relay_internal.h - a relay's inside: relay.c (requests and answers), relay_tunnel.c (after a 101). */
#ifndef HTTP_RELAY_INTERNAL_H
#define HTTP_RELAY_INTERNAL_H

#include "http/conn.h"
#include "http/relay.h"

typedef enum relay_mode {
    RELAY_WAITING, /* for the answer's head */
    RELAY_STREAM,
    RELAY_WHOLE,
    RELAY_COLLECT,
    RELAY_DROP,
    RELAY_TUNNEL,
} relay_mode;

struct http_relay {
    http_exchange *x;
    http_upstream *u; /* NULL before, between and after attempts */
    http_upstream_request request;
    http_relay_events events;
    size_t collect_max, whole_max;
    loop_task task;
    relay_mode mode;
    bool retried;
    bool unsent;       /* no connection came to be */
    bool answered;     /* the client's answer has begun */
    bool events_plain; /* an event stream that is not compressed */
    bool server_done;  /* on_done came, and this is what it said */
    bool ended;        /* on_end was called */
    ac_status server_result;
    const ac_error *server_error;
    int server_status;
    http_response response; /* with WHOLE and DROP */
    buf body;               /* gathered, collected, or held back */
    uint64_t bytes_out;
};

/* The relay is over: tell.  The connection behind is closed unless its server was done. */
void relay_end(http_relay *r, ac_status status, bool client_gone, const ac_error *err);

/* A header's value, the first of that name; NULL when there is none. */
const char *relay_header(const http_upstream_head *head, const char *name);

/* ---- relay_tunnel.c ---- */

ac_status relay_begin_tunnel(http_relay *r, const http_upstream_head *head, const http_relay_answer *answer);
void relay_to_client(http_relay *r, const char *data, size_t length);
void relay_server_writable(http_upstream *u, void *user);
void relay_tunnel_done(http_relay *r);

#endif
