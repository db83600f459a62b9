/* rest_query.c - see rest_query.h. */
#include "rest_query.h"

#include "http.h"
#include "utf8.h"

#include <stdlib.h>

#define NAME_SIZE 64

static struct slice take_until(struct slice *rest, uint8_t separator)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, separator, rest->len);
    size_t len = at == NULL ? rest->len : (size_t) (at - rest->data);
    struct slice part = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, at == NULL ? len : len + 1);
    return part;
}

/* Length, or -EINVAL, -EMSGSIZE. */
static int decode(struct slice in, char *ret, size_t size)
{
    char plain[REST_QUERY_VALUE * 3];
    if (in.len > sizeof(plain))
        return -EMSGSIZE;
    for (size_t i = 0; i < in.len; i++)
        plain[i] = in.data[i] == '+' ? ' ' : (char) in.data[i];
    int len = http_percent_decode(slice_of(plain, in.len), ret, size - 1);
    if (len < 0)
        return len;
    ret[len] = '\0';
    return utf8_valid(slice_of(ret, (size_t) len)) ? len : -EINVAL;
}

static void read_pair(struct slice pair, struct rest_parameter *parameters, size_t n,
                      struct status *found)
{
    char name[NAME_SIZE];
    if (decode(take_until(&pair, '='), name, sizeof(name)) < 0)
        name[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        struct rest_parameter *p = &parameters[i];
        if (strcmp(name, p->camel) != 0 && (p->snake == NULL || strcmp(name, p->snake) != 0))
            continue;
        const char *field = p->snake == NULL ? p->camel : p->snake;
        if (p->given)
            status_violate(found, field, "is there twice");
        else if (decode(pair, p->value, sizeof(p->value)) < 0)
            status_violate(found, field, "is malformed or too long");
        p->given = true;
        return;
    }
    status_violate(found, name[0] == '\0' ? "query" : name, "is not a parameter of this method");
}

void rest_query_read(const char *query, struct rest_parameter *parameters, size_t n,
                     struct status *found)
{
    struct slice rest = slice_str(query);
    while (rest.len > 0) {
        struct slice pair = take_until(&rest, '&');
        if (pair.len > 0)
            read_pair(pair, parameters, n, found);
    }
}

int64_t rest_query_number(const struct rest_parameter *p, struct status *found)
{
    char *end;
    if (p->value[0] == '\0')
        return 0;
    errno = 0;
    long long value = strtoll(p->value, &end, 10);
    bool number = p->value[0] == '-' || (p->value[0] >= '0' && p->value[0] <= '9');
    if (number && *end == '\0' && errno == 0)
        return value;
    status_violate(found, p->snake == NULL ? p->camel : p->snake, "must be a number");
    return 0;
}
