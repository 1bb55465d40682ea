/* agentcore.h - everything for writing an agent in C.  (testing.h is included by tests alone.) */
#ifndef AGENTCORE_AGENTCORE_H
#define AGENTCORE_AGENTCORE_H

#include <agentcore/app.h>
#include <agentcore/context.h>
#include <agentcore/error.h>
#include <agentcore/json.h>
#include <agentcore/log.h>
#include <agentcore/macros.h>
#include <agentcore/version.h>

#endif
