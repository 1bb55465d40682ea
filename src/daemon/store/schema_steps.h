/* schema_steps.h - the schema's history; for schema.c only. */
#ifndef DAEMON_STORE_SCHEMA_STEPS_H
#define DAEMON_STORE_SCHEMA_STEPS_H

#include <stddef.h>

/* One step brings the schema from the version before to its own: the index in the table, counted from 1.  Steps that
 * were once released are never changed; a new one is added behind them.
 *
 * One text serves both engines: @ID, @INT, @TEXT, @BLOB stand for types and @END for the end of a table, and are
 * replaced by the engine's words.  What has to differ beyond that follows in a text of its own for either engine. */
typedef struct schema_step {
    const char *both;
    const char *sqlite;   /* may be NULL */
    const char *postgres; /* may be NULL */
} schema_step;

extern const schema_step schema_steps[];
extern const size_t schema_step_count;

#endif
