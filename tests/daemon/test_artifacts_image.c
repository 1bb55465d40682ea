/* test_artifacts_image.c - container images: layers over each other, what is verified, what is refused. */
#include "artifacts_fixture.h"
#include "daemon/artifacts/image_internal.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

static ac_status get(const char *uri, const char *digest, arena *memory, artifact *a)
{
    memset(&err, 0, sizeof err);
    return artifact_image_get(shop.all, uri, digest, memory, a, &err);
}

static void require(const char *uri, arena *memory, artifact *a)
{
    if (get(uri, NULL, memory, a) != AC_OK)
        fail_msg("%s: %s", uri, err.message);
}

/* ---- layers ---- */

#define LONG_40 "longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglong"
#define LONG_160 LONG_40 LONG_40
#define NAME_120                                                                                                       \
    "namenamenamenamenamenamenamenamenamenamenamenamenamenamenamenamenamenamenamenamename"                             \
    "namenamenamenamenamenamenamenamename"

static const char layers_listing[] = "absolute f 0600 1\n"
                                     "bin d 0700\n"
                                     "bin/ash f 0700 3000\n"
                                     "bin/link-to-mtab l /proc/mounts\n"
                                     "bin/sh f 0700 3000\n"
                                     "both d 0700\n"
                                     "both/me f 0600 4\n"
                                     "etc d 0700\n"
                                     "etc/group f 0600 42\n"
                                     "etc/mtab l /proc/mounts\n"
                                     "etc/passwd f 0600 72\n"
                                     "gone d 0700\n"
                                     "gone/b f 0600 2\n"
                                     "kept d 0700\n"
                                     "kept/file f 0600 2\n"
                                     "kept/first f 0600 2\n"
                                     "kept/other f 0600 2\n"
                                     "lib d 0700\n"
                                     "lib/x f 0600 2\n"
                                     "na\xc3\xafve d 0700\n"
                                     "na\xc3\xafve/" LONG_160 " d 0700\n"
                                     "na\xc3\xafve/" LONG_160 "/" NAME_120 " f 0600 5\n"
                                     "opaque d 0700\n"
                                     "opaque/late f 0600 2\n"
                                     "opaque/new f 0600 2\n"
                                     "opaque/sub d 0700\n"
                                     "opaque/sub/new f 0600 2\n"
                                     "replaced f 0600 7\n"
                                     "same f 0600 2\n"
                                     "shadow f 0600 1\n"
                                     "sticky f 0700 0\n"
                                     "usr d 0700\n"
                                     "usr/bin d 0700\n"
                                     "usr/bin/python l ../../../../../../bin/sh\n"
                                     "was-dir f 0600 5\n"
                                     "was-file d 0700\n"
                                     "was-file/now f 0600 4\n";

static void test_layers(void **state)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    struct stat first, second;
    char path[PATH_MAX];
    artifact a;
    char *found;

    (void)state;
    require("good/layers:v1", &memory, &a);
    found = listing(a.directory);
    assert_string_equal(found, layers_listing);
    free(found);
    assert_string_equal(content(a.directory, "same"), "2\n");
    assert_string_equal(content(a.directory, "both/me"), "new\n");
    snprintf(path, sizeof path, "%s/bin/sh", a.directory);
    assert_int_equal(stat(path, &first), 0);
    snprintf(path, sizeof path, "%s/bin/ash", a.directory);
    assert_int_equal(stat(path, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    assert_int_equal(first.st_mtime, 1700000000);
    assert_int_equal(first.st_uid, geteuid());
}

static void test_config(void **state)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    artifact a;

    (void)state;
    for (int again = 0; again < 2; again++) { /* as it was made, and out of artifact.json */
        require("123456789012.dkr.ecr.us-west-2.amazonaws.com/good/layers:v1", &memory, &a);
        assert_true(a.image);
        assert_string_equal(a.argv[0], "/bin/sh");
        assert_string_equal(a.argv[1], "-c");
        assert_string_equal(a.argv[2], "echo");
        assert_null(a.argv[3]);
        assert_string_equal(a.environment[0], "PATH=/bin");
        assert_string_equal(a.environment[1], "A=b=c");
        assert_null(a.environment[2]);
        assert_string_equal(a.working_directory, "/srv");
        assert_int_equal(a.uid, 1234);
        assert_int_equal(a.gid, 44);
        artifacts_reopen(NULL);
    }
    require("untagged", &memory, &a);
    assert_null(a.argv);
    assert_null(a.environment);
    assert_null(a.working_directory);
    assert_int_equal(a.uid, 0);
    artifacts_clear();
}

static void test_users(void **state)
{
    static const struct {
        const char *tag;
        unsigned uid, gid;
    } cases[] = {{"number", 77, 0},   {"number-known", 1234, 5678}, {"pair", 77, 88},
                 {"group", 77, 5678}, {"name", 1234, 5678},         {"root", 0, 0}};
    static const char *const bad[] = {"bad-no-user", "bad-no-group", "bad-broken", "bad-huge"};
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    char uri[64];
    artifact a;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        snprintf(uri, sizeof uri, "good/layers:%s", cases[i].tag);
        require(uri, &memory, &a);
        assert_int_equal(a.uid, cases[i].uid);
        assert_int_equal(a.gid, cases[i].gid);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        snprintf(uri, sizeof uri, "good/layers:%s", bad[i]);
        assert_int_equal(get(uri, NULL, &memory, &a), AC_ERR_INVALID);
    }
    artifacts_clear();
}

/* /etc/passwd through links: inside as a process in it would see them, never outside. */
static void test_user_through_links(void **state)
{
    char root[PATH_MAX];
    unsigned uid, gid;
    int fd;

    (void)state;
    snprintf(root, sizeof root, "%s/linked", shop.base);
    assert_true(run_program("mkdir -p %s/store %s/etc && ln -s /store/passwd %s/etc/passwd && "
                            "echo in:x:5:6::: >%s/store/passwd && echo x:x:7:x >%s/etc/group",
                            root, root, root, root, root));
    fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(image_user_find(fd, "in:x", &uid, &gid, &err), AC_OK);
    assert_int_equal(uid, 5);
    assert_int_equal(gid, 7);
    assert_true(run_program("ln -sf ../../../../../../../etc/passwd %s/etc/passwd && rm %s/store/passwd", root, root));
    assert_int_equal(image_user_find(fd, "root", &uid, &gid, &err), AC_ERR_INVALID);
    close(fd);
}

static void test_formats(void **state)
{
    static const char *const uris[] = {"formats:gnu", "formats:ustar", "formats:empty", "formats:bytes",
                                       "formats:sparse"};
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    artifact a;
    char *found;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
        require(uris[i], &memory, &a);
        found = listing(a.directory);
        if (i == 0) {
            assert_non_null(strstr(found, "hhhh f 0600 5\n"));
            assert_non_null(strstr(found, "ssss l tttt"));
        } else if (i == 1) {
            assert_string_equal(found, "u f 0600 2\n");
        } else if (i == 2) {
            assert_string_equal(found, "");
        } else if (i == 3) {
            assert_string_equal(found, "caf\xe9\xe9 f 0600 1\n");
        } else {
            char data[20001] = "";
            char path[PATH_MAX];
            FILE *file;

            assert_string_equal(found, "s f 0600 20000\n");
            snprintf(path, sizeof path, "%s/s", a.directory);
            file = fopen(path, "rb");
            assert_non_null(file);
            assert_int_equal(fread(data, 1, sizeof data, file), 20000);
            fclose(file);
            assert_memory_equal(data + 8192, "data", 5);
        }
        free(found);
    }
    artifacts_clear();
}

/* ---- references ---- */

static void test_references(void **state)
{
    static const struct {
        const char *uri, *repository, *tag;
    } good[] = {
        {"agent", "agent", "latest"},
        {"agent:v1", "agent", "v1"},
        {"team/agent:V_1.2-x", "team/agent", "V_1.2-x"},
        {"localhost:5000/agent", "agent", "latest"},
        {"localhost/agent:1", "agent", "1"},
        {"ghcr.io/a/b_c/d--e/f__g:1", "a/b_c/d--e/f__g", "1"},
        {"123456789012.dkr.ecr.us-west-2.amazonaws.com/my-agent:latest", "my-agent", "latest"},
        {"a@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a", ""},
        {"a:t@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a", "t"},
    };
    static const char *const bad[] = {"",          ":",      "a:",         "/a",        "a/",          "a//b",
                                      "../a",      "a/../b", "a/./b",      ".a/b",      "a/b.",        "A",
                                      "a b",       "a:b:c",  "a:.x",       "a@",        "a@sha256:12", "a@md5:00",
                                      "a..b",      "a/_b",   "docker://a", "a\n",       "localhost/",  "ghcr.io/../a",
                                      "ghcr.io/A", "a___b",  "a.-b",       "a:\xc3\xa9"};
    image_reference r;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        if (image_reference_parse(good[i].uri, &r, &err) != AC_OK)
            fail_msg("%s: %s", good[i].uri, err.message);
        assert_string_equal(r.repository, good[i].repository);
        assert_string_equal(r.tag, good[i].tag);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (image_reference_parse(bad[i], &r, &err) != AC_ERR_INVALID)
            fail_msg("%s was taken", bad[i]);
}

static void test_tags(void **state)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    artifact a;

    (void)state;
    require("team/docker:1.2", &memory, &a);
    assert_string_equal(a.argv[0], "/agent");
    require("docker.io/team/docker:plain", &memory, &a);
    require("untagged", &memory, &a);
    require("untagged:latest", &memory, &a);
    assert_int_equal(get("untagged:v2", NULL, &memory, &a), AC_ERR_NOT_FOUND);
    assert_int_equal(get("team/docker", NULL, &memory, &a), AC_ERR_NOT_FOUND);
    assert_non_null(
        strstr(err.message, "there is no image with the tag latest; there are: 1.2, docker.io/team/docker"));
    assert_int_equal(get("nobody/has-this", NULL, &memory, &a), AC_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/images/nobody/has-this"));
    assert_int_equal(get("../buckets", NULL, &memory, &a), AC_ERR_INVALID);
    artifacts_clear();
}

static void test_machines(void **state)
{
    static const char *const mine[] = {"multi:nested", "multi:index", "multi:flat", "multi:one"};
    static const char *const others[] = {"multi:other-index", "multi:other-config", "multi:same"};
    char digests[3][ARTIFACT_DIGEST_SIZE], uri[256];
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    artifact a;

    (void)state;
    assert_int_equal(sscanf(content(shop.data, "digests.txt"), "%71s %71s %71s", digests[0], digests[1], digests[2]),
                     3);
    for (size_t i = 0; i < ARRAY_SIZE(mine); i++) {
        require(mine[i], &memory, &a);
        assert_string_equal(a.digest, digests[0]); /* the manifest's, not the index's */
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        assert_int_equal(get(others[i], NULL, &memory, &a), AC_ERR_NOT_FOUND);
        assert_non_null(strstr(err.message, "this machine"));
    }
    assert_int_equal(get("multi:twice", NULL, &memory, &a), AC_ERR_INVALID);

    for (size_t i = 0; i < 2; i++) { /* of the manifest, and of an index */
        snprintf(uri, sizeof uri, "multi:any@%s", digests[i]);
        require(uri, &memory, &a);
        assert_string_equal(a.digest, digests[0]);
    }
    snprintf(uri, sizeof uri, "multi@%s", digests[2]);
    assert_int_equal(get(uri, NULL, &memory, &a), AC_ERR_NOT_FOUND);
    snprintf(uri, sizeof uri, "multi@sha256:%064d", 0);
    assert_int_equal(get(uri, NULL, &memory, &a), AC_ERR_NOT_FOUND);
    artifacts_clear();
}

static void test_digest(void **state)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    char digest[ARTIFACT_DIGEST_SIZE];
    artifact a;

    (void)state;
    require("formats:ustar", &memory, &a);
    strcpy(digest, a.digest);
    assert_int_equal(get("formats:gnu", digest, &memory, &a), AC_OK); /* the tag has moved, the deployed one stays */
    assert_string_equal(a.digest, digest);
    artifacts_clear();
    assert_int_equal(get("formats:gnu", digest, &memory, &a), AC_ERR_CONFLICT);
    assert_int_equal(get("formats:ustar", digest, &memory, &a), AC_OK);
    artifacts_clear();
}

/* ---- by other tools ---- */

static bool have(const char *program)
{
    char command[64];

    snprintf(command, sizeof command, "command -v %s >/dev/null", program);
    return system(command) == 0;
}

static const char tool_image[] =
    "set -e; cd %s; mkdir -p images/tools; umoci init --layout images/tools/made; "
    "umoci new --image images/tools/made:one; "
    "umoci unpack %s --image images/tools/made:one bundle; "
    "mkdir -p bundle/rootfs/etc bundle/rootfs/old; echo one >bundle/rootfs/etc/one; echo x >bundle/rootfs/old/x; "
    "printf '#!/bin/sh\\n' >bundle/rootfs/agent; chmod 755 bundle/rootfs/agent; ln -s /agent bundle/rootfs/start; "
    "ln bundle/rootfs/agent bundle/rootfs/same; "
    "umoci repack --image images/tools/made:two bundle; rm -rf bundle; "
    "umoci unpack %s --image images/tools/made:two bundle; "
    "rm -r bundle/rootfs/old bundle/rootfs/start; echo two >bundle/rootfs/etc/two; mkdir bundle/rootfs/start; "
    "umoci repack --image images/tools/made:three bundle; chmod -R u+w bundle; rm -rf bundle; "
    "umoci config --image images/tools/made:three --config.entrypoint /agent --config.cmd serve --config.env K=v "
    "--config.workingdir /etc --config.user 5:6";

static void check_tool_image(const char *uri)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    artifact a;
    char *found;

    require(uri, &memory, &a);
    found = listing(a.directory);
    assert_string_equal(found, "agent f 0700 10\netc d 0700\netc/one f 0600 4\netc/two f 0600 4\nsame f 0700 10\n"
                               "start d 0700\n");
    free(found);
    assert_string_equal(a.argv[0], "/agent");
    assert_string_equal(a.argv[1], "serve");
    assert_string_equal(a.environment[a.environment[1] ? 1 : 0], "K=v");
    assert_string_equal(a.working_directory, "/etc");
    assert_int_equal(a.uid, 5);
    assert_int_equal(a.gid, 6);
}

static void test_umoci_and_skopeo(void **state)
{
    const char *rootless = geteuid() == 0 ? "" : "--rootless";

    (void)state;
    if (!have("umoci") || !have("skopeo")) {
        print_message("umoci or skopeo is not installed: not tested\n");
        skip();
    }
    assert_true(run_program(tool_image, shop.data, rootless, rootless));
    check_tool_image("tools/made:three");
    assert_true(run_program("cd %s/images/tools && skopeo --insecure-policy copy oci:made:three oci:copied:v3 && "
                            "skopeo --insecure-policy copy --dest-oci-accept-uncompressed-layers oci:made:three "
                            "dir:%s/plain && skopeo --insecure-policy copy dir:%s/plain oci:again:v3 && "
                            "skopeo --insecure-policy copy --format v2s2 oci:made:three docker-archive:%s/saved.tar && "
                            "skopeo --insecure-policy copy docker-archive:%s/saved.tar oci:loaded:v3 && "
                            "skopeo --insecure-policy copy --dest-compress-format zstd --format oci oci:made:three "
                            "oci:zstd:v3",
                            shop.data, shop.base, shop.base, shop.base, shop.base));
    check_tool_image("tools/copied:v3");
    check_tool_image("tools/again:v3");
    check_tool_image("tools/loaded:v3");
    check_tool_image("tools/zstd:v3");
    artifacts_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),  cmocka_unit_test(test_config),
        cmocka_unit_test(test_users),   cmocka_unit_test(test_user_through_links),
        cmocka_unit_test(test_formats), cmocka_unit_test(test_references),
        cmocka_unit_test(test_tags),    cmocka_unit_test(test_machines),
        cmocka_unit_test(test_digest),  cmocka_unit_test(test_umoci_and_skopeo),
    };

    return cmocka_run_group_tests(tests, artifacts_set_up, artifacts_tear_down);
}
