/* extract_internal.h - the two engines, for extract.c. */
#ifndef MEMORY_EXTRACT_INTERNAL_H
#define MEMORY_EXTRACT_INTERNAL_H

#include "daemon/memory/extract/builtin.h"

#define ENGINE_SIZE 256

struct extractor {
    model *model; /* NULL: the built-in engine */
    size_t known_max;
    char engine[ENGINE_SIZE];
};

/* model_engine.c: all four kinds by asking a model. */
ac_status model_engine_run(const extractor *x, plan *p, ac_error *err) AC_MUST_USE;

#endif
