/* completion.c - completion for bash and zsh, made from the tables of commands and options.
 *
 * Both are one function that asks a table in the script.  Names of agents are asked of `agentcore list` when they are
 * wanted; those of operations are in the script. */
#include "cli/cli.h"
#include "cli/term.h"
#include "cli/text.h"

#include <stdio.h>
#include <string.h>

static const char *options_of(const command *c)
{
    char *text = textf("--help");

    for (int i = 0; i < OPT_COUNT; i++)
        if (i != OPT_HELP && (c->options & BIT(i)))
            text = textf("%s --%s", text, option_rows[i].name);
    return text;
}

static const char *operations(void)
{
    char *text = textf("%s", "");

    for (size_t i = 0; i < ac_operation_count(); i++)
        text = textf("%s%s%s", text, *text ? " " : "", ac_operation_name(i));
    return text;
}

static void print_choices(const char *choices)
{
    if (!choices)
        printf("return 0");
    else if (strcmp(choices, "(file)") == 0)
        printf("COMPREPLY=($(compgen -f -- \"$word\")); return 0");
    else if (strcmp(choices, "(directory)") == 0)
        printf("COMPREPLY=($(compgen -d -- \"$word\")); return 0");
    else if (strcmp(choices, "(agent)") == 0)
        printf(
            "choices=$(agentcore list --json 2>/dev/null | sed -n 's/^ *\"agentRuntimeName\": \"\\(.*\\)\".*/\\1/p')");
    else if (strcmp(choices, "(operation)") == 0)
        printf("choices='%s'", operations());
    else
        printf("choices='%s'", choices);
}

static void print_bash_body(void)
{
    printf("    case $before in\n");
    for (int i = 0; i < OPT_COUNT; i++) {
        const option_row *row = &option_rows[i];

        if (!row->value)
            continue;
        printf("    --%s", row->name);
        if (row->letter)
            printf(" | -%c", row->letter);
        printf(") ");
        print_choices(row->choices);
        if (row->choices && row->choices[0] != '(')
            printf("; COMPREPLY=($(compgen -W \"$choices\" -- \"$word\")); return 0");
        printf(" ;;\n");
    }
    printf("    esac\n    case $command in\n");
    for (size_t i = 0; i < command_count; i++) {
        printf("    %s) options='%s'", commands[i].name, options_of(&commands[i]));
        if (commands[i].complete) {
            printf("; [[ $word == -* ]] || { ");
            print_choices(commands[i].complete);
            printf("; }");
        }
        printf(" ;;\n");
    }
    printf("    esac\n");
}

static void print_commands(void)
{
    for (size_t i = 0; i < command_count; i++)
        printf("%s%s", i ? " " : "", commands[i].name);
}

/* What bash and zsh (with bashcompinit) share. */
static void print_function(void)
{
    printf("__agentcore()\n{\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}\n"
           "    local choices='' options=''\n"
           "    COMPREPLY=()\n"
           "    if [[ $COMP_CWORD == 1 ]]; then\n        COMPREPLY=($(compgen -W '");
    print_commands();
    printf(" help version' -- \"$word\"))\n        return 0\n    fi\n");
    print_bash_body();
    printf("    [[ $word == -* ]] && choices=$options\n"
           "    COMPREPLY=($(compgen -W \"$choices\" -- \"$word\"))\n"
           "    return 0\n}\n");
}

ac_status run_completion(cli *c, ac_error *err)
{
    const char *shell = c->arguments[0];

    if (strcmp(shell, "bash") == 0) {
        printf("# bash completion for agentcore, made by `agentcore completion bash`\n");
        print_function();
        printf("complete -F __agentcore agentcore\n");
    } else if (strcmp(shell, "zsh") == 0) {
        printf("#compdef agentcore\n# zsh completion for agentcore, made by `agentcore completion zsh`\n"
               "autoload -Uz bashcompinit && bashcompinit\n");
        print_function();
        /* Loaded by compinit, it is called for the first completion already. */
        printf("complete -F __agentcore agentcore\n"
               "if (( ${+compstate} )); then _bash_complete -F __agentcore; fi\n");
    } else {
        return usage_error(c, err, "there is completion for bash and zsh, not for %.40s", shell);
    }
    return print_end(err);
}
