/* code_interpreter.c - run code in a sandbox, install packages, give it a file and let it work on that.
 *
 *     code_interpreter [IDENTIFIER of an interpreter] */
#include <agentcore/code_interpreter.h>
#include <stdio.h>
#include <string.h>

static const char csv_content[] = "month,revenue\nJanuary,100\nFebruary,140\nMarch,210\n";
static const char analysis[] = "import pandas as pd\n"
                               "df = pd.read_csv('data.csv')\n"
                               "print(df.describe())\n";

static ac_status run(ac_code_session *session, const char *code, ac_error *err)
{
    ac_code_result *result = NULL;
    ac_status status = ac_code_execute(session, code, NULL, &result, err);

    if (status == AC_OK)
        printf("%s\n", result->text);
    ac_code_result_free(result);
    return status;
}

static ac_status work(ac_code_session *session, void *user, ac_error *err)
{
    static const char *const packages[] = {"pandas", "matplotlib"};
    ac_status status = run(session, "print('Hello from sandbox!')", err);

    (void)user;
    if (status == AC_OK)
        status = ac_code_install_packages(session, packages, 2, false, NULL, NULL, err);
    if (status == AC_OK)
        status = ac_code_upload(session, "data.csv", csv_content, strlen(csv_content), err);
    if (status == AC_OK)
        status = run(session, analysis, err);
    return status;
}

int main(int argc, char **argv)
{
    const ac_code_session_options options = {.identifier = argc > 1 ? argv[1] : NULL};
    ac_client *client = NULL;
    ac_error err;

    ac_status status = ac_client_new(NULL, &client, &err);
    if (status == AC_OK)
        status = ac_code_session_with(client, &options, work, NULL, &err);
    if (status != AC_OK)
        fprintf(stderr, "%s: %s\n", err.aws_name[0] ? err.aws_name : ac_status_name(status), err.message);
    ac_client_free(client);
    return status != AC_OK;
}
