/* local_ca.h - TLS without asking anybody: a certificate authority of our own, for clients on this machine or network.
 *
 * In DATA_DIR/tls: ca.pem, ca.key, server.pem, server.key, each of mode 0600.  The root (ECDSA P-256, ten years) is
 * made once and never replaced while it is valid, since clients trust it; the server's certificate (a year) is made
 * anew when it ends within 30 days, lacks a name, or does not belong to the root.  To begin again, remove the
 * directory. */
#ifndef DAEMON_LOCAL_CA_H
#define DAEMON_LOCAL_CA_H

#include "base/util.h"

#include <stdbool.h>

#define LOCAL_CA_DIRECTORY "tls"
#define LOCAL_CA_ROOT_FILE "tls/ca.pem"
#define LOCAL_CA_RENEW_DAYS 30

typedef struct local_ca_files {
    char *root;        /* what clients trust */
    char *certificate; /* what the server shows */
    char *key;
    bool renewed; /* a certificate was made just now */
} local_ca_files;

/* See to it that all four files are there and good at the time now_s.  names (may be empty) are host names and
 * addresses beside localhost, 127.0.0.1, ::1 and the host's own name.  One daemon at a time: the data directory is
 * locked.  *ret_files is to be released with local_ca_files_done, also after a failure.  Errors: AC_ERR_INVALID (a file
 * that is there is broken: the message names it), AC_ERR_DENIED, AC_ERR_IO, AC_ERR_NOMEM, AC_ERR_INTERNAL (OpenSSL). */
ac_status local_ca_prepare(const char *data_dir, const char *const *names, size_t name_count, int64_t now_s,
                           local_ca_files *ret_files, ac_error *err) AC_MUST_USE;

void local_ca_files_done(local_ca_files *files);

#endif
