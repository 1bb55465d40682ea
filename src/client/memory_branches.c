/* memory_branches.c - a conversation along its branches: one of them, what was said on it, and all as a tree.  Events
 * come newest first. */
#include "client/memory_internal.h"

#include <string.h>

#define TEXT_SHOWN_MAX 50 /* characters */
#define CUT_MARK "..."

/* ---- one branch ---- */

ac_status ac_memory_list_branch_events(ac_memory_session *session, const char *branch, bool include_parents,
                                       size_t results_max, yyjson_doc **ret_events, ac_error *err)
{
    const ac_memory_list_options options = {
        .branch = branch ? branch : MEMORY_MAIN_BRANCH, .include_parents = include_parents, .results_max = results_max};

    return ac_memory_list_events(session, &options, ret_events, err);
}

/* ---- what was said ---- */

static yyjson_mut_val *message_of(yyjson_mut_doc *doc, yyjson_val *event, yyjson_val *said)
{
    yyjson_mut_val *message = yyjson_mut_obj(doc);
    const char *id = ac_json_string(event, "eventId", "");
    const char *branch = ac_json_string(yyjson_obj_get(event, "branch"), "name", MEMORY_MAIN_BRANCH);
    const char *text = ac_json_string(yyjson_obj_get(said, "content"), "text", "");

    return yyjson_mut_obj_add_sint(doc, message, "timestamp", ac_json_int(event, "eventTimestamp", 0)) &&
                   yyjson_mut_obj_add_strcpy(doc, message, "eventId", id) &&
                   yyjson_mut_obj_add_strcpy(doc, message, "branch", branch) &&
                   yyjson_mut_obj_add_strcpy(doc, message, "role", ac_json_string(said, "role", "")) &&
                   yyjson_mut_obj_add_strcpy(doc, message, "content", text)
               ? message
               : NULL;
}

/* The messages of an event go before those of the newer ones, in their own order. */
static ac_status put_before(yyjson_mut_doc *doc, yyjson_val *event, ac_error *err)
{
    yyjson_mut_val *list = yyjson_mut_doc_get_root(doc);
    size_t i, n, at = 0;
    yyjson_val *item;

    yyjson_arr_foreach(yyjson_obj_get(event, "payload"), i, n, item)
    {
        yyjson_val *said = yyjson_obj_get(item, "conversational");

        if (said && !yyjson_mut_arr_insert(list, message_of(doc, event, said), at++))
            return memory_exhausted(err);
    }
    return AC_OK;
}

ac_status memory_messages_of(yyjson_mut_doc *doc, yyjson_val *events, ac_error *err)
{
    yyjson_val *event;
    size_t i, n;

    yyjson_arr_foreach(events, i, n, event) AC_TRY(put_before(doc, event, err));
    return AC_OK;
}

ac_status ac_memory_merge_branch_context(ac_memory_session *session, const char *branch, bool include_parents,
                                         size_t results_max, yyjson_doc **ret_messages, ac_error *err)
{
    _cleanup_(yyjson_doc_freep) yyjson_doc *events = NULL;
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *messages = memory_new_list();

    *ret_messages = NULL;
    if (!messages)
        return memory_exhausted(err);
    AC_TRY(ac_memory_list_branch_events(session, branch, include_parents, results_max, &events, err));
    AC_TRY(memory_messages_of(messages, yyjson_doc_get_root(events), err));
    return memory_finish(messages, ret_messages, err);
}

/* ---- the tree ---- */

/* How many bytes the first characters of a text take. */
static size_t shown_bytes(const char *text)
{
    size_t at = 0;

    for (size_t characters = 0; text[at]; at++) {
        bool begins = ((unsigned char)text[at] & 0xC0) != 0x80;

        if (begins && characters++ == TEXT_SHOWN_MAX)
            break;
    }
    return at;
}

static yyjson_mut_val *shown_text(yyjson_mut_doc *doc, const char *text)
{
    char cut[4 * TEXT_SHOWN_MAX + sizeof(CUT_MARK)];
    size_t bytes = shown_bytes(text);

    if (!text[bytes])
        return yyjson_mut_strcpy(doc, text);
    memcpy(cut, text, bytes);
    memcpy(cut + bytes, CUT_MARK, sizeof(CUT_MARK));
    return yyjson_mut_strcpy(doc, cut);
}

static bool add_messages(yyjson_mut_doc *doc, yyjson_mut_val *summary, yyjson_val *event)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, summary, "messages");
    yyjson_val *item;
    size_t i, n;

    yyjson_arr_foreach(yyjson_obj_get(event, "payload"), i, n, item)
    {
        yyjson_val *said = yyjson_obj_get(item, "conversational");
        const char *text = ac_json_string(yyjson_obj_get(said, "content"), "text", "");
        yyjson_mut_val *message = said ? yyjson_mut_arr_add_obj(doc, list) : NULL;

        if (!said)
            continue;
        if (!message || !yyjson_mut_obj_add_strcpy(doc, message, "role", ac_json_string(said, "role", "")) ||
            !yyjson_mut_obj_add_val(doc, message, "text", shown_text(doc, text)))
            return false;
    }
    return list != NULL;
}

/* The events of a branch, which may be new.  Its first event, the last that is seen, is the one that has a root. */
static yyjson_mut_val *events_of_branch(yyjson_mut_doc *doc, yyjson_mut_val *main_branch, yyjson_val *event)
{
    yyjson_val *of = yyjson_obj_get(event, "branch");
    const char *name = ac_json_string(of, "name", ""), *root = ac_json_string(of, "rootEventId", NULL);
    yyjson_mut_val *branches = yyjson_mut_obj_get(main_branch, "branches");
    yyjson_mut_val *branch = yyjson_mut_obj_get(branches, name);

    if (!branch) {
        branch = yyjson_mut_obj(doc);
        if (!yyjson_mut_obj_add(branches, yyjson_mut_strcpy(doc, name), branch) ||
            !yyjson_mut_obj_add_null(doc, branch, "rootEventId") || !yyjson_mut_obj_add_arr(doc, branch, "events"))
            return NULL;
    }
    if (root) {
        yyjson_mut_val *value = yyjson_mut_strcpy(doc, root); /* to put NULL would remove what is there */
        if (!value || !yyjson_mut_obj_put(branch, yyjson_mut_str(doc, "rootEventId"), value))
            return NULL;
    }
    return yyjson_mut_obj_get(branch, "events");
}

ac_status memory_tree_take(yyjson_val *event, void *user, bool *ret_done, ac_error *err)
{
    yyjson_mut_doc *doc = user;
    yyjson_mut_val *main_branch = yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "mainBranch");
    bool is_main = memory_event_is_main(event);
    yyjson_mut_val *events =
        is_main ? yyjson_mut_obj_get(main_branch, "events") : events_of_branch(doc, main_branch, event);
    yyjson_mut_val *summary = yyjson_mut_arr_add_obj(doc, events);

    *ret_done = false;
    return summary && yyjson_mut_obj_add_strcpy(doc, summary, "eventId", ac_json_string(event, "eventId", "")) &&
                   yyjson_mut_obj_add_sint(doc, summary, "timestamp", ac_json_int(event, "eventTimestamp", 0)) &&
                   add_messages(doc, summary, event)
               ? AC_OK
               : memory_exhausted(err);
}

bool memory_tree_begin(yyjson_mut_doc *doc, const ac_memory_session *session)
{
    yyjson_mut_val *root = yyjson_mut_obj(doc);

    yyjson_mut_doc_set_root(doc, root);
    if (!yyjson_mut_obj_add_str(doc, root, "sessionId", session->session_id) ||
        !yyjson_mut_obj_add_str(doc, root, "actorId", session->actor_id))
        return false;
    yyjson_mut_val *main_branch = yyjson_mut_obj_add_obj(doc, root, "mainBranch");
    return yyjson_mut_obj_add_arr(doc, main_branch, "events") && yyjson_mut_obj_add_obj(doc, main_branch, "branches");
}

ac_status ac_memory_conversation_tree(ac_memory_session *session, yyjson_doc **ret_tree, ac_error *err)
{
    _cleanup_(yyjson_mut_doc_freep) yyjson_mut_doc *tree = yyjson_mut_doc_new(NULL);

    *ret_tree = NULL;
    if (!tree || !memory_tree_begin(tree, session))
        return memory_exhausted(err);
    AC_TRY(memory_each_event(session, NULL, memory_tree_take, tree, err));
    return memory_finish(tree, ret_tree, err);
}
