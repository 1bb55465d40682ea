/* session_fixture.h - a session manager over fake sandboxes that run session_agent. */
#ifndef TESTS_DAEMON_SESSION_FIXTURE_H
#define TESTS_DAEMON_SESSION_FIXTURE_H

#include "base/clock.h"
#include "daemon/sessions/sessions.h"
#include "fake_sandbox.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXTURE_PORTS_MAX 1024
#define PATIENCE_MS 20000 /* until a test gives up */

typedef struct session_fixture {
    char dir[64];
    sessions_options options;
    sandboxes *boxes;
    sessions *all;
    int ports[FIXTURE_PORTS_MAX]; /* sockets that hold ports for agents */
    unsigned port_count;
    pthread_mutex_t lock;
    unsigned overs;
    char over_id[SESSION_ID_MAX + 1];
    char over_reason[SESSION_REASON_SIZE];
    int connected_fd;
    char connected_id[SESSION_ID_MAX + 1];
} session_fixture;

/* How the sessions of a request are made. */
typedef struct agent_plan {
    const char *words; /* of session_agent, separated by blanks */
    session_plan plan; /* what is to be other than the defaults; sandbox is filled in */
    bool no_port, no_health;
    ac_status fails; /* of session_prepare */
    atomic_uint prepared;
} agent_plan;

/* For cmocka: *state is a fixture with options, not open. */
int session_set_up(void **state);
int session_tear_down(void **state);

/* Open with these options; what is zero in them is as small as suits tests. */
void fixture_sessions_open(session_fixture *f, const sessions_options *options);

ac_status acquire_request(session_fixture *f, agent_plan *plan, const char *id, bool stay_here, session **ret_session,
                          session_peer *ret_peer, ac_error *err);
ac_status try_acquire(session_fixture *f, agent_plan *plan, const char *id, session **ret_session, ac_error *err);
session *acquire(session_fixture *f, agent_plan *plan, const char *id);

session_key key_named(const char *id);

/* GET a path of the session's agent: the status, 0 when there was no answer.  ret_body may be NULL. */
int ask(session *s, const char *path, char *ret_body, size_t size);
int pid_of(session *s);

/* Poll a condition until it holds; the test fails when it does not in PATIENCE_MS. */
#define wait_until(condition)                                                                                          \
    do {                                                                                                               \
        uint64_t until_ = clock_monotonic_ms() + PATIENCE_MS;                                                          \
        while (!(condition)) {                                                                                         \
            if (clock_monotonic_ms() > until_)                                                                         \
                fail_msg("never: %s", #condition);                                                                     \
            usleep(1000);                                                                                              \
        }                                                                                                              \
    } while (0)

unsigned sessions_now(session_fixture *f);
unsigned overs(session_fixture *f);

/* From now on leases are renewed by sessions_renew_now alone; to be ended before the sessions are closed. */
void sessions_renew_by_hand(sessions *all, bool by_hand);

/* Renew the leases, which is done when it returns.  By hand only. */
void sessions_renew_now(sessions *all);

/* Whether the one session there is has this state. */
bool state_is(session_fixture *f, const char *state);

#define assert_ok(expression)                                                                                          \
    do {                                                                                                               \
        ac_status ok_status_ = (expression);                                                                           \
        if (ok_status_ != AC_OK)                                                                                       \
            fail_msg("%s: %s", ac_status_name(ok_status_), err.message);                                               \
    } while (0)

#define assert_contains(text, part)                                                                                    \
    do {                                                                                                               \
        if (!strstr(text, part))                                                                                       \
            fail_msg("\"%s\" is not in \"%s\"", part, text);                                                           \
    } while (0)

#endif
