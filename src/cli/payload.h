/* payload.h - what is sent: an argument that is JSON, a file, standard input, or plain text. */
#ifndef CLI_PAYLOAD_H
#define CLI_PAYLOAD_H

#include "cli/cli.h"

typedef struct payload {
    const char *text;
    size_t length;
} payload;

/* Text that begins with '{', '[' or '"' must be JSON; other text becomes {"prompt": TEXT}.  With --raw everything is
 * sent as it is. */
ac_status payload_read(cli *c, const char *argument, payload *ret, ac_error *err) AC_MUST_USE;

/* JSON from an argument, @FILE or -. */
ac_status json_argument(cli *c, const char *argument, yyjson_doc **ret, ac_error *err) AC_MUST_USE;

/* --bearer TOKEN or @FILE; NULL without. */
ac_status bearer_get(cli *c, const char **ret_token, ac_error *err) AC_MUST_USE;

#endif
