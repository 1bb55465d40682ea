/* logs.c - what agents wrote: `agentcored logs` reads its files, this shows the lines.
 *
 * A line of the file is "TIME SESSION TEXT".  Text that is a log line in JSON is shown as dev shows it. */
#include "cli/log_line.h"
#include "cli/process.h"
#include "cli/project.h"
#include "cli/service.h"
#include "cli/term.h"
#include "cli/text.h"

#include <agentcore/json.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_parts(const char *line, size_t length)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    size_t time = strcspn(line, " "), session = time < length ? strcspn(line + time + 1, " ") : 0;
    size_t text = time + session + 2;
    yyjson_mut_val *value;
    char *out;

    if (text > length)
        text = length;
    value = ac_json_pack(doc, "{s:s%, s:s%, s:s%}", "time", line, time, "session",
                         line + (time < length ? time + 1 : length), session, "text", line + text, length - text);
    out = value ? yyjson_mut_val_write(value, YYJSON_WRITE_ALLOW_INVALID_UNICODE, NULL) : NULL;
    if (out)
        puts(out);
    free(out);
    yyjson_mut_doc_free(doc);
}

static void print_one(const cli *c, const char *line, size_t length)
{
    size_t time = strcspn(line, " "), session;

    if (flag(c, OPT_JSON)) {
        print_parts(line, length);
        return;
    }
    if (!isatty(STDOUT_FILENO) || time >= length) {
        print_foreign(stdout, line, length);
        putchar('\n');
        return;
    }
    /* On a terminal: the time of day, the end of the session's id, the text. */
    session = time + 1 + strcspn(line + time + 1, " ");
    printf("%s%.*s %.*s%s ", paint(stdout, INK_DIM), (int)(time > 11 ? 8 : time), line + (time > 19 ? 11 : 0),
           session > time + 9 ? 8 : (int)(session - time - 1), line + (session > time + 9 ? session - 8 : time + 1),
           paint(stdout, INK_NONE));
    log_line_print(stdout, line + (session < length ? session + 1 : length),
                   session < length ? length - session - 1 : 0);
}

static ac_status show(cli *c, const char *const *argv, ac_error *err)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    pid_t pid;
    FILE *in;
    int fd, failure = 0;

    TRY(process_open(argv, NULL, false, &fd, &pid, err));
    in = fdopen(fd, "r");
    if (!in)
        nomem();
    while (!failure && (length = getline(&line, &room, in)) > 0) {
        print_one(c, line, (size_t)length - (line[length - 1] == '\n'));
        failure = fflush(stdout) == 0 && !ferror(stdout) ? 0 : errno;
    }
    free(line);
    fclose(in);
    if (failure)
        kill(pid, SIGPIPE); /* it may wait for lines that are still to come */
    c->exit_code = process_wait(pid);
    if (failure && failure != EPIPE)
        return fail_as(c, EXIT_FAILED, err, AC_ERR_STATE, "cannot write to standard output: %s", strerror(failure));
    if (c->exit_code == 1)
        c->exit_code = EXIT_ABSENT; /* it has said why */
    if (c->exit_code == 128 + SIGPIPE)
        c->exit_code = EXIT_DONE;
    return AC_OK;
}

ac_status run_logs(cli *c, ac_error *err)
{
    const char *name = c->argument_count ? c->arguments[0] : NULL, *slash;
    words w = {0};

    if (!name)
        TRY(project_name("local", &name, NULL, err));
    if (flag(c, OPT_AWS))
        return fail_as(c, EXIT_USAGE, err, AC_ERR_UNSUPPORTED,
                       "on AWS logs are in CloudWatch: aws logs tail /aws/bedrock-agentcore/runtimes/ID-DEFAULT "
                       "--follow (agentcore list --aws shows the id)");
    if (name && (slash = strrchr(name, '/')))
        name = slash + 1;
    TRY(local_command(c, "logs", &w, err));
    if (name)
        words_add(&w, name);
    if (name && flag(c, OPT_QUALIFIER))
        words_add(&w, option(c, OPT_QUALIFIER));
    if (flag(c, OPT_FOLLOW))
        words_add(&w, "--follow");
    if (flag(c, OPT_TAIL)) {
        words_add(&w, "--tail");
        words_add(&w, option(c, OPT_TAIL));
    }
    if (flag(c, OPT_SESSION)) {
        words_add(&w, "--session");
        words_add(&w, option(c, OPT_SESSION));
    }
    return show(c, w.items, err);
}
