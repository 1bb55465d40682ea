/* memory_script.h - a service for the tests of the memory client that gives the answers it was told, one after the
 * other, and keeps what it was asked. */
#ifndef TESTS_CLIENT_MEMORY_SCRIPT_H
#define TESTS_CLIENT_MEMORY_SCRIPT_H

#include "agent_house.h"

#include <agentcore/memory.h>

#define MEMORY_ID "Memory-0123456789"
#define GONE "!"        /* ResourceNotFoundException */
#define REQUESTS_KEPT 8 /* the first ones of a script */

/* The last answer is given again and again. */
static const char *const *script;
static unsigned step, asked;
static char lines[REQUESTS_KEPT][256], bodies[REQUESTS_KEPT][4096];

static void script_answer(agent_house *h, http_exchange *x)
{
    const http_field type = {"x-amzn-ErrorType", "ResourceNotFoundException"};
    bool gone = strcmp(script[step], GONE) == 0;
    buf body = BUF_INIT(65536);

    if (asked < REQUESTS_KEPT) {
        snprintf(lines[asked], sizeof lines[0], "%.250s", h->line);
        snprintf(bodies[asked], sizeof bodies[0], "%s", h->body);
    }
    asked++;
    if (buf_append_text(&body, gone ? "{\"message\": \"no such thing\"}" : script[step]) != AC_OK)
        abort();
    if (script[step + 1])
        step++;
    http_response response = {
        .status = gone ? 404 : 200, .content_type = "application/json", .fields = &type, .field_count = gone ? 1 : 0};
    (void)!http_respond(x, &response, &body);
    http_exchange_unref(x);
}

static void script_begin(const char *const *answers)
{
    script = answers;
    step = asked = 0;
}

#define SCRIPT(...) script_begin((const char *const[]){__VA_ARGS__, NULL})

static int script_set_up(void **state)
{
    agent_house *h = calloc(1, sizeof *h);

    agent_house_start(h, script_answer, 1);
    *state = h;
    return 0;
}

static int script_tear_down(void **state)
{
    agent_house_stop(*state);
    free(*state);
    return 0;
}

static inline void must(ac_status status, const ac_error *err)
{
    if (status != AC_OK)
        fail_msg("%s: %s", err->aws_name, err->message);
}

/* Whether two JSON texts say the same; member, if any, is the one of the first that is meant. */
static inline void assert_json(const char *text, const char *member, const char *expected)
{
    yyjson_doc *got = yyjson_read(text, strlen(text), 0), *wanted = yyjson_read(expected, strlen(expected), 0);
    yyjson_val *root = yyjson_doc_get_root(got);

    assert_non_null(wanted);
    if (!yyjson_equals(member ? yyjson_obj_get(root, member) : root, yyjson_doc_get_root(wanted)))
        fail_msg("%s\nis not\n%s", text, expected);
    yyjson_doc_free(got);
    yyjson_doc_free(wanted);
}

/* The same of an answer, which is freed. */
static inline void assert_answer(yyjson_doc *answer, const char *expected)
{
    char *text = yyjson_write(answer, 0, NULL);

    assert_non_null(text);
    assert_json(text, NULL, expected);
    free(text);
    yyjson_doc_free(answer);
}

#endif
