/* sandbox_escapes_guest.h - between the files of the program that tries to get out of a sandbox.
 *
 * Attempts print all they find: whether a secret is in it is looked for outside.  Where the guest itself can see that
 * something worked that must not, it claims so; the outside does not rely on that. */
#ifndef TESTS_DAEMON_SANDBOX_ESCAPES_GUEST_H
#define TESTS_DAEMON_SANDBOX_ESCAPES_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct attempt {
    const char *name;
    void (*make)(void);
} attempt;

extern const attempt file_attempts[], kernel_attempts[], process_attempts[], network_attempts[], resource_attempts[];

/* "name=value" of the arguments; "" when it is not there. */
const char *given(const char *name);

void claim(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print what can be read of a file (in pieces, not for ever), or of a descriptor. */
void show_file(const char *path);
void show_fd(int fd, const char *what);

/* Write into a file that is there; a claim when that works. */
void deface(const char *path, const char *text);

/* Call fn with "/proc/PID" of each process that is seen, oneself left out. */
void each_process(void (*fn)(const char *proc, pid_t pid));

/* Call fn for each entry of a directory, as "directory/name". */
void each_entry(const char *directory, void (*fn)(const char *path));

#endif
