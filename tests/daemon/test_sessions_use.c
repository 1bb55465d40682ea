/* What is done with a session that is there: connections that are kept, commands, calls from inside; and sessions that
 * write without end. */
#include "daemon/sessions/internal.h"
#include "daemon/sessions/run.h"
#include "daemon/sessions/session_log.h"
#include "daemon/sessions/session_log_read.h"
#include "session_agent.h"
#include "session_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* ---- connections, on a loop of the test's own ---- */

typedef struct caller {
    session_fixture *f;
    session *s;
    http_loop loop;
    uv_timer_t alive; /* what requests are in a server: something that keeps the loop running */
    http_upstream *upstream;
    bool done;
    int status;
    ac_status result;
} caller;

static void on_head(http_upstream *u, const http_upstream_head *head, void *user)
{
    (void)u;
    ((caller *)user)->status = head->status;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the type is http_upstream_events' */
static void on_data(http_upstream *u, char *data, size_t length, void *user)
{
    (void)u;
    (void)data;
    (void)length;
    (void)user;
}

static void on_done(http_upstream *u, ac_status status, const ac_error *err, void *user)
{
    caller *c = user;

    (void)err;
    c->upstream = u;
    c->result = status;
    c->done = true;
}

/* Run the loop until a condition holds. */
#define run_until(c, condition)                                                                                        \
    do {                                                                                                               \
        uint64_t until_ = clock_monotonic_ms() + PATIENCE_MS;                                                          \
        while (!(condition)) {                                                                                         \
            if (clock_monotonic_ms() > until_)                                                                         \
                fail_msg("never: %s", #condition);                                                                     \
            uv_run(&(c)->loop.uv, UV_RUN_NOWAIT);                                                                      \
            usleep(500);                                                                                               \
        }                                                                                                              \
    } while (0)

/* One request; what it went over, which may be kept. */
static http_upstream *request(caller *c, const char *path, bool fresh)
{
    const http_field host = {"Host", "127.0.0.1"};
    const http_upstream_request r = {.method = "GET", .target = path, .headers = &host, .header_count = 1};
    const http_upstream_events events = {.on_head = on_head, .on_data = on_data, .on_done = on_done, .user = c};
    ac_error err;
    http_upstream *u = session_connect(c->s, &c->loop, fresh, &err);

    if (!u)
        fail_msg("%s", err.message);
    c->done = false;
    c->status = 0;
    assert_int_equal(http_upstream_send(u, &r, &events), AC_OK);
    run_until(c, c->done);
    return c->upstream;
}

static void on_alive(uv_timer_t *timer)
{
    (void)timer;
}

static void caller_open(caller *c, session_fixture *f, agent_plan *plan, const char *id)
{
    *c = (caller){.f = f};
    fixture_sessions_open(f, NULL);
    assert_int_equal(http_loop_init(&c->loop), AC_OK);
    uv_timer_init(&c->loop.uv, &c->alive);
    uv_timer_start(&c->alive, on_alive, 10, 10);
    c->s = acquire(f, plan, id);
}

/* In the daemon's order: the loop does not run any more, the sessions close, the loop is freed. */
static void caller_close(caller *c)
{
    session_release(c->s);
    uv_close((uv_handle_t *)&c->alive, NULL);
    sessions_close(TAKE_PTR(c->f->all));
    http_loop_done(&c->loop);
}

static void connections_are_kept_and_taken_again(void **state)
{
    agent_plan plan = {0};
    caller c;

    caller_open(&c, *state, &plan, "a");
    http_upstream *u = request(&c, "/ping", false);
    assert_int_equal(c.status, 200);
    session_keep(c.s, &c.loop, u);
    http_upstream *again = request(&c, "/ping", false);
    assert_ptr_equal(u, again);
    session_keep(c.s, &c.loop, again);
    http_upstream *fresh = request(&c, "/ping", true);
    assert_ptr_not_equal(fresh, u);
    session_keep(c.s, &c.loop, fresh);
    again = request(&c, "/ping", false); /* the last one kept */
    assert_ptr_equal(fresh, again);
    http_upstream_close(again);
    caller_close(&c); /* with one still kept */
}

static unsigned descriptors(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void kept_connections_are_closed_when_idle(void **state)
{
    agent_plan plan = {0};
    caller c;

    caller_open(&c, *state, &plan, "a");
    session_keep(c.s, &c.loop, request(&c, "/ping", true));
    uint64_t began = clock_monotonic_ms(); /* of the last one; by the loop's clock it was kept a little earlier */
    session_keep(c.s, &c.loop, request(&c, "/ping", true));
    unsigned kept = atomic_load(&c.s->kept_count), before = descriptors(); /* a slow request may outlast the first */
    assert_in_range(kept, 1, 2);
    run_until(&c, descriptors() == before - kept);
    assert_true(clock_monotonic_ms() - began >= 1500);
    caller_close(&c);
}

static void kept_connections_end_with_their_session(void **state)
{
    agent_plan plan = {0};
    session_key key = key_named("a");
    ac_error err;
    caller c;

    caller_open(&c, *state, &plan, "a");
    for (int i = 0; i < 40; i++) /* more than are kept */
        session_keep(c.s, &c.loop, request(&c, "/ping", true));
    http_upstream *late = request(&c, "/ping", true);
    /* When the machine is slow, the first ones have been idle for too long already. */
    unsigned kept = atomic_load(&c.s->kept_count), before = descriptors();
    assert_true(kept <= 32);
    assert_ok(session_stop(c.f->all, &key, NULL, &err));
    session_keep(c.s, &c.loop, late); /* is closed at once */
    assert_null(session_connect(c.s, &c.loop, false, &err));
    assert_int_equal(err.status, AC_ERR_CLOSED);
    assert_string_equal(err.message, "it was stopped");
    run_until(&c, atomic_load(&c.s->kept_count) == 0 && descriptors() + kept < before);
    caller_close(&c);
}

static void a_new_session_gets_no_connection_of_the_former(void **state)
{
    agent_plan plan = {0};
    session_key key = key_named("a");
    ac_error err;
    caller c;

    caller_open(&c, *state, &plan, "a");
    session_keep(c.s, &c.loop, request(&c, "/ping", false));
    assert_ok(session_stop(c.f->all, &key, NULL, &err));
    session_release(c.s);
    c.s = acquire(c.f, &plan, "a");
    http_upstream *u = request(&c, "/ping", false);
    assert_int_equal(c.status, 200);
    session_keep(c.s, &c.loop, u);
    caller_close(&c);
}

/* ---- commands ---- */

typedef struct told {
    atomic_uint count;
    atomic_uint id;
    atomic_int end, code;
} told;

static void on_end(void *user, const sandbox_event *event)
{
    told *t = user;

    t->id = event->id;
    t->end = (int)event->end;
    t->code = event->code;
    t->count++;
}

static ac_status start_command(session *s, const char *word, told *t, uint32_t *ret_id)
{
    const char *const argv[] = {"/proc/self/exe", "agent", word, NULL};
    const char *const environment[] = {"TSAN_OPTIONS=report_bugs=0", NULL};
    const sandbox_command command = {
        .argv = argv, .environment = environment, .input_fd = -1, .output_fd = -1, .error_fd = -1};

    return session_exec(s, &command, on_end, t, ret_id, NULL);
}

static void commands_have_their_end_told_once(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.no_port = true};
    told ends[8] = {0}, killed = {0}, last = {0};
    uint32_t ids[8], id;
    session *s = acquire(f, (fixture_sessions_open(f, NULL), &plan), "a");
    session_key key = key_named("a");
    ac_error err;

    for (int i = 0; i < 8; i++)
        assert_int_equal(start_command(s, "die=4", &ends[i], &ids[i]), AC_OK);
    assert_int_equal(start_command(s, "well", &killed, &id), AC_OK);
    session_signal(s, id, SIGKILL);
    for (int i = 0; i < 8; i++) {
        wait_until(ends[i].count == 1);
        assert_int_equal(ends[i].id, ids[i]);
        assert_int_equal(ends[i].end, SANDBOX_EXITED);
        assert_int_equal(ends[i].code, 4);
    }
    wait_until(killed.count == 1);
    assert_int_equal(killed.code, SIGKILL);
    assert_int_equal(start_command(s, "well", &last, &id), AC_OK);
    assert_ok(session_stop(f->all, &key, NULL, &err));
    wait_until(last.count == 1);
    assert_int_equal(start_command(s, "well", &last, &id), AC_ERR_CLOSED);
    session_signal(s, id, SIGKILL);
    session_release(s);
    assert_int_equal(last.count, 1);
    for (int i = 0; i < 8; i++)
        assert_int_equal(ends[i].count, 1);
}

/* As when the answer to a start took too long, and the command has run all the same. */
static void end_of_an_unknown_command_is_kept_for_nobody(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.no_port = true};
    told known = {0};
    uint32_t id;
    session *s = acquire(f, (fixture_sessions_open(f, NULL), &plan), "a");

    fake_sandbox_push(fake_last(), &(sandbox_event){.kind = SANDBOX_COMMAND_ENDED, .id = UINT32_MAX, .fd = -1});
    assert_int_equal(start_command(s, "die=4", &known, &id), AC_OK);
    wait_until(known.count == 1);
    session_release(s); /* what is left of it is the leak sanitizer's to find */
}

typedef struct slow_reader {
    size_t bytes;
    unsigned pieces;
} slow_reader;

/* The client takes its time with the first ones: longer than the pipes' end is waited for. */
static ac_status take_slowly(void *user, run_stream stream, const char *text, size_t length, ac_error *err)
{
    slow_reader *r = user;

    (void)text;
    (void)err;
    assert_int_equal(stream, RUN_STDOUT);
    if (r->pieces++ < 4)
        poll(NULL, 0, 150); /* what it takes, not a way to wait for something */
    r->bytes += length;
    return AC_OK;
}

static void output_is_whole_however_slowly_it_is_taken(void **state)
{
    static const char *const argv[] = {"/proc/self/exe", "agent", "wide", NULL};
    static const char *const environment[] = {"TSAN_OPTIONS=report_bugs=0", NULL};
    session_fixture *f = *state;
    agent_plan plan = {.no_port = true};
    slow_reader reader = {0};
    const run_command command = {
        .argv = argv, .environment = environment, .timeout_ms = PATIENCE_MS, .on_output = take_slowly, .user = &reader};
    session *s = acquire(f, (fixture_sessions_open(f, NULL), &plan), "a");
    run_result result;
    ac_error err;

    assert_ok(session_run(s, &command, &result, &err));
    assert_false(result.timed_out);
    assert_int_equal(result.exit_code, 0);
    assert_int_equal(reader.bytes, AGENT_WIDE_BYTES);
    session_release(s);
}

/* At its first words the session is stopped. */
static ac_status stop_the_session(void *user, run_stream stream, const char *text, size_t length, ac_error *err)
{
    session_fixture *f = user;
    session_key key = key_named("a");

    (void)stream;
    (void)text;
    (void)length;
    return session_stop(f->all, &key, NULL, err);
}

static void end_of_the_session_is_no_end_of_a_command(void **state)
{
    static const char *const argv[] = {"/proc/self/exe", "agent", "say=I have begun", NULL};
    static const char *const environment[] = {"TSAN_OPTIONS=report_bugs=0", NULL};
    session_fixture *f = *state;
    agent_plan plan = {.no_port = true};
    const run_command command = {
        .argv = argv, .environment = environment, .timeout_ms = PATIENCE_MS, .on_output = stop_the_session, .user = f};
    session *s = acquire(f, (fixture_sessions_open(f, NULL), &plan), "a");
    run_result result;
    ac_error err;

    assert_int_equal(session_run(s, &command, &result, &err), AC_ERR_CLOSED);
    assert_string_equal(err.message, "the session ended while the command ran");
    session_release(s);
}

static bool is_not_wanted(void *user)
{
    unsigned *asked = user;

    return ++*asked < 2;
}

static void command_that_nobody_waits_for_is_killed(void **state)
{
    static const char *const argv[] = {"/proc/self/exe", "agent", NULL};
    static const char *const environment[] = {"TSAN_OPTIONS=report_bugs=0", NULL};
    session_fixture *f = *state;
    agent_plan plan = {.no_port = true};
    unsigned asked = 0;
    const run_command command = {.argv = argv,
                                 .environment = environment,
                                 .timeout_ms = PATIENCE_MS,
                                 .is_wanted = is_not_wanted,
                                 .user = &asked};
    session *s = acquire(f, (fixture_sessions_open(f, NULL), &plan), "a");
    run_result result;
    ac_error err;

    assert_int_equal(session_run(s, &command, &result, &err), AC_ERR_CLOSED);
    assert_true(result.started);
    assert_false(result.timed_out);
    assert_int_equal(asked, 2);
    session_release(s);
}

/* ---- calls from inside ---- */

static void calls_from_inside_are_passed_on(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {.no_port = true};
    int ends[2];
    session *s = acquire(f, (fixture_sessions_open(f, NULL), &plan), "a");

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    fake_sandbox_push(fake_last(), &(sandbox_event){.kind = SANDBOX_CONNECTED, .fd = ends[0]});
    wait_until(({
        pthread_mutex_lock(&f->lock);
        int fd = f->connected_fd;
        pthread_mutex_unlock(&f->lock);
        fd == ends[0];
    }));
    assert_string_equal(f->connected_id, "a");
    close(ends[1]);
    session_release(s);
}

/* ---- output ---- */

static uint64_t log_bytes(const session_fixture *f)
{
    uint64_t bytes = 0;

    for (int i = 0; i < 8; i++) {
        char path[256];
        struct stat info;
        snprintf(path, sizeof(path), i ? "%s/logs/runtimes/one/DEFAULT.log.%d" : "%s/logs/runtimes/one/DEFAULT.log",
                 f->dir, i);
        bytes += stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
    }
    return bytes;
}

static void one_that_writes_without_end_holds_nobody_up(void **state)
{
    session_fixture *f = *state;
    agent_plan flood = {.words = "flood", .no_port = true, .plan.log_name = "runtimes/one/DEFAULT"};
    agent_plan plan = {0};
    char id[32];

    fixture_sessions_open(f, NULL);
    for (int i = 0; i < 4; i++) {
        snprintf(id, sizeof(id), "flood %d", i);
        session_release(acquire(f, &flood, id));
    }
    wait_until(log_bytes(f) > (2U << 20));
    for (int i = 0; i < 5; i++) {
        uint64_t began = clock_monotonic_ms();
        snprintf(id, sizeof(id), "calm %d", i);
        session *s = acquire(f, &plan, id);
        assert_int_equal(ask(s, "/ping", NULL, 0), 200);
        assert_true(clock_monotonic_ms() - began < PATIENCE_MS);
        session_release(s);
    }
    sessions_stop_all(f->all, "runtime", "", NULL); /* so that no file is counted under two names */
    wait_until(fake_alive() == 0);
    assert_true(log_bytes(f) <= SESSION_LOG_FILES * SESSION_LOG_FILE_BYTES);
}

typedef struct seen {
    char text[4096];
} seen;

static bool take_line(const session_log_line *line, void *user)
{
    seen *all = user;
    size_t used = strlen(all->text);

    snprintf(all->text + used, sizeof(all->text) - used, "%.*s|%.*s\n", (int)line->session_id_length, line->session_id,
             (int)line->text_length, line->text);
    return true;
}

static const char *read_log(session_fixture *f, seen *all)
{
    char directory[128];
    const session_log_query query = {
        .directory = directory, .name = "runtimes/one/DEFAULT", .on_line = take_line, .user = all};

    snprintf(directory, sizeof(directory), "%s/logs", f->dir);
    all->text[0] = '\0';
    if (session_log_read(&query, NULL) != AC_OK)
        return "";
    return all->text;
}

static unsigned count_of(const char *text, const char *part)
{
    unsigned count = 0;

    while ((text = strstr(text, part))) {
        count++;
        text += strlen(part);
    }
    return count;
}

/* How many have been ready. */
static unsigned started(session_fixture *f)
{
    sessions_stats stats;

    sessions_get_stats(f->all, &stats);
    return (unsigned)stats.started;
}

static void what_happens_is_in_the_log(void **state)
{
    session_fixture *f = *state;
    agent_plan plan = {
        .words = "say=hello", .no_port = true, .plan = {.log_name = "runtimes/one/DEFAULT", .pool = "p", .warm = 1}};
    session_key key = key_named("b");
    seen all;
    ac_error err;

    fixture_sessions_open(f, NULL);
    session_release(acquire(f, &plan, "a"));
    wait_until(count_of(read_log(f, &all), "|hello\n") == 2 && started(f) == 2);
    session *s = acquire(f, &plan, "b"); /* started in advance: its first lines were nobody's */
    wait_until(count_of(read_log(f, &all), "|hello\n") == 3);
    session_signal(s, 0, SIGUSR1);
    wait_until(count_of(read_log(f, &all), "|signalled\n") == 1);
    assert_ok(session_stop(f->all, &key, NULL, &err));
    session_release(s);
    wait_until(overs(f) == 1);
    read_log(f, &all);
    assert_contains(all.text, "a|session started\n");
    assert_contains(all.text, "a|hello\n");
    assert_int_equal(count_of(all.text, "-|session started\n"), 2);
    assert_int_equal(count_of(all.text, "-|hello\n"), 2);
    assert_contains(all.text, "b|signalled\n");
    assert_contains(all.text, "b|session ended: it was stopped\n");
}

#define use_test(function) cmocka_unit_test_setup_teardown(function, session_set_up, session_tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        use_test(connections_are_kept_and_taken_again),        use_test(kept_connections_are_closed_when_idle),
        use_test(kept_connections_end_with_their_session),     use_test(a_new_session_gets_no_connection_of_the_former),
        use_test(commands_have_their_end_told_once),           use_test(end_of_an_unknown_command_is_kept_for_nobody),
        use_test(output_is_whole_however_slowly_it_is_taken),  use_test(end_of_the_session_is_no_end_of_a_command),
        use_test(command_that_nobody_waits_for_is_killed),     use_test(calls_from_inside_are_passed_on),
        use_test(one_that_writes_without_end_holds_nobody_up), use_test(what_happens_is_in_the_log),
    };

    session_agent_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
