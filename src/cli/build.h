/* build.h - from a project to something that runs. */
#ifndef CLI_BUILD_H
#define CLI_BUILD_H

#include "cli/project.h"
#include "cli/text.h"

/* Build the project: C with meson, into build/ or, for another machine, into build-ARCH/ with its cross compiler.
 * architecture is as OCI names it ("arm64"); NULL: this machine's.  *ret_program is what was built.  Others have
 * nothing to build, and their program is the entry.  When the compiler fails, what it said is on standard error. */
ac_status project_build(cli *c, const project *p, const char *architecture, const char **ret_program, ac_error *err)
    AC_MUST_USE;

/* Have what the project needs to run here: of Python, what requirements.txt names, in .venv. */
ac_status project_prepare(cli *c, const project *p, ac_error *err) AC_MUST_USE;

/* The command that runs it here, and the variables it wants. */
ac_status project_command(cli *c, const project *p, words *ret_command, words *ret_variables, ac_error *err)
    AC_MUST_USE;

/* NAME=VALUE words: "environment" of the project file, then --env. */
ac_status project_environment(cli *c, const project *p, words *ret_variables, ac_error *err) AC_MUST_USE;

/* Whether requirements.txt names anything. */
bool has_requirements(const project *p);

/* What this machine is called in images: amd64, arm64, ... */
const char *machine_architecture(void);

#endif
