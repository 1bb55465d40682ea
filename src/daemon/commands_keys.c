/* commands_keys.c - `agentcored keys list|add|remove`: the access keys, while the daemon runs or not.
 *
 * A secret is printed once, when it is made.  One that somebody brings along comes on standard input, since arguments
 * can be read by every user of the machine. */
#include "daemon/commands.h"
#include "daemon/files.h"
#include "daemon/front/keys.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ac_status open_existing_keys(const config *c, keys **ret_keys, ac_error *err)
{
    char *path = path_join(c->data_dir, KEYS_FILE);
    struct stat info;
    ac_status status = AC_OK;

    if (!path)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    if (stat(path, &info) != 0 && errno == EACCES)
        status = ac_error_set(err, AC_ERR_DENIED, "the data directory %s belongs to another user; try it with sudo",
                              c->data_dir);
    else if (stat(path, &info) != 0)
        status = ac_error_set(err, AC_ERR_NOT_FOUND,
                              "agentcored has not been started with the data directory %s; say --data-dir for another",
                              c->data_dir);
    free(path);
    return status == AC_OK ? keys_open(c->data_dir, c->account, ret_keys, err) : status;
}

typedef struct listing {
    bool json;
    unsigned count;
} listing;

/* Ids and accounts consist of letters and digits: nothing to escape. */
static void print_key(const char *access_key, const char *account, int64_t created_ms, void *user)
{
    listing *l = user;
    char created[CLOCK_ISO8601_MS_SIZE];

    clock_iso8601_ms(created_ms, created);
    if (l->json)
        printf("%s\n  {\"accessKeyId\": \"%s\", \"account\": \"%s\", \"createdAt\": \"%s\"}", l->count ? "," : "",
               access_key, account, created);
    else
        printf("%-24s %s  %s\n", access_key, account, created);
    l->count++;
}

static int list(keys *k, const invocation *in)
{
    listing l = {.json = in->json};

    if (l.json)
        printf("[");
    keys_each(k, print_key, &l);
    if (l.json)
        printf("\n]\n");
    return EXIT_OK;
}

/* One line of standard input. */
static ac_status read_secret(buf *secret, ac_error *err)
{
    char c;
    ssize_t got;

    while ((got = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n')
        if (buf_append(secret, &c, 1) != AC_OK)
            return ac_error_set(err, AC_ERR_INVALID, "the secret is too long");
    if (got < 0)
        return ac_error_set(err, AC_ERR_IO, "cannot read standard input: %s", strerror(errno));
    if (secret->length > 0 && secret->data[secret->length - 1] == '\r')
        secret->length--;
    return buf_terminate(secret) ? AC_OK : ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

static ac_status add(keys *k, const invocation *in, ac_error *err)
{
    _cleanup_(buf_done) buf given = {.cap = 512, .secret = true}, made = {.cap = 512, .secret = true};
    _cleanup_(buf_done) buf token = {.cap = 8192, .secret = true};
    char account[KEY_ACCOUNT_SIZE], *id = NULL;
    ac_status status;

    if (in->secret_stdin)
        AC_TRY(read_secret(&given, err));
    AC_TRY(keys_add(k, in->access_key, in->secret_stdin ? given.data : NULL, in->config.account, &id, err));
    status = keys_find(k, id, strlen(id), &made, &token, account, err);
    if (status == AC_OK && in->secret_stdin)
        printf(in->json ? "{\"accessKeyId\": \"%s\"}\n" : "AWS_ACCESS_KEY_ID=%s\n", id);
    else if (status == AC_OK)
        printf(in->json ? "{\"accessKeyId\": \"%s\", \"secretAccessKey\": \"%.*s\"}\n"
                        : "AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%.*s\n",
               id, (int)made.length, made.data);
    free(id);
    return status;
}

static int finish(ac_status status, const ac_error *err)
{
    if (status == AC_OK && fflush(stdout) == 0)
        return EXIT_OK;
    complain("%s", status == AC_OK ? strerror(errno) : err->message);
    return EXIT_FAILED;
}

int command_keys(invocation *in)
{
    const char *verb = in->argument_count > 0 ? in->arguments[0] : "list";
    bool lists = strcmp(verb, "list") == 0, adds = strcmp(verb, "add") == 0, removes = strcmp(verb, "remove") == 0;
    ac_error err = {.status = AC_OK};
    ac_status status;
    keys *k = NULL;

    if (!lists && !adds && !removes) {
        complain("\"keys %s\": expected list, add or remove", verb);
        return EXIT_USAGE;
    }
    if (in->argument_count != (removes ? 2 : in->argument_count > 0)) {
        complain(removes ? "keys remove takes one access key id" : "keys %s takes no arguments", verb);
        return EXIT_USAGE;
    }
    if (!adds && (in->secret_stdin || in->access_key)) {
        complain("--access-key and --secret-stdin belong to keys add");
        return EXIT_USAGE;
    }
    status = open_existing_keys(&in->config, &k, &err);
    if (status == AC_OK && lists)
        list(k, in);
    else if (status == AC_OK)
        status = adds ? add(k, in, &err) : keys_remove(k, in->arguments[1], &err);
    keys_close(k);
    return finish(status, &err);
}
