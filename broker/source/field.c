/* field.c - the fields that every registry sends: names, tags, digests, times, media types. */
#include "source/field.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c);
}

static bool is_alnum(char c)
{
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

/* Length of [a-z0-9]+ at `s`. */
static size_t run_of_alnum(const char *s)
{
    size_t n = 0;
    while (is_lower_or_digit(s[n]))
        n++;
    return n;
}

/* Length of a separator inside a path component: "." "_" "__" or any number of "-". */
static size_t separator(const char *s)
{
    if (s[0] == '.')
        return 1;
    if (s[0] == '_')
        return s[1] == '_' ? 2 : 1;
    return strspn(s, "-");
}

bool field_repository(const char *s)
{
    if (strnlen(s, FIELD_REPOSITORY_MAX + 1) > FIELD_REPOSITORY_MAX)
        return false;
    for (;;) {
        size_t n = run_of_alnum(s);
        if (n == 0)
            return false;
        s += n;
        if (*s == '\0')
            return true;
        n = *s == '/' ? 1 : separator(s);
        if (n == 0)
            return false;
        s += n;
    }
}

bool field_tag(const char *s)
{
    size_t n = 0;
    for (; s[n] != '\0' && n <= FIELD_TAG_MAX; n++) {
        bool first = is_alnum(s[n]) || s[n] == '_';
        if (!first && (n == 0 || (s[n] != '.' && s[n] != '-')))
            return false;
    }
    return n >= 1 && n <= FIELD_TAG_MAX;
}

static bool is_hex(const char *s, size_t want)
{
    size_t n = strspn(s, "0123456789abcdef");
    return n == want && s[n] == '\0';
}

bool field_digest(const char *s)
{
    if (strnlen(s, FIELD_DIGEST_MAX + 1) > FIELD_DIGEST_MAX)
        return false;
    if (strncmp(s, "sha256:", 7) == 0)
        return is_hex(s + 7, 64);
    if (strncmp(s, "sha512:", 7) == 0)
        return is_hex(s + 7, 128);
    for (;;) { /* another algorithm: components joined by one of "+._-" */
        size_t n = run_of_alnum(s);
        if (n == 0)
            return false;
        s += n;
        if (*s == ':')
            break;
        if (*s == '\0' || strchr("+._-", *s) == NULL)
            return false;
        s++;
    }
    size_t n = 1;
    while (is_alnum(s[n]) || s[n] == '=' || s[n] == '_' || s[n] == '-')
        n++;
    return n > 1 && s[n] == '\0';
}

/* `n` digits at *s, which moves behind them; -1 when they are not there. */
static int digits(const char **s, int n)
{
    int value = 0;
    for (int i = 0; i < n; i++, (*s)++) {
        if (!is_digit(**s))
            return -1;
        value = value * 10 + (**s - '0');
    }
    return value;
}

/* Like digits(), and then the character `after`. */
static int digits_then(const char **s, int n, char after)
{
    int value = digits(s, n);
    if (value < 0 || **s != after)
        return -1;
    (*s)++;
    return value;
}

static bool day_exists(int year, int month, int day)
{
    static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= DAYS[month - 1] + (leap && month == 2 ? 1 : 0);
}

/* False (`ret` untouched): a year that leaves 0-9999. */
static bool print_utc(time_t utc, const char *fraction, int fraction_len, char ret[FIELD_TIME_SIZE])
{
    struct tm tm;
    if (gmtime_r(&utc, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
        return false;
    char out[96]; /* wider than the result: gcc does not know the bounds of a struct tm */
    (void) snprintf(out, sizeof(out), "%04d-%02d-%02dT%02d:%02d:%02d%.*sZ", tm.tm_year + 1900,
                    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, fraction_len,
                    fraction);
    memcpy(ret, out, strlen(out) + 1);
    return true;
}

bool field_time(const char *s, char ret[FIELD_TIME_SIZE])
{
    const char *start = s;
    int year = digits_then(&s, 4, '-');
    int month = year < 0 ? -1 : digits_then(&s, 2, '-');
    int day = month < 0 ? -1 : digits(&s, 2);
    if (day < 0 || !day_exists(year, month, day) || (*s != 'T' && *s != 't'))
        return false;
    s++;
    int hour = digits_then(&s, 2, ':');
    int minute = hour < 0 ? -1 : digits_then(&s, 2, ':');
    int second = minute < 0 ? -1 : digits(&s, 2);
    if (second < 0 || hour > 23 || minute > 59 || second > 59)
        return false;

    const char *fraction = s;
    int fraction_len = 0;
    if (*s == '.') {
        s++;
        while (is_digit(*s))
            s++;
        fraction_len = (int) (s - fraction);
        if (fraction_len < 2 || fraction_len > 10)
            return false;
    }

    int offset_s = 0;
    if (*s == 'Z' || *s == 'z') {
        s++;
    } else if (*s == '+' || *s == '-') {
        int sign = *s++ == '-' ? -1 : 1;
        int h = digits_then(&s, 2, ':');
        int m = h < 0 ? -1 : digits(&s, 2);
        if (m < 0 || h > 23 || m > 59)
            return false;
        offset_s = sign * (h * 3600 + m * 60);
    } else {
        return false;
    }
    if (*s != '\0')
        return false;

    if (offset_s == 0) { /* nearly all: as it is, in capitals */
        enum { SECONDS_LEN = 19 };
        memcpy(ret, start, SECONDS_LEN);
        ret[10] = 'T';
        memcpy(ret + SECONDS_LEN, fraction, (size_t) fraction_len);
        memcpy(ret + SECONDS_LEN + fraction_len, "Z", 2);
        return true;
    }
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_sec = second};
    return print_utc(timegm(&tm) - offset_s, fraction, fraction_len, ret);
}

bool field_unix_time(double seconds, char ret[FIELD_TIME_SIZE])
{
    enum { PER_SECOND = 1000000 };
    const double end = 253402300800.0; /* 10000-01-01 */
    if (!(seconds >= 0 && seconds < end))
        return false;
    int64_t whole = (int64_t) seconds;
    int64_t part = (int64_t) ((seconds - (double) whole) * PER_SECOND + 0.5);
    if (part == PER_SECOND) {
        part = 0;
        whole++;
    }
    char fraction[24] = "";
    if (part > 0)
        (void) snprintf(fraction, sizeof(fraction), ".%06" PRId64, part);
    return print_utc((time_t) whole, fraction, (int) strlen(fraction), ret);
}

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = slice_from(s, 1);
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Cuts `s` at the first `at`, which belongs to neither part; *rest is empty when there is none. */
static struct slice cut(struct slice s, char at, struct slice *rest)
{
    const uint8_t *p = s.len == 0 ? NULL : memchr(s.data, at, s.len);
    size_t n = p == NULL ? s.len : (size_t) (p - s.data);
    *rest = slice_from(s, p == NULL ? n : n + 1);
    return slice_sub(s, 0, n);
}

struct slice field_media_type(struct slice content_type)
{
    struct slice rest;
    return trimmed(cut(content_type, ';', &rest));
}

bool field_charset_utf8(struct slice content_type)
{
    struct slice rest;
    (void) cut(content_type, ';', &rest);
    while (rest.len > 0) {
        struct slice value;
        struct slice name = trimmed(cut(cut(rest, ';', &rest), '=', &value));
        value = trimmed(value);
        if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"')
            value = slice_sub(value, 1, value.len - 1);
        if (slice_eq_nocase(name, SLICE_LIT("charset")) &&
            !slice_eq_nocase(value, SLICE_LIT("utf-8")) &&
            !slice_eq_nocase(value, SLICE_LIT("utf8")) &&
            !slice_eq_nocase(value, SLICE_LIT("us-ascii")))
            return false;
    }
    return true;
}
