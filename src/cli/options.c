/* options.c - the options of all commands: what they are called, and reading them. */
#include "cli/cli.h"
#include "cli/text.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const option_row option_rows[OPT_COUNT] = {
    [OPT_HELP] = {"help", 'h', NULL, "this help", NULL},
    [OPT_VERSION] = {"version", 0, NULL, "which version this is", NULL},
    [OPT_JSON] = {"json", 0, NULL, "write JSON", NULL},
    [OPT_AWS] = {"aws", 0, NULL, "AWS itself, with the credentials every AWS tool finds", NULL},
    [OPT_REGION] = {"region", 0, "NAME", "region of AWS (AWS_REGION, the profile's, us-west-2)", NULL},
    [OPT_PROFILE] = {"profile", 0, "NAME", "profile of ~/.aws/config", NULL},
    [OPT_DATA_DIR] = {"data-dir", 0, "DIR", "data directory of agentcored (AGENTCORED_DATA_DIR, its default)",
                      "(directory)"},
    [OPT_LANG] = {"lang", 0, "LANGUAGE", "c (the default), python or node", "c python node"},
    [OPT_PORT] = {"port", 'p', "PORT", "where the agent listens here (8080)", NULL},
    [OPT_SESSION] = {"session", 's', "ID", "session id, 33 characters or more", NULL},
    [OPT_BEARER] = {"bearer", 0, "TOKEN", "send this OAuth token instead of a signature; @FILE reads it", NULL},
    [OPT_USER] = {"user", 0, "ID", "the end user on whose behalf the agent is called", NULL},
    [OPT_QUALIFIER] = {"endpoint", 0, "NAME", "endpoint of the agent (DEFAULT)", NULL},
    [OPT_HEADER] = {"header", 'H', "NAME:VALUE", "one more header; may be given several times", NULL},
    [OPT_TIMEOUT] = {"timeout", 0, "SECONDS", "how long to wait", NULL},
    [OPT_WAIT] = {"wait", 0, "SECONDS", "go on listening so long after the end of the input (5)", NULL},
    [OPT_LOCAL] = {"local", 0, NULL, "the agent that `agentcore dev` runs here, not a deployed one", NULL},
    [OPT_RAW] = {"raw", 0, NULL, "send the payload as it is, and print the answer as it comes", NULL},
    [OPT_FOLLOW] = {"follow", 'f', NULL, "go on with what is written later", NULL},
    [OPT_TAIL] = {"tail", 'n', "N", "the last N lines (100); 0: all that are kept", NULL},
    [OPT_YES] = {"yes", 'y', NULL, "do not ask", NULL},
    [OPT_NAME] = {"name", 0, "NAME", "name of the agent (the project's, the directory's)", NULL},
    [OPT_ENTRY] = {"entry", 0, "FILE", "the program or script that is the agent", "(file)"},
    [OPT_PROTOCOL] = {"protocol", 0, "NAME", "what the agent speaks: HTTP, MCP, A2A or AGUI", "HTTP MCP A2A AGUI"},
    [OPT_RUNTIME] = {"runtime", 0, "NAME", "PYTHON_3_12, NODE_22, ...: interpreter of deployed code",
                     "PYTHON_3_10 PYTHON_3_11 PYTHON_3_12 PYTHON_3_13 PYTHON_3_14 NODE_22"},
    [OPT_ENV] = {"env", 'e', "NAME=VALUE", "environment of the agent; may be given several times", NULL},
    [OPT_ROLE] = {"role", 0, "ARN", "with --aws: the role the agent runs as", NULL},
    [OPT_REGISTRY] = {"registry", 0, "REFERENCE",
                      "with --aws: push the image there, not to ECR (http://127.0.0.1:5000/team/agent)", NULL},
    [OPT_BUCKET] = {"bucket", 0, "NAME", "with --aws: the S3 bucket for code", NULL},
    [OPT_PACKAGES] = {"packages", 0, "DIR", "Python packages that go with the code, instead of requirements.txt",
                      "(directory)"},
    [OPT_PLATFORM] = {"platform", 0, "OS/ARCH", "linux/amd64, linux/arm64, ... (this machine's)",
                      "linux/amd64 linux/arm64"},
    [OPT_OUTPUT] = {"output", 'o', "PATH", "an OCI layout to write, or a tar file when it ends in .tar", "(file)"},
    [OPT_TAG] = {"tag", 't', "TAG", "tag of the image (latest)", NULL},
    [OPT_ADD] = {"add", 0, "SOURCE:PLACE", "a file or directory more; may be given several times", NULL},
    [OPT_ARG] = {"arg", 0, "TEXT", "an argument for the program; may be given several times", NULL},
    [OPT_ENTRYPOINT] = {"entrypoint", 0, "PATH", "of a directory: the program in it that is started", NULL},
    [OPT_LISTEN] = {"listen", 0, "HOST:PORT", "where agentcored serves (127.0.0.1:8484)", NULL},
    [OPT_UNSET] = {"unset", 0, NULL, "print what takes the variables away again", NULL},
    [OPT_NOW] = {"now", 0, NULL, "do not let requests that run finish", NULL},
};

/* ---- failures ---- */

ac_status fail_as(cli *c, int exit_code, ac_error *err, ac_status status, const char *format, ...)
{
    char message[sizeof err->message];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    c->exit_code = exit_code;
    return ac_error_set(err, status, "%s", message);
}

/* ---- likeness ---- */

#define LIKE_BYTES_MAX 48

/* How many letters to change, insert or leave out (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
    size_t row[LIKE_BYTES_MAX + 1], length = strlen(b);

    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t above = row[0];

        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t changed = above + (a[i - 1] != b[j - 1]), least = row[j] + 1;

            above = row[j];
            least = row[j - 1] + 1 < least ? row[j - 1] + 1 : least;
            row[j] = changed < least ? changed : least;
        }
    }
    return row[length];
}

const char *suggest(const char *wrong, const char *(*name_at)(size_t index), size_t count)
{
    const char *best = NULL;
    size_t least = 3;

    if (strlen(wrong) > LIKE_BYTES_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const char *name = name_at(i);
        size_t far = strlen(name) > LIKE_BYTES_MAX ? least : distance(wrong, name);

        if (far < least && far < strlen(name)) {
            least = far;
            best = name;
        }
    }
    return best;
}

/* ---- reading ---- */

static const char *option_name_at(size_t index)
{
    return option_rows[index].name;
}

static ac_status unknown(cli *c, const char *argument, ac_error *err)
{
    char *name = keep_text(argument, strcspn(argument, "="));

    for (int i = 0; i < OPT_COUNT; i++)
        if (starts_with(name, "--") && strcmp(name + 2, option_rows[i].name) == 0)
            return usage_error(c, err, "%s takes no value", name);
    const char *meant = starts_with(name, "--") ? suggest(name + 2, option_name_at, OPT_COUNT) : NULL;

    if (meant)
        return usage_error(c, err, "unknown option %s; is --%s meant?", name, meant);
    return usage_error(c, err, "unknown option %s; see agentcore %s --help", name, c->command->name);
}

static void tables(bool ordered, struct option longs[OPT_COUNT + 1], char shorts[2 * OPT_COUNT + 3])
{
    size_t at = 0;

    if (ordered)
        shorts[at++] = '+';
    shorts[at++] = ':';
    for (int i = 0; i < OPT_COUNT; i++) {
        const option_row *row = &option_rows[i];

        longs[i] = (struct option){row->name, row->value ? required_argument : no_argument, NULL, 256 + i};
        if (row->letter)
            shorts[at++] = row->letter;
        if (row->letter && row->value)
            shorts[at++] = ':';
    }
    longs[OPT_COUNT] = (struct option){0};
    shorts[at] = '\0';
}

static option_id id_of(int found)
{
    for (int i = 0; i < OPT_COUNT; i++)
        if (found == 256 + i || (option_rows[i].letter && found == option_rows[i].letter))
            return (option_id)i;
    return OPT_HELP;
}

static ac_status take(cli *c, option_id id, const char *value, ac_error *err)
{
    if (id != OPT_HELP && !(c->command->options & BIT(id)))
        return usage_error(c, err, "%s does not take --%s; see agentcore %s --help", c->command->name,
                           option_rows[id].name, c->command->name);
    if (c->given_count == GIVEN_MAX)
        return usage_error(c, err, "more than %d options", GIVEN_MAX);
    c->given[c->given_count++] = (given){id, value ? value : ""};
    return AC_OK;
}

ac_status options_read(cli *c, int argc, char **argv, ac_error *err)
{
    struct option longs[OPT_COUNT + 1];
    char shorts[2 * OPT_COUNT + 3];

    tables(c->command->ordered, longs, shorts);
    opterr = 0;
    optind = 1;
    for (;;) {
        int before = optind, found = getopt_long(argc, argv, shorts, longs, NULL);

        if (found < 0)
            break;
        if (found == ':')
            return usage_error(c, err, "%s needs a value", argv[optind - 1]);
        if (found == '?')
            return unknown(c, argv[optind > before ? optind - 1 : before], err);
        TRY(take(c, id_of(found), optarg, err));
    }
    c->arguments = argv + optind;
    c->argument_count = argc - optind;
    return AC_OK;
}

/* ---- asking ---- */

const char *option(const cli *c, option_id id)
{
    for (size_t i = c->given_count; i > 0; i--)
        if (c->given[i - 1].id == id)
            return c->given[i - 1].value;
    return NULL;
}

bool flag(const cli *c, option_id id)
{
    return option(c, id) != NULL;
}

const char *option_next(const cli *c, option_id id, size_t *at)
{
    while (*at < c->given_count)
        if (c->given[(*at)++].id == id)
            return c->given[*at - 1].value;
    return NULL;
}

ac_status option_number(cli *c, option_id id, long least, long most, long fallback, long *ret, ac_error *err)
{
    const char *text = option(c, id);
    char *end;

    *ret = fallback;
    if (!text)
        return AC_OK;
    errno = 0;
    *ret = strtol(text, &end, 10);
    if (errno == 0 && end != text && !*end && *ret >= least && *ret <= most)
        return AC_OK;
    return usage_error(c, err, "--%s takes a number from %ld to %ld, not \"%s\"", option_rows[id].name, least, most,
                       text);
}
