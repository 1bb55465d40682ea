/* jwt_token.c - a token in JWS compact form (RFC 7515 section 3.1) taken apart: three parts, a header, claims.
 *
 * Nothing is believed yet; but what no good token has is refused before any key is looked for.  The header chooses
 * among the algorithms of a fixed list and may name a key of the provider.  It may not bring a key (jwk, x5c) or say
 * where one is (jku, x5u): such members are passed over, since some providers send them.  Members that change what the
 * signature covers, or demand to be understood, end it. */
#include "daemon/front/jwt_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct part {
    const char *text;
    size_t length;
} part;

static const char *const alg_names[JWT_ALG_COUNT] = {
#define JWT_ALG_NAME_(name, digest) [JWT_##name] = #name,
    JWT_ALG_MAP(JWT_ALG_NAME_)
#undef JWT_ALG_NAME_
};

jwt_alg jwt_alg_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(alg_names); i++)
        if (strcmp(alg_names[i], name) == 0)
            return (jwt_alg)i;
    return JWT_ALG_COUNT;
}

static ac_status malformed(ac_error *err, const char *what)
{
    return ac_error_set(err, AC_ERR_UNAUTHORIZED, "the token is malformed: %s", what);
}

/* Exactly three parts between exactly two dots; whether they are empty, decoding finds out. */
static bool split(const char *text, size_t length, part ret_parts[3])
{
    const char *end = text + length;

    for (size_t i = 0; i < 3; i++) {
        const char *dot = memchr(text, '.', (size_t)(end - text));

        if ((i < 2) != (dot != NULL))
            return false;
        ret_parts[i] = (part){text, (size_t)((dot ? dot : end) - text)};
        text = dot ? dot + 1 : end;
    }
    return true;
}

static ac_status read_part(part from, size_t bytes_max, const char *what, yyjson_doc **ret_doc, ac_error *err)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    ac_error flaw = {0};
    ac_status status = jwt_base64url(from.text, from.length, &bytes, &length);

    if (status == AC_ERR_PROTOCOL)
        return ac_error_set(err, AC_ERR_UNAUTHORIZED, "the token is malformed: %s is not base64url", what);
    if (status == AC_OK && length > bytes_max) {
        free(bytes);
        return ac_error_set(err, AC_ERR_UNAUTHORIZED, "the token is malformed: %s is too long", what);
    }
    if (status == AC_OK)
        status = jwt_json_read((const char *)bytes, length, what, ret_doc, &flaw);
    free(bytes);
    if (status == AC_ERR_PROTOCOL)
        return malformed(err, flaw.message);
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "out of memory");
}

/* RFC 8725 section 3.11: a provider signs other things than access tokens with the same keys, and says so. */
static bool is_good_type(yyjson_val *type)
{
    const char *name = yyjson_get_str(type);

    if (!type)
        return true;
    if (!name)
        return false;
    if (strncasecmp(name, "application/", 12) == 0)
        name += 12;
    return strcasecmp(name, "JWT") == 0 || strcasecmp(name, "at+jwt") == 0;
}

static ac_status read_header(jwt_token *t, ac_error *err)
{
    /* Extensions that must be understood; another payload encoding (RFC 7797); encryption; a nested token. */
    static const char *const unwanted[] = {"crit", "b64", "enc", "zip", "cty"};
    yyjson_val *header = yyjson_doc_get_root(t->header);
    const char *alg = yyjson_get_str(yyjson_obj_get(header, "alg"));
    yyjson_val *kid = yyjson_obj_get(header, "kid");

    for (size_t i = 0; i < ARRAY_SIZE(unwanted); i++)
        if (yyjson_obj_get(header, unwanted[i]))
            return ac_error_set(err, AC_ERR_UNAUTHORIZED, "the token's header has \"%s\", which is not supported",
                                unwanted[i]);
    t->alg = alg ? jwt_alg_find(alg) : JWT_ALG_COUNT;
    if (t->alg == JWT_ALG_COUNT)
        return ac_error_set(err, AC_ERR_UNAUTHORIZED, "the token's algorithm is not accepted");
    if (kid && (!yyjson_is_str(kid) || yyjson_get_len(kid) > JWT_KID_MAX))
        return malformed(err, "its key has no proper name");
    t->kid = yyjson_get_str(kid);
    if (!is_good_type(yyjson_obj_get(header, "typ")))
        return ac_error_set(err, AC_ERR_UNAUTHORIZED, "the token is of another type than an access token");
    return AC_OK;
}

ac_status jwt_token_parse(const char *text, size_t length, jwt_token *ret_token, ac_error *err)
{
    part parts[3];
    ac_status status;

    *ret_token = (jwt_token){.text = text, .length = length, .alg = JWT_ALG_COUNT};
    if (length == 0)
        return malformed(err, "it is empty");
    if (length > JWT_BYTES_MAX)
        return malformed(err, "it is too long");
    if (!split(text, length, parts))
        return malformed(err, "it does not have three parts");
    AC_TRY(read_part(parts[0], JWT_HEADER_BYTES_MAX, "its header", &ret_token->header, err));
    AC_TRY(read_header(ret_token, err));
    AC_TRY(read_part(parts[1], JWT_BYTES_MAX, "its payload", &ret_token->claims, err));

    ret_token->signed_length = (size_t)(parts[2].text - 1 - text);
    status = jwt_base64url(parts[2].text, parts[2].length, &ret_token->signature, &ret_token->signature_length);
    if (status == AC_ERR_PROTOCOL)
        return malformed(err, "its signature is not base64url");
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "out of memory");
}

void jwt_token_done(jwt_token *token)
{
    yyjson_doc_free(token->header);
    yyjson_doc_free(token->claims);
    free(token->signature);
    *token = (jwt_token){0};
}
