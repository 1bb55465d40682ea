/* test_ws_handshake.c - header values of the WebSocket handshake. */
#include "http/ws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NO_CONTEXT "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

static void test_accept_key(void **state)
{
    char accept[WS_ACCEPT_SIZE];

    (void)state;
    assert_int_equal(ws_accept_key("dGhlIHNhbXBsZSBub25jZQ==", accept), AC_OK);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_int_equal(ws_accept_key("dGhlIHNhbXBsZSBub25jZQ=", accept), AC_ERR_INVALID);
}

static void test_key_valid(void **state)
{
    const char *const bad[] = {
        NULL,
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=A",
        "dGhlIHNhbXBsZSBub25j====",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25 ZQ==",
        "dGhlIHNhbXBsZSBub25jZWFi",
        "dGhlIHNhbXBsZSBub25-ZQ==",
    };

    (void)state;
    assert_true(ws_key_valid("dGhlIHNhbXBsZSBub25jZQ=="));
    assert_true(ws_key_valid("+/+/+/+/+/+/+/+/+/+/+w=="));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(ws_key_valid(bad[i]));
}

static void test_make_key(void **state)
{
    char one[WS_KEY_SIZE];
    char two[WS_KEY_SIZE];

    (void)state;
    assert_int_equal(ws_make_key(one), AC_OK);
    assert_int_equal(ws_make_key(two), AC_OK);
    assert_true(ws_key_valid(one));
    assert_string_not_equal(one, two);
}

static void test_header_has_token(void **state)
{
    (void)state;
    assert_true(ws_header_has_token("Upgrade", "upgrade"));
    assert_true(ws_header_has_token("keep-alive,\tUPGRADE ", "upgrade"));
    assert_true(ws_header_has_token(", ,upgrade,x", "upgrade"));
    assert_false(ws_header_has_token("upgraded, x-upgrade, up grade", "upgrade"));
    assert_false(ws_header_has_token("keep-alive", "upgrade"));
    assert_false(ws_header_has_token("", "upgrade"));
    assert_false(ws_header_has_token(" , ", ""));
    assert_false(ws_header_has_token(NULL, "upgrade"));
}

typedef struct offer_case {
    const char *offers;
    const char *response; /* NULL: declined */
    int window_bits;
} offer_case;

static const offer_case offer_cases[] = {
    {"permessage-deflate", NO_CONTEXT, 15},
    {"Permessage-Deflate", NO_CONTEXT, 15},
    {"permessage-deflate; client_max_window_bits", NO_CONTEXT, 15},
    {"permessage-deflate; client_max_window_bits=10", NO_CONTEXT, 15},
    {"permessage-deflate;client_max_window_bits=\"10\"", NO_CONTEXT, 15},
    {"permessage-deflate; client_max_window_bits=\"1\\0\"", NO_CONTEXT, 15},
    {"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
     NO_CONTEXT "; server_max_window_bits=12", 12},
    {"permessage-deflate; server_max_window_bits = 9", NO_CONTEXT "; server_max_window_bits=9", 9},
    {"permessage-deflate; server_max_window_bits=15", NO_CONTEXT "; server_max_window_bits=15", 15},
    {"permessage-deflate; server_no_context_takeover; client_no_context_takeover", NO_CONTEXT, 15},
    {"x-webkit-deflate-frame, permessage-deflate", NO_CONTEXT, 15},
    {"x; a=\"b, permessage-deflate; c\", permessage-deflate; server_max_window_bits=11",
     NO_CONTEXT "; server_max_window_bits=11", 11},
    {"permessage-deflate; server_max_window_bits=8, permessage-deflate", NO_CONTEXT, 15},
    {"permessage-deflate; what, permessage-deflate; server_max_window_bits=10, permessage-deflate",
     NO_CONTEXT "; server_max_window_bits=10", 10},
    {" ,, permessage-deflate ,", NO_CONTEXT, 15},
    {NULL, NULL, 0},
    {"", NULL, 0},
    {"permessage-deflate; server_max_window_bits=8", NULL, 0},
    {"permessage-deflate; server_max_window_bits=16", NULL, 0},
    {"permessage-deflate; server_max_window_bits=09", NULL, 0},
    {"permessage-deflate; server_max_window_bits=1", NULL, 0},
    {"permessage-deflate; server_max_window_bits=100", NULL, 0},
    {"permessage-deflate; server_max_window_bits=", NULL, 0},
    {"permessage-deflate; server_max_window_bits=\"\"", NULL, 0},
    {"permessage-deflate; server_max_window_bits", NULL, 0},
    {"permessage-deflate; client_max_window_bits=7", NULL, 0},
    {"permessage-deflate; client_max_window_bits; client_max_window_bits=10", NULL, 0},
    {"permessage-deflate; server_no_context_takeover=1", NULL, 0},
    {"permessage-deflate; client_no_context_takeover; client_no_context_takeover", NULL, 0},
    {"permessage-deflate; unknown=1", NULL, 0},
    {"permessage-deflate; server_max_window_bits_and_a_name_that_goes_on_and_on=10", NULL, 0},
    {"permessage-deflate-and-a-name-that-goes-on-and-on-and-on", NULL, 0},
    {"permessage-deflate;", NULL, 0},
    {"permessage-deflate; client_max_window_bits=\"10", NULL, 0},
    {"permessage-deflate; x=\"a\\", NULL, 0},
    {"permessage-deflate x", NULL, 0},
    {"permessage-deflate, \"", NULL, 0},
    {"permessage-bzip2", NULL, 0},
};

static void test_negotiate(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(offer_cases); i++) {
        const offer_case *c = &offer_cases[i];
        char response[WS_DEFLATE_RESPONSE_SIZE];
        uint8_t bits = 0;
        bool accepted = ws_deflate_negotiate(c->offers, response, sizeof(response), &bits);

        if (accepted != (c->response != NULL))
            fail_msg("%s: %s", c->offers ? c->offers : "(none)", accepted ? response : "declined");
        if (!accepted)
            continue;
        assert_string_equal(response, c->response);
        assert_int_equal(bits, c->window_bits);
        assert_true(ws_deflate_accepted(response));
    }

    char small[sizeof(NO_CONTEXT) - 1];
    uint8_t bits;
    assert_false(ws_deflate_negotiate("permessage-deflate", small, sizeof(small), &bits));
}

static void test_accepted(void **state)
{
    const char *const good[] = {
        NO_CONTEXT,
        "permessage-deflate;server_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=8",
    };
    const char *const bad[] = {
        NULL,
        "",
        "permessage-deflate",
        "permessage-deflate; client_no_context_takeover",
        NO_CONTEXT "; client_max_window_bits=15",
        NO_CONTEXT "; client_max_window_bits",
        NO_CONTEXT "; server_max_window_bits",
        NO_CONTEXT "; more",
        NO_CONTEXT ";",
        NO_CONTEXT ", x",
        NO_CONTEXT ", " NO_CONTEXT,
        "permessage-foo; server_no_context_takeover",
    };

    (void)state;
    assert_string_equal(WS_DEFLATE_OFFER, NO_CONTEXT);
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(ws_deflate_accepted(good[i]));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(ws_deflate_accepted(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept_key),       cmocka_unit_test(test_key_valid), cmocka_unit_test(test_make_key),
        cmocka_unit_test(test_header_has_token), cmocka_unit_test(test_negotiate), cmocka_unit_test(test_accepted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
