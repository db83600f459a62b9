/* glob.c - patterns of names, with the wildcards of shells and ignore files. */
#include "glob.h"

/* --- one character --- */

static size_t character_len(struct slice text, size_t at)
{
    size_t end = at + 1;
    while (end < text.len && (text.data[end] & 0xc0) == 0x80)
        end++;
    return end - at;
}

/* A member of a class, maybe with a backslash before it; steps behind it. */
static uint8_t next_member(struct slice pattern, size_t *at)
{
    if (pattern.data[*at] == '\\')
        ++*at;
    return pattern.data[(*at)++];
}

/* Steps behind the class that begins at *at. */
static bool class_has(struct slice pattern, size_t *at, uint8_t c)
{
    bool other = pattern.data[++*at] == '!' || pattern.data[*at] == '^', found = false;
    *at += other;
    while (pattern.data[*at] != ']') {
        uint8_t low = next_member(pattern, at), high = low;
        if (pattern.data[*at] == '-' && pattern.data[*at + 1] != ']') {
            ++*at;
            high = next_member(pattern, at);
        }
        found |= c >= low && c <= high;
    }
    ++*at;
    return found != other;
}

/* How many bytes of the text are what the pattern has at *at, which is no `*`; steps behind that.
 * 0: it is something else. */
static size_t match_one(struct slice pattern, size_t *at, struct slice text, size_t from)
{
    switch (pattern.data[*at]) {
    case '?':
        ++*at;
        return character_len(text, from);
    case '[': /* its members are ASCII: a longer character is none of them */
        return class_has(pattern, at, text.data[from]) ? character_len(text, from) : 0;
    default:
        return next_member(pattern, at) == text.data[from];
    }
}

/* --- a text, or a part of a path --- */

/* Only the last `*` is ever tried with more: those before it took as little as they could. */
static bool match_text(struct slice pattern, struct slice text)
{
    size_t at = 0, from = 0, behind_star = SIZE_MAX, taken = 0;
    while (from < text.len) {
        size_t n = 0;
        if (at < pattern.len && pattern.data[at] == '*') {
            behind_star = ++at;
            taken = from;
            continue;
        }
        if (at < pattern.len)
            n = match_one(pattern, &at, text, from);
        if (n == 0 && behind_star == SIZE_MAX)
            return false;
        if (n == 0) {
            at = behind_star;
            taken += character_len(text, taken);
            from = taken;
        }
        from += n;
    }
    while (at < pattern.len && pattern.data[at] == '*')
        at++;
    return at == pattern.len;
}

/* --- a path --- */

/* Up to the next slash. Behind the last part `at` is the length and one. */
static struct slice part_at(struct slice path, size_t at)
{
    const uint8_t *slash = at < path.len ? memchr(path.data + at, '/', path.len - at) : NULL;
    return slice_sub(path, at, slash == NULL ? path.len : (size_t) (slash - path.data));
}

/* As above, with parts for characters: each `**` tries a part again only for as long as it is the
 * last, so the steps add up to the same product. */
static bool match_path(struct slice pattern, struct slice text)
{
    size_t at = 0, from = 0, behind_stars = SIZE_MAX, taken = 0;
    while (from <= text.len) {
        struct slice part = part_at(text, from);
        struct slice want = at <= pattern.len ? part_at(pattern, at) : (struct slice){0};
        if (slice_eq_str(want, "**")) {
            at += want.len + 1;
            if (at > pattern.len)
                return true;
            behind_stars = at;
            taken = from;
        } else if (at <= pattern.len && match_text(want, part)) {
            at += want.len + 1;
            from += part.len + 1;
        } else if (behind_stars == SIZE_MAX) {
            return false;
        } else {
            at = behind_stars;
            taken += part_at(text, taken).len + 1;
            from = taken;
        }
    }
    return at > pattern.len;
}

bool glob_match(struct slice pattern, enum glob_kind kind, struct slice text)
{
    return kind == GLOB_PATH ? match_path(pattern, text) : match_text(pattern, text);
}

/* --- whether it is one --- */

/* Steps to the "]". */
static const char *check_class(struct slice pattern, size_t *at)
{
    size_t i = *at + 1;
    if (i < pattern.len && (pattern.data[i] == '!' || pattern.data[i] == '^'))
        i++;
    if (i < pattern.len && pattern.data[i] == ']')
        return "has nothing between '[' and ']'";
    while (i < pattern.len && pattern.data[i] != ']') {
        uint8_t bounds[2];
        for (size_t n = 0; n < 2; n++) {
            if (pattern.data[i] == '\\' && ++i == pattern.len)
                return "has a '[' without ']'";
            if (pattern.data[i] == '/' || pattern.data[i] >= 0x80)
                return "has '/' or a character that is not ASCII between '[' and ']'";
            bounds[n] = pattern.data[i++];
            bool range = n == 0 && i + 1 < pattern.len && pattern.data[i] == '-' &&
                         pattern.data[i + 1] != ']';
            if (!range) {
                bounds[1] = bounds[n];
                break;
            }
            i++;
        }
        if (bounds[1] < bounds[0])
            return "has a range of characters that runs backwards";
    }
    *at = i;
    return i < pattern.len ? NULL : "has a '[' without ']'";
}

static const char *check_character(struct slice pattern, size_t *at)
{
    uint8_t c = pattern.data[*at];
    if (c == '{' || c == '}')
        return "has a brace: give a pattern for each word, or '\\' before the brace";
    if (c == '[')
        return check_class(pattern, at);
    if (c == '\\' && ++*at == pattern.len)
        return "ends with '\\'";
    if (c == '\\' && (pattern.data[*at] == '/' || pattern.data[*at] >= 0x80))
        return "has '\\' before a character that has no meaning";
    return NULL;
}

static const char *check_parts(struct slice pattern)
{
    for (size_t at = 0; at <= pattern.len;) {
        struct slice part = part_at(pattern, at);
        if (part.len == 0)
            return "begins or ends with '/', or has two of them";
        for (size_t i = 1; part.len > 2 && i < part.len; i++)
            if (part.data[i - 1] == '*' && part.data[i] == '*' &&
                (i == 1 || part.data[i - 2] != '\\'))
                return "has '**' beside other characters: it stands for whole parts between '/'";
        at += part.len + 1;
    }
    return NULL;
}

const char *glob_check(struct slice pattern, enum glob_kind kind)
{
    if (pattern.len == 0)
        return "is empty";
    for (size_t i = 0; i < pattern.len; i++) /* a NUL above all: patterns are kept as strings */
        if (pattern.data[i] < ' ' || pattern.data[i] == 0x7f)
            return "has a control character";
    for (size_t i = 0; i < pattern.len; i++) {
        const char *why = check_character(pattern, &i);
        if (why != NULL)
            return why;
    }
    return kind == GLOB_PATH ? check_parts(pattern) : NULL;
}
