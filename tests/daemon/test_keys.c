/* test_keys.c - access keys: the file, what is refused in it, and changes while it is open. */
#include "daemon/front/keys_internal.h"

#include <agentcore/log.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ACCOUNT "123456789012"

static char folder[64];
static char path[PATH_MAX];
static ac_error err;

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/agentcored-keys-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/%s", folder, KEYS_FILE);
    ac_log_set_level(AC_LOG_OFF);
    return 0;
}

static int tear_down(void **state)
{
    char lock[PATH_MAX];

    (void)state;
    snprintf(lock, sizeof lock, "%s/credentials.lock", folder);
    unlink(path);
    unlink(lock);
    return rmdir(folder); /* fails when a temporary file was left behind */
}

static void write_file(const char *text, mode_t mode)
{
    char temporary[PATH_MAX + 8];
    FILE *file;

    snprintf(temporary, sizeof temporary, "%s.test", path);
    file = fopen(temporary, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(temporary, mode), 0);
    assert_int_equal(rename(temporary, path), 0);
}

static ac_status find(keys *k, const char *id, char secret[KEY_SECRET_MAX + 1], char account[KEY_ACCOUNT_SIZE],
                      char token[64])
{
    buf found = {.cap = 4096, .secret = true}, has_token = {.cap = 4096, .secret = true};
    ac_status status = keys_find(k, id, strlen(id), &found, &has_token, account, &err);

    if (status == AC_OK) {
        snprintf(secret, KEY_SECRET_MAX + 1, "%s", buf_terminate(&found));
        snprintf(token, 64, "%s", buf_terminate(&has_token));
    }
    buf_done(&found);
    buf_done(&has_token);
    return status;
}

static ac_status look(keys *k, const char *id)
{
    char secret[KEY_SECRET_MAX + 1], account[KEY_ACCOUNT_SIZE], token[64];

    return find(k, id, secret, account, token);
}

typedef struct collected {
    unsigned count;
    char first[KEY_ID_MAX + 1];
    char last[KEY_ID_MAX + 1];
} collected;

static void collect(const char *access_key, const char *account, int64_t created_ms, void *user)
{
    collected *c = user;

    assert_int_equal(strlen(account), 12);
    assert_true(created_ms > 0);
    if (c->count++ == 0)
        snprintf(c->first, sizeof c->first, "%s", access_key);
    snprintf(c->last, sizeof c->last, "%s", access_key);
}

static void test_first_pair(void **state)
{
    char secret[KEY_SECRET_MAX + 1], again[KEY_SECRET_MAX + 1], account[KEY_ACCOUNT_SIZE], token[64];
    collected c = {0};
    struct stat info;
    keys *k;

    (void)state;
    assert_int_equal(keys_open(folder, ACCOUNT, &k, &err), AC_OK);
    keys_each(k, collect, &c);
    assert_int_equal(c.count, 1);
    assert_int_equal(strlen(c.first), 20);
    assert_memory_equal(c.first, "AKIA", 4);
    assert_int_equal(strspn(c.first, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 20);
    assert_int_equal(find(k, c.first, secret, account, token), AC_OK);
    assert_int_equal(strlen(secret), 40);
    assert_string_equal(account, ACCOUNT);
    assert_string_equal(token, "");
    keys_close(k);

    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(keys_open(folder, "999999999999", &k, &err), AC_OK);
    assert_int_equal(find(k, c.first, again, account, token), AC_OK);
    assert_string_equal(again, secret);
    assert_string_equal(account, ACCOUNT);
    keys_close(k);
}

static void test_add_and_remove(void **state)
{
    char secret[KEY_SECRET_MAX + 1], account[KEY_ACCOUNT_SIZE], token[64], *id;
    collected c = {0};
    keys *k, *other;

    (void)state;
    assert_int_equal(keys_open(folder, ACCOUNT, &k, &err), AC_OK);
    assert_int_equal(keys_open(folder, ACCOUNT, &other, &err), AC_OK);
    assert_int_equal(keys_add(other, "MINE", "my \"secret", "999999999999", &id, &err), AC_ERR_INVALID);
    assert_int_equal(keys_add(other, "MINE", "my\"\\secret", "999999999999", &id, &err), AC_OK);
    assert_string_equal(id, "MINE");
    free(id);

    /* Known to the one that did not add it with the first look. */
    assert_int_equal(find(k, "MINE", secret, account, token), AC_OK);
    assert_string_equal(secret, "my\"\\secret");
    assert_string_equal(account, "999999999999");
    assert_int_equal(keys_add(k, "MINE", NULL, ACCOUNT, &id, &err), AC_ERR_CONFLICT);
    assert_int_equal(keys_add(k, NULL, NULL, ACCOUNT, &id, &err), AC_OK);
    keys_each(k, collect, &c);
    assert_int_equal(c.count, 3);
    assert_string_equal(c.last, id);
    free(id);

    /* k adds to what other has done, and the other way round. */
    assert_int_equal(keys_remove(other, "MINE", &err), AC_OK);
    assert_int_equal(keys_remove(k, "MINE", &err), AC_ERR_NOT_FOUND);
    assert_int_equal(keys_remove(k, c.first, &err), AC_OK);
    assert_int_equal(keys_remove(k, c.last, &err), AC_ERR_STATE);
    assert_int_equal(look(k, c.last), AC_OK);
    assert_int_equal(look(k, c.first), AC_ERR_NOT_FOUND);
    keys_close(k);
    keys_close(other);
}

static void test_wrong_additions(void **state)
{
    char long_id[KEY_ID_MAX + 2];
    char *id = NULL;
    keys *k;

    (void)state;
    memset(long_id, 'A', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    assert_int_equal(keys_open(folder, ACCOUNT, &k, &err), AC_OK);
    assert_int_equal(keys_add(k, long_id, NULL, ACCOUNT, &id, &err), AC_ERR_INVALID);
    assert_int_equal(keys_add(k, "A/B", NULL, ACCOUNT, &id, &err), AC_ERR_INVALID);
    assert_int_equal(keys_add(k, "", NULL, ACCOUNT, &id, &err), AC_ERR_INVALID);
    assert_int_equal(keys_add(k, "GOOD", "short", ACCOUNT, &id, &err), AC_ERR_INVALID);
    assert_int_equal(keys_add(k, "GOOD", NULL, "1234", &id, &err), AC_ERR_INVALID);
    assert_null(id);
    keys_close(k);
}

static void test_readable_by_others(void **state)
{
    keys *k;

    (void)state;
    write_file("{\"keys\": [{\"accessKeyId\": \"ONE\", \"secretAccessKey\": \"secret-1\", \"account\": \"" ACCOUNT
               "\"}]}",
               0640);
    assert_int_equal(keys_open(folder, ACCOUNT, &k, &err), AC_ERR_DENIED);
    assert_non_null(strstr(err.message, "chmod 600"));
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(keys_open(folder, ACCOUNT, &k, &err), AC_OK);
    keys_close(k);
}

static void refuse_text(const char *text, const char *words)
{
    keys *k;

    write_file(text, 0600);
    if (keys_open(folder, ACCOUNT, &k, &err) != AC_ERR_INVALID)
        fail_msg("accepted: %s", text);
    if (!strstr(err.message, words))
        fail_msg("\"%s\" does not say \"%s\"", err.message, words);
    assert_null(strstr(err.message, "hush"));
}

#define ONE "{\"accessKeyId\": \"ONE\", \"secretAccessKey\": \"hush-hush\", \"account\": \"" ACCOUNT "\"}"

static void test_wrong_files(void **state)
{
    (void)state;
    refuse_text("", "empty");
    refuse_text("{\n\"keys\": [\n\"hush", "credentials.json:3: not JSON");
    refuse_text("[]", "must be {\"keys\"");
    refuse_text("{\"keys\": []}", "1 to 1000");
    refuse_text("{\"keys\": [1]}", "keys[0]: must be an object");
    refuse_text("{\"keys\": [" ONE "], \"x\": 1}", "must be {\"keys\"");
    refuse_text("{\"keys\": [" ONE ", " ONE "]}", "keys[1].accessKeyId: is there twice");
    refuse_text("{\"keys\": [" ONE ", {}]}", "keys[1]: needs accessKeyId");
    refuse_text("{\"keys\": [{\"accessKeyId\": 1}]}", "keys[0].accessKeyId: must be a string");
    refuse_text("{\"keys\": [{\"secretAccessKey\": \"hush\"}]}", "keys[0].secretAccessKey: has a wrong length");
    refuse_text("{\"keys\": [{\"secretAccessKey\": \"hush\\u0000hush\"}]}",
                "keys[0].secretAccessKey: has a wrong length");
    refuse_text("{\"keys\": [{\"hush\": 1}]}", "has a member other than");
    refuse_text(
        "{\"keys\": [{\"account\": \"12345678901x\", \"accessKeyId\": \"ONE\", \"secretAccessKey\": \"hush hush\"}]}",
        "keys[0].secretAccessKey: a secret consists of");
    refuse_text(
        "{\"keys\": [{\"account\": \"12345678901x\", \"accessKeyId\": \"ONE\", \"secretAccessKey\": \"hush-hush\"}]}",
        "keys[0].account: an account is 12 digits");
    refuse_text("{\"keys\": [{\"account\": \"" ACCOUNT "\", \"account\": \"" ACCOUNT "\"}]}", "has a member twice");
    refuse_text("{\"keys\": [{\"createdAt\": \"yesterday\"}]}", "keys[0].createdAt: must be a time");
    refuse_text("{\"keys\": [{\"createdAt\": \"2026-13-01T00:00:00Z\"}]}", "keys[0].createdAt: must be a time");
    refuse_text("{\"keys\": [{\"sessionToken\": \"a b\"}]}", "keys[0].sessionToken");
}

static void test_session_token(void **state)
{
    char secret[KEY_SECRET_MAX + 1], account[KEY_ACCOUNT_SIZE], token[64], *id;
    keys *k;

    (void)state;
    write_file("{\"keys\": [{\"accessKeyId\": \"ASIA1\", \"secretAccessKey\": \"secret-1\", \"account\": \"" ACCOUNT
               "\", \"sessionToken\": \"tok/en==\", \"createdAt\": \"2026-01-31T12:00:00.250Z\"}]}",
               0600);
    assert_int_equal(keys_open(folder, ACCOUNT, &k, &err), AC_OK);
    assert_int_equal(keys_add(k, NULL, NULL, ACCOUNT, &id, &err), AC_OK); /* writes the first one anew */
    free(id);
    keys_close(k);
    assert_int_equal(keys_open(folder, ACCOUNT, &k, &err), AC_OK);
    assert_int_equal(find(k, "ASIA1", secret, account, token), AC_OK);
    assert_string_equal(token, "tok/en==");
    keys_close(k);
}

/* A key that is not known makes the file be read at once; a file that went bad leaves the keys as they were. */
static void test_following_the_file(void **state)
{
    keys *k;

    (void)state;
    write_file("{\"keys\": [" ONE "]}", 0600);
    assert_int_equal(keys_open(folder, ACCOUNT, &k, &err), AC_OK);
    write_file("{\"keys\": [{\"accessKeyId\": \"TWO\", \"secretAccessKey\": \"secret-2\", \"account\": \"" ACCOUNT
               "\"}]}",
               0600);
    assert_int_equal(look(k, "TWO"), AC_OK);
    assert_int_equal(look(k, "ONE"), AC_ERR_NOT_FOUND);
    write_file("{broken", 0600);
    assert_int_equal(look(k, "THREE"), AC_ERR_NOT_FOUND);
    assert_int_equal(look(k, "TWO"), AC_OK);
    write_file("{\"keys\": [" ONE "]}", 0644); /* others may read it */
    assert_int_equal(look(k, "ONE"), AC_ERR_NOT_FOUND);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(look(k, "ONE"), AC_OK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(look(k, "THREE"), AC_ERR_NOT_FOUND);
    assert_int_equal(look(k, "ONE"), AC_OK);
    keys_close(k);
}

static void *add_some(void *arg)
{
    for (int i = 0; i < 10; i++) {
        keys *k;
        char *id;

        if (keys_open(arg, ACCOUNT, &k, NULL) != AC_OK || keys_add(k, NULL, NULL, ACCOUNT, &id, NULL) != AC_OK)
            return arg;
        free(id);
        keys_close(k);
    }
    return NULL;
}

static void test_writers_side_by_side(void **state)
{
    pthread_t threads[4];
    collected c = {0};
    void *result;
    keys *k;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_some, folder), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        pthread_join(threads[i], &result);
        assert_null(result);
    }
    assert_int_equal(keys_open(folder, ACCOUNT, &k, &err), AC_OK);
    keys_each(k, collect, &c);
    assert_int_equal(c.count, 41);
    keys_close(k);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_first_pair),         TEST(test_add_and_remove),       TEST(test_wrong_additions),
        TEST(test_readable_by_others), TEST(test_wrong_files),          TEST(test_session_token),
        TEST(test_following_the_file), TEST(test_writers_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
