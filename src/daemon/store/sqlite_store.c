/* sqlite_store.c - the engine on SQLite: the file, and the connections that read it while one writes.
 *
 * Readers see the file as it was when their transaction began (WAL) and neither wait for the writer nor make it wait.
 * Their connections are made as they are needed and kept; a reader that finds all in use waits for its turn. */
#include "daemon/store/sqlite_group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "agentcore.db"

typedef struct sqlite_state {
    char *path;
    sqlite_group *group;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    sqlite_connection *idle;
    unsigned readers; /* that exist or are being made */
} sqlite_state;

static void configure_library(void)
{
    /* The count of bytes in use is one lock that all connections of the process would share. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/* Made before SQLite makes it, for its mode; what SQLite puts beside it gets the same. */
static ac_status make_file(const char *path, bool *ret_new, ac_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    *ret_new = fd >= 0;
    if (fd >= 0)
        close(fd);
    else if (errno != EEXIST)
        return ac_error_set(err, AC_ERR_IO, "cannot make %s: %s", path, strerror(errno));
    return AC_OK;
}

static ac_status limit_pages(sqlite_connection *c, unsigned pages_max, ac_error *err)
{
    char text[64];

    if (pages_max == 0)
        return AC_OK;
    snprintf(text, sizeof(text), "PRAGMA max_page_count = %u", pages_max);
    int rc = sqlite3_exec(c->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? AC_OK : sqlite_failed(c, rc, err);
}

static ac_status open_writer(store *s, sqlite_state *state, const store_options *options, ac_error *err)
{
    sqlite_connection *writer;
    bool is_new;

    AC_TRY(make_file(state->path, &is_new, err));
    AC_TRY(sqlite_connection_open(s, state->path, false, &writer, err));
    state->group = sqlite_group_new(s, writer, options->group_max);
    if (!state->group)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    atomic_fetch_add_explicit(&s->connections, 1, memory_order_relaxed);
    AC_TRY(limit_pages(writer, options->pages_max, err));
    return is_new ? data_dir_sync(s->directory, err) : AC_OK;
}

static ac_status sqlite_open(store *s, const store_options *options, ac_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    sqlite_state *state = calloc(1, sizeof(*state));

    if (!state)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    pthread_once(&once, configure_library);
    pthread_mutex_init(&state->lock, NULL);
    store_cond_init(&state->freed);
    s->state = state;
    if (asprintf(&state->path, "%s/%s", data_dir_path(s->directory), FILE_NAME) < 0) {
        state->path = NULL;
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    }
    return open_writer(s, state, options, err);
}

static void sqlite_close(store *s)
{
    sqlite_state *state = s->state;

    while (state->idle) {
        sqlite_connection *c = state->idle;
        state->idle = c->next;
        sqlite_connection_close(c);
    }
    sqlite_group_free(state->group); /* the last connection: it moves what is in the log into the file */
    pthread_cond_destroy(&state->freed);
    pthread_mutex_destroy(&state->lock);
    free(state->path);
    free(state);
    s->state = NULL;
}

/* An idle reader, or the right to make one (*ret_reader NULL). */
static ac_status wait_for_reader(store *s, sqlite_state *state, sqlite_connection **ret_reader, ac_error *err)
{
    struct timespec deadline = store_deadline(s->wait_ms);
    int rc = 0;

    pthread_mutex_lock(&state->lock);
    while (!state->idle && state->readers >= s->connections_max && rc == 0)
        rc = pthread_cond_timedwait(&state->freed, &state->lock, &deadline);
    *ret_reader = state->idle;
    if (state->idle) {
        state->idle = state->idle->next;
        rc = 0;
    } else if (state->readers < s->connections_max) {
        state->readers++;
        rc = 0;
    }
    pthread_mutex_unlock(&state->lock);
    if (rc)
        return ac_error_set(err, AC_ERR_TIMEOUT, "all connections to the store were in use for longer than %u ms",
                            s->wait_ms);
    return AC_OK;
}

/* Put a reader back; NULL: the one that was to be made was not. */
static void put_reader(sqlite_state *state, sqlite_connection *reader)
{
    pthread_mutex_lock(&state->lock);
    if (reader) {
        reader->next = state->idle;
        state->idle = reader;
    } else {
        state->readers--;
    }
    pthread_cond_signal(&state->freed);
    pthread_mutex_unlock(&state->lock);
}

static ac_status take_reader(store *s, sqlite_state *state, sqlite_connection **ret_reader, ac_error *err)
{
    AC_TRY(wait_for_reader(s, state, ret_reader, err));
    if (*ret_reader)
        return AC_OK;
    ac_status status = sqlite_connection_open(s, state->path, true, ret_reader, err);
    if (status == AC_OK)
        atomic_fetch_add_explicit(&s->connections, 1, memory_order_relaxed);
    else
        put_reader(state, NULL);
    return status;
}

static ac_status sqlite_read(store *s, sqlite_state *state, store_fn fn, void *arg, ac_error *err)
{
    sqlite_connection *reader;

    AC_TRY(take_reader(s, state, &reader, err));
    ac_status status = sqlite_do(reader, "BEGIN", err);
    if (status == AC_OK) {
        store_tx tx = {.store = s, .connection = reader};
        status = store_call(&tx, fn, arg, err);
        if (!sqlite3_get_autocommit(reader->db) && sqlite_do(reader, "ROLLBACK", NULL) != AC_OK && status == AC_OK)
            status = ac_error_set(err, AC_ERR_INTERNAL, "a read could not be ended");
    }
    put_reader(state, reader);
    return status;
}

static ac_status sqlite_transaction(store *s, bool writes, store_fn fn, void *arg, ac_error *err)
{
    sqlite_state *state = s->state;

    if (writes)
        return sqlite_group_write(state->group, fn, arg, err);
    return sqlite_read(s, state, fn, arg, err);
}

static ac_status sqlite_lock(store_tx *tx, const char *name, ac_error *err)
{
    (void)tx;
    (void)name;
    (void)err;
    return AC_OK;
}

const store_engine store_sqlite = {
    .name = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .run = sqlite_transaction,
    .execute = sqlite_execute,
    .script = sqlite_script,
    .lock = sqlite_lock,
    .query = sqlite_query,
    .next = sqlite_next,
    .done = sqlite_done,
    .is_null = sqlite_is_null,
    .get_int = sqlite_get_int,
    .get_real = sqlite_get_real,
    .get_blob = sqlite_get_blob,
    .has_meta = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'store_meta'",
    .migration_begin = "",
    .word_id = "INTEGER PRIMARY KEY AUTOINCREMENT",
    .word_int = "INTEGER",
    .word_text = "TEXT",
    .word_blob = "BLOB",
    .word_table_end = ") STRICT",
    .now_ms = "",
};
