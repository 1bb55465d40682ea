/* interrupt.h - Ctrl-C in the middle of something that should not stay half made. */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include "cli/cli.h"

#include <poll.h>

/* From now on SIGINT, SIGTERM and SIGHUP are only noted; programs that are started meanwhile end by them as usual. */
void interrupt_begin(void);

/* Whether one has come. */
bool interrupted(void);

/* A failure when one has come: "interrupted". */
ac_status interrupt_check(cli *c, ac_error *err) AC_MUST_USE;

/* Wait so long, or until one comes. */
void interrupt_sleep(unsigned ms);

/* poll(), which ends with EINTR also when one has come before. */
int interrupt_poll(struct pollfd *waits, nfds_t count, unsigned ms);

#endif
