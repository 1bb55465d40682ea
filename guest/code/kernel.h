/* kernel.h - the kernels of executeCode, which keep a session's variables: their life, and whose turn it is. */
#ifndef GUEST_KERNEL_H
#define GUEST_KERNEL_H

#include "code.h"

typedef struct kernel {
    pthread_mutex_t lock; /* of busy and waiting; the rest belongs to who has made it busy */
    pthread_cond_t changed;
    bool busy;
    unsigned waiting;
    pid_t parent; /* that forks it; 0: none */
    int parent_fd;
    pid_t pid;       /* 0: there is no kernel */
    bool child;      /* ours, to be reaped */
    uint32_t number; /* of the last call */
    int control;     /* these when there is one */
    int output[2];
    int ended; /* pidfd: what it has forked may hold the others open */
} kernel;

/* The one that runs this code; it need not have been started. */
kernel *kernel_for(const code_request *request);

/* Wait until it is free, and make it busy.  c: NULL for the start.  False: the caller is gone, or too many wait. */
bool kernel_take_turn(kernel *k, const call *c);
void kernel_end_turn(kernel *k);

/* These by who has the turn. */

/* Have one that can be asked.  Returns NULL, or why not. */
const char *kernel_start(kernel *k);

/* End it with all that it has started and not put into a session of its own. */
void kernel_stop(kernel *k);

#endif
