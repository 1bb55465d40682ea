/* package.c - images of programs, without Docker and without a base image under them. */
#include "cli/artifact.h"
#include "cli/interrupt.h"
#include "cli/libraries.h"
#include "cli/term.h"

#include <agentcore/json.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AUTHORITIES "etc/ssl/certs/ca-certificates.crt"

static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash ? slash + 1 : path ? path : "";
}

int protocol_port(const char *protocol)
{
    return strcmp(protocol, "MCP") == 0 ? 8000 : strcmp(protocol, "A2A") == 0 ? 9000 : 8080;
}

bool is_code(const project *p)
{
    return p->language == LANGUAGE_PYTHON || p->language == LANGUAGE_NODE;
}

ac_status artifact_architecture(cli *c, const char **ret, ac_error *err)
{
    const char *platform = option(c, OPT_PLATFORM);

    *ret = NULL;
    if (!platform)
        return AC_OK;
    if (!starts_with(platform, "linux/") || !platform[6] || strchr(platform + 6, '/'))
        return usage_error(c, err, "--platform takes linux/arm64, linux/amd64 or the like, not \"%.60s\"", platform);
    *ret = platform + 6;
    return AC_OK;
}

/* ---- planning ---- */

static ac_status add_option_files(cli *c, image_plan *plan, ac_error *err)
{
    size_t at = 0;
    const char *text;

    while ((text = option_next(c, OPT_ADD, &at))) {
        const char *colon = strrchr(text, ':');
        const char *source = colon ? keep_text(text, (size_t)(colon - text)) : text;

        if (!colon || !*source || colon[1] != '/' || !colon[2])
            return usage_error(c, err, "--add takes SOURCE:/PLACE, not \"%.100s\"", text);
        if (is_directory(source))
            TRY(layer_add_tree(&plan->files, source, colon + 1 + strspn(colon + 1, "/"), NULL, err));
        else if (is_file(source))
            layer_add_file(&plan->files, source, colon + 1);
        else
            return fail_as(c, EXIT_ABSENT, err, AC_ERR_NOT_FOUND, "--add: there is no file %s", source);
    }
    at = 0;
    while ((text = option_next(c, OPT_ARG, &at)))
        words_add(&plan->entrypoint, text);
    return AC_OK;
}

/* What a program needs beside itself. */
static ac_status add_libraries(image_plan *plan, const char *program, ac_error *err)
{
    libraries *needed = keep(sizeof *needed);

    TRY(libraries_add(needed, program, err));
    for (size_t i = 0; i < needed->count; i++)
        layer_add_program(&plan->files, needed->items[i].source, needed->items[i].place);
    if (needed->speaks_tls && is_file("/" AUTHORITIES))
        layer_add_file(&plan->files, "/" AUTHORITIES, AUTHORITIES);
    plan->architecture = elf_architecture(needed->machine);
    return AC_OK;
}

static void begin_plan(image_plan *plan, const char *title, const char *program, int port)
{
    *plan = (image_plan){.title = title, .directory = "/app", .port = port};
    words_add(&plan->entrypoint, program);
    words_add(&plan->environment, "PATH=/usr/local/bin:/usr/bin:/bin");
    words_add(&plan->environment, "DOCKER_CONTAINER=1"); /* agents listen on all addresses then */
}

static ac_status plan_program(cli *c, const char *path, const char *title, int port, image_plan *ret, ac_error *err)
{
    begin_plan(ret, title, textf("/app/%s", base_name(path)), port);
    layer_add_program(&ret->files, path, textf("app/%s", base_name(path)));
    TRY(add_libraries(ret, path, err));
    return add_option_files(c, ret, err);
}

static bool begins_as_elf(const char *path)
{
    FILE *f = fopen(path, "re");
    char magic[4] = "";
    bool well = f && fread(magic, 1, sizeof magic, f) == sizeof magic && memcmp(magic, "\177ELF", sizeof magic) == 0;

    if (f)
        fclose(f);
    return well;
}

static ac_status plan_directory(cli *c, const char *path, image_plan *ret, ac_error *err)
{
    const char *entry = option(c, OPT_ENTRYPOINT), *program = entry ? textf("%s/%s", path, entry) : NULL;

    if (!entry)
        return usage_error(c, err, "which program in %s is started? --entrypoint bin/server", path);
    if (entry[0] == '/' || !is_file(program) || access(program, X_OK) != 0)
        return fail_as(c, EXIT_ABSENT, err, AC_ERR_NOT_FOUND, "%s is no program in %s", entry, path);
    begin_plan(ret, directory_name(path), textf("/app/%s", entry), protocol_port("HTTP"));
    ret->architecture = machine_architecture();
    TRY(layer_add_tree(&ret->files, path, "app", NULL, err));
    if (begins_as_elf(program))
        TRY(add_libraries(ret, program, err));
    return add_option_files(c, ret, err);
}

ac_status artifact_plan_path(cli *c, const char *path, image_plan *ret, ac_error *err)
{
    if (is_directory(path))
        return plan_directory(c, path, ret, err);
    if (!is_file(path))
        return fail_as(c, EXIT_ABSENT, err, AC_ERR_NOT_FOUND, "there is no file %s", path);
    return plan_program(c, path, base_name(path), protocol_port("HTTP"), ret, err);
}

ac_status artifact_plan_project(cli *c, const project *p, const char *architecture, image_plan *ret, ac_error *err)
{
    const char *program;

    TRY(project_build(c, p, architecture, &program, err));
    progress("Packing %s", program);
    TRY(plan_program(c, program, p->name, protocol_port(p->protocol), ret, err));
    if (architecture && strcmp(architecture, ret->architecture) != 0)
        return ac_error_set(err, AC_ERR_INVALID, "%s is for linux/%s, not for linux/%s", program, ret->architecture,
                            architecture);
    return AC_OK;
}

/* ---- the command ---- */

static ac_status report_image(cli *c, const image_plan *plan, const char *path, const image *made, ac_error *err)
{
    if (flag(c, OPT_JSON)) {
        print_json_packed("{s:s, s:s, s:s, s:U}", "image", path, "digest", made->manifest.digest, "platform",
                          textf("linux/%s", plan->architecture), "layerBytes", made->layer.size);
    } else {
        printf("%s %s\n", made->manifest.digest, path);
        remark("An image for linux/%s, %.1f MB packed.", plan->architecture, (double)made->layer.size / 1e6);
    }
    return print_end(err);
}

static ac_status write_image(cli *c, image_plan *plan, const char *tag, const char *path, ac_error *err)
{
    char *layout = textf("%s", path);
    bool tar = ends_with(path, ".tar");
    image made;
    ac_status status;

    if (tar)
        TRY(directory_beside(path, &layout, err));
    status = image_write(plan, layout, tag, !tar, &made, err);
    if (status == AC_OK && tar)
        status = image_archive(layout, path, err);
    if (tar)
        tree_remove(layout);
    TRY(status);
    progress_end();
    return report_image(c, plan, path, &made, err);
}

static ac_status package_code(cli *c, const project *p, ac_error *err)
{
    const char *path = option(c, OPT_OUTPUT), *runtime, *architecture;
    char digest[DIGEST_SIZE];

    path = path ? path : textf("%s.zip", p->name);
    TRY(artifact_architecture(c, &architecture, err));
    TRY(artifact_zip(c, p, (zip_options){.for_aws = architecture && strcmp(architecture, machine_architecture()) != 0},
                     path, &runtime, digest, err));
    progress_end();
    if (flag(c, OPT_JSON))
        print_json_packed("{s:s, s:s, s:s}", "zip", path, "digest", digest, "runtime", runtime);
    else
        printf("%s %s\n", digest, path);
    return print_end(err);
}

static ac_status plan(cli *c, const project *p, image_plan *ret, ac_error *err)
{
    const char *architecture;

    TRY(artifact_architecture(c, &architecture, err));
    if (!c->argument_count)
        return artifact_plan_project(c, p, architecture, ret, err);
    TRY(artifact_plan_path(c, c->arguments[0], ret, err));
    if (architecture && ret->architecture && strcmp(architecture, ret->architecture) != 0)
        return usage_error(c, err, "%s is for linux/%s, not for linux/%s", c->arguments[0], ret->architecture,
                           architecture);
    return AC_OK;
}

ac_status run_package(cli *c, ac_error *err)
{
    const char *path = option(c, OPT_OUTPUT), *tag = option(c, OPT_TAG);
    image_plan image_to_make = {.port = 0};
    project p = {.protocol = "HTTP"};
    ac_status status = AC_OK;

    if (path && !*path)
        return usage_error(c, err, "--output needs a path");
    if (!c->argument_count)
        status = project_load(c, &p, err);
    if (status == AC_OK && !c->argument_count && is_code(&p)) {
        status = package_code(c, &p, err);
    } else if (status == AC_OK) {
        status = plan(c, &p, &image_to_make, err);
        path = path || status != AC_OK ? path
                                       : textf("%s%s.oci", !c->argument_count && is_directory("build") ? "build/" : "",
                                               image_to_make.title);
        if (status == AC_OK)
            status = write_image(c, &image_to_make, tag ? tag : "latest", path, err);
    }
    project_done(&p);
    return status;
}
