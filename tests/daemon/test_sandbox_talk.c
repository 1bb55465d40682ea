/* test_sandbox_talk.c - commands, sockets, the service port, signals; and that the program cannot speak to init. */
#include "sandbox_fixture.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 8080

/* A sandbox whose program waits. */
static sandbox *start_waiting(sandboxes *all, sandbox_spec spec, int *ret_output)
{
    int ends[2];
    sandbox *box;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    spec.output_fd = ends[1];
    if (!spec.argv) {
        static const char *const waiting[] = {GUEST, "wait", "leave", NULL};
        spec.argv = waiting;
    }
    box = fixture_start(all, spec);
    close(ends[1]);
    *ret_output = ends[0];
    return box;
}

static void end(sandbox *box, int output)
{
    sandbox_free(box);
    close(output);
}

/* ---- commands ---- */

static uint32_t exec(sandbox *box, sandbox_command command)
{
    ac_error err = {0};
    uint32_t id = 0;

    if (sandbox_exec(box, &command, &id, &err) != AC_OK)
        fail_msg("cannot run a command: %s", err.message);
    assert_true(id > 0);
    return id;
}

static void runs_commands_with_pipes(void **state)
{
    int output, in[2], out[2], error[2];
    sandbox_event event;
    sandbox *box;
    uint32_t id;

    fixture_need(*state);
    box = start_waiting(*state, (sandbox_spec){.environment = ARGV("OWN=1"), .directory = "/tmp"}, &output);
    assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(error, O_CLOEXEC), 0);
    id = exec(box, (sandbox_command){.argv = ARGV("sh", "-c", "read l; echo \"$l $OWN $PWD\"; echo bad >&2; exit 5"),
                                     .input_fd = in[0],
                                     .output_fd = out[1],
                                     .error_fd = error[1]});
    close(in[0]);
    close(out[1]);
    close(error[1]);
    assert_int_equal(write(in[1], "word\n", 5), 5);
    fixture_await_text(out[0], "word 1 /tmp\n");
    fixture_await_text(error[0], "bad\n");
    event = fixture_await(box, SANDBOX_COMMAND_ENDED);
    assert_int_equal(event.id, id);
    assert_int_equal(event.end, SANDBOX_EXITED);
    assert_int_equal(event.code, 5);
    close(in[1]);
    close(out[0]);
    close(error[0]);

    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    exec(box, (sandbox_command){.argv = ARGV("/usr/bin/env"),
                                .environment = ARGV("X=y"),
                                .input_fd = -1,
                                .output_fd = out[1],
                                .error_fd = -1});
    close(out[1]);
    fixture_await_text(out[0], "X=y\n");
    close(out[0]);
    fixture_await(box, SANDBOX_COMMAND_ENDED);
    end(box, output);
}

static void tells_why_a_command_failed(void **state)
{
    sandbox_command command = {.argv = ARGV("nothing"), .input_fd = -1, .output_fd = -1, .error_fd = -1};
    ac_error err = {0};
    uint32_t id = 0;
    sandbox *box;
    int output;

    fixture_need(*state);
    box = start_waiting(*state, (sandbox_spec){0}, &output);
    assert_int_equal(sandbox_exec(box, &command, &id, &err), AC_ERR_NOT_FOUND);
    command.argv = ARGV("/bin/true");
    command.directory = "/nowhere";
    assert_int_equal(sandbox_exec(box, &command, &id, &err), AC_ERR_NOT_FOUND);
    command.directory = "relative";
    assert_int_equal(sandbox_exec(box, &command, &id, &err), AC_ERR_INVALID);
    command.directory = NULL;
    command.output_fd = 9999;
    assert_int_equal(sandbox_exec(box, &command, &id, &err), AC_ERR_INVALID);
    command.output_fd = -1;
    for (unsigned i = 0; i < SANDBOX_COMMANDS_MAX; i++)
        exec(box, (sandbox_command){.argv = ARGV("sleep", "1000"), .input_fd = -1, .output_fd = -1, .error_fd = -1});
    assert_int_equal(sandbox_exec(box, &command, &id, &err), AC_ERR_QUOTA);
    sandbox_signal(box, 1, SIGKILL);
    assert_int_equal(fixture_await(box, SANDBOX_COMMAND_ENDED).id, 1);
    exec(box, command);
    end(box, output);
}

/* Ends are not lost, and not more than SANDBOX_COMMANDS_MAX, when nobody takes them. */
static void keeps_ends_until_they_are_taken(void **state)
{
    unsigned started = 0, ended = 0;
    sandbox_event event;
    sandbox *box;
    int output;

    fixture_need(*state);
    box = start_waiting(*state, (sandbox_spec){0}, &output);
    for (unsigned tries = 0; tries < 2000; tries++) {
        const sandbox_command command = {.argv = ARGV("/bin/true"), .input_fd = -1, .output_fd = -1, .error_fd = -1};
        uint32_t id;
        ac_status status = sandbox_exec(box, &command, &id, NULL);

        started += status == AC_OK;
        if (status == AC_ERR_QUOTA)
            break;
        assert_int_equal(status, AC_OK);
    }
    while (ended < started) {
        event = fixture_await(box, SANDBOX_COMMAND_ENDED);
        assert_int_equal(event.end, SANDBOX_EXITED);
        ended++;
    }
    end(box, output);
}

static void signals_groups(void **state)
{
    sandbox_event event;
    sandbox *box;
    int output, out[2];
    uint32_t id;

    fixture_need(*state);
    /* Short sleeps: a shell that is hit just before it starts one runs its trap after it. */
    box = start_waiting(*state,
                        (sandbox_spec){.argv = ARGV("/bin/sh", "-c",
                                                    "trap 'echo got; exit 4' USR1; echo ready;"
                                                    " while :; do sleep 0.1; done")},
                        &output);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    id = exec(box, (sandbox_command){.argv = ARGV("/bin/sh", "-c", "sleep 1000 & echo up; wait"),
                                     .input_fd = -1,
                                     .output_fd = out[1],
                                     .error_fd = -1});
    close(out[1]);
    fixture_await_text(out[0], "up");
    sandbox_signal(box, id, SIGTERM);
    event = fixture_await(box, SANDBOX_COMMAND_ENDED);
    assert_int_equal(event.end, SANDBOX_SIGNALLED);
    assert_int_equal(event.code, SIGTERM);
    assert_int_equal(read(out[0], &(char){0}, 1), 0); /* its child is dead, too */
    close(out[0]);
    sandbox_signal(box, id, SIGKILL); /* nothing */
    sandbox_signal(box, 0, 0);
    sandbox_signal(box, 0, 12345);
    fixture_await_text(output, "ready");
    sandbox_signal(box, 0, SIGUSR1);
    assert_int_equal(fixture_await(box, SANDBOX_ENDED).code, 4);
    fixture_await_text(output, "got");
    end(box, output);
}

/* ---- sockets ---- */

static void say_over(int fd, uint16_t port, const char *word)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct pollfd connected = {.fd = fd, .events = POLLOUT};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        assert_int_equal(errno, EINPROGRESS);
    assert_int_equal(poll(&connected, 1, FIXTURE_WAIT_MS), 1);
    assert_int_equal(write(fd, word, strlen(word)), (ssize_t)strlen(word));
    fixture_await_text(fd, word);
    close(fd);
}

static void *connect_often(void *arg)
{
    for (unsigned i = 0; i < 20; i++) {
        int fd = -1;

        assert_int_equal(sandbox_socket(arg, &fd, NULL), AC_OK);
        say_over(fd, PORT, "hello");
    }
    return NULL;
}

static void gives_sockets(void **state)
{
    pthread_t threads[4];
    sandbox *box, *other;
    int output, other_output, fd;

    fixture_need(*state);
    box = start_waiting(*state, (sandbox_spec){.argv = ARGV(GUEST, "serve", "8080")}, &output);
    other = start_waiting(*state, (sandbox_spec){.argv = ARGV(GUEST, "serve", "8080")}, &other_output);
    fixture_await_text(output, "serving");
    fixture_await_text(other_output, "serving");
    assert_int_equal(sandbox_socket(box, &fd, NULL), AC_OK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    say_over(fd, PORT, "one");
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, connect_often, box), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    sandbox_stop(box, 0);
    fixture_await(box, SANDBOX_ENDED);
    assert_int_equal(sandbox_socket(box, &fd, NULL), AC_ERR_CLOSED);
    assert_int_equal(
        sandbox_exec(box, &(sandbox_command){.argv = ARGV("true"), .input_fd = -1, .output_fd = -1, .error_fd = -1},
                     &(uint32_t){0}, NULL),
        AC_ERR_CLOSED);
    assert_int_equal(sandbox_socket(other, &fd, NULL), AC_OK);
    say_over(fd, PORT, "two");
    end(box, output);
    end(other, other_output);
}

/* Its network is its own: neither the machine's ports nor those of another sandbox. */
static void has_a_network_of_its_own(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fixture_result r;
    char port[16];

    fixture_need(*state);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    snprintf(port, sizeof port, "%d", ntohs(address.sin_port));
    fixture_run(*state, (sandbox_spec){.argv = ARGV(GUEST, "call", port, "x")}, &r);
    assert_string_equal(r.output, "cannot connect: Connection refused\n");
    close(listener);
}

static void passes_on_connections(void **state)
{
    sandbox_event event;
    sandbox *box;
    char text[16] = "";
    int output;

    fixture_need(*state);
    box = start_waiting(*state, (sandbox_spec){.argv = ARGV(GUEST, "call", "7000", "ping"), .service_port = 7000},
                        &output);
    event = fixture_await(box, SANDBOX_CONNECTED);
    assert_true(event.fd >= 0);
    assert_true(fcntl(event.fd, F_GETFD) & FD_CLOEXEC);
    fixture_await_text(event.fd, "ping");
    assert_int_equal(write(event.fd, "pong", 4), 4);
    close(event.fd);
    fixture_await_text(output, "answer: pong");
    assert_int_equal(fixture_await(box, SANDBOX_ENDED).end, SANDBOX_EXITED);
    (void)text;
    end(box, output);
}

/* Nobody takes them: they wait, nothing spins, nothing is lost when the sandbox goes. */
static void connections_wait_for_their_taker(void **state)
{
    size_t before = fixture_open_files(getpid());
    fixture_result r;
    sandbox *box;
    int output;

    fixture_need(*state);
    (void)r;
    box = start_waiting(
        *state,
        (sandbox_spec){
            .argv = ARGV("/bin/sh", "-c", "for i in $(seq 200); do " GUEST " call 7000 x & done; echo all; wait"),
            .service_port = 7000},
        &output);
    fixture_await_text(output, "all");
    fixture_await(box, SANDBOX_CONNECTED);
    end(box, output);
    assert_true(fixture_open_files(getpid()) <= before + 1); /* the one that was taken above */
}

/* ---- init ---- */

static void init_is_out_of_reach(void **state)
{
    static const char *const lines[] = {"ptrace: E",  "mem: E",  "fds: E",      "exe: E",
                                        "environ: E", "read: E", "alive: done", "root: E"};
    char copy[4096], *save = NULL, *line;
    fixture_result r;

    fixture_need(*state);
    fixture_run(*state, (sandbox_spec){.argv = ARGV(GUEST, "attack"), .environment = ARGV("SECRET=1")}, &r);
    snprintf(copy, sizeof copy, "%.4000s", r.output);
    line = strtok_r(copy, "\n", &save);
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++, line = strtok_r(NULL, "\n", &save)) {
        assert_non_null(line);
        if (strncmp(line, lines[i], strlen(lines[i])) != 0)
            fail_msg("not '%s' but '%s'", lines[i], line);
    }
    assert_int_equal(r.end.end, SANDBOX_EXITED);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_commands_with_pipes),
        cmocka_unit_test(tells_why_a_command_failed),
        cmocka_unit_test(keeps_ends_until_they_are_taken),
        cmocka_unit_test(signals_groups),
        cmocka_unit_test(gives_sockets),
        cmocka_unit_test(has_a_network_of_its_own),
        cmocka_unit_test(passes_on_connections),
        cmocka_unit_test(connections_wait_for_their_taker),
        cmocka_unit_test(init_is_out_of_reach),
    };

    fixture_main(argc, argv);
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
