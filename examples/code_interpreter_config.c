/* code_interpreter_config.c - make an interpreter of your own out of a configuration, use it, and delete it.
 *
 *     code_interpreter_config NAME [MODE]
 *
 * MODE: PUBLIC, SANDBOX (the default here) or VPC.  Output is printed while the code runs. */
#include <agentcore/code_interpreter.h>
#include <agentcore/json.h>
#include <stdio.h>
#include <string.h>

static const char *const groups[] = {"sg-0123456789abcdef0"};
static const char *const subnets[] = {"subnet-0123456789abcdef0", "subnet-0123456789abcdef1"};
static const ac_tag tags[] = {{"team", "research"}};

static ac_status print_output(void *user, ac_code_output output, const char *text, size_t length)
{
    (void)user;
    fwrite(text, 1, length, output == AC_CODE_STDOUT ? stdout : stderr);
    fflush(stdout);
    return AC_OK;
}

static ac_status count(ac_code_session *session, void *user, ac_error *err)
{
    const ac_code_options options = {.on_output = print_output};

    (void)user;
    return ac_code_execute(session, "for i in range(3):\n    print(i, flush=True)", &options, NULL, err);
}

static ac_status use(ac_client *client, const char *id, ac_error *err)
{
    const ac_code_session_options options = {.identifier = id, .timeout_s = 60};
    ac_error unmade;
    ac_status status = ac_code_session_with(client, &options, count, NULL, err);
    ac_status deleted = ac_code_interpreter_delete(client, id, NULL, NULL, status == AC_OK ? err : &unmade);

    return status == AC_OK ? deleted : status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s NAME [PUBLIC | SANDBOX | VPC]\n", argv[0]);
        return 2;
    }

    ac_tool_network network = {.mode = argc > 2 ? argv[2] : "SANDBOX"};
    const ac_code_interpreter_config config = {
        .name = argv[1],
        .description = "Counts to three",
        .network = &network,
        .tags = tags,
        .tag_count = 1,
    };
    ac_client *client = NULL;
    yyjson_doc *made = NULL;
    ac_error err;

    if (strcmp(network.mode, "VPC") == 0) {
        network.security_groups = groups;
        network.security_group_count = 1;
        network.subnets = subnets;
        network.subnet_count = 2;
    }
    ac_status status = ac_client_new(NULL, &client, &err);
    if (status == AC_OK)
        status = ac_code_interpreter_create(client, &config, &made, &err);
    if (status == AC_OK)
        status = use(client, ac_json_string(yyjson_doc_get_root(made), "codeInterpreterId", ""), &err);
    if (status != AC_OK)
        fprintf(stderr, "%s: %s\n", err.aws_name[0] ? err.aws_name : ac_status_name(status), err.message);
    yyjson_doc_free(made);
    ac_client_free(client);
    return status != AC_OK;
}
