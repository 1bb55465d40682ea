/* cli.h - the command line `agentcore`: what its files share.
 *
 * It stands on libagentcore's public headers alone, as any program outside would.  What agentcored knows of its own
 * data directory is asked of agentcored (service.h), not read behind its back. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <agentcore/client.h>
#include <agentcore/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Return from the calling function when an expression fails. */
#define TRY(expression)                                                                                                \
    do {                                                                                                               \
        ac_status try_status_ = (expression);                                                                          \
        if (try_status_ != AC_OK)                                                                                      \
            return try_status_;                                                                                        \
    } while (0)

/* Exit codes of all commands; docs/cli.md and agentcore(1) list them. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,       /* wrong command, option or argument; a payload that is not JSON */
    EXIT_UNREACHABLE = 3, /* nobody answers: agentcored does not run, the endpoint is wrong */
    EXIT_ABSENT = 4,      /* there is no such agent, endpoint, session or file */
    EXIT_AGENT = 5,       /* the agent itself failed */
    EXIT_INTERRUPTED = 130,
};

/* ---- options and commands (options.c, main.c) ---- */

typedef enum option_id {
    OPT_HELP,
    OPT_VERSION,
    OPT_JSON,
    OPT_AWS,
    OPT_REGION,
    OPT_PROFILE,
    OPT_DATA_DIR,
    OPT_LANG,
    OPT_PORT,
    OPT_SESSION,
    OPT_BEARER,
    OPT_USER,
    OPT_QUALIFIER,
    OPT_HEADER,
    OPT_TIMEOUT,
    OPT_WAIT,
    OPT_LOCAL,
    OPT_RAW,
    OPT_FOLLOW,
    OPT_TAIL,
    OPT_YES,
    OPT_NAME,
    OPT_ENTRY,
    OPT_PROTOCOL,
    OPT_RUNTIME,
    OPT_ENV,
    OPT_ROLE,
    OPT_REGISTRY,
    OPT_BUCKET,
    OPT_PACKAGES,
    OPT_PLATFORM,
    OPT_OUTPUT,
    OPT_TAG,
    OPT_ADD,
    OPT_ARG,
    OPT_ENTRYPOINT,
    OPT_LISTEN,
    OPT_UNSET,
    OPT_NOW,
    OPT_COUNT,
} option_id;

typedef struct option_row {
    const char *name;
    char letter;       /* 0: none */
    const char *value; /* what the help calls the value; NULL: a flag */
    const char *help;
    const char *choices; /* for completion: words, or "(file)", "(directory)"; NULL: anything */
} option_row;

extern const option_row option_rows[OPT_COUNT];

#define BIT(id) (UINT64_C(1) << (id))

typedef struct cli cli;

typedef struct command {
    const char *name;
    const char *usage; /* behind the name; NULL: nothing */
    const char *group;
    const char *summary;
    const char *text;     /* more about it; NULL: nothing */
    const char *examples; /* lines */
    uint64_t options;     /* bits of option_id */
    int least, most;      /* arguments; most -1: any number */
    const char *complete; /* of the first argument: words, "(agent)", "(operation)", "(file)"; NULL: nothing */
    ac_status (*run)(cli *c, ac_error *err);
    bool ordered;  /* the first argument ends the options: what follows is somebody else's */
    bool own_help; /* --help is for run() */
} command;

extern const command commands[];
extern const size_t command_count;

const command *command_find(const char *name);

typedef struct given {
    option_id id;
    const char *value;
} given;

#define GIVEN_MAX 128

struct cli {
    const command *command;
    given given[GIVEN_MAX];
    size_t given_count;
    char *const *arguments; /* what is no option */
    int argument_count;
    int exit_code; /* of a command that succeeded, or that failed in its own way; 0: by its status */
};

/* Sort argv (without the program and the command) into options and arguments. */
ac_status options_read(cli *c, int argc, char **argv, ac_error *err);

/* The value of an option, the last when it was given several times; "" for a flag; NULL: not given. */
const char *option(const cli *c, option_id id);
bool flag(const cli *c, option_id id);

/* The values of one that may be given several times, from *at on; NULL at the end.  Begin with 0. */
const char *option_next(const cli *c, option_id id, size_t *at);

/* A number between least and most, or fallback. */
ac_status option_number(cli *c, option_id id, long least, long most, long fallback, long *ret, ac_error *err);

/* The name most like a wrong one; NULL when none is. */
const char *suggest(const char *wrong, const char *(*name_at)(size_t index), size_t count);

/* A failure that has an exit code of its own. */
ac_status fail_as(cli *c, int exit_code, ac_error *err, ac_status status, const char *format, ...) AC_PRINTF(5, 6);
#define usage_error(c, err, ...) fail_as(c, EXIT_USAGE, err, AC_ERR_INVALID, __VA_ARGS__)

void help_overview(void);
void help_command(const command *c);

/* ---- the commands ---- */

ac_status run_create(cli *c, ac_error *err);
ac_status run_dev(cli *c, ac_error *err);
ac_status run_package(cli *c, ac_error *err);
ac_status run_deploy(cli *c, ac_error *err);
ac_status run_invoke(cli *c, ac_error *err);
ac_status run_ws(cli *c, ac_error *err);
ac_status run_status(cli *c, ac_error *err);
ac_status run_list(cli *c, ac_error *err);
ac_status run_logs(cli *c, ac_error *err);
ac_status run_stop_session(cli *c, ac_error *err);
ac_status run_delete(cli *c, ac_error *err);
ac_status run_up(cli *c, ac_error *err);
ac_status run_down(cli *c, ac_error *err);
ac_status run_env(cli *c, ac_error *err);
ac_status run_exec(cli *c, ac_error *err);
ac_status run_call(cli *c, ac_error *err);
ac_status run_completion(cli *c, ac_error *err);

#endif
