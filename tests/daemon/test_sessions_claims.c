/* Several daemons on one store: whose a session is, and when it becomes somebody else's. */
#include "session_agent.h"
#include "session_fixture.h"
#undef assert_ok
#include "store_fixture.h"

#include <signal.h>

#define HERE "http://127.0.0.1:1001"
#define THERE "http://127.0.0.1:1002"

/* Two managers over one store, as two daemons have them. */
typedef struct two {
    fixture *stored;
    session_fixture *here, *there;
} two;

static void open_one(session_fixture *f, const two *t, const char *url)
{
    fixture_sessions_open(f, &(sessions_options){.store = t->stored->s, .peer_url = url});
    sessions_renew_by_hand(f->all, true); /* on a busy machine a test may last until the leases want renewing */
}

static void close_one(session_fixture *f)
{
    sessions_renew_by_hand(f->all, false);
    sessions_close(TAKE_PTR(f->all));
}

static int two_set_up(void **state)
{
    two *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    fixture_set_up((void **)&t->stored);
    session_set_up((void **)&t->here);
    session_set_up((void **)&t->there);
    open_one(t->here, t, HERE);
    open_one(t->there, t, THERE);
    *state = t;
    return 0;
}

static int two_tear_down(void **state)
{
    two *t = *state;

    close_one(t->here); /* both, before the fixtures count what is left */
    close_one(t->there);
    assert_int_equal(fixture_number(t->stored->s, "SELECT count(*) FROM sessions"), 0);
    session_tear_down((void **)&t->here);
    session_tear_down((void **)&t->there);
    fixture_tear_down((void **)&t->stored);
    free(t);
    return 0;
}

static int64_t rows(const two *t)
{
    return fixture_number(t->stored->s, "SELECT count(*) FROM sessions");
}

static ac_status ask_for(session_fixture *f, agent_plan *plan, const char *id, bool stay_here, session_peer *ret_peer,
                         session **ret_session)
{
    ac_error err = {0};
    ac_status status = acquire_request(f, plan, id, stay_here, ret_session, ret_peer, &err);

    if (status == AC_ERR_AGAIN && ret_peer->url[0])
        assert_string_equal(err.message, "the session runs on another machine");
    return status;
}

static void a_session_is_one_daemons(void **state)
{
    two *t = *state;
    agent_plan plan = {.no_port = true};
    session_key key = key_named("a");
    session *mine = NULL, *other = NULL;
    session_peer peer;
    ac_error err;

    assert_int_equal(ask_for(t->here, &plan, "a", false, &peer, &mine), AC_OK);
    assert_string_equal(peer.url, "");
    assert_int_equal(rows(t), 1);
    assert_int_equal(ask_for(t->there, &plan, "a", false, &peer, &other), AC_ERR_AGAIN);
    assert_string_equal(peer.url, HERE);
    assert_int_equal(ask_for(t->there, NULL, "a", false, &peer, &other), AC_ERR_AGAIN);
    assert_string_equal(peer.url, HERE);
    assert_int_equal(ask_for(t->there, &plan, "a", true, &peer, &other), AC_ERR_AGAIN);
    assert_string_equal(peer.url, ""); /* nobody is sent round and round */
    assert_int_equal(plan.prepared, 1);
    assert_int_equal(session_stop(t->there->all, &key, &peer, &err), AC_ERR_AGAIN);
    assert_string_equal(peer.url, HERE);
    assert_int_equal(ask_for(t->there, NULL, "b", false, &peer, &other), AC_ERR_NOT_FOUND);

    session_release(mine);
    assert_ok(session_stop(t->here->all, &key, &peer, &err));
    wait_until(rows(t) == 0);
    assert_int_equal(ask_for(t->there, &plan, "a", false, &peer, &other), AC_OK);
    assert_int_equal(ask_for(t->here, &plan, "a", false, &peer, &mine), AC_ERR_AGAIN);
    assert_string_equal(peer.url, THERE);
    session_release(other);
}

static void a_failed_start_leaves_no_row(void **state)
{
    two *t = *state;
    agent_plan plan = {.words = "die=1"}, unprepared = {.fails = AC_ERR_DENIED};
    session *s = NULL;
    session_peer peer;

    assert_int_equal(ask_for(t->here, &plan, "a", false, &peer, &s), AC_ERR_CLOSED);
    wait_until(rows(t) == 0);
    assert_int_equal(ask_for(t->here, &unprepared, "a", false, &peer, &s), AC_ERR_DENIED);
    assert_int_equal(rows(t), 0);
}

static void a_quick_successor_keeps_its_row(void **state)
{
    two *t = *state;
    agent_plan plan = {.no_port = true};
    session_key key = key_named("a");
    ac_error err;

    for (int i = 0; i < 20; i++) {
        session_release(acquire(t->here, &plan, "a"));
        assert_ok(session_stop(t->here->all, &key, NULL, &err));
    }
    session *s = acquire(t->here, &plan, "a");
    wait_until(fake_alive() == 1); /* the former ones are cleared away, rows and all */
    assert_int_equal(rows(t), 1);
    session_release(s);
}

static void what_a_dead_daemon_had_is_taken_over(void **state)
{
    two *t = *state;
    agent_plan plan = {.no_port = true};
    session *mine = NULL;
    session_peer peer;

    assert_int_equal(ask_for(t->there, &plan, "a", false, &peer, &mine), AC_OK);
    session_release(mine);
    fixture_sql(t->stored->s, "UPDATE sessions SET lease_ms = 1");
    assert_int_equal(ask_for(t->here, &plan, "a", false, &peer, &mine), AC_OK);
    session_release(mine);
    assert_int_equal(fixture_number(t->stored->s, "SELECT count(*) FROM sessions WHERE url = '" HERE "'"), 1);
    sessions_renew_now(t->there->all); /* who was thought dead sees that it has lost the session */
    wait_until(overs(t->there) == 1);
    assert_string_equal(t->there->over_reason, "another machine has taken it over or ended it");
    assert_int_equal(overs(t->here), 0);
    wait_until(fake_alive() == 1);
    assert_int_equal(rows(t), 1);
}

static void what_is_deleted_ends_everywhere(void **state)
{
    two *t = *state;
    agent_plan plan = {.no_port = true};
    session_peer peer;
    session_key key = key_named("a");
    session *s = NULL;

    assert_int_equal(ask_for(t->there, &plan, "a", false, &peer, &s), AC_OK);
    session_release(s);
    assert_int_equal(ask_for(t->here, &plan, "b", false, &peer, &s), AC_OK);
    session_release(s);
    sessions_stop_all(t->here->all, key.kind, "somebody else", NULL);
    sessions_stop_all(t->here->all, "another", key.owner, NULL);
    sessions_renew_now(t->there->all);
    session_release(acquire(t->there, &plan, "a"));
    assert_int_equal(rows(t), 2);

    sessions_stop_all(t->here->all, key.kind, key.owner, NULL);
    wait_until(overs(t->here) == 1);
    assert_int_equal(overs(t->there), 0);
    sessions_renew_now(t->there->all);
    wait_until(overs(t->there) == 1 && fake_alive() == 0);
    assert_string_equal(t->there->over_reason, "another machine has taken it over or ended it");
}

static void leases_are_renewed_together(void **state)
{
    two *t = *state;
    agent_plan plan = {.no_port = true};
    char id[16];

    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof(id), "%d", i);
        session_release(acquire(i % 2 ? t->here : t->there, &plan, id));
    }
    fixture_sql(t->stored->s, "UPDATE sessions SET lease_ms = 1");
    sessions_renew_now(t->here->all);
    static const char alive[] = "SELECT count(*) FROM sessions WHERE lease_ms > (SELECT now_ms()) + 20000";
    wait_until(fixture_number(t->stored->s, alive) == 5);
    assert_int_equal(overs(t->here), 0);
}

/* A row that nothing here answers for (its session began a moment ago, or has ended while the store was away) must not
 * stand in for one that was lost. */
static void a_stray_row_hides_no_loss(void **state)
{
    two *t = *state;
    agent_plan plan = {.no_port = true};
    session *s = NULL;
    session_peer peer;

    assert_int_equal(ask_for(t->here, &plan, "a", false, &peer, &s), AC_OK);
    session_release(s);
    fixture_sql(t->stored->s,
                "INSERT INTO sessions (kind, owner, id, status, daemon, claim, url, lease_ms, created_ms, updated_ms,"
                " body) SELECT kind, owner, 'stray', status, daemon, 1000, url, lease_ms, 1, 1, '{}' FROM sessions");
    fixture_sql(t->stored->s, "DELETE FROM sessions WHERE id = 'a'");
    sessions_renew_now(t->here->all);
    wait_until(overs(t->here) == 1);
    assert_string_equal(t->here->over_reason, "another machine has taken it over or ended it");
    assert_int_equal(rows(t), 1);
}

static void a_former_lifes_rows_vanish(void **state)
{
    two *t = *state;
    agent_plan plan = {.no_port = true};
    session *s = NULL;
    session_peer peer;

    fixture_sql(t->stored->s,
                "INSERT INTO sessions (kind, owner, id, status, daemon, claim, url, lease_ms, created_ms, updated_ms,"
                " body) SELECT 'runtime', '123456789012/one-0123456789/DEFAULT', 'a', 'ACTIVE', 'former', 1, '" HERE
                "', now_ms() + 30000, 1, 1, '{}'");
    assert_int_equal(ask_for(t->there, &plan, "a", false, &peer, &s), AC_ERR_AGAIN);
    close_one(t->here);
    open_one(t->here, t, HERE);
    assert_int_equal(rows(t), 0);
    assert_int_equal(ask_for(t->there, &plan, "a", false, &peer, &s), AC_OK);
    session_release(s);
}

typedef struct asker {
    pthread_t thread;
    session_fixture *f;
    agent_plan *plan;
    ac_status status;
    session *s;
    session_peer peer;
} asker;

static void *run_asker(void *arg)
{
    asker *a = arg;

    a->status = ask_for(a->f, a->plan, "same", false, &a->peer, &a->s);
    return NULL;
}

static void of_two_daemons_one_starts_it(void **state)
{
    two *t = *state;
    agent_plan plan = {.no_port = true};
    asker askers[8];
    unsigned before = fake_started();

    for (int i = 0; i < 8; i++) {
        askers[i] = (asker){.f = i % 2 ? t->here : t->there, .plan = &plan};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, run_asker, &askers[i]), 0);
    }
    unsigned got = 0;
    for (int i = 0; i < 8; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_true(askers[i].status == AC_OK || (askers[i].status == AC_ERR_AGAIN && askers[i].peer.url[0]));
        got += askers[i].status == AC_OK;
        session_release(askers[i].s);
    }
    assert_int_equal(got, 4);
    assert_int_equal(fake_started() - before, 1);
}

static void alone_there_are_no_rows(void **state)
{
    fixture *stored = *state;
    session_fixture *f;
    agent_plan plan = {.no_port = true, .plan = {.pool = "p", .warm = 1}};

    session_set_up((void **)&f);
    fixture_sessions_open(f, &(sessions_options){.store = stored->s});
    session_release(acquire(f, &plan, "a"));
    assert_int_equal(fixture_number(stored->s, "SELECT count(*) FROM sessions"), 0);
    session_tear_down((void **)&f);
}

#define two_test(function) cmocka_unit_test_setup_teardown(function, two_set_up, two_tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(alone_there_are_no_rows, fixture_set_up, fixture_tear_down),
        two_test(a_session_is_one_daemons),
        two_test(a_failed_start_leaves_no_row),
        two_test(a_quick_successor_keeps_its_row),
        two_test(what_a_dead_daemon_had_is_taken_over),
        two_test(what_is_deleted_ends_everywhere),
        two_test(leases_are_renewed_together),
        two_test(a_stray_row_hides_no_loss),
        two_test(a_former_lifes_rows_vanish),
        two_test(of_two_daemons_one_starts_it),
    };

    session_agent_main(argc, argv);
    fixture_require();
    /* Only PostgreSQL is shared by several. */
    return _cmocka_run_group_tests("tests", tests, fixture_on_postgres() ? ARRAY_SIZE(tests) : 1, NULL, NULL);
}
