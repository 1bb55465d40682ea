/* interrupt.c - signals that end a command, noted. */
#include "cli/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
static volatile sig_atomic_t noted;

static void note(int number)
{
    (void)number;
    noted = 1;
}

void interrupt_begin(void)
{
    struct sigaction action = {.sa_handler = note}; /* without SA_RESTART: waits end */

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        sigaction(numbers[i], &action, NULL);
}

bool interrupted(void)
{
    return noted != 0;
}

ac_status interrupt_check(cli *c, ac_error *err)
{
    return noted ? fail_as(c, EXIT_INTERRUPTED, err, AC_ERR_CLOSED, "interrupted") : AC_OK;
}

void interrupt_sleep(unsigned ms)
{
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    if (!noted)
        nanosleep(&wait, NULL);
}

int interrupt_poll(struct pollfd *waits, nfds_t count, unsigned ms)
{
    struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    sigset_t ours, before;
    int found = -1, failure = EINTR;

    /* Between the look and the wait none is let through. */
    sigemptyset(&ours);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        sigaddset(&ours, numbers[i]);
    sigprocmask(SIG_BLOCK, &ours, &before);
    if (!noted) {
        found = ppoll(waits, count, &limit, &before);
        failure = errno;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = failure;
    return found;
}
