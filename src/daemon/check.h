/* check.h - what the machine offers: a table of things that are tried out, for `agentcored check`. */
#ifndef DAEMON_CHECK_H
#define DAEMON_CHECK_H

#include "daemon/config.h"

#define CHECK_DETAIL_SIZE 256

typedef enum check_state {
    CHECK_OK,
    CHECK_LIMITED, /* it is there, and less than it should be */
    CHECK_MISSING,
    CHECK_SKIPPED, /* nothing that this configuration uses */
} check_state;

/* Try one thing out; detail gets a few words about what was found. */
typedef check_state (*check_fn)(const config *c, char detail[CHECK_DETAIL_SIZE]);

/* ---- check_host.c ---- */

check_state check_data_dir(const config *c, char detail[CHECK_DETAIL_SIZE]);
check_state check_disk_space(const config *c, char detail[CHECK_DETAIL_SIZE]);
check_state check_durable_writes(const config *c, char detail[CHECK_DETAIL_SIZE]);
check_state check_open_files(const config *c, char detail[CHECK_DETAIL_SIZE]);
check_state check_postgresql(const config *c, char detail[CHECK_DETAIL_SIZE]);

/* ---- check_sandbox.c: what sandboxes are made of ---- */

check_state check_user_namespaces(const config *c, char detail[CHECK_DETAIL_SIZE]);
check_state check_mount_namespaces(const config *c, char detail[CHECK_DETAIL_SIZE]);
check_state check_pid_namespaces(const config *c, char detail[CHECK_DETAIL_SIZE]);
check_state check_network_namespaces(const config *c, char detail[CHECK_DETAIL_SIZE]);
check_state check_tun(const config *c, char detail[CHECK_DETAIL_SIZE]);
check_state check_seccomp(const config *c, char detail[CHECK_DETAIL_SIZE]);
check_state check_landlock(const config *c, char detail[CHECK_DETAIL_SIZE]);

/* ---- check_cgroups.c ---- */

check_state check_cgroups(const config *c, char detail[CHECK_DETAIL_SIZE]);

/* ---- check_memory.c ---- */

check_state check_wordnet(const config *c, char detail[CHECK_DETAIL_SIZE]);

/* ---- check_tools.c: programs ---- */

check_state check_bubblewrap(const config *c, char detail[CHECK_DETAIL_SIZE]);
check_state check_slirp(const config *c, char detail[CHECK_DETAIL_SIZE]);
check_state check_python(const config *c, char detail[CHECK_DETAIL_SIZE]);
check_state check_node(const config *c, char detail[CHECK_DETAIL_SIZE]);
check_state check_chromium(const config *c, char detail[CHECK_DETAIL_SIZE]);

#endif
