/* sandbox_escapes_look.h - a sandbox's processes, looked at from outside. */
#ifndef TESTS_DAEMON_SANDBOX_ESCAPES_LOOK_H
#define TESTS_DAEMON_SANDBOX_ESCAPES_LOOK_H

#include <stddef.h>
#include <sys/types.h>

#define LOOK_PROCESSES_MAX 4096

/* Processes whose command line has the token.  Returns how many. */
size_t look_for(const char *token, pid_t pids[LOOK_PROCESSES_MAX]);

/* What is wrong with one: a right, a namespace of ours, an object that it must not have; NULL for nothing.  A process
 * that is gone is not wrong. */
const char *look_at(pid_t pid, uid_t first_user);

#endif
