/* client_tokens.h - the same request twice has one effect: clientToken replay.
 *
 * In the transaction that does the work:
 *
 *     AC_TRY(client_token_look(tx, &token, memory, &outcome, &response, err));
 *     if (outcome == CLIENT_TOKEN_REPLAY)
 *         return answer_again(response);
 *     ... do it, and write the response ...
 *     return client_token_keep(tx, &token, response, err);
 *
 * From look to the end of the transaction, nobody else gets past look with the same token. */
#ifndef DAEMON_STORE_CLIENT_TOKENS_H
#define DAEMON_STORE_CLIENT_TOKENS_H

#include "base/arena.h"
#include "daemon/store/sql.h"

#define CLIENT_TOKEN_KEPT_MS (24LL * 60 * 60 * 1000)

typedef struct client_token {
    const char *operation;
    const char *account;
    const char *token;
    const void *parameters; /* the request's, in a form that is the same for the same request; without the token */
    size_t parameters_length;
} client_token;

typedef enum client_token_outcome {
    CLIENT_TOKEN_NEW,
    CLIENT_TOKEN_REPLAY,   /* answer with the response of the first time */
    CLIENT_TOKEN_MISMATCH, /* used for another request before */
} client_token_outcome;

/* *ret_response is set for a replay, in memory. */
ac_status client_token_look(store_tx *tx, const client_token *t, arena *memory, client_token_outcome *ret_outcome,
                            const char **ret_response, ac_error *err) AC_MUST_USE;

/* Remember the response that this token got. */
ac_status client_token_keep(store_tx *tx, const client_token *t, const char *response, ac_error *err) AC_MUST_USE;

/* Delete up to limit tokens that were kept long enough; *ret_count: how many. */
ac_status client_token_sweep(store_tx *tx, int64_t limit, int64_t *ret_count, ac_error *err) AC_MUST_USE;

#endif
