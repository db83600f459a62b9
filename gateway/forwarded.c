/* forwarded.c - see forwarded.h. */
#include "forwarded.h"

#include <string.h>

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && is_space(s.data[0]))
        s = slice_from(s, 1);
    while (s.len > 0 && is_space(s.data[s.len - 1]))
        s.len--;
    return s;
}

/* What is behind the last comma; *value is then what is before it. */
static struct slice take_last(struct slice *value)
{
    size_t at = value->len;
    while (at > 0 && value->data[at - 1] != ',')
        at--;
    struct slice last = slice_from(*value, at);
    value->len = at == 0 ? 0 : at - 1;
    return trimmed(last);
}

static bool is_port(struct slice s)
{
    if (s.len == 0 || s.len > 5)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
    return true;
}

/* 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1] or [2001:db8::1]:80. */
static bool read_element(struct slice s, struct in6_addr *ret)
{
    if (s.len == 0 || network_parse_address(s, ret))
        return s.len > 0;
    bool bracket = s.data[0] == '[';
    const uint8_t *end = memchr(s.data, bracket ? ']' : ':', s.len);
    if (end == NULL)
        return false;
    size_t len = (size_t) (end - s.data);
    struct slice host = slice_sub(s, bracket ? 1 : 0, len), rest = slice_from(s, len);
    bool v6 = host.len > 0 && memchr(host.data, ':', host.len) != NULL;
    if (bracket != v6)
        return false;
    if (bracket)
        rest = slice_from(rest, 1);
    bool port = rest.len > 0 && rest.data[0] == ':' && is_port(slice_from(rest, 1));
    return (port || (bracket && rest.len == 0)) && network_parse_address(host, ret);
}

struct in6_addr forwarded_client(const struct slice *values, size_t n,
                                 const struct networks *trusted, struct in6_addr from)
{
    for (size_t i = n; i > 0; i--) {
        struct slice value = values[i - 1];
        while (value.len > 0) {
            struct in6_addr before;
            if (!networks_have(trusted, &from) || !read_element(take_last(&value), &before))
                return from;
            from = before;
        }
    }
    return from;
}
