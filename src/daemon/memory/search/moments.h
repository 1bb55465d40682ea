/* moments.h - times that a question names: "on 3 June, 2023", "in May", "in 2022", "2023-06-03", "yesterday". */
#ifndef MEMORY_SEARCH_MOMENTS_H
#define MEMORY_SEARCH_MOMENTS_H

#include "base/util.h"

#include <stdbool.h>

#define MOMENTS_MAX 8

typedef enum moment_kind { MOMENT_DAY, MOMENT_WEEK, MOMENT_MONTH, MOMENT_YEAR } moment_kind;

typedef struct moment {
    moment_kind kind;
    int64_t from_ms, to_ms; /* UTC; both 0: every year */
    unsigned month, day;    /* of every year; day 0: the whole month */
} moment;

/* Find them in the forms of a question's words, all of them in their order.  now_ms: what "yesterday" refers to.
 * Returns how many. */
size_t moments_read(const char *const *forms, size_t count, int64_t now_ms, moment ret_moments[MOMENTS_MAX]);

/* How well a time fits, 0 to 1.  People tell of things when they are over: what comes soon after fits too. */
float moment_fit(const moment *m, int64_t time_ms);

#endif
