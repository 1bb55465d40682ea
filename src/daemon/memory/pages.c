/* pages.c - where pages of the memory service's lists begin.
 *
 * What is asked for shapes a list, and may be longer than a list's name: then its hash stands for it. */
#include "daemon/memory/events.h"
#include "daemon/resources/canonical.h"
#include "daemon/store/page_token.h"

#include "base/hex.h"

#include <endian.h>
#include <openssl/evp.h>
#include <string.h>

#define NAME_BYTES_MAX ((size_t)256 << 10) /* a searchQuery of 10000 characters, each of them escaped, and filters */
#define NAME_PLAIN_MAX ((size_t)3 << 10)   /* that is taken as it is */
#define HASH_BYTES 32
#define NUMBERS_BYTES (2 * sizeof(uint64_t))

/* A name that is too long for a token's list. */
static ac_status name_by_hash(front_call *call, const char *memory_id, const buf *name, const char **ret_name,
                              ac_error *err)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    char hex[2 * HASH_BYTES + 1];

    if (!EVP_Digest(name->data, name->length, hash, NULL, EVP_sha256(), NULL))
        return ac_error_set(err, AC_ERR_INTERNAL, "a list cannot be named");
    hex_write(hash, HASH_BYTES, hex);
    *ret_name = arena_format(call->memory, "%s %s #%s", api_name(call->operation), memory_id, hex);
    return *ret_name ? AC_OK : memory_no_memory(err);
}

ac_status memory_page_name(front_call *call, const char *memory_id, const char *const *members, size_t count,
                           const char **ret_name, ac_error *err)
{
    _cleanup_(buf_done) buf name = BUF_INIT(NAME_BYTES_MAX);
    ac_status status = buf_appendf(&name, "%s %s", api_name(call->operation), memory_id);

    for (size_t i = 0; status == AC_OK && i < count; i++) {
        yyjson_mut_val *value = front_value(call, members[i]);

        status = buf_appendf(&name, " %s=", members[i]);
        if (status == AC_OK && value)
            status = canonical_write(&name, value, NULL);
    }
    if (status == AC_ERR_TOO_LARGE)
        return ac_error_set(err, AC_ERR_INVALID, "What is listed is asked for in more than %zu bytes", NAME_BYTES_MAX);
    if (status == AC_OK && name.length > NAME_PLAIN_MAX)
        return name_by_hash(call, memory_id, &name, ret_name, err);
    *ret_name = status == AC_OK ? arena_copy(call->memory, name.data, name.length) : NULL;
    return *ret_name ? AC_OK : memory_no_memory(err);
}

ac_status memory_page_open(const front_call *call, const char *list, memory_position *ret_position, bool *ret_given,
                           ac_error *err)
{
    const char *token = front_text(call, "nextToken");
    const void *position;
    uint64_t numbers[2];
    size_t length;

    *ret_given = token && *token;
    *ret_position = (memory_position){0};
    if (!*ret_given)
        return AC_OK;
    AC_TRY(page_token_open(front_store(call), list, token, call->memory, &position, &length, err));
    if (length < NUMBERS_BYTES)
        return ac_error_set(err, AC_ERR_INVALID, "the nextToken is not valid");
    memcpy(numbers, position, NUMBERS_BYTES);
    ret_position->first = (int64_t)be64toh(numbers[0]);
    ret_position->second = (int64_t)be64toh(numbers[1]);
    ret_position->text = arena_copy(call->memory, (const char *)position + NUMBERS_BYTES, length - NUMBERS_BYTES);
    return ret_position->text ? AC_OK : memory_no_memory(err);
}

ac_status memory_page_add(front_call *call, const char *list, const memory_position *position, ac_error *err)
{
    const uint64_t numbers[2] = {htobe64((uint64_t)position->first), htobe64((uint64_t)position->second)};
    size_t length = position->text ? strlen(position->text) : 0;
    char bytes[PAGE_POSITION_MAX];
    const char *token;

    if (length > sizeof bytes - NUMBERS_BYTES)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "a name is too long for a page token");
    memcpy(bytes, numbers, NUMBERS_BYTES);
    if (length)
        memcpy(bytes + NUMBERS_BYTES, position->text, length);
    AC_TRY(page_token_make(front_store(call), list, bytes, NUMBERS_BYTES + length, call->memory, &token, err));
    return front_add_text(call, "nextToken", token, err);
}
