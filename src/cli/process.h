/* process.h - other programs: starting them, and waiting with what they say. */
#ifndef CLI_PROCESS_H
#define CLI_PROCESS_H

#include <agentcore/error.h>
#include <stdbool.h>
#include <sys/types.h>

/* Zero means the default beside it. */
typedef struct process_options {
    char *const *environment; /* ours */
    const char *directory;    /* ours */
    int input;                /* descriptor of its standard input; 0: /dev/null */
    int output;               /* of its standard output and error; 0: ours */
    bool apart;               /* in a process group and session of its own */
    bool keep_input;          /* ours */
} process_options;

/* Start a program, looked for in PATH when it has no slash.  argv is NULL-terminated. */
ac_status process_start(const char *const *argv, const process_options *options, pid_t *ret_pid, ac_error *err)
    AC_MUST_USE;

/* Its exit code as a shell sees it: 128 and the number of a signal. */
int process_wait(pid_t pid);

/* Start a program and get the end of a pipe that it writes to: standard output and error together, or the first
 * alone. */
ac_status process_open(const char *const *argv, const process_options *options, bool with_errors, int *ret_fd,
                       pid_t *ret_pid, ac_error *err) AC_MUST_USE;

/* Run to the end and keep what it writes: standard output and error together, or the first alone.  *ret_output lives
 * until text_done.  A program that fails is AC_OK with its code. */
ac_status process_run(const char *const *argv, const process_options *options, bool with_errors, int *ret_code,
                      char **ret_output, ac_error *err) AC_MUST_USE;

/* Our environment, with NAME=VALUE words put in; lives until text_done. */
char *const *environment_with(const char *const *words);

/* The path of a program: in PATH, or NULL. */
const char *program_find(const char *name);

/* The directory of this program. */
const char *program_directory(void);

#endif
