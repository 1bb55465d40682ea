/* protocol.h - what the code interpreter's room says to agentcore-code, the supervisor in each of its sandboxes, and
 * what that says to its kernels.  Only the C library is used here, since the supervisor has nothing else.
 *
 * A call of a tool is one connection to CODE_PORT of the sandbox's loopback:
 *
 *     room        CODE_REQUEST, then CODE_TEXT..., or (CODE_PATH CODE_DATA...)..., then CODE_GO
 *     supervisor  what there is to say, as it comes: CODE_STDOUT, CODE_STDERR, CODE_IMAGE, CODE_FILE, CODE_ENTRY,
 *                 CODE_TASK; CODE_PIECE belongs to the image or file before it; CODE_END is the last
 *
 * When the room closes the connection before that, the call is cancelled.  A frame is
 *
 *     4 bytes   length of the payload, big-endian, at most CODE_FRAME_BYTES_MAX
 *     1 byte    kind
 *     payload   numbers are big-endian; texts go to the end of the payload and have no NUL
 *
 * Supervisor and kernels belong to whoever's code runs in the sandbox: the room believes none of it, and bounds all. */
#ifndef DAEMON_CODE_PROTOCOL_H
#define DAEMON_CODE_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CODE_PORT 47771
#define CODE_GUEST_DIRECTORY "/opt/agentcore" /* where the supervisor and the kernels lie inside */
#define CODE_HEAD_BYTES 5
#define CODE_FRAME_BYTES_MAX ((size_t)256 << 10)
#define CODE_FILES_MAX 512                           /* of one call */
#define CODE_ENTRIES_MAX 10000                       /* of a directory that is listed */
#define CODE_PATH_BYTES_MAX 4095                     /* of a file's path */
#define CODE_TEXT_BYTES_MAX ((size_t)100 * 1000000)  /* of code, as the API says */
#define CODE_FILE_BYTES_MAX ((size_t)11 << 20)       /* of a file that is read: one event must hold it in base64 */
#define CODE_IMAGE_BYTES_MAX ((size_t)4 << 20)       /* of one image */
#define CODE_IMAGES_MAX 16                           /* of one call */
#define CODE_IMAGES_BYTES_MAX ((size_t)4 << 20)      /* of all images of one call */
#define CODE_TASK_OUTPUT_BYTES_MAX ((size_t)1 << 18) /* that is kept of a task, of each stream: the last */
#define CODE_MESSAGE_BYTES_MAX 4096                  /* of CODE_END's text */

typedef enum code_frame {
    /* to the supervisor */
    CODE_REQUEST = 1,
    CODE_TEXT, /* a piece of code, of a command, or a task's number */
    CODE_PATH, /* of a file or directory */
    CODE_DATA, /* a piece of what is to be in the file */
    CODE_GO,
    /* to the room */
    CODE_STDOUT = 64,
    CODE_STDERR,
    CODE_IMAGE, /* its media type */
    CODE_FILE,  /* its path */
    CODE_PIECE, /* of the image or file */
    CODE_ENTRY, /* kind, size, name */
    CODE_TASK,  /* status, exit code, duration, number */
    CODE_END,   /* outcome, exit code, duration, message */
    /* between supervisor and kernel, over a socket of their own; here a payload may be as large as code may */
    KERNEL_EXECUTE = 128, /* number of the call, language, code */
    KERNEL_READY,         /* the kernel's process */
    KERNEL_IMAGE,         /* media type, NUL, data */
    KERNEL_DONE,          /* number of the call, outcome, exit code */
} code_frame;

typedef enum code_tool {
    TOOL_EXECUTE = 1,
    TOOL_COMMAND,
    TOOL_TASK_START,
    TOOL_TASK_GET,
    TOOL_TASK_STOP,
    TOOL_READ,
    TOOL_WRITE,
    TOOL_LIST,
    TOOL_REMOVE,
} code_tool;

typedef enum code_language { LANGUAGE_PYTHON, LANGUAGE_JAVASCRIPT, LANGUAGE_TYPESCRIPT } code_language;

/* What runs JavaScript and TypeScript. */
typedef enum code_engine { ENGINE_ANY, ENGINE_NODE, ENGINE_DENO } code_engine;

typedef struct code_request {
    uint8_t tool;
    uint8_t language;
    uint8_t engine;
    uint8_t clear;         /* forget all variables first */
    uint32_t timeout_ms;   /* of code and commands */
    uint32_t output_bytes; /* of each stream; what comes after is thrown away */
} code_request;

#define CODE_REQUEST_BYTES 12

typedef enum code_outcome {
    OUTCOME_DONE,
    OUTCOME_FAILED,    /* the code has; what it was is in its error output */
    OUTCOME_REFUSED,   /* the tool could not do it: the message says why */
    OUTCOME_TIMED_OUT, /* and was interrupted; message: what is left of it */
    OUTCOME_LOST,      /* the kernel is gone, and its variables */
} code_outcome;

typedef struct code_end {
    uint8_t outcome;
    int32_t exit_code;
    uint64_t duration_us;
    const char *text; /* in the payload, not terminated */
    size_t text_length;
} code_end;

#define CODE_END_BYTES 13

typedef enum code_task_status { TASK_SUBMITTED, TASK_WORKING, TASK_COMPLETED, TASK_CANCELED, TASK_FAILED } task_status;

/* CODE_TASK has the same form: its outcome is a status, its text the task's number. */

typedef enum code_entry_kind { ENTRY_FILE, ENTRY_DIRECTORY } code_entry_kind;

#define CODE_ENTRY_BYTES 9

/* ---- numbers ---- */

static inline void code_put32(unsigned char *at, uint32_t number)
{
    at[0] = (unsigned char)(number >> 24);
    at[1] = (unsigned char)(number >> 16);
    at[2] = (unsigned char)(number >> 8);
    at[3] = (unsigned char)number;
}

static inline uint32_t code_get32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void code_put64(unsigned char *at, uint64_t number)
{
    code_put32(at, (uint32_t)(number >> 32));
    code_put32(at + 4, (uint32_t)number);
}

static inline uint64_t code_get64(const unsigned char *at)
{
    return (uint64_t)code_get32(at) << 32 | code_get32(at + 4);
}

/* ---- payloads ---- */

static inline void code_put_head(unsigned char *at, code_frame kind, size_t length)
{
    code_put32(at, (uint32_t)length);
    at[4] = (unsigned char)kind;
}

static inline void code_put_request(unsigned char *at, const code_request *r)
{
    at[0] = r->tool;
    at[1] = r->language;
    at[2] = r->engine;
    at[3] = r->clear;
    code_put32(at + 4, r->timeout_ms);
    code_put32(at + 8, r->output_bytes);
}

static inline bool code_get_request(const unsigned char *at, size_t length, code_request *ret_request)
{
    if (length != CODE_REQUEST_BYTES)
        return false;
    *ret_request = (code_request){at[0], at[1], at[2], at[3], code_get32(at + 4), code_get32(at + 8)};
    return true;
}

/* The fixed part; the text follows. */
static inline void code_put_end(unsigned char *at, const code_end *e)
{
    at[0] = e->outcome;
    code_put32(at + 1, (uint32_t)e->exit_code);
    code_put64(at + 5, e->duration_us);
}

static inline bool code_get_end(const unsigned char *at, size_t length, code_end *ret_end)
{
    if (length < CODE_END_BYTES)
        return false;
    *ret_end = (code_end){
        .outcome = at[0],
        .exit_code = (int32_t)code_get32(at + 1),
        .duration_us = code_get64(at + 5),
        .text = (const char *)at + CODE_END_BYTES,
        .text_length = length - CODE_END_BYTES,
    };
    return true;
}

#endif
