/* test_store_greeting.c - how a store on PostgreSQL takes a server that does not let it in, or not yet: what may pass
 * is waited for, what lasts is said at once.
 *
 * The server is this program: a table says how it greets the first connection, the second, ..., and the last greeting
 * is for all that follow.  libpq's ping is a connection too. */
#include "daemon/store/store.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

typedef enum greeting {
    STARTING, /* refused: "the database system is starting up" */
    REFUSING, /* refused: the password is wrong */
    LEAVING,  /* let in, and left alone at the first query */
} greeting;

typedef struct server {
    char dir[32], path[64], url[128];
    int listener;
    pthread_t thread;
    const greeting *greetings;
    size_t greeting_count;
    atomic_uint connections;
} server;

/* One message of the client: the first has no letter in front.  False: it is gone. */
static bool read_message(int fd, bool first)
{
    unsigned char head[5], rest[1024];
    size_t have = first ? 4 : 5;

    if (recv(fd, head, have, MSG_WAITALL) != (ssize_t)have)
        return false;
    const unsigned char *at = head + have - 4;
    size_t length = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
    return length >= 4 && length - 4 <= sizeof rest && recv(fd, rest, length - 4, MSG_WAITALL) == (ssize_t)length - 4;
}

static void greet(int fd, greeting how)
{
    static const char starting[] = "E\0\0\0\x30SFATAL\0C57P03\0Mthe database is starting up\0";
    static const char refusing[] = "E\0\0\0\x2aSFATAL\0C28P01\0Mthe password is wrong\0";
    static const char let_in[] = "R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
    ssize_t sent;

    if (!read_message(fd, true))
        return;
    if (how == STARTING)
        sent = send(fd, starting, sizeof starting, MSG_NOSIGNAL);
    else if (how == REFUSING)
        sent = send(fd, refusing, sizeof refusing, MSG_NOSIGNAL);
    else
        sent = send(fd, let_in, sizeof let_in - 1, MSG_NOSIGNAL);
    if (sent > 0 && how == LEAVING)
        read_message(fd, false);
}

static void *serve(void *arg)
{
    server *s = arg;

    for (;;) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        unsigned number = atomic_fetch_add(&s->connections, 1);
        greet(fd, s->greetings[MIN(number, s->greeting_count - 1)]);
        close(fd);
    }
}

static void start(server *s, const greeting *greetings, size_t count)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *s = (server){.greetings = greetings, .greeting_count = count, .dir = "/tmp/ac-greeting-XXXXXX"};
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->path, sizeof s->path, "%s/.s.PGSQL.5432", s->dir);
    snprintf(s->url, sizeof s->url, "postgresql://agentcore@/agentcore?host=%s", s->dir);
    memcpy(address.sun_path, s->path, strlen(s->path) + 1);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(s->listener, 16), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    unlink(s->path);
    rmdir(s->dir);
}

/* Whatever came before it, the refusal that lasts is what the caller is told. */
static void assert_refused_in_the_end(const greeting *greetings, size_t count)
{
    server s;
    store *opened = NULL;
    ac_error err = {0};

    start(&s, greetings, count);
    ac_status status = store_open(&(store_options){.url = s.url, .wait_ms = 120000}, &opened, &err);
    unsigned connections = atomic_load(&s.connections);
    stop(&s);
    assert_int_equal(status, AC_ERR_IO);
    if (!strstr(err.message, "the password is wrong"))
        fail_msg("after %u connections: %s", connections, err.message);
    assert_in_range(connections, count, count + 4);
}

static void refusal_is_told_at_once(void **state)
{
    static const greeting greetings[] = {REFUSING};

    (void)state;
    assert_refused_in_the_end(greetings, 1);
}

/* It refused as one that is starting, and had started by the time of the ping. */
static void server_comes_up_before_the_ping(void **state)
{
    static const greeting greetings[] = {STARTING, REFUSING};

    (void)state;
    assert_refused_in_the_end(greetings, 2);
}

static void server_goes_down_after_the_greeting(void **state)
{
    static const greeting greetings[] = {LEAVING, LEAVING, REFUSING};

    (void)state;
    assert_refused_in_the_end(greetings, 3);
}

/* Two connections to each try: more tries than the pauses between them leave in six seconds. */
static void slow_start_is_waited_for(void **state)
{
    static greeting greetings[500]; /* STARTING */

    (void)state;
    greetings[499] = REFUSING;
    assert_refused_in_the_end(greetings, ARRAY_SIZE(greetings));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusal_is_told_at_once),
        cmocka_unit_test(server_comes_up_before_the_ping),
        cmocka_unit_test(server_goes_down_after_the_greeting),
        cmocka_unit_test(slow_start_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
