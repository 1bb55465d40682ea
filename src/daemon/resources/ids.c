/* ids.c - from the kernel's random bytes, so that nobody guesses an id, and evenly, so that none is likelier. */
#include "daemon/resources/ids.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define SUFFIX_LENGTH 10

ac_status resource_make_id(const char *name, arena *memory, const char **ret_id, ac_error *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const unsigned fair = 256 - 256 % (sizeof letters - 1); /* bytes from here on would favour some letters */
    size_t length = strlen(name), have = 0;
    char *id = arena_alloc(memory, length + 1 + SUFFIX_LENGTH + 1);

    if (!id)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    memcpy(id, name, length);
    id[length++] = '-';
    while (have < SUFFIX_LENGTH) {
        unsigned char byte;
        ssize_t got = getrandom(&byte, 1, 0);

        if (got < 0 && errno != EINTR)
            return ac_error_set(err, AC_ERR_IO, "the kernel gives no random bytes: %s", strerror(errno));
        if (got == 1 && byte < fair)
            id[length + have++] = letters[byte % (sizeof letters - 1)];
    }
    id[length + have] = '\0';
    *ret_id = id;
    return AC_OK;
}
