/* plan.c - what a session's sandbox is: the supervisor (guest/code/), in a work directory of its own, its home.
 *
 * Sessions of an interpreter are alike until they are used, so some are kept started (session_plan.pool). */
#include "daemon/code/code.h"
#include "daemon/code/protocol.h"

#include <string.h>

#define STOP_GRACE_MS 1 /* what runs has nothing to save; 0 would be the default */
#define AGENT_ID 1000

/* pip installs into the home, since the system is read-only. */
/* NOLINTBEGIN(bugprone-suspicious-missing-comma): values are put together */
static const char *const environment[] = {
    "HOME=" CODE_HOME,
    "PATH=" CODE_HOME "/.local/bin:/usr/local/bin:/usr/bin:/bin",
    "LANG=C.UTF-8",
    "USER=agent",
    "SHELL=/bin/bash",
    "TERM=dumb",
    "PYTHONUNBUFFERED=1",
    "PYTHONDONTWRITEBYTECODE=1",
    "PIP_USER=1",
    "PIP_BREAK_SYSTEM_PACKAGES=1",
    "PIP_DISABLE_PIP_VERSION_CHECK=1",
    "PIP_NO_INPUT=1",
    "MPLBACKEND=module://agentcore_figures",
    "MPLCONFIGDIR=/tmp/.matplotlib",
    "NODE_PATH=" CODE_HOME "/node_modules",
    "NPM_CONFIG_UPDATE_NOTIFIER=false",
    NULL,
};
/* NOLINTEND(bugprone-suspicious-missing-comma) */

static const char *const arguments[] = {CODE_GUEST_DIRECTORY "/agentcore-code", NULL};

ac_status code_plan(void *user, arena *memory, session_plan *ret_plan, ac_error *err)
{
    const code_plan_request *request = user;
    const config *c = request->room->daemon->config;
    bool closed = !c->session_network || strcmp(request->interpreter->network_mode, "SANDBOX") == 0;
    sandbox_mount *mount = arena_zalloc(memory, sizeof *mount);
    const char *directory;

    if (!mount)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    AC_TRY(code_guest_files(request->room, &directory, err));
    *mount = (sandbox_mount){.source = directory, .target = CODE_GUEST_DIRECTORY};
    *ret_plan = (session_plan){
        .sandbox =
            {
                .argv = arguments,
                .environment = environment,
                .root = c->code_root,
                .mounts = mount,
                .mount_count = 1,
                .directory = CODE_HOME,
                .home = CODE_HOME,
                .uid = AGENT_ID,
                .gid = AGENT_ID,
                .network = closed ? SANDBOX_NETWORK_NONE : SANDBOX_NETWORK_PUBLIC,
                .limits =
                    {
                        .memory_bytes = (uint64_t)c->session_memory_bytes,
                        .disk_bytes = (uint64_t)c->session_disk_bytes,
                        .processes = (unsigned)c->session_processes,
                        .cpu_percent = (unsigned)c->session_cpu_percent,
                    },
            },
        .port = CODE_PORT,
        .start_ms = (unsigned)c->session_start_ms,
        .idle_ms = request->timeout_s * 1000, /* no other than its life */
        .life_ms = request->timeout_s * 1000,
        .stop_grace_ms = STOP_GRACE_MS,
        .pool = closed ? "closed" : "open",
        .warm = (unsigned)c->code_warm,
    };
    return AC_OK;
}
