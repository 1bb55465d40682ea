/* peer.h - passing a request on to another daemon on the same store, which has the session that it is for.
 *
 * The request goes there as it came, with one header more: who the caller is, as found out here, sealed (sealed.h) and
 * bound to this request and to a few seconds.  The other daemon believes that instead of the signature, which was made
 * for this one's address.  Bearer tokens it verifies itself. */
#ifndef DAEMON_FRONT_PEER_H
#define DAEMON_FRONT_PEER_H

#include "daemon/front/front.h"

#define PEER_HEADER "X-Agentcored-Peer"

/* Pass the call on to url ("http://10.0.0.5:8484") and its answer back; keeps and ends the call.  To be returned from a
 * handler, on a worker thread.  AC_ERR_IO: no such address; AC_ERR_UNSUPPORTED: not http. */
ac_status front_pass_on(front_call *call, const char *url, ac_error *err) AC_MUST_USE;

/* Read the header of a request that another daemon has passed on: fills ret_caller, its texts in memory.
 * AC_ERR_UNAUTHORIZED. */
ac_status peer_caller(const store *s, const http_request *request, const char *sealed, arena *memory,
                      front_caller *ret_caller, ac_error *err) AC_MUST_USE;

#endif
