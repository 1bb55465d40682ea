/* config.c - defaults, file, environment and flags become one configuration.
 *
 * They are applied in this order, each over the last.  A list (tls-name) is replaced as a whole by a stronger source.
 * Where the file is comes from the stronger sources alone. */
#include "daemon/config.h"
#include "daemon/config_yaml.h"
#include "daemon/files.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ac_status no_memory(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* Set from a source; the first value from it replaces what weaker ones had said. */
static ac_status apply(config *c, const config_option *option, config_source source, const char *where,
                       const char *base, const char *text, ac_error *err)
{
    unsigned char *was = &c->source[option - config_options];

    if (option->type == CONFIG_NAMES && *was != source)
        config_clear(c, option);
    AC_TRY(config_set(c, option, where, base, text, err));
    *was = (unsigned char)source;
    return AC_OK;
}

/* ---- the environment ---- */

/* NULL when it is absent or empty. */
static const char *variable(char *const *environment, const char *name)
{
    size_t length = strlen(name);

    for (; *environment; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return (*environment)[length + 1] ? *environment + length + 1 : NULL;
    return NULL;
}

static ac_status apply_environment(config *c, char *const *environment, ac_error *err)
{
    for (size_t i = 0; i < config_option_count; i++) {
        char *name = config_env_name(&config_options[i]);
        const char *value = name ? variable(environment, name) : NULL;
        ac_status status = name ? AC_OK : no_memory(err);

        if (value)
            status = apply(c, &config_options[i], CONFIG_FROM_ENV, name, NULL, value, err);
        free(name);
        AC_TRY(status);
    }
    return AC_OK;
}

/* ---- flags ---- */

static ac_status apply_flags(config *c, const config_given *given, size_t count, ac_error *err)
{
    char where[64];

    for (size_t i = 0; i < count; i++) {
        snprintf(where, sizeof where, "--%s", given[i].option->name);
        AC_TRY(apply(c, given[i].option, CONFIG_FROM_FLAG, where, NULL, given[i].value ? given[i].value : "on", err));
    }
    return AC_OK;
}

/* ---- the file ---- */

static ac_status apply_entry(config *c, const yaml_entry *entry, const char *where, const char *base, ac_error *err)
{
    const config_option *option = config_find(entry->path, strlen(entry->path));
    const char *meant = option ? NULL : config_suggest(entry->path);

    if (!option)
        return ac_error_set(err, AC_ERR_INVALID, "%s: there is no such option%s%s%s", where, meant ? "; is \"" : "",
                            meant ? meant : "", meant ? "\" meant?" : "");
    if (strcmp(option->name, "config") == 0)
        return ac_error_set(err, AC_ERR_INVALID, "%s: a file cannot name another one", where);
    if (entry->kind == YAML_NOTHING)
        return ac_error_set(err, AC_ERR_INVALID, "%s: has no value", where);
    if (entry->kind == YAML_ITEM && option->type != CONFIG_NAMES)
        return ac_error_set(err, AC_ERR_INVALID, "%s: takes one value, not a sequence", where);
    return apply(c, option, CONFIG_FROM_FILE, where, base, entry->text, err);
}

static ac_status apply_file(config *c, const char *path, ac_error *err)
{
    _cleanup_(buf_done) buf text = {.cap = CONFIG_FILE_BYTES_MAX, .secret = true};
    _cleanup_(yaml_map_done) yaml_map map = {0};
    char copy[PATH_MAX], where[PATH_MAX + YAML_PATH_SIZE];
    const char *base;

    if (strlen(path) >= sizeof copy)
        return ac_error_set(err, AC_ERR_INVALID, "the configuration file's path is too long");
    memcpy(copy, path, strlen(path) + 1);
    base = dirname(copy);
    AC_TRY(file_read(path, &text, NULL, err));
    AC_TRY(yaml_parse(path, text.data ? text.data : "", text.length, &map, err));
    for (size_t i = 0; i < map.count; i++) {
        snprintf(where, sizeof where, "%s:%u: %s", path, map.entries[i].line, map.entries[i].path);
        AC_TRY(apply_entry(c, &map.entries[i], where, base, err));
    }
    return AC_OK;
}

/* ---- defaults ---- */

static ac_status default_data_dir(config *c, char *const *environment, ac_error *err)
{
    const config_option *option = config_find("data-dir", strlen("data-dir"));
    const char *state = variable(environment, "XDG_STATE_HOME"), *home = variable(environment, "HOME");
    const struct passwd *user = home ? NULL : getpwuid(getuid());
    char path[PATH_MAX];
    int length;

    if (user)
        home = user->pw_dir;
    if (geteuid() == 0)
        length = snprintf(path, sizeof path, "/var/lib/agentcore");
    else if (state && state[0] == '/') /* the XDG specification ignores relative ones */
        length = snprintf(path, sizeof path, "%s/agentcore", state);
    else if (home && home[0] == '/')
        length = snprintf(path, sizeof path, "%s/.local/state/agentcore", home);
    else
        return ac_error_set(err, AC_ERR_INVALID, "there is no home directory: say --data-dir DIR");
    if (length >= (int)sizeof path)
        return ac_error_set(err, AC_ERR_INVALID, "the home directory's path is too long: say --data-dir DIR");
    return config_set(c, option, "the default data directory", NULL, path, err);
}

static ac_status apply_defaults(config *c, ac_error *err)
{
    for (size_t i = 0; i < config_option_count; i++)
        if (config_options[i].fallback)
            AC_TRY(config_set(c, &config_options[i], config_options[i].name, NULL, config_options[i].fallback, err));
    return AC_OK;
}

/* ---- all ---- */

static ac_status check_together(const config *c, ac_error *err)
{
    if ((c->tls_cert == NULL) != (c->tls_key == NULL))
        return ac_error_set(err, AC_ERR_INVALID, "tls-cert and tls-key go together, and tls-%s is missing",
                            c->tls_cert ? "key" : "cert");
    if (c->model_name == NULL && strcmp(c->model, "builtin") != 0)
        return ac_error_set(err, AC_ERR_INVALID, "model: a model-name goes with it");
    if (c->store && strncmp(c->store, "postgresql://", 13) != 0 && strncmp(c->store, "postgres://", 11) != 0)
        return ac_error_set(err, AC_ERR_INVALID, "store: expected a URL that begins with postgresql://");
    return AC_OK;
}

/* The file that the environment or the last such flag names. */
static ac_status find_file(config *c, char *const *environment, const config_given *given, size_t count, ac_error *err)
{
    const config_option *option = config_find("config", strlen("config"));
    const char *value = variable(environment, "AGENTCORED_CONFIG");

    for (size_t i = 0; i < count; i++)
        if (given[i].option == option)
            value = given[i].value;
    return value ? config_set(c, option, "config", NULL, value, err) : AC_OK;
}

ac_status config_load(char *const *environment, const config_given *given, size_t given_count, config *ret_config,
                      ac_error *err)
{
    config *c = ret_config;

    *c = (config){0};
    AC_TRY(apply_defaults(c, err));
    AC_TRY(find_file(c, environment, given, given_count, err));
    if (c->config_file)
        AC_TRY(apply_file(c, c->config_file, err));
    AC_TRY(apply_environment(c, environment, err));
    AC_TRY(apply_flags(c, given, given_count, err));
    if (!c->data_dir)
        AC_TRY(default_data_dir(c, environment, err));
    return check_together(c, err);
}

void config_done(config *c)
{
    for (size_t i = 0; i < config_option_count; i++)
        config_clear(c, &config_options[i]);
}
