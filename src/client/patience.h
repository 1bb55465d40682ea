/* patience.h - look, pause, look again, until the time is over.
 *
 * The last look is made when the time is over, so that what was ready in time is seen to be. */
#ifndef CLIENT_PATIENCE_H
#define CLIENT_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct patience {
    unsigned max_wait_s;
    unsigned pause_ms;         /* the next one; doubled after each, up to: */
    unsigned poll_interval_ms; /* the longest */
    uint64_t until_ms;
} patience;

/* Begin to wait, with pauses that are all the same. */
patience patience_begin(unsigned max_wait_s, unsigned poll_interval_ms);

/* The same with short pauses at first: for what is often ready at once. */
patience patience_begin_quick(unsigned max_wait_s, unsigned poll_interval_ms);

/* False when the time was over before. */
bool patience_pause(patience *p);

#endif
