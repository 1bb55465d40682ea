/* code_client.c - what the code interpreter's client does, step by step, against the service of the environment.
 *
 *     code_client NAME IDENTIFIER
 *
 * Runs the step of that name on that interpreter.  The exit code is 0 when all came out as it must; else standard error
 * says what did not. */
#include <agentcore/code_interpreter.h>
#include <agentcore/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s (%s: %s)\n", __FILE__, __LINE__, #condition, ac_status_name(err.status),        \
                    err.message);                                                                                      \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#define CHECK_FAILS(call, wanted, text)                                                                                \
    do {                                                                                                               \
        CHECK((call) == (wanted));                                                                                     \
        CHECK(err.status == (wanted) && strstr(err.message, (text)));                                                  \
    } while (0)

static ac_client *client;
static const char *interpreter;
static ac_error err;

static ac_code_session *started(void)
{
    ac_code_session *session = NULL;
    const ac_code_session_options options = {.identifier = interpreter, .timeout_s = 120};

    CHECK(ac_code_session_start(client, &options, &session, &err) == AC_OK);
    return session;
}

/* ---- sessions ---- */

static bool is_state(ac_code_session *session, const char *wanted)
{
    yyjson_doc *found = NULL;

    CHECK(ac_code_session_get(session, &found, &err) == AC_OK);
    bool is = strcmp(ac_json_string(yyjson_doc_get_root(found), "status", ""), wanted) == 0;
    yyjson_doc_free(found);
    return is;
}

static ac_status fail_inside(ac_code_session *session, void *user, ac_error *told)
{
    snprintf(user, 64, "%s", ac_code_session_id(session));
    return ac_error_set(told, AC_ERR_INTERNAL, "of the function's own");
}

static void sessions(void)
{
    ac_code_session *session = started(), *other = NULL;
    yyjson_doc *found = NULL, *list = NULL;
    char id[64] = "";

    CHECK(ac_code_session_get(session, &found, &err) == AC_OK);
    yyjson_val *root = yyjson_doc_get_root(found);
    CHECK(strncmp(ac_json_string(root, "name", ""), "code-session-", 13) == 0);
    CHECK(strlen(ac_json_string(root, "name", "")) == 21);
    CHECK(ac_json_int(root, "sessionTimeoutSeconds", 0) == 120);
    CHECK(strcmp(ac_code_session_identifier(session), interpreter) == 0);
    CHECK(ac_code_session_attach(client, interpreter, ac_code_session_id(session), 0, &other, &err) == AC_OK);
    CHECK(ac_code_execute(other, "x = 5", NULL, NULL, &err) == AC_OK);
    ac_code_session_free(other);
    CHECK(is_state(session, "READY"));
    CHECK(ac_code_session_stop(session, &err) == AC_OK && ac_code_session_stop(session, &err) == AC_OK);
    CHECK(is_state(session, "TERMINATED"));
    CHECK_FAILS(ac_code_execute(session, "x", NULL, NULL, &err), AC_ERR_STATE, "was stopped");
    CHECK(ac_code_session_attach(client, interpreter, ac_code_session_id(session), 0, &other, &err) == AC_OK);
    CHECK_FAILS(ac_code_execute(other, "x", NULL, NULL, &err), AC_ERR_CONFLICT, "TERMINATED");
    ac_code_session_free(other);
    ac_code_session_free(session);

    const ac_code_session_options options = {.identifier = interpreter, .name = "mine"};
    CHECK_FAILS(ac_code_session_with(client, &options, fail_inside, id, &err), AC_ERR_INTERNAL,
                "of the function's own");
    CHECK(ac_code_session_attach(client, interpreter, id, 0, &other, &err) == AC_OK);
    CHECK(is_state(other, "TERMINATED"));
    ac_code_session_free(other);
    CHECK(ac_code_session_list(client, interpreter, "TERMINATED", &(ac_code_page){.max_results = 1}, &list, &err) ==
          AC_OK);
    root = yyjson_doc_get_root(list);
    CHECK(yyjson_arr_size(yyjson_obj_get(root, "items")) == 1 && yyjson_obj_get(root, "nextToken"));
    yyjson_doc_free(list);
    yyjson_doc_free(found);

    CHECK_FAILS(ac_code_session_attach(client, NULL, "", 0, &other, &err), AC_ERR_INVALID, "session id");
    const ac_code_session_options missing = {.identifier = "gone-0123456789"};
    CHECK_FAILS(ac_code_session_start(client, &missing, &other, &err), AC_ERR_NOT_FOUND, "gone-0123456789");
    const ac_code_session_options endless = {.identifier = interpreter, .timeout_s = 28801};
    CHECK_FAILS(ac_code_session_start(client, &endless, &other, &err), AC_ERR_INVALID, "sessionTimeoutSeconds");
    ac_code_session_free(NULL);
}

/* A session that is freed is stopped: the next step of the test asks for it. */
static void leave(void)
{
    ac_code_session *session = started();

    puts(ac_code_session_id(session));
    ac_code_session_free(session);
}

/* ---- code ---- */

static void code(void)
{
    ac_code_session *session = started();
    ac_code_result *result = NULL;
    ac_code_options options = {.language = "javascript"};

    CHECK(ac_code_execute(session, "x = 41\nprint('a\\u00e4')\nx + 1", NULL, &result, &err) == AC_OK);
    CHECK(!result->is_error && result->exit_code == 0 && result->execution_s > 0);
    CHECK(strcmp(result->text, "a\u00e4\n42") == 0 && strcmp(result->stdout_text, "a\u00e4\n42\n") == 0);
    CHECK(strcmp(result->stderr_text, "") == 0 && strcmp(result->task_id, "") == 0);
    CHECK(yyjson_arr_size(result->content) == 1 && yyjson_obj_get(result->structured, "exitCode"));
    ac_code_result_free(result);

    CHECK(ac_code_execute(session, "1/0", NULL, &result, &err) == AC_OK);
    CHECK(result->is_error && result->exit_code == 1 && strstr(result->stderr_text, "ZeroDivisionError"));
    ac_code_result_free(result);

    CHECK(ac_code_clear_context(session, &err) == AC_OK);
    CHECK(ac_code_execute(session, "x", NULL, &result, &err) == AC_OK && result->is_error);
    ac_code_result_free(result);
    CHECK(ac_code_execute(session, "x = 1", NULL, NULL, &err) == AC_OK);
    CHECK(ac_code_execute(session, "x", &(ac_code_options){.clear_context = true}, &result, &err) == AC_OK);
    CHECK(result->is_error && strstr(result->text, "NameError"));
    ac_code_result_free(result);

    if (getenv("HAVE_NODE")) {
        CHECK(ac_code_execute(session, "[1, 2].map(x => x * 2)", &options, &result, &err) == AC_OK);
        CHECK(strstr(result->text, "[ 2, 4 ]"));
        ac_code_result_free(result);
    }
    options.language = "cobol";
    CHECK_FAILS(ac_code_execute(session, "x", &options, &result, &err), AC_ERR_INVALID,
                "Language must be one of ['python', 'javascript', 'typescript'], got: cobol");
    CHECK(!result);
    CHECK_FAILS(ac_code_invoke(session, "dance", NULL, NULL, &result, &err), AC_ERR_INVALID, "name");
    CHECK(ac_code_invoke(session, "listFiles", NULL, NULL, &result, &err) == AC_OK && result->exit_code == -1);
    ac_code_result_free(result);
    ac_code_session_free(session);
}

/* ---- output as it comes ---- */

typedef struct heard {
    ac_code_session *session;
    char text[2][256];
    unsigned pieces;
    bool refuse;
} heard;

static ac_status hear(void *user, ac_code_output output, const char *text, size_t length)
{
    heard *h = user;
    char *to = h->text[output == AC_CODE_STDERR];

    CHECK(strlen(text) == length && strlen(to) + length < sizeof h->text[0]);
    strcat(to, text);
    /* The code waits for this file, so its output has come before its end. */
    if (h->pieces++ == 0 && !h->refuse)
        CHECK(ac_code_upload(h->session, "go", "", 0, &err) == AC_OK);
    return h->refuse ? AC_ERR_AGAIN : AC_OK;
}

static void output(void)
{
    static const char waits[] = "import os, sys, time\n"
                                "print('first', flush=True)\n"
                                "while not os.path.exists('go'): time.sleep(0.01)\n"
                                "print('second')\n"
                                "print('wrong', file=sys.stderr)\n";
    heard h = {.session = started()};
    const ac_code_options options = {.on_output = hear, .user = &h};
    ac_code_result *result = NULL;

    CHECK(ac_code_execute(h.session, waits, &options, &result, &err) == AC_OK);
    CHECK(strcmp(h.text[0], "first\nsecond\n") == 0 && strcmp(h.text[1], "wrong\n") == 0 && h.pieces >= 3);
    CHECK(strcmp(result->stdout_text, "first\nsecond\n") == 0 && strcmp(result->stderr_text, "wrong\n") == 0);
    CHECK(yyjson_arr_size(result->content) == 1);
    ac_code_result_free(result);

    h.refuse = true;
    CHECK_FAILS(ac_code_command(h.session, "echo go; sleep 60", &options, &result, &err), AC_ERR_AGAIN, "receiver");
    CHECK(ac_code_command(h.session, "echo on", NULL, &result, &err) == AC_OK && strcmp(result->text, "on") == 0);
    ac_code_result_free(result);
    ac_code_session_free(h.session);
}

/* A service that takes no notice of the wish for output as it comes, and says a result in two events: see the test. */
static ac_status note(void *user, ac_code_output output, const char *text, size_t length)
{
    heard *h = user;

    CHECK(strlen(text) == length && strlen(h->text[output == AC_CODE_STDERR]) + length < sizeof h->text[0]);
    strcat(h->text[output == AC_CODE_STDERR], text);
    h->pieces++;
    return AC_OK;
}

static void elsewhere(void)
{
    heard h = {.pieces = 0};
    const ac_code_options options = {.on_output = note, .user = &h};
    ac_code_result *result = NULL;
    char *data = NULL;

    CHECK(ac_code_session_attach(client, NULL, "s1", 0, &h.session, &err) == AC_OK);
    CHECK(ac_code_execute(h.session, "two", &options, &result, &err) == AC_OK);
    CHECK(strcmp(h.text[0], "all of it\n") == 0 && strcmp(h.text[1], "and this\n") == 0 && h.pieces == 2);
    CHECK(yyjson_arr_size(result->content) == 2 && strcmp(result->text, "first") == 0 && result->exit_code == 0);
    ac_code_result_free(result);
    CHECK_FAILS(ac_code_execute(h.session, "throttled", NULL, &result, &err), AC_ERR_THROTTLED, "later");
    CHECK(!result);
    CHECK_FAILS(ac_code_execute(h.session, "cut", NULL, &result, &err), AC_ERR_PROTOCOL, "middle");
    CHECK(ac_code_execute(h.session, "nothing", NULL, &result, &err) == AC_OK);
    CHECK(strcmp(result->text, "") == 0 && result->exit_code == -1 && !result->structured && !result->is_error);
    ac_code_result_free(result);
    CHECK_FAILS(ac_code_download(h.session, "not base64", &data, NULL, &err), AC_ERR_PROTOCOL, "");
    CHECK(!data);
    ac_code_session_free(h.session);
}

/* ---- commands, tasks, packages ---- */

static void tasks(void)
{
    ac_code_session *session = started();
    ac_code_result *result = NULL, *task = NULL;

    CHECK(ac_code_command(session, "echo out; echo bad >&2; exit 3", NULL, &result, &err) == AC_OK);
    CHECK(result->is_error && result->exit_code == 3 && strcmp(result->stdout_text, "out\n") == 0);
    ac_code_result_free(result);

    CHECK(ac_code_task_start(session, "echo here; cat /dev/zero > /dev/null", &task, &err) == AC_OK);
    CHECK(*task->task_id && *task->task_status);
    CHECK(ac_code_task_get(session, task->task_id, &result, &err) == AC_OK);
    CHECK(strcmp(result->task_id, task->task_id) == 0 && strcmp(result->task_status, "working") == 0);
    ac_code_result_free(result);
    CHECK(ac_code_task_stop(session, task->task_id, &result, &err) == AC_OK);
    CHECK(strcmp(result->task_status, "canceled") == 0);
    ac_code_result_free(result);
    ac_code_result_free(task);
    CHECK(ac_code_task_get(session, "none", &result, &err) == AC_OK && result->is_error);
    ac_code_result_free(result);
    ac_code_session_free(session);
}

static void packages(void)
{
    static const char *const bad[] = {
        "",    "pandas; rm -rf /", "-r",  "--upgrade", "a b",  "pandas-", "_x",  "x==1 y", "$(id)",
        "x[y", "x[y]z'",           "x=1", "x==-",      "`id`", "\n",      "x\n", "x'y",    "x|y",
        "a-.", "x>=1,<2",          "é",   "../x",      "x/y",  "x@y",     "x#y", "[x]",    ">1",
    };
    static const char *const good[] = {"a",    "a1",     "a.b-c_d",    "a.",  "a==1.0",
                                       "a>=2", "a~=1.*", "a[b,c-d]<3", "a[]", "a*"};
    static const char pip[] = "#!/bin/sh\nprintf '%s|' \"$@\"\n";
    ac_code_session *session = started();
    ac_code_result *result = NULL;

    /* A pip of the session's own, which says what it was told. */
    CHECK(ac_code_upload(session, ".local/bin/pip", pip, strlen(pip), &err) == AC_OK);
    CHECK(ac_code_command(session, "chmod +x .local/bin/pip; command -v pip", NULL, &result, &err) == AC_OK);
    bool own = strstr(result->text, ".local/bin/pip") != NULL;
    ac_code_result_free(result);
    CHECK(own);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const names[] = {"good", bad[i]};

        CHECK_FAILS(ac_code_install_packages(session, names, 2, false, NULL, &result, &err), AC_ERR_INVALID,
                    "Invalid package name: ");
        CHECK(strstr(err.message, bad[i]));
    }
    CHECK_FAILS(ac_code_install_packages(session, NULL, 0, false, NULL, &result, &err), AC_ERR_INVALID,
                "At least one package name must be provided");
    CHECK(ac_code_install_packages(session, good, sizeof good / sizeof *good, true, NULL, &result, &err) == AC_OK);
    CHECK(strcmp(result->text, "install|--upgrade|a|a1|a.b-c_d|a.|a==1.0|a>=2|a~=1.*|a[b,c-d]<3|a[]|a*|") == 0);
    ac_code_result_free(result);
    ac_code_session_free(session);
}

/* ---- files ---- */

static void files(void)
{
    ac_code_session *session = started();
    ac_code_files *found = NULL;
    ac_code_result *result = NULL;
    char bytes[256], *data = NULL;
    size_t length = 0, large = (size_t)9 << 20;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    const ac_code_file some[] = {
        {"deep/data.csv", "a,b\n", 4}, {"bytes.bin", bytes, sizeof bytes}, {"empty", "", 0}, {"nul.txt", "a\0b", 3}};
    const char *const paths[] = {"deep/data.csv", "bytes.bin", "empty", "nul.txt"}, *const missing[] = {"empty", "no"};

    CHECK(ac_code_upload_files(session, some, 4, &err) == AC_OK);
    CHECK(ac_code_download_files(session, paths, 4, &found, &err) == AC_OK && found->count == 4);
    for (size_t i = 0; i < 4; i++) {
        const ac_code_file *file = ac_code_files_find(found, paths[i]);

        CHECK(file && file->length == some[i].length && memcmp(file->data, some[i].data, file->length) == 0);
        CHECK(file->data[file->length] == '\0');
    }
    CHECK(!ac_code_files_find(found, "other"));
    ac_code_files_free(found);
    CHECK(ac_code_download_files(session, missing, 2, &found, &err) == AC_OK && found->count == 0);
    ac_code_files_free(found);

    char *much = malloc(large);
    CHECK(much);
    for (size_t i = 0; i < large; i++)
        much[i] = (char)(i * 2654435761U >> 24);
    CHECK(ac_code_upload(session, "large", much, large, &err) == AC_OK);
    CHECK(ac_code_download(session, "large", &data, &length, &err) == AC_OK);
    CHECK(length == large && memcmp(data, much, large) == 0);
    free(much);
    free(data);
    CHECK(ac_code_download(session, "empty", &data, NULL, &err) == AC_OK && *data == '\0');
    free(data);
    CHECK_FAILS(ac_code_download(session, "no", &data, &length, &err), AC_ERR_NOT_FOUND, "Could not read file: no");
    CHECK(!data);

    CHECK_FAILS(
        ac_code_upload(session, "/etc/x", "", 0, &err), AC_ERR_INVALID,
        "Path must be relative, not absolute. Got: /etc/x. Use paths like 'data.csv' or 'scripts/analysis.py'.");
    CHECK_FAILS(ac_code_upload_files(session, (const ac_code_file[]){{"a", "", 0}, {"/b", "", 0}}, 2, &err),
                AC_ERR_INVALID, "Got: /b");
    CHECK_FAILS(ac_code_upload(session, "../x", "", 0, &err), AC_ERR_HANDLER, "writeFiles: ");
    CHECK(ac_code_list_files(session, "deep", &result, &err) == AC_OK && yyjson_arr_size(result->content) == 1);
    yyjson_val *entry = yyjson_arr_get_first(result->content);
    CHECK(strcmp(ac_json_string(entry, "type", ""), "resource_link") == 0 && ac_json_int(entry, "size", 0) == 4);
    ac_code_result_free(result);
    CHECK(ac_code_remove_files(session, paths, 2, &err) == AC_OK);
    CHECK_FAILS(ac_code_remove_files(session, paths, 1, &err), AC_ERR_HANDLER, "deep/data.csv");
    ac_code_session_free(session);
}

/* ---- interpreters ---- */

static void configurations(void)
{
    static const char *const names[] = {"sg-0123456789abcdef0", "subnet-0123456789abcdef0"};
    static const char *const secrets[] = {"arn:aws:secretsmanager:us-west-2:123456789012:secret:ca-AbCdEf"};
    static const ac_tag tags[] = {{"a", "1"}, {"b", ""}};
    ac_tool_network network = {.mode = "VPC"};
    ac_code_interpreter_config config = {.name = "n", .network = &network, .tags = tags, .tag_count = 2};
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *value = NULL;

    CHECK_FAILS(ac_code_interpreter_build(doc, &config, &value, &err), AC_ERR_INVALID,
                "vpc_config is required when network_mode is 'VPC'");
    network.security_groups = &names[0];
    network.security_group_count = 1;
    CHECK_FAILS(ac_tool_network_build(doc, &network, &value, &err), AC_ERR_INVALID, "at least one of each");
    network.subnets = &names[1];
    network.subnet_count = 1;
    config.certificates = secrets;
    config.certificate_count = 1;
    CHECK(ac_code_interpreter_build(doc, &config, &value, &err) == AC_OK);
    char *text = yyjson_mut_val_write(value, 0, NULL);
    CHECK(text && strcmp(text, "{\"name\":\"n\",\"networkConfiguration\":{\"networkMode\":\"VPC\",\"vpcConfig\":{"
                               "\"securityGroups\":[\"sg-0123456789abcdef0\"],"
                               "\"subnets\":[\"subnet-0123456789abcdef0\"]}},\"certificates\":[{\"location\":{"
                               "\"secretsManager\":{\"secretArn\":\"arn:aws:secretsmanager:us-west-2:123456789012:"
                               "secret:ca-AbCdEf\"}}}],\"tags\":{\"a\":\"1\",\"b\":\"\"}}") == 0);
    free(text);
    CHECK(ac_tool_network_build(doc, NULL, &value, &err) == AC_OK);
    CHECK(yyjson_mut_equals_str(yyjson_mut_obj_get(value, "networkMode"), "PUBLIC"));
    CHECK_FAILS(ac_tool_network_build(doc, &(ac_tool_network){.mode = "NET"}, &value, &err), AC_ERR_INVALID,
                "got 'NET'");
    yyjson_mut_doc_free(doc);
}

static void interpreters(void)
{
    ac_tool_network network = {.mode = "SANDBOX"};
    const ac_code_interpreter_config config = {.name = "by_c", .network = &network, .description = "d"};
    yyjson_doc *made = NULL, *found = NULL;

    configurations();
    CHECK(ac_code_interpreter_create(client, &config, &made, &err) == AC_OK);
    const char *id = ac_json_string(yyjson_doc_get_root(made), "codeInterpreterId", "");
    CHECK_FAILS(ac_code_interpreter_create(client, &config, NULL, &err), AC_ERR_CONFLICT, "by_c");
    CHECK(ac_code_interpreter_get(client, id, &found, &err) == AC_OK);
    CHECK(strcmp(ac_json_string(yyjson_doc_get_root(found), "description", ""), "d") == 0);
    yyjson_doc_free(found);
    CHECK(ac_code_interpreter_list(client, "CUSTOM", NULL, &found, &err) == AC_OK);
    CHECK(yyjson_arr_size(yyjson_obj_get(yyjson_doc_get_root(found), "codeInterpreterSummaries")) == 2);
    yyjson_doc_free(found);
    CHECK(ac_code_interpreter_delete(client, id, NULL, NULL, &err) == AC_OK);
    CHECK(ac_code_interpreter_get(client, id, NULL, &err) == AC_ERR_NOT_FOUND);
    yyjson_doc_free(made);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } steps[] = {{"sessions", sessions}, {"leave", leave},         {"code", code},
                 {"output", output},     {"elsewhere", elsewhere}, {"tasks", tasks},
                 {"packages", packages}, {"files", files},         {"interpreters", interpreters}};

    if (argc != 3)
        return 2;
    interpreter = argv[2];
    CHECK(ac_client_new(NULL, &client, &err) == AC_OK);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (strcmp(argv[1], steps[i].name) == 0) {
            steps[i].run();
            ac_client_free(client);
            return 0;
        }
    fprintf(stderr, "there is no step %s\n", argv[1]);
    return 2;
}
