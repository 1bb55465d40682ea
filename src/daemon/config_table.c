/* config_table.c - all options of agentcored, and finding them by name. */
#include "daemon/config.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(config, member)
#define NAME_BYTES_MAX 40 /* of what a suggestion is looked for */

#define SOME (CONFIG_SERVE | CONFIG_CHECK)
#define URLS (CONFIG_SERVE | CONFIG_CHECK | CONFIG_ENV)

const config_option config_options[] = {
    {"Where", "data-dir", CONFIG_PATH, CONFIG_ALL, AT(data_dir), 1, 3800, NULL, "DIR",
     "all that is kept: state, access keys, certificates; one daemon at a time",
     "$XDG_STATE_HOME/agentcore, ~/.local/state/agentcore, for root /var/lib/agentcore"},
    {"Where", "listen", CONFIG_LISTEN, URLS, AT(listen), 1, 80, "127.0.0.1:8484", "HOST:PORT",
     "numeric address and port; [::1]:8484 for IPv6; port 0: any free one", NULL},
    {"Where", "store", CONFIG_SECRET, SOME, AT(store), 1, 4096, NULL, "URL",
     "postgresql://... to share the state between daemons", "SQLite in the data directory"},
    {"Where", "config", CONFIG_PATH, CONFIG_ALL, AT(config_file), 1, 3800, NULL, "FILE",
     "options as a YAML file: a line `listen: 127.0.0.1:9000` is --listen", "none"},
    {"AWS", "region", CONFIG_REGION, URLS, AT(region), 1, 32, "us-west-2", "NAME", "region of what is made here", NULL},
    {"AWS", "account", CONFIG_ACCOUNT, URLS | CONFIG_KEYS, AT(account), 12, 12, "123456789012", "ID",
     "account of the first access key, and of callers with bearer tokens", NULL},
    {"TLS", "tls", CONFIG_SWITCH, URLS, AT(tls), 0, 1, "off", NULL,
     "serve https with a certificate of a local CA, which is made at the first start", NULL},
    {"TLS", "tls-name", CONFIG_NAMES, URLS, AT(tls_names), 1, 253, NULL, "NAME",
     "one more name or address that clients use; several times, or separated by commas",
     "localhost, 127.0.0.1, ::1 and the host's name"},
    {"TLS", "tls-cert", CONFIG_PATH, URLS, AT(tls_cert), 1, 3800, NULL, "FILE",
     "serve https with this certificate (PEM, with its chain)", "none"},
    {"TLS", "tls-key", CONFIG_PATH, URLS, AT(tls_key), 1, 3800, NULL, "FILE", "and its private key (PEM)", "none"},
    {"Bearer tokens", "oidc-ca", CONFIG_PATH, SOME, AT(oidc_ca), 1, 3800, NULL, "FILE",
     "certificates to trust in OpenID providers (PEM)", "the system's"},
    {"Bearer tokens", "oidc-allow-http", CONFIG_SWITCH, SOME, AT(oidc_allow_http), 0, 1, "off", "on|off",
     "accept discovery URLs without TLS; for a provider on this machine", NULL},
    {"Logs", "log-level", CONFIG_LEVEL, SOME, AT(log_level), 0, 0, "info", "LEVEL",
     "debug, info, warning, error or off; JSON lines on standard error", NULL},
    {"Logs", "access-log", CONFIG_SWITCH, SOME, AT(access_log), 0, 1, "on", "on|off", "a line per request", NULL},
    {"Sessions", "max-sessions", CONFIG_NUMBER, SOME, AT(sessions_max), 1, 65536, "1024", "N",
     "sandboxes of agents at the same time; beyond, the one idle for longest ends", NULL},
    {"Sessions", "session-memory", CONFIG_BYTES, SOME, AT(session_memory_bytes), 16 << 20, INT64_C(1) << 40, "2G",
     "BYTES", "memory of one session, all of its processes together", NULL},
    {"Sessions", "session-disk", CONFIG_BYTES, SOME, AT(session_disk_bytes), 1 << 20, INT64_C(1) << 40, "512M", "BYTES",
     "what one session may write to /tmp, and as much to its home", NULL},
    {"Sessions", "session-cpu", CONFIG_NUMBER, SOME, AT(session_cpu_percent), 1, 100000, "200", "PERCENT",
     "processor time of one session; 100 is one core", NULL},
    {"Sessions", "session-processes", CONFIG_NUMBER, SOME, AT(session_processes), 8, 100000, "512", "N",
     "processes and threads of one session", NULL},
    {"Sessions", "session-start", CONFIG_DURATION, SOME, AT(session_start_ms), 100, 3600000, "60s", "TIME",
     "for an agent to open its port and answer /ping", NULL},
    {"Sessions", "session-network", CONFIG_SWITCH, SOME, AT(session_network), 0, 1, "on", "on|off",
     "let agents reach public addresses; off: only agentcored, where the machine has no /dev/net/tun", NULL},
    {"Sessions", "warm-sessions", CONFIG_NUMBER, SOME, AT(session_warm), 0, 1024, "0", "N",
     "sessions kept started in advance for each endpoint that is in use", NULL},
    {"Sessions", "peer-url", CONFIG_TEXT, SOME, AT(peer_url), 1, 300, NULL, "URL",
     "where other daemons on the same PostgreSQL store reach this one", "made of --listen"},
    {"Code interpreter", "code-root", CONFIG_PATH, SOME, AT(code_root), 1, 3800, NULL, "DIR",
     "a system tree (usr, etc, ...) that its sandboxes see in place of the machine's", "none"},
    {"Code interpreter", "code-warm", CONFIG_NUMBER, SOME, AT(code_warm), 0, 64, "3", "N",
     "sandboxes kept started in advance for each interpreter that is in use", NULL},
    {"Code interpreter", "code-timeout", CONFIG_DURATION, SOME, AT(code_timeout_ms), 100, 28800000, "280s", "TIME",
     "for one call of executeCode or executeCommand; then it is interrupted", NULL},
    {"Code interpreter", "code-output", CONFIG_BYTES, SOME, AT(code_output_bytes), 1024, 2 << 20, "1M", "BYTES",
     "that are kept of what one call writes, of each stream", NULL},
    {"Artifacts", "s3", CONFIG_SWITCH, SOME, AT(s3), 0, 1, "off", "on|off",
     "fetch code that is not in DIR/buckets from S3, with the credentials of the environment", NULL},
    {"Artifacts", "s3-url", CONFIG_TEXT, SOME, AT(s3_url), 1, 1024, NULL, "URL", "another S3 than Amazon's", "none"},
    {"Models", "model", CONFIG_TEXT, SOME, AT(model), 1, 32, "builtin", "KIND",
     "draws knowledge from conversations: builtin (no model), openai, anthropic or bedrock", NULL},
    {"Models", "model-url", CONFIG_TEXT, SOME, AT(model_url), 1, 1024, NULL, "URL",
     "where it is: http://127.0.0.1:8080/v1 for openai", "the service's own"},
    {"Models", "model-name", CONFIG_TEXT, SOME, AT(model_name), 1, 512, NULL, "NAME", "what to ask it for", "none"},
    {"Models", "model-key", CONFIG_SECRET, SOME | CONFIG_NO_FLAG, AT(model_key), 1, 8192, NULL, "KEY", "its API key",
     "none"},
    {"Models", "model-timeout", CONFIG_DURATION, SOME, AT(model_timeout_ms), 1000, 3600000, "60s", "TIME",
     "for one answer; tried up to three times", NULL},
    {"Models", "embeddings", CONFIG_TEXT, SOME, AT(embeddings), 1, 32, "none", "KIND",
     "vectors for memory search: none (words and WordNet), openai or bedrock", NULL},
    {"Models", "embeddings-url", CONFIG_TEXT, SOME, AT(embeddings_url), 1, 1024, NULL, "URL",
     "where they are made; required for openai", "Bedrock's own"},
    {"Models", "embeddings-name", CONFIG_TEXT, SOME, AT(embeddings_name), 1, 256, NULL, "NAME", "the model's name",
     "none"},
    {"Models", "embeddings-key", CONFIG_SECRET, SOME | CONFIG_NO_FLAG, AT(embeddings_key), 1, 8192, NULL, "KEY",
     "the service's API key", "none"},
    {"Models", "embeddings-dimensions", CONFIG_NUMBER, SOME, AT(embeddings_dimensions), 0, 4096, "0", "N",
     "numbers of a vector", "0: the model's own"},
    {"Memory", "memory-index", CONFIG_BYTES, SOME, AT(memory_index_bytes), 1 << 20, INT64_C(1) << 40, "64M", "BYTES",
     "for the search indexes of all namespaces together; the least used go", NULL},
    {"Memory", "memory-notices-url", CONFIG_TEXT, SOME, AT(memory_notices_url), 1, 1024, NULL, "URL",
     "where notices of self-managed strategies are posted, as URL/TOPIC", "only into DIR/topics"},
    {"Memory", "wordnet-dir", CONFIG_PATH, SOME, AT(wordnet_dir), 1, 3800, NULL, "DIR", "WordNet's data files",
     "/usr/share/wordnet"},
    {"Limits", "drain-timeout", CONFIG_DURATION, SOME, AT(drain_timeout_ms), 0, 3600000, "30s", "TIME",
     "for requests that run when SIGTERM comes; then they are cut off", NULL},
    {"Limits", "loops", CONFIG_NUMBER, SOME, AT(loops), 0, 64, "0", "N", "threads that serve sockets",
     "0: one per CPU"},
    {"Limits", "workers", CONFIG_NUMBER, SOME, AT(workers), 1, 65536, "4096", "N",
     "most requests that are worked on at the same time", NULL},
    {"Limits", "max-connections", CONFIG_NUMBER, SOME, AT(connections_max), 0, 1000000, "0", "N",
     "most connections of clients", "0: 65536, or what the limit of open files leaves"},
    {"Limits", "max-body", CONFIG_BYTES, SOME, AT(body_bytes_max), 1024, INT64_C(1) << 30, "100M", "BYTES",
     "largest body of a request; K, M and G are powers of 1024", NULL},
    {"Limits", "store-connections", CONFIG_NUMBER, SOME, AT(store_connections), 1, 256, "8", "N",
     "most connections to PostgreSQL, or readers of SQLite", NULL},
};

const size_t config_option_count = ARRAY_SIZE(config_options);

_Static_assert(ARRAY_SIZE(config_options) <= CONFIG_OPTIONS_MAX, "config.source has a place for each option");

const config_option *config_find(const char *name, size_t length)
{
    for (size_t i = 0; i < config_option_count; i++)
        if (strlen(config_options[i].name) == length && memcmp(config_options[i].name, name, length) == 0)
            return &config_options[i];
    return NULL;
}

char *config_env_name(const config_option *option)
{
    char *name;

    if (asprintf(&name, "AGENTCORED_%s", option->name) < 0)
        return NULL;
    for (char *at = name; *at; at++)
        *at = (char)(*at == '-' ? '_' : toupper((unsigned char)*at));
    return name;
}

config_source config_source_of(const config *c, const char *name)
{
    const config_option *option = config_find(name, strlen(name));

    return option ? (config_source)c->source[option - config_options] : CONFIG_FROM_DEFAULT;
}

/* ---- suggestions ---- */

static bool same_letter(char a, char b)
{
    a = (char)(a == '_' || a == '.' ? '-' : tolower((unsigned char)a));
    b = (char)(b == '_' || b == '.' ? '-' : tolower((unsigned char)b));
    return a == b;
}

/* How many letters must be added, dropped or changed (Levenshtein).  Both have at most NAME_BYTES_MAX. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[NAME_BYTES_MAX + 1];
    size_t width = strlen(b);

    for (unsigned j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < width; j++) {
            unsigned changed = diagonal + !same_letter(a[i], b[j]);

            diagonal = row[j + 1];
            row[j + 1] = MIN(changed, MIN(row[j], diagonal) + 1);
        }
    }
    return row[width];
}

const char *config_suggest(const char *name)
{
    size_t length = strlen(name);
    const char *best = NULL;
    unsigned least = UINT32_MAX;

    if (length < 2 || length > NAME_BYTES_MAX)
        return NULL;
    for (size_t i = 0; i < config_option_count; i++) {
        const char *candidate = config_options[i].name;
        unsigned away = distance(name, candidate);

        if (length >= 4 && strncmp(candidate, name, length) == 0)
            away = 1; /* the beginning of a name */
        if (away < least && away <= 1 + length / 4) {
            least = away;
            best = candidate;
        }
    }
    return best;
}
