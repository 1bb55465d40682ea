/* deploy.h - what a deployment hands over to the service. */
#ifndef CLI_DEPLOY_H
#define CLI_DEPLOY_H

#include "cli/artifact.h"
#include "cli/service.h"

/* What is to be deployed, where the service finds it. */
typedef struct deployed_artifact {
    const char *image;        /* containerUri; NULL: it is code */
    const char *bucket, *key; /* of code */
    const char *runtime;      /* of code */
    const char *made;         /* what was put on this machine for it; NULL: nothing */
    bool made_new;            /* it was not there before */
    char digest[DIGEST_SIZE];
} deployed_artifact;

/* Into the directories that agentcored looks in: images/ and buckets/. */
ac_status artifact_store_local(cli *c, const project *p, const service *s, deployed_artifact *ret, ac_error *err)
    AC_MUST_USE;

/* Take away again what was put there for a runtime (what GetAgentRuntime says of it). */
void artifact_remove_local(const service *s, yyjson_val *runtime);

/* To a registry or a bucket. */
ac_status artifact_store_aws(cli *c, const project *p, const service *s, deployed_artifact *ret, ac_error *err)
    AC_MUST_USE;

#endif
