/* fuzz_upstream.c - the answers of a server that is not trusted.
 *
 * Oracle: what is read does not depend on how the input was cut into pieces; a body is as long as its head says; an
 * answer that cannot have a body has none; no header holds a line end.  The first byte of the input chooses the pieces,
 * the second the request. */
#include "http/upstream_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES_MAX 2048

typedef struct outcome {
    answer_event event;
    ac_status error;
    bool complete, keep_alive;
    size_t used;
    unsigned heads;
    int status;
    int64_t content_length;
    buf text; /* the headers, then the body */
    size_t body_length;
} outcome;

static void check_text(const char *text, uint32_t length)
{
    if (strlen(text) != length || strpbrk(text, "\r\n"))
        abort();
}

static bool on_head(void *user, const http_upstream_head *head)
{
    outcome *o = user;

    o->heads++;
    o->status = head->status;
    o->content_length = head->content_length;
    for (size_t i = 0; i < head->header_count; i++) {
        const http_header *h = &head->headers[i];

        check_text(h->name, h->name_length);
        check_text(h->value, h->value_length);
        if (!h->name_length || buf_appendf(&o->text, "%s: %s\n", h->name, h->value) != AC_OK)
            abort();
    }
    return true;
}

static bool on_body(void *user, char *data, size_t length)
{
    outcome *o = user;

    o->body_length += length;
    return length > 0 && buf_append(&o->text, data, length) == AC_OK;
}

static const answer_sink sink = {.on_head = on_head, .on_body = on_body};

static outcome read_cut(const uint8_t *data, size_t size, size_t piece, bool to_head, bool upgrade)
{
    outcome o = {.event = ANSWER_MORE, .text = BUF_INIT(1 << 20)};
    answer_reader r;

    answer_init(&r, &sink, &o);
    answer_begin(&r, to_head, upgrade, HEAD_BYTES_MAX);
    for (size_t at = 0; at < size && o.event == ANSWER_MORE; at += piece) {
        size_t length = MIN(piece, size - at), used = 0;
        char *copy = malloc(length); /* exactly as long, so that the sanitizer sees a read beyond */

        if (!copy)
            abort();
        memcpy(copy, data + at, length);
        o.event = answer_read(&r, copy, length, &used);
        if (used > length || (o.event == ANSWER_MORE && used != length))
            abort();
        o.used = at + used;
        free(copy);
    }
    if (o.event == ANSWER_MORE && answer_end(&r))
        o.event = ANSWER_COMPLETE;
    o.complete = o.event == ANSWER_COMPLETE;
    o.keep_alive = o.complete && r.keep_alive;
    o.error = o.event == ANSWER_ERROR ? r.error : AC_OK;
    if ((o.event == ANSWER_ERROR) != (r.error != AC_OK) || o.event == ANSWER_STOPPED || (r.error && !*r.what))
        abort();
    answer_done(&r);
    return o;
}

static void check_sense(const outcome *o, bool to_head, bool upgrade)
{
    bool bodyless = to_head || o->status == 204 || o->status == 304 || o->status == 101;

    if (o->heads > 1 || (o->complete && o->heads != 1) || (o->heads && o->status < 200 && o->status != 101))
        abort();
    if (o->event == ANSWER_TUNNEL && (!upgrade || o->status != 101 || o->body_length))
        abort();
    if (bodyless && o->body_length)
        abort();
    if (o->complete && !bodyless && o->content_length >= 0 && o->body_length != (uint64_t)o->content_length)
        abort();
}

/* One field too many may be malformed as well: it depends on the pieces which is seen first. */
static bool same_error(const outcome *a, const outcome *b)
{
    return a->error == b->error || (a->error == AC_ERR_TOO_LARGE && b->error == AC_ERR_PROTOCOL) ||
           (a->error == AC_ERR_PROTOCOL && b->error == AC_ERR_TOO_LARGE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 16384)
        return 0;
    size_t piece = data[0] % 16 == 0 ? 1 : (size_t)data[0] % 16 * 7;
    bool to_head = data[1] % 4 == 1, upgrade = data[1] % 4 == 2;
    outcome whole = read_cut(data + 2, size - 2, size, to_head, upgrade);
    outcome cut = read_cut(data + 2, size - 2, piece, to_head, upgrade);

    check_sense(&whole, to_head, upgrade);
    if (whole.event != cut.event || !same_error(&whole, &cut) || whole.keep_alive != cut.keep_alive ||
        whole.heads != cut.heads || whole.status != cut.status || whole.text.length != cut.text.length ||
        (whole.event != ANSWER_ERROR && whole.used != cut.used) ||
        (whole.text.length && memcmp(whole.text.data, cut.text.data, whole.text.length) != 0)) {
        fprintf(stderr, "whole: event %d error %d used %zu\n%.*s\ncut into %zu: event %d error %d used %zu\n%.*s\n",
                whole.event, whole.error, whole.used, (int)whole.text.length, whole.text.data, piece, cut.event,
                cut.error, cut.used, (int)cut.text.length, cut.text.data);
        abort();
    }
    buf_done(&whole.text);
    buf_done(&cut.text);
    return 0;
}
