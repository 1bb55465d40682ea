/* create.c - a new project: the templates, with the agent's name put in.
 *
 * It is written beside its place, or inside of it when that is the directory we stand in, and renamed at the end, so
 * that there is all of it or nothing. */
#include "cli/project.h"
#include "cli/template.h"
#include "cli/term.h"
#include "cli/text.h"

#include <agentcore/json.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PLACEHOLDER "@NAME@"

static const char *fill_in(const char *text, const char *name)
{
    char *out = textf("%s", "");
    const char *at;

    while ((at = strstr(text, PLACEHOLDER))) {
        out = textf("%s%.*s%s", out, (int)(at - text), text, name);
        text = at + strlen(PLACEHOLDER);
    }
    return textf("%s%s", out, text);
}

static ac_status write_files(const char *directory, const char *language, const char *name, ac_error *err)
{
    for (size_t i = 0; i < template_file_count; i++) {
        const template_file *file = &template_files[i];
        const char *text = fill_in(file->text, name);

        if (strcmp(file->language, language) == 0)
            TRY(file_put(textf("%s/%s", directory, file->path), text, strlen(text), 0644, err));
    }
    return AC_OK;
}

static bool is_empty(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    bool empty = directory != NULL;

    while (empty && (entry = readdir(directory)))
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (directory)
        closedir(directory);
    return empty;
}

/* A directory that we stand in is not replaced but filled. */
static ac_status put_in_place(const char *made, const char *place, bool here, ac_error *err)
{
    struct dirent **entries = NULL;
    bool well = true;
    int count;

    if (!here)
        return rename(made, place) == 0 ? AC_OK : file_error(err, "make", place);
    count = scandir(made, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;

        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            well = well && rename(textf("%s/%s", made, name), textf("%s/%s", place, name)) == 0;
        free(entries[i]);
    }
    free(entries);
    return well && count >= 0 ? AC_OK : file_error(err, "write into", place);
}

/* What cannot be the name of a program for Meson: its own targets, and the other one of the template. */
static bool is_target(const char *name)
{
    static const char *const names[] = {"PHONY", "all",        "benchmark", "clean", "coverage",
                                        "dist",  "distcheck",  "install",   "phony", "reconfigure",
                                        "test",  "test_agent", "uninstall"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static const char *next_steps(const char *language, const char *place)
{
    const char *enter = strcmp(place, ".") == 0 ? "" : textf("    cd %s\n", place);
    const char *test = strcmp(language, "c") == 0        ? "meson test -C build"
                       : strcmp(language, "python") == 0 ? ".venv/bin/python -m unittest"
                                                         : "node --test";

    return textf("Next:\n\n%s    agentcore dev                        # builds and runs it here; Ctrl-C ends it\n"
                 "    agentcore invoke --local 'Hello!'    # from another terminal\n    %-36s # its test\n"
                 "    agentcore up && agentcore deploy     # on this machine's agentcored",
                 enter, test);
}

static ac_status report(cli *c, const char *place, const char *name, const char *language, ac_error *err)
{
    if (flag(c, OPT_JSON)) {
        print_json_packed("{s:s, s:s, s:s}", "directory", place, "name", name, "language", language);
    } else {
        printf("%s is made: an agent in %s\n", strcmp(place, ".") == 0 ? name : place,
               strcmp(language, "c") == 0        ? "C"
               : strcmp(language, "python") == 0 ? "Python"
                                                 : "JavaScript");
        remark("%s", next_steps(language, place));
    }
    return print_end(err);
}

ac_status run_create(cli *c, ac_error *err)
{
    const char *place = c->arguments[0], *language = option(c, OPT_LANG), *name, *base;
    bool here = strcmp(place, ".") == 0, known = false;
    char *made = NULL;
    ac_status status;

    language = language ? language : "c";
    for (size_t i = 0; i < template_file_count; i++)
        known = known || strcmp(template_files[i].language, language) == 0;
    if (!known)
        return usage_error(c, err, "--lang takes c, python or node, not \"%.40s\"", language);
    base = strrchr(place, '/');
    name = agent_name_of(here ? directory_name(".") : base ? base + 1 : place);
    if (!name)
        return usage_error(c, err, "\"%s\" has no letters that could be the name of an agent", place);
    if (strcmp(language, "c") == 0 && is_target(name))
        return usage_error(c, err,
                           "\"%s\" is a word of the build system and cannot name a program; choose another name", name);
    if (here ? !is_empty(".") : access(place, F_OK) == 0)
        return ac_error_set(err, AC_ERR_CONFLICT,
                            here ? "this directory is not empty; name a new one: agentcore create NAME"
                                 : "%s is there already; choose another name",
                            place);
    /* This directory may be a file system of its own, and what is above it not ours to write. */
    TRY(directory_beside(here ? "./.agentcore" : place, &made, err));
    status = write_files(made, language, name, err);
    if (status == AC_OK)
        status = put_in_place(made, place, here, err);
    tree_remove(made);
    return status == AC_OK ? report(c, place, name, language, err) : status;
}
