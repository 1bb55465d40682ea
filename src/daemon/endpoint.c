/* endpoint.c - where clients find the daemon.
 *
 * The file is JSON, and is there from the moment the port answers until the daemon is told to stop.  A daemon that was
 * killed leaves it behind; whoever reads it finds out by connecting. */
#include "daemon/endpoint.h"
#include "daemon/files.h"

#include "base/json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ENDPOINT_BYTES_MAX 16384
#define CONNECT_MS 1000

ac_status endpoint_url(const config *c, int port, char *ret_url, size_t size, ac_error *err)
{
    bool tls = c->tls || c->tls_cert;
    const char *host = c->host;
    int length;

    if (c->tls_cert && c->tls_names.count > 0)
        host = c->tls_names.items[0];
    else if (strcmp(host, "0.0.0.0") == 0)
        host = "127.0.0.1";
    else if (strcmp(host, "::") == 0)
        host = "::1";
    length =
        snprintf(ret_url, size, strchr(host, ':') ? "%s://[%s]:%d" : "%s://%s:%d", tls ? "https" : "http", host, port);
    if (length < 0 || (size_t)length >= size)
        return ac_error_set(err, AC_ERR_INVALID, "the name %.64s... is too long", host);
    return AC_OK;
}

/* ---- the file ---- */

static ac_status format(const endpoint *e, buf *out)
{
    AC_TRY(buf_append_text(out, "{\"url\": "));
    AC_TRY(json_write_string(out, e->url, strlen(e->url)));
    if (*e->ca_file) {
        AC_TRY(buf_append_text(out, ", \"caFile\": "));
        AC_TRY(json_write_string(out, e->ca_file, strlen(e->ca_file)));
    }
    AC_TRY(buf_append_text(out, ", \"region\": "));
    AC_TRY(json_write_string(out, e->region, strlen(e->region)));
    return buf_appendf(out, ", \"pid\": %ld}\n", (long)getpid());
}

ac_status endpoint_write(const char *data_dir, const endpoint *e, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(ENDPOINT_BYTES_MAX);
    char *path = path_join(data_dir, ENDPOINT_FILE);
    ac_status status = path ? format(e, &text) : AC_ERR_NOMEM;

    if (status == AC_OK)
        status = file_write(path, FILE_REPLACE, text.data, text.length, err);
    else
        ac_error_set(err, status, "cannot write down the endpoint: %s", ac_status_text(status));
    free(path);
    return status;
}

void endpoint_remove(const char *data_dir)
{
    char *path = path_join(data_dir, ENDPOINT_FILE);

    if (path)
        unlink(path);
    free(path);
}

static bool take(yyjson_val *root, const char *name, char *out, size_t size)
{
    const char *text = yyjson_get_str(yyjson_obj_get(root, name));

    return text && (size_t)snprintf(out, size, "%s", text) < size;
}

ac_status endpoint_read(const char *data_dir, endpoint *ret_endpoint, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(ENDPOINT_BYTES_MAX);
    char *path = path_join(data_dir, ENDPOINT_FILE);
    ac_status status = path ? file_read(path, &text, NULL, err) : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    yyjson_doc *doc = NULL;
    yyjson_val *root;

    *ret_endpoint = (endpoint){0};
    if (status == AC_OK) {
        doc = yyjson_read(text.data ? text.data : "", text.length, 0);
        root = yyjson_doc_get_root(doc);
        if (!take(root, "url", ret_endpoint->url, sizeof ret_endpoint->url) ||
            !take(root, "region", ret_endpoint->region, sizeof ret_endpoint->region))
            status = ac_error_set(err, AC_ERR_INVALID, "%s is not an endpoint file", path);
        ret_endpoint->pid = (long)yyjson_get_sint(yyjson_obj_get(root, "pid"));
        if (status == AC_OK && !take(root, "caFile", ret_endpoint->ca_file, sizeof ret_endpoint->ca_file))
            ret_endpoint->ca_file[0] = '\0';
    }
    yyjson_doc_free(doc);
    free(path);
    return status;
}

/* ---- is it there? ---- */

static bool connects(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    int failure = 0;
    socklen_t size = sizeof failure;
    bool well;

    if (fd < 0)
        return false;
    well = connect(fd, address->ai_addr, address->ai_addrlen) == 0;
    if (!well && errno == EINPROGRESS)
        well = poll(&writable, 1, CONNECT_MS) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 &&
               failure == 0;
    close(fd);
    return well;
}

bool endpoint_answers(const endpoint *e)
{
    const char *host = strstr(e->url, "://"), *colon = strrchr(e->url, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses = NULL;
    char name[256];
    bool well = false;
    size_t length;

    if (!host || colon <= host)
        return false;
    host += 3;
    host += *host == '[';
    length = (size_t)(colon - host) - (colon[-1] == ']');
    if (length >= sizeof name)
        return false;
    memcpy(name, host, length);
    name[length] = '\0';
    if (getaddrinfo(name, colon + 1, &hints, &addresses) != 0)
        return false;
    for (const struct addrinfo *a = addresses; a && !well; a = a->ai_next)
        well = connects(a);
    freeaddrinfo(addresses);
    return well;
}
