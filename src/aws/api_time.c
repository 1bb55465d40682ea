/* api_time.c - timestamps as the table's members write them (ISO 8601 / RFC 3339, and seconds since 1970), and back.
 *
 * All times are milliseconds since 1970 inside the years 1 to 9999; finer fractions are cut off.  No locale, no time
 * zone of the machine. */
#include "aws/api_internal.h"
#include "base/clock.h"

#define MS_MIN INT64_C(-62135596800000) /* 0001-01-01T00:00:00Z */
#define MS_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */
#define SECONDS_MIN (-62135596800.0)
#define SECONDS_MAX 253402300799.0

bool api_time_valid(int64_t ms)
{
    return ms >= MS_MIN && ms <= MS_MAX;
}

bool api_time_from_seconds(double seconds, int64_t *ret_ms)
{
    /* Written so that NaN fails. */
    if (!(seconds >= SECONDS_MIN && seconds <= SECONDS_MAX))
        return false;
    *ret_ms = (int64_t)(seconds * 1000 + (seconds < 0 ? -0.5 : 0.5));
    return true;
}

void api_time_write(int64_t ms, char ret_text[API_TIME_TEXT_SIZE])
{
    _Static_assert(API_TIME_TEXT_SIZE == CLOCK_ISO8601_MS_SIZE, "the longer form fits");

    clock_iso8601_ms(ms, ret_text);
    if (ms % 1000 == 0)
        memcpy(ret_text + strlen("YYYY-MM-DDTHH:MM:SS"), "Z", 2);
}

/* Exactly count digits at *at; -1 when they are not there. */
static int digits(const char **at, const char *end, int count)
{
    int value = 0;

    if (end - *at < count)
        return -1;
    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return -1;
        value = value * 10 + (**at - '0');
    }
    return value;
}

static bool separator(const char **at, const char *end, char mark)
{
    if (*at == end || (**at & ~0x20) != (mark & ~0x20))
        return false;
    (*at)++;
    return true;
}

/* Days since 1970 of a date of the proleptic Gregorian calendar; years begin in March here, so that a leap day is the
 * last of its year. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t from_march = (month + 9) % 12;
    int64_t cycle = y / 400, in_cycle = y % 400;

    return cycle * 146097 + in_cycle * 365 + in_cycle / 4 - in_cycle / 100 + (from_march * 153 + 2) / 5 + day - 1 -
           719468;
}

static int month_length(int year, int month)
{
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    if (month == 2)
        return leap ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* ".123456": milliseconds, the rest cut off; at least one digit. */
static bool read_fraction(const char **at, const char *end, int *ret_ms)
{
    int scale = 100;

    *ret_ms = 0;
    if (*at == end || **at != '.')
        return true;
    const char *first = ++*at;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++, scale /= 10)
        *ret_ms += (**at - '0') * scale;
    return *at > first;
}

/* "Z", "+01:00": minutes east of Greenwich. */
static bool read_zone(const char **at, const char *end, int *ret_minutes)
{
    *ret_minutes = 0;
    if (separator(at, end, 'Z'))
        return true;
    if (*at == end || (**at != '+' && **at != '-'))
        return false;

    int sign = *(*at)++ == '-' ? -1 : 1;
    int hours = digits(at, end, 2);
    if (hours < 0 || hours > 23 || *at == end || *(*at)++ != ':')
        return false;
    int minutes = digits(at, end, 2);
    if (minutes < 0 || minutes > 59)
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

static bool dash(const char **at, const char *end, char mark)
{
    if (*at == end || **at != mark)
        return false;
    (*at)++;
    return true;
}

ac_status api_time_read(const char *text, size_t length, int64_t *ret_ms)
{
    const char *at = text, *end = text + length;
    int month = 0, day = 0, hour = 0, minute = 0, second = 0, ms, zone;

    int year = digits(&at, end, 4);
    bool well = year > 0 && dash(&at, end, '-') && (month = digits(&at, end, 2)) >= 1 && month <= 12 &&
                dash(&at, end, '-') && (day = digits(&at, end, 2)) >= 1 && day <= month_length(year, month) &&
                separator(&at, end, 'T') && (hour = digits(&at, end, 2)) >= 0 && hour <= 23 && dash(&at, end, ':') &&
                (minute = digits(&at, end, 2)) >= 0 && minute <= 59 && dash(&at, end, ':') &&
                (second = digits(&at, end, 2)) >= 0 && second <= 60;
    if (!well || !read_fraction(&at, end, &ms) || !read_zone(&at, end, &zone) || at != end)
        return AC_ERR_INVALID;

    int64_t seconds = days_of(year, month, day) * 86400 + hour * 3600 + (minute - zone) * 60 + second;
    *ret_ms = seconds * 1000 + ms;
    return api_time_valid(*ret_ms) ? AC_OK : AC_ERR_INVALID;
}
