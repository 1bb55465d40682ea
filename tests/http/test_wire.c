/* test_wire.c - what the server answers, byte for byte, from files in tests/http/wire/.
 *
 * A file is a list of cases.  Lines that begin with '#' are comments between cases.  A case:
 *
 *     == what it shows
 *     > bytes the client sends, with \r \n \t \0 \xHH and \\ as escapes (one or more lines, joined)
 *     | the client closes its sending side here
 *     < one line of the answer: the text up to CRLF, in order; Date is left out; an empty one is the blank line
 *     <> bytes of a body, with the same escapes
 *     . the connection is closed now        (without this line it must be open still)
 *
 * The service behind answers "METHOD target query body" as text, streams at /stream, and counts what reaches it:
 * "<<< N" checks how many requests it has seen in this case. */
#include "http/server.h"

#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned requests_seen;

static void answer_stream(http_exchange *x)
{
    http_response head = {.status = 200, .content_type = "text/event-stream"};

    assert_int_equal(http_stream_begin(x, &head, NULL), AC_OK);
    assert_int_equal(http_stream_write(x, "data: 1\n\n", 9), AC_OK);
    http_stream_end(x);
}

static void on_request(http_exchange *x, void *user)
{
    const http_request *r = http_exchange_request(x);
    buf body = BUF_INIT(1U << 20);

    (void)user;
    requests_seen++;
    if (strcmp(r->target, "/stream") == 0) {
        answer_stream(x);
    } else {
        http_response head = {.status = strcmp(r->target, "/204") == 0 ? 204 : 200, .content_type = "text/plain"};
        assert_int_equal(buf_appendf(&body, "%s %s %s ", r->method, r->target, r->query ? r->query : "-"), AC_OK);
        assert_int_equal(buf_append(&body, r->body, r->body_length), AC_OK);
        assert_int_equal(http_respond(x, &head, &body), AC_OK);
    }
    http_exchange_unref(x);
}

typedef struct wire_case {
    char title[4096];
    buf sent, wanted;
    bool half_close, closed;
    int requests; /* -1: not checked */
} wire_case;

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static void unescape(buf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        char byte = *c;

        if (byte == '\\') {
            c++;
            byte = *c == 'r' ? '\r' : *c == 'n' ? '\n' : *c == 't' ? '\t' : *c == '0' ? '\0' : *c;
            if (*c == 'x') {
                byte = (char)(hex(c[1]) * 16 + hex(c[2]));
                c += 2;
            }
        }
        assert_int_equal(buf_append(out, &byte, 1), AC_OK);
    }
}

static void drop_dates(buf *b)
{
    char *date;

    while (buf_terminate(b) && (date = strstr(b->data, "Date: "))) {
        size_t length = strlen("Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
        memmove(date, date + length, b->length - (size_t)(date - b->data) - length);
        b->length -= length;
    }
}

static void run_case(wire_case *c)
{
    http_server *server =
        http_server_new(&(http_server_options){.loops = 1, .header_bytes_max = 512, .body_bytes_max = 64},
                        &(http_service){.on_request = on_request});
    http_memory *m = http_memory_connect(server);
    _cleanup_(buf_done) buf got = BUF_INIT(1U << 20);
    size_t length;
    const char *data;

    requests_seen = 0;
    http_memory_send(m, c->sent.data, c->sent.length);
    if (c->half_close)
        http_memory_send(m, NULL, 0);
    for (int i = 0; i < 20; i++)
        http_memory_pump(server, 0);
    data = http_memory_received(m, &length);
    if (length)
        assert_int_equal(buf_append(&got, data, length), AC_OK);
    drop_dates(&got);
    if (got.length != c->wanted.length || (got.length && memcmp(got.data, c->wanted.data, got.length) != 0))
        fail_msg("%s\n--- wanted\n%.*s\n--- got\n%.*s", c->title, (int)c->wanted.length, c->wanted.data,
                 (int)got.length, got.data);
    if (http_memory_closed(m) != c->closed)
        fail_msg("%s: connection is %s", c->title, c->closed ? "still open" : "closed");
    if (c->requests >= 0 && (int)requests_seen != c->requests)
        fail_msg("%s: %u requests reached the service", c->title, requests_seen);
    http_memory_free(m);
    http_memory_shutdown(server);
    http_server_free(server);
    buf_done(&c->sent);
    buf_done(&c->wanted);
}

static void begin_case(wire_case *c, const char *title)
{
    *c = (wire_case){.sent = BUF_INIT(1U << 20), .wanted = BUF_INIT(1U << 20), .requests = -1};
    snprintf(c->title, sizeof c->title, "%s", title);
}

static void add_line(wire_case *c, const char *line)
{
    if (strncmp(line, "> ", 2) == 0)
        unescape(&c->sent, line + 2);
    else if (strncmp(line, "<<< ", 4) == 0)
        c->requests = atoi(line + 4);
    else if (strncmp(line, "<> ", 3) == 0)
        unescape(&c->wanted, line + 3);
    else if (line[0] == '<')
        assert_int_equal(buf_appendf(&c->wanted, "%s\r\n", line[1] ? line + 2 : ""), AC_OK);
    else if (line[0] == '|')
        c->half_close = true;
    else if (line[0] == '.')
        c->closed = true;
    else
        fail_msg("%s: unknown line: %s", c->title, line);
}

static void run_file(void **state)
{
    char path[512], line[4096];
    const char *root = getenv("AC_SOURCE_DIR");
    wire_case c = {.requests = -1};
    FILE *file;

    snprintf(path, sizeof path, "%s/tests/http/wire/%s", root ? root : ".", (const char *)*state);
    file = fopen(path, "r");
    if (!file)
        fail_msg("cannot open %s", path);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "== ", 3) == 0) {
            if (c.title[0])
                run_case(&c);
            begin_case(&c, line + 3);
        } else if (line[0] && line[0] != '#') {
            add_line(&c, line);
        }
    }
    if (c.title[0])
        run_case(&c);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(run_file, (void *)"requests.txt"),
        cmocka_unit_test_prestate(run_file, (void *)"framing.txt"),
        cmocka_unit_test_prestate(run_file, (void *)"refused.txt"),
        cmocka_unit_test_prestate(run_file, (void *)"upgrade.txt"),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
