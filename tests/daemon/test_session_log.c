/* What sessions write becomes lines that do no harm, in files that do not grow, and can be read back. */
#include "base/clock.h"
#include "base/utf8.h"
#include "daemon/sessions/session_log.h"
#include "daemon/sessions/session_log_read.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NAME "runtimes/one-0123456789/DEFAULT"

typedef struct fixture {
    char dir[64], logs_dir[80];
    session_logs *logs;
    buf read; /* lines, as the reader gives them */
    size_t lines;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    strcpy(f->dir, "/tmp/ac-log-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->logs_dir, sizeof(f->logs_dir), "%s/logs", f->dir);
    f->logs = session_logs_new(f->logs_dir);
    f->read = BUF_INIT(64U << 20);
    *state = f;
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static int tear_down(void **state)
{
    fixture *f = *state;

    session_logs_free(f->logs);
    nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    buf_done(&f->read);
    free(f);
    return 0;
}

static void small_files(fixture *f, uint64_t bytes)
{
    session_logs_free(f->logs);
    f->logs = session_logs_new_sized(f->logs_dir, bytes);
}

/* ---- reading back ---- */

static bool take_text(const session_log_line *line, void *user)
{
    fixture *f = user;

    assert_int_equal(line->time_length, 24);
    assert_int_equal(buf_append(&f->read, line->session_id, line->session_id_length), AC_OK);
    assert_int_equal(buf_append_text(&f->read, "|"), AC_OK);
    assert_int_equal(buf_append(&f->read, line->text, line->text_length), AC_OK);
    assert_int_equal(buf_append_text(&f->read, "\n"), AC_OK);
    f->lines++;
    return true;
}

static const char *read_back(fixture *f, const char *session_id, size_t tail_lines)
{
    const session_log_query query = {
        .directory = f->logs_dir,
        .name = NAME,
        .session_id = session_id,
        .tail_lines = tail_lines,
        .on_line = take_text,
        .user = f,
    };
    ac_error err;

    f->read.length = f->lines = 0;
    if (session_log_read(&query, &err) != AC_OK)
        fail_msg("%s", err.message);
    return buf_terminate(&f->read);
}

/* All that was written, by one session, as its text. */
static void check(void **state, const char *data, size_t length, const char *expected)
{
    fixture *f = *state;
    session_log *log = session_log_new(f->logs, NAME, "s");

    for (size_t i = 0; i < length; i++) /* as torn as can be */
        session_log_write(log, data + i, 1);
    session_log_free(log);
    assert_string_equal(read_back(f, NULL, 0), expected);
}

#define R "\xEF\xBF\xBD"

static void lines_are_put_together(void **state)
{
    check(state, "one\ntwo\r\n\nno end", 16, "s|one\ns|two\ns|\ns|no end\n");
}

static void control_characters_are_replaced(void **state)
{
    static const char text[] = "\x1b[31mred\x1b]0;title\x07 tab\there \x00 \x7f \xc2\x9b"
                               "1m \xe2\x80\xae \xe2\x80\xa8.\n";

    check(state, text, sizeof(text) - 1,
          "s|" R "[31mred" R "]0;title" R " tab\there " R " " R " " R "1m " R " " R ".\n");
}

static void broken_utf8_is_replaced_and_whole_is_kept(void **state)
{
    static const char text[] = "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \xff\xfe \xc3 \xed\xa0\x80 \xe2\x82\n";

    check(state, text, sizeof(text) - 1, "s|\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 " R R " " R " " R R R " " R R "\n");
}

static void a_line_without_end_is_cut(void **state)
{
    fixture *f = *state;
    session_log *log = session_log_new(f->logs, NAME, "s");
    size_t length = 5 * SESSION_LOG_LINE_MAX + 10, text = 0;
    char *data = malloc(length);

    memset(data, 'x', length);
    memcpy(data + SESSION_LOG_LINE_MAX - 1, "\xe2\x82\xac", 3); /* across a cut */
    session_log_write(log, data, length);
    session_log_write(log, "\n", 1);
    session_log_free(log);
    free(data);
    const char *all = read_back(f, NULL, 0);
    assert_int_equal(f->lines, 6);
    assert_null(strstr(all, R));
    assert_non_null(strstr(all, "\xe2\x82\xac"));
    for (const char *line = all; *line; line += strcspn(line, "\n") + 1) {
        assert_true(strcspn(line, "\n") <= SESSION_LOG_LINE_MAX + 2);
        text += strcspn(line, "\n") - 2;
    }
    assert_int_equal(text, length);
}

static void a_line_of_just_the_longest_length_is_one(void **state)
{
    fixture *f = *state;
    session_log *log = session_log_new(f->logs, NAME, "s");
    static char data[SESSION_LOG_LINE_MAX + 1];

    memset(data, 'x', sizeof(data));
    data[SESSION_LOG_LINE_MAX] = '\n';
    session_log_write(log, data, sizeof(data));
    session_log_free(log);
    read_back(f, NULL, 0);
    assert_int_equal(f->lines, 1);
}

/* ---- sessions and the daemon's notes ---- */

static void sessions_share_a_file(void **state)
{
    fixture *f = *state;
    session_log *one = session_log_new(f->logs, NAME, "one"), *two = session_log_new(f->logs, NAME, "two words\n");

    session_log_note(one, "session started\x1b");
    session_log_write(one, "a", 1);
    session_log_write(two, "b\n", 2);
    session_log_write(one, "a\n", 2);
    session_log_assign(two, "three");
    session_log_write(two, "c\n", 2);
    session_log_assign(two, "");
    session_log_note(two, "nobody's");
    session_log_free(one);
    session_log_free(two);
    assert_string_equal(read_back(f, NULL, 0), "one|session started" R "\ntwo_words_|b\none|aa\nthree|c\n-|nobody's\n");
    assert_string_equal(read_back(f, "one", 0), "one|session started" R "\none|aa\n");
    assert_string_equal(read_back(f, "one", 1), "one|aa\n");
    assert_string_equal(read_back(f, NULL, 2), "three|c\n-|nobody's\n");
    assert_string_equal(read_back(f, "on", 0), "");
}

static void the_tail_is_remembered(void **state)
{
    fixture *f = *state;
    session_log *log = session_log_new(f->logs, NULL, "s");
    _cleanup_(buf_done) buf tail = BUF_INIT(1U << 20);
    char line[32], *expected, *end;

    session_log_tail(log, &tail);
    assert_int_equal(tail.length, 0);
    for (int i = 0; i < 100; i++) {
        snprintf(line, sizeof(line), "line %d\n", i);
        session_log_write(log, line, strlen(line));
    }
    session_log_note(log, "not the program's");
    session_log_write(log, "and\x1b no end", 11);
    session_log_tail(log, &tail);
    expected = strstr(buf_terminate(&tail), "line 81\n");
    assert_ptr_equal(expected, tail.data);
    end = strstr(expected, "line 99\n");
    assert_string_equal(end, "line 99\nand" R " no end");
    session_log_write(log, "\n", 1);
    tail.length = 0;
    session_log_tail(log, &tail);
    assert_string_equal(strstr(buf_terminate(&tail), "line 99\n"), "line 99\nand" R " no end");

    static char wide[SESSION_LOG_LINE_MAX];
    for (size_t i = 0; i + 3 <= sizeof(wide); i += 3)
        memcpy(wide + i, "\xe2\x82\xac", 3);
    session_log_write(log, wide, sizeof(wide) / 3 * 3);
    for (int i = 0; i < 2; i++) {
        tail.length = 0;
        session_log_tail(log, &tail);
        assert_in_range(tail.length, SESSION_LOG_TAIL_BYTES - 4, SESSION_LOG_TAIL_BYTES);
        assert_true(utf8_valid(tail.data, tail.length));
        session_log_write(log, "\n", 1);
    }
    session_log_free(log);
}

/* ---- files ---- */

static mode_t mode_of(const fixture *f, const char *path)
{
    char whole[256];
    struct stat info;

    snprintf(whole, sizeof(whole), "%s/%s", f->logs_dir, path);
    assert_int_equal(stat(whole, &info), 0);
    return info.st_mode & 0777;
}

static void files_are_the_owners(void **state)
{
    fixture *f = *state;
    mode_t before = umask(0);
    session_log *log = session_log_new(f->logs, NAME, "s");

    session_log_write(log, "x\n", 2);
    session_log_free(log);
    umask(before);
    assert_int_equal(mode_of(f, ""), 0700);
    assert_int_equal(mode_of(f, "runtimes"), 0700);
    assert_int_equal(mode_of(f, "runtimes/one-0123456789"), 0700);
    assert_int_equal(mode_of(f, NAME ".log"), 0600);
}

static void names_cannot_lead_out(void **state)
{
    static const char *const bad[] = {"../x",      "a/../../x", "/etc/x", "a//b", "",   "a/",  ".x",
                                      "a/.hidden", "a b",       "a\nb",   "a\\b", "..", "a/.", "\xc3\xa4"};
    fixture *f = *state;
    char longer[SESSION_LOG_NAME_MAX + 2], path[256];

    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    assert_false(session_log_name_valid(longer));
    longer[250] = '\0';
    assert_false(session_log_name_valid(longer));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(session_log_name_valid(bad[i]));
        session_log *log = session_log_new(f->logs, bad[i], "s");
        session_log_write(log, "x\n", 2);
        session_log_free(log);
    }
    assert_int_equal(access(f->logs_dir, F_OK), -1); /* nothing was written at all */
    assert_true(session_log_name_valid("a.b/C_d-9"));

    assert_int_equal(mkdir(f->logs_dir, 0700), 0);
    snprintf(path, sizeof(path), "%s/runtimes", f->logs_dir);
    assert_int_equal(symlink("/tmp", path), 0);
    session_log *log = session_log_new(f->logs, "runtimes/ac-log-must-not-be", "s");
    session_log_write(log, "x\n", 2);
    session_log_free(log);
    assert_int_equal(access("/tmp/ac-log-must-not-be.log", F_OK), -1);
}

static void files_are_rotated(void **state)
{
    fixture *f = *state;
    char line[64], path[256];
    struct stat info;

    small_files(f, 1000);
    session_log *log = session_log_new(f->logs, NAME, "s");
    for (int i = 0; i < 500; i++) {
        snprintf(line, sizeof(line), "line %d\n", i);
        session_log_write(log, line, strlen(line));
    }
    for (int i = 0; i < SESSION_LOG_FILES; i++) {
        snprintf(path, sizeof(path), i ? "%s/%s.log.%d" : "%s/%s.log", f->logs_dir, NAME, i);
        assert_int_equal(stat(path, &info), 0);
        assert_true(info.st_size <= 1000);
    }
    snprintf(path, sizeof(path), "%s/%s.log.%d", f->logs_dir, NAME, SESSION_LOG_FILES);
    assert_int_equal(stat(path, &info), -1);
    const char *all = read_back(f, NULL, 0);
    size_t kept = f->lines;
    assert_in_range(kept, 100, 499);
    for (size_t i = 0; i < kept; i++) { /* the last ones, in order */
        snprintf(line, sizeof(line), "s|line %zu\n", 500 - kept + i);
        assert_memory_equal(all, line, strlen(line));
        all += strlen(line);
    }
    read_back(f, "s", kept - 3);
    assert_int_equal(f->lines, kept - 3);
    assert_memory_equal(f->read.data + f->read.length - 11, "s|line 499\n", 11);

    session_log_free(log); /* another start goes on where this one ended */
    log = session_log_new(f->logs, NAME, "s");
    session_log_write(log, "once more\n", 10);
    session_log_free(log);
    read_back(f, NULL, 2);
    assert_string_equal(buf_terminate(&f->read), "s|line 499\ns|once more\n");
}

/* Of the files, as they are between two renames: the last one has its new name, and the one before it does not. */
static void who_reads_while_files_are_rotated_sees_the_older_ones(void **state)
{
    fixture *f = *state;
    char line[64], from[256], to[256];

    small_files(f, 1000);
    session_log *log = session_log_new(f->logs, NAME, "s");
    for (int i = 0; i < 40; i++) {
        snprintf(line, sizeof(line), "line %d\n", i);
        session_log_write(log, line, strlen(line));
    }
    session_log_free(log);
    read_back(f, NULL, 0);
    assert_int_equal(f->lines, 40);
    for (int gap = SESSION_LOG_FILES - 2; gap >= 0; gap--) {
        snprintf(from, sizeof(from), gap ? "%s/%s.log.%d" : "%s/%s.log", f->logs_dir, NAME, gap);
        snprintf(to, sizeof(to), "%s/%s.log.%d", f->logs_dir, NAME, gap + 1);
        if (rename(from, to) != 0)
            continue;
        read_back(f, NULL, 0);
        assert_int_equal(f->lines, 40);
    }
}

static void write_numbers(session_log *log, int first, int end)
{
    char line[64];

    for (int i = first; i < end; i++) {
        snprintf(line, sizeof(line), "line %d\n", i);
        session_log_write(log, line, strlen(line));
    }
}

static session_log *written_meanwhile; /* to, when the next file has been opened; NULL: nothing is */

static void write_meanwhile(void)
{
    if (written_meanwhile)
        write_numbers(TAKE_PTR(written_meanwhile), 60, 120); /* two files and more */
}

int __real_fstat64(int fd, struct stat *info);
int __wrap_fstat64(int fd, struct stat *info);

int __wrap_fstat64(int fd, struct stat *info)
{
    int result = __real_fstat64(fd, info);

    write_meanwhile();
    return result;
}

/* Twice, between the opening of the newest file and that of the next. */
static void order_is_kept_when_files_are_rotated_while_they_are_opened(void **state)
{
    fixture *f = *state;
    char line[64];

    small_files(f, 1000);
    session_log *log = session_log_new(f->logs, NAME, "s");
    write_numbers(log, 0, 60);
    written_meanwhile = log;
    const char *all = read_back(f, NULL, 0);
    assert_null(written_meanwhile);
    session_log_free(log);
    for (size_t i = 0; i < f->lines; i++) {
        snprintf(line, sizeof(line), "s|line %zu\n", 120 - f->lines + i);
        assert_memory_equal(all, line, strlen(line));
        all += strlen(line);
    }
}

static void a_removed_directory_is_made_again(void **state)
{
    fixture *f = *state;

    small_files(f, 100);
    session_log *log = session_log_new(f->logs, NAME, "s");
    session_log_write(log, "lost\n", 5);
    nftw(f->logs_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    for (int i = 0; i < 10; i++)
        session_log_write(log, "kept once there is a file again\n", 32);
    session_log_free(log);
    read_back(f, NULL, 0);
    assert_true(f->lines >= 1);
}

static void a_full_disk_loses_whole_lines(void **state)
{
    fixture *f = *state;
    session_log *log;

    assert_int_equal(mkdir(f->logs_dir, 0700), 0);
    char path[256];
    snprintf(path, sizeof(path), "%s/full.log", f->logs_dir);
    assert_int_equal(symlink("/dev/full", path), 0); /* not followed: as if it could not be opened */
    log = session_log_new(f->logs, "full", "s");
    session_log_write(log, "x\n", 2);
    assert_int_equal(unlink(path), 0);
    session_log_write(log, "y\n", 2);
    session_log_free(log);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 24 + 1 + 1 + 1 + 2);
}

/* ---- many writers, and one who follows ---- */

#define WRITERS 4
#define LINES_EACH 400

static void *write_lines(void *arg)
{
    session_log *log = arg;
    char line[64];

    for (int i = 0; i < LINES_EACH; i++) {
        snprintf(line, sizeof(line), "line %d\n", i);
        session_log_write(log, line, strlen(line));
        if (i % 40 == 0)
            usleep(1000); /* so that there is something to follow */
    }
    return NULL;
}

typedef struct follower {
    fixture *f;
    int next[WRITERS];
    size_t lines;
    uint64_t until_ms;
} follower;

static bool check_line(const session_log_line *line, void *user)
{
    follower *w = user;
    int writer = line->session_id[0] - '0', number;

    assert_int_equal(line->session_id_length, 1);
    assert_int_equal(sscanf(line->text, "line %d", &number), 1);
    assert_int_equal(number, w->next[writer]);
    w->next[writer]++;
    return ++w->lines < WRITERS * LINES_EACH;
}

static bool check_time(void *user)
{
    const follower *w = user;

    return clock_monotonic_ms() < w->until_ms;
}

static void *read_along(void *arg)
{
    follower *w = arg;
    const session_log_query query = {
        .directory = w->f->logs_dir,
        .name = NAME,
        .follow = true,
        .poll_ms = 1,
        .on_line = check_line,
        .on_wait = check_time,
        .user = w,
    };
    ac_error err;

    if (session_log_read(&query, &err) != AC_OK)
        abort();
    return NULL;
}

static void who_follows_misses_nothing(void **state)
{
    fixture *f = *state;
    follower w = {.f = f, .until_ms = clock_monotonic_ms() + 20000};
    pthread_t reader, writers[WRITERS];
    session_log *logs[WRITERS];

    small_files(f, 16384); /* rotated some times while it is read */
    assert_int_equal(pthread_create(&reader, NULL, read_along, &w), 0);
    for (int i = 0; i < WRITERS; i++) {
        char id[2] = {(char)('0' + i), '\0'};
        logs[i] = session_log_new(f->logs, NAME, id);
        assert_int_equal(pthread_create(&writers[i], NULL, write_lines, logs[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(writers[i], NULL);
        session_log_free(logs[i]);
    }
    pthread_join(reader, NULL);
    assert_int_equal(w.lines, WRITERS * LINES_EACH);
}

static bool stop_at_once(const session_log_line *line, void *user)
{
    (void)line;
    ++*(int *)user;
    return false;
}

static void reading_says_what_is_wrong(void **state)
{
    fixture *f = *state;
    int count = 0;
    session_log_query query = {.directory = f->logs_dir, .name = "x", .on_line = stop_at_once, .user = &count};
    ac_error err;

    assert_int_equal(session_log_read(&query, &err), AC_ERR_NOT_FOUND);
    query.name = "../x";
    assert_int_equal(session_log_read(&query, &err), AC_ERR_INVALID);
    session_log *log = session_log_new(f->logs, "x", "s");
    session_log_write(log, "a\nb\n", 4);
    session_log_free(log);
    query.name = "x";
    query.follow = true;
    assert_int_equal(session_log_read(&query, &err), AC_OK);
    assert_int_equal(count, 1);
}

#define log_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        log_test(lines_are_put_together),
        log_test(control_characters_are_replaced),
        log_test(broken_utf8_is_replaced_and_whole_is_kept),
        log_test(a_line_without_end_is_cut),
        log_test(a_line_of_just_the_longest_length_is_one),
        log_test(sessions_share_a_file),
        log_test(the_tail_is_remembered),
        log_test(files_are_the_owners),
        log_test(names_cannot_lead_out),
        log_test(files_are_rotated),
        log_test(who_reads_while_files_are_rotated_sees_the_older_ones),
        log_test(order_is_kept_when_files_are_rotated_while_they_are_opened),
        log_test(a_removed_directory_is_made_again),
        log_test(a_full_disk_loses_whole_lines),
        log_test(who_follows_misses_nothing),
        log_test(reading_says_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
