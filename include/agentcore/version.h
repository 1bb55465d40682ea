/* version.h - which libagentcore this is. */
#ifndef AGENTCORE_VERSION_H
#define AGENTCORE_VERSION_H

#include <agentcore/macros.h>

#define AC_VERSION_MAJOR 0
#define AC_VERSION_MINOR 1
#define AC_VERSION_PATCH 0
#define AC_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is loaded, which may differ from AC_VERSION, that of the headers.  Static. */
AC_API const char *ac_version(void);

#ifdef __cplusplus
}
#endif

#endif
