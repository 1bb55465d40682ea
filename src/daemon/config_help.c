/* config_help.c - what --help says about options, from their table. */
#include "daemon/config.h"

#include <stdlib.h>
#include <string.h>

#define HELP_COLUMN 28
#define HELP_WIDTH 100

/* Print text from HELP_COLUMN on, broken at blanks. */
static void print_wrapped(FILE *out, size_t column, const char *text)
{
    while (*text) {
        size_t length = strlen(text), room = HELP_WIDTH - HELP_COLUMN;

        if (column > HELP_COLUMN - 2) {
            fputc('\n', out);
            column = 0;
        }
        fprintf(out, "%*s", (int)(HELP_COLUMN - column), "");
        if (length > room)
            for (length = room; length > 1 && text[length] != ' ';)
                length--;
        fprintf(out, "%.*s\n", (int)length, text);
        text += length;
        text += strspn(text, " ");
        column = 0;
    }
}

static void print_option(FILE *out, const config_option *o)
{
    char text[512];
    const char *shown = o->shown ? o->shown : o->fallback;
    char *variable = o->commands & CONFIG_NO_FLAG ? config_env_name(o) : NULL;
    int column = variable ? fprintf(out, "  %s=%s", variable, o->value)
                          : fprintf(out, "  --%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");

    free(variable);
    snprintf(text, sizeof text, "%s%s%s%s", o->help, shown ? " [" : "", shown ? shown : "", shown ? "]" : "");
    print_wrapped(out, column < 0 ? 0 : (size_t)column, text);
}

void config_print_help(FILE *out, unsigned command)
{
    const char *group = "";

    for (size_t i = 0; i < config_option_count; i++) {
        const config_option *o = &config_options[i];

        if (!(o->commands & command))
            continue;
        if (strcmp(group, o->group) != 0)
            fprintf(out, "\n%s:\n", o->group);
        group = o->group;
        print_option(out, o);
    }
}
