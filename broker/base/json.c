/* json.c - what must hold before cJSON sees a text. No recursion: stack, memory and work are
 * bounded by JSON_MAX_DEPTH and JSON_MAX_TOKENS, whatever a peer sends. */
#include "json.h"

#include "json_string.h"
#include "utf8.h"

#include <stdlib.h>

/* A key takes one token and its value another. */
#define MAX_KEYS     (JSON_MAX_TOKENS / 2 + 1)
#define FEW_KEYS     16 /* compared each with each, which for so few is faster than to sort them */
#define NOWHERE      (-2) /* of places: none */
#define EIGHT_SPACES UINT64_C(0x2020202020202020)

struct key {
    uint32_t start, len; /* between the quotes */
    bool escaped;        /* holds a backslash */
};

struct scan {
    struct slice text;
    size_t at;
    unsigned tokens, depth;
    /* Per open container: is it an object, and where its keys begin. The keys of all open objects
     * lie one after another, for the one opened last closes first. */
    bool object[JSON_MAX_DEPTH];
    uint32_t keys_from[JSON_MAX_DEPTH];
    uint32_t n_keys;
    const struct json_place *places;
    struct slice *values;
    int n_places;
    int here, inside; /* the place of the key just read, and of the container open at depth 2 */
    struct key keys[MAX_KEYS];
};

/* Registries indent: most white space is spaces, and many of them. */
static size_t skip_indent(struct slice s, size_t at)
{
    for (uint64_t word; s.len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, s.data + at, sizeof(word));
        if (word != EIGHT_SPACES)
            break;
    }
    return at;
}

static size_t skip_space(struct slice s, size_t at)
{
    while (at < s.len && s.data[at] <= ' ') {
        uint8_t c = s.data[at];
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            break;
        at = skip_indent(s, at + 1);
    }
    return at;
}

/* s->at is behind the opening quote; moves it behind the closing one. NULL, or what is wrong. */
static const char *scan_string(struct scan *s, struct key *ret)
{
    const uint8_t *text = s->text.data;
    size_t start = s->at;
    ret->escaped = false;
    for (;;) {
        s->at += json_plain_prefix(slice_from(s->text, s->at));
        if (s->at == s->text.len)
            break;
        uint8_t c = text[s->at];
        if (c == '"') {
            ret->start = (uint32_t) start;
            ret->len = (uint32_t) (s->at - start);
            s->at++;
            return NULL;
        }
        if (c < 0x20)
            return c == 0 ? "nul" : "control";
        ret->escaped = true;
        if (s->at + 1 >= s->text.len)
            break;
        if (text[s->at + 1] == 'u') {
            size_t len;
            int code = json_unicode_escape(s->text, s->at, &len);
            if (code <= 0)
                return code == 0 ? "nul" : code == JSON_ESCAPE_SURROGATE ? "utf8" : "syntax";
            s->at += len;
        } else {
            if (json_simple_escape(text[s->at + 1]) == 0)
                return "syntax";
            s->at += 2;
        }
    }
    return "syntax";
}

static int key_cmp(const void *pa, const void *pb, void *text)
{
    const struct key *a = pa, *b = pb;
    struct slice sa = {(const uint8_t *) text + a->start, a->len};
    struct slice sb = {(const uint8_t *) text + b->start, b->len};
    if (a->escaped || b->escaped)
        return json_string_cmp(sa, sb);
    int r = memcmp(sa.data, sb.data, sa.len < sb.len ? sa.len : sb.len);
    return r != 0 ? r : (sa.len > sb.len) - (sa.len < sb.len);
}

static bool has_duplicate_of_few(const struct scan *s, uint32_t from)
{
    for (uint32_t i = from + 1; i < s->n_keys; i++) {
        const struct key *a = &s->keys[i];
        for (uint32_t k = from; k < i; k++) {
            const struct key *b = &s->keys[k];
            if ((a->len == b->len || a->escaped || b->escaped) &&
                key_cmp(a, b, (void *) (uintptr_t) s->text.data) == 0)
                return true;
        }
    }
    return false;
}

/* Sorted, equal keys are neighbours. A hash table would be faster for honest objects, but without a
 * secret a peer could make every key collide; with this the worst case is n log n. */
static bool has_duplicate(struct scan *s, uint32_t from)
{
    void *text = (void *) (uintptr_t) s->text.data;
    size_t n = s->n_keys - from;
    if (n <= FEW_KEYS)
        return has_duplicate_of_few(s, from);
    qsort_r(s->keys + from, n, sizeof(struct key), key_cmp, text);
    for (size_t i = from + 1; i < s->n_keys; i++)
        if (key_cmp(&s->keys[i - 1], &s->keys[i], text) == 0)
            return true;
    return false;
}

static bool is_digit(struct slice s, size_t at)
{
    return at < s.len && s.data[at] >= '0' && s.data[at] <= '9';
}

/* s->at is on '-' or a digit. NULL or what is wrong. */
static const char *scan_number(struct scan *s)
{
    struct slice t = s->text;
    size_t at = s->at;
    if (t.data[at] == '-')
        at++;
    if (!is_digit(t, at))
        return "number";
    if (t.data[at] == '0')
        at++;
    else
        while (is_digit(t, at))
            at++;
    if (is_digit(t, at))
        return "number"; /* 01 */
    if (at < t.len && t.data[at] == '.') {
        if (!is_digit(t, ++at))
            return "number";
        while (is_digit(t, at))
            at++;
    }
    if (at < t.len && (t.data[at] | 0x20) == 'e') {
        at++;
        if (at < t.len && (t.data[at] == '+' || t.data[at] == '-'))
            at++;
        if (!is_digit(t, at))
            return "number";
        while (is_digit(t, at))
            at++;
    }
    s->at = at; /* however large: it is passed over or forwarded as text, never computed with */
    return NULL;
}

static const char *scan_scalar(struct scan *s)
{
    static const char *const WORDS[] = {"true", "false", "null"};
    uint8_t c = s->text.data[s->at];
    if (c == '"') {
        struct key unused;
        s->at++;
        return scan_string(s, &unused);
    }
    if (c == '-' || is_digit(s->text, s->at))
        return scan_number(s);
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
        size_t len = strlen(WORDS[i]);
        if (s->text.len - s->at >= len && memcmp(s->text.data + s->at, WORDS[i], len) == 0) {
            s->at += len;
            return NULL;
        }
    }
    return c == 0 ? "nul" : "syntax";
}

enum expect {
    EXPECT_VALUE,
    EXPECT_FIRST_VALUE, /* or ']' */
    EXPECT_KEY,
    EXPECT_FIRST_KEY, /* or '}' */
    EXPECT_NEXT,      /* ',' or the end of the container */
    EXPECT_END
};

static enum expect after_value(const struct scan *s)
{
    return s->depth > 0 ? EXPECT_NEXT : EXPECT_END;
}

static const char *step_close(struct scan *s, enum expect *expect)
{
    s->at++;
    s->depth--;
    if (s->object[s->depth] && has_duplicate(s, s->keys_from[s->depth]))
        return "duplicate_key";
    s->n_keys = s->keys_from[s->depth];
    *expect = after_value(s);
    return NULL;
}

/* Which place a key is. Its object is the outermost, or open at depth 2 in one of the places. */
static int place_of(const struct scan *s, const struct key *key)
{
    int parent = s->depth == 1 ? -1 : s->depth == 2 ? s->inside : NOWHERE;
    struct slice name = slice_sub(s->text, key->start, key->start + key->len);
    for (int i = 0; parent != NOWHERE && i < s->n_places; i++) {
        const struct json_place *p = &s->places[i];
        if (p->parent != parent)
            continue;
        if (key->escaped ? json_string_cmp(name, p->key) == 0 : slice_eq(name, p->key))
            return i;
    }
    return NOWHERE;
}

static const char *step_scalar(struct scan *s, enum expect *expect)
{
    size_t start = s->at;
    int here = s->here;
    s->here = NOWHERE;
    *expect = after_value(s);
    const char *why = scan_scalar(s);
    if (here != NOWHERE)
        s->values[here] = slice_sub(s->text, start, s->at);
    return why;
}

static const char *step_value(struct scan *s, enum expect *expect)
{
    if (++s->tokens > JSON_MAX_TOKENS)
        return "tokens";
    uint8_t c = s->text.data[s->at];
    if (c != '{' && c != '[')
        return step_scalar(s, expect);
    if (s->depth == JSON_MAX_DEPTH)
        return "depth";
    if (s->here != NOWHERE)
        s->values[s->here] = slice_sub(s->text, s->at, s->at + 1);
    if (s->depth == 1)
        s->inside = s->here;
    s->here = NOWHERE;
    s->object[s->depth] = c == '{';
    s->keys_from[s->depth] = s->n_keys;
    s->depth++;
    s->at++;
    *expect = c == '{' ? EXPECT_FIRST_KEY : EXPECT_FIRST_VALUE;
    return NULL;
}

static const char *step_key(struct scan *s, enum expect *expect)
{
    if (s->text.data[s->at] != '"')
        return "syntax";
    if (++s->tokens > JSON_MAX_TOKENS)
        return "tokens";
    s->at++;
    const char *why = scan_string(s, &s->keys[s->n_keys]);
    if (why != NULL)
        return why;
    if (s->n_places > 0)
        s->here = place_of(s, &s->keys[s->n_keys]);
    s->n_keys++;
    s->at = skip_space(s->text, s->at);
    if (s->at >= s->text.len || s->text.data[s->at] != ':')
        return "syntax";
    s->at++;
    *expect = EXPECT_VALUE;
    return NULL;
}

/* One step from a byte that is not white space. NULL or what is wrong. */
static const char *step(struct scan *s, enum expect *expect)
{
    uint8_t c = s->text.data[s->at];
    switch (*expect) {
    case EXPECT_FIRST_VALUE:
        if (c == ']')
            return step_close(s, expect);
        return step_value(s, expect);
    case EXPECT_VALUE:
        return step_value(s, expect);
    case EXPECT_FIRST_KEY:
        if (c == '}')
            return step_close(s, expect);
        return step_key(s, expect);
    case EXPECT_KEY:
        return step_key(s, expect);
    case EXPECT_NEXT:
        if (c == (s->object[s->depth - 1] ? '}' : ']'))
            return step_close(s, expect);
        if (c != ',')
            return "syntax";
        s->at++;
        *expect = s->object[s->depth - 1] ? EXPECT_KEY : EXPECT_VALUE;
        return NULL;
    case EXPECT_END:
        break;
    }
    return "syntax";
}

int json_check(struct slice text, const char **ret_why)
{
    return json_check_places(text, NULL, 0, NULL, ret_why);
}

int json_check_places(struct slice text, const struct json_place *places, size_t n,
                      struct slice *values, const char **ret_why)
{
    struct scan s; /* most of it is keys, which are set as they come */
    s.text = text;
    s.at = 0;
    s.tokens = s.depth = 0;
    s.n_keys = 0;
    s.places = places;
    s.values = values;
    s.n_places = (int) n;
    s.here = s.inside = NOWHERE;
    for (size_t i = 0; i < n; i++)
        values[i] = (struct slice){0};
    const char *why = NULL;
    if (text.len > UINT32_MAX) /* what struct key can say */
        why = "tokens";
    else if (!utf8_valid(text))
        why = "utf8";
    enum expect expect = EXPECT_VALUE;
    while (why == NULL) {
        s.at = skip_space(text, s.at);
        if (s.at < text.len)
            why = step(&s, &expect);
        else if (expect == EXPECT_END)
            return 0;
        else
            why = "syntax";
    }
    *ret_why = why;
    return -EBADMSG;
}

/* Behind the string that begins at `at`; SIZE_MAX when it does not end. A quote ends it unless an
 * odd number of backslashes stands before it. */
static size_t string_end(struct slice s, size_t at)
{
    const uint8_t *first = s.data + at + 1, *end = s.data + s.len;
    for (const uint8_t *p = first; p < end; p++) {
        p = memchr(p, '"', (size_t) (end - p));
        if (p == NULL)
            break;
        const uint8_t *q = p;
        while (q > first && q[-1] == '\\')
            q--;
        if ((p - q) % 2 == 0)
            return (size_t) (p - s.data) + 1;
    }
    return SIZE_MAX;
}

/* Moves *at, on a value's first byte, behind the value by counting brackets outside of strings. */
static int skip_value(struct slice s, size_t *at)
{
    static const bool MARKS[256] = {
        ['"'] = true, ['{'] = true, ['['] = true, ['}'] = true, [']'] = true};
    static const bool ENDS[256] = {
        [','] = true, [']'] = true, ['}'] = true,  [':'] = true,  ['"'] = true, ['['] = true,
        ['{'] = true, [' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true};
    size_t i = *at, depth = 0;
    do {
        if (i >= s.len)
            return -EBADMSG;
        uint8_t c = s.data[i];
        if (c == '"') {
            i = string_end(s, i);
            if (i == SIZE_MAX)
                return -EBADMSG;
        } else if (c == '{' || c == '[') {
            depth++;
            i++;
        } else if (depth > 0) {
            depth -= c == '}' || c == ']';
            i++;
            while (depth > 0 && i < s.len && !MARKS[s.data[i]])
                i = skip_indent(s, i + 1);
        } else {
            while (i < s.len && !ENDS[s.data[i]])
                i++;
            if (i == *at)
                return -EBADMSG;
        }
    } while (depth > 0);
    *at = i;
    return 0;
}

/* Behind the value that began at `start`: fine if the container goes on or ends here. */
static int expect_delimiter(struct slice s, size_t at, uint8_t closing)
{
    at = skip_space(s, at);
    return at < s.len && (s.data[at] == ',' || s.data[at] == closing) ? 0 : -EBADMSG;
}

static int only_space_after(struct slice s, size_t at)
{
    return skip_space(s, at) == s.len ? 0 : -EBADMSG;
}

int json_next(struct slice array, size_t *at, struct slice *ret)
{
    bool first = *at == 0;
    size_t i = skip_space(array, *at);
    if (i >= array.len || (first && array.data[i] != '['))
        return -EBADMSG;
    if (first)
        i = skip_space(array, i + 1);
    if (i < array.len && array.data[i] == ']')
        return only_space_after(array, i + 1) < 0 ? -EBADMSG : 1;
    if (!first) {
        if (array.data[i] != ',')
            return -EBADMSG;
        i = skip_space(array, i + 1);
    }
    size_t start = i;
    if (skip_value(array, &i) < 0 || expect_delimiter(array, i, ']') < 0)
        return -EBADMSG;
    *at = i;
    *ret = slice_sub(array, start, i);
    return 0;
}

/* One member from `*at` on: its key between the quotes, and its value. */
static int next_member(struct slice object, size_t *at, struct slice *ret_key,
                       struct slice *ret_value)
{
    size_t start = *at, i = *at;
    if (i >= object.len || object.data[i] != '"' || skip_value(object, &i) < 0)
        return -EBADMSG;
    *ret_key = slice_sub(object, start + 1, i - 1);
    i = skip_space(object, i);
    if (i >= object.len || object.data[i] != ':')
        return -EBADMSG;
    start = i = skip_space(object, i + 1);
    if (skip_value(object, &i) < 0 || expect_delimiter(object, i, '}') < 0)
        return -EBADMSG;
    *ret_value = slice_sub(object, start, i);
    *at = skip_space(object, i);
    return 0;
}

/* `key` is no JSON text: a backslash in it stands for itself, which no key of ours has. */
static bool is_key(struct slice name, struct slice key)
{
    bool differs = name.len > 0 && key.len > 0 && name.data[0] != '\\' &&
                   name.data[0] != key.data[0]; /* of 60,000 keys nearly all do */
    return !differs && json_string_cmp(name, key) == 0;
}

int json_member(struct slice object, const char *key, struct slice *ret)
{
    struct slice wanted = slice_str(key), found = {0}, name, value;
    bool is_there = false;
    size_t i = skip_space(object, 0);
    if (i >= object.len || object.data[i] != '{')
        return -EBADMSG;
    i = skip_space(object, i + 1);
    if (i < object.len && object.data[i] == '}')
        return only_space_after(object, i + 1) < 0 ? -EBADMSG : -ENOENT;
    for (;;) {
        if (next_member(object, &i, &name, &value) < 0)
            return -EBADMSG;
        if (is_key(name, wanted)) {
            if (is_there)
                return -EBADMSG;
            is_there = true;
            found = value;
        }
        if (object.data[i] == '}')
            break;
        i = skip_space(object, i + 1);
    }
    if (only_space_after(object, i + 1) < 0)
        return -EBADMSG;
    if (!is_there)
        return -ENOENT;
    *ret = found;
    return 0;
}

size_t json_count_members(struct slice object, size_t most)
{
    struct slice name, value;
    size_t n = 0, i = skip_space(object, 0);
    if (i >= object.len || object.data[i] != '{')
        return 0;
    i = skip_space(object, i + 1);
    while (n < most && next_member(object, &i, &name, &value) == 0) {
        n++;
        if (object.data[i] == '}')
            break;
        i = skip_space(object, i + 1);
    }
    return n;
}
