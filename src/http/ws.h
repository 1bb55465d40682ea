/* ws.h - the WebSocket protocol (RFC 6455) and permessage-deflate (RFC 7692), sans-IO: bytes in, events out.
 *
 * A reader and a writer are independent, so one thread may read while another writes.  Neither touches a socket, a
 * clock or a lock.  Both are small when idle: buffers and compressors exist only while a message is in the works.
 *
 * Compression always runs without context takeover, both ways (negotiated), so that an idle connection holds no
 * window: every message stands alone. */
#ifndef HTTP_WS_H
#define HTTP_WS_H

#include "base/buf.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum ws_role { WS_SERVER, WS_CLIENT } ws_role;

typedef enum ws_opcode {
    WS_CONTINUATION = 0x0,
    WS_TEXT = 0x1,
    WS_BINARY = 0x2,
    WS_CLOSE = 0x8,
    WS_PING = 0x9,
    WS_PONG = 0xA,
} ws_opcode;

/* Close codes of RFC 6455 section 7.4.1. */
enum {
    WS_CODE_NORMAL = 1000,
    WS_CODE_GOING_AWAY = 1001,
    WS_CODE_PROTOCOL_ERROR = 1002,
    WS_CODE_UNSUPPORTED = 1003,
    WS_CODE_NONE = 1005,     /* never on the wire: the peer's close frame had no code */
    WS_CODE_ABNORMAL = 1006, /* never on the wire: the connection vanished */
    WS_CODE_BAD_DATA = 1007,
    WS_CODE_POLICY = 1008,
    WS_CODE_TOO_BIG = 1009,
    WS_CODE_INTERNAL = 1011,
};

#define WS_CONTROL_MAX 125 /* bytes in a control frame */
#define WS_REASON_MAX 123  /* bytes of a close reason */

/* ---- reading ---- */

typedef struct ws_reader_options {
    ws_role role;             /* whose end this is: a server requires masked frames, a client unmasked ones */
    bool deflate;             /* permessage-deflate was negotiated */
    size_t message_bytes_max; /* one message, inflated; required, > 0 */
} ws_reader_options;

typedef enum ws_event_type {
    WS_EVENT_NONE,    /* all input was consumed, more is needed */
    WS_EVENT_MESSAGE, /* a whole text or binary message: opcode, data, length */
    WS_EVENT_PING,    /* data, length: to be sent back in a pong */
    WS_EVENT_PONG,    /* data, length */
    WS_EVENT_CLOSE,   /* the peer closes: code (WS_CODE_NONE when it gave none), data, length = reason; then no more */
    WS_EVENT_ERROR,   /* the peer broke the protocol or a limit: close with code; data = what, as text; then no more */
} ws_event_type;

typedef struct ws_event {
    ws_event_type type;
    ws_opcode opcode; /* WS_TEXT or WS_BINARY for WS_EVENT_MESSAGE */
    int code;
    const char *data; /* valid until the next ws_read or ws_reader_done; not NUL-terminated, NULL only for NONE */
    size_t length;
} ws_event;

typedef struct ws_inflater ws_inflater;

/* Fields are the codec's own; sized to sit inside a connection. */
typedef struct ws_reader {
    ws_reader_options options;
    uint8_t head[14]; /* a frame head that came in pieces */
    uint8_t head_length;
    uint8_t opcode; /* of the frame being read */
    bool fin;
    bool in_frame;          /* the head is complete, payload follows */
    bool finished;          /* after CLOSE or ERROR */
    bool compressed;        /* of the message being read */
    uint8_t message_opcode; /* of the message in the works; 0: none */
    uint8_t mask[4];
    uint64_t frame_length;
    uint64_t frame_read;
    buf message;                     /* what of it is gathered so far, inflated */
    bool message_delivered;          /* release `message` at the next read */
    uint8_t control[WS_CONTROL_MAX]; /* payload of a control frame that came in pieces */
    utf8_state utf8;
    ws_inflater *inflater; /* while a compressed message is being read */
} ws_reader;

void ws_reader_init(ws_reader *r, const ws_reader_options *options);
void ws_reader_done(ws_reader *r);

/* Consume bytes from data (which is unmasked in place) up to the next event and return how many; *ret_event says what
 * came.  Call again with the rest until WS_EVENT_NONE with everything consumed.  A message that arrives whole in one
 * piece is delivered where it lies, without a copy.  Text is checked for UTF-8 as it comes (1007 as early as possible);
 * lengths, reserved bits, opcodes, masks, fragment order and control frames are checked before any payload is kept, and
 * a frame over the limit is refused from its head (1009).  The events do not depend on how the input was cut.
 * After WS_EVENT_CLOSE or WS_EVENT_ERROR everything is consumed and ignored.
 * Running out of memory is WS_EVENT_ERROR with WS_CODE_INTERNAL. */
size_t ws_read(ws_reader *r, char *data, size_t length, ws_event *ret_event);

/* ---- writing ---- */

typedef struct ws_writer {
    ws_role role;
    bool deflate;
    uint8_t window_bits; /* 9..15: how far back compression may refer; set it to what ws_deflate_negotiate returned */
    bool fragmented;     /* between the first fragment of a message and its last */
    bool closed;         /* a close frame was written; nothing may follow */
} ws_writer;

/* The compression window starts at the 15 bits that every peer can read unless it asked for less. */
void ws_writer_init(ws_writer *w, ws_role role, bool deflate);

/* Messages below this many bytes are not worth compressing. */
#define WS_DEFLATE_MIN 256

/* Append one whole frame (fin set) to out: WS_TEXT, WS_BINARY, WS_PING, WS_PONG.  Clients mask with random keys.
 * Text is taken to be UTF-8.  Compressed when negotiated, long enough, and smaller that way; room is taken in out for
 * the uncompressed frame first.
 * Errors: AC_ERR_CLOSED (after a close frame), AC_ERR_STATE (a message between the fragments of another),
 * AC_ERR_INVALID (another opcode, or control payload over 125 bytes), AC_ERR_TOO_LARGE (out's cap), AC_ERR_NOMEM,
 * AC_ERR_IO (no random bytes for a mask); out is unchanged then. */
ac_status ws_write(ws_writer *w, ws_opcode opcode, const void *data, size_t length, buf *out) AC_MUST_USE;

/* Append a fragment: like ws_write for text and binary, uncompressed, with fin given; later ones use WS_CONTINUATION.
 * Control frames may be written in between.  AC_ERR_STATE for a fragment out of order. */
ac_status ws_write_fragment(ws_writer *w, ws_opcode opcode, bool fin, const void *data, size_t length, buf *out)
    AC_MUST_USE;

/* Append a close frame; WS_CODE_NONE writes one without code (and without reason).  reason may be NULL; it is cut to
 * WS_REASON_MAX bytes at a character boundary, and before the first byte that is not UTF-8.  AC_ERR_INVALID for codes
 * that may not be sent (ws_code_sendable); otherwise like ws_write. */
ac_status ws_write_close(ws_writer *w, int code, const char *reason, buf *out) AC_MUST_USE;

/* Whether a close code may stand in a frame: 1000..1003, 1007..1014, 3000..4999. */
bool ws_code_sendable(int code);

/* ---- handshake ---- */

#define WS_ACCEPT_SIZE 29 /* 28 characters and NUL */

#define WS_KEY_SIZE 25 /* 24 characters and NUL */

/* Whether a Sec-WebSocket-Key is base64 of 16 bytes. */
bool ws_key_valid(const char *key);

/* The Sec-WebSocket-Accept for a key.  AC_ERR_INVALID unless ws_key_valid. */
ac_status ws_accept_key(const char *key, char ret_accept[WS_ACCEPT_SIZE]) AC_MUST_USE;

/* A fresh Sec-WebSocket-Key. */
ac_status ws_make_key(char ret_key[WS_KEY_SIZE]) AC_MUST_USE;

/* Enough for any answer of ws_deflate_negotiate. */
#define WS_DEFLATE_RESPONSE_SIZE 112

/* Server side: look through the client's Sec-WebSocket-Extensions (NULL: none) for the first offer of
 * permessage-deflate that can be accepted.  True: ret_response holds the header value to answer with (it always names
 * both no_context_takeover), and *ret_window_bits what the client wants the writer's window_bits to be.  False: answer
 * without the header. */
bool ws_deflate_negotiate(const char *offers, char *ret_response, size_t response_size, uint8_t *ret_window_bits);

/* Client side: the offer to send, and whether the server's answer accepts it.  To be asked only when there is an
 * answer; false: the connection must fail. */
#define WS_DEFLATE_OFFER "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
bool ws_deflate_accepted(const char *response);

/* Whether a comma-separated header value contains a token, ignoring case (Connection: keep-alive, Upgrade). */
bool ws_header_has_token(const char *value, const char *token);

#endif
