/* commands_serve.c - agentcored without a verb: serve until SIGTERM. */
#include "daemon/commands.h"
#include "daemon/daemon.h"

#include <agentcore/log.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "AGENTCORED_"

/* Variables that look like ours and are not: only told when they are close to one of ours, since platforms set names
 * like AGENTCORED_SERVICE_HOST for reasons of their own. */
static void warn_of_variables(void)
{
    for (char *const *at = environ; *at; at++) {
        char name[64];
        size_t length = strcspn(*at, "=");
        const char *meant;

        if (strncmp(*at, PREFIX, strlen(PREFIX)) != 0 || length - strlen(PREFIX) >= sizeof name)
            continue;
        for (size_t i = strlen(PREFIX); i <= length; i++) {
            char c = (*at)[i];

            name[i - strlen(PREFIX)] = (char)(i == length ? '\0' : c == '_' ? '-' : c >= 'A' && c <= 'Z' ? c + 32 : c);
        }
        meant = config_suggest(name);
        if (meant && !config_find(name, strlen(name)))
            ac_log_warning("The environment has %.*s, which is no option; is %s meant?", (int)length, *at, meant);
    }
}

int command_serve(invocation *in)
{
    ac_error err = {.status = AC_OK};
    ac_status status;

    warn_of_variables();
    status = agentcored_serve(&in->config, &err);
    if (status == AC_OK)
        return EXIT_OK;
    complain("%s", err.message[0] ? err.message : ac_status_text(status));
    return EXIT_FAILED;
}
