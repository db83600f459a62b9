/* filter.c - which events a trigger wants, beyond one image name and one tag. */
#include "filter.h"

#include "err.h"
#include "glob.h"
#include "mem.h"
#include "semver_range.h"

#include <stdlib.h>

#define SEMVER "semver:"
_Static_assert(FILTER_MAX_PATTERNS == 32 && FILTER_MAX_BYTES == 255, "messages name them");

const char *const FILTER_NAMES[FILTER_LISTS] = {"image_names", "tags", "digests", "actors"};

struct pattern {
    char *text; /* as it was given */
    bool negative;
    bool literal;               /* no wildcards */
    struct slice body;          /* of the text, behind "!" and "semver:" */
    struct semver_range *range; /* NULL: none; borrows the text */
};

struct filter {
    struct {
        struct pattern *at;
        size_t n, n_positive;
    } lists[FILTER_LISTS];
};

/* --- whether it is a pattern --- */

static bool is_lower_or_digit(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_letter_or_digit(uint8_t c)
{
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

/* Of a glob: it has no other characters than letters, digits and these, but for its classes. */
static bool has_only(struct slice glob, const char *others)
{
    bool in_class = false;
    for (size_t i = 0; i < glob.len; i++) {
        uint8_t c = glob.data[i];
        if (c == '\\')
            c = glob.data[++i];
        else if (c == '[' || (in_class && c == ']'))
            in_class = c == '[';
        else if (c == '*' || c == '?')
            continue;
        if (!in_class && c != ']' && !is_letter_or_digit(c) && strchr(others, c) == NULL)
            return false;
    }
    return true;
}

static const char *check_image_name(struct slice glob)
{
    const char *why = glob_check(glob, GLOB_PATH);
    if (why == NULL && !has_only(glob, "._-/"))
        why = "has a character that no image's name has; tags and digests have lists of their own";
    return why;
}

static const char *check_tag(struct slice glob)
{
    const char *why = glob_check(glob, GLOB_TEXT);
    if (why == NULL && !has_only(glob, "._-"))
        why = "has a character that no tag has; a range of versions begins with '" SEMVER "'";
    return why;
}

static const char *check_digest(struct slice digest)
{
    static const struct {
        struct slice algorithm;
        size_t len;
    } KNOWN[] = {{SLICE_INIT("sha256:"), 64}, {SLICE_INIT("sha512:"), 128}};
    for (size_t i = 0; i < ARRAY_LEN(KNOWN); i++) {
        struct slice algorithm = KNOWN[i].algorithm;
        if (digest.len < algorithm.len || memcmp(digest.data, algorithm.data, algorithm.len) != 0)
            continue;
        size_t at = algorithm.len;
        while (at < digest.len && ((digest.data[at] >= '0' && digest.data[at] <= '9') ||
                                   (digest.data[at] >= 'a' && digest.data[at] <= 'f')))
            at++;
        size_t digits = at - algorithm.len;
        bool whole = at == digest.len && digits == KNOWN[i].len;
        bool start = at + 1 == digest.len && digest.data[at] == '*' && digits < KNOWN[i].len;
        return whole || start ? NULL
                              : "is neither a whole digest nor the beginning of one with '*' "
                                "behind it; its digits are 0-9 and a-f";
    }
    return "does not begin with 'sha256:' or 'sha512:'";
}

static bool is_range(enum filter_list list, struct slice body)
{
    size_t len = sizeof(SEMVER) - 1;
    return list == FILTER_TAGS && body.len >= len && memcmp(body.data, SEMVER, len) == 0;
}

/* `body` is behind the "!". The range is the caller's. */
static const char *check_body(enum filter_list list, struct slice body,
                              struct semver_range **ret_range)
{
    const char *why = NULL;
    *ret_range = NULL;
    if (body.len > 0 && body.data[0] == '!')
        return "has more than one '!' in front";
    if (is_range(list, body)) {
        *ret_range = semver_range_new(slice_from(body, sizeof(SEMVER) - 1), &why);
        return why;
    }
    switch (list) {
    case FILTER_IMAGE_NAMES:
        return check_image_name(body);
    case FILTER_TAGS:
        return check_tag(body);
    case FILTER_DIGESTS:
        return check_digest(body);
    case FILTER_ACTORS:
    case FILTER_LISTS:
        break;
    }
    return glob_check(body, GLOB_TEXT);
}

static const char *compile(enum filter_list list, struct slice text, struct pattern *ret)
{
    if (text.len > FILTER_MAX_BYTES)
        return "has more than 255 bytes";
    *ret = (struct pattern){.negative = text.len > 0 && text.data[0] == '!'};
    ret->body = slice_from(text, ret->negative);
    const char *why = check_body(list, ret->body, &ret->range);
    ret->literal = why == NULL && ret->range == NULL;
    for (size_t i = 0; ret->literal && i < ret->body.len; i++)
        ret->literal = strchr("*?[\\", ret->body.data[i]) == NULL;
    return why;
}

const char *filter_check(enum filter_list list, struct slice pattern)
{
    struct pattern compiled;
    const char *why = compile(list, pattern, &compiled);
    if (why == NULL)
        semver_range_free(compiled.range);
    return why;
}

/* --- the value --- */

struct filter *filter_new(void)
{
    return xcalloc(1, sizeof(struct filter));
}

static void clear(struct filter *f, enum filter_list list)
{
    for (size_t i = 0; i < f->lists[list].n; i++) {
        semver_range_free(f->lists[list].at[i].range);
        free(f->lists[list].at[i].text);
    }
    free(f->lists[list].at);
    f->lists[list].at = NULL;
    f->lists[list].n = f->lists[list].n_positive = 0;
}

void filter_free(struct filter *f)
{
    if (f == NULL)
        return;
    for (unsigned list = 0; list < FILTER_LISTS; list++)
        clear(f, list);
    free(f);
}

const char *filter_add(struct filter *f, enum filter_list list, struct slice pattern)
{
    struct pattern *at = f->lists[list].at, compiled;
    size_t n = f->lists[list].n;
    if (n == FILTER_MAX_PATTERNS)
        return "is one of more than 32";
    const char *why = filter_check(list, pattern);
    if (why != NULL)
        return why;
    char *text = xslicedup(pattern);
    why = compile(list, slice_str(text), &compiled); /* again: it points into what is kept */
    ASSERT(why == NULL);
    compiled.text = text;
    at = xrealloc(at, (n + 1) * sizeof(*at));
    at[n] = compiled;
    f->lists[list].at = at;
    f->lists[list].n++;
    f->lists[list].n_positive += !compiled.negative;
    return NULL;
}

struct filter *filter_copy(const struct filter *f)
{
    if (f == NULL)
        return NULL;
    struct filter *copy = filter_new();
    for (unsigned list = 0; list < FILTER_LISTS; list++)
        for (size_t i = 0; i < f->lists[list].n; i++) {
            const char *why = filter_add(copy, list, slice_str(f->lists[list].at[i].text));
            ASSERT(why == NULL);
        }
    return copy;
}

size_t filter_size(const struct filter *f, enum filter_list list)
{
    return f == NULL ? 0 : f->lists[list].n;
}

const char *filter_at(const struct filter *f, enum filter_list list, size_t i)
{
    ASSERT(i < filter_size(f, list));
    return f->lists[list].at[i].text;
}

bool filter_is_empty(const struct filter *f)
{
    size_t n = 0;
    for (unsigned list = 0; list < FILTER_LISTS; list++)
        n += filter_size(f, list);
    return n == 0;
}

bool filter_equal(const struct filter *a, const struct filter *b)
{
    for (unsigned list = 0; list < FILTER_LISTS; list++) {
        if (filter_size(a, list) != filter_size(b, list))
            return false;
        for (size_t i = 0; i < filter_size(a, list); i++)
            if (strcmp(filter_at(a, list, i), filter_at(b, list, i)) != 0)
                return false;
    }
    return true;
}

/* --- events --- */

static bool fits_glob(const struct pattern *p, struct slice glob, enum glob_kind kind,
                      struct slice text)
{
    return p->literal ? slice_eq(glob, text) : glob_match(glob, kind, text);
}

static bool fits_image_name(const struct pattern *p, const struct filter_subject *s)
{
    struct slice repository = slice_str(s->repository);
    size_t n = strlen(s->registry_id);
    if (fits_glob(p, p->body, GLOB_PATH, repository))
        return true;
    bool full = p->body.len > n + 1 && memcmp(p->body.data, s->registry_id, n) == 0 &&
                p->body.data[n] == '/';
    return full && fits_glob(p, slice_from(p->body, n + 1), GLOB_PATH, repository);
}

static bool fits_range(const struct pattern *p, struct filter_subject *s)
{
    if (s->reading == FILTER_NOT_READ)
        s->reading =
            semver_read(slice_str(s->tag), &s->version) ? FILTER_VERSION : FILTER_NO_VERSION;
    return s->reading == FILTER_VERSION && semver_range_has(p->range, &s->version);
}

static const char *text_of(const struct filter_subject *s, enum filter_list list)
{
    const char *const TEXTS[FILTER_LISTS] = {s->repository, s->tag, s->digest, s->actor};
    return TEXTS[list];
}

static bool fits(const struct pattern *p, enum filter_list list, struct filter_subject *s)
{
    if (list == FILTER_IMAGE_NAMES)
        return fits_image_name(p, s);
    if (p->range != NULL)
        return fits_range(p, s);
    return fits_glob(p, p->body, GLOB_TEXT, slice_str(text_of(s, list)));
}

static bool passes(const struct filter *f, enum filter_list list, struct filter_subject *s)
{
    bool found = f->lists[list].n_positive == 0;
    if (text_of(s, list)[0] == '\0')
        return found;
    for (size_t i = 0; i < f->lists[list].n; i++) {
        const struct pattern *p = &f->lists[list].at[i];
        if ((p->negative || !found) && fits(p, list, s)) {
            if (p->negative)
                return false;
            found = true;
        }
    }
    return found;
}

enum filter_list filter_refusal(const struct filter *f, struct filter_subject *s)
{
    unsigned list = 0;
    while (f != NULL && list < FILTER_LISTS && (f->lists[list].n == 0 || passes(f, list, s)))
        list++;
    return f == NULL ? FILTER_LISTS : list;
}
