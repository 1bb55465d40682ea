/* What a token says, against the clock and an authorizer; and which published keys are of use.  No network. */
#include "jwt_helpers.h"

#define BASE "\"iss\":\"https://issuer.example\",\"exp\":1700000300"

/* ---- times, issuer, twins ---- */

static ac_status read_claims(const char *text, yyjson_doc **ret_doc)
{
    return jwt_json_read(text, strlen(text), "it", ret_doc, NULL);
}

static ac_status check(const char *text)
{
    yyjson_doc *doc;
    ac_status status = read_claims(text, &doc);

    if (status == AC_OK)
        status = jwt_claims_check(yyjson_doc_get_root(doc), "https://issuer.example", NOW, NULL);
    yyjson_doc_free(doc);
    return status;
}

static void test_times(void **state)
{
    static const char *const good[] = {
        "{" BASE "}",
        "{\"iss\":\"https://issuer.example\",\"exp\":1699999941}",
        "{\"iss\":\"https://issuer.example\",\"exp\":1699999940.5}",
        "{\"iss\":\"https://issuer.example\",\"exp\":1.7e9}",
        "{\"iss\":\"https://issuer.example\",\"exp\":253402300799}",
        "{" BASE ",\"nbf\":1700000060,\"iat\":1700000060}",
        "{" BASE ",\"nbf\":0,\"iat\":0,\"sub\":\"\"}",
    };
    static const char *const bad[] = {
        "{}",
        "{\"exp\":1700000300}",
        "{\"iss\":\"https://issuer.example\"}",
        "{\"iss\":\"https://issuer.example\",\"exp\":1699999940}",
        "{\"iss\":\"https://issuer.example\",\"exp\":0}",
        "{\"iss\":\"https://issuer.example\",\"exp\":-1700000300}",
        "{\"iss\":\"https://issuer.example\",\"exp\":\"1700000300\"}",
        "{\"iss\":\"https://issuer.example\",\"exp\":null}",
        "{\"iss\":\"https://issuer.example\",\"exp\":true}",
        "{\"iss\":\"https://issuer.example\",\"exp\":[1700000300]}",
        "{\"iss\":\"https://issuer.example\",\"exp\":1e300}",
        "{\"iss\":\"https://issuer.example\",\"exp\":18446744073709551615}",
        "{" BASE ",\"nbf\":1700000061}",
        "{" BASE ",\"nbf\":\"0\"}",
        "{" BASE ",\"nbf\":null}",
        "{" BASE ",\"iat\":1700000061}",
        "{" BASE ",\"iat\":-1}",
        "{" BASE ",\"sub\":7}",
        "{\"iss\":\"https://issuer.example/\",\"exp\":1700000300}",
        "{\"iss\":\"https://issuer.exampl\",\"exp\":1700000300}",
        "{\"iss\":[\"https://issuer.example\"],\"exp\":1700000300}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        if (check(good[i]) != AC_OK)
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (check(bad[i]) != AC_ERR_UNAUTHORIZED)
            fail_msg("accepted: %s", bad[i]);
}

static void test_json(void **state)
{
    static const char *const bad[] = {
        "{" BASE ",\"exp\":1}",
        "{" BASE ",\"sub\":\"a\",\"s\\u0075b\":\"b\"}",
        "{" BASE ",\"a\":{\"b\":[{\"c\":1,\"c\":1}]}}",
        "{" BASE ",\"sub\":\"ann\\u0000ie\"}",
        "{" BASE ",\"a\":[\"\\u0000\"]}",
        "{" BASE ",\"a\\u0000\":1}",
        "{" BASE ",\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}",
        "{" BASE ",\"a\":NaN}",
        "{" BASE ",}",
        "{" BASE "",
        "\"text\"",
        "",
    };
    char many[TEXT_MAX] = "{" BASE;
    yyjson_doc *doc;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (read_claims(bad[i], &doc) != AC_ERR_PROTOCOL || doc)
            fail_msg("accepted: %s", bad[i]);
    for (size_t i = 0; i < JWT_MEMBERS_MAX - 2; i++)
        snprintf(many + strlen(many), 16, ",\"%zu\":0", i);
    size_t full = strlen(many);
    strcat(many, "}");
    assert_int_equal(check(many), AC_OK);
    strcpy(many + full, ",\"more\":0}");
    assert_int_equal(check(many), AC_ERR_PROTOCOL);
}

static void test_base64url(void **state)
{
    static const char *const good[][2] = {{"Zg", "f"},
                                          {"Zm8", "fo"},
                                          {"Zm9v", "foo"},
                                          {"Pz8_Pj4-", "??"
                                                       "?>>>"}};
    static const char *const bad[] = {"",      "Z",    "Zg==", "Zg=",  "Zh",    "Zm9",
                                      "Zm9vY", "Pz8/", "Pj4+", "Zm 9", "Zm8\n", "Zm\xC3\xA9"};
    uint8_t *bytes;
    size_t length;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(jwt_base64url(good[i][0], strlen(good[i][0]), &bytes, &length), AC_OK);
        assert_int_equal(length, strlen(good[i][1]));
        assert_memory_equal(bytes, good[i][1], length);
        free(bytes);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(jwt_base64url(bad[i], strlen(bad[i]), &bytes, &length), AC_ERR_PROTOCOL);
}

/* ---- authorizers ---- */

static const char *const wanted[] = {"alpha", "beta"};

static ac_status authorize(const jwt_authorizer *a, const char *text)
{
    yyjson_doc *doc;
    ac_status status;

    assert_int_equal(read_claims(text, &doc), AC_OK);
    status = jwt_claims_authorize(yyjson_doc_get_root(doc), a, NULL);
    yyjson_doc_free(doc);
    return status;
}

static void authorize_all(const jwt_authorizer *a, const char *const *good, const char *const *bad)
{
    for (; *good; good++)
        if (authorize(a, *good) != AC_OK)
            fail_msg("denied: %s", *good);
    for (; *bad; bad++)
        if (authorize(a, *bad) != AC_ERR_DENIED)
            fail_msg("allowed: %s", *bad);
}

static void test_audience(void **state)
{
    (void)state;
    authorize_all(
        &(jwt_authorizer){.audiences = wanted, .audience_count = 2},
        (const char *const[]){"{\"aud\":\"alpha\"}", "{\"aud\":\"beta\"}", "{\"aud\":[\"x\",\"beta\"]}", NULL},
        (const char *const[]){"{}", "{\"aud\":\"Alpha\"}", "{\"aud\":\"alph\"}", "{\"aud\":\"alpha beta\"}",
                              "{\"aud\":[]}", "{\"aud\":[\"x\"]}", "{\"aud\":[\"alpha\",7]}", "{\"aud\":[[\"alpha\"]]}",
                              "{\"aud\":{\"alpha\":1}}", "{\"aud\":null}", NULL});
    authorize_all(&(jwt_authorizer){0}, (const char *const[]){"{}", "{\"aud\":\"x\"}", NULL},
                  (const char *const[]){NULL});
}

static void test_client(void **state)
{
    (void)state;
    authorize_all(&(jwt_authorizer){.clients = wanted, .client_count = 2},
                  (const char *const[]){"{\"client_id\":\"alpha\"}", "{\"azp\":\"beta\"}",
                                        "{\"client_id\":\"beta\",\"azp\":\"x\"}", NULL},
                  (const char *const[]){"{}", "{\"client_id\":\"x\",\"azp\":\"alpha\"}", "{\"client_id\":[\"alpha\"]}",
                                        "{\"client_id\":null,\"azp\":\"alpha\"}", "{\"aud\":\"alpha\"}", NULL});
}

static void test_scope(void **state)
{
    (void)state;
    authorize_all(&(jwt_authorizer){.scopes = wanted, .scope_count = 2},
                  (const char *const[]){"{\"scope\":\"alpha\"}", "{\"scope\":\"x  beta\"}",
                                        "{\"scope\":\"alpha beta\"}", "{\"scp\":[\"x\",\"beta\"]}",
                                        "{\"scp\":\"x alpha \"}", NULL},
                  (const char *const[]){"{}", "{\"scope\":\"\"}", "{\"scope\":\" \"}", "{\"scope\":\"alphabeta\"}",
                                        "{\"scope\":\"alpha,beta\"}", "{\"scope\":\"x\",\"scp\":\"alpha\"}",
                                        "{\"scp\":[\"alpha beta\"]}", "{\"scope\":7}", NULL});
}

static void test_custom_claims(void **state)
{
    jwt_claim_rule rule = {.name = "team", .match = JWT_EQUALS, .values = wanted, .value_count = 1};
    jwt_authorizer a = {.claims = &rule, .claim_count = 1};

    (void)state;
    authorize_all(&a, (const char *const[]){"{\"team\":\"alpha\"}", NULL},
                  (const char *const[]){"{}", "{\"team\":\"beta\"}", "{\"team\":\"alphabet\"}",
                                        "{\"team\":[\"alpha\"]}", "{\"team\":{\"alpha\":1}}", "{\"Team\":\"alpha\"}",
                                        NULL});
    rule =
        (jwt_claim_rule){.name = "team", .is_array = true, .match = JWT_CONTAINS, .values = wanted, .value_count = 1};
    authorize_all(&a, (const char *const[]){"{\"team\":[\"alpha\"]}", "{\"team\":[\"x\",\"alpha\"]}", NULL},
                  (const char *const[]){"{}", "{\"team\":\"alpha\"}", "{\"team\":[]}", "{\"team\":[\"beta\"]}",
                                        "{\"team\":[\"alpha\",1]}", NULL});
    rule.match = JWT_CONTAINS_ANY;
    rule.value_count = 2;
    authorize_all(&a, (const char *const[]){"{\"team\":[\"beta\"]}", "{\"team\":[\"alpha\",\"beta\"]}", NULL},
                  (const char *const[]){"{}", "{\"team\":\"beta\"}", "{\"team\":[\"x\"]}", NULL});
}

static void test_rules(void **state)
{
    const struct {
        jwt_claim_rule rule;
        ac_status status;
    } cases[] = {
        {{"a", false, JWT_EQUALS, wanted, 1}, AC_OK},
        {{"a", true, JWT_CONTAINS, wanted, 1}, AC_OK},
        {{"a", true, JWT_CONTAINS_ANY, wanted, 2}, AC_OK},
        {{"a", true, JWT_CONTAINS_ANY, wanted, 1}, AC_OK},
        {{"a", false, JWT_CONTAINS, wanted, 1}, AC_ERR_INVALID},
        {{"a", false, JWT_CONTAINS_ANY, wanted, 1}, AC_ERR_INVALID},
        {{"a", true, JWT_EQUALS, wanted, 1}, AC_ERR_INVALID},
        {{"a", false, JWT_EQUALS, wanted, 2}, AC_ERR_INVALID},
        {{"a", false, JWT_EQUALS, wanted, 0}, AC_ERR_INVALID},
        {{"a", true, JWT_CONTAINS, wanted, 2}, AC_ERR_INVALID},
        {{"a", true, JWT_CONTAINS_ANY, wanted, 0}, AC_ERR_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(jwt_claims_check_rules(&(jwt_authorizer){.claims = &cases[i].rule, .claim_count = 1}, NULL),
                         cases[i].status);
}

/* ---- keys ---- */

static size_t usable(EVP_PKEY *key, const char *more)
{
    char jwk[TEXT_MAX] = "", keys[TEXT_MAX + 16];
    jwt_key_set *set;
    size_t count;

    add_jwk(jwk, key, more);
    snprintf(keys, sizeof keys, "{\"keys\":[7,%s]}", jwk);
    assert_int_equal(jwt_key_set_new(keys, strlen(keys), "me", &set, NULL), AC_OK);
    count = set->count;
    jwt_key_set_unref(set);
    return count;
}

static void test_keys(void **state)
{
    static const char *const bad[] = {
        "\"use\":\"enc\",",
        "\"use\":7,",
        "\"key_ops\":[\"sign\"],",
        "\"key_ops\":\"verify\",",
        "\"key_ops\":[],",
        "\"alg\":\"HS256\",",
        "\"alg\":\"RSA-OAEP\",",
        "\"alg\":\"none\",",
        "\"alg\":\"ES384\",",
        "\"alg\":256,",
        "\"kid\":1,",
        "\"d\":\"AQAB\",",
    };
    EVP_PKEY *rsa = EVP_RSA_gen(2048), *weak = EVP_RSA_gen(1024), *curve = EVP_EC_gen("P-256"),
             *other = EVP_EC_gen("P-521");

    (void)state;
    assert_int_equal(usable(rsa, ""), 1);
    assert_int_equal(usable(rsa, "\"use\":\"sig\",\"key_ops\":[\"sign\",\"verify\"],\"alg\":\"PS256\","), 1);
    assert_int_equal(usable(curve, "\"alg\":\"ES256\","), 1);
    assert_int_equal(usable(curve, "\"alg\":\"RS256\","), 0);
    assert_int_equal(usable(rsa, "\"alg\":\"ES256\","), 0);
    assert_int_equal(usable(weak, ""), 0);
    assert_int_equal(usable(other, ""), 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (usable(rsa, bad[i]) + usable(curve, bad[i]) != 0)
            fail_msg("used: %s", bad[i]);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(weak);
    EVP_PKEY_free(curve);
    EVP_PKEY_free(other);
}

static void test_damaged_keys(void **state)
{
#define X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    static const char *const none[] = {
        "{\"keys\":[]}",
        "{\"keys\":[null,[],\"x\",{}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" X "\"}]}", /* beside the curve */
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X "\",\"y\":\"" Y "\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X X X X X X X X "\",\"y\":\"" Y Y Y Y Y Y Y Y "\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "=\"}]}",
        "{\"keys\":[{\"kty\":\"ec\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" X "\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\"}]}",
    };
    static const char *const damaged[] = {"",
                                          "{}",
                                          "[]",
                                          "{\"keys\":{}}",
                                          "{\"keys\":[],\"keys\":[]}",
                                          "{\"keys\":[{\"kty\":\"RSA\",\"kty\":\"EC\"}]}",
                                          "<html>"};
    char many[TEXT_MAX] = "{\"keys\":[0";
    jwt_key_set *set;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        assert_int_equal(jwt_key_set_new(none[i], strlen(none[i]), "me", &set, NULL), AC_OK);
        if (set->count != 0)
            fail_msg("used: %s", none[i]);
        jwt_key_set_unref(set);
    }
    for (size_t i = 0; i < ARRAY_SIZE(damaged); i++)
        assert_int_equal(jwt_key_set_new(damaged[i], strlen(damaged[i]), "me", &set, NULL), AC_ERR_PROTOCOL);
    for (size_t i = 0; i < JWT_KEYS_MAX; i++)
        strcat(many, ",0");
    strcat(many, "]}");
    assert_int_equal(jwt_key_set_new(many, strlen(many), "me", &set, NULL), AC_ERR_PROTOCOL);
}

/* Small and even exponents, even and huge moduli. */
static void test_rsa_numbers(void **state)
{
    static const struct {
        int bytes;
        unsigned char last;
        const char *e;
        size_t count;
    } cases[] = {{256, 0xFF, "AQAB", 1}, {256, 0xFF, "Aw", 1},     {256, 0xFF, "AQ", 0},      {256, 0xFF, "AQAA", 0},
                 {256, 0xFE, "AQAB", 0}, {255, 0xFF, "AQAB", 0},   {1024, 0xFF, "AQAB", 1},   {1025, 0xFF, "AQAB", 0},
                 {256, 0xFF, "AA", 0},   {256, 0xFF, "AAEAAQ", 1}, {256, 0xFF, "AQAAAAAB", 0}};
    unsigned char n[1025];
    char text[TEXT_MAX / 4], keys[TEXT_MAX];
    jwt_key_set *set;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        memset(n, 0xFF, sizeof n);
        n[cases[i].bytes - 1] = cases[i].last;
        base64url(n, (size_t)cases[i].bytes, text);
        snprintf(keys, sizeof keys, "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}]}", text, cases[i].e);
        assert_int_equal(jwt_key_set_new(keys, strlen(keys), "me", &set, NULL), AC_OK);
        if (set->count != cases[i].count)
            fail_msg("%d bytes, last %02x, e %s", cases[i].bytes, cases[i].last, cases[i].e);
        jwt_key_set_unref(set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),         cmocka_unit_test(test_json),        cmocka_unit_test(test_base64url),
        cmocka_unit_test(test_audience),      cmocka_unit_test(test_client),      cmocka_unit_test(test_scope),
        cmocka_unit_test(test_custom_claims), cmocka_unit_test(test_rules),       cmocka_unit_test(test_keys),
        cmocka_unit_test(test_damaged_keys),  cmocka_unit_test(test_rsa_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
