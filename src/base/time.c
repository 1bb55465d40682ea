/* time.c - clocks, and dates written without locale, time zone or allocation. */
#include "base/clock.h"
#include "base/util.h"

#include <string.h>
#include <time.h>

#define SECONDS_PER_DAY 86400
#define YEAR_1_SECONDS INT64_C(-62135596800)    /* 0001-01-01T00:00:00Z */
#define YEAR_9999_SECONDS INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

typedef struct civil_time {
    unsigned year, month, day; /* month and day from 1 */
    unsigned hour, minute, second;
    unsigned weekday; /* 0 is Sunday */
} civil_time;

static _Thread_local uint64_t recent_ns;

uint64_t clock_monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    recent_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return recent_ns;
}

uint64_t clock_recent_ns(void)
{
    return recent_ns;
}

uint64_t clock_monotonic_ms(void)
{
    return clock_monotonic_ns() / 1000000u;
}

int64_t clock_unix_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Days are counted from 0000-03-01, so that a leap day is the last of its year and 400 years are one whole cycle. */
static civil_time civil_from_unix(int64_t seconds)
{
    seconds = MIN(MAX(seconds, YEAR_1_SECONDS), YEAR_9999_SECONDS);

    uint64_t since = (uint64_t)(seconds + INT64_C(719468) * SECONDS_PER_DAY);
    unsigned day = (unsigned)(since / SECONDS_PER_DAY);
    unsigned rest = (unsigned)(since % SECONDS_PER_DAY);
    unsigned cycle = day / 146097;
    unsigned cycle_day = day % 146097;
    unsigned year = (cycle_day - cycle_day / 1460 + cycle_day / 36524 - cycle_day / 146096) / 365;
    unsigned year_day = cycle_day - (year * 365 + year / 4 - year / 100);
    unsigned month = (year_day * 5 + 2) / 153; /* 0 is March */

    return (civil_time){
        .year = cycle * 400 + year + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = year_day - (month * 153 + 2) / 5 + 1,
        .hour = rest / 3600,
        .minute = rest / 60 % 60,
        .second = rest % 60,
        .weekday = (day + 3) % 7, /* 0000-03-01 was a Wednesday */
    };
}

static void put_two(char *at, unsigned number)
{
    at[0] = (char)('0' + number / 10);
    at[1] = (char)('0' + number % 10);
}

static void put_four(char *at, unsigned number)
{
    put_two(at, number / 100);
    put_two(at + 2, number % 100);
}

static void put_clock(char *at, const civil_time *when)
{
    put_two(at, when->hour);
    put_two(at + 3, when->minute);
    put_two(at + 6, when->second);
}

void clock_http_date(int64_t unix_seconds, char ret_text[CLOCK_HTTP_DATE_SIZE])
{
    civil_time when = civil_from_unix(unix_seconds);

    memcpy(ret_text, "Ddd, 00 Mmm 0000 00:00:00 GMT", CLOCK_HTTP_DATE_SIZE);
    memcpy(ret_text, &"SunMonTueWedThuFriSat"[when.weekday * 3], 3);
    put_two(ret_text + 5, when.day);
    memcpy(ret_text + 8, &"JanFebMarAprMayJunJulAugSepOctNovDec"[(when.month - 1) * 3], 3);
    put_four(ret_text + 12, when.year);
    put_clock(ret_text + 17, &when);
}

void clock_iso8601_ms(int64_t unix_ms, char ret_text[CLOCK_ISO8601_MS_SIZE])
{
    int64_t seconds = unix_ms / 1000 - (unix_ms % 1000 < 0);
    unsigned milliseconds = (unsigned)(unix_ms - seconds * 1000);
    civil_time when = civil_from_unix(seconds);

    memcpy(ret_text, "0000-00-00T00:00:00.000Z", CLOCK_ISO8601_MS_SIZE);
    put_four(ret_text, when.year);
    put_two(ret_text + 5, when.month);
    put_two(ret_text + 8, when.day);
    put_clock(ret_text + 11, &when);
    ret_text[20] = (char)('0' + milliseconds / 100);
    put_two(ret_text + 21, milliseconds % 100);
}
