/* names.c - names for a sandbox: queries to 127.0.0.1:53 are passed on to the machine's name server, as they are.
 *
 * The sandbox cannot reach that server itself (it has a private address, mostly) and gets no socket that can.  A query
 * goes out under a number that nobody inside knows, so that only its answer finds back; queries that are not answered
 * are forgotten when their place is needed.  UDP only: answers are rarely larger. */
#include "init.h"

#include <netinet/in.h>
#include <sys/random.h>
#include <unistd.h>

#define QUERIES_MAX 256 /* on the way */
#define MESSAGE_BYTES 4096
#define HEAD_BYTES 12

typedef struct query {
    bool waiting;
    uint16_t outside, inside; /* its numbers */
    struct sockaddr_in from;
} query;

static query queries[QUERIES_MAX];
static size_t next; /* the oldest one's place */

static query *find(uint16_t outside)
{
    for (size_t i = 0; i < QUERIES_MAX; i++)
        if (queries[i].waiting && queries[i].outside == outside)
            return &queries[i];
    return NULL;
}

static bool new_number(uint16_t *ret_number)
{
    do
        if (getrandom(ret_number, sizeof *ret_number, GRND_NONBLOCK) != (ssize_t)sizeof *ret_number)
            return false;
    while (find(*ret_number));
    return true;
}

void names_asked(int names, int resolver)
{
    char message[MESSAGE_BYTES];
    query q = {.waiting = true};
    socklen_t size = sizeof q.from;
    ssize_t got = recvfrom(names, message, sizeof message, 0, (struct sockaddr *)&q.from, &size);

    if (got < HEAD_BYTES || size != sizeof q.from || !new_number(&q.outside))
        return;
    memcpy(&q.inside, message, sizeof q.inside);
    memcpy(message, &q.outside, sizeof q.outside);
    if (send(resolver, message, (size_t)got, MSG_NOSIGNAL | MSG_DONTWAIT) != got)
        return;
    queries[next] = q;
    next = (next + 1) % QUERIES_MAX;
}

void names_answered(int names, int resolver)
{
    char message[MESSAGE_BYTES];
    ssize_t got = recv(resolver, message, sizeof message, MSG_DONTWAIT);
    uint16_t number;
    query *q;

    if (got < HEAD_BYTES)
        return;
    memcpy(&number, message, sizeof number);
    q = find(number);
    if (!q)
        return;
    q->waiting = false;
    memcpy(message, &q->inside, sizeof q->inside);
    if (sendto(names, message, (size_t)got, MSG_DONTWAIT, (struct sockaddr *)&q->from, sizeof q->from) < 0)
        return; /* it has gone meanwhile */
}
