/* endpoint.h - where clients find the daemon: a file in its data directory, for `agentcored env`. */
#ifndef DAEMON_ENDPOINT_H
#define DAEMON_ENDPOINT_H

#include "daemon/config.h"

#define ENDPOINT_FILE "endpoint"
#define ENDPOINT_URL_SIZE 320

typedef struct endpoint {
    char url[ENDPOINT_URL_SIZE]; /* http://127.0.0.1:8484 */
    char ca_file[4096];          /* root of the local CA; "": none */
    char region[64];
    long pid; /* of the daemon that wrote it; endpoint_write sets its own */
} endpoint;

/* The URL for clients on this machine of a daemon that listens on port: an address that stands for all becomes the
 * loopback's; with a certificate of the user's own, its first --tls-name. */
ac_status endpoint_url(const config *c, int port, char *ret_url, size_t size, ac_error *err) AC_MUST_USE;

ac_status endpoint_write(const char *data_dir, const endpoint *e, ac_error *err) AC_MUST_USE;
void endpoint_remove(const char *data_dir);

/* AC_ERR_NOT_FOUND: no daemon has been ready there since the last one was told to stop. */
ac_status endpoint_read(const char *data_dir, endpoint *ret_endpoint, ac_error *err) AC_MUST_USE;

/* Whether somebody accepts connections there. */
bool endpoint_answers(const endpoint *e);

#endif
