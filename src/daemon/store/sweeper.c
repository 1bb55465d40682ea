/* sweeper.c - deletes what has expired: client tokens.
 *
 * In small transactions, so that nobody waits long for the writer's turn. */
#include "daemon/store/sweeper.h"
#include "daemon/store/client_tokens.h"

#define PERIOD_MS_DEFAULT (60 * 60 * 1000)
#define BATCH 500

static ac_status sweep_batch(store_tx *tx, void *arg, ac_error *err)
{
    return client_token_sweep(tx, BATCH, arg, err);
}

static ac_status sweep(store *s, const job *j, const job_run *run, void *arg, ac_error *err)
{
    int64_t count = BATCH;

    (void)j;
    (void)arg;
    while (count == BATCH && !job_run_cancelled(run))
        AC_TRY(store_write(s, sweep_batch, &count, err));
    return AC_OK;
}

job_handler sweeper_handler(unsigned period_ms)
{
    return (job_handler){
        .kind = SWEEPER_KIND,
        .run = sweep,
        .period_ms = period_ms ? period_ms : PERIOD_MS_DEFAULT,
    };
}
