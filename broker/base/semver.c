/* semver.c - versions as Semantic Versioning 2.0.0 has them, and their order. */
#include "semver.h"

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_identifier(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

static bool is_number(struct slice identifier)
{
    for (size_t i = 0; i < identifier.len; i++)
        if (!is_digit(identifier.data[i]))
            return false;
    return true;
}

/* --- reading --- */

bool semver_read_number(struct slice text, size_t *at, uint64_t *ret)
{
    size_t start = *at;
    uint64_t value = 0;
    for (; *at < text.len && is_digit(text.data[*at]) && *at - start <= SEMVER_MAX_DIGITS; ++*at)
        value = value * 10 + (uint64_t) (text.data[*at] - '0');
    size_t len = *at - start;
    *ret = value;
    return len > 0 && len <= SEMVER_MAX_DIGITS && (len == 1 || text.data[start] != '0');
}

/* Identifiers with dots between them. In a pre-release a number has no zeros in front. */
static bool read_identifiers(struct slice text, size_t *at, bool zeros)
{
    for (;; ++*at) {
        size_t start = *at;
        while (*at < text.len && is_identifier(text.data[*at]))
            ++*at;
        struct slice one = slice_sub(text, start, *at);
        if (one.len == 0 || (!zeros && one.len > 1 && one.data[0] == '0' && is_number(one)))
            return false;
        if (*at == text.len || text.data[*at] != '.')
            return true;
    }
}

bool semver_read_rest(struct slice text, size_t *at, struct slice *ret_prerelease)
{
    *ret_prerelease = (struct slice){0};
    if (*at < text.len && text.data[*at] == '-') {
        size_t start = ++*at;
        if (!read_identifiers(text, at, false))
            return false;
        *ret_prerelease = slice_sub(text, start, *at);
    }
    if (*at == text.len || (text.data[*at] != '+' && text.data[*at] != '_'))
        return true;
    ++*at;
    return read_identifiers(text, at, true);
}

bool semver_read(struct slice text, struct semver *ret)
{
    struct semver v;
    size_t at = text.len > 0 && text.data[0] == 'v';
    for (size_t i = 0; i < 3; i++) {
        if (i > 0 && (at == text.len || text.data[at++] != '.'))
            return false;
        if (!semver_read_number(text, &at, &v.number[i]))
            return false;
    }
    if (!semver_read_rest(text, &at, &v.prerelease) || at < text.len)
        return false;
    *ret = v;
    return true;
}

/* --- the order --- */

static int compare_bytes(struct slice a, struct slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int r = common == 0 ? 0 : memcmp(a.data, b.data, common);
    return r != 0 ? r : (a.len > b.len) - (a.len < b.len);
}

/* Numbers, of any length, are below words. */
static int compare_identifiers(struct slice a, struct slice b)
{
    bool number = is_number(a);
    if (number != is_number(b))
        return number ? -1 : 1;
    if (number && a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return compare_bytes(a, b);
}

/* Steps behind it and its dot. */
static struct slice next_identifier(struct slice *rest)
{
    const uint8_t *dot = memchr(rest->data, '.', rest->len);
    size_t len = dot == NULL ? rest->len : (size_t) (dot - rest->data);
    struct slice one = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, dot == NULL ? len : len + 1);
    return one;
}

int semver_compare(const struct semver *a, const struct semver *b)
{
    for (size_t i = 0; i < 3; i++)
        if (a->number[i] != b->number[i])
            return a->number[i] < b->number[i] ? -1 : 1;
    struct slice x = a->prerelease, y = b->prerelease;
    if (x.len == 0 || y.len == 0) /* a release is above all that comes before it */
        return (x.len == 0) - (y.len == 0);
    while (x.len > 0 && y.len > 0) {
        int r = compare_identifiers(next_identifier(&x), next_identifier(&y));
        if (r != 0)
            return r;
    }
    return (x.len > 0) - (y.len > 0);
}
