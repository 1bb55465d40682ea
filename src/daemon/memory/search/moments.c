/* moments.c - dates in words.  Only what cannot be anything else is taken for one: "may" and "march" need a number or a
 * preposition beside them. */
#include "daemon/memory/search/moments.h"

#include "daemon/memory/search/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_MS INT64_C(86400000)
#define TIME_MS_MAX INT64_C(253402300799999) /* the end of the year 9999 */
#define YEAR_LEAST 1900
#define YEAR_MOST 2199

/* ---- numbers ---- */

/* "7", "07", "7th", "1st": 1 to 31; 0: no day. */
static unsigned day_of(const char *form)
{
    char *end;
    unsigned long number = form[0] >= '0' && form[0] <= '9' ? strtoul(form, &end, 10) : 0;

    if (number < 1 || number > 31)
        return 0;
    return !*end || strcmp(end, "st") == 0 || strcmp(end, "nd") == 0 || strcmp(end, "rd") == 0 || strcmp(end, "th") == 0
               ? (unsigned)number
               : 0;
}

static unsigned year_of(const char *form)
{
    unsigned long number = strlen(form) == 4 && strspn(form, "0123456789") == 4 ? strtoul(form, NULL, 10) : 0;

    return number >= YEAR_LEAST && number <= YEAR_MOST ? (unsigned)number : 0;
}

static int64_t date_ms(unsigned year, unsigned month, unsigned day)
{
    struct tm date = {.tm_year = (int)year - 1900, .tm_mon = (int)month - 1, .tm_mday = (int)day};

    return (int64_t)timegm(&date) * 1000;
}

static moment date_moment(unsigned year, unsigned month, unsigned day)
{
    moment m = {.kind = day ? MOMENT_DAY : month ? MOMENT_MONTH : MOMENT_YEAR, .month = month, .day = day};

    if (!year)
        return m;
    m.from_ms = date_ms(year, month ? month : 1, day ? day : 1);
    m.to_ms = day ? m.from_ms + DAY_MS : month ? date_ms(year, month + 1, 1) : date_ms(year + 1, 1, 1);
    return m;
}

/* ---- words ---- */

typedef struct scan {
    const char *const *forms;
    size_t count;
    moment *moments;
    size_t found;
} scan;

static const char *form_at(const scan *s, size_t at)
{
    return at < s->count ? s->forms[at] : "";
}

static bool is_among(const char *form, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(form, words[i]) == 0)
            return true;
    return false;
}

static void add(scan *s, moment m)
{
    if (s->found < MOMENTS_MAX)
        s->moments[s->found++] = m;
}

/* A month's name at `at`; returns the word behind what belongs to it. */
static size_t read_month(scan *s, size_t at)
{
    static const char *const doubtful[] = {"mar", "march", "may", "dec", "jan", "jun", "sept", "sep"};
    static const char *const before[] = {"in", "of", "on", "during", "since", "last", "early", "late", "until", "by"};
    unsigned month = wordlist_month(s->forms[at]), day = 0, year;
    size_t to = at + 1;

    if (at > 0)
        day = day_of(s->forms[at - 1]);
    if (!day && at > 1 && strcmp(s->forms[at - 1], "of") == 0)
        day = day_of(s->forms[at - 2]);
    if (!day && (day = day_of(form_at(s, to))))
        to++;
    year = year_of(form_at(s, to));
    if (year)
        to++;
    if (!day && !year && is_among(s->forms[at], doubtful, ARRAY_SIZE(doubtful)) &&
        !(at > 0 && is_among(s->forms[at - 1], before, ARRAY_SIZE(before))))
        return at + 1;
    add(s, date_moment(year, month, day));
    return to;
}

/* A year at `at`: alone, or the beginning of 2023-06-03. */
static size_t read_year(scan *s, size_t at)
{
    const char *second = form_at(s, at + 1), *third = form_at(s, at + 2);
    unsigned month = strlen(second) == 2 ? day_of(second) : 0, day = month ? day_of(third) : 0;
    size_t to = at + 1;

    if (month < 1 || month > 12 || strlen(third) != 2)
        month = day = 0;
    if (day)
        to = at + 3;
    else
        month = 0;
    add(s, date_moment(year_of(s->forms[at]), month, day));
    return to;
}

/* "yesterday", "last week".  0: nothing of the kind. */
static size_t read_relative(scan *s, size_t at, int64_t now_ms)
{
    const char *form = s->forms[at], *next = form_at(s, at + 1);
    int64_t today = now_ms - now_ms % DAY_MS;
    bool last = strcmp(form, "last") == 0 || strcmp(form, "past") == 0;
    moment m = {.kind = MOMENT_DAY, .from_ms = today, .to_ms = today + DAY_MS};
    int64_t days = 0;

    if (strcmp(form, "today") == 0 || strcmp(form, "yesterday") == 0) {
        if (form[0] == 'y') {
            m.from_ms -= DAY_MS;
            m.to_ms -= DAY_MS;
        }
        add(s, m);
        return at + 1;
    }
    if (last || strcmp(form, "this") == 0) {
        days = strcmp(next, "week") == 0 ? 7 : strcmp(next, "month") == 0 ? 31 : strcmp(next, "year") == 0 ? 366 : 0;
        m.kind = days == 7 ? MOMENT_WEEK : days == 31 ? MOMENT_MONTH : MOMENT_YEAR;
        m.from_ms = today - (last ? 2 : 1) * days * DAY_MS;
    }
    if (!days)
        return 0;
    add(s, m);
    return at + 2;
}

size_t moments_read(const char *const *forms, size_t count, int64_t now_ms, moment ret_moments[MOMENTS_MAX])
{
    scan s = {.forms = forms, .count = count, .moments = ret_moments};

    for (size_t at = 0; at < count;) {
        size_t to = read_relative(&s, at, now_ms);

        if (to)
            at = to;
        else if (wordlist_month(forms[at]))
            at = read_month(&s, at);
        else if (year_of(forms[at]))
            at = read_year(&s, at);
        else
            at++;
    }
    return s.found;
}

/* ---- fitting ---- */

/* A day or month of every year, as the one of them that the time fits best: this year's or the last one's. */
static moment of_year(const moment *m, int64_t time_ms)
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm date;
    moment best = *m;

    if (!gmtime_r(&seconds, &date))
        return best;
    unsigned year = (unsigned)(date.tm_year + 1900);
    best = date_moment(year, m->month, m->day);
    return best.from_ms <= time_ms ? best : date_moment(year - 1, m->month, m->day);
}

float moment_fit(const moment *m, int64_t time_ms)
{
    static const struct {
        float inside, soon, later, before;
        int soon_days, later_days, before_days;
    } shapes[] = {
        [MOMENT_DAY] = {1.0F, 0.6F, 0.2F, 0.3F, 7, 21, 1},
        [MOMENT_WEEK] = {0.8F, 0.4F, 0.0F, 0.0F, 7, 0, 0},
        [MOMENT_MONTH] = {0.6F, 0.3F, 0.0F, 0.0F, 14, 0, 0},
        [MOMENT_YEAR] = {0.3F, 0.0F, 0.0F, 0.0F, 0, 0, 0},
    };
    moment at = *m;
    float fit = 0;

    if (time_ms < -TIME_MS_MAX || time_ms > TIME_MS_MAX)
        return 0;
    if (!m->to_ms)
        at = of_year(m, time_ms);
    if (time_ms >= at.from_ms && time_ms < at.to_ms)
        fit = shapes[at.kind].inside;
    else if (time_ms >= at.to_ms && time_ms < at.to_ms + shapes[at.kind].soon_days * DAY_MS)
        fit = shapes[at.kind].soon;
    else if (time_ms >= at.to_ms && time_ms < at.to_ms + shapes[at.kind].later_days * DAY_MS)
        fit = shapes[at.kind].later;
    else if (time_ms < at.from_ms && time_ms >= at.from_ms - shapes[at.kind].before_days * DAY_MS)
        fit = shapes[at.kind].before;
    return fit;
}
