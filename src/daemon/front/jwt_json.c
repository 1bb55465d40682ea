/* jwt_json.c - base64url and JSON as tokens and key sets use them, read so that nobody can read them otherwise.
 *
 * A token passes through several parsers on its way: proxies, this one, the agent's own.  What two of them may read
 * differently is refused here (RFC 8725 section 2.4, RFC 7519 section 4): a name that comes twice, a U+0000 at
 * which C code would cut a string, bits that decoders ignore. */
#include "base/base64.h"
#include "base/json.h"
#include "daemon/front/jwt_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- base64url ---- */

ac_status jwt_base64url(const char *text, size_t length, uint8_t **ret_bytes, size_t *ret_length)
{
    buf bytes = BUF_INIT(length);
    ac_status status = length ? base64_decode(&bytes, BASE64_URL, text, length) : AC_ERR_PROTOCOL;

    *ret_bytes = status == AC_OK ? (uint8_t *)buf_take(&bytes, ret_length) : NULL;
    if (status != AC_OK)
        *ret_length = 0;
    buf_done(&bytes);
    return status == AC_OK && !*ret_bytes ? AC_ERR_NOMEM : status;
}

/* ---- JSON ---- */

static bool has_zero(yyjson_val *text)
{
    return memchr(yyjson_get_str(text), '\0', yyjson_get_len(text)) != NULL;
}

static bool has_twins(yyjson_val *object)
{
    yyjson_obj_iter outer = yyjson_obj_iter_with(object);
    yyjson_val *name;

    while ((name = yyjson_obj_iter_next(&outer))) {
        yyjson_obj_iter rest = outer;
        yyjson_val *other;

        while ((other = yyjson_obj_iter_next(&rest)))
            if (yyjson_equals_strn(other, yyjson_get_str(name), yyjson_get_len(name)))
                return true;
    }
    return false;
}

/* What is wrong with a value, or NULL. */
/* NOLINTNEXTLINE(misc-no-recursion): no deeper than JWT_DEPTH_MAX, which reading has seen to */
static const char *flaw_of(yyjson_val *value)
{
    size_t index, count;
    yyjson_val *name, *member;
    const char *flaw = NULL;

    if (yyjson_is_str(value))
        return has_zero(value) ? "has a NUL character in a string" : NULL;
    if (yyjson_is_arr(value)) {
        yyjson_arr_foreach(value, index, count, member)
        {
            if (!flaw)
                flaw = flaw_of(member);
        }
        return flaw;
    }
    if (!yyjson_is_obj(value))
        return NULL;
    /* Before the comparison of all names with all others. */
    if (yyjson_obj_size(value) > JWT_MEMBERS_MAX)
        return "has an object with too many members";
    if (has_twins(value))
        return "has a member twice";
    yyjson_obj_foreach(value, index, count, name, member)
    {
        if (!flaw)
            flaw = has_zero(name) ? "has a NUL character in a name" : flaw_of(member);
    }
    return flaw;
}

ac_status jwt_json_read(const char *text, size_t length, const char *what, yyjson_doc **ret_doc, ac_error *err)
{
    ac_json_read_options options = {.depth_max = JWT_DEPTH_MAX};
    yyjson_doc *doc = NULL;
    const char *flaw = "is not a JSON object";
    ac_status status;

    *ret_doc = NULL;
    /* Some parsers skip a byte order mark, ours among them, and others do not. */
    if (length > 0 && (unsigned char)text[0] == 0xEF)
        return ac_error_set(err, AC_ERR_PROTOCOL, "%s %s", what, flaw);
    status = ac_json_read(text, length, &options, &doc, NULL);
    if (status == AC_ERR_NOMEM)
        return ac_error_set(err, status, "out of memory");
    if (status == AC_OK && yyjson_is_obj(yyjson_doc_get_root(doc)))
        flaw = flaw_of(yyjson_doc_get_root(doc));
    if (flaw) {
        yyjson_doc_free(doc);
        return ac_error_set(err, AC_ERR_PROTOCOL, "%s %s", what, flaw);
    }
    *ret_doc = doc;
    return AC_OK;
}
