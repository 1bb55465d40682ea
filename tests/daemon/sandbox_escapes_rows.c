/* sandbox_escapes_rows.c - the attempts, and what is looked at beside what is looked at always. */
#include "sandbox_escapes.h"
#include "sandbox_escapes_look.h"

#include "base/clock.h"
#include "daemon/files.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

baits escape_baits;

static const char *look_processes_are_bounded(run *r)
{
    pid_t pids[LOOK_PROCESSES_MAX], child;
    size_t count = look_for(r->token, pids);

    if (count < ESCAPE_PROCESSES / 2 || count > ESCAPE_PROCESSES)
        return "not as many processes as are allowed";
    child = fork();
    if (child == 0)
        _exit(0);
    return child > 0 && waitpid(child, NULL, 0) == child ? NULL : "no process can be made outside";
}

static const char *look_terminal_has_no_input(run *r)
{
    struct pollfd typed = {.fd = r->terminal, .events = POLLIN};

    return poll(&typed, 1, 0) > 0 ? "something was typed" : NULL;
}

static const char *look_terminals_are_left(run *r)
{
    int fd = posix_openpt(O_RDWR | O_NOCTTY);

    (void)r;
    close(fd);
    return fd >= 0 ? NULL : "no terminal is left";
}

static const char *look_watches_are_left(run *r)
{
    int fd = inotify_init1(IN_CLOEXEC);

    (void)r;
    close(fd);
    return fd >= 0 ? NULL : "no inotify instance is left";
}

static const char *look_pipes_are_left(run *r)
{
    int ends[2];

    (void)r;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return "no pipe is left";
    close(ends[0]);
    close(ends[1]);
    return NULL;
}

/* Memory of TCP is counted for the whole machine, and everybody waits when it is used up.  Other tests have some too,
 * one like this among them. */
static const char *look_connections_are_bounded(run *r)
{
    _cleanup_(buf_done) buf text = BUF_INIT(4096);
    const char *all_text = file_read("/proc/net/sockstat", &text, NULL, NULL) == AC_OK ? buf_terminate(&text) : NULL;
    const char *tcp = all_text ? strstr(all_text, "TCP:") : NULL, *memory = tcp ? strstr(tcp, " mem ") : NULL;
    uint64_t bytes = memory ? strtoull(memory + 5, NULL, 10) * 4096 : 0;

    (void)r;
    return memory && bytes <= 4 * ESCAPE_MEMORY_BYTES ? NULL : "it has taken the machine's memory for connections";
}

static const char *look_files_can_be_opened(run *r)
{
    int fds[64], opened = 0;

    (void)r;
    while (opened < 64 && (fds[opened] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        opened++;
    for (int i = 0; i < opened; i++)
        close(fds[i]);
    return opened == 64 ? NULL : "no file can be opened outside";
}

static const char *look_no_core(run *r)
{
    char path[160];

    (void)r;
    snprintf(path, sizeof path, "%s/core", escape_baits.shared);
    return access(path, F_OK) == 0 ? "a core dump is there" : NULL;
}

/* What was left in the writable place is what it seems: a link that leads nowhere it should not. */
static const char *look_links(run *r)
{
    char path[160];
    struct stat info;
    const char *wrong = NULL;

    (void)r;
    snprintf(path, sizeof path, "%s/symbolic", escape_baits.shared);
    if (lstat(path, &info) != 0 || !S_ISLNK(info.st_mode))
        wrong = "the link was not made: nothing was tried";
    unlink(path);
    snprintf(path, sizeof path, "%s/hard", escape_baits.shared);
    return access(path, F_OK) == 0 ? "a hard link to a file of the machine's" : wrong;
}

static const char *look_public_was_reached(run *r)
{
    (void)r;
    return baits_public_visited(&escape_baits) ? NULL : "the public address was not reached: the others prove nothing";
}

/* Its home and a directory that it made are where a later command starts. */
static const char *look_command_stays_inside(run *r)
{
    static const char *const directories[] = {"/tmp/directory", "/home/agent"};

    for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
        char secret_file[128];
        uint32_t id = 0;
        const sandbox_command command = {
            .argv = (const char *const[]){"/guest", "read-there", r->token, secret_file, NULL},
            .directory = directories[i],
            .input_fd = -1,
            .output_fd = r->output,
            .error_fd = -1,
        };

        snprintf(secret_file, sizeof secret_file, "secret_file=%s", escape_baits.secret_file);
        if (sandbox_exec(r->box, &command, &id, NULL) == AC_OK)
            poll(NULL, 0, 50); /* what it prints is looked at in the end, too */
    }
    return NULL;
}

/* ---- the rows ---- */

const escape escapes[] = {
    {.name = "read-data-directory"},
    {.name = "processes-roots"},
    {.name = "open-descriptors"},
    {.name = "climb"},
    {.name = "links", .look = look_links},
    {.name = "replace-home", .look = look_command_stays_inside},
    {.name = "file-handles"},
    {.name = "overwrite-programs"},
    {.name = "write-system"},
    {.name = "mounts"},
    {.name = "unmounts"},
    {.name = "change-root"},
    {.name = "new-namespaces"},
    {.name = "join-namespaces"},
    {.name = "make-devices"},
    {.name = "use-devices"},

    {.name = "settings"},
    {.name = "sysrq"},
    {.name = "control-groups"},
    {.name = "kernel-objects"},
    {.name = "keyrings"},
    {.name = "clocks"},
    {.name = "names"},
    {.name = "machine"},
    {.name = "priorities"},
    {.name = "raise-limits"},
    {.name = "persona"},
#ifdef __x86_64__
    {.name = "32-bit-calls", .ending = BAD_CALL},
    {.name = "x32-calls", .ending = BAD_CALL},
#endif
    {.name = "vsyscall"},
    {.name = "filters"},
    {.name = "terminal", .on_terminal = true, .look = look_terminal_has_no_input},
    {.name = "core-dump", .look = look_no_core},

    {.name = "setuid-programs"},
    {.name = "capabilities"},
    {.name = "look-at-processes"},
    {.name = "use-memory-of-processes"},
    {.name = "weaken-init"},
    {.name = "signal-outside"},
    {.name = "signal-init"},
    {.name = "leave-children"},
    {.name = "climb", .more = "preload", .variable = "LD_PRELOAD=/shared/none.so"},
    {.name = "climb", .more = "trace", .variable = "LD_TRACE_LOADED_OBJECTS=1"},
    {.name = "climb", .more = "locale", .variable = "GCONV_PATH=/shared"},

    {.name = "loopback"},
    {.name = "machine-addresses"},
    {.name = "metadata"},
    {.name = "name-servers"},
    {.name = "everybody"},
    {.name = "local-names"},
    {.name = "neighbour-port"},
    {.name = "other-machines"},
    {.name = "raw-packets"},
    {.name = "interfaces"},
    {.name = "public-address", .more = "no-network"},
    {.name = "system-v"},
    {.name = "queues"},
    {.name = "shared-files"},

    {.name = "public-address", .more = "public", .network = SANDBOX_NETWORK_PUBLIC, .look = look_public_was_reached},
    {.name = "loopback", .more = "public", .network = SANDBOX_NETWORK_PUBLIC},
    {.name = "machine-addresses", .more = "public", .network = SANDBOX_NETWORK_PUBLIC},
    {.name = "metadata", .more = "public", .network = SANDBOX_NETWORK_PUBLIC},
    {.name = "everybody", .more = "public", .network = SANDBOX_NETWORK_PUBLIC},
    {.name = "local-names", .more = "public", .network = SANDBOX_NETWORK_PUBLIC},
    {.name = "neighbour-port", .more = "public", .network = SANDBOX_NETWORK_PUBLIC},
    {.name = "raw-packets", .more = "public", .network = SANDBOX_NETWORK_PUBLIC},
    {.name = "interfaces", .more = "public", .network = SANDBOX_NETWORK_PUBLIC},
    {.name = "join-namespaces", .more = "public", .network = SANDBOX_NETWORK_PUBLIC},
    {.name = "use-memory-of-processes", .more = "public", .network = SANDBOX_NETWORK_PUBLIC},

    {.name = "fork-bomb", .look = look_processes_are_bounded},
    {.name = "memory", .ending = NO_MEMORY},
    {.name = "hidden-memory", .ending = NO_MEMORY, .needs_cgroups = true},
    {.name = "shared-memory", .ending = NO_MEMORY, .needs_cgroups = true},
    {.name = "fill-places"},
    {.name = "fill-elsewhere"},
    {.name = "empty-files", .ending = NO_MEMORY},
    {.name = "descriptors", .look = look_files_can_be_opened},
    {.name = "terminals", .look = look_terminals_are_left},
    {.name = "watches", .needs_own_user = true, .look = look_watches_are_left},
    {.name = "pipes", .look = look_pipes_are_left},
    {.name = "local-sockets", .ending = NO_MEMORY, .needs_cgroups = true},
    {.name = "connections", .look = look_connections_are_bounded, .needs_cgroups = true},
    {.name = "asynchronous"},
};
const size_t escape_count = ARRAY_SIZE(escapes);

bool escape_is_control(const escape *row)
{
    return row->look == look_public_was_reached;
}
