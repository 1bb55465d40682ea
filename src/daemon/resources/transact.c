/* transact.c - one transaction per operation; the first answer to a clientToken is the answer to it. */
#include "daemon/resources/transact.h"

#include "daemon/resources/canonical.h"
#include "daemon/store/client_tokens.h"

#define MISMATCH "IdempotentParameterMismatchException"

typedef struct turn {
    front_call *call;
    transact_fn fn;
    void *arg;
    const client_token *token; /* NULL: none */
} turn;

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status run_once(store_tx *tx, const turn *t, ac_error *err)
{
    yyjson_mut_obj_clear(t->call->output);
    t->call->reason = NULL;
    return t->fn(tx, t->call, t->arg, err);
}

static ac_status answer_again(front_call *call, const char *kept, ac_error *err)
{
    yyjson_doc *first = NULL;
    yyjson_mut_val *output;

    AC_TRY(ac_json_read(kept, strlen(kept), NULL, &first, err));
    output = yyjson_val_mut_copy(call->doc, yyjson_doc_get_root(first));
    yyjson_doc_free(first);
    if (!output)
        return no_memory(err);
    yyjson_mut_doc_set_root(call->doc, output);
    call->output = output;
    return AC_OK;
}

static ac_status keep_answer(store_tx *tx, const turn *t, ac_error *err)
{
    _cleanup_(buf_done) buf text = {.cap = TRANSACT_KEPT_MAX, .secret = true};
    ac_status status = json_write(&text, t->call->output, JSON_COMPACT, NULL);

    if (status == AC_OK && !buf_terminate(&text))
        status = AC_ERR_NOMEM;
    if (status != AC_OK)
        return ac_error_set(err, status, "an output cannot be kept: %s", ac_status_text(status));
    return client_token_keep(tx, t->token, text.data, err);
}

static ac_status run(store_tx *tx, void *arg, ac_error *err)
{
    const turn *t = arg;
    client_token_outcome outcome;
    const char *kept;

    if (!t->token)
        return run_once(tx, t, err);
    AC_TRY(client_token_look(tx, t->token, t->call->memory, &outcome, &kept, err));
    switch (outcome) {
    case CLIENT_TOKEN_REPLAY:
        return answer_again(t->call, kept, err);
    case CLIENT_TOKEN_MISMATCH:
        t->call->reason = MISMATCH;
        return ac_error_set(err, AC_ERR_INVALID, "The " TRANSACT_TOKEN " was used before, with other parameters");
    default:
        AC_TRY(run_once(tx, t, err));
        return keep_answer(tx, t, err);
    }
}

static ac_status describe(const front_call *call, buf *parameters, ac_error *err)
{
    ac_status status = canonical_write(parameters, call->input, TRANSACT_TOKEN);

    if (status == AC_OK)
        status = buf_append(parameters, call->payload.text, call->payload.length);
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "The request cannot be compared with others");
}

ac_status transact_write(store *s, front_call *call, transact_fn fn, void *arg, ac_error *err)
{
    _cleanup_(buf_done) buf parameters = {.cap = TRANSACT_KEPT_MAX, .secret = true};
    const char *text = front_text(call, TRANSACT_TOKEN);
    turn t = {.call = call, .fn = fn, .arg = arg};
    client_token token;

    if (text) {
        AC_TRY(describe(call, &parameters, err));
        token = (client_token){
            .operation = api_name(call->operation),
            .account = call->caller.account,
            .token = text,
            .parameters = parameters.data,
            .parameters_length = parameters.length,
        };
        t.token = &token;
    }
    return store_write(s, run, &t, err);
}

ac_status transact_read(store *s, front_call *call, transact_fn fn, void *arg, ac_error *err)
{
    turn t = {.call = call, .fn = fn, .arg = arg};

    return store_read(s, run, &t, err);
}
