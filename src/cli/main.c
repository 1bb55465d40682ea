/* main.c - the commands of `agentcore` as a table, and running one.
 *
 * What fails is said in one line on standard error, with what to do next; the exit code says of which kind it was. */
#include "cli/cli.h"
#include "cli/term.h"
#include "cli/text.h"

#include <agentcore/version.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Options that go together. */
#define WHERE (BIT(OPT_AWS) | BIT(OPT_REGION) | BIT(OPT_PROFILE) | BIT(OPT_DATA_DIR))
#define PROJECT (BIT(OPT_NAME) | BIT(OPT_ENTRY))
#define CALL (BIT(OPT_SESSION) | BIT(OPT_BEARER) | BIT(OPT_QUALIFIER))
#define IMAGE (BIT(OPT_PLATFORM) | BIT(OPT_ADD) | BIT(OPT_ARG))
#define JSON BIT(OPT_JSON)

#define MAKE "Make an agent"
#define RUN "Deploy and call"
#define SERVE "The service on this machine"
#define MORE "More"

const command commands[] = {
    {
        .name = "create",
        .usage = "NAME",
        .group = MAKE,
        .summary = "make a project for an agent, in a new directory",
        .text = "NAME is a directory that is not there yet, or \".\" when this one is empty.  The project builds, and\n"
                "passes its test, as it is.",
        .examples = "agentcore create hello\nagentcore create hello --lang python",
        .options = BIT(OPT_LANG) | JSON,
        .least = 1,
        .most = 1,
        .run = run_create,
    },
    {
        .name = "dev",
        .group = MAKE,
        .summary = "build and run the agent here; again whenever a file changes",
        .text =
            "It listens on 127.0.0.1:8080, or where --port says; `agentcore invoke --local` calls it.  Ctrl-C ends\n"
            "it.  What it logs as JSON is shown readably; with --json as it is.",
        .examples = "agentcore dev\nagentcore dev --port 9000\nagentcore dev --entry agent.py",
        .options = PROJECT | BIT(OPT_PORT) | BIT(OPT_ENV) | BIT(OPT_PACKAGES) | JSON,
        .run = run_dev,
    },
    {
        .name = "package",
        .usage = "[PROGRAM|DIRECTORY]",
        .group = MAKE,
        .summary = "make a container image of the agent, without Docker; of Python and Node code a zip file",
        .text =
            "The image holds the program and exactly the libraries it needs.  The same input gives the same digest.\n"
            "Without an argument it is the project's program, which is built first.  Of a DIRECTORY all files go\n"
            "to /app, and --entrypoint says which of them is started.",
        .examples = "agentcore package\n"
                    "agentcore package --platform linux/arm64 -o hello.tar\n"
                    "agentcore package ./server --add model.bin:/app/model.bin --arg --fast\n"
                    "agentcore package dist --entrypoint bin/server",
        .options = PROJECT | IMAGE | BIT(OPT_OUTPUT) | BIT(OPT_TAG) | BIT(OPT_ENTRYPOINT) | BIT(OPT_PACKAGES) |
                   BIT(OPT_RUNTIME) | JSON,
        .most = 1,
        .complete = "(file)",
        .run = run_package,
    },
    {
        .name = "deploy",
        .group = RUN,
        .summary = "package the agent, create its runtime or the next version of it, and wait until it is ready",
        .text = "A program is deployed as a container image, Python and Node code as a zip file.  On agentcored\n"
                "nothing else is needed.  With --aws, images go to Amazon ECR, or where --registry says, and code to\n"
                "the --bucket; --role is what the agent may do there.",
        .examples = "agentcore deploy\n"
                    "agentcore deploy --name support --entry agent.py\n"
                    "agentcore deploy --aws --role arn:aws:iam::123456789012:role/agent",
        .options = WHERE | PROJECT | IMAGE | BIT(OPT_PROTOCOL) | BIT(OPT_RUNTIME) | BIT(OPT_ENV) | BIT(OPT_ROLE) |
                   BIT(OPT_REGISTRY) | BIT(OPT_BUCKET) | BIT(OPT_PACKAGES) | BIT(OPT_TIMEOUT) | JSON,
        .run = run_deploy,
    },
    {
        .name = "invoke",
        .usage = "[AGENT] PAYLOAD",
        .group = RUN,
        .summary = "call an agent, and print its answer as it comes",
        .text =
            "AGENT is a name, an id or an ARN; without one it is the agent of this directory's project.  PAYLOAD is\n"
            "JSON, @FILE, - for standard input, or plain text, which becomes {\"prompt\": TEXT}.  Of a stream, the\n"
            "data of each event is printed when it arrives.",
        .examples = "agentcore invoke 'Hello!'\n"
                    "agentcore invoke hello '{\"prompt\": \"Hello!\"}'\n"
                    "agentcore invoke hello @question.json --session \"$(uuidgen)\"\n"
                    "agentcore invoke --local 'Hello!'",
        .options = WHERE | CALL | BIT(OPT_USER) | BIT(OPT_HEADER) | BIT(OPT_LOCAL) | BIT(OPT_PORT) | BIT(OPT_RAW) |
                   BIT(OPT_TIMEOUT) | JSON,
        .least = 1,
        .most = 2,
        .complete = "(agent)",
        .run = run_invoke,
    },
    {
        .name = "ws",
        .usage = "[AGENT]",
        .group = RUN,
        .summary = "talk to an agent over a WebSocket: lines of standard input go, messages are printed",
        .text = "At the end of the input it listens on until nothing has come for --wait seconds.",
        .examples = "agentcore ws hello\necho '{\"prompt\": \"Hello!\"}' | agentcore ws hello --wait 2",
        .options = WHERE | CALL | BIT(OPT_LOCAL) | BIT(OPT_PORT) | BIT(OPT_WAIT) | JSON,
        .most = 1,
        .complete = "(agent)",
        .run = run_ws,
    },
    {
        .name = "status",
        .usage = "[AGENT]",
        .group = RUN,
        .summary = "show an agent and its endpoint, or, with neither agent nor project, the service",
        .examples = "agentcore status hello\nagentcore status --json",
        .options = WHERE | BIT(OPT_QUALIFIER) | JSON,
        .most = 1,
        .complete = "(agent)",
        .run = run_status,
    },
    {
        .name = "list",
        .group = RUN,
        .summary = "show all agents",
        .examples = "agentcore list\nagentcore list --json",
        .options = WHERE | JSON,
        .run = run_list,
    },
    {
        .name = "logs",
        .usage = "[AGENT]",
        .group = RUN,
        .summary = "show what an agent wrote",
        .examples = "agentcore logs -f\nagentcore logs hello -n 0 --session \"$ID\"",
        .options = WHERE | BIT(OPT_FOLLOW) | BIT(OPT_TAIL) | BIT(OPT_SESSION) | BIT(OPT_QUALIFIER) | JSON,
        .most = 1,
        .complete = "(agent)",
        .run = run_logs,
    },
    {
        .name = "stop-session",
        .usage = "[AGENT] SESSION",
        .group = RUN,
        .summary = "end a session of an agent",
        .examples = "agentcore stop-session hello \"$ID\"",
        .options = WHERE | BIT(OPT_QUALIFIER) | BIT(OPT_BEARER) | JSON,
        .least = 1,
        .most = 2,
        .complete = "(agent)",
        .run = run_stop_session,
    },
    {
        .name = "delete",
        .usage = "[AGENT]",
        .group = RUN,
        .summary = "delete an agent, its endpoints and its sessions",
        .text = "On a terminal it asks first; elsewhere it wants --yes.",
        .examples = "agentcore delete hello --yes",
        .options = WHERE | BIT(OPT_YES) | BIT(OPT_TIMEOUT) | JSON,
        .most = 1,
        .complete = "(agent)",
        .run = run_delete,
    },
    {
        .name = "up",
        .usage = "[-- OPTIONS]",
        .group = SERVE,
        .summary = "start agentcored in the background, and wait until it is ready",
        .text = "What stands behind -- is for agentcored; `agentcored --help` lists it.",
        .examples = "agentcore up\nagentcore up --listen 127.0.0.1:9000 -- --tls --warm-sessions 2",
        .options = BIT(OPT_DATA_DIR) | BIT(OPT_LISTEN) | JSON,
        .most = -1,
        .run = run_up,
    },
    {
        .name = "down",
        .group = SERVE,
        .summary = "stop agentcored, and wait until it has ended",
        .examples = "agentcore down\nagentcore down --now",
        .options = BIT(OPT_DATA_DIR) | BIT(OPT_NOW) | JSON,
        .run = run_down,
    },
    {
        .name = "env",
        .group = SERVE,
        .summary = "print the exports that point every AWS client at agentcored",
        .examples = "eval \"$(agentcore env)\"\neval \"$(agentcore env --unset)\"\nagentcore env --json",
        .options = BIT(OPT_DATA_DIR) | BIT(OPT_UNSET) | JSON,
        .run = run_env,
    },
    {
        .name = "exec",
        .usage = "-- COMMAND [ARGUMENT...]",
        .group = SERVE,
        .summary = "run a program with these variables",
        .examples = "agentcore exec -- python3 -c 'import boto3; print(boto3.client(\"bedrock-agentcore-control\")"
                    ".list_agent_runtimes())'",
        .options = BIT(OPT_DATA_DIR),
        .least = 1,
        .most = -1,
        .run = run_exec,
        .ordered = true,
    },
    {
        .name = "call",
        .usage = "OPERATION [JSON|@FILE|-]",
        .group = MORE,
        .summary = "call any operation of AgentCore",
        .text = "Members are named as in the AWS API, wherever they travel; times are milliseconds since 1970.\n"
                "agentcore call --help lists the operations, agentcore call OPERATION --help what one takes.",
        .examples = "agentcore call ListAgentRuntimes\n"
                    "agentcore call CreateWorkloadIdentity '{\"name\": \"agent-one\"}'\n"
                    "agentcore call CreateMemory --help",
        .options = WHERE | JSON,
        .most = 2,
        .complete = "(operation)",
        .run = run_call,
        .own_help = true,
    },
    {
        .name = "completion",
        .usage = "bash|zsh",
        .group = MORE,
        .summary = "print what makes a shell complete these commands",
        .examples = "source <(agentcore completion bash)",
        .least = 1,
        .most = 1,
        .complete = "bash zsh",
        .run = run_completion,
    },
};

const size_t command_count = ARRAY_SIZE(commands);

const command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static const char *command_name_at(size_t index)
{
    return commands[index].name;
}

static int code_of(const cli *c, ac_status status)
{
    if (c->exit_code != 0)
        return c->exit_code;
    return status == AC_OK ? EXIT_DONE : status == AC_ERR_NOT_FOUND ? EXIT_ABSENT : EXIT_FAILED;
}

static ac_status run(cli *c, int argc, char **argv, ac_error *err)
{
    const command *chosen = c->command;

    TRY(options_read(c, argc, argv, err));
    if (flag(c, OPT_HELP) && !chosen->own_help) {
        help_command(chosen);
        return print_end(err);
    }
    if (c->argument_count < chosen->least && !flag(c, OPT_HELP))
        return usage_error(c, err, "usage: agentcore %s %s", chosen->name, chosen->usage);
    if (chosen->most >= 0 && c->argument_count > chosen->most)
        return usage_error(c, err, "%s is one argument too many; usage: agentcore %s %s", c->arguments[chosen->most],
                           chosen->name, chosen->usage ? chosen->usage : "");
    return chosen->run(c, err);
}

/* The code, unless what was printed has not arrived. */
static int printed(int code)
{
    ac_error err = {.status = AC_OK};

    if (print_end(&err) == AC_OK)
        return code;
    complain("%s", err.message);
    return EXIT_FAILED;
}

static int without_command(const char *first)
{
    if (!first || strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || strcmp(first, "help") == 0) {
        help_overview();
        return printed(first ? EXIT_DONE : EXIT_USAGE);
    }
    if (strcmp(first, "--version") == 0 || strcmp(first, "version") == 0) {
        printf("agentcore %s\n", AC_VERSION);
        return printed(EXIT_DONE);
    }
    const char *meant = suggest(first, command_name_at, command_count);
    if (meant)
        complain("there is no command \"%s\"; is %s meant?", first, meant);
    else
        complain("there is no command \"%s\"; agentcore --help lists them", first);
    return EXIT_USAGE;
}

/* Descriptors that are closed when the program starts would be those of the first files and sockets it opens, and what
 * is printed would go there.  What takes their place fails as they did. */
static void open_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            exit(EXIT_FAILED);
}

int main(int argc, char **argv)
{
    static cli c;
    ac_error err = {.status = AC_OK};
    const char *verb = argc > 1 ? argv[1] : NULL;
    int code;

    open_standard();
    signal(SIGPIPE, SIG_IGN);
    if (verb && strcmp(verb, "help") == 0 && argc > 2 && command_find(argv[2])) {
        help_command(command_find(argv[2]));
        return printed(EXIT_DONE);
    }
    c.command = verb ? command_find(verb) : NULL;
    if (!c.command)
        return without_command(verb);
    ac_status status = run(&c, argc - 1, argv + 1, &err);
    progress_end();
    if (status != AC_OK && err.message[0])
        complain("%s", err.message);
    code = code_of(&c, status);
    text_done();
    return code;
}
