/* view.c - the tree of what is shown.
 *
 * A node is a directory that bwrap makes, something of the machine's that is shown read-only, or a symbolic link.
 * Paths are followed as the program inside would: a symbolic link that leads to /etc means the sandbox's /etc, never
 * the machine's, and ".." stops at the root.  What is followed belongs to whoever made the directory, which is not the
 * program that will run in it. */
#include "daemon/sandbox/view.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 16
#define ENTRIES_MAX 512 /* of a directory that must be made anew */
#define NODES_MAX 1500  /* bwrap takes 9000 arguments */

typedef enum node_kind { NODE_MADE, NODE_SHOWN, NODE_LINK } node_kind;

struct view_node {
    node_kind kind;
    const char *name;
    const char *source; /* NODE_SHOWN: the path outside; NODE_LINK: the target */
    bool made_file;     /* NODE_MADE: a place for a file */
    view_node *first, *next;
};

struct view {
    arena *memory;
    view_node root;
    unsigned nodes;
};

view *view_new(arena *memory)
{
    view *v = arena_zalloc(memory, sizeof *v);

    if (v) {
        v->memory = memory;
        v->root.name = "";
    }
    return v;
}

bool view_root_is_made(const view *v)
{
    return v->root.kind == NODE_MADE;
}

/* ---- nodes ---- */

static view_node *child_of(const view_node *parent, const char *name, size_t length)
{
    for (view_node *at = parent->first; at; at = at->next)
        if (strncmp(at->name, name, length) == 0 && at->name[length] == '\0')
            return at;
    return NULL;
}

static ac_status add_child(view *v, view_node *parent, view_node node, view_node **ret_node, ac_error *err)
{
    view_node *copy = arena_alloc(v->memory, sizeof *copy);

    if (!copy || !parent || !node.name || (node.kind != NODE_MADE && !node.source))
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (++v->nodes > NODES_MAX)
        return ac_error_set(err, AC_ERR_INVALID, "the sandbox would have to be put together from too many pieces");
    *copy = node;
    copy->next = parent->first;
    parent->first = copy;
    if (ret_node)
        *ret_node = copy;
    return AC_OK;
}

static const char *format_path(view *v, const char *directory, const char *name)
{
    size_t bytes = strlen(directory) + strlen(name) + 2;
    char *path = arena_alloc(v->memory, bytes);

    if (path)
        snprintf(path, bytes, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, name);
    return path;
}

static const char *copy_text(view *v, const char *text)
{
    return arena_copy(v->memory, text, strlen(text));
}

/* Something of the machine's as a new child.  What is neither file nor directory nor link is left out: devices and
 * sockets are of no use inside. */
static ac_status show_entry(view *v, view_node *parent, const char *name, const char *source, ac_error *err)
{
    view_node node = {.kind = NODE_SHOWN, .name = copy_text(v, name), .source = source};
    char target[PATH_MAX];
    struct stat info;
    ssize_t length;

    if (lstat(source, &info) != 0 || !(S_ISDIR(info.st_mode) || S_ISREG(info.st_mode) || S_ISLNK(info.st_mode)))
        return AC_OK;
    if (S_ISLNK(info.st_mode)) {
        length = readlink(source, target, sizeof target - 1);
        if (length < 0)
            return AC_OK;
        target[length] = '\0';
        node.kind = NODE_LINK;
        node.source = copy_text(v, target);
    }
    return add_child(v, parent, node, NULL, err);
}

/* Turn a directory that is shown as a whole into one that is made, with the same in it. */
static ac_status make_anew(view *v, view_node *node, ac_error *err)
{
    const char *source = node->source;
    DIR *entries = opendir(source);
    unsigned count = 0;
    ac_status status = AC_OK;

    if (!entries)
        return ac_error_set(err, AC_ERR_INVALID, "cannot read %s: %s", source, strerror(errno));
    node->kind = NODE_MADE;
    for (struct dirent *entry = readdir(entries); entry && status == AC_OK; entry = readdir(entries)) {
        const char *path;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        path = format_path(v, source, entry->d_name);
        if (!path)
            status = ac_error_set(err, AC_ERR_NOMEM, "out of memory");
        else if (++count > ENTRIES_MAX)
            status =
                ac_error_set(err, AC_ERR_INVALID, "%s has more than %d entries, too many to add one for the sandbox",
                             source, ENTRIES_MAX);
        else
            status = show_entry(v, node, entry->d_name, path, err);
    }
    closedir(entries);
    return status;
}

/* ---- following a path ---- */

typedef struct walk {
    view *v;
    char done[PATH_MAX];  /* the place reached, "" for the root */
    char rest[PATH_MAX];  /* still to go, without a slash in front */
    view_node *node;      /* the last one in the tree */
    char below[PATH_MAX]; /* of a node that is shown: where in the machine's file system */
    unsigned links;
} walk;

static void restart(walk *w)
{
    w->done[0] = w->below[0] = '\0';
    w->node = &w->v->root;
    if (w->node->kind == NODE_SHOWN)
        snprintf(w->below, sizeof w->below, "%s", w->node->source);
}

/* Put a link's target in the place of what has been done and the name. */
static ac_status follow(walk *w, const char *target, ac_error *err)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s%s%s/%s", *target == '/' ? "" : w->done, *target == '/' ? "" : "/",
                          target, w->rest);

    if (++w->links > LINKS_MAX || length >= (int)sizeof path)
        return ac_error_set(err, AC_ERR_INVALID, "too many symbolic links on the way to a place in the sandbox");
    snprintf(w->rest, sizeof w->rest, "%s", path);
    restart(w);
    return AC_OK;
}

/* ".." by its text: what has been done contains no links. */
static void go_up(walk *w)
{
    char path[2 * PATH_MAX], *slash = strrchr(w->done, '/');

    if (slash)
        *slash = '\0';
    snprintf(path, sizeof path, "%s/%s", w->done, w->rest);
    snprintf(w->rest, sizeof w->rest, "%.*s", PATH_MAX - 1, path);
    restart(w);
}

/* Take the next name off the path; false at its end. */
static bool next_name(walk *w, char name[NAME_MAX + 1])
{
    size_t slashes = strspn(w->rest, "/"), length = strcspn(w->rest + slashes, "/");

    if (length == 0 || length > NAME_MAX) {
        name[0] = '\0';
        return false;
    }
    memcpy(name, w->rest + slashes, length);
    name[length] = '\0';
    memmove(w->rest, w->rest + slashes + length, strlen(w->rest + slashes + length) + 1);
    return true;
}

static void step_done(walk *w, const char *name)
{
    size_t length = strlen(w->done);

    snprintf(w->done + length, sizeof w->done - length, "/%s", name);
}

/* A name that nothing has yet: make it below the node, which is a directory that is made. */
static ac_status make_step(walk *w, const char *name, view_kind kind, ac_error *err)
{
    bool last = w->rest[strspn(w->rest, "/")] == '\0';
    view_node node = {.kind = NODE_MADE, .made_file = last && kind == VIEW_FILE, .name = copy_text(w->v, name)};

    AC_TRY(add_child(w->v, w->node, node, &w->node, err));
    step_done(w, name);
    return AC_OK;
}

/* The tree's node that is nearest is shown as a whole, and lacks the name: it and all between become made ones. */
static ac_status open_up(walk *w, ac_error *err)
{
    char inside[PATH_MAX], whole[PATH_MAX];
    size_t length = strlen(w->node->source);

    /* One level; walking again from the root finds the next one. */
    snprintf(inside, sizeof inside, "%s", w->below);
    AC_TRY(make_anew(w->v, w->node, err));
    if (strlen(inside) < length)
        return ac_error_set(err, AC_ERR_INTERNAL, "a place outside of its directory");
    if (snprintf(whole, sizeof whole, "%s/%s", w->done, w->rest) >= (int)sizeof whole)
        return ac_error_set(err, AC_ERR_INVALID, "a path in the sandbox is too long");
    snprintf(w->rest, sizeof w->rest, "%s", whole);
    restart(w);
    return AC_OK;
}

/* One name further in a directory that is shown as a whole. */
static ac_status step_shown(walk *w, const char *name, ac_error *err)
{
    char path[PATH_MAX], target[PATH_MAX];
    struct stat info;
    ssize_t length;

    if (snprintf(path, sizeof path, "%s/%s", w->below, name) >= (int)sizeof path)
        return ac_error_set(err, AC_ERR_INVALID, "a path in the sandbox is too long");
    if (lstat(path, &info) != 0) {
        char rest[PATH_MAX];

        if (errno != ENOENT)
            return ac_error_set(err, AC_ERR_INVALID, "cannot look at %s: %s", path, strerror(errno));
        if (snprintf(rest, sizeof rest, "%s%s", name, w->rest) >= (int)sizeof rest)
            return ac_error_set(err, AC_ERR_INVALID, "a path in the sandbox is too long");
        snprintf(w->rest, sizeof w->rest, "%s", rest);
        return open_up(w, err);
    }
    if (S_ISLNK(info.st_mode)) {
        length = readlink(path, target, sizeof target - 1);
        if (length < 0)
            return ac_error_set(err, AC_ERR_INVALID, "cannot read the symbolic link %s: %s", path, strerror(errno));
        target[length] = '\0';
        return follow(w, target, err);
    }
    snprintf(w->below, sizeof w->below, "%s", path);
    step_done(w, name);
    return AC_OK;
}

static ac_status step(walk *w, const char *name, view_kind kind, ac_error *err)
{
    view_node *child;

    if (strcmp(name, ".") == 0)
        return AC_OK;
    if (strcmp(name, "..") == 0) {
        go_up(w);
        return AC_OK;
    }
    if (w->node->kind == NODE_SHOWN)
        return step_shown(w, name, err);
    if (w->node->made_file)
        return ac_error_set(err, AC_ERR_INVALID, "%s is a file in the sandbox", w->done);
    child = child_of(w->node, name, strlen(name));
    if (!child)
        return make_step(w, name, kind, err);
    if (child->kind == NODE_LINK)
        return follow(w, child->source, err);
    w->node = child;
    step_done(w, name);
    if (child->kind == NODE_SHOWN)
        snprintf(w->below, sizeof w->below, "%s", child->source);
    return AC_OK;
}

static bool is_directory(const walk *w)
{
    struct stat info;

    if (w->node->kind == NODE_MADE)
        return !w->node->made_file;
    return stat(w->below, &info) == 0 && S_ISDIR(info.st_mode);
}

ac_status view_make_place(view *v, const char *path, view_kind kind, const char **ret_place, ac_error *err)
{
    walk w = {.v = v};
    char name[NAME_MAX + 1];

    snprintf(w.rest, sizeof w.rest, "%s", path);
    restart(&w);
    while (next_name(&w, name))
        AC_TRY(step(&w, name, kind, err));
    if (w.rest[strspn(w.rest, "/")] != '\0')
        return ac_error_set(err, AC_ERR_INVALID, "%s has a name that is too long", path);
    if (is_directory(&w) != (kind == VIEW_DIRECTORY))
        return ac_error_set(err, AC_ERR_INVALID, "%s is %s in the sandbox", path,
                            kind == VIEW_DIRECTORY ? "no directory" : "a directory, not a file,");
    *ret_place = copy_text(v, w.done[0] ? w.done : "/");
    return *ret_place ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* ---- building ---- */

ac_status view_root(view *v, const char *source, ac_error *err)
{
    v->root.kind = NODE_SHOWN;
    v->root.source = copy_text(v, source);
    return v->root.source ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* Directories above are made. */
static ac_status add_at(view *v, const char *place, view_node node, ac_error *err)
{
    view_node *at = &v->root;

    for (const char *name = place + strspn(place, "/");;) {
        size_t length = strcspn(name, "/");
        view_node *next = child_of(at, name, length);

        node.name = arena_copy(v->memory, name, length);
        if (name[length] == '\0')
            return next ? AC_OK : add_child(v, at, node, NULL, err);
        if (!next)
            AC_TRY(add_child(v, at, (view_node){.kind = NODE_MADE, .name = node.name}, &next, err));
        at = next;
        name += length + 1;
    }
}

ac_status view_show(view *v, const char *place, const char *source, ac_error *err)
{
    return add_at(v, place, (view_node){.kind = NODE_SHOWN, .source = copy_text(v, source)}, err);
}

ac_status view_link(view *v, const char *place, const char *target, ac_error *err)
{
    return add_at(v, place, (view_node){.kind = NODE_LINK, .source = copy_text(v, target)}, err);
}

/* ---- writing ---- */

static ac_status write_words(buf *arguments, const char *a, const char *b, const char *c)
{
    AC_TRY(buf_append(arguments, a, strlen(a) + 1));
    AC_TRY(buf_append(arguments, b, strlen(b) + 1));
    return c ? buf_append(arguments, c, strlen(c) + 1) : AC_OK;
}

static ac_status write_node(const view_node *node, char path[PATH_MAX], buf *arguments)
{
    size_t length = strlen(path);
    ac_status status = AC_OK;

    if (*node->name && snprintf(path + length, PATH_MAX - length, "/%s", node->name) >= (int)(PATH_MAX - length))
        return AC_ERR_TOO_LARGE;
    if (node->kind == NODE_SHOWN)
        status = write_words(arguments, "--ro-bind", node->source, *path ? path : "/");
    else if (node->kind == NODE_LINK)
        status = write_words(arguments, "--symlink", node->source, path);
    else if (*path && !node->made_file)
        status = write_words(arguments, "--dir", path, NULL);
    for (const view_node *child = node->first; child && status == AC_OK; child = child->next)
        status = write_node(child, path, arguments);
    path[length] = '\0';
    return status;
}

ac_status view_write(const view *v, buf *arguments)
{
    char path[PATH_MAX] = "";

    return write_node(&v->root, path, arguments);
}
