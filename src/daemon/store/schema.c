/* schema.c - bringing a store's schema to the version of this program.
 *
 * The version is a row of store_meta.  All missing steps run in one transaction, under a lock that keeps other daemons
 * away, and the version is read again under it: of several that start at once on a fresh database, one makes the tables
 * and the others find them made.  A newer version is refused before anything is written. */
#include "base/buf.h"
#include "daemon/store/engine.h"
#include "daemon/store/schema_steps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define STEP_TEXT_MAX (256 * 1024)

static ac_status read_version(store_tx *tx, size_t *ret_version, ac_error *err)
{
    _cleanup_(sql_done) sql_rows rows = {0};
    int64_t one;
    size_t length;
    bool found;

    *ret_version = 0;
    AC_TRY(sql_query_int(tx, tx->store->engine->has_meta, NULL, 0, &one, &found, err));
    if (!found)
        return AC_OK;
    AC_TRY(sql_query(tx, "SELECT value FROM store_meta WHERE name = 'schema_version'", NULL, 0, &rows, err));
    AC_TRY(sql_next(&rows, &found, err));
    const char *text = found ? sql_get_blob(&rows, 0, &length) : NULL;
    char number[16] = "";
    if (text && length < sizeof(number))
        memcpy(number, text, length);
    *ret_version = strtoul(number, NULL, 10);
    if (*ret_version == 0)
        return ac_error_set(err, AC_ERR_IO, "the store's schema version cannot be read");
    if (*ret_version > schema_step_count)
        return ac_error_set(err, AC_ERR_STATE,
                            "the store's schema has version %zu and this program knows up to %zu: use a newer program; "
                            "nothing was changed",
                            *ret_version, schema_step_count);
    return AC_OK;
}

typedef struct word {
    const char *mark;
    const char *text;
} word;

/* The step's text in the engine's words. */
static ac_status spell(const store_engine *engine, const char *text, buf *out, ac_error *err)
{
    const word words[] = {
        {"@ID", engine->word_id},     {"@INT", engine->word_int},       {"@TEXT", engine->word_text},
        {"@BLOB", engine->word_blob}, {"@END", engine->word_table_end},
    };
    ac_status status = AC_OK;

    while (*text && status == AC_OK) {
        size_t plain = strcspn(text, "@");
        status = buf_append(out, text, plain);
        text += plain;
        for (size_t i = 0; *text == '@' && i < ARRAY_SIZE(words) && status == AC_OK; i++) {
            if (strncmp(text, words[i].mark, strlen(words[i].mark)) != 0)
                continue;
            status = buf_append_text(out, words[i].text);
            text += strlen(words[i].mark);
        }
        if (*text == '@' && status == AC_OK)
            return ac_error_set(err, AC_ERR_INTERNAL, "the schema has an unknown mark: %.8s", text);
    }
    if (status != AC_OK)
        return ac_error_set(err, status, "out of memory");
    return AC_OK;
}

static ac_status run_step(store_tx *tx, const schema_step *step, ac_error *err)
{
    const store_engine *engine = tx->store->engine;
    const char *own = engine == &store_sqlite ? step->sqlite : step->postgres;
    _cleanup_(buf_done) buf text = BUF_INIT(STEP_TEXT_MAX);

    AC_TRY(spell(engine, step->both, &text, err));
    if (own)
        AC_TRY(spell(engine, own, &text, err));
    const char *script = buf_terminate(&text);
    if (!script)
        return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
    return engine->script(tx, script, err);
}

static ac_status draw_secret(unsigned char ret_secret[STORE_SECRET_BYTES], ac_error *err)
{
    size_t got = 0;

    while (got < STORE_SECRET_BYTES) {
        ssize_t more = getrandom(ret_secret + got, STORE_SECRET_BYTES - got, 0);
        if (more < 0 && errno != EINTR)
            return ac_error_set(err, AC_ERR_IO, "the kernel has no random numbers");
        if (more > 0)
            got += (size_t)more;
    }
    return AC_OK;
}

static ac_status write_meta(store_tx *tx, ac_error *err)
{
    static const char text[] = "INSERT INTO store_meta (name, value) VALUES ($1, $2)"
                               " ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    static const char once[] = "INSERT INTO store_meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    unsigned char secret[STORE_SECRET_BYTES];
    char version[16];

    int length = snprintf(version, sizeof(version), "%zu", schema_step_count);
    AC_TRY(sql_run(tx, text, SQL_VALUES(sql_text("schema_version"), sql_blob(version, (size_t)length)), NULL, err));
    AC_TRY(draw_secret(secret, err));
    ac_status status = sql_run(tx, once, SQL_VALUES(sql_text("secret"), sql_blob(secret, sizeof(secret))), NULL, err);
    explicit_bzero(secret, sizeof(secret));
    return status;
}

static ac_status migrate(store_tx *tx, void *arg, ac_error *err)
{
    const store_engine *engine = tx->store->engine;
    size_t version;

    (void)arg;
    AC_TRY(engine->script(tx, engine->migration_begin, err));
    AC_TRY(read_version(tx, &version, err));
    if (version == schema_step_count)
        return AC_OK;
    AC_TRY(engine->script(tx, engine->now_ms, err));
    for (size_t i = version; i < schema_step_count; i++)
        AC_TRY(run_step(tx, &schema_steps[i], err));
    return write_meta(tx, err);
}

static ac_status look(store_tx *tx, void *arg, ac_error *err)
{
    return read_version(tx, arg, err);
}

static ac_status read_secret(store_tx *tx, void *arg, ac_error *err)
{
    _cleanup_(sql_done) sql_rows rows = {0};
    size_t length = 0;
    bool found;

    AC_TRY(sql_query(tx, "SELECT value FROM store_meta WHERE name = 'secret'", NULL, 0, &rows, err));
    AC_TRY(sql_next(&rows, &found, err));
    const void *secret = found ? sql_get_blob(&rows, 0, &length) : NULL;
    if (!secret || length != STORE_SECRET_BYTES)
        return ac_error_set(err, AC_ERR_IO, "the store's own secret cannot be read");
    memcpy(arg, secret, STORE_SECRET_BYTES);
    return AC_OK;
}

ac_status schema_prepare(store *s, ac_error *err)
{
    size_t version;

    AC_TRY(store_read(s, look, &version, err));
    if (version != schema_step_count)
        AC_TRY(store_write(s, migrate, NULL, err));
    return store_read(s, read_secret, s->secret, err);
}
