/* artifacts_fixture.h - a data directory with zip files and images (make_zips.py, make_images.py), and what lies in
 * directories as text. */
#ifndef TESTS_DAEMON_ARTIFACTS_FIXTURE_H
#define TESTS_DAEMON_ARTIFACTS_FIXTURE_H

#include "base/buf.h"
#include "daemon/artifacts/artifacts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct artifacts_shop {
    char base[64]; /* a temporary directory; what is beside data must never change */
    char data[80];
    artifacts *all;
} artifacts_shop;

extern artifacts_shop shop;
extern ac_error err;

/* As group set-up and tear-down. */
int artifacts_set_up(void **state);
int artifacts_tear_down(void **state);

/* Close and open again. */
void artifacts_reopen(const artifacts_options *options);

/* Throw away all that is unpacked. */
void artifacts_clear(void);

/* All that is in a directory, a line each, sorted: "pkg d 0700", "main.py f 0600 SIZE", "current l TARGET".  Freed by
 * the caller. */
char *listing(const char *path);

/* What a file has in it, up to 4095 bytes; static. */
const char *content(const char *directory, const char *name);

/* Run a program, "PROGRAM ARGUMENT...", with no output unless it fails; whether it ended well. */
bool run_program(const char *format, ...) AC_PRINTF(1, 2);

/* "DATA/NAME"; static. */
const char *in_data(const char *format, ...) AC_PRINTF(1, 2);

#endif
