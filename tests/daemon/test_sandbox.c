/* test_sandbox.c - starting: ends, failures, environment, descriptors, hostile specifications. */
#include "sandbox_fixture.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void ends_as_its_program(void **state)
{
    fixture_result r;
    char text[128];

    fixture_need(*state);
    fixture_shell(*state, "echo out; echo err >&2; exit 3", &r);
    assert_int_equal(r.end.end, SANDBOX_EXITED);
    assert_int_equal(r.end.code, 3);
    assert_string_equal(r.output, "out\nerr\n");
    sandbox_end_text(&r.end, NULL, text, sizeof text);
    assert_string_equal(text, "exited with code 3");

    fixture_shell(*state, "kill -SEGV $$", &r);
    assert_int_equal(r.end.end, SANDBOX_SIGNALLED);
    assert_int_equal(r.end.code, SIGSEGV);
    sandbox_end_text(&r.end, NULL, text, sizeof text);
    assert_string_equal(text, "was killed by signal 11 (Segmentation fault)");

    fixture_shell(*state, "kill -KILL $$", &r);
    assert_int_equal(r.end.end, SANDBOX_SIGNALLED);
    assert_int_equal(r.end.code, SIGKILL);
}

static void end_texts(void **state)
{
    const sandbox_limits limits = {.memory_bytes = (uint64_t)512 << 20};
    char text[128];

    (void)state;
    sandbox_end_text(&(sandbox_event){.end = SANDBOX_MEMORY}, &limits, text, sizeof text);
    assert_string_equal(text, "used more memory than its limit of 512 MiB");
    sandbox_end_text(&(sandbox_event){.end = SANDBOX_KILLED}, &limits, text, sizeof text);
    assert_string_equal(text, "was stopped");
    sandbox_end_text(&(sandbox_event){.end = SANDBOX_SIGNALLED, .code = 99}, &limits, text, sizeof text);
    assert_string_equal(text, "was killed by signal 99 (unknown)");
}

/* What remains does not keep the sandbox, and holds nothing open. */
static void takes_everything_with_it(void **state)
{
    fixture_result r;

    fixture_need(*state);
    fixture_run(*state, (sandbox_spec){.argv = ARGV(GUEST, "orphan")}, &r);
    assert_int_equal(r.end.end, SANDBOX_EXITED);
    assert_string_equal(r.output, "left\n");
}

static ac_status start_error(sandboxes *all, sandbox_spec spec, const char *part)
{
    sandbox *box = NULL;
    ac_error err = {0};
    ac_status status = sandbox_start(all, &spec, &box, &err);

    if (status == AC_OK)
        sandbox_free(box);
    else if (!strstr(err.message, part))
        fail_msg("'%s' is not in '%s'", part, err.message);
    return status;
}

static void tells_why_it_could_not_execute(void **state)
{
    sandbox_mount mounts[3];
    char paths[3][256];

    fixture_need(*state);
    assert_int_equal(
        start_error(*state, (sandbox_spec){.argv = ARGV("no-such-thing"), .output_fd = -1}, "no program no-such-thing"),
        AC_ERR_NOT_FOUND);
    assert_int_equal(start_error(*state, (sandbox_spec){.argv = ARGV("/no/such/thing"), .output_fd = -1},
                                 "no program /no/such/thing"),
                     AC_ERR_NOT_FOUND);
    assert_int_equal(start_error(*state, (sandbox_spec){.argv = ARGV("/etc"), .output_fd = -1}, "may not be executed"),
                     AC_ERR_DENIED);
    assert_int_equal(start_error(*state,
                                 (sandbox_spec){.argv = ARGV("/bin/true"), .directory = "/nowhere", .output_fd = -1},
                                 "/nowhere"),
                     AC_ERR_NOT_FOUND);

    fixture_write("plain", "data", 0644);
    fixture_write("garbage", "\1\2\3", 0755);
    fixture_write("orphaned", "#!/no/interpreter\n", 0755);
    for (size_t i = 0; i < 3; i++) {
        static const char *const names[] = {"plain", "garbage", "orphaned"};

        snprintf(paths[i], sizeof paths[i], "%s/%s", fixture_directory(), names[i]);
        mounts[i] = (sandbox_mount){.source = paths[i],
                                    .target = i == 0   ? "/x/plain"
                                              : i == 1 ? "/x/garbage"
                                                       : "/x/orphaned"};
    }
    const sandbox_spec spec = {.mounts = mounts, .mount_count = 3, .output_fd = -1};
    sandbox_spec plain = spec, garbage = spec, orphaned = spec;

    plain.argv = ARGV("/x/plain");
    garbage.argv = ARGV("/x/garbage");
    orphaned.argv = ARGV("/x/orphaned");
    assert_int_equal(start_error(*state, plain, "may not be executed"), AC_ERR_DENIED);
    assert_int_equal(start_error(*state, garbage, "no program for this machine"), AC_ERR_INVALID);
    assert_int_equal(start_error(*state, orphaned, "interpreter"), AC_ERR_NOT_FOUND);
    assert_int_equal(sandboxes_count(*state), 0);
}

static void gets_exactly_its_environment(void **state)
{
    fixture_result r;

    fixture_need(*state);
    setenv("AC_SECRET_OF_THE_DAEMON", "1", 1);
    fixture_run(*state,
                (sandbox_spec){.argv = ARGV("/usr/bin/env"), .environment = ARGV("A=1", "EMPTY=", "TWO=a b\nc=d")}, &r);
    assert_string_equal(r.output, "A=1\nEMPTY=\nTWO=a b\nc=d\nHOME=/home/agent\nPATH=/usr/local/bin:/usr/bin:/bin\n");
    fixture_run(*state, (sandbox_spec){.argv = ARGV("env"), .environment = ARGV("HOME=/x", "PATH=/bin")}, &r);
    assert_string_equal(r.output, "HOME=/x\nPATH=/bin\n");
    fixture_run(*state, (sandbox_spec){.argv = ARGV("/usr/bin/env"), .home = "/srv/me"}, &r);
    assert_string_equal(r.output, "HOME=/srv/me\nPATH=/usr/local/bin:/usr/bin:/bin\n");
}

static void gets_its_words_directory_and_user(void **state)
{
    fixture_result r;

    fixture_need(*state);
    fixture_run(*state,
                (sandbox_spec){.argv = ARGV("/bin/sh", "-c", "pwd; id -u; id -g; id -un; printf '[%s]' \"$@\"", "sh",
                                            "", "a b", "*"),
                               .directory = "/usr//bin/",
                               .uid = 4321,
                               .gid = 1234},
                &r);
    assert_string_equal(r.output, "/usr/bin\n4321\n1234\nagent\n[][a b][*]");
}

static void has_no_descriptors_but_three(void **state)
{
    fixture_result r;
    const char *second;

    fixture_need(*state);
    fixture_run(*state, (sandbox_spec){.argv = ARGV(GUEST, "descriptors")}, &r);
    assert_ptr_equal(strstr(r.output, "0 /dev/null\n1 pipe:"), r.output);
    second = strstr(r.output, "\n2 pipe:");
    assert_non_null(second);
    assert_ptr_equal(strchr(second + 1, '\n') + 1, r.output + strlen(r.output));
}

static void large_specifications(void **state)
{
    static char large[100000 + 3], *many[1001];
    const char *environment[] = {large, NULL};
    char *const words = malloc((size_t)1000 * 1000);
    fixture_result r;

    fixture_need(*state);
    assert_non_null(words);
    memset(large, 'x', sizeof large - 1);
    memcpy(large, "L=", 2);
    fixture_run(*state, (sandbox_spec){.argv = ARGV("/bin/sh", "-c", "echo ${#L}"), .environment = environment}, &r);
    assert_string_equal(r.output, "100000\n");

    for (size_t i = 0; i < 1000; i++) {
        many[i] = words + i * 1000;
        memset(many[i], 'w', 999);
        many[i][999] = '\0';
    }
    many[0] = (char *)"/bin/sh";
    many[1] = (char *)"-c";
    many[2] = (char *)"echo $#";
    fixture_run(*state, (sandbox_spec){.argv = (const char *const *)many}, &r);
    assert_string_equal(r.output, "996\n");
    free(words);
}

static void refuses(sandboxes *all, sandbox_spec spec, const char *part)
{
    static const char *const usual[] = {"/bin/true", NULL};

    if (!spec.argv)
        spec.argv = usual;
    if (spec.output_fd == 0)
        spec.output_fd = -1;
    assert_int_equal(start_error(all, spec, part), AC_ERR_INVALID);
}

static void refuses_what_cannot_be_meant(void **state)
{
    static char *words[SANDBOX_WORDS_MAX + 2];
    char *huge = malloc(SANDBOX_SPEC_BYTES_MAX + 1);
    sandbox_mount many[SANDBOX_MOUNTS_MAX + 1] = {{.source = "/usr", .target = "/x"}};
    sandboxes *all = *state;

    refuses(all, (sandbox_spec){.argv = (const char *const[]){NULL}}, "no program");
    refuses(all, (sandbox_spec){.argv = ARGV("")}, "no program");
    refuses(all, (sandbox_spec){.environment = ARGV("NOTHING")}, "not NAME=value");
    refuses(all, (sandbox_spec){.environment = ARGV("=x")}, "not NAME=value");
    for (size_t i = 0; i <= SANDBOX_WORDS_MAX; i++)
        words[i] = (char *)"A=1";
    refuses(all, (sandbox_spec){.argv = (const char *const *)words}, "more than");
    refuses(all, (sandbox_spec){.environment = (const char *const *)words}, "more than");
    assert_non_null(huge);
    memset(huge, 'x', SANDBOX_SPEC_BYTES_MAX);
    huge[SANDBOX_SPEC_BYTES_MAX] = '\0';
    refuses(all, (sandbox_spec){.argv = ARGV("/bin/true", huge)}, "bytes");
    free(huge);
    refuses(all, (sandbox_spec){.directory = "relative"}, "absolute");
    refuses(all, (sandbox_spec){.directory = "/a/../b"}, "\"..\"");
    refuses(all, (sandbox_spec){.home = "/"}, "home");
    refuses(all, (sandbox_spec){.home = "/proc/x"}, "home");
    refuses(all, (sandbox_spec){.home = "/home/a:b"}, "home");
    refuses(all, (sandbox_spec){.home = "/home/a\nroot:x:0:0"}, "control");
    refuses(all, (sandbox_spec){.root = "/no/such/root"}, "/no/such/root");
    refuses(all, (sandbox_spec){.root = "/etc/passwd"}, "not a directory");
    refuses(all, (sandbox_spec){.mounts = many, .mount_count = SANDBOX_MOUNTS_MAX + 1}, "mounts");
    refuses(all, (sandbox_spec){.mount_count = 1}, "mounts");
    refuses(all, (sandbox_spec){.limits = {.memory_bytes = 1}}, "memory");
    refuses(all, (sandbox_spec){.limits = {.open_files = 1}}, "open files");
    refuses(all, (sandbox_spec){.limits = {.processes = UINT32_MAX}}, "processes");
    refuses(all, (sandbox_spec){.limits = {.disk_bytes = UINT64_MAX}}, "disk");
    refuses(all, (sandbox_spec){.uid = 70000}, "user");
    refuses(all, (sandbox_spec){.output_fd = 9999}, "descriptor");
    refuses(all, (sandbox_spec){.network = (sandbox_network)7}, "network");
    assert_int_equal(start_error(all, (sandbox_spec){.argv = ARGV("/bin/true")}, "descriptor 0"), AC_ERR_INVALID);
    assert_int_equal(sandboxes_count(all), 0);
}

static void refuses_bad_mounts(void **state)
{
    static const struct {
        sandbox_mount mount;
        const char *part;
    } cases[] = {
        {{.source = "/usr", .target = "/"}, "target"},
        {{.source = "/usr", .target = "/proc"}, "target"},
        {{.source = "/usr", .target = "/proc/1"}, "target"},
        {{.source = "/usr", .target = "/dev/x"}, "target"},
        {{.source = "/usr", .target = "/x/../proc"}, "\"..\""},
        {{.source = "/usr", .target = NULL}, "absolute"},
        {{.source = NULL, .target = "/x"}, "absolute"},
        {{.source = "usr", .target = "/x"}, "absolute"},
        {{.source = "/no/such/source", .target = "/x"}, "/no/such/source"},
        {{.source = "/dev/null", .target = "/x"}, "neither"},
        {{.source = "/usr", .target = "/etc/passwd/x"}, ""},
    };

    fixture_need(*state);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        refuses(*state, (sandbox_spec){.mounts = &cases[i].mount, .mount_count = 1}, cases[i].part);
}

static void says_what_is_missing(void **state)
{
    sandboxes *all = NULL;
    char init[PATH_MAX];

    (void)state;
    /* The built one may lie where this user cannot look. */
    snprintf(init, sizeof init, "%s/agentcore-init", fixture_directory());
    assert_int_equal(sandboxes_open(&(sandboxes_options){.bwrap = "/no/such/bwrap", .init = init}, &all, NULL), AC_OK);
    assert_int_equal(start_error(all, (sandbox_spec){.argv = ARGV("/bin/true"), .output_fd = -1}, "bubblewrap"),
                     AC_ERR_UNSUPPORTED);
    sandboxes_close(all);
    assert_int_equal(sandboxes_open(&(sandboxes_options){.init = "/no/such/init"}, &all, NULL), AC_OK);
    assert_int_equal(start_error(all, (sandbox_spec){.argv = ARGV("/bin/true"), .output_fd = -1}, "/no/such/init"),
                     AC_ERR_UNSUPPORTED);
    assert_int_equal(sandboxes_count(all), 0);
    sandboxes_close(all);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_as_its_program),          cmocka_unit_test(end_texts),
        cmocka_unit_test(takes_everything_with_it),     cmocka_unit_test(tells_why_it_could_not_execute),
        cmocka_unit_test(gets_exactly_its_environment), cmocka_unit_test(gets_its_words_directory_and_user),
        cmocka_unit_test(has_no_descriptors_but_three), cmocka_unit_test(large_specifications),
        cmocka_unit_test(refuses_what_cannot_be_meant), cmocka_unit_test(refuses_bad_mounts),
        cmocka_unit_test(says_what_is_missing),
    };

    fixture_main(argc, argv);
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
