/* fork.h - a child process that has one thread.
 *
 * fork() gives one, but not under the thread sanitizer, which starts a thread of its own in each child; and only a
 * process with one thread may enter new namespaces of users and processes.  The child must not be in need of anything
 * that another thread of the parent may have had its hands on: so the parent has one thread, too. */
#ifndef BASE_FORK_H
#define BASE_FORK_H

#include <signal.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static inline pid_t fork_alone(void)
{
#ifdef __SANITIZE_THREAD__
    return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
#else
    return fork();
#endif
}

#endif
