/* project.c - what a directory with an agent in it is, and what is remembered of it. */
#include "cli/project.h"

#include "cli/text.h"

#include <agentcore/json.h>
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const language_names[LANGUAGE_COUNT] = {
    [LANGUAGE_C] = "c",
    [LANGUAGE_PYTHON] = "python",
    [LANGUAGE_NODE] = "node",
    [LANGUAGE_PROGRAM] = "program",
};

/* What a file that is there says about a directory without a project file, in order. */
static const struct {
    const char *file;
    project_language language;
} signs[] = {
    {"meson.build", LANGUAGE_C},  {"agent.py", LANGUAGE_PYTHON},    {"main.py", LANGUAGE_PYTHON},
    {"app.py", LANGUAGE_PYTHON},  {"my_agent.py", LANGUAGE_PYTHON}, {"agent.js", LANGUAGE_NODE},
    {"agent.mjs", LANGUAGE_NODE}, {"index.js", LANGUAGE_NODE},      {"index.mjs", LANGUAGE_NODE},
};

/* ---- names ---- */

const char *agent_name_of(const char *text)
{
    char *name = keep(PROJECT_NAME_MAX + 1);
    size_t length = 0;

    for (; *text && length < PROJECT_NAME_MAX; text++) {
        if (length == 0 && !isalpha((unsigned char)*text))
            continue;
        name[length++] = isalnum((unsigned char)*text) ? *text : '_';
    }
    return length ? name : NULL;
}

const char *directory_name(const char *path)
{
    char full[PATH_MAX];
    const char *slash;

    if (!realpath(path, full))
        return "";
    slash = strrchr(full, '/');
    return textf("%s", slash ? slash + 1 : full);
}

/* ---- the file ---- */

static ac_status read_file(const char *directory, yyjson_doc **ret, ac_error *err)
{
    char *path = textf("%s/" PROJECT_FILE, directory), *text;
    ac_error flaw = {0};
    size_t length;

    *ret = NULL;
    if (!is_file(path))
        return AC_OK;
    TRY(file_get(path, &text, &length, err));
    if (ac_json_read(text, length, NULL, ret, &flaw) == AC_OK && yyjson_is_obj(yyjson_doc_get_root(*ret)))
        return AC_OK;
    yyjson_doc_free(*ret);
    *ret = NULL;
    return ac_error_set(err, AC_ERR_INVALID, PROJECT_FILE " is not a JSON object: %s",
                        flaw.message[0] ? flaw.message : "it holds something else");
}

ac_status project_name(const char *where, const char **ret_name, const char **ret_arn, ac_error *err)
{
    yyjson_doc *doc = NULL;
    yyjson_val *root, *deployed;

    *ret_name = NULL;
    TRY(read_file(".", &doc, err));
    root = yyjson_doc_get_root(doc);
    deployed = yyjson_obj_get(yyjson_obj_get(root, "deployed"), where);
    *ret_name = ac_json_string(root, "name", NULL);
    *ret_name = *ret_name ? textf("%s", *ret_name) : NULL;
    if (ret_arn) {
        *ret_arn = ac_json_string(deployed, "arn", NULL);
        *ret_arn = *ret_arn ? textf("%s", *ret_arn) : NULL;
    }
    yyjson_doc_free(doc);
    return AC_OK;
}

ac_status project_remember(const project *p, const char *where, const char *const *members, ac_error *err)
{
    yyjson_mut_doc *doc = p->doc ? yyjson_doc_mut_copy(p->doc, NULL) : yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = p->doc ? yyjson_mut_doc_get_root(doc) : yyjson_mut_obj(doc), *deployed, *place;
    char *text;
    size_t length;
    ac_status status;

    if (!doc || !root)
        nomem();
    if (!p->doc) {
        yyjson_mut_doc_set_root(doc, root);
        yyjson_mut_obj_add_str(doc, root, "name", p->name);
        yyjson_mut_obj_add_str(doc, root, "language", language_names[p->language]);
        yyjson_mut_obj_add_str(doc, root, "entry", p->entry);
        yyjson_mut_obj_add_str(doc, root, "protocol", p->protocol);
    }
    deployed = yyjson_mut_obj_get(root, "deployed");
    if (!yyjson_mut_is_obj(deployed))
        deployed = yyjson_mut_obj_add_obj(doc, root, "deployed");
    yyjson_mut_obj_remove_key(deployed, where);
    place = *members ? yyjson_mut_obj_add_obj(doc, deployed, where) : NULL;
    for (; *members; members += 2)
        if (members[1])
            yyjson_mut_obj_add_str(doc, place, members[0], members[1]);
    if (yyjson_mut_obj_size(deployed) == 0)
        yyjson_mut_obj_remove_key(root, "deployed");
    text = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES | YYJSON_WRITE_NEWLINE_AT_END, &length);
    yyjson_mut_doc_free(doc);
    if (!text)
        nomem();
    status = file_put(textf("%s/" PROJECT_FILE, p->directory), text, length, 0644, err);
    free(text);
    return status;
}

/* ---- finding out ---- */

static project_language language_of_entry(const char *entry)
{
    if (ends_with(entry, ".py"))
        return LANGUAGE_PYTHON;
    if (ends_with(entry, ".js") || ends_with(entry, ".mjs") || ends_with(entry, ".cjs"))
        return LANGUAGE_NODE;
    return LANGUAGE_PROGRAM;
}

static bool language_find(const char *name, project_language *ret)
{
    for (int i = 0; i < LANGUAGE_COUNT; i++)
        if (strcmp(name, language_names[i]) == 0) {
            *ret = (project_language)i;
            return true;
        }
    return false;
}

static ac_status look_around(project *p, ac_error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
        if (is_file(textf("%s/%s", p->directory, signs[i].file))) {
            p->language = signs[i].language;
            p->entry = p->language == LANGUAGE_C ? textf("build/%s", p->name) : signs[i].file;
            return AC_OK;
        }
    return ac_error_set(err, AC_ERR_NOT_FOUND,
                        "there is no agent in this directory; make one with: agentcore create NAME (or say which file "
                        "it is: --entry FILE)");
}

static const char *choose(const char *asked, const char *written, const char *fallback)
{
    return asked ? asked : written ? textf("%s", written) : fallback;
}

static ac_status choose_name(cli *c, project *p, yyjson_val *root, ac_error *err)
{
    const char *asked = option(c, OPT_NAME), *name = choose(asked, ac_json_string(root, "name", NULL), NULL);

    p->name = agent_name_of(name ? name : directory_name(p->directory));
    if (!p->name || (name && strcmp(p->name, name) != 0))
        return usage_error(c, err,
                           "\"%s\" cannot be the name of an agent: up to %d letters, digits and '_', a letter "
                           "first%s%s",
                           name ? name : directory_name(p->directory), PROJECT_NAME_MAX,
                           p->name ? "; for example: --name " : "; name it: --name NAME", p->name ? p->name : "");
    return AC_OK;
}

ac_status project_load(cli *c, project *ret, ac_error *err)
{
    const char *asked = option(c, OPT_ENTRY), *written;
    yyjson_val *root;

    *ret = (project){.directory = "."};
    TRY(read_file(ret->directory, &ret->doc, err));
    root = yyjson_doc_get_root(ret->doc);
    TRY(choose_name(c, ret, root, err));
    ret->protocol = choose(option(c, OPT_PROTOCOL), ac_json_string(root, "protocol", NULL), "HTTP");
    ret->entry = choose(asked, ac_json_string(root, "entry", NULL), NULL);
    written = ac_json_string(root, "language", NULL);
    if (!ret->entry)
        return look_around(ret, err);
    if (asked || !written)
        ret->language = language_of_entry(ret->entry);
    else if (!language_find(written, &ret->language))
        return ac_error_set(err, AC_ERR_INVALID, PROJECT_FILE ": the language is c, python, node or program, not %s",
                            written);
    if (asked && !is_file(asked))
        return fail_as(c, EXIT_ABSENT, err, AC_ERR_NOT_FOUND, "there is no file %s", asked);
    return AC_OK;
}

void project_done(project *p)
{
    yyjson_doc_free(p->doc);
    p->doc = NULL;
}
