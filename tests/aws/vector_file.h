/* vector_file.h - reading tests/aws/vectors/: lines "key value", a block ends with an empty line, \xNN is a byte. */
#ifndef TESTS_AWS_VECTOR_FILE_H
#define TESTS_AWS_VECTOR_FILE_H

#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct vector_file {
    FILE *file;
    char *line;
    size_t size;
} vector_file;

static inline void vector_file_open(vector_file *f, const char *name)
{
    char path[4096];
    const char *root = getenv("AC_SOURCE_DIR");

    snprintf(path, sizeof(path), "%s/tests/aws/vectors/%s", root ? root : ".", name);
    *f = (vector_file){.file = fopen(path, "r")};
    assert_non_null(f->file);
}

static inline void vector_file_close(vector_file *f)
{
    fclose(f->file);
    free(f->line);
}

/* Undo \xNN in place; the new length. */
static inline size_t vector_unescape(char *text)
{
    char *out = text;

    for (const char *in = text; *in; in++) {
        if (in[0] != '\\') {
            *out++ = *in;
            continue;
        }
        char digits[3] = {in[2], in[3], '\0'};
        *out++ = (char)strtoul(digits, NULL, 16);
        in += 3;
    }
    *out = '\0';
    return (size_t)(out - text);
}

/* The next line of a block, copied into a; false at its end.  The value is as it stands in the file. */
static inline int vector_line(vector_file *f, arena *a, char **ret_key, char **ret_value)
{
    ssize_t length = getline(&f->line, &f->size, f->file);

    if (length <= 1)
        return 0;
    f->line[length - 1] = '\0';
    *ret_key = arena_copy(a, f->line, (size_t)length - 1);
    *ret_value = strchr(*ret_key, ' ');
    if (*ret_value)
        *(*ret_value)++ = '\0';
    else
        *ret_value = *ret_key + strlen(*ret_key);
    return 1;
}

#endif
