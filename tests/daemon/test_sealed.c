/* Sealed texts and lent keys: whole or nothing, for one purpose, until their time, on one store. */
#include "daemon/front/lent_keys.h"
#include "daemon/front/sealed.h"
#include "store_fixture.h"

#include <stdlib.h>
#include <string.h>

#define NOW 1750000000
#define PREFIX "test."

static ac_status open_at(store *s, const char *prefix, const buf *token, int64_t now_s, buf *out)
{
    ac_error err;

    buf_done(out);
    *out = BUF_INIT(SEALED_BYTES_MAX);
    return sealed_open(s, prefix, token->data, token->length, now_s, out, &err);
}

static void what_is_sealed_comes_out_again(void **state)
{
    fixture *f = *state;
    static const size_t lengths[] = {0, 1, 15, 16, 17, 1000, SEALED_BYTES_MAX};
    char *text = malloc(SEALED_BYTES_MAX + 1);
    ac_error err;

    memset(text, 'x', SEALED_BYTES_MAX + 1);
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        _cleanup_(buf_done) buf token = BUF_INIT(65536), out = {0};

        assert_ok(sealed_make(f->s, PREFIX, text, lengths[i], NOW + 1, &token, &err));
        assert_int_equal(open_at(f->s, PREFIX, &token, NOW, &out), AC_OK);
        assert_int_equal(out.length, lengths[i]);
        assert_memory_equal(out.data ? out.data : "", text, lengths[i]);
        assert_int_equal(open_at(f->s, PREFIX, &token, NOW + 1, &out), AC_ERR_UNAUTHORIZED);
        assert_int_equal(open_at(f->s, "other.", &token, NOW, &out), AC_ERR_UNAUTHORIZED);
    }
    _cleanup_(buf_done) buf token = BUF_INIT(65536);
    assert_int_equal(sealed_make(f->s, PREFIX, text, SEALED_BYTES_MAX + 1, NOW, &token, &err), AC_ERR_TOO_LARGE);
    free(text);
}

static void any_change_is_noticed(void **state)
{
    fixture *f = *state;
    _cleanup_(buf_done) buf token = BUF_INIT(4096), out = {0};
    ac_error err;

    assert_ok(sealed_make(f->s, PREFIX, "secret", 6, NOW + 1, &token, &err));
    for (size_t i = 0; i < token.length; i++) {
        token.data[i] ^= 1;
        assert_int_equal(open_at(f->s, PREFIX, &token, NOW, &out), AC_ERR_UNAUTHORIZED);
        token.data[i] ^= 1;
    }
    for (size_t length = 0; length < token.length; length++) {
        const buf cut = {.data = token.data, .length = length};

        assert_int_equal(open_at(f->s, PREFIX, &cut, NOW, &out), AC_ERR_UNAUTHORIZED);
    }
    assert_int_equal(open_at(f->s, PREFIX, &token, NOW, &out), AC_OK);
}

static void lent_keys_are_found_by_their_token(void **state)
{
    fixture *f = *state;
    _cleanup_(lent_key_done) lent_key one = {0}, two = {0};
    _cleanup_(buf_done) buf secret = {.cap = 128, .secret = true};
    char account[KEY_ACCOUNT_SIZE];
    ac_error err;

    assert_ok(lent_key_make(f->s, "123456789012", NOW + 60, &one, &err));
    assert_ok(lent_key_make(f->s, "210987654321", NOW + 60, &two, &err));
    assert_true(lent_key_is(one.access_key, strlen(one.access_key)));
    assert_false(lent_key_is("AKIAIOSFODNN7EXAMPLE", 20));
    assert_string_not_equal(one.secret, two.secret);

    assert_ok(lent_key_find(f->s, one.access_key, 20, one.token.data, one.token.length, NOW, &secret, account, &err));
    assert_string_equal(account, "123456789012");
    assert_int_equal(secret.length, strlen(one.secret));
    assert_memory_equal(secret.data, one.secret, secret.length);

    assert_int_equal(
        lent_key_find(f->s, two.access_key, 20, one.token.data, one.token.length, NOW, &secret, account, &err),
        AC_ERR_UNAUTHORIZED);
    assert_int_equal(
        lent_key_find(f->s, one.access_key, 20, one.token.data, one.token.length, NOW + 60, &secret, account, &err),
        AC_ERR_UNAUTHORIZED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_sealed_comes_out_again, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(any_change_is_noticed, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(lent_keys_are_found_by_their_token, fixture_set_up, fixture_tear_down),
    };

    fixture_require();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
