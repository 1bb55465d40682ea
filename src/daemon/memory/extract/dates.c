/* dates.c - relative dates, by the proleptic Gregorian calendar.
 *
 * A phrase is matched at the beginning of a word, and turned into a day, a week, a weekend, a month or a year.  A
 * preposition that stands before it already (since, until, by, from) takes the place of ours. */
#include "daemon/memory/extract/dates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DAY_MS INT64_C(86400000)
#define YEAR_MAX 9999
#define AGO_MAX 10000 /* of any unit */

typedef enum span { SPAN_NONE, SPAN_DAY, SPAN_WEEK, SPAN_WEEKEND, SPAN_MONTH, SPAN_YEAR } span;

typedef struct when {
    span span;
    int64_t day;      /* since 1970-01-01 */
    const char *part; /* "in the evening of"; NULL: all day */
} when;

typedef struct reader {
    const char *at; /* the rest, at the beginning of a word */
    int64_t today;
} reader;

/* ---- the calendar ---- */

/* Days since 1970-01-01 (H. Hinnant's way of counting: years begin in March, eras have 400 of them). */
static int64_t day_of(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400, in_era = y - era * 400;
    int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static void civil_of(int64_t day, int64_t *ret_year, int *ret_month, int *ret_day)
{
    int64_t z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097, in_era = z - era * 146097;
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * year + year / 4 - year / 100), month = (5 * in_year + 2) / 153;

    *ret_day = (int)(in_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = year + era * 400 + (*ret_month <= 2);
}

/* 0 is Monday. */
static int weekday_of(int64_t day)
{
    return (int)(((day + 3) % 7 + 7) % 7);
}

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const weekdays[] = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};

static when month_from(int64_t today, int64_t offset)
{
    int64_t year, index;
    int month, day;

    civil_of(today, &year, &month, &day);
    index = year * 12 + month - 1 + offset;
    return (when){.span = SPAN_MONTH, .day = day_of(index / 12, (int)(index % 12) + 1, 1)};
}

static when year_from(int64_t today, int64_t offset)
{
    int64_t year;
    int month, day;

    civil_of(today, &year, &month, &day);
    return (when){.span = SPAN_YEAR, .day = day_of(year + offset, 1, 1)};
}

static when week_from(int64_t today, int64_t offset)
{
    return (when){.span = SPAN_WEEK, .day = today - weekday_of(today) + offset * 7};
}

/* ---- reading words ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

/* Take text when it stands here as whole words. */
static bool take(reader *r, const char *text)
{
    size_t length = strlen(text);

    if (strncasecmp(r->at, text, length) != 0 || is_letter(r->at[length]) ||
        (r->at[length] >= '0' && r->at[length] <= '9'))
        return false;
    r->at += length;
    return true;
}

static bool take_spaced(reader *r, const char *text)
{
    reader before = *r;

    if (take(r, text) && *r->at == ' ') {
        r->at++;
        return true;
    }
    *r = before;
    return false;
}

/* A number in digits or words, with the space behind it. */
static bool take_number(reader *r, int64_t *ret_number)
{
    static const struct {
        const char *word;
        int64_t number;
    } words[] = {{"a couple of", 2}, {"a few", 3}, {"an", 1},      {"a", 1},      {"one", 1},   {"two", 2},
                 {"three", 3},       {"four", 4},  {"five", 5},    {"six", 6},    {"seven", 7}, {"eight", 8},
                 {"nine", 9},        {"ten", 10},  {"eleven", 11}, {"twelve", 12}};
    char *end;

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (take_spaced(r, words[i].word)) {
            *ret_number = words[i].number;
            return true;
        }
    if (*r->at < '1' || *r->at > '9')
        return false;
    long number = strtol(r->at, &end, 10);
    if (number > AGO_MAX || *end != ' ')
        return false;
    r->at = end + 1;
    *ret_number = number;
    return true;
}

static bool take_unit(reader *r, span *ret_unit)
{
    static const struct {
        const char *word;
        span unit;
    } words[] = {{"days", SPAN_DAY},     {"day", SPAN_DAY},     {"weeks", SPAN_WEEK}, {"week", SPAN_WEEK},
                 {"months", SPAN_MONTH}, {"month", SPAN_MONTH}, {"years", SPAN_YEAR}, {"year", SPAN_YEAR}};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (take(r, words[i].word)) {
            *ret_unit = words[i].unit;
            return true;
        }
    return false;
}

static int take_weekday(reader *r)
{
    for (size_t i = 0; i < ARRAY_SIZE(weekdays); i++)
        if (take(r, weekdays[i]))
            return (int)i;
    return -1;
}

/* ---- phrases ---- */

/* So many units from today; days and weeks are counted to the day, months and years to themselves. */
static when moved(int64_t today, span unit, int64_t by)
{
    switch (unit) {
    case SPAN_DAY:
        return (when){.span = SPAN_DAY, .day = today + by};
    case SPAN_WEEK:
        return (when){.span = SPAN_DAY, .day = today + 7 * by};
    case SPAN_MONTH:
        return month_from(today, by);
    default:
        return year_from(today, by);
    }
}

static bool read_simple(reader *r, when *w)
{
    static const struct {
        const char *text;
        int days;
        const char *part;
    } phrases[] = {
        {"the day before yesterday", -2, NULL},
        {"the day after tomorrow", 2, NULL},
        {"yesterday morning", -1, "in the morning of"},
        {"yesterday afternoon", -1, "in the afternoon of"},
        {"yesterday evening", -1, "in the evening of"},
        {"yesterday", -1, NULL},
        {"tomorrow morning", 1, "in the morning of"},
        {"tomorrow afternoon", 1, "in the afternoon of"},
        {"tomorrow evening", 1, "in the evening of"},
        {"tomorrow night", 1, "in the night of"},
        {"tomorrow", 1, NULL},
        {"this morning", 0, "in the morning of"},
        {"this afternoon", 0, "in the afternoon of"},
        {"this evening", 0, "in the evening of"},
        {"tonight", 0, "in the evening of"},
        {"last night", -1, "in the night of"},
        {"today", 0, NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(phrases); i++)
        if (take(r, phrases[i].text)) {
            *w = (when){.span = SPAN_DAY, .day = r->today + phrases[i].days, .part = phrases[i].part};
            return true;
        }
    return false;
}

/* "last Friday", "next month", "this weekend". */
static bool read_named(reader *r, when *w)
{
    int64_t offset = take_spaced(r, "last") ? -1 : take_spaced(r, "next") ? 1 : take_spaced(r, "this") ? 0 : 2;
    int now = weekday_of(r->today), weekday;

    if (offset == 2)
        return false;
    weekday = take_weekday(r);
    if (weekday >= 0) {
        int64_t ahead = (weekday - now + 7) % 7;

        if (offset < 0)
            ahead = ahead == 0 ? -7 : ahead - 7;
        else if (offset > 0 && ahead == 0)
            ahead = 7;
        *w = (when){.span = SPAN_DAY, .day = r->today + ahead};
    } else if (take(r, "weekend")) {
        *w = (when){.span = SPAN_WEEKEND, .day = r->today - now + 5 + 7 * offset};
    } else if (take(r, "week")) {
        *w = week_from(r->today, offset);
    } else if (take(r, "month")) {
        *w = month_from(r->today, offset);
    } else if (take(r, "year")) {
        *w = year_from(r->today, offset);
    } else {
        return false;
    }
    return true;
}

/* "three days ago", "a year ago". */
static bool read_ago(reader *r, when *w)
{
    int64_t number;
    span unit;

    if (!take_number(r, &number) || !take_unit(r, &unit) || *r->at != ' ')
        return false;
    r->at++;
    if (!take(r, "ago") && !take(r, "earlier"))
        return false;
    *w = moved(r->today, unit, -number);
    return true;
}

/* "in two weeks", "in 3 days' time". */
static bool read_in(reader *r, when *w)
{
    int64_t number;
    span unit;

    if (!take_spaced(r, "in") || !take_number(r, &number) || !take_unit(r, &unit))
        return false;
    if (strncmp(r->at, "' time", 6) == 0)
        r->at += 6;
    *w = moved(r->today, unit, number);
    return true;
}

/* "on Friday": the one to come, unless the verb is past, which is not known here: the bare day is left alone then. */
static bool read_on(reader *r, when *w)
{
    int weekday;

    if (!take_spaced(r, "on") || (weekday = take_weekday(r)) < 0)
        return false;
    *w = (when){.span = SPAN_DAY, .day = r->today + (weekday - weekday_of(r->today) + 7) % 7};
    return true;
}

static bool read_phrase(reader *r, bool past, when *w)
{
    static bool (*const readers[])(reader *, when *) = {read_simple, read_named, read_ago, read_in};
    reader begin = *r;

    for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
        *r = begin;
        if (readers[i](r, w))
            return true;
    }
    *r = begin;
    return !past && read_on(r, w);
}

/* ---- writing ---- */

static ac_status write_when(buf *out, const when *w, bool bare)
{
    int64_t year;
    int month, day;

    civil_of(w->day, &year, &month, &day);
    switch (w->span) {
    case SPAN_YEAR:
        return buf_appendf(out, "%s%04lld", bare ? "" : "in ", (long long)year);
    case SPAN_MONTH:
        return buf_appendf(out, "%s%s %04lld", bare ? "" : "in ", months[month - 1], (long long)year);
    case SPAN_WEEK:
        return buf_appendf(out, "%sthe week of %04lld-%02d-%02d", bare ? "" : "in ", (long long)year, month, day);
    case SPAN_WEEKEND:
        return buf_appendf(out, "%sthe weekend of %04lld-%02d-%02d", bare ? "" : "on ", (long long)year, month, day);
    default:
        return buf_appendf(out, "%s%s%04lld-%02d-%02d",
                           bare      ? ""
                           : w->part ? w->part
                                     : "on",
                           bare ? "" : " ", (long long)year, month, day);
    }
}

/* Whether the words written last are a preposition that a date may follow. */
static bool follows_preposition(const buf *out)
{
    static const char *const words[] = {" since ", " until ", " till ", " by ", " from ", " before ",
                                        " after ", " to ",    " for ",  " of ", " on ",   " in "};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t length = strlen(words[i]);

        if (out->length >= length && strncasecmp(out->data + out->length - length, words[i], length) == 0)
            return true;
    }
    return false;
}

static bool year_sensible(const when *w)
{
    int64_t year;
    int month, day;

    civil_of(w->day, &year, &month, &day);
    return year >= 1 && year <= YEAR_MAX;
}

/* The phrase at r->at, and its date. */
static ac_status put(buf *out, const char *begin, const reader *r, const when *w)
{
    size_t length = (size_t)(r->at - begin);

    if (r->at[0] == '\'' && r->at[1] == 's') {
        AC_TRY(buf_append(out, begin, length));
        AC_TRY(buf_append_text(out, "'s ("));
        AC_TRY(write_when(out, w, true));
        return buf_append_text(out, ")");
    }
    bool first = out->length == 0, bare = follows_preposition(out);
    size_t at = out->length;
    AC_TRY(write_when(out, w, bare));
    if (first && out->data[at] >= 'a' && out->data[at] <= 'z')
        out->data[at] = (char)(out->data[at] - 32);
    return AC_OK;
}

static bool sounds_past(const char *text)
{
    return strstr(text, " was ") || strstr(text, " were ") || strstr(text, " had ") || strstr(text, " went ") ||
           strstr(text, "ed ") || strstr(text, " got ") || strstr(text, " met ") || strstr(text, " saw ");
}

/* "the last week" and "the next day" are no dates by themselves. */
static bool may_begin(const buf *out, const char *p)
{
    if (!is_letter(*p) && (*p < '1' || *p > '9'))
        return false;
    return strncasecmp(p, "the ", 4) == 0 || out->length < 4 ||
           strncasecmp(out->data + out->length - 4, "the ", 4) != 0;
}

ac_status dates_resolve(const char *text, int64_t said_ms, buf *out)
{
    int64_t today = said_ms / DAY_MS - (said_ms % DAY_MS < 0);
    bool past = sounds_past(text), begins = true;

    for (const char *p = text; *p;) {
        reader r = {.at = p, .today = today};
        when w;

        if (begins && may_begin(out, p) && read_phrase(&r, past, &w) && year_sensible(&w)) {
            AC_TRY(put(out, p, &r, &w));
            p = r.at[0] == '\'' && r.at[1] == 's' ? r.at + 2 : r.at;
            begins = false;
            continue;
        }
        begins = *p == ' ' || *p == '(' || *p == '"';
        AC_TRY(buf_append(out, p, 1));
        p++;
    }
    return AC_OK;
}
