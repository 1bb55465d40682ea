/* arn.c - taking ARNs apart and putting them together, and which regions are believed.
 *
 * Messages are those of the Python SDK, which callers compare. */
#include "aws/arn.h"

#include <string.h>

#define REPR_BYTES_MAX 400 /* what still fits into an ac_error */

static bool arn_split(const char *text, size_t length, arn *ret_arn)
{
    view rest = {text, length};
    view *const parts[] = {&ret_arn->partition, &ret_arn->service, &ret_arn->region, &ret_arn->account};
    view scheme;

    if (length > ARN_BYTES_MAX || !view_split(&rest, ':', &scheme) || !view_is(scheme, "arn"))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (!view_split(&rest, ':', parts[i]))
            return false;
    ret_arn->resource = rest;
    return rest.text != NULL;
}

ac_status arn_parse(const char *text, size_t length, arn *ret_arn, ac_error *err)
{
    arn found;

    if (!arn_split(text, length, &found) || found.partition.length == 0 || found.service.length == 0 ||
        found.resource.length == 0)
        return ac_error_set(err, AC_ERR_INVALID, "Invalid ARN format: %.*s", (int)MIN(length, (size_t)300), text);
    *ret_arn = found;
    return AC_OK;
}

ac_status arn_format(buf *out, const char *partition, const char *service, const char *region, const char *account,
                     const char *resource)
{
    return buf_appendf(out, "arn:%s:%s:%s:%s:%s", partition, service, region, account, resource);
}

ac_status runtime_arn_parse(const char *text, runtime_arn *ret_arn, ac_error *err)
{
    static const char prefix[] = "runtime/";
    const size_t prefix_length = sizeof(prefix) - 1;
    arn found;

    bool well_formed =
        arn_split(text, strlen(text), &found) && !memchr(found.resource.text, ':', found.resource.length);
    if (!well_formed || !(view_is(found.partition, "aws") || view_is(found.partition, "aws-us-gov")) ||
        !view_is(found.service, "bedrock-agentcore") || found.resource.length < prefix_length ||
        memcmp(found.resource.text, prefix, prefix_length) != 0)
        return ac_error_set(err, AC_ERR_INVALID, "Invalid runtime ARN format: %s", text);

    view id = {found.resource.text + prefix_length, found.resource.length - prefix_length};
    if (found.region.length == 0 || found.account.length == 0 || id.length == 0)
        return ac_error_set(err, AC_ERR_INVALID, "ARN components cannot be empty");
    *ret_arn = (runtime_arn){.region = found.region, .account = found.account, .id = id};
    return AC_OK;
}

ac_status runtime_arn_check_region(const runtime_arn *runtime, const char *client_region, ac_error *err)
{
    if (view_is(runtime->region, client_region))
        return AC_OK;
    return ac_error_set(err, AC_ERR_INVALID,
                        "ARN region '%.*s' does not match client region '%s'. Create a client "
                        "for the same region as the runtime ARN, or use the ARN's region.",
                        (int)runtime->region.length, runtime->region.text, client_region);
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t skip(const char *text, size_t length, size_t at, bool (*is)(char c))
{
    while (at < length && is(text[at]))
        at++;
    return at;
}

bool region_valid(const char *text, size_t length)
{
    size_t at = skip(text, length, 0, is_lower);
    size_t words = 0;

    if (length >= REGION_SIZE || at != 2)
        return false;
    while (length - at > 1 && text[at] == '-' && is_lower(text[at + 1])) {
        at = skip(text, length, at + 1, is_lower);
        words++;
    }
    if (words == 0 || length - at < 2 || text[at] != '-')
        return false;
    return skip(text, length, at + 1, is_digit) == length;
}

ac_status region_check(const char *region, ac_error *err)
{
    _cleanup_(buf_done) buf quoted = BUF_INIT(REPR_BYTES_MAX);

    if (region_valid(region, strlen(region)))
        return AC_OK;
    if (text_append_repr(&quoted, region) != AC_OK || !buf_terminate(&quoted))
        return ac_error_set(err, AC_ERR_INVALID, "Invalid AWS region");
    return ac_error_set(
        err, AC_ERR_INVALID,
        "Invalid AWS region: %s. Region must match pattern like 'us-east-1', 'eu-west-2', 'cn-north-1'.", quoted.data);
}

static ac_status append_repr_char(buf *out, char c, char quote)
{
    switch (c) {
    case '\n':
        return buf_append_text(out, "\\n");
    case '\r':
        return buf_append_text(out, "\\r");
    case '\t':
        return buf_append_text(out, "\\t");
    default:
        if (c == '\\' || c == quote)
            return buf_appendf(out, "\\%c", c);
        if ((unsigned char)c < ' ' || c == 0x7f)
            return buf_appendf(out, "\\x%02x", (unsigned)(unsigned char)c);
        return buf_append(out, &c, 1);
    }
}

ac_status text_append_repr(buf *out, const char *text)
{
    char quote = strchr(text, '\'') && !strchr(text, '"') ? '"' : '\'';

    AC_TRY(buf_append(out, &quote, 1));
    for (const char *at = text; *at != '\0'; at++)
        AC_TRY(append_repr_char(out, *at, quote));
    return buf_append(out, &quote, 1);
}
