/* commands.c - tell the daemon which commands have ended.
 *
 * A command keeps its place until its end has been told, so a daemon that does not listen cannot make them pile up. */
#include "init.h"

bool commands_report(command *all, int events)
{
    for (size_t i = 0; i < INIT_COMMANDS_MAX; i++) {
        box_event event = {.kind = EVENT_COMMAND_ENDED, .id = all[i].id, .code = all[i].code, .flags = all[i].flags};

        if (!all[i].id || all[i].pid)
            continue;
        if (protocol_send(events, &event, sizeof event, NULL, 0) < 0)
            return false;
        all[i] = (command){0};
    }
    return true;
}
