/* fuzz_yaml.c - the configuration file: whatever it holds, it is read or refused within the limits.  What was read is
 * written again as one flat line per value, and must then read as the same. */
#include "base/json.h"
#include "daemon/config.h"
#include "daemon/config_yaml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_entry(const yaml_map *map, size_t at)
{
    const yaml_entry *e = &map->entries[at];

    require(e->path && e->path[0] && strlen(e->path) < YAML_PATH_SIZE);
    require(e->text && strlen(e->text) <= YAML_VALUE_BYTES_MAX);
    require(e->line > 0);
    require(e->kind != YAML_NOTHING || !*e->text);
    for (size_t i = 0; i < at; i++) /* items of one sequence alone share a path, and stand side by side */
        if (strcmp(map->entries[i].path, e->path) == 0)
            require(map->entries[i].kind == YAML_ITEM && e->kind == YAML_ITEM && strcmp(e[-1].path, e->path) == 0);
}

/* Values as "path": "text", in JSON's quotes, which YAML reads too but for what it allows in no text. */
static void write_flat(const yaml_map *map, buf *out)
{
    for (size_t i = 0; i < map->count; i++) {
        const yaml_entry *e = &map->entries[i];
        bool item = e->kind == YAML_ITEM;
        bool first = item && (i == 0 || strcmp(e[-1].path, e->path) != 0);
        bool last = item && (i + 1 == map->count || strcmp(e[1].path, e->path) != 0);

        if (!item || first) {
            require(json_write_string(out, e->path, strlen(e->path)) == AC_OK);
            require(buf_append_text(out, first ? ": [" : ": ") == AC_OK);
        }
        if (e->kind != YAML_NOTHING)
            require(json_write_string(out, e->text, strlen(e->text)) == AC_OK);
        require(buf_append_text(out, item && !last ? ", " : last ? "]\n" : "\n") == AC_OK);
    }
}

/* Characters that YAML takes in no form but an escape, and JSON writes as they are; and keys too long for YAML. */
static bool can_be_written(const yaml_map *map)
{
    for (size_t i = 0; i < map->count; i++)
        for (int part = 0; part < 2; part++)
            for (const char *at = part ? map->entries[i].text : map->entries[i].path; *at; at++)
                if ((unsigned char)*at >= 0x7f || (unsigned char)*at < ' ')
                    return false;
    return true;
}

static void check_again(const yaml_map *map)
{
    buf out = BUF_INIT((size_t)16 << 20);
    yaml_map again;

    write_flat(map, &out);
    require(yaml_parse("again", out.data ? out.data : "", out.length, &again, NULL) == AC_OK);
    require(again.count == map->count);
    for (size_t i = 0; i < map->count; i++) {
        require(strcmp(again.entries[i].path, map->entries[i].path) == 0);
        require(strcmp(again.entries[i].text, map->entries[i].text) == 0);
        require(again.entries[i].kind == map->entries[i].kind);
    }
    yaml_map_done(&again);
    buf_done(&out);
}

/* Each value is also given to the option it names. */
static void check_options(const yaml_map *map)
{
    config c = {0};

    for (size_t i = 0; i < map->count; i++) {
        const config_option *option = config_find(map->entries[i].path, strlen(map->entries[i].path));
        ac_error err = {0};

        if (option && config_set(&c, option, "fuzz", "/", map->entries[i].text, &err) != AC_OK)
            require(err.message[0] != '\0');
        else if (!option)
            config_suggest(map->entries[i].path);
    }
    config_done(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ac_error err = {0};
    yaml_map map;

    if (size > CONFIG_FILE_BYTES_MAX)
        return 0;
    if (yaml_parse("fuzz", (const char *)data, size, &map, &err) != AC_OK) {
        require(err.message[0] != '\0' && map.count == 0);
        return 0;
    }
    require(map.count <= YAML_ENTRIES_MAX);
    for (size_t i = 0; i < map.count; i++)
        check_entry(&map, i);
    check_options(&map);
    if (can_be_written(&map))
        check_again(&map);
    yaml_map_done(&map);
    return 0;
}
