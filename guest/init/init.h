/* init.h - between the files of agentcore-init, the first process of a sandbox. */
#ifndef GUEST_INIT_H
#define GUEST_INIT_H

#include "daemon/sandbox/protocol.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define INIT_COMMANDS_MAX 64

/* ---- config.c ---- */

/* A configuration taken apart; the words point into memory that belongs to it. */
typedef struct config {
    const box_config *head;
    const char *directory, *home;
    char **arguments;
    char **variables;
    void *memory;
    size_t memory_bytes;
} config;

/* Read one from a file in memory.  Returns an errno, *ret_stage says at what. */
int config_read(int fd, config *ret_config, uint32_t *ret_stage);
void config_done(config *c);

/* ---- run.c ---- */

typedef struct failure {
    int number; /* errno; 0: none */
    uint32_t stage;
} failure;

typedef struct run_spec {
    char *const *arguments;
    char *const *variables;
    const char *directory;
    int input, output, error; /* -1: /dev/null */
    const box_config *limits;
} run_spec;

/* Start a program in a process group of its own; returns when it has been executed or has failed to be. */
failure run(const run_spec *spec, pid_t *ret_pid);

/* ---- watch.c ---- */

/* Whether all processes, and files in memory, together use more than the limit. */
bool watch_exceeded(const box_config *limits, const char *home);

/* How long until the next look, in milliseconds: the less is left, the sooner. */
int watch_interval_ms(void);

/* ---- network.c ---- */

/* Have the spawner connect our network; *ret_names is what names_asked reads.  Returns an errno. */
int network_begin(int *ret_names);

/* ---- names.c ---- */

/* Pass on a query from inside, or an answer from outside. */
void names_asked(int names, int resolver);
void names_answered(int names, int resolver);

/* ---- commands.c: what runs beside the program ---- */

typedef struct command {
    uint32_t id; /* 0: free */
    pid_t pid;   /* 0: ended, the event waits to be sent */
    int code;
    uint32_t flags;
} command;

/* Send what waits; false when some of it has to wait still. */
bool commands_report(command *all, int events);

#endif
