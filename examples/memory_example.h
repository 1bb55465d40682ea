/* memory_example.h - how the memory examples say what went wrong. */
#ifndef EXAMPLES_MEMORY_EXAMPLE_H
#define EXAMPLES_MEMORY_EXAMPLE_H

#include <agentcore/memory.h>
#include <stdio.h>

/* An exit code: 0, or 1 and the failure on standard error. */
static inline int example_ended(ac_status status, const ac_error *err)
{
    if (status == AC_OK)
        return 0;
    fprintf(stderr, "%s: %s\n", err->aws_name[0] ? err->aws_name : ac_status_name(status), err->message);
    return 1;
}

static inline const char *record_text(yyjson_val *record)
{
    return ac_json_string(yyjson_obj_get(record, "content"), "text", "");
}

#endif
