/* template.h - the files that `agentcore create` writes, built in from templates/ (scripts/embed-templates). */
#ifndef CLI_TEMPLATE_H
#define CLI_TEMPLATE_H

#include <stddef.h>

typedef struct template_file {
    const char *language;
    const char *path;
    const char *text; /* @NAME@ stands for the agent's name */
} template_file;

extern const template_file template_files[];
extern const size_t template_file_count;

#endif
