/* store_fixture.h - a fresh store for each test, on the engine that the environment names.
 *
 * AC_STORE_ENGINE=sqlite (the default) or postgresql; the latter needs AC_TEST_POSTGRES (with_postgres.py), and is
 * skipped without it. */
#ifndef TESTS_DAEMON_STORE_FIXTURE_H
#define TESTS_DAEMON_STORE_FIXTURE_H

#include "daemon/store/resources.h"
#include "daemon/store/sql.h"
#include "daemon/store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/types.h>

#include <cmocka.h>

typedef struct fixture {
    char dir[64];   /* the data directory, made by the store */
    char url[1024]; /* "" on SQLite */
    store *s;
} fixture;

#define FIXTURE_STOP_MS 20000 /* for job runners to come to their end */

bool fixture_on_postgres(void);

/* Exit with "skipped" when the engine is not there.  To be called first in main. */
void fixture_require(void);

/* For cmocka_unit_test_setup_teardown: *state is a fixture with an open store. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/* Open the same database again: a second handle on PostgreSQL, after fixture_close on SQLite.  extra may be NULL; its
 * url and data_dir are set here. */
store *fixture_open(const fixture *f, const store_options *extra);
void fixture_close(fixture *f);

/* Start this program anew as a process that is going to be killed: what main hands to fixture_child.  *ret_reports is
 * the read end of a pipe whose write end is FIXTURE_REPORT_FD there.  (Not a mere fork: there are threads.) */
#define FIXTURE_REPORT_FD 9
pid_t fixture_spawn(const fixture *f, const char *argument, int *ret_reports);

/* In main: when the program was started by fixture_spawn, open the store and call run, which does not return. */
void fixture_child(int argc, char **argv, void (*run)(store *s, const char *argument));

/* Run statements in a write transaction; fails the test when they fail. */
void fixture_sql(store *s, const char *text);

/* The number that a query yields. */
int64_t fixture_number(store *s, const char *text);

#define assert_ok(expression)                                                                                          \
    do {                                                                                                               \
        ac_status ok_status_ = (expression);                                                                           \
        if (ok_status_ != AC_OK)                                                                                       \
            fail_msg("%s: %s", ac_status_name(ok_status_), err.message);                                               \
    } while (0)

#endif
