/* credentials_json.c - keys as JSON, which processes, endpoints and SSO give with different names for the members. */
#include "aws/credentials_internal.h"

#include "base/json.h"

#include <string.h>

#define DEPTH_MAX 16

/* ---- dates ---- */

static bool number(const char **at, size_t digits, int *ret)
{
    int value = 0;

    for (size_t i = 0; i < digits; i++) {
        if ((*at)[i] < '0' || (*at)[i] > '9')
            return false;
        value = value * 10 + ((*at)[i] - '0');
    }
    *at += digits;
    *ret = value;
    return true;
}

static bool separator(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

/* Days since 1970-01-01 in the Gregorian calendar; years begin in March, so that the leap day is the last. */
static int64_t days_since_epoch(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* "Z", "+hh:mm", "+hhmm", "UTC" (as the SSO cache writes it) or nothing. */
static bool offset_minutes(const char *at, int *ret)
{
    int hours, minutes;
    bool negative = *at == '-';

    *ret = 0;
    if (strcmp(at, "Z") == 0 || strcmp(at, "z") == 0 || strcmp(at, "UTC") == 0 || *at == '\0')
        return true;
    if (*at != '+' && *at != '-')
        return false;
    at++;
    if (!number(&at, 2, &hours))
        return false;
    if (*at == ':')
        at++;
    if (!number(&at, 2, &minutes) || *at != '\0' || hours > 23 || minutes > 59)
        return false;
    *ret = (hours * 60 + minutes) * (negative ? -1 : 1);
    return true;
}

bool parse_expiration(const char *text, int64_t *ret_ms)
{
    int year, month, day, hour, minute, second, milliseconds = 0, offset;

    if (!number(&text, 4, &year) || !separator(&text, '-') || !number(&text, 2, &month) || !separator(&text, '-') ||
        !number(&text, 2, &day) || (!separator(&text, 'T') && !separator(&text, ' ')) || !number(&text, 2, &hour) ||
        !separator(&text, ':') || !number(&text, 2, &minute) || !separator(&text, ':') || !number(&text, 2, &second))
        return false;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
        return false;
    if (*text == '.' || *text == ',') {
        int scale = 100;
        for (text++; *text >= '0' && *text <= '9'; text++, scale /= 10)
            milliseconds += (*text - '0') * scale;
    }
    if (!offset_minutes(text, &offset))
        return false;
    *ret_ms = ((days_since_epoch(year, month, day) * 24 + hour) * 60 + minute - offset) * 60000 + second * 1000 +
              milliseconds;
    return true;
}

/* ---- objects ---- */

static ac_status missing(const char *source, const char *name, ac_error *err)
{
    return ac_error_set(err, AC_ERR_PROTOCOL, "the credentials from %s have no %s", source, name);
}

static ac_status read_expiration(yyjson_val *object, const json_names *names, const char *source, int64_t *ret_ms,
                                 ac_error *err)
{
    yyjson_val *value = yyjson_obj_get(object, names->expiration);

    *ret_ms = AWS_NEVER_EXPIRES;
    if (!value || yyjson_is_null(value))
        return names->expiring ? missing(source, names->expiration, err) : AC_OK;
    if (names->expiration_ms && yyjson_is_uint(value) && yyjson_get_uint(value) < INT64_MAX / 2) {
        *ret_ms = (int64_t)yyjson_get_uint(value);
        return AC_OK;
    }
    if (!yyjson_is_str(value) || !parse_expiration(yyjson_get_str(value), ret_ms))
        return ac_error_set(err, AC_ERR_PROTOCOL, "the credentials from %s have a malformed %s", source,
                            names->expiration);
    return AC_OK;
}

static ac_status read_object(yyjson_val *object, const json_names *names, const char *source, aws_credentials **ret,
                             ac_error *err)
{
    aws_credentials parts = {.source = source};

    if (names->object)
        object = yyjson_obj_get(object, names->object);
    if (names->version && ac_json_int(object, "Version", 0) != names->version)
        return ac_error_set(err, AC_ERR_PROTOCOL, "the credentials from %s do not have Version %d", source,
                            names->version);
    parts.access_key = ac_json_string(object, names->access_key, NULL);
    parts.secret_key = ac_json_string(object, names->secret_key, NULL);
    parts.session_token = ac_json_string(object, names->token, NULL);
    parts.account_id = names->account ? ac_json_string(object, names->account, NULL) : NULL;
    if (!parts.access_key || parts.access_key[0] == '\0')
        return missing(source, names->access_key, err);
    if (!parts.secret_key || parts.secret_key[0] == '\0')
        return missing(source, names->secret_key, err);
    if (names->expiring && !parts.session_token)
        return missing(source, names->token, err);
    AC_TRY(read_expiration(object, names, source, &parts.expires_ms, err));
    *ret = aws_credentials_new(&parts);
    return *ret ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "no memory for credentials");
}

ac_status credentials_from_json(buf *text, const json_names *names, const char *source, aws_credentials **ret,
                                ac_error *err)
{
    yyjson_doc *doc = NULL;
    ac_status status;

    text->secret = true;
    text->cap += JSON_PADDING;
    if (buf_reserve(text, JSON_PADDING) != AC_OK)
        return ac_error_set(err, AC_ERR_NOMEM, "no memory for credentials");
    if (json_read_in_place(text->data, text->length, DEPTH_MAX, &doc, NULL, NULL) != AC_OK)
        return ac_error_set(err, AC_ERR_PROTOCOL, "the credentials from %s are not JSON", source);
    status = read_object(yyjson_doc_get_root(doc), names, source, ret, err);
    yyjson_doc_free(doc);
    return status;
}
