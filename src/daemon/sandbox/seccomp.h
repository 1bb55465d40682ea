/* seccomp.h - which system calls a sandboxed program may make: an allow-list.
 *
 * What is not on it fails: with EPERM where a program could do harm by it (mount, ptrace, bpf, keyctl, namespaces,
 * io_uring, ...), with ENOSYS where it is merely unknown here or newer than this list, so that the C library falls back
 * to what it used before (clone3 to clone, whose flags can be looked at).  Foreign architectures are killed. */
#ifndef DAEMON_SANDBOX_SECCOMP_H
#define DAEMON_SANDBOX_SECCOMP_H

#include "base/util.h"

/* The filter as bubblewrap reads it (an array of struct sock_filter), in a sealed memfd at offset 0, close-on-exec, the
 * caller's.  AC_ERR_UNSUPPORTED: libseccomp does not know this machine; AC_ERR_NOMEM, AC_ERR_IO. */
ac_status seccomp_program(int *ret_fd, ac_error *err) AC_MUST_USE;

#endif
