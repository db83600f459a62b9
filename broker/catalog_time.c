/* catalog_time.c - when a change happened, as a number that can be compared. */
#include "catalog_time.h"

#define DAY_S          UINT64_C(86400)
#define NS             UINT64_C(1000000000)
#define FIRST_YEAR     1971
#define LAST_YEAR      2261 /* the last whole one below 2^63 ns, which is what a store can keep */
#define FRACTION_COUNT 9    /* digits */

/* `n` digits at *s, which moves behind them and the character `after`. */
static bool number(const char **s, int n, char after, unsigned *ret)
{
    unsigned value = 0;
    for (int i = 0; i < n; i++, (*s)++) {
        if (**s < '0' || **s > '9')
            return false;
        value = value * 10 + (unsigned) (**s - '0');
    }
    *ret = value;
    if (after == '\0')
        return true;
    return *(*s)++ == after;
}

/* Days since 1970 of a day of the Gregorian calendar. The year begins in March here, so that a leap
 * day is its last and months before it have the same lengths in every year. */
static uint64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    enum { DAYS_TO_1970 = 719468 }; /* from 1 March of the year 0 */
    unsigned y = month > 2 ? year : year - 1;
    unsigned m = month > 2 ? month - 3 : month + 9;
    unsigned leap_days = y / 4 - y / 100 + y / 400;
    return UINT64_C(365) * y + leap_days + (153 * m + 2) / 5 + (day - 1) - DAYS_TO_1970;
}

static bool fraction(const char **s, uint64_t *ret_ns)
{
    uint64_t ns = 0;
    int n = 0;
    for (; **s >= '0' && **s <= '9'; (*s)++, n++)
        if (n < FRACTION_COUNT)
            ns = ns * 10 + (unsigned) (**s - '0');
    if (n == 0)
        return false;
    for (; n < FRACTION_COUNT; n++)
        ns *= 10;
    *ret_ns = ns;
    return true;
}

uint64_t catalog_time_parse(const char *created_at)
{
    const char *s = created_at;
    unsigned year, month, day, hour, minute, second;
    uint64_t ns = 0;
    if (!number(&s, 4, '-', &year) || !number(&s, 2, '-', &month) || !number(&s, 2, 'T', &day) ||
        !number(&s, 2, ':', &hour) || !number(&s, 2, ':', &minute) || !number(&s, 2, '\0', &second))
        return 0;
    if (*s == '.') {
        s++;
        if (!fraction(&s, &ns))
            return 0;
    }
    if (s[0] != 'Z' || s[1] != '\0' || year < FIRST_YEAR || year > LAST_YEAR || month < 1 ||
        month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59)
        return 0;
    uint64_t seconds = hour * UINT64_C(3600) + minute * UINT64_C(60) + second;
    return (days_since_1970(year, month, day) * DAY_S + seconds) * NS + ns;
}

uint64_t catalog_time(const char *created_at, uint64_t wall_ns)
{
    uint64_t at_ns = catalog_time_parse(created_at);
    return at_ns == 0 || catalog_time_is_ahead(at_ns, wall_ns) ? wall_ns : at_ns;
}

bool catalog_time_is_ahead(uint64_t at_ns, uint64_t wall_ns)
{
    return at_ns > wall_ns + CATALOG_TIME_AHEAD_NS;
}
