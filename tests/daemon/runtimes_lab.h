/* runtimes_lab.h - the control plane of the runtime service for tests: a front, a store and jobs, with artifacts and
 * sessions that are only imitated (the linker leads calls of them here: --wrap). */
#ifndef TESTS_DAEMON_RUNTIMES_LAB_H
#define TESTS_DAEMON_RUNTIMES_LAB_H

#include "daemon/runtime/runtime.h"
#include "rooms_client.h"

#define LAB_RUNTIME_ARN(id) "arn:aws:bedrock-agentcore:" ROOMS_REGION ":" ROOMS_ACCOUNT ":runtime/" id

typedef struct lab {
    rooms *r;
    agentcored daemon;
    config config;
    runtime_room *room;
    job_runner *jobs; /* NULL: nothing is deployed or deleted for now */
} lab;

int lab_set_up(void **state);
int lab_tear_down(void **state);

/* Let jobs be done from now on, or no more. */
void lab_start_jobs(lab *l);
void lab_stop_jobs(lab *l);

/* ---- imitated artifacts ---- */

typedef struct lab_artifacts {
    ac_status status; /* of the next calls */
    const char *message;
    int failures; /* so many of them, then AC_OK; negative: all */
    int calls;
    char digest[ARTIFACT_DIGEST_SIZE];
    char asked[512]; /* what the last call was for */
    const char *unpacked[8];
    bool kept[8];                  /* by the last artifacts_collect */
    int collected;                 /* calls of that */
    void (*meanwhile)(void *user); /* called inside the next call; NULL: nothing */
    void *user;
} lab_artifacts;

extern lab_artifacts lab_found;

/* What sessions_stop_all was last called with: "KIND OWNER VERSION", "-" for NULL. */
extern char lab_stopped[SESSION_OWNER_MAX + 64];
extern void (*lab_on_stop)(void); /* called by it, on its thread; NULL: nothing; set while no jobs are done */

/* The same, called when something has been written to the store, before the one who wrote knows. */
extern void (*lab_on_written)(void);

/* ---- calls ---- */

/* The input of CreateAgentRuntime with more members (a text that begins with a comma, or ""). */
const char *lab_input(lab *l, const char *name, const char *more);

/* Create one, and wait until it is READY: jobs are running then.  Its id. */
const char *lab_create(lab *l, const char *name, const char *more);

/* An input about a runtime: {"agentRuntimeId": id more}. */
const char *lab_about(lab *l, const char *id, const char *more);

/* The input of UpdateAgentRuntime. */
const char *lab_change(lab *l, const char *id, const char *more);

/* Wait until a runtime, or its endpoint (NULL: the runtime itself), has a status, and get it; NULL for the status:
 * until it is gone. */
yyjson_mut_val *lab_wait(lab *l, const char *id, const char *endpoint, const char *status);

#endif
