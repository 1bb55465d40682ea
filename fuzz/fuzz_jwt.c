/* fuzz_jwt.c - tokens of strangers: taken apart, their keys looked up, their signatures and claims checked.
 *
 * Input is a token as it would come, or, when it begins with '{', a header and claims on a line each, which become one:
 * so the mutations reach the JSON too.  Input is also read as a key set and as a URL.  The keys and the two good tokens
 * are those of RFC 7515, appendixes A.2 and A.3; whatever else passes the signature has been forged. */
#include "daemon/front/jwt_internal.h"

#include <stdlib.h>
#include <string.h>

#define ISSUER "joe"
#define NOW 1300819379
#define TOKEN_BYTES_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char keys[] =
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\""
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZ"
    "S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2"
    "R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcD"
    "TW9gb54h4FRWyuXpoQ\"}]}";
#define PAYLOAD "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
static const char *const good_starts[] = {"eyJhbGciOiJSUzI1NiJ9." PAYLOAD ".", "eyJhbGciOiJFUzI1NiJ9." PAYLOAD "."};

static const char *const names[] = {"alpha", "beta"};
static const jwt_claim_rule rules[] = {
    {"team", false, JWT_EQUALS, names, 1},
    {"groups", true, JWT_CONTAINS_ANY, names, 2},
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool is_genuine(const jwt_token *t)
{
    for (size_t i = 0; i < ARRAY_SIZE(good_starts); i++)
        if (t->length > strlen(good_starts[i]) && memcmp(t->text, good_starts[i], strlen(good_starts[i])) == 0)
            return true;
    return false;
}

static void check_claims(yyjson_val *claims)
{
    const jwt_authorizer authorizers[] = {
        {.audiences = names, .audience_count = 2},
        {.clients = names, .client_count = 2},
        {.scopes = names, .scope_count = 2},
        {.claims = rules, .claim_count = 2},
    };
    ac_error err;
    ac_status status = jwt_claims_check(claims, ISSUER, NOW, &err);

    require(yyjson_is_obj(claims) && (status == AC_OK || status == AC_ERR_UNAUTHORIZED));
    if (status == AC_OK)
        require(yyjson_equals_str(yyjson_obj_get(claims, "iss"), ISSUER) && yyjson_obj_get(claims, "exp"));
    for (size_t i = 0; i < ARRAY_SIZE(authorizers); i++) {
        require(jwt_claims_check_rules(&authorizers[i], NULL) == AC_OK);
        status = jwt_claims_authorize(claims, &authorizers[i], &err);
        require(status == AC_OK || status == AC_ERR_DENIED);
    }
}

static void check_token(const jwt_key_set *set, const char *text, size_t length)
{
    jwt_authorizer anyone = {0};
    jwt_token token;
    ac_error err = {0};
    ac_status status = jwt_token_parse(text, length, &token, &err);

    require(status == AC_OK || (status == AC_ERR_UNAUTHORIZED && err.message[0] != '\0'));
    if (status == AC_OK) {
        const jwt_key *key = jwt_key_set_find(set, token.alg, token.kid);

        require(token.alg < JWT_ALG_COUNT && length <= JWT_BYTES_MAX && token.signature_length > 0);
        if (key)
            require(jwt_token_check(&token, set, key, &anyone, NOW, NULL) != AC_OK || is_genuine(&token));
        check_claims(yyjson_doc_get_root(token.claims));
    }
    jwt_token_done(&token);
}

/* ---- a token of plain JSON ---- */

static void add_base64url(buf *out, const uint8_t *data, size_t size)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (size_t i = 0; i < size; i += 3) {
        uint32_t group = (uint32_t)data[i] << 16;

        group |= i + 1 < size ? (uint32_t)data[i + 1] << 8 : 0;
        group |= i + 2 < size ? data[i + 2] : 0;
        char text[4] = {letters[group >> 18], letters[group >> 12 & 63], letters[group >> 6 & 63], letters[group & 63]};
        require(buf_append(out, text, i + 2 < size ? 4 : size - i + 1) == AC_OK);
    }
}

static void check_plain(const jwt_key_set *set, const uint8_t *data, size_t size)
{
    const uint8_t *line = memchr(data, '\n', size);
    size_t header = line ? (size_t)(line - data) : size, claims = line ? header + 1 : size;
    uint8_t signature[256] = {0};
    buf token = BUF_INIT(4 * TOKEN_BYTES_MAX);

    add_base64url(&token, data, header);
    require(buf_append_text(&token, ".") == AC_OK);
    add_base64url(&token, data + claims, size - claims);
    require(buf_append_text(&token, ".") == AC_OK);
    add_base64url(&token, signature, size % 2 ? 64 : sizeof signature);
    check_token(set, token.data, token.length);
    buf_done(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static jwt_key_set *set;
    jwt_key_set *other;
    char *text;
    bool local;
    ac_status status;

    if (!set)
        require(jwt_key_set_new(keys, strlen(keys), ISSUER, &set, NULL) == AC_OK && set->count == 2);
    if (size > TOKEN_BYTES_MAX)
        return 0;
    text = malloc(size + 1);
    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';

    if (size > 0 && data[0] == '{')
        check_plain(set, data, size);
    else
        check_token(set, (const char *)data, size);
    status = jwt_key_set_new((const char *)data, size, ISSUER, &other, NULL);
    require((status == AC_OK) == (other != NULL) && (status == AC_OK || status == AC_ERR_PROTOCOL));
    jwt_key_set_unref(other);
    if (jwt_url_check(text, false, &local, NULL) == AC_OK)
        require(!local && jwt_url_check(text, true, &local, NULL) == AC_OK && strncmp(text, "https://", 8) == 0);
    free(text);
    return 0;
}
