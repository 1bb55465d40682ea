/* media_types.h - what kind of file a name is of. */
#ifndef DAEMON_CODE_MEDIA_TYPES_H
#define DAEMON_CODE_MEDIA_TYPES_H

#include <stdbool.h>

/* By what the name ends with; else text/plain or application/octet-stream. */
const char *media_type_of(const char *name, bool text);

#endif
