/* Tokens against a provider on this machine: every algorithm, and every way in which a token may be wrong. */
#include "jwt_helpers.h"

#include <openssl/hmac.h>
#include <openssl/pem.h>

#define GOOD "{\"iss\":\"https://issuer.example\",\"sub\":\"ann\",\"exp\":1700000300}"
#define RS_HEADER "{\"alg\":\"RS256\",\"kid\":\"rsa\"}"

static EVP_PKEY *rsa, *p256, *p384, *stranger;
static provider idp;
static jwt_verifier *verifier;
static jwt_authorizer anyone;

static int set_up(void **state)
{
    static char keys[TEXT_MAX];

    (void)state;
    rsa = EVP_RSA_gen(2048);
    stranger = EVP_RSA_gen(2048);
    p256 = EVP_EC_gen("P-256");
    p384 = EVP_EC_gen("P-384");
    add_jwk(keys, rsa, "\"kid\":\"rsa\",");
    add_jwk(keys, p256, "\"kid\":\"p256\",\"use\":\"sig\",");
    add_jwk(keys, p384, "\"kid\":\"p384\",\"alg\":\"ES384\",");
    add_jwk(keys, stranger, "\"kid\":\"only-rs512\",\"alg\":\"RS512\",");
    strcat(keys, ",{\"kty\":\"oct\",\"kid\":\"secret\",\"k\":\"c2VjcmV0\",\"alg\":\"HS256\"}");
    provider_start(&idp);
    provider_publish(&idp, keys);
    verifier = jwt_verifier_new(&(jwt_options){.allow_http = true, .refetch_pause_ms = 3600000});
    anyone = (jwt_authorizer){.discovery_url = idp.url};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    jwt_verifier_free(verifier);
    house_stop(&idp.house);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(stranger);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(p384);
    return 0;
}

/* ---- good ones ---- */

static void test_algorithms(void **state)
{
    static const char *const cases[][2] = {{"RS256", "rsa"}, {"RS384", "rsa"},  {"RS512", "rsa"},
                                           {"PS256", "rsa"}, {"ES256", "p256"}, {"ES384", "p384"}};
    char header[128], bad[TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        EVP_PKEY *key = cases[i][1][0] == 'r' ? rsa : cases[i][1][1] == '2' ? p256 : p384;
        const char *token;

        snprintf(header, sizeof header, "{\"typ\":\"at+jwt\",\"alg\":\"%s\",\"kid\":\"%s\"}", cases[i][0], cases[i][1]);
        token = make_token(key, cases[i][0], header, GOOD);
        assert_int_equal(verify(verifier, &anyone, token, NULL), AC_OK);

        /* One letter of the signature, and of the payload. */
        strcpy(bad, token);
        char *letter = strrchr(bad, '.') + 10;
        *letter = *letter == 'A' ? 'B' : 'A';
        assert_int_equal(verify(verifier, &anyone, bad, NULL), AC_ERR_UNAUTHORIZED);
        strcpy(bad, token);
        letter = strchr(bad, '.') + 12;
        *letter = *letter == 'A' ? 'B' : 'A';
        assert_int_equal(verify(verifier, &anyone, bad, NULL), AC_ERR_UNAUTHORIZED);
        /* Without its end; four letters are three bytes. */
        strcpy(bad, token);
        bad[strlen(bad) - 4] = '\0';
        assert_int_equal(verify(verifier, &anyone, bad, NULL), AC_ERR_UNAUTHORIZED);
        /* And with a bit more. */
        snprintf(bad, sizeof bad, "%sAAAA", token);
        assert_int_equal(verify(verifier, &anyone, bad, NULL), AC_ERR_UNAUTHORIZED);
    }
}

static void test_claims_come_back(void **state)
{
    const char *token = make_token(rsa, "RS256", RS_HEADER, GOOD);
    jwt_claims *claims;
    ac_error err;

    (void)state;
    assert_int_equal(jwt_verify(verifier, &anyone, token, strlen(token), NOW, &claims, &err), AC_OK);
    assert_string_equal(jwt_claims_subject(claims), "ann");
    assert_string_equal(jwt_claims_issuer(claims), "https://issuer.example");
    assert_int_equal(ac_json_int(jwt_claims_json(claims), "exp", 0), 1700000300);
    jwt_claims_free(claims);
}

/* RFC 7515, appendixes A.2 and A.3. */
static void test_rfc_vectors(void **state)
{
    static const char keys[] =
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\""
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZ"
        "S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2"
        "R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcD"
        "TW9gb54h4FRWyuXpoQ\"}]}";
    static const char *const tokens[] = {
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
        "cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJd"
        "bF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eS"
        "N9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5"
        "AXLIhWkWywlVmtVrBp0igc"
        "N_IoypGlUPQGe77Rw",
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
        "cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    };
    jwt_key_set *set;

    (void)state;
    assert_int_equal(jwt_key_set_new(keys, strlen(keys), "joe", &set, NULL), AC_OK);
    assert_int_equal(set->count, 2);
    for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
        jwt_token token;

        assert_int_equal(jwt_token_parse(tokens[i], strlen(tokens[i]), &token, NULL), AC_OK);
        const jwt_key *key = jwt_key_set_find(set, token.alg, token.kid);
        assert_non_null(key);
        assert_int_equal(jwt_token_check(&token, set, key, &anyone, 1300819379, NULL), AC_OK);
        assert_int_equal(jwt_token_check(&token, set, key, &anyone, 1300819380 + JWT_SKEW_S, NULL),
                         AC_ERR_UNAUTHORIZED);
        jwt_token_done(&token);
    }
    jwt_key_set_unref(set);
}

/* ---- confused keys ---- */

static const char *hmac_token(const char *header, const void *secret, size_t length)
{
    static char token[TEXT_MAX];
    unsigned char tag[EVP_MAX_MD_SIZE];
    unsigned tag_length;

    base64url(header, strlen(header), token);
    strcat(token, ".");
    base64url(GOOD, strlen(GOOD), token + strlen(token));
    HMAC(EVP_sha256(), secret, (int)length, (unsigned char *)token, strlen(token), tag, &tag_length);
    strcat(token, ".");
    base64url(tag, tag_length, token + strlen(token));
    return token;
}

static void test_key_confusion(void **state)
{
    BIO *pem = BIO_new(BIO_s_mem());
    char *text;
    long length;

    (void)state;
    PEM_write_bio_PUBKEY(pem, rsa);
    length = BIO_get_mem_data(pem, &text);
    assert_int_equal(
        verify(verifier, &anyone, hmac_token("{\"alg\":\"HS256\",\"kid\":\"rsa\"}", text, (size_t)length), NULL),
        AC_ERR_UNAUTHORIZED);
    BIO_free(pem);
    assert_int_equal(verify(verifier, &anyone, hmac_token("{\"alg\":\"HS256\",\"kid\":\"secret\"}", "secret", 6), NULL),
                     AC_ERR_UNAUTHORIZED);
    assert_int_equal(verify(verifier, &anyone, hmac_token("{\"alg\":\"RS256\",\"kid\":\"secret\"}", "secret", 6), NULL),
                     AC_ERR_UNAUTHORIZED);
}

static void test_wrong_key(void **state)
{
    const struct {
        EVP_PKEY *key;
        const char *alg, *header;
    } cases[] = {
        {p256, "ES256", "{\"alg\":\"ES256\",\"kid\":\"rsa\"}"},
        {rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"p256\"}"},
        {p256, "ES256", "{\"alg\":\"ES384\",\"kid\":\"p256\"}"},
        {p256, "ES384", "{\"alg\":\"ES384\",\"kid\":\"p256\"}"},
        {p384, "ES256", "{\"alg\":\"ES256\",\"kid\":\"p384\"}"},
        {rsa, "PS256", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}"},
        {rsa, "RS256", "{\"alg\":\"PS256\",\"kid\":\"rsa\"}"},
        {rsa, "RS256", "{\"alg\":\"RS512\",\"kid\":\"rsa\"}"},
        {stranger, "RS256", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}"},
        {stranger, "RS256", "{\"alg\":\"RS256\",\"kid\":\"only-rs512\"}"},
        {stranger, "RS256", "{\"alg\":\"RS256\"}"},
        {rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"\"}"},
        {rsa, "RS512", "{\"alg\":\"RS512\"}"}, /* two could be meant */
        {stranger, "RS512", "{\"alg\":\"RS512\"}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (verify(verifier, &anyone, make_token(cases[i].key, cases[i].alg, cases[i].header, GOOD), NULL) !=
            AC_ERR_UNAUTHORIZED)
            fail_msg("%s signed as %s", cases[i].header, cases[i].alg);
    /* Without a name where only one can be meant. */
    assert_int_equal(verify(verifier, &anyone, make_token(rsa, "RS256", "{\"alg\":\"RS256\"}", GOOD), NULL), AC_OK);
    assert_int_equal(verify(verifier, &anyone,
                            make_token(stranger, "RS512", "{\"alg\":\"RS512\",\"kid\":\"only-rs512\"}", GOOD), NULL),
                     AC_OK);
}

/* RFC 7518 section 3.5 leaves no choice of salt. */
static void test_pss_salt(void **state)
{
    static const char header[] = "{\"alg\":\"PS256\",\"kid\":\"rsa\"}";

    (void)state;
    pss_salt_bytes = 20;
    assert_int_equal(verify(verifier, &anyone, make_token(rsa, "PS256", header, GOOD), NULL), AC_ERR_UNAUTHORIZED);
    pss_salt_bytes = RSA_PSS_SALTLEN_DIGEST;
    assert_int_equal(verify(verifier, &anyone, make_token(rsa, "PS256", header, GOOD), NULL), AC_OK);
}

/* ---- headers and shapes ---- */

static void test_headers(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",
        "{\"alg\":\"None\",\"kid\":\"rsa\"}",
        "{\"alg\":\"rs256\",\"kid\":\"rsa\"}",
        "{\"alg\":\"PS512\",\"kid\":\"rsa\"}",
        "{\"alg\":\"ES512\",\"kid\":\"rsa\"}",
        "{\"alg\":\"EdDSA\",\"kid\":\"rsa\"}",
        "{\"alg\":[\"RS256\"],\"kid\":\"rsa\"}",
        "{\"alg\":null,\"kid\":\"rsa\"}",
        "{\"kid\":\"rsa\"}",
        "{\"alg\":\"RS256\",\"alg\":\"none\",\"kid\":\"rsa\"}",
        "{\"alg\":\"RS256\",\"\\u0061lg\":\"RS256\",\"kid\":\"rsa\"}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"kid\":\"rsa\"}",
        "{\"alg\":\"RS256\",\"kid\":7}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\\u0000\"}",
        "{\"alg\":\"RS256\\u0000\",\"kid\":\"rsa\"}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"exp\"],\"exp\":1}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[]}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"b64\":false}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"b64\":true}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"cty\":\"JWT\"}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"zip\":\"DEF\"}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"enc\":\"A128GCM\"}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"logout+jwt\"}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":1}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\"} x",
        "\xEF\xBB\xBF{\"alg\":\"RS256\",\"kid\":\"rsa\"}",
        "{\"alg\":\"RS256\",\"kid\":\"\xFF\"}",
        "[\"RS256\"]",
        "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]",
        " ",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
        if (verify(verifier, &anyone, make_token(rsa, "RS256", headers[i], GOOD), NULL) != AC_ERR_UNAUTHORIZED)
            fail_msg("%s", headers[i]);
    /* Keys that come with the token are passed over. */
    assert_int_equal(
        verify(verifier, &anyone,
               make_token(rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jku\":\"http://a.example\"}", GOOD),
               NULL),
        AC_OK);
}

static void test_shapes(void **state)
{
    char good[TEXT_MAX], bad[2 * TEXT_MAX], *dot;

    (void)state;
    strcpy(good, make_token(rsa, "RS256", RS_HEADER, GOOD));
    dot = strrchr(good, '.');
    for (size_t cut = 0; cut < strlen(good); cut++) {
        memcpy(bad, good, cut);
        bad[cut] = '\0';
        assert_int_equal(verify(verifier, &anyone, bad, NULL), AC_ERR_UNAUTHORIZED);
    }
    static const char *const around[] = {"%s.", ".%s", "%s=", " %s", "%s ", "%s\n", "%s.AAAA", "%s+", "%s/"};
    for (size_t i = 0; i < ARRAY_SIZE(around); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(bad, sizeof bad, around[i], good);
#pragma GCC diagnostic pop
        assert_int_equal(verify(verifier, &anyone, bad, NULL), AC_ERR_UNAUTHORIZED);
    }
    /* 256 bytes leave four bits over in the last letter: one value, sixteen texts, of which one is right. */
    strcpy(bad, good);
    bad[strlen(bad) - 1]++;
    assert_int_equal(verify(verifier, &anyone, bad, NULL), AC_ERR_UNAUTHORIZED);
    snprintf(bad, sizeof bad, "%.*s.", (int)(dot - good), good);
    assert_int_equal(verify(verifier, &anyone, bad, NULL), AC_ERR_UNAUTHORIZED);

    memset(bad, 'A', JWT_BYTES_MAX + 1);
    bad[JWT_BYTES_MAX + 1] = '\0';
    assert_int_equal(verify(verifier, &anyone, bad, NULL), AC_ERR_UNAUTHORIZED);
    memset(bad, '.', JWT_BYTES_MAX);
    bad[JWT_BYTES_MAX] = '\0';
    assert_int_equal(verify(verifier, &anyone, bad, NULL), AC_ERR_UNAUTHORIZED);
}

/* Nothing of a token is in a message, and nothing of it is fetched for. */
static void test_messages(void **state)
{
    ac_error err;
    unsigned fetches = provider_fetches(&idp);

    (void)state;
    verify(verifier, &anyone, make_token(rsa, "RS256", "{\"alg\":\"hush\",\"kid\":\"hush\"}", GOOD), &err);
    assert_null(strstr(err.message, "hush"));
    verify(verifier, &anyone, make_token(rsa, "RS256", RS_HEADER, "{\"iss\":\"hush\",\"exp\":1}"), &err);
    assert_null(strstr(err.message, "hush"));
    verify(verifier, &anyone, "hush.hush.hush", &err);
    assert_null(strstr(err.message, "hush"));
    assert_int_equal(provider_fetches(&idp), fetches);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_algorithms),  cmocka_unit_test(test_claims_come_back),
        cmocka_unit_test(test_rfc_vectors), cmocka_unit_test(test_key_confusion),
        cmocka_unit_test(test_wrong_key),   cmocka_unit_test(test_headers),
        cmocka_unit_test(test_pss_salt),    cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_messages),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
