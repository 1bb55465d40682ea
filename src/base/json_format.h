/* json_format.h - reading the format strings that json_pack.c and json_unpack.c share. */
#ifndef BASE_JSON_FORMAT_H
#define BASE_JSON_FORMAT_H

#include <stdbool.h>

/* Deepest nesting of a format. */
#define FORMAT_DEPTH_MAX 32

/* White space, ',' and ':' are only for the eye. */
static inline char format_peek(const char **at)
{
    while (**at == ' ' || **at == '\t' || **at == '\n' || **at == ',' || **at == ':')
        (*at)++;
    return **at;
}

/* Take the next letter; '\0' at the end, which is not passed. */
static inline char format_next(const char **at)
{
    char letter = format_peek(at);

    if (letter != '\0')
        (*at)++;
    return letter;
}

/* Whether the container ends here; if so, pass its bracket. */
static inline bool format_ends(const char **at, char bracket)
{
    if (format_peek(at) != bracket)
        return false;
    (*at)++;
    return true;
}

#endif
