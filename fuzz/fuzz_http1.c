/* fuzz_http1.c - the request reader's short cut for plain heads against the reader without it.
 *
 * Oracle: a head that comes in one piece may take the short cut, one whose first byte comes alone cannot and is read by
 * llhttp; both lead to the same requests, or to a refusal with the same status at the same request.  The options differ
 * with the first byte, so that limits are met. */
#include "http/http1.h"

#include "base/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reading {
    http1_reader reader;
    http1_message message;
    arena arena;
    const char *data;
    size_t length, at;
} reading;

static void begin(reading *r)
{
    http1_message_done(&r->message);
    arena_done(&r->arena);
    r->message = (http1_message){0};
    http1_begin(&r->reader, &r->message, &r->arena);
}

/* Read a request, in two pieces of which the first has `first` bytes.  HTTP1_MORE: the input ends in the middle. */
static http1_event read_one(reading *r, size_t first)
{
    http1_event event = HTTP1_MORE;
    size_t heads = 0, until = MIN(r->at + first, r->length);

    begin(r);
    while (r->at < r->length && (event == HTTP1_MORE || event == HTTP1_HEAD)) {
        size_t consumed = 0;

        event = http1_read(&r->reader, r->data + r->at, until - r->at, &consumed);
        r->at += consumed;
        if (r->at == until)
            until = r->length;
        if (event == HTTP1_HEAD && heads++ > 0)
            abort();
    }
    return event == HTTP1_HEAD ? HTTP1_MORE : event;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_request(const http_request *a, const http_request *b)
{
    if (!same_text(a->method, b->method) || !same_text(a->target, b->target) || !same_text(a->query, b->query) ||
        a->header_count != b->header_count || a->minor_version != b->minor_version || a->head != b->head ||
        a->websocket != b->websocket || a->body_length != b->body_length ||
        memcmp(a->body, b->body, a->body_length) != 0)
        return false;
    for (size_t i = 0; i < a->header_count; i++) {
        const http_header *x = &a->headers[i], *y = &b->headers[i];

        if (!same_text(x->name, y->name) || !same_text(x->value, y->value) || x->name_length != y->name_length ||
            x->value_length != y->value_length || strlen(x->name) != x->name_length ||
            strlen(x->value) != x->value_length)
            return false;
    }
    return true;
}

static void compare(const reading *quick, http1_event quick_event, const reading *slow, http1_event slow_event)
{
    bool same = quick_event == slow_event;

    if (same && quick_event == HTTP1_ERROR)
        same = quick->reader.error_status == slow->reader.error_status;
    else if (same && quick_event == HTTP1_COMPLETE)
        same = quick->at == slow->at && quick->message.keep_alive == slow->message.keep_alive &&
               quick->message.has_body == slow->message.has_body &&
               quick->message.expect_continue == slow->message.expect_continue &&
               same_request(&quick->message.request, &slow->message.request);
    if (same)
        return;
    fprintf(stderr, "event %d at %zu status %d; with llhttp alone: %d at %zu status %d (%s)\n", quick_event, quick->at,
            quick->reader.error_status, slow_event, slow->at, slow->reader.error_status,
            slow->reader.error ? slow->reader.error : "-");
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    http1_options options = {.header_bytes_max = 2048, .body_bytes_max = 8192};
    reading quick = {.data = (const char *)data + 1, .length = size - 1}, slow;
    http1_event quick_event, slow_event;

    if (size < 2)
        return 0;
    if (data[0] & 1)
        options = (http1_options){.header_bytes_max = 64 + data[0] / 2, .body_bytes_max = 16};
    slow = quick;
    http1_init(&quick.reader, &options);
    http1_init(&slow.reader, &options);
    do {
        quick_event = read_one(&quick, SIZE_MAX / 2);
        slow_event = read_one(&slow, 1);
        compare(&quick, quick_event, &slow, slow_event);
    } while (quick_event == HTTP1_COMPLETE && quick.message.keep_alive && quick.at < quick.length);
    http1_message_done(&quick.message);
    http1_message_done(&slow.message);
    arena_done(&quick.arena);
    arena_done(&slow.arena);
    return 0;
}
