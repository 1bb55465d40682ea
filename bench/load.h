/* load.h - what the files of the load generator share. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_CONNECTIONS_MAX 19000 /* under the usual hard limit of 20000 file descriptors */
#define LOAD_BODY_BYTES_MAX 65536
#define LOAD_WAIT_SECONDS 10 /* longest silence of a server before it counts as an error */

typedef enum load_mode { LOAD_GET, LOAD_POST, LOAD_SSE, LOAD_WS } load_mode;
typedef enum idle_kind { IDLE_KEEPALIVE, IDLE_SSE, IDLE_WS } idle_kind;

typedef struct load_options {
    load_mode mode;
    const char *mode_name;
    struct sockaddr_in address;
    const char *path; /* NULL: /ping, /invocations or /ws by mode */
    unsigned connections;
    double seconds;
    uint64_t requests_max; /* 0: no limit but the time */
    size_t text_bytes;     /* of the prompt, or of a WebSocket message */
    idle_kind kind;        /* mode idle */
    unsigned count;        /* mode start: how many starts */
    char **command;        /* mode start */
} load_options;

/* ---- load_stats.c: time and latency ----------------------------------------------------------------------------- */

/* Log-linear: 64 steps for each power of two of nanoseconds, so a quantile is right to 1.6 %. */
#define HISTOGRAM_STEPS 64
#define HISTOGRAM_SIZE (HISTOGRAM_STEPS * 40)

typedef struct histogram {
    uint64_t count;
    uint64_t max_ns;
    uint64_t cells[HISTOGRAM_SIZE];
} histogram;

uint64_t now_ns(void);
double cpu_seconds(void); /* of this process so far */
void histogram_add(histogram *h, uint64_t ns);
double histogram_quantile_us(const histogram *h, double q);

/* ---- load_parse.c: answers -------------------------------------------------------------------------------------- */

#define HEAD_BYTES_MAX 4096

typedef enum parse_state {
    PARSE_HEAD,
    PARSE_LENGTH, /* a body of known length */
    PARSE_CHUNK_SIZE,
    PARSE_CHUNK_DATA,
    PARSE_CHUNK_END,
    PARSE_TRAILER,
    PARSE_DONE,
    PARSE_FAILED,
} parse_state;

typedef struct response {
    parse_state state;
    int status;
    bool upgraded;    /* 101 with the Sec-WebSocket-Accept that belongs to WEBSOCKET_KEY */
    uint64_t left;    /* of the body or the chunk */
    uint64_t events;  /* lines that begin with "data:" */
    unsigned matched; /* of "data:" at the beginning of this line; over 5: the rest of a line */
    unsigned digits;  /* of a chunk size; or bytes in this trailer line */
    size_t head_length;
    char head[HEAD_BYTES_MAX];
} response;

/* The key and answer of the example in RFC 6455 section 1.3: a known pair spares us SHA-1. */
#define WEBSOCKET_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define WEBSOCKET_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

void response_reset(response *r);

/* Consume up to length bytes; returns how many, fewer than length only when the answer ended or failed. */
size_t response_feed(response *r, const char *data, size_t length);

/* One server frame of a WebSocket, header first and then its payload in slices. */
typedef struct frame_reader {
    unsigned char header[10];
    unsigned header_length; /* bytes of the header seen so far */
    bool in_payload;
    bool fin;
    unsigned opcode;
    uint64_t left; /* of the payload */
} frame_reader;

/* Read header bytes until it is complete (in_payload is set then); returns how many were taken.  A masked frame, which
 * a server must not send, sets opcode 0xff. */
size_t frame_header_feed(frame_reader *f, const unsigned char *data, size_t length);

/* ---- load_net.c: sockets and requests --------------------------------------------------------------------------- */

/* Connect a blocking socket with time-outs; -1 with errno. */
int connect_server(const struct sockaddr_in *address);

/* Close with a reset, which leaves no TIME_WAIT behind to eat up the ports. */
void close_reset(int fd);

bool set_nonblocking(int fd);

/* The request of a mode, malloc'd; NULL when memory runs out.  *ret_length without the NUL. */
char *make_request(load_mode mode, const char *path, size_t text_bytes, size_t *ret_length);

/* A masked frame from a client, malloc'd; payload up to LOAD_BODY_BYTES_MAX. */
unsigned char *make_frame(unsigned opcode, const unsigned char *payload, size_t length, size_t *ret_length);

/* ---- the modes: each returns an exit code and prints JSON lines ------------------------------------------------- */

int load_traffic(const load_options *options); /* load_traffic.c */
int load_idle(const load_options *options);    /* load_idle.c */
int load_start(const load_options *options);   /* load_start.c */

#endif
