/* web.h - HTTP requests to registries and other services of AWS, through libcurl. */
#ifndef CLI_WEB_H
#define CLI_WEB_H

#include "cli/cli.h"

#include <agentcore/context.h>

#define WEB_HEADERS_MAX 40

typedef struct web_request {
    const char *method;
    const char *url; /* http or https */
    ac_header headers[WEB_HEADERS_MAX];
    size_t header_count;
    const void *body;
    size_t length;
    const char *file; /* instead of body: the contents of a file */
} web_request;

/* Lives until text_done. */
typedef struct web_answer {
    int status;
    const char *body; /* NUL-terminated; at most WEB_BODY_BYTES_MAX */
    size_t length;
    const char *location, *challenge, *content_digest; /* of these headers; NULL: not there */
} web_answer;

#define WEB_BODY_BYTES_MAX ((size_t)4 << 20)

void web_header(web_request *r, const char *name, const char *value);

/* Send, and wait for the answer: AC_OK whatever its status.  Redirects are not followed.  AC_ERR_IO: nobody answers;
 * the message names the host. */
ac_status web_send(const web_request *request, web_answer *ret, ac_error *err) AC_MUST_USE;

/* A URL that may be relative to another one. */
const char *web_resolve(const char *base, const char *url);

/* "https://host:port" of a URL. */
const char *web_origin(const char *url);

#endif
