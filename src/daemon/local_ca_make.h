/* local_ca_make.h - making the two kinds of certificates; for local_ca.c only. */
#ifndef DAEMON_LOCAL_CA_MAKE_H
#define DAEMON_LOCAL_CA_MAKE_H

#include "base/util.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

/* A certificate with its private key. */
typedef struct identity {
    X509 *certificate;
    EVP_PKEY *key;
} identity;

void identity_done(identity *i);

/* A root of a name that no other root has. */
ac_status make_root(const char *host, int64_t now_s, identity *ret_root, ac_error *err) AC_MUST_USE;

/* A server's certificate for all names; the first is its common name. */
ac_status make_server(const identity *root, const char *const *names, size_t name_count, int64_t now_s,
                      identity *ret_server, ac_error *err) AC_MUST_USE;

#endif
