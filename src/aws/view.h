/* view.h - a part of somebody else's text: not NUL-terminated, not owned. */
#ifndef AWS_VIEW_H
#define AWS_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct view {
    const char *text; /* NULL only where that means "absent" */
    size_t length;
} view;

static inline view view_of(const char *text)
{
    return (view){text, strlen(text)};
}

static inline bool view_equal(view a, view b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.text, b.text, a.length) == 0);
}

static inline bool view_is(view v, const char *text)
{
    return view_equal(v, view_of(text));
}

/* Cut the text before the first separator off the front of *rest, which then begins behind it; without one, all of it
 * (*rest's text is NULL then, and the next call returns false). */
static inline bool view_split(view *rest, char separator, view *ret_part)
{
    *ret_part = (view){NULL, 0};
    if (!rest->text)
        return false;

    const char *found = rest->length > 0 ? memchr(rest->text, separator, rest->length) : NULL;
    if (!found) {
        *ret_part = *rest;
        *rest = (view){NULL, 0};
        return true;
    }
    *ret_part = (view){rest->text, (size_t)(found - rest->text)};
    *rest = (view){found + 1, rest->length - ret_part->length - 1};
    return true;
}

#endif
