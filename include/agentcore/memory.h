/* memory.h - what an agent remembers: conversations that are kept, and the knowledge that is drawn from them.
 *
 *     ac_memory_session *session = NULL;
 *     const ac_memory_message turns[] = {
 *         {.role = AC_MEMORY_USER, .text = "I love eating apples and cherries"},
 *         {.role = AC_MEMORY_ASSISTANT, .text = "Apples are very good for you!"},
 *     };
 *
 *     if (ac_memory_session_new(client, memory_id, "user-123", "session-456", &session, &err) == AC_OK &&
 *         ac_memory_add_turns(session, turns, 2, NULL, NULL, &err) == AC_OK)
 *         status = ac_memory_last_turns(session, 10, NULL, &turns_of_late, &err);
 *     ac_memory_session_free(session);
 *
 * Everything here works on an ac_client (client.h), which may serve many threads at once, and works the same against
 * AWS and agentcored.  What is not here - batches of records, extraction jobs, tags, ... - is ac_client_call with the
 * operation's name.
 *
 * Answers are JSON, with the members of the AWS API; timestamps are integers, milliseconds since 1970.  Each is the
 * caller's (yyjson_doc_free), and NULL after a failure.  A function that lists follows the pages by itself, in at most
 * 1,000 calls.
 *
 * Functions block and may run in any thread.  They fail as ac_client_call does, and with what stands beside them.
 *
 * A program that uses this links libagentcore-client (pkg-config agentcore-client). */
#ifndef AGENTCORE_MEMORY_H
#define AGENTCORE_MEMORY_H

#include <agentcore/client.h>
#include <agentcore/error.h>
#include <agentcore/macros.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- memories ---------------------------------------------------------------------------------------------------- */

typedef enum ac_memory_strategy_kind {
    AC_MEMORY_SEMANTIC,        /* facts */
    AC_MEMORY_SUMMARY,         /* what a session was about */
    AC_MEMORY_USER_PREFERENCE, /* likes and dislikes */
    AC_MEMORY_EPISODIC,        /* what happened, and what can be learnt from it */
    AC_MEMORY_SELF_MANAGED,    /* whatever a program of your own draws */
} ac_memory_strategy_kind;

/* Words of your own for one step, and the model that is given them: both, or neither. */
typedef struct ac_memory_prompt {
    const char *append_to_prompt; /* 1 to 30,000 characters of UTF-8, put behind the service's prompt */
    const char *model_id;
} ac_memory_prompt;

/* A custom strategy: how the steps of its kind are to differ.  A step that is zero is done as always; one of them at
 * least is not. */
typedef struct ac_memory_overrides {
    ac_memory_prompt extraction;    /* not of summaries */
    ac_memory_prompt consolidation; /* with what is known already */
    ac_memory_prompt reflection;    /* of episodes alone */
} ac_memory_overrides;

/* When your program is told to draw knowledge, and where.  Zero means the default beside it. */
typedef struct ac_memory_self_managed {
    const char *topic_arn; /* SNS topic of the notices; required, in a change: as it is */
    const char *bucket;    /* S3 bucket of what was said; required, in a change: as it is */
    /* Triggers: any of them; without any the service's own, in a change: as they are. */
    unsigned message_count;          /* 1 to 50; none */
    unsigned token_count;            /* 100 to 500,000; none */
    unsigned idle_session_timeout_s; /* seconds of silence, 10 to 3,000; none */
    int history_window;              /* messages from before, up to 50; the service's; negative: none */
} ac_memory_self_managed;

/* How knowledge is drawn.  Zero means the default beside it.  All is borrowed during the call. */
typedef struct ac_memory_strategy {
    ac_memory_strategy_kind kind;
    const char *name;                /* required */
    const char *description;         /* none */
    const char *namespace_template;  /* "/facts/{actorId}/"; the service's default */
    const char *reflection_template; /* namespace of an episodic strategy's reflections, only there (with overrides:
                                      * only with a prompt for them); the service's */
    const ac_memory_overrides *overrides;       /* none; not of a self-managed strategy */
    const ac_memory_self_managed *self_managed; /* required of a self-managed strategy, only there */
    yyjson_val *record_schema;                  /* metadata to draw: memoryRecordSchema, as in the API; none */
} ac_memory_strategy;

/* What a value of metadata is. */
typedef enum ac_memory_value_type {
    AC_MEMORY_STRING,
    AC_MEMORY_STRING_LIST,
    AC_MEMORY_NUMBER,
    AC_MEMORY_TIME, /* only in filters, and only of records */
} ac_memory_value_type;

/* Metadata of records that can be filtered by. */
typedef struct ac_memory_indexed_key {
    const char *key; /* 1 to 128 characters */
    ac_memory_value_type type;
} ac_memory_indexed_key;

/* Zero means the default beside it.  All is borrowed during the call. */
typedef struct ac_memory_spec {
    const char *name;                     /* required: a letter, then letters, digits and _ */
    const char *description;              /* none */
    unsigned event_expiry_days;           /* 3 to 365; 90 */
    const ac_memory_strategy *strategies; /* none: events only */
    size_t strategy_count;
    const char *execution_role_arn;            /* none */
    const ac_memory_indexed_key *indexed_keys; /* none; they can be added to later, and never taken away */
    size_t indexed_key_count;                  /* up to 10 */
} ac_memory_spec;

/* Zero means the default beside it. */
typedef struct ac_memory_wait_options {
    unsigned max_wait_s;       /* seconds to wait at most; 300 */
    unsigned poll_interval_ms; /* between two looks, once they have become rare; 10,000 */
} ac_memory_wait_options;

/* Create a memory and wait until it is ACTIVE.  wait may be NULL.  *ret_memory (may be NULL) is a Memory: id, name,
 * status, strategies, ...
 * Errors: AC_ERR_INVALID (ValidationException: also a name that is taken; "strategy N: ...", "indexed key N: ..." that
 * the client sees is wrong), and those of ac_memory_wait_active; the memory is left as it is.
 * Operations: CreateMemory, GetMemory. */
AC_API ac_status ac_memory_create_and_wait(ac_client *client, const ac_memory_spec *spec,
                                           const ac_memory_wait_options *wait, yyjson_doc **ret_memory, ac_error *err);

/* The same, but a memory of that name that exists is the answer, as it is: its strategies are not looked at.
 * Operations: CreateMemory, ListMemories, GetMemory. */
AC_API ac_status ac_memory_create_or_get(ac_client *client, const ac_memory_spec *spec,
                                         const ac_memory_wait_options *wait, yyjson_doc **ret_memory, ac_error *err);

/* Wait until a memory and all its strategies are ACTIVE.  Errors: AC_ERR_STATE "Memory creation failed: reason" (also
 * a strategy that FAILED), AC_ERR_TIMEOUT "Memory X did not become ACTIVE within N seconds".
 * Operation: GetMemory. */
AC_API ac_status ac_memory_wait_active(ac_client *client, const char *memory_id, const ac_memory_wait_options *wait,
                                       yyjson_doc **ret_memory, ac_error *err);

/* Delete a memory with all that is in it, and wait until it is gone.  Errors: AC_ERR_NOT_FOUND, AC_ERR_TIMEOUT "Memory
 * X was not deleted within N seconds".
 * Operations: DeleteMemory, GetMemory. */
AC_API ac_status ac_memory_delete_and_wait(ac_client *client, const char *memory_id, const ac_memory_wait_options *wait,
                                           ac_error *err);

/* What a memory is.  *ret_state is AC_MEMORY_STATE_UNKNOWN after a failure, and when the service says anything else.
 * Errors: AC_ERR_NOT_FOUND.
 * Operation: GetMemory. */
typedef enum ac_memory_state {
    AC_MEMORY_STATE_UNKNOWN,
    AC_MEMORY_STATE_CREATING,
    AC_MEMORY_STATE_ACTIVE,
    AC_MEMORY_STATE_UPDATING,
    AC_MEMORY_STATE_DELETING,
    AC_MEMORY_STATE_FAILED,
} ac_memory_state;
AC_API ac_status ac_memory_get_state(ac_client *client, const char *memory_id, ac_memory_state *ret_state,
                                     ac_error *err);

/* ---- strategies -------------------------------------------------------------------------------------------------- */

/* How a strategy is to change.  Zero: as it is.  All is borrowed during the call. */
typedef struct ac_memory_strategy_change {
    const char *strategy_id; /* required */
    const char *description;
    const char *namespace_template;
    const char *reflection_template;            /* as in ac_memory_strategy */
    const ac_memory_overrides *overrides;       /* only of a strategy that was made with some */
    const ac_memory_self_managed *self_managed; /* only of one that is */
    yyjson_val *record_schema;
} ac_memory_strategy_change;

/* Several changes at once, made in this order: modify, remove, add.  All is borrowed during the call. */
typedef struct ac_memory_strategy_changes {
    const ac_memory_strategy_change *modify;
    size_t modify_count;
    const char *const *remove_ids;
    size_t remove_count;
    const ac_memory_strategy *add;
    size_t add_count;
} ac_memory_strategy_changes;

/* Make changes in one call - all of them or none - and wait as ac_memory_wait_active does, with its wait and
 * *ret_memory (both may be NULL).
 * Errors: AC_ERR_INVALID "No strategy operations provided" (changes NULL or empty), "strategy N: ..." and "change N:
 * ..." that do not fit the kind of the strategy, or what the service finds wrong; AC_ERR_NOT_FOUND "Strategy X not
 * found in memory Y" (of modify), AC_ERR_CONFLICT (the memory is being changed already), AC_ERR_QUOTA (too many), and
 * those of ac_memory_wait_active, after which the changes stay.
 * Operations: GetMemory (to modify, it is asked what kind of strategy each is), UpdateMemory, GetMemory. */
AC_API ac_status ac_memory_update_strategies_and_wait(ac_client *client, const char *memory_id,
                                                      const ac_memory_strategy_changes *changes,
                                                      const ac_memory_wait_options *wait, yyjson_doc **ret_memory,
                                                      ac_error *err);

/* The same for one: add a strategy, change one, or delete one by its id. */
AC_API ac_status ac_memory_add_strategy_and_wait(ac_client *client, const char *memory_id,
                                                 const ac_memory_strategy *strategy, const ac_memory_wait_options *wait,
                                                 yyjson_doc **ret_memory, ac_error *err);
AC_API ac_status ac_memory_modify_strategy_and_wait(ac_client *client, const char *memory_id,
                                                    const ac_memory_strategy_change *change,
                                                    const ac_memory_wait_options *wait, yyjson_doc **ret_memory,
                                                    ac_error *err);
AC_API ac_status ac_memory_delete_strategy_and_wait(ac_client *client, const char *memory_id, const char *strategy_id,
                                                    const ac_memory_wait_options *wait, yyjson_doc **ret_memory,
                                                    ac_error *err);

/* *ret_strategies is an array of MemoryStrategy (strategyId, name, type, namespaceTemplates, status, configuration,
 * ...), empty when the memory has none.  Errors: AC_ERR_NOT_FOUND.
 * Operation: GetMemory. */
AC_API ac_status ac_memory_list_strategies(ac_client *client, const char *memory_id, yyjson_doc **ret_strategies,
                                           ac_error *err);

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

/* A conversation of an actor: three ids and a client.  Never changes, so any threads may use it at once. */
typedef struct ac_memory_session ac_memory_session;

/* Nothing is sent.  Ids are copied; session_id NULL: a random UUID.  client is borrowed until the session is freed.
 * Errors: AC_ERR_INVALID (an id is missing), AC_ERR_NOMEM. */
AC_API ac_status ac_memory_session_new(ac_client *client, const char *memory_id, const char *actor_id,
                                       const char *session_id, ac_memory_session **ret_session, ac_error *err)
    AC_MUST_USE;

/* Frees the object; the conversation stays.  NULL is allowed. */
AC_API void ac_memory_session_free(ac_memory_session *session);

AC_API const char *ac_memory_session_id(const ac_memory_session *session);
AC_API const char *ac_memory_session_actor_id(const ac_memory_session *session);
AC_API const char *ac_memory_session_memory_id(const ac_memory_session *session);

/* ---- events ------------------------------------------------------------------------------------------------------ */

typedef enum ac_memory_role { AC_MEMORY_USER, AC_MEMORY_ASSISTANT, AC_MEMORY_TOOL, AC_MEMORY_OTHER } ac_memory_role;

/* What somebody said (text), or any JSON (blob): one of the two.  Borrowed during the call. */
typedef struct ac_memory_message {
    ac_memory_role role; /* of text */
    const char *text;    /* 1 to 100,000 characters of UTF-8 */
    yyjson_val *blob;    /* knowledge is not drawn from it */
} ac_memory_message;

typedef struct ac_memory_metadata {
    const char *key;
    const char *value; /* in a filter, NULL: any value */
} ac_memory_metadata;

/* Zero means the default beside it.  Borrowed during the call. */
typedef struct ac_memory_event_options {
    const char *branch;                 /* name; the main line */
    const char *root_event_id;          /* with the first event of a branch: the event that it leaves from */
    const ac_memory_metadata *metadata; /* none */
    size_t metadata_count;              /* up to 15 */
    int64_t timestamp_ms;               /* now */
    bool skip_extraction;               /* draw no knowledge from it */
} ac_memory_event_options;

/* Keep messages as one event.  options may be NULL.  *ret_event (may be NULL) is an Event: eventId, ...
 * Errors: AC_ERR_INVALID "At least one message is required", or a message with both text and blob, or neither.
 * Operation: CreateEvent. */
AC_API ac_status ac_memory_add_turns(ac_memory_session *session, const ac_memory_message *messages, size_t count,
                                     const ac_memory_event_options *options, yyjson_doc **ret_event, ac_error *err);

/* Begin a branch that leaves the conversation at an event, with messages as its first event.  The branch of options
 * must be zero.  Later events of it: ac_memory_add_turns with options->branch. */
AC_API ac_status ac_memory_fork(ac_memory_session *session, const char *root_event_id, const char *branch,
                                const ac_memory_message *messages, size_t count, const ac_memory_event_options *options,
                                yyjson_doc **ret_event, ac_error *err);

/* Zero means the default beside it. */
typedef struct ac_memory_list_options {
    const char *branch;                 /* name, "main" for the main line alone; all branches */
    bool include_parents;               /* of branch: also what it grew from */
    const ac_memory_metadata *metadata; /* all of these; no matter what */
    size_t metadata_count;              /* up to 5, together with: */
    yyjson_val *metadata_filters;       /* expressions, as of ac_memory_filters_build; none */
    size_t results_max;                 /* 100 */
    bool without_payloads;
} ac_memory_list_options;

/* *ret_events is an array of Event, the newest first.  options may be NULL.
 * Operation: ListEvents. */
AC_API ac_status ac_memory_list_events(ac_memory_session *session, const ac_memory_list_options *options,
                                       yyjson_doc **ret_events, ac_error *err);

/* The last k turns, the newest first: *ret_turns is an array of arrays of {"role": .., "content": {"text": ..}}.  A
 * turn begins with what the user said.  Events are read until there are k turns; results_max of options (here: no
 * limit) bounds how many.
 * Operation: ListEvents. */
AC_API ac_status ac_memory_last_turns(ac_memory_session *session, size_t k, const ac_memory_list_options *options,
                                      yyjson_doc **ret_turns, ac_error *err);

/* *ret_branches is an array of {name, rootEventId, firstEventId, eventCount, created}: "main" first, with rootEventId
 * null, if it has events; then the others, those first whose last event is newest.
 * Operation: ListEvents, for all events of the session. */
AC_API ac_status ac_memory_list_branches(ac_memory_session *session, yyjson_doc **ret_branches, ac_error *err);

/* The events of one branch alone, the newest first: an array of Event, up to results_max (0: 100).  branch NULL or
 * "main" is the main line, for which the events of all branches are read until there are enough; include_parents gives
 * other branches also what they grew from.
 * Errors: as ac_client_call.
 * Operation: ListEvents. */
AC_API ac_status ac_memory_list_branch_events(ac_memory_session *session, const char *branch, bool include_parents,
                                              size_t results_max, yyjson_doc **ret_events, ac_error *err);

/* What was said on a branch, the oldest first, as context for a model: *ret_messages is an array of {"timestamp",
 * "eventId", "branch", "role", "content"}, of the newest events as ac_memory_list_branch_events gives them, with the
 * same parameters.  Blobs are left out.
 * Operation: ListEvents. */
AC_API ac_status ac_memory_merge_branch_context(ac_memory_session *session, const char *branch, bool include_parents,
                                                size_t results_max, yyjson_doc **ret_messages, ac_error *err);

/* The conversation at a glance:
 *
 *     {"sessionId": .., "actorId": .., "mainBranch": {"events": [EVENT, ...],
 *      "branches": {NAME: {"rootEventId": .., "events": [EVENT, ...]}, ...}}}
 *
 * EVENT is {"eventId", "timestamp", "messages": [{"role", "text"}]}, the newest first; a text of more than 50
 * characters is cut, and ends with "...".  Branches of branches stand beside them: rootEventId says where each leaves,
 * null when no event of it does.
 * Operation: ListEvents, for all events of the session. */
AC_API ac_status ac_memory_conversation_tree(ac_memory_session *session, yyjson_doc **ret_tree, ac_error *err);

/* *ret_event is an Event.  Operations: GetEvent, DeleteEvent. */
AC_API ac_status ac_memory_get_event(ac_memory_session *session, const char *event_id, yyjson_doc **ret_event,
                                     ac_error *err);
AC_API ac_status ac_memory_delete_event(ac_memory_session *session, const char *event_id, ac_error *err);

/* Who has been heard, and in which conversations: arrays of ActorSummary, SessionSummary.  results_max 0: 100.
 * Operations: ListActors, ListSessions. */
AC_API ac_status ac_memory_list_actors(ac_client *client, const char *memory_id, size_t results_max,
                                       yyjson_doc **ret_actors, ac_error *err);
AC_API ac_status ac_memory_list_sessions(ac_client *client, const char *memory_id, const char *actor_id,
                                         size_t results_max, yyjson_doc **ret_sessions, ac_error *err);

/* ---- filters by metadata ----------------------------------------------------------------------------------------- */

typedef enum ac_memory_operator {
    AC_MEMORY_EQUALS_TO,  /* events: these three, with strings */
    AC_MEMORY_EXISTS,     /* without an operand */
    AC_MEMORY_NOT_EXISTS, /* without an operand */
    AC_MEMORY_BEFORE,     /* AC_MEMORY_TIME */
    AC_MEMORY_AFTER,
    AC_MEMORY_CONTAINS,     /* a string list of the record: agentcored takes an AC_MEMORY_STRING */
    AC_MEMORY_GREATER_THAN, /* AC_MEMORY_NUMBER */
    AC_MEMORY_GREATER_THAN_OR_EQUALS,
    AC_MEMORY_LESS_THAN,
    AC_MEMORY_LESS_THAN_OR_EQUALS,
} ac_memory_operator;

/* What is compared with: the member of its type. */
typedef struct ac_memory_value {
    ac_memory_value_type type;
    const char *string;
    const char *const *strings; /* a string list: 1 to 5 of them */
    size_t string_count;
    double number;
    int64_t time_ms; /* since 1970 */
} ac_memory_value;

typedef struct ac_memory_filter {
    const char *key; /* of a record: an indexed one, or x-amz-agentcore-memory-createdAt, -updatedAt */
    ac_memory_operator op;
    const ac_memory_value *right; /* the operand; none */
} ac_memory_filter;

/* Make expressions, all of which must be true, for the metadata_filters of ac_memory_place and ac_memory_list_options:
 * *ret_filters is an array, whose root is put there and which must live during the call.  All is copied.  Nothing is
 * sent; which type of operand an operator takes is left to the service.
 * Errors: AC_ERR_INVALID "X does not accept a right operand; the service rejects this combination." (EXISTS,
 * NOT_EXISTS), "X requires a right operand." (the others), "metadata_filters supports a maximum of 5 expressions;
 * received N.", "filter N: ..." (no key, no such operator or type, an operand without its value, a text that is not
 * UTF-8, a number that is not finite), AC_ERR_NOMEM. */
AC_API ac_status ac_memory_filters_build(const ac_memory_filter *filters, size_t count, yyjson_doc **ret_filters,
                                         ac_error *err);

/* ---- long-term memories ------------------------------------------------------------------------------------------ */

/* Where to look: one of the first two is required.  Zero means the default beside it.  Borrowed during the call. */
typedef struct ac_memory_place {
    const char *namespace_prefix; /* namespaces that begin with this (the API's `namespace`) */
    const char *namespace_path;   /* this namespace and what is below it */
    const char *strategy_id;      /* any */
    yyjson_val *metadata_filters; /* up to 5 expressions, as of ac_memory_filters_build; none */
} ac_memory_place;

/* Records about something, the best first: *ret_records is an array of MemoryRecordSummary, up to top_k of them (1 to
 * 100; 0: 3) with content.text and score (0 to 1).
 * Errors: AC_ERR_INVALID "'namespace_prefix' and 'namespace_path' are mutually exclusive.", "At least one of
 * 'namespace_prefix' or 'namespace_path' must be provided.", "Wildcards (*) are not supported in namespaces.",
 * "metadata_filters supports a maximum of 5 expressions; received N.".
 * Operation: RetrieveMemoryRecords. */
AC_API ac_status ac_memory_search(ac_client *client, const char *memory_id, const char *query,
                                  const ac_memory_place *place, unsigned top_k, yyjson_doc **ret_records,
                                  ac_error *err);

/* All records of a place: an array of MemoryRecordSummary, up to results_max (0: 100).  Errors as ac_memory_search.
 * Operation: ListMemoryRecords. */
AC_API ac_status ac_memory_list_records(ac_client *client, const char *memory_id, const ac_memory_place *place,
                                        size_t results_max, yyjson_doc **ret_records, ac_error *err);

/* *ret_record is a MemoryRecord.  Operations: GetMemoryRecord, DeleteMemoryRecord. */
AC_API ac_status ac_memory_get_record(ac_client *client, const char *memory_id, const char *record_id,
                                      yyjson_doc **ret_record, ac_error *err);
AC_API ac_status ac_memory_delete_record(ac_client *client, const char *memory_id, const char *record_id,
                                         ac_error *err);

/* Delete all records of a place, also those beyond the first page.  *ret_outcome (may be NULL) is {"successfulRecords":
 * [...], "failedRecords": [...]}; a record that cannot be deleted is told once, and the others go all the same.
 * Errors as ac_memory_search; what was deleted before one stays deleted.
 * Operations: ListMemoryRecords, BatchDeleteMemoryRecords. */
AC_API ac_status ac_memory_delete_records(ac_client *client, const char *memory_id, const ac_memory_place *place,
                                          yyjson_doc **ret_outcome, ac_error *err);

/* Wait until a place has records, after events were kept.  max_wait_s is 180 and poll_interval_ms 15,000 unless wait
 * says otherwise.  Errors as ac_memory_search, and AC_ERR_TIMEOUT "No memories in X within N seconds".
 * Operation: ListMemoryRecords. */
AC_API ac_status ac_memory_wait_records(ac_client *client, const char *memory_id, const ac_memory_place *place,
                                        const ac_memory_wait_options *wait, ac_error *err);

/* ---- a turn with a model ----------------------------------------------------------------------------------------- */

/* What to remember before the model is asked.  Zero means the default beside it. */
typedef struct ac_memory_retrieval {
    const char *namespace_template; /* required; {actorId}, {sessionId} and {memoryStrategyId} are filled in */
    unsigned top_k;                 /* 1 to 100; 10 */
    double relevance_score;         /* 0 to 1: records with less are left out */
    const char *strategy_id;        /* any; also what {memoryStrategyId} or {strategyId} stands for */
    const char *retrieval_query;    /* words put before the user's; none */
} ac_memory_retrieval;

/* Zero means the default beside it. */
typedef struct ac_memory_turn_options {
    const ac_memory_retrieval *retrievals; /* none: the model is given no memories */
    size_t retrieval_count;
    const ac_memory_event_options *event; /* how input and response are kept; as ac_memory_add_turns does */
} ac_memory_turn_options;

/* Answer the user: input is what was said, memories an array of MemoryRecordSummary, both borrowed.  *ret_response is
 * allocated with malloc and handed over.  A failure, which the model may describe in err, is that of the turn. */
typedef ac_status (*ac_memory_model)(const char *input, yyjson_val *memories, void *userdata, char **ret_response,
                                     ac_error *err);

/* What came of a turn; all of it is released by ac_memory_turn_done. */
typedef struct ac_memory_turn {
    yyjson_doc *memories; /* what the model was given */
    char *response;       /* what it said */
    yyjson_doc *event;    /* as which both were kept */
} ac_memory_turn;

/* One turn of a conversation: search for memories in every place of options->retrievals, ask the model, and keep the
 * input and its response as one event.  options may be NULL.  *ret_turn is zero after a failure, and nothing is kept.
 * Errors: AC_ERR_INVALID (also a template with an unknown placeholder), AC_ERR_HANDLER (the model gave no response),
 * and the model's.
 * Operations: RetrieveMemoryRecords, CreateEvent. */
AC_API ac_status ac_memory_process_turn(ac_memory_session *session, const char *input, ac_memory_model model,
                                        void *userdata, const ac_memory_turn_options *options, ac_memory_turn *ret_turn,
                                        ac_error *err);

/* A turn that is zero is allowed. */
AC_API void ac_memory_turn_done(ac_memory_turn *turn);

#ifdef __cplusplus
}
#endif

#endif
