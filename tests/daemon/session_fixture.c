/* session_fixture.c - a session manager over fake sandboxes. */
#include "session_fixture.h"
#include "daemon/sessions/internal.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* ---- life ---- */

int session_set_up(void **state)
{
    session_fixture *f = calloc(1, sizeof(*f));
    ac_error err;

    assert_non_null(f);
    fake_plan = (fake_sandbox_plan){0};
    strcpy(f->dir, "/tmp/ac-sessions-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    pthread_mutex_init(&f->lock, NULL);
    f->connected_fd = -1;
    assert_ok(sandboxes_open(&(sandboxes_options){0}, &f->boxes, &err));
    *state = f;
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

int session_tear_down(void **state)
{
    session_fixture *f = *state;

    sessions_close(f->all);
    assert_int_equal(fake_alive(), 0);
    sandboxes_close(f->boxes);
    for (unsigned i = 0; i < f->port_count; i++)
        close(f->ports[i]);
    if (f->connected_fd >= 0)
        close(f->connected_fd);
    nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

static void on_connection(int fd, const session_key *key, void *user)
{
    session_fixture *f = user;

    pthread_mutex_lock(&f->lock);
    f->connected_fd = fd;
    snprintf(f->connected_id, sizeof(f->connected_id), "%s", key->id);
    pthread_mutex_unlock(&f->lock);
}

static void on_over(const session_key *key, const char *reason, void *user)
{
    session_fixture *f = user;

    pthread_mutex_lock(&f->lock);
    f->overs++;
    snprintf(f->over_id, sizeof(f->over_id), "%s", key->id);
    snprintf(f->over_reason, sizeof(f->over_reason), "%s", reason);
    pthread_mutex_unlock(&f->lock);
}

void fixture_sessions_open(session_fixture *f, const sessions_options *options)
{
    sessions_options o = options ? *options : (sessions_options){0};
    ac_error err;

    o.sandboxes = f->boxes;
    o.data_dir = f->dir;
    o.on_connection = on_connection;
    o.on_over = on_over;
    o.user = f;
    assert_ok(sessions_open(&o, &f->all, &err));
}

/* ---- sessions ---- */

/* A port that nobody else gets while the test runs. */
static int hold_port(session_fixture *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0 ||
        bind(fd, (struct sockaddr *)&address, size) != 0 || getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        abort();
    pthread_mutex_lock(&f->lock);
    if (f->port_count == FIXTURE_PORTS_MAX)
        abort();
    f->ports[f->port_count++] = fd;
    pthread_mutex_unlock(&f->lock);
    return ntohs(address.sin_port);
}

typedef struct preparation {
    session_fixture *f;
    agent_plan *plan;
} preparation;

static ac_status prepare(void *user, arena *memory, session_plan *ret_plan, ac_error *err)
{
    const preparation *p = user;
    agent_plan *plan = p->plan;
    const char **argv = arena_zalloc(memory, 16 * sizeof(*argv));
    const char **environment = arena_zalloc(memory, 2 * sizeof(*environment));
    char *words = arena_copy(memory, plan->words ? plan->words : "", strlen(plan->words ? plan->words : ""));
    char port[32] = "";
    size_t count = 0;

    plan->prepared++;
    if (plan->fails)
        return ac_error_set(err, plan->fails, "no plan today");
    *ret_plan = plan->plan;
    if (!plan->no_port && !ret_plan->port)
        ret_plan->port = (uint16_t)hold_port(p->f);
    if (!plan->no_port && !plan->no_health && !ret_plan->health_path)
        ret_plan->health_path = "/ping";
    argv[count++] = "/proc/self/exe";
    argv[count++] = "agent";
    for (char *word = strtok_r(words, " ", &words); word; word = strtok_r(NULL, " ", &words))
        argv[count++] = word;
    snprintf(port, sizeof(port), "port=%u", (unsigned)ret_plan->port);
    if (ret_plan->port)
        argv[count++] = arena_copy(memory, port, strlen(port));
    environment[0] = "TSAN_OPTIONS=report_bugs=0"; /* of the manager, not of the agents */
    ret_plan->sandbox.argv = argv;
    ret_plan->sandbox.environment = environment;
    return AC_OK;
}

session_key key_named(const char *id)
{
    return (session_key){"runtime", "123456789012/one-0123456789/DEFAULT", id};
}

ac_status acquire_request(session_fixture *f, agent_plan *plan, const char *id, bool stay_here, session **ret_session,
                          session_peer *ret_peer, ac_error *err)
{
    preparation p = {f, plan};
    const session_request request = {
        .key = key_named(id), .prepare = plan ? prepare : NULL, .user = &p, .stay_here = stay_here};

    return session_acquire(f->all, &request, ret_session, ret_peer, err);
}

ac_status try_acquire(session_fixture *f, agent_plan *plan, const char *id, session **ret_session, ac_error *err)
{
    return acquire_request(f, plan, id, false, ret_session, NULL, err);
}

session *acquire(session_fixture *f, agent_plan *plan, const char *id)
{
    session *s = NULL;
    ac_error err;

    assert_ok(try_acquire(f, plan, id, &s, &err));
    return s;
}

/* ---- requests ---- */

static bool connect_to(int fd, int port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct pollfd ready = {.fd = fd, .events = POLLOUT};

    return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 || poll(&ready, 1, PATIENCE_MS) == 1;
}

int ask(session *s, const char *path, char *ret_body, size_t size)
{
    char text[1024];
    size_t length = 0;
    int fd, status = 0;
    ac_error err;

    if (session_socket(s, &fd, &err) != AC_OK)
        return 0;
    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    if (!connect_to(fd, s->recipe->plan.port) || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        close(fd);
        return 0;
    }
    char *body = NULL;
    while (!body || !body[4]) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        ssize_t got = poll(&ready, 1, PATIENCE_MS) == 1 ? read(fd, text + length, sizeof(text) - 1 - length) : 0;
        if (got <= 0)
            break;
        length += (size_t)got;
        text[length] = '\0';
        body = strstr(text, "\r\n\r\n");
    }
    close(fd);
    if (!body)
        return 0;
    sscanf(text, "HTTP/1.1 %d", &status);
    if (ret_body)
        snprintf(ret_body, size, "%s", body + 4);
    return status;
}

int pid_of(session *s)
{
    char body[64] = "";

    assert_int_equal(ask(s, "/pid", body, sizeof(body)), 200);
    return atoi(body);
}

unsigned sessions_now(session_fixture *f)
{
    sessions_stats stats;

    sessions_get_stats(f->all, &stats);
    return stats.now;
}

unsigned overs(session_fixture *f)
{
    pthread_mutex_lock(&f->lock);
    unsigned count = f->overs;
    pthread_mutex_unlock(&f->lock);
    return count;
}

bool state_is(session_fixture *f, const char *state)
{
    session_info *infos;
    size_t count;

    assert_int_equal(sessions_list(f->all, NULL, NULL, &infos, &count, NULL), AC_OK);
    bool is = count == 1 && strcmp(infos[0].state, state) == 0;
    free(infos);
    return is;
}

/* The keeper's timer lets a renewal be that goes on: one that never ends keeps all others away. */
void sessions_renew_by_hand(sessions *all, bool by_hand)
{
    pthread_mutex_lock(&all->lock);
    while (by_hand && all->renewing)
        pthread_cond_wait(&all->room, &all->lock);
    all->renewing = by_hand;
    pthread_mutex_unlock(&all->lock);
}

void sessions_renew_now(sessions *all)
{
    pthread_mutex_lock(&all->lock);
    all->renewing = workers_submit(all->workers, &all->lease_job) == AC_OK;
    while (all->renewing)
        pthread_cond_wait(&all->room, &all->lock);
    all->renewing = true;
    pthread_mutex_unlock(&all->lock);
}
