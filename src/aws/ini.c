/* ini.c - the parser of shared config files: one pass over lines, strings kept in one wiped buffer.
 *
 * Offsets instead of pointers, because the buffer grows.  A value that is continued is always the last string in the
 * buffer, so that it can be lengthened in place. */
#include "aws/ini.h"

#include <stdlib.h>
#include <string.h>

/* A group's name is repeated before each of its keys. */
#define GROUP_NAME_SIZE 256
#define STRINGS_BYTES_MAX (2 * INI_BYTES_MAX + (size_t)GROUP_NAME_SIZE * INI_ENTRIES_MAX)

typedef struct ini_entry {
    uint32_t section;
    uint32_t key, value; /* offsets into strings */
} ini_entry;

struct ini {
    buf strings;  /* NUL-terminated, one after the other */
    buf sections; /* of uint32_t: offsets of names */
    buf entries;  /* of ini_entry */
};

/* Where in the text the parser is. */
typedef struct ini_parser {
    ini *out;
    unsigned line;
    size_t section; /* INI_NO_SECTION before the first */
    bool in_entry;  /* the last entry may be continued */
    bool group;     /* by entries of a group: its value was empty */
    size_t indent;  /* of the last entry */
    uint32_t group_key;
} ini_parser;

static const char *string_at(const ini *i, uint32_t offset)
{
    return i->strings.data + offset;
}

static ac_status add_string(ini *i, const char *prefix, const char *text, size_t length, uint32_t *ret_offset)
{
    *ret_offset = (uint32_t)i->strings.length;
    if (prefix) {
        char name[GROUP_NAME_SIZE];
        size_t prefix_length = strlen(prefix);
        if (prefix_length >= sizeof(name))
            return AC_ERR_TOO_LARGE;
        memcpy(name, prefix, prefix_length); /* prefix lies in strings, which may move */
        AC_TRY(buf_append(&i->strings, name, prefix_length));
        AC_TRY(buf_append(&i->strings, ".", 1));
    }
    AC_TRY(buf_append(&i->strings, text, length));
    return buf_append(&i->strings, "", 1);
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static void trim(const char **text, size_t *length)
{
    while (*length > 0 && blank(**text)) {
        (*text)++;
        (*length)--;
    }
    while (*length > 0 && blank((*text)[*length - 1]))
        (*length)--;
}

/* ---- lines ---- */

static ac_status parse_section(ini_parser *p, const char *line, size_t length)
{
    ini *i = p->out;
    const char *end = memrchr(line, ']', length);
    size_t name_length = end ? (size_t)(end - line) - 1 : 0;
    uint32_t offset;

    if (name_length == 0)
        return AC_ERR_PROTOCOL;
    p->in_entry = false;
    AC_TRY(add_string(i, NULL, line + 1, name_length, &offset));
    p->section = ini_find(i, string_at(i, offset));
    if (p->section != INI_NO_SECTION)
        return AC_OK;
    p->section = ini_section_count(i);
    return buf_append(&i->sections, &offset, sizeof(offset));
}

static ac_status add_entry(ini_parser *p, uint32_t group, const char *line, size_t length, size_t split,
                           uint32_t *ret_key)
{
    ini *i = p->out;
    const char *key = line, *value = line + split + 1;
    size_t key_length = split, value_length = length - split - 1;
    ini_entry entry = {.section = (uint32_t)p->section};

    trim(&key, &key_length);
    trim(&value, &value_length);
    if (key_length == 0)
        return AC_ERR_PROTOCOL;
    AC_TRY(add_string(i, group ? string_at(i, group - 1) : NULL, key, key_length, &entry.key));
    for (char *c = i->strings.data + entry.key; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    AC_TRY(add_string(i, NULL, value, value_length, &entry.value));
    *ret_key = entry.key;
    return buf_append(&i->entries, &entry, sizeof(entry));
}

static ac_status parse_entry(ini_parser *p, const char *line, size_t length, size_t indent)
{
    size_t split = 0;

    while (split < length && line[split] != '=' && line[split] != ':')
        split++;
    if (split == length || p->section == INI_NO_SECTION)
        return AC_ERR_PROTOCOL;
    AC_TRY(add_entry(p, 0, line, length, split, &p->group_key));
    p->in_entry = true;
    p->indent = indent;
    p->group = p->out->strings.data[p->out->strings.length - 2] == '\0'; /* the value is "" */
    return AC_OK;
}

static ac_status continue_entry(ini_parser *p, const char *line, size_t length)
{
    ini *i = p->out;
    const char *equals = memchr(line, '=', length);
    uint32_t ignored;

    if (p->group)
        return equals ? add_entry(p, p->group_key + 1, line, length, (size_t)(equals - line), &ignored)
                      : AC_ERR_PROTOCOL;
    i->strings.data[i->strings.length - 1] = '\n'; /* the NUL behind the value */
    AC_TRY(buf_append(&i->strings, line, length));
    return buf_append(&i->strings, "", 1);
}

static ac_status parse_line(ini_parser *p, const char *line, size_t length)
{
    size_t indent = 0;

    while (indent < length && blank(line[indent]))
        indent++;
    line += indent;
    length -= indent;
    while (length > 0 && blank(line[length - 1]))
        length--;
    if (length == 0 || line[0] == '#' || line[0] == ';')
        return AC_OK;
    if (memchr(line, '\0', length))
        return AC_ERR_PROTOCOL;
    if (p->in_entry && indent > p->indent)
        return continue_entry(p, line, length);
    if (line[0] == '[')
        return parse_section(p, line, length);
    return parse_entry(p, line, length, indent);
}

static ac_status parse_text(ini_parser *p, const char *text, size_t length)
{
    if (length > INI_BYTES_MAX)
        return AC_ERR_TOO_LARGE;
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        length -= 3;
    }
    while (length > 0) {
        const char *end = memchr(text, '\n', length);
        size_t line = end ? (size_t)(end - text) : length;

        p->line++;
        AC_TRY(parse_line(p, text, line));
        text += MIN(line + 1, length);
        length -= MIN(line + 1, length);
    }
    return AC_OK;
}

ac_status ini_parse(const char *text, size_t length, ini **ret_ini, ac_error *err)
{
    ini *i = calloc(1, sizeof *i);
    ini_parser p = {.out = i, .section = INI_NO_SECTION};
    ac_status status;

    *ret_ini = NULL;
    if (!i)
        return ac_error_set(err, AC_ERR_NOMEM, "no memory for a config file");
    i->strings = BUF_INIT(STRINGS_BYTES_MAX);
    i->strings.secret = true;
    i->sections = BUF_INIT(INI_SECTIONS_MAX * sizeof(uint32_t));
    i->entries = BUF_INIT(INI_ENTRIES_MAX * sizeof(ini_entry));
    status = parse_text(&p, text, length);
    if (status == AC_OK) {
        *ret_ini = i;
        return AC_OK;
    }
    ini_free(i);
    if (status == AC_ERR_PROTOCOL)
        return ac_error_set(err, status, "line %u is neither [section] nor key = value", p.line);
    return ac_error_set(err, status, "line %u: %s", p.line, ac_status_text(status));
}

void ini_free(ini *i)
{
    if (!i)
        return;
    buf_done(&i->strings);
    buf_done(&i->sections);
    buf_done(&i->entries);
    free(i);
}

/* ---- looking things up ---- */

size_t ini_section_count(const ini *i)
{
    return i->sections.length / sizeof(uint32_t);
}

const char *ini_section_name(const ini *i, size_t section)
{
    uint32_t offset;

    memcpy(&offset, i->sections.data + section * sizeof(offset), sizeof(offset));
    return string_at(i, offset);
}

size_t ini_find(const ini *i, const char *name)
{
    for (size_t section = 0; section < ini_section_count(i); section++)
        if (strcmp(ini_section_name(i, section), name) == 0)
            return section;
    return INI_NO_SECTION;
}

bool ini_entry_at(const ini *i, size_t at, size_t *ret_section, const char **ret_key, const char **ret_value)
{
    ini_entry entry;

    if (at >= i->entries.length / sizeof(entry))
        return false;
    memcpy(&entry, i->entries.data + at * sizeof(entry), sizeof(entry));
    *ret_section = entry.section;
    *ret_key = string_at(i, entry.key);
    *ret_value = string_at(i, entry.value);
    return true;
}

const char *ini_get(const ini *i, size_t section, const char *key)
{
    for (size_t at = i->entries.length / sizeof(ini_entry); at-- > 0;) {
        size_t in;
        const char *name, *value;

        if (ini_entry_at(i, at, &in, &name, &value) && in == section && strcmp(name, key) == 0)
            return value;
    }
    return NULL;
}
