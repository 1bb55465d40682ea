/* aws_store.h - where AWS takes images and code from: Amazon ECR and S3. */
#ifndef CLI_AWS_STORE_H
#define CLI_AWS_STORE_H

#include "cli/registry.h"

/* The account's registry in ECR, and a repository in it, which is made when it is not there. */
ac_status ecr_open(ac_client *client, const char *repository, registry *ret, ac_error *err) AC_MUST_USE;

/* Put a file into a bucket. */
ac_status s3_put(ac_client *client, const char *bucket, const char *key, const char *file, const char *sha256,
                 ac_error *err) AC_MUST_USE;

#endif
