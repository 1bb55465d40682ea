/* exchange_over.c - the end of an exchange: who wants to know of it, and ends that are not in order.
 *
 * An exchange is over when its connection lets go of it (http_exchange_detach): it was answered to the end, or the
 * client is gone.  That may happen inside a call, so telling is a task of its own. */
#include "http/conn.h"

struct http_loop *http_exchange_loop(http_exchange *x)
{
    return x->loop;
}

ac_status http_exchange_post(http_exchange *x, loop_task *task)
{
    ac_status status = AC_OK;

    pthread_mutex_lock(&x->lock);
    if (atomic_load(&x->gone))
        status = AC_ERR_CLOSED;
    else
        http_loop_post(x->loop, task);
    pthread_mutex_unlock(&x->lock);
    return status;
}

ac_status http_exchange_on_over(http_exchange *x, void (*fn)(http_exchange *x, void *user), void *user)
{
    ac_status status = AC_OK;

    pthread_mutex_lock(&x->lock);
    if (x->on_over && fn && !atomic_load(&x->gone)) {
        status = AC_ERR_STATE;
    } else if (atomic_load(&x->gone)) {
        status = AC_ERR_CLOSED;
    } else {
        x->on_over = fn;
        x->on_over_user = user;
    }
    pthread_mutex_unlock(&x->lock);
    return status;
}

static void on_over_task(loop_task *task)
{
    http_exchange *x = CONTAINER_OF(task, http_exchange, over_task);

    if (x->tunnel)
        http_tunnel_over(x);
    if (x->on_over)
        x->on_over(x, x->on_over_user);
    http_exchange_unref(x);
}

/* No lock: once gone is set, what is read here does not change. */
void http_exchange_over(http_exchange *x)
{
    if (!x->on_over && !x->tunnel)
        return;
    x->over_task.run = on_over_task;
    http_exchange_ref(x);
    http_loop_post(x->loop, &x->over_task);
}

void http_stream_abort(http_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    if (!x->finished && !x->aborted && !atomic_load(&x->gone)) {
        x->aborted = true;
        http_exchange_schedule(x);
    }
    pthread_mutex_unlock(&x->lock);
}

/* What was written before the abort has left, as far as the client took it in time. */
void http_exchange_cut(http_exchange *x)
{
    http_conn *c = x->conn;

    /* Only a reset tells a client that reads to the end of the connection. */
    if (x->framing == HTTP_FRAMING_CLOSE && c->transport->ops->reset)
        c->transport->ops->reset(c->transport);
    http_conn_abort(c);
}
