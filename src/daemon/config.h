/* config.h - what agentcored is told: one table of options, from which come the command line, the environment, the
 * configuration file, the help text and the checks.
 *
 * An option has one name: --drain-timeout, AGENTCORED_DRAIN_TIMEOUT and the YAML key drain-timeout are the same.  A
 * flag wins over the environment, that over the file, that over the default.  Messages about a value say where it
 * stands ("agentcored.yaml:3: loops"). */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include "base/util.h"

#include <stdbool.h>
#include <stdio.h>

#define CONFIG_GIVEN_MAX 256 /* options on one command line */
#define CONFIG_LIST_MAX 64
#define CONFIG_HOST_SIZE 64
#define CONFIG_FILE_BYTES_MAX ((size_t)256 << 10)
#define CONFIG_OPTIONS_MAX 64

typedef enum config_type {
    CONFIG_TEXT,     /* char *; not empty, at most max bytes */
    CONFIG_PATH,     /* char *; made absolute: against the file's directory when it stands in a file */
    CONFIG_SECRET,   /* char *; in no message, and wiped */
    CONFIG_LISTEN,   /* char *; HOST:PORT */
    CONFIG_REGION,   /* char * */
    CONFIG_ACCOUNT,  /* char *; 12 digits */
    CONFIG_NAMES,    /* config_list; may be given several times, a sequence in YAML, separated by commas elsewhere */
    CONFIG_NUMBER,   /* int64_t within min and max */
    CONFIG_BYTES,    /* int64_t; 10M */
    CONFIG_DURATION, /* int64_t, in ms; 30, 30s, 500ms, 2m, 1h */
    CONFIG_SWITCH,   /* bool; on or off */
    CONFIG_LEVEL,    /* int64_t, an ac_log_level */
} config_type;

typedef enum config_source { CONFIG_FROM_DEFAULT, CONFIG_FROM_FILE, CONFIG_FROM_ENV, CONFIG_FROM_FLAG } config_source;

/* Which commands take an option as a flag. */
enum {
    CONFIG_SERVE = 1,
    CONFIG_ENV = 2,
    CONFIG_CHECK = 4,
    CONFIG_KEYS = 8,
    CONFIG_LOGS = 16,
    CONFIG_STATUS = 32,
    CONFIG_ALL = 63
};

/* Beside these: never as a flag, since everybody on the machine can read command lines; the help names the variable. */
#define CONFIG_NO_FLAG (1U << 16)

typedef struct config_option {
    const char *group; /* heading in the help */
    const char *name;
    config_type type;
    unsigned commands;
    size_t offset; /* in config */
    int64_t min, max;
    const char *fallback; /* as if it had been given; NULL: zero */
    const char *value;    /* what the help calls the value; NULL: a flag that may stand alone */
    const char *help;
    const char *shown; /* default in the help where fallback does not say it; NULL: fallback */
} config_option;

typedef struct config_list {
    char **items;
    size_t count;
} config_list;

typedef struct config {
    char *config_file;
    char *data_dir;
    char *listen;
    char *store; /* NULL: SQLite in the data directory */
    char *region;
    char *account;
    bool tls;
    char *tls_cert, *tls_key;
    config_list tls_names;
    char *oidc_ca;
    bool oidc_allow_http;
    int64_t log_level;
    bool access_log;
    int64_t drain_timeout_ms;
    int64_t loops;
    int64_t workers;
    int64_t connections_max;
    int64_t body_bytes_max;
    int64_t store_connections;
    int64_t sessions_max;
    int64_t session_memory_bytes;
    int64_t session_disk_bytes;
    int64_t session_cpu_percent;
    int64_t session_processes;
    int64_t session_start_ms;
    int64_t session_warm;
    bool session_network;
    char *code_root; /* NULL: the machine's own system */
    int64_t code_warm;
    int64_t code_timeout_ms;
    int64_t code_output_bytes;
    char *peer_url;
    bool s3;
    char *s3_url;
    char *model, *model_url, *model_name, *model_key;
    int64_t model_timeout_ms;
    char *embeddings, *embeddings_url, *embeddings_name, *embeddings_key;
    int64_t embeddings_dimensions;
    int64_t memory_index_bytes;
    char *memory_notices_url;
    char *wordnet_dir;

    unsigned char source[CONFIG_OPTIONS_MAX]; /* config_source of each option, by its place in the table */
    char host[CONFIG_HOST_SIZE];              /* of listen: a numeric address */
    int port;                                 /* 0: any free one */
} config;

/* A flag of the command line.  value may be NULL for switches. */
typedef struct config_given {
    const config_option *option;
    const char *value;
} config_given;

extern const config_option config_options[];
extern const size_t config_option_count;

/* By name; NULL when there is none. */
const config_option *config_find(const char *name, size_t length);

/* The name most like a mistaken one, NULL when none is. */
const char *config_suggest(const char *name);

/* AGENTCORED_..., as new memory; NULL when memory runs out. */
char *config_env_name(const config_option *option);

/* Put everything together: defaults, file (--config, AGENTCORED_CONFIG), environment (environ's form), flags.
 * *ret_config is to be released with config_done, also after a failure.  AC_ERR_INVALID: a value, a key, or what they
 * say together; AC_ERR_NOT_FOUND, AC_ERR_DENIED, AC_ERR_IO: the file; AC_ERR_NOMEM. */
ac_status config_load(char *const *environment, const config_given *given, size_t given_count, config *ret_config,
                      ac_error *err) AC_MUST_USE;

/* Set one option from text; where is for messages, base (may be NULL) the directory of relative paths. */
ac_status config_set(config *c, const config_option *option, const char *where, const char *base, const char *text,
                     ac_error *err) AC_MUST_USE;

/* Forget what an option was set to. */
void config_clear(config *c, const config_option *option);

/* Where an option's value comes from: &config.member's option by its name. */
config_source config_source_of(const config *c, const char *name);

void config_done(config *c);

/* "127.0.0.1:8484", "[::1]:0", "localhost:8484". */
ac_status config_parse_listen(const char *text, char ret_host[CONFIG_HOST_SIZE], int *ret_port, ac_error *err)
    AC_MUST_USE;

/* Lines about all options that a command takes. */
void config_print_help(FILE *out, unsigned command);

#endif
