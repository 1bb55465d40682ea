/* tls.h - TLS for the server: a transport over another transport, on OpenSSL with memory BIOs.
 *
 * Nothing else in this room knows of it, so that a program without TLS does not carry it: the server is given
 * http_tls_wrap as the `wrap` of its options, with an http_tls as user. */
#ifndef HTTP_TLS_H
#define HTTP_TLS_H

#include "http/transport.h"

#include <agentcore/error.h>

typedef struct http_tls http_tls; /* certificate, key and settings; shared by all connections, thread-safe */

/* TLS 1.2 and newer, ALPN http/1.1, no renegotiation, no compression.  Both files are PEM; the first holds the
 * certificate and what it is chained to.
 * Errors: AC_ERR_INVALID (a file cannot be read, or the two do not belong together: the message says which),
 * AC_ERR_NOMEM. */
ac_status http_tls_new(const char *certificate_file, const char *key_file, http_tls **ret_tls, ac_error *err)
    AC_MUST_USE;
void http_tls_free(http_tls *tls);

/* A transport that speaks TLS over inner, which it then owns.  NULL when memory runs out; inner is untouched then. */
http_transport *http_tls_wrap(http_transport *inner, void *tls);

#endif
