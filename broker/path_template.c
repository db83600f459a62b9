/* path_template.c - see path_template.h. */
#include "path_template.h"

#include "utf8.h"

#include <string.h>

#define NOT_SUPPORTED ", which is not supported"

/* --- segments --- */

bool path_take_segment(struct slice *path, struct slice *ret)
{
    if (path->len == 0)
        return false;
    struct slice rest = slice_from(*path, 1);
    const uint8_t *slash = rest.len == 0 ? NULL : memchr(rest.data, '/', rest.len);
    size_t len = slash == NULL ? rest.len : (size_t) (slash - rest.data);
    *ret = slice_sub(rest, 0, len);
    *path = slice_from(rest, len);
    return true;
}

bool path_take_last_segment(struct slice *path, struct slice *ret)
{
    if (path->len == 0)
        return false;
    size_t slash = path->len - 1;
    while (slash > 0 && path->data[slash] != '/')
        slash--;
    *ret = slice_from(*path, slash + 1);
    path->len = slash;
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Takes the next byte off, decoded: 0..255, or -EINVAL for a bad escape. `s` is not empty. */
static int take_byte(struct slice *s)
{
    int byte = s->data[0];
    size_t len = 1;
    if (byte == '%') {
        int high = s->len > 2 ? hex_digit(s->data[1]) : -1;
        int low = s->len > 2 ? hex_digit(s->data[2]) : -1;
        if (high < 0 || low < 0)
            return -EINVAL;
        byte = high * 16 + low;
        len = 3;
    }
    *s = slice_from(*s, len);
    return byte;
}

const char *path_segment_check(struct slice s)
{
    if (s.len == 0)
        return "has an empty segment";
    struct utf8 utf8;
    utf8_init(&utf8);
    size_t n = 0, dots = 0;
    for (; s.len > 0; n++) {
        int byte = take_byte(&s);
        if (byte < 0)
            return "has a '%' that two hex digits do not follow";
        if (byte < 0x20 || byte == 0x7f)
            return "contains a control character";
        if (byte == '/' || byte == '\\')
            return "contains a backslash or an encoded slash";
        dots += byte == '.';
        uint8_t one = (uint8_t) byte;
        if (!utf8_feed(&utf8, slice_of(&one, 1)))
            return "is not UTF-8";
    }
    if (!utf8_complete(&utf8))
        return "is not UTF-8";
    if (n == dots && n <= 2)
        return "has a segment \".\" or \"..\"";
    return NULL;
}

int path_compare_segment(struct slice segment, struct slice text)
{
    size_t i = 0;
    for (; segment.len > 0; i++) {
        if (i == text.len)
            return 1;
        int byte = take_byte(&segment);
        if (byte != text.data[i])
            return byte < text.data[i] ? -1 : 1;
    }
    return i == text.len ? 0 : -1;
}

size_t path_decode_segment(struct slice segment, char *ret)
{
    size_t n = 0;
    while (segment.len > 0)
        ret[n++] = (char) take_byte(&segment);
    return n;
}

/* --- templates --- */

static bool has_brace(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '{' || s.data[i] == '}')
            return true;
    }
    return false;
}

struct slice path_param_name(struct slice segment)
{
    size_t end = segment.len - 1;
    return slice_sub(segment, 1, segment.data[end - 1] == '+' ? end - 1 : end);
}

enum path_part path_part(struct slice segment)
{
    if (segment.data[0] != '{')
        return PATH_FIXED;
    return segment.data[segment.len - 2] == '+' ? PATH_GREEDY : PATH_PARAM;
}

/* "file.{ext}", "{a}-{b}": there is a parameter, and more. */
static bool has_partial_param(struct slice s)
{
    const uint8_t *open = memchr(s.data, '{', s.len);
    if (open == NULL)
        return false;
    size_t at = (size_t) (open - s.data);
    const uint8_t *close = memchr(open, '}', s.len - at);
    if (close == NULL || close == open + 1)
        return false;
    return at > 0 || close != s.data + s.len - 1;
}

static const char *param_check(struct slice segment, bool spec)
{
    if (has_partial_param(segment))
        return "has a parameter that is only a part of a segment" NOT_SUPPORTED;
    if (segment.len < 2 || segment.data[0] != '{' || segment.data[segment.len - 1] != '}')
        return "has braces that do not enclose a whole segment";
    struct slice name = path_param_name(segment);
    if (name.len == 0)
        return "has a parameter without a name";
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        bool fine = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!fine && c != '_' && !(spec && (c == '-' || c == '.')))
            return spec ? "has a parameter name with other characters than letters, digits, '_', "
                          "'-' and '.'"
                        : "has a parameter name with other characters than letters, digits and '_'";
    }
    return NULL;
}

static bool has_param(struct slice path, struct slice name)
{
    struct slice segment;
    while (path_take_segment(&path, &segment)) {
        if (path_part(segment) != PATH_FIXED && slice_eq(path_param_name(segment), name))
            return true;
    }
    return false;
}

static const char *segments_check(struct slice whole, bool spec)
{
    struct slice rest = whole, segment;
    bool greedy = false;
    while (rest.len > 0) {
        struct slice before = slice_sub(whole, 0, whole.len - rest.len);
        (void) path_take_segment(&rest, &segment);
        const char *why =
            has_brace(segment) ? param_check(segment, spec) : path_segment_check(segment);
        if (why != NULL)
            return why;
        enum path_part part = path_part(segment);
        /* One at most: with two there would be several ways to share out the segments. */
        if (part == PATH_GREEDY && greedy)
            return "has more than one {name+}" NOT_SUPPORTED;
        greedy = greedy || part == PATH_GREEDY;
        if (part != PATH_FIXED && has_param(before, path_param_name(segment)))
            return "has two parameters of one name";
    }
    return NULL;
}

static const char *check(const char *name, bool spec)
{
    struct slice whole = slice_str(name);
    if (whole.len == 0 || whole.data[0] != '/')
        return "does not start with '/'";
    if (whole.len == 1)
        return NULL;
    if (whole.len > PATH_TEMPLATE_MAX)
        return "is longer than 255 bytes";
    if (whole.data[whole.len - 1] == '/') {
        if (!spec)
            return "ends with '/'";
        whole.len--;
    }
    if (whole.len == 1)
        return "has an empty segment";
    if (strpbrk(name, "?#") != NULL)
        return "contains '?' or '#'";
    return segments_check(whole, spec);
}

const char *path_template_check(const char *name)
{
    return check(name, false);
}

const char *path_template_check_spec(const char *name)
{
    return check(name, true);
}

/* --- parameters --- */

static struct slice without_last_slash(struct slice path)
{
    return path.len > 0 && path.data[path.len - 1] == '/' ? slice_sub(path, 0, path.len - 1) : path;
}

static size_t count_segments(struct slice path)
{
    struct slice segment;
    size_t n = 0;
    while (path_take_segment(&path, &segment))
        n++;
    return n;
}

/* The next `n` segments as one. */
static struct slice take_segments(struct slice *path, size_t n)
{
    struct slice first, last;
    if (n == 0 || !path_take_segment(path, &first))
        return (struct slice){0};
    for (last = first; n > 1 && path_take_segment(path, &last); n--)
        ;
    return slice_of(first.data, (size_t) (last.data + last.len - first.data));
}

size_t path_params(const char *name, struct slice request_path, struct path_param *ret, size_t most)
{
    struct slice template = without_last_slash(slice_str(name)), segment,
                 request = without_last_slash(request_path);
    size_t n = 0, n_template = count_segments(template), n_request = count_segments(request);
    while (path_take_segment(&template, &segment)) {
        enum path_part part = path_part(segment);
        size_t take = part != PATH_GREEDY      ? 1
                      : n_request < n_template ? 0
                                               : n_request - n_template + 1;
        struct slice value = take_segments(&request, take);
        if (part != PATH_FIXED && n < most)
            ret[n++] = (struct path_param){path_param_name(segment), value};
    }
    return n;
}
