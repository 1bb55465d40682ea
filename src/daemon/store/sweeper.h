/* sweeper.h - deletes what has expired, now and then, once over all daemons. */
#ifndef DAEMON_STORE_SWEEPER_H
#define DAEMON_STORE_SWEEPER_H

#include "daemon/store/job_runner.h"

#define SWEEPER_KIND "store.sweep"

/* For the handlers of a job runner.  period_ms: 0: one hour. */
job_handler sweeper_handler(unsigned period_ms);

#endif
