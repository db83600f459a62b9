/* glob_reference.h - what glob.h says, once more and slowly: every way to divide the text is tried,
 * with what is known of each pair of positions written down. For texts whose parts are not empty.
 */
#ifndef TESTS_GLOB_REFERENCE_H
#define TESTS_GLOB_REFERENCE_H

#include "glob.h"

#define REFERENCE_PATTERN 256
#define REFERENCE_TEXT    520

struct reference {
    struct slice pattern, text;
    enum glob_kind kind;
    int8_t known[REFERENCE_PATTERN + 1][REFERENCE_TEXT + 1]; /* 0: not yet; 1: no; 2: yes */
};

static inline size_t reference_width(const struct reference *r, size_t t)
{
    size_t n = 1;
    while (t + n < r->text.len && (r->text.data[t + n] & 0xc0) == 0x80)
        n++;
    return n;
}

/* Where the token behind `p` begins; *ret_fits: this one stands for the character at `t`. */
static inline size_t reference_token(const struct reference *r, size_t p, size_t t, bool *ret_fits)
{
    const uint8_t *at = r->pattern.data;
    uint8_t c = r->text.data[t];
    bool slash = r->kind == GLOB_PATH && c == '/', found = false, other;
    if (at[p] == '?') {
        *ret_fits = !slash;
        return p + 1;
    }
    if (at[p] != '[') {
        p += at[p] == '\\';
        *ret_fits = at[p] == c;
        return p + 1;
    }
    other = at[++p] == '!' || at[p] == '^';
    p += other;
    while (at[p] != ']') {
        p += at[p] == '\\';
        uint8_t low = at[p++], high = low;
        if (at[p] == '-' && at[p + 1] != ']') {
            p += at[p + 1] == '\\' ? 2 : 1;
            high = at[p++];
        }
        found = found || (low <= c && c <= high);
    }
    *ret_fits = !slash && found != other;
    return p + 1;
}

static inline bool reference_from(struct reference *r, size_t p, size_t t);

static inline bool reference_try(struct reference *r, size_t p, size_t t)
{
    const uint8_t *at = r->pattern.data;
    size_t left = r->pattern.len - p;
    if (left == 0)
        return t == r->text.len;
    if (r->kind == GLOB_PATH && (p == 0 || at[p - 1] == '/') && left >= 2 && at[p] == '*' &&
        at[p + 1] == '*' && (left == 2 || at[p + 2] == '/')) {
        if (left == 2)
            return t < r->text.len;
        if (reference_from(r, p + 3, t))
            return true;
        while (t < r->text.len && r->text.data[t] != '/')
            t++;
        return t < r->text.len && reference_from(r, p, t + 1);
    }
    if (at[p] == '*') {
        bool more = t < r->text.len && (r->kind == GLOB_TEXT || r->text.data[t] != '/');
        return reference_from(r, p + 1, t) ||
               (more && reference_from(r, p, t + reference_width(r, t)));
    }
    if (t == r->text.len)
        return false;
    bool fits, whole = at[p] == '?' || at[p] == '[';
    size_t next = reference_token(r, p, t, &fits);
    return fits && reference_from(r, next, t + (whole ? reference_width(r, t) : 1));
}

static inline bool reference_from(struct reference *r, size_t p, size_t t)
{
    int8_t *known = &r->known[p][t];
    if (*known == 0)
        *known = reference_try(r, p, t) ? 2 : 1;
    return *known == 2;
}

static inline bool reference_match(struct slice pattern, enum glob_kind kind, struct slice text)
{
    static struct reference r;
    r.pattern = pattern;
    r.text = text;
    r.kind = kind;
    for (size_t i = 0; i <= pattern.len; i++)
        memset(r.known[i], 0, text.len + 1);
    return reference_from(&r, 0, 0);
}

#endif
