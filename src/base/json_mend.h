/* json_mend.h - the writer behind json_write.c, for values that are out of the ordinary; nobody else calls it. */
#ifndef BASE_JSON_MEND_H
#define BASE_JSON_MEND_H

#include "base/json.h"

/* As json_write, for any value; slower. */
ac_status json_write_mended(buf *out, const yyjson_mut_val *value, json_style style, json_repairs *ret_repairs)
    AC_MUST_USE;

#endif
