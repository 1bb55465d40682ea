/* transact.h - the one transaction of an operation, and clientToken replay for all of them.
 *
 *     static ac_status create(store_tx *tx, front_call *call, void *arg, ac_error *err)
 *     {
 *         ... read call->input, change the store, fill call->output ...
 *     }
 *
 *     static ac_status create_thing(front_call *call, ac_error *err)
 *     {
 *         return transact_write(room->store, call, create, NULL, err);
 *     }
 *
 * The function may run more than once and on another thread while its caller waits (store.h), so it has no effect but
 * on the transaction and on call->output, which is empty each time it begins.
 *
 * When the input has a clientToken, transact_write runs the function once per token: what it put into call->output is
 * kept in the same transaction, and the same request with the same token gets it again, as it was.  Another request
 * with that token is a ValidationException, reason IdempotentParameterMismatchException.  What failed is not kept.
 * Requests are the same when their members are, in whatever order; the region they are signed for does not count. */
#ifndef DAEMON_RESOURCES_TRANSACT_H
#define DAEMON_RESOURCES_TRANSACT_H

#include "daemon/front/front.h"
#include "daemon/store/store.h"

#define TRANSACT_TOKEN "clientToken"
#define TRANSACT_KEPT_MAX ((size_t)16 << 20) /* bytes of a request or an output that has to do with a token */

typedef ac_status (*transact_fn)(store_tx *tx, front_call *call, void *arg, ac_error *err);

/* As store_write and store_read; AC_ERR_TOO_LARGE: an output that cannot be kept. */
ac_status transact_write(store *s, front_call *call, transact_fn fn, void *arg, ac_error *err) AC_MUST_USE;
ac_status transact_read(store *s, front_call *call, transact_fn fn, void *arg, ac_error *err) AC_MUST_USE;

#endif
