/* contract_agent.h - what the parts of the contract agent share: gates and counters. */
#ifndef CONTRACT_AGENT_H
#define CONTRACT_AGENT_H

#include <agentcore/agentcore.h>
#include <stdatomic.h>

/* ---- gates: how one request holds another, so that tests need no sleeps ---- */

/* Wait until the named gate lets one through; false after 60 s. */
bool gate_wait(const char *name);

/* Let count waiters (or later comers) through; count < 0: everybody from now on. */
void gate_open(const char *name, int64_t count);

/* How many wait at the gate now. */
int64_t gate_waiting(const char *name);

/* ---- what happened, for {"do": "stats"} ---- */

typedef struct contract_stats {
    atomic_llong client_gone;   /* handlers and streams that noticed it */
    atomic_llong streamed;      /* events sent by the last stream to end */
    atomic_llong stream_status; /* ac_status the last stream ended with */
    atomic_llong second_status; /* ac_status of the last call that a handler made after having answered */
    atomic_llong handled;       /* invocations begun */
    atomic_llong tasks_done;
    atomic_llong websockets_open;
    atomic_llong websockets_closed;
    atomic_llong websocket_code; /* of the last one to close */
    atomic_llong middleware_after;
} contract_stats;

extern contract_stats stats;

/* ---- handlers ---- */

ac_status contract_invoke(ac_request *request, ac_reply *reply, void *user);
ac_status contract_websocket(ac_websocket *websocket, const ac_context *context, void *user);
ac_status contract_websocket_early(ac_websocket *websocket, const ac_context *context, void *user);
extern const ac_websocket_events contract_websocket_events;

/* What the custom ping handler says: 0 healthy, 1 busy, 2 it fails, 3 a value outside the enum. */
extern atomic_int ping_mode;

/* The context as a JSON value; library code below the handler would get the same with ac_context_current. */
yyjson_mut_val *context_value(yyjson_mut_doc *doc, const ac_context *context);

#endif
