/* test_config.c - options from defaults, file, environment and flags, and what is said about wrong ones. */
#include "daemon/config.h"
#include "daemon/config_yaml.h"

#include <agentcore/log.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/agentcored-config-XXXXXX";
static char file_path[PATH_MAX];
static config c;
static ac_error err;

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return 1;
    snprintf(file_path, sizeof file_path, "%s/agentcored.yaml", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(file_path);
    return rmdir(folder);
}

static void write_file(const char *text)
{
    FILE *file = fopen(file_path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static config_given flag(const char *name, const char *value)
{
    const config_option *option = config_find(name, strlen(name));

    assert_non_null(option);
    return (config_given){option, value};
}

static char *const nothing[] = {"HOME=/home/somebody", NULL};

static ac_status load(char *const *environment, const config_given *given, size_t count)
{
    config_done(&c);
    return config_load(environment, given, count, &c, &err);
}

/* A configuration with one flag is refused, and the message has these words. */
static void refuse_flag(const char *name, const char *value, const char *words)
{
    config_given given = flag(name, value);

    assert_int_equal(load(nothing, &given, 1), AC_ERR_INVALID);
    if (!strstr(err.message, words))
        fail_msg("\"%s\" does not say \"%s\"", err.message, words);
    assert_non_null(strstr(err.message, name));
}

static void refuse_file(const char *text, const char *words)
{
    config_given given = flag("config", file_path);

    write_file(text);
    assert_int_equal(load(nothing, &given, 1), AC_ERR_INVALID);
    if (!strstr(err.message, words))
        fail_msg("\"%s\" does not say \"%s\"", err.message, words);
}

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(load(nothing, NULL, 0), AC_OK);
    assert_string_equal(c.listen, "127.0.0.1:8484");
    assert_string_equal(c.host, "127.0.0.1");
    assert_int_equal(c.port, 8484);
    assert_string_equal(c.data_dir, geteuid() == 0 ? "/var/lib/agentcore" : "/home/somebody/.local/state/agentcore");
    assert_string_equal(c.region, "us-west-2");
    assert_string_equal(c.account, "123456789012");
    assert_null(c.store);
    assert_false(c.tls);
    assert_true(c.access_log);
    assert_int_equal(c.log_level, AC_LOG_INFO);
    assert_int_equal(c.drain_timeout_ms, 30000);
    assert_int_equal(c.body_bytes_max, 104857600);
    assert_int_equal(config_source_of(&c, "region"), CONFIG_FROM_DEFAULT);
}

static void test_each_default_is_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_option_count; i++) {
        const config_option *o = &config_options[i];

        assert_ptr_equal(config_find(o->name, strlen(o->name)), o);
        assert_non_null(o->help);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(config_options[j].name, o->name);
    }
}

static void test_precedence(void **state)
{
    char named[PATH_MAX + 32];
    char *environment[] = {"HOME=/h", named, NULL, NULL, NULL};
    config_given given[] = {flag("workers", "30")};

    (void)state;
    snprintf(named, sizeof named, "AGENTCORED_CONFIG=%s", file_path);
    write_file("workers: 10\nloops: 1\nregion: eu-west-1\ntls-name: [a.test, b.test]\n");
    assert_int_equal(load(environment, NULL, 0), AC_OK);
    assert_int_equal(c.workers, 10);
    assert_int_equal(c.tls_names.count, 2);
    assert_string_equal(c.tls_names.items[1], "b.test");

    environment[2] = "AGENTCORED_WORKERS=20";
    environment[3] = "AGENTCORED_TLS_NAME=c.test";
    assert_int_equal(load(environment, given, 1), AC_OK);
    assert_int_equal(c.workers, 30);
    assert_int_equal(c.loops, 1);
    assert_string_equal(c.region, "eu-west-1");
    assert_int_equal(c.tls_names.count, 1);
    assert_string_equal(c.tls_names.items[0], "c.test");
    assert_int_equal(config_source_of(&c, "workers"), CONFIG_FROM_FLAG);
    assert_int_equal(config_source_of(&c, "tls-name"), CONFIG_FROM_ENV);
    assert_int_equal(config_source_of(&c, "loops"), CONFIG_FROM_FILE);

    environment[2] = "AGENTCORED_WORKERS="; /* as if it were not set */
    assert_int_equal(load(environment, NULL, 0), AC_OK);
    assert_int_equal(c.workers, 10);
}

static void test_values(void **state)
{
    config_given given[] = {
        flag("drain-timeout", "500ms"),
        flag("max-body", "2M"),
        flag("listen", "[::1]:0"),
        flag("tls", NULL),
        flag("tls-name", "a.test"),
        flag("tls-name", "10.0.0.1,::2"),
        flag("log-level", "DEBUG"),
        flag("access-log", "off"),
        flag("store", "postgresql://u:secret@h/d"),
        flag("data-dir", "relative"),
    };
    char here[PATH_MAX], expected[PATH_MAX + 16];

    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    snprintf(expected, sizeof expected, "%s/relative", here);
    assert_int_equal(load(nothing, given, ARRAY_SIZE(given)), AC_OK);
    assert_int_equal(c.drain_timeout_ms, 500);
    assert_int_equal(c.body_bytes_max, 2 << 20);
    assert_string_equal(c.host, "::1");
    assert_int_equal(c.port, 0);
    assert_true(c.tls);
    assert_int_equal(c.tls_names.count, 3);
    assert_string_equal(c.tls_names.items[2], "::2");
    assert_int_equal(c.log_level, AC_LOG_DEBUG);
    assert_false(c.access_log);
    assert_string_equal(c.data_dir, expected);
}

static void test_models(void **state)
{
    static char *const environment[] = {"HOME=/home/somebody", "AGENTCORED_MODEL_KEY=sk-1", NULL};
    config_given given[] = {flag("model", "openai"), flag("model-url", "http://127.0.0.1:8080/v1"),
                            flag("model-name", "a/b:c"), flag("model-timeout", "5s")};

    (void)state;
    assert_int_equal(load(nothing, NULL, 0), AC_OK);
    assert_string_equal(c.model, "builtin");
    assert_int_equal(c.model_timeout_ms, 60000);
    assert_int_equal(load(environment, given, ARRAY_SIZE(given)), AC_OK);
    assert_string_equal(c.model_key, "sk-1");
    assert_string_equal(c.model_name, "a/b:c");
    assert_int_equal(c.model_timeout_ms, 5000);
    assert_int_equal(load(environment, given, 2), AC_ERR_INVALID);
    assert_string_equal(err.message, "model: a model-name goes with it");
    assert_true(config_find("model-key", 9)->commands & CONFIG_NO_FLAG);
}

static void test_paths_in_a_file(void **state)
{
    config_given given = flag("config", file_path);
    char expected[PATH_MAX];

    (void)state;
    write_file("data-dir: state\n");
    snprintf(expected, sizeof expected, "%s/state", folder);
    assert_int_equal(load(nothing, &given, 1), AC_OK);
    assert_string_equal(c.data_dir, expected);
}

static void test_wrong_values(void **state)
{
    config_given pair[] = {flag("tls-cert", "/c.pem")};

    (void)state;
    refuse_flag("loops", "65", "from 0 to 64");
    refuse_flag("loops", "-1", "a number");
    refuse_flag("loops", "1x", "a number");
    refuse_flag("loops", "", "a value");
    refuse_flag("workers", "0", "from 1");
    refuse_flag("workers", "99999999999999999999", "a number");
    refuse_flag("drain-timeout", "2h", "3600000 ms");
    refuse_flag("drain-timeout", "9223372036854775807h", "a time");
    refuse_flag("max-body", "1T", "a size");
    refuse_flag("access-log", "maybe", "on or off");
    refuse_flag("log-level", "loud", "debug, info");
    refuse_flag("region", "US-WEST-2", "a region");
    refuse_flag("region", "us west", "a region");
    refuse_flag("region", "-", "a region");
    refuse_flag("account", "12345678901", "12 digits");
    refuse_flag("account", "12345678901x", "12 digits");
    refuse_flag("tls-name", "a b", "host names");
    refuse_flag("tls-name", "a,,b", "host names");
    refuse_flag("tls-name", "URI:x", "host names");
    refuse_flag("store", "mysql://u:hush@h/d", "postgresql://");
    assert_null(strstr(err.message, "hush"));
    assert_int_equal(load(nothing, pair, 1), AC_ERR_INVALID);
    assert_non_null(strstr(err.message, "tls-key"));
}

static void test_listen(void **state)
{
    static const char *const wrong[] = {"8484",           "127.0.0.1",     "127.0.0.1:",   "127.0.0.1:65536",
                                        "127.0.0.1:-1",   "::1:8484",      "[::1]",        "[::1:8484",
                                        "host.test:8484", "[127.0.0.1]:1", "127.0.0.1:+1", ":8484",
                                        "[]:1",           "]:1",           "127.0.0.1: 1"};
    char host[CONFIG_HOST_SIZE];
    int port;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        if (config_parse_listen(wrong[i], host, &port, &err) != AC_ERR_INVALID)
            fail_msg("%s was accepted", wrong[i]);
    assert_int_equal(config_parse_listen("0.0.0.0:65535", host, &port, &err), AC_OK);
    assert_int_equal(port, 65535);
    assert_int_equal(config_parse_listen("localhost:1", host, &port, &err), AC_OK);
    assert_string_equal(host, "127.0.0.1");
    assert_int_equal(config_parse_listen("[fe80::1]:1", host, &port, &err), AC_OK);
    assert_string_equal(host, "fe80::1");
}

static void test_wrong_files(void **state)
{
    (void)state;
    refuse_file("region: eu-west-1\nlops: 2\n",
                "agentcored.yaml:2: lops: there is no such option; is \"loops\" meant?");
    refuse_file("data_dir: /x\n", "is \"data-dir\" meant?");
    refuse_file("zzzzzzzz: /x\n", "there is no such option");
    refuse_file("loops: many\n", "agentcored.yaml:1: loops: expected a number");
    refuse_file("\n\nloops: [1, 2]\n", "agentcored.yaml:3: loops: takes one value");
    refuse_file("loops:\n", "has no value");
    refuse_file("loops: {a: 1}\n", "loops.a: there is no such option");
    refuse_file("loops: 1\nloops: 2\n", "agentcored.yaml:2: loops: the key is there twice");
    refuse_file("config: other.yaml\n", "cannot name another one");
    refuse_file("- loops\n", "expected keys and values");
    refuse_file("loops\n", "expected keys and values");
    refuse_file("loops: &a 1\n", "anchors");
    refuse_file("loops: *a\n", "aliases");
    refuse_file("loops: !!int 1\n", "tags");
    refuse_file("<<: 1\n", "merge keys");
    refuse_file("? [a]\n: 1\n", "a key must be plain text");
    refuse_file("loops: 1\n---\nloops: 2\n", "agentcored.yaml:2: a second document");
    refuse_file("loops: \"1\n", "agentcored.yaml:");
    refuse_file("loops: \"\\0\"\n", "NUL");
    refuse_file("a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}\n", "nested too deep");
}

static void test_files_that_cannot_be_read(void **state)
{
    config_given given = flag("config", "/nonexistent/agentcored.yaml");

    (void)state;
    assert_int_equal(load(nothing, &given, 1), AC_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nonexistent/agentcored.yaml"));
    given.value = folder;
    assert_int_equal(load(nothing, &given, 1), AC_ERR_INVALID);
    assert_non_null(strstr(err.message, "not a regular file"));
    given.value = file_path;
    write_file("");
    assert_int_equal(load(nothing, &given, 1), AC_OK);
    write_file("# nothing\n---\n");
    assert_int_equal(load(nothing, &given, 1), AC_OK);
}

static void test_yaml_limits(void **state)
{
    static char text[64 * 1024];
    yaml_map map;
    size_t length = 0;

    (void)state;
    for (int i = 0; i <= YAML_ENTRIES_MAX; i++)
        length += (size_t)sprintf(text + length, "k%d: %d\n", i, i);
    assert_int_equal(yaml_parse("f", text, length, &map, &err), AC_ERR_TOO_LARGE);
    assert_int_equal(map.count, 0);

    memcpy(text, "a: ", 3);
    length = 3;
    memset(text + length, 'x', YAML_VALUE_BYTES_MAX + 1);
    assert_int_equal(yaml_parse("f", text, length + YAML_VALUE_BYTES_MAX, &map, &err), AC_OK);
    yaml_map_done(&map);
    assert_int_equal(yaml_parse("f", text, length + YAML_VALUE_BYTES_MAX + 1, &map, &err), AC_ERR_INVALID);
    memset(text, 'k', YAML_PATH_SIZE);
    memcpy(text + YAML_PATH_SIZE, ": 1", 4);
    assert_int_equal(yaml_parse("f", text, YAML_PATH_SIZE + 3, &map, &err), AC_ERR_INVALID);
    assert_int_equal(yaml_parse("f", text + 1, YAML_PATH_SIZE + 2, &map, &err), AC_OK); /* the longest key */
    assert_int_equal(strlen(map.entries[0].path), YAML_PATH_SIZE - 1);
    yaml_map_done(&map);
}

static void test_yaml_flattening(void **state)
{
    static const char text[] = "a:\n  b: 'x'\n  c: [1, two]\n  d: {}\ne: ~\nf: \"\"\n";
    static const struct {
        const char *path, *text;
        unsigned line;
        yaml_kind kind;
    } expected[] = {{"a.b", "x", 2, YAML_VALUE},  {"a.c", "1", 3, YAML_ITEM}, {"a.c", "two", 3, YAML_ITEM},
                    {"a.d", "", 4, YAML_NOTHING}, {"e", "", 5, YAML_NOTHING}, {"f", "", 6, YAML_VALUE}};
    yaml_map map;

    (void)state;
    assert_int_equal(yaml_parse("f", text, strlen(text), &map, &err), AC_OK);
    assert_int_equal(map.count, ARRAY_SIZE(expected));
    for (size_t i = 0; i < map.count; i++) {
        assert_string_equal(map.entries[i].path, expected[i].path);
        assert_string_equal(map.entries[i].text, expected[i].text);
        assert_int_equal(map.entries[i].line, expected[i].line);
        assert_int_equal(map.entries[i].kind, expected[i].kind);
    }
    yaml_map_done(&map);
}

static void test_suggestions(void **state)
{
    (void)state;
    assert_string_equal(config_suggest("data_dir"), "data-dir");
    assert_string_equal(config_suggest("drain"), "drain-timeout");
    assert_string_equal(config_suggest("wrokers"), "workers");
    assert_null(config_suggest("something-else-altogether"));
    assert_null(config_suggest("x"));
    assert_null(config_suggest(""));
    assert_null(config_suggest("a-name-that-is-longer-than-any-name-of-an-option-could-be"));
}

static void test_environment_names(void **state)
{
    char *name = config_env_name(config_find("drain-timeout", 13));

    (void)state;
    assert_string_equal(name, "AGENTCORED_DRAIN_TIMEOUT");
    free(name);
    config_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),     cmocka_unit_test(test_each_default_is_valid),
        cmocka_unit_test(test_precedence),   cmocka_unit_test(test_values),
        cmocka_unit_test(test_models),       cmocka_unit_test(test_paths_in_a_file),
        cmocka_unit_test(test_wrong_values), cmocka_unit_test(test_listen),
        cmocka_unit_test(test_wrong_files),  cmocka_unit_test(test_files_that_cannot_be_read),
        cmocka_unit_test(test_yaml_limits),  cmocka_unit_test(test_yaml_flattening),
        cmocka_unit_test(test_suggestions),  cmocka_unit_test(test_environment_names),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
