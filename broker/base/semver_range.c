/* semver_range.c - sets of versions, in the language of npm. */
#include "semver_range.h"

#include "err.h"
#include "mem.h"

#include <stdlib.h>

enum comparison { LESS, LESS_EQUAL, EQUAL, GREATER_EQUAL, GREATER };

struct comparator {
    enum comparison op;
    struct semver version;
    bool last; /* of those that count together */
};

struct semver_range {
    struct comparator *at;
    size_t n;
};

/* --- what there is to read --- */

/* A version of which numbers may be missing. */
struct partial {
    struct semver version; /* those that are missing: 0 */
    size_t n;              /* numbers that are there */
};

struct reading {
    struct slice text;
    size_t at;
    struct semver_range *range;
    const char *why; /* NULL: nothing is wrong */
};

static bool wrong(struct reading *rd, const char *why)
{
    rd->why = why;
    return false;
}

static uint8_t peek(const struct reading *rd) /* 0: nothing is left */
{
    return rd->at < rd->text.len ? rd->text.data[rd->at] : 0;
}

static bool take(struct reading *rd, const char *word)
{
    size_t len = strlen(word);
    if (rd->text.len - rd->at < len || memcmp(rd->text.data + rd->at, word, len) != 0)
        return false;
    rd->at += len;
    return true;
}

static bool skip_blanks(struct reading *rd)
{
    size_t start = rd->at;
    while (peek(rd) == ' ')
        rd->at++;
    return rd->at > start;
}

static bool take_any(struct reading *rd)
{
    return take(rd, "x") || take(rd, "X") || take(rd, "*");
}

static bool read_partial(struct reading *rd, struct partial *ret)
{
    bool any = false;
    *ret = (struct partial){.n = 0};
    (void) take(rd, "v");
    for (size_t i = 0; i < 3; i++) {
        if (i > 0 && !take(rd, "."))
            break;
        if (take_any(rd))
            any = true;
        else if (any)
            return wrong(rd, "has a number behind an x");
        else if (!semver_read_number(rd->text, &rd->at, &ret->version.number[i]))
            return wrong(rd, "has something else where a version such as 1.2.3, 1.2 or 1.x is due");
        else
            ret->n++;
    }
    size_t start = rd->at;
    if (!semver_read_rest(rd->text, &rd->at, &ret->version.prerelease))
        return wrong(rd, "has a malformed pre-release or build");
    if (rd->at > start && ret->n < 3)
        return wrong(rd, "has a pre-release or build behind a version with fewer than 3 numbers");
    return true;
}

/* --- comparators --- */

static void add(struct reading *rd, enum comparison op, struct semver version)
{
    struct semver_range *range = rd->range;
    range->at = xrealloc(range->at, (range->n + 1) * sizeof(range->at[0]));
    range->at[range->n++] = (struct comparator){op, version, false};
}

/* The first of those with the next major, minor or patch (0, 1, 2): "-0" is below all others. */
static struct semver next_of(const struct semver *version, size_t which)
{
    struct semver next = {.prerelease = SLICE_LIT("0")};
    for (size_t i = 0; i <= which; i++)
        next.number[i] = version->number[i];
    next.number[which]++;
    return next;
}

static struct semver first_of(const struct semver *version)
{
    struct semver first = *version;
    first.prerelease = SLICE_LIT("0");
    return first;
}

/* From it up to the next: the numbers up to `fixed` stay. */
static void add_span(struct reading *rd, const struct partial *p, size_t fixed)
{
    add(rd, GREATER_EQUAL, p->version);
    if (p->n > 0)
        add(rd, LESS, next_of(&p->version, fixed));
}

static void add_caret(struct reading *rd, const struct partial *p)
{
    size_t fixed = 0;
    while (fixed + 1 < p->n && p->version.number[fixed] == 0)
        fixed++;
    add_span(rd, p, fixed);
}

static void add_tilde(struct reading *rd, const struct partial *p)
{
    add_span(rd, p, p->n > 1 ? 1 : 0);
}

static void add_equal(struct reading *rd, const struct partial *p)
{
    if (p->n == 3)
        add(rd, EQUAL, p->version);
    else
        add_span(rd, p, p->n == 0 ? 0 : p->n - 1);
}

/* Above or below a version with fewer numbers is above or below all that it stands for. */
static void add_compared(struct reading *rd, enum comparison op, const struct partial *p)
{
    bool any = p->n == 0, whole = p->n == 3;
    if ((any && op == GREATER) || (!whole && op == LESS))
        add(rd, LESS, first_of(&p->version)); /* of any: there is none below 0.0.0-0 */
    else if (any)
        add(rd, GREATER_EQUAL, p->version);
    else if (whole || op == GREATER_EQUAL)
        add(rd, op, p->version);
    else if (op == LESS_EQUAL)
        add(rd, LESS, next_of(&p->version, p->n - 1));
    else {
        struct semver next = next_of(&p->version, p->n - 1);
        next.prerelease = (struct slice){0};
        add(rd, GREATER_EQUAL, next);
    }
}

static void add_to(struct reading *rd, const struct partial *p) /* the upper end of A - B */
{
    if (p->n > 0)
        add_compared(rd, LESS_EQUAL, p);
}

/* --- the language --- */

static bool read_hyphen(struct reading *rd, const struct partial *from)
{
    struct partial to;
    (void) skip_blanks(rd);
    if (!read_partial(rd, &to))
        return false;
    add(rd, GREATER_EQUAL, from->version);
    add_to(rd, &to);
    return true;
}

static bool read_comparator(struct reading *rd)
{
    static const struct {
        const char *word;
        void (*add)(struct reading *rd, const struct partial *p);
        enum comparison op;
    } OPERATORS[] = {{"<=", NULL, LESS_EQUAL}, {"<", NULL, LESS},       {">=", NULL, GREATER_EQUAL},
                     {">", NULL, GREATER},     {"=", add_equal, EQUAL}, {"^", add_caret, EQUAL},
                     {"~>", add_tilde, EQUAL}, {"~", add_tilde, EQUAL}};
    struct partial p;
    for (size_t i = 0; i < ARRAY_LEN(OPERATORS); i++) {
        if (!take(rd, OPERATORS[i].word))
            continue;
        (void) skip_blanks(rd);
        if (!read_partial(rd, &p))
            return false;
        if (OPERATORS[i].add != NULL)
            OPERATORS[i].add(rd, &p);
        else
            add_compared(rd, OPERATORS[i].op, &p);
        return true;
    }
    if (!read_partial(rd, &p))
        return false;
    size_t behind = rd->at;
    if (skip_blanks(rd) && take(rd, "- "))
        return read_hyphen(rd, &p);
    rd->at = behind;
    add_equal(rd, &p);
    return true;
}

/* Nothing is "*". */
static bool read_set(struct reading *rd)
{
    size_t before = rd->range->n;
    (void) skip_blanks(rd);
    while (peek(rd) != 0 && peek(rd) != '|') {
        if (!read_comparator(rd))
            return false;
        if (!skip_blanks(rd) && peek(rd) != 0 && peek(rd) != '|')
            return wrong(rd, "has something behind a version that is not of it");
    }
    if (rd->range->n == before)
        add(rd, GREATER_EQUAL, (struct semver){.number = {0}});
    rd->range->at[rd->range->n - 1].last = true;
    return true;
}

struct semver_range *semver_range_new(struct slice text, const char **ret_why)
{
    struct reading rd = {.text = text, .range = xcalloc(1, sizeof(struct semver_range))};
    bool ok = read_set(&rd);
    while (ok && rd.at < text.len)
        ok = take(&rd, "||") ? read_set(&rd) : wrong(&rd, "has a single '|'");
    if (ok)
        return rd.range;
    semver_range_free(rd.range);
    *ret_why = rd.why;
    return NULL;
}

void semver_range_free(struct semver_range *range)
{
    if (range == NULL)
        return;
    free(range->at);
    free(range);
}

/* --- versions of it --- */

static bool fits(const struct comparator *c, const struct semver *version)
{
    int r = semver_compare(version, &c->version);
    switch (c->op) {
    case LESS:
        return r < 0;
    case LESS_EQUAL:
        return r <= 0;
    case EQUAL:
        return r == 0;
    case GREATER_EQUAL:
        return r >= 0;
    case GREATER:
        break;
    }
    return r > 0;
}

static bool names_prerelease_of(const struct comparator *c, const struct semver *version)
{
    return c->version.prerelease.len > 0 &&
           memcmp(c->version.number, version->number, sizeof(version->number)) == 0;
}

bool semver_range_has(const struct semver_range *range, const struct semver *version)
{
    bool all = true, named = version->prerelease.len == 0;
    for (size_t i = 0; i < range->n; i++) {
        const struct comparator *c = &range->at[i];
        all = all && fits(c, version);
        named = named || names_prerelease_of(c, version);
        if (!c->last)
            continue;
        if (all && named)
            return true;
        all = true;
        named = version->prerelease.len == 0;
    }
    return false;
}
