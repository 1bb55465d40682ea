/* libraries.h - which files a program needs to run. */
#ifndef CLI_LIBRARIES_H
#define CLI_LIBRARIES_H

#include "cli/elf.h"

typedef struct library {
    const char *source; /* the file here, links followed */
    const char *place;  /* absolute, where a program looks for it in an image */
} library;

#define LIBRARIES_MAX 1024

typedef struct libraries {
    library items[LIBRARIES_MAX];
    size_t count;
    uint16_t machine; /* of the first program; 0: none yet */
    bool speaks_tls;  /* libssl is among them */
} libraries;

/* Add what a program (an ELF file) needs: its loader, and its libraries with theirs.  They are found as the loader
 * finds them: DT_RPATH, LD_LIBRARY_PATH, DT_RUNPATH, the directories of /etc/ld.so.conf, the standard ones; for another
 * machine in the directories of its cross compiler, too.  Errors: AC_ERR_NOT_FOUND (a library is not here; the message
 * names it), AC_ERR_PROTOCOL, AC_ERR_INVALID (for another machine than the first). */
ac_status libraries_add(libraries *all, const char *program, ac_error *err) AC_MUST_USE;

#endif
