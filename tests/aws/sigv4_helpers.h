/* sigv4_helpers.h - the time, the key and the headers that tests of signatures use. */
#ifndef TESTS_AWS_SIGV4_HELPERS_H
#define TESTS_AWS_SIGV4_HELPERS_H

#include "aws/sigv4.h"

#define NOW INT64_C(1767323045) /* 2026-01-02T03:04:05Z, a Friday */
#define DATE "20260102T030405Z"
#define KEY "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define SCOPE "/20260102/us-west-2/bedrock-agentcore/aws4_request"
#define SIGNATURE_0 "0000000000000000000000000000000000000000000000000000000000000000"

static inline http_header header_of(const char *name, const char *value)
{
    return (http_header){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

static inline sigv4_result find_secret(void *user, const sigv4_claim *claim, buf *ret_secret)
{
    const sigv4_result *answer = user;

    if (answer && *answer != SIGV4_OK)
        return *answer;
    if (!view_is(claim->access_key, KEY))
        return SIGV4_UNKNOWN_KEY;
    assert_true(ret_secret->secret);
    return buf_append_text(ret_secret, SECRET) == AC_OK ? SIGV4_OK : SIGV4_FAILED;
}

#endif
