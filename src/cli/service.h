/* service.h - which AgentCore a command talks to: the agentcored of this machine, what the environment names, or AWS.
 *
 * With --aws it is AWS.  Otherwise it is what AWS_ENDPOINT_URL_BEDROCK_AGENTCORE (or _CONTROL, or AWS_ENDPOINT_URL)
 * says, and without these the agentcored that serves the data directory. */
#ifndef CLI_SERVICE_H
#define CLI_SERVICE_H

#include "cli/cli.h"
#include "cli/text.h"

typedef enum place { PLACE_LOCAL, PLACE_ENVIRONMENT, PLACE_AWS } place;

typedef struct service {
    place place;
    ac_client *client;
    const char *url;      /* of agentcored, or what the environment names; NULL for AWS */
    const char *data_dir; /* its directory, when it is on this machine and known; else NULL */
} service;

/* Whether the environment names one. */
bool service_in_environment(void);

ac_status service_open(cli *c, service *ret, ac_error *err) AC_MUST_USE;
void service_close(service *s);

/* What a failure of a call means here, with what to do next; sets the exit code.  Returns status. */
ac_status service_explain(cli *c, const service *s, ac_status status, ac_error *err);

/* ---- agentcored ---- */

typedef struct local_service {
    const char *program;  /* path of agentcored */
    const char *data_dir; /* absolute */
    bool running;
    const char *url, *region, *ca_file; /* NULL unless it runs; ca_file also when it has no TLS of its own */
    long pid;
} local_service;

/* Ask agentcored about the data directory. */
ac_status local_look(cli *c, local_service *ret, ac_error *err) AC_MUST_USE;

/* The words of a command line of agentcored: program, verb (NULL: none), --data-dir when it was given. */
ac_status local_command(cli *c, const char *verb, words *ret, ac_error *err) AC_MUST_USE;

/* The variables that point AWS clients at it, as an object of strings; the document lives until the caller frees it. */
ac_status local_variables(cli *c, yyjson_doc **ret, ac_error *err) AC_MUST_USE;

/* ---- agents ---- */

typedef struct agent {
    const char *arn;
    const char *id;
    const char *name; /* the id without its end, when only an ARN is known */
} agent;

/* The agent that is meant: an ARN, an id, a name; NULL: that of the project in this directory. */
ac_status agent_find(cli *c, const service *s, const char *name, agent *ret, ac_error *err) AC_MUST_USE;

/* The same, but *ret_found says whether there is one of that name. */
ac_status agent_look_up(const service *s, const char *name, agent *ret, bool *ret_found, ac_error *err) AC_MUST_USE;

/* Call function for each runtime, page by page, until it returns false. */
ac_status agents_each(const service *s, bool (*function)(yyjson_val *runtime, void *user), void *user, ac_error *err)
    AC_MUST_USE;

#endif
