/* workload_tokens.c - what is sealed is five texts, each with its NUL: account, workload, user, issuer, subject; an
 * empty one is absent. */
#include "daemon/identity/workload_tokens.h"

#include "daemon/front/sealed.h"

#include <string.h>

#define PREFIX "agentcored-workload."
#define TEXTS 5

ac_status workload_token_make(const store *s, const workload_token *token, int64_t now_s, arena *memory,
                              const char **ret_text, ac_error *err)
{
    const char *const texts[TEXTS] = {token->account, token->workload, token->user, token->issuer, token->subject};
    _cleanup_(buf_done) buf plain = BUF_INIT(SEALED_BYTES_MAX), sealed = BUF_INIT(SEALED_BYTES_MAX * 2);

    for (size_t i = 0; i < TEXTS; i++) {
        const char *text = texts[i] ? texts[i] : "";
        size_t length = strlen(text);

        if (length > WORKLOAD_TOKEN_TEXT_MAX)
            return ac_error_set(err, AC_ERR_TOO_LARGE, "a name is too long for a workload token");
        if (buf_append(&plain, text, length + 1) != AC_OK)
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    }
    AC_TRY(sealed_make(s, PREFIX, plain.data, plain.length, now_s + WORKLOAD_TOKEN_LIFE_S, &sealed, err));
    *ret_text = arena_copy(memory, sealed.data, sealed.length);
    return *ret_text ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

ac_status workload_token_read(const store *s, const char *text, int64_t now_s, arena *memory, workload_token *ret_token,
                              ac_error *err)
{
    _cleanup_(buf_done) buf plain = BUF_INIT(SEALED_BYTES_MAX);
    const char *texts[TEXTS] = {NULL};
    const char *at;
    size_t left;

    AC_TRY(sealed_open(s, PREFIX, text, strlen(text), now_s, &plain, err));
    at = arena_copy(memory, plain.data, plain.length);
    if (!at)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    left = plain.length;
    for (size_t i = 0; i < TEXTS; i++) {
        size_t length = strnlen(at, left);

        if (length == left) /* only we make them: this cannot be */
            return ac_error_set(err, AC_ERR_INTERNAL, "a workload token is damaged");
        texts[i] = length ? at : NULL;
        at += length + 1;
        left -= length + 1;
    }
    *ret_token = (workload_token){texts[0], texts[1], texts[2], texts[3], texts[4]};
    return AC_OK;
}
