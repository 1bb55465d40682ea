/* commands_logs.c - `agentcored logs`: what agents wrote, while the daemon runs or not.
 *
 * DATA/logs/runtimes/RUNTIME/ENDPOINT.log, and the older ones that were rotated away.  A runtime may be named by its id
 * or by its name, as long as that means one. */
#include "daemon/commands.h"
#include "daemon/files.h"
#include "daemon/sessions/session_log_read.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define TAIL_DEFAULT 100
#define DEFAULT_ENDPOINT "DEFAULT"
#define SUFFIX ".log"
#define ID_SUFFIX_LENGTH 11 /* "-XXXXXXXXXX" behind a runtime's name */

/* ---- which there are ---- */

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int is_log(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > sizeof SUFFIX - 1 && strcmp(entry->d_name + length - (sizeof SUFFIX - 1), SUFFIX) == 0;
}

/* The sorted entries of a directory; none when it is not there. */
static int entries(const char *path, int (*wanted)(const struct dirent *), struct dirent ***ret_entries)
{
    int count = scandir(path, ret_entries, wanted, alphasort);

    if (count < 0)
        *ret_entries = NULL;
    return count < 0 && errno == ENOENT ? 0 : count;
}

static void free_entries(struct dirent **list, int count)
{
    for (int i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

static int print_endpoints(const char *runtimes, const char *runtime)
{
    char *path = path_join(runtimes, runtime);
    struct dirent **logs = NULL;
    int count = path ? entries(path, is_log, &logs) : 0;

    for (int i = 0; i < count; i++)
        printf("%s %.*s\n", runtime, (int)(strlen(logs[i]->d_name) - (sizeof SUFFIX - 1)), logs[i]->d_name);
    free_entries(logs, count);
    free(path);
    return count;
}

static int list_logs(const char *runtimes)
{
    struct dirent **found = NULL;
    int count = entries(runtimes, is_shown, &found), printed = 0;

    if (count < 0) {
        complain("%s: %s", runtimes, strerror(errno));
        return EXIT_FAILED;
    }
    for (int i = 0; i < count; i++)
        printed += print_endpoints(runtimes, found[i]->d_name);
    free_entries(found, count);
    if (!printed)
        complain("no agent has written anything yet; logs will be in %s", runtimes);
    return EXIT_OK;
}

/* ---- one of them ---- */

static bool is_named(const char *id, const char *name)
{
    size_t length = strlen(name);

    return strcmp(id, name) == 0 ||
           (strlen(id) == length + ID_SUFFIX_LENGTH && strncmp(id, name, length) == 0 && id[length] == '-');
}

/* The id of the runtime that is meant, as new memory; NULL (and said why): none, or several. */
static char *find_runtime(const char *runtimes, const char *name)
{
    struct dirent **found = NULL;
    int count = entries(runtimes, is_shown, &found);
    char *id = NULL;
    bool several = false;

    for (int i = 0; i < count; i++)
        if (is_named(found[i]->d_name, name)) {
            several = id != NULL;
            free(id);
            id = strdup(found[i]->d_name);
        }
    free_entries(found, count);
    if (several)
        complain("several runtimes were called %s; say which by its id (agentcored logs shows them)", name);
    else if (!id)
        complain("there is no log of a runtime %s; agentcored logs shows those there are", name);
    if (several) {
        free(id);
        id = NULL;
    }
    return id;
}

static bool print_line(const session_log_line *line, void *user)
{
    (void)user;
    return fwrite(line->line, 1, line->length, stdout) == line->length && putchar('\n') != EOF;
}

static bool flush_lines(void *user)
{
    (void)user;
    return fflush(stdout) == 0;
}

static bool read_tail(const char *text, size_t *ret_lines)
{
    char *end;
    unsigned long lines;

    if (!text) {
        *ret_lines = TAIL_DEFAULT;
        return true;
    }
    errno = 0;
    lines = strtoul(text, &end, 10);
    *ret_lines = lines;
    if (errno == 0 && end != text && !*end && text[0] != '-')
        return true;
    complain("--tail: expected a number of lines, not \"%s\"", text);
    return false;
}

static int show_log(const invocation *in, const char *directory, const char *id, const char *endpoint)
{
    char name[PATH_MAX];
    session_log_query query = {
        .directory = directory,
        .name = name,
        .session_id = in->session,
        .follow = in->follow,
        .on_line = print_line,
        .on_wait = flush_lines,
    };
    ac_error err = {.status = AC_OK};

    if (!read_tail(in->tail, &query.tail_lines))
        return EXIT_USAGE;
    snprintf(name, sizeof name, "runtimes/%s/%s", id, endpoint);
    if (session_log_read(&query, &err) != AC_OK) {
        complain("%s", err.message);
        return EXIT_FAILED;
    }
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

int command_logs(invocation *in)
{
    char *directory = path_join(in->config.data_dir, "logs");
    char *runtimes = directory ? path_join(directory, "runtimes") : NULL;
    char *id = NULL;
    int code = EXIT_FAILED;

    if (in->argument_count > 2) {
        complain("%s is one argument too many", in->arguments[2]);
        code = EXIT_USAGE;
    } else if (!runtimes) {
        complain("out of memory");
    } else if (in->argument_count == 0) {
        code = list_logs(runtimes);
    } else {
        id = find_runtime(runtimes, in->arguments[0]);
        if (id)
            code = show_log(in, directory, id, in->argument_count > 1 ? in->arguments[1] : DEFAULT_ENDPOINT);
    }
    free(id);
    free(runtimes);
    free(directory);
    return code;
}
