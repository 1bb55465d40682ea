/* json_plain.h - the reader in front of yyjson's, for small texts about which there is nothing special; json_read.c
 * calls it, and nobody else. */
#ifndef BASE_JSON_PLAIN_H
#define BASE_JSON_PLAIN_H

#include "base/json.h"

/* Parse text in place.  NULL, and text is as it was, when it is not plain or not right, nested deeper than depth_max,
 * or when there is no memory: then yyjson's reader tells. */
yyjson_doc *json_read_plain(char *text, size_t length, size_t depth_max);

#endif
