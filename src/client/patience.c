/* patience.c - pauses between looks, on the monotonic clock. */
#include "client/patience.h"

#include "base/clock.h"
#include "base/util.h"

#include <errno.h>
#include <time.h>

#define FIRST_PAUSE_MS 50

patience patience_begin(unsigned max_wait_s, unsigned poll_interval_ms)
{
    return (patience){
        .max_wait_s = max_wait_s,
        .pause_ms = poll_interval_ms,
        .poll_interval_ms = poll_interval_ms,
        .until_ms = clock_monotonic_ms() + (uint64_t)max_wait_s * 1000,
    };
}

patience patience_begin_quick(unsigned max_wait_s, unsigned poll_interval_ms)
{
    patience p = patience_begin(max_wait_s, poll_interval_ms);

    p.pause_ms = MIN(poll_interval_ms, FIRST_PAUSE_MS);
    return p;
}

bool patience_pause(patience *p)
{
    uint64_t now = clock_monotonic_ms();
    uint64_t pause_ms = now < p->until_ms ? MIN(p->until_ms - now, (uint64_t)p->pause_ms) : 0;
    struct timespec left = {.tv_sec = (time_t)(pause_ms / 1000), .tv_nsec = (long)(pause_ms % 1000) * 1000000L};

    p->pause_ms = (unsigned)MIN((uint64_t)p->pause_ms * 2, (uint64_t)p->poll_interval_ms);
    while (pause_ms && nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
    return pause_ms > 0;
}
