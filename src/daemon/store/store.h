/* store.h - what agentcored remembers: durable state on SQLite (the embedded default) or PostgreSQL (shared by several
 * daemons).
 *
 *     static ac_status insert_event(store_tx *tx, void *arg, ac_error *err)
 *     {
 *         const event *e = arg;
 *
 *         return sql_run(tx, "INSERT INTO events (id, body) VALUES ($1, $2)",
 *                        SQL_VALUES(sql_text(e->id), sql_text(e->body)), NULL, err);
 *     }
 *
 *     AC_TRY(store_write(db, insert_event, &e, err));   // returned: it is on disk
 *
 * What a transaction is, on both engines:
 *   - all of it or nothing; store_write returns AC_OK only when it is durable;
 *   - the function may be called again from the start (a deadlock, a lost connection, a neighbour in the same group
 *     whose disk was full), so it has no effect besides its statements and sets its outputs anew each time;
 *   - it runs on some thread, not always the caller's, and does not wait for anything but its statements: on SQLite
 *     all writers wait for it;
 *   - it does not call store_read or store_write (AC_ERR_STATE): nobody holds one connection and waits for another;
 *   - once a statement has failed, so has the transaction: later statements are refused, and AC_OK is not believed;
 *   - a read sees one moment, however many statements it has.
 * PostgreSQL runs writes side by side as READ COMMITTED.  What must not change between a look and a write is guarded
 * by a unique index, by comparing a version in the UPDATE's WHERE, or by store_lock. */
#ifndef DAEMON_STORE_STORE_H
#define DAEMON_STORE_STORE_H

#include "base/util.h"

#include <stdbool.h>

typedef struct store store;
typedef struct store_tx store_tx;

typedef struct store_options {
    const char *url;          /* NULL: SQLite in data_dir/agentcore.db; "postgresql://...": that server */
    const char *data_dir;     /* made (0700) and locked; may be NULL with a url */
    unsigned connections_max; /* readers on SQLite, all connections on PostgreSQL; 0: 8 */
    unsigned wait_ms;         /* longest wait for a turn, a connection or a server that is restarting; 0: 5 s */
    unsigned statement_ms;    /* longest run of one statement; 0: 10 s */
    unsigned group_max;       /* most writes in one commit on SQLite; 0: 256 */
    unsigned pages_max;       /* most 4 KiB pages of the SQLite file; 0: no limit but the disk */
} store_options;

/* Open the store, bringing its schema up to date.  AC_ERR_STATE: another daemon has the data directory, or the schema
 * is newer than this program (nothing was changed then); AC_ERR_INVALID: an option; AC_ERR_IO, AC_ERR_TIMEOUT: the
 * disk or the server.  The url is in no message: it may hold a password. */
ac_status store_open(const store_options *options, store **ret_store, ac_error *err) AC_MUST_USE;

/* All calls must have returned, and job runners must have been stopped. */
void store_close(store *s);
DEFINE_CLEANUP(store *, store_close)

typedef ac_status (*store_fn)(store_tx *tx, void *arg, ac_error *err);

/* Run fn in a transaction; see above.  Its status is returned when it is not AC_OK (and nothing was written), else how
 * the commit went.  AC_ERR_TIMEOUT: no turn within wait_ms, or a statement that took longer than statement_ms.
 * AC_ERR_IO "...unknown whether...": the connection broke during the commit.  Any thread. */
ac_status store_write(store *s, store_fn fn, void *arg, ac_error *err) AC_MUST_USE;
ac_status store_read(store *s, store_fn fn, void *arg, ac_error *err) AC_MUST_USE;

/* Until this transaction ends, no other one that locks the same name gets past here.  Costs nothing on SQLite, where
 * writers come one after the other anyway. */
ac_status store_lock(store_tx *tx, const char *name, ac_error *err) AC_MUST_USE;

/* A key for a purpose ("page tokens", "workload tokens"), made from the store's own secret: the same in every daemon on
 * this store, and in none on another.  The caller wipes it. */
#define STORE_KEY_BYTES 32

ac_status store_key(const store *s, const char *purpose, unsigned char ret_key[STORE_KEY_BYTES], ac_error *err)
    AC_MUST_USE;

/* Whether other daemons may be on the same store. */
bool store_is_shared(const store *s);

/* "sqlite" or "postgresql". */
const char *store_engine_name(const store *s);

typedef struct store_stats {
    uint64_t reads;           /* transactions */
    uint64_t writes;          /* transactions asked for */
    uint64_t commits;         /* times the disk was waited for: less than writes when they were grouped */
    uint64_t retries;         /* transactions run again */
    uint64_t failures;        /* transactions that did not end in AC_OK */
    unsigned connections;     /* open now */
    unsigned connections_max; /* that may be */
} store_stats;

void store_get_stats(store *s, store_stats *ret_stats);

#endif
