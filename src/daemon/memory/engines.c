/* engines.c - the search engine and the extractor, and the services that they use, as agentcored is configured.
 *
 * Nothing is asked of a service here: one that is down must not keep the daemon from starting. */
#include "daemon/memory/records.h"

#include <string.h>

#define EMBEDDINGS_NONE "none"

static ac_status need_provider(memory_room *room, ac_error *err)
{
    if (!room->provider)
        room->provider = aws_provider_chain(NULL);
    return room->provider ? AC_OK : memory_no_memory(err);
}

static ac_status open_model(memory_room *room, const config *c, ac_error *err)
{
    int kind = model_kind_of(c->model);
    model_options options = {
        .url = c->model_url,
        .model = c->model_name,
        .key = c->model_key,
        .timeout_ms = (unsigned)c->model_timeout_ms,
    };

    if (kind < 0)
        return ac_error_set(err, AC_ERR_INVALID, "model: '%s' is not builtin, openai, anthropic or bedrock", c->model);
    options.kind = (model_kind)kind;
    if (kind == MODEL_BEDROCK && !c->model_key)
        AC_TRY(need_provider(room, err));
    options.provider = room->provider;
    return model_open(&options, &room->model, err);
}

static ac_status open_embeddings(memory_room *room, const config *c, ac_error *err)
{
    embeddings_options options = {
        .url = c->embeddings_url,
        .model = c->embeddings_name,
        .api_key = c->embeddings_key,
        .dimensions = (unsigned)c->embeddings_dimensions,
    };

    if (strcmp(c->embeddings, EMBEDDINGS_NONE) == 0)
        return AC_OK;
    if (strcmp(c->embeddings, "bedrock") == 0) {
        AC_TRY(need_provider(room, err));
        options.kind = EMBEDDINGS_BEDROCK;
        options.provider = room->provider;
    } else if (strcmp(c->embeddings, "openai") != 0) {
        return ac_error_set(err, AC_ERR_INVALID, "embeddings: '%s' is not none, openai or bedrock", c->embeddings);
    }
    return embeddings_open(&options, &room->embeddings, err);
}

ac_status memory_engines_open(memory_room *room, const config *c, ac_error *err)
{
    search_options search = {
        .bytes_max = (size_t)c->memory_index_bytes,
        .source = {.load = record_index_load, .user = room},
        .wordnet_dir = c->wordnet_dir,
    };

    AC_TRY(open_model(room, c, err));
    AC_TRY(open_embeddings(room, c, err));
    room->notices_url = c->memory_notices_url;
    if (room->notices_url)
        AC_TRY(http_client_new(NULL, &room->http, err));
    search.embeddings = room->embeddings;
    AC_TRY(memory_search_open(&search, &room->search, err));
    return extractor_open(&(extractor_options){.model = room->model}, &room->extractor, err);
}

void memory_engines_close(memory_room *room)
{
    extractor_closep(&room->extractor);
    memory_search_closep(&room->search);
    embeddings_closep(&room->embeddings);
    model_closep(&room->model);
    http_client_freep(&room->http);
    aws_provider_freep(&room->provider);
}
