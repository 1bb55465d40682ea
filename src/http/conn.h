/* conn.h - one connection of the server, on its loop thread: requests in, responses out, in order.
 *
 * Internal to the room: conn.c (input, keep-alive, refusal), exchange.c (answers, from any thread), stream of bytes to
 * the wire in output.c, ws_conn.c and tunnel.c (after an upgrade), server.c (accepting, draining). */
#ifndef HTTP_CONN_H
#define HTTP_CONN_H

#include "http/head.h"
#include "http/http1.h"
#include "http/loop.h"
#include "http/server.h"
#include "http/transport.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* Pipelined input that is kept while a request is being answered; more is left in the socket. */
#define HTTP_STASH_MAX (1U << 20)
#define HTTP_STASH_PAUSE 65536

#define HTTP_LINGER_MS 2000 /* after a refusal: how long input is read and dropped, so that the answer arrives */
#define HTTP_PROBE_MS 200   /* how often a half-closed stream's client is looked at */
#define HTTP_PROBE_RESEND_ROUNDS 50 /* and after how many of those it is sent something again */
#define HTTP_ACCEPT_AGAIN_MS 100    /* after descriptors or memory ran out */
#define HTTP_WS_CLOSE_MS 5000       /* for the peer's answer to a close frame */

/* Exchanges that a loop keeps for the next requests, as many as it holds answers: they come in bursts. */
#define HTTP_SPARES_MAX LOOP_HELD_MAX
#define HTTP_SPARE_BUF_MAX 4096 /* bytes that each of a spare's buffers may have */

/* One loop thread of a server. */
typedef struct http_home {
    http_loop loop;
    http_server *server;
    uv_poll_t listener;
    int listener_fd;
    bool listening;
    deadline accept_due; /* armed while descriptors have run out and nothing is accepted */
    struct http_conn *conns;
    unsigned conn_count;
    http_exchange *spares[HTTP_SPARES_MAX];
    unsigned spare_count;
    deadline_list header_due, body_due, idle_due, write_due, linger_due, probe_due;
    deadline_list ws_ping_due, ws_pong_due, ws_close_due, accept_again_due;
    bool draining;
    bool open; /* runs, and takes connections that came another way; under the server's adopt_lock */
    pthread_t thread;
    bool thread_started;
    loop_task drain_task, cut_task, done_task;
} http_home;

struct http_server {
    http_server_options options;
    http1_options reader_options;
    http_service service;
    http_home *homes;
    unsigned home_count;
    atomic_int port;
    atomic_uint connections;
    atomic_bool draining, cut;
    atomic_uint_fast64_t drain_due_ms; /* when draining ends; 0: not begun */
    uv_signal_t signals[2];
    struct sigaction signals_before[2];
    uv_timer_t drain_timer;
    bool drain_timer_set;
    loop_task ready_task;
    unsigned others_running; /* loops beside the first; first loop thread only */
    pthread_mutex_t adopt_lock;
    unsigned adopted; /* so far, for taking turns; under adopt_lock */
};

typedef enum conn_phase {
    CONN_IDLE,      /* between requests */
    CONN_READING,   /* a request is coming in */
    CONN_HANDLING,  /* the service has the request */
    CONN_WEBSOCKET, /* upgraded */
    CONN_TUNNEL,    /* upgraded, and somebody else speaks WebSocket */
    CONN_REFUSING,  /* a refusal is being written */
    CONN_LINGERING, /* output is over, input is dropped until the peer closes */
    CONN_CLOSING,   /* the transport is closing */
} conn_phase;

/* A write that the socket did not take at once. */
typedef struct conn_flight {
    buf head, body;
    char chunk_head[20];
    size_t body_bytes;
    bool last;
} conn_flight;

typedef struct http_conn {
    http_home *home;
    http_transport *transport;
    struct http_conn *next, *previous;
    conn_phase phase;
    bool reading;  /* the transport delivers input */
    bool peer_eof; /* the peer sends no more */
    bool in_input; /* inside http_conn_input: do not recurse */
    bool idle_cut; /* close when idle: the server drains */
    http_exchange *exchange;
    http1_reader reader;
    buf stash;
    deadline read_due, write_due;
    size_t write_unsent; /* at the last look */
    unsigned probe_rounds;
    conn_flight *flight;
} http_conn;

/* A WebSocket on an exchange; see ws_conn.c. */
typedef struct http_ws http_ws;

/* See tunnel.c. */
typedef struct http_tunnel http_tunnel;

typedef enum exchange_state {
    EXCHANGE_OPEN,      /* not answered */
    EXCHANGE_WHOLE,     /* answered with a whole body */
    EXCHANGE_STREAMING, /* an answer in pieces has begun */
    EXCHANGE_WEBSOCKET,
    EXCHANGE_TUNNEL,
} exchange_state;

struct http_exchange {
    atomic_uint refs;
    atomic_bool gone; /* nothing can be sent any more */
    http_server *server;
    http_loop *loop;
    http_conn *conn; /* loop thread only; NULL when the connection is gone or has moved on */
    arena arena;
    http1_message message;
    buf head;
    buf room; /* the memory of a body that was copied behind its head */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* room in the stream, a message, or gone */

    exchange_state state; /* all zeroes at first, from here on */
    loop_task flush_task;
    http_framing framing;
    bool keep_alive; /* as the head said */
    bool finished;   /* the answer is complete */
    bool scheduled;  /* flush_task is posted */
    bool timed_out;  /* gone because the client took nothing */
    bool aborted;    /* the answer cannot be completed: cut off after what is pending */
    buf pending;
    size_t inflight; /* bytes on their way to the socket */
    size_t sent_max; /* bytes allocated for a whole answer */
    unsigned waiters;
    const char *probe;
    void (*on_writable)(http_exchange *x, void *user);
    void *on_writable_user;
    void (*on_over)(http_exchange *x, void *user);
    void *on_over_user;
    loop_task over_task;
    http_ws *ws;
    http_tunnel *tunnel; /* in the arena */
};

/* ---- conn.c ---- */

/* server.c: a loop ends when nothing holds it.  This holds it while connections are open (one whose peer is silent has
 * nothing active), while more may come, and, for the first, while other loops run. */
void http_home_hold(http_home *home);

/* server.c: descriptors may have become free. */
void http_home_accept_again(deadline *d);

/* server.c: serve a connected socket, which is taken over; wrapped: as the server's options say. */
void http_home_accept(http_home *home, int fd, bool wrapped);

/* server_adopt.c: the loop begins, or ends, to take connections that came another way. */
void http_home_open(http_home *home, bool open);

/* Register the deadlines of a loop's connections. */
void http_home_add_deadlines(http_home *home);

/* A new connection over t, which it owns.  NULL: out of memory, t untouched. */
http_conn *http_conn_new(http_home *home, http_transport *t);

/* Close at once, whatever is going on; the exchange learns of it. */
void http_conn_abort(http_conn *c);

/* The answer of the current exchange is on the wire: go on to the next request, or close. */
void http_conn_exchange_done(http_conn *c);

/* Refuse what is coming in: log, answer, close. */
void http_conn_refuse(http_conn *c, int status, const char *what);

/* Stop sending, drop input for a while, close. */
void http_conn_linger(http_conn *c);

/* Close now if idle, else after the current exchange. */
void http_conn_drain(http_conn *c);

/* Feed what was stashed. */
void http_conn_resume(http_conn *c);

void http_conn_set_reading(http_conn *c, bool on);

/* ---- output.c ---- */

/* The transport's last write is done. */
void http_conn_written(http_conn *c, int status);

/* Send head and body, framed; last: the exchange's answer ends with them.  What the socket does not take at once is
 * moved out of them. */
void http_conn_send(http_conn *c, buf *head, buf *body, http_framing framing, bool last);

/* Take what the exchange has pending and send it; scheduled: this is what http_exchange_schedule has asked for.  Loop
 * thread. */
void http_exchange_flush(http_exchange *x, bool scheduled);

/* ---- exchange.c ---- */

http_exchange *http_exchange_new(http_conn *c);

/* Free the spare exchanges. */
void http_home_drop_spares(http_home *home);

/* The connection is gone, or has moved on: wake everyone.  Loop thread. */
void http_exchange_detach(http_exchange *x, bool timed_out);

/* Have http_exchange_flush called on the loop; with x->lock held. */
void http_exchange_schedule(http_exchange *x);

/* Wait until bytes more fit; with x->lock held. */
ac_status http_exchange_wait_room(http_exchange *x, size_t bytes);

/* ---- exchange_over.c ---- */

/* Have task run on the exchange's loop.  AC_ERR_CLOSED: the exchange is over, and there may be no loop any more. */
ac_status http_exchange_post(http_exchange *x, loop_task *task) AC_MUST_USE;

/* From http_exchange_detach: tell those who asked. */
void http_exchange_over(http_exchange *x);

/* After http_stream_abort, when all is sent: close the connection. */
void http_exchange_cut(http_exchange *x);

/* ---- tunnel.c ---- */

/* Input after the upgrade; returns how many bytes were used: all, or none while it is paused. */
size_t http_tunnel_input(http_conn *c, char *data, size_t length);

/* The client sends no more. */
void http_tunnel_eof(http_conn *c);

/* After a flush: resuming, the end. */
void http_tunnel_flushed(http_conn *c);

/* The last event. */
void http_tunnel_over(http_exchange *x);

/* ---- ws_conn.c ---- */

/* Input after the upgrade; returns how many bytes were used (fewer than length when reading is to pause). */
size_t http_ws_input(http_conn *c, char *data, size_t length);

/* After a flush: close timers, resuming, on_open. */
void http_ws_flushed(http_conn *c);

/* The connection is gone: the last event.  And the memory. */
void http_ws_detach(http_exchange *x);
void http_ws_free(http_ws *ws);

/* Say goodbye because the server drains. */
void http_ws_drain(http_conn *c);

/* Deadlines of WebSockets. */
void http_ws_ping_expired(deadline *d);
void http_ws_pong_expired(deadline *d);
void http_ws_close_expired(deadline *d);

#endif
