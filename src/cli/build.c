/* build.c - building projects and finding out how they are run. */
#include "cli/build.h"

#include "cli/process.h"
#include "cli/term.h"

#include <agentcore/json.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define REQUIREMENTS "requirements.txt"
#define VENV ".venv"
#define STAMP VENV "/.agentcore-requirements"

/* Machines as the kernel, images and meson call them. */
static const struct {
    const char *machine, *architecture, *triplet, *family;
} machines[] = {
    {"x86_64", "amd64", "x86_64-linux-gnu", "x86_64"},      {"aarch64", "arm64", "aarch64-linux-gnu", "aarch64"},
    {"riscv64", "riscv64", "riscv64-linux-gnu", "riscv64"}, {"ppc64le", "ppc64le", "powerpc64le-linux-gnu", "ppc64"},
    {"s390x", "s390x", "s390x-linux-gnu", "s390x"},
};

const char *machine_architecture(void)
{
    struct utsname name;

    if (uname(&name) != 0)
        return "unknown";
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
        if (strcmp(machines[i].machine, name.machine) == 0)
            return machines[i].architecture;
    return textf("%s", name.machine);
}

/* ---- running tools ---- */

/* Run a tool; what it says is shown when it fails. */
static ac_status run_tool(const char *const *argv, const char *const *variables, const char *what, ac_error *err)
{
    process_options o = {.environment = variables ? environment_with(variables) : NULL};
    char *output;
    int code;

    TRY(process_run(argv, &o, true, &code, &output, err));
    if (code == 0)
        return AC_OK;
    progress_end();
    print_foreign(stderr, output, strlen(output));
    return ac_error_set(err, AC_ERR_STATE, "%s failed: see above", what);
}

static ac_status need(const char *program, const char *advice, ac_error *err)
{
    if (program_find(program))
        return AC_OK;
    return ac_error_set(err, AC_ERR_NOT_FOUND, "there is no %s here; %s", program, advice);
}

/* ---- C ---- */

/* Where pkg-config finds libagentcore when this program runs in the tree it was built in. */
static void add_build_tree(words *variables)
{
    const char *directory = program_directory(), *before = getenv("PKG_CONFIG_PATH");
    const char *own = directory ? textf("%s/packaging", directory) : NULL;

    if (own && is_file(textf("%s/libagentcore.pc", own)))
        words_add(variables, textf("PKG_CONFIG_PATH=%s%s%s", own, before && *before ? ":" : "", before ? before : ""));
}

/* meson's description of another machine; its libraries come from where Debian puts those of a foreign architecture. */
static ac_status write_cross_file(const char *path, size_t machine, ac_error *err)
{
    const char *triplet = machines[machine].triplet;
    const char *text =
        textf("[binaries]\nc = '%s-gcc'\nar = '%s-ar'\nstrip = '%s-strip'\npkgconfig = 'pkg-config'\n"
              "pkg-config = 'pkg-config'\n\n[properties]\n"
              "pkg_config_libdir = '/usr/lib/%s/pkgconfig:/usr/local/lib/%s/pkgconfig:/usr/%s/lib/pkgconfig'\n\n"
              "[host_machine]\nsystem = 'linux'\ncpu_family = '%s'\ncpu = '%s'\nendian = '%s'\n",
              triplet, triplet, triplet, triplet, triplet, triplet, machines[machine].family, machines[machine].machine,
              strcmp(machines[machine].machine, "s390x") == 0 ? "big" : "little");

    return file_put(path, text, strlen(text), 0644, err);
}

static ac_status plan_cross(const char *architecture, const char *directory, words *setup, ac_error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
        if (strcmp(machines[i].architecture, architecture) != 0)
            continue;
        TRY(need(textf("%s-gcc", machines[i].triplet),
                 textf("to build for %s: apt-get install gcc-%s", architecture,
                       strcmp(architecture, "amd64") == 0 ? "x86-64-linux-gnu" : machines[i].triplet),
                 err));
        const char *path = textf("%s/cross.ini", directory);
        words_add(setup, "--cross-file");
        words_add(setup, path);
        TRY(directory_make(directory, err));
        return write_cross_file(path, i, err);
    }
    return ac_error_set(err, AC_ERR_INVALID, "%s is no architecture that can be built for here", architecture);
}

static ac_status build_c(const project *p, const char *architecture, const char **ret_program, ac_error *err)
{
    bool cross = architecture && strcmp(architecture, machine_architecture()) != 0;
    const char *directory = cross ? textf("build-%s", architecture) : "build";
    words setup = {0}, variables = {0};
    const char *const compile[] = {"ninja", "-C", directory, NULL};

    TRY(need("meson", "building needs it: apt-get install meson ninja-build pkg-config", err));
    if (!cross)
        add_build_tree(&variables);
    if (!is_file(textf("%s/build.ninja", directory))) {
        words_add(&setup, "meson");
        words_add(&setup, "setup");
        words_add(&setup, directory);
        if (cross)
            TRY(plan_cross(architecture, directory, &setup, err));
        progress("Configuring %s", p->name);
        ac_status status =
            run_tool(setup.items, variables.items ? variables.items : (const char *const[]){NULL}, "meson setup", err);
        if (status != AC_OK) {
            tree_remove(directory); /* half configured, it would be in the way of the next try */
            return status;
        }
    }
    progress("Building %s", p->name);
    TRY(run_tool(compile, variables.items ? variables.items : (const char *const[]){NULL}, "the build", err));
    *ret_program = cross && starts_with(p->entry, "build/") ? textf("%s/%s", directory, p->entry + 6) : p->entry;
    if (!is_file(*ret_program))
        return ac_error_set(err, AC_ERR_NOT_FOUND,
                            "the build made no %s; \"entry\" in " PROJECT_FILE " names the program", *ret_program);
    return AC_OK;
}

ac_status project_build(cli *c, const project *p, const char *architecture, const char **ret_program, ac_error *err)
{
    *ret_program = p->entry;
    if (p->language == LANGUAGE_C && !flag(c, OPT_ENTRY))
        return build_c(p, architecture, ret_program, err);
    if (is_file(textf("%s/%s", p->directory, p->entry)) || is_file(p->entry))
        return AC_OK;
    return fail_as(c, EXIT_ABSENT, err, AC_ERR_NOT_FOUND, "there is no file %s", p->entry);
}

/* ---- Python ---- */

bool has_requirements(const project *p)
{
    char *text, *line;
    size_t length;

    if (file_get(textf("%s/" REQUIREMENTS, p->directory), &text, &length, NULL) != AC_OK)
        return false;
    for (line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *start = line + strspn(line, " \t\r");

        if (*start && *start != '\n' && *start != '#')
            return true;
    }
    return false;
}

ac_status project_prepare(cli *c, const project *p, ac_error *err)
{
    static const char *const make[] = {"python3", "-m", "venv", VENV, NULL};
    static const char *const install[] = {(VENV "/bin/python"),          "-m", "pip",        "install", "--quiet",
                                          "--disable-pip-version-check", "-r", REQUIREMENTS, NULL};
    char *wanted, *had = NULL;
    size_t length;

    if (p->language != LANGUAGE_PYTHON || flag(c, OPT_PACKAGES) || !has_requirements(p))
        return AC_OK;
    TRY(file_get(REQUIREMENTS, &wanted, &length, err));
    if (is_file(STAMP) && file_get(STAMP, &had, NULL, NULL) == AC_OK && strcmp(had, wanted) == 0)
        return AC_OK;
    TRY(need("python3", "install it: apt-get install python3 python3-venv", err));
    progress("Installing what " REQUIREMENTS " names into " VENV);
    if (!is_file(VENV "/bin/python"))
        TRY(run_tool(make, NULL, "python3 -m venv", err));
    TRY(run_tool(install, NULL, "pip install -r " REQUIREMENTS, err));
    progress_end();
    return file_put(STAMP, wanted, length, 0644, err);
}

/* ---- running ---- */

ac_status project_environment(cli *c, const project *p, words *ret_variables, ac_error *err)
{
    yyjson_val *environment = yyjson_obj_get(yyjson_doc_get_root(p->doc), "environment"), *name, *value;
    size_t i, count, at = 0;
    const char *word;

    yyjson_obj_foreach(environment, i, count, name, value)
    {
        if (!yyjson_is_str(value))
            return ac_error_set(err, AC_ERR_INVALID, PROJECT_FILE ": environment: %s is no text", yyjson_get_str(name));
        words_add(ret_variables, textf("%s=%s", yyjson_get_str(name), yyjson_get_str(value)));
    }
    while ((word = option_next(c, OPT_ENV, &at))) {
        if (!strchr(word, '=') || word[0] == '=')
            return usage_error(c, err, "--env takes NAME=VALUE, not \"%.100s\"", word);
        words_add(ret_variables, word);
    }
    return AC_OK;
}

ac_status project_command(cli *c, const project *p, words *ret_command, words *ret_variables, ac_error *err)
{
    const char *packages = option(c, OPT_PACKAGES);

    switch (p->language) {
    case LANGUAGE_PYTHON:
        words_add(ret_command, is_file(VENV "/bin/python") ? VENV "/bin/python" : "python3");
        words_add(ret_command, p->entry);
        words_add(ret_variables, "PYTHONUNBUFFERED=1");
        if (packages)
            words_add(ret_variables, textf("PYTHONPATH=%s", packages));
        return need(ret_command->items[0], "install it: apt-get install python3", err);
    case LANGUAGE_NODE:
        words_add(ret_command, "node");
        words_add(ret_command, p->entry);
        return need("node", "install it: apt-get install nodejs", err);
    case LANGUAGE_C:
    case LANGUAGE_PROGRAM:
    case LANGUAGE_COUNT:
        words_add(ret_command, strchr(p->entry, '/') ? p->entry : textf("./%s", p->entry));
        return AC_OK;
    }
    return AC_OK;
}
