/* Sessions in real sandboxes, of a real agent: many at once, many one after the other, and how long a start takes. */
#include "base/clock.h"
#include "daemon/files.h"
#include "daemon/sessions/sessions.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 60000
#define AT_ONCE 200
#define ONE_AFTER_THE_OTHER 500
#define PROGRAM_BYTES_MAX (256U << 20)

typedef struct fixture {
    sandboxes *boxes;
    sessions *all;
} fixture;

static char directory[64];

/* ---- what goes into sandboxes, where any user may look ---- */

static void copy_program(const char *from_build, const char *name)
{
    const char *build = getenv("AC_BUILD_DIR");
    _cleanup_(buf_done) buf data = BUF_INIT(PROGRAM_BYTES_MAX);
    char path[4096];
    ac_error err;

    snprintf(path, sizeof(path), "%s/%s", build ? build : ".", from_build);
    if (file_read(path, &data, NULL, &err) != AC_OK)
        fail_msg("%s", err.message);
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (file_write(path, FILE_REPLACE, data.data, data.length, &err) != AC_OK || chmod(path, 0755) != 0)
        fail_msg("%s", err.message);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static void remove_directory(void)
{
    nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static ac_status prepare(void *user, arena *memory, session_plan *ret_plan, ac_error *err)
{
    static const char *const argv[] = {"/agent/minimal_agent", "8080", NULL};
    static const char *const broken[] = {"/bin/sh", "-c", "echo the model is missing; exit 3", NULL};
    static const char *const environment[] = {NULL};
    static const sandbox_mount mount = {.source = directory, .target = "/agent"};

    (void)memory;
    (void)err;
    *ret_plan = (session_plan){
        .sandbox = {.argv = user ? broken : argv, .environment = environment, .mounts = &mount, .mount_count = 1},
        .port = 8080,
        .health_path = "/ping",
    };
    return AC_OK;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    struct rlimit limit;
    char init[128];
    ac_error err;

    assert_non_null(f);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    strcpy(directory, "/tmp/ac-sandboxed-XXXXXX");
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chmod(directory, 0755), 0);
    atexit(remove_directory);
    copy_program("guest/agentcore-init", "agentcore-init");
    copy_program("examples/minimal_agent", "minimal_agent");
    snprintf(init, sizeof(init), "%s/agentcore-init", directory);
    if (sandboxes_open(&(sandboxes_options){.init = init}, &f->boxes, &err) != AC_OK ||
        sessions_open(&(sessions_options){.sandboxes = f->boxes, .data_dir = directory}, &f->all, &err) != AC_OK)
        fail_msg("%s", err.message);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    sessions_close(f->all);
    assert_int_equal(sandboxes_count(f->boxes), 0);
    sandboxes_close(f->boxes);
    free(f);
    return 0;
}

static ac_status acquire(fixture *f, const char *id, bool broken, session **ret_session, ac_error *err)
{
    const session_request request = {
        .key = {"runtime", "123456789012/one/DEFAULT", id}, .prepare = prepare, .user = broken ? f : NULL};

    return session_acquire(f->all, &request, ret_session, NULL, err);
}

static void need_sandboxes(fixture *f)
{
    session *s = NULL;
    ac_error err;

    if (acquire(f, "first", false, &s, &err) == AC_ERR_UNSUPPORTED) {
        print_message("# skipped: %s\n", err.message);
        skip();
    }
    session_release(s);
}

static ac_status stop(fixture *f, const char *id)
{
    const session_key key = {"runtime", "123456789012/one/DEFAULT", id};
    ac_error err;

    return session_stop(f->all, &key, NULL, &err);
}

/* ---- what is left behind ---- */

static unsigned descriptors(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 4096; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Processes that run one of our two programs, whoever's child they are. */
static unsigned programs(void)
{
    DIR *proc = opendir("/proc");
    unsigned count = 0;

    assert_non_null(proc);
    for (const struct dirent *entry = readdir(proc); entry; entry = readdir(proc)) {
        char path[300], line[512] = "";
        snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t got = fd >= 0 ? read(fd, line, sizeof(line) - 1) : 0;
        if (fd >= 0)
            close(fd);
        for (ssize_t i = 0; i < got; i++)
            line[i] = line[i] ? line[i] : ' ';
        count += strstr(line, directory) != NULL || strncmp(line, "/agent/minimal_agent", 20) == 0;
    }
    closedir(proc);
    return count;
}

static void wait_until_gone(fixture *f, unsigned boxes, unsigned fds, unsigned processes)
{
    uint64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;

    while (sandboxes_count(f->boxes) > boxes || descriptors() > fds || programs() > processes) {
        if (clock_monotonic_ms() > until_ms)
            fail_msg("left: %u sandboxes of %u, %u descriptors of %u, %u processes of %u", sandboxes_count(f->boxes),
                     boxes, descriptors(), fds, programs(), processes);
        usleep(2000);
    }
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void one_after_the_other_leaves_nothing(void **state)
{
    static uint64_t took_us[ONE_AFTER_THE_OTHER];
    fixture *f = *state;
    unsigned boxes, fds, processes;
    ac_error err;

    need_sandboxes(f);
    assert_int_equal(stop(f, "first"), AC_OK);
    wait_until_gone(f, 0, 4096, 1000);
    boxes = sandboxes_count(f->boxes);
    fds = descriptors();
    processes = programs();
    for (int i = 0; i < ONE_AFTER_THE_OTHER; i++) {
        session *s = NULL;
        uint64_t began = clock_monotonic_ns();
        if (acquire(f, "one", false, &s, &err) != AC_OK)
            fail_msg("%d: %s", i, err.message);
        took_us[i] = (clock_monotonic_ns() - began) / 1000;
        session_release(s);
        assert_int_equal(stop(f, "one"), AC_OK);
    }
    qsort(took_us, ONE_AFTER_THE_OTHER, sizeof(took_us[0]), by_size);
    print_message("# start: p50 %" PRIu64 " us, p99 %" PRIu64 " us\n", took_us[ONE_AFTER_THE_OTHER / 2],
                  took_us[ONE_AFTER_THE_OTHER * 99 / 100]);
    wait_until_gone(f, boxes, fds, processes);
}

typedef struct asker {
    pthread_t thread;
    fixture *f;
    char id[16];
    ac_status status;
    session *s;
    ac_error err;
} asker;

static void *run_asker(void *arg)
{
    asker *a = arg;

    a->status = acquire(a->f, a->id, false, &a->s, &a->err);
    return NULL;
}

static void many_at_once(void **state)
{
    static asker askers[AT_ONCE];
    fixture *f = *state;
    uint64_t began = clock_monotonic_ms();

    need_sandboxes(f);
    for (int i = 0; i < AT_ONCE; i++) {
        askers[i] = (asker){.f = f};
        snprintf(askers[i].id, sizeof(askers[i].id), "%d", i);
        assert_int_equal(pthread_create(&askers[i].thread, NULL, run_asker, &askers[i]), 0);
    }
    for (int i = 0; i < AT_ONCE; i++) {
        pthread_join(askers[i].thread, NULL);
        if (askers[i].status != AC_OK)
            fail_msg("%d: %s", i, askers[i].err.message);
    }
    print_message("# %d at once: %u ms\n", AT_ONCE, (unsigned)(clock_monotonic_ms() - began));
    for (int i = 0; i < AT_ONCE; i++)
        session_release(askers[i].s);
    sessions_stop_all(f->all, "runtime", "123456789012/one/", NULL);
    wait_until_gone(f, 0, 4096, 1000);
}

static void a_broken_one_says_why(void **state)
{
    fixture *f = *state;
    session *s = NULL;
    ac_error err;

    need_sandboxes(f);
    assert_int_equal(acquire(f, "broken", true, &s, &err), AC_ERR_CLOSED);
    assert_string_equal(err.message,
                        "the agent exited with code 3 before it was ready; its last output: the model is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_one_says_why),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(one_after_the_other_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
