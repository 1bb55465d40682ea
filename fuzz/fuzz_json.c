/* fuzz_json.c - JSON reading and writing: what is read is written in both styles, and must be read as the same again;
 * no two ways of reading may disagree; what is nested deeper than the limit must not be read.  The same bytes also go
 * out as one string, which must come back mended. */
#include "base/json.h"
#include "base/json_mend.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* An exact block, so that reading or writing past the padding is seen. */
static char *padded_copy(const void *data, size_t size)
{
    char *copy = malloc(size + JSON_PADDING);

    require(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

static size_t depth_of(yyjson_val *value)
{
    size_t deepest = 0, index, count;
    yyjson_val *key, *member;

    if (yyjson_is_arr(value)) {
        yyjson_arr_foreach(value, index, count, member) deepest = MAX(deepest, depth_of(member));
    } else if (yyjson_is_obj(value)) {
        yyjson_obj_foreach(value, index, count, key, member) deepest = MAX(deepest, depth_of(member));
    } else {
        return 0;
    }
    return deepest + 1;
}

/* Both writers must write the same text, and it must read back as a value for which yyjson itself writes the same text.
 * Texts are compared, not values, because yyjson_equals does not tell duplicate keys apart. */
static void check_written(const yyjson_mut_val *value, json_style style)
{
    buf out = BUF_INIT(SIZE_MAX), other = BUF_INIT(SIZE_MAX);
    json_repairs repairs;
    yyjson_doc *doc;

    require(json_write(&out, value, style, &repairs) == AC_OK);
    require(!repairs.not_a_number && !repairs.not_utf8);
    require(json_write_mended(&other, value, style, &repairs) == AC_OK);
    require(out.length == other.length && memcmp(out.data, other.data, out.length) == 0);
    buf_done(&other);

    char *copy = padded_copy(out.data, out.length);
    require(json_read_in_place(copy, out.length, DEPTH_MAX, &doc, NULL, NULL) == AC_OK);
    char *expected = yyjson_mut_val_write(value, 0, NULL);
    char *got = yyjson_val_write(yyjson_doc_get_root(doc), 0, NULL);
    require(expected && got && strcmp(expected, got) == 0);
    free(got);
    free(expected);
    yyjson_doc_free(doc);
    free(copy);
    buf_done(&out);
}

static void check_string(const char *text, size_t length)
{
    buf out = BUF_INIT(SIZE_MAX), clean = BUF_INIT(SIZE_MAX);
    yyjson_doc *doc;

    require(json_write_string(&out, text, length) == AC_OK);
    require(utf8_append_clean(&clean, text, length) == AC_OK);
    require(ac_json_read(out.data, out.length, NULL, &doc, NULL) == AC_OK);
    yyjson_val *back = yyjson_doc_get_root(doc);
    require(yyjson_get_len(back) == clean.length);
    require(clean.length == 0 || memcmp(yyjson_get_str(back), clean.data, clean.length) == 0);
    yyjson_doc_free(doc);
    buf_done(&clean);
    buf_done(&out);
}

/* The two documents are the same value by value, as yyjson lays them out.  Only yyjson's reader notes which strings
 * need no escapes. */
static void check_same(const yyjson_doc *a, const yyjson_doc *b)
{
    require(a->val_read == b->val_read);
    for (size_t i = 0; i < a->val_read; i++) {
        const yyjson_val *x = &a->root[i], *y = &b->root[i];
        size_t length = (size_t)(x->tag >> YYJSON_TAG_BIT);

        if ((x->tag & YYJSON_TYPE_MASK) == YYJSON_TYPE_STR) {
            require((x->tag | YYJSON_SUBTYPE_NOESC) == (y->tag | YYJSON_SUBTYPE_NOESC));
            require(memcmp(x->uni.str, y->uni.str, length) == 0 && x->uni.str[length] == '\0');
        } else {
            require(x->tag == y->tag);
            if (unsafe_yyjson_is_ctn((void *)(uintptr_t)x) || (x->tag & YYJSON_TYPE_MASK) == YYJSON_TYPE_NUM)
                require(x->uni.u64 == y->uni.u64);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ac_json_read_options options = {.depth_max = DEPTH_MAX};
    ac_error err = {0}, copied_err = {0};
    json_flaw flaw;
    yyjson_doc *doc, *copied;

    char *text = padded_copy(data, size);
    ac_status status = json_read_in_place(text, size, DEPTH_MAX, &doc, &flaw, &err);
    require(ac_json_read((const char *)data, size, &options, &copied, &copied_err) == status);
    require(strcmp(err.message, copied_err.message) == 0);

    if (status == AC_OK) {
        check_same(doc, copied);
        require(flaw == JSON_FLAW_NONE && depth_of(yyjson_doc_get_root(doc)) <= DEPTH_MAX);
        yyjson_mut_doc *mut = yyjson_doc_mut_copy(doc, NULL);
        require(mut != NULL);
        check_written(yyjson_mut_doc_get_root(mut), JSON_COMPACT);
        check_written(yyjson_mut_doc_get_root(mut), JSON_SPACED);
        yyjson_mut_doc_free(mut);
        yyjson_doc_free(copied);
    } else {
        require(status == AC_ERR_PROTOCOL && flaw != JSON_FLAW_NONE && err.message[0] != '\0');
        require((flaw == JSON_FLAW_ENCODING) == !utf8_valid((const char *)data, size));
    }
    yyjson_doc_free(doc);
    free(text);
    check_string((const char *)data, size);
    return 0;
}
