/* sandbox_fixture.h - sandboxes for tests, as root and as an ordinary user. */
#ifndef TESTS_SANDBOX_FIXTURE_H
#define TESTS_SANDBOX_FIXTURE_H

#include "daemon/sandbox/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those above it. */
#include <cmocka.h>

#define FIXTURE_WAIT_MS 20000
#define FIXTURE_PROCESSES_MAX 1024
#define GUEST "/guest" /* where sandbox_guest.c is seen inside */

/* Call first thing in main: with the argument "user", the tests are run by an ordinary user when we are root. */
void fixture_main(int argc, char **argv);

/* Of the group: `*state` becomes the sandboxes.  Tests skip when this machine makes no sandbox, and say why. */
int fixture_open(void **state);
int fixture_close(void **state);

/* For use before other sandboxes are open, or in a child. */
sandboxes *fixture_sandboxes(void);

/* Why no sandbox can be made here; NULL: they can. */
const char *fixture_lacks(sandboxes *all);

/* Skip the test unless sandboxes work here. */
void fixture_need(sandboxes *all);

/* A directory of this run that every user may look into; removed at its end. */
const char *fixture_directory(void);

/* Make a file below it, mode 0644 or 0755. */
void fixture_write(const char *name, const char *text, unsigned mode);

/* Whether cgroups limit memory here. */
bool fixture_has_cgroups(const sandboxes *all);

/* Start with the guest mounted; fails the test when that fails.  spec->argv and the rest as given. */
sandbox *fixture_start(sandboxes *all, sandbox_spec spec);

/* Wait for an event of this kind; others are dropped.  Fails the test when it does not come. */
sandbox_event fixture_await(sandbox *box, sandbox_event_kind kind);

typedef struct fixture_result {
    sandbox_event end;
    char output[65536];
} fixture_result;

/* Run to the end, and free. */
void fixture_run(sandboxes *all, sandbox_spec spec, fixture_result *result);

/* The same, of a shell script without more. */
void fixture_shell(sandboxes *all, const char *script, fixture_result *result);

/* Read from a descriptor until it has said this; fails the test when it does not. */
void fixture_await_text(int fd, const char *text);

/* Descendants of a process, as seen from outside.  Returns how many. */
size_t fixture_descendants(pid_t of, pid_t pids[FIXTURE_PROCESSES_MAX]);

/* How many of them belong to sandboxes: not the keeper, the spawner and what that has ready. */
size_t fixture_busy(const sandboxes *all);

/* Wait until none of them lives. */
void fixture_await_death(const pid_t *pids, size_t count);

pid_t fixture_keeper(const sandboxes *all);
pid_t fixture_spawner(const sandboxes *all);
size_t fixture_open_files(pid_t pid);
size_t fixture_groups(const sandboxes *all);

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
