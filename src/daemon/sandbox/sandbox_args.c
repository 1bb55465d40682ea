/* sandbox_args.c - what bwrap is told to do.
 *
 * The arguments go in a file in memory (--args): command lines are public, and bounded.  Order is meaning: first the
 * tree, then what the kernel provides, then the writable places, then the mounts, and last "/" becomes read-only. */
#include "daemon/sandbox/sandbox_internal.h"
#include "daemon/sandbox/view.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARGS_BYTES_MAX ((size_t)4 << 20)
#define HOSTS "127.0.0.1 localhost " SANDBOX_HOSTNAME "\n::1 localhost ip6-localhost\n"

typedef struct args {
    const sandbox_spec *spec;
    arena *memory;
    view *view;
    buf text;
    int *data; /* files that bwrap makes */
    size_t data_count;
} args;

/* Of the machine's /etc, what programs look at and what is the same for everybody who runs them. */
static const char *const shown_etc[] = {
    "/etc/alternatives", "/etc/crypto-policies", "/etc/debian_version", "/etc/fonts",           "/etc/ld.so.cache",
    "/etc/localtime",    "/etc/matplotlibrc",    "/etc/mime.types",     "/etc/os-release",      "/etc/pki",
    "/etc/protocols",    "/etc/services",        "/etc/ssl/certs",      "/etc/ssl/openssl.cnf", "/etc/timezone",
};

static const char *const top_directories[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};

/* ---- words ---- */

static ac_status add(args *a, const char *const *words, size_t count, ac_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (buf_append(&a->text, words[i], strlen(words[i]) + 1) != AC_OK)
            return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    return AC_OK;
}

#define ADD(a, err, ...)                                                                                               \
    AC_TRY(add(a, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), err))

/* ---- the machine's own system ---- */

static ac_status show_machine(args *a, const char *path, ac_error *err)
{
    char target[PATH_MAX];
    struct stat info;
    ssize_t length;

    if (lstat(path, &info) != 0)
        return AC_OK;
    if (!S_ISLNK(info.st_mode))
        return view_show(a->view, path, path, err);
    length = readlink(path, target, sizeof target - 1);
    if (length <= 0)
        return AC_OK;
    target[length] = '\0';
    return view_link(a->view, path, target, err);
}

static ac_status show_system(args *a, ac_error *err)
{
    AC_TRY(view_show(a->view, "/usr", "/usr", err));
    for (size_t i = 0; i < ARRAY_SIZE(top_directories); i++)
        AC_TRY(show_machine(a, top_directories[i], err));
    for (size_t i = 0; i < ARRAY_SIZE(shown_etc); i++)
        AC_TRY(show_machine(a, shown_etc[i], err));
    AC_TRY(view_link(a->view, "/var/tmp", "/tmp", err));
    return AC_OK;
}

/* ---- files that bwrap makes ---- */

static ac_status make_file(args *a, const char *path, const char *text, ac_error *err)
{
    const char *place;
    char fd[16];

    AC_TRY(view_make_place(a->view, path, VIEW_FILE, &place, err));
    if (a->data_count >= SANDBOX_DATA_MAX)
        return ac_error_set(err, AC_ERR_INTERNAL, "too many files");
    snprintf(fd, sizeof fd, "%d", BOX_FD_DATA + (int)a->data_count);
    AC_TRY(sandbox_file("file", text, strlen(text), &a->data[a->data_count], err));
    a->data_count++;
    if (view_root_is_made(a->view))
        ADD(a, err, "--perms", "0444", "--file", fd, path);
    else
        ADD(a, err, "--perms", "0444", "--ro-bind-data", fd, path);
    return AC_OK;
}

static const char *format(args *a, const char *text, ...) AC_PRINTF(2, 3);
static const char *format(args *a, const char *text, ...)
{
    va_list list;
    const char *made;

    va_start(list, text);
    made = arena_vformat(a->memory, text, list);
    va_end(list);
    return made ? made : "";
}

static ac_status make_etc(args *a, ac_error *err)
{
    const sandbox_spec *s = a->spec;

    AC_TRY(make_file(a, "/etc/passwd",
                     format(a,
                            "root:x:0:0:root:/root:/usr/sbin/nologin\nagent:x:%u:%u:agent:%s:/bin/sh\n"
                            "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
                            s->uid, s->gid, s->home),
                     err));
    AC_TRY(make_file(a, "/etc/group", format(a, "root:x:0:\nagent:x:%u:\nnogroup:x:65534:\n", s->gid), err));
    AC_TRY(make_file(a, "/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n", err));
    return AC_OK;
}

/* Also in a root of the caller's: without these nothing finds even itself. */
static ac_status make_names(args *a, ac_error *err)
{
    AC_TRY(make_file(a, "/etc/hosts", HOSTS, err));
    if (a->spec->network == SANDBOX_NETWORK_NONE)
        return AC_OK;
    return make_file(a, "/etc/resolv.conf", "nameserver 127.0.0.1\noptions edns0\n", err);
}

/* ---- writable places ---- */

static ac_status add_memory(args *a, const char *path, const char *mode, ac_error *err)
{
    const char *place;

    AC_TRY(view_make_place(a->view, path, VIEW_DIRECTORY, &place, err));
    ADD(a, err, "--perms", mode, "--size", format(a, "%" PRIu64, a->spec->limits.disk_bytes), "--tmpfs", place);
    return AC_OK;
}

/* /dev is a file system in memory, too, of no size, so it is made read-only. */
static ac_status add_kernel(args *a, ac_error *err)
{
    const char *proc, *dev;

    AC_TRY(view_make_place(a->view, "/proc", VIEW_DIRECTORY, &proc, err));
    AC_TRY(view_make_place(a->view, "/dev", VIEW_DIRECTORY, &dev, err));
    if (strcmp(proc, "/proc") != 0 || strcmp(dev, "/dev") != 0)
        return ac_error_set(err, AC_ERR_INVALID, "/proc or /dev of the root is a symbolic link");
    ADD(a, err, "--proc", "/proc", "--dev", "/dev");
    ADD(a, err, "--perms", "1777", "--size", format(a, "%" PRIu64, a->spec->limits.disk_bytes), "--tmpfs", "/dev/shm");
    ADD(a, err, "--remount-ro", "/dev");
    return AC_OK;
}

static ac_status add_mount(args *a, const sandbox_mount *mount, ac_error *err)
{
    struct stat info;
    const char *place;
    view_kind kind = stat(mount->source, &info) == 0 && S_ISDIR(info.st_mode) ? VIEW_DIRECTORY : VIEW_FILE;

    AC_TRY(view_make_place(a->view, mount->target, kind, &place, err));
    ADD(a, err, mount->writable ? "--bind" : "--ro-bind", mount->source, place);
    return AC_OK;
}

/* A place in something that is mounted by then is made there by bwrap, or is there. */
static bool is_covered(const args *a, size_t count, const char *target)
{
    const char *home = a->spec->home;

    if (strncmp(target, "/tmp/", 5) == 0 || (strncmp(target, home, strlen(home)) == 0 && target[strlen(home)] == '/'))
        return true;
    for (size_t i = 0; i < count; i++) {
        const char *above = a->spec->mounts[i].target;

        if (strncmp(target, above, strlen(above)) == 0 && target[strlen(above)] == '/')
            return true;
    }
    return false;
}

/* ---- all ---- */

static ac_status add_walls(args *a, ac_error *err)
{
    ADD(a, err, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net",
        "--unshare-cgroup-try", "--die-with-parent", "--new-session", "--as-pid-1", "--clearenv");
    ADD(a, err, "--hostname", SANDBOX_HOSTNAME, "--uid", format(a, "%u", a->spec->uid), "--gid",
        format(a, "%u", a->spec->gid));
    ADD(a, err, "--cap-drop", "ALL");
    ADD(a, err, "--seccomp", format(a, "%d", BOX_FD_SECCOMP));
    return AC_OK;
}

static ac_status add_mounts(args *a, ac_error *err)
{
    for (size_t i = 0; i < a->spec->mount_count; i++) {
        const sandbox_mount *mount = &a->spec->mounts[i];

        if (is_covered(a, i, mount->target))
            ADD(a, err, mount->writable ? "--bind" : "--ro-bind", mount->source, mount->target);
        else
            AC_TRY(add_mount(a, mount, err));
    }
    return AC_OK;
}

/* Everything that comes after the tree; places that are missing are made in it on the way. */
static ac_status add_contents(args *a, ac_error *err)
{
    if (a->spec->root)
        AC_TRY(view_root(a->view, a->spec->root, err));
    else
        AC_TRY(show_system(a, err));
    AC_TRY(add_kernel(a, err));
    if (!a->spec->root)
        AC_TRY(make_etc(a, err));
    AC_TRY(make_names(a, err));
    AC_TRY(add_memory(a, "/tmp", "1777", err));
    AC_TRY(add_memory(a, a->spec->home, "0755", err));
    AC_TRY(add_mounts(a, err));
    if (view_root_is_made(a->view))
        ADD(a, err, "--remount-ro", "/");
    return AC_OK;
}

static ac_status add_all(args *a, ac_error *err)
{
    _cleanup_(buf_done) buf contents = BUF_INIT(ARGS_BYTES_MAX);

    AC_TRY(add_contents(a, err));
    contents = buf_move(&a->text);
    AC_TRY(add_walls(a, err));
    if (view_write(a->view, &a->text) != AC_OK || buf_append(&a->text, contents.data, contents.length) != AC_OK)
        return ac_error_set(err, AC_ERR_INVALID, "the sandbox would have to be put together from too many pieces");
    return AC_OK;
}

/* The parameter data is written through a.data. */
/* NOLINTNEXTLINE(readability-non-const-parameter) */
ac_status sandbox_args(const sandbox_spec *spec, arena *memory, int *ret_fd, int data[SANDBOX_DATA_MAX],
                       size_t *ret_count, ac_error *err)
{
    args a = {.spec = spec, .memory = memory, .view = view_new(memory), .text = BUF_INIT(ARGS_BYTES_MAX), .data = data};
    ac_status status;

    if (!a.view)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    status = add_all(&a, err);
    if (status == AC_OK)
        status = sandbox_file("arguments", a.text.data, a.text.length, ret_fd, err);
    buf_done(&a.text);
    *ret_count = a.data_count;
    return status;
}
