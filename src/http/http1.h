/* http1.h - reading HTTP/1.x requests, sans-IO: bytes in; a head, a body and an end, or an error out.
 *
 * llhttp parses, strictly; added here are the limits, what RFC 9112 asks of a server beyond the grammar (Host, framing
 * that is not ambiguous, the form of the target), and the table of headers.  An ordinary request whose head comes in
 * one piece takes a short cut to the same result: http1_plain.h. */
#ifndef HTTP_HTTP1_H
#define HTTP_HTTP1_H

#include "http/exchange.h"

#include <llhttp.h>

#define HTTP_HEADERS_MAX 256 /* fields in one request */

typedef struct http1_options {
    size_t header_bytes_max;
    size_t body_bytes_max;
} http1_options;

/* A request as it is being read.  Its memory comes from the arena that http1_begin was given. */
typedef struct http1_message {
    arena *arena;
    http_request request;
    buf head;        /* target and headers, each NUL-terminated, in one piece */
    uint32_t *spans; /* offset and length in head of the target, then of each name and value in turn */
    uint32_t span_count, span_capacity;
    buf body;
    uint64_t content_length; /* 0 when chunked or absent */
    bool expect_continue;
    bool keep_alive;
    bool has_body;
} http1_message;

typedef enum http1_event {
    HTTP1_MORE,     /* all input was consumed */
    HTTP1_HEAD,     /* the head is complete: message->request is filled but for the body */
    HTTP1_COMPLETE, /* the request is complete */
    HTTP1_ERROR,    /* refuse with error_status, then close: nothing after it can be trusted */
} http1_event;

typedef struct http1_reader {
    llhttp_t parser;
    const http1_options *options;
    http1_message *message; /* NULL between requests */
    const char *piece;      /* what is being parsed right now */
    size_t head_bytes;      /* of the current head before it */
    size_t framing_bytes;   /* of the current body, as sent */
    uint64_t body_left;     /* of a plain request's body */
    int error_status;
    const char *error; /* static text, for the log */
    bool fresh;        /* nothing of the message was fed yet */
    bool plain;        /* it is read without llhttp: see http1_plain.h */
    bool in_head, in_name, head_done, complete;
} http1_reader;

void http1_init(http1_reader *r, const http1_options *options);

/* Start a request, before its first byte is fed.  message is all zeroes, or has been through http1_message_reset. */
void http1_begin(http1_reader *r, http1_message *message, arena *a);

/* Feed bytes; *ret_consumed tells how many were used.  After HTTP1_HEAD and HTTP1_MORE call again with the rest. */
http1_event http1_read(http1_reader *r, const char *data, size_t length, size_t *ret_consumed);

/* Release what the message holds outside its arena. */
void http1_message_done(http1_message *m);

/* The same, but keep up to buf_bytes_max of each buffer for another request in the same place. */
void http1_message_reset(http1_message *m, size_t buf_bytes_max);

#endif
