/* memory_internal.h - what the files of the memory client share: an operation's input as it is put together, and the
 * pages of an answer. */
#ifndef CLIENT_MEMORY_INTERNAL_H
#define CLIENT_MEMORY_INTERNAL_H

#include "base/util.h"
#include "client/patience.h"

#include <agentcore/memory.h>

#define MEMORY_PAGE_MAX ((size_t)100) /* items that the service gives at once */
#define MEMORY_RESULTS_DEFAULT 100
#define MEMORY_POLL_INTERVAL_MS 10000
#define MEMORY_MAX_WAIT_S 300
#define MEMORY_FILTERS_MAX 5
#define MEMORY_MAIN_BRANCH "main" /* the name that clients have for events without a branch */

struct ac_memory_session {
    ac_client *client;
    char *memory_id, *actor_id, *session_id;
};

DEFINE_CLEANUP(yyjson_doc *, yyjson_doc_free)
DEFINE_CLEANUP(yyjson_mut_doc *, yyjson_mut_doc_free)

static inline ac_status memory_exhausted(ac_error *err)
{
    return ac_error_set(err, AC_ERR_NOMEM, "out of memory");
}

/* ---- memory_call.c: one operation ---- */

typedef struct memory_call {
    ac_client *client;
    const char *operation;
    yyjson_mut_doc *doc;
    yyjson_mut_val *input; /* strings that are added are borrowed */
    bool broken;           /* something could not be added: the call will fail */
} memory_call;

/* As a cleanup: _cleanup_(memory_call_done).  Failures wait for memory_call_run. */
memory_call memory_call_begin(ac_client *client, const char *operation, const char *memory_id);
memory_call memory_call_in(const ac_memory_session *session, const char *operation);
void memory_call_done(memory_call *c);

/* A member of the input; a text that is NULL is none. */
void memory_call_text(memory_call *c, const char *key, const char *text);
void memory_call_add(memory_call *c, const char *key, yyjson_mut_val *value);

/* ret_output may be NULL. */
ac_status memory_call_run(memory_call *c, yyjson_doc **ret_output, ac_error *err) AC_MUST_USE;

/* Run it, and give the member of the output alone.  ret_value may be NULL. */
ac_status memory_call_run_for(memory_call *c, const char *member, yyjson_doc **ret_value, ac_error *err) AC_MUST_USE;

/* The pages of a call that lists. */
typedef struct memory_pages {
    memory_call *call;
    const char *member; /* of the output: the list */
    size_t left;        /* items that are still wanted */
    unsigned requests;
    bool ended;
} memory_pages;

memory_pages memory_pages_of(memory_call *c, const char *member, size_t results_max);

/* Have the next call ask for a page: the first one, or that of a token. */
ac_status memory_pages_ask(memory_pages *p, const char *token, ac_error *err) AC_MUST_USE;

/* *ret_page is the next page, NULL at the end; *ret_items its list. */
ac_status memory_pages_next(memory_pages *p, yyjson_doc **ret_page, yyjson_val **ret_items, ac_error *err) AC_MUST_USE;

/* All items as one array. */
ac_status memory_collect(memory_call *c, const char *member, size_t results_max, yyjson_doc **ret_list, ac_error *err)
    AC_MUST_USE;

/* A new document whose root is an array or an object; NULL when memory runs out. */
yyjson_mut_doc *memory_new_list(void);
yyjson_mut_doc *memory_new_object(void);

/* A value as a document of its own. */
ac_status memory_copy(yyjson_val *value, yyjson_doc **ret_doc, ac_error *err) AC_MUST_USE;

/* Turn what was built into the answer. */
ac_status memory_finish(yyjson_mut_doc *doc, yyjson_doc **ret_doc, ac_error *err) AC_MUST_USE;

/* ---- memory_events.c ---- */

/* Does something with an event; *ret_done ends it. */
typedef ac_status (*memory_event_taker)(yyjson_val *event, void *user, bool *ret_done, ac_error *err);

/* The events of a session, the newest first: those that the options ask for (NULL: all), results_max 0 being no limit.
 * The main line has no name for the service, which lists the events of all branches when none is asked for: when the
 * options name it, the others are passed over here. */
ac_status memory_each_event(const ac_memory_session *session, const ac_memory_list_options *options,
                            memory_event_taker take, void *user, ac_error *err) AC_MUST_USE;

/* Takes an event into a list of branches, user being its document.  Events come newest first, so the last that is seen
 * of a branch is its first. */
ac_status memory_count_event(yyjson_val *event, void *user, bool *ret_done, ac_error *err) AC_MUST_USE;

/* Whether an event is on the main line. */
bool memory_event_is_main(yyjson_val *event);

/* ---- memory_branches.c: its parts that build, for events that were listed ---- */

/* What was said goes into a list, the oldest first. */
ac_status memory_messages_of(yyjson_mut_doc *doc, yyjson_val *events, ac_error *err) AC_MUST_USE;

/* Make an empty tree, and take in an event, user being the document; *ret_done is always false. */
bool memory_tree_begin(yyjson_mut_doc *doc, const ac_memory_session *session);
ac_status memory_tree_take(yyjson_val *event, void *user, bool *ret_done, ac_error *err) AC_MUST_USE;

/* ---- memory_filters.c ---- */

/* A list of expressions, which doc has; filters are checked. */
ac_status memory_filter_list(yyjson_mut_doc *doc, const ac_memory_filter *filters, size_t count,
                             yyjson_mut_val **ret_list, ac_error *err) AC_MUST_USE;

/* ---- memory_control.c ---- */

/* *ret_memory (may be NULL) is what GetMemory says. */
ac_status memory_look_at(ac_client *client, const char *memory_id, yyjson_doc **ret_memory, ac_error *err) AC_MUST_USE;

/* ---- memory_strategies.c ---- */

/* Put a list of strategies into an object of the input, unless there are none. */
ac_status memory_call_strategies(memory_call *c, yyjson_mut_val *to, const char *key,
                                 const ac_memory_strategy *strategies, size_t count, ac_error *err) AC_MUST_USE;

/* Put a change into a list of them; strategy is what it changes, as GetMemory shows it. */
ac_status memory_call_change(memory_call *c, yyjson_mut_val *list, const ac_memory_strategy_change *change,
                             size_t index, yyjson_val *strategy, ac_error *err) AC_MUST_USE;

#endif
