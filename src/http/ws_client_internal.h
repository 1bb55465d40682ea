/* ws_client_internal.h - shared by the two halves of the WebSocket client. */
#ifndef HTTP_WS_CLIENT_INTERNAL_H
#define HTTP_WS_CLIENT_INTERNAL_H

#include "http/client_internal.h"
#include "http/ws_client.h"

#define WS_CLIENT_INPUT_BYTES 65536

struct ws_client {
    CURL *easy; /* under the lock: a handle is for one thread at a time */
    curl_socket_t fd;
    int wake; /* an eventfd, readable for ever once all shall stop waiting */
    char origin[HTTP_ORIGIN_SIZE];
    char curl_message[CURL_ERROR_SIZE];
    head_gatherer head;
    http_client_head head_view;
    unsigned ping_interval_ms, ping_timeout_ms;

    pthread_mutex_t lock;
    /* under the lock */
    ws_reader reader;
    ws_writer writer;
    char *input; /* WS_CLIENT_INPUT_BYTES: bytes [input_at, input_end) are not read yet */
    size_t input_at, input_end;
    buf pending; /* frames, of which sent bytes are gone; left alone until all of them are */
    buf behind;  /* more frames, while pending is being sent */
    size_t sent;
    bool receiving, aborted;
    bool close_received;
    int close_code;
    uint64_t silence_due_ms; /* when it has lasted too long; 0: nobody has received yet */
    bool pinged;             /* and heard nothing since */
};

uint64_t ws_client_until(int timeout_ms); /* clock_monotonic_ms, or HTTP_NEVER */

/* Wait until the socket is ready for events (or ws_client_abort).  False when until is over. */
bool ws_client_poll(ws_client *ws, short events, uint64_t until_ms);

#endif
