/* client_error.c - what libcurl's results mean for us.
 *
 * libcurl's own text is passed on where it says more than we know (why a certificate is not trusted); it holds names of
 * hosts and files, never headers. */
#include "http/client_internal.h"

#include <string.h>

typedef struct failure_row {
    CURLcode code;
    ac_status status;
    http_failure failure;
    const char *what;
} failure_row;

static const failure_row rows[] = {
    {CURLE_OUT_OF_MEMORY, AC_ERR_NOMEM, HTTP_FAILURE_LOCAL, "out of memory in a request to"},
    {CURLE_URL_MALFORMAT, AC_ERR_INVALID, HTTP_FAILURE_REQUEST, "malformed URL for"},
    {CURLE_COULDNT_RESOLVE_HOST, AC_ERR_IO, HTTP_FAILURE_RESOLVE, "cannot resolve the host of"},
    {CURLE_COULDNT_RESOLVE_PROXY, AC_ERR_IO, HTTP_FAILURE_RESOLVE, "cannot resolve the proxy for"},
    {CURLE_COULDNT_CONNECT, AC_ERR_IO, HTTP_FAILURE_CONNECT, "cannot connect to"},
    {CURLE_PROXY, AC_ERR_IO, HTTP_FAILURE_CONNECT, "the proxy refuses to connect to"},
    {CURLE_SSL_CONNECT_ERROR, AC_ERR_PROTOCOL, HTTP_FAILURE_TLS, "TLS failed with"},
    {CURLE_SSL_ENGINE_NOTFOUND, AC_ERR_PROTOCOL, HTTP_FAILURE_TLS, "TLS failed with"},
    {CURLE_SSL_CERTPROBLEM, AC_ERR_PROTOCOL, HTTP_FAILURE_TLS, "TLS failed with"},
    {CURLE_SSL_CIPHER, AC_ERR_PROTOCOL, HTTP_FAILURE_TLS, "TLS failed with"},
    {CURLE_PEER_FAILED_VERIFICATION, AC_ERR_PROTOCOL, HTTP_FAILURE_TLS, "do not trust the certificate of"},
    {CURLE_SSL_CACERT_BADFILE, AC_ERR_INVALID, HTTP_FAILURE_TLS, "cannot read the certificate authorities for"},
    {CURLE_GOT_NOTHING, AC_ERR_CLOSED, HTTP_FAILURE_BROKEN, "no answer before the connection was closed by"},
    {CURLE_SEND_ERROR, AC_ERR_CLOSED, HTTP_FAILURE_BROKEN, "the connection was lost while sending to"},
    {CURLE_RECV_ERROR, AC_ERR_CLOSED, HTTP_FAILURE_BROKEN, "the connection was lost while receiving from"},
    {CURLE_PARTIAL_FILE, AC_ERR_CLOSED, HTTP_FAILURE_BROKEN, "the connection was closed inside an answer by"},
    {CURLE_SEND_FAIL_REWIND, AC_ERR_CLOSED, HTTP_FAILURE_BROKEN,
     "a stale connection met a body that cannot be sent twice, to"},
    {CURLE_ABORTED_BY_CALLBACK, AC_ERR_IO, HTTP_FAILURE_LOCAL, "the request's body could not be read, for"},
    {CURLE_READ_ERROR, AC_ERR_IO, HTTP_FAILURE_LOCAL, "the request's body could not be read, for"},
    {CURLE_WEIRD_SERVER_REPLY, AC_ERR_PROTOCOL, HTTP_FAILURE_MALFORMED, "what came is not HTTP, from"},
    {CURLE_UNSUPPORTED_PROTOCOL, AC_ERR_PROTOCOL, HTTP_FAILURE_MALFORMED, "what came is not HTTP, from"},
    {CURLE_BAD_CONTENT_ENCODING, AC_ERR_PROTOCOL, HTTP_FAILURE_MALFORMED, "malformed answer from"},
    {CURLE_HTTP2, AC_ERR_PROTOCOL, HTTP_FAILURE_MALFORMED, "malformed answer from"},
};

/* Only libcurl's limit for connecting reaches this; the other phases have deadlines of ours. */
static ac_status connect_timed_out(CURL *easy, const char *origin, ac_error *err)
{
    curl_off_t resolved = 0, connected = 0;
    const char *what = "TLS did not finish with";

    curl_easy_getinfo(easy, CURLINFO_NAMELOOKUP_TIME_T, &resolved);
    curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connected);
    if (resolved == 0)
        what = "the name was not resolved for";
    else if (connected == 0)
        what = "no connection to";
    return ac_error_set(err, AC_ERR_TIMEOUT, "time-out: %s %s", what, origin);
}

ac_status http_curl_failure(CURL *easy, CURLcode code, const char *message, const char *origin,
                            http_failure *ret_failure, ac_error *err)
{
    const char *detail = message[0] != '\0' ? message : curl_easy_strerror(code);

    if (code == CURLE_OPERATION_TIMEDOUT) {
        *ret_failure = HTTP_FAILURE_TIMEOUT;
        return connect_timed_out(easy, origin, err);
    }
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].code == code) {
            *ret_failure = rows[i].failure;
            return ac_error_set(err, rows[i].status, "%s %s: %s", rows[i].what, origin, detail);
        }
    }
    *ret_failure = HTTP_FAILURE_BROKEN;
    return ac_error_set(err, AC_ERR_IO, "the request to %s failed: %s", origin, detail);
}
