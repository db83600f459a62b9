/* json_string.c - the inside of JSON strings: escapes read, compared and written. */
#include "json_string.h"

#include "json.h"

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* The high bit of each byte of `word` that is zero; those above the lowest may be wrong. */
static uint64_t zero_bytes(uint64_t word)
{
    return (word - EACH_BYTE) & ~word & (EACH_BYTE * 0x80);
}

size_t json_plain_prefix(struct slice s)
{
    size_t i = 0;
    uint64_t word;
    for (; s.len - i >= sizeof(word); i += sizeof(word)) { /* by words, which is most of the text */
        memcpy(&word, s.data + i, sizeof(word));
        uint64_t found = zero_bytes(word ^ EACH_BYTE * '"') | zero_bytes(word ^ EACH_BYTE * '\\') |
                         ((word - EACH_BYTE * 0x20) & ~word & (EACH_BYTE * 0x80));
        if (found == 0)
            continue;
        if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) /* the lowest is the first */
            return i + (size_t) __builtin_ctzll(found) / 8;
        break;
    }
    while (i < s.len && s.data[i] >= 0x20 && s.data[i] != '"' && s.data[i] != '\\')
        i++;
    return i;
}

/* Four hex digits at `at`, or -1. */
static int hex4(struct slice s, size_t at)
{
    if (s.len < 4 || at > s.len - 4)
        return -1;
    unsigned value = 0;
    for (size_t i = at; i < at + 4; i++) {
        unsigned c = s.data[i], low = c | 0x20;
        if (c >= '0' && c <= '9')
            value = value << 4 | (c - '0');
        else if (low >= 'a' && low <= 'f')
            value = value << 4 | (low - 'a' + 10);
        else
            return -1;
    }
    return (int) value;
}

static bool is_high_surrogate(int unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low_surrogate(int unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

int json_unicode_escape(struct slice s, size_t at, size_t *ret_len)
{
    int unit = hex4(s, at + 2);
    if (unit < 0)
        return JSON_ESCAPE_MALFORMED;
    *ret_len = 6;
    if (is_low_surrogate(unit))
        return JSON_ESCAPE_SURROGATE;
    if (!is_high_surrogate(unit))
        return unit;
    if (at + 8 > s.len || s.data[at + 6] != '\\' || s.data[at + 7] != 'u')
        return JSON_ESCAPE_SURROGATE;
    int low = hex4(s, at + 8);
    if (!is_low_surrogate(low))
        return low < 0 ? JSON_ESCAPE_MALFORMED : JSON_ESCAPE_SURROGATE;
    *ret_len = 12;
    return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

uint8_t json_simple_escape(uint8_t c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
        return c;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return 0;
    }
}

/* The bytes that a string stands for, one after another. */
struct unescape {
    struct slice s; /* between the quotes */
    size_t at;
    uint8_t pending[4];
    unsigned n_pending;
};

static unsigned utf8_encode_backwards(int code, uint8_t ret[4])
{
    unsigned n = 0;
    if (code < 0x80) {
        ret[n++] = (uint8_t) code;
        return n;
    }
    int first_mark = code < 0x800 ? 0xc0 : code < 0x10000 ? 0xe0 : 0xf0;
    unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    for (; n < more; code >>= 6)
        ret[n++] = (uint8_t) (0x80 | (code & 0x3f));
    ret[n++] = (uint8_t) (first_mark | code);
    return n;
}

/* -1 at the end. Escapes that are malformed give their own bytes: json_check() refuses them. */
static int unescape_next(struct unescape *u)
{
    if (u->n_pending > 0)
        return u->pending[--u->n_pending];
    if (u->at >= u->s.len)
        return -1;
    uint8_t c = u->s.data[u->at];
    if (c != '\\' || u->at + 1 >= u->s.len) {
        u->at++;
        return c;
    }
    size_t len = 1;
    int code = c;
    if (u->s.data[u->at + 1] == 'u') {
        int unit = json_unicode_escape(u->s, u->at, &len);
        if (unit < 0)
            len = 1;
        else
            code = unit;
    } else if (json_simple_escape(u->s.data[u->at + 1]) != 0) {
        code = json_simple_escape(u->s.data[u->at + 1]);
        len = 2;
    }
    u->at += len;
    u->n_pending = utf8_encode_backwards(code, u->pending);
    return u->pending[--u->n_pending];
}

int json_string_cmp(struct slice a, struct slice b)
{
    struct unescape ua = {.s = a}, ub = {.s = b};
    for (;;) {
        int ca = unescape_next(&ua), cb = unescape_next(&ub);
        if (ca != cb)
            return ca < cb ? -1 : 1;
        if (ca < 0)
            return 0;
    }
}

size_t json_string_copy(struct slice string, char *ret, size_t cap)
{
    struct unescape u = {.s = slice_of(string.data + 1, string.len - 2)};
    size_t len = 0;
    if (memchr(u.s.data, '\\', u.s.len) == NULL) {
        len = u.s.len < cap - 1 ? u.s.len : cap - 1;
        memcpy(ret, u.s.data, len);
    } else {
        for (int c; len < cap - 1 && (c = unescape_next(&u)) >= 0;)
            ret[len++] = (char) c;
    }
    ret[len] = '\0';
    return len;
}

/* `c` as it stands inside a JSON string, or an empty slice when it may stand there as it is. */
static struct slice escape_of(uint8_t c, char space[8])
{
    static const char SHORT[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* a character and its letter */
    static const char HEX[] = "0123456789abcdef";
    if (c >= 0x20 && c != '"' && c != '\\')
        return (struct slice){0};
    space[0] = '\\';
    for (size_t i = 0; i + 1 < sizeof(SHORT); i += 2)
        if ((uint8_t) SHORT[i] == c) {
            space[1] = SHORT[i + 1];
            return slice_of(space, 2);
        }
    memcpy(space + 1, "u00", 3);
    space[4] = HEX[c >> 4];
    space[5] = HEX[c & 15];
    return slice_of(space, 6);
}

static int append_plain_string(struct buf *out, struct slice s)
{
    uint8_t *to;
    int r = buf_reserve(out, s.len + 2, &to);
    if (r < 0)
        return r;
    to[0] = '"';
    if (s.len > 0)
        memcpy(to + 1, s.data, s.len);
    to[s.len + 1] = '"';
    buf_grew(out, s.len + 2);
    return 0;
}

int json_append_string(struct buf *out, struct slice s)
{
    if (json_plain_prefix(s) == s.len)
        return append_plain_string(out, s);
    size_t before = out->len, start = 0;
    int r = buf_append_str(out, "\"");
    for (size_t i = 0; r == 0 && i < s.len; i++) {
        char space[8];
        struct slice escape = escape_of(s.data[i], space);
        if (escape.len == 0)
            continue;
        r = buf_append(out, slice_sub(s, start, i));
        if (r == 0)
            r = buf_append(out, escape);
        start = i + 1;
    }
    if (r == 0)
        r = buf_append(out, slice_sub(s, start, s.len));
    if (r == 0)
        r = buf_append_str(out, "\"");
    if (r < 0)
        out->len = before;
    return r;
}
