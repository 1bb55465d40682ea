/* room.h - the runtime service: agents that are deployed and called.
 *
 * Serves CreateAgentRuntime, GetAgentRuntime, UpdateAgentRuntime, DeleteAgentRuntime, ListAgentRuntimes,
 * ListAgentRuntimeVersions, the five operations on their endpoints, InvokeAgentRuntime, InvokeAgentRuntimeCommand,
 * StopRuntimeSession, GetAgentCard and the WebSocket of an agent. */
#ifndef DAEMON_RUNTIME_ROOM_H
#define DAEMON_RUNTIME_ROOM_H

#include "daemon/daemon.h"

struct runtime_room;

extern const daemon_room runtime_room_row;

/* The room without its data plane, as the tests start it: the control operations and the jobs of d, whose store, jwt,
 * artifacts and sessions are borrowed. */
ac_status runtime_open(agentcored *d, struct runtime_room **ret_room, ac_error *err) AC_MUST_USE;
void runtime_close(struct runtime_room *room);

#endif
