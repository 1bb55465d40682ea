/* main.c - the command line of agentcored: which verb, which options, and the help about both.
 *
 * Options may stand before or behind the verb.  Those of the configuration come from its table; a verb takes the ones
 * that mean something to it, and refuses the others by name. */
#include "daemon/commands.h"

#include <agentcore/version.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Options beside those of the configuration. */
enum {
    FLAG_HELP = 1000,
    FLAG_VERSION,
    FLAG_JSON,
    FLAG_UNSET,
    FLAG_ACCESS_KEY,
    FLAG_SECRET_STDIN,
    FLAG_FOLLOW,
    FLAG_TAIL,
    FLAG_SESSION
};

typedef struct own_flag {
    const char *name;
    int id;
    unsigned commands;
    const char *value;
    const char *help;
} own_flag;

static const own_flag own_flags[] = {
    {"json", FLAG_JSON, CONFIG_ENV | CONFIG_CHECK | CONFIG_KEYS | CONFIG_STATUS, NULL, "write JSON"},
    {"unset", FLAG_UNSET, CONFIG_ENV, NULL, "write what takes the variables away again"},
    {"access-key", FLAG_ACCESS_KEY, CONFIG_ENV | CONFIG_KEYS, "ID", "this key, not the first; with add: its id"},
    {"secret-stdin", FLAG_SECRET_STDIN, CONFIG_KEYS, NULL, "add: the secret is a line on standard input"},
    {"follow", FLAG_FOLLOW, CONFIG_LOGS, NULL, "go on with what is written later"},
    {"tail", FLAG_TAIL, CONFIG_LOGS, "N", "the last N lines; 0: all that are kept (default: 100)"},
    {"session", FLAG_SESSION, CONFIG_LOGS, "ID", "lines of this session alone"},
    {"help", FLAG_HELP, CONFIG_ALL, NULL, "what a command takes"},
    {"version", FLAG_VERSION, CONFIG_ALL, NULL, "which version this is"},
};

typedef struct command {
    const char *name; /* "": without a verb */
    const char *usage;
    const char *summary;
    unsigned id;
    int (*run)(invocation *in);
} command;

static const command commands[] = {
    {"", "agentcored [options]", "serve until SIGTERM", CONFIG_SERVE, command_serve},
    {"env", "eval \"$(agentcored env [options])\"", "print the variables that point AWS clients here", CONFIG_ENV,
     command_env},
    {"check", "agentcored check [options]", "test what the machine offers, and say what is missing", CONFIG_CHECK,
     command_check},
    {"keys", "agentcored keys [list|add|remove ID] [options]", "show, make and take away access keys", CONFIG_KEYS,
     command_keys},
    {"logs", "agentcored logs [RUNTIME [ENDPOINT]] [options]",
     "show what agents wrote; without RUNTIME: which logs there are", CONFIG_LOGS, command_logs},
    {"status", "agentcored status [options]", "say whether a daemon serves the data directory, and where",
     CONFIG_STATUS, command_status},
};

void complain(const char *format, ...)
{
    va_list args;

    fputs("agentcored: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* ---- help ---- */

static void print_own_flags(unsigned id)
{
    printf("\nOther options:\n");
    for (size_t i = 0; i < ARRAY_SIZE(own_flags); i++)
        if (own_flags[i].commands & id) {
            int column = printf("  --%s%s%s", own_flags[i].name, own_flags[i].value ? " " : "",
                                own_flags[i].value ? own_flags[i].value : "");
            printf("%*s%s\n", 28 - column, "", own_flags[i].help);
        }
}

static int print_help(const command *c)
{
    printf("%s\n\n%s%s.\n", c->usage, c->id == CONFIG_SERVE ? "AgentCore for C, the service: " : "", c->summary);
    if (c->id == CONFIG_SERVE) {
        printf("\nCommands:\n");
        for (size_t i = 1; i < ARRAY_SIZE(commands); i++)
            printf("  %-26s%s\n", commands[i].name, commands[i].summary);
        printf("  %-26s%s\n  %-26s%s\n", "help [COMMAND]", "what a command takes", "version", "which version this is");
    }
    config_print_help(stdout, c->id);
    print_own_flags(c->id);
    if (c->id == CONFIG_SERVE)
        printf("\nEach option is also an environment variable (--data-dir: AGENTCORED_DATA_DIR) and a key of the YAML\n"
               "file that --config names (data-dir: DIR).  A flag wins over the environment, that over the file.\n"
               "\nExit codes: 0 done, 1 failed, 2 wrong options or configuration.  More: agentcored(8).\n");
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

static int print_version(void)
{
    return printf("agentcored %s\n", AC_VERSION) > 0 && fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

/* ---- verbs ---- */

static const command *find_command(const char *name)
{
    for (size_t i = 1; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    complain("there is no command \"%s\"; see agentcored --help", name);
    return NULL;
}

/* ---- options ---- */

typedef struct line {
    config_given given[CONFIG_GIVEN_MAX];
    size_t given_count;
    unsigned own; /* bits of own_flags that were given */
    const char *access_key, *tail, *session;
} line;

static void build_options(struct option options[CONFIG_OPTIONS_MAX + ARRAY_SIZE(own_flags) + 1])
{
    size_t n = 0;

    for (size_t i = 0; i < config_option_count; i++)
        options[n++] = (struct option){config_options[i].name,
                                       config_options[i].value ? required_argument : optional_argument, NULL, (int)i};
    for (size_t i = 0; i < ARRAY_SIZE(own_flags); i++)
        options[n++] = (struct option){own_flags[i].name, own_flags[i].value ? required_argument : no_argument, NULL,
                                       own_flags[i].id};
    options[n] = (struct option){0};
}

static void complain_unknown(const char *argument)
{
    char name[64];
    const char *meant = NULL;

    snprintf(name, sizeof name, "%.*s", (int)strcspn(argument, "="), argument);
    if (strncmp(name, "--", 2) == 0)
        meant = config_suggest(name + 2);
    complain("unknown option %s%s%s%s", name, meant ? "; is --" : "", meant ? meant : "", meant ? " meant?" : "");
}

static bool read_line(int argc, char **argv, line *l)
{
    struct option options[CONFIG_OPTIONS_MAX + ARRAY_SIZE(own_flags) + 1];
    int at;

    build_options(options);
    opterr = 0;
    for (;;) {
        int before = optind;

        at = getopt_long(argc, argv, ":hf", options, NULL);
        if (at < 0)
            return true;
        if (at == '?' || at == ':') {
            if (at == ':')
                complain("%s needs a value", argv[optind - 1]);
            else
                complain_unknown(argv[optind > before ? optind - 1 : before]);
            return false;
        }
        if (at == 'h')
            at = FLAG_HELP;
        if (at == 'f')
            at = FLAG_FOLLOW;
        if (at == FLAG_ACCESS_KEY)
            l->access_key = optarg;
        if (at == FLAG_TAIL)
            l->tail = optarg;
        if (at == FLAG_SESSION)
            l->session = optarg;
        if (at >= FLAG_HELP) {
            l->own |= 1U << (at - FLAG_HELP);
        } else if (l->given_count < CONFIG_GIVEN_MAX) {
            l->given[l->given_count++] = (config_given){&config_options[at], optarg};
        } else {
            complain("more than %d options", CONFIG_GIVEN_MAX);
            return false;
        }
    }
}

static bool was_given(const line *l, int flag)
{
    return l->own >> (flag - FLAG_HELP) & 1;
}

/* Whether the command takes all that was given. */
static bool fits(const line *l, const command *c)
{
    const char *verb = *c->name ? c->name : "agentcored without a command";

    for (size_t i = 0; i < l->given_count; i++)
        if (l->given[i].option->commands & CONFIG_NO_FLAG) {
            complain("--%s would show the secret to everybody on this machine; put it into the environment or the file",
                     l->given[i].option->name);
            return false;
        } else if (!(l->given[i].option->commands & c->id)) {
            complain("%s does not take --%s", verb, l->given[i].option->name);
            return false;
        }
    for (size_t i = 0; i < ARRAY_SIZE(own_flags); i++)
        if (was_given(l, own_flags[i].id) && !(own_flags[i].commands & c->id)) {
            complain("%s does not take --%s", verb, own_flags[i].name);
            return false;
        }
    return true;
}

static int run(const command *c, const line *l, char *const *arguments, int argument_count)
{
    invocation in = {
        .json = was_given(l, FLAG_JSON),
        .unset = was_given(l, FLAG_UNSET),
        .secret_stdin = was_given(l, FLAG_SECRET_STDIN),
        .follow = was_given(l, FLAG_FOLLOW),
        .access_key = l->access_key,
        .tail = l->tail,
        .session = l->session,
        .arguments = arguments,
        .argument_count = argument_count,
    };
    ac_error err = {.status = AC_OK};
    int code = EXIT_USAGE;

    if (argument_count > 0 && c->id != CONFIG_KEYS && c->id != CONFIG_LOGS)
        complain("%s is one argument too many", arguments[0]);
    else if (config_load(environ, l->given, l->given_count, &in.config, &err) != AC_OK)
        complain("%s", err.message);
    else
        code = c->run(&in);
    config_done(&in.config);
    return code;
}

int main(int argc, char **argv)
{
    static line l;
    const command *c = &commands[0];
    const char *verb;
    char **rest;

    if (!read_line(argc, argv, &l))
        return EXIT_USAGE;
    rest = argv + optind;
    verb = *rest;
    if (was_given(&l, FLAG_VERSION) || (verb && strcmp(verb, "version") == 0))
        return print_version();
    if (verb && strcmp(verb, "help") == 0) {
        c = rest[1] ? find_command(rest[1]) : c;
        return c ? print_help(c) : EXIT_USAGE;
    }
    if (verb && !(c = find_command(verb)))
        return EXIT_USAGE;
    if (was_given(&l, FLAG_HELP))
        return print_help(c);
    if (!fits(&l, c))
        return EXIT_USAGE;
    return run(c, &l, verb ? rest + 1 : rest, verb ? argc - optind - 1 : 0);
}
