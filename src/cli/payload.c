/* payload.c - arguments that stand for more than themselves. */
#include "cli/payload.h"

#include "cli/text.h"

#include <agentcore/json.h>
#include <stdlib.h>
#include <string.h>

/* The argument's text, or what it points to. */
static ac_status fetch(cli *c, const char *argument, bool *ret_elsewhere, payload *ret, ac_error *err)
{
    char *text;
    bool standard = strcmp(argument, "-") == 0;

    *ret_elsewhere = standard || argument[0] == '@';
    *ret = (payload){argument, strlen(argument)};
    if (!*ret_elsewhere)
        return AC_OK;
    ac_status status = file_get(standard ? "-" : argument + 1, &text, &ret->length, err);
    if (status == AC_ERR_NOT_FOUND)
        c->exit_code = EXIT_ABSENT;
    ret->text = status == AC_OK ? text : NULL;
    return status;
}

static ac_status check_json(cli *c, const payload *p, yyjson_doc **ret, ac_error *err)
{
    ac_error flaw = {0};

    if (ac_json_read(p->text, p->length, NULL, ret, &flaw) == AC_OK)
        return AC_OK;
    *ret = NULL;
    return usage_error(c, err, "this is not JSON: %s", flaw.message);
}

static bool looks_like_json(const char *text)
{
    text += strspn(text, " \t\r\n");
    return *text == '{' || *text == '[' || *text == '"';
}

static ac_status wrap(cli *c, payload *p, ac_error *err)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *value = doc ? yyjson_mut_obj(doc) : NULL;
    yyjson_write_err flaw = {0};
    char *text;

    if (!yyjson_mut_obj_add_strn(doc, value, "prompt", p->text, p->length))
        nomem();
    text = yyjson_mut_val_write_opts(value, 0, NULL, NULL, &flaw);
    if (!text && flaw.code != YYJSON_WRITE_ERROR_INVALID_STRING)
        nomem();
    if (!text) {
        yyjson_mut_doc_free(doc);
        return usage_error(c, err, "the text is not UTF-8; --raw sends any bytes");
    }
    p->text = textf("%s", text);
    p->length = strlen(p->text);
    free(text);
    yyjson_mut_doc_free(doc);
    return AC_OK;
}

ac_status payload_read(cli *c, const char *argument, payload *ret, ac_error *err)
{
    yyjson_doc *doc = NULL;
    bool elsewhere;

    TRY(fetch(c, argument, &elsewhere, ret, err));
    if (flag(c, OPT_RAW))
        return AC_OK;
    if (!elsewhere && !looks_like_json(ret->text))
        return wrap(c, ret, err);
    TRY(check_json(c, ret, &doc, err));
    yyjson_doc_free(doc);
    return AC_OK;
}

ac_status json_argument(cli *c, const char *argument, yyjson_doc **ret, ac_error *err)
{
    payload p;
    bool elsewhere;

    TRY(fetch(c, argument, &elsewhere, &p, err));
    return check_json(c, &p, ret, err);
}

ac_status bearer_get(cli *c, const char **ret_token, ac_error *err)
{
    char *text;
    size_t length;

    *ret_token = option(c, OPT_BEARER);
    if (!*ret_token || **ret_token != '@')
        return AC_OK;
    TRY(file_get(*ret_token + 1, &text, &length, err));
    while (length > 0 && strchr("\r\n \t", text[length - 1]))
        text[--length] = '\0';
    *ret_token = text;
    return AC_OK;
}
