/* server_adopt.c - connections that came another way than through the listeners.
 *
 * They are given to the loops in turn.  A loop that is about to end first says so under the lock and then runs what was
 * posted until then, so every descriptor that was handed over is served or closed. */
#include "http/conn.h"

#include <stdlib.h>
#include <unistd.h>

typedef struct adoption {
    loop_task task;
    http_home *home;
    int fd;
} adoption;

static void adopt_task(loop_task *task)
{
    adoption *a = CONTAINER_OF(task, adoption, task);
    http_home *home = a->home;
    http_server *s = home->server;

    if (!home->open || home->draining || http_server_connections(s) >= s->options.connections_max)
        close(a->fd);
    else
        http_home_accept(home, a->fd, false);
    free(a);
}

/* The next loop that runs; with the lock held. */
static http_home *next_open(http_server *s)
{
    for (unsigned i = 0; i < s->home_count; i++) {
        http_home *home = &s->homes[s->adopted++ % s->home_count];
        if (home->open)
            return home;
    }
    return NULL;
}

void http_server_adopt(http_server *s, int fd)
{
    adoption *a = malloc(sizeof *a);
    http_home *home;

    pthread_mutex_lock(&s->adopt_lock);
    home = a && !atomic_load(&s->draining) ? next_open(s) : NULL;
    if (home) {
        *a = (adoption){.task.run = adopt_task, .home = home, .fd = fd};
        http_loop_post(&home->loop, &a->task);
    }
    pthread_mutex_unlock(&s->adopt_lock);
    if (home)
        return;
    free(a);
    close(fd);
}

void http_home_open(http_home *home, bool open)
{
    pthread_mutex_lock(&home->server->adopt_lock);
    home->open = open;
    pthread_mutex_unlock(&home->server->adopt_lock);
}
