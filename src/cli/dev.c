/* dev.c - the agent, built and run here, and built and started again when a file changes.
 *
 * One thread waits for four things: signals, changes, what the agent writes, and time.  The agent has a session of its
 * own, so that a Ctrl-C reaches it once, from here, and all of its process group: what a script started to run the
 * agent would otherwise outlive the script, and keep the port.  A process that has ended is not reaped before its
 * group is, so that the group's number stays ours.  A build that fails leaves the agent that runs alone. */
#include "cli/build.h"
#include "cli/log_line.h"
#include "cli/process.h"
#include "cli/term.h"
#include "cli/watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AGENT_PORT 8080
#define SETTLE_MS 150 /* after a change, for the other files that an editor or git writes */
#define LOOK_MS 40    /* between looks whether the agent listens */
#define LISTEN_MS 20000
#define STOP_MS 8000 /* then it is killed */
#define KILL_MS 2000 /* then what is left is left alone */
#define LINE_MAX_BYTES 65536

typedef struct development {
    cli *c;
    project project;
    int port;
    int signals, changes;
    pid_t pid;  /* the agent, and its process group; 0: there is none */
    bool ended; /* it has ended by itself; its group may have others */
    int output;
    char line[LINE_MAX_BYTES];
    size_t line_length;
    int64_t listening_until; /* 0: it listens, or is not waited for */
    int64_t build_at;        /* 0: nothing has changed */
    bool ending;
} development;

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void say(const development *d, ink colour, const char *format, ...)
{
    va_list args;

    if (flag(d->c, OPT_JSON))
        return;
    progress_end();
    printf("%s-- ", paint(stdout, colour));
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("%s\n", paint(stdout, INK_NONE));
    fflush(stdout);
}

/* ---- the port ---- */

static bool listens(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool well = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;

    if (fd >= 0)
        close(fd);
    return well;
}

static void look_for_port(development *d)
{
    if (listens(d->port)) {
        d->listening_until = 0;
        say(d, INK_GREEN, "%s is ready on http://127.0.0.1:%d; try: agentcore invoke --local%s 'Hello!'",
            d->project.name, d->port, d->port == AGENT_PORT ? "" : textf(" --port %d", d->port));
    } else if (now_ms() > d->listening_until) {
        d->listening_until = 0;
        say(d, INK_YELLOW, "%s does not listen on port %d; does it heed the variable PORT?", d->project.name, d->port);
    }
}

/* ---- what the agent writes ---- */

static void print_line(development *d)
{
    if (flag(d->c, OPT_JSON)) {
        fwrite(d->line, 1, d->line_length, stdout);
        putchar('\n');
    } else {
        log_line_print(stdout, d->line, d->line_length);
    }
    fflush(stdout);
    d->line_length = 0;
}

/* False at the end. */
static bool read_output(development *d)
{
    char bytes[8192];
    ssize_t length = read(d->output, bytes, sizeof bytes);

    for (ssize_t i = 0; i < length; i++) {
        if (bytes[i] != '\n' && d->line_length < sizeof d->line)
            d->line[d->line_length++] = bytes[i];
        if (bytes[i] == '\n' || d->line_length == sizeof d->line)
            print_line(d);
    }
    return length > 0 || (length < 0 && errno == EINTR);
}

static void end_output(development *d)
{
    struct pollfd more = {.fd = d->output, .events = POLLIN};

    /* What is in the pipe; not what a child of the agent may still write some day. */
    while (poll(&more, 1, 0) > 0 && read_output(d))
        continue;
    if (d->line_length)
        print_line(d);
    close(d->output);
    d->output = -1;
}

/* ---- starting and stopping ---- */

static ac_status start(development *d, ac_error *err)
{
    words command_words = {0}, variables = {0};
    ac_status status;

    words_add(&variables, textf("PORT=%d", d->port));
    words_add(&variables, "HOST=127.0.0.1");
    TRY(project_environment(d->c, &d->project, &variables, err));
    TRY(project_command(d->c, &d->project, &command_words, &variables, err));
    status = process_open(command_words.items,
                          &(process_options){.environment = environment_with(variables.items), .apart = true}, true,
                          &d->output, &d->pid, err);
    if (status != AC_OK)
        d->pid = 0;
    d->listening_until = now_ms() + LISTEN_MS;
    return status;
}

/* Its code, when it has ended by itself just now. */
static bool has_ended(development *d, int *ret_code)
{
    siginfo_t info = {.si_pid = 0};

    if (!d->pid || d->ended || waitid(P_PID, (id_t)d->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || !info.si_pid)
        return false;
    *ret_code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    d->ended = true;
    d->listening_until = 0;
    end_output(d);
    return true;
}

/* Reap what has ended of the agent's group; whether nothing is left of it. */
static bool is_gone(const development *d)
{
    while (waitpid(-d->pid, NULL, WNOHANG) > 0)
        continue;
    return kill(-d->pid, 0) != 0;
}

/* Ask all of it to end with this signal, and see that it does. */
static void stop(development *d, int number)
{
    int64_t until = now_ms() + STOP_MS;
    struct signalfd_siginfo info;
    bool killed = false;

    if (!d->pid)
        return;
    kill(-d->pid, number);
    while (!is_gone(d)) {
        struct pollfd waits[2] = {{.fd = d->signals, .events = POLLIN}, {.fd = d->output, .events = POLLIN}};
        int64_t left = until - now_ms();

        if (left <= 0 && killed)
            break;
        if (left <= 0) {
            say(d, INK_YELLOW, "it does not end by itself and is killed");
            kill(-d->pid, SIGKILL);
            killed = true;
            until = now_ms() + KILL_MS;
            continue;
        }
        if (poll(waits, 2, (int)(left < LOOK_MS ? left : LOOK_MS)) <= 0)
            continue;
        if (waits[1].revents && !read_output(d))
            end_output(d);
        if (waits[0].revents && read(d->signals, &info, sizeof info) == sizeof info && info.ssi_signo != SIGCHLD) {
            d->ending = true; /* a second Ctrl-C does not wait */
            if (!killed && (number == SIGINT || number == (int)info.ssi_signo))
                until = 0;
        }
    }
    d->pid = 0;
    d->ended = false;
    d->listening_until = 0;
    if (d->output >= 0)
        end_output(d);
}

/* ---- what happens ---- */

static ac_status build(development *d, ac_error *err)
{
    const char *program;

    TRY(project_prepare(d->c, &d->project, err));
    TRY(project_build(d->c, &d->project, NULL, &program, err));
    d->project.entry = program;
    progress_end();
    return AC_OK;
}

static void rebuild(development *d)
{
    void *mark = text_mark();
    ac_error err = {.status = AC_OK};

    d->build_at = 0;
    if (build(d, &err) != AC_OK) {
        complain("%s", err.message);
        say(d, INK_YELLOW,
            d->pid && !d->ended ? "the agent that runs stays; waiting for the next change"
                                : "waiting for the next change");
    } else {
        say(d, INK_BLUE, "a file has changed: starting again");
        stop(d, SIGTERM);
        if (!d->ending && start(d, &err) != AC_OK)
            complain("%s", err.message);
    }
    text_release(mark);
}

static void on_signal(development *d)
{
    struct signalfd_siginfo info;
    int code;

    if (read(d->signals, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo != SIGCHLD) {
        d->ending = true;
        if (isatty(STDOUT_FILENO))
            putchar('\n'); /* behind the ^C */
        stop(d, info.ssi_signo == SIGHUP ? SIGTERM : (int)info.ssi_signo);
    } else if (has_ended(d, &code)) {
        say(d, INK_RED, "the agent has ended with code %d; waiting for a change", code);
    }
}

static int next_timeout(const development *d)
{
    int64_t until = d->build_at ? d->build_at - now_ms() : -1;

    if (d->listening_until)
        return until >= 0 && until < LOOK_MS ? (int)until : LOOK_MS;
    return d->build_at ? (int)(until > 0 ? until : 0) : -1;
}

static void serve(development *d)
{
    while (!d->ending) {
        struct pollfd waits[3] = {{.fd = d->signals, .events = POLLIN},
                                  {.fd = d->changes, .events = POLLIN},
                                  {.fd = d->output, .events = POLLIN}};
        int count = poll(waits, 3, next_timeout(d)), code;

        if (count < 0 && errno != EINTR)
            return;
        if (count > 0 && waits[2].revents && !read_output(d))
            end_output(d);
        if (count > 0 && waits[1].revents && watch_read(d->changes, d->project.directory))
            d->build_at = now_ms() + SETTLE_MS;
        if (count > 0 && waits[0].revents)
            on_signal(d);
        if (d->listening_until && d->pid)
            look_for_port(d);
        if (d->build_at && now_ms() >= d->build_at && !d->ending)
            rebuild(d);
        if (has_ended(d, &code) && !d->ending)
            say(d, INK_RED, "the agent has ended with code %d; waiting for a change", code);
    }
}

static ac_status open_signals(development *d, ac_error *err)
{
    sigset_t wanted;

    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGHUP);
    sigaddset(&wanted, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &wanted, NULL) != 0 || (d->signals = signalfd(-1, &wanted, SFD_CLOEXEC)) < 0)
        return file_error(err, "wait for", "signals");
    return AC_OK;
}

static ac_status run(development *d, ac_error *err)
{
    long port;

    TRY(option_number(d->c, OPT_PORT, 1, 65535, AGENT_PORT, &port, err));
    d->port = (int)port;
    TRY(project_load(d->c, &d->project, err));
    if (listens(d->port))
        return ac_error_set(err, AC_ERR_ADDRESS_IN_USE,
                            "port %d is in use; choose another one: agentcore dev --port %d", d->port, d->port + 1);
    TRY(build(d, err)); /* with Ctrl-C as usual */
    TRY(open_signals(d, err));
    TRY(watch_open(d->project.directory, &d->changes, err));
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* the agent's orphans are ours to reap: no init may be there that does */
    TRY(start(d, err));
    serve(d);
    stop(d, SIGTERM);
    say(d, INK_NONE, "%s has ended", d->project.name);
    return AC_OK;
}

ac_status run_dev(cli *c, ac_error *err)
{
    static development d;
    ac_status status;

    d = (development){.c = c, .signals = -1, .changes = -1, .output = -1};
    status = run(&d, err);
    if (d.signals >= 0)
        close(d.signals);
    if (d.changes >= 0)
        close(d.changes);
    project_done(&d.project);
    return status;
}
