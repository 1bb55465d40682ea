/* main.c - the program: the agent on port 8080, or on the one that PORT names. */
#include "agent.h"

#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    const char *port = getenv("PORT");
    ac_app *app = agent_new(&(ac_app_options){.port = port ? atoi(port) : 0});
    ac_error err;

    if (!app)
        return 1;
    int exit_code = ac_app_run(app, &err);
    if (exit_code != 0)
        fprintf(stderr, "%s\n", err.message);
    ac_app_free(app);
    return exit_code;
}
