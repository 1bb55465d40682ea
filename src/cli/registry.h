/* registry.h - pushing an image to a registry (the OCI distribution specification). */
#ifndef CLI_REGISTRY_H
#define CLI_REGISTRY_H

#include "cli/image.h"
#include "cli/web.h"

typedef struct registry {
    const char *url;           /* https://host[:port] */
    const char *repository;    /* team/agent */
    const char *basic;         /* base64 of "user:password"; NULL: none */
    const char *authorization; /* header that is accepted now; NULL: none is needed, or it is not known yet */
} registry;

/* Take [http[s]://]HOST[:PORT]/REPOSITORY apart; without a scheme it is https.  The keys are those of
 * ~/.docker/config.json. */
ac_status registry_parse(cli *c, const char *reference, registry *ret, ac_error *err) AC_MUST_USE;

/* Send what the registry does not have yet, then the manifest under the tag.  *ret_reference is the image's name as
 * others write it: HOST/REPOSITORY:TAG. */
ac_status registry_push(registry *r, const char *layout, const image *made, const char *tag, const char **ret_reference,
                        ac_error *err) AC_MUST_USE;

#endif
