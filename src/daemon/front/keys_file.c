/* keys_file.c - the text of the file of access keys, in and out.
 *
 * Everything about the text is checked, and members that are not known are errors: the file is rewritten when a key is
 * added, and what is not understood would be lost then.  The parser's memory is wiped too: it holds copies of strings
 * with escapes in them. */
#include "daemon/front/keys_internal.h"

#include "base/clock.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- an allocator that wipes ---- */

typedef union wiped_head {
    size_t size;
    max_align_t align;
} wiped_head;

static void *wiped_malloc(void *context, size_t size)
{
    wiped_head *head = size <= SIZE_MAX - sizeof *head ? malloc(sizeof *head + size) : NULL;

    (void)context;
    if (!head)
        return NULL;
    head->size = size;
    return head + 1;
}

static void wiped_free(void *context, void *memory)
{
    wiped_head *head = memory ? (wiped_head *)memory - 1 : NULL;

    (void)context;
    if (head)
        explicit_bzero(memory, head->size);
    free(head);
}

static void *wiped_realloc(void *context, void *memory, size_t old_size, size_t size)
{
    void *larger = wiped_malloc(context, size);

    if (!larger)
        return NULL;
    if (memory)
        memcpy(larger, memory, MIN(old_size, size));
    wiped_free(context, memory);
    return larger;
}

/* ---- reading ---- */

typedef struct place {
    const char *path;
    size_t index; /* of the key */
    ac_error *err;
} place;

static ac_status flaw(const place *at, const char *member, const char *what)
{
    return ac_error_set(at->err, AC_ERR_INVALID, "%s: keys[%zu]%s%s: %s", at->path, at->index, *member ? "." : "",
                        member, what);
}

/* NNNN-NN-NNTNN:NN:NN[.fraction]Z as milliseconds; false when it is not that. */
static bool parse_time(const char *text, int64_t *ret_ms)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd";
    struct tm parts = {0};
    size_t length = strlen(text), at = sizeof shape - 1;
    int64_t milliseconds = 0, scale = 100;

    if (length < sizeof shape || text[length - 1] != 'Z')
        return false;
    for (size_t i = 0; i < at; i++)
        if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
            return false;
    if (text[at] == '.')
        for (at++; text[at] >= '0' && text[at] <= '9'; at++, scale /= 10)
            milliseconds += (text[at] - '0') * scale;
    if (at != length - 1 || !strptime(text, "%Y-%m-%dT%H:%M:%S", &parts))
        return false;
    *ret_ms = (int64_t)timegm(&parts) * 1000 + milliseconds;
    return true;
}

static ac_status take_text(const place *at, const char *member, yyjson_val *value, size_t min, size_t max, char *out)
{
    const char *text = yyjson_get_str(value);
    size_t length = yyjson_get_len(value);

    if (!text)
        return flaw(at, member, "must be a string");
    if (length < min || length > max || strlen(text) != length)
        return flaw(at, member, "has a wrong length");
    memcpy(out, text, length + 1);
    return AC_OK;
}

static ac_status take_token(const place *at, yyjson_val *value, key *k)
{
    size_t length = yyjson_get_len(value);

    if (!yyjson_is_str(value))
        return flaw(at, "sessionToken", "must be a string");
    if (length > KEY_TOKEN_MAX)
        return flaw(at, "sessionToken", "is too long");
    for (size_t i = 0; i < length; i++)
        if (yyjson_get_str(value)[i] <= ' ' || yyjson_get_str(value)[i] > '~')
            return flaw(at, "sessionToken", "must consist of visible ASCII characters");
    if (length == 0)
        return AC_OK;
    k->token = strdup(yyjson_get_str(value));
    return k->token ? AC_OK : ac_error_set(at->err, AC_ERR_NOMEM, "out of memory");
}

static ac_status take_member(const place *at, const char *name, yyjson_val *value, key *k)
{
    char created[64];

    if (strcmp(name, "accessKeyId") == 0)
        return take_text(at, name, value, KEY_ID_MIN, KEY_ID_MAX, k->id);
    if (strcmp(name, "secretAccessKey") == 0)
        return take_text(at, name, value, KEY_SECRET_MIN, KEY_SECRET_MAX, k->secret);
    if (strcmp(name, "account") == 0)
        return take_text(at, name, value, KEY_ACCOUNT_SIZE - 1, KEY_ACCOUNT_SIZE - 1, k->account);
    if (strcmp(name, "sessionToken") == 0)
        return take_token(at, value, k);
    if (strcmp(name, "createdAt") == 0) {
        AC_TRY(take_text(at, name, value, 1, sizeof created - 1, created));
        return parse_time(created, &k->created_ms) ? AC_OK : flaw(at, name, "must be a time like 2026-01-31T12:00:00Z");
    }
    return flaw(at, "", "has a member other than accessKeyId, secretAccessKey, sessionToken, account and createdAt");
}

static ac_status check_key(const place *at, key *k, const key_set *set)
{
    const char *wrong;

    k->id_length = (unsigned)strlen(k->id);
    if (!*k->id || !*k->secret || !*k->account)
        return flaw(at, "", "needs accessKeyId, secretAccessKey and account");
    if ((wrong = key_id_flaw(k->id, k->id_length)))
        return flaw(at, "accessKeyId", wrong);
    if ((wrong = key_secret_flaw(k->secret, strlen(k->secret))))
        return flaw(at, "secretAccessKey", wrong);
    if ((wrong = key_account_flaw(k->account, strlen(k->account))))
        return flaw(at, "account", wrong);
    if (key_set_find(set, k->id, k->id_length) != k)
        return flaw(at, "accessKeyId", "is there twice");
    return AC_OK;
}

static ac_status take_keys(place *at, yyjson_val *root, key_set *set)
{
    yyjson_val *list = yyjson_obj_get(root, "keys"), *value, *name, *member;
    size_t i, max, j, members;

    if (!yyjson_is_arr(list) || yyjson_obj_size(root) != 1)
        return ac_error_set(at->err, AC_ERR_INVALID, "%s: must be {\"keys\": [...]}", at->path);
    if (yyjson_arr_size(list) == 0 || yyjson_arr_size(list) > KEYS_MAX)
        return ac_error_set(at->err, AC_ERR_INVALID, "%s: must have 1 to %d keys", at->path, KEYS_MAX);
    yyjson_arr_foreach(list, i, max, value)
    {
        key *k = key_set_grow(set);

        at->index = i;
        if (!k)
            return ac_error_set(at->err, AC_ERR_NOMEM, "out of memory");
        if (!yyjson_is_obj(value))
            return flaw(at, "", "must be an object");
        yyjson_obj_foreach(value, j, members, name, member)
        {
            if (yyjson_obj_get(value, yyjson_get_str(name)) != member)
                return flaw(at, "", "has a member twice");
            AC_TRY(take_member(at, yyjson_get_str(name), member, k));
        }
        AC_TRY(check_key(at, k, set));
    }
    return AC_OK;
}

static ac_status not_json(const char *path, const buf *text, const yyjson_read_err *why, ac_error *err)
{
    size_t line = 1;

    if (why->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < why->pos && i < text->length; i++)
        line += text->data[i] == '\n';
    return ac_error_set(err, AC_ERR_INVALID, "%s:%zu: not JSON: %s", path, line, why->msg);
}

ac_status keys_parse(const char *path, buf *text, key_set *set, ac_error *err)
{
    const yyjson_alc allocator = {wiped_malloc, wiped_realloc, wiped_free, NULL};
    place at = {path, 0, err};
    yyjson_read_err why;
    yyjson_doc *doc;
    ac_status status;

    if (text->length == 0)
        return ac_error_set(err, AC_ERR_INVALID, "%s is empty", path);
    doc = yyjson_read_opts(text->data, text->length, 0, &allocator, &why);
    if (!doc)
        return not_json(path, text, &why, err);
    status = take_keys(&at, yyjson_doc_get_root(doc), set);
    yyjson_doc_free(doc);
    if (status != AC_OK)
        key_set_done(set);
    return status;
}

/* ---- writing ---- */

static ac_status format_member(buf *out, const char *name, const char *text, const char *after)
{
    AC_TRY(buf_appendf(out, "\"%s\": ", name));
    AC_TRY(json_write_string(out, text, strlen(text)));
    return buf_append_text(out, after);
}

ac_status keys_format(const key_set *set, buf *out)
{
    AC_TRY(buf_append_text(out, "{\n  \"keys\": [\n"));
    for (size_t i = 0; i < set->count; i++) {
        const key *k = &set->all[i];
        char created[CLOCK_ISO8601_MS_SIZE];

        clock_iso8601_ms(k->created_ms, created);
        AC_TRY(buf_append_text(out, "    {"));
        AC_TRY(format_member(out, "accessKeyId", k->id, ", "));
        AC_TRY(format_member(out, "secretAccessKey", k->secret, ", "));
        if (k->token)
            AC_TRY(format_member(out, "sessionToken", k->token, ", "));
        AC_TRY(format_member(out, "account", k->account, ", "));
        AC_TRY(format_member(out, "createdAt", created, i + 1 < set->count ? "},\n" : "}\n"));
    }
    return buf_append_text(out, "  ]\n}\n");
}
