/* wordnet.c - the files of wndb(5WN).
 *
 *   index.POS   "lemma pos synset_cnt p_cnt [symbol...] sense_cnt tagsense_cnt offset..." in the order of bytes, after
 *               a notice whose lines begin with a space
 *   data.POS    at each offset "offset lex_filenum ss_type w_cnt(hex) [word lex_id]... p_cnt [symbol offset pos
 *               source/target(hex)]... | gloss"
 *   POS.exc     "form lemma..." in the order of bytes: irregular forms */
#include "daemon/memory/search/wordnet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX ((size_t)1 << 24) /* what an offset of a synset can say */
#define WORDS_MAX 255                    /* of a synset */
#define POINTERS_MAX 999

struct wordnet {
    view files[WORDNET_PARTS][WORDNET_FILES];
    bool borrowed;
};

static const char *const part_names[WORDNET_PARTS] = {"noun", "verb", "adj", "adv"};

/* ---- files ---- */

static ac_status map_file(const char *directory, wordnet_part part, wordnet_file kind, view *ret_file, ac_error *err)
{
    static const char *const befores[WORDNET_FILES] = {"index.", "data.", ""}, *const afters[WORDNET_FILES] = {"", "",
                                                                                                               ".exc"};
    char path[4096];
    struct stat info;
    ac_status status = AC_OK;
    int fd;

    if ((size_t)snprintf(path, sizeof path, "%s/%s%s%s", directory, befores[kind], part_names[part], afters[kind]) >=
        sizeof path)
        return ac_error_set(err, AC_ERR_INVALID, "the directory of WordNet has too long a name");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ac_error_set(err, errno == ENOENT ? AC_ERR_NOT_FOUND : AC_ERR_IO, "%s: %s", path, strerror(errno));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || (size_t)info.st_size >= FILE_BYTES_MAX) {
        status = ac_error_set(err, AC_ERR_IO, "%s is no file of WordNet", path);
    } else if (info.st_size > 0) {
        void *mapped = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

        if (mapped == MAP_FAILED)
            status = ac_error_set(err, AC_ERR_IO, "%s: %s", path, strerror(errno));
        else
            *ret_file = (view){mapped, (size_t)info.st_size};
    }
    close(fd);
    return status;
}

static ac_status map_all(wordnet *w, const char *directory, ac_error *err)
{
    for (wordnet_part part = 0; part < WORDNET_PARTS; part++)
        for (wordnet_file kind = 0; kind < WORDNET_FILES; kind++)
            AC_TRY(map_file(directory, part, kind, &w->files[part][kind], err));
    return AC_OK;
}

ac_status wordnet_open(const char *directory, wordnet **ret_wordnet, ac_error *err)
{
    wordnet *w = calloc(1, sizeof *w);
    ac_status status = w ? map_all(w, directory, err) : ac_error_set(err, AC_ERR_NOMEM, "out of memory");

    if (status != AC_OK) {
        wordnet_close(w);
        w = NULL;
    }
    *ret_wordnet = w;
    return status;
}

wordnet *wordnet_of(const view files[WORDNET_PARTS][WORDNET_FILES])
{
    wordnet *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->borrowed = true;
    for (wordnet_part part = 0; part < WORDNET_PARTS; part++)
        for (wordnet_file kind = 0; kind < WORDNET_FILES; kind++) {
            if (files[part][kind].length >= FILE_BYTES_MAX) {
                free(w);
                return NULL;
            }
            w->files[part][kind] = files[part][kind];
        }
    return w;
}

void wordnet_close(wordnet *w)
{
    if (!w)
        return;
    for (wordnet_part part = 0; part < WORDNET_PARTS; part++)
        for (wordnet_file kind = 0; kind < WORDNET_FILES; kind++)
            if (w->files[part][kind].text && !w->borrowed)
                munmap((void *)w->files[part][kind].text, w->files[part][kind].length);
    free(w);
}

/* ---- lines and fields ---- */

/* The line that has the byte at offset, without its end. */
static view line_at(view file, size_t offset)
{
    size_t from = offset, to = offset;

    while (from > 0 && file.text[from - 1] != '\n')
        from--;
    while (to < file.length && file.text[to] != '\n')
        to++;
    return (view){file.text + from, to - from};
}

/* The line whose first field is key, in a file that is in the order of bytes.  text NULL: none. */
static view find_line(view file, const char *key)
{
    size_t low = 0, high = file.length, length = strlen(key);

    while (low < high) {
        view line = line_at(file, low + (high - low) / 2);
        view rest = line, name;
        int order;

        if (!view_split(&rest, ' ', &name))
            break;
        order = memcmp(name.text, key, MIN(name.length, length));
        if (order == 0)
            order = name.length < length ? -1 : name.length > length;
        if (order == 0 && length > 0)
            return line;
        if (order < 0)
            low = (size_t)(line.text - file.text) + line.length + 1;
        else
            high = (size_t)(line.text - file.text);
    }
    return (view){NULL, 0};
}

/* The next field of a line as a number.  False: there is none, or it is none up to max. */
static bool next_number(view *rest, unsigned base, unsigned long max, unsigned long *ret_number)
{
    unsigned long number = 0;
    view field;

    if (!view_split(rest, ' ', &field) || field.length == 0 || field.length > 9)
        return false;
    for (size_t i = 0; i < field.length; i++) {
        char c = field.text[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 99;

        if (digit >= base)
            return false;
        number = number * base + digit;
    }
    *ret_number = number;
    return number <= max;
}

static bool skip_fields(view *rest, unsigned long count)
{
    view field;

    for (; count > 0; count--)
        if (!view_split(rest, ' ', &field))
            return false;
    return true;
}

/* ---- looking up ---- */

size_t wordnet_senses(const wordnet *w, wordnet_part part, const char *lemma,
                      wordnet_synset ret_senses[WORDNET_SENSES_MAX])
{
    view rest = find_line(w->files[part][WORDNET_INDEX], lemma);
    unsigned long senses, pointers, offset;
    size_t count = 0;

    if (!skip_fields(&rest, 2) || !next_number(&rest, 10, 999, &senses) || !next_number(&rest, 10, 999, &pointers) ||
        !skip_fields(&rest, pointers + 2))
        return 0;
    while (count < MIN(senses, (unsigned long)WORDNET_SENSES_MAX)) {
        if (!next_number(&rest, 10, FILE_BYTES_MAX - 1, &offset) || offset >= w->files[part][WORDNET_DATA].length)
            break;
        ret_senses[count++] = (wordnet_synset)part << 24 | (wordnet_synset)offset;
    }
    return count;
}

static bool part_of_letter(view field, wordnet_part *ret_part)
{
    static const char letters[] = "nvar";
    const char *found = field.length == 1 ? strchr(letters, field.text[0] == 's' ? 'a' : field.text[0]) : NULL;

    if (!found || !*found)
        return false;
    *ret_part = (wordnet_part)(found - letters);
    return true;
}

/* Go past the words of a synset; *ret_number: which of them the lemma is, from 1; 0: none. */
static bool read_words(view *rest, const char *lemma, unsigned long *ret_number)
{
    unsigned long count;

    *ret_number = 0;
    if (!skip_fields(rest, 3) || !next_number(rest, 16, WORDS_MAX, &count))
        return false;
    for (unsigned long i = 1; i <= count; i++) {
        view word;

        if (!view_split(rest, ' ', &word) || !skip_fields(rest, 1))
            return false;
        if (lemma && strlen(lemma) == word.length && strncasecmp(lemma, word.text, word.length) == 0)
            *ret_number = i;
    }
    return true;
}

size_t wordnet_pointers(const wordnet *w, wordnet_synset synset, const char *lemma, wordnet_pointer *ret_pointers,
                        size_t room)
{
    wordnet_part part = wordnet_part_of(synset);
    size_t offset = synset & (FILE_BYTES_MAX - 1), found = 0;
    unsigned long count, number;
    view file, rest;

    if (part >= WORDNET_PARTS || offset >= w->files[part][WORDNET_DATA].length)
        return 0;
    file = w->files[part][WORDNET_DATA];
    rest = (view){file.text + offset, line_at(file, offset).length};
    if (offset > 0 && file.text[offset - 1] != '\n') /* not where a synset begins */
        return 0;
    if (!read_words(&rest, lemma, &number) || !next_number(&rest, 10, POINTERS_MAX, &count) || (lemma && number == 0))
        return 0;
    for (; count > 0 && found < room; count--) {
        view symbol, letter, words;
        unsigned long target, source = 0;
        wordnet_part to;

        if (!view_split(&rest, ' ', &symbol) || !next_number(&rest, 10, FILE_BYTES_MAX - 1, &target) ||
            !view_split(&rest, ' ', &letter) || !view_split(&rest, ' ', &words))
            break;
        if (symbol.length == 0 || symbol.length > 2 || words.length != 4 || !part_of_letter(letter, &to))
            continue;
        view from = {words.text, 2};
        if (!next_number(&from, 16, WORDS_MAX, &source) || (lemma && source != number))
            continue;
        ret_pointers[found++] = (wordnet_pointer){
            .kind = {symbol.text[0], symbol.length == 2 ? symbol.text[1] : '\0'},
            .target = (wordnet_synset)to << 24 | (wordnet_synset)target,
        };
    }
    return found;
}

/* ---- from forms to lemmas ---- */

static const struct ending {
    wordnet_part part;
    const char *from, *to;
} endings[] = {
    {WORDNET_NOUN, "s", ""},        {WORDNET_NOUN, "ses", "s"},      {WORDNET_NOUN, "xes", "x"},
    {WORDNET_NOUN, "zes", "z"},     {WORDNET_NOUN, "ches", "ch"},    {WORDNET_NOUN, "shes", "sh"},
    {WORDNET_NOUN, "ies", "y"},     {WORDNET_NOUN, "men", "man"},    {WORDNET_VERB, "s", ""},
    {WORDNET_VERB, "ies", "y"},     {WORDNET_VERB, "es", "e"},       {WORDNET_VERB, "es", ""},
    {WORDNET_VERB, "ed", "e"},      {WORDNET_VERB, "ed", ""},        {WORDNET_VERB, "ing", "e"},
    {WORDNET_VERB, "ing", ""},      {WORDNET_ADJECTIVE, "er", ""},   {WORDNET_ADJECTIVE, "est", ""},
    {WORDNET_ADJECTIVE, "er", "e"}, {WORDNET_ADJECTIVE, "est", "e"},
};

static bool is_lemma(const wordnet *w, wordnet_part part, const char *text)
{
    return find_line(w->files[part][WORDNET_INDEX], text).text != NULL;
}

static bool irregular(const wordnet *w, wordnet_part part, const char *form, char ret_lemma[WORDNET_LEMMA_MAX])
{
    view rest = find_line(w->files[part][WORDNET_EXCEPTIONS], form), lemma;

    if (!skip_fields(&rest, 1) || !view_split(&rest, ' ', &lemma) || lemma.length == 0 ||
        lemma.length >= WORDNET_LEMMA_MAX)
        return false;
    memcpy(ret_lemma, lemma.text, lemma.length);
    ret_lemma[lemma.length] = '\0';
    return is_lemma(w, part, ret_lemma);
}

bool wordnet_lemma(const wordnet *w, wordnet_part part, const char *form, char ret_lemma[WORDNET_LEMMA_MAX])
{
    size_t length = strlen(form);

    if (length == 0 || length >= WORDNET_LEMMA_MAX - 2)
        return false;
    memcpy(ret_lemma, form, length + 1);
    if (is_lemma(w, part, form))
        return true;
    if (irregular(w, part, form, ret_lemma))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        size_t from = strlen(endings[i].from);

        if (endings[i].part != part || length < from + 2 || strcmp(form + length - from, endings[i].from) != 0)
            continue;
        memcpy(ret_lemma, form, length - from);
        memcpy(ret_lemma + length - from, endings[i].to, strlen(endings[i].to) + 1);
        if (is_lemma(w, part, ret_lemma))
            return true;
    }
    return false;
}
