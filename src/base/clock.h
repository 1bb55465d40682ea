/* clock.h - what time it is, and how HTTP and logs write it. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_HTTP_DATE_SIZE 30  /* "Sun, 06 Nov 1994 08:49:37 GMT" and its NUL */
#define CLOCK_ISO8601_MS_SIZE 25 /* "1994-11-06T08:49:37.000Z" and its NUL */

/* Since some point in the past; never goes back. */
uint64_t clock_monotonic_ms(void);
uint64_t clock_monotonic_ns(void);

/* What clock_monotonic_ns last told this thread. */
uint64_t clock_recent_ns(void);

/* Milliseconds since 1970-01-01T00:00:00Z. */
int64_t clock_unix_ms(void);

/* The IMF-fixdate of RFC 9110, whatever the locale.  Times outside the years 1 to 9999 are moved to their border. */
void clock_http_date(int64_t unix_seconds, char ret_text[CLOCK_HTTP_DATE_SIZE]);

/* "YYYY-MM-DDTHH:MM:SS.mmmZ", with the same borders. */
void clock_iso8601_ms(int64_t unix_ms, char ret_text[CLOCK_ISO8601_MS_SIZE]);

#endif
