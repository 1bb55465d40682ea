/* help.c - help, made from the tables of commands and options. */
#include "cli/cli.h"
#include "cli/term.h"
#include "cli/text.h"

#include <stdio.h>
#include <string.h>

#define COLUMN 28

static void entry(const char *name, const char *help)
{
    int length = (int)strlen(name);

    if (length + 2 >= COLUMN)
        printf("  %s\n%*s%s\n", name, COLUMN, "", help);
    else
        printf("  %s%*s%s\n", name, COLUMN - 2 - length, "", help);
}

static void heading(const char *text)
{
    printf("\n%s%s:%s\n", paint(stdout, INK_BOLD), text, paint(stdout, INK_NONE));
}

void help_overview(void)
{
    const char *group = "";

    printf("agentcore COMMAND [options] - from an empty directory to a deployed agent\n");
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i].group, group) != 0)
            heading(commands[i].group);
        group = commands[i].group;
        entry(commands[i].name, commands[i].summary);
    }
    printf(
        "\nThe first minute:\n\n"
        "  agentcore create hello && cd hello\n"
        "  agentcore dev                      # runs it here; Ctrl-C ends it\n"
        "  agentcore up                       # the service, in the background\n"
        "  agentcore deploy\n"
        "  agentcore invoke 'Hello!'\n\n"
        "agentcore COMMAND --help says what a command takes.  Exit codes: 0 done, 1 failed, 2 wrong command line or\n"
        "payload, 3 nobody answers, 4 no such agent, session or file, 5 the agent failed.  More: agentcore(1).\n");
}

static void print_option(option_id id)
{
    const option_row *row = &option_rows[id];
    char letter[8] = "";

    if (row->letter)
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    entry(textf("%s--%s%s%s", letter, row->name, row->value ? " " : "", row->value ? row->value : ""), row->help);
}

void help_command(const command *c)
{
    printf("agentcore %s%s%s - %s\n", c->name, c->usage ? " " : "", c->usage ? c->usage : "", c->summary);
    if (c->text)
        printf("\n%s\n", c->text);
    heading("Options");
    for (int i = 0; i < OPT_COUNT; i++)
        if (c->options & BIT(i))
            print_option((option_id)i);
    print_option(OPT_HELP);
    if (c->examples) {
        heading("Examples");
        for (const char *line = c->examples; *line;) {
            size_t length = strcspn(line, "\n");

            printf("  %.*s\n", (int)length, line);
            line += length + (line[length] == '\n');
        }
    }
}
