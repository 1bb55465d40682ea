/* fuzz_elf.c - the dynamic section of programs that are packaged: nothing outside the file is read, and what comes out
 * are names. */
#include "cli/elf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* In memory of exactly its size, so that the address sanitizer sees every byte beyond. */
    uint8_t *copy = malloc(size ? size : 1);
    ac_error err = {.message = ""};
    elf_file elf;

    require(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    if (elf_parse(copy, size, &elf, &err) == AC_OK) {
        require(elf_is(copy, size) && elf.needed.count <= ELF_NEEDED_MAX);
        for (size_t i = 0; i < elf.needed.count; i++)
            require(strlen(elf.needed.items[i]) < size);
        require(!elf.rpath || strlen(elf.rpath) < size);
        require(!elf.interpreter || strlen(elf.interpreter) < size);
        require(elf.dynamic || (elf.needed.count == 0 && !elf.rpath && !elf.runpath));
    } else {
        require(err.message[0] != '\0');
    }
    free(copy);
    text_done();
    return 0;
}
