/* ws_deflate.h - the compression of permessage-deflate (RFC 7692), for the WebSocket codec alone.
 *
 * Both directions work without context takeover: one inflater per message, nothing kept between messages. */
#ifndef HTTP_WS_DEFLATE_H
#define HTTP_WS_DEFLATE_H

#include "base/buf.h"

#include <stdint.h>

#define WS_WINDOW_BITS_MIN 9 /* RFC 7692 allows 8, which zlib cannot write as raw DEFLATE */
#define WS_WINDOW_BITS_MAX 15

typedef enum ws_inflate_status {
    WS_INFLATE_OK,
    WS_INFLATE_CORRUPT,
    WS_INFLATE_TOO_BIG, /* the message does not fit under out's cap */
    WS_INFLATE_NOMEM,
} ws_inflate_status;

typedef struct ws_inflater ws_inflater;

/* For one message, compressed with any window.  NULL when memory runs out. */
ws_inflater *ws_inflater_new(void);
void ws_inflater_free(ws_inflater *z);

/* Inflate one more piece of the message and append it to out, whose cap bounds the message.  Whatever comes before the
 * flaw is in out also when this fails.  out grows with what is produced, not with what a length field says. */
ws_inflate_status ws_inflate(ws_inflater *z, const char *data, size_t length, buf *out);

/* The message's last piece has been given: get the rest of it. */
ws_inflate_status ws_inflate_end(ws_inflater *z, buf *out);

/* Compress a whole message into room bytes at out.  Returns how many were written, 0 when it does not fit (or memory
 * runs out): send it as it is then. */
size_t ws_deflate(const void *data, size_t length, int window_bits, void *out, size_t room);

#endif
