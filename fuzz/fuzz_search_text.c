/* fuzz_search_text.c - memory search over any bytes: the input's first line is the query, each further line a record.
 *
 * What must hold: words are whole UTF-8 within their limits; every record that has a term of the query (not a stop
 * word) is found; scores fall and lie between 0 and 1. */
#include "base/utf8.h"
#include "daemon/memory/search/rank.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_MAX 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool check_word(void *user, const word *w)
{
    size_t *last = user;

    require(w->form[0] && w->base[0]);
    require(strlen(w->form) <= WORD_BYTES_MAX && strlen(w->base) <= WORD_BYTES_MAX &&
            strlen(w->term) <= WORD_BYTES_MAX);
    require(utf8_valid(w->form, strlen(w->form)) && utf8_valid(w->base, strlen(w->base)));
    require(w->offset >= *last);
    *last = w->offset;
    return true;
}

static size_t put_lines(search_index *x, text_reader *reader, const char *text, size_t length)
{
    size_t count = 0;

    for (const char *end = text + length; text < end && count < RECORDS_MAX; count++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        char id[16];
        search_record record = {.id = id,
                                .text = text,
                                .text_length = (size_t)((stop ? stop : end) - text),
                                .group = count % 3 ? "" : NULL,
                                .time_ms = (int64_t)count * 1000};
        ac_error err;

        snprintf(id, sizeof id, "%zu", count % 50); /* some replace others */
        require(index_put(x, reader, &record, "", NULL, &err) == AC_OK);
        text = stop ? stop + 1 : end;
    }
    return count;
}

static bool has_term(const search_index *x, const ask *asked, const char *id)
{
    const index_record *record = &x->records[x->record_of_id[names_find(&x->ids, id, strlen(id))]];

    for (size_t i = 0; i < asked->term_count; i++) {
        uint32_t term = names_find(&x->terms_by_name, asked->terms[i].term, strlen(asked->terms[i].term));

        for (uint32_t j = 0; j < record->term_count; j++)
            if (record->terms[j] == term)
                return true;
    }
    return false;
}

static void check_hits(const search_index *x, const ask *asked, const search_hit *hits, size_t count)
{
    size_t with = 0, found = 0;

    for (size_t i = 0; i < count; i++) {
        require(hits[i].score > 0 && hits[i].score <= 1);
        require(i == 0 || hits[i].score <= hits[i - 1].score);
        found += has_term(x, asked, hits[i].id);
    }
    for (uint32_t i = 0; i < x->record_count; i++)
        if (x->place_of[i] != NAME_NONE)
            with += has_term(x, asked, index_record_id(&x->records[i]));
    require(found == with);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(text_reader_freep) text_reader *reader = text_reader_new();
    _cleanup_(index_freep) search_index *x = index_new();
    _cleanup_(arena_done) arena a = ARENA_INIT;
    const char *text = (const char *)data, *stop = size ? memchr(text, '\n', size) : NULL;
    size_t query_length = stop ? (size_t)(stop - text) : size, last = 0, count;
    rank_weights weights = rank_weights_default;
    search_query query = {.top_k = RECORDS_MAX, .matches_only = true};
    rank_target target = {.index = x};
    rank_request request = {.targets = &target, .target_count = 1, .query = &query, .weights = &weights};
    search_hit *hits;
    ask *asked;
    ac_error err;

    text_read(reader, text, size, check_word, &last);
    require(put_lines(x, reader, text + query_length, size - query_length) <= RECORDS_MAX);
    require(index_settle(x, NULL, &err) == AC_OK);
    require(ask_read(reader, NULL, text, query_length, 1700000000000, &a, &asked, &err) == AC_OK);
    weights.name = 1; /* so that names find, too */
    weights.asks = 0.5F;
    request.ask = asked;
    require(rank_run(&request, &a, &hits, &count, &err) == AC_OK);
    check_hits(x, asked, hits, count);
    return 0;
}
