/* list_filter.c - the `filter` of list requests. */
#include "list_filter.h"

#include "slice.h"

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0]))
        s = slice_from(s, 1);
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

static bool is_bare(uint8_t c) /* may stand in a value without quotes */
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* Takes the quotes off. There are no escapes: no name has a quote in it. */
static bool unquote(struct slice *value)
{
    uint8_t quote = value->len > 0 ? value->data[0] : 0;
    bool quoted = quote == '"' || quote == '\'';
    if (quoted) {
        if (value->len < 2 || value->data[value->len - 1] != quote)
            return false;
        *value = slice_sub(*value, 1, value->len - 1);
    }
    for (size_t i = 0; i < value->len; i++) {
        uint8_t c = value->data[i];
        if (quoted ? c < ' ' || c == quote || c == '\\' : !is_bare(c))
            return false;
    }
    return true;
}

bool list_filter_parse(const char *text, struct list_filter *ret)
{
    struct slice s = slice_str(text);
    if (s.len > LIST_FILTER_MAX_BYTES)
        return false;
    s = trim(s);
    if (s.len == 0) {
        ret->name[0] = '\0';
        return true;
    }
    if (s.len < 4 || memcmp(s.data, "name", 4) != 0)
        return false;
    s = trim(slice_from(s, 4));
    if (s.len == 0 || s.data[0] != '=')
        return false;
    s = trim(slice_from(s, 1));
    if (!unquote(&s) || s.len == 0 || s.len >= LIST_FILTER_NAME_SIZE)
        return false;
    memcpy(ret->name, s.data, s.len);
    ret->name[s.len] = '\0';
    return true;
}
