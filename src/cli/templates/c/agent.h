/* agent.h - the agent, as its program and its test make it. */
#ifndef AGENT_H
#define AGENT_H

#include <agentcore/agentcore.h>

/* The agent with its handlers; options may be NULL.  To be freed with ac_app_free; NULL when memory runs out. */
ac_app *agent_new(const ac_app_options *options);

#endif
