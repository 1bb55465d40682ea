/* credentials_profile.c - the shared config and credentials files.
 *
 * In the config file a profile is a section "profile NAME" (NAME may be quoted) or "default"; in the credentials
 * file the section is NAME itself.  Where both have a profile, the credentials file's values win.  A missing file is
 * an empty one. */
#include "aws/credentials_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES_MAX 4096

/* ---- files ---- */

static ac_status expand(const aws_env *env, const char *path, char out[PATH_BYTES_MAX])
{
    const char *home = strncmp(path, "~/", 2) == 0 ? aws_env_get(env, "HOME") : NULL;
    int length =
        home ? snprintf(out, PATH_BYTES_MAX, "%s%s", home, path + 1) : snprintf(out, PATH_BYTES_MAX, "%s", path);

    return length < 0 || length >= PATH_BYTES_MAX ? AC_ERR_TOO_LARGE : AC_OK;
}

static ac_status read_all(int fd, buf *out)
{
    for (;;) {
        AC_TRY(buf_reserve(out, 4096));
        ssize_t got = read(fd, out->data + out->length, MIN(out->capacity, out->cap) - out->length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return AC_ERR_IO;
        if (got == 0)
            return AC_OK;
        out->length += (size_t)got;
    }
}

ac_status read_secret_file(const aws_env *env, const char *path, buf *out, ac_error *err)
{
    char full[PATH_BYTES_MAX];
    struct stat info;
    ac_status status = expand(env, path, full);

    if (status != AC_OK)
        return ac_error_set(err, status, "a file name is too long");
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to wait for the writer of a pipe */
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return ac_error_set(err, AC_ERR_NOT_FOUND, "%s does not exist", full);
    if (fd < 0)
        return ac_error_set(err, AC_ERR_IO, "cannot open %s: %s", full, strerror(errno));
    out->secret = true;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        status = ac_error_set(err, AC_ERR_IO, "%s is no file", full);
    else if ((status = read_all(fd, out)) != AC_OK)
        ac_error_set(err, status, "cannot read %s: %s", full, ac_status_text(status));
    close(fd);
    return status;
}

static ac_status load(const aws_env *env, const char *variable, const char *usual, ini **ret_ini, ac_error *err)
{
    _cleanup_(buf_done) buf text = BUF_INIT(INI_BYTES_MAX + 8192);
    const char *path = aws_env_get(env, variable);
    ac_error why = {0};

    if (!path)
        path = usual;
    if (strncmp(path, "~/", 2) == 0 && !aws_env_get(env, "HOME"))
        return AC_OK;
    ac_status status = read_secret_file(env, path, &text, &why);
    if (status == AC_ERR_NOT_FOUND)
        return AC_OK;
    if (status != AC_OK)
        return ac_error_set(err, status, "%s", why.message);
    status = ini_parse(text.data, text.length, ret_ini, &why);
    return status == AC_OK ? AC_OK : ac_error_set(err, AC_ERR_INVALID, "%s: %s", path, why.message);
}

ac_status profiles_load(const aws_env *env, aws_profiles *ret_profiles, ac_error *err)
{
    *ret_profiles = (aws_profiles){0};
    ac_status status = load(env, "AWS_CONFIG_FILE", "~/.aws/config", &ret_profiles->config, err);
    if (status == AC_OK)
        status = load(env, "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", &ret_profiles->credentials, err);
    if (status != AC_OK)
        profiles_done(ret_profiles);
    return status;
}

void profiles_done(aws_profiles *p)
{
    ini_free(p->config);
    ini_free(p->credentials);
    *p = (aws_profiles){0};
}

/* ---- profiles ---- */

/* Whether a section is "KIND NAME", NAME as one word of a shell. */
static bool names_section(const char *section, const char *kind, const char *name)
{
    char **words;
    bool yes;

    if (strncmp(section, kind, strlen(kind)) != 0)
        return false;
    words = split_command(section);
    if (!words)
        return false;
    yes = words[0] && words[1] && !words[2] && strcmp(words[1], name) == 0;
    free(words);
    return yes;
}

/* The last one counts: "default" may be written both ways. */
static size_t config_section(const aws_profiles *p, const char *kind, const char *name)
{
    bool plain = strcmp(kind, "profile") == 0 && strcmp(name, "default") == 0;

    for (size_t i = p->config ? ini_section_count(p->config) : 0; i-- > 0;) {
        const char *section = ini_section_name(p->config, i);
        if ((plain && strcmp(section, "default") == 0) || names_section(section, kind, name))
            return i;
    }
    return INI_NO_SECTION;
}

bool profiles_has(const aws_profiles *p, const char *profile)
{
    return config_section(p, "profile", profile) != INI_NO_SECTION ||
           (p->credentials && ini_find(p->credentials, profile) != INI_NO_SECTION);
}

const char *profiles_get_credentials(const aws_profiles *p, const char *profile, const char *key)
{
    size_t section = p->credentials ? ini_find(p->credentials, profile) : INI_NO_SECTION;

    return section == INI_NO_SECTION ? NULL : ini_get(p->credentials, section, key);
}

const char *profiles_get_config(const aws_profiles *p, const char *profile, const char *key)
{
    size_t section = config_section(p, "profile", profile);

    return section == INI_NO_SECTION ? NULL : ini_get(p->config, section, key);
}

const char *profiles_get_sso_session(const aws_profiles *p, const char *session, const char *key)
{
    size_t section = config_section(p, "sso-session", session);

    return section == INI_NO_SECTION ? NULL : ini_get(p->config, section, key);
}

const char *profiles_get(const aws_profiles *p, const char *profile, const char *key)
{
    const char *value = profiles_get_credentials(p, profile, key);

    return value ? value : profiles_get_config(p, profile, key);
}

const char *profile_from_env(const aws_env *env, bool *ret_asked)
{
    const char *name = aws_env_get(env, "AWS_DEFAULT_PROFILE"); /* first, as botocore has it */

    if (!name)
        name = aws_env_get(env, "AWS_PROFILE");
    *ret_asked = name != NULL;
    return name ? name : "default";
}

/* ---- regions ---- */

ac_status aws_profile_region(const aws_env *env, const char *profile, const char *explicit_region,
                             char ret_region[REGION_SIZE], ac_error *err)
{
    const aws_env *from = env ? env : &aws_process_env;
    const char *region = explicit_region && explicit_region[0] != '\0' ? explicit_region : NULL;
    aws_profiles files;
    bool asked;

    if (region || aws_env_get(from, "AWS_REGION") || aws_env_get(from, "AWS_DEFAULT_REGION"))
        return aws_region_resolve(from, region, ret_region, err);
    AC_TRY(profiles_load(from, &files, err));
    region = profiles_get(&files, profile ? profile : profile_from_env(from, &asked), "region");
    ac_status status = aws_region_resolve(from, region, ret_region, err);
    profiles_done(&files);
    return status;
}
