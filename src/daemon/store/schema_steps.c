/* schema_steps.c - the schema's history, step by step.
 *
 * Columns whose order a page follows are compared byte by byte on both engines.  Times are milliseconds since 1970. */
#include "daemon/store/schema_steps.h"
#include "base/util.h"

static const char first_step[] =
    "CREATE TABLE store_meta ("
    " name @TEXT NOT NULL PRIMARY KEY,"
    " value @BLOB NOT NULL"
    "@END;"

    /* scope is whose it is (account and region); parent is '' for what stands alone, else the id of what it is part of
     * (the runtime of an endpoint). */
    "CREATE TABLE resources ("
    " scope @TEXT NOT NULL,"
    " kind @TEXT NOT NULL,"
    " parent @TEXT NOT NULL,"
    " id @TEXT NOT NULL,"
    " name @TEXT NOT NULL,"
    " status @TEXT NOT NULL,"
    " version @INT NOT NULL,"
    " created_ms @INT NOT NULL,"
    " updated_ms @INT NOT NULL,"
    " body @TEXT NOT NULL,"
    " PRIMARY KEY (scope, kind, parent, id)"
    "@END;"
    "CREATE UNIQUE INDEX resources_by_name ON resources (scope, kind, parent, name);"
    "CREATE UNIQUE INDEX resources_by_time ON resources (scope, kind, parent, created_ms, id);"

    "CREATE TABLE tags ("
    " arn @TEXT NOT NULL,"
    " name @TEXT NOT NULL,"
    " value @TEXT NOT NULL,"
    " PRIMARY KEY (arn, name)"
    "@END;"

    "CREATE TABLE policies ("
    " arn @TEXT NOT NULL PRIMARY KEY,"
    " body @TEXT NOT NULL,"
    " updated_ms @INT NOT NULL"
    "@END;"

    "CREATE TABLE client_tokens ("
    " operation @TEXT NOT NULL,"
    " account @TEXT NOT NULL,"
    " token_hash @BLOB NOT NULL,"
    " parameters_hash @BLOB NOT NULL,"
    " response @TEXT NOT NULL,"
    " created_ms @INT NOT NULL,"
    " PRIMARY KEY (operation, account, token_hash)"
    "@END;"
    "CREATE INDEX client_tokens_by_time ON client_tokens (created_ms);"

    /* due_ms is when somebody may take the job: when it is to run, or when the lease of the one who runs it ends.  NULL
     * for a dead one.  again_ms: asked for once more while it was running. */
    "CREATE TABLE jobs ("
    " id @ID,"
    " kind @TEXT NOT NULL,"
    " key @TEXT,"
    " payload @TEXT NOT NULL,"
    " state @TEXT NOT NULL,"
    " due_ms @INT,"
    " again_ms @INT,"
    " period_ms @INT NOT NULL,"
    " attempts @INT NOT NULL,"
    " attempts_max @INT NOT NULL,"
    " owner @TEXT,"
    " last_error @TEXT,"
    " created_ms @INT NOT NULL"
    "@END;"
    "CREATE UNIQUE INDEX jobs_by_key ON jobs (kind, key);"
    "CREATE INDEX jobs_by_due ON jobs (due_ms);";

static const char sessions_step[] =
    /* Sessions as others see them.  ACTIVE: one that a daemon has (claims.c of the sessions), which holds it until
     * lease_ms, and is reached at url; claim tells one taking of it from the next.  Kinds whose sessions can be listed
     * after their end keep them as TERMINATED, without a lease; body is what such a kind says of one. */
    "CREATE TABLE sessions ("
    " kind @TEXT NOT NULL,"
    " owner @TEXT NOT NULL,"
    " id @TEXT NOT NULL,"
    " status @TEXT NOT NULL,"
    " daemon @TEXT NOT NULL,"
    " claim @INT NOT NULL,"
    " url @TEXT NOT NULL,"
    " lease_ms @INT NOT NULL,"
    " created_ms @INT NOT NULL,"
    " updated_ms @INT NOT NULL,"
    " body @TEXT NOT NULL,"
    " PRIMARY KEY (kind, owner, id)"
    "@END;"
    "CREATE UNIQUE INDEX sessions_by_time ON sessions (kind, owner, created_ms, id);"
    "CREATE INDEX sessions_by_daemon ON sessions (daemon);"
    "CREATE INDEX sessions_by_url ON sessions (url);";

static const char memory_step[] =
    /* Conversations.  A row stays when its events are gone, until the sweep: ListSessions tells those with events from
     * the others. */
    "CREATE TABLE memory_sessions ("
    " id @ID,"
    " memory @TEXT NOT NULL,"
    " actor @TEXT NOT NULL,"
    " session @TEXT NOT NULL,"
    " created_ms @INT NOT NULL"
    "@END;"
    "CREATE UNIQUE INDEX memory_sessions_by_name ON memory_sessions (memory, actor, session);"
    "CREATE INDEX memory_sessions_by_age ON memory_sessions (memory, actor, id);"

    /* id is the order in which events arrived, at_ms the time that their senders gave them.  branch is NULL on the main
     * line, root the rootEventId as it was given.  extractable: strategies may draw knowledge from it. */
    "CREATE TABLE memory_events ("
    " id @ID,"
    " session @INT NOT NULL,"
    " at_ms @INT NOT NULL,"
    " created_ms @INT NOT NULL,"
    " expires_ms @INT NOT NULL,"
    " token @BLOB,"
    " branch @TEXT,"
    " root @TEXT,"
    " metadata @TEXT,"
    " extractable @INT NOT NULL,"
    " payload @BLOB NOT NULL"
    "@END;"
    "CREATE UNIQUE INDEX memory_events_by_time ON memory_events (session, at_ms, id);"
    "CREATE UNIQUE INDEX memory_events_by_token ON memory_events (token) WHERE token IS NOT NULL;"
    "CREATE INDEX memory_events_by_expiry ON memory_events (expires_ms);"
    "CREATE INDEX memory_events_to_extract ON memory_events (session, id) WHERE extractable = 1;"

    /* Where a branch leaves its parent (NULL: the main line): behind the event root at root_ms.  root NULL: nowhere. */
    "CREATE TABLE memory_branches ("
    " session @INT NOT NULL,"
    " name @TEXT NOT NULL,"
    " root_ms @INT,"
    " root @INT,"
    " parent @TEXT,"
    " PRIMARY KEY (session, name)"
    "@END;"

    /* How far a strategy has come with a session: the id of the last event it has taken in. */
    "CREATE TABLE memory_cursors ("
    " session @INT NOT NULL,"
    " strategy @TEXT NOT NULL,"
    " event @INT NOT NULL,"
    " PRIMARY KEY (session, strategy)"
    "@END;"

    /* Long-term records.  version: that of the namespace when the record last changed.  session: which conversation it
     * was drawn from; NULL for those that clients put.  superseded: the record that took its place. */
    "CREATE TABLE memory_records ("
    " id @ID,"
    " memory @TEXT NOT NULL,"
    " record @TEXT NOT NULL,"
    " namespace @TEXT NOT NULL,"
    " strategy @TEXT,"
    " session @INT,"
    " content @TEXT NOT NULL,"
    " metadata @TEXT,"
    " at_ms @INT NOT NULL,"
    " created_ms @INT NOT NULL,"
    " updated_ms @INT NOT NULL,"
    " version @INT NOT NULL,"
    " superseded @TEXT"
    "@END;"
    "CREATE UNIQUE INDEX memory_records_by_name ON memory_records (memory, record);"
    "CREATE UNIQUE INDEX memory_records_by_age ON memory_records (memory, namespace, id);"
    "CREATE INDEX memory_records_by_version ON memory_records (memory, namespace, version, id);"
    "CREATE INDEX memory_records_by_session ON memory_records (session, strategy, id) WHERE session IS NOT NULL;"

    /* version rises with each change of the namespace's records; removals up to floor are no longer known. */
    "CREATE TABLE memory_namespaces ("
    " memory @TEXT NOT NULL,"
    " namespace @TEXT NOT NULL,"
    " version @INT NOT NULL,"
    " floor @INT NOT NULL,"
    " PRIMARY KEY (memory, namespace)"
    "@END;"
    "CREATE TABLE memory_removals ("
    " memory @TEXT NOT NULL,"
    " namespace @TEXT NOT NULL,"
    " version @INT NOT NULL,"
    " record @TEXT NOT NULL,"
    " removed_ms @INT NOT NULL,"
    " PRIMARY KEY (memory, namespace, version, record)"
    "@END;"
    "CREATE INDEX memory_removals_by_age ON memory_removals (removed_ms);";

const schema_step schema_steps[] = {
    {.both = first_step},
    {.both = sessions_step},
    {.both = memory_step},
};

const size_t schema_step_count = ARRAY_SIZE(schema_steps);
