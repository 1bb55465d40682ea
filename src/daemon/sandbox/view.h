/* view.h - what a sandboxed program sees of the file system, as arguments for bwrap. */
#ifndef DAEMON_SANDBOX_VIEW_H
#define DAEMON_SANDBOX_VIEW_H

#include "base/arena.h"
#include "base/buf.h"

#include <stdbool.h>

typedef struct view view;
typedef struct view_node view_node;

/* A tree of places.  Where something is to appear that a directory of the machine's does not have, that directory is
 * not shown as it is but made anew, with what is in it shown one by one: nothing is ever made in the machine's. */
view *view_new(arena *memory); /* NULL: out of memory */

/* All of a directory of the machine's as "/". */
ac_status view_root(view *v, const char *source, ac_error *err) AC_MUST_USE;

/* A directory or a file of the machine's at a place where nothing is yet in the tree. */
ac_status view_show(view *v, const char *place, const char *source, ac_error *err) AC_MUST_USE;
ac_status view_link(view *v, const char *place, const char *target, ac_error *err) AC_MUST_USE;

typedef enum view_kind { VIEW_DIRECTORY, VIEW_FILE } view_kind;

/* Make sure that something can be mounted at path; ret_place is where that really is, after symbolic links inside.
 * AC_ERR_INVALID: it is of the other kind, or not to be made. */
ac_status view_make_place(view *v, const char *path, view_kind kind, const char **ret_place, ac_error *err) AC_MUST_USE;

/* Append bwrap's arguments, each with a NUL, that make the tree. */
ac_status view_write(const view *v, buf *arguments) AC_MUST_USE;

/* Whether "/" is bwrap's own, to be made read-only when all is in place. */
bool view_root_is_made(const view *v);

#endif
