/* config_yaml.h - a YAML document as a flat list of paths and values, each with its line.
 *
 *     models:                      models.default = claude      line 2
 *       default: claude
 *     tls-name: [a.test, b.test]   tls-name = a.test, tls-name = b.test   line 3
 *
 * Mappings nest; sequences hold scalars.  What makes YAML dangerous or surprising is refused: anchors, aliases, tags,
 * merge keys, keys given twice, several documents. */
#ifndef DAEMON_CONFIG_YAML_H
#define DAEMON_CONFIG_YAML_H

#include "base/util.h"

#include <stdbool.h>

#define YAML_DEPTH_MAX 8
#define YAML_ENTRIES_MAX 1000
#define YAML_PATH_SIZE 256
#define YAML_VALUE_BYTES_MAX 8192

typedef enum yaml_kind { YAML_VALUE, YAML_ITEM, YAML_NOTHING } yaml_kind;

typedef struct yaml_entry {
    char *path; /* keys joined by '.' */
    char *text; /* "" for YAML_NOTHING */
    unsigned line;
    yaml_kind kind; /* a value of its own, an item of a sequence, or `key:`, [] and {} */
} yaml_entry;

typedef struct yaml_map {
    yaml_entry *entries;
    size_t count;
} yaml_map;

/* Parse length bytes (UTF-8); name is for messages ("agentcored.yaml:3: ...").  An empty document is an empty map.
 * AC_ERR_INVALID, AC_ERR_TOO_LARGE (a limit above), AC_ERR_NOMEM.  ret_map is empty after a failure. */
ac_status yaml_parse(const char *name, const char *text, size_t length, yaml_map *ret_map, ac_error *err) AC_MUST_USE;

void yaml_map_done(yaml_map *map);

#endif
