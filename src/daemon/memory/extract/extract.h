/* extract.h - knowledge drawn from conversations: turns and what is known in, changes to what is known out.
 *
 * Two engines behind one call: a language model (agent/model.h), and the built-in one, which needs none and is the
 * default.  Neither knows the store.  The same turns again, with the changes of the first time among what is known,
 * give no changes.
 *
 * Texts that come out, by kind (docs/memory-extraction.md):
 *   SEMANTIC         one fact per record, in the third person: "The user's sister Anna lives in Oslo."
 *   USER_PREFERENCE  JSON: {"context": "...", "preference": "The user likes ...", "categories": ["food"]}
 *   SUMMARY          one record per session: <topic name="...">...</topic>, one or several
 *   EPISODIC         JSON: {"situation", "intent", "actions": [...], "outcome", ...}; as reflections JSON: {"title",
 *                    "use_cases", "hints", "confidence"} */
#ifndef MEMORY_EXTRACT_EXTRACT_H
#define MEMORY_EXTRACT_EXTRACT_H

#include "agent/model.h"
#include "base/arena.h"

#include <agentcore/json.h>

#define EXTRACT_TEXT_BYTES_MAX 16000 /* characters of a record's text, as the API has it; ours are fewer bytes */
#define EXTRACT_TURNS_MAX 1000
#define EXTRACT_TURN_BYTES_MAX 100000 /* of a turn's text are read */
#define EXTRACT_CHANGES_MAX 1000
#define EXTRACT_METADATA_MAX 20 /* keys of a record, as the API has it */

/* Keys in the metadata of what comes out, beside those of the strategy's schema. */
#define EXTRACT_KEY_ENGINE "x-amz-agentcore-engine"   /* stringValue: "builtin", or "model:" and its name */
#define EXTRACT_KEY_STATED "x-amz-agentcore-statedAt" /* dateTimeValue: of the newest turn it rests on, seconds */
#define EXTRACT_KEY_THROUGH "x-amz-agentcore-through" /* stringValue: SUMMARY, EPISODIC: the last turn taken in */
#define EXTRACT_KEY_SINCE "x-amz-agentcore-since"     /* stringValue: EPISODIC: the turn an episode begins with */
#define EXTRACT_KEY_SUPERSEDED "x-amz-agentcore-supersededBy" /* stringValue: a memoryRecordId; set by the caller */

typedef enum extract_kind { EXTRACT_SEMANTIC, EXTRACT_SUMMARY, EXTRACT_USER_PREFERENCE, EXTRACT_EPISODIC } extract_kind;

typedef struct extract_turn {
    const char *role; /* USER, ASSISTANT, TOOL, OTHER */
    const char *text; /* UTF-8 */
    size_t text_length;
    int64_t timestamp_ms; /* the event's: what "yesterday" is counted from */
    const char *event_id;
    unsigned index; /* of the message in its event */
} extract_turn;

/* A record as it stands.  Those that are superseded are not told. */
typedef struct extract_known {
    const char *id;
    const char *text;
    yyjson_val *metadata; /* in the wire's form, {"key": {"stringValue": "..."}}; NULL: none */
    int64_t created_ms;
    double score; /* how near the asked text it is, 0 to 1; 0 where nothing was asked */
} extract_known;

/* Which records to tell. */
typedef struct extract_query {
    /* The nearest to this text, best first.  NULL: those that this strategy has drawn from this session, oldest first
     * (of SUMMARY the one record, of EPISODIC its episodes). */
    const char *text;
    size_t text_length;
    size_t count;     /* at most */
    bool reflections; /* of the reflection namespace instead of the strategy's own */
} extract_query;

typedef struct extract_task {
    extract_kind kind;
    const extract_turn *turns; /* the window, in order */
    size_t turn_count;
    size_t first_new; /* those before are there to be understood, not to be drawn from */
    const char *actor_id, *session_id;
    /* Of the strategy's override, appended to our own prompts (appendToPrompt), and the models to ask instead of the
     * configured one (modelId).  NULL: none.  The built-in engine has no use for them. */
    const char *extraction_prompt, *extraction_model;
    const char *consolidation_prompt, *consolidation_model;
    const char *reflection_prompt, *reflection_model;
    /* memoryRecordSchema.metadataSchema, an array, or NULL; its LLM_INFERRED keys are filled in (by a model; the
     * built-in engine fills in those whose allowedValues the text names).  reflection_schema: of
     * reflectionConfiguration. */
    yyjson_val *metadata_schema, *reflection_schema;
    bool reflect; /* EPISODIC: there is a reflection namespace */

    /* What is known.  Texts and ids live in the arena. */
    ac_status (*nearest)(void *user, const extract_query *query, arena *a, extract_known **ret_known, size_t *ret_count,
                         ac_error *err);
    /* Asked a few times a second while a model is waited for; false: give up with AC_ERR_CLOSED.  NULL: never. */
    bool (*go_on)(void *user);
    void *user;
} extract_task;

typedef enum extract_action {
    EXTRACT_ADD,       /* a new record */
    EXTRACT_UPDATE,    /* id gets text and metadata; nothing of the old ones is kept */
    EXTRACT_SUPERSEDE, /* id is contradicted by the record of changes[by] (an ADD or UPDATE earlier in the list): keep
                        * it, put EXTRACT_KEY_SUPERSEDED with that record's id into its metadata, leave it out of
                        * searches */
} extract_action;

/* To be applied in order, all or nothing. */
typedef struct extract_change {
    extract_action action;
    const char *id;           /* UPDATE, SUPERSEDE */
    size_t by;                /* SUPERSEDE */
    const char *text;         /* ADD, UPDATE */
    yyjson_mut_val *metadata; /* ADD, UPDATE: in the wire's form; at most EXTRACT_METADATA_MAX keys */
    bool reflection;          /* of the reflection namespace */
    int64_t stated_ms;        /* ADD, UPDATE: of the newest turn it rests on */
} extract_change;

typedef struct extractor extractor;

/* Zero means the default beside it. */
typedef struct extractor_options {
    model *model;     /* outlives the extractor; NULL or of the builtin kind: the built-in engine */
    size_t known_max; /* records a candidate is held against; 8 */
} extractor_options;

/* AC_ERR_NOMEM. */
ac_status extractor_open(const extractor_options *options, extractor **ret_extractor, ac_error *err) AC_MUST_USE;
void extractor_close(extractor *x);
DEFINE_CLEANUP(extractor *, extractor_close)

/* Which engine: "builtin", or "model:NAME".  Lives as long as x. */
const char *extractor_engine(const extractor *x);

/* Work out what changes.  Blocks while a model is asked; any thread, many at once.  The changes, their texts and
 * metadata live in a.  Errors: what nearest or the model fails with; AC_ERR_PROTOCOL: the model's answer is not what
 * was asked for, also after it was told so once; AC_ERR_INVALID: the task; AC_ERR_TOO_LARGE: a window of fewer turns
 * may do; AC_ERR_NOMEM.  After a failure there are no changes. */
ac_status extract_run(extractor *x, const extract_task *task, arena *a, extract_change **ret_changes, size_t *ret_count,
                      ac_error *err) AC_MUST_USE;

#endif
