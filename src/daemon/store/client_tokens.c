/* client_tokens.c - the same request twice has one effect.
 *
 * A token is good for CLIENT_TOKEN_KEPT_MS and from then on counts as absent, whether or not the sweeper has been by.
 * Only hashes of the token and of the parameters are kept: both may be large, and parameters may hold secrets. */
#include "daemon/store/client_tokens.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define HASH_BYTES 32
#define LOCK_NAME_MAX 1024

/* What stands for a token and its parameters in the table. */
typedef struct hashes {
    unsigned char token[HASH_BYTES];
    unsigned char parameters[HASH_BYTES];
} hashes;

static ac_status hash(const client_token *t, hashes *ret_hashes, ac_error *err)
{
    if (!EVP_Digest(t->token, strlen(t->token), ret_hashes->token, NULL, EVP_sha256(), NULL) ||
        !EVP_Digest(t->parameters, t->parameters_length, ret_hashes->parameters, NULL, EVP_sha256(), NULL))
        return ac_error_set(err, AC_ERR_INTERNAL, "the request cannot be hashed");
    return AC_OK;
}

static ac_status take_turn(store_tx *tx, const client_token *t, const hashes *h, ac_error *err)
{
    char name[LOCK_NAME_MAX];
    uint64_t bits;

    memcpy(&bits, h->token, sizeof(bits));
    snprintf(name, sizeof(name), "client-token %016llx %s %s", (unsigned long long)bits, t->account, t->operation);
    return store_lock(tx, name, err);
}

ac_status client_token_look(store_tx *tx, const client_token *t, arena *memory, client_token_outcome *ret_outcome,
                            const char **ret_response, ac_error *err)
{
    static const char text[] = "SELECT parameters_hash, response FROM client_tokens"
                               " WHERE operation = $1 AND account = $2 AND token_hash = $3"
                               " AND created_ms > (SELECT now_ms()) - $4";
    _cleanup_(sql_done) sql_rows rows = {0};
    hashes mine;
    size_t length;
    bool found;

    *ret_outcome = CLIENT_TOKEN_NEW;
    *ret_response = NULL;
    AC_TRY(hash(t, &mine, err));
    AC_TRY(take_turn(tx, t, &mine, err));
    AC_TRY(sql_query(tx, text,
                     SQL_VALUES(sql_text(t->operation), sql_text(t->account), sql_blob(mine.token, HASH_BYTES),
                                sql_int(CLIENT_TOKEN_KEPT_MS)),
                     &rows, err));
    AC_TRY(sql_next(&rows, &found, err));
    if (!found)
        return AC_OK;
    const void *kept = sql_get_blob(&rows, 0, &length);
    if (!kept || length != HASH_BYTES || memcmp(kept, mine.parameters, HASH_BYTES) != 0) {
        *ret_outcome = CLIENT_TOKEN_MISMATCH;
        return AC_OK;
    }
    *ret_outcome = CLIENT_TOKEN_REPLAY;
    return sql_copy(&rows, 1, memory, ret_response, NULL, err);
}

ac_status client_token_keep(store_tx *tx, const client_token *t, const char *response, ac_error *err)
{
    static const char text[] =
        "INSERT INTO client_tokens (operation, account, token_hash, parameters_hash, response, created_ms)"
        " VALUES ($1, $2, $3, $4, $5, (SELECT now_ms()))"
        " ON CONFLICT (operation, account, token_hash) DO UPDATE SET parameters_hash = excluded.parameters_hash,"
        " response = excluded.response, created_ms = excluded.created_ms";
    hashes mine;

    AC_TRY(hash(t, &mine, err));
    return sql_run(tx, text,
                   SQL_VALUES(sql_text(t->operation), sql_text(t->account), sql_blob(mine.token, HASH_BYTES),
                              sql_blob(mine.parameters, HASH_BYTES), sql_text(response)),
                   NULL, err);
}

ac_status client_token_sweep(store_tx *tx, int64_t limit, int64_t *ret_count, ac_error *err)
{
    static const char text[] =
        "DELETE FROM client_tokens WHERE (operation, account, token_hash) IN"
        " (SELECT operation, account, token_hash FROM client_tokens WHERE created_ms <= (SELECT now_ms()) - $1"
        " ORDER BY created_ms LIMIT $2)";

    return sql_run(tx, text, SQL_VALUES(sql_int(CLIENT_TOKEN_KEPT_MS), sql_int(limit)), ret_count, err);
}
