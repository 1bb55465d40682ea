/* workload_identities.h - handlers; call->room is the store. */
#ifndef DAEMON_IDENTITY_WORKLOAD_IDENTITIES_H
#define DAEMON_IDENTITY_WORKLOAD_IDENTITIES_H

#include "daemon/front/front.h"

ac_status create_workload_identity(front_call *call, ac_error *err) AC_MUST_USE;
ac_status get_workload_identity(front_call *call, ac_error *err) AC_MUST_USE;
ac_status update_workload_identity(front_call *call, ac_error *err) AC_MUST_USE;
ac_status delete_workload_identity(front_call *call, ac_error *err) AC_MUST_USE;
ac_status list_workload_identities(front_call *call, ac_error *err) AC_MUST_USE;

#endif
