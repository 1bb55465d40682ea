/* commands_status.c - `agentcored status`: whether a daemon serves this data directory, and where; for people, and as
 * JSON for programs that need the directory itself (the command line `agentcore`). */
#include "daemon/commands.h"
#include "daemon/endpoint.h"

#include "base/json.h"

#include <errno.h>
#include <string.h>

#define STATUS_BYTES_MAX 65536

static ac_status write_member(buf *out, const char *name, const char *value)
{
    AC_TRY(buf_appendf(out, ",\n  \"%s\": ", name));
    return json_write_string(out, value, strlen(value));
}

static ac_status write_json(const config *c, const endpoint *e, bool running, buf *out)
{
    AC_TRY(buf_appendf(out, "{\n  \"running\": %s", running ? "true" : "false"));
    AC_TRY(write_member(out, "dataDirectory", c->data_dir));
    if (running) {
        AC_TRY(write_member(out, "url", e->url));
        AC_TRY(write_member(out, "region", e->region));
        if (*e->ca_file)
            AC_TRY(write_member(out, "caFile", e->ca_file));
        AC_TRY(buf_appendf(out, ",\n  \"pid\": %ld", e->pid));
    }
    return buf_append_text(out, "\n}\n");
}

static ac_status write_text(const config *c, const endpoint *e, bool running, buf *out)
{
    if (!running)
        return buf_appendf(out, "agentcored is not running for %s\n", c->data_dir);
    return buf_appendf(out, "agentcored is ready on %s (process %ld), its data is in %s\n", e->url, e->pid,
                       c->data_dir);
}

int command_status(invocation *in)
{
    _cleanup_(buf_done) buf out = BUF_INIT(STATUS_BYTES_MAX);
    ac_error err = {.status = AC_OK};
    endpoint e;
    ac_status status = endpoint_read(in->config.data_dir, &e, &err);
    bool running = status == AC_OK && endpoint_answers(&e);

    if (status != AC_OK && status != AC_ERR_NOT_FOUND) {
        complain("%s", err.message);
        return EXIT_FAILED;
    }
    status = (in->json ? write_json : write_text)(&in->config, &e, running, &out);
    if (status != AC_OK) {
        complain("%s", ac_status_text(status));
        return EXIT_FAILED;
    }
    if (fwrite(out.data, 1, out.length, stdout) != out.length || fflush(stdout) != 0) {
        complain("cannot write: %s", strerror(errno));
        return EXIT_FAILED;
    }
    return running ? EXIT_OK : EXIT_FAILED;
}
