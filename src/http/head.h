/* head.h - writing the head of a response. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "http/exchange.h"

/* A body up to here goes behind its head: one buffer is cheaper to send than two. */
#define HTTP_BODY_COPY_MAX 4096

typedef enum http_framing {
    HTTP_FRAMING_NONE,    /* no body can follow (101, 204, 304) */
    HTTP_FRAMING_LENGTH,  /* Content-Length */
    HTTP_FRAMING_CHUNKED, /* Transfer-Encoding: chunked */
    HTTP_FRAMING_CLOSE,   /* until the connection closes (HTTP/1.0) */
} http_framing;

/* The standard reason phrase, "Unknown" for codes without one.  Static. */
const char *http_reason(int status);

/* Append status line and headers, with the blank line, to out.  minor_version is the client's; keep_alive whether the
 * connection stays usable. */
ac_status http_head_write(buf *out, const http_response *response, http_framing framing, size_t content_length,
                          int minor_version, bool keep_alive) AC_MUST_USE;

#endif
