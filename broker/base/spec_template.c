/* spec_template.c - which paths of a specification can be matched. The rules are those of
 * broker/path.h, which does it; here they are needed to say where in the file one is broken. */
#include "spec_private.h"

#include "utf8.h"

static const char *check_name(struct slice name)
{
    if (name.len > 0 && name.data[name.len - 1] == '+')
        name.len--;
    if (name.len == 0)
        return "it has a parameter without a name";
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        bool fine = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!fine && c != '_' && c != '-' && c != '.')
            return "a parameter's name has other characters than letters, digits, '_', '-' and '.'";
    }
    return NULL;
}

static const char *check_fixed(struct slice s)
{
    if (s.len == 0)
        return "it has an empty segment";
    if (slice_eq_str(s, ".") || slice_eq_str(s, ".."))
        return "it has a segment that is \".\" or \"..\"";
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c < ' ' || c == 0x7f || c == '\\')
            return "it has a control character or a backslash";
        if (c == '%')
            return "it has a '%': write the characters themselves";
    }
    return NULL;
}

/* The next segment, without its '/'. */
static bool take_segment(const char **at, struct slice *ret)
{
    if (**at != '/')
        return false;
    size_t len = strcspn(*at + 1, "/");
    *ret = slice_of(*at + 1, len);
    *at += len + 1;
    return true;
}

static bool is_param(struct slice segment, struct slice *ret_name, bool *ret_greedy)
{
    if (segment.data == NULL || segment.len < 2 || segment.data[0] != '{' ||
        segment.data[segment.len - 1] != '}')
        return false;
    struct slice name = slice_of(segment.data + 1, segment.len - 2);
    *ret_greedy = name.len > 0 && name.data[name.len - 1] == '+';
    name.len -= *ret_greedy;
    *ret_name = name;
    return true;
}

static const char *check_segment(struct slice s, struct slice *ret_name, bool *ret_greedy)
{
    bool brace = memchr(s.data, '{', s.len) != NULL || memchr(s.data, '}', s.len) != NULL;
    if (!is_param(s, ret_name, ret_greedy))
        return brace ? "it has a parameter that is only part of a segment" : check_fixed(s);
    return check_name(slice_sub(s, 1, s.len - 1));
}

const char *spec_template_check(const char *path)
{
    const char *at = path;
    struct slice segment, name = {0};
    unsigned n_greedy = 0;
    if (path[0] != '/')
        return "it does not begin with '/'";
    if (path[1] == '\0')
        return NULL;
    if (strlen(path) > SPEC_MAX_PATH)
        return "it is longer than 255 bytes";
    if (strpbrk(path, "?#") != NULL || !utf8_valid(slice_str(path)))
        return "it has a '?' or '#', or is not UTF-8";
    while (strcmp(at, "/") != 0 && take_segment(&at, &segment)) { /* it may end with one */
        bool greedy = false, again;
        name.len = 0;
        const char *why = check_segment(segment, &name, &greedy);
        if (why != NULL)
            return why;
        n_greedy += greedy;
        char before[SPEC_MAX_PATH + 1] = "";
        memcpy(before, path, (size_t) ((const char *) segment.data - 1 - path));
        if (name.len > 0 && spec_template_has(before, name, &again))
            return "it has two parameters of one name";
    }
    return n_greedy > 1 ? "it has more than one {name+}" : NULL;
}

bool spec_template_has(const char *path, struct slice name, bool *ret_greedy)
{
    struct slice segment, of;
    bool greedy;
    while (take_segment(&path, &segment))
        if (is_param(segment, &of, &greedy) && slice_eq(of, name)) {
            *ret_greedy = greedy;
            return true;
        }
    return false;
}

bool spec_template_is_greedy(const char *path)
{
    return strstr(path, "+}") != NULL;
}
