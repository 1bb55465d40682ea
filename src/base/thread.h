/* thread.h - a thread that takes no signals.
 *
 * Signals that are sent to the process go to any thread that does not block them; which one stops a program, and in
 * what state its handlers are just then, is for the thread that runs the program to decide.  Threads inherit the mask
 * of whoever makes them, so that there is no moment in which a new one could be met. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <signal.h>

/* As pthread_create: 0, or the error's number. */
static inline int thread_start(pthread_t *ret_thread, const pthread_attr_t *attributes, void *(*run)(void *),
                               void *argument)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(ret_thread, attributes, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

#endif
