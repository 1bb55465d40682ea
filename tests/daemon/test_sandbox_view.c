/* test_sandbox_view.c - what is seen inside, and what is not. */
#include "sandbox_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path_buffers[8][512];

/* A path below the run's directory. */
static const char *below(unsigned which, const char *name)
{
    snprintf(path_buffers[which], sizeof path_buffers[which], "%s/%s", fixture_directory(), name);
    return path_buffers[which];
}

static void make_directory(const char *name)
{
    assert_int_equal(mkdir(below(7, name), 0755), 0);
    assert_int_equal(chmod(below(7, name), 0755), 0);
}

static void assert_says(const fixture_result *r, const char *text)
{
    if (strcmp(r->output, text) != 0)
        fail_msg("not '%s' but '%s'", text, r->output);
}

static void shows_the_system_and_no_data(void **state)
{
    fixture_result r;

    fixture_need(*state);
    fixture_shell(
        *state, "ls -d /root /srv /boot /sys /opt /mnt /media /work /var/lib /var/log /run 2>/dev/null; ls /home", &r);
    assert_says(&r, "agent\n");
    fixture_shell(
        *state,
        "for f in shadow gshadow hostname machine-id sudoers ssh ssl/private; do test -e /etc/$f && echo $f; done; "
        "test -r /usr/lib/os-release && test -x /bin/sh && ls /etc/ssl/certs >/dev/null && echo there",
        &r);
    assert_says(&r, "there\n");
    fixture_shell(*state,
                  "hostname; cat /etc/hosts; getent hosts localhost >/dev/null && echo known; getent passwd 1000", &r);
    assert_says(&r, "agentcore\n127.0.0.1 localhost agentcore\n::1 localhost ip6-localhost\nknown\n"
                    "agent:x:1000:1000:agent:/home/agent:/bin/sh\n");
}

static void writes_only_where_it_may(void **state)
{
    fixture_result r;

    fixture_need(*state);
    fixture_shell(*state,
                  "for d in /tmp /var/tmp /home/agent /dev/shm; do echo x >$d/f && echo $d; done; "
                  "for d in / /usr /usr/bin /etc /dev /home /var /proc /etc/ssl; do "
                  "(echo x >$d/f) 2>/dev/null && echo wrote $d; done; "
                  "chmod 777 / 2>/dev/null && echo changed; rm -f /etc/passwd 2>/dev/null && echo removed; "
                  "echo 1 2>/dev/null >/proc/sys/vm/drop_caches && echo kernel; exit 0",
                  &r);
    assert_says(&r, "/tmp\n/var/tmp\n/home/agent\n/dev/shm\n");
}

static void sees_only_its_own_processes(void **state)
{
    fixture_result r;

    fixture_need(*state);
    fixture_shell(
        *state, "set -- /proc/[0-9]*; echo $#; cat /proc/1/comm; tr -d '\\0' </proc/1/cmdline; grep -c . /proc/net/dev",
        &r);
    assert_says(&r, "2\nagentcore-init\n3\n"); /* init and the shell; /proc/net/dev: two lines of head, and lo */
}

static void gives_up_every_right(void **state)
{
    fixture_result r;

    fixture_need(*state);
    fixture_shell(*state, "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status | tr -d '\\t'", &r);
    assert_says(&r,
                "CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\nCapBnd:0000000000000000\n"
                "CapAmb:0000000000000000\nNoNewPrivs:1\nSeccomp:2\n");
}

static void mounts_directories_and_files(void **state)
{
    sandbox_mount mounts[4];
    fixture_result r;

    fixture_need(*state);
    make_directory("read");
    make_directory("write");
    assert_int_equal(chmod(below(7, "write"), 0777), 0);
    fixture_write("read/a", "one\n", 0644);
    fixture_write("file", "two\n", 0644);
    mounts[0] = (sandbox_mount){.source = below(0, "read"), .target = "/var/task"};
    mounts[1] = (sandbox_mount){.source = below(1, "write"), .target = "/mnt/deep/er/", .writable = true};
    mounts[2] = (sandbox_mount){.source = below(2, "file"), .target = "/home/agent/.config/file"};
    mounts[3] = (sandbox_mount){.source = below(2, "file"), .target = "/tmp/file"};
    fixture_run(
        *state,
        (sandbox_spec){.argv = ARGV("/bin/sh", "-c",
                                    "cat a /home/agent/.config/file /tmp/file; echo three >/mnt/deep/er/new; "
                                    "(echo x >a) 2>/dev/null || echo refused; (echo x >/tmp/file) 2>/dev/null || echo "
                                    "refused; echo y >/home/agent/own && cat /home/agent/own"),
                       .directory = "/var/task",
                       .mounts = mounts,
                       .mount_count = 4},
        &r);
    assert_says(&r, "one\ntwo\ntwo\nrefused\nrefused\ny\n");
    assert_int_equal(access(below(7, "write/new"), F_OK), 0);
}

/* ---- roots ---- */

/* A root with nothing in it but a link to a directory of programs, which is mounted. */
static void make_root(const char *name)
{
    char part[128];

    make_directory(name);
    snprintf(part, sizeof part, "%s/usr", name);
    make_directory(part);
    snprintf(part, sizeof part, "%s/etc", name);
    make_directory(part);
    snprintf(part, sizeof part, "%s/etc/motd", name);
    fixture_write(part, "welcome\n", 0644);
    for (size_t i = 0; i < 3; i++) {
        static const char *const links[] = {"bin", "lib", "lib64"};
        char target[32];

        snprintf(part, sizeof part, "%s/%s", name, links[i]);
        snprintf(target, sizeof target, "usr/%s", links[i]);
        assert_int_equal(symlink(target, below(7, part)), 0);
    }
}

static void run_in_root(sandboxes *all, const char *root, const char *script, const sandbox_mount *more,
                        fixture_result *r)
{
    sandbox_mount mounts[2] = {{.source = "/usr", .target = "/usr"}};
    size_t count = 1;

    if (more)
        mounts[count++] = *more;
    fixture_run(
        all,
        (sandbox_spec){
            .argv = ARGV("/bin/sh", "-c", script), .root = below(0, root), .mounts = mounts, .mount_count = count},
        r);
}

/* Nothing in it that a sandbox needs: /proc, /dev, /tmp and the home appear all the same, and nothing is left in it. */
static void completes_a_bare_root(void **state)
{
    fixture_result r;

    fixture_need(*state);
    make_root("bare");
    run_in_root(
        *state, "bare",
        "cat /etc/motd; ls /; cd; pwd; echo x >f && echo y >/tmp/f && echo wrote; (echo z >/etc/f) 2>/dev/null || echo "
        "refused; (echo z >/f) 2>/dev/null || echo refused; test -c /dev/null && test -d /proc/self && echo kernel",
        NULL, &r);
    assert_says(&r, "welcome\nbin\ndev\netc\nguest\nhome\nlib\nlib64\nproc\ntmp\nusr\n"
                    "/home/agent\nwrote\nrefused\nrefused\nkernel\n");
    assert_int_not_equal(access(below(7, "bare/proc"), F_OK), 0);
    assert_int_not_equal(access(below(7, "bare/home"), F_OK), 0);
    assert_int_not_equal(access(below(7, "bare/guest"), F_OK), 0);
}

/* All is there: the directory is shown as it is. */
static void uses_a_complete_root(void **state)
{
    static const char *const parts[] = {"full/proc", "full/dev",        "full/tmp",
                                        "full/home", "full/home/agent", "full/var"};
    fixture_result r;

    fixture_need(*state);
    make_root("full");
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        make_directory(parts[i]);
    fixture_write("full/guest", "", 0644);
    run_in_root(*state, "full",
                "echo /*; cat /etc/motd; (echo x >/var/f) 2>/dev/null || echo refused; echo x >/tmp/f && echo wrote",
                NULL, &r);
    assert_says(&r, "/bin /dev /etc /guest /home /lib /lib64 /proc /tmp /usr /var\nwelcome\nrefused\nwrote\n");
}

/* Links of the root lead to places inside of it, wherever they seem to point. */
static void follows_links_inside(void **state)
{
    const sandbox_mount more = {.source = below(1, "file"), .target = "/data/sub/file"};
    fixture_result r;

    fixture_need(*state);
    make_root("linked");
    make_directory("linked/real");
    fixture_write("file", "two\n", 0644);
    assert_int_equal(symlink("/etc/../../../real", below(7, "linked/data")), 0);
    assert_int_equal(symlink("../../../../../../../tmp", below(7, "linked/home")), 0);
    run_in_root(*state, "linked",
                "cat /real/sub/file; ls /real; cd && pwd -P; echo x >/home/agent/f && cat /tmp/agent/f", &more, &r);
    assert_says(&r, "two\nsub\n/tmp/agent\nx\n");
    assert_int_not_equal(access(below(7, "linked/real/sub"), F_OK), 0);
    assert_int_not_equal(access("/tmp/agent", F_OK), 0);
}

static void refuses_impossible_roots(void **state)
{
    sandbox *box = NULL;
    ac_error err = {0};

    fixture_need(*state);
    make_directory("loop");
    assert_int_equal(symlink("home", below(7, "loop/home")), 0);
    assert_int_equal(sandbox_start(*state,
                                   &(sandbox_spec){.argv = ARGV("/x"), .root = below(0, "loop"), .output_fd = -1}, &box,
                                   &err),
                     AC_ERR_INVALID);
    assert_non_null(strstr(err.message, "symbolic links"));
    make_directory("crooked");
    assert_int_equal(symlink("/etc", below(7, "crooked/proc")), 0);
    assert_int_equal(sandbox_start(*state,
                                   &(sandbox_spec){.argv = ARGV("/x"), .root = below(0, "crooked"), .output_fd = -1},
                                   &box, &err),
                     AC_ERR_INVALID);
    fixture_write("crooked/home", "a file", 0644);
    assert_int_equal(sandbox_start(*state,
                                   &(sandbox_spec){.argv = ARGV("/x"), .root = below(0, "crooked"), .output_fd = -1},
                                   &box, &err),
                     AC_ERR_INVALID);
}

/* The message names what the sandbox's user cannot reach. */
static void says_what_it_cannot_read(void **state)
{
    sandbox_mount mount = {.source = below(0, "closed/in"), .target = "/x"};
    sandbox *box = NULL;
    ac_error err = {0};

    fixture_need(*state);
    if (geteuid() != 0)
        return; /* what we can read, our sandboxes can */
    make_directory("closed");
    make_directory("closed/in");
    assert_int_equal(chmod(below(7, "closed"), 0700), 0);
    assert_int_equal(
        sandbox_start(*state,
                      &(sandbox_spec){.argv = ARGV("/bin/true"), .mounts = &mount, .mount_count = 1, .output_fd = -1},
                      &box, &err),
        AC_ERR_INVALID);
    assert_non_null(strstr(err.message, "closed/in"));
    assert_non_null(strstr(err.message, "must let others through"));
}

static sandboxes *open_reaching(const char *directory)
{
    const sandboxes_options options = {.init = below(6, "agentcore-init"), .reach = directory};
    sandboxes *all = NULL;
    ac_error err = {0};

    if (sandboxes_open(&options, &all, &err) != AC_OK)
        fail_msg("cannot open: %s", err.message);
    return all;
}

/* A directory below one that is closed, as root's data directory below /root: nothing else there is let out with it. */
static void reaches_behind_a_closed_door(void **state)
{
    const sandbox_mount mounts[] = {{.source = below(0, "shut/data/open"), .target = "/x"},
                                    {.source = below(1, "shut/other"), .target = "/y"}};
    sandbox_spec spec = {.argv = ARGV("/bin/cat", "/x/file"), .mounts = mounts, .mount_count = 1};
    fixture_result r;
    sandbox *box = NULL;
    sandboxes *all;

    fixture_need(*state);
    if (geteuid() != 0)
        return;
    make_directory("shut");
    make_directory("shut/data");
    make_directory("shut/data/open");
    make_directory("shut/other");
    fixture_write("shut/data/open/file", "within reach\n", 0644);
    assert_int_equal(chmod(below(7, "shut"), 0700), 0);
    all = open_reaching(below(2, "shut/data"));
    fixture_run(all, spec, &r);
    assert_says(&r, "within reach\n");
    spec.mount_count = 2;
    spec.output_fd = -1;
    assert_int_equal(sandbox_start(all, &spec, &box, NULL), AC_ERR_INVALID);
    sandboxes_close(all);
    assert_int_equal(access(below(1, "shut/other"), F_OK), 0); /* covered for the spawner alone */
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_the_system_and_no_data), cmocka_unit_test(writes_only_where_it_may),
        cmocka_unit_test(sees_only_its_own_processes),  cmocka_unit_test(gives_up_every_right),
        cmocka_unit_test(mounts_directories_and_files), cmocka_unit_test(completes_a_bare_root),
        cmocka_unit_test(uses_a_complete_root),         cmocka_unit_test(follows_links_inside),
        cmocka_unit_test(refuses_impossible_roots),     cmocka_unit_test(says_what_it_cannot_read),
        cmocka_unit_test(reaches_behind_a_closed_door),
    };

    fixture_main(argc, argv);
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
