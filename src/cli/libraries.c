/* libraries.c - the loader's search for libraries (ld.so(8)), done for files that are not run.
 *
 * In the image all libraries lie in one directory that its loader searches by itself.  So neither paths of this machine
 * nor a cache are needed there. */
#include "cli/libraries.h"

#include "cli/cli.h"

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONF "/etc/ld.so.conf"
#define CONF_DEPTH_MAX 8
#define FALLBACK_DIRECTORY "/lib"

/* One object on its way: who needs it has a say in where its libraries are (DT_RPATH). */
typedef struct object {
    const char *path;
    elf_file elf;
    const struct object *loader;
} object;

/* ---- where ---- */

static void add_conf(words *out, const char *path, int depth)
{
    char *text, *line, *next;
    glob_t found;

    if (depth == CONF_DEPTH_MAX || file_get(path, &text, NULL, NULL) != AC_OK)
        return;
    for (line = text; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        line[strcspn(line, "#\r")] = '\0';
        line += strspn(line, " \t");
        if (starts_with(line, "include ") || starts_with(line, "include\t")) {
            const char *pattern = line + 8 + strspn(line + 8, " \t");

            if (glob(*pattern == '/' ? pattern : textf("/etc/%s", pattern), 0, NULL, &found) != 0)
                continue;
            for (size_t i = 0; i < found.gl_pathc; i++)
                add_conf(out, found.gl_pathv[i], depth + 1);
            globfree(&found);
        } else if (*line == '/') {
            words_add(out, keep_text(line, strcspn(line, " \t=")));
        }
    }
}

static void add_standard(words *out, uint16_t machine)
{
    static const char *const patterns[] = {"/lib/%s", "/usr/lib/%s", "/usr/local/lib/%s", "/usr/%s/lib"};
    static const char *const plain[] = {"/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"};
    const char *triplet = elf_triplet(machine);

    for (size_t i = 0; triplet && i < ARRAY_SIZE(patterns); i++) {
        const char *percent = strchr(patterns[i], '%');

        words_add(out, textf("%.*s%s%s", (int)(percent - patterns[i]), patterns[i], triplet, percent + 2));
    }
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        words_add(out, plain[i]);
}

static const char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? keep_text(path, (size_t)(slash - path)) : ".";
}

/* A list as in DT_RUNPATH: $ORIGIN is where the object lies. */
static void add_list(words *out, const char *list, const char *object_path)
{
    static const char *const names[] = {"$ORIGIN", "${ORIGIN}"};

    while (list && *list) {
        size_t length = strcspn(list, ":");
        const char *item = keep_text(list, length), *mark;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
            if ((mark = strstr(item, names[i])))
                item = textf("%.*s%s%s", (int)(mark - item), item, directory_of(object_path), mark + strlen(names[i]));
        if (*item)
            words_add(out, item);
        list += length + (list[length] == ':');
    }
}

static words directories_for(const object *o)
{
    words out = {0};

    for (const object *each = o; each && !o->elf.runpath; each = each->loader)
        if (!each->elf.runpath)
            add_list(&out, each->elf.rpath, each->path);
    add_list(&out, getenv("LD_LIBRARY_PATH"), o->path);
    add_list(&out, o->elf.runpath, o->path);
    add_conf(&out, CONF, 0);
    add_standard(&out, o->elf.machine);
    return out;
}

/* ---- finding ---- */

static ac_status read_object(const char *path, elf_file *ret, ac_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    ac_error flaw = {0};
    void *data = MAP_FAILED;

    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0)
        data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        ac_status status = file_error(err, "read", path);

        if (fd >= 0)
            close(fd);
        return status;
    }
    ac_status status = elf_parse(data, (size_t)info.st_size, ret, &flaw);
    munmap(data, (size_t)info.st_size);
    close(fd);
    return status == AC_OK ? AC_OK : ac_error_set(err, status, "%s: %s", path, flaw.message);
}

static const char *real_path(const char *path)
{
    char full[PATH_MAX];

    return textf("%s", realpath(path, full) ? full : path);
}

/* A file of that name that is for this machine. */
static const char *find(const object *o, const char *name, elf_file *ret_elf)
{
    words directories;

    *ret_elf = (elf_file){0};
    if (strchr(name, '/'))
        return read_object(name, ret_elf, NULL) == AC_OK && ret_elf->machine == o->elf.machine ? name : NULL;
    directories = directories_for(o);
    for (size_t i = 0; i < directories.count; i++) {
        const char *path = textf("%s/%s", directories.items[i], name);

        if (is_file(path) && read_object(path, ret_elf, NULL) == AC_OK && ret_elf->machine == o->elf.machine)
            return path;
    }
    return NULL;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool is_known(const libraries *all, const char *name)
{
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(base_name(all->items[i].place), name) == 0)
            return true;
    return false;
}

static ac_status put(libraries *all, const char *source, const char *place, ac_error *err)
{
    if (all->count == LIBRARIES_MAX)
        return ac_error_set(err, AC_ERR_TOO_LARGE, "more than %d libraries are needed", LIBRARIES_MAX);
    all->items[all->count++] = (library){real_path(source), place};
    return AC_OK;
}

static ac_status missing(const object *o, const char *name, ac_error *err)
{
    const char *architecture = elf_architecture(o->elf.machine);

    return ac_error_set(err, AC_ERR_NOT_FOUND, "%s needs %s, which is not on this machine (for %s)", o->path, name,
                        architecture ? architecture : "its machine");
}

static ac_status add_needed(libraries *all, const object *o, ac_error *err)
{
    for (size_t i = 0; i < o->elf.needed.count; i++) {
        const char *name = o->elf.needed.items[i];
        object found = {.loader = o};

        if (is_known(all, base_name(name)))
            continue;
        found.path = find(o, name, &found.elf);
        if (!found.path)
            return missing(o, name, err);
        all->speaks_tls = all->speaks_tls || starts_with(base_name(name), "libssl.so");
        /* Places come at the end, when it is known where the C library is. */
        TRY(put(all, found.path, strchr(name, '/') ? name : textf("?/%s", name), err));
        TRY(add_needed(all, &found, err));
    }
    return AC_OK;
}

static ac_status add_loader(libraries *all, const object *o, ac_error *err)
{
    const char *asked = o->elf.interpreter, *path;
    elf_file elf;

    if (!asked || is_known(all, base_name(asked)))
        return AC_OK;
    path = find(o, asked, &elf);
    path = path ? path : find(o, base_name(asked), &elf);
    return path ? put(all, path, asked, err) : missing(o, asked, err);
}

/* Where the loader of an image looks by itself.  /usr/lib/... is /lib/... where /usr is merged; of a system root that lies
 * elsewhere, or a cross compiler's directory, only the end means something in an image. */
static const char *library_directory(const libraries *all)
{
    const char *directory = NULL, *own = textf("/lib/%s", elf_triplet(all->machine));

    for (size_t i = 0; i < all->count && !directory; i++)
        if (strcmp(base_name(all->items[i].place), "libc.so.6") == 0)
            directory = directory_of(all->items[i].source);
    if (!directory)
        return FALLBACK_DIRECTORY;
    if (starts_with(directory, "/usr/lib") || starts_with(directory, "/lib"))
        return directory + (starts_with(directory, "/usr") ? strlen("/usr") : 0);
    if (ends_with(directory, own))
        return own;
    return ends_with(directory, "/lib64") ? "/lib64" : FALLBACK_DIRECTORY;
}

ac_status libraries_add(libraries *all, const char *program, ac_error *err)
{
    object o = {.path = program};
    const char *directory;

    TRY(read_object(program, &o.elf, err));
    if (!elf_architecture(o.elf.machine))
        return ac_error_set(err, AC_ERR_INVALID, "%s is for a machine that is not known here", program);
    if (all->machine && all->machine != o.elf.machine)
        return ac_error_set(err, AC_ERR_INVALID, "%s is for %s, other programs are for %s", program,
                            elf_architecture(o.elf.machine), elf_architecture(all->machine));
    all->machine = o.elf.machine;
    TRY(add_loader(all, &o, err));
    TRY(add_needed(all, &o, err));
    directory = library_directory(all);
    for (size_t i = 0; i < all->count; i++)
        if (starts_with(all->items[i].place, "?/"))
            all->items[i].place = textf("%s/%s", directory, all->items[i].place + 2);
    return AC_OK;
}
