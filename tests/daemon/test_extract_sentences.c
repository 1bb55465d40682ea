/* test_extract_sentences.c - what is made of sentences, case by case, as extract_sentences.txt has them:
 *
 *   @ 2025-03-08          when it is said, from here on (a Saturday; at noon)
 *   ? Where do you live?  what the assistant has just asked
 *   > I love apples.      what the user says; several lines are one turn with line breaks
 *   A> Your code is 7.    what the assistant says
 *   = The user ...        a fact that comes of it; in order, all of them
 *
 * A blank line ends a case.  With a file as its argument, the program prints what it makes of the lines. */
#include "daemon/memory/extract/rewrite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define TURN_BYTES 8192

typedef struct example {
    unsigned line;
    int64_t said_ms;
    bool told;
    char question[256];
    char turn[TURN_BYTES];
    char expected[TURN_BYTES];
} example;

static unsigned cases, failures;

static int64_t noon_of(const char *date)
{
    struct tm tm = {.tm_hour = 12};

    if (sscanf(date, "%d-%d-%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday) != 3)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (int64_t)timegm(&tm) * 1000;
}

static ac_status rewrite_turn(const example *e, rewriter *r)
{
    sentence *sentences;
    size_t count;

    AC_TRY(sentences_of(e->turn, strlen(e->turn), r->arena, &sentences, &count));
    rewriter_turn(r, e->said_ms);
    for (size_t i = 0; i < count; i++) {
        bool done = false;

        if (e->told) {
            AC_TRY(rewrite_told(r, &sentences[i]));
            continue;
        }
        if (e->question[0])
            AC_TRY(rewrite_answer(r, e->question, &sentences[i], &done));
        if (!done)
            AC_TRY(rewrite_sentence(r, &sentences[i]));
    }
    return AC_OK;
}

static void facts_of(const example *e, char out[TURN_BYTES])
{
    _cleanup_(arena_done) arena memory = ARENA_INIT;
    rewriter r;
    size_t used = 0;

    rewriter_begin(&r, &memory);
    if (rewrite_turn(e, &r) != AC_OK)
        abort();
    out[0] = '\0';
    for (size_t i = 0; i < r.count; i++)
        used += (size_t)snprintf(out + used, TURN_BYTES - used, "%s\n", r.facts[i].text);
}

static void check(const example *e, bool print)
{
    char got[TURN_BYTES];

    if (!e->turn[0])
        return;
    facts_of(e, got);
    cases++;
    if (print)
        printf("> %s%s\n", e->turn, got);
    else if (strcmp(got, e->expected) != 0) {
        failures++;
        print_error("line %u: %s  expected: %s  got:      %s", e->line, e->turn,
                    e->expected[0] ? e->expected : "nothing\n", got[0] ? got : "nothing\n");
    }
}

static void append(char *to, const char *text)
{
    size_t used = strlen(to);

    snprintf(to + used, TURN_BYTES - used, "%s\n", text);
}

static void read_line(example *e, char *line, unsigned number, bool print)
{
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '\0') {
        int64_t said_ms = e->said_ms;

        check(e, print);
        *e = (example){.said_ms = said_ms};
    } else if (line[0] == '@') {
        e->said_ms = noon_of(line + 2);
    } else if (line[0] == '?') {
        snprintf(e->question, sizeof e->question, "%s", line + 2);
    } else if (line[0] == '=') {
        append(e->expected, line + 2);
    } else if (line[0] == '>' || line[0] == 'A') {
        e->told = line[0] == 'A';
        e->line = e->line ? e->line : number;
        append(e->turn, line + (e->told ? 3 : line[1] ? 2 : 1));
    }
}

static void run(const char *path, bool print)
{
    FILE *file = fopen(path, "r");
    example e = {.said_ms = noon_of("2025-03-08")};
    char *line = NULL;
    size_t room = 0;

    if (!file)
        abort();
    for (unsigned number = 1; getline(&line, &room, file) >= 0; number++)
        read_line(&e, line, number, print);
    check(&e, print);
    free(line);
    fclose(file);
}

static void sentences(void **state)
{
    char path[4096];

    (void)state;
    snprintf(path, sizeof path, "%s/tests/daemon/extract_sentences.txt", getenv("AC_SOURCE_DIR"));
    run(path, false);
    assert_int_equal(failures, 0);
    assert_true(cases >= 150);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sentences)};

    if (argc > 1) {
        run(argv[1], true);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
