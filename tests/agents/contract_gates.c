/* contract_gates.c - named counting gates.  There are few, they are never freed, one lock guards them all. */
#include "contract_agent.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define GATES_MAX 64
#define GATE_NAME_SIZE 32
#define GATE_WAIT_MAX_S 60

typedef struct gate {
    char name[GATE_NAME_SIZE];
    int64_t permits; /* < 0: open for good */
    int64_t waiting;
} gate;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static gate gates[GATES_MAX];
static size_t gate_count;

/* With the lock held.  The last gate is shared by all names that come when the table is full. */
static gate *gate_find(const char *name)
{
    for (size_t i = 0; i < gate_count; i++)
        if (strcmp(gates[i].name, name) == 0)
            return &gates[i];
    if (gate_count == GATES_MAX)
        return &gates[GATES_MAX - 1];
    gate *g = &gates[gate_count++];
    snprintf(g->name, sizeof(g->name), "%s", name);
    return g;
}

bool gate_wait(const char *name)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += GATE_WAIT_MAX_S;

    pthread_mutex_lock(&lock);
    gate *g = gate_find(name);
    g->waiting++;
    int error = 0;
    while (g->permits == 0 && error == 0)
        error = pthread_cond_timedwait(&changed, &lock, &deadline);
    g->waiting--;
    bool passed = g->permits != 0;
    if (g->permits > 0)
        g->permits--;
    pthread_mutex_unlock(&lock);
    return passed;
}

void gate_open(const char *name, int64_t count)
{
    pthread_mutex_lock(&lock);
    gate *g = gate_find(name);
    if (count < 0)
        g->permits = -1;
    else if (g->permits >= 0)
        g->permits += count;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

int64_t gate_waiting(const char *name)
{
    pthread_mutex_lock(&lock);
    int64_t waiting = gate_find(name)->waiting;
    pthread_mutex_unlock(&lock);
    return waiting;
}
