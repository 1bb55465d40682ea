/* tools.h - what the tools of AgentCore are configured with: networks, certificates, tags.
 *
 * Structs in, JSON out: each function makes the value that the operation which creates a tool takes under that name.
 * Everything in a struct is borrowed during the call.  Thread-safe for distinct documents. */
#ifndef AGENTCORE_TOOLS_H
#define AGENTCORE_TOOLS_H

#include <agentcore/error.h>
#include <agentcore/macros.h>
#include <stdbool.h>
#include <stddef.h>
#include <yyjson.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where a tool's sessions may go.  Zero: "PUBLIC". */
typedef struct ac_tool_network {
    const char *mode;                   /* "PUBLIC", "SANDBOX" (code interpreters alone), "VPC"; "PUBLIC" */
    const char *const *security_groups; /* sg-...: 1 to 16 with "VPC", which needs them; none */
    size_t security_group_count;
    const char *const *subnets; /* subnet-...: as above */
    size_t subnet_count;
    bool require_s3_endpoint; /* a VPC must have an endpoint of S3; it need not */
} ac_tool_network;

/* The networkConfiguration of a tool.  network may be NULL: "PUBLIC".  *ret_value belongs to doc.
 * Errors: AC_ERR_INVALID ("network_mode must be 'PUBLIC', 'SANDBOX' or 'VPC', got 'X'", "vpc_config is required when
 * network_mode is 'VPC'", a VPC without security groups or without subnets), AC_ERR_NOMEM. */
AC_API ac_status ac_tool_network_build(yyjson_mut_doc *doc, const ac_tool_network *network, yyjson_mut_val **ret_value,
                                       ac_error *err);

/* The certificates of a tool: root authorities that its sessions are to trust, each a secret of Secrets Manager named
 * by its ARN.  *ret_value belongs to doc.  Errors: AC_ERR_NOMEM. */
AC_API ac_status ac_tool_certificates_build(yyjson_mut_doc *doc, const char *const *secret_arns, size_t count,
                                            yyjson_mut_val **ret_value, ac_error *err);

typedef struct ac_tag {
    const char *key;   /* 1 to 128 characters */
    const char *value; /* up to 256 */
} ac_tag;

#ifdef __cplusplus
}
#endif

#endif
