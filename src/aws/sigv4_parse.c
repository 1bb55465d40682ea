/* sigv4_parse.c - taking apart what a request says about its signature: the Authorization header, or the X-Amz-*
 * parameters of a presigned query.
 *
 * Strict: each part once, nothing unknown, exact lengths.  A query's values are decoded into one buffer that is as
 * large as the query, so it never moves and views into it stay good. */
#include "aws/sigv4_internal.h"
#include "aws/uri.h"

#include <strings.h>

static const http_header *find_header(const sigv4_request *r, const char *name, size_t *ret_count)
{
    const http_header *found = NULL;
    view wanted = view_of(name);

    *ret_count = 0;
    for (size_t i = 0; i < r->header_count; i++)
        if (sigv4_name_compare((view){r->headers[i].name, r->headers[i].name_length}, wanted) == 0) {
            if (!found)
                found = &r->headers[i];
            ++*ret_count;
        }
    return found;
}

static view query_view(const sigv4_request *r)
{
    return view_of(r->query ? r->query : "");
}

bool sigv4_query_has(view query, const char *name)
{
    view rest = query, part, key;

    while (view_split(&rest, '&', &part))
        if (view_split(&part, '=', &key) && view_is(key, name))
            return true;
    return false;
}

static bool begins_with(view text, const char *start)
{
    size_t length = strlen(start);

    return text.length >= length && memcmp(text.text, start, length) == 0;
}

sigv4_form sigv4_form_of(const sigv4_request *r)
{
    size_t count;
    const http_header *authorization = find_header(r, "Authorization", &count);

    if (authorization && begins_with((view){authorization->value, authorization->value_length}, "AWS4-"))
        return SIGV4_FORM_HEADER;
    if (sigv4_query_has(query_view(r), "X-Amz-Signature") || sigv4_query_has(query_view(r), "X-Amz-Algorithm"))
        return SIGV4_FORM_QUERY;
    return SIGV4_FORM_NONE;
}

/* ---- parts that both forms have ---- */

/* Letters and digits, and what else names of keys, regions and services may have. */
static bool is_plain(view text, size_t length_max)
{
    if (text.length == 0 || text.length > length_max)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.' && c != '=' && c != '+')
            return false;
    }
    return true;
}

static bool is_hex_digest(view text)
{
    if (text.length != SIGV4_HEX_LENGTH)
        return false;
    for (size_t i = 0; i < text.length; i++)
        if (!((text.text[i] >= '0' && text.text[i] <= '9') || (text.text[i] >= 'a' && text.text[i] <= 'f')))
            return false;
    return true;
}

/* "AKID/20260102/us-west-2/bedrock-agentcore/aws4_request" */
static sigv4_result read_credential(view text, sigv4_statement *s, const char **ret_flaw)
{
    view *const parts[] = {&s->claim.access_key, &s->day, &s->claim.region, &s->service};
    view rest = text;

    *ret_flaw = "Credential must have the form key/date/region/service/aws4_request";
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (!view_split(&rest, '/', parts[i]))
            return SIGV4_INCOMPLETE;
    if (!rest.text || memchr(rest.text, '/', rest.length) || !is_plain(s->claim.access_key, SIGV4_ACCESS_KEY_MAX) ||
        s->day.length != SIGV4_DAY_LENGTH || !is_plain(s->claim.region, SIGV4_NAME_MAX) ||
        !is_plain(s->service, SIGV4_NAME_MAX))
        return SIGV4_INCOMPLETE;
    *ret_flaw = "Credential must end in aws4_request";
    return view_is(rest, SIGV4_TERMINATOR) ? SIGV4_OK : SIGV4_BAD_SCOPE;
}

static sigv4_result finish(sigv4_statement *s, view credential, const char **ret_flaw)
{
    *ret_flaw = "Signature must be 64 lower-case hexadecimal digits";
    if (!is_hex_digest(s->signature))
        return SIGV4_INCOMPLETE;
    *ret_flaw = "SignedHeaders is empty";
    if (s->signed_names.length == 0)
        return SIGV4_INCOMPLETE;
    return read_credential(credential, s, ret_flaw);
}

/* ---- the header ---- */

static view trim(view text)
{
    while (text.length > 0 && (text.text[0] == ' ' || text.text[0] == '\t'))
        text = (view){text.text + 1, text.length - 1};
    while (text.length > 0 && (text.text[text.length - 1] == ' ' || text.text[text.length - 1] == '\t'))
        text.length--;
    return text;
}

/* "Credential=..., SignedHeaders=..., Signature=..." in any order. */
static bool read_authorization(view text, sigv4_statement *s, view *ret_credential)
{
    view part, key;

    while (view_split(&text, ',', &part)) {
        part = trim(part);
        if (!view_split(&part, '=', &key) || !part.text)
            return false;
        view *target = view_is(key, "Credential")      ? ret_credential
                       : view_is(key, "SignedHeaders") ? &s->signed_names
                       : view_is(key, "Signature")     ? &s->signature
                                                       : NULL;
        if (!target || target->text)
            return false;
        *target = part;
    }
    return ret_credential->text && s->signed_names.text && s->signature.text;
}

/* The date and the token, each at most once. */
static sigv4_result read_dated_headers(const sigv4_request *r, sigv4_statement *s, const char **ret_flaw)
{
    size_t dates, http_dates, tokens;
    const http_header *date = find_header(r, "X-Amz-Date", &dates);
    const http_header *http_date = find_header(r, "Date", &http_dates);
    const http_header *token = find_header(r, "X-Amz-Security-Token", &tokens);

    *ret_flaw = "X-Amz-Date, Date and X-Amz-Security-Token may be there once";
    if (dates > 1 || tokens > 1 || (!date && http_dates > 1))
        return SIGV4_INCOMPLETE;
    s->date_is_http = !date;
    if (!date)
        date = http_date;
    if (date)
        s->date = trim((view){date->value, date->value_length});
    if (token)
        s->claim.session_token = trim((view){token->value, token->value_length});
    *ret_flaw = NULL;
    return SIGV4_OK;
}

static sigv4_result read_header_form(const sigv4_request *r, sigv4_statement *s, const char **ret_flaw)
{
    size_t count;
    const http_header *authorization = find_header(r, "Authorization", &count);
    view rest = {authorization->value, authorization->value_length}, algorithm, credential = {NULL, 0};

    *ret_flaw = "Authorization must be there once";
    if (count != 1)
        return SIGV4_INCOMPLETE;
    *ret_flaw = NULL;
    view_split(&rest, ' ', &algorithm);
    if (!view_is(algorithm, SIGV4_ALGORITHM))
        return SIGV4_BAD_ALGORITHM;
    *ret_flaw = "Authorization must have Credential, SignedHeaders and Signature, each once";
    if (!read_authorization(rest, s, &credential))
        return SIGV4_INCOMPLETE;

    sigv4_result result = finish(s, credential, ret_flaw);
    return result == SIGV4_OK ? read_dated_headers(r, s, ret_flaw) : result;
}

/* ---- the presigned query ---- */

enum { ALGORITHM, CREDENTIAL, DATE, EXPIRES, SIGNED_NAMES, SIGNATURE, REQUIRED, TOKEN = REQUIRED, PARAMS };

static const char *const param_names[PARAMS] = {
    [ALGORITHM] = "X-Amz-Algorithm",  [CREDENTIAL] = "X-Amz-Credential",      [DATE] = "X-Amz-Date",
    [EXPIRES] = "X-Amz-Expires",      [SIGNED_NAMES] = "X-Amz-SignedHeaders", [SIGNATURE] = "X-Amz-Signature",
    [TOKEN] = "X-Amz-Security-Token",
};

static bool decode_param(sigv4_statement *s, view value, view *ret_value)
{
    size_t start = s->decoded.length;

    if (uri_decode(&s->decoded, value.text ? value.text : "", value.length, URI_PLUS_LITERAL) != AC_OK)
        return false;
    *ret_value = (view){s->decoded.data + start, s->decoded.length - start};
    return true;
}

static bool collect_params(view query, sigv4_statement *s, view values[PARAMS])
{
    view rest = query, value, name;

    while (view_split(&rest, '&', &value)) {
        view_split(&value, '=', &name);
        for (size_t i = 0; i < PARAMS; i++)
            if (view_is(name, param_names[i]) && (values[i].text || !decode_param(s, value, &values[i])))
                return false;
    }
    for (size_t i = 0; i < REQUIRED; i++)
        if (!values[i].text)
            return false;
    return true;
}

static bool read_seconds(view text, unsigned *ret_seconds)
{
    unsigned number = 0;

    if (text.length == 0 || text.length > 6)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.text[i] < '0' || text.text[i] > '9')
            return false;
        number = number * 10 + (unsigned)(text.text[i] - '0');
    }
    *ret_seconds = number;
    return number >= 1 && number <= SIGV4_EXPIRES_MAX;
}

static sigv4_result read_query_form(const sigv4_request *r, sigv4_statement *s, const char **ret_flaw)
{
    view query = query_view(r), values[PARAMS] = {{NULL, 0}};

    if (query.length > SIGV4_QUERY_BYTES_MAX)
        return SIGV4_TOO_LARGE;
    s->decoded = BUF_INIT(SIGV4_QUERY_BYTES_MAX);
    if (buf_reserve(&s->decoded, query.length) != AC_OK)
        return SIGV4_FAILED;
    *ret_flaw = "X-Amz-Algorithm, -Credential, -Date, -Expires, -SignedHeaders and -Signature must be there, each once";
    if (!collect_params(query, s, values))
        return SIGV4_INCOMPLETE;
    *ret_flaw = NULL;
    if (!view_is(values[ALGORITHM], SIGV4_ALGORITHM))
        return SIGV4_BAD_ALGORITHM;
    *ret_flaw = "X-Amz-Expires must be 1 to 604800 seconds";
    if (!read_seconds(values[EXPIRES], &s->expires_s))
        return SIGV4_INCOMPLETE;
    s->claim.presigned = true;
    s->claim.session_token = values[TOKEN];
    s->date = values[DATE];
    s->signed_names = values[SIGNED_NAMES];
    s->signature = values[SIGNATURE];
    return finish(s, values[CREDENTIAL], ret_flaw);
}

sigv4_result sigv4_statement_read(const sigv4_request *request, sigv4_statement *ret_statement, const char **ret_flaw)
{
    *ret_statement = (sigv4_statement){0};
    *ret_flaw = NULL;
    if (request->header_count > SIGV4_HEADERS_MAX)
        return SIGV4_TOO_LARGE;
    switch (sigv4_form_of(request)) {
    case SIGV4_FORM_HEADER:
        return read_header_form(request, ret_statement, ret_flaw);
    case SIGV4_FORM_QUERY:
        return read_query_form(request, ret_statement, ret_flaw);
    default:
        return SIGV4_MISSING;
    }
}
