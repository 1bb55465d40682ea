/* client_head.h - the head of an answer, gathered from its lines, for the HTTP and the WebSocket client. */
#ifndef HTTP_CLIENT_HEAD_H
#define HTTP_CLIENT_HEAD_H

#include "http/client.h"

typedef struct head_gatherer {
    arena strings;
    http_header *headers; /* in strings */
    size_t count, room;
    size_t bytes, bytes_max; /* of all lines, interim answers and trailers included */
    int status;              /* 0 before a status line */
    bool complete;           /* the blank line of a final answer was seen; what follows are trailers, dropped */
} head_gatherer;

#define HEAD_BYTES_DEFAULT (64u << 10)

void head_gatherer_init(head_gatherer *g, size_t bytes_max);
void head_gatherer_done(head_gatherer *g);

/* One line with or without its line end.  Interim answers (1xx but 101) are passed over.
 * Errors: AC_ERR_TOO_LARGE, AC_ERR_PROTOCOL, AC_ERR_NOMEM. */
ac_status head_gatherer_line(head_gatherer *g, const char *line, size_t length) AC_MUST_USE;

/* Whether what has come so far belongs to an interim answer. */
static inline bool head_gatherer_is_interim(const head_gatherer *g)
{
    return g->status / 100 == 1 && g->status != 101;
}

static inline http_client_head head_gatherer_view(const head_gatherer *g)
{
    return (http_client_head){.status = g->status, .headers = g->headers, .header_count = g->count};
}

#endif
