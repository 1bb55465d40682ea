/* upstream_answer.h - reading the answers of a server behind us, sans-IO: bytes in; a head, pieces of a body and an
 * end, or an error out.
 *
 * llhttp parses, strictly; added here are the limits, interim answers, and what would make the end of an answer
 * ambiguous.  Internal to upstream.c and its fuzzer. */
#ifndef HTTP_UPSTREAM_ANSWER_H
#define HTTP_UPSTREAM_ANSWER_H

#include "http/upstream.h"

#include <llhttp.h>

/* Called from inside answer_read, in order.  False: read no further. */
typedef struct answer_sink {
    bool (*on_head)(void *user, const http_upstream_head *head);
    bool (*on_body)(void *user, char *data, size_t length);
} answer_sink;

typedef enum answer_event {
    ANSWER_MORE,     /* all input was used */
    ANSWER_COMPLETE, /* the answer ends here */
    ANSWER_TUNNEL,   /* a 101 that was asked for: what follows is another protocol */
    ANSWER_STOPPED,  /* the sink said so */
    ANSWER_ERROR,    /* see error and what */
} answer_event;

typedef struct answer_reader {
    llhttp_t parser;
    const answer_sink *sink;
    void *user;
    buf head;             /* names and values in turn, each NUL-terminated */
    http_header *headers; /* only the lengths are right before the head is complete */
    uint32_t header_count, header_capacity;
    size_t head_bytes_max;
    size_t head_bytes; /* of this head and the interim ones before it, as sent */
    size_t body_bytes, framing_bytes;
    bool to_head;   /* the request was HEAD */
    bool upgrade;   /* the request asked for WebSocket */
    bool at_start;  /* before the first byte of a head */
    bool head_done; /* of the final answer */
    bool interim;   /* a 1xx is being read */
    bool in_name;
    bool tunnel, complete, stopped;
    bool keep_alive; /* another answer may follow; when complete */
    ac_status error;
    const char *what; /* static text */
} answer_reader;

void answer_init(answer_reader *r, const answer_sink *sink, void *user);
void answer_done(answer_reader *r);

/* Expect the answer to a request. */
void answer_begin(answer_reader *r, bool to_head, bool upgrade, size_t head_bytes_max);

/* Feed bytes; *ret_used tells how many belong to the answer.  Not after anything but ANSWER_MORE. */
answer_event answer_read(answer_reader *r, char *data, size_t length, size_t *ret_used);

/* The server sends no more.  Whether that completes the answer. */
bool answer_end(answer_reader *r);

#endif
