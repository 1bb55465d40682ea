/* log_line.c - log lines in JSON, as libagentcore and the Python SDK write them, for people. */
#include "cli/log_line.h"

#include "cli/term.h"

#include <agentcore/json.h>
#include <string.h>

static ink ink_of(const char *level)
{
    if (strcmp(level, "ERROR") == 0 || strcmp(level, "CRITICAL") == 0)
        return INK_RED;
    return strcmp(level, "WARNING") == 0 ? INK_YELLOW : strcmp(level, "DEBUG") == 0 ? INK_DIM : INK_GREEN;
}

static void print_more(FILE *out, const char *what)
{
    if (!*what)
        return;
    fputs(" (", out);
    print_foreign(out, what, strlen(what));
    fputc(')', out);
}

static void print_record(FILE *out, yyjson_val *record, const char *level, const char *message)
{
    const char *trace = ac_json_string(record, "stackTrace", "");

    fprintf(out, "%s%-7s%s ", paint(out, ink_of(level)), level, paint(out, INK_NONE));
    print_foreign(out, message, strlen(message));
    if (strcmp(level, "ERROR") == 0)
        print_more(out, ac_json_string(record, "location", ""));
    print_more(out, ac_json_string(record, "errorMessage", ""));
    fputc('\n', out);
    print_foreign(out, trace, strlen(trace));
    if (*trace)
        fputc('\n', out);
}

void log_line_print(FILE *out, const char *line, size_t length)
{
    yyjson_doc *doc = length && line[0] == '{' ? yyjson_read(line, length, 0) : NULL;
    yyjson_val *record = yyjson_doc_get_root(doc);
    const char *level = ac_json_string(record, "level", NULL), *message = ac_json_string(record, "message", NULL);

    if (level && message) {
        print_record(out, record, level, message);
    } else {
        print_foreign(out, line, length);
        fputc('\n', out);
    }
    yyjson_doc_free(doc);
}
