/* guest.h - talking with the supervisor in a session's sandbox: one connection, one call.
 *
 *     AC_TRY(guest_open(session, &request, &g, err));
 *     AC_TRY(guest_send_text(g, CODE_TEXT, code, length, err));
 *     AC_TRY(guest_go(g, err));
 *     while (!result.ended) {
 *         AC_TRY(guest_next(g, &frame, err));
 *         AC_TRY(code_result_take(&result, &frame, err));
 *     }
 *
 * Blocks; every wait has an end, and none outlasts the client.  On worker threads. */
#ifndef DAEMON_CODE_GUEST_H
#define DAEMON_CODE_GUEST_H

#include "daemon/code/frames.h"
#include "daemon/sessions/sessions.h"
#include "http/exchange.h"

typedef struct guest {
    int fd;
    guest_reader reader;
    const http_exchange *client; /* for whom it is; gone: AC_ERR_CLOSED */
    uint64_t due_ms;             /* over by then, whatever the guest does */
} guest;

/* Connect, and send the request.  AC_ERR_CLOSED: the session is over. */
ac_status guest_open(session *s, const code_request *request, const http_exchange *client, guest *ret_guest,
                     ac_error *err) AC_MUST_USE;
void guest_close(guest *g);

/* In as many frames as it takes: one at least. */
ac_status guest_send(guest *g, code_frame kind, const void *data, size_t length, ac_error *err) AC_MUST_USE;
ac_status guest_go(guest *g, ac_error *err) AC_MUST_USE;

/* The next frame.  AC_ERR_CLOSED: the guest, or the client, is gone; AC_ERR_TIMEOUT; AC_ERR_PROTOCOL. */
ac_status guest_next(guest *g, guest_frame *ret_frame, ac_error *err) AC_MUST_USE;

#endif
