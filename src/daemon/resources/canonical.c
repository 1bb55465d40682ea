/* canonical.c - sorted JSON, for comparing requests. */
#include "daemon/resources/canonical.h"

#include <stdlib.h>
#include <string.h>

typedef struct member {
    yyjson_mut_val *name;
    size_t place; /* qsort is not stable */
} member;

static int by_name(const void *left, const void *right)
{
    const member *a = left, *b = right;
    size_t a_length = yyjson_mut_get_len(a->name), b_length = yyjson_mut_get_len(b->name);
    int order = memcmp(yyjson_mut_get_str(a->name), yyjson_mut_get_str(b->name), MIN(a_length, b_length));

    if (order == 0)
        order = (a_length > b_length) - (a_length < b_length);
    return order ? order : (a->place > b->place) - (a->place < b->place);
}

static ac_status write_members(buf *out, const member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        AC_TRY(i ? buf_append(out, ",", 1) : AC_OK);
        AC_TRY(json_write_string(out, yyjson_mut_get_str(members[i].name), yyjson_mut_get_len(members[i].name)));
        AC_TRY(buf_append(out, ":", 1));
        AC_TRY(canonical_write(out, yyjson_mut_obj_iter_get_val(members[i].name), NULL));
    }
    return AC_OK;
}

static ac_status write_object(buf *out, yyjson_mut_val *object, const char *leave_out)
{
    member *members = calloc(yyjson_mut_obj_size(object) + 1, sizeof *members);
    yyjson_mut_obj_iter walk;
    yyjson_mut_val *name;
    size_t count = 0;
    ac_status status;

    if (!members)
        return AC_ERR_NOMEM;
    yyjson_mut_obj_iter_init(object, &walk);
    while ((name = yyjson_mut_obj_iter_next(&walk)) != NULL)
        if (!leave_out || !yyjson_mut_equals_str(name, leave_out)) {
            members[count] = (member){name, count};
            count++;
        }
    qsort(members, count, sizeof *members, by_name);
    status = buf_append(out, "{", 1);
    if (status == AC_OK)
        status = write_members(out, members, count);
    free(members);
    return status == AC_OK ? buf_append(out, "}", 1) : status;
}

ac_status canonical_write(buf *out, yyjson_mut_val *value, const char *leave_out)
{
    yyjson_mut_arr_iter walk;
    yyjson_mut_val *item;
    bool first = true;

    if (yyjson_mut_is_obj(value))
        return write_object(out, value, leave_out);
    if (!yyjson_mut_is_arr(value))
        return json_write(out, value, JSON_COMPACT, NULL);
    AC_TRY(buf_append(out, "[", 1));
    yyjson_mut_arr_iter_init(value, &walk);
    for (; (item = yyjson_mut_arr_iter_next(&walk)) != NULL; first = false) {
        AC_TRY(first ? AC_OK : buf_append(out, ",", 1));
        AC_TRY(canonical_write(out, item, NULL));
    }
    return buf_append(out, "]", 1);
}
