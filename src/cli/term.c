/* term.c - what people see. */
#include "cli/term.h"

#include "cli/text.h"

#include <agentcore/json.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool progress_shown;

static bool is_colourful(FILE *out)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(fileno(out)) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

const char *paint(FILE *out, ink colour)
{
    static const char *const codes[INK_COUNT] = {
        [INK_NONE] = "\033[0m",   [INK_BOLD] = "\033[1m",    [INK_DIM] = "\033[2m",   [INK_RED] = "\033[31m",
        [INK_GREEN] = "\033[32m", [INK_YELLOW] = "\033[33m", [INK_BLUE] = "\033[34m",
    };

    return is_colourful(out) ? codes[colour] : "";
}

void progress(const char *format, ...)
{
    va_list args;

    if (!is_colourful(stderr))
        return;
    fprintf(stderr, "\r\033[K%s", paint(stderr, INK_DIM));
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, " ...%s", paint(stderr, INK_NONE));
    fflush(stderr);
    progress_shown = true;
}

void progress_end(void)
{
    if (progress_shown)
        fputs("\r\033[K", stderr);
    progress_shown = false;
}

void complain(const char *format, ...)
{
    char text[1024];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* One line, whatever the service or the agent put into its message. */
    for (char *at = text; *at; at++)
        *at = *at == '\n' ? ' ' : *at;
    progress_end();
    fflush(stdout);
    fprintf(stderr, "agentcore: %s", paint(stderr, INK_RED));
    print_foreign(stderr, text, length < (int)sizeof text ? (size_t)length : sizeof text - 1);
    fprintf(stderr, "%s\n", paint(stderr, INK_NONE));
}

void remark(const char *format, ...)
{
    va_list args;

    if (!isatty(STDERR_FILENO))
        return;
    progress_end();
    fflush(stdout);
    fputs(paint(stderr, INK_DIM), stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "%s\n", paint(stderr, INK_NONE));
}

static void put_json(char *text)
{
    if (!text)
        nomem();
    puts(text);
    free(text);
}

void print_json(yyjson_val *value)
{
    put_json(yyjson_val_write(value, YYJSON_WRITE_PRETTY_TWO_SPACES, NULL));
}

void print_json_line(yyjson_val *value)
{
    put_json(yyjson_val_write(value, 0, NULL));
    fflush(stdout);
}

void print_json_mut(const yyjson_mut_val *value)
{
    put_json(yyjson_mut_val_write(value, YYJSON_WRITE_PRETTY_TWO_SPACES, NULL));
}

void print_json_packed(const char *format, ...)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *value;
    va_list args;

    va_start(args, format);
    value = doc ? ac_json_vpack(doc, format, args) : NULL;
    va_end(args);
    if (!value)
        nomem();
    print_json_mut(value);
    yyjson_mut_doc_free(doc);
}

/* Control characters, among them those of two bytes (U+0080 to U+009F). */
static bool is_control(const unsigned char *at, const unsigned char *end, size_t *ret_length)
{
    *ret_length = 1;
    if (*at == 0xc2 && at + 1 < end && at[1] >= 0x80 && at[1] < 0xa0)
        *ret_length = 2;
    return *ret_length == 2 || *at == 0x7f || (*at < 0x20 && *at != '\n' && *at != '\t');
}

void print_foreign(FILE *out, const char *text, size_t length)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + length;

    if (!isatty(fileno(out))) {
        fwrite(text, 1, length, out);
        return;
    }
    while (at < end) {
        size_t step;

        if (is_control(at, end, &step))
            putc('?', out);
        else
            putc(*at, out);
        at += step;
    }
}

/* Letters, not bytes. */
static size_t width(const char *text)
{
    size_t letters = 0;

    for (; *text; text++)
        letters += ((unsigned char)*text & 0xc0) != 0x80;
    return letters;
}

void print_table(const char *const *cells, size_t rows, size_t columns)
{
    for (size_t row = 0; row < rows; row++) {
        fputs(row == 0 ? paint(stdout, INK_BOLD) : "", stdout);
        for (size_t column = 0; column < columns; column++) {
            const char *text = cells[row * columns + column] ? cells[row * columns + column] : "";
            size_t widest = 0;

            for (size_t i = 0; i < rows; i++) {
                const char *other = cells[i * columns + column];
                size_t wide = other ? width(other) : 0;

                widest = wide > widest ? wide : widest;
            }
            print_foreign(stdout, text, strlen(text));
            if (column + 1 < columns)
                printf("%*s", (int)(widest - width(text) + 2), "");
        }
        fputs(row == 0 ? paint(stdout, INK_NONE) : "", stdout);
        putchar('\n');
    }
}

ac_status print_end(ac_error *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return AC_OK;
    return ac_error_set(err, AC_ERR_STATE, "cannot write to standard output: %s", strerror(errno));
}
