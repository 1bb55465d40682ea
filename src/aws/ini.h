/* ini.h - the text format of AWS's shared config and credentials files.
 *
 *   [section]            names end at the last ']' of the line
 *   key = value          or "key: value"; keys ignore case; no quotes, no comments behind values
 *     more               an indented line continues the value; after an empty value it is "name = value" of a group,
 *                        found under "key.name"
 *   # or ; at the start of a line: a comment
 *
 * Sections and keys that come again add to and replace what was there.  Values may be secrets: the memory is wiped. */
#ifndef AWS_INI_H
#define AWS_INI_H

#include "base/buf.h"

typedef struct ini ini;

#define INI_BYTES_MAX ((size_t)1 << 20)
#define INI_SECTIONS_MAX 4096
#define INI_ENTRIES_MAX 65536

/* AC_ERR_PROTOCOL: the message names the line, not what is in it.  AC_ERR_TOO_LARGE, AC_ERR_NOMEM. */
ac_status ini_parse(const char *text, size_t length, ini **ret_ini, ac_error *err) AC_MUST_USE;
void ini_free(ini *i);
DEFINE_CLEANUP(ini *, ini_free)

size_t ini_section_count(const ini *i);
const char *ini_section_name(const ini *i, size_t section);

#define INI_NO_SECTION SIZE_MAX

/* The section of that name, or INI_NO_SECTION. */
size_t ini_find(const ini *i, const char *name);

/* A value, NULL when the key is not there.  key in lower case.  Lives as long as the ini. */
const char *ini_get(const ini *i, size_t section, const char *key);

/* All entries in order of the text, replaced ones included: false at the end. */
bool ini_entry_at(const ini *i, size_t at, size_t *ret_section, const char **ret_key, const char **ret_value);

#endif
