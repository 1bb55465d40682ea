/* list.c - comma-separated lists, as headers and CORS options write them. */
#include "app/app_internal.h"

#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool list_has(const char *list, const char *item, size_t length, bool ignore_case)
{
    while (*list) {
        while (is_blank(*list) || *list == ',')
            list++;

        const char *end = list + strcspn(list, ",");
        const char *next = end;
        while (end > list && is_blank(end[-1]))
            end--;
        if ((size_t)(end - list) == length && length > 0 &&
            (ignore_case ? strncasecmp(list, item, length) : strncmp(list, item, length)) == 0)
            return true;
        list = next;
    }
    return false;
}
