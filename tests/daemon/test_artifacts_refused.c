/* test_artifacts_refused.c - container images that are not what they should be: refused, and nothing is left of them.
 * */
#include "artifacts_fixture.h"

#include <pthread.h>

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

/* ---- what is refused ---- */

typedef struct refusal {
    const char *tag;
    ac_status status;
    const char *text; /* in the message */
} refusal;

static const refusal refusals[] = {
    {"dotdot", AC_ERR_INVALID, "layer 2 of 2: ../evil: it leads out"},
    {"dotdot-inside", AC_ERR_INVALID, "leads out"},
    {"hardlink-out", AC_ERR_INVALID, "leads out"},
    {"hardlink-missing", AC_ERR_INVALID, "to not/there, which is not in the image"},
    {"hardlink-directory", AC_ERR_INVALID, "which is no file"},
    {"hardlink-root", AC_ERR_INVALID, "hard link"},
    {"hardlink-behind-link", AC_ERR_INVALID, "behind the link l"},
    {"behind-link-out", AC_ERR_INVALID, "l/evil: it lies behind the link l"},
    {"behind-link-above", AC_ERR_INVALID, "behind the link l"},
    {"behind-link-inside", AC_ERR_INVALID, "behind the link l"},
    {"behind-file", AC_ERR_INVALID, "behind the file fine"},
    {"directory-behind-link", AC_ERR_INVALID, "behind the link l"},
    {"whiteout-of-nothing", AC_ERR_INVALID, "nothing is gone"},
    {"whiteout-of-dots", AC_ERR_INVALID, "nothing is gone"},
    {"name-too-long", AC_ERR_INVALID, "longer than 255"},
    {"too-deep", AC_ERR_TOO_LARGE, "deeper than"},
    {"root-as-file", AC_ERR_INVALID, "empty"},
    {"sparse-map", AC_ERR_TOO_LARGE, "a header in it has more than"},
    {"sparse-giant", AC_ERR_TOO_LARGE, "more than"},
    {"bomb", AC_ERR_TOO_LARGE, "200 times"},
    {"not-gzip", AC_ERR_INVALID, NULL},
    {"not-zstd", AC_ERR_INVALID, "layer 1 of 1"},
    {"not-tar", AC_ERR_INVALID, "no whole tar file"},
    {"cut-tar", AC_ERR_INVALID, "no whole tar file"},
    {"foreign", AC_ERR_INVALID, "must be fetched elsewhere"},
    {"nondistributable", AC_ERR_INVALID, "must be fetched elsewhere"},
    {"encrypted", AC_ERR_INVALID, "is encrypted"},
    {"unknown-type", AC_ERR_INVALID, "application/x-cpio"},
    {"no-container", AC_ERR_INVALID, "no container image"},
    {"wrong-diff-id", AC_ERR_INVALID, "than the config says"},
    {"fewer-diff-ids", AC_ERR_INVALID, "has 2 layers, and the config has digests of 1"},
    {"many-layers", AC_ERR_TOO_LARGE, "more than 128 layers"},
    {"no-layers", AC_ERR_INVALID, "no layers"},
    {"env-no-list", AC_ERR_INVALID, "Env of the image's config"},
    {"env-nul", AC_ERR_INVALID, "Env of the image's config"},
    {"cmd-numbers", AC_ERR_INVALID, "Cmd of the image's config"},
    {"bad-digest", AC_ERR_INVALID, "is no digest"},
    {"sha512", AC_ERR_INVALID, "is no digest"},
    {"no-size", AC_ERR_INVALID, "no size"},
    {"wrong-size", AC_ERR_INVALID, "bytes and should have"},
    {"missing-layer", AC_ERR_INVALID, "is missing"},
    {"schema1", AC_ERR_INVALID, "not the manifest"},
    {"manifest-size", AC_ERR_INVALID, "bytes and should have"},
    {"manifest-missing", AC_ERR_INVALID, "is missing"},
    {"docker1", AC_ERR_INVALID, "not the manifest"},
    {"no-json", AC_ERR_INVALID, "is not JSON"},
    {"deep-json", AC_ERR_INVALID, "is not JSON"},
    {"large-json", AC_ERR_TOO_LARGE, "larger than"},
    {"deep-index", AC_ERR_INVALID, "deeper than"},
    {"empty-index", AC_ERR_NOT_FOUND, "no image"},
    {"changed-manifest", AC_ERR_INVALID, "another content"},
    {"changed-layer", AC_ERR_INVALID, NULL},
    {"changed-tar", AC_ERR_INVALID, "another content"},
};

static void check_refused(const char *uri, const refusal *r, const char *before)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    ac_status status;
    artifact a;
    char *after;

    status = get(uri, NULL, &memory, &a);
    if (status != r->status || (r->text && !strstr(err.message, r->text)))
        fail_msg("%s: %s: %s", uri, ac_status_name(status), err.message);
    assert_memory_equal(err.message, uri, strlen(uri));
    after = listing(shop.base);
    if (strcmp(before, after) != 0)
        fail_msg("%s left something behind: %s", uri, after);
    free(after);
}

static void test_refused(void **state)
{
    static const char *const broken[][2] = {{"no-layout", "no oci-layout"},
                                            {"no-index", "no index.json"},
                                            {"version", "of version \"2.0.0\""},
                                            {"index-no-json", "not JSON"},
                                            {"index-fifo", "not a file"}};
    char *before = listing(shop.base), uri[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        snprintf(uri, sizeof uri, "bad:%s", refusals[i].tag);
        check_refused(uri, &refusals[i], before);
    }
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        snprintf(uri, sizeof uri, "broken/%s", broken[i][0]);
        check_refused(uri, &(refusal){.status = AC_ERR_INVALID, .text = broken[i][1]}, before);
    }
    free(before);
}

/* A whiteout whose way leads through a link out of the image removes nothing there. */
static void test_whiteout_behind_link(void **state)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    artifact a;

    (void)state;
    assert_true(run_program("echo here >%s/canary", shop.base));
    require("bad:whiteout-behind-link", &memory, &a);
    assert_string_equal(content(shop.base, "canary"), "here\n");
    artifacts_clear();
}

/* ---- several at once ---- */

typedef struct asker {
    pthread_t thread;
    const char *uri;
    ac_status status;
    char digest[ARTIFACT_DIGEST_SIZE];
} asker;

static void *ask(void *arg)
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    asker *me = arg;
    ac_error why;
    artifact a;

    me->status = artifact_image_get(shop.all, me->uri, NULL, &memory, &a, &why);
    strcpy(me->digest, a.digest);
    return NULL;
}

static void test_together(void **state)
{
    static const char *const uris[] = {"good/layers:v1", "multi:flat", "bad:behind-link-out", "bad:changed-tar"};
    asker askers[12];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(askers); i++) {
        askers[i] = (asker){.uri = uris[i % ARRAY_SIZE(uris)]};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(askers); i++)
        pthread_join(askers[i].thread, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(askers); i++) {
        assert_int_equal(askers[i].status, i % ARRAY_SIZE(uris) < 2 ? AC_OK : AC_ERR_INVALID);
        assert_string_equal(askers[i].digest, askers[i % ARRAY_SIZE(uris)].digest);
    }
    artifacts_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_whiteout_behind_link),
        cmocka_unit_test(test_together),
    };

    return cmocka_run_group_tests(tests, artifacts_set_up, artifacts_tear_down);
}
