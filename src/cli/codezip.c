/* codezip.c - Python and Node code as a zip file: the directory's files, and the packages they import.
 *
 * Of the directory all goes but hidden files, build directories, virtual environments and what Python compiled.
 * Python's packages come from --packages, or are installed from requirements.txt into .agentcore/, once for each
 * content of that file.  Times of files are kept, since compiled Python is only valid with them: the same files with
 * the same times make the same zip file. */
#include "cli/artifact.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/process.h"
#include "cli/term.h"

#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE ".agentcore"
#define STAMP ".requirements"
#define NODE_RUNTIME "NODE_22"
#define AWS_PYTHON "3.12"
#define PIECE 65536

/* ---- what is left out ---- */

static bool skip_code(const char *name)
{
    static const char *const names[] = {"__pycache__", "venv", "build"};

    if (name[0] == '.' || ends_with(name, ".pyc") || ends_with(name, ".oci") || ends_with(name, ".zip"))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool skip_nothing(const char *name)
{
    (void)name;
    return false;
}

/* ---- interpreters ---- */

/* The interpreter that agentcored runs deployed code with: the version asked for when it is there, else python3. */
static const char *find_python(const char *version)
{
    static const char *const folders[] = {"/usr/local/bin", "/usr/bin"};
    const char *names[] = {version ? textf("python%s", version) : "python3", "python3"};

    for (size_t n = 0; n < ARRAY_SIZE(names); n++)
        for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
            const char *path = textf("%s/%s", folders[i], names[n]);

            if (access(path, X_OK) == 0)
                return path;
        }
    return NULL;
}

/* "PYTHON_3_12" -> "3.12" */
static const char *python_version(const char *runtime)
{
    char *version = textf("%s", runtime + strlen("PYTHON_"));

    for (char *at = version; *at; at++)
        *at = *at == '_' ? '.' : *at;
    return version;
}

static ac_status python_of_machine(const char *asked, const char **ret_program, const char **ret_runtime, ac_error *err)
{
    const char *program = find_python(asked ? python_version(asked) : NULL);
    const char *const argv[] = {program, "-c", "import sys; sys.stdout.write('PYTHON_%d_%d' % sys.version_info[:2])",
                                NULL};
    char *said;
    int code;

    if (!program)
        return ac_error_set(err, AC_ERR_NOT_FOUND,
                            "Python code needs an interpreter in /usr/bin; install it: apt-get install python3");
    TRY(process_run(argv, NULL, false, &code, &said, err));
    if (code != 0 || !starts_with(said, "PYTHON_"))
        return ac_error_set(err, AC_ERR_STATE, "%s does not tell its version", program);
    *ret_program = program;
    *ret_runtime = asked ? asked : said;
    return AC_OK;
}

/* ---- packages ---- */

static ac_status run_pip(const char *const *argv, ac_error *err)
{
    char *output;
    int code;

    TRY(process_run(argv, NULL, true, &code, &output, err));
    if (code == 0)
        return AC_OK;
    progress_end();
    print_foreign(stderr, output, strlen(output));
    return ac_error_set(err, AC_ERR_STATE, "the packages of requirements.txt could not be installed: see above");
}

static ac_status install(const char *python, const char *target, bool for_aws, const char *runtime, ac_error *err)
{
    const char *const venv[] = {python, "-m", "venv", (CACHE "/venv"), NULL};
    words pip = {0};

    if (!is_file(CACHE "/venv/bin/pip"))
        TRY(run_pip(venv, err));
    words_add(&pip, CACHE "/venv/bin/python");
    words_add(&pip, "-m");
    words_add(&pip, "pip");
    words_add(&pip, "install");
    words_add(&pip, "--quiet");
    words_add(&pip, "--disable-pip-version-check");
    words_add(&pip, "--target");
    words_add(&pip, target);
    if (for_aws) {
        words_add(&pip, "--platform");
        words_add(&pip, "manylinux2014_aarch64");
        words_add(&pip, "--implementation");
        words_add(&pip, "cp");
        words_add(&pip, "--python-version");
        words_add(&pip, python_version(runtime));
        words_add(&pip, "--only-binary=:all:");
    }
    words_add(&pip, "-r");
    words_add(&pip, "requirements.txt");
    return run_pip(pip.items, err);
}

/* The directory with what requirements.txt names, installed anew when the file has changed. */
static ac_status packages_of(const project *p, const char *python, const char *runtime, bool for_aws,
                             const char **ret_directory, ac_error *err)
{
    const char *directory = textf(CACHE "/packages-%s-%s", for_aws ? "aws" : "local", runtime);
    const char *stamp = textf("%s/" STAMP, directory);
    char *wanted, *had = NULL, *made = NULL;
    size_t length;

    TRY(file_get(textf("%s/requirements.txt", p->directory), &wanted, &length, err));
    *ret_directory = directory;
    if (is_file(stamp) && file_get(stamp, &had, NULL, NULL) == AC_OK && strcmp(had, wanted) == 0)
        return AC_OK;
    TRY(directory_make(CACHE, err));
    progress("Installing what requirements.txt names");
    TRY(directory_beside(directory, &made, err));
    ac_status status = install(python, made, for_aws, runtime, err);
    if (status == AC_OK)
        status = file_put(textf("%s/" STAMP, made), wanted, length, 0644, err);
    if (status == AC_OK) {
        tree_remove(directory);
        if (rename(made, directory) != 0)
            status = file_error(err, "make", directory);
    }
    tree_remove(made);
    return status;
}

/* ---- writing ---- */

static ac_status zip_failed(struct archive *a, const char *what, ac_error *err)
{
    const char *why = archive_error_string(a);

    return ac_error_set(err, AC_ERR_STATE, "cannot pack %s: %s", what, why ? why : "libarchive failed");
}

static ac_status zip_data(struct archive *a, const layer_entry *e, int64_t size, ac_error *err)
{
    int fd = open(e->source, O_RDONLY | O_CLOEXEC);
    char bytes[PIECE];
    ssize_t length;
    ac_status status = AC_OK;

    if (fd < 0)
        return file_error(err, "read", e->source);
    while (status == AC_OK && size > 0 && (length = read(fd, bytes, sizeof bytes)) > 0) {
        size_t part = (int64_t)length < size ? (size_t)length : (size_t)size;

        if (archive_write_data(a, bytes, part) < 0)
            status = zip_failed(a, e->place, err);
        size -= (int64_t)part;
    }
    close(fd);
    if (status == AC_OK && size > 0)
        status = ac_error_set(err, AC_ERR_STATE, "%s has changed while it was packed; try again", e->source);
    return status;
}

static ac_status zip_entry(struct archive *a, struct archive_entry *header, const layer_entry *e, ac_error *err)
{
    struct stat info;

    if (!e->source && !e->link)
        return AC_OK; /* directories follow from what is in them */
    if (e->source && stat(e->source, &info) != 0)
        return file_error(err, "read", e->source);
    archive_entry_clear(header);
    archive_entry_set_pathname(header, e->place);
    archive_entry_set_filetype(header, e->link ? AE_IFLNK : AE_IFREG);
    archive_entry_set_perm(header, e->mode);
    archive_entry_set_mtime(header, e->source ? info.st_mtime : 0, 0);
    archive_entry_set_size(header, e->source ? info.st_size : 0);
    if (e->link)
        archive_entry_set_symlink(header, e->text);
    if (archive_write_header(a, header) != ARCHIVE_OK)
        return zip_failed(a, e->place, err);
    return e->source ? zip_data(a, e, info.st_size, err) : AC_OK;
}

static ac_status zip_write(layer *files, const char *path, bool stored, ac_error *err)
{
    struct archive *a = archive_write_new();
    struct archive_entry *header = archive_entry_new();
    ac_status status = AC_OK;

    if (!a || !header)
        nomem();
    layer_sort(files);
    archive_write_set_format_zip(a);
    if (stored)
        archive_write_zip_set_compression_store(a);
    if (archive_write_open_filename(a, path) != ARCHIVE_OK)
        status = zip_failed(a, path, err);
    for (size_t i = 0; i < files->count && status == AC_OK && !interrupted(); i++)
        status = zip_entry(a, header, &files->entries[i], err);
    if (archive_write_close(a) != ARCHIVE_OK && status == AC_OK)
        status = zip_failed(a, path, err);
    archive_entry_free(header);
    archive_write_free(a);
    return status;
}

/* ---- all of it ---- */

static ac_status add_python(cli *c, const project *p, bool for_aws, layer *files, const char **ret_runtime,
                            ac_error *err)
{
    const char *asked = option(c, OPT_RUNTIME), *python = NULL, *packages = option(c, OPT_PACKAGES);

    if (asked && !starts_with(asked, "PYTHON_"))
        return usage_error(c, err, "--runtime of Python code is PYTHON_3_12 or the like, not %.40s", asked);
    if (for_aws && !asked)
        asked = "PYTHON_3_12";
    TRY(python_of_machine(asked, &python, ret_runtime, err));
    if (packages && !is_directory(packages))
        return fail_as(c, EXIT_ABSENT, err, AC_ERR_NOT_FOUND, "--packages: there is no directory %s", packages);
    if (!packages && has_requirements(p))
        TRY(packages_of(p, python, *ret_runtime, for_aws, &packages, err));
    return packages ? layer_add_tree(files, packages, "", skip_nothing, err) : AC_OK;
}

static ac_status check_node(cli *c, const project *p, const char **ret_runtime, ac_error *err)
{
    const char *asked = option(c, OPT_RUNTIME);
    yyjson_doc *package = NULL;
    char *text;
    size_t length;
    bool needs = false;

    *ret_runtime = asked ? asked : NODE_RUNTIME;
    if (file_get(textf("%s/package.json", p->directory), &text, &length, NULL) == AC_OK)
        package = yyjson_read(text, length, 0);
    needs = yyjson_obj_size(yyjson_obj_get(yyjson_doc_get_root(package), "dependencies")) > 0;
    yyjson_doc_free(package);
    if (needs && !is_directory(textf("%s/node_modules", p->directory)))
        return ac_error_set(err, AC_ERR_STATE,
                            "package.json has dependencies, and they are not installed; run: "
                            "npm install --omit=dev");
    return AC_OK;
}

ac_status artifact_zip(cli *c, const project *p, zip_options options, const char *path, const char **ret_runtime,
                       char ret_digest[DIGEST_SIZE], ac_error *err)
{
    const char *beside = textf("%s.%d", path, (int)getpid()), *program;
    layer files = {0};
    ac_status status;

    TRY(project_build(c, p, NULL, &program, err));
    if (program[0] == '/' || strstr(program, "../"))
        return usage_error(c, err, "the script must be in this directory, since all of it is deployed: %s", program);
    TRY(p->language == LANGUAGE_PYTHON ? add_python(c, p, options.for_aws, &files, ret_runtime, err)
                                       : check_node(c, p, ret_runtime, err));
    progress("Packing the code");
    TRY(layer_add_tree(&files, p->directory, "", skip_code, err)); /* after the packages: ours win */
    status = zip_write(&files, beside, options.stored, err);
    if (status == AC_OK)
        status = interrupt_check(c, err);
    if (status == AC_OK)
        status = digest_of_file(beside, ret_digest, err);
    if (status == AC_OK && rename(beside, path) != 0)
        status = file_error(err, "write", path);
    if (status != AC_OK)
        unlink(beside);
    return status;
}
