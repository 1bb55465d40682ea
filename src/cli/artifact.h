/* artifact.h - what is deployed of a project: an image of a program, or a zip file of code. */
#ifndef CLI_ARTIFACT_H
#define CLI_ARTIFACT_H

#include "cli/build.h"
#include "cli/image.h"

/* Plan the image of the project's program (built here, for that architecture; NULL: this machine's), with what --add
 * and --arg say. */
ac_status artifact_plan_project(cli *c, const project *p, const char *architecture, image_plan *ret, ac_error *err)
    AC_MUST_USE;

/* The same for a program, or for the files of a directory with --entrypoint. */
ac_status artifact_plan_path(cli *c, const char *path, image_plan *ret, ac_error *err) AC_MUST_USE;

/* The architecture of --platform; NULL: this machine's. */
ac_status artifact_architecture(cli *c, const char **ret, ac_error *err) AC_MUST_USE;

/* The port that agents of a protocol listen on. */
int protocol_port(const char *protocol);

/* Whether a project is deployed as code. */
bool is_code(const project *p);

typedef struct zip_options {
    bool for_aws; /* packages for arm64, not for this machine's interpreter */
    bool stored;  /* not compressed: for a file that is read once, on this machine */
} zip_options;

/* Write the project's code, with the packages it imports, as a zip file.  *ret_runtime is what interprets it:
 * "PYTHON_3_11", ... */
ac_status artifact_zip(cli *c, const project *p, zip_options options, const char *path, const char **ret_runtime,
                       char ret_digest[DIGEST_SIZE], ac_error *err) AC_MUST_USE;

#endif
