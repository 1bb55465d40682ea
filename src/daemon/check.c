/* check.c - `agentcored check`: the table of what is tried out, and the report.
 *
 * Needed is what the service cannot run without; the exit code speaks of these alone.  The rest is what sandboxes,
 * interpreters and browsers need. */
#include "daemon/check.h"
#include "daemon/commands.h"

#include "base/json.h"

#include <errno.h>
#include <string.h>

#define SANDBOX "sandboxes of agents, interpreters and browsers"
#define NAMESPACE_REMEDY                                                                                               \
    "sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=65536; on Ubuntu also "                     \
    "kernel.apparmor_restrict_unprivileged_userns=0; in a container, run it with --security-opt seccomp=unconfined "   \
    "--security-opt apparmor=unconfined"

#define NETWORK "networks of sandboxes, without which agents do not start"
#define WITHOUT_NETWORK                                                                                                \
    "; or start agentcored with --session-network off: agents then reach agentcored and nothing else"

typedef struct check_row {
    const char *name;
    bool needed;
    check_fn run;
    const char *purpose;
    const char *remedy;
} check_row;

static const check_row rows[] = {
    {"data-directory", true, check_data_dir, "everything that is kept", "choose another one with --data-dir"},
    {"disk-space", true, check_disk_space, "everything that is kept", "make room, or choose another --data-dir"},
    {"durable-writes", true, check_durable_writes, "answers wait for the disk",
     "choose a --data-dir on a faster disk, not on a network"},
    {"open-files", true, check_open_files, "a descriptor for each connection",
     "ulimit -n 65536, or LimitNOFILE=65536 in the systemd unit"},
    {"postgresql", true, check_postgresql, "--store", "see that the server runs and lets this user in"},
    {"user-namespaces", false, check_user_namespaces, SANDBOX, NAMESPACE_REMEDY},
    {"mount-namespaces", false, check_mount_namespaces, SANDBOX, NAMESPACE_REMEDY},
    {"pid-namespaces", false, check_pid_namespaces, SANDBOX, NAMESPACE_REMEDY},
    {"network-namespaces", false, check_network_namespaces, "sandboxes without a network", NAMESPACE_REMEDY},
    {"cgroups", false, check_cgroups, "limits of memory, CPU and processes per session",
     "Delegate=yes in the systemd unit; in a container, run it with a writable /sys/fs/cgroup"},
    {"seccomp", false, check_seccomp, "refusing system calls in sandboxes", "a kernel with CONFIG_SECCOMP_FILTER"},
    {"landlock", false, check_landlock, "a second wall around files (optional)",
     "Linux 5.13 or newer, with landlock in the boot option lsm="},
    {"wordnet", false, check_wordnet, "synonyms in memory search (optional)", "apt-get install wordnet-base"},
    {"bubblewrap", false, check_bubblewrap, SANDBOX, "apt-get install bubblewrap"},
    {"slirp4netns", false, check_slirp, NETWORK, "apt-get install slirp4netns" WITHOUT_NETWORK},
    {"tun-device", false, check_tun, NETWORK,
     "modprobe tun, and chmod 0666 /dev/net/tun for users other than root; in a container, run it with "
     "--device /dev/net/tun" WITHOUT_NETWORK},
    {"python3", false, check_python, "Python in code interpreters and agents", "apt-get install python3"},
    {"node", false, check_node, "JavaScript and TypeScript in code interpreters and agents", "apt-get install nodejs"},
    {"chromium-headless-shell", false, check_chromium, "browser sessions", "apt-get install chromium-headless-shell"},
};

static const char *const state_names[] = {"ok", "limited", "missing", "skipped"};

static ac_status write_item(buf *out, const check_row *row, check_state state, const char *detail, bool first)
{
    AC_TRY(buf_appendf(out, "%s\n    {\"name\": \"%s\", \"state\": \"%s\", \"needed\": %s, \"detail\": ",
                       first ? "" : ",", row->name, state_names[state], row->needed ? "true" : "false"));
    AC_TRY(json_write_string(out, detail, strlen(detail)));
    AC_TRY(buf_append_text(out, ", \"purpose\": "));
    AC_TRY(json_write_string(out, row->purpose, strlen(row->purpose)));
    if (state != CHECK_OK) {
        AC_TRY(buf_append_text(out, ", \"remedy\": "));
        AC_TRY(json_write_string(out, row->remedy, strlen(row->remedy)));
    }
    return buf_append_text(out, "}");
}

static ac_status write_line(buf *out, const check_row *row, check_state state, const char *detail)
{
    AC_TRY(buf_appendf(out, "%-8s %-24s %s", state_names[state], row->name, detail));
    if (state != CHECK_OK)
        AC_TRY(buf_appendf(out, "; %s: %s; %s", row->needed ? "needed for" : "for", row->purpose, row->remedy));
    return buf_append_text(out, "\n");
}

static ac_status write_end(buf *out, bool json, unsigned lacking, unsigned wanting)
{
    if (json)
        return buf_appendf(out, "\n  ],\n  \"ok\": %s\n}\n", lacking ? "false" : "true");
    if (lacking)
        return buf_append_text(out, "\nagentcored cannot run here before what is needed is there.\n");
    if (wanting)
        return buf_append_text(out, "\nagentcored can run here, but not everything it offers.\n");
    return buf_append_text(out, "\nagentcored can run here.\n");
}

int command_check(invocation *in)
{
    _cleanup_(buf_done) buf out = BUF_INIT(65536);
    unsigned lacking = 0, wanting = 0, shown = 0;
    ac_status status = in->json ? buf_append_text(&out, "{\n  \"items\": [") : AC_OK;

    for (size_t i = 0; i < ARRAY_SIZE(rows) && status == AC_OK; i++) {
        char detail[CHECK_DETAIL_SIZE] = "";
        check_state state = rows[i].run(&in->config, detail);

        if (state == CHECK_SKIPPED)
            continue;
        lacking += state == CHECK_MISSING && rows[i].needed;
        wanting += state != CHECK_OK;
        status = in->json ? write_item(&out, &rows[i], state, detail, shown == 0)
                          : write_line(&out, &rows[i], state, detail);
        shown++;
    }
    if (status == AC_OK)
        status = write_end(&out, in->json, lacking, wanting);
    if (status != AC_OK || fwrite(out.data, 1, out.length, stdout) != out.length || fflush(stdout) != 0) {
        complain("%s", status != AC_OK ? ac_status_text(status) : strerror(errno));
        return EXIT_FAILED;
    }
    return lacking ? EXIT_FAILED : EXIT_OK;
}
