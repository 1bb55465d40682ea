/* test_artifacts_code.c - zip files: good ones become what they hold, hostile ones leave nothing. */
#include "artifacts_fixture.h"
#include "daemon/artifacts/internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

static const char *const entry_point[] = {"main.py", NULL};

static ac_status get(const char *bucket, const char *key, const char *digest, arena *memory, artifact *a)
{
    artifact_code code = {.bucket = bucket, .key = key, .entry_point = entry_point};

    memset(&err, 0, sizeof err);
    return artifact_code_get(shop.all, &code, digest, memory, a, &err);
}

/* Get it, and compare what is there. */
static void check(const char *key, const char *expected)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    artifact a;
    char *found;

    if (get("good", key, NULL, &memory, &a) != AC_OK)
        fail_msg("%s: %s", key, err.message);
    assert_false(a.image);
    assert_true(digest_valid(a.digest));
    found = listing(a.directory);
    assert_string_equal(found, expected);
    free(found);
}

static const char agent_listing[] = "bin d 0700\n"
                                    "bin/tool f 0700 20000\n"
                                    "current l pkg/data\n"
                                    "empty d 0700\n"
                                    "main.py f 0600 15\n"
                                    "pkg d 0700\n"
                                    "pkg/__init__.py f 0600 0\n"
                                    "pkg/data d 0700\n"
                                    "pkg/data/caf\xc3\xa9.txt f 0600 8\n"
                                    "pkg/data/up l ../../main.py\n";

static void test_good(void **state)
{
    (void)state;
    check("agent.zip", agent_listing);
    check("stored.zip", "main.py f 0600 6\nsub d 0700\nsub/other.py f 0600 6\n");
    check("prefixed.zip", "main.py f 0600 6\nsub d 0700\nsub/other.py f 0600 6\n");
    check("zip64.zip", "main.py f 0600 7000\n");
    check("descriptors.zip", "main.py f 0600 6000\ntwo.py f 0600 6\n");
    check("dots.zip", "a d 0700\na/b d 0700\na/b/c.py f 0600 6\nmain.py f 0600 6\n");
    check("case.zip", "Link l pkg\nMain.py f 0600 1\nlink d 0700\nlink/x f 0600 0\nmain.py f 0600 0\npkg d 0700\n"
                      "pkg/x f 0600 0\n");
    check("zeros.zip", "main.py f 0600 0\nzeros f 0600 50331648\n");
    artifacts_clear();
}

static void test_content(void **state)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    struct stat info;
    char path[PATH_MAX];
    artifact a;

    (void)state;
    assert_int_equal(get("good", "agent.zip", NULL, &memory, &a), AC_OK);
    assert_string_equal(content(a.directory, "main.py"), "print('hello')\n");
    assert_string_equal(content(a.directory, "current/caf\xc3\xa9.txt"), "au lait\n");
    assert_string_equal(content(a.directory, "current/up"), "print('hello')\n");
    snprintf(path, sizeof path, "%s/main.py", a.directory);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mtime, 1709209842); /* 2024-02-29T12:30:42Z */
    snprintf(path, sizeof path, "%s/../artifact.json", a.directory);
    assert_int_equal(stat(path, &info), 0);
    artifacts_clear();
}

static void test_readable_by_all(void **state)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    artifact a;
    char *found;

    (void)state;
    artifacts_reopen(&(artifacts_options){.readable_by_all = true});
    assert_int_equal(get("good", "agent.zip", NULL, &memory, &a), AC_OK);
    found = listing(in_data("artifacts"));
    assert_non_null(strstr(found, "code d 0755\n"));
    assert_non_null(strstr(found, "/root d 0755\n"));
    assert_non_null(strstr(found, "/root/bin d 0755\n"));
    assert_non_null(strstr(found, "/root/bin/tool f 0755 20000\n"));
    assert_non_null(strstr(found, "/root/pkg/__init__.py f 0644 0\n"));
    free(found);
    artifacts_clear();
    artifacts_reopen(NULL);
}

/* ---- hostile ones ---- */

static ac_status expected_of(const char *key)
{
    static const char *const too_large[] = {"bomb.zip",          "claims-too-much.zip", "too-deep.zip",
                                            "path-too-long.zip", "directory-large.zip", "zip64-many.zip",
                                            "zip64-large.zip"};

    for (size_t i = 0; i < ARRAY_SIZE(too_large); i++)
        if (strcmp(key, too_large[i]) == 0)
            return AC_ERR_TOO_LARGE;
    return AC_ERR_INVALID;
}

static void test_hostile(void **state)
{
    char *before = listing(shop.base), *after;
    DIR *directory = opendir(in_data("buckets/bad"));
    const struct dirent *entry;
    size_t count = 0;

    (void)state;
    assert_non_null(directory);
    while ((entry = readdir(directory))) {
        _cleanup_(arena_done) arena memory = ARENA_INIT;
        artifact a;
        ac_status status;

        if (entry->d_name[0] == '.')
            continue;
        status = get("bad", entry->d_name, NULL, &memory, &a);
        if (status != expected_of(entry->d_name))
            fail_msg("%s: %s: %s", entry->d_name, ac_status_name(status), err.message);
        assert_non_null(strstr(err.message, entry->d_name));
        assert_true(strlen(err.message) > strlen("s3://bad/: ") + strlen(entry->d_name));
        after = listing(shop.base);
        if (strcmp(before, after) != 0)
            fail_msg("%s left something behind: %s", entry->d_name, after);
        free(after);
        count++;
    }
    closedir(directory);
    free(before);
    assert_true(count > 60);
}

static void test_messages(void **state)
{
    static const struct {
        const char *key, *text;
    } cases[] = {
        {"dotdot.zip", "s3://bad/dotdot.zip: ../evil: it leads out of the archive"},
        {"absolute.zip", "/tmp/evil: the name is absolute"},
        {"link-above.zip", "a/l: the link leads out of the archive, to ../../x"},
        {"behind-link.zip", "l/evil: it lies behind the link l"},
        {"duplicate.zip", "main.py: there are two of that name"},
        {"encrypted.zip", "secret: it is encrypted"},
        {"newline.zip", "a?b: the name has control characters in it"},
        {"not-utf8.zip", "caf?: the name is not UTF-8"},
        {"cut.zip", "it is no whole zip file: its directory is missing, or it was cut short"},
        {"bomb.zip", "it unpacks to more than 200 times its size"},
        {"crc.zip", "b: its content is damaged"},
        {"overlap.zip", "overlap"},
    };
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    artifact a;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_not_equal(get("bad", cases[i].key, NULL, &memory, &a), AC_OK);
        if (!strstr(err.message, cases[i].text))
            fail_msg("%s: %s", cases[i].key, err.message);
    }
}

/* ---- finding ---- */

static ac_status get_as(artifact_code code, artifact *a)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;

    return artifact_code_get(shop.all, &code, NULL, &memory, a, &err);
}

static void test_names(void **state)
{
    static const char *const buckets[] = {"", "ab", "../good", "a/b", "good..", ".good", "g\nod", "g%65od"};
    static const char *const keys[] = {
        "", "/agent.zip", "../good/agent.zip", "a/../agent.zip", "a//b", "./agent.zip", "agent.zip/", "..", "a\nb"};
    static const char *const versions[] = {"", "..", "a/b", "../x", "a\nb"};
    artifact a;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(buckets); i++)
        assert_int_equal(get_as((artifact_code){.bucket = buckets[i], .key = "agent.zip"}, &a), AC_ERR_INVALID);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        assert_int_equal(get_as((artifact_code){.bucket = "good", .key = keys[i]}, &a), AC_ERR_INVALID);
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
        assert_int_equal(get_as((artifact_code){.bucket = "good", .key = "agent.zip", .version = versions[i]}, &a),
                         AC_ERR_INVALID);
    assert_int_equal(get_as((artifact_code){.bucket = "good", .key = "no.zip"}, &a), AC_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/buckets/good/no.zip"));
    assert_int_equal(get_as((artifact_code){.bucket = "nowhere", .key = "no.zip"}, &a), AC_ERR_NOT_FOUND);
    assert_int_equal(get_as((artifact_code){.bucket = "good", .key = "agent.zip/x"}, &a), AC_ERR_NOT_FOUND);
    assert_int_equal(mkdir(in_data("buckets/good/folder"), 0700), 0);
    assert_int_equal(mkfifo(in_data("buckets/good/fifo"), 0600), 0);
    assert_int_equal(get_as((artifact_code){.bucket = "good", .key = "folder"}, &a), AC_ERR_INVALID);
    assert_int_equal(get_as((artifact_code){.bucket = "good", .key = "fifo"}, &a), AC_ERR_INVALID);
}

static void test_entry_point(void **state)
{
    static const char *const with_command[] = {"opentelemetry-instrument", "main.py", NULL};
    static const char *const missing[] = {"app.py", NULL}, *const directory[] = {"pkg", NULL};
    static const char *const outside[] = {"../artifact.json", NULL}, *const absolute[] = {"/etc/passwd", NULL};
    static const char *const deeper[] = {"current/up", NULL};
    artifact a;

    (void)state;
    artifact_code code = {.bucket = "good", .key = "agent.zip", .entry_point = with_command};
    assert_int_equal(get_as(code, &a), AC_OK);
    code.entry_point = deeper;
    assert_int_equal(get_as(code, &a), AC_OK);
    code.entry_point = NULL;
    assert_int_equal(get_as(code, &a), AC_OK);
    code.entry_point = missing;
    assert_int_equal(get_as(code, &a), AC_ERR_NOT_FOUND);
    assert_string_equal(err.message, "s3://good/agent.zip: the entry point app.py is not in the zip file");
    code.entry_point = directory;
    assert_int_equal(get_as(code, &a), AC_ERR_NOT_FOUND);
    code.entry_point = outside;
    assert_int_equal(get_as(code, &a), AC_ERR_NOT_FOUND);
    code.entry_point = absolute;
    assert_int_equal(get_as(code, &a), AC_ERR_NOT_FOUND);
    code = (artifact_code){.bucket = "good", .key = "none.zip", .entry_point = entry_point};
    assert_int_equal(get_as(code, &a), AC_ERR_NOT_FOUND);
    artifacts_clear();
}

static void test_versions(void **state)
{
    artifact_code code = {.bucket = "good", .key = "agent.zip", .version = "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY_"};
    artifact newest, old;

    (void)state;
    assert_int_equal(get_as(code, &old), AC_ERR_NOT_FOUND);
    assert_true(run_program("mkdir %s/buckets/good/agent.zip.versions && cp %s/buckets/good/stored.zip "
                            "%s/buckets/good/agent.zip.versions/%s",
                            shop.data, shop.data, shop.data, code.version));
    assert_int_equal(get_as(code, &old), AC_OK);
    code.version = NULL;
    assert_int_equal(get_as(code, &newest), AC_OK);
    assert_string_not_equal(old.digest, newest.digest);
    artifacts_clear();
}

/* ---- by libarchive ---- */

static void add_by_libarchive(struct archive *z, const char *name, const char *text, unsigned mode)
{
    struct archive_entry *entry = archive_entry_new();

    archive_entry_set_pathname(entry, name);
    archive_entry_set_mode(entry, mode);
    if (S_ISLNK(mode))
        archive_entry_set_symlink(entry, text);
    else
        archive_entry_set_size(entry, (la_int64_t)strlen(text));
    archive_entry_set_mtime(entry, 1600000001, 0);
    assert_int_equal(archive_write_header(z, entry), ARCHIVE_OK);
    if (S_ISREG(mode))
        assert_int_equal(archive_write_data(z, text, strlen(text)), (la_ssize_t)strlen(text));
    archive_entry_free(entry);
}

static void test_by_libarchive(void **state)
{
    struct archive *z = archive_write_new();
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    struct stat info;
    char path[PATH_MAX];
    artifact a;

    (void)state;
    assert_int_equal(archive_write_set_format_zip(z), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(z, in_data("buckets/good/libarchive.zip")), ARCHIVE_OK);
    add_by_libarchive(z, "main.py", "print()\n", S_IFREG | 0644);
    add_by_libarchive(z, "run", "#!/bin/sh\n", S_IFREG | 0750);
    add_by_libarchive(z, "d", "", S_IFDIR | 0755);
    add_by_libarchive(z, "d/l", "../run", S_IFLNK | 0777);
    assert_int_equal(archive_write_free(z), ARCHIVE_OK);
    check("libarchive.zip", "d d 0700\nd/l l ../run\nmain.py f 0600 8\nrun f 0700 10\n");
    assert_int_equal(get("good", "libarchive.zip", NULL, &memory, &a), AC_OK);
    snprintf(path, sizeof path, "%s/run", a.directory);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mtime, 1600000001); /* odd: not of MS-DOS's clock */
    artifacts_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),        cmocka_unit_test(test_content),  cmocka_unit_test(test_readable_by_all),
        cmocka_unit_test(test_hostile),     cmocka_unit_test(test_messages), cmocka_unit_test(test_names),
        cmocka_unit_test(test_entry_point), cmocka_unit_test(test_versions), cmocka_unit_test(test_by_libarchive),
    };

    return cmocka_run_group_tests(tests, artifacts_set_up, artifacts_tear_down);
}
