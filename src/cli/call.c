/* call.c - any operation of the API table by its name, and help about it, made from the table. */
#include "cli/payload.h"
#include "cli/service.h"
#include "cli/term.h"
#include "cli/text.h"

#include <agentcore/json.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 3 /* of members in the help */
#define COLUMN 42

/* ---- help ---- */

static ac_status operation_get(cli *c, const char *name, yyjson_doc **ret, ac_error *err)
{
    const char *meant;

    if (ac_operation_describe(name, ret, NULL) == AC_OK)
        return AC_OK;
    meant = suggest(name, ac_operation_name, ac_operation_count());
    if (meant)
        return usage_error(c, err, "AgentCore has no operation %.100s; is %s meant?", name, meant);
    return usage_error(c, err, "AgentCore has no operation %.100s; agentcore call --help lists them", name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void list_plane(const char *plane, const char *heading)
{
    words names = {0}, undescribed = {0};

    for (size_t i = 0; i < ac_operation_count(); i++) {
        yyjson_doc *doc = NULL;
        yyjson_val *root;

        if (ac_operation_describe(ac_operation_name(i), &doc, NULL) != AC_OK)
            nomem();
        root = yyjson_doc_get_root(doc);
        if (strcmp(ac_json_string(root, "plane", ""), plane) == 0)
            words_add(ac_json_bool(root, "described", false) ? &names : &undescribed, ac_operation_name(i));
        yyjson_doc_free(doc);
    }
    printf("\n%s%s:%s\n", paint(stdout, INK_BOLD), heading, paint(stdout, INK_NONE));
    if (names.count)
        qsort(names.items, names.count, sizeof *names.items, by_name);
    for (size_t i = 0; i < names.count; i++)
        printf("  %s\n", names.items[i]);
    if (undescribed.count)
        qsort(undescribed.items, undescribed.count, sizeof *undescribed.items, by_name);
    for (size_t i = 0; i < undescribed.count; i++)
        printf("  %s (known by name only)\n", undescribed.items[i]);
}

/* "string, 1 to 48, matching ..." */
static const char *type_text(yyjson_val *schema)
{
    const char *type = ac_json_string(schema, "type", "any JSON");
    char *text = textf("%s", type);
    static const char *const limits[][2] = {
        {"minLength", "maxLength"}, {"minimum", "maximum"}, {"minItems", "maxItems"}};
    size_t i, count;
    yyjson_val *each;

    if (strcmp(type, "array") == 0)
        text = textf("list of %s", ac_json_string(yyjson_obj_get(schema, "items"), "type", "any JSON"));
    if (strcmp(type, "object") == 0 && !yyjson_obj_get(schema, "properties"))
        text = textf("map of %s", ac_json_string(yyjson_obj_get(schema, "additionalProperties"), "type", "any JSON"));
    if (yyjson_obj_get(schema, "contentEncoding"))
        text = textf("base64");
    if (yyjson_obj_get(schema, "format"))
        text = textf("time (ms since 1970)");
    for (i = 0; i < ARRAY_SIZE(limits); i++) {
        yyjson_val *least = yyjson_obj_get(schema, limits[i][0]), *most = yyjson_obj_get(schema, limits[i][1]);

        if (least && most)
            text = textf("%s, %.17g to %.17g", text, yyjson_get_num(least), yyjson_get_num(most));
        else if (most)
            text = textf("%s, at most %.17g", text, yyjson_get_num(most));
        else if (least)
            text = textf("%s, at least %.17g", text, yyjson_get_num(least));
    }
    yyjson_arr_foreach(yyjson_obj_get(schema, "enum"), i, count, each)
    {
        text = textf("%s%s%s", text, i ? " | " : ": ", yyjson_get_str(each));
    }
    if (yyjson_obj_get(schema, "pattern") && !yyjson_obj_get(schema, "enum"))
        text = textf("%s, %s", text, ac_json_string(schema, "pattern", ""));
    return text;
}

static bool is_required(yyjson_val *schema, const char *name)
{
    size_t i, count;
    yyjson_val *each;

    yyjson_arr_foreach(yyjson_obj_get(schema, "required"), i, count, each)
    {
        if (strcmp(yyjson_get_str(each), name) == 0)
            return true;
    }
    return false;
}

static void print_members(yyjson_val *schema, size_t depth)
{
    size_t i, count;
    yyjson_val *name, *member;

    if (strcmp(ac_json_string(schema, "type", ""), "array") == 0)
        schema = yyjson_obj_get(schema, "items");
    yyjson_obj_foreach(yyjson_obj_get(schema, "properties"), i, count, name, member)
    {
        const char *text = yyjson_get_str(name);
        bool required = is_required(schema, text);
        int column = printf("  %*s%s%s%s", (int)(2 * depth), "", required ? paint(stdout, INK_BOLD) : "", text,
                            required ? " (required)" : "");

        printf("%s%*s  %s\n", required ? paint(stdout, INK_NONE) : "", column < COLUMN ? COLUMN - column : 0, "",
               type_text(member));
        if (depth + 1 < DEPTH_MAX)
            print_members(member, depth + 1);
    }
}

static ac_status help_operation(cli *c, const char *name, ac_error *err)
{
    yyjson_doc *doc = NULL;
    yyjson_val *root, *errors;
    size_t i, count;

    TRY(operation_get(c, name, &doc, err));
    root = yyjson_doc_get_root(doc);
    if (flag(c, OPT_JSON)) {
        print_json(root);
        yyjson_doc_free(doc);
        return print_end(err);
    }
    printf("agentcore call %s [JSON|@FILE|-]\n\n%s %s (%s plane)%s\n", name, ac_json_string(root, "method", ""),
           ac_json_string(root, "path", ""), ac_json_string(root, "plane", ""),
           ac_json_bool(root, "streams", false) ? ", the answer is a stream of events" : "");
    if (!ac_json_bool(root, "described", false))
        printf("\nIt is known by name only, and cannot be called.\n");
    else
        printf("\n%sInput:%s\n", paint(stdout, INK_BOLD), paint(stdout, INK_NONE));
    print_members(yyjson_obj_get(root, "input"), 0);
    if (ac_json_bool(root, "described", false))
        printf("\n%sOutput:%s\n", paint(stdout, INK_BOLD), paint(stdout, INK_NONE));
    print_members(yyjson_obj_get(root, "output"), 0);
    errors = yyjson_obj_get(root, "errors");
    yyjson_val *each;
    yyjson_arr_foreach(errors, i, count, each)
    {
        printf("%s%s", i ? ", " : "\nErrors: ", yyjson_get_str(each));
    }
    printf("%s\nThe same as JSON Schema: agentcore call %s --help --json\n", count ? "\n" : "", name);
    yyjson_doc_free(doc);
    return print_end(err);
}

static ac_status help_operations(ac_error *err)
{
    help_command(command_find("call"));
    list_plane("control", "Operations of the control plane");
    list_plane("data", "Operations of the data plane");
    return print_end(err);
}

/* ---- calling ---- */

static ac_status print_stream(const service *s, const char *name, yyjson_val *input, ac_error *err)
{
    ac_client_stream *stream = NULL;
    yyjson_doc *event = NULL;
    ac_status status;

    TRY(ac_client_open(s->client, name, input, &stream, err));
    while ((status = ac_client_stream_next(stream, -1, &event, err)) == AC_OK && event) {
        print_json_line(yyjson_doc_get_root(event));
        yyjson_doc_free(event);
        if (ferror(stdout)) /* nobody reads on: the rest need not come */
            break;
    }
    ac_client_stream_close(stream);
    return status;
}

static ac_status call(const service *s, const char *name, bool streams, yyjson_val *input, ac_error *err)
{
    yyjson_doc *output = NULL;

    if (streams)
        return print_stream(s, name, input, err);
    TRY(ac_client_call(s->client, name, input, &output, err));
    print_json(yyjson_doc_get_root(output));
    yyjson_doc_free(output);
    return AC_OK;
}

/* Which exception it was belongs to the message of a call that names operations itself. */
static void name_exception(ac_error *err)
{
    char message[sizeof err->message];

    if (!err->aws_name[0])
        return;
    snprintf(message, sizeof message, "%s: %.400s", err->aws_name, err->message);
    memcpy(err->message, message, sizeof message);
}

ac_status run_call(cli *c, ac_error *err)
{
    _cleanup_(service_close) service s = {0};
    yyjson_doc *about = NULL, *input = NULL;
    const char *name = c->argument_count ? c->arguments[0] : NULL;
    bool streams, described;
    ac_status status = AC_OK;

    if (flag(c, OPT_HELP))
        return name ? help_operation(c, name, err) : help_operations(err);
    if (!name)
        return usage_error(c, err, "usage: agentcore call OPERATION [JSON|@FILE|-]; agentcore call --help lists them");
    TRY(operation_get(c, name, &about, err));
    streams = ac_json_bool(yyjson_doc_get_root(about), "streams", false);
    described = ac_json_bool(yyjson_doc_get_root(about), "described", false);
    yyjson_doc_free(about);
    if (!described)
        return fail_as(c, EXIT_FAILED, err, AC_ERR_UNSUPPORTED, "%s is known by name only, and cannot be called", name);
    if (c->argument_count == 2)
        TRY(json_argument(c, c->arguments[1], &input, err));
    if (input && !yyjson_is_obj(yyjson_doc_get_root(input)))
        status = usage_error(c, err, "the input of %s is an object: '{\"name\": ...}'", name);
    if (status == AC_OK)
        status = service_open(c, &s, err);
    if (status == AC_OK) {
        status = call(&s, name, streams, yyjson_doc_get_root(input), err);
        service_explain(c, &s, status, err);
        if (status != AC_OK)
            name_exception(err);
    }
    yyjson_doc_free(input);
    return status == AC_OK ? print_end(err) : status;
}
