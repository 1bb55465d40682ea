/* claims.c - whose a session is, when several daemons share a store.
 *
 * A row of the table `sessions` says which daemon has a session, until when, and where that daemon is reached.  A
 * daemon is a life of the process: it draws a new id at each start.  A row whose lease is over belongs to nobody; it is
 * taken over by a comparing update, so of two that try one wins.  A row with our own url but another id is from a
 * former life of ours, and belongs to nobody either.
 *
 * All leases of a daemon are renewed by one statement, and say so when a row is missing: then somebody has taken a
 * session over because we were too late, or its row away because what it runs was deleted, and ours is ended.  Each
 * claim has a number, so that letting go of a former one cannot remove the row of its successor.
 *
 * Alone on a store (SQLite, or without an url for others), nothing of this happens: a start does not wait for a disk.
 * */
#include "daemon/sessions/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"
#include "daemon/store/sql.h"

#include <stdio.h>
#include <stdlib.h>

#define CLAIM_TRIES 3

typedef struct claim {
    sessions *all;
    const session_key *key;
    uint64_t number;
    int64_t created_ms;
    bool ours, found;
    char url[320];
} claim;

#define KEY_VALUES(key) sql_text((key)->kind), sql_text((key)->owner), sql_text((key)->id)
#define KEY_MATCHES "kind = $1 AND owner = $2 AND id = $3"

static session_key key_of(const session *s)
{
    return (session_key){s->kind, s->owner, s->id};
}

/* ---- claiming ---- */

static ac_status insert_claim(store_tx *tx, claim *c, ac_error *err)
{
    static const char insert[] =
        "INSERT INTO sessions (kind, owner, id, status, daemon, claim, url, lease_ms, created_ms, updated_ms, body)"
        " VALUES ($1, $2, $3, 'ACTIVE', $4, $5, $6, (SELECT now_ms()) + $7, $8, $8, '{}')"
        " ON CONFLICT (kind, owner, id) DO NOTHING";
    int64_t changed;

    AC_TRY(sql_run(tx, insert,
                   SQL_VALUES(KEY_VALUES(c->key), sql_text(c->all->daemon_id), sql_int((int64_t)c->number),
                              sql_text(c->all->peer_url), sql_int(SESSION_LEASE_MS), sql_int(c->created_ms)),
                   &changed, err));
    c->ours = changed == 1;
    return AC_OK;
}

/* Take a row that is nobody's, or ours from a session that has just ended. */
static ac_status take_over(store_tx *tx, claim *c, ac_error *err)
{
    static const char update[] =
        "UPDATE sessions SET status = 'ACTIVE', daemon = $4, claim = $5, url = $6, lease_ms = (SELECT now_ms()) + $7,"
        " created_ms = $8, updated_ms = $8 WHERE " KEY_MATCHES
        " AND (daemon = $4 OR url = $6 OR lease_ms <= (SELECT now_ms()))";
    int64_t changed;

    AC_TRY(sql_run(tx, update,
                   SQL_VALUES(KEY_VALUES(c->key), sql_text(c->all->daemon_id), sql_int((int64_t)c->number),
                              sql_text(c->all->peer_url), sql_int(SESSION_LEASE_MS), sql_int(c->created_ms)),
                   &changed, err));
    c->ours = changed == 1;
    return AC_OK;
}

/* Which daemon has it, if one does and is not us. */
static ac_status read_claim(store_tx *tx, void *arg, ac_error *err)
{
    static const char query[] = "SELECT url FROM sessions WHERE " KEY_MATCHES
                                " AND daemon <> $4 AND url <> $5 AND lease_ms > (SELECT now_ms())";
    _cleanup_(sql_done) sql_rows rows = {0};
    claim *c = arg;
    size_t length;

    AC_TRY(sql_query(tx, query, SQL_VALUES(KEY_VALUES(c->key), sql_text(c->all->daemon_id), sql_text(c->all->peer_url)),
                     &rows, err));
    AC_TRY(sql_next(&rows, &c->found, err));
    if (!c->found)
        return AC_OK;
    const char *url = sql_get_blob(&rows, 0, &length);
    snprintf(c->url, sizeof(c->url), "%.*s", (int)MIN(length, sizeof(c->url) - 1), url ? url : "");
    return AC_OK;
}

static ac_status write_claim(store_tx *tx, void *arg, ac_error *err)
{
    claim *c = arg;

    c->ours = c->found = false;
    AC_TRY(insert_claim(tx, c, err));
    if (!c->ours)
        AC_TRY(take_over(tx, c, err));
    return c->ours ? AC_OK : read_claim(tx, c, err);
}

static ac_status of_another(const claim *c, session_peer *ret_peer, ac_error *err)
{
    if (ret_peer)
        snprintf(ret_peer->url, sizeof(ret_peer->url), "%s", c->url);
    return ac_error_set(err, AC_ERR_AGAIN, "the session runs on another machine");
}

ac_status session_claim(session *s, bool stay_here, session_peer *ret_peer, ac_error *err)
{
    sessions *all = s->all;
    const session_key key = key_of(s);
    claim c = {.all = all, .key = &key, .created_ms = s->created_ms};

    if (!all->shared)
        return AC_OK;
    pthread_mutex_lock(&all->lock);
    c.number = ++all->claims;
    pthread_mutex_unlock(&all->lock);
    for (int i = 0; i < CLAIM_TRIES; i++) {
        AC_TRY(store_write(all->options.store, write_claim, &c, err));
        if (c.ours) {
            pthread_mutex_lock(&all->lock);
            s->claim = c.number;
            pthread_mutex_unlock(&all->lock);
            return AC_OK;
        }
        if (c.found) /* who was sent here must not be sent on: he might come round again */
            return of_another(&c, stay_here ? NULL : ret_peer, err);
    }
    return ac_error_set(err, AC_ERR_AGAIN, "the session is being moved");
}

ac_status session_look_up(sessions *all, const session_key *key, session_peer *ret_peer, ac_error *err)
{
    claim c = {.all = all, .key = key};

    if (all->shared) {
        AC_TRY(store_read(all->options.store, read_claim, &c, err));
        if (c.found)
            return of_another(&c, ret_peer, err);
    }
    return ac_error_set(err, AC_ERR_NOT_FOUND, "there is no such session");
}

/* ---- letting go ---- */

static ac_status delete_claim(store_tx *tx, void *arg, ac_error *err)
{
    static const char statement[] = "DELETE FROM sessions WHERE " KEY_MATCHES " AND daemon = $4 AND claim = $5";
    const claim *c = arg;

    return sql_run(tx, statement,
                   SQL_VALUES(KEY_VALUES(c->key), sql_text(c->all->daemon_id), sql_int((int64_t)c->number)), NULL, err);
}

void session_unclaim(session *s)
{
    sessions *all = s->all;
    const session_key key = key_of(s);
    claim c = {.all = all, .key = &key};
    ac_error err;

    pthread_mutex_lock(&all->lock);
    c.number = s->claim;
    s->claim = 0;
    pthread_mutex_unlock(&all->lock);
    if (c.number && store_write(all->options.store, delete_claim, &c, &err) != AC_OK)
        ac_log_warning("A session's row stays until its lease ends: %s", err.message);
}

/* ---- taking away ---- */

typedef struct revocation {
    const sessions *all;
    const char *kind, *owner_prefix;
} revocation;

static ac_status delete_others(store_tx *tx, void *arg, ac_error *err)
{
    static const char statement[] = "DELETE FROM sessions WHERE daemon <> $1 AND status = 'ACTIVE' AND kind = $2"
                                    " AND substr(owner, 1, length($3)) = $3";
    const revocation *r = arg;

    return sql_run(tx, statement, SQL_VALUES(sql_text(r->all->daemon_id), sql_text(r->kind), sql_text(r->owner_prefix)),
                   NULL, err);
}

void claims_revoke(sessions *all, const char *kind, const char *owner_prefix)
{
    revocation r = {.all = all, .kind = kind, .owner_prefix = owner_prefix};
    ac_error err;

    if (all->shared && store_write(all->options.store, delete_others, &r, &err) != AC_OK)
        ac_log_warning("Sessions of a deleted resource stay on other machines until they are idle: %s", err.message);
}

/* ---- renewing ---- */

/* A session and the number of its row, as they were when the renewal began. */
typedef struct held {
    session *owner; /* referenced */
    uint64_t claim;
    bool there; /* its row is still ours */
} held;

typedef struct renewal {
    sessions *all;
    size_t count;
    held items[]; /* by number */
} renewal;

static int by_claim(const void *left, const void *right)
{
    const held *a = left, *b = right;

    return (a->claim > b->claim) - (a->claim < b->claim);
}

/* The rows say by themselves which they are: how many they are would say little, for some may be of sessions that have
 * just begun, or have ended without a way to take their row back. */
static ac_status renew(store_tx *tx, void *arg, ac_error *err)
{
    static const char update[] =
        "UPDATE sessions SET lease_ms = (SELECT now_ms()) + $1 WHERE daemon = $2 RETURNING claim";
    _cleanup_(sql_done) sql_rows rows = {0};
    renewal *r = arg;
    bool found;

    for (size_t i = 0; i < r->count; i++)
        r->items[i].there = false;
    AC_TRY(sql_query(tx, update, SQL_VALUES(sql_int(SESSION_LEASE_MS), sql_text(r->all->daemon_id)), &rows, err));
    for (;;) {
        AC_TRY(sql_next(&rows, &found, err));
        if (!found)
            return AC_OK;
        const held wanted = {.claim = (uint64_t)sql_get_int(&rows, 0)};
        held *item = bsearch(&wanted, r->items, r->count, sizeof(r->items[0]), by_claim);
        if (item)
            item->there = true;
    }
}

static renewal *take_snapshot(sessions *all)
{
    pthread_mutex_lock(&all->lock);
    renewal *r = calloc(1, sizeof(*r) + all->count * sizeof(r->items[0]));
    if (r) {
        r->all = all;
        for (session *s = all->first; s; s = s->next) {
            if (s->claim)
                r->items[r->count++] = (held){.owner = session_ref(s), .claim = s->claim};
        }
    }
    pthread_mutex_unlock(&all->lock);
    if (r)
        qsort(r->items, r->count, sizeof(r->items[0]), by_claim);
    return r;
}

void claims_renew(workers_job *job)
{
    sessions *all = CONTAINER_OF(job, sessions, lease_job);
    renewal *r = take_snapshot(all);
    bool renewed = false;
    ac_error err;

    if (r && r->count) {
        renewed = store_write(all->options.store, renew, r, &err) == AC_OK;
        if (!renewed)
            ac_log_warning("The leases of sessions cannot be renewed: %s", err.message);
    }
    pthread_mutex_lock(&all->lock);
    for (size_t i = 0; r && i < r->count; i++) {
        const held *item = &r->items[i];
        /* Another number: the row went on to a session that was handed out meanwhile, or is being taken back. */
        if (renewed && !item->there && item->owner->claim == item->claim)
            session_end(item->owner, 0, false, "another machine has taken it over or ended it");
        session_unref(item->owner);
    }
    all->renewing = false;
    pthread_cond_broadcast(&all->room);
    pthread_mutex_unlock(&all->lock);
    free(r);
}

/* ---- life ---- */

static ac_status delete_former(store_tx *tx, void *arg, ac_error *err)
{
    const sessions *all = arg;

    return sql_run(tx, "DELETE FROM sessions WHERE url = $1 AND status = 'ACTIVE'", SQL_VALUES(sql_text(all->peer_url)),
                   NULL, err);
}

ac_status claims_open(sessions *all, ac_error *err)
{
    const sessions_options *options = &all->options;

    uuid_v4(all->daemon_id);
    all->shared = options->store && store_is_shared(options->store) && all->peer_url;
    return all->shared ? store_write(options->store, delete_former, all, err) : AC_OK;
}

static ac_status delete_own(store_tx *tx, void *arg, ac_error *err)
{
    const sessions *all = arg;

    return sql_run(tx, "DELETE FROM sessions WHERE daemon = $1 AND status = 'ACTIVE'",
                   SQL_VALUES(sql_text(all->daemon_id)), NULL, err);
}

void claims_close(sessions *all)
{
    ac_error err;

    if (all->shared && store_write(all->options.store, delete_own, all, &err) != AC_OK)
        ac_log_warning("Sessions' rows stay until their leases end: %s", err.message);
}
