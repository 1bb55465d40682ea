/* config_value.c - the text of a value becomes the value, or a message that says what was expected. */
#include "daemon/config.h"

#include <agentcore/log.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* What a value is, where it stands, and what it is to become. */
typedef struct setting {
    const config_option *option;
    const char *where;
    const char *text;
    ac_error *err;
} setting;

static ac_status expected(const setting *s, const char *what)
{
    if (s->option->type == CONFIG_SECRET)
        return ac_error_set(s->err, AC_ERR_INVALID, "%s: expected %s", s->where, what);
    return ac_error_set(s->err, AC_ERR_INVALID, "%s: expected %s, not \"%.64s\"", s->where, what, s->text);
}

static ac_status store_text(const setting *s, const char *text, char **place)
{
    char *copy = strdup(text);

    if (!copy)
        return ac_error_set(s->err, AC_ERR_NOMEM, "out of memory");
    free(*place);
    *place = copy;
    return AC_OK;
}

/* ---- numbers ---- */

typedef struct unit {
    const char *name;
    int64_t factor;
} unit;

static const unit no_units[] = {{"", 1}, {NULL, 0}};
static const unit byte_units[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0}};
static const unit time_units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0}};

static bool parse_number(const char *text, const unit *units, int64_t *ret_number)
{
    char *end;
    long long number;

    errno = 0;
    if (!isdigit((unsigned char)*text))
        return false;
    number = strtoll(text, &end, 10);
    if (errno)
        return false;
    for (const unit *u = units; u->name; u++)
        if (strcmp(u->name, end) == 0)
            return !__builtin_mul_overflow(number, u->factor, ret_number);
    return false;
}

static ac_status set_number(const setting *s, int64_t *place)
{
    const config_option *o = s->option;
    const unit *units = o->type == CONFIG_DURATION ? time_units : o->type == CONFIG_BYTES ? byte_units : no_units;
    const char *kind = o->type == CONFIG_DURATION ? "a time like 30s, 500ms or 2m"
                       : o->type == CONFIG_BYTES  ? "a size like 65536, 512K or 10M"
                                                  : "a number";
    char what[160];
    int64_t number;

    if (!parse_number(s->text, units, &number))
        return expected(s, kind);
    if (number < o->min || number > o->max) {
        snprintf(what, sizeof what, "%s from %lld to %lld%s", kind, (long long)o->min, (long long)o->max,
                 o->type == CONFIG_DURATION ? " ms" : "");
        return expected(s, what);
    }
    *place = number;
    return AC_OK;
}

static ac_status set_switch(const setting *s, bool *place)
{
    static const char *const on[] = {"on", "true", "yes", "1"}, *const off[] = {"off", "false", "no", "0"};

    for (size_t i = 0; i < ARRAY_SIZE(on); i++)
        if (strcasecmp(s->text, on[i]) == 0 || strcasecmp(s->text, off[i]) == 0) {
            *place = strcasecmp(s->text, on[i]) == 0;
            return AC_OK;
        }
    return expected(s, "on or off");
}

static ac_status set_level(const setting *s, int64_t *place)
{
    static const struct {
        const char *name;
        ac_log_level level;
    } levels[] = {{"debug", AC_LOG_DEBUG},  {"info", AC_LOG_INFO},   {"warning", AC_LOG_WARNING},
                  {"warn", AC_LOG_WARNING}, {"error", AC_LOG_ERROR}, {"off", AC_LOG_OFF}};

    for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
        if (strcasecmp(s->text, levels[i].name) == 0) {
            *place = levels[i].level;
            return AC_OK;
        }
    return expected(s, "debug, info, warning, error or off");
}

/* ---- texts ---- */

static ac_status set_path(const setting *s, const char *base, char **place)
{
    char current[PATH_MAX], path[PATH_MAX];
    int length;

    if (s->text[0] == '/')
        return store_text(s, s->text, place);
    if (!base && !(base = getcwd(current, sizeof current)))
        return ac_error_set(s->err, AC_ERR_IO, "%s: the current directory has no name: %s", s->where, strerror(errno));
    length = snprintf(path, sizeof path, "%s/%s", base, s->text);
    if (length < 0 || length >= (int)sizeof path)
        return expected(s, "a shorter path");
    return store_text(s, path, place);
}

/* As AWS writes them: us-west-2, us-gov-east-1.  It becomes part of ARNs and host names. */
static bool is_region(const char *text)
{
    size_t length = strlen(text);

    for (size_t i = 0; i < length; i++)
        if (!(text[i] >= 'a' && text[i] <= 'z') && !isdigit((unsigned char)text[i]) && text[i] != '-')
            return false;
    return text[0] >= 'a' && text[0] <= 'z' && text[length - 1] != '-';
}

static bool is_host_name(const char *text)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET6, text, address) == 1)
        return true;
    for (size_t i = 0; text[i]; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '-' && text[i] != '.' && !(text[i] == '*' && i == 0))
            return false;
    return text[0] != '-' && text[0] != '.';
}

static ac_status add_name(const setting *s, const char *name, size_t length, config_list *list)
{
    char *copy = strndup(name, length);
    char **items;

    if (!copy)
        return ac_error_set(s->err, AC_ERR_NOMEM, "out of memory");
    if (length == 0 || length > (size_t)s->option->max || !is_host_name(copy) || list->count >= CONFIG_LIST_MAX) {
        free(copy);
        return expected(s, "host names or addresses, at most 64");
    }
    items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items) {
        free(copy);
        return ac_error_set(s->err, AC_ERR_NOMEM, "out of memory");
    }
    items[list->count++] = copy;
    list->items = items;
    return AC_OK;
}

static ac_status add_names(const setting *s, config_list *list)
{
    const char *at = s->text;

    for (;;) {
        size_t length = strcspn(at, ",");

        AC_TRY(add_name(s, at, length, list));
        if (!at[length])
            return AC_OK;
        at += length + 1;
    }
}

ac_status config_parse_listen(const char *text, char ret_host[CONFIG_HOST_SIZE], int *ret_port, ac_error *err)
{
    static const char wanted[] = "an address and a port like 127.0.0.1:8484 or [::1]:8484";
    unsigned char address[sizeof(struct in6_addr)];
    const char *colon = strrchr(text, ':');
    bool brackets = text[0] == '[' && colon > text && colon[-1] == ']';
    size_t length = colon ? (size_t)(colon - text) - 2 * brackets : 0;
    int64_t port;

    if (!colon || !parse_number(colon + 1, no_units, &port) || port > 65535)
        return ac_error_set(err, AC_ERR_INVALID, "expected %s, not \"%.64s\"", wanted, text);
    if (length >= CONFIG_HOST_SIZE)
        return ac_error_set(err, AC_ERR_INVALID, "expected %s, not \"%.64s\"", wanted, text);
    memcpy(ret_host, text + brackets, length);
    ret_host[length] = '\0';
    if (strcmp(ret_host, "localhost") == 0)
        memcpy(ret_host, "127.0.0.1", sizeof "127.0.0.1");
    if (inet_pton(brackets ? AF_INET6 : AF_INET, ret_host, address) != 1)
        return ac_error_set(err, AC_ERR_INVALID, "expected %s, not \"%.64s\"", wanted, text);
    *ret_port = (int)port;
    return AC_OK;
}

static ac_status set_listen(const setting *s, config *c, char **place)
{
    ac_error why;

    if (config_parse_listen(s->text, c->host, &c->port, &why) != AC_OK)
        return ac_error_set(s->err, AC_ERR_INVALID, "%s: %s", s->where, why.message);
    return store_text(s, s->text, place);
}

/* ---- all ---- */

ac_status config_set(config *c, const config_option *option, const char *where, const char *base, const char *text,
                     ac_error *err)
{
    setting s = {option, where, text, err};
    void *place = (char *)c + option->offset;

    if (!*text)
        return expected(&s, "a value");
    if (option->type <= CONFIG_ACCOUNT && strlen(text) > (size_t)option->max)
        return expected(&s, "something shorter");
    switch (option->type) {
    case CONFIG_TEXT:
    case CONFIG_SECRET:
        return store_text(&s, text, place);
    case CONFIG_PATH:
        return set_path(&s, base, place);
    case CONFIG_LISTEN:
        return set_listen(&s, c, place);
    case CONFIG_REGION:
        return is_region(text) ? store_text(&s, text, place) : expected(&s, "a region like us-west-2");
    case CONFIG_ACCOUNT:
        if (strlen(text) != 12 || strspn(text, "0123456789") != 12)
            return expected(&s, "12 digits");
        return store_text(&s, text, place);
    case CONFIG_NAMES:
        return add_names(&s, place);
    case CONFIG_NUMBER:
    case CONFIG_BYTES:
    case CONFIG_DURATION:
        return set_number(&s, place);
    case CONFIG_SWITCH:
        return set_switch(&s, place);
    case CONFIG_LEVEL:
        return set_level(&s, place);
    }
    return ac_error_set(err, AC_ERR_INTERNAL, "%s: an option of unknown type", where);
}

void config_clear(config *c, const config_option *option)
{
    void *place = (char *)c + option->offset;
    config_list *list = place;
    char **text = place;

    if (option->type == CONFIG_NAMES) {
        for (size_t i = 0; i < list->count; i++)
            free(list->items[i]);
        free(list->items);
        *list = (config_list){0};
    } else if (option->type <= CONFIG_ACCOUNT) {
        if (*text && option->type == CONFIG_SECRET)
            explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}
