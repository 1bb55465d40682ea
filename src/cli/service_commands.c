/* service_commands.c - agentcored on this machine: up, down, env, exec.
 *
 * `up` waits for the message that agentcored sends to NOTIFY_SOCKET when it serves, or for its end: nothing is asked
 * again and again. */
#include "cli/interrupt.h"
#include "cli/process.h"
#include "cli/service.h"
#include "cli/term.h"
#include "cli/text.h"

#include <agentcore/json.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define START_MS 60000
#define STOP_MS 120000 /* longer than what agentcored gives requests that run, but for unusual settings */
#define LOG_NAME "agentcored.log"
#define DATA_DIR_VARIABLE "AGENTCORED_DATA_DIR"

static int pid_open(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* ---- up ---- */

typedef struct starting {
    const char *log_path;
    int log;
    off_t log_begin;
    char *folder; /* of the socket */
    char *socket_path;
    int socket;
    pid_t pid;
} starting;

static void starting_done(starting *s)
{
    if (s->log >= 0)
        close(s->log);
    if (s->socket >= 0)
        close(s->socket);
    if (s->folder)
        tree_remove(s->folder);
}

static ac_status open_log(starting *s, const char *data_dir, ac_error *err)
{
    char *parent = textf("%s", data_dir), *slash = strrchr(parent, '/');

    if (slash && slash != parent) {
        *slash = '\0';
        TRY(directory_make(parent, err));
    }
    if (mkdir(data_dir, 0700) != 0 && errno != EEXIST)
        return file_error(err, "make", data_dir);
    s->log_path = textf("%s/" LOG_NAME, data_dir);
    s->log = open(s->log_path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->log < 0 || (s->log_begin = lseek(s->log, 0, SEEK_END)) < 0)
        return file_error(err, "open", s->log_path);
    return AC_OK;
}

static ac_status open_socket(starting *s, ac_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    s->folder = textf("/tmp/agentcore-up.XXXXXX");
    if (!mkdtemp(s->folder)) {
        s->folder = NULL;
        return file_error(err, "make a directory in", "/tmp");
    }
    s->socket_path = textf("%s/notify", s->folder);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", s->socket_path);
    s->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s->socket < 0 || bind(s->socket, (struct sockaddr *)&address, sizeof address) != 0)
        return file_error(err, "make the socket", s->socket_path);
    return AC_OK;
}

static ac_status start(cli *c, starting *s, ac_error *err)
{
    const char *variables[] = {textf("NOTIFY_SOCKET=%s", s->socket_path), NULL};
    words w = {0};

    TRY(local_command(c, NULL, &w, err));
    if (flag(c, OPT_LISTEN)) {
        words_add(&w, "--listen");
        words_add(&w, option(c, OPT_LISTEN));
    }
    for (int i = 0; i < c->argument_count; i++)
        words_add(&w, c->arguments[i]);
    return process_start(
        w.items, &(process_options){.environment = environment_with(variables), .output = s->log, .apart = true},
        &s->pid, err);
}

/* Its last words, from the log. */
static ac_status ended(const starting *s, ac_error *err)
{
    char text[4096];
    ssize_t length = pread(s->log, text, sizeof text - 1, s->log_begin);
    char *line = text, *newline;

    text[length > 0 ? length : 0] = '\0';
    while ((newline = strchr(line, '\n')) && newline[1])
        line = newline + 1;
    line[strcspn(line, "\n")] = '\0';
    if (starts_with(line, "agentcored: "))
        line += strlen("agentcored: ");
    return ac_error_set(err, AC_ERR_STATE, "agentcored did not start: %.300s (its log is %s)",
                        *line ? line : "it said nothing", s->log_path);
}

static ac_status wait_ready(cli *c, starting *s, ac_error *err)
{
    struct pollfd waits[2] = {{.fd = s->socket, .events = POLLIN}, {.fd = pid_open(s->pid), .events = POLLIN}};
    char message[256];
    ac_status status = AC_ERR_AGAIN;

    while (status == AC_ERR_AGAIN) {
        int count = interrupt_poll(waits, 2, START_MS);

        if (count < 0 && errno == EINTR && !interrupted())
            continue;
        if (interrupted()) {
            kill(s->pid, SIGTERM);
            process_wait(s->pid);
            status = interrupt_check(c, err);
        } else if (count <= 0) {
            kill(s->pid, SIGTERM);
            status = ac_error_set(err, AC_ERR_TIMEOUT, "agentcored was not ready within %d seconds; see %s",
                                  START_MS / 1000, s->log_path);
        } else if (waits[0].revents) {
            ssize_t length = recv(s->socket, message, sizeof message - 1, 0);

            message[length > 0 ? length : 0] = '\0';
            status = strstr(message, "READY=1") ? AC_OK : AC_ERR_AGAIN;
        } else {
            process_wait(s->pid);
            status = ended(s, err);
        }
    }
    if (waits[1].fd >= 0)
        close(waits[1].fd);
    return status;
}

static ac_status print_local(const cli *c, const local_service *local, bool started, ac_error *err)
{
    if (flag(c, OPT_JSON)) {
        print_json_packed("{s:b, s:b, s:s?, s:s?, s:s, s:I}", "running", local->running, "started", started, "url",
                          local->url, "region", local->region, "dataDirectory", local->data_dir, "pid",
                          (int64_t)local->pid);
        return print_end(err);
    }
    printf("agentcored %s on %s (process %ld), its data is in %s\n", started ? "is ready" : "runs already", local->url,
           local->pid, local->data_dir);
    if (started)
        remark("Its log is %s/" LOG_NAME ".  For other AWS clients: eval \"$(agentcore env)\"", local->data_dir);
    return print_end(err);
}

ac_status run_up(cli *c, ac_error *err)
{
    _cleanup_(starting_done) starting s = {.log = -1, .socket = -1};
    local_service local;

    TRY(local_look(c, &local, err));
    if (local.running)
        return print_local(c, &local, false, err);
    TRY(open_log(&s, local.data_dir, err));
    TRY(open_socket(&s, err));
    progress("Starting agentcored");
    interrupt_begin(); /* it is not left half started */
    TRY(start(c, &s, err));
    TRY(wait_ready(c, &s, err));
    progress_end();
    TRY(local_look(c, &local, err));
    if (!local.running)
        return ended(&s, err);
    return print_local(c, &local, true, err);
}

/* ---- down ---- */

/* Whether the process is an agentcored, and not one that got the number of a daemon that was killed. */
static bool is_agentcored(long pid)
{
    char *text = NULL;
    size_t length;

    return pid > 1 && file_get(textf("/proc/%ld/comm", pid), &text, &length, NULL) == AC_OK &&
           starts_with(text, "agentcored");
}

static ac_status stop(cli *c, const local_service *local, ac_error *err)
{
    int fd = pid_open((pid_t)local->pid), count;
    struct pollfd gone = {.fd = fd, .events = POLLIN};

    if (fd < 0 || kill((pid_t)local->pid, SIGTERM) != 0) {
        if (fd >= 0)
            close(fd);
        return file_error(err, "stop", textf("process %ld", local->pid));
    }
    if (flag(c, OPT_NOW))
        kill((pid_t)local->pid, SIGTERM);
    progress("Waiting for requests that run");
    while ((count = poll(&gone, 1, STOP_MS)) < 0 && errno == EINTR)
        continue;
    progress_end();
    close(fd);
    if (count > 0)
        return AC_OK;
    return ac_error_set(err, AC_ERR_TIMEOUT, "agentcored (process %ld) still runs; agentcore down --now ends it",
                        local->pid);
}

ac_status run_down(cli *c, ac_error *err)
{
    local_service local;

    TRY(local_look(c, &local, err));
    if (local.running && !is_agentcored(local.pid))
        return ac_error_set(err, AC_ERR_STATE, "what serves on %s is not the agentcored that wrote this down",
                            local.url);
    if (local.running)
        TRY(stop(c, &local, err));
    if (flag(c, OPT_JSON))
        print_json_packed("{s:b}", "stopped", (int)local.running);
    else
        printf(local.running ? "agentcored has stopped\n" : "agentcored was not running\n");
    return print_end(err);
}

/* ---- env, exec ---- */

/* For POSIX shells. */
static char *quoted(const char *text)
{
    char *out = textf("'");

    while (*text) {
        size_t length = strcspn(text, "'");

        out = textf("%s%.*s%s", out, (int)length, text, text[length] ? "'\\''" : "");
        text += length + (text[length] == '\'');
    }
    return textf("%s'", out);
}

static ac_status print_variables_json(cli *c, const char *data_dir, ac_error *err)
{
    yyjson_doc *doc = NULL;
    yyjson_mut_doc *all;

    TRY(local_variables(c, &doc, err));
    all = yyjson_doc_mut_copy(doc, NULL);
    yyjson_doc_free(doc);
    if (!all || (data_dir && !yyjson_mut_obj_add_str(all, yyjson_mut_doc_get_root(all), DATA_DIR_VARIABLE, data_dir)))
        nomem();
    print_json_mut(yyjson_mut_doc_get_root(all));
    yyjson_mut_doc_free(all);
    return print_end(err);
}

ac_status run_env(cli *c, ac_error *err)
{
    local_service local;
    words w = {0};
    char *output;
    int code;

    TRY(local_look(c, &local, err));
    if (!flag(c, OPT_UNSET) && !local.running)
        return fail_as(c, EXIT_UNREACHABLE, err, AC_ERR_STATE,
                       "agentcored is not running for %s; start it with: agentcore up", local.data_dir);
    if (flag(c, OPT_JSON) && !flag(c, OPT_UNSET))
        return print_variables_json(c, flag(c, OPT_DATA_DIR) ? local.data_dir : NULL, err);
    TRY(local_command(c, "env", &w, err));
    if (flag(c, OPT_UNSET))
        words_add(&w, "--unset");
    TRY(process_run(w.items, NULL, false, &code, &output, err));
    fputs(output, stdout);
    if (code != 0) {
        c->exit_code = code;
        return AC_OK;
    }
    /* Commands later in this shell mean the same directory. */
    if (flag(c, OPT_UNSET))
        puts("unset " DATA_DIR_VARIABLE);
    else if (flag(c, OPT_DATA_DIR))
        printf("export " DATA_DIR_VARIABLE "=%s\n", quoted(local.data_dir));
    return print_end(err);
}

ac_status run_exec(cli *c, ac_error *err)
{
    yyjson_doc *doc = NULL;
    local_service local;
    size_t i, count;
    yyjson_val *name, *value;

    TRY(local_look(c, &local, err));
    if (!local.running)
        return fail_as(c, EXIT_UNREACHABLE, err, AC_ERR_STATE,
                       "agentcored is not running for %s; start it with: agentcore up", local.data_dir);
    TRY(local_variables(c, &doc, err));
    unsetenv("AWS_SESSION_TOKEN"); /* of other keys */
    yyjson_obj_foreach(yyjson_doc_get_root(doc), i, count, name, value)
    {
        if (setenv(yyjson_get_str(name), yyjson_get_str(value), 1) != 0)
            nomem();
    }
    yyjson_doc_free(doc);
    if (flag(c, OPT_DATA_DIR) && setenv(DATA_DIR_VARIABLE, local.data_dir, 1) != 0)
        nomem();
    signal(SIGPIPE, SIG_DFL);
    execvp(c->arguments[0], c->arguments);
    c->exit_code = errno == ENOENT ? 127 : 126; /* as shells say it */
    return file_error(err, "run", c->arguments[0]);
}
