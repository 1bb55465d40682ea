/* test_artifacts_life.c - what is unpacked stays until nobody needs it, is made once, and half of it never is there. */
#include "artifacts_fixture.h"
#include "base/clock.h"
#include "daemon/artifacts/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const char *const entry_point[] = {"main.py", NULL};

static ac_status get(const char *bucket, const char *key, const char *digest, arena *memory, artifact *a)
{
    artifact_code code = {.bucket = bucket, .key = key, .entry_point = entry_point};

    memset(&err, 0, sizeof err);
    return artifact_code_get(shop.all, &code, digest, memory, a, &err);
}

/* ---- what stays ---- */

static void test_digest(void **state)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    char digest[ARTIFACT_DIGEST_SIZE];
    artifact a;

    (void)state;
    assert_true(run_program("cp %s/buckets/good/agent.zip %s/buckets/good/moving.zip", shop.data, shop.data));
    assert_int_equal(get("good", "moving.zip", NULL, &memory, &a), AC_OK);
    strcpy(digest, a.digest);
    assert_true(run_program("cp %s/buckets/good/stored.zip %s/buckets/good/moving.zip", shop.data, shop.data));

    assert_int_equal(get("good", "moving.zip", digest, &memory, &a), AC_OK); /* what was deployed */
    assert_string_equal(a.digest, digest);
    assert_string_equal(content(a.directory, "main.py"), "print('hello')\n");
    assert_int_equal(unlink(in_data("buckets/good/moving.zip")), 0);
    artifacts_reopen(NULL);
    assert_int_equal(get("good", "moving.zip", digest, &memory, &a), AC_OK);

    artifacts_clear();
    assert_int_equal(get("good", "moving.zip", digest, &memory, &a), AC_ERR_NOT_FOUND);
    assert_true(run_program("cp %s/buckets/good/stored.zip %s/buckets/good/moving.zip", shop.data, shop.data));
    assert_int_equal(get("good", "moving.zip", digest, &memory, &a), AC_ERR_CONFLICT);
    assert_int_equal(get("good", "agent.zip", digest, &memory, &a), AC_OK); /* the same, elsewhere */
    assert_int_equal(get("good", "agent.zip", "sha256:1234", &memory, &a), AC_ERR_INVALID);
    assert_int_equal(
        get("good", "agent.zip", "sha256:../../../../../../../../../../../../../../../../../../../etc", &memory, &a),
        AC_ERR_INVALID);
    artifacts_clear();
}

static bool is_kept(const char *digest, void *user)
{
    return strcmp(digest, user) == 0;
}

static void test_collect(void **state)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    artifact kept, gone;
    char *found;

    (void)state;
    assert_int_equal(get("good", "agent.zip", NULL, &memory, &kept), AC_OK);
    assert_int_equal(get("good", "stored.zip", NULL, &memory, &gone), AC_OK);
    assert_int_equal(artifacts_collect(shop.all, is_kept, kept.digest, &err), AC_OK);
    found = listing(in_data("artifacts/code"));
    assert_non_null(strstr(found, kept.digest + 7));
    assert_null(strstr(found, gone.digest + 7));
    free(found);
    artifacts_clear();
    found = listing(in_data("artifacts"));
    assert_string_equal(found, "code d 0700\nimage d 0700\ntmp d 0700\n");
    free(found);
}

/* What a crash leaves, a link that leads out among it. */
static void test_left_overs(void **state)
{
    char *found;

    (void)state;
    assert_true(
        run_program("cd %s/artifacts/tmp && mkdir -p half/root/d && echo x >half/root/d/f && ln -s %s half/root/l "
                    "&& ln -s / root && echo x >%s/canary",
                    shop.data, shop.base, shop.base));
    artifacts_reopen(NULL);
    found = listing(in_data("artifacts"));
    assert_string_equal(found, "code d 0700\nimage d 0700\ntmp d 0700\n");
    free(found);
    assert_string_equal(content(shop.base, "canary"), "x\n");
}

static void test_damaged_record(void **state)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    artifact a;

    (void)state;
    assert_int_equal(get("good", "agent.zip", NULL, &memory, &a), AC_OK);
    assert_true(run_program("echo '{}' >%s/../artifact.json", a.directory));
    assert_int_equal(get("good", "agent.zip", NULL, &memory, &a), AC_ERR_IO);
    assert_non_null(strstr(err.message, "remove"));
    artifacts_clear();
}

/* ---- limits that are not of the file ---- */

static void test_disk_error(void **state)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    struct rlimit before, small = {.rlim_cur = 4096};
    char *was = listing(in_data("artifacts")), *is;
    artifact a;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(get("good", "agent.zip", NULL, &memory, &a), AC_ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    is = listing(in_data("artifacts"));
    assert_string_equal(is, was);
    free(is);
    free(was);
}

static ac_status unpack_with(work *w, const char *name)
{
    int folder = open(shop.base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = open(in_data("buckets/good/many.zip"), O_RDONLY | O_CLOEXEC);
    struct stat info;
    ac_status status;
    tree t;

    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(tree_open(&t, folder, name, false, &err), AC_OK);
    status = zip_unpack(fd, (uint64_t)info.st_size, &t, w, &err);
    tree_close(&t);
    assert_int_equal(remove_tree(folder, name, &err), AC_OK);
    close(fd);
    close(folder);
    return status;
}

static void test_deadline_and_stop(void **state)
{
    atomic_bool stopped = true;
    work late = {.deadline_ms = clock_monotonic_ms()};
    work cancelled = {.deadline_ms = clock_monotonic_ms() + 60000, .stopped = &stopped};
    work fine = {.deadline_ms = clock_monotonic_ms() + 60000};

    (void)state;
    assert_int_equal(unpack_with(&late, "late"), AC_ERR_TIMEOUT);
    assert_int_equal(unpack_with(&cancelled, "cancelled"), AC_ERR_CLOSED);
    assert_int_equal(unpack_with(&fine, "fine"), AC_OK);
    assert_int_equal(fine.files, 300);
    assert_int_equal(work_check_space(AT_FDCWD, 0, NULL), AC_ERR_IO);
}

static void test_no_room(void **state)
{
    int fd = open(shop.base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    assert_int_equal(work_check_space(fd, (uint64_t)1 << 60, &err), AC_ERR_IO);
    assert_non_null(strstr(err.message, "too full"));
    assert_int_equal(work_check_space(fd, 1, &err), AC_OK);
    close(fd);
}

static void test_directories_that_no_archive_lists(void **state)
{
    int folder = open(shop.base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    tree t;

    (void)state;
    assert_int_equal(tree_open(&t, folder, "deep", false, &err), AC_OK);
    t.made = ARTIFACT_FILES_MAX - 2;
    assert_int_equal(tree_directory(&t, "a/b/c", &err), AC_OK);
    assert_int_equal(tree_directory(&t, "a/b/d", &err), AC_OK);
    assert_int_equal(tree_directory(&t, "a/e/f", &err), AC_ERR_TOO_LARGE);
    assert_non_null(strstr(err.message, "more than 500000 directories"));
    tree_close(&t);
    assert_int_equal(remove_tree(folder, "deep", &err), AC_OK);
    close(folder);
}

/* ---- several at once ---- */

typedef struct asker {
    pthread_t thread;
    const char *key, *known;
    ac_status status;
    char digest[ARTIFACT_DIGEST_SIZE];
} asker;

static void *ask(void *arg)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    asker *me = arg;
    artifact_code code = {.bucket = "good", .key = me->key};
    ac_error why;
    artifact a;

    me->status = artifact_code_get(shop.all, &code, me->known, &memory, &a, &why);
    strcpy(me->digest, a.digest);
    return NULL;
}

static size_t directories_made(int watch)
{
    char events[65536] __attribute__((aligned(__alignof__(struct inotify_event))));
    size_t count = 0;
    ssize_t length;

    while ((length = read(watch, events, sizeof events)) > 0)
        for (char *at = events; at < events + length;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)at;

            count += (event->mask & IN_CREATE) && (event->mask & IN_ISDIR);
            at += sizeof *event + event->len;
        }
    return count;
}

static void test_together(void **state)
{
    static const char *const keys[] = {"many.zip", "agent.zip", "zeros.zip"};
    asker askers[12];
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    (void)state;
    assert_true(inotify_add_watch(watch, in_data("artifacts/tmp"), IN_CREATE) >= 0);
    for (size_t i = 0; i < ARRAY_SIZE(askers); i++) {
        askers[i] = (asker){.key = keys[i % ARRAY_SIZE(keys)]};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(askers); i++)
        pthread_join(askers[i].thread, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(askers); i++) {
        assert_int_equal(askers[i].status, AC_OK);
        assert_string_equal(askers[i].digest, askers[i % ARRAY_SIZE(keys)].digest);
    }
    assert_int_equal(directories_made(watch), ARRAY_SIZE(keys));
    close(watch);
    artifacts_clear();
}

/* Closing stops what runs, here threads that wait for another one or are about to, and waits until it has stopped. */
static void close_while_running(void)
{
    flight held = {.all = shop.all, .digest = "sha256:"};
    uint64_t due = clock_monotonic_ms() + 30000;
    asker askers[6];
    unsigned calls = 0;

    memset(held.digest + strlen("sha256:"), 'a', DIGEST_HEX_LENGTH);
    shop.all->flights = &held;
    for (size_t i = 0; i < ARRAY_SIZE(askers); i++) {
        askers[i] = (asker){.key = "agent.zip", .known = held.digest};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    while (calls < ARRAY_SIZE(askers)) {
        assert_true(clock_monotonic_ms() < due);
        pthread_mutex_lock(&shop.all->lock);
        calls = shop.all->calls;
        pthread_mutex_unlock(&shop.all->lock);
        sched_yield();
    }
    artifacts_close(TAKE_PTR(shop.all));
    for (size_t i = 0; i < ARRAY_SIZE(askers); i++)
        pthread_join(askers[i].thread, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(askers); i++)
        assert_int_equal(askers[i].status, AC_ERR_CLOSED);
    artifacts_reopen(NULL);
}

/* Often, since which of the threads wait already is chance. */
static void test_close_while_running(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        close_while_running();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest),     cmocka_unit_test(test_collect),
        cmocka_unit_test(test_left_overs), cmocka_unit_test(test_damaged_record),
        cmocka_unit_test(test_disk_error), cmocka_unit_test(test_deadline_and_stop),
        cmocka_unit_test(test_no_room),    cmocka_unit_test(test_directories_that_no_archive_lists),
        cmocka_unit_test(test_together),   cmocka_unit_test(test_close_while_running),
    };

    return cmocka_run_group_tests(tests, artifacts_set_up, artifacts_tear_down);
}
