/* code.h - between the files of agentcore-code, the supervisor of a code interpreter's sandbox.
 *
 * A thread for each connection, which blocks as it likes; every wait has an end.  Shared are the kernels (kernel.c) and
 * the tasks (task.c), each under a lock.  All descriptors are close-on-exec. */
#ifndef GUEST_CODE_H
#define GUEST_CODE_H

#include "daemon/code/protocol.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#define CALLS_MAX 64            /* connections at once */
#define WRITE_WAIT_S 60         /* for a room that does not read */
#define READ_WAIT_S 60          /* for one that does not say all */
#define INTERRUPT_GRACE_MS 2000 /* from the interruption of code that takes too long to its end */
#define TERMINATE_GRACE_MS 1000 /* the same of a command */
#define LEFT_OPEN_MS 100        /* for output that is in the pipes when a command has ended */
#define STREAM_READ_BYTES 65536

/* ---- frames.c ---- */

/* Send one; payload in two parts.  False: the other end is gone, or does not read. */
bool frame_send(int fd, code_frame kind, const void *first, size_t first_bytes, const void *second,
                size_t second_bytes);

/* The head of the next frame.  False: no more, or one that is larger than most. */
bool frame_receive_head(int fd, size_t most, code_frame *ret_kind, size_t *ret_bytes);

/* Exactly so many bytes. */
bool frame_receive(int fd, void *data, size_t bytes);

/* ---- call.c: one connection ---- */

int64_t now_us(void);

typedef struct call {
    int fd;
    code_request request;
    char *text; /* code, command, number of a task; terminated */
    size_t text_bytes;
    int64_t begun_us;
} call;

/* Read the request and run its tool. */
void call_serve(call *c);

/* The last frame. */
void call_end(const call *c, code_outcome outcome, int exit_code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Whether the room has closed the connection: nobody waits for the result. */
bool call_gone(const call *c);

/* ---- streams.c: output of a program ---- */

typedef struct stream {
    int fd; /* -1: at its end */
    size_t left;
} stream;

/* Pass on what there is, at most a portion; false: the room is gone. */
bool stream_pass(stream *s, const call *c, code_frame kind);

/* Pass on all that is there now. */
bool streams_drain(stream streams[2], const call *c);

/* A pipe: what is read does not block, what is written does. */
bool make_pipe(int ret_ends[2]);

/* ---- spawn.c ---- */

typedef struct spawn_spec {
    char *const *arguments; /* the first is a path */
    int output, error;
    int control; /* descriptor 3; -1: none */
} spawn_spec;

/* Start a program in a session, and so a process group, of its own.  0, or an errno. */
int spawn(const spawn_spec *spec, pid_t *ret_pid);

/* To the process and all of its group. */
void signal_group(pid_t pid, int number);

/* Wait at most so long for a child; true: it is reaped, and *ret_code is as shells count. */
bool await_child(pid_t pid, int pidfd, int wait_ms, int *ret_code);
int open_pidfd(pid_t pid);

/* The first of these programs in the usual places; NULL: none. */
const char *find_program(const char *name);

/* ---- execute.c, command.c, task.c, files.c: the tools ---- */

void kernels_begin(void); /* start what the first call will need */
void tool_execute(call *c);
void tool_command(call *c);
void tool_task_start(call *c);
void tool_task_get(call *c);
void tool_task_stop(call *c);

bool files_begin(void); /* the work directory is the current one */
/* These read the rest of the request themselves. */
void tool_read(call *c);
void tool_write(call *c);
void tool_list(call *c);
void tool_remove(call *c);

/* ---- tree.c ---- */

/* Remove a file, or a directory with all that is in it; nothing outside of it is touched.  0, or an errno. */
int tree_remove_at(int directory, const char *name, unsigned depth);

#endif
