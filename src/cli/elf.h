/* elf.h - what a program or library says of itself to the loader.  Sans-IO: bytes in. */
#ifndef CLI_ELF_H
#define CLI_ELF_H

#include "cli/text.h"

#include <stdint.h>

#define ELF_NEEDED_MAX 512

typedef struct elf_file {
    uint16_t machine;        /* EM_X86_64, ... */
    const char *interpreter; /* NULL: none: static, or a library */
    bool dynamic;
    words needed;        /* names of libraries */
    const char *rpath;   /* NULL: none; lists separated by ':' */
    const char *runpath; /* which makes rpath void */
} elf_file;

/* Whether it begins like an ELF file. */
bool elf_is(const void *data, size_t length);

/* 64-bit files for Linux of either byte order.  Texts live until text_done.  AC_ERR_PROTOCOL: it is none, or broken. */
ac_status elf_parse(const void *data, size_t length, elf_file *ret, ac_error *err) AC_MUST_USE;

/* "amd64", "arm64", ... for a machine; NULL: not known. */
const char *elf_architecture(uint16_t machine);

/* Debian's name for it: "x86_64-linux-gnu"; NULL: not known. */
const char *elf_triplet(uint16_t machine);

#endif
