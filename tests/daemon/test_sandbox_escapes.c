/* test_sandbox_escapes.c - programs try to get out of their sandbox, to see another one, or to take what is others'.
 *
 * Each row starts sandbox_escapes_guest.c in a sandbox of its own with the name of an attempt.  Whether that failed is
 * seen from here: secrets must not be in what it prints, baits must be as they were (sandbox_escapes_baits.c), its
 * processes must have no more rights than before (sandbox_escapes_look.c), the sandbox next door must not have noticed,
 * and the sandbox must still end when it is told to, with nothing left.  What the guest believes counts only against
 * us.  Run twice: as root, and with the argument "user". */
#include "sandbox_escapes.h"
#include "sandbox_escapes_look.h"
#include "sandbox_fixture.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MS 20000
#define ROWS_MAX 128
#define OUTPUT_BYTES_MAX ((size_t)8 << 20)
#define FIRST_USER 1879048192U /* of sandboxes that root starts */
#define GUEST_VARIABLE "AC_ESCAPES_GUEST"

static sandboxes *all;
static sandbox *neighbour;
static int neighbour_output = -1;
static pid_t neighbour_pid;
static char guest_program[PATH_MAX];

/* ---- running one ---- */

static bool has_said(int output, const char *text)
{
    _cleanup_(buf_done) buf said = BUF_INIT(OUTPUT_BYTES_MAX);
    ssize_t got;

    if (buf_reserve(&said, OUTPUT_BYTES_MAX) != AC_OK)
        abort();
    got = pread(output, said.data, OUTPUT_BYTES_MAX - 1, 0);
    return got > 0 && memmem(said.data, (size_t)got, text, strlen(text));
}

static void take_events(run *r)
{
    sandbox_event event;

    while (!r->ended && sandbox_next_event(r->box, &event))
        if (event.kind == SANDBOX_ENDED) {
            r->end = event;
            r->ended = true;
        }
}

/* Until it has tried (or, where that is how it goes, has ended). */
static void await(run *r)
{
    uint64_t deadline = clock_monotonic_ms() + WAIT_MS;

    while (!r->ended && clock_monotonic_ms() < deadline) {
        take_events(r);
        if (r->row->ending == STAYS && has_said(r->output, "\nTRIED "))
            return;
        poll(&(struct pollfd){.fd = sandbox_event_fd(r->box), .events = POLLIN}, 1, 5);
    }
}

static void await_end(run *r)
{
    uint64_t deadline = clock_monotonic_ms() + WAIT_MS;

    for (take_events(r); !r->ended && clock_monotonic_ms() < deadline; take_events(r))
        poll(&(struct pollfd){.fd = sandbox_event_fd(r->box), .events = POLLIN}, 1, 5);
}

/* The arguments that every guest gets; texts live in memory. */
static void fill_arguments(const char *attempt, const char *token, const char *argv[24], char memory[20][320])
{
    size_t count = 0, used = 0;

#define GIVE(...) (snprintf(memory[used], sizeof memory[used], __VA_ARGS__), argv[count++] = memory[used++])
    argv[count++] = "/guest";
    argv[count++] = attempt;
    argv[count++] = token;
    GIVE("lab=%s", escape_baits.lab);
    GIVE("secret_file=%s", escape_baits.secret_file);
    GIVE("socket_file=%s", escape_baits.socket_file);
    GIVE("handle=%s", escape_baits.handle);
    GIVE("handle_type=%d", escape_baits.handle_type);
    GIVE("key_serial=%d", escape_baits.key_serial);
    GIVE("key=%d", escape_baits.key);
    GIVE("bait=%s", escape_baits.bait);
    GIVE("port=%d", BAIT_PORT);
    GIVE("own=%s", BAIT_OWN_ADDRESSES);
    GIVE("public=%s", BAIT_PUBLIC_ADDRESS);
    GIVE("vsock_port=%u", escape_baits.vsock_port);
    GIVE("victim=%ld", (long)escape_baits.victim);
    GIVE("neighbour=%ld", (long)neighbour_pid);
    GIVE("disk_bytes=%llu", (unsigned long long)ESCAPE_DISK_BYTES);
    argv[count] = NULL;
#undef GIVE
}

static ac_status start(const char *attempt, const escape *row, const char *token, const char *secret, int output,
                       sandbox **ret_box, ac_error *err)
{
    char guest[PATH_MAX], memory[20][320], secret_word[64];
    const char *argv[24], *environment[] = {"LANG=C", row && row->variable ? row->variable : "TZ=UTC", NULL};
    const sandbox_mount mounts[] = {{guest, "/guest", false},
                                    {escape_baits.shared, "/shared", true},
                                    {escape_baits.read_only, "/read-only", false},
                                    {escape_baits.setuid, "/setuid", false}};

    snprintf(guest, sizeof guest, "%s/guest", escape_baits.lab);
    fill_arguments(attempt, token, argv, memory);
    if (secret) {
        snprintf(secret_word, sizeof secret_word, "secret=%s", secret);
        argv[3] = secret_word; /* instead of the lab */
    }
    return sandbox_start(all,
                         &(sandbox_spec){
                             .argv = argv,
                             .environment = environment,
                             .mounts = mounts,
                             .mount_count = ARRAY_SIZE(mounts),
                             .home = "/home/agent",
                             .network = row ? row->network : SANDBOX_NETWORK_NONE,
                             .limits = {.memory_bytes = ESCAPE_MEMORY_BYTES,
                                        .disk_bytes = ESCAPE_DISK_BYTES,
                                        .processes = ESCAPE_PROCESSES,
                                        .open_files = ESCAPE_OPEN_FILES},
                             .output_fd = output,
                         },
                         ret_box, err);
}

/* ---- what is looked at always ---- */

static int wrongs;

static void wrong(const run *r, const char *text)
{
    wrongs++;
    print_error("%s%s%s: %s\n", r->row->name, r->row->more ? ", " : "", r->row->more ? r->row->more : "", text);
}

static void look_at_processes(const run *r)
{
    pid_t pids[LOOK_PROCESSES_MAX];
    size_t count = look_for(r->token, pids);

    if (count == 0 && r->row->ending == STAYS)
        wrong(r, "its process is not there");
    for (size_t i = 0; i < count; i++) {
        const char *bad = look_at(pids[i], geteuid() == 0 ? FIRST_USER : geteuid());

        if (bad) {
            wrong(r, bad);
            return;
        }
    }
}

static void look_at_neighbour(const run *r)
{
    static const char expected[] = "READY\n";
    char said[256] = "";
    sandbox_event event;

    if (sandbox_next_event(neighbour, &event))
        wrong(r, "the neighbour has ended");
    if (pread(neighbour_output, said, sizeof said - 1, 0) < 0 || strcmp(said, expected) != 0)
        wrong(r, said);
}

static void look_at_output(const run *r)
{
    _cleanup_(buf_done) buf said = BUF_INIT(OUTPUT_BYTES_MAX);
    char tried[80];
    ssize_t got;
    char *at;

    if (buf_reserve(&said, OUTPUT_BYTES_MAX) != AC_OK)
        abort();
    got = pread(r->output, said.data, OUTPUT_BYTES_MAX - 1, 0);
    got = MAX(got, 0);
    snprintf(tried, sizeof tried, "\nTRIED %s, ", r->row->name);
    if (!memmem(said.data, (size_t)got, tried, strlen(tried)))
        wrong(r, "it has not tried");
    if (memmem(said.data, (size_t)got, escape_baits.secret, strlen(escape_baits.secret)))
        wrong(r, "it has read a secret of the machine's");
    if (memmem(said.data, (size_t)got, escape_baits.neighbour_secret, strlen(escape_baits.neighbour_secret)))
        wrong(r, "it has read its neighbour's secret");
    said.data[got] = '\0';
    for (at = memmem(said.data, (size_t)got, "CLAIM ", 6); at; at = strstr(at + 1, "\nCLAIM ")) {
        char line[200];

        snprintf(line, sizeof line, "%.*s", (int)strcspn(at + (*at == '\n'), "\n"), at + (*at == '\n'));
        if (escape_is_control(r->row) && strstr(line, "connected to " BAIT_PUBLIC_ADDRESS))
            continue;
        wrong(r, line);
    }
}

static void look_at_end(const run *r)
{
    char text[160];

    if (!r->ended)
        wrong(r, "it does not end");
    sandbox_end_text(&r->end, &(sandbox_limits){.memory_bytes = ESCAPE_MEMORY_BYTES}, text, sizeof text);
    if (r->row->ending == BAD_CALL && !(r->end.end == SANDBOX_SIGNALLED && r->end.code == SIGSYS))
        wrong(r, text);
    if (r->row->ending == NO_MEMORY && r->end.end != SANDBOX_MEMORY)
        wrong(r, text);
}

static void look_for_remains(const run *r)
{
    pid_t pids[LOOK_PROCESSES_MAX];

    if (look_for(r->token, pids) > 0)
        wrong(r, "processes are left");
}

static void look_at_baits(const run *r)
{
    const char *touched = baits_touched(&escape_baits);

    if (touched)
        wrong(r, touched);
}

static void look_during(run *r)
{
    const char *own;

    if (r->ended && r->row->ending == STAYS)
        wrong(r, "it has ended by itself");
    look_at_processes(r);
    own = r->row->look ? r->row->look(r) : NULL;
    if (own)
        wrong(r, own);
    look_at_baits(r);
    look_at_neighbour(r);
}

static void begin_run(run *r, const escape *row)
{
    static unsigned number;

    *r = (run){.row = row, .terminal = -1};
    snprintf(r->token, sizeof r->token, "token=%ld-%u-%llx", (long)getpid(), ++number,
             (unsigned long long)clock_monotonic_ns());
    r->output = memfd_create("output", MFD_CLOEXEC);
    assert_true(r->output >= 0);
}

/* What it prints on a terminal is brought to the file that is looked at. */
static void read_terminal(const run *r, int master)
{
    uint64_t deadline = clock_monotonic_ms() + WAIT_MS;
    char said[4096];

    while (!has_said(r->output, "TRIED ") && clock_monotonic_ms() < deadline) {
        ssize_t got = read(master, said, sizeof said);

        if (got <= 0 || write(r->output, said, (size_t)got) != got)
            return;
    }
}

static void look_afterwards(run *r)
{
    sandbox_stop(r->box, 0);
    await_end(r);
    look_at_end(r);
    sandbox_free(r->box);
    look_for_remains(r);
    look_at_baits(r);
    look_at_neighbour(r);
    look_at_output(r);
}

/* It has taken all the memory that it may have before init got to say that it runs, and is gone. */
static bool died_at_once(const run *r, const ac_error *err)
{
    if (r->row->ending != NO_MEMORY || !strstr(err->message, "used up its memory"))
        return false;
    look_for_remains(r);
    look_at_baits(r);
    look_at_neighbour(r);
    look_at_output(r);
    close(r->output);
    assert_int_equal(wrongs, 0);
    return true;
}

static void try_to_escape(void **state)
{
    const escape *row = *state;
    ac_error err = {0};
    int master = -1;
    run r;

    fixture_need(all);
    if ((row->needs_cgroups && !fixture_has_cgroups(all)) || (row->needs_own_user && geteuid() != 0))
        return;
    wrongs = 0;
    begin_run(&r, row);
    if (row->on_terminal && openpty(&master, &r.terminal, NULL, NULL, NULL) != 0)
        fail_msg("no terminal: %s", strerror(errno));
    if (start(row->name, row, r.token, NULL, row->on_terminal ? r.terminal : r.output, &r.box, &err) != AC_OK) {
        if (err.status == AC_ERR_UNSUPPORTED && row->network == SANDBOX_NETWORK_PUBLIC) {
            print_message("# no public network here: %s\n", err.message);
            close(r.output);
            if (row->on_terminal) {
                close(r.terminal);
                close(master);
            }
            return;
        }
        if (died_at_once(&r, &err))
            return;
        fail_msg("%s", err.message);
    }
    if (row->on_terminal)
        read_terminal(&r, master);
    await(&r);
    look_during(&r);
    look_afterwards(&r);
    close(r.output);
    if (row->on_terminal) {
        close(r.terminal);
        close(master);
    }
    assert_int_equal(wrongs, 0);
}

/* ---- the surroundings ---- */

static bool start_neighbour(void)
{
    pid_t pids[LOOK_PROCESSES_MAX];
    char token[40];
    ac_error err = {0};
    uint64_t deadline = clock_monotonic_ms() + WAIT_MS;

    snprintf(token, sizeof token, "token=neighbour-%ld", (long)getpid());
    neighbour_output = memfd_create("neighbour", MFD_CLOEXEC);
    if (start("neighbour", NULL, token, escape_baits.neighbour_secret, neighbour_output, &neighbour, &err) != AC_OK) {
        print_error("no neighbour: %s\n", err.message);
        return false;
    }
    while (!has_said(neighbour_output, "READY\n") && clock_monotonic_ms() < deadline)
        poll(NULL, 0, 5);
    if (!has_said(neighbour_output, "READY\n") || look_for(token, pids) == 0)
        return false;
    neighbour_pid = pids[0];
    return true;
}

static int set_up(void **state)
{
    static const char *const watched[] = {"/usr/bin/env", "/usr/bin/bwrap", NULL};

    (void)state;
    if (!baits_network()) {
        print_message("no network of its own can be made here\n");
        return 1;
    }
    if (!baits_open(&escape_baits, guest_program, watched)) {
        print_error("cannot set baits: %s\n", strerror(errno));
        return 1;
    }
    all = fixture_sandboxes();
    return all && start_neighbour() ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    sandbox_free(neighbour);
    sandboxes_close(all);
    baits_close(&escape_baits);
    return 0;
}

/* For a run as another user, the guest is put where that one can read it. */
static char copy_directory[PATH_MAX];

static void remove_copy(void)
{
    char path[PATH_MAX + 8];

    snprintf(path, sizeof path, "%s/guest", copy_directory);
    unlink(path);
    rmdir(copy_directory);
}

static void find_guest(bool for_user)
{
    const char *given = getenv(GUEST_VARIABLE), *build = getenv("AC_BUILD_DIR");

    snprintf(guest_program, sizeof guest_program, "%s/tests/sandbox_escapes_guest", build ? build : ".");
    if (given)
        snprintf(guest_program, sizeof guest_program, "%s", given);
    if (!for_user)
        return;
    strcpy(copy_directory, "/tmp/agentcored-guest-XXXXXX");
    if (!mkdtemp(copy_directory) || chmod(copy_directory, 0755) != 0)
        exit(1);
    atexit(remove_copy);
    if (!baits_copy(guest_program, copy_directory, "guest", 0755))
        exit(1);
    snprintf(guest_program, sizeof guest_program, "%s/guest", copy_directory);
    setenv(GUEST_VARIABLE, guest_program, 1);
}

/* The set-up wants sandboxes to work, and a set-up cannot skip. */
static bool must_skip(void)
{
    sandboxes *tried = fixture_sandboxes();
    const char *reason = fixture_lacks(tried);

    if (reason)
        printf("1..0 # SKIP %s\n", reason);
    sandboxes_close(tried);
    return reason;
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[ROWS_MAX];
    static char names[ROWS_MAX][64];

    find_guest(argc > 1 && strcmp(argv[1], "user") == 0 && geteuid() == 0);
    fixture_main(argc, argv);
    if (must_skip())
        return 0;
    for (size_t i = 0; i < escape_count && i < ROWS_MAX; i++) {
        const escape *row = &escapes[i];

        snprintf(names[i], sizeof names[i], "%s%s%s", row->name, row->more ? ", " : "", row->more ? row->more : "");
        tests[i] =
            (struct CMUnitTest){.name = names[i], .test_func = try_to_escape, .initial_state = (void *)(uintptr_t)row};
    }
    return _cmocka_run_group_tests("daemon_sandbox_escapes", tests, escape_count, set_up, tear_down);
}
