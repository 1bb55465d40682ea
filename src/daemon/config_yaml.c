/* config_yaml.c - libyaml's events become a flat list of paths and values.
 *
 * libyaml does the syntax; here is a stack of the containers that are open, never deeper than YAML_DEPTH_MAX, and the
 * path to the present place, which each mapping extends by its key and cuts again.  A key is a repetition when an entry
 * at or below its path exists already, since all of a mapping comes in one piece. */
#include "daemon/config_yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

typedef struct container {
    bool sequence;
    bool has_key; /* a mapping's key was read, its value comes next */
    bool has_children;
    size_t path_length; /* before the key */
} container;

typedef struct reader {
    const char *name;
    yaml_parser_t parser;
    yaml_event_t event;
    yaml_map *map;
    size_t capacity;
    container open[YAML_DEPTH_MAX];
    size_t depth;
    unsigned documents;
    char path[YAML_PATH_SIZE];
    size_t path_length;
    ac_error *err;
} reader;

static unsigned line_of(const reader *r)
{
    return (unsigned)r->event.start_mark.line + 1;
}

static ac_status flaw(const reader *r, const char *what)
{
    return ac_error_set(r->err, AC_ERR_INVALID, "%s:%u: %s%s%s", r->name, line_of(r), r->path_length ? r->path : "",
                        r->path_length ? ": " : "", what);
}

static ac_status add_entry(reader *r, yaml_kind kind, const char *text)
{
    yaml_map *map = r->map;
    yaml_entry entry = {.line = line_of(r), .kind = kind};

    if (map->count >= YAML_ENTRIES_MAX)
        return ac_error_set(r->err, AC_ERR_TOO_LARGE, "%s: more than %d values", r->name, YAML_ENTRIES_MAX);
    if (map->count == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 16;
        yaml_entry *entries = realloc(map->entries, capacity * sizeof *entries);

        if (!entries)
            return ac_error_set(r->err, AC_ERR_NOMEM, "out of memory");
        map->entries = entries;
        r->capacity = capacity;
    }
    entry.path = strdup(r->path);
    entry.text = strdup(text);
    map->entries[map->count++] = entry; /* also half-made: the map frees it */
    return entry.path && entry.text ? AC_OK : ac_error_set(r->err, AC_ERR_NOMEM, "out of memory");
}

static void cut_path(reader *r, size_t length)
{
    r->path_length = length;
    r->path[length] = '\0';
}

/* ---- scalars ---- */

static bool is_plain(const reader *r)
{
    return r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool is_repeated(const reader *r)
{
    for (size_t i = 0; i < r->map->count; i++) {
        const char *path = r->map->entries[i].path;

        if (strncmp(path, r->path, r->path_length) == 0 && (!path[r->path_length] || path[r->path_length] == '.'))
            return true;
    }
    return false;
}

static ac_status take_key(reader *r, container *in, const char *key, size_t length)
{
    if (is_plain(r) && strcmp(key, "<<") == 0)
        return flaw(r, "merge keys are not supported");
    if (length == 0)
        return flaw(r, "a key is empty");
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)key[i] < ' ' || key[i] == 0x7f)
            return flaw(r, "a key has control characters in it");
    in->path_length = r->path_length;
    if (r->path_length + (r->path_length > 0) + length >= sizeof r->path) /* the dot between, and a NUL */
        return flaw(r, "the key is too long");
    if (r->path_length)
        r->path[r->path_length++] = '.';
    memcpy(r->path + r->path_length, key, length);
    cut_path(r, r->path_length + length);
    if (is_repeated(r))
        return flaw(r, "the key is there twice");
    in->has_key = in->has_children = true;
    return AC_OK;
}

static void end_value(reader *r)
{
    container *in = r->depth ? &r->open[r->depth - 1] : NULL;

    if (in && !in->sequence) {
        in->has_key = false;
        cut_path(r, in->path_length);
    }
}

static bool is_null(const reader *r, const char *text)
{
    return is_plain(r) && (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static ac_status take_scalar(reader *r)
{
    const char *text = (const char *)r->event.data.scalar.value;
    size_t length = r->event.data.scalar.length;
    container *in = r->depth ? &r->open[r->depth - 1] : NULL;

    if (r->event.data.scalar.anchor)
        return flaw(r, "anchors are not supported");
    if (r->event.data.scalar.tag)
        return flaw(r, "tags are not supported");
    if (strlen(text) != length || length > YAML_VALUE_BYTES_MAX)
        return flaw(r, "the value is too long, or has a NUL in it");
    if (!in)
        return is_null(r, text) ? AC_OK : flaw(r, "expected keys and values");
    if (!in->sequence && !in->has_key)
        return take_key(r, in, text, length);
    if (in->sequence && is_null(r, text))
        return flaw(r, "an item is empty");
    in->has_children = true;
    AC_TRY(add_entry(r,
                     in->sequence       ? YAML_ITEM
                     : is_null(r, text) ? YAML_NOTHING
                                        : YAML_VALUE,
                     is_null(r, text) ? "" : text));
    end_value(r);
    return AC_OK;
}

/* ---- containers ---- */

static ac_status open_container(reader *r, bool sequence, bool anchor, bool tag)
{
    const container *in = r->depth ? &r->open[r->depth - 1] : NULL;

    if (anchor || tag)
        return flaw(r, anchor ? "anchors are not supported" : "tags are not supported");
    if (in && in->sequence)
        return flaw(r, "a sequence holds plain values here");
    if (in && !in->has_key)
        return flaw(r, "a key must be plain text");
    if (!in && sequence)
        return flaw(r, "expected keys and values");
    if (r->depth == YAML_DEPTH_MAX)
        return flaw(r, "nested too deep");
    r->open[r->depth++] = (container){.sequence = sequence, .path_length = r->path_length};
    return AC_OK;
}

static ac_status close_container(reader *r)
{
    bool empty = !r->open[--r->depth].has_children;

    if (empty && r->depth)
        AC_TRY(add_entry(r, YAML_NOTHING, ""));
    end_value(r);
    return AC_OK;
}

static ac_status take_event(reader *r)
{
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(r);
    case YAML_MAPPING_START_EVENT:
        return open_container(r, false, r->event.data.mapping_start.anchor, r->event.data.mapping_start.tag);
    case YAML_SEQUENCE_START_EVENT:
        return open_container(r, true, r->event.data.sequence_start.anchor, r->event.data.sequence_start.tag);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return close_container(r);
    case YAML_ALIAS_EVENT:
        return flaw(r, "aliases are not supported");
    case YAML_DOCUMENT_START_EVENT:
        return r->documents++ ? flaw(r, "a second document begins") : AC_OK;
    default:
        return AC_OK;
    }
}

static ac_status syntax_error(const reader *r)
{
    const yaml_parser_t *p = &r->parser;

    if (p->error == YAML_MEMORY_ERROR)
        return ac_error_set(r->err, AC_ERR_NOMEM, "out of memory");
    return ac_error_set(r->err, AC_ERR_INVALID, "%s:%zu: %s%s%s", r->name, p->problem_mark.line + 1,
                        p->problem ? p->problem : "not YAML", p->context ? " " : "", p->context ? p->context : "");
}

ac_status yaml_parse(const char *name, const char *text, size_t length, yaml_map *ret_map, ac_error *err)
{
    reader r = {.name = name, .map = ret_map, .err = err};
    ac_status status = AC_OK;
    bool end = false;

    *ret_map = (yaml_map){0};
    if (!yaml_parser_initialize(&r.parser))
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, length);
    while (status == AC_OK && !end) {
        if (!yaml_parser_parse(&r.parser, &r.event)) {
            status = syntax_error(&r);
            break;
        }
        end = r.event.type == YAML_STREAM_END_EVENT;
        status = take_event(&r);
        yaml_event_delete(&r.event);
    }
    yaml_parser_delete(&r.parser);
    if (status != AC_OK)
        yaml_map_done(ret_map);
    return status;
}

void yaml_map_done(yaml_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        if (map->entries[i].text) /* may be a URL with a password */
            explicit_bzero(map->entries[i].text, strlen(map->entries[i].text));
        free(map->entries[i].path);
        free(map->entries[i].text);
    }
    free(map->entries);
    *map = (yaml_map){0};
}
