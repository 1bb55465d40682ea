/* test_nomem.c - what happens when malloc fails, at each place in turn.
 *
 * Linked with -Wl,--wrap=malloc,--wrap=realloc,--wrap=calloc, so that the library's own calls come through here; what
 * yyjson allocates does not, but for the blocks that json_write gives it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../failing_malloc.h"

/* Run fn with the first, then the second, ... allocation failing, until it runs through without meeting the failure. */
static void fail_everywhere(void (*fn)(void))
{
    int failures = 0;

    for (int at = 0;; at++, failures++) {
        allocations_left = at;
        has_failed = false;
        fn();
        allocations_left = -1;
        if (!has_failed)
            break;
        assert_true(at < 1000);
    }
    assert_true(failures > 0);
}

static void grow_buf(bool secret)
{
    _cleanup_(buf_done) buf b = BUF_INIT(SIZE_MAX);
    size_t appended = 0;

    b.secret = secret;
    for (int i = 0; i < 500; i++) {
        ac_status status = i % 2 ? buf_append(&b, "0123456789", 10) : buf_appendf(&b, "%010d", i);

        assert_true(status == AC_OK || (status == AC_ERR_NOMEM && has_failed));
        appended += status == AC_OK ? 10 : 0;
        assert_int_equal(b.length, appended);
    }
    char *text = buf_terminate(&b);
    assert_true(text != NULL || has_failed);
}

static void grow_plain(void)
{
    grow_buf(false);
}

static void grow_secret(void)
{
    grow_buf(true);
}

static void clean_text(void)
{
    _cleanup_(buf_done) buf out = BUF_INIT(SIZE_MAX);
    char text[1000];

    memset(text, 0xFF, sizeof(text));
    ac_status status = utf8_append_clean(&out, text, sizeof(text));
    assert_true(status == AC_OK ? out.length == 3000 : status == AC_ERR_NOMEM && has_failed && out.length == 0);
}

static void count_hook(void *data)
{
    ++*(int *)data;
}

static void use_arena(void)
{
    arena a = ARENA_INIT;
    int expected = 0, ran = 0;

    for (size_t i = 0; i < 40; i++) {
        char *memory = arena_zalloc(&a, i * 60);

        assert_true(memory || has_failed);
        if (arena_on_release(&a, count_hook, &ran) == AC_OK)
            expected++;
        char *copy = arena_copy(&a, "text", 4);
        assert_true(copy ? strcmp(copy, "text") == 0 : has_failed);
    }
    arena_done(&a);
    assert_int_equal(ran, expected);
}

static void write_json(void)
{
    static yyjson_mut_doc *doc;
    static yyjson_mut_val *value;

    if (!doc) {
        int left = allocations_left;
        static char text[3000];

        allocations_left = -1;
        memset(text, ':', sizeof(text) - 1);
        doc = yyjson_mut_doc_new(NULL);
        value = ac_json_pack(doc, "[s, s, {s:i}]", text, text, "a", 1);
        yyjson_mut_arr_append(value, yyjson_mut_str(doc, "\xFF"));
        allocations_left = left;
    }

    _cleanup_(buf_done) buf out = BUF_INIT(SIZE_MAX);
    assert_true(buf_append_text(&out, "before") == AC_OK || has_failed);
    size_t before = out.length;
    ac_status status = json_write(&out, value, JSON_SPACED, NULL);
    assert_true(status == AC_OK || (status == AC_ERR_NOMEM && has_failed && out.length == before));

    bool last = !has_failed;
    if (last)
        yyjson_mut_doc_free(TAKE_PTR(doc));
}

static ac_status pack_text(buf *out, const char *format, ...)
{
    json_repairs repairs;
    va_list args;

    va_start(args, format);
    ac_status status = json_vpack_text(out, JSON_SPACED, &repairs, format, args);
    va_end(args);
    return status;
}

static void write_packed(void)
{
    static char text[3000];
    memset(text, '\n', sizeof(text) - 1);

    _cleanup_(buf_done) buf out = BUF_INIT(SIZE_MAX);
    assert_true(buf_append_text(&out, "before") == AC_OK || has_failed);
    size_t before = out.length;
    ac_status status = pack_text(&out, "{s:[s, i, f]}", "a", text, 1, 1e-300);
    assert_true(status == AC_OK || (status == AC_ERR_NOMEM && has_failed && out.length == before));
}

static void log_lines(void)
{
    static char text[3000];
    memset(text, '"', sizeof(text) - 1);

    log_batch_begin();
    for (int i = 0; i < 20; i++)
        ac_log_error("%s", text);
    log_batch_end();
    ac_log_info("%s", text);
}

static void buf_survives(void **state)
{
    (void)state;
    fail_everywhere(grow_plain);
    fail_everywhere(grow_secret);
    fail_everywhere(clean_text);
}

static void arena_survives(void **state)
{
    (void)state;
    fail_everywhere(use_arena);
}

static void json_write_survives(void **state)
{
    (void)state;
    fail_everywhere(write_json);
    fail_everywhere(write_packed);
}

static void log_survives(void **state)
{
    int saved = dup(STDERR_FILENO);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_true(saved >= 0 && nowhere >= 0);
    dup2(nowhere, STDERR_FILENO);
    fail_everywhere(log_lines);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(nowhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_survives),
        cmocka_unit_test(arena_survives),
        cmocka_unit_test(json_write_survives),
        cmocka_unit_test(log_survives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
