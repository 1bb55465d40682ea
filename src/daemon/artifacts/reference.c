/* reference.c - the name of an image: [HOST[:PORT]/]REPOSITORY[:TAG][@sha256:HEX], by the grammar that registries use.
 *
 * What stands before the first slash is a host when it has a dot or a colon or is "localhost", as docker reads it. */
#include "daemon/artifacts/image_internal.h"

#include <stdio.h>

static const char lower_digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
static const char repository_characters[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
static const char host_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]";
static const char tag_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

/* Letters and digits, with separators between: one '.', one or two '_', any '-'. */
static bool segment_valid(const char *text, size_t length)
{
    size_t at = 0;

    if (length == 0 || length > NAME_BYTES_MAX || strspn(text, repository_characters) < length)
        return false;
    while (at < length) {
        size_t word = MIN(strspn(text + at, lower_digits), length - at), separator;

        if (word == 0)
            return false;
        at += word;
        if (at == length)
            return true;
        separator = MIN(strspn(text + at, "._-"), length - at);
        if (!(separator == 1 || strspn(text + at, "-") >= separator ||
              (separator == 2 && strspn(text + at, "_") >= separator)))
            return false;
        at += separator;
    }
    return false; /* it ends with a separator */
}

static bool repository_valid(const char *text)
{
    for (;;) {
        size_t length = strcspn(text, "/");

        if (!segment_valid(text, length))
            return false;
        if (!text[length])
            return true;
        text += length + 1;
    }
}

static const char *without_host(const char *text)
{
    size_t length = strcspn(text, "/");

    if (!text[length] || strspn(text, host_characters) < length || strchr(".:-", text[0]))
        return text; /* which is refused, if it is no repository */
    if (memchr(text, '.', length) || memchr(text, ':', length) ||
        (length == strlen("localhost") && memcmp(text, "localhost", length) == 0))
        return text + length + 1;
    return text;
}

/* Cut "@DIGEST" and ":TAG" off. */
static ac_status split(char *text, image_reference *r, ac_error *err)
{
    char *at = strchr(text, '@'), *slash, *colon;

    if (at) {
        *at = '\0';
        if (!digest_valid(at + 1))
            return ac_error_set(err, AC_ERR_INVALID, "what follows the @ must be sha256: and 64 digits in lower case");
        snprintf(r->digest, sizeof r->digest, "%s", at + 1);
    }
    slash = strrchr(text, '/');
    colon = strchr(slash ? slash : text, ':');
    if (colon) {
        *colon = '\0';
        if (!colon[1] || strlen(colon + 1) >= TAG_SIZE || strspn(colon + 1, tag_characters) != strlen(colon + 1) ||
            colon[1] == '.' || colon[1] == '-')
            return ac_error_set(err, AC_ERR_INVALID, "what follows the colon is no tag");
        snprintf(r->tag, sizeof r->tag, "%s", colon + 1);
    } else if (!at) {
        snprintf(r->tag, sizeof r->tag, "latest");
    }
    return AC_OK;
}

ac_status image_reference_parse(const char *uri, image_reference *ret_reference, ac_error *err)
{
    char text[1025];

    *ret_reference = (image_reference){0};
    if (strlen(uri) >= sizeof text)
        return ac_error_set(err, AC_ERR_INVALID, "it is too long to be the name of an image");
    snprintf(text, sizeof text, "%s", without_host(uri));
    AC_TRY(split(text, ret_reference, err));
    if (strlen(text) >= REPOSITORY_SIZE || !repository_valid(text))
        return ac_error_set(err, AC_ERR_INVALID,
                            "it is not the name of an image: that is REPOSITORY[:TAG][@sha256:DIGEST] in lower case");
    memcpy(ret_reference->repository, text, strlen(text) + 1);
    return AC_OK;
}
