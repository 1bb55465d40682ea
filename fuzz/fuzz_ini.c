/* fuzz_ini.c - shared config files: what is read, written out plainly, must be read as the same sections and values. */
#include "aws/ini.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Values of several lines go out as they came: each further line indented. */
static void write_value(buf *out, const char *value)
{
    for (; *value; value++) {
        require(buf_append(out, value, 1) == AC_OK);
        if (*value == '\n')
            require(buf_append_text(out, "  ") == AC_OK);
    }
    require(buf_append_text(out, "\n") == AC_OK);
}

/* A name in a group may have a colon, which would end a plain key. */
static bool can_be_written(const ini *i)
{
    const char *key, *value;
    size_t section;

    for (size_t at = 0; ini_entry_at(i, at, &section, &key, &value); at++)
        if (strchr(key, ':'))
            return false;
    return true;
}

static void write_out(const ini *i, buf *out)
{
    const char *key, *value;
    size_t section;

    for (size_t at = 0; ini_entry_at(i, at, &section, &key, &value); at++) {
        require(section < ini_section_count(i));
        require(ini_get(i, section, key) != NULL);
        require(buf_appendf(out, "[%s]\n%s = ", ini_section_name(i, section), key) == AC_OK);
        write_value(out, value);
    }
}

static void require_same(const ini *a, const ini *b)
{
    const char *a_key, *a_value, *b_key, *b_value;
    size_t at = 0, a_section, b_section;

    for (; ini_entry_at(a, at, &a_section, &a_key, &a_value); at++) {
        require(ini_entry_at(b, at, &b_section, &b_key, &b_value));
        require(strcmp(ini_section_name(a, a_section), ini_section_name(b, b_section)) == 0);
        require(strcmp(a_key, b_key) == 0 && strcmp(a_value, b_value) == 0);
    }
    require(!ini_entry_at(b, at, &b_section, &b_key, &b_value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    buf text = BUF_INIT(SIZE_MAX);
    ac_error err = {0};
    ini *first, *second;

    if (ini_parse((const char *)data, size, &first, &err) != AC_OK) {
        require(first == NULL && err.message[0] != '\0');
        return 0;
    }
    if (can_be_written(first))
        write_out(first, &text);
    if (text.length > 0 && text.length <= INI_BYTES_MAX) { /* a section's name is written before each of its entries */
        require(ini_parse(text.data, text.length, &second, NULL) == AC_OK);
        require_same(first, second);
        ini_free(second);
    }
    ini_free(first);
    buf_done(&text);
    return 0;
}
