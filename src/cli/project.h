/* project.h - the directory an agent is made in, and what .agentcore.json remembers of it.
 *
 *     {"name": "hello", "language": "c", "entry": "build/hello", "protocol": "HTTP",
 *      "environment": {"LEVEL": "3"}, "deployed": {"local": {"arn": "arn:..."}}}
 *
 * A directory without that file is a project too, when what is in it can only mean one thing: meson.build, agent.py,
 * agent.js and the like.  Members that this version does not know are kept. */
#ifndef CLI_PROJECT_H
#define CLI_PROJECT_H

#include "cli/cli.h"

#define PROJECT_FILE ".agentcore.json"
#define PROJECT_NAME_MAX 48

typedef enum project_language {
    LANGUAGE_C,
    LANGUAGE_PYTHON,
    LANGUAGE_NODE,
    LANGUAGE_PROGRAM,
    LANGUAGE_COUNT
} project_language;

typedef struct project {
    const char *directory; /* "." */
    const char *name;      /* of the agent: letters, digits and '_' */
    project_language language;
    const char *entry;    /* what runs: the program, or the script */
    const char *protocol; /* "HTTP", ... */
    yyjson_doc *doc;      /* the file; NULL: there is none */
} project;

extern const char *const language_names[LANGUAGE_COUNT];

/* Read .agentcore.json when there is one, and look around for what it does not say; --name, --entry and --protocol
 * replace what either says.  AC_ERR_NOT_FOUND: there is no agent here. */
ac_status project_load(cli *c, project *ret, ac_error *err) AC_MUST_USE;
void project_done(project *p);

/* The name in .agentcore.json of this directory; NULL when there is none.  *ret_arn (may be NULL): what was deployed to
 * that place ("local", "aws"), or NULL. */
ac_status project_name(const char *where, const char **ret_name, const char **ret_arn, ac_error *err) AC_MUST_USE;

/* Remember a deployment: members of "deployed".WHERE, as name and value in turn, ended by NULL.  value NULL takes one
 * away; without any, all of WHERE is forgotten. */
ac_status project_remember(const project *p, const char *where, const char *const *members, ac_error *err) AC_MUST_USE;

/* A name that agents can have, made of any text: letters, digits and '_', beginning with a letter.  NULL: nothing in
 * it can be used. */
const char *agent_name_of(const char *text);

/* The directory's own name, as given or as the file system knows it. */
const char *directory_name(const char *path);

#endif
