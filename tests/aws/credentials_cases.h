/* credentials_cases.h - situations and the access key that comes of each; computed with botocore, which agrees on all.
 *
 * @PORT@ and @DIR@ stand for the test's server and directory.  That server hands out keys that say where they come
 * from: STS names the role and whoever asked ("outer-inner-KEY"). */
#ifndef TESTS_AWS_CREDENTIALS_CASES_H
#define TESTS_AWS_CREDENTIALS_CASES_H

#include <stddef.h>

typedef struct credentials_case {
    const char *name;
    const char *env[12]; /* NAME=value */
    const char *config;
    const char *credentials;
    const char *profile;    /* given by the program; NULL: none */
    const char *access_key; /* NULL: an error */
    const char *message;    /* part of the error's */
} credentials_case;

static const credentials_case credentials_cases[] = {
    {.name = "nothing", .env = {"AWS_EC2_METADATA_DISABLED=true"}, .message = "Unable to locate"},
    {.name = "environment",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ACCESS_KEY_ID=ENV", "AWS_SECRET_ACCESS_KEY=s"},
     .access_key = "ENV"},
    {.name = "environment before files",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ACCESS_KEY_ID=ENV", "AWS_SECRET_ACCESS_KEY=s"},
     .credentials = "[default]\n"
                    "aws_access_key_id = FILE\n"
                    "aws_secret_access_key = s\n",
     .access_key = "ENV"},
    {.name = "half an environment",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ACCESS_KEY_ID=ENV"},
     .credentials = "[default]\n"
                    "aws_access_key_id = FILE\n"
                    "aws_secret_access_key = s\n",
     .message = "partial"},
    {.name = "an explicit profile turns the variables off",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ACCESS_KEY_ID=ENV", "AWS_SECRET_ACCESS_KEY=s"},
     .credentials = "[p]\n"
                    "aws_access_key_id = P\n"
                    "aws_secret_access_key = s\n",
     .profile = "p",
     .access_key = "P"},
    {.name = "AWS_PROFILE does not",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ACCESS_KEY_ID=ENV", "AWS_SECRET_ACCESS_KEY=s", "AWS_PROFILE=p"},
     .credentials = "[p]\n"
                    "aws_access_key_id = FILE\n"
                    "aws_secret_access_key = s\n",
     .access_key = "ENV"},
    {.name = "a profile that is missing",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_PROFILE=gone"},
     .credentials = "[default]\n"
                    "aws_access_key_id = FILE\n"
                    "aws_secret_access_key = s\n",
     .message = "gone"},
    {.name = "credentials file",
     .env = {"AWS_EC2_METADATA_DISABLED=true"},
     .credentials = "[default]\n"
                    "aws_access_key_id = FILE\n"
                    "aws_secret_access_key = s\n",
     .access_key = "FILE"},
    {.name = "credentials file before config file",
     .env = {"AWS_EC2_METADATA_DISABLED=true"},
     .config = "[default]\n"
               "aws_access_key_id = CONFIG\n"
               "aws_secret_access_key = s\n",
     .credentials = "[default]\n"
                    "aws_access_key_id = FILE\n"
                    "aws_secret_access_key = s\n",
     .access_key = "FILE"},
    {.name = "config file",
     .env = {"AWS_EC2_METADATA_DISABLED=true"},
     .config = "[default]\n"
               "aws_access_key_id = CONFIG\n"
               "aws_secret_access_key = s\n",
     .access_key = "CONFIG"},
    {.name = "profile in the config file",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_PROFILE=a b"},
     .config = "[profile 'a b']\n"
               "aws_access_key_id=AB\n"
               "aws_secret_access_key=s\n",
     .access_key = "AB"},
    {.name = "AWS_DEFAULT_PROFILE first",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_PROFILE=p", "AWS_DEFAULT_PROFILE=q"},
     .credentials = "[p]\n"
                    "aws_access_key_id=P\n"
                    "aws_secret_access_key=s\n"
                    "[q]\n"
                    "aws_access_key_id=Q\n"
                    "aws_secret_access_key=s\n",
     .access_key = "Q"},
    {.name = "half a pair in a file",
     .env = {"AWS_EC2_METADATA_DISABLED=true"},
     .credentials = "[default]\n"
                    "aws_access_key_id = FILE\n",
     .message = "partial"},
    {.name = "a process",
     .env = {"AWS_EC2_METADATA_DISABLED=true"},
     .config = "[default]\n"
               "credential_process = /bin/sh -c 'cat @DIR@/good.json'\n",
     .access_key = "PROCESS"},
    {.name = "static keys before a process",
     .env = {"AWS_EC2_METADATA_DISABLED=true"},
     .config = "[default]\n"
               "credential_process = /bin/sh -c 'cat @DIR@/good.json'\n",
     .credentials = "[default]\n"
                    "aws_access_key_id = FILE\n"
                    "aws_secret_access_key = s\n",
     .access_key = "FILE"},
    {.name = "a process before keys in the config file",
     .env = {"AWS_EC2_METADATA_DISABLED=true"},
     .config = "[default]\n"
               "aws_access_key_id = FILE\n"
               "aws_secret_access_key = s\n"
               "credential_process = /bin/sh -c 'cat @DIR@/good.json'\n",
     .access_key = "PROCESS"},
    {.name = "a process of another version",
     .env = {"AWS_EC2_METADATA_DISABLED=true"},
     .config = "[default]\n"
               "credential_process = /bin/sh -c 'cat @DIR@/version.json'\n",
     .message = "Version"},
    {.name = "a process that fails",
     .env = {"AWS_EC2_METADATA_DISABLED=true"},
     .config = "[default]\n"
               "credential_process = /bin/false\n",
     .message = "status 1"},
    {.name = "a role from a profile",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1"},
     .config = "[default]\n"
               "role_arn=arn:aws:iam::1:role/one\n"
               "source_profile=src\n",
     .credentials = "[src]\n"
                    "aws_access_key_id=SRC\n"
                    "aws_secret_access_key=s\n",
     .access_key = "one-SRC"},
    {.name = "a role before static keys",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1"},
     .config = "[default]\n"
               "role_arn=arn:aws:iam::1:role/one\n"
               "source_profile=src\n",
     .credentials = "[src]\n"
                    "aws_access_key_id=SRC\n"
                    "aws_secret_access_key=s\n"
                    "[default]\n"
                    "aws_access_key_id = FILE\n"
                    "aws_secret_access_key = s\n",
     .access_key = "one-SRC"},
    {.name = "the environment before a role",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID=ENV", "AWS_SECRET_ACCESS_KEY=s"},
     .config = "[default]\n"
               "role_arn=arn:aws:iam::1:role/one\n"
               "source_profile=src\n",
     .credentials = "[src]\n"
                    "aws_access_key_id=SRC\n"
                    "aws_secret_access_key=s\n",
     .access_key = "ENV"},
    {.name = "a role from its own profile",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1"},
     .config = "[default]\n"
               "role_arn=arn:aws:iam::1:role/own\n"
               "source_profile=default\n",
     .credentials = "[default]\n"
                    "aws_access_key_id = FILE\n"
                    "aws_secret_access_key = s\n",
     .access_key = "own-FILE"},
    {.name = "a role from a role",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1", "AWS_PROFILE=a"},
     .config = "[profile a]\n"
               "role_arn=arn:aws:iam::1:role/outer\n"
               "source_profile=b\n"
               "[profile b]\n"
               "role_arn=arn:aws:iam::1:role/inner\n"
               "source_profile=c\n"
               "[profile c]\n"
               "aws_access_key_id=C\n"
               "aws_secret_access_key=s\n",
     .access_key = "outer-inner-C"},
    {.name = "a role from the environment",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID=ENV", "AWS_SECRET_ACCESS_KEY=s", "AWS_PROFILE=r"},
     .config = "[profile r]\n"
               "role_arn=arn:aws:iam::1:role/r\n"
               "credential_source=Environment\n",
     .profile = "r",
     .access_key = "r-ENV"},
    {.name = "a role from a process",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1"},
     .config = "[default]\n"
               "role_arn=arn:aws:iam::1:role/r\n"
               "source_profile=p\n"
               "[profile p]\n"
               "credential_process = /bin/sh -c 'cat @DIR@/good.json'\n",
     .access_key = "r-PROCESS"},
    {.name = "roles in a loop",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1", "AWS_PROFILE=a"},
     .config = "[profile a]\n"
               "role_arn=arn:aws:iam::1:role/a\n"
               "source_profile=b\n"
               "[profile b]\n"
               "role_arn=arn:aws:iam::1:role/b\n"
               "source_profile=a\n",
     .message = "loop"},
    {.name = "a role from nowhere",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1"},
     .config = "[default]\n"
               "role_arn=arn:aws:iam::1:role/a\n",
     .message = "neither"},
    {.name = "a role from two places",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1"},
     .config = "[default]\n"
               "role_arn=arn:aws:iam::1:role/a\n"
               "source_profile=b\n"
               "credential_source=Environment\n"
               "[profile b]\n",
     .message = "both"},
    {.name = "a role from a profile that is missing",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1"},
     .config = "[default]\n"
               "role_arn=arn:aws:iam::1:role/a\n"
               "source_profile=b\n",
     .message = "does not exist"},
    {.name = "a role from an unknown source",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1"},
     .config = "[default]\n"
               "role_arn=arn:aws:iam::1:role/a\n"
               "credential_source=Moon\n",
     .message = "not valid"},
    {.name = "a role that STS refuses",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1"},
     .config = "[default]\n"
               "role_arn=arn:aws:iam::1:role/refused\n"
               "source_profile=default\n",
     .credentials = "[default]\n"
                    "aws_access_key_id = FILE\n"
                    "aws_secret_access_key = s\n",
     .message = "AccessDenied"},
    {.name = "web identity",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1", "AWS_WEB_IDENTITY_TOKEN_FILE=@DIR@/token",
             "AWS_ROLE_ARN=arn:aws:iam::1:role/web"},
     .credentials = "[default]\n"
                    "aws_access_key_id = FILE\n"
                    "aws_secret_access_key = s\n",
     .access_key = "web-TOKEN"},
    {.name = "web identity without a role",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1", "AWS_WEB_IDENTITY_TOKEN_FILE=@DIR@/token"},
     .credentials = "[default]\n"
                    "aws_access_key_id = FILE\n"
                    "aws_secret_access_key = s\n",
     .message = "no role"},
    {.name = "web identity of a profile",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1"},
     .config = "[default]\n"
               "web_identity_token_file=@DIR@/token\n"
               "role_arn=arn:aws:iam::1:role/w\n",
     .access_key = "w-TOKEN"},
    {.name = "a role from a web identity",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@",
             "AWS_DEFAULT_REGION=us-east-1"},
     .config = "[default]\n"
               "role_arn=arn:aws:iam::1:role/o\n"
               "source_profile=w\n"
               "[profile w]\n"
               "web_identity_token_file=@DIR@/token\n"
               "role_arn=arn:aws:iam::1:role/w\n",
     .access_key = "o-w-TOKEN"},
    {.name = "container",
     .env = {"AWS_EC2_METADATA_DISABLED=true",
             "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:@PORT@/container?id=1"},
     .access_key = "CONTAINER"},
    {.name = "files before the container",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:@PORT@/container"},
     .credentials = "[default]\n"
                    "aws_access_key_id = FILE\n"
                    "aws_secret_access_key = s\n",
     .access_key = "FILE"},
    {.name = "container with a token",
     .env = {"AWS_EC2_METADATA_DISABLED=true",
             "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://localhost:@PORT@/container/token",
             "AWS_CONTAINER_AUTHORIZATION_TOKEN=hush"},
     .access_key = "CONTAINER-hush"},
    {.name = "container with a token file",
     .env = {"AWS_EC2_METADATA_DISABLED=true",
             "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:@PORT@/container/token",
             "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=@DIR@/token"},
     .access_key = "CONTAINER-TOKEN"},
    {.name = "container elsewhere",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://192.0.2.1/container"},
     .message = "192.0.2.1"},
    {.name = "metadata",
     .env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:@PORT@/imds/"},
     .access_key = "IMDS"},
    {.name = "metadata of the profile",
     .config = "[default]\n"
               "ec2_metadata_service_endpoint = http://127.0.0.1:@PORT@/imds\n",
     .access_key = "IMDS"},
    {.name = "metadata turned off",
     .env = {"AWS_EC2_METADATA_DISABLED=true", "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:@PORT@/imds/"},
     .message = "Unable to locate"},
    {.name = "metadata without tokens",
     .env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:@PORT@/imds1/"},
     .access_key = "IMDS1"},
    {.name = "metadata without tokens is not wanted",
     .env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:@PORT@/imds1/", "AWS_EC2_METADATA_V1_DISABLED=true"}},
    {.name = "a role from the metadata",
     .env = {"AWS_ENDPOINT_URL_STS=http://127.0.0.1:@PORT@", "AWS_DEFAULT_REGION=us-east-1",
             "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:@PORT@/imds/"},
     .config = "[default]\n"
               "role_arn=arn:aws:iam::1:role/m\n"
               "credential_source=Ec2InstanceMetadata\n",
     .access_key = "m-IMDS"},
    {.name = "a config file with a mistake",
     .env = {"AWS_EC2_METADATA_DISABLED=true"},
     .config = "[default]\n"
               "what\n",
     .credentials = "[default]\n"
                    "aws_access_key_id = FILE\n"
                    "aws_secret_access_key = s\n",
     .message = "line 2"},
};

#endif
