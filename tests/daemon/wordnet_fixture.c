/* wordnet_fixture.c - writes index, data and exceptions as wndb(5WN) has them.  Offsets are found in a first pass: a
 * line is as long whatever the offsets in it. */
#include "wordnet_fixture.h"

#include "base/util.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct entry {
    char part;
    const char *lemma;
    const char *pointer; /* "@", "@i", "+"; NULL: none */
    int target;          /* which entry */
} entry;

/* Within a part in the order of bytes, as the index must be. */
static const entry entries[] = {
    {'n', "city", NULL, 0},  {'n', "dish", "@", 2},         {'n', "food", NULL, 0},   {'n', "goose", NULL, 0},
    {'n', "judo", "@", 5},   {'n', "martial_art", NULL, 0}, {'n', "mentor", "+", 13}, {'n', "music", NULL, 0},
    {'n', "paris", "@i", 0}, {'n', "sushi", "@", 1},        {'n', "tuna", "@", 2},    {'n', "word", NULL, 0},
    {'v', "eat", NULL, 0},   {'v', "mentor", "+", 6},
};

static size_t offsets[ARRAY_SIZE(entries)];

static const char *const names[] = {"noun", "verb", "adj", "adv"};
static const char letters[] = "nvar";

static FILE *open_file(const char *directory, const char *before, const char *name, const char *after)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s%s%s", directory, before, name, after);
    return fopen(path, "we");
}

static void write_data(FILE *file, char part, bool only_count)
{
    static const char notice[] = "  1 a notice, as the real files have one\n";
    size_t at = strlen(notice);

    if (!only_count)
        fputs(notice, file);
    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        const entry *e = &entries[i];
        char line[256], pointer[64] = "";

        if (e->part != part)
            continue;
        offsets[i] = at;
        if (e->pointer)
            snprintf(pointer, sizeof pointer, " %s %08zu %c %s", e->pointer, offsets[e->target],
                     entries[e->target].part, e->pointer[0] == '+' ? "0101" : "0000");
        at += (size_t)snprintf(line, sizeof line, "%08zu 13 %c 01 %s 0 %03d%s | what it means\n", at, part, e->lemma,
                               e->pointer != NULL, pointer);
        if (!only_count)
            fputs(line, file);
    }
}

static void write_index(FILE *file, char part)
{
    fputs("  1 a notice, as the real files have one\n", file);
    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        const entry *e = &entries[i];

        if (e->part == part && e->pointer)
            fprintf(file, "%s %c 1 1 %s 1 0 %08zu  \n", e->lemma, part, e->pointer, offsets[i]);
        else if (e->part == part)
            fprintf(file, "%s %c 1 0 1 0 %08zu  \n", e->lemma, part, offsets[i]);
    }
}

bool wordnet_fixture_write(const char *directory)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        write_data(NULL, letters[i], true);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        FILE *data = open_file(directory, "data.", names[i], ""), *index = open_file(directory, "index.", names[i], "");
        FILE *exceptions = open_file(directory, "", names[i], ".exc");

        if (!data || !index || !exceptions)
            return false;
        write_data(data, letters[i], false);
        write_index(index, letters[i]);
        if (i == 0)
            fputs("geese goose\n", exceptions);
        fclose(data);
        fclose(index);
        fclose(exceptions);
    }
    return true;
}

void wordnet_fixture_remove(const char *directory)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof path, "%s/data.%s", directory, names[i]);
        unlink(path);
        snprintf(path, sizeof path, "%s/index.%s", directory, names[i]);
        unlink(path);
        snprintf(path, sizeof path, "%s/%s.exc", directory, names[i]);
        unlink(path);
    }
}
