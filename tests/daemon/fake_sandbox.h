/* fake_sandbox.h - sandbox.h without walls: plain child processes on this machine's own loopback, for tests of what is
 * above, where time and failure are to be exact.  Its limits, mounts and networks do nothing. */
#ifndef TESTS_DAEMON_FAKE_SANDBOX_H
#define TESTS_DAEMON_FAKE_SANDBOX_H

#include "daemon/sandbox/sandbox.h"

/* What the next calls do.  Set while no other thread is in them. */
typedef struct fake_sandbox_plan {
    ac_status start_fails; /* with the message "no sandbox today" */
    unsigned start_ms;     /* that starting one takes */
    bool never_ends;       /* the program's end is not told */
} fake_sandbox_plan;

extern fake_sandbox_plan fake_plan;

/* Sandboxes that were started, ever; and those that are not freed. */
unsigned fake_started(void);
unsigned fake_alive(void);

/* Have an event told as if it came from inside. */
void fake_sandbox_push(sandbox *box, const sandbox_event *event);

/* The one that was started last. */
sandbox *fake_last(void);

#endif
