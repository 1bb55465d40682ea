/* sigv4_date.c - the dates of signatures: ISO 8601's basic form, and what a Date header holds.
 *
 * A date is believed when writing it again gives the same text: so the 30th of February and a minute 61 need no rules
 * of their own. */
#include "aws/sigv4_internal.h"
#include "base/clock.h"

#include <time.h>

void sigv4_date_write(int64_t unix_s, char ret_text[SIGV4_DATE_SIZE])
{
    static const int64_t first = INT64_C(-62135596800), last = INT64_C(253402300799);
    char iso[CLOCK_ISO8601_MS_SIZE]; /* "1994-11-06T08:49:37.000Z" */

    clock_iso8601_ms(MIN(MAX(unix_s, first), last) * 1000, iso);
    memcpy(ret_text, iso, 4);
    memcpy(ret_text + 4, iso + 5, 2);
    memcpy(ret_text + 6, iso + 8, 3);
    memcpy(ret_text + 9, iso + 11, 2);
    memcpy(ret_text + 11, iso + 14, 2);
    memcpy(ret_text + 13, iso + 17, 2);
    memcpy(ret_text + 15, "Z", 2);
}

/* A number of count digits; -1 when they are none. */
static int digits(const char *text, size_t count)
{
    int number = 0;

    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

static bool to_unix(const int fields[6], int64_t *ret_unix_s)
{
    for (size_t i = 0; i < 6; i++)
        if (fields[i] < 0)
            return false;

    struct tm when = {.tm_year = fields[0] - 1900,
                      .tm_mon = fields[1] - 1,
                      .tm_mday = fields[2],
                      .tm_hour = fields[3],
                      .tm_min = fields[4],
                      .tm_sec = fields[5]};
    *ret_unix_s = timegm(&when);
    return true;
}

bool sigv4_date_read(view text, int64_t *ret_unix_s)
{
    char again[SIGV4_DATE_SIZE];

    if (text.length != SIGV4_DATE_SIZE - 1)
        return false;

    const int fields[6] = {digits(text.text, 4),     digits(text.text + 4, 2),  digits(text.text + 6, 2),
                           digits(text.text + 9, 2), digits(text.text + 11, 2), digits(text.text + 13, 2)};
    if (!to_unix(fields, ret_unix_s))
        return false;
    sigv4_date_write(*ret_unix_s, again);
    return view_is(text, again);
}

static int month_number(const char *name)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int i = 0; i < 12; i++)
        if (memcmp(names + 3 * i, name, 3) == 0)
            return i + 1;
    return -1;
}

static bool zone_is_utc(view zone)
{
    return view_is(zone, "GMT") || view_is(zone, "-0000") || view_is(zone, "+0000");
}

bool sigv4_http_date_read(view text, int64_t *ret_unix_s)
{
    enum { ZONE = CLOCK_HTTP_DATE_SIZE - 4 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" */
    char again[CLOCK_HTTP_DATE_SIZE];

    if (sigv4_date_read(text, ret_unix_s))
        return true;
    if (text.length <= ZONE || !zone_is_utc((view){text.text + ZONE, text.length - ZONE}))
        return false;

    const int fields[6] = {digits(text.text + 12, 4), month_number(text.text + 8), digits(text.text + 5, 2),
                           digits(text.text + 17, 2), digits(text.text + 20, 2),   digits(text.text + 23, 2)};
    if (!to_unix(fields, ret_unix_s))
        return false;
    clock_http_date(*ret_unix_s, again);
    return memcmp(text.text, again, ZONE) == 0;
}
