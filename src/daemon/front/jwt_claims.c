/* jwt_claims.c - what a token says (RFC 7519 section 4.1), against the clock, its provider and the authorizer.
 *
 * Every claim has the type that its definition gives it, or the token is refused: nothing is converted, and a claim
 * that an authorizer asks for and the token lacks is one that does not match.
 *
 * Texts are compared by length and bytes.  None of it is secret: whoever holds the token can read it. */
#include "daemon/front/jwt_internal.h"

#include <string.h>

#define TIME_MAX 253402300799.0 /* the end of the year 9999 */

/* ---- times and issuer ---- */

/* A NumericDate, which may have a fraction. */
static ac_status read_time(yyjson_val *claims, const char *name, double *ret_time, ac_error *err)
{
    yyjson_val *value = yyjson_obj_get(claims, name);

    if (!yyjson_is_num(value))
        return ac_error_set(err, AC_ERR_UNAUTHORIZED, "the token's claim \"%s\" is %s", name,
                            value ? "not a number" : "missing");
    *ret_time = yyjson_get_num(value);
    if (!(*ret_time >= 0 && *ret_time <= TIME_MAX))
        return ac_error_set(err, AC_ERR_UNAUTHORIZED, "the token's claim \"%s\" is not a time", name);
    return AC_OK;
}

ac_status jwt_claims_check(yyjson_val *claims, const char *issuer, int64_t now_s, ac_error *err)
{
    static const char *const begins[] = {"nbf", "iat"};
    yyjson_val *subject = yyjson_obj_get(claims, "sub");
    double now = (double)now_s, time;

    if (!yyjson_equals_str(yyjson_obj_get(claims, "iss"), issuer))
        return ac_error_set(err, AC_ERR_UNAUTHORIZED, "the token is of another issuer");
    AC_TRY(read_time(claims, "exp", &time, err));
    if (now >= time + JWT_SKEW_S)
        return ac_error_set(err, AC_ERR_UNAUTHORIZED, "the token has expired");
    for (size_t i = 0; i < ARRAY_SIZE(begins); i++) {
        if (!yyjson_obj_get(claims, begins[i]))
            continue;
        AC_TRY(read_time(claims, begins[i], &time, err));
        if (time > now + JWT_SKEW_S)
            return ac_error_set(err, AC_ERR_UNAUTHORIZED, "the token is not valid yet");
    }
    if (subject && !yyjson_is_str(subject))
        return ac_error_set(err, AC_ERR_UNAUTHORIZED, "the token's claim \"sub\" is not a string");
    return AC_OK;
}

/* ---- what the authorizer asks for ---- */

static bool is_listed(const char *text, size_t length, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(list[i]) == length && memcmp(list[i], text, length) == 0)
            return true;
    return false;
}

/* Whether value is a string of the list. */
static bool string_matches(yyjson_val *value, const char *const *list, size_t count)
{
    return yyjson_is_str(value) && is_listed(yyjson_get_str(value), yyjson_get_len(value), list, count);
}

/* Whether value is an array of strings only, and one is of the list. */
static bool array_matches(yyjson_val *value, const char *const *list, size_t count)
{
    size_t index, size;
    yyjson_val *member;
    bool found = false;

    yyjson_arr_foreach(value, index, size, member)
    {
        if (!yyjson_is_str(member))
            return false;
        found = found || string_matches(member, list, count);
    }
    return found;
}

/* Whether value is a string of words of which one is of the list. */
static bool words_match(yyjson_val *value, const char *const *list, size_t count)
{
    const char *word = yyjson_get_str(value);

    while (word && *word) {
        size_t length = strcspn(word, " ");

        if (length > 0 && is_listed(word, length, list, count))
            return true;
        word += length + (word[length] == ' ');
    }
    return false;
}

/* RFC 8693 section 4.3 has a string of words; some providers call it scp, and some send an array. */
static bool scope_matches(yyjson_val *claims, const jwt_authorizer *a)
{
    yyjson_val *scope = yyjson_obj_get(claims, "scope");

    if (!scope)
        scope = yyjson_obj_get(claims, "scp");
    return words_match(scope, a->scopes, a->scope_count) || array_matches(scope, a->scopes, a->scope_count);
}

static bool rule_matches(yyjson_val *claims, const jwt_claim_rule *rule)
{
    yyjson_val *value = yyjson_obj_get(claims, rule->name);

    return rule->is_array ? array_matches(value, rule->values, rule->value_count)
                          : string_matches(value, rule->values, rule->value_count);
}

ac_status jwt_claims_authorize(yyjson_val *claims, const jwt_authorizer *a, ac_error *err)
{
    yyjson_val *audience = yyjson_obj_get(claims, "aud");
    yyjson_val *client = yyjson_obj_get(claims, "client_id");

    if (!client)
        client = yyjson_obj_get(claims, "azp");
    if (a->audience_count > 0 && !string_matches(audience, a->audiences, a->audience_count) &&
        !array_matches(audience, a->audiences, a->audience_count))
        return ac_error_set(err, AC_ERR_DENIED, "the token is for another audience");
    if (a->client_count > 0 && !string_matches(client, a->clients, a->client_count))
        return ac_error_set(err, AC_ERR_DENIED, "the token is of a client that is not allowed");
    if (a->scope_count > 0 && !scope_matches(claims, a))
        return ac_error_set(err, AC_ERR_DENIED, "the token has none of the allowed scopes");
    for (size_t i = 0; i < a->claim_count; i++)
        if (!rule_matches(claims, &a->claims[i]))
            return ac_error_set(err, AC_ERR_DENIED, "the token's claim \"%s\" is not what is asked for",
                                a->claims[i].name);
    return AC_OK;
}

ac_status jwt_claims_check_rules(const jwt_authorizer *a, ac_error *err)
{
    for (size_t i = 0; i < a->claim_count; i++) {
        const jwt_claim_rule *rule = &a->claims[i];

        if (rule->is_array == (rule->match == JWT_EQUALS))
            return ac_error_set(err, AC_ERR_INVALID, "claim \"%s\": %s", rule->name,
                                rule->is_array ? "an array is matched by CONTAINS or CONTAINS_ANY"
                                               : "a string is matched by EQUALS");
        if (rule->value_count == 0 || (rule->match != JWT_CONTAINS_ANY && rule->value_count != 1))
            return ac_error_set(err, AC_ERR_INVALID, "claim \"%s\": %s", rule->name,
                                rule->match == JWT_CONTAINS_ANY ? "CONTAINS_ANY needs a list of values"
                                                                : "EQUALS and CONTAINS need exactly one value");
    }
    return AC_OK;
}
