/* elf.c - the dynamic section of ELF files (System V ABI, chapters 4 and 5).
 *
 * Every offset comes from the file and is not to be trusted: nothing is read but through at(), which knows where the
 * file ends. */
#include "cli/elf.h"
#include "cli/cli.h"

#include <elf.h>
#include <string.h>

#define HEADERS_MAX 4096
#define ENTRIES_MAX 65536

typedef struct reader {
    const unsigned char *data;
    size_t length;
    bool big;    /* byte order */
    bool beyond; /* something was outside the file */
} reader;

static uint64_t at(reader *r, uint64_t offset, size_t bytes)
{
    uint64_t value = 0;

    if (offset > r->length || bytes > r->length - offset) {
        r->beyond = true;
        return 0;
    }
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)r->data[offset + i] << 8 * (r->big ? bytes - 1 - i : i);
    return value;
}

#define FIELD(r, base, type, member) at(r, (base) + offsetof(type, member), sizeof(((type *)0)->member))

bool elf_is(const void *data, size_t length)
{
    return length >= EI_NIDENT && memcmp(data, ELFMAG, SELFMAG) == 0;
}

static ac_status broken(ac_error *err, const char *why)
{
    return ac_error_set(err, AC_ERR_PROTOCOL, "it is no program that can be packaged: %s", why);
}

/* A text that must end before `end`. */
static const char *text_at(const reader *r, uint64_t offset, uint64_t end)
{
    size_t room, length;

    if (offset >= end || end > r->length)
        return NULL;
    room = (size_t)(end - offset);
    length = strnlen((const char *)r->data + offset, room);
    return length < room ? keep_text((const char *)r->data + offset, length) : NULL;
}

/* ---- segments ---- */

typedef struct segments {
    uint64_t begin, size, count;
} segments;

static uint64_t segment(const segments *s, uint64_t i)
{
    return s->begin + i * s->size;
}

/* Where in the file an address is loaded from; length when nowhere. */
static uint64_t offset_of(reader *r, const segments *s, uint64_t address)
{
    for (uint64_t i = 0; i < s->count; i++) {
        uint64_t p = segment(s, i), start = FIELD(r, p, Elf64_Phdr, p_vaddr);

        if (FIELD(r, p, Elf64_Phdr, p_type) == PT_LOAD && address >= start &&
            address - start < FIELD(r, p, Elf64_Phdr, p_filesz))
            return address - start + FIELD(r, p, Elf64_Phdr, p_offset);
    }
    return r->length;
}

/* ---- the dynamic section ---- */

typedef struct dynamic {
    uint64_t texts, texts_size; /* DT_STRTAB, in the file */
} dynamic;

static ac_status take_entry(reader *r, const dynamic *d, uint64_t tag, uint64_t value, elf_file *ret, ac_error *err)
{
    const char *text;

    if (tag != DT_NEEDED && tag != DT_RPATH && tag != DT_RUNPATH)
        return AC_OK;
    text = value < d->texts_size ? text_at(r, d->texts + value, d->texts + d->texts_size) : NULL;
    if (!text)
        return broken(err, "a name in its dynamic section is outside of it");
    if (tag == DT_NEEDED && ret->needed.count == ELF_NEEDED_MAX)
        return broken(err, "it needs too many libraries");
    if (tag == DT_NEEDED)
        words_add(&ret->needed, text);
    else if (tag == DT_RPATH)
        ret->rpath = text;
    else
        ret->runpath = text;
    return AC_OK;
}

static ac_status read_dynamic(reader *r, const segments *s, uint64_t begin, uint64_t size, elf_file *ret, ac_error *err)
{
    uint64_t count = size / sizeof(Elf64_Dyn), address = 0;
    dynamic d = {0};

    if (count > ENTRIES_MAX)
        return broken(err, "its dynamic section is too large");
    for (uint64_t i = 0; i < count; i++) {
        uint64_t tag = FIELD(r, begin + i * sizeof(Elf64_Dyn), Elf64_Dyn, d_tag);
        uint64_t value = FIELD(r, begin + i * sizeof(Elf64_Dyn), Elf64_Dyn, d_un);

        if (tag == DT_NULL)
            count = i;
        address = tag == DT_STRTAB ? value : address;
        d.texts_size = tag == DT_STRSZ ? value : d.texts_size;
    }
    d.texts = offset_of(r, s, address);
    if (r->beyond || d.texts >= r->length || d.texts_size > r->length - d.texts)
        return broken(err, "its dynamic section is outside the file");
    for (uint64_t i = 0; i < count; i++)
        TRY(take_entry(r, &d, FIELD(r, begin + i * sizeof(Elf64_Dyn), Elf64_Dyn, d_tag),
                       FIELD(r, begin + i * sizeof(Elf64_Dyn), Elf64_Dyn, d_un), ret, err));
    ret->dynamic = true;
    return AC_OK;
}

static ac_status read_segment(reader *r, const segments *s, uint64_t p, elf_file *ret, ac_error *err)
{
    uint64_t type = FIELD(r, p, Elf64_Phdr, p_type), offset = FIELD(r, p, Elf64_Phdr, p_offset);
    uint64_t size = FIELD(r, p, Elf64_Phdr, p_filesz);

    if (r->beyond || offset > r->length || size > r->length - offset)
        return type == PT_INTERP || type == PT_DYNAMIC ? broken(err, "it ends early") : AC_OK;
    if (type == PT_INTERP && !(ret->interpreter = text_at(r, offset, offset + size)))
        return broken(err, "the name of its loader does not end");
    return type == PT_DYNAMIC ? read_dynamic(r, s, offset, size, ret, err) : AC_OK;
}

ac_status elf_parse(const void *data, size_t length, elf_file *ret, ac_error *err)
{
    reader r = {.data = data, .length = length};
    segments s;

    *ret = (elf_file){0};
    if (!elf_is(data, length))
        return broken(err, "it is not an ELF file");
    if (r.data[EI_CLASS] != ELFCLASS64)
        return broken(err, "it is not a 64-bit one");
    r.big = r.data[EI_DATA] == ELFDATA2MSB;
    ret->machine = (uint16_t)FIELD(&r, 0, Elf64_Ehdr, e_machine);
    s = (segments){FIELD(&r, 0, Elf64_Ehdr, e_phoff), FIELD(&r, 0, Elf64_Ehdr, e_phentsize),
                   FIELD(&r, 0, Elf64_Ehdr, e_phnum)};
    if (r.beyond || s.begin > length || s.count > HEADERS_MAX || (s.count && s.size < sizeof(Elf64_Phdr)))
        return broken(err, "its headers are broken");
    for (uint64_t i = 0; i < s.count; i++)
        TRY(read_segment(&r, &s, segment(&s, i), ret, err));
    return AC_OK;
}

/* ---- machines ---- */

static const struct {
    uint16_t machine;
    const char *architecture, *triplet;
} machines[] = {
    {EM_X86_64, "amd64", "x86_64-linux-gnu"},   {EM_AARCH64, "arm64", "aarch64-linux-gnu"},
    {EM_RISCV, "riscv64", "riscv64-linux-gnu"}, {EM_PPC64, "ppc64le", "powerpc64le-linux-gnu"},
    {EM_S390, "s390x", "s390x-linux-gnu"},
};

const char *elf_architecture(uint16_t machine)
{
    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++)
        if (machines[i].machine == machine)
            return machines[i].architecture;
    return NULL;
}

const char *elf_triplet(uint16_t machine)
{
    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++)
        if (machines[i].machine == machine)
            return machines[i].triplet;
    return NULL;
}
