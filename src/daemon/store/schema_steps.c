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

const schema_step schema_steps[] = {
    {.both = first_step},
    {.both = sessions_step},
};

const size_t schema_step_count = ARRAY_SIZE(schema_steps);
