/* text.h - text and small files, for a program that runs one command and ends.
 *
 * What these functions return lives until text_done, at the end of the command; nothing of it is freed before.  When
 * memory runs out they say so and end the program: there is nobody to hand that to.  Loops without an end release
 * what a turn made: text_mark, text_release. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <agentcore/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Memory that lives until text_done, zeroed. */
void *keep(size_t length);
char *keep_text(const char *text, size_t length);
char *textf(const char *format, ...) AC_PRINTF(1, 2);
void text_done(void);

/* Release what was made after the mark, before text_done. */
void *text_mark(void);
void text_release(void *mark);

void nomem(void) __attribute__((noreturn));

bool starts_with(const char *text, const char *start);
bool ends_with(const char *text, const char *end);

/* Words of a list that grows; NULL behind the last. */
typedef struct words {
    const char **items;
    size_t count, room;
} words;

void words_add(words *w, const char *word);

#define FILE_BYTES_MAX ((size_t)100 << 20)

/* All of a file ("-": standard input), NUL-terminated beyond *ret_length (may be NULL). */
ac_status file_get(const char *path, char **ret_text, size_t *ret_length, ac_error *err) AC_MUST_USE;

/* Write a file so that there is all of the old one or all of the new one at any moment. */
ac_status file_put(const char *path, const void *data, size_t length, mode_t mode, ac_error *err) AC_MUST_USE;

/* mkdir -p */
ac_status directory_make(const char *path, ac_error *err) AC_MUST_USE;

/* rm -rf, as far as it goes. */
void tree_remove(const char *path);

/* A new directory beside path (in the same file system), to be renamed to it. */
ac_status directory_beside(const char *path, char **ret_path, ac_error *err) AC_MUST_USE;

bool is_directory(const char *path);
bool is_file(const char *path);

/* "cannot WHAT PATH: " and what errno says. */
ac_status file_error(ac_error *err, const char *what, const char *path);

/* Lower-case hexadecimal; ret has 2 * length + 1 bytes. */
void hex(const unsigned char *bytes, size_t length, char *ret);

#endif
