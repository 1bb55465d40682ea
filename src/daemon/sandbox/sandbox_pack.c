/* sandbox_pack.c - specifications as files in memory: they may be large, and nobody else can see them. */
#include "daemon/sandbox/sandbox_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of a configuration: header, words, HOME and PATH. */
#define PACKED_BYTES_MAX (SANDBOX_SPEC_BYTES_MAX + 65536)

ac_status sandbox_file(const char *name, const void *data, size_t length, int *ret_fd, ac_error *err)
{
    int fd = memfd_create(name, MFD_CLOEXEC);

    if (fd >= 0 && (length == 0 || pwrite(fd, data, length, 0) == (ssize_t)length)) {
        *ret_fd = fd;
        return AC_OK;
    }
    ac_error_set(err, AC_ERR_IO, "cannot make a file in memory: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return AC_ERR_IO;
}

static ac_status add_word(buf *out, const char *word)
{
    return buf_append(out, word, strlen(word) + 1);
}

static ac_status add_words(buf *out, const char *const *words, uint32_t *ret_count)
{
    for (; words && *words; words++, ++*ret_count)
        AC_TRY(add_word(out, *words));
    return AC_OK;
}

static bool has_variable(const char *const *environment, const char *start)
{
    for (; environment && *environment; environment++)
        if (strncmp(*environment, start, strlen(start)) == 0)
            return true;
    return false;
}

/* What a program may count on, when it was not given. */
static ac_status add_usual(buf *out, const sandbox_spec *spec, uint32_t *ret_count)
{
    if (!has_variable(spec->environment, "HOME=")) {
        AC_TRY(buf_append_text(out, "HOME="));
        AC_TRY(add_word(out, spec->home));
        ++*ret_count;
    }
    if (!has_variable(spec->environment, "PATH=")) {
        AC_TRY(add_word(out, "PATH=" SANDBOX_PATH));
        ++*ret_count;
    }
    return AC_OK;
}

static ac_status add_all(buf *out, const sandbox_spec *spec, bool usual, box_config *head)
{
    AC_TRY(buf_append(out, head, sizeof *head));
    AC_TRY(add_word(out, spec->directory));
    AC_TRY(add_word(out, spec->home));
    AC_TRY(add_words(out, spec->argv, &head->argument_count));
    AC_TRY(add_words(out, spec->environment, &head->variable_count));
    return usual ? add_usual(out, spec, &head->variable_count) : AC_OK;
}

static ac_status pack(const sandbox_spec *spec, bool usual, box_config *head, int *ret_fd, ac_error *err)
{
    /* Environments carry secrets. */
    _cleanup_(buf_done) buf out = {.cap = PACKED_BYTES_MAX, .secret = true};

    if (add_all(&out, spec, usual, head) != AC_OK)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    head->bytes = (uint32_t)out.length;
    memcpy(out.data, head, sizeof *head);
    return sandbox_file("sandbox", out.data, out.length, ret_fd, err);
}

ac_status sandbox_pack(const sandbox_spec *spec, bool watch_memory, int *ret_fd, ac_error *err)
{
    box_config head = {
        BOX_CONFIG_HEADER,
        .flags = watch_memory ? BOX_WATCH_MEMORY : 0,
        .memory_bytes = spec->limits.memory_bytes,
        .disk_bytes = spec->limits.disk_bytes,
        .processes = spec->limits.processes,
        .open_files = spec->limits.open_files,
        .network = spec->network,
        .service_port = spec->service_port,
    };

    return pack(spec, true, &head, ret_fd, err);
}

ac_status sandbox_pack_command(const sandbox_command *command, int *ret_fd, ac_error *err)
{
    box_config head = {BOX_CONFIG_HEADER, .flags = command->environment ? 0 : BOX_SAME_ENVIRONMENT};
    const sandbox_spec spec = {
        .argv = command->argv,
        .environment = command->environment,
        .directory = command->directory ? command->directory : "",
        .home = "",
    };

    return pack(&spec, false, &head, ret_fd, err);
}
